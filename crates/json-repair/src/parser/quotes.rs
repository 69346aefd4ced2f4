//! Classification of quotes in strings. A quote ends a string when the text behind it is what JSON
//! allows there; only otherwise the classification weighs likelihoods.

use memchr::memchr;

use super::{
    Container, Parser,
    state::{QuoteClass, QuoteCount, RejectedEnd, StringState, TokenRole, is_structural},
};
use crate::{
    literals::json_literal,
    lookahead::{Confidence, Lookahead, MAX_LOOKAHEAD, SourceText},
    strict::number_length,
    typography::{Quote, strip_full_width_comma},
    work_budget::BYTES_PER_STEP,
};

impl Parser {
    /// Returns the class of the quote at `string.scan`, which is `length` bytes long.
    pub(super) fn classify_quote(
        &mut self,
        source: SourceText<'_>,
        string: &mut StringState,
        length: usize,
    ) -> Lookahead<QuoteClass> {
        let at = string.scan;
        let after = match string.quote_count {
            QuoteCount::One => at + length,
            QuoteCount::Two if source.peek(at + 1)? == source.byte_at(at) => at + 2,
            QuoteCount::Two => at + 1,
            QuoteCount::Three => match self.triple_quote_end(source, at)? {
                Some(after) => return Ok(QuoteClass::Closing { after }),
                None => return Ok(QuoteClass::Content),
            },
        };
        match string.role {
            TokenRole::Key => self.classify_key_quote(source, string, after),
            _ => self.classify_value_quote(source, string, after),
        }
    }

    /// Returns the offset behind three quotes. The first of four quotes belongs to the content.
    fn triple_quote_end(&self, source: SourceText<'_>, at: usize) -> Lookahead<Option<usize>> {
        let quote = source.byte_at(at);
        for next in [at + 1, at + 2] {
            if source.peek(next)? != quote {
                return Ok(None);
            }
        }
        Ok((source.peek(at + 3)? != quote).then_some(at + 3))
    }

    /// Returns the class of a quote in a value or an item.
    fn classify_value_quote(
        &mut self,
        source: SourceText<'_>,
        string: &mut StringState,
        after: usize,
    ) -> Lookahead<QuoteClass> {
        let Some((next, byte)) = source.next_token(after)? else {
            return Ok(QuoteClass::Closing { after });
        };
        if !self.looks_far_ahead() && self.is_plainly_closed(source, next, byte)? {
            return Ok(QuoteClass::Closing { after });
        }
        if byte == b'+'
            && let Some((start, _)) = source.next_token(next + 1)?
            && let Some((quote, length)) = source.quote_at(start)
        {
            return Ok(QuoteClass::Joined { start: start + length, quote });
        }
        let is_colon = source.byte_at(next) == Some(b':');
        if is_colon && string.role == TokenRole::Item && string.inner_quotes == 0 {
            let is_set = self.innermost() == Some(Container::Set);
            return Ok(if is_set { QuoteClass::Ambiguous } else { QuoteClass::Closing { after } });
        }
        if next == after && self.second_quote_closes(source, string, next)? {
            // Two quotes on a line of their own may be an empty string behind an unclosed one.
            let ended = self.missing_quote_offset(source, string, after)?;
            let ended = ended.filter(|end| source.has_line_break(*end, string.scan));
            return Ok(ended.map_or(QuoteClass::Content, |end| QuoteClass::ClosedBefore { end }));
        }
        if next > after && self.unquoted_item_follows(source, string, (next, byte))? {
            return Ok(QuoteClass::Closing { after });
        }
        let confidence = self.continuation_confidence(source, after, 0)?;
        if confidence == Confidence::Low && next == after && matches!(byte, b']' | b'}') {
            self.count_brackets(source, string, next);
            // A bracket that was opened in the content is closed in the content: `["']`.
            if string.bracket_depth > 0 {
                return Ok(QuoteClass::Content);
            }
        }
        if confidence == Confidence::High {
            return Ok(self.close_unless_bracket_open(string, after));
        }
        if let Some(end) = self.joined_string_end(source, string, after)? {
            return Ok(QuoteClass::JoinedBefore { end, start: after });
        }
        let balanced = string.inner_quotes == 0 || string.bracket_depth <= 0;
        if balanced && let Some(end) = self.missing_quote_offset(source, string, after)? {
            return Ok(QuoteClass::ClosedBefore { end });
        }
        let ends = confidence == Confidence::Low
            && (string.inner_quotes == 0
                || self.next_item_begins(source, string, next)?
                || !self.closing_quote_follows(source, string, after)?);
        Ok(if ends { QuoteClass::Closing { after } } else { QuoteClass::Content })
    }

    /// Returns whether the next string of an array begins behind the comma, and all quotes so far
    /// are in pairs.
    fn next_item_begins(
        &self,
        source: SourceText<'_>,
        string: &StringState,
        comma: usize,
    ) -> Lookahead<bool> {
        if !string.inner_quotes.is_multiple_of(2)
            || source.byte_at(comma) != Some(b',')
            || !self.is_in_array()
        {
            return Ok(false);
        }
        let next = source.next_token(comma + 1)?;
        Ok(next.is_some_and(|(at, byte)| byte == b'"' && at > comma + 1))
    }

    /// Returns whether the token at `next` is an item without quotes, behind a string of an array whose quotes
    /// so far are in pairs: `["a" b, "c"]`.
    fn unquoted_item_follows(
        &self,
        source: SourceText<'_>,
        string: &StringState,
        (next, byte): (usize, u8),
    ) -> Lookahead<bool> {
        let is_word = byte.is_ascii_alphabetic() || !byte.is_ascii();
        let is_word = is_word && source.quote_at(next).is_none();
        let is_candidate = is_word && string.bracket_depth <= 0 && self.innermost().is_some();
        if !is_candidate || !self.is_in_array() || !string.inner_quotes.is_multiple_of(2) {
            return Ok(false);
        }
        if source.item_confidence(next)? == Confidence::None {
            return Ok(false);
        }
        let rest = source.clipped(next).tail(next);
        let length = rest.iter().position(|byte| b",]\n".contains(byte)).unwrap_or(rest.len());
        let (end, is_comma) = (next + length, rest.get(length) == Some(&b','));
        match source.next_token(end + 1)?.filter(|_| is_comma) {
            None | Some((_, b']')) => Ok(true),
            Some((item, _)) => Ok(source.item_confidence(item)? != Confidence::None),
        }
    }

    /// Returns whether the token behind a string is one that JSON allows there, with a short
    /// lookahead.
    fn is_plainly_closed(&self, source: SourceText<'_>, next: usize, byte: u8) -> Lookahead<bool> {
        let container = self.innermost().filter(|_| !source.is_full_width(next));
        let Some(container) = container else { return Ok(false) };
        if byte == container.closing_bracket() {
            return Ok(true);
        }
        if byte != b',' {
            return Ok(false);
        }
        let Some((next, byte)) = source.next_token(next + 1)? else { return Ok(true) };
        let may_be_item = matches!(byte, b'{' | b'[' | b'0'..=b'9' | b'-' | b't' | b'f' | b'n');
        Ok(source.quote_at(next).is_some() || (may_be_item && container == Container::Array))
    }

    /// Returns whether the quote directly behind this one ends the string, so that this one is
    /// content.
    fn second_quote_closes(
        &self,
        source: SourceText<'_>,
        string: &StringState,
        next: usize,
    ) -> Lookahead<bool> {
        let Some((quote, length)) = source.quote_at(next) else { return Ok(false) };
        if !string.quote.is_closed_by(quote) {
            return Ok(false);
        }
        Ok(self.continuation_confidence(source, next + length, 0)? == Confidence::High)
    }

    /// Returns the class of a quote that ends the string, unless a bracket is open among quotes in
    /// the content: such a string holds JSON or a program.
    fn close_unless_bracket_open(&mut self, string: &mut StringState, after: usize) -> QuoteClass {
        if string.inner_quotes == 0 || string.bracket_depth <= 0 || self.rereads > 0 {
            return QuoteClass::Closing { after };
        }
        // The output behind this quote can still change, so a stream holds it.
        if string.rejected_end.is_none() {
            string.rejected_end = Some(RejectedEnd { at: string.scan, output_length: None });
        }
        QuoteClass::Content
    }

    /// Returns whether another quote follows that could end the string: on the same line, or before
    /// a valid continuation.
    fn closing_quote_follows(
        &self,
        source: SourceText<'_>,
        string: &StringState,
        after: usize,
    ) -> Lookahead<bool> {
        let rest = source.tail(after);
        let rest = rest.get(..MAX_LOOKAHEAD).unwrap_or(rest);
        source.budget.spend(MAX_LOOKAHEAD / BYTES_PER_STEP);
        let quote = match string.quote {
            Quote::Double => b'"',
            Quote::Single => b'\'',
            Quote::Backtick => b'`',
            Quote::CurlyDouble | Quote::CurlySingle => 0xe2,
            Quote::Corner => 0xe3,
        };
        let Some(found) = memchr(quote, rest) else {
            let all = rest.len() == MAX_LOOKAHEAD;
            return if all { Ok(false) } else { source.peek(after + rest.len()).map(|_| false) };
        };
        let at = after + found;
        if self.innermost() == Some(Container::Object)
            && source.key_confidence(at)? == Confidence::High
        {
            return Ok(false);
        }
        Ok(!source.has_line_break(after, at)
            || self.continuation_confidence(source, source.quote_end(at), 0)? == Confidence::High)
    }

    /// Returns the offset where the string ended without a quote, if the quote at `string.scan`
    /// begins a key or another string.
    fn missing_quote_offset(
        &self,
        source: SourceText<'_>,
        string: &StringState,
        after: usize,
    ) -> Lookahead<Option<usize>> {
        let at = string.scan;
        let begins = source.byte_at(after).is_some_and(|byte| !byte.is_ascii_whitespace());
        if !begins {
            return Ok(None);
        }
        let so_far = source.bytes.get(self.position..at).unwrap_or_default();
        let so_far = trim_comment(so_far);
        if let Some(own) = strip_full_width_comma(so_far)
            && member_confidence(source, at, self.innermost())? == Confidence::High
        {
            return Ok(Some(self.position + own.len()));
        }
        let at_run = self.position + so_far.len();
        let length = so_far
            .iter()
            .rev()
            .take(MAX_LOOKAHEAD)
            .take_while(|byte| is_structural(**byte))
            .count();
        source.budget.spend(length);
        let run = so_far.get(so_far.len() - length..).unwrap_or_default();
        let comma = run.iter().rposition(|byte| *byte == b',').map(|at| run.split_at(at).1);
        let own = so_far.get(..so_far.len() - length).unwrap_or_default();
        let closes = matches!(run.first(), Some(b'}' | b']'));
        // A bracket that was opened in the content is closed in the content.
        let run = Some(run).filter(|_| !closes || unclosed_bracket_count(source, own) == 0);
        for run in [run, comma].into_iter().flatten() {
            let confidence = member_confidence(source, at, self.container_after(run))?;
            if confidence == Confidence::High {
                return Ok(Some(at_run - run.len()));
            }
        }
        let spaces = so_far.len() - so_far.trim_ascii_end().len();
        let is_member = spaces > 0 && string.inner_quotes == 0 && self.has_member_at(source, at)?;
        Ok(is_member.then_some(at_run - spaces))
    }

    /// Returns whether a quoted key, a colon and a complete value are at `at`, behind which the
    /// innermost object goes on or ends.
    fn has_member_at(&self, source: SourceText<'_>, at: usize) -> Lookahead<bool> {
        if self.innermost() != Some(Container::Object) {
            return Ok(false);
        }
        let Some(after) = source.after_string(at)? else { return Ok(false) };
        let Some((colon, b':')) = source.next_token(after)? else { return Ok(false) };
        let Some((value, _)) = source.next_token(colon + 1)? else { return Ok(false) };
        let end = match source.quote_at(value) {
            Some(_) => source.after_string(value)?,
            None => source.scalar_end(value)?,
        };
        let Some(end) = end else { return Ok(false) };
        self.member_ends_at(source, end)
    }

    /// Returns the innermost container behind the brackets and the comma in `run`, if they are
    /// valid.
    fn container_after(&self, run: &[u8]) -> Option<Container> {
        let (mut closed, mut comma, mut opened) = (0, false, None);
        for byte in run.iter().copied().filter(|byte| !byte.is_ascii_whitespace()) {
            let container = self.container_at(closed)?;
            match byte {
                b',' if !comma && opened.is_none() => comma = true,
                b'}' | b']'
                    if !comma && opened.is_none() && byte == container.closing_bracket() =>
                {
                    closed += 1;
                }
                b'{' if comma && opened.is_none() && container != Container::Object => {
                    opened = Some(Container::Object);
                }
                b'[' if comma && opened.is_none() && container != Container::Object => {
                    opened = Some(Container::Array);
                }
                _ => return None,
            }
        }
        let line = run.contains(&b'\n') && self.stack.len() > closed;
        if !comma && !line {
            return None;
        }
        match opened {
            Some(container) => Some(container),
            None => {
                let container = self.container_at(closed)?;
                (comma || container == Container::Object).then_some(container)
            }
        }
    }

    /// Returns the offset where the string ended without a quote, if a `+` joins the string to the
    /// one that begins at `string.scan`.
    fn joined_string_end(
        &self,
        source: SourceText<'_>,
        string: &StringState,
        after: usize,
    ) -> Lookahead<Option<usize>> {
        let so_far = source.bytes.get(self.position..string.scan).unwrap_or_default();
        let Some(joined) = trim_comment(so_far).trim_ascii_end().strip_suffix(b"+") else {
            return Ok(None);
        };
        let Some(end) = source.after_string(after - 1)? else { return Ok(None) };
        let ends = string.quote == Quote::Double
            && self.continuation_confidence(source, end, 0)? == Confidence::High;
        let own = trim_comment(joined.trim_ascii_end());
        Ok(ends.then_some(self.position + own.len()))
    }

    /// Returns an unclosed string without the members of the object behind it: `first, b: true`.
    pub(super) fn trim_members<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        let mut own = text;
        while self.innermost() == Some(Container::Object)
            && let Some(comma) = memchr::memrchr(b',', own)
            && let (before, member) = own.split_at(comma)
            && is_unquoted_member(member)
        {
            own = before;
        }
        own
    }
}

/// Returns the confidence that a key or an item of `container` begins at `at`.
fn member_confidence(
    source: SourceText<'_>,
    at: usize,
    container: Option<Container>,
) -> Lookahead<Confidence> {
    match container {
        Some(Container::Object) => source.key_confidence(at),
        Some(_) => source.item_confidence(at),
        None => Ok(Confidence::None),
    }
}

/// Returns whether a text is a comma, a plain word as a key, a colon, and a number or a literal.
fn is_unquoted_member(text: &[u8]) -> bool {
    let mut parts = text.get(1..).unwrap_or_default().splitn(2, |byte| *byte == b':');
    let [key, value] = [parts.next(), parts.next()].map(|it| it.unwrap_or_default().trim_ascii());
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let is_value = number_length(value) == Some(value.len()) || json_literal(value).is_some();
    !key.is_empty() && key.iter().all(is_part) && is_value
}

/// Returns the number of brackets that are opened and not closed near the end of a text.
pub(super) fn unclosed_bracket_count(source: SourceText<'_>, text: &[u8]) -> usize {
    let near = text.get(text.len().saturating_sub(MAX_LOOKAHEAD)..).unwrap_or_default();
    source.budget.spend(near.len());
    let count = |brackets: &[u8]| near.iter().filter(|byte| brackets.contains(byte)).count();
    count(b"{[").saturating_sub(count(b"}]"))
}

/// Returns a text without the block comment at its end.
fn trim_comment(text: &[u8]) -> &[u8] {
    if !text.ends_with(b"*/") {
        return text;
    }
    let begin = text.len().saturating_sub(MAX_LOOKAHEAD);
    let near = text.get(begin..).unwrap_or_default();
    let start = memchr::memmem::rfind(near, b"/*");
    start.map_or(text, |start| text.get(..begin + start).unwrap_or_default())
}
