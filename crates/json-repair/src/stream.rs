//! A text that streams: what is certain leaves at once, what may still change waits, the end closes
//! what is open. The reader is the one for whole texts; it only sees less at a time.

use std::rc::Rc;

use crate::{
    Guide,
    coerce::Coercion,
    find::{Found, Opened, Search},
    lookahead::SourceText,
    parser::{Doubt, Manner, Parser, Stop},
    report::{Kind, Report},
    unescape::Unescaper,
    whole::{Failure, Root, mend},
    work_budget::WorkBudget,
};

/// The most that is held back of one text, in bytes: prose before the JSON, or a key, or a comment.
pub const MAX_HELD: usize = 1 << 20;

/// What is forgotten at once, at least, of what has been read, in bytes.
const FORGOTTEN: usize = 1 << 12;

/// How much is looked at again with every piece that comes, in bytes: no token of usual length waits.
const IMPATIENT: usize = 32;

/// Mends a text that comes in pieces.
#[derive(Debug)]
pub struct Stream {
    root: Root,
    /// What values are to be.
    coercion: Option<Coercion>,
    /// What has come and may still be needed.
    held: Vec<u8>,
    pub(crate) effort: WorkBudget,
    /// How many bytes must come before another look is worth it.
    patience: usize,
    state: State,
}

#[derive(Debug)]
enum State {
    /// No JSON has come.
    Searching(Search),
    /// What began is a string, which is either all there is or holds what there is.
    Holding,
    /// JSON is coming.
    Reading { parser: Box<Parser>, unescape: Option<Unescaper> },
    /// It has come. White space may follow, until anything else does.
    Done { report: Report, blank: bool },
}

impl Stream {
    /// A text of which nothing has come.
    pub fn new(guide: &Guide) -> Self {
        let coercion = guide.schema.as_ref().map(|schema| Coercion::new(Rc::clone(schema)));
        let state = State::Searching(Search::new(0));
        Self {
            root: guide.root,
            coercion,
            held: Vec::new(),
            effort: WorkBudget::new(0),
            patience: 0,
            state,
        }
    }

    /// Whether JSON has begun, so that the text can no longer be left alone.
    pub fn has_begun(&self) -> bool {
        matches!(self.state, State::Reading { .. } | State::Done { .. })
    }

    /// Takes in a piece and appends the JSON that is certain by now.
    pub fn feed(&mut self, piece: &str, out: &mut Vec<u8>) -> Result<(), Failure> {
        let Some(mut coercion) = self.coercion.take() else { return self.mend(piece, out) };
        let mut json = Vec::new();
        let mended = self.mend(piece, &mut json);
        coercion.feed(&json, out);
        self.coercion = Some(coercion);
        mended
    }

    fn mend(&mut self, piece: &str, out: &mut Vec<u8>) -> Result<(), Failure> {
        self.effort.extend(piece.len());
        match &mut self.state {
            State::Reading { unescape: Some(unescape), .. } => {
                unescape.feed(piece.as_bytes(), &mut self.held);
            }
            _ => self.held.extend_from_slice(piece.as_bytes()),
        }
        self.patience = self.patience.saturating_sub(piece.len());
        if self.patience == 0 {
            self.run(false, out)?;
            self.patience = self.patience();
        }
        if self.held.len() > MAX_HELD { Err(Failure::Hopeless) } else { Ok(()) }
    }

    /// Takes in the end and appends what was held back. On failure, [`Self::into_text`] has the
    /// text if nothing of it has been given.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<Report, Failure> {
        let Some(mut coercion) = self.coercion.take() else { return self.end(out) };
        let mut json = Vec::new();
        let mut report = self.end(&mut json)?;
        coercion.feed(&json, out);
        coercion.finish(out);
        report.append(&coercion.report);
        Ok(report)
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<Report, Failure> {
        if let State::Reading { unescape: Some(unescape), .. } = &mut self.state {
            unescape.finish(&mut self.held);
        }
        self.run(true, out)?;
        match &mut self.state {
            State::Done { report, .. } => Ok(std::mem::take(report)),
            State::Reading { .. } => Err(Failure::Hopeless),
            State::Searching(_) | State::Holding => {
                let text = std::str::from_utf8(&self.held).map_err(|_| Failure::NoJson)?;
                let (json, report) = mend(text, self.root)?;
                out.extend_from_slice(json.as_bytes());
                Ok(report)
            }
        }
    }

    /// The text as it came, if no JSON has begun in it.
    pub fn into_text(self) -> String {
        String::from_utf8(self.held).unwrap_or_default()
    }

    fn run(&mut self, complete: bool, out: &mut Vec<u8>) -> Result<(), Failure> {
        if let State::Searching(search) = &mut self.state {
            let source =
                SourceText { bytes: &self.held, is_complete: complete, budget: &self.effort };
            let found = search.run(source);
            let Ok(Found::Document { at, opened, .. }) = found else { return Ok(()) };
            let first = self.held.iter().find(|byte| !byte.is_ascii_whitespace());
            if first == Some(&b'"') && opened != Opened::Without(crate::parser::Shape::Object) {
                self.state = State::Holding;
                return Ok(());
            }
            self.begin(at, opened, out);
        }
        if let State::Reading { parser, .. } = &mut self.state {
            let source =
                SourceText { bytes: &self.held, is_complete: complete, budget: &self.effort };
            let stop = parser.run(source);
            out.append(&mut parser.out);
            if stop == Stop::Hopeless {
                return Err(Failure::Hopeless);
            }
            self.forget(stop == Stop::Done);
        }
        self.pass_blank(out);
        Ok(())
    }

    /// How many bytes must come before what waits is looked at again: more and more, so that looking
    /// takes linear time however small the pieces are.
    fn patience(&self) -> usize {
        let from = match &self.state {
            State::Searching(search) => search.at,
            State::Reading { parser, .. } => parser.looked(),
            State::Holding | State::Done { .. } => return 0,
        };
        let waiting = self.held.len().saturating_sub(from);
        if waiting < IMPATIENT { 0 } else { waiting / 4 }
    }

    /// JSON begins.
    fn begin(&mut self, at: usize, opened: Opened, out: &mut Vec<u8>) {
        let manner = Manner { careful: false, layout: false, doubt: Doubt::Missing };
        let mut parser = Box::new(Parser::new(at, manner));
        let before = self.held.get(..at).unwrap_or_default();
        let is_plain = |byte: &u8| matches!(byte, b' ' | b'\n' | b'\t' | b'\r');
        if before.iter().all(is_plain) {
            out.extend_from_slice(before);
        } else {
            parser.note(Kind::SurroundingText);
        }
        let mut unescape = None;
        match opened {
            Opened::Plainly => {}
            Opened::Without(shape) => parser.imply(shape),
            Opened::Escaped => {
                parser.note(Kind::Escaped);
                let escaped = self.held.split_off(at);
                unescape.insert(Unescaper::default()).feed(&escaped, &mut self.held);
            }
        }
        self.state = State::Reading { parser, unescape };
    }

    /// Forgets what has been read.
    fn forget(&mut self, is_done: bool) {
        let State::Reading { parser, .. } = &mut self.state else { return };
        let read = parser.at.min(self.held.len());
        if is_done || read > FORGOTTEN {
            self.held.drain(..read);
            parser.forget(read);
        }
        if is_done {
            let report = std::mem::take(&mut parser.report);
            self.state = State::Done { report, blank: true };
        }
    }

    /// Passes on white space behind the JSON, and drops anything else.
    fn pass_blank(&mut self, out: &mut Vec<u8>) {
        let State::Done { report, blank } = &mut self.state else { return };
        let is_plain = |byte: &&u8| matches!(byte, b' ' | b'\n' | b'\t' | b'\r');
        let plain = self.held.iter().take_while(is_plain).count();
        if *blank {
            out.extend_from_slice(self.held.get(..plain).unwrap_or_default());
        }
        if *blank && plain < self.held.len() {
            *blank = false;
            report.add(Kind::SurroundingText, 0);
        }
        self.held.clear();
    }
}
