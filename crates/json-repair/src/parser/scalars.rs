//! Numbers, literals, calls, and text without quotes.

use std::ops::Range;

use memchr::memchr3;

use super::{
    Container, Parser, ParserState, StepResult, StopReason,
    escapes::write_escaped,
    state::{QuoteCount, TokenRole},
};
use crate::{
    literals::json_literal,
    lookahead::{Confidence, Lookahead, MAX_LOOKAHEAD, SourceText},
    report::FlawKind,
    strict::{digit_count, escape_length, number_length},
    typography::Quote,
};

/// The maximum length of text without quotes, in bytes.
const MAX_UNQUOTED_TEXT: usize = 4096;

impl Parser {
    /// Reads an item that begins with neither a quote nor a bracket.
    pub(super) fn read_unquoted_item(&mut self, source: SourceText<'_>) -> StepResult {
        let word = source.word_length(self.position)?;
        let is_key = word > 0
            && source.next_token(self.position + word)?.is_some_and(|(_, byte)| byte == b':')
            && source.key_confidence(self.position)? == Confidence::High;
        let is_in_object = self.container_at(1) == Some(Container::Object);
        let has_content = self.has_content();
        if is_key && is_in_object && has_content {
            self.close_missing(1);
            return Ok(());
        }
        self.read_scalar(source, TokenRole::Item)
    }

    /// Reads a value that begins with neither a quote nor a bracket.
    pub(super) fn read_scalar(&mut self, source: SourceText<'_>, role: TokenRole) -> StepResult {
        let rest = source.tail(self.position);
        let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || b"+-._".contains(byte);
        let length = rest.iter().take(MAX_LOOKAHEAD * 64).take_while(is_part).count();
        if !source.is_complete {
            self.release_key();
            if length == rest.len() {
                return Err(StopReason::NeedMoreInput);
            }
        }
        let word = rest.get(..length).unwrap_or_default();
        if !word.is_empty() && self.is_whole_value(source, self.position + length, role)? {
            if number_length(word) == Some(length) {
                return self.write_scalar(length, None, word);
            }
            if let Some(json) = json_literal(word) {
                let kind = (json.as_bytes() != word).then_some(FlawKind::WrongLiteral);
                return self.write_scalar(length, kind, json.as_bytes());
            }
            if let Some(number) = repair_number(word) {
                return self.write_scalar(length, Some(FlawKind::WrongNumber), number.as_bytes());
            }
            if source.is_complete && self.position + length == source.bytes.len() {
                return self.read_cut_off_word(source, word);
            }
        }
        if source.next_token(self.position + length)?.is_some_and(|(_, byte)| byte == b'(')
            && let Some(argument) = self.find_call_argument(source, length)?
        {
            self.record(FlawKind::Call);
            return self.write_call_argument(source, argument);
        }
        self.read_unquoted_text(source, role)
    }

    /// Writes a scalar of `length` bytes as `json`.
    fn write_scalar(&mut self, length: usize, kind: Option<FlawKind>, json: &[u8]) -> StepResult {
        if let Some(kind) = kind {
            self.record(kind);
        }
        self.write_value(json);
        self.position += length;
        Ok(())
    }

    /// Reads a word in which the text ends. A literal is completed if the word can be no other.
    fn read_cut_off_word(&mut self, source: SourceText<'_>, word: &[u8]) -> StepResult {
        let whole = ["true", "false", "null"]
            .into_iter()
            .find(|literal| literal.as_bytes().get(..word.len()) == Some(word));
        match whole {
            Some(json) => self.write_scalar(word.len(), Some(FlawKind::Truncated), json.as_bytes()),
            None if matches!(word, b"-" | b"+" | b".") => {
                self.position = source.bytes.len();
                self.finish_document(FlawKind::Truncated)
            }
            None => self.read_unquoted_text(source, TokenRole::Value),
        }
    }

    /// Returns whether the word that ends at `end` is a complete value.
    fn is_whole_value(
        &self,
        source: SourceText<'_>,
        end: usize,
        role: TokenRole,
    ) -> Lookahead<bool> {
        let Some((next, byte)) = source.next_token(end)? else { return Ok(true) };
        match byte {
            b'}' | b']' | b')' | b';' => Ok(true),
            b',' if role == TokenRole::Value && self.innermost() == Some(Container::Object) => {
                // A comma without a key behind may belong to a number or a sentence.
                let Some((after, byte)) = source.next_token(next + 1)? else { return Ok(true) };
                let is_digit = after == next + 1 && byte.is_ascii_digit();
                Ok(!is_digit || source.key_confidence(after)? != Confidence::None)
            }
            b',' => Ok(true),
            _ if source.has_end_marker_at(next)? => Ok(true),
            _ if next == end => Ok(false),
            _ if source.has_line_break(end, next) => Ok(true),
            _ if self.innermost() == Some(Container::Object) => {
                let confidence = source.key_confidence(next)?;
                Ok(confidence == Confidence::High
                    || confidence == Confidence::Low && source.quote_at(next).is_some())
            }
            _ => Ok(byte.is_ascii_digit() || source.has_value_at(next)?),
        }
    }

    /// Returns the range of the only argument of a call, for example `ObjectId("…")`. The call's
    /// name has `name` bytes.
    pub(super) fn find_call_argument(
        &self,
        source: SourceText<'_>,
        name: usize,
    ) -> Lookahead<Option<Range<usize>>> {
        let word = source.tail(self.position).get(..name).unwrap_or_default();
        let is_name = word.first().is_none_or(u8::is_ascii_alphabetic);
        let Some((open, _)) = source.next_token(self.position + name)?.filter(|_| is_name) else {
            return Ok(None);
        };
        let Some((start, byte)) = source.next_token(open + 1)? else { return Ok(None) };
        let end = match source.quote_at(start) {
            Some(_) => source.string_end(start, MAX_LOOKAHEAD)?.map(|end| source.quote_end(end)),
            None if byte.is_ascii_digit() || byte == b'-' => {
                Some(start + source.word_length(start)?)
            }
            None => None,
        };
        let Some(end) = end else { return Ok(None) };
        let closes = source.next_token(end)?.is_some_and(|(_, byte)| byte == b')');
        Ok(closes.then_some(start..end))
    }

    /// Writes the argument of a call as a value.
    pub(super) fn write_call_argument(
        &mut self,
        source: SourceText<'_>,
        argument: Range<usize>,
    ) -> StepResult {
        let after = source.next_token(argument.end)?.map_or(argument.end, |(at, _)| at + 1);
        let begin = source.quote_end(argument.start);
        let end = source.string_end(argument.start, MAX_LOOKAHEAD)?;
        let inside = source.bytes.get(argument).unwrap_or_default();
        match end {
            Some(end) => {
                let inside = source.bytes.get(begin..end).unwrap_or_default();
                self.write_plain_string(inside);
            }
            None if number_length(inside) == Some(inside.len()) => self.write_value(inside),
            None => self.write_plain_string(inside),
        }
        self.position = after;
        Ok(())
    }

    /// Writes unquoted text as a string.
    fn write_plain_string(&mut self, plain: &[u8]) {
        self.begin_value();
        self.output.push(b'"');
        let mut at = 0;
        while let Some(byte) = plain.get(at).copied() {
            let escape = plain.get(at..).filter(|_| byte == b'\\').and_then(escape_length);
            let length = escape.unwrap_or(1);
            match plain.get(at..at + length) {
                Some(b"\\") => self.output.extend_from_slice(b"\\\\"),
                Some(piece) => write_escaped(&mut self.output, piece),
                None => {}
            }
            at += length;
        }
        self.output.push(b'"');
        self.end_value();
    }

    /// Reads text without quotes, or with only the closing one.
    fn read_unquoted_text(&mut self, source: SourceText<'_>, role: TokenRole) -> StepResult {
        if self.lacks_opening_quote_only(source, role)? {
            self.record(FlawKind::MissingQuote);
            return self.start_string(source, Quote::Double, QuoteCount::One, role, self.position);
        }
        let end = self.unquoted_text_end(source)?;
        let text = source.bytes.get(self.position..end).unwrap_or_default().trim_ascii_end();
        if text.is_empty() {
            return Err(StopReason::Unrepairable);
        }
        self.record(FlawKind::UnquotedText);
        self.write_plain_string(text);
        self.position = end;
        Ok(())
    }

    /// Returns whether the next quote ends a string that begins here without one.
    fn lacks_opening_quote_only(
        &mut self,
        source: SourceText<'_>,
        role: TokenRole,
    ) -> Lookahead<bool> {
        if self.position < self.no_quote_until {
            return Ok(false);
        }
        let Some(quote) = closing_quote(source, self.position)? else {
            self.no_quote_until = self.position + MAX_LOOKAHEAD;
            return Ok(false);
        };
        let inside = source.bytes.get(self.position..quote).unwrap_or_default();
        // A quote behind a comma, a colon or a bracket opens the next string.
        let before = inside.trim_ascii_end().last().copied().unwrap_or(b',');
        let opens = inside.ends_with(b" ") || matches!(before, b',' | b':' | b'[' | b'{');
        let confidence = self.continuation_confidence(source, quote + 1, 0)?;
        let is_key = role == TokenRole::Item
            && source.next_token(quote + 1)?.is_some_and(|(_, byte)| byte == b':');
        Ok(!opens && confidence == Confidence::High && !is_key)
    }

    /// Returns the offset where text without quotes ends.
    fn unquoted_text_end(&self, source: SourceText<'_>) -> Lookahead<usize> {
        let mut at = self.position;
        while at < self.position + MAX_UNQUOTED_TEXT {
            let Some(byte) = source.peek_mark(at)? else { return Ok(at) };
            let ends = match byte {
                b'\n' => true,
                b',' | b';' => {
                    self.is_in_array()
                        || self.continuation_confidence(source, at, 0)? != Confidence::None
                        || source.is_full_width(at) && self.is_before_key(source, at)?
                }
                b'}' | b']' => self.continuation_confidence(source, at, 0)? == Confidence::High,
                b'"' => self.continuation_confidence(source, at, 0)? != Confidence::None,
                b'`' | b'~' | b'<' => source.has_end_marker_at(at)?,
                b'/' | b'#' => {
                    source.byte_at(at.wrapping_sub(1)) == Some(b' ')
                        && source.comment_length(at)? > 0
                }
                _ => false,
            };
            if ends || source.budget.is_exhausted() {
                return Ok(at);
            }
            at += 1;
        }
        Ok(at)
    }

    /// Returns whether what follows the comma at `at` may be a key.
    fn is_before_key(&self, source: SourceText<'_>, at: usize) -> Lookahead<bool> {
        let next = source.next_token(at + 1)?;
        next.map_or(Ok(false), |(at, _)| Ok(source.key_confidence(at)? != Confidence::None))
    }

    /// Returns whether the innermost container is an array, or none is open.
    pub(super) fn is_in_array(&self) -> bool {
        self.innermost() != Some(Container::Object)
    }

    /// Reads a key without quotes, or with only the closing one.
    pub(super) fn read_unquoted_key(&mut self, source: SourceText<'_>) -> StepResult {
        let mut end = self.position;
        let found = loop {
            if end > self.position && source.quote_at(end).is_some() {
                break b'"';
            }
            let Some(byte) = source.peek_mark(end)? else {
                self.position = end;
                return self.finish_document(FlawKind::Truncated);
            };
            if end > self.position + MAX_LOOKAHEAD {
                return Err(StopReason::Unrepairable);
            }
            match byte {
                b':' | b'=' | b'"' | b',' | b'}' | b']' | b'{' | b'[' | b'\n' | b';' => break byte,
                _ => end += 1,
            }
        };
        let key = source.bytes.get(self.position..end).unwrap_or_default().trim_ascii();
        let after = end + source.quote_at(end).map_or(0, |(_, length)| length);
        match found {
            b':' | b'=' if !key.is_empty() => self.write_key(key, FlawKind::UnquotedText, end),
            b'"' => match source.next_token(after)? {
                Some((_, b':')) => self.write_key(key, FlawKind::MissingQuote, after),
                _ if source.key_confidence(end)? != Confidence::High && key.contains(&b' ') => {
                    Err(StopReason::Unrepairable)
                }
                // A word before a key carries no data.
                _ if source.key_confidence(end)? != Confidence::High => {
                    self.write_key(key, FlawKind::UnquotedText, end)
                }
                _ if !key.is_empty() => {
                    self.record(FlawKind::SurroundingText);
                    self.position = end;
                    Ok(())
                }
                _ => Err(StopReason::Unrepairable),
            },
            _ => Err(StopReason::Unrepairable),
        }
    }

    /// Writes a key to the pending text.
    fn write_key(&mut self, key: &[u8], kind: FlawKind, after: usize) -> StepResult {
        self.record(kind);
        self.ensure_comma();
        self.pending.push(b'"');
        for byte in key {
            match byte {
                b'\\' => self.pending.extend_from_slice(b"\\\\"),
                _ => write_escaped(&mut self.pending, &[*byte]),
            }
        }
        self.pending.push(b'"');
        self.position = after;
        self.state = ParserState::ExpectColon;
        Ok(())
    }
}

/// Returns the offset of the next double quote on the same line, if it is near.
fn closing_quote(source: SourceText<'_>, at: usize) -> Lookahead<Option<usize>> {
    let limit = at + MAX_LOOKAHEAD * 2;
    let mut at = at;
    while at < limit {
        let rest = source.bytes.get(at..limit).unwrap_or_else(|| source.tail(at));
        let Some(found) = memchr3(b'"', b'\n', b'\\', rest) else {
            return source.peek(at + rest.len()).map(|_| None);
        };
        at += found;
        match source.byte_at(at) {
            Some(b'"') => return Ok(Some(at)),
            Some(b'\\') => at += 2,
            _ => return Ok(None),
        }
    }
    Ok(None)
}

/// Returns the JSON number for a number of JavaScript or Python with the same value.
fn repair_number(word: &[u8]) -> Option<String> {
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
    let plain = remove_digit_separators(text)?;
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

/// Returns a number without the underscores that Python and JavaScript allow between digits.
fn remove_digit_separators(text: &str) -> Option<String> {
    if !text.contains('_') {
        return Some(text.to_owned());
    }
    let groups = text.split('_');
    let is_group =
        |group: &str| !group.is_empty() && digit_count(group.as_bytes(), 0) == group.len();
    groups.clone().all(is_group).then(|| groups.collect())
}
