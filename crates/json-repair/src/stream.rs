//! A text that streams: what is certain leaves at once, what may still change waits, the end closes
//! what is open. The reader is the one for whole texts; it only sees less at a time.

use std::rc::Rc;

use crate::{
    ExpectedShape,
    coerce::Coercer,
    find::{DocumentSearch, Found, Opening},
    lookahead::SourceText,
    parser::{BracketPolicy, ParseOptions, Parser, StopReason},
    report::{FlawKind, Report},
    unescape::Unescaper,
    whole::{Failure, RootKind, repair},
    work_budget::WorkBudget,
};

/// The most that is held back of one text, in bytes: prose before the JSON, or a key, or a comment.
pub const MAX_BUFFERED: usize = 1 << 20;

/// What is forgotten at once, at least, of what has been read, in bytes.
const MIN_DISCARD: usize = 1 << 12;

/// How much is looked at again with every piece that comes, in bytes: no token of usual length waits.
const ALWAYS_RECHECKED: usize = 32;

/// Mends a text that comes in pieces.
#[derive(Debug)]
pub struct Stream {
    root: RootKind,
    /// What values are to be.
    coercion: Option<Coercer>,
    /// What has come and may still be needed.
    buffer: Vec<u8>,
    pub(crate) budget: WorkBudget,
    /// How many bytes must come before another look is worth it.
    recheck_after: usize,
    state: StreamState,
}

#[derive(Debug)]
enum StreamState {
    /// No JSON has come.
    Searching(DocumentSearch),
    /// What began is a string, which is either all there is or holds what there is.
    HoldingString,
    /// JSON is coming.
    Parsing { parser: Box<Parser>, unescape: Option<Unescaper> },
    /// It has come. White space may follow, until anything else does.
    Finished { report: Report, blank: bool },
}

impl Stream {
    /// A text of which nothing has come.
    pub fn new(guide: &ExpectedShape) -> Self {
        let coercion = guide.schema.as_ref().map(|schema| Coercer::new(Rc::clone(schema)));
        let state = StreamState::Searching(DocumentSearch::new(0));
        Self {
            root: guide.root,
            coercion,
            buffer: Vec::new(),
            budget: WorkBudget::new(0),
            recheck_after: 0,
            state,
        }
    }

    /// Whether JSON has begun, so that the text can no longer be left alone.
    pub fn has_begun(&self) -> bool {
        matches!(self.state, StreamState::Parsing { .. } | StreamState::Finished { .. })
    }

    /// Takes in a piece and appends the JSON that is certain by now.
    pub fn feed(&mut self, piece: &str, out: &mut Vec<u8>) -> Result<(), Failure> {
        let Some(mut coercion) = self.coercion.take() else { return self.repair_piece(piece, out) };
        let mut json = Vec::new();
        let mended = self.repair_piece(piece, &mut json);
        coercion.feed(&json, out);
        self.coercion = Some(coercion);
        mended
    }

    fn repair_piece(&mut self, piece: &str, out: &mut Vec<u8>) -> Result<(), Failure> {
        self.budget.extend(piece.len());
        match &mut self.state {
            StreamState::Parsing { unescape: Some(unescape), .. } => {
                unescape.feed(piece.as_bytes(), &mut self.buffer);
            }
            _ => self.buffer.extend_from_slice(piece.as_bytes()),
        }
        self.recheck_after = self.recheck_after.saturating_sub(piece.len());
        if self.recheck_after == 0 {
            self.advance(false, out)?;
            self.recheck_after = self.next_recheck();
        }
        if self.buffer.len() > MAX_BUFFERED { Err(Failure::Unrepairable) } else { Ok(()) }
    }

    /// Takes in the end and appends what was held back. On failure, [`Self::into_text`] has the
    /// text if nothing of it has been given.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<Report, Failure> {
        let Some(mut coercion) = self.coercion.take() else { return self.finish_repair(out) };
        let mut json = Vec::new();
        let mut report = self.finish_repair(&mut json)?;
        coercion.feed(&json, out);
        coercion.finish(out);
        report.append(&coercion.report);
        Ok(report)
    }

    fn finish_repair(&mut self, out: &mut Vec<u8>) -> Result<Report, Failure> {
        if let StreamState::Parsing { unescape: Some(unescape), .. } = &mut self.state {
            unescape.finish(&mut self.buffer);
        }
        self.advance(true, out)?;
        match &mut self.state {
            StreamState::Finished { report, .. } => Ok(std::mem::take(report)),
            StreamState::Parsing { .. } => Err(Failure::Unrepairable),
            StreamState::Searching(_) | StreamState::HoldingString => {
                let text = std::str::from_utf8(&self.buffer).map_err(|_| Failure::NoJson)?;
                let (json, report) = repair(text, self.root)?;
                out.extend_from_slice(json.as_bytes());
                Ok(report)
            }
        }
    }

    /// The text as it came, if no JSON has begun in it.
    pub fn into_text(self) -> String {
        String::from_utf8(self.buffer).unwrap_or_default()
    }

    fn advance(&mut self, complete: bool, out: &mut Vec<u8>) -> Result<(), Failure> {
        if let StreamState::Searching(search) = &mut self.state {
            let source =
                SourceText { bytes: &self.buffer, is_complete: complete, budget: &self.budget };
            let found = search.find_next(source);
            let Ok(Found::Document { at, opened, .. }) = found else { return Ok(()) };
            let first = self.buffer.iter().find(|byte| !byte.is_ascii_whitespace());
            if first == Some(&b'"')
                && opened != Opening::MissingBracket(crate::parser::Container::Object)
            {
                self.state = StreamState::HoldingString;
                return Ok(());
            }
            self.start_parsing(at, opened, out);
        }
        if let StreamState::Parsing { parser, .. } = &mut self.state {
            let source =
                SourceText { bytes: &self.buffer, is_complete: complete, budget: &self.budget };
            let stop = parser.run(source);
            out.append(&mut parser.output);
            if stop == StopReason::Unrepairable {
                return Err(Failure::Unrepairable);
            }
            self.discard_parsed(stop == StopReason::Done);
        }
        self.pass_trailing_whitespace(out);
        Ok(())
    }

    /// How many bytes must come before what waits is looked at again: more and more, so that looking
    /// takes linear time however small the pieces are.
    fn next_recheck(&self) -> usize {
        let from = match &self.state {
            StreamState::Searching(search) => search.position,
            StreamState::Parsing { parser, .. } => parser.examined_to(),
            StreamState::HoldingString | StreamState::Finished { .. } => return 0,
        };
        let waiting = self.buffer.len().saturating_sub(from);
        if waiting < ALWAYS_RECHECKED { 0 } else { waiting / 4 }
    }

    /// JSON begins.
    fn start_parsing(&mut self, at: usize, opened: Opening, out: &mut Vec<u8>) {
        let manner = ParseOptions {
            always_look_ahead: false,
            use_indentation: false,
            bracket_policy: BracketPolicy::Insert,
        };
        let mut parser = Box::new(Parser::new(at, manner));
        let before = self.buffer.get(..at).unwrap_or_default();
        let is_plain = |byte: &u8| matches!(byte, b' ' | b'\n' | b'\t' | b'\r');
        if before.iter().all(is_plain) {
            out.extend_from_slice(before);
        } else {
            parser.record(FlawKind::SurroundingText);
        }
        let mut unescape = None;
        match opened {
            Opening::Bracket => {}
            Opening::MissingBracket(shape) => parser.open_implied(shape),
            Opening::Escaped => {
                parser.record(FlawKind::Escaped);
                let escaped = self.buffer.split_off(at);
                unescape.insert(Unescaper::default()).feed(&escaped, &mut self.buffer);
            }
        }
        self.state = StreamState::Parsing { parser, unescape };
    }

    /// Forgets what has been read.
    fn discard_parsed(&mut self, is_done: bool) {
        let StreamState::Parsing { parser, .. } = &mut self.state else { return };
        let read = parser.position.min(self.buffer.len());
        if is_done || read > MIN_DISCARD {
            self.buffer.drain(..read);
            parser.discard(read);
        }
        if is_done {
            let report = std::mem::take(&mut parser.report);
            self.state = StreamState::Finished { report, blank: true };
        }
    }

    /// Passes on white space behind the JSON, and drops anything else.
    fn pass_trailing_whitespace(&mut self, out: &mut Vec<u8>) {
        let StreamState::Finished { report, blank } = &mut self.state else { return };
        let is_plain = |byte: &&u8| matches!(byte, b' ' | b'\n' | b'\t' | b'\r');
        let plain = self.buffer.iter().take_while(is_plain).count();
        if *blank {
            out.extend_from_slice(self.buffer.get(..plain).unwrap_or_default());
        }
        if *blank && plain < self.buffer.len() {
            *blank = false;
            report.add(FlawKind::SurroundingText, 0);
        }
        self.buffer.clear();
    }
}
