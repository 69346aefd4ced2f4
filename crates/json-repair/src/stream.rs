//! Repair of a text that arrives in pieces: output that cannot change any more is returned at once,
//! the rest is held until more input or the end decides. The parser is the one for complete texts.

use std::rc::Rc;

use crate::{
    coerce::Coercer,
    find::{DocumentSearch, DocumentStart, Opening},
    lookahead::SourceText,
    parser::{Container, ParseOptions, Parser, StopReason},
    report::{Failure, FlawKind, Report},
    schema::{ExpectedShape, RootKind},
    strict::is_whitespace,
    typography::{FULL_WIDTH_LENGTH, full_width_mark},
    unescape::Unescaper,
    whole,
    work_budget::WorkBudget,
};

/// The maximum number of input bytes that a [`Stream`] holds: prose before the JSON, a key, or a
/// comment. A text that needs more is unrepairable.
pub const MAX_BUFFERED: usize = 1 << 20;

/// The minimum number of parsed bytes that are removed from the buffer at once.
const MIN_DISCARD: usize = 1 << 12;

/// The length, in bytes, up to which a document is kept, so that a repetition behind it is known.
const MAX_COMPARED: usize = 1 << 14;

/// The number of waiting bytes below which every new piece is examined at once, so that no token of
/// usual length is delayed.
const ALWAYS_RECHECKED: usize = 32;

/// Repairs JSON that arrives in pieces.
///
/// A valid document is passed on unchanged, never more than one token behind the input. The output for
/// damaged JSON is returned as soon as its repair is certain.
///
/// ```
/// use json_repair::{ExpectedShape, Stream};
///
/// let mut stream = Stream::new(&ExpectedShape::default());
/// let mut json = Vec::new();
/// for piece in ["{'city': 'Lis", "bon', 'units': metr", "ic"] {
///     stream.feed(piece, &mut json)?;
/// }
/// let report = stream.finish(&mut json)?;
/// assert_eq!(json, br#"{"city": "Lisbon", "units": "metric"}"#);
/// assert!(!report.is_empty());
/// # Ok::<(), json_repair::Failure>(())
/// ```
#[derive(Debug)]
pub struct Stream {
    root: RootKind,
    /// Converts values to the types of the schema, if there is one.
    coercer: Option<Coercer>,
    /// The input that is still needed.
    buffer: Vec<u8>,
    pub(crate) budget: WorkBudget,
    /// The number of bytes that must arrive before the buffer is examined again.
    recheck_after: usize,
    /// The beginning of the JSON that was returned, one byte longer than [`MAX_COMPARED`] at most.
    returned: Vec<u8>,
    state: StreamState,
}

#[derive(Debug)]
enum StreamState {
    /// No document has begun.
    Searching(DocumentSearch),
    /// Only the end of the text decides what the document is.
    HoldingText,
    /// A document is being parsed.
    Parsing { parser: Box<Parser>, unescaper: Option<Unescaper> },
    /// The document is complete. White space is passed on until anything else follows.
    Finished { report: Report, trailing: TrailingText },
}

/// The text behind a complete document, so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TrailingText {
    /// White space, which is passed on.
    Whitespace,
    /// Commas and white space.
    Separators,
    /// Another document, which the buffer keeps.
    Document,
    /// Anything else, which was reported and is dropped.
    Dropped,
}

impl Stream {
    /// Creates a stream that has received nothing.
    pub fn new(shape: &ExpectedShape) -> Self {
        Self {
            root: shape.root,
            coercer: shape.schema.as_ref().map(|schema| Coercer::new(Rc::clone(schema))),
            buffer: Vec::new(),
            budget: WorkBudget::new(0),
            recheck_after: 0,
            returned: Vec::new(),
            state: StreamState::Searching(DocumentSearch::new(0)),
        }
    }

    /// Returns whether a document has begun, so that the text can no longer be passed on unchanged.
    pub fn has_begun(&self) -> bool {
        matches!(self.state, StreamState::Parsing { .. } | StreamState::Finished { .. })
    }

    /// Takes the next piece of the text and appends the JSON that is certain by now to `out`.
    ///
    /// # Errors
    ///
    /// [`Failure::Unrepairable`] if the document cannot be repaired. The stream is of no further use.
    pub fn feed(&mut self, piece: &str, out: &mut Vec<u8>) -> Result<(), Failure> {
        let Some(mut coercer) = self.coercer.take() else { return self.repair_piece(piece, out) };
        let mut json = Vec::new();
        let repaired = self.repair_piece(piece, &mut json);
        coercer.feed(&json, out);
        self.coercer = Some(coercer);
        repaired
    }

    /// Takes the end of the text, appends the JSON that was held to `out` and returns the report.
    ///
    /// # Errors
    ///
    /// [`Failure::NoJson`] if the text held no JSON, [`Failure::Unrepairable`] if the document cannot
    /// be repaired. Where [`has_begun`](Self::has_begun) is false, [`into_text`](Self::into_text)
    /// returns the text.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<Report, Failure> {
        let Some(mut coercer) = self.coercer.take() else { return self.finish_repair(out) };
        let mut json = Vec::new();
        let mut report = self.finish_repair(&mut json)?;
        coercer.feed(&json, out);
        report.append(&coercer.finish(out));
        Ok(report)
    }

    /// Returns the text unchanged, if no document has begun in it.
    pub fn into_text(self) -> String {
        String::from_utf8(self.buffer).unwrap_or_default()
    }

    /// Repairs the next piece, without regard to the schema.
    fn repair_piece(&mut self, piece: &str, out: &mut Vec<u8>) -> Result<(), Failure> {
        self.budget.extend(piece.len());
        match &mut self.state {
            StreamState::Parsing { unescaper: Some(unescaper), .. } => {
                unescaper.feed(piece.as_bytes(), &mut self.buffer);
            }
            _ => self.buffer.extend_from_slice(piece.as_bytes()),
        }
        self.recheck_after = self.recheck_after.saturating_sub(piece.len());
        if self.recheck_after == 0 {
            let known = out.len();
            self.advance(false, out)?;
            self.keep_returned(out.get(known..).unwrap_or_default());
            self.recheck_after = self.next_recheck();
        }
        if self.buffer.len() > MAX_BUFFERED { Err(Failure::Unrepairable) } else { Ok(()) }
    }

    /// Repairs the rest of the text, without regard to the schema.
    fn finish_repair(&mut self, out: &mut Vec<u8>) -> Result<Report, Failure> {
        if let StreamState::Parsing { unescaper: Some(unescaper), .. } = &mut self.state {
            unescaper.finish(&mut self.buffer);
        }
        let known = out.len();
        self.advance(true, out)?;
        self.keep_returned(out.get(known..).unwrap_or_default());
        match &mut self.state {
            StreamState::Finished { report, trailing } => {
                match trailing {
                    TrailingText::Separators => report.add(FlawKind::TrailingComma, 0),
                    // The document was returned and cannot be made the first item of an array.
                    TrailingText::Document if !repeats(&self.returned, &self.buffer, self.root) => {
                        return Err(Failure::Unrepairable);
                    }
                    TrailingText::Document => report.add(FlawKind::SeveralValues, 0),
                    TrailingText::Whitespace | TrailingText::Dropped => {}
                }
                Ok(std::mem::take(report))
            }
            StreamState::Parsing { .. } => Err(Failure::Unrepairable),
            StreamState::Searching(_) | StreamState::HoldingText => {
                let text = std::str::from_utf8(&self.buffer).map_err(|_| Failure::NoJson)?;
                let (json, report) = whole::repair(text, self.root)?;
                out.extend_from_slice(json.as_bytes());
                Ok(report)
            }
        }
    }

    /// Keeps the beginning of the JSON that is returned.
    fn keep_returned(&mut self, json: &[u8]) {
        let room = (MAX_COMPARED + 1).saturating_sub(self.returned.len());
        self.returned.extend(json.iter().take(room));
    }

    /// Searches and parses as far as the buffer allows.
    fn advance(&mut self, is_complete: bool, out: &mut Vec<u8>) -> Result<(), Failure> {
        if let StreamState::Searching(search) = &mut self.state {
            let source = SourceText { bytes: &self.buffer, is_complete, budget: &self.budget };
            let Ok(Some(start)) = search.find_next(source) else { return Ok(()) };
            if must_hold(source, start, self.root) {
                self.state = StreamState::HoldingText;
                return Ok(());
            }
            self.start_parsing(start, out);
        }
        if let StreamState::Parsing { parser, .. } = &mut self.state {
            let source = SourceText { bytes: &self.buffer, is_complete, budget: &self.budget };
            let stop = parser.run(source);
            parser.drain_output(out);
            if stop == StopReason::Unrepairable {
                return Err(Failure::Unrepairable);
            }
            self.discard_parsed();
            if stop == StopReason::Done {
                self.finish_document();
            }
        }
        self.pass_trailing_whitespace(out);
        Ok(())
    }

    /// Returns the number of bytes that must arrive before the buffer is examined again. The number
    /// grows with the bytes that wait, which keeps the time linear however small the pieces are.
    fn next_recheck(&self) -> usize {
        let from = match &self.state {
            StreamState::Searching(search) => search.position,
            StreamState::Parsing { parser, .. } => parser.examined_to(),
            StreamState::HoldingText | StreamState::Finished { .. } => return 0,
        };
        let waiting = self.buffer.len().saturating_sub(from);
        if waiting < ALWAYS_RECHECKED { 0 } else { waiting / 4 }
    }

    /// Starts the parser at the beginning of a document.
    fn start_parsing(&mut self, start: DocumentStart, out: &mut Vec<u8>) {
        let mut parser = Box::new(Parser::new(start.at, ParseOptions::stream()));
        let before = self.buffer.get(..start.at).unwrap_or_default();
        if before.iter().copied().all(is_whitespace) {
            out.extend_from_slice(before);
        } else {
            parser.record(FlawKind::SurroundingText);
        }
        let mut unescaper = None;
        match start.opening {
            Opening::Bracket => {}
            Opening::MissingBracket(container) => parser.open_implied(container),
            Opening::Escaped => {
                parser.record(FlawKind::Escaped);
                let escaped = self.buffer.split_off(start.at);
                unescaper.insert(Unescaper::default()).feed(&escaped, &mut self.buffer);
            }
        }
        self.state = StreamState::Parsing { parser, unescaper };
    }

    /// Removes parsed bytes from the buffer, unless they are few.
    fn discard_parsed(&mut self) {
        let StreamState::Parsing { parser, .. } = &mut self.state else { return };
        let parsed = parser.needed_from().min(self.buffer.len());
        if parsed > MIN_DISCARD {
            self.buffer.drain(..parsed);
            parser.discard(parsed);
        }
    }

    /// Ends the parser behind the document.
    fn finish_document(&mut self) {
        let StreamState::Parsing { parser, .. } = &mut self.state else { return };
        self.buffer.drain(..parser.position().min(self.buffer.len()));
        let report = parser.take_report();
        self.state = StreamState::Finished { report, trailing: TrailingText::Whitespace };
    }

    /// Passes on white space behind the document, keeps another document, and drops anything else.
    fn pass_trailing_whitespace(&mut self, out: &mut Vec<u8>) {
        let StreamState::Finished { report, trailing } = &mut self.state else { return };
        let mut rest = self.buffer.as_slice();
        if *trailing == TrailingText::Whitespace {
            let length = rest.iter().take_while(|byte| is_whitespace(**byte)).count();
            let (whitespace, behind) = rest.split_at(length);
            out.extend_from_slice(whitespace);
            rest = behind;
        }
        if matches!(trailing, TrailingText::Whitespace | TrailingText::Separators)
            && !rest.is_empty()
        {
            let behind = skip_separators(rest);
            *trailing = match full_width_mark(behind).or(behind.first().copied()) {
                None => TrailingText::Separators,
                Some(b'{' | b'[') => TrailingText::Document,
                Some(_) => {
                    report.add(FlawKind::SurroundingText, 0);
                    TrailingText::Dropped
                }
            };
        }
        if *trailing != TrailingText::Document {
            self.buffer.clear();
        }
    }
}

/// Returns a text without the commas, of any width, and the white space at its beginning.
fn skip_separators(text: &[u8]) -> &[u8] {
    let mut rest = text;
    loop {
        rest = rest.trim_ascii_start();
        let length = match full_width_mark(rest).or(rest.first().copied()) {
            Some(b',' | b';') if rest.first().is_some_and(u8::is_ascii) => 1,
            Some(b',' | b';') => FULL_WIDTH_LENGTH,
            _ => return rest,
        };
        rest = rest.get(length..).unwrap_or_default();
    }
}

/// Returns whether the text behind a document, `first`, is the same document again.
fn repeats(first: &[u8], behind: &[u8], root: RootKind) -> bool {
    let again = std::str::from_utf8(skip_separators(behind))
        .ok()
        .and_then(|text| whole::repair(text, root).ok());
    let value = |json: &[u8]| serde_json::from_slice::<serde_json::Value>(json).ok();
    let first = value(first).filter(|_| first.len() <= MAX_COMPARED);
    first.is_some() && again.is_some_and(|(json, _)| value(json.as_bytes()) == first)
}

/// Returns whether only the end of the text decides what the document that begins here is: one in a
/// string, an object where an array is expected, which may be the first of several, or an empty
/// object, which may stand before the one that is meant.
fn must_hold(source: SourceText<'_>, start: DocumentStart, root: RootKind) -> bool {
    let first = source.next_token(0).ok().flatten();
    let is_object = start.opening == Opening::MissingBracket(Container::Object);
    if matches!(first, Some((_, b'"'))) && !is_object {
        return true;
    }
    let is_object = is_object || source.mark_at(start.at) == Some(b'{');
    let inside = source.next_token(start.at + 1);
    let is_empty = start.opening == Opening::Bracket && matches!(inside, Ok(Some((_, b'}'))));
    is_object && (is_empty || root == RootKind::Array)
}
