//! Strings: their quotes, their escapes, and what they hold.

use super::{Parser, Shape, State, Step, Stop, escapes::write_escaped, quotes::open_brackets};
use crate::{
    lookahead::{Lookahead, MAX_LOOKAHEAD, Quote, SourceText},
    report::FlawKind,
    strict::must_be_escaped,
    work_budget::REREAD_COST,
};

/// The longest string in an array that is held back until it is certain not to be a key, in bytes.
const LONGEST_HELD: usize = 64;

/// How often a string that was read too far is read again.
pub(crate) const MAX_RETURNS: u8 = 8;

/// What a string stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Key,
    Value,
    Item,
}

/// How a string's quotes come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Once,
    Twice,
    Thrice,
}

/// A string being read. What has been read of it, up to the parser's place, has been written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text {
    pub(crate) quote: Quote,
    pub(crate) style: Style,
    pub(crate) place: Place,
    /// How far it has been looked through.
    pub(crate) scan: usize,
    /// How far it holds nothing that could belong to what comes after it.
    safe: usize,
    /// Where in `pending` it begins, as long as it is held there.
    held: Option<usize>,
    /// Whether a byte since the parser's place must be escaped.
    dirty: bool,
    /// How many quotes are in it.
    pub(crate) quotes: u32,
    /// How many brackets are open in it, and how far they are counted.
    pub(crate) depth: i32,
    counted: usize,
    /// Where it would have ended, were no bracket open in it: there, and how much was written.
    pub(crate) refused: Option<(usize, usize)>,
}

/// What a quote in a string is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It ends the string; what follows begins there.
    End(usize),
    /// It belongs to the string.
    Inside,
    /// The string has ended before it, there.
    Before(usize),
    /// The string has ended there, and goes on in another, whose content begins there.
    JoinedBefore(usize, usize),
    /// The string goes on in another, whose content begins there.
    Joined(usize, Quote),
}

impl Text {
    /// So many bytes before the source's first are forgotten.
    pub(crate) fn forget(&mut self, count: usize) {
        self.scan -= count;
        self.safe = self.safe.saturating_sub(count);
        self.counted = self.counted.saturating_sub(count);
    }
}

impl Parser {
    /// So many bytes that have been read are forgotten.
    pub(crate) fn forget(&mut self, count: usize) {
        self.at -= count;
        self.base += count;
        self.quoteless = self.quoteless.saturating_sub(count);
        if let State::Text(text) = &mut self.state {
            text.forget(count);
        }
    }

    /// Up to where nothing has to be looked at again.
    pub(crate) fn looked(&self) -> usize {
        match &self.state {
            State::Text(text) => text.scan,
            _ => self.at,
        }
    }

    /// Begins a string at its quote.
    pub(crate) fn open_text(&mut self, source: SourceText<'_>, place: Place) -> Step {
        let Some((quote, length)) = source.quote_at(self.at) else { return Err(Stop::Hopeless) };
        let (style, start) = style(source, self.at, length, place)?;
        if quote != Quote::Double || style != Style::Once {
            self.note(FlawKind::WrongQuote);
        }
        self.start_text(source, quote, style, place, start)
    }

    /// Begins a string whose content begins at `start`.
    pub(crate) fn start_text(
        &mut self,
        source: SourceText<'_>,
        quote: Quote,
        style: Style,
        place: Place,
        start: usize,
    ) -> Step {
        match place {
            Place::Value => {
                self.begin();
                self.out.push(b'"');
            }
            Place::Key | Place::Item => {
                self.separate();
                self.pending.push(b'"');
            }
        }
        let held = (place != Place::Value).then(|| self.pending.len() - 1);
        self.at = start;
        let text = Text {
            quote,
            style,
            place,
            held,
            scan: start,
            safe: start,
            counted: start,
            dirty: false,
            quotes: 0,
            depth: 0,
            refused: None,
        };
        self.state = State::Text(text);
        self.text(source, text)
    }

    /// Reads more of a string.
    pub(crate) fn text(&mut self, source: SourceText<'_>, mut text: Text) -> Step {
        loop {
            let Some(found) = find_special(source, &text) else {
                return self.text_runs_out(source, text);
            };
            text.scan = found;
            source.budget.spend(1);
            let read = self.special(source, &mut text);
            let State::Text(state) = &mut self.state else { return Ok(()) };
            if let Err(stop) = read {
                *state = text;
                return Err(stop);
            }
        }
    }

    /// Reads a byte of a string that is not just itself.
    fn special(&mut self, source: SourceText<'_>, text: &mut Text) -> Step {
        match source.byte_at(text.scan) {
            Some(b'\\') => self.escape(source, text),
            Some(0..=0x1f) => {
                self.control(text);
                Ok(())
            }
            _ => match source.quote_at(text.scan) {
                Some((quote, length)) if text.quote.is_closed_by(quote) => {
                    self.quote(source, text, length)
                }
                Some((Quote::Double, _)) => {
                    text.dirty = true;
                    text.scan += 1;
                    Ok(())
                }
                found => {
                    text.scan += found.map_or(1, |(_, length)| length);
                    Ok(())
                }
            },
        }
    }

    /// A control character is written as an escape.
    fn control(&mut self, text: &mut Text) {
        self.note_at(FlawKind::ControlCharacter, text.scan);
        text.dirty = true;
        text.scan += 1;
    }

    fn quote(&mut self, source: SourceText<'_>, text: &mut Text, length: usize) -> Step {
        if source.budget.is_exhausted() {
            return Err(Stop::Hopeless);
        }
        let at = text.scan;
        if text.quotes > 0 || !source.is_complete {
            self.count_brackets(source, text, at);
        }
        match self.verdict(source, text, length)? {
            Verdict::Inside if text.quote == Quote::Double => {
                text.quotes += 1;
                self.note_at(FlawKind::UnescapedQuote, at);
                self.pour(source, text, at);
                let written = self.target(text).len();
                if let Some((_, later @ usize::MAX)) = &mut text.refused {
                    *later = written;
                }
                self.target(text).extend_from_slice(b"\\\"");
                (self.at, text.scan) = (at + length, at + length);
            }
            Verdict::Inside => {
                text.quotes += 1;
                self.pour(source, text, at + length);
                text.scan = at + length;
            }
            Verdict::End(after) => {
                if text.style == Style::Once && after > at + length {
                    self.note_at(FlawKind::WrongQuote, at);
                }
                self.close_text(source, text, at, after);
            }
            Verdict::Before(end) => {
                self.note_at(FlawKind::MissingQuote, end);
                self.close_text(source, text, end, end);
            }
            Verdict::JoinedBefore(end, start) => {
                self.note_at(FlawKind::MissingQuote, end);
                self.note_at(FlawKind::JoinedStrings, at);
                self.pour(source, text, end);
                (self.at, text.scan, text.safe, text.counted) = (start, start, start, start);
            }
            Verdict::Joined(start, quote) => {
                self.note_at(FlawKind::JoinedStrings, at);
                self.pour(source, text, at);
                (self.at, text.scan, text.safe, text.counted) = (start, start, start, start);
                (text.quote, text.style) = (quote, Style::Once);
            }
        }
        Ok(())
    }

    /// Counts brackets in what has been looked through.
    pub(crate) fn count_brackets(&self, source: SourceText<'_>, text: &mut Text, to: usize) {
        let from = std::mem::replace(&mut text.counted, to);
        for byte in source.bytes.get(from..to).unwrap_or_default() {
            text.depth += match byte {
                b'{' | b'[' => 1,
                b'}' | b']' => -1,
                _ => 0,
            };
        }
    }

    /// Where a string is written.
    pub(crate) fn target(&mut self, text: &Text) -> &mut Vec<u8> {
        if text.held.is_some() { &mut self.pending } else { &mut self.out }
    }

    /// Writes what has been read, up to `to`.
    pub(crate) fn pour(&mut self, source: SourceText<'_>, text: &mut Text, to: usize) {
        let piece = source.bytes.get(self.at..to).unwrap_or_default();
        let dirty = std::mem::take(&mut text.dirty);
        let out = self.target(text);
        if dirty {
            write_escaped(out, piece)
        } else {
            out.extend_from_slice(piece)
        }
        self.at = to;
    }

    /// Ends a string whose content ends at `end`; what follows begins at `after`.
    pub(crate) fn close_text(
        &mut self,
        source: SourceText<'_>,
        text: &mut Text,
        end: usize,
        after: usize,
    ) {
        // No key ends with a line break; a model that wrote one began the next line too soon.
        let end = if text.place == Place::Key { self.without_break(source, end) } else { end };
        self.pour(source, text, end);
        self.target(text).push(b'"');
        self.at = after;
        match (text.place, text.held) {
            (Place::Key, _) => self.state = State::Colon,
            (Place::Item, Some(start)) if self.is_before_colon(source) => self.become_key(start),
            (_, held) => {
                if held.is_some() {
                    self.release();
                }
                self.after_value();
            }
        }
    }

    /// Where a key ends without the line break before its quote.
    fn without_break(&self, source: SourceText<'_>, end: usize) -> usize {
        let key = source.bytes.get(self.at..end).unwrap_or_default();
        let own = key.trim_ascii_end().len();
        if source.has_line_break(self.at + own, end) { self.at + own } else { end }
    }

    /// Lets go a string that was held back.
    fn release(&mut self) {
        self.out.append(&mut self.pending);
        self.enter();
    }

    /// Whether a colon follows, which makes an item a key. To have seen what follows is the
    /// verdict's part.
    fn is_before_colon(&self, source: SourceText<'_>) -> bool {
        matches!(source.next_token(self.at), Ok(Some((_, b':'))))
    }

    /// Makes a key of an item: the array before it was not closed, or the object not opened.
    fn become_key(&mut self, start: usize) {
        let filled = self.stack.last().is_some_and(|frame| frame.filled);
        let is_in_object =
            self.stack.iter().rev().nth(1).is_some_and(|frame| frame.shape == Shape::Object);
        self.note(FlawKind::MissingBracket);
        if is_in_object && (filled || self.led) {
            self.stack.pop();
            self.out.push(b']');
            if !filled {
                self.pending.insert(0, b',');
            }
        } else {
            let key = self.pending.split_off(start);
            self.release();
            self.state = State::Value;
            self.open(Shape::Object);
            self.stack.last_mut().into_iter().for_each(|frame| frame.implied = true);
            self.pending = key;
        }
        self.state = State::Colon;
    }

    /// Nothing but plain bytes to the end of what has come.
    fn text_runs_out(&mut self, source: SourceText<'_>, mut text: Text) -> Step {
        let end = source.bytes.len();
        if source.is_complete {
            return self.end_of_text(source, text);
        }
        let fresh = source.bytes.get(text.scan..end).unwrap_or_default();
        if let Some(last) = fresh.iter().rposition(|byte| !is_structure(*byte)) {
            text.safe = text.scan + last + 1;
        }
        text.scan = end;
        let length = end - self.at;
        if text.held.is_some() && text.place == Place::Item && length > LONGEST_HELD {
            text.held = None;
            self.release();
        }
        if text.held.is_none() || length > MAX_LOOKAHEAD {
            self.count_brackets(source, &mut text, end);
            self.pour_safely(source, &mut text);
        }
        self.state = State::Text(text);
        Err(Stop::Wait)
    }

    /// Writes what can belong to nothing but the string.
    fn pour_safely(&mut self, source: SourceText<'_>, text: &mut Text) {
        let dirty = text.dirty;
        if text.safe > self.at {
            self.pour(source, text, text.safe);
            text.dirty = dirty;
        }
    }

    /// The text ends, and so does the string, without its quote.
    fn end_of_text(&mut self, source: SourceText<'_>, mut text: Text) -> Step {
        if let Some((at, written)) = text.refused.take()
            && self.returns < MAX_RETURNS
        {
            return self.go_back(source, text, at, written);
        }
        let all = source.tail(self.at);
        if text.place == Place::Key {
            // What follows the colon of a key without its quote is its value.
            let colon = all.iter().position(|byte| *byte == b':');
            let Some(colon) = colon.filter(|colon| *colon > 0) else {
                self.at = source.bytes.len();
                return self.finish(FlawKind::Truncated);
            };
            self.note(FlawKind::MissingQuote);
            self.close_text(source, &mut text, self.at + colon, self.at + colon);
            return Ok(());
        }
        if text.held.is_some_and(|start| start + 1 == self.pending.len()) && all.is_empty() {
            return self.finish(FlawKind::Truncated);
        }
        self.note_at(FlawKind::MissingQuote, source.bytes.len());
        let own = all.get(..self.without_structure(source, all)).unwrap_or_default();
        let end = self.at + self.without_members(own).len();
        self.close_text(source, &mut text, end, end);
        Ok(())
    }

    /// Takes back what was read behind a place where the string could have ended.
    fn go_back(&mut self, source: SourceText<'_>, text: Text, at: usize, written: usize) -> Step {
        self.returns += 1;
        source.budget.spend(REREAD_COST * (source.bytes.len() - at));
        self.target(&text).truncate(written);
        let length = source.quote_at(at).map_or(1, |(_, length)| length);
        self.at = at + length;
        let mut text = Text { dirty: false, ..text };
        self.close_text(source, &mut text, at + length, at + length);
        Ok(())
    }

    /// How much of a string without its quote is the string's own: not the brackets that close all
    /// that is open, and not a fence.
    fn without_structure(&self, source: SourceText<'_>, all: &[u8]) -> usize {
        let mut text = all.trim_ascii_end();
        for fence in [&b"```"[..], b"~~~"] {
            text = text.strip_suffix(fence).unwrap_or(text).trim_ascii_end();
        }
        let brackets = text.iter().rev().take_while(|byte| is_structure(**byte)).count();
        let (own, run) = text.split_at(text.len() - brackets);
        let is_closer = |at: &usize| matches!(run.get(*at), Some(b'}' | b']' | b'[' | b'{'));
        let mut closers = (0..run.len()).filter(is_closer);
        // A bracket that was opened in the string is closed in it.
        let inner = match open_brackets(source, own) {
            0 => 0,
            open => closers.nth(open - 1).map_or(run.len(), |at| at + 1),
        };
        let closers: Vec<u8> = closers.filter_map(|at| run.get(at).copied()).collect();
        let frames = self.stack.iter().rev().map(|frame| frame.shape.closer());
        let fits = !closers.is_empty() && closers.iter().copied().eq(frames.take(closers.len()));
        if fits { own.len() + inner } else { text.len() }
    }
}

/// What of a string's bytes may belong to what comes after it, if its quote is missing.
pub(crate) fn is_structure(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\t' | b'\r' | b',' | b'{' | b'}' | b'[' | b']')
}

/// Where the next byte is that is not just itself in the string.
fn find_special(source: SourceText<'_>, text: &Text) -> Option<usize> {
    let rest = source.tail(text.scan);
    let found = match text.quote {
        Quote::Double => rest.iter().position(|byte| must_be_escaped(*byte)),
        Quote::Single => rest.iter().position(|byte| must_be_escaped(*byte) || *byte == b'\''),
        _ => rest
            .iter()
            .position(|byte| must_be_escaped(*byte) || matches!(*byte, b'\'' | b'`' | 0xc2 | 0xe2)),
    };
    found.map(|found| text.scan + found)
}

/// How the quotes of a string that begins at `at` come, and where its content begins.
fn style(
    source: SourceText<'_>,
    at: usize,
    length: usize,
    place: Place,
) -> Lookahead<(Style, usize)> {
    let quote = source.byte_at(at);
    let once = Ok((Style::Once, at + length));
    if length > 1 || quote == Some(b'`') || source.peek(at + 1)? != quote {
        return once;
    }
    let third = source.peek(at + 2)?;
    if third == quote {
        let fourth = source.peek(at + 3)?;
        let empty = fourth == quote && source.peek(at + 4)?.is_none_or(is_delimiter);
        return Ok(if empty { (Style::Twice, at + 2) } else { (Style::Thrice, at + 3) });
    }
    // Two quotes and a delimiter are an empty string, unless they begin a key with a blank.
    if third.is_none_or(is_delimiter) {
        let begins = place == Place::Key && third == Some(b' ') && source.word_length(at + 3)? > 0;
        return if begins { Ok((Style::Twice, at + 2)) } else { once };
    }
    // Where the next one is neither doubled nor an end, the second is the string's own.
    let Some(end) = source.string_end(at + 1, MAX_LOOKAHEAD)? else {
        return Ok((Style::Twice, at + 2));
    };
    let ends =
        source.peek(end + 1)?.is_none_or(|byte| Some(byte) == quote || b",:}]\n".contains(&byte));
    if ends { Ok((Style::Twice, at + 2)) } else { once }
}

/// What may stand behind a string.
fn is_delimiter(byte: u8) -> bool {
    byte.is_ascii_whitespace() || b",:}]);+=/".contains(&byte)
}
