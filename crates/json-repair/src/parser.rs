//! Reads something like JSON and writes JSON: one pass forward, a stack of its own, and nothing
//! written that could still change.

mod brackets;
mod escapes;
mod quotes;
mod scalars;
mod state;
mod strings;

pub(crate) use self::state::{Doubt, Frame, Manner, Shape, State, Step, Stop};
use self::strings::Place;
use crate::{
    lookahead::{Confidence, Lookahead, SourceText, unusual_whitespace_length},
    report::{FlawKind, Report},
};

/// Reads a document.
#[derive(Debug)]
pub(crate) struct Parser {
    pub(crate) stack: Vec<Frame>,
    pub(crate) state: State,
    /// JSON that will not change.
    pub(crate) out: Vec<u8>,
    /// What is written when the next value begins: white space, a comma, a key, a colon.
    pub(crate) pending: Vec<u8>,
    /// Where in `pending` the comma is.
    pub(crate) comma: Option<usize>,
    /// The next byte to be read.
    pub(crate) at: usize,
    /// How many bytes were before the source's first.
    pub(crate) base: usize,
    pub(crate) report: Report,
    pub(crate) manner: Manner,
    /// How far the line being read is indented.
    pub(crate) indent: u16,
    /// Whether nothing but white space was on the line so far.
    pub(crate) fresh_line: bool,
    /// Whether a choice was made that could have gone the other way.
    pub(crate) doubtful: bool,
    /// Whether a key has left whose value has not.
    pub(crate) keyed: bool,
    /// Up to where no quote is near.
    pub(crate) quoteless: usize,
    /// Whether what is open innermost began with a comma.
    pub(crate) led: bool,
    /// How often a string was read again.
    pub(crate) returns: u8,
}

impl Parser {
    /// A reader whose document begins at a byte of the text.
    pub(crate) fn new(at: usize, manner: Manner) -> Self {
        Self {
            stack: Vec::new(),
            state: State::Value,
            out: Vec::new(),
            pending: Vec::new(),
            comma: None,
            at,
            base: 0,
            report: Report::default(),
            manner,
            indent: 0,
            fresh_line: false,
            doubtful: false,
            keyed: false,
            quoteless: 0,
            led: false,
            returns: 0,
        }
    }

    /// Begins as if a bracket had been read that the text does not have.
    pub(crate) fn imply(&mut self, shape: Shape) {
        self.note(FlawKind::MissingBracket);
        self.open(shape);
        if let Some(frame) = self.stack.last_mut() {
            frame.implied = true;
        }
    }

    /// Reads as far as what has come allows.
    pub(crate) fn run(&mut self, source: SourceText<'_>) -> Stop {
        while !source.budget.is_exhausted() {
            source.budget.spend(1);
            if let Err(stop) = self.step(source) {
                return stop;
            }
        }
        Stop::Hopeless
    }

    /// Keeps a flaw found where the reading is.
    pub(crate) fn note(&mut self, kind: FlawKind) {
        self.note_at(kind, self.at);
    }

    /// Keeps a flaw found at a byte of the source.
    pub(crate) fn note_at(&mut self, kind: FlawKind, at: usize) {
        self.report.add(kind, self.base + at);
    }

    /// Whether to look far ahead: always once something was wrong.
    pub(crate) fn is_careful(&self) -> bool {
        self.manner.careful || !self.report.is_empty()
    }

    /// What is open innermost.
    pub(crate) fn shape(&self) -> Option<Shape> {
        self.stack.last().map(|frame| frame.shape)
    }

    fn step(&mut self, source: SourceText<'_>) -> Step {
        match self.state {
            State::Done => return Err(Stop::Done),
            State::Text(text) => return self.text(source, text),
            _ => self.gap(source)?,
        }
        let Some(byte) = source.peek(self.at)? else { return self.finish(FlawKind::Truncated) };
        if self.stray(source, byte)? {
            return Ok(());
        }
        match self.state {
            State::Key => self.key(source, byte),
            State::Colon => self.colon(source, byte),
            State::Value => self.value(source, byte),
            State::Item => self.item(source, byte),
            _ => self.after(source, byte),
        }
    }

    /// Passes over white space and comments.
    fn gap(&mut self, source: SourceText<'_>) -> Lookahead<()> {
        loop {
            let start = self.at;
            let rest = source.tail(start);
            let is_blank = |byte: &&u8| matches!(byte, b' ' | b'\n' | b'\t' | b'\r');
            let length = rest.iter().take_while(is_blank).count();
            if length > 0 {
                self.blank(rest.get(..length).unwrap_or_default());
                self.at += length;
            }
            // Nearly always a token follows.
            if matches!(rest.get(length), Some(b'"'..=b'~') if !matches!(rest.get(length), Some(b'/' | b'#')))
            {
                return Ok(());
            }
            let odd = unusual_whitespace_length(source.tail(self.at));
            if odd > 0 {
                self.note(FlawKind::WhiteSpace);
                self.at += odd;
            }
            let comment = source.comment_length(self.at)?;
            if comment > 0 {
                self.note(FlawKind::Comment);
                self.at += comment;
            }
            if self.at == start {
                return Ok(());
            }
        }
    }

    /// Keeps white space, and how far it indents.
    fn blank(&mut self, blank: &[u8]) {
        self.pending.extend_from_slice(blank);
        if let Some(line) = memchr::memrchr(b'\n', blank) {
            let indent = blank.len() - line - 1;
            self.indent = indent.try_into().unwrap_or(u16::MAX);
            self.fresh_line = true;
        }
    }

    /// Passes over what no JSON has between its tokens and what says nothing: dots in the place of
    /// more, escapes that stand for white space. Ends the document at a mark of its end.
    fn stray(&mut self, source: SourceText<'_>, byte: u8) -> Result<bool, Stop> {
        if !matches!(byte, b'.' | b'\\' | b'`' | b'~' | b'<' | 0xe2) {
            return Ok(false);
        }
        let dots = match byte {
            b'.' if source.has_at(self.at, b"...")? => {
                source.tail(self.at).iter().take_while(|byte| **byte == b'.').count()
            }
            0xe2 if source.has_at(self.at, "…".as_bytes())? => 3,
            _ => 0,
        };
        if dots > 0 {
            self.note(FlawKind::Ellipsis);
            self.at += dots;
            return Ok(true);
        }
        if byte == b'\\' {
            let blank = matches!(source.peek(self.at + 1)?, Some(b'n' | b't' | b'r'));
            if blank {
                self.note(FlawKind::WrongEscape);
                self.at += 2;
            }
            return Ok(blank);
        }
        if !self.stack.is_empty() && source.has_end_marker_at(self.at)? {
            self.finish(FlawKind::MissingBracket)?;
            return Ok(true);
        }
        Ok(false)
    }

    fn key(&mut self, source: SourceText<'_>, byte: u8) -> Step {
        match byte {
            b',' | b';' => self.comma(byte),
            b'}' | b']' | b')' => return self.close(source, byte),
            b'{' | b'[' => return self.no_key(source, byte),
            // Neither a key nor a value says nothing.
            b':' if matches!(source.next_token(self.at + 1)?, Some((_, b',' | b'}'))) => {
                self.note(FlawKind::MissingValue);
                self.at += 1;
            }
            b':' | b'=' | b'(' | b'<' | b'>' => return Err(Stop::Hopeless),
            _ => {
                if self.outdent(source, byte)? {
                    return Ok(());
                }
                match source.quote_at(self.at) {
                    Some(_) => return self.open_text(source, Place::Key),
                    None => return self.plain_key(source),
                }
            }
        }
        Ok(())
    }

    /// A bracket in the place of a key: the brace came twice, or the one before it was not closed.
    fn no_key(&mut self, source: SourceText<'_>, byte: u8) -> Step {
        let Some(frame) = self.stack.last() else { return Err(Stop::Hopeless) };
        if byte == b'{' && !frame.filled && !frame.doubled {
            let doubled = match source.next_token(self.at + 1)? {
                Some((next, _)) => source.key_confidence(next)? != Confidence::None,
                None => true,
            };
            if doubled {
                self.note(FlawKind::ExtraBracket);
                self.at += 1;
                self.stack.last_mut().into_iter().for_each(|frame| frame.doubled = true);
                return Ok(());
            }
        }
        let is_in_array = self.stack.iter().rev().nth(1).is_some_and(Frame::is_array);
        if is_in_array {
            self.close_missing(1);
            self.state = State::Item;
            return Ok(());
        }
        Err(Stop::Hopeless)
    }

    fn colon(&mut self, source: SourceText<'_>, byte: u8) -> Step {
        let second = matches!(byte, b'=' | b'-').then(|| source.peek(self.at + 1)).transpose()?;
        let (length, flaw) = match (byte, second.flatten()) {
            (b':', _) => (1, None),
            (b'=', Some(b'>' | b'=')) | (b'-', Some(b'>')) => (2, Some(FlawKind::WrongColon)),
            (b'=', _) => (1, Some(FlawKind::WrongColon)),
            (b']' | b')', _) => return Err(Stop::Hopeless),
            (b',' | b';' | b'}', _) => (0, None),
            _ => (0, Some(FlawKind::MissingColon)),
        };
        if let Some(flaw) = flaw {
            self.note(flaw);
        }
        // Where there is none, it belongs right behind the key.
        let place =
            if length == 0 { self.pending.trim_ascii_end().len() } else { self.pending.len() };
        self.pending.insert(place, b':');
        self.at += length;
        self.state = State::Value;
        Ok(())
    }

    fn value(&mut self, source: SourceText<'_>, byte: u8) -> Step {
        match byte {
            b'{' => return self.open_brace(source),
            b'[' => self.open_here(Shape::Array),
            b'(' => return self.open_round(source),
            b',' | b';' | b'}' | b']' | b')' => {
                self.note(FlawKind::MissingValue);
                self.write(b"null");
            }
            b':' | b'=' | b'>' => {
                self.note(FlawKind::WrongColon);
                self.at += 1;
            }
            _ => match source.quote_at(self.at) {
                Some(_) if !source.is_complete => {
                    self.release_key();
                    return self.open_text(source, Place::Value);
                }
                Some(_) => return self.open_text(source, Place::Value),
                None => return self.scalar(source, Place::Value),
            },
        }
        Ok(())
    }

    fn item(&mut self, source: SourceText<'_>, byte: u8) -> Step {
        match byte {
            b',' | b';' => self.comma(byte),
            b'}' | b']' | b')' => return self.close(source, byte),
            b':' | b'=' | b'>' => return Err(Stop::Hopeless),
            _ => {
                if self.outdent(source, byte)? {
                    return Ok(());
                }
                match byte {
                    b'{' => return self.open_brace(source),
                    b'[' => self.open_here(Shape::Array),
                    b'(' => return self.open_round(source),
                    _ => match source.quote_at(self.at) {
                        Some(_) => return self.open_text(source, Place::Item),
                        None => return self.plain_item(source),
                    },
                }
            }
        }
        Ok(())
    }

    fn after(&mut self, source: SourceText<'_>, byte: u8) -> Step {
        match byte {
            b',' | b';' => self.comma(byte),
            b'}' | b']' | b')' => return self.close(source, byte),
            b':' | b'=' | b'<' | b'>' => return Err(Stop::Hopeless),
            _ if self.shape() != Some(Shape::Object) => self.state = State::Item,
            _ if matches!(byte, b'{' | b'[') => self.state = State::Key,
            _ if let Some(end) = source.literal_end(self.at)? => {
                self.note(FlawKind::SurroundingText);
                self.at = end;
            }
            // Words after a value are no key: guessing what they are would be inventing.
            _ if source.key_confidence(self.at)? == Confidence::None => return Err(Stop::Hopeless),
            _ => self.state = State::Key,
        }
        Ok(())
    }

    /// Takes in a comma, or what stands for one.
    pub(crate) fn comma(&mut self, byte: u8) {
        if byte == b';' {
            self.note(FlawKind::WrongComma);
        }
        let filled = self.stack.last().is_some_and(|frame| frame.filled);
        if self.comma.is_some() || !filled {
            self.note(FlawKind::ExtraComma);
            self.led |= !filled;
        } else {
            self.comma = Some(self.pending.len());
            self.pending.push(b',');
        }
        self.at += 1;
        let is_object = self.shape() == Some(Shape::Object);
        self.state = if is_object { State::Key } else { State::Item };
    }

    /// Makes `pending` what stands between two values.
    pub(crate) fn separate(&mut self) {
        let filled = self.stack.last().is_some_and(|frame| frame.filled);
        if filled && self.comma.is_none() {
            self.note(FlawKind::MissingComma);
            self.pending.insert(0, b',');
        }
        self.comma = None;
    }

    /// Takes the comma out of `pending`, which no value follows.
    pub(crate) fn drop_comma(&mut self) {
        if let Some(at) = self.comma.take() {
            self.note(FlawKind::TrailingComma);
            self.pending.remove(at);
        }
    }

    /// Lets go a key: its value begins, whatever it is.
    pub(crate) fn release_key(&mut self) {
        if matches!(self.state, State::Value) && !self.stack.is_empty() {
            self.out.append(&mut self.pending);
            self.keyed = true;
        }
    }

    /// Lets go what was held back: a value begins.
    pub(crate) fn begin(&mut self) {
        self.keyed = false;
        if matches!(self.state, State::Item) {
            self.separate();
        }
        self.out.append(&mut self.pending);
        self.enter();
    }

    /// What is open holds something from here on.
    pub(crate) fn enter(&mut self) {
        let indent = self.indent;
        let own_line = std::mem::take(&mut self.fresh_line);
        if let Some(frame) = self.stack.last_mut() {
            if !frame.filled && own_line {
                frame.inner = Some(indent);
                self.manner.layout &= indent > frame.outer;
            }
            frame.filled = true;
        }
    }

    /// Writes a value in one piece.
    pub(crate) fn write(&mut self, json: &[u8]) {
        self.begin();
        self.out.extend_from_slice(json);
        self.after_value();
    }

    /// What comes after a value.
    pub(crate) fn after_value(&mut self) {
        self.state = if self.stack.is_empty() { State::Done } else { State::After };
    }

    /// Opens an object, or a set: strings in braces with no colon among them.
    fn open_brace(&mut self, source: SourceText<'_>) -> Step {
        let shape =
            if self.is_careful() && self.is_set(source)? { Shape::Set } else { Shape::Object };
        self.open_here(shape);
        Ok(())
    }

    fn is_set(&self, source: SourceText<'_>) -> Lookahead<bool> {
        let Some((mut at, _)) = source.next_token(self.at + 1)? else { return Ok(false) };
        for ends in [&b","[..], b",}"] {
            let Some(after) = source.after_string(at)? else { return Ok(false) };
            match source.next_token(after)? {
                Some((next, byte)) if ends.contains(&byte) => match source.next_token(next + 1)? {
                    Some((next, _)) => at = next,
                    None => return Ok(byte == b'}'),
                },
                _ => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Opens an array, or passes over brackets around one value.
    fn open_round(&mut self, source: SourceText<'_>) -> Step {
        if let Some((start, end)) = self.call(source, 0)? {
            self.note(FlawKind::Call);
            return self.argument(source, start, end);
        }
        self.open_here(Shape::Tuple);
        Ok(())
    }

    fn open_here(&mut self, shape: Shape) {
        if matches!(shape, Shape::Tuple | Shape::Set) {
            self.note(FlawKind::WrongBracket);
        }
        self.at += 1;
        self.open(shape);
    }

    /// Opens an object or an array.
    pub(crate) fn open(&mut self, shape: Shape) {
        self.begin();
        let outer = self.indent;
        let (filled, doubled, implied, inner) = (false, false, false, None);
        self.led = false;
        self.stack.push(Frame { shape, filled, doubled, implied, outer, inner, nested: 0 });
        self.out.push(if shape == Shape::Object { b'{' } else { b'[' });
        self.state = if shape == Shape::Object { State::Key } else { State::Item };
    }

    /// Closes what is open, because the text or the document in it ends here.
    pub(crate) fn finish(&mut self, why: FlawKind) -> Step {
        if matches!(self.state, State::Value) && self.stack.is_empty() {
            return Err(Stop::Hopeless);
        }
        if !self.stack.is_empty() {
            // What ends behind a value may be complete but for its brackets.
            let after = matches!(self.state, State::After);
            self.note(if after { FlawKind::MissingBracket } else { why });
        }
        if std::mem::take(&mut self.keyed) {
            self.out.extend_from_slice(b"null");
        }
        // A key without a value says nothing, and so does a comma.
        self.pending.clear();
        self.comma = None;
        while let Some(frame) = self.stack.pop() {
            self.out.push(frame.shape.json());
        }
        self.state = State::Done;
        Ok(())
    }
}
