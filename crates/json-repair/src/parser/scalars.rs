//! Numbers, literals and text without quotes.

use memchr::memchr3;

use super::{
    Parser, Shape, State, Step, Stop,
    escapes::write_escaped,
    strings::{Place, Style},
};
use crate::{
    literals::literal,
    lookahead::{Likeness, Look, Quote, REACH, Source},
    report::Kind,
    strict::{digits, number_length},
};

/// The longest text without quotes, in bytes.
const LONGEST: usize = 4096;

impl Parser {
    /// Reads an item that does not begin with a quote or a bracket.
    pub(crate) fn plain_item(&mut self, source: Source<'_>) -> Step {
        let word = source.word(self.at)?;
        let is_key = word > 0
            && source.next(self.at + word)?.is_some_and(|(_, byte)| byte == b':')
            && source.key(self.at)? == Likeness::Good;
        let is_in_object =
            self.stack.iter().rev().nth(1).is_some_and(|frame| frame.shape == Shape::Object);
        let filled = self.stack.last().is_some_and(|frame| frame.filled);
        if is_key && is_in_object && filled {
            self.close_missing(1);
            return Ok(());
        }
        self.scalar(source, Place::Item)
    }

    /// Reads a value that does not begin with a quote or a bracket.
    pub(crate) fn scalar(&mut self, source: Source<'_>, place: Place) -> Step {
        let rest = source.from(self.at);
        let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || b"+-._".contains(byte);
        let length = rest.iter().take(REACH * 64).take_while(is_part).count();
        if !source.complete {
            self.release_key();
            if length == rest.len() {
                return Err(Stop::Wait);
            }
        }
        let word = rest.get(..length).unwrap_or_default();
        if !word.is_empty() && self.stands_alone(source, self.at + length, place)? {
            if number_length(word) == Some(length) {
                return self.take(length, None, word);
            }
            if let Some(json) = literal(word) {
                let kind = (json.as_bytes() != word).then_some(Kind::WrongLiteral);
                return self.take(length, kind, json.as_bytes());
            }
            if let Some(number) = mended_number(word) {
                return self.take(length, Some(Kind::WrongNumber), number.as_bytes());
            }
            if source.complete && self.at + length == source.bytes.len() {
                return self.cut_off(source, word);
            }
        }
        if source.next(self.at + length)?.is_some_and(|(_, byte)| byte == b'(')
            && let Some((start, end)) = self.call(source, length)?
        {
            self.note(Kind::Call);
            return self.argument(source, start, end);
        }
        self.plain_text(source, place)
    }

    fn take(&mut self, length: usize, kind: Option<Kind>, json: &[u8]) -> Step {
        if let Some(kind) = kind {
            self.note(kind);
        }
        self.write(json);
        self.at += length;
        Ok(())
    }

    /// The text ends in the middle of a word: a literal if it can be no other.
    fn cut_off(&mut self, source: Source<'_>, word: &[u8]) -> Step {
        let whole = ["true", "false", "null"]
            .into_iter()
            .find(|literal| literal.as_bytes().get(..word.len()) == Some(word));
        match whole {
            Some(json) => self.take(word.len(), Some(Kind::Truncated), json.as_bytes()),
            None if matches!(word, b"-" | b"+" | b".") => {
                self.at = source.bytes.len();
                self.finish(Kind::Truncated)
            }
            None => self.plain_text(source, Place::Value),
        }
    }

    /// Whether a word that ends at `end` is all there is of a value.
    fn stands_alone(&self, source: Source<'_>, end: usize, place: Place) -> Look<bool> {
        let Some((next, byte)) = source.next(end)? else { return Ok(true) };
        match byte {
            b'}' | b']' | b')' | b';' => Ok(true),
            b',' if place == Place::Value && self.shape() == Some(Shape::Object) => {
                // A comma that no key follows may be one of a number, or of a sentence.
                let Some((after, byte)) = source.next(next + 1)? else { return Ok(true) };
                let is_digit = after == next + 1 && byte.is_ascii_digit();
                Ok(!is_digit || source.key(after)? != Likeness::No)
            }
            b',' => Ok(true),
            _ if source.is_end_mark(next)? => Ok(true),
            _ if next == end => Ok(false),
            _ if source.breaks(end, next) => Ok(true),
            _ if self.shape() == Some(Shape::Object) => Ok(source.key(next)? == Likeness::Good),
            _ => Ok(byte.is_ascii_digit() || source.value(next)?),
        }
    }

    /// Where the one argument of a call begins and where it ends, if it is a call: `ObjectId("…")`.
    pub(crate) fn call(&self, source: Source<'_>, name: usize) -> Look<Option<(usize, usize)>> {
        let word = source.from(self.at).get(..name).unwrap_or_default();
        let is_name = word.first().is_none_or(u8::is_ascii_alphabetic);
        let Some((open, _)) = source.next(self.at + name)?.filter(|_| is_name) else {
            return Ok(None);
        };
        let Some((start, byte)) = source.next(open + 1)? else { return Ok(None) };
        let end = match source.quote(start) {
            Some(_) => source.end_of_string(start, REACH)?.map(|end| end + 1),
            None if byte.is_ascii_digit() || byte == b'-' => Some(start + source.word(start)?),
            None => None,
        };
        let Some(end) = end else { return Ok(None) };
        let closes = source.next(end)?.is_some_and(|(_, byte)| byte == b')');
        Ok(closes.then_some((start, end)))
    }

    /// Takes the argument of a call for its value.
    pub(crate) fn argument(&mut self, source: Source<'_>, start: usize, end: usize) -> Step {
        let inside = source.bytes.get(start..end).unwrap_or_default();
        let after = source.next(end)?.map_or(end, |(at, _)| at + 1);
        match source.quote(start) {
            Some((_, length)) => {
                let inside = inside.get(length..inside.len() - 1).unwrap_or_default();
                self.write_string(inside);
            }
            None if number_length(inside) == Some(inside.len()) => self.write(inside),
            None => self.write_string(inside),
        }
        self.at = after;
        Ok(())
    }

    fn write_string(&mut self, plain: &[u8]) {
        self.begin();
        self.out.push(b'"');
        let is_escape =
            |at: usize| crate::strict::escape_length(plain.get(at..).unwrap_or_default());
        let mut at = 0;
        while let Some(byte) = plain.get(at).copied() {
            let length = if byte == b'\\' { is_escape(at).unwrap_or(1) } else { 1 };
            match plain.get(at..at + length) {
                Some(b"\\") => self.out.extend_from_slice(b"\\\\"),
                Some(piece) => write_escaped(&mut self.out, piece),
                None => {}
            }
            at += length;
        }
        self.out.push(b'"');
        self.after_value();
    }

    /// Reads text without quotes, or with the closing one only.
    fn plain_text(&mut self, source: Source<'_>, place: Place) -> Step {
        if self.has_closing_quote(source, place)? {
            self.note(Kind::MissingQuote);
            return self.start_text(source, Quote::Double, Style::Once, place, self.at);
        }
        let end = self.end_of_plain(source)?;
        let text = source.bytes.get(self.at..end).unwrap_or_default().trim_ascii_end();
        if text.is_empty() {
            return Err(Stop::Hopeless);
        }
        self.note(Kind::UnquotedText);
        self.write_string(text);
        self.at = end;
        Ok(())
    }

    /// Whether the next quote ends a string that begins here without one.
    fn has_closing_quote(&mut self, source: Source<'_>, place: Place) -> Look<bool> {
        if self.at < self.quoteless {
            return Ok(false);
        }
        let Some(quote) = closing_quote(source, self.at)? else {
            self.quoteless = self.at + REACH;
            return Ok(false);
        };
        let inside = source.bytes.get(self.at..quote).unwrap_or_default();
        // The quote of the next string has a comma, a colon or a bracket before it.
        let before = inside.trim_ascii_end().last().copied().unwrap_or(b',');
        let opens = inside.ends_with(b" ") || matches!(before, b',' | b':' | b'[' | b'{');
        let likeness = self.follows(source, quote + 1, 0)?;
        let is_key =
            place == Place::Item && source.next(quote + 1)?.is_some_and(|(_, byte)| byte == b':');
        Ok(!opens && likeness == Likeness::Good && !is_key)
    }

    /// Where text without quotes ends.
    fn end_of_plain(&self, source: Source<'_>) -> Look<usize> {
        let mut at = self.at;
        while at < self.at + LONGEST {
            let Some(byte) = source.peek(at)? else { return Ok(at) };
            let ends = match byte {
                b'\n' => true,
                b',' | b';' => self.follows(source, at, 0)? != Likeness::No || self.in_array(),
                b'}' | b']' => self.follows(source, at, 0)? == Likeness::Good,
                b'"' => self.follows(source, at, 0)? != Likeness::No,
                b'`' | b'~' | b'<' => source.is_end_mark(at)?,
                b'/' | b'#' => {
                    source.get(at.wrapping_sub(1)) == Some(b' ') && source.comment(at)? > 0
                }
                _ => false,
            };
            if ends || source.effort.is_spent() {
                return Ok(at);
            }
            at += 1;
        }
        Ok(at)
    }

    pub(crate) fn in_array(&self) -> bool {
        self.shape() != Some(Shape::Object)
    }

    /// Reads a key without quotes, or with the closing one only.
    pub(crate) fn plain_key(&mut self, source: Source<'_>) -> Step {
        let mut end = self.at;
        let found = loop {
            if end > self.at && source.quote(end).is_some() {
                break b'"';
            }
            let Some(byte) = source.peek(end)? else {
                self.at = end;
                return self.finish(Kind::Truncated);
            };
            if end > self.at + REACH {
                return Err(Stop::Hopeless);
            }
            match byte {
                b':' | b'=' | b'"' | b',' | b'}' | b']' | b'{' | b'[' | b'\n' | b';' => break byte,
                _ => end += 1,
            }
        };
        let key = source.bytes.get(self.at..end).unwrap_or_default().trim_ascii();
        match found {
            b':' | b'=' if !key.is_empty() => self.write_key(key, Kind::UnquotedText, end),
            b'"' => match source.next(end + 1)? {
                Some((_, b':')) => self.write_key(key, Kind::MissingQuote, end + 1),
                // A word before a key means nothing.
                _ if source.key(end)? != Likeness::Good => {
                    self.write_key(key, Kind::UnquotedText, end)
                }
                _ if !key.is_empty() => {
                    self.note(Kind::SurroundingText);
                    self.at = end;
                    Ok(())
                }
                _ => Err(Stop::Hopeless),
            },
            _ => Err(Stop::Hopeless),
        }
    }

    fn write_key(&mut self, key: &[u8], kind: Kind, after: usize) -> Step {
        self.note(kind);
        self.separate();
        self.pending.push(b'"');
        for byte in key {
            match byte {
                b'\\' => self.pending.extend_from_slice(b"\\\\"),
                _ => write_escaped(&mut self.pending, &[*byte]),
            }
        }
        self.pending.push(b'"');
        self.at = after;
        self.state = State::Colon;
        Ok(())
    }
}

/// Where the next double quote is, if it is near and on the same line.
fn closing_quote(source: Source<'_>, at: usize) -> Look<Option<usize>> {
    let limit = at + REACH * 2;
    let mut at = at;
    while at < limit {
        let rest = source.bytes.get(at..limit).unwrap_or_else(|| source.from(at));
        let Some(found) = memchr3(b'"', b'\n', b'\\', rest) else {
            return source.peek(at + rest.len()).map(|_| None);
        };
        at += found;
        match source.get(at) {
            Some(b'"') => return Ok(Some(at)),
            Some(b'\\') => at += 2,
            _ => return Ok(None),
        }
    }
    Ok(None)
}

/// A number in JSON, for one in JavaScript or Python that means the same.
fn mended_number(word: &[u8]) -> Option<String> {
    if !word.iter().any(u8::is_ascii_digit) {
        return None;
    }
    let text = std::str::from_utf8(word).ok()?;
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    if let Some(hex) = hex {
        return u64::from_str_radix(hex, 16).ok().map(|number| format!("{sign}{number}"));
    }
    let plain = without_separators(text)?;
    let (mantissa, exponent) = match plain.find(['e', 'E']) {
        Some(at) => plain.split_at(at),
        None => (plain.as_str(), ""),
    };
    if !mantissa.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mantissa = match mantissa.strip_suffix('.') {
        Some(whole) => format!("{whole}.0"),
        None => mantissa.to_owned(),
    };
    let zero = if mantissa.starts_with('.') { "0" } else { "" };
    let unfinished = matches!(exponent, "e" | "E" | "e+" | "e-" | "E+" | "E-");
    let last = if unfinished { "0" } else { "" };
    let number = format!("{sign}{zero}{mantissa}{exponent}{last}");
    (number_length(number.as_bytes()) == Some(number.len())).then_some(number)
}

/// Digits without the underscores that Python and JavaScript allow between them.
fn without_separators(text: &str) -> Option<String> {
    if !text.contains('_') {
        return Some(text.to_owned());
    }
    let groups = text.split('_');
    let is_group = |group: &str| !group.is_empty() && digits(group.as_bytes(), 0) == group.len();
    groups.clone().all(is_group).then(|| groups.collect())
}
