//! Removal of one level of escapes from a document that was escaped as a whole.

use crate::strict::escape_length;

/// Removes escapes from a text that arrives in pieces.
#[derive(Debug, Default)]
pub(crate) struct Unescaper {
    /// An escape that has not arrived completely.
    incomplete: Vec<u8>,
}

impl Unescaper {
    /// Takes the next piece and appends its unescaped form to `out`.
    pub(crate) fn feed(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        let joined = [std::mem::take(&mut self.incomplete).as_slice(), piece].concat();
        let mut rest = joined.as_slice();
        while let Some(found) = memchr::memchr(b'\\', rest) {
            let (plain, escape) = rest.split_at(found);
            out.extend_from_slice(plain);
            if is_incomplete(escape) {
                self.incomplete = escape.to_vec();
                return;
            }
            rest = escape.get(unescape_one(escape, out)..).unwrap_or_default();
        }
        out.extend_from_slice(rest);
    }

    /// Appends an incomplete escape to `out`, because the text ends.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.incomplete);
    }
}

/// Returns whether more bytes must arrive before an escape is known.
fn is_incomplete(escape: &[u8]) -> bool {
    let digits = escape.get(2..).unwrap_or_default();
    match escape.get(1) {
        None => true,
        Some(b'u') => digits.len() < 4 && digits.iter().all(u8::is_ascii_hexdigit),
        Some(_) => false,
    }
}

/// Appends the character for an escape and returns the length of the escape.
fn unescape_one(escape: &[u8], out: &mut Vec<u8>) -> usize {
    let plain = match escape.get(1) {
        Some(byte @ (b'"' | b'\\' | b'/')) => *byte,
        Some(b'n') => b'\n',
        Some(b't') => b'\t',
        Some(b'r') => b'\r',
        // Any other escape means the same character one level up, and stays.
        _ => {
            let length = escape_length(escape).unwrap_or(1);
            out.extend_from_slice(escape.get(..length).unwrap_or_default());
            return length;
        }
    };
    out.push(plain);
    2
}
