//! Strings: their quotes, their escapes, and what they hold.

use super::{
    Container, Parser, ParserState, StepResult, StopReason,
    escapes::write_escaped,
    quotes::unclosed_bracket_count,
    state::{QuoteClass, QuoteCount, StringState, TokenRole, is_structural},
};
use crate::{
    lookahead::{Lookahead, MAX_LOOKAHEAD, Quote, SourceText},
    report::FlawKind,
    strict::must_be_escaped,
    work_budget::REREAD_COST,
};

/// The longest string in an array that is held back until it is certain not to be a key, in bytes.
const MAX_HELD_ITEM: usize = 64;

/// How often a string that was read too far is read again.
const MAX_REREADS: u8 = 8;

impl Parser {
    /// Begins a string at its quote.
    pub(super) fn open_string(&mut self, source: SourceText<'_>, place: TokenRole) -> StepResult {
        let Some((quote, length)) = source.quote_at(self.position) else {
            return Err(StopReason::Unrepairable);
        };
        let (style, start) = count_quotes(source, self.position, length, place)?;
        if quote != Quote::Double || style != QuoteCount::One {
            self.record(FlawKind::WrongQuote);
        }
        self.start_string(source, quote, style, place, start)
    }

    /// Begins a string whose content begins at `start`.
    pub(super) fn start_string(
        &mut self,
        source: SourceText<'_>,
        quote: Quote,
        style: QuoteCount,
        place: TokenRole,
        start: usize,
    ) -> StepResult {
        match place {
            TokenRole::Value => {
                self.begin_value();
                self.output.push(b'"');
            }
            TokenRole::Key | TokenRole::Item => {
                self.ensure_comma();
                self.pending.push(b'"');
            }
        }
        let held = (place != TokenRole::Value).then(|| self.pending.len() - 1);
        self.position = start;
        let text = StringState {
            quote,
            quote_count: style,
            role: place,
            pending_start: held,
            scan: start,
            certain_to: start,
            brackets_counted_to: start,
            needs_escaping: false,
            inner_quotes: 0,
            bracket_depth: 0,
            rejected_end: None,
        };
        self.state = ParserState::InString(text);
        self.read_string(source, text)
    }

    /// Reads more of a string.
    pub(super) fn read_string(
        &mut self,
        source: SourceText<'_>,
        mut text: StringState,
    ) -> StepResult {
        loop {
            let Some(found) = find_special(source, &text) else {
                return self.pause_string(source, text);
            };
            text.scan = found;
            source.budget.spend(1);
            let read = self.read_special(source, &mut text);
            let ParserState::InString(state) = &mut self.state else { return Ok(()) };
            if let Err(stop) = read {
                *state = text;
                return Err(stop);
            }
        }
    }

    /// Reads a byte of a string that is not just itself.
    fn read_special(&mut self, source: SourceText<'_>, text: &mut StringState) -> StepResult {
        match source.byte_at(text.scan) {
            Some(b'\\') => self.read_escape(source, text),
            Some(0..=0x1f) => {
                self.read_control(text);
                Ok(())
            }
            _ => match source.quote_at(text.scan) {
                Some((quote, length)) if text.quote.is_closed_by(quote) => {
                    self.read_quote(source, text, length)
                }
                Some((Quote::Double, _)) => {
                    text.needs_escaping = true;
                    text.scan += 1;
                    Ok(())
                }
                found => {
                    text.scan += found.map_or(1, |(_, length)| length);
                    Ok(())
                }
            },
        }
    }

    /// A control character is written as an escape.
    fn read_control(&mut self, text: &mut StringState) {
        self.record_at(FlawKind::ControlCharacter, text.scan);
        text.needs_escaping = true;
        text.scan += 1;
    }

    fn read_quote(
        &mut self,
        source: SourceText<'_>,
        text: &mut StringState,
        length: usize,
    ) -> StepResult {
        if source.budget.is_exhausted() {
            return Err(StopReason::Unrepairable);
        }
        let at = text.scan;
        if text.inner_quotes > 0 || !source.is_complete {
            self.count_brackets(source, text, at);
        }
        match self.classify_quote(source, text, length)? {
            QuoteClass::Content if text.quote == Quote::Double => {
                text.inner_quotes += 1;
                self.record_at(FlawKind::UnescapedQuote, at);
                self.write_content(source, text, at);
                let written = self.output_for(text).len();
                if let Some((_, later @ usize::MAX)) = &mut text.rejected_end {
                    *later = written;
                }
                self.output_for(text).extend_from_slice(b"\\\"");
                (self.position, text.scan) = (at + length, at + length);
            }
            QuoteClass::Content => {
                text.inner_quotes += 1;
                self.write_content(source, text, at + length);
                text.scan = at + length;
            }
            QuoteClass::Closing(after) => {
                if text.quote_count == QuoteCount::One && after > at + length {
                    self.record_at(FlawKind::WrongQuote, at);
                }
                self.close_string(source, text, at, after);
            }
            QuoteClass::ClosedBefore(end) => {
                self.record_at(FlawKind::MissingQuote, end);
                self.close_string(source, text, end, end);
            }
            QuoteClass::JoinedBefore(end, start) => {
                self.record_at(FlawKind::MissingQuote, end);
                self.record_at(FlawKind::JoinedStrings, at);
                self.write_content(source, text, end);
                (self.position, text.scan, text.certain_to, text.brackets_counted_to) =
                    (start, start, start, start);
            }
            QuoteClass::Joined(start, quote) => {
                self.record_at(FlawKind::JoinedStrings, at);
                self.write_content(source, text, at);
                (self.position, text.scan, text.certain_to, text.brackets_counted_to) =
                    (start, start, start, start);
                (text.quote, text.quote_count) = (quote, QuoteCount::One);
            }
        }
        Ok(())
    }

    /// Counts brackets in what has been looked through.
    pub(super) fn count_brackets(&self, source: SourceText<'_>, text: &mut StringState, to: usize) {
        let from = std::mem::replace(&mut text.brackets_counted_to, to);
        for byte in source.bytes.get(from..to).unwrap_or_default() {
            text.bracket_depth += match byte {
                b'{' | b'[' => 1,
                b'}' | b']' => -1,
                _ => 0,
            };
        }
    }

    /// Where a string is written.
    pub(super) fn output_for(&mut self, text: &StringState) -> &mut Vec<u8> {
        if text.pending_start.is_some() { &mut self.pending } else { &mut self.output }
    }

    /// Writes what has been read, up to `to`.
    pub(super) fn write_content(
        &mut self,
        source: SourceText<'_>,
        text: &mut StringState,
        to: usize,
    ) {
        let piece = source.bytes.get(self.position..to).unwrap_or_default();
        let dirty = std::mem::take(&mut text.needs_escaping);
        let out = self.output_for(text);
        if dirty {
            write_escaped(out, piece)
        } else {
            out.extend_from_slice(piece)
        }
        self.position = to;
    }

    /// Ends a string whose content ends at `end`; what follows begins at `after`.
    pub(super) fn close_string(
        &mut self,
        source: SourceText<'_>,
        text: &mut StringState,
        end: usize,
        after: usize,
    ) {
        // No key ends with a line break; a model that wrote one began the next line too soon.
        let end = if text.role == TokenRole::Key { self.trim_line_break(source, end) } else { end };
        self.write_content(source, text, end);
        self.output_for(text).push(b'"');
        self.position = after;
        match (text.role, text.pending_start) {
            (TokenRole::Key, _) => self.state = ParserState::ExpectColon,
            (TokenRole::Item, Some(start)) if self.is_followed_by_colon(source) => {
                self.turn_item_into_key(start)
            }
            (_, held) => {
                if held.is_some() {
                    self.release_pending();
                }
                self.end_value();
            }
        }
    }

    /// Where a key ends without the line break before its quote.
    fn trim_line_break(&self, source: SourceText<'_>, end: usize) -> usize {
        let key = source.bytes.get(self.position..end).unwrap_or_default();
        let own = key.trim_ascii_end().len();
        if source.has_line_break(self.position + own, end) { self.position + own } else { end }
    }

    /// Lets go a string that was held back.
    fn release_pending(&mut self) {
        self.output.append(&mut self.pending);
        self.mark_content();
    }

    /// Whether a colon follows, which makes an item a key. To have seen what follows is the
    /// verdict's part.
    fn is_followed_by_colon(&self, source: SourceText<'_>) -> bool {
        matches!(source.next_token(self.position), Ok(Some((_, b':'))))
    }

    /// Makes a key of an item: the array before it was not closed, or the object not opened.
    fn turn_item_into_key(&mut self, start: usize) {
        let filled = self.stack.last().is_some_and(|frame| frame.has_content);
        let is_in_object = self
            .stack
            .iter()
            .rev()
            .nth(1)
            .is_some_and(|frame| frame.container == Container::Object);
        self.record(FlawKind::MissingBracket);
        if is_in_object && (filled || self.starts_with_comma) {
            self.stack.pop();
            self.output.push(b']');
            if !filled {
                self.pending.insert(0, b',');
            }
        } else {
            let key = self.pending.split_off(start);
            self.release_pending();
            self.state = ParserState::ExpectValue;
            self.open_container(Container::Object);
            self.pending = key;
        }
        self.state = ParserState::ExpectColon;
    }

    /// Nothing but plain bytes to the end of what has come.
    fn pause_string(&mut self, source: SourceText<'_>, mut text: StringState) -> StepResult {
        let end = source.bytes.len();
        if source.is_complete {
            return self.end_unclosed_string(source, text);
        }
        let fresh = source.bytes.get(text.scan..end).unwrap_or_default();
        if let Some(last) = fresh.iter().rposition(|byte| !is_structural(*byte)) {
            text.certain_to = text.scan + last + 1;
        }
        text.scan = end;
        let length = end - self.position;
        if text.pending_start.is_some() && text.role == TokenRole::Item && length > MAX_HELD_ITEM {
            text.pending_start = None;
            self.release_pending();
        }
        if text.pending_start.is_none() || length > MAX_LOOKAHEAD {
            self.count_brackets(source, &mut text, end);
            self.write_certain_content(source, &mut text);
        }
        self.state = ParserState::InString(text);
        Err(StopReason::NeedMoreInput)
    }

    /// Writes what can belong to nothing but the string.
    fn write_certain_content(&mut self, source: SourceText<'_>, text: &mut StringState) {
        let dirty = text.needs_escaping;
        if text.certain_to > self.position {
            self.write_content(source, text, text.certain_to);
            text.needs_escaping = dirty;
        }
    }

    /// The text ends, and so does the string, without its quote.
    fn end_unclosed_string(&mut self, source: SourceText<'_>, mut text: StringState) -> StepResult {
        if let Some((at, written)) = text.rejected_end.take()
            && self.rereads < MAX_REREADS
        {
            return self.reread_from_rejected_end(source, text, at, written);
        }
        let all = source.tail(self.position);
        if text.role == TokenRole::Key {
            // What follows the colon of a key without its quote is its value.
            let colon = all.iter().position(|byte| *byte == b':');
            let Some(colon) = colon.filter(|colon| *colon > 0) else {
                self.position = source.bytes.len();
                return self.finish_document(FlawKind::Truncated);
            };
            self.record(FlawKind::MissingQuote);
            self.close_string(source, &mut text, self.position + colon, self.position + colon);
            return Ok(());
        }
        if text.pending_start.is_some_and(|start| start + 1 == self.pending.len()) && all.is_empty()
        {
            return self.finish_document(FlawKind::Truncated);
        }
        self.record_at(FlawKind::MissingQuote, source.bytes.len());
        let own = all.get(..self.content_length(source, all)).unwrap_or_default();
        let end = self.position + self.trim_members(own).len();
        self.close_string(source, &mut text, end, end);
        Ok(())
    }

    /// Takes back what was read behind a place where the string could have ended.
    fn reread_from_rejected_end(
        &mut self,
        source: SourceText<'_>,
        text: StringState,
        at: usize,
        written: usize,
    ) -> StepResult {
        self.rereads += 1;
        source.budget.spend(REREAD_COST * (source.bytes.len() - at));
        self.output_for(&text).truncate(written);
        let length = source.quote_at(at).map_or(1, |(_, length)| length);
        self.position = at + length;
        let mut text = StringState { needs_escaping: false, ..text };
        self.close_string(source, &mut text, at + length, at + length);
        Ok(())
    }

    /// How much of a string without its quote is the string's own: not the brackets that close all
    /// that is open, and not a fence.
    fn content_length(&self, source: SourceText<'_>, all: &[u8]) -> usize {
        let mut text = all.trim_ascii_end();
        for fence in [&b"```"[..], b"~~~"] {
            text = text.strip_suffix(fence).unwrap_or(text).trim_ascii_end();
        }
        let brackets = text.iter().rev().take_while(|byte| is_structural(**byte)).count();
        let (own, run) = text.split_at(text.len() - brackets);
        let is_closer = |at: &usize| matches!(run.get(*at), Some(b'}' | b']' | b'[' | b'{'));
        let mut closers = (0..run.len()).filter(is_closer);
        // A bracket that was opened in the string is closed in it.
        let inner = match unclosed_bracket_count(source, own) {
            0 => 0,
            open => closers.nth(open - 1).map_or(run.len(), |at| at + 1),
        };
        let closers: Vec<u8> = closers.filter_map(|at| run.get(at).copied()).collect();
        let frames = self.stack.iter().rev().map(|frame| frame.container.closing_bracket());
        let fits = !closers.is_empty() && closers.iter().copied().eq(frames.take(closers.len()));
        if fits { own.len() + inner } else { text.len() }
    }
}

/// Where the next byte is that is not just itself in the string.
fn find_special(source: SourceText<'_>, text: &StringState) -> Option<usize> {
    let rest = source.tail(text.scan);
    let found = match text.quote {
        Quote::Double => rest.iter().position(|byte| must_be_escaped(*byte)),
        Quote::Single => rest.iter().position(|byte| must_be_escaped(*byte) || *byte == b'\''),
        _ => rest
            .iter()
            .position(|byte| must_be_escaped(*byte) || matches!(*byte, b'\'' | b'`' | 0xc2 | 0xe2)),
    };
    found.map(|found| text.scan + found)
}

/// How the quotes of a string that begins at `at` come, and where its content begins.
fn count_quotes(
    source: SourceText<'_>,
    at: usize,
    length: usize,
    place: TokenRole,
) -> Lookahead<(QuoteCount, usize)> {
    let quote = source.byte_at(at);
    let once = Ok((QuoteCount::One, at + length));
    if length > 1 || quote == Some(b'`') || source.peek(at + 1)? != quote {
        return once;
    }
    let third = source.peek(at + 2)?;
    if third == quote {
        let fourth = source.peek(at + 3)?;
        let empty = fourth == quote && source.peek(at + 4)?.is_none_or(may_follow_string);
        return Ok(if empty { (QuoteCount::Two, at + 2) } else { (QuoteCount::Three, at + 3) });
    }
    // Two quotes and a delimiter are an empty string, unless they begin a key with a blank.
    if third.is_none_or(may_follow_string) {
        let begins =
            place == TokenRole::Key && third == Some(b' ') && source.word_length(at + 3)? > 0;
        return if begins { Ok((QuoteCount::Two, at + 2)) } else { once };
    }
    // Where the next one is neither doubled nor an end, the second is the string's own.
    let Some(end) = source.string_end(at + 1, MAX_LOOKAHEAD)? else {
        return Ok((QuoteCount::Two, at + 2));
    };
    let ends =
        source.peek(end + 1)?.is_none_or(|byte| Some(byte) == quote || b",:}]\n".contains(&byte));
    if ends { Ok((QuoteCount::Two, at + 2)) } else { once }
}

/// What may stand behind a string.
fn may_follow_string(byte: u8) -> bool {
    byte.is_ascii_whitespace() || b",:}]);+=/".contains(&byte)
}
