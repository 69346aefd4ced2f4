//! The parser of damaged JSON. It reads a text once, forward, with a stack of its own, and writes
//! JSON: output that could still change is pending.

mod brackets;
mod escapes;
mod gaps;
mod keys;
mod quotes;
mod scalars;
mod state;
mod string_ends;
mod strings;

pub(crate) use self::state::{BracketPolicy, Container, ParseOptions, StopReason};
use self::state::{Frame, ParserState, RejectedEnd, StepResult, TokenRole};
use crate::{
    lookahead::{Confidence, SourceText},
    report::{FlawKind, Report},
    typography::FULL_WIDTH_LENGTH,
};

/// A document that was parsed to its end.
#[derive(Debug)]
pub(crate) struct ParsedDocument {
    /// The document as JSON.
    pub(crate) json: Vec<u8>,
    pub(crate) report: Report,
    /// The offset of the first byte behind the document.
    pub(crate) end: usize,
}

/// A parser of one document.
#[derive(Debug)]
pub(crate) struct Parser {
    stack: Vec<Frame>,
    state: ParserState,
    /// JSON that cannot change any more.
    output: Vec<u8>,
    /// The text that is written when the next value begins: white space, a comma, a key, a colon.
    pending: Vec<u8>,
    /// The offset of the comma in `pending`.
    pending_comma: Option<usize>,
    /// The offset of the next byte to be read.
    position: usize,
    /// The number of bytes that were removed before the first byte of the source.
    discarded: usize,
    report: Report,
    options: ParseOptions,
    /// The indentation of the current line, in bytes.
    line_indent: u16,
    /// Whether the current line holds only white space so far.
    at_line_start: bool,
    /// Whether a bracket could have been read in another way.
    is_ambiguous: bool,
    /// Whether a key was written whose value was not.
    key_awaits_value: bool,
    /// The offset before which no closing quote is in reach.
    no_quote_until: usize,
    /// Whether the innermost container starts with a comma.
    starts_with_comma: bool,
    /// The number of strings that were read again.
    rereads: u8,
}

impl Parser {
    /// Creates a parser of the document at `position`.
    pub(crate) fn new(position: usize, options: ParseOptions) -> Self {
        Self {
            stack: Vec::new(),
            state: ParserState::ExpectValue,
            output: Vec::new(),
            pending: Vec::new(),
            pending_comma: None,
            position,
            discarded: 0,
            report: Report::default(),
            options,
            line_indent: 0,
            at_line_start: false,
            is_ambiguous: false,
            key_awaits_value: false,
            no_quote_until: 0,
            starts_with_comma: false,
            rereads: 0,
        }
    }

    /// Opens a container whose bracket the text does not have.
    pub(crate) fn open_implied(&mut self, container: Container) {
        self.record(FlawKind::MissingBracket);
        self.open_container(container);
    }

    /// Parses as far as the source allows and returns the reason to stop.
    pub(crate) fn run(&mut self, source: SourceText<'_>) -> StopReason {
        while !source.budget.is_exhausted() {
            source.budget.spend(1);
            if let Err(stop) = self.step(source) {
                return stop;
            }
        }
        StopReason::Unrepairable
    }

    /// Adjusts all offsets after `count` parsed bytes were removed from the source.
    pub(crate) fn discard(&mut self, count: usize) {
        self.position -= count;
        self.discarded += count;
        self.no_quote_until = self.no_quote_until.saturating_sub(count);
        if let ParserState::InString(string) = &mut self.state {
            string.discard(count);
        }
    }

    /// Returns the offset before which no byte has to be examined again.
    pub(crate) fn examined_to(&self) -> usize {
        match &self.state {
            ParserState::InString(string) => string.scan,
            _ => self.position,
        }
    }

    /// Returns the offset of the first byte that may be read again.
    pub(crate) fn needed_from(&self) -> usize {
        let rejected_end = self.rejected_end().map_or(self.position, |rejected| rejected.at);
        rejected_end.min(self.position)
    }

    /// Returns the end that was rejected in the current string.
    fn rejected_end(&self) -> Option<&RejectedEnd> {
        match &self.state {
            ParserState::InString(string) => string.rejected_end.as_ref(),
            _ => None,
        }
    }

    /// Returns the offset of the next byte to be read.
    pub(crate) fn position(&self) -> usize {
        self.position
    }

    /// Returns whether a bracket could have been read in another way.
    pub(crate) fn is_ambiguous(&self) -> bool {
        self.is_ambiguous
    }

    /// Returns the number of flaws found so far.
    pub(crate) fn flaw_count(&self) -> usize {
        self.report.count()
    }

    /// Makes room for `bytes` of output.
    pub(crate) fn reserve(&mut self, bytes: usize) {
        self.output.reserve(bytes);
    }

    /// Moves the output that cannot change any more to the end of `out`.
    pub(crate) fn drain_output(&mut self, out: &mut Vec<u8>) {
        if self.output.is_empty() {
            return;
        }
        if let ParserState::InString(string) = &mut self.state
            && string.pending_start.is_none()
            && let Some(length) = string.rejected_end.as_mut().and_then(RejectedEnd::take_length)
        {
            out.extend(self.output.drain(..length.min(self.output.len())));
        } else {
            out.append(&mut self.output);
        }
    }

    /// Returns the report and leaves an empty one.
    pub(crate) fn take_report(&mut self) -> Report {
        std::mem::take(&mut self.report)
    }

    /// Returns the document that was read.
    pub(crate) fn into_document(self) -> ParsedDocument {
        ParsedDocument { json: self.output, report: self.report, end: self.position }
    }

    /// Records a flaw at the current position.
    pub(crate) fn record(&mut self, kind: FlawKind) {
        self.record_at(kind, self.position);
    }

    /// Records a flaw at a byte of the source.
    pub(crate) fn record_at(&mut self, kind: FlawKind, at: usize) {
        self.report.add(kind, self.discarded + at);
    }

    /// Returns whether lookahead uses its full reach: always, or since the first flaw.
    fn looks_far_ahead(&self) -> bool {
        self.options.always_look_ahead || !self.report.is_empty()
    }

    /// Returns the container `depth` levels around the innermost one.
    fn container_at(&self, depth: usize) -> Option<Container> {
        self.stack.iter().rev().nth(depth).map(|frame| frame.container)
    }

    /// Returns whether the innermost container has a key or a value.
    fn has_content(&self) -> bool {
        self.stack.last().is_some_and(|frame| frame.has_content)
    }

    /// Returns the innermost open container.
    fn innermost(&self) -> Option<Container> {
        self.stack.last().map(|frame| frame.container)
    }

    /// Reads one token, or passes over text between tokens.
    fn step(&mut self, source: SourceText<'_>) -> StepResult {
        match self.state {
            ParserState::Done => return Err(StopReason::Done),
            ParserState::InString(string) => return self.read_string(source, string),
            _ => self.skip_gap(source)?,
        }
        let Some(byte) = source.peek_mark(self.position)? else {
            return self.finish_document(FlawKind::Truncated);
        };
        if self.skip_stray(source, byte)? {
            return Ok(());
        }
        let at = self.position;
        let result = self.read_token(source, byte);
        if self.position == at + 1 && source.is_full_width(at) {
            self.position = at + FULL_WIDTH_LENGTH;
            self.record_full_width(byte, at);
        }
        result
    }

    /// Records the flaw of a full-width mark in the place of `mark`.
    fn record_full_width(&mut self, mark: u8, at: usize) {
        let kind = match mark {
            b':' => FlawKind::WrongColon,
            b',' | b';' => FlawKind::WrongComma,
            _ => FlawKind::WrongBracket,
        };
        self.record_at(kind, at);
    }

    /// Reads the token that begins with `byte`. The caller passes the rest of a full-width mark.
    fn read_token(&mut self, source: SourceText<'_>, byte: u8) -> StepResult {
        match self.state {
            ParserState::ExpectKey => self.read_key(source, byte),
            ParserState::ExpectColon => self.read_colon(source, byte),
            ParserState::ExpectValue => self.read_value(source, byte),
            ParserState::ExpectItem => self.read_item(source, byte),
            _ => self.read_after_value(source, byte),
        }
    }

    /// Reads the next byte where a key is expected.
    fn read_key(&mut self, source: SourceText<'_>, byte: u8) -> StepResult {
        match byte {
            b',' | b';' => self.read_comma(byte),
            b'}' | b']' | b')' => return self.read_closing_bracket(source, byte),
            b'{' | b'[' => return self.read_bracket_as_key(source, byte),
            // A colon with neither a key nor a value carries no data.
            b':' if matches!(source.next_token(self.position + 1)?, Some((_, b',' | b'}'))) => {
                self.record(FlawKind::MissingValue);
                self.position += 1;
            }
            b':' | b'=' | b'(' | b'<' | b'>' => return Err(StopReason::Unrepairable),
            _ => {
                if self.close_by_indentation(source, byte)? {
                    return Ok(());
                }
                match source.quote_at(self.position) {
                    Some(_) => return self.open_string(source, TokenRole::Key),
                    None => return self.read_unquoted_key(source),
                }
            }
        }
        Ok(())
    }

    /// Reads the next byte where a colon is expected.
    fn read_colon(&mut self, source: SourceText<'_>, byte: u8) -> StepResult {
        let second =
            matches!(byte, b'=' | b'-').then(|| source.peek(self.position + 1)).transpose()?;
        let (length, flaw) = match (byte, second.flatten()) {
            (b':', _) => (1, None),
            (b'=', Some(b'>' | b'=')) | (b'-', Some(b'>')) => (2, Some(FlawKind::WrongColon)),
            (b'=', _) => (1, Some(FlawKind::WrongColon)),
            (b']' | b')', _) => return Err(StopReason::Unrepairable),
            _ if self.pending_key_may_hold_value(byte)
                || self.is_followed_by_item(source, byte)? =>
            {
                return Err(StopReason::Unrepairable);
            }
            (b',' | b';' | b'}', _) => (0, None),
            _ => (0, Some(FlawKind::MissingColon)),
        };
        if let Some(flaw) = flaw {
            self.record(flaw);
        }
        // A missing colon is written directly behind the key.
        let colon_at =
            if length == 0 { self.pending.trim_ascii_end().len() } else { self.pending.len() };
        self.pending.insert(colon_at, b':');
        self.position += length;
        self.state = ParserState::ExpectValue;
        Ok(())
    }

    /// Reads the next byte where the value of a key, or the document, is expected.
    fn read_value(&mut self, source: SourceText<'_>, byte: u8) -> StepResult {
        match byte {
            b'{' => return self.open_brace(source),
            b'[' => self.open_at_bracket(Container::Array),
            b'(' => return self.open_parenthesis(source),
            b',' | b';' | b'}' | b']' | b')' => {
                self.record(FlawKind::MissingValue);
                self.write_value(b"null");
            }
            b':' | b'=' | b'>' => {
                self.record(FlawKind::WrongColon);
                self.position += 1;
            }
            _ => match source.quote_at(self.position) {
                Some(_) if !source.is_complete => {
                    self.release_key();
                    return self.open_string(source, TokenRole::Value);
                }
                Some(_) => return self.open_string(source, TokenRole::Value),
                None => return self.read_scalar(source, TokenRole::Value),
            },
        }
        Ok(())
    }

    /// Reads the next byte where an item of an array is expected.
    fn read_item(&mut self, source: SourceText<'_>, byte: u8) -> StepResult {
        match byte {
            b',' | b';' => self.read_comma(byte),
            b'}' | b']' | b')' => return self.read_closing_bracket(source, byte),
            b':' | b'=' | b'>' => return Err(StopReason::Unrepairable),
            _ => {
                if self.close_by_indentation(source, byte)? {
                    return Ok(());
                }
                match byte {
                    b'{' => return self.open_brace(source),
                    b'[' => self.open_at_bracket(Container::Array),
                    b'(' => return self.open_parenthesis(source),
                    _ => match source.quote_at(self.position) {
                        Some(_) => return self.open_string(source, TokenRole::Item),
                        None => return self.read_unquoted_item(source),
                    },
                }
            }
        }
        Ok(())
    }

    /// Reads the next byte behind a value.
    fn read_after_value(&mut self, source: SourceText<'_>, byte: u8) -> StepResult {
        match byte {
            b',' | b';' => self.read_comma(byte),
            b'}' | b']' | b')' => return self.read_closing_bracket(source, byte),
            b':' | b'=' | b'<' | b'>' => return Err(StopReason::Unrepairable),
            _ if self.innermost() != Some(Container::Object) => {
                self.state = ParserState::ExpectItem;
            }
            _ if matches!(byte, b'{' | b'[') => self.state = ParserState::ExpectKey,
            _ if let Some(end) = source.literal_end(self.position)? => {
                self.record(FlawKind::SurroundingText);
                self.position = end;
            }
            // Words behind a value are no key. To guess their meaning would be to invent data.
            _ if source.key_confidence(self.position)? == Confidence::None => {
                return Err(StopReason::Unrepairable);
            }
            _ => self.state = ParserState::ExpectKey,
        }
        Ok(())
    }

    /// Reads a comma or a semicolon.
    fn read_comma(&mut self, byte: u8) {
        if byte == b';' {
            self.record(FlawKind::WrongComma);
        }
        let has_content = self.has_content();
        if self.pending_comma.is_some() || !has_content {
            self.record(FlawKind::ExtraComma);
            self.starts_with_comma |= !has_content;
        } else {
            self.pending_comma = Some(self.pending.len());
            self.pending.push(b',');
        }
        self.position += 1;
        let is_object = self.innermost() == Some(Container::Object);
        self.state = if is_object { ParserState::ExpectKey } else { ParserState::ExpectItem };
    }

    /// Adds a comma to the pending text if a value precedes.
    fn ensure_comma(&mut self) {
        let has_content = self.has_content();
        if has_content && self.pending_comma.is_none() {
            self.record(FlawKind::MissingComma);
            self.pending.insert(0, b',');
        }
        self.pending_comma = None;
    }

    /// Removes the comma from the pending text, because no value follows.
    fn drop_comma(&mut self) {
        if let Some(at) = self.pending_comma.take() {
            self.record(FlawKind::TrailingComma);
            self.pending.remove(at);
        }
    }

    /// Writes a pending key, because its value begins.
    fn release_key(&mut self) {
        if matches!(self.state, ParserState::ExpectValue) && !self.stack.is_empty() {
            self.output.append(&mut self.pending);
            self.key_awaits_value = true;
        }
    }

    /// Writes the pending text, because a value begins.
    fn begin_value(&mut self) {
        self.key_awaits_value = false;
        if matches!(self.state, ParserState::ExpectItem) {
            self.ensure_comma();
        }
        self.output.append(&mut self.pending);
        self.mark_content();
    }

    /// Marks the innermost container as one with content, and notes the content's indentation.
    fn mark_content(&mut self) {
        let indent = self.line_indent;
        let own_line = std::mem::take(&mut self.at_line_start);
        if let Some(frame) = self.stack.last_mut() {
            if !frame.has_content && own_line {
                frame.content_indent = Some(indent);
                self.options.use_indentation &= indent > frame.line_indent;
            }
            frame.has_content = true;
        }
    }

    /// Writes a complete value.
    fn write_value(&mut self, json: &[u8]) {
        self.begin_value();
        self.output.extend_from_slice(json);
        self.end_value();
    }

    /// Moves to the state behind a value.
    fn end_value(&mut self) {
        self.state =
            if self.stack.is_empty() { ParserState::Done } else { ParserState::AfterValue };
    }

    /// Closes all containers, because the text or the document ends here. `flaw` is recorded if the
    /// document is incomplete.
    fn finish_document(&mut self, flaw: FlawKind) -> StepResult {
        if matches!(self.state, ParserState::ExpectValue) && self.stack.is_empty() {
            return Err(StopReason::Unrepairable);
        }
        if !self.stack.is_empty() {
            // Behind a value the document may be complete, except for its brackets.
            let is_after_value = matches!(self.state, ParserState::AfterValue);
            self.record(if is_after_value { FlawKind::MissingBracket } else { flaw });
        }
        if std::mem::take(&mut self.key_awaits_value) {
            self.output.extend_from_slice(b"null");
        }
        if matches!(self.state, ParserState::ExpectColon) && self.pending_key_may_hold_value(b' ') {
            return Err(StopReason::Unrepairable);
        }
        // A pending key without a value carries no data, and neither does a comma.
        self.pending.clear();
        self.pending_comma = None;
        while let Some(frame) = self.stack.pop() {
            self.output.push(frame.container.json_closing_bracket());
        }
        self.state = ParserState::Done;
        Ok(())
    }
}
