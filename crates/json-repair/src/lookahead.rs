//! The text being read, as far as it has come, and looking ahead in it. Every look has a bound, so
//! that no text takes more than linear time, and a stream never waits for much.

use memchr::{memchr, memchr3};

use crate::{
    literals::literal,
    strict::{escape_length, number_length},
    work_budget::{Effort, VECTOR},
};

/// How far a look ahead reaches, in bytes: a key and what follows it have room.
pub(crate) const REACH: usize = 512;

/// The longest key that a look ahead takes for one, in bytes.
const LONGEST_KEY: usize = 96;

/// How many strings in a row, without a comma between them, a look ahead passes.
const MOST_IN_A_ROW: usize = 8;

/// The longest comment that a stream waits for, and the most white space, in bytes.
const LONGEST_COMMENT: usize = 1 << 14;

/// More must come before that can be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wait;

/// What a look ahead says.
pub(crate) type Look<T> = Result<T, Wait>;

/// How much something looks like what it might be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Likeness {
    No,
    Poor,
    Good,
}

/// What a string may begin and end with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quote {
    Double,
    Single,
    Backtick,
    /// “ ” „ ‟ « »
    CurlyDouble,
    /// ‘ ’ ‚ ‛
    CurlySingle,
}

/// A text of which more may come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'t> {
    pub(crate) bytes: &'t [u8],
    /// Whether nothing more comes.
    pub(crate) complete: bool,
    /// What looks ahead are paid with.
    pub(crate) effort: &'t Effort,
}

impl Quote {
    /// Whether a string that began with this may end with `other`.
    pub(crate) fn may_end_with(self, other: Self) -> bool {
        self == other
    }
}

impl<'t> Source<'t> {
    /// The byte at `at`, if it has come.
    pub(crate) fn get(self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    /// What has come from `at` on.
    pub(crate) fn from(self, at: usize) -> &'t [u8] {
        self.bytes.get(at..).unwrap_or_default()
    }

    /// The byte at `at`, or `None` for the end of the text.
    pub(crate) fn peek(self, at: usize) -> Look<Option<u8>> {
        match self.get(at) {
            None if !self.complete => Err(Wait),
            found => Ok(found),
        }
    }

    /// Whether `word` stands at `at`.
    pub(crate) fn has(self, at: usize, word: &[u8]) -> Look<bool> {
        let rest = self.from(at);
        if rest.len() < word.len() && !self.complete && word.starts_with(rest) {
            return Err(Wait);
        }
        Ok(rest.starts_with(word))
    }

    /// Where white space of any kind that begins at `at` ends.
    pub(crate) fn after_blank(self, at: usize) -> usize {
        let mut at = at;
        loop {
            match self.get(at) {
                Some(b' ' | b'\n' | b'\t' | b'\r') => at += 1,
                _ => match odd_blank(self.from(at)) {
                    0 => return at,
                    length => at += length,
                },
            }
        }
    }

    /// How long the comment at `at` is, 0 if there is none.
    pub(crate) fn comment(self, at: usize) -> Look<usize> {
        let line = match self.get(at) {
            // Right behind a quote it is a string's.
            Some(b'#') if matches!(self.get(at.wrapping_sub(1)), Some(b'"' | b'\'')) => false,
            Some(b'#') => matches!(self.peek(at + 1)?, Some(b' ' | b'!' | b'#')),
            Some(b'/') => match self.peek(at + 1)? {
                Some(b'*') => return self.block_comment(at),
                next => next == Some(b'/'),
            },
            _ => false,
        };
        if !line {
            return Ok(0);
        }
        let rest = self.from(at);
        let found = memchr(b'\n', rest);
        self.effort.spend(4 + found.unwrap_or(rest.len()) / VECTOR);
        match found {
            Some(length) => Ok(length),
            None if self.complete || rest.len() > LONGEST_COMMENT => Ok(rest.len()),
            None => Err(Wait),
        }
    }

    fn block_comment(self, at: usize) -> Look<usize> {
        let rest = self.from(at);
        let found = memchr::memmem::find(rest.get(2..).unwrap_or_default(), b"*/");
        self.effort.spend(8 + found.unwrap_or(rest.len()) / VECTOR);
        match found {
            Some(length) => Ok(length + 4),
            None if self.complete || rest.len() > LONGEST_COMMENT => Ok(rest.len()),
            None => Err(Wait),
        }
    }

    /// No farther than a look may reach from `at`.
    pub(crate) fn within_reach(self, at: usize) -> Self {
        match self.bytes.get(..at.saturating_add(REACH)) {
            Some(bytes) => Self { bytes, complete: true, ..self },
            None => self,
        }
    }

    /// The first byte from `at` on that is neither white space nor in a comment.
    pub(crate) fn next(self, at: usize) -> Look<Option<(usize, u8)>> {
        // Nearly always a token follows at once, or after one blank.
        let near = at + usize::from(self.get(at) == Some(b' '));
        if let Some(byte @ (b'"' | b'$'..=b'.' | b'0'..=b'~')) = self.get(near) {
            self.effort.spend(4);
            return Ok(Some((near, byte)));
        }
        self.next_far(at)
    }

    fn next_far(self, at: usize) -> Look<Option<(usize, u8)>> {
        let (mut at, limit) = (at, at.saturating_add(REACH));
        loop {
            let from = at;
            at = self.after_blank(from);
            self.effort.spend(4 + at - from);
            let Some(byte) = self.get(at) else {
                let enough = self.complete || at > limit + LONGEST_COMMENT;
                return if enough { Ok(None) } else { Err(Wait) };
            };
            if (byte != b'/' && byte != b'#') || at > limit {
                return Ok(Some((at, byte)));
            }
            match self.within_reach(at).comment(at)? {
                0 => return Ok(Some((at, byte))),
                length => at += length,
            }
        }
    }

    /// The quote at `at`, with its length in bytes.
    pub(crate) fn quote(self, at: usize) -> Option<(Quote, usize)> {
        match self.get(at)? {
            b'"' => Some((Quote::Double, 1)),
            b'\'' => Some((Quote::Single, 1)),
            b'`' => Some((Quote::Backtick, 1)),
            0xc2 | 0xe2 => curly(self.from(at)),
            _ => None,
        }
    }

    /// Where the string that begins with the quote at `at` has its closing quote, if that is within
    /// `reach` and on the same line.
    pub(crate) fn end_of_string(self, at: usize, reach: usize) -> Look<Option<usize>> {
        let Some((quote, length)) = self.quote(at) else { return Ok(None) };
        let limit = at.saturating_add(reach);
        let mut at = at + length;
        while at < limit {
            let rest = self.bytes.get(at..limit).unwrap_or_else(|| self.from(at));
            let found = match quote {
                Quote::Double => memchr3(b'"', b'\\', b'\n', rest),
                Quote::Single => memchr3(b'\'', b'\\', b'\n', rest),
                Quote::Backtick => memchr3(b'`', b'\\', b'\n', rest),
                _ => rest.iter().position(|byte| matches!(byte, b'\\' | b'\n' | 0xc2 | 0xe2)),
            };
            self.effort.spend(4 + found.unwrap_or(rest.len()) / VECTOR);
            let Some(found) = found else {
                return if at + rest.len() < limit { self.peek(at + rest.len()) } else { Ok(None) }
                    .map(|_| None);
            };
            at += found;
            match self.get(at) {
                Some(b'\n') => return Ok(None),
                Some(b'\\') => at += 2,
                _ if self.quote(at).is_some_and(|(found, _)| found == quote) => {
                    return Ok(Some(at));
                }
                _ => at += 1,
            }
        }
        Ok(None)
    }

    /// How much a key with its colon seems to begin at `at`.
    pub(crate) fn key(self, at: usize) -> Look<Likeness> {
        match self.quote(at) {
            Some(_) => self.quoted_key(at),
            None => self.plain_key(at),
        }
    }

    fn quoted_key(self, at: usize) -> Look<Likeness> {
        let Some(after) = self.after_string_within(at, LONGEST_KEY)? else {
            let cut_off = self.complete && self.ends_within(at, LONGEST_KEY);
            return if cut_off { Ok(Likeness::Poor) } else { self.open_key(at) };
        };
        let Some((next, byte)) = self.next(after)? else { return Ok(Likeness::No) };
        match byte {
            b':' => Ok(Likeness::Good),
            b'=' => Ok(Likeness::Poor),
            b',' | b'}' | b']' => Ok(Likeness::No),
            _ if next > after && self.value(next)? => Ok(Likeness::Poor),
            _ => self.open_key(at),
        }
    }

    /// Whether the text ends within so many bytes, on the same line.
    fn ends_within(self, at: usize, reach: usize) -> bool {
        self.bytes.len() < at + reach && !self.breaks(at, self.bytes.len())
    }

    /// How much a key whose closing quote is missing seems to begin at `at`.
    fn open_key(self, at: usize) -> Look<Likeness> {
        let length = self.quote(at).map_or(0, |(_, length)| length);
        let word = self.word(at + length)?;
        let colon = at + length + word;
        if word == 0 || self.peek(colon)? != Some(b':') {
            return Ok(Likeness::No);
        }
        match self.next(colon + 1)? {
            Some((next, _)) if self.value(next)? => Ok(Likeness::Poor),
            _ => Ok(Likeness::No),
        }
    }

    /// Where what follows the string at `at` begins, if it ends near. Its quotes may be doubled.
    pub(crate) fn after_string(self, at: usize) -> Look<Option<usize>> {
        self.after_string_within(at, REACH)
    }

    fn after_string_within(self, at: usize, reach: usize) -> Look<Option<usize>> {
        let twice = self.peek(at + 1)? == self.get(at) && self.word(at + 2)? > 0;
        let Some(end) = self.end_of_string(at + usize::from(twice), reach)? else {
            return Ok(None);
        };
        let after = end + self.quote(end).map_or(1, |(_, length)| length);
        let second = twice && self.get(after) == self.get(end);
        Ok(Some(after + usize::from(second)))
    }

    fn plain_key(self, at: usize) -> Look<Likeness> {
        let length = self.word(at)?;
        if length == 0 || length > LONGEST_KEY {
            return Ok(Likeness::No);
        }
        let quoted = self.quote(at + length).map_or(0, |(_, length)| length);
        let end = self.after_blank(at + length + quoted);
        if quoted == 0 && end > at + length && self.quote(end).is_some() {
            // A word that means nothing, or a key without its colon.
            let is_key = self.quoted_key(end)? == Likeness::Good;
            return Ok(if is_key { Likeness::Poor } else { Likeness::No });
        }
        if self.peek(end)? != Some(b':') {
            return Ok(Likeness::No);
        }
        match self.next(end + 1)? {
            None => Ok(Likeness::Good),
            Some((next, _)) if self.value(next)? => Ok(Likeness::Good),
            // `https://…` is no key.
            Some((next, b'/')) if next == end + 1 => Ok(Likeness::No),
            Some(_) => Ok(Likeness::Poor),
        }
    }

    /// How many bytes of a word stand at `at`: letters of any script, digits, `_-.$@`.
    pub(crate) fn word(self, at: usize) -> Look<usize> {
        let rest = self.from(at);
        let mut length = 0;
        while length < REACH {
            let part = rest.get(length..).unwrap_or_default();
            match part.first() {
                None => return self.peek(at + length).map(|_| length),
                Some(byte) if byte.is_ascii_alphanumeric() || b"_-.$@".contains(byte) => {}
                // Quotes and blanks of other alphabets are none of it.
                Some(0xc2 | 0xe1 | 0xe2 | 0xe3 | 0xef)
                    if odd_blank(part) > 0 || curly(part).is_some() =>
                {
                    break;
                }
                Some(0x80..) => {}
                Some(_) => break,
            }
            length += 1;
        }
        self.effort.spend(2 + length);
        Ok(length)
    }

    /// Whether a value that needs no mending seems to begin at `at`.
    pub(crate) fn value(self, at: usize) -> Look<bool> {
        match self.peek(at)? {
            Some(b'{' | b'[') => Ok(true),
            Some(b'0'..=b'9' | b'-' | b'+' | b'.' | b'a'..=b'z' | b'A'..=b'Z') => {
                Ok(self.scalar(at)?.is_some())
            }
            Some(_) => Ok(self.quote(at).is_some()),
            None => Ok(false),
        }
    }

    /// Where the number or literal at `at` ends, if there is one and it stands alone.
    pub(crate) fn scalar(self, at: usize) -> Look<Option<usize>> {
        let end = at + self.word(at)?;
        let word = self.bytes.get(at..end).unwrap_or_default();
        self.effort.spend(8);
        let is_scalar = number_length(word) == Some(word.len()) || literal(word).is_some();
        let delimited = match self.next(end)? {
            None => true,
            Some((_, b',' | b'}' | b']' | b')' | b';')) => true,
            Some((next, _)) => next > end && self.quote(next).is_some() || self.breaks(end, next),
        };
        Ok((is_scalar && delimited).then_some(end))
    }

    /// Where the literal at `at` ends, if there is one and a comma or a brace follows.
    pub(crate) fn literal(self, at: usize) -> Look<Option<usize>> {
        let end = at + self.word(at)?;
        let is_literal = literal(self.bytes.get(at..end).unwrap_or_default()).is_some();
        let closed = is_literal && matches!(self.next(end)?, Some((_, b',' | b'}')));
        Ok(closed.then_some(end))
    }

    /// Whether the line ends between the two places.
    pub(crate) fn breaks(self, from: usize, to: usize) -> bool {
        memchr(b'\n', self.bytes.get(from..to).unwrap_or_default()).is_some()
    }

    /// How much an item of an array seems to begin at `at`.
    pub(crate) fn item(self, at: usize) -> Look<Likeness> {
        let Some(byte) = self.peek(at)? else { return Ok(Likeness::Good) };
        if self.quote(at).is_some() {
            return self.string_item(at);
        }
        match byte {
            b'[' | b']' => Ok(Likeness::Good),
            b'{' => {
                let inside = self.next(at + 1)?;
                let good = inside.is_none_or(|(at, byte)| byte == b'}' || self.quote(at).is_some());
                Ok(if good { Likeness::Good } else { Likeness::Poor })
            }
            b'.' if self.has(at, b"...")? => Ok(Likeness::Good),
            _ if self.scalar(at)?.is_some() => Ok(Likeness::Good),
            _ => self.word_item(at),
        }
    }

    /// A word without quotes may be an item, and so may a number of another language.
    fn word_item(self, at: usize) -> Look<Likeness> {
        let rest = self.from(at);
        let rest = rest.get(..LONGEST_KEY).unwrap_or(rest);
        let end = rest.iter().position(|byte| b",]\"\n{}[:".contains(byte));
        self.effort.spend(end.unwrap_or(rest.len()));
        let Some(end) = end else {
            return if rest.len() < LONGEST_KEY { self.peek(at + rest.len()) } else { Ok(None) }
                .map(|_| Likeness::No);
        };
        let ends = matches!(rest.get(end), Some(b',' | b']' | b'\n'));
        Ok(if end > 0 && ends { Likeness::Poor } else { Likeness::No })
    }

    fn string_item(self, at: usize) -> Look<Likeness> {
        let Some(mut after) = self.after_string(at)? else { return Ok(Likeness::Poor) };
        // Strings may stand in a row without commas.
        for _ in 0..MOST_IN_A_ROW {
            match self.next(after)? {
                Some((next, _)) if next > after && self.quote(next).is_some() => {
                    let Some(end) = self.after_string(next)? else { return Ok(Likeness::Poor) };
                    after = end;
                }
                _ => break,
            }
        }
        match self.next(after)? {
            None => Ok(Likeness::Good),
            Some((_, b']' | b'}' | b'+')) => Ok(Likeness::Good),
            Some((_, b':')) => Ok(Likeness::Poor),
            Some((next, b',' | b';')) => match self.next(next + 1)? {
                None | Some((_, b']' | b'}' | b'{' | b'[' | b'.' | b',')) => Ok(Likeness::Good),
                Some((next, _)) if self.value(next)? => Ok(Likeness::Good),
                Some((next, _)) => self.word_item(next),
            },
            Some((next, _)) if self.breaks(after, next) => Ok(Likeness::Good),
            Some((next, _)) if next > after && self.scalar(next)?.is_some() => Ok(Likeness::Good),
            Some(_) => Ok(Likeness::Poor),
        }
    }

    /// Whether what stands at `at` ends a document: a fence, a closing tag, a model's own mark.
    pub(crate) fn is_end_mark(self, at: usize) -> Look<bool> {
        match self.get(at) {
            Some(b'`') => self.has(at, b"```"),
            Some(b'~') => self.has(at, b"~~~"),
            Some(b'<') => {
                Ok(self.has(at, b"</")? || self.has(at, b"<|")? || self.has(at, b"<end")?)
            }
            _ => Ok(false),
        }
    }

    /// How long the escape at `at` is, if JSON knows it. `None` also if the text ends in it.
    pub(crate) fn escape(self, at: usize) -> Look<Option<usize>> {
        let rest = self.from(at);
        let whole = escape_length(rest);
        let may_come = rest.len() < 2 || (rest.get(1) == Some(&b'u') && rest.len() < 6);
        if whole.is_none() && may_come && !self.complete {
            let so_far = rest.get(2..).unwrap_or_default();
            if so_far.iter().all(u8::is_ascii_hexdigit) {
                return Err(Wait);
            }
        }
        Ok(whole)
    }
}

/// How many bytes of one white space that JSON does not know `text` begins with.
pub(crate) fn odd_blank(text: &[u8]) -> usize {
    match text {
        [0..=0x1f, ..] => usize::from(!matches!(text.first(), Some(b' ' | b'\n' | b'\t' | b'\r'))),
        [0xc2, 0x85 | 0xa0, ..] => 2,
        [0xe1, 0x9a, 0x80, ..] | [0xe1, 0xa0, 0x8e, ..] | [0xe3, 0x80, 0x80, ..] => 3,
        [0xe2, 0x80, 0x80..=0x8f | 0xa8 | 0xa9 | 0xaf, ..] => 3,
        [0xe2, 0x81, 0x9f | 0xa0, ..] | [0xef, 0xbb, 0xbf, ..] => 3,
        _ => 0,
    }
}

fn curly(text: &[u8]) -> Option<(Quote, usize)> {
    match text {
        [0xe2, 0x80, 0x9c..=0x9f, ..] => Some((Quote::CurlyDouble, 3)),
        [0xe2, 0x80, 0x98..=0x9b, ..] => Some((Quote::CurlySingle, 3)),
        [0xc2, 0xab | 0xbb, ..] => Some((Quote::CurlyDouble, 2)),
        [0xc2, 0xb4, ..] => Some((Quote::Backtick, 2)),
        _ => None,
    }
}
