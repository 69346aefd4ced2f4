//! The ends of strings, where the text has the closing quote, another quote or none.

use memchr::memchr_iter;

use super::{
    Container, Parser, ParserState, StepResult,
    quotes::unclosed_bracket_count,
    state::{RejectedEnd, StringState, TokenRole, is_structural},
};
use crate::{
    lookahead::{Confidence, Lookahead, SourceText},
    report::FlawKind,
    typography::{Quote, strip_curly_quote},
    work_budget::REREAD_COST,
};

/// The maximum number of strings that are read again.
const MAX_REREADS: u8 = 8;

impl Parser {
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
                self.turn_item_into_key(start);
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
    pub(super) fn release_pending(&mut self) {
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

    /// Ends a string at `end`, behind a typographic quote or without any.
    pub(super) fn close_before(
        &mut self,
        source: SourceText<'_>,
        string: &mut StringState,
        end: usize,
    ) {
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

    /// Returns whether a double quote ends a string that begins with a typographic quote. Only the
    /// first one can: several belong to the content.
    pub(super) fn double_quote_closes(
        &self,
        source: SourceText<'_>,
        string: &StringState,
    ) -> Lookahead<bool> {
        let after = string.scan + 1;
        if string.quote != Quote::CurlyDouble || string.has_double_quote {
            return Ok(false);
        }
        let Some((_, byte)) = source.next_token(after)? else { return Ok(false) };
        match string.role {
            TokenRole::Key => Ok(byte == b':'),
            _ => Ok(self.continuation_confidence(source, after, 0)? == Confidence::High),
        }
    }

    /// Ends a string in which the text ends.
    pub(super) fn end_unclosed_string(
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
    pub(super) fn reread_from(
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

/// Returns whether a text has one of the quotes “ and ”.
pub(super) fn has_curly_quote(text: &[u8]) -> bool {
    if text.is_ascii() {
        return false;
    }
    memchr_iter(0xe2, text).any(|at| {
        let quote = text.get(at..at + 3).unwrap_or_default();
        quote == "“".as_bytes() || quote == "”".as_bytes()
    })
}
