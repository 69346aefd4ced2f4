//! Escapes in strings: those that JSON does not have, and those that JSON requires.

use super::{Parser, StepResult, state::StringState};
use crate::{lookahead::SourceText, report::FlawKind, strict::must_be_escaped, typography::Quote};

/// The bytes that models escape for Markdown or a shell. A backslash before any other byte belongs
/// to a path, a pattern or a formula, and stays.
const UNNEEDED_ESCAPES: &[u8] = b"'`$&_*#!@~>%";

impl Parser {
    /// Reads a backslash in a string, with the bytes behind it.
    pub(super) fn read_escape(
        &mut self,
        source: SourceText<'_>,
        string: &mut StringState,
    ) -> StepResult {
        let at = string.scan;
        if let Some(length) = source.escape_length_at(at)? {
            string.scan += length;
            return Ok(());
        }
        let next = source.peek(at + 1)?;
        if next == Some(b'x') {
            source.peek(at + 3)?;
        }
        let truncated =
            next.is_none() || (next == Some(b'u') && self.ends_in_unicode_escape(source, at));
        self.record_at(if truncated { FlawKind::Truncated } else { FlawKind::WrongEscape }, at);
        self.write_content(source, string, at);
        if truncated {
            self.position = source.bytes.len();
        } else {
            self.repair_escape(source, string, next.unwrap_or_default());
        }
        string.scan = self.position;
        Ok(())
    }

    /// Returns whether the text ends in the digits of a `\u` escape.
    fn ends_in_unicode_escape(&self, source: SourceText<'_>, at: usize) -> bool {
        let rest = source.tail(at + 2);
        rest.len() < 4 && rest.iter().all(u8::is_ascii_hexdigit)
    }

    /// Writes the character for a backslash at the parser's position and the byte behind it.
    fn repair_escape(&mut self, source: SourceText<'_>, string: &StringState, next: u8) {
        let at = self.position;
        // JavaScript and Python have other escapes; their strings have these quotes.
        let foreign = matches!(string.quote, Quote::Single | Quote::Backtick);
        let hex = source.tail(at + 2).get(..2).and_then(hex_byte);
        let quote = source.quote_at(at + 1);
        let (is_quote, width) = (quote.is_some(), quote.map_or(1, |(_, width)| width));
        let out = self.output_for(string);
        let length = match (next, hex) {
            (b'x', Some(byte)) if foreign => {
                write_unicode_escape(out, byte);
                4
            }
            (b'0', _) if foreign => {
                write_unicode_escape(out, 0);
                2
            }
            (b'v', _) if foreign => {
                write_unicode_escape(out, 0x0b);
                2
            }
            (b'\n', _) if foreign => 2,
            _ if is_quote || UNNEEDED_ESCAPES.contains(&next) => {
                out.extend_from_slice(source.bytes.get(at + 1..at + 1 + width).unwrap_or_default());
                1 + width
            }
            _ => {
                out.extend_from_slice(b"\\\\");
                1
            }
        };
        self.position = at + length;
    }
}

/// Returns the byte for two hexadecimal digits.
fn hex_byte(digits: &[u8]) -> Option<u8> {
    let text = std::str::from_utf8(digits).ok()?;
    u8::from_str_radix(text, 16).ok()
}

/// Writes a piece of a string and escapes the bytes that JSON requires to be escaped. Existing
/// escapes stay.
pub(super) fn write_escaped(out: &mut Vec<u8>, piece: &[u8]) {
    let mut rest = piece;
    while let Some(found) = rest.iter().position(|byte| must_be_escaped(*byte)) {
        let (plain, special) = rest.split_at(found);
        out.extend_from_slice(plain);
        let length = if special.first() == Some(&b'\\') { 2 } else { 1 };
        let (special, after) = special.split_at(length.min(special.len()));
        match special {
            [b'"'] => out.extend_from_slice(b"\\\""),
            [b'\n'] => out.extend_from_slice(b"\\n"),
            [b'\t'] => out.extend_from_slice(b"\\t"),
            [b'\r'] => out.extend_from_slice(b"\\r"),
            [control @ 0..=0x1f] => write_unicode_escape(out, *control),
            escape => out.extend_from_slice(escape),
        }
        rest = after;
    }
    out.extend_from_slice(rest);
}

/// Writes a byte as a `\u` escape.
pub(super) fn write_unicode_escape(out: &mut Vec<u8>, byte: u8) {
    let digit = |half: u8| char::from_digit(half.into(), 16).map_or(b'0', |digit| digit as u8);
    out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 15)]);
}
