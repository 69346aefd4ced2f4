//! Reads something like JSON and writes JSON: one pass forward, a stack of its own, and nothing
//! written that could still change.

mod brackets;
mod escapes;
mod quotes;
mod scalars;
mod state;
mod strings;

pub(crate) use self::state::{BracketPolicy, Container, ParseOptions, StopReason};
use self::state::{Frame, ParserState, StepResult, TokenRole};
use crate::{
    lookahead::{Confidence, Lookahead, SourceText, unusual_whitespace_length},
    report::{FlawKind, Report},
    strict::is_whitespace,
};

/// A document that was read to its end.
#[derive(Debug)]
pub(crate) struct ParsedDocument {
    /// The document as JSON.
    pub(crate) json: Vec<u8>,
    pub(crate) report: Report,
    /// The offset of the first byte behind the document.
    pub(crate) end: usize,
}

/// Reads a document.
#[derive(Debug)]
pub(crate) struct Parser {
    stack: Vec<Frame>,
    state: ParserState,
    /// JSON that will not change.
    output: Vec<u8>,
    /// What is written when the next value begins: white space, a comma, a key, a colon.
    pending: Vec<u8>,
    /// Where in `pending` the comma is.
    pending_comma: Option<usize>,
    /// The next byte to be read.
    position: usize,
    /// How many bytes were before the source's first.
    discarded: usize,
    report: Report,
    options: ParseOptions,
    /// How far the line being read is indented.
    line_indent: u16,
    /// Whether nothing but white space was on the line so far.
    at_line_start: bool,
    /// Whether a choice was made that could have gone the other way.
    is_ambiguous: bool,
    /// Whether a key has left whose value has not.
    key_awaits_value: bool,
    /// Up to where no quote is near.
    no_quote_until: usize,
    /// Whether what is open innermost began with a comma.
    starts_with_comma: bool,
    /// How often a string was read again.
    rereads: u8,
}

impl Parser {
    /// A reader whose document begins at a byte of the text.
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

    /// Begins as if a bracket had been read that the text does not have.
    pub(crate) fn open_implied(&mut self, container: Container) {
        self.record(FlawKind::MissingBracket);
        self.open_container(container);
    }

    /// Reads as far as what has come allows.
    pub(crate) fn run(&mut self, source: SourceText<'_>) -> StopReason {
        while !source.budget.is_exhausted() {
            source.budget.spend(1);
            if let Err(stop) = self.step(source) {
                return stop;
            }
        }
        StopReason::Unrepairable
    }

    /// So many bytes that have been read are forgotten.
    pub(crate) fn discard(&mut self, count: usize) {
        self.position -= count;
        self.discarded += count;
        self.no_quote_until = self.no_quote_until.saturating_sub(count);
        if let ParserState::InString(string) = &mut self.state {
            string.discard(count);
        }
    }

    /// Up to where nothing has to be looked at again.
    pub(crate) fn examined_to(&self) -> usize {
        match &self.state {
            ParserState::InString(string) => string.scan,
            _ => self.position,
        }
    }

    /// The offset of the next byte to be read.
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

    /// Moves the finished output to the end of `out`.
    pub(crate) fn drain_output(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.output);
    }

    /// Returns the report and leaves an empty one.
    pub(crate) fn take_report(&mut self) -> Report {
        std::mem::take(&mut self.report)
    }

    /// Returns the document that was read.
    pub(crate) fn into_document(self) -> ParsedDocument {
        ParsedDocument { json: self.output, report: self.report, end: self.position }
    }

    /// Keeps a flaw found where the reading is.
    pub(crate) fn record(&mut self, kind: FlawKind) {
        self.record_at(kind, self.position);
    }

    /// Keeps a flaw found at a byte of the source.
    pub(crate) fn record_at(&mut self, kind: FlawKind, at: usize) {
        self.report.add(kind, self.discarded + at);
    }

    /// Whether to look far ahead: always once something was wrong.
    fn looks_far_ahead(&self) -> bool {
        self.options.always_look_ahead || !self.report.is_empty()
    }

    /// Returns the container that is `depth` levels around the innermost one.
    fn container_at(&self, depth: usize) -> Option<Container> {
        self.stack.iter().rev().nth(depth).map(|frame| frame.container)
    }

    /// Returns whether the innermost container has a value, or a key.
    fn has_content(&self) -> bool {
        self.stack.last().is_some_and(|frame| frame.has_content)
    }

    /// What is open innermost.
    fn innermost(&self) -> Option<Container> {
        self.stack.last().map(|frame| frame.container)
    }

    fn step(&mut self, source: SourceText<'_>) -> StepResult {
        match self.state {
            ParserState::Done => return Err(StopReason::Done),
            ParserState::InString(string) => return self.read_string(source, string),
            _ => self.skip_gap(source)?,
        }
        let Some(byte) = source.peek(self.position)? else {
            return self.finish_document(FlawKind::Truncated);
        };
        if self.skip_stray(source, byte)? {
            return Ok(());
        }
        match self.state {
            ParserState::ExpectKey => self.read_key(source, byte),
            ParserState::ExpectColon => self.read_colon(source, byte),
            ParserState::ExpectValue => self.read_value(source, byte),
            ParserState::ExpectItem => self.read_item(source, byte),
            _ => self.read_after_value(source, byte),
        }
    }

    /// Passes over white space and comments.
    fn skip_gap(&mut self, source: SourceText<'_>) -> Lookahead<()> {
        loop {
            let start = self.position;
            let rest = source.tail(start);
            let length = rest.iter().take_while(|byte| is_whitespace(**byte)).count();
            if length > 0 {
                self.keep_whitespace(rest.get(..length).unwrap_or_default());
                self.position += length;
            }
            // Nearly always a token follows.
            if matches!(rest.get(length), Some(b'"' | b'$'..=b'.' | b'0'..=b'~')) {
                return Ok(());
            }
            let unusual = unusual_whitespace_length(source.tail(self.position));
            if unusual > 0 {
                self.record(FlawKind::WhiteSpace);
                self.position += unusual;
            }
            let comment = source.comment_length(self.position)?;
            if comment > 0 {
                self.record(FlawKind::Comment);
                self.position += comment;
            }
            if self.position == start {
                return Ok(());
            }
        }
    }

    /// Keeps white space, and how far it indents.
    fn keep_whitespace(&mut self, whitespace: &[u8]) {
        self.pending.extend_from_slice(whitespace);
        if let Some(line) = memchr::memrchr(b'\n', whitespace) {
            let indent = whitespace.len() - line - 1;
            self.line_indent = indent.try_into().unwrap_or(u16::MAX);
            self.at_line_start = true;
        }
    }

    /// Passes over what no JSON has between its tokens and what says nothing: dots in the place of
    /// more, escapes that stand for white space. Ends the document at a mark of its end.
    fn skip_stray(&mut self, source: SourceText<'_>, byte: u8) -> Result<bool, StopReason> {
        if !matches!(byte, b'.' | b'\\' | b'`' | b'~' | b'<' | 0xe2) {
            return Ok(false);
        }
        let dots = match byte {
            b'.' if source.has_at(self.position, b"...")? => {
                source.tail(self.position).iter().take_while(|byte| **byte == b'.').count()
            }
            0xe2 if source.has_at(self.position, "…".as_bytes())? => 3,
            _ => 0,
        };
        if dots > 0 {
            self.record(FlawKind::Ellipsis);
            self.position += dots;
            return Ok(true);
        }
        if byte == b'\\' {
            let is_whitespace = matches!(source.peek(self.position + 1)?, Some(b'n' | b't' | b'r'));
            if is_whitespace {
                self.record(FlawKind::WrongEscape);
                self.position += 2;
            }
            return Ok(is_whitespace);
        }
        if !self.stack.is_empty() && source.has_end_marker_at(self.position)? {
            self.finish_document(FlawKind::MissingBracket)?;
            return Ok(true);
        }
        Ok(false)
    }

    fn read_key(&mut self, source: SourceText<'_>, byte: u8) -> StepResult {
        match byte {
            b',' | b';' => self.read_comma(byte),
            b'}' | b']' | b')' => return self.read_closing_bracket(source, byte),
            b'{' | b'[' => return self.read_bracket_as_key(source, byte),
            // Neither a key nor a value says nothing.
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

    fn read_colon(&mut self, source: SourceText<'_>, byte: u8) -> StepResult {
        let second =
            matches!(byte, b'=' | b'-').then(|| source.peek(self.position + 1)).transpose()?;
        let (length, flaw) = match (byte, second.flatten()) {
            (b':', _) => (1, None),
            (b'=', Some(b'>' | b'=')) | (b'-', Some(b'>')) => (2, Some(FlawKind::WrongColon)),
            (b'=', _) => (1, Some(FlawKind::WrongColon)),
            (b']' | b')', _) => return Err(StopReason::Unrepairable),
            (b',' | b';' | b'}', _) => (0, None),
            _ => (0, Some(FlawKind::MissingColon)),
        };
        if let Some(flaw) = flaw {
            self.record(flaw);
        }
        // Where there is none, it belongs right behind the key.
        let colon_at =
            if length == 0 { self.pending.trim_ascii_end().len() } else { self.pending.len() };
        self.pending.insert(colon_at, b':');
        self.position += length;
        self.state = ParserState::ExpectValue;
        Ok(())
    }

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

    fn read_after_value(&mut self, source: SourceText<'_>, byte: u8) -> StepResult {
        match byte {
            b',' | b';' => self.read_comma(byte),
            b'}' | b']' | b')' => return self.read_closing_bracket(source, byte),
            b':' | b'=' | b'<' | b'>' => return Err(StopReason::Unrepairable),
            _ if self.innermost() != Some(Container::Object) => {
                self.state = ParserState::ExpectItem
            }
            _ if matches!(byte, b'{' | b'[') => self.state = ParserState::ExpectKey,
            _ if let Some(end) = source.literal_end(self.position)? => {
                self.record(FlawKind::SurroundingText);
                self.position = end;
            }
            // Words after a value are no key: guessing what they are would be inventing.
            _ if source.key_confidence(self.position)? == Confidence::None => {
                return Err(StopReason::Unrepairable);
            }
            _ => self.state = ParserState::ExpectKey,
        }
        Ok(())
    }

    /// Takes in a comma, or what stands for one.
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

    /// Makes `pending` what stands between two values.
    fn ensure_comma(&mut self) {
        let has_content = self.has_content();
        if has_content && self.pending_comma.is_none() {
            self.record(FlawKind::MissingComma);
            self.pending.insert(0, b',');
        }
        self.pending_comma = None;
    }

    /// Takes the comma out of `pending`, which no value follows.
    fn drop_comma(&mut self) {
        if let Some(at) = self.pending_comma.take() {
            self.record(FlawKind::TrailingComma);
            self.pending.remove(at);
        }
    }

    /// Lets go a key: its value begins, whatever it is.
    fn release_key(&mut self) {
        if matches!(self.state, ParserState::ExpectValue) && !self.stack.is_empty() {
            self.output.append(&mut self.pending);
            self.key_awaits_value = true;
        }
    }

    /// Lets go what was held back: a value begins.
    fn begin_value(&mut self) {
        self.key_awaits_value = false;
        if matches!(self.state, ParserState::ExpectItem) {
            self.ensure_comma();
        }
        self.output.append(&mut self.pending);
        self.mark_content();
    }

    /// What is open holds something from here on.
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

    /// Writes a value in one piece.
    fn write_value(&mut self, json: &[u8]) {
        self.begin_value();
        self.output.extend_from_slice(json);
        self.end_value();
    }

    /// What comes after a value.
    fn end_value(&mut self) {
        self.state =
            if self.stack.is_empty() { ParserState::Done } else { ParserState::AfterValue };
    }

    /// Closes what is open, because the text or the document in it ends here.
    fn finish_document(&mut self, flaw: FlawKind) -> StepResult {
        if matches!(self.state, ParserState::ExpectValue) && self.stack.is_empty() {
            return Err(StopReason::Unrepairable);
        }
        if !self.stack.is_empty() {
            // What ends behind a value may be complete but for its brackets.
            let is_after_value = matches!(self.state, ParserState::AfterValue);
            self.record(if is_after_value { FlawKind::MissingBracket } else { flaw });
        }
        if std::mem::take(&mut self.key_awaits_value) {
            self.output.extend_from_slice(b"null");
        }
        // A key without a value says nothing, and so does a comma.
        self.pending.clear();
        self.pending_comma = None;
        while let Some(frame) = self.stack.pop() {
            self.output.push(frame.container.json_closing_bracket());
        }
        self.state = ParserState::Done;
        Ok(())
    }
}
