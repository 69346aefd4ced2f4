//! The text as far as it has arrived, and lookahead in it. Every lookahead is bounded, so that the
//! time is linear in the length of the text and a stream never waits for long.

mod items;

use memchr::{memchr, memchr3};

use crate::{
    literals::json_literal,
    strict::{escape_length, number_length},
    typography::{
        FULL_WIDTH_LENGTH, Quote, curly_quote, full_width_mark, unusual_whitespace_length,
    },
    work_budget::{BYTES_PER_STEP, WorkBudget},
};

/// The reach of one lookahead, in bytes: room for a key and the token behind it.
pub(crate) const MAX_LOOKAHEAD: usize = 512;

/// The maximum length of a key that lookahead recognizes, in bytes.
const MAX_KEY_LENGTH: usize = 96;

/// The maximum number of strings without a comma between them that lookahead passes.
const MAX_ADJACENT_STRINGS: usize = 8;

/// The length of a comment or of white space, in bytes, for whose end a stream waits.
const MAX_COMMENT_LENGTH: usize = 1 << 14;

/// The error of a lookahead that needs input that has not arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NeedMoreInput;

/// The result of a lookahead.
pub(crate) type Lookahead<T> = Result<T, NeedMoreInput>;

/// The confidence that a text is the expected token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Confidence {
    /// The text is not the expected token.
    None,
    /// The text may be the expected token.
    Low,
    /// The text is the expected token, as far as lookahead can decide.
    High,
}

/// A text of which more may arrive.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SourceText<'t> {
    pub(crate) bytes: &'t [u8],
    /// Whether the text is complete.
    pub(crate) is_complete: bool,
    /// The budget that pays for lookahead.
    pub(crate) budget: &'t WorkBudget,
}

impl<'t> SourceText<'t> {
    /// Returns the byte at `at`, if it has arrived.
    pub(crate) fn byte_at(self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    /// Returns the bytes from `at` on.
    pub(crate) fn tail(self, at: usize) -> &'t [u8] {
        self.bytes.get(at..).unwrap_or_default()
    }

    /// Returns the byte at `at`, or `None` at the end of the text.
    pub(crate) fn peek(self, at: usize) -> Lookahead<Option<u8>> {
        match self.byte_at(at) {
            None if !self.is_complete => Err(NeedMoreInput),
            found => Ok(found),
        }
    }

    /// Returns the byte at `at`, or the mark of JSON for a full-width mark.
    #[inline]
    pub(crate) fn mark_at(self, at: usize) -> Option<u8> {
        self.byte_at(at).map(|byte| self.mark_for(byte, at))
    }

    /// Returns the same as [`mark_at`](Self::mark_at), or `None` at the end of the text.
    #[inline]
    pub(crate) fn peek_mark(self, at: usize) -> Lookahead<Option<u8>> {
        Ok(self.peek(at)?.map(|byte| self.mark_for(byte, at)))
    }

    /// Returns the mark of JSON for the full-width mark that begins with `byte` at `at`, else `byte`.
    #[inline]
    fn mark_for(self, byte: u8, at: usize) -> u8 {
        if byte.is_ascii() { byte } else { full_width_mark(self.tail(at)).unwrap_or(byte) }
    }

    /// Returns whether a full-width mark is at `at`.
    pub(crate) fn is_full_width(self, at: usize) -> bool {
        self.mark_at(at) != self.byte_at(at)
    }

    /// Returns whether `word` begins at `at`.
    pub(crate) fn has_at(self, at: usize, word: &[u8]) -> Lookahead<bool> {
        let rest = self.tail(at);
        if rest.len() < word.len() && !self.is_complete && word.starts_with(rest) {
            return Err(NeedMoreInput);
        }
        Ok(rest.starts_with(word))
    }

    /// Returns the end of the white space, of any kind, at `at`. Behind the first byte of a
    /// full-width mark, its other bytes count as white space, so that lookahead passes any mark as
    /// one byte.
    pub(crate) fn whitespace_end(self, at: usize) -> usize {
        let mut at = at;
        if matches!(self.byte_at(at), Some(0x80..=0xbf)) && self.is_full_width(at.wrapping_sub(1)) {
            at += FULL_WIDTH_LENGTH - 1;
        }
        loop {
            match self.byte_at(at) {
                Some(b' ' | b'\n' | b'\t' | b'\r') => at += 1,
                _ => match unusual_whitespace_length(self.tail(at)) {
                    0 => return at,
                    length => at += length,
                },
            }
        }
    }

    /// Returns the length of the comment at `at`, or 0.
    pub(crate) fn comment_length(self, at: usize) -> Lookahead<usize> {
        let line = match self.byte_at(at) {
            // Directly behind a quote, `#` belongs to a string.
            Some(b'#') if matches!(self.byte_at(at.wrapping_sub(1)), Some(b'"' | b'\'')) => false,
            Some(b'#') => matches!(self.peek(at + 1)?, Some(b' ' | b'!' | b'#')),
            Some(b'/') => match self.peek(at + 1)? {
                Some(b'*') => return self.block_comment_length(at),
                next => next == Some(b'/'),
            },
            _ => false,
        };
        if !line {
            return Ok(0);
        }
        let rest = self.tail(at);
        let found = memchr(b'\n', rest);
        self.budget.spend(4 + found.unwrap_or(rest.len()) / BYTES_PER_STEP);
        match found {
            Some(length) => Ok(length),
            None if self.is_complete || rest.len() > MAX_COMMENT_LENGTH => Ok(rest.len()),
            None => Err(NeedMoreInput),
        }
    }

    /// Returns the length of the block comment at `at`.
    fn block_comment_length(self, at: usize) -> Lookahead<usize> {
        let rest = self.tail(at);
        let found = memchr::memmem::find(rest.get(2..).unwrap_or_default(), b"*/");
        self.budget.spend(8 + found.unwrap_or(rest.len()) / BYTES_PER_STEP);
        match found {
            Some(length) => Ok(length + 4),
            None if self.is_complete || rest.len() > MAX_COMMENT_LENGTH => Ok(rest.len()),
            None => Err(NeedMoreInput),
        }
    }

    /// Returns the text, cut off where a lookahead from `at` ends.
    pub(crate) fn clipped(self, at: usize) -> Self {
        match self.bytes.get(..at.saturating_add(MAX_LOOKAHEAD)) {
            Some(bytes) => Self { bytes, is_complete: true, ..self },
            None => self,
        }
    }

    /// Returns the first byte from `at` on that is neither white space nor in a comment, with its
    /// offset. A full-width mark is returned as the mark of JSON.
    pub(crate) fn next_token(self, at: usize) -> Lookahead<Option<(usize, u8)>> {
        // Nearly always a token follows at once, or after one space.
        let near = at + usize::from(self.byte_at(at) == Some(b' '));
        if let Some(byte @ (b'"' | b'$'..=b'.' | b'0'..=b'~')) = self.byte_at(near) {
            self.budget.spend(4);
            return Ok(Some((near, byte)));
        }
        self.next_token_slow(at)
    }

    /// Returns the same as [`next_token`](Self::next_token) where white space or a comment may
    /// precede.
    fn next_token_slow(self, at: usize) -> Lookahead<Option<(usize, u8)>> {
        let (mut at, limit) = (at, at.saturating_add(MAX_LOOKAHEAD));
        loop {
            let from = at;
            at = self.whitespace_end(from);
            self.budget.spend(4 + at - from);
            let Some(byte) = self.mark_at(at) else {
                let enough = self.is_complete || at > limit + MAX_COMMENT_LENGTH;
                return if enough { Ok(None) } else { Err(NeedMoreInput) };
            };
            if (byte != b'/' && byte != b'#') || at > limit {
                return Ok(Some((at, byte)));
            }
            match self.clipped(at).comment_length(at)? {
                0 => return Ok(Some((at, byte))),
                length => at += length,
            }
        }
    }

    /// Returns the quote at `at`, with its length in bytes.
    pub(crate) fn quote_at(self, at: usize) -> Option<(Quote, usize)> {
        match self.byte_at(at)? {
            b'"' => Some((Quote::Double, 1)),
            b'\'' => Some((Quote::Single, 1)),
            b'`' => Some((Quote::Backtick, 1)),
            0xc2 | 0xe2 | 0xe3 | 0xef => curly_quote(self.tail(at)),
            _ => None,
        }
    }

    /// Returns the offset behind the quote at `at`.
    pub(crate) fn quote_end(self, at: usize) -> usize {
        at + self.quote_at(at).map_or(1, |(_, length)| length)
    }

    /// Returns the offset of the closing quote of the string at `at`, if the quote is within
    /// `reach` and on the same line.
    pub(crate) fn string_end(self, at: usize, reach: usize) -> Lookahead<Option<usize>> {
        let Some((quote, length)) = self.quote_at(at) else { return Ok(None) };
        let limit = at.saturating_add(reach);
        let mut at = at + length;
        while at < limit {
            let rest = self.bytes.get(at..limit).unwrap_or_else(|| self.tail(at));
            let found = match quote {
                Quote::Double => memchr3(b'"', b'\\', b'\n', rest),
                Quote::Single => memchr3(b'\'', b'\\', b'\n', rest),
                Quote::Backtick => memchr3(b'`', b'\\', b'\n', rest),
                _ => rest
                    .iter()
                    .position(|byte| matches!(byte, b'\\' | b'\n' | 0xc2 | 0xe2 | 0xe3 | 0xef)),
            };
            self.budget.spend(4 + found.unwrap_or(rest.len()) / BYTES_PER_STEP);
            let Some(found) = found else {
                return if at + rest.len() < limit { self.peek(at + rest.len()) } else { Ok(None) }
                    .map(|_| None);
            };
            at += found;
            match self.byte_at(at) {
                Some(b'\n') => return Ok(None),
                Some(b'\\') => at += 2,
                _ if self.quote_at(at).is_some_and(|(found, _)| found == quote) => {
                    return Ok(Some(at));
                }
                _ => at += 1,
            }
        }
        Ok(None)
    }

    /// Returns the confidence that a key with its colon begins at `at`.
    pub(crate) fn key_confidence(self, at: usize) -> Lookahead<Confidence> {
        match self.quote_at(at) {
            Some(_) => self.quoted_key_confidence(at),
            None => self.unquoted_key_confidence(at),
        }
    }

    /// Returns the confidence that a quoted key with its colon begins at `at`.
    fn quoted_key_confidence(self, at: usize) -> Lookahead<Confidence> {
        let Some(after) = self.after_string_within(at, MAX_KEY_LENGTH)? else {
            let cut_off = self.is_complete && self.text_ends_within(at, MAX_KEY_LENGTH);
            return if cut_off { Ok(Confidence::Low) } else { self.unclosed_key_confidence(at) };
        };
        let Some((next, byte)) = self.next_token(after)? else { return Ok(Confidence::None) };
        match byte {
            // A full-width colon may belong to a text.
            b':' if self.is_full_width(next) && !self.has_value_behind(next)? => {
                Ok(Confidence::Low)
            }
            b':' => Ok(Confidence::High),
            b'=' => Ok(Confidence::Low),
            b',' | b'}' | b']' => Ok(Confidence::None),
            _ if next > after && self.has_value_at(next)? => Ok(Confidence::Low),
            _ => self.unclosed_key_confidence(at),
        }
    }

    /// Returns whether a value that needs no repair seems to follow the mark at `at`.
    fn has_value_behind(self, at: usize) -> Lookahead<bool> {
        self.next_token(at + 1)?.map_or(Ok(true), |(next, _)| self.has_value_at(next))
    }

    /// Returns whether the text ends within `reach` bytes, on the same line.
    fn text_ends_within(self, at: usize, reach: usize) -> bool {
        self.bytes.len() < at + reach && !self.has_line_break(at, self.bytes.len())
    }

    /// Returns the confidence that a key without its closing quote begins at `at`.
    fn unclosed_key_confidence(self, at: usize) -> Lookahead<Confidence> {
        let length = self.quote_at(at).map_or(0, |(_, length)| length);
        let word = self.word_length(at + length)?;
        let colon = at + length + word;
        if word == 0 || self.peek_mark(colon)? != Some(b':') {
            return Ok(Confidence::None);
        }
        match self.next_token(colon + 1)? {
            Some((next, _)) if self.has_value_at(next)? => Ok(Confidence::Low),
            _ => Ok(Confidence::None),
        }
    }

    /// Returns the offset behind the string at `at`, if the string ends within the reach. Its
    /// quotes may be doubled.
    pub(crate) fn after_string(self, at: usize) -> Lookahead<Option<usize>> {
        self.after_string_within(at, MAX_LOOKAHEAD)
    }

    fn after_string_within(self, at: usize, reach: usize) -> Lookahead<Option<usize>> {
        let twice = self.peek(at + 1)? == self.byte_at(at) && self.word_length(at + 2)? > 0;
        let Some(end) = self.string_end(at + usize::from(twice), reach)? else {
            return Ok(None);
        };
        let after = self.quote_end(end);
        let second = twice && self.byte_at(after) == self.byte_at(end);
        Ok(Some(after + usize::from(second)))
    }

    /// Returns the confidence that an unquoted key with its colon begins at `at`.
    fn unquoted_key_confidence(self, at: usize) -> Lookahead<Confidence> {
        let length = self.word_length(at)?;
        if length == 0 || length > MAX_KEY_LENGTH {
            return Ok(Confidence::None);
        }
        let quoted = self.quote_at(at + length).map_or(0, |(_, length)| length);
        let end = self.whitespace_end(at + length + quoted);
        if quoted == 0 && end > at + length && self.quote_at(end).is_some() {
            // The word carries no data, or is a key without its colon.
            let is_key = self.quoted_key_confidence(end)? == Confidence::High;
            return Ok(if is_key { Confidence::Low } else { Confidence::None });
        }
        if self.peek_mark(end)? != Some(b':') {
            return Ok(Confidence::None);
        }
        match self.next_token(end + 1)? {
            None => Ok(Confidence::High),
            Some((next, _)) if self.has_value_at(next)? => Ok(Confidence::High),
            // `https://…` is no key.
            Some((next, b'/')) if next == end + 1 => Ok(Confidence::None),
            Some(_) => Ok(Confidence::Low),
        }
    }

    /// Returns the length of the word at `at`: letters of any script, digits and `_-.$@`.
    pub(crate) fn word_length(self, at: usize) -> Lookahead<usize> {
        let rest = self.tail(at);
        let mut length = 0;
        while length < MAX_LOOKAHEAD {
            let part = rest.get(length..).unwrap_or_default();
            match part.first() {
                None => return self.peek(at + length).map(|_| length),
                Some(byte) if byte.is_ascii_alphanumeric() || b"_-.$@".contains(byte) => {}
                // Typographic quotes, white space and full-width marks end a word.
                Some(0xc2 | 0xe1 | 0xe2 | 0xe3 | 0xef)
                    if unusual_whitespace_length(part) > 0
                        || curly_quote(part).is_some()
                        || full_width_mark(part).is_some() =>
                {
                    break;
                }
                Some(0x80..) => {}
                Some(_) => break,
            }
            length += 1;
        }
        self.budget.spend(2 + length);
        Ok(length)
    }

    /// Returns whether a value that needs no repair seems to begin at `at`.
    pub(crate) fn has_value_at(self, at: usize) -> Lookahead<bool> {
        match self.peek_mark(at)? {
            Some(b'{' | b'[') => Ok(true),
            Some(b'0'..=b'9' | b'-' | b'+' | b'.' | b'a'..=b'z' | b'A'..=b'Z') => {
                Ok(self.scalar_end(at)?.is_some())
            }
            Some(_) => Ok(self.quote_at(at).is_some()),
            None => Ok(false),
        }
    }

    /// Returns the end of the number or literal at `at`, if a delimiter follows.
    pub(crate) fn scalar_end(self, at: usize) -> Lookahead<Option<usize>> {
        let end = at + self.word_length(at)?;
        let word = self.bytes.get(at..end).unwrap_or_default();
        self.budget.spend(8);
        let is_scalar = number_length(word) == Some(word.len()) || json_literal(word).is_some();
        let delimited = match self.next_token(end)? {
            None => true,
            Some((_, b',' | b'}' | b']' | b')' | b';')) => true,
            Some((next, _)) => {
                next > end && self.quote_at(next).is_some() || self.has_line_break(end, next)
            }
        };
        Ok((is_scalar && delimited).then_some(end))
    }

    /// Returns the end of the literal at `at`, if a comma or a brace follows.
    pub(crate) fn literal_end(self, at: usize) -> Lookahead<Option<usize>> {
        let end = at + self.word_length(at)?;
        let is_literal = json_literal(self.bytes.get(at..end).unwrap_or_default()).is_some();
        let closed = is_literal && matches!(self.next_token(end)?, Some((_, b',' | b'}')));
        Ok(closed.then_some(end))
    }

    /// Returns whether a line ends between two offsets.
    pub(crate) fn has_line_break(self, from: usize, to: usize) -> bool {
        memchr(b'\n', self.bytes.get(from..to).unwrap_or_default()).is_some()
    }

    /// Returns whether a marker for the end of the document is at `at`: a code fence, a closing
    /// tag, or a token of the model.
    pub(crate) fn has_end_marker_at(self, at: usize) -> Lookahead<bool> {
        match self.byte_at(at) {
            Some(b'`') => self.has_at(at, b"```"),
            Some(b'~') => self.has_at(at, b"~~~"),
            Some(b'<') => Ok(self.has_at(at, b"</")?
                || self.has_at(at, b"<|")?
                || self.has_at(at, b"<end")?),
            _ => Ok(false),
        }
    }

    /// Returns the length of the escape at `at`, or `None` if JSON has no such escape or the text
    /// ends in it.
    pub(crate) fn escape_length_at(self, at: usize) -> Lookahead<Option<usize>> {
        let rest = self.tail(at);
        let whole = escape_length(rest);
        let may_come = rest.len() < 2 || (rest.get(1) == Some(&b'u') && rest.len() < 6);
        if whole.is_none() && may_come && !self.is_complete {
            let so_far = rest.get(2..).unwrap_or_default();
            if so_far.iter().all(u8::is_ascii_hexdigit) {
                return Err(NeedMoreInput);
            }
        }
        Ok(whole)
    }
}
