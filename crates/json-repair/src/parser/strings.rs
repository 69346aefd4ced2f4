//! Strings: their beginning, their content and their end.

use memchr::memmem;

use super::{
    Container, Parser, ParserState, StepResult, StopReason,
    escapes::write_escaped,
    quotes::unclosed_bracket_count,
    state::{QuoteClass, QuoteCount, RejectedEnd, StringState, TokenRole, is_structural},
};
use crate::{
    lookahead::{Confidence, Lookahead, MAX_LOOKAHEAD, SourceText},
    report::FlawKind,
    strict::must_be_escaped,
    typography::{Quote, strip_curly_quote, strip_full_width_comma},
    work_budget::REREAD_COST,
};

/// The length, in bytes, up to which a string in an array is held, because it may be a key.
const MAX_HELD_ITEM: usize = 64;

/// The maximum number of strings that are read again.
const MAX_REREADS: u8 = 8;

impl Parser {
    /// Begins a string at its quote.
    pub(super) fn open_string(&mut self, source: SourceText<'_>, role: TokenRole) -> StepResult {
        let Some((quote, length)) = source.quote_at(self.position) else {
            return Err(StopReason::Unrepairable);
        };
        let (quote_count, start) = count_quotes(source, self.position, length, role)?;
        if quote != Quote::Double || quote_count != QuoteCount::One {
            self.record(FlawKind::WrongQuote);
        }
        self.start_string(source, quote, quote_count, role, start)
    }

    /// Begins a string whose content begins at `start`.
    pub(super) fn start_string(
        &mut self,
        source: SourceText<'_>,
        quote: Quote,
        quote_count: QuoteCount,
        role: TokenRole,
        start: usize,
    ) -> StepResult {
        match role {
            TokenRole::Value => {
                self.begin_value();
                self.output.push(b'"');
            }
            TokenRole::Key | TokenRole::Item => {
                self.ensure_comma();
                self.pending.push(b'"');
            }
        }
        let pending_start = (role != TokenRole::Value).then(|| self.pending.len() - 1);
        self.position = start;
        let string = StringState {
            quote,
            quote_count,
            role,
            pending_start,
            scan: start,
            certain_to: start,
            brackets_counted_to: start,
            needs_escaping: false,
            has_curly_quote: false,
            inner_quotes: 0,
            bracket_depth: 0,
            rejected_end: None,
        };
        self.state = ParserState::InString(string);
        self.read_string(source, string)
    }

    /// Reads more of a string.
    pub(super) fn read_string(
        &mut self,
        source: SourceText<'_>,
        mut string: StringState,
    ) -> StepResult {
        loop {
            let Some(found) = find_special(source, &string) else {
                return self.pause_string(source, string);
            };
            string.scan = found;
            source.budget.spend(1);
            let read = self.read_special(source, &mut string);
            let ParserState::InString(state) = &mut self.state else { return Ok(()) };
            if let Err(stop) = read {
                *state = string;
                return Err(stop);
            }
        }
    }

    /// Reads a byte that may not be plain content.
    fn read_special(&mut self, source: SourceText<'_>, string: &mut StringState) -> StepResult {
        match source.byte_at(string.scan) {
            Some(b'\\') => self.read_escape(source, string),
            Some(0..=0x1f) => {
                self.read_control(string);
                Ok(())
            }
            _ => match source.quote_at(string.scan) {
                Some((quote, length)) if string.quote.is_closed_by(quote) => {
                    self.read_quote(source, string, length)
                }
                Some((Quote::Double, _)) if self.double_quote_closes(source, string)? => {
                    self.close_string(source, string, string.scan, string.scan + 1);
                    Ok(())
                }
                Some((Quote::Double, _)) => {
                    string.needs_escaping = true;
                    string.scan += 1;
                    Ok(())
                }
                found => {
                    string.scan += found.map_or(1, |(_, length)| length);
                    Ok(())
                }
            },
        }
    }

    /// Reads a control character, which is written as an escape.
    fn read_control(&mut self, string: &mut StringState) {
        self.record_at(FlawKind::ControlCharacter, string.scan);
        string.needs_escaping = true;
        string.scan += 1;
    }

    /// Reads a quote that may end the string.
    fn read_quote(
        &mut self,
        source: SourceText<'_>,
        string: &mut StringState,
        length: usize,
    ) -> StepResult {
        if source.budget.is_exhausted() {
            return Err(StopReason::Unrepairable);
        }
        let at = string.scan;
        if string.inner_quotes > 0 || !source.is_complete {
            self.count_brackets(source, string, at);
        }
        match self.classify_quote(source, string, length)? {
            QuoteClass::Content => self.write_content_quote(source, string, length),
            QuoteClass::Ambiguous => return Err(StopReason::Unrepairable),
            QuoteClass::Closing { after } => {
                if string.quote_count == QuoteCount::One && after > at + length {
                    self.record_at(FlawKind::WrongQuote, at);
                }
                self.close_string(source, string, at, after);
            }
            QuoteClass::ClosedBefore { .. } if let Some(rejected) = string.rejected_end.take() => {
                return self.reread_from(source, *string, rejected);
            }
            QuoteClass::ClosedBefore { end } => {
                self.close_before(source, string, end);
            }
            QuoteClass::JoinedBefore { end, start } => {
                self.record_at(FlawKind::MissingQuote, end);
                self.record_at(FlawKind::JoinedStrings, at);
                self.write_content(source, string, end);
                self.position = start;
                string.continue_at(start);
            }
            QuoteClass::Joined { start, quote } => {
                self.record_at(FlawKind::JoinedStrings, at);
                self.write_content(source, string, at);
                self.position = start;
                string.continue_at(start);
                (string.quote, string.quote_count) = (quote, QuoteCount::One);
            }
        }
        Ok(())
    }

    /// Ends a string at `end`, behind a typographic quote or without any.
    fn close_before(&mut self, source: SourceText<'_>, string: &mut StringState, end: usize) {
        let content = source.bytes.get(self.position..end).unwrap_or_default().trim_ascii_end();
        let is_paired = |own: &&[u8]| string.has_curly_quote || has_curly_quote(own);
        let own = strip_curly_quote(content).filter(|own| !is_paired(own));
        match own.filter(|_| string.quote == Quote::Double) {
            Some(own) => {
                let quote = self.position + own.len();
                self.record_at(FlawKind::WrongQuote, quote);
                self.close_string(source, string, quote, end);
            }
            None => {
                self.record_at(FlawKind::MissingQuote, end);
                self.close_string(source, string, end, end);
            }
        }
    }

    /// Returns whether a double quote ends a string that begins with a typographic quote.
    fn double_quote_closes(&self, source: SourceText<'_>, string: &StringState) -> Lookahead<bool> {
        let after = string.scan + 1;
        if string.quote != Quote::CurlyDouble {
            return Ok(false);
        }
        let Some((_, byte)) = source.next_token(after)? else { return Ok(false) };
        match string.role {
            TokenRole::Key => Ok(byte == b':'),
            _ => Ok(self.continuation_confidence(source, after, 0)? == Confidence::High),
        }
    }

    /// Writes the quote at `string.scan`, which belongs to the content.
    fn write_content_quote(
        &mut self,
        source: SourceText<'_>,
        string: &mut StringState,
        length: usize,
    ) {
        let at = string.scan;
        string.inner_quotes += 1;
        self.write_content(source, string, at);
        let written = self.output_for(string).len();
        if let Some(rejected) = &mut string.rejected_end {
            rejected.output_length.get_or_insert(written);
        }
        if string.quote == Quote::Double {
            self.record_at(FlawKind::UnescapedQuote, at);
            self.output_for(string).extend_from_slice(b"\\\"");
            self.position = at + length;
        } else {
            self.write_content(source, string, at + length);
        }
        string.scan = at + length;
    }

    /// Counts the brackets in the content up to `to`.
    pub(super) fn count_brackets(
        &self,
        source: SourceText<'_>,
        string: &mut StringState,
        to: usize,
    ) {
        let from = std::mem::replace(&mut string.brackets_counted_to, to);
        for byte in source.bytes.get(from..to).unwrap_or_default() {
            string.bracket_depth += match byte {
                b'{' | b'[' => 1,
                b'}' | b']' => -1,
                _ => 0,
            };
        }
    }

    /// Returns the buffer that a string is written to.
    pub(super) fn output_for(&mut self, string: &StringState) -> &mut Vec<u8> {
        if string.pending_start.is_some() { &mut self.pending } else { &mut self.output }
    }

    /// Writes the content from the parser's position up to `to`.
    pub(super) fn write_content(
        &mut self,
        source: SourceText<'_>,
        string: &mut StringState,
        to: usize,
    ) {
        let piece = source.bytes.get(self.position..to).unwrap_or_default();
        let needs_escaping = std::mem::take(&mut string.needs_escaping);
        string.has_curly_quote |= has_curly_quote(piece);
        let out = self.output_for(string);
        if needs_escaping {
            write_escaped(out, piece)
        } else {
            out.extend_from_slice(piece)
        }
        self.position = to;
    }

    /// Ends a string whose content ends at `end`. The next token begins at `after`.
    pub(super) fn close_string(
        &mut self,
        source: SourceText<'_>,
        string: &mut StringState,
        end: usize,
        after: usize,
    ) {
        // No key ends with a line break. A model that wrote one began the next line too early.
        let end =
            if string.role == TokenRole::Key { self.trim_line_break(source, end) } else { end };
        self.write_content(source, string, end);
        self.output_for(string).push(b'"');
        self.position = after;
        match (string.role, string.pending_start) {
            (TokenRole::Key, _) => self.state = ParserState::ExpectColon,
            (TokenRole::Item, Some(start)) if self.is_followed_by_colon(source) => {
                self.turn_item_into_key(start)
            }
            (_, pending_start) => {
                if pending_start.is_some() {
                    self.release_pending();
                }
                self.end_value();
            }
        }
    }

    /// Returns the end of a key without the line break before its quote.
    fn trim_line_break(&self, source: SourceText<'_>, end: usize) -> usize {
        let key = source.bytes.get(self.position..end).unwrap_or_default();
        let own = key.trim_ascii_end().len();
        if source.has_line_break(self.position + own, end) { self.position + own } else { end }
    }

    /// Writes a string that was held.
    fn release_pending(&mut self) {
        self.output.append(&mut self.pending);
        self.mark_content();
    }

    /// Returns whether a colon follows, which makes an item a key. The classification of the quote
    /// has already waited for the next token.
    fn is_followed_by_colon(&self, source: SourceText<'_>) -> bool {
        matches!(source.next_token(self.position), Ok(Some((_, b':'))))
    }

    /// Turns an item into a key: the array before was not closed, or the object not opened.
    fn turn_item_into_key(&mut self, start: usize) {
        let has_content = self.has_content();
        let is_in_object = self.container_at(1) == Some(Container::Object);
        self.record(FlawKind::MissingBracket);
        if is_in_object && (has_content || self.starts_with_comma) {
            self.stack.pop();
            self.output.push(b']');
            if !has_content {
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

    /// Handles the end of the source in a string: the end of the text, or a wait for more.
    fn pause_string(&mut self, source: SourceText<'_>, mut string: StringState) -> StepResult {
        let end = source.bytes.len();
        if source.is_complete {
            return self.end_unclosed_string(source, string);
        }
        let fresh = source.bytes.get(string.scan..end).unwrap_or_default();
        let certain = certain_length(fresh);
        if certain > 0 {
            string.certain_to = string.scan + certain;
        }
        string.scan = end;
        let length = end - self.position;
        if string.pending_start.is_some()
            && string.role == TokenRole::Item
            && string.rejected_end.is_none()
            && length > MAX_HELD_ITEM
        {
            string.pending_start = None;
            self.release_pending();
        }
        if string.pending_start.is_none() || length > MAX_LOOKAHEAD {
            self.count_brackets(source, &mut string, end);
            self.write_certain_content(source, &mut string);
        }
        self.state = ParserState::InString(string);
        Err(StopReason::NeedMoreInput)
    }

    /// Writes the content that cannot belong to anything behind the string.
    fn write_certain_content(&mut self, source: SourceText<'_>, string: &mut StringState) {
        let needs_escaping = string.needs_escaping;
        if string.certain_to > self.position {
            self.write_content(source, string, string.certain_to);
            string.needs_escaping = needs_escaping;
        }
    }

    /// Ends a string in which the text ends.
    fn end_unclosed_string(
        &mut self,
        source: SourceText<'_>,
        mut string: StringState,
    ) -> StepResult {
        if let Some(rejected) = string.rejected_end.take()
            && self.rereads < MAX_REREADS
        {
            return self.reread_from(source, string, rejected);
        }
        if string.role == TokenRole::Key {
            return self.end_unclosed_key(source, string);
        }
        let all = source.tail(self.position);
        if string.pending_start.is_some_and(|start| start + 1 == self.pending.len())
            && all.is_empty()
        {
            return self.finish_document(FlawKind::Truncated);
        }
        let own = all.get(..self.content_length(source, all)).unwrap_or_default();
        let end = self.position + self.trim_members(own).len();
        self.close_before(source, &mut string, end);
        Ok(())
    }

    /// Discards the output behind a rejected end, and ends the string there.
    fn reread_from(
        &mut self,
        source: SourceText<'_>,
        string: StringState,
        rejected: RejectedEnd,
    ) -> StepResult {
        let at = rejected.at;
        self.rereads += 1;
        source.budget.spend(REREAD_COST * (source.bytes.len() - at));
        if let Some(length) = rejected.output_length {
            self.output_for(&string).truncate(length);
        }
        let after = source.quote_end(at);
        self.position = after;
        let mut string = StringState { needs_escaping: false, ..string };
        self.close_string(source, &mut string, after, after);
        Ok(())
    }

    /// Returns the length of an unclosed string's own content: without a code fence, and without
    /// the brackets that close the open containers.
    fn content_length(&self, source: SourceText<'_>, all: &[u8]) -> usize {
        let mut text = all.trim_ascii_end();
        for fence in [&b"```"[..], b"~~~"] {
            text = text.strip_suffix(fence).unwrap_or(text).trim_ascii_end();
        }
        let brackets = text.iter().rev().take_while(|byte| is_structural(**byte)).count();
        let (own, run) = text.split_at(text.len() - brackets);
        let is_closer = |at: &usize| matches!(run.get(*at), Some(b'}' | b']' | b'[' | b'{'));
        let mut closers = (0..run.len()).filter(is_closer);
        // A bracket that was opened in the content is closed in the content.
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

/// Returns the length of the content that cannot belong to the JSON behind the string, if the closing
/// quote is missing or a typographic one.
fn certain_length(content: &[u8]) -> usize {
    let last = content.iter().rposition(|byte| !is_structural(*byte));
    let own = content.get(..last.map_or(0, |last| last + 1)).unwrap_or_default();
    let own = strip_full_width_comma(own).unwrap_or(own);
    strip_curly_quote(own).unwrap_or(own).len()
}

/// Returns whether a text has a typographic double quote.
fn has_curly_quote(text: &[u8]) -> bool {
    memmem::find(text, "“".as_bytes()).is_some() || memmem::find(text, "”".as_bytes()).is_some()
}

/// Returns the offset of the next byte that may not be plain content.
fn find_special(source: SourceText<'_>, string: &StringState) -> Option<usize> {
    let rest = source.tail(string.scan);
    let found = match string.quote {
        Quote::Double => rest.iter().position(|byte| must_be_escaped(*byte)),
        Quote::Single => rest.iter().position(|byte| must_be_escaped(*byte) || *byte == b'\''),
        _ => rest
            .iter()
            .position(|byte| must_be_escaped(*byte) || b"'`\xc2\xe2\xe3\xef".contains(byte)),
    };
    found.map(|found| string.scan + found)
}

/// Returns the number of quotes that begin a string, and the offset of its content.
fn count_quotes(
    source: SourceText<'_>,
    at: usize,
    length: usize,
    role: TokenRole,
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
    // Two quotes and a delimiter are an empty string, unless a key begins with a space.
    if third.is_none_or(may_follow_string) {
        let begins =
            role == TokenRole::Key && third == Some(b' ') && source.word_length(at + 3)? > 0;
        return if begins { Ok((QuoteCount::Two, at + 2)) } else { once };
    }
    // If the next quote is neither doubled nor closing, the second quote is content.
    let Some(end) = source.string_end(at + 1, MAX_LOOKAHEAD)? else {
        return Ok((QuoteCount::Two, at + 2));
    };
    let ends =
        source.peek(end + 1)?.is_none_or(|byte| Some(byte) == quote || b",:}]\n".contains(&byte));
    if ends { Ok((QuoteCount::Two, at + 2)) } else { once }
}

/// Returns whether a byte may follow a string.
fn may_follow_string(byte: u8) -> bool {
    byte.is_ascii_whitespace() || b",:}]);+=/".contains(&byte)
}
