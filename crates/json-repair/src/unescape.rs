//! Takes one level of escapes from a text in which everything was escaped once too often.

use crate::strict::escape_length;

/// Takes escapes away, however the text is cut.
#[derive(Debug, Default)]
pub(crate) struct Unescaper {
    /// An escape of which more must come.
    incomplete: Vec<u8>,
}

impl Unescaper {
    /// Takes in a piece and appends what it stands for.
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

    /// Appends what is left when nothing more comes.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.incomplete);
    }
}

/// Whether more of an escape must come before it can be told which it is.
fn is_incomplete(escape: &[u8]) -> bool {
    let digits = escape.get(2..).unwrap_or_default();
    match escape.get(1) {
        None => true,
        Some(b'u') => digits.len() < 4 && digits.iter().all(u8::is_ascii_hexdigit),
        Some(_) => false,
    }
}

/// Appends what an escape stands for. How long it is.
fn unescape_one(escape: &[u8], out: &mut Vec<u8>) -> usize {
    let plain = match escape.get(1) {
        Some(byte @ (b'"' | b'\\' | b'/')) => *byte,
        Some(b'n') => b'\n',
        Some(b't') => b'\t',
        Some(b'r') => b'\r',
        // What stands for a character stands for it one level up as well.
        _ => {
            let length = escape_length(escape).unwrap_or(1);
            out.extend_from_slice(escape.get(..length).unwrap_or_default());
            return length;
        }
    };
    out.push(plain);
    2
}
