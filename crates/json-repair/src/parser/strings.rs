//! Strings: their beginning, their content and their end.

use super::{
    Parser, ParserState, StepResult, StopReason,
    escapes::write_escaped,
    state::{QuoteClass, QuoteCount, StringState, TokenRole, is_structural},
    string_ends::has_curly_quote,
};
use crate::{
    lookahead::{Lookahead, MAX_LOOKAHEAD, SourceText},
    report::FlawKind,
    strict::must_be_escaped,
    typography::{Quote, strip_curly_quote, strip_full_width_comma},
};

/// The length, in bytes, up to which a string in an array is held, because it may be a key.
const MAX_HELD_ITEM: usize = 64;

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
            has_double_quote: false,
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
                    string.has_double_quote = true;
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

    /// Writes the quote at `string.scan`, which belongs to the content.
    fn write_content_quote(
        &mut self,
        source: SourceText<'_>,
        string: &mut StringState,
        length: usize,
    ) {
        let at = string.scan;
        string.inner_quotes += 1;
        string.certain_to = at;
        self.note_curly_quote(source, string);
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

    /// Notes whether the certain content, which is about to be written, has a typographic quote.
    fn note_curly_quote(&self, source: SourceText<'_>, string: &mut StringState) {
        let content = source.bytes.get(self.position..string.certain_to).unwrap_or_default();
        string.has_curly_quote |= has_curly_quote(content);
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
        let out = self.output_for(string);
        if needs_escaping {
            write_escaped(out, piece);
        } else {
            out.extend_from_slice(piece);
        }
        self.position = to;
    }

    /// Handles the end of the source in a string: the end of the text, or a wait for more.
    fn pause_string(&mut self, source: SourceText<'_>, mut string: StringState) -> StepResult {
        let end = source.bytes.len();
        if source.is_complete {
            return self.end_unclosed_string(source, string);
        }
        let fresh = source.bytes.get(string.scan..end).unwrap_or_default();
        let is_plain = string.scan == self.position && fresh.is_ascii();
        let certain = if is_plain { unstructured_length(fresh) } else { certain_length(fresh) };
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
            if !is_plain {
                self.note_curly_quote(source, &mut string);
            }
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
}

/// Returns the length of the content that cannot belong to the JSON behind the string, if the closing
/// quote is missing or a typographic one.
fn certain_length(content: &[u8]) -> usize {
    let own = content.get(..unstructured_length(content)).unwrap_or_default();
    let own = strip_full_width_comma(own).unwrap_or(own);
    strip_curly_quote(own).unwrap_or(own).len()
}

/// Returns the length of a text without the structure at its end.
fn unstructured_length(text: &[u8]) -> usize {
    text.iter().rposition(|byte| !is_structural(*byte)).map_or(0, |last| last + 1)
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
