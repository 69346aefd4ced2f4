//! Classification of quotes in keys. A key without its colon or its closing quote must not take in the
//! text behind it.

use memchr::{memchr, memmem};

use super::{
    Parser, StepResult, StopReason,
    state::{QuoteClass, StringState},
};
use crate::{
    lookahead::{Confidence, Lookahead, MAX_LOOKAHEAD, SourceText},
    report::FlawKind,
};

impl Parser {
    /// Returns the class of a quote in a key.
    pub(super) fn classify_key_quote(
        &self,
        source: SourceText<'_>,
        string: &StringState,
        after: usize,
    ) -> Lookahead<QuoteClass> {
        let at = string.scan;
        let Some((next, byte)) = source.next_token(after)? else {
            return Ok(QuoteClass::Closing { after });
        };
        if matches!(byte, b':' | b'=') {
            return Ok(QuoteClass::Closing { after });
        }
        if let Some(class) = self.key_end_before(source, string, at)? {
            return Ok(class);
        }
        if string.inner_quotes == 0
            && let Some(class) = self.key_end_before_value(source, string, after)?
        {
            return Ok(class);
        }
        if next == after && source.quote_at(next).is_some() {
            let after = source.quote_end(next);
            let follows = source.next_token(after)?.is_some_and(|(_, byte)| byte == b':');
            return Ok(if follows { QuoteClass::Closing { after } } else { QuoteClass::Content });
        }
        let ends = matches!(byte, b',' | b'}' | b']') || source.has_at(next, b"->")?;
        let ends = ends || (next > after && source.has_value_at(next)?);
        let ends = ends || !self.key_continues(source, after)?;
        Ok(if ends { QuoteClass::Closing { after } } else { QuoteClass::Content })
    }

    /// Returns the class of a quote in front of which the key has a colon, a comma or an opening
    /// bracket: the key ended before.
    fn key_end_before(
        &self,
        source: SourceText<'_>,
        string: &StringState,
        at: usize,
    ) -> Lookahead<Option<QuoteClass>> {
        let so_far = source.bytes.get(self.position..at).unwrap_or_default();
        let so_far = so_far.get(..MAX_LOOKAHEAD).unwrap_or(so_far);
        let colon = colon_offset(so_far);
        let is_structured = matches!(so_far.trim_ascii_end().last(), Some(b',' | b'{' | b'['));
        if colon.is_none() && !is_structured {
            return Ok(None);
        }
        if string.inner_quotes > 0 {
            return Ok(Some(QuoteClass::Ambiguous));
        }
        if let Some(colon) = colon {
            return Ok(Some(QuoteClass::ClosedBefore { end: self.position + colon }));
        }
        let length = self.key_length_before_value(source)?;
        let closed = length.map(|length| QuoteClass::ClosedBefore { end: self.position + length });
        Ok(Some(closed.unwrap_or(QuoteClass::Ambiguous)))
    }

    /// Returns the class of a quote in a key whose colon is missing, if the value is a string whose
    /// opening quote is this one, the next one, or missing.
    fn key_end_before_value(
        &self,
        source: SourceText<'_>,
        string: &StringState,
        after: usize,
    ) -> Lookahead<Option<QuoteClass>> {
        let at = string.scan;
        let so_far = source.bytes.get(self.position..at).unwrap_or_default();
        let key = so_far.trim_ascii_end();
        let next_is_quote = source.byte_at(after) == source.byte_at(at);
        let value = if next_is_quote { after } else { at };
        let Some(end) = source.after_string(value)?.filter(|_| !key.is_empty()) else {
            return Ok(None);
        };
        let is_closed = self.member_ends_at(source, end)?;
        let opens_value = key.len() < so_far.len() && !next_is_quote;
        let class = if opens_value {
            QuoteClass::ClosedBefore { end: self.position + key.len() }
        } else {
            QuoteClass::Closing { after }
        };
        Ok(is_closed.then_some(class))
    }

    /// Returns whether a member of an object, whose value ends at `end`, is complete: another member
    /// or the end of the object follows.
    pub(super) fn member_ends_at(&self, source: SourceText<'_>, end: usize) -> Lookahead<bool> {
        let Some((next, byte)) = source.next_token(end)? else { return Ok(false) };
        let confidence = self.continuation_confidence(source, end, 0)?;
        if confidence == Confidence::High {
            return Ok(matches!(byte, b',' | b'}') || source.has_line_break(end, next));
        }
        match source.next_token(next + 1)?.filter(|_| byte == b',') {
            Some((key, _)) => Ok(source.key_confidence(key)? != Confidence::None),
            None => Ok(false),
        }
    }

    /// Returns whether another quote follows that ends the key, before any byte that no key has.
    fn key_continues(&self, source: SourceText<'_>, after: usize) -> Lookahead<bool> {
        let rest = source.clipped(after).tail(after);
        let end = rest.iter().position(|byte| b"\"'\n,{}[]".contains(byte) || *byte >= 0x80);
        source.budget.spend(end.unwrap_or(rest.len()));
        match end.and_then(|end| rest.get(end)) {
            None if rest.len() < MAX_LOOKAHEAD => source.peek(after + rest.len()).map(|_| true),
            found => Ok(!matches!(found, Some(b',' | b'{' | b'[' | b'\n'))),
        }
    }

    /// Returns whether the pending key, whose colon is missing, may hold the text of a value: quotes,
    /// or several words in front of neither a colon nor a value.
    pub(super) fn pending_key_may_hold_value(&self, byte: u8) -> bool {
        let key = self.pending.iter().position(|byte| *byte == b'"');
        let key = key.and_then(|at| self.pending.get(at..)).unwrap_or_default().trim_ascii_end();
        let has_no_value = matches!(byte, b',' | b';' | b'}');
        memmem::find(key, b"\\\"").is_some() || has_no_value && key.contains(&b' ')
    }

    /// Returns whether a string without a colon follows a key without a colon: `{"city", "Oslo"}`.
    pub(super) fn is_followed_by_item(&self, source: SourceText<'_>, byte: u8) -> Lookahead<bool> {
        if byte != b',' {
            return Ok(false);
        }
        let Some((next, _)) = source.next_token(self.position + 1)? else { return Ok(false) };
        Ok(source.quote_at(next).is_some() && source.key_confidence(next)? == Confidence::None)
    }

    /// Ends a key in which the text ends. The text behind its first colon is the value. A key at
    /// the end of a truncated text carries no data.
    pub(super) fn end_unclosed_key(
        &mut self,
        source: SourceText<'_>,
        mut string: StringState,
    ) -> StepResult {
        if string.inner_quotes > 0 {
            return Err(StopReason::Unrepairable);
        }
        let all = source.tail(self.position);
        let length = match colon_offset(all) {
            Some(colon) => colon,
            None if !matches!(all.trim_ascii_end().last(), Some(b'}' | b']')) => {
                self.position = source.bytes.len();
                return self.finish_document(FlawKind::Truncated);
            }
            None => self.key_length_before_value(source)?.ok_or(StopReason::Unrepairable)?,
        };
        self.record(FlawKind::MissingQuote);
        let end = self.position + length;
        self.close_string(source, &mut string, end, end);
        Ok(())
    }

    /// Returns the length of the word at the current position, if white space and a value follow.
    fn key_length_before_value(&self, source: SourceText<'_>) -> Lookahead<Option<usize>> {
        let length = source.word_length(self.position)?;
        let end = self.position + length;
        match source.next_token(end)? {
            Some((next, _)) if length > 0 && next > end && source.has_value_at(next)? => {
                Ok(Some(length))
            }
            _ => Ok(None),
        }
    }
}

/// Returns the offset of the first colon, of any width, in an unclosed key.
fn colon_offset(key: &[u8]) -> Option<usize> {
    let colon = memchr(b':', key);
    colon.or_else(|| memmem::find(key, "：".as_bytes())).filter(|colon| *colon > 0)
}
