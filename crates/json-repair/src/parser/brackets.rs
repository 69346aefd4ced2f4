//! Closing brackets: those that fit, those that were left out, and those that are wrong.

use super::{Doubt, Parser, Shape, Step};
use crate::{
    lookahead::{Confidence, Lookahead, SourceText},
    report::FlawKind,
};

/// How many brackets a look ahead passes, and how many open ones it searches.
const MAX_BRACKETS: usize = 32;

/// What a closing bracket that does not fit may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    /// Brackets before it were left out: so many.
    Missing(usize),
    /// It is the wrong one.
    Wrong,
    /// It should not be there.
    Extra,
}

impl Parser {
    /// Reads a closing bracket.
    pub(crate) fn close(&mut self, source: SourceText<'_>, byte: u8) -> Step {
        let Some(shape) = self.shape() else { return Ok(()) };
        if self.outdent(source, byte)? {
            return Ok(());
        }
        if shape.closer() == byte {
            if self.closes_too_soon(source)? {
                if self.close_late() || self.go_on(source)? {
                    return Ok(());
                }
                let is_root = self.stack.len() == 1;
                self.doubtful |= !is_root;
                if is_root || self.manner.doubt == Doubt::Extra {
                    return self.pass_over();
                }
            }
            self.close_top();
            return Ok(());
        }
        match self.reading(source, byte)? {
            Reading::Missing(count) => self.close_missing(count),
            Reading::Wrong => {
                self.note(FlawKind::WrongBracket);
                self.close_top();
            }
            Reading::Extra => return self.pass_over(),
        }
        Ok(())
    }

    /// Leaves out a bracket.
    fn pass_over(&mut self) -> Step {
        self.note(FlawKind::ExtraBracket);
        self.at += 1;
        Ok(())
    }

    /// Closes what is open innermost, with the bracket that is read.
    fn close_top(&mut self) {
        if self.fresh_line && self.stack.last().is_some_and(|top| top.outer != self.indent) {
            self.manner.layout = false;
        }
        self.drop_comma();
        self.out.append(&mut self.pending);
        self.fresh_line = false;
        self.at += 1;
        if let Some(frame) = self.stack.pop() {
            self.out.push(frame.shape.json());
            let end = if frame.is_array() { self.out.len() } else { 0 };
            self.stack.last_mut().into_iter().for_each(|outer| outer.nested = end);
        }
        self.after_value();
    }

    /// Closes so many of the innermost, for which no bracket is there. What stands between the
    /// values belongs behind the brackets.
    pub(crate) fn close_missing(&mut self, count: usize) {
        for _ in 0..count {
            self.note(FlawKind::MissingBracket);
            if let Some(frame) = self.stack.pop() {
                self.out.push(frame.shape.json());
            }
        }
        self.after_value();
    }

    /// Whether what follows a bracket belongs into what it would close, and nowhere else.
    fn closes_too_soon(&self, source: SourceText<'_>) -> Lookahead<bool> {
        let is_root = self.stack.len() == 1;
        if !is_root && !self.is_careful() {
            return Ok(false);
        }
        let Some((next, b',')) = source.next_token(self.at + 1)? else { return Ok(false) };
        if is_root {
            let in_object = self.shape() == Some(Shape::Object);
            let Some((next, _)) = source.next_token(next + 1)?.filter(|_| in_object) else {
                return Ok(false);
            };
            return Ok(
                source.quote_at(next).is_some() && source.key_confidence(next)? != Confidence::None
            );
        }
        Ok(self.follows(source, self.at + 1, 1)? != Confidence::High
            && self.follows(source, self.at + 1, 0)? == Confidence::High)
    }

    /// Puts in the bracket that was left out behind the last array in this one, and closes what it
    /// opens. Whether one was left out. In a stream that place has gone.
    fn close_late(&mut self) -> bool {
        let nested = self.stack.last().map_or(0, |frame| frame.nested);
        let late = self.out.get(nested..).unwrap_or_default();
        let between = late.iter().take_while(|byte| b", \n\r\t".contains(byte)).count();
        if nested == 0 || between == late.len() || !self.manner.careful {
            return false;
        }
        self.note(FlawKind::MissingBracket);
        self.drop_comma();
        self.out.append(&mut self.pending);
        self.out.insert(nested + between, b'[');
        self.out.push(b']');
        let end = self.out.len();
        self.stack.last_mut().into_iter().for_each(|frame| frame.nested = end);
        self.at += 1;
        self.after_value();
        true
    }

    /// Goes on with an array that another one follows where only a key could: they are one. Whether
    /// that is so.
    fn go_on(&mut self, source: SourceText<'_>) -> Lookahead<bool> {
        let in_object = self.stack.iter().rev().nth(1).is_some_and(|it| it.shape == Shape::Object);
        let Some((comma, _)) = source.next_token(self.at + 1)?.filter(|_| in_object) else {
            return Ok(false);
        };
        let Some((next, b'[')) = source.next_token(comma + 1)? else { return Ok(false) };
        self.note(FlawKind::ExtraBracket);
        self.at = comma;
        self.comma(b',');
        self.note_at(FlawKind::ExtraBracket, next);
        self.at = next + 1;
        Ok(true)
    }

    /// What a bracket that does not fit is: what fits best to what follows it.
    fn reading(&mut self, source: SourceText<'_>, byte: u8) -> Lookahead<Reading> {
        let above = self.stack.iter().rev().skip(1).take(MAX_BRACKETS);
        let depth = above.into_iter().position(|frame| frame.shape.closer() == byte);
        let wrong = self.follows(source, self.at + 1, 1)?;
        let extra = self.follows(source, self.at + 1, 0)?;
        let Some(depth) = depth else {
            let ends = source.next_token(self.at + 1)?.is_none();
            // It does not close the document when more of it comes.
            let more_comes = self.stack.len() == 1 && wrong == extra;
            let wrong = ends || wrong >= extra && wrong == Confidence::High && !more_comes;
            return Ok(if wrong { Reading::Wrong } else { Reading::Extra });
        };
        let missing = self.follows(source, self.at + 1, depth + 2)?;
        let best = missing.max(wrong).max(extra);
        let readings = [
            (missing, Doubt::Missing, Reading::Missing(depth + 1)),
            (wrong, Doubt::Wrong, Reading::Wrong),
            (extra, Doubt::Extra, Reading::Extra),
        ];
        let fits = readings.into_iter().filter(|(likeness, ..)| *likeness == best);
        self.doubtful |= fits.clone().count() > 1;
        let preferred = fits.clone().find(|(_, doubt, _)| *doubt == self.manner.doubt);
        // In doubt one was left out, which is what models do most.
        let chosen = preferred.or_else(|| fits.clone().next());
        Ok(chosen.map_or(Reading::Extra, |(.., reading)| reading))
    }

    /// How well what stands at `at` follows a value, if so many of the innermost are closed before.
    pub(crate) fn follows(
        &self,
        source: SourceText<'_>,
        at: usize,
        closed: usize,
    ) -> Lookahead<Confidence> {
        let (mut at, mut closed) = (at, closed);
        for _ in 0..MAX_BRACKETS {
            source.budget.spend(2);
            let Some((next, byte)) = source.next_token(at)? else { return Ok(Confidence::High) };
            let Some(frame) = self.stack.iter().rev().nth(closed) else {
                return self.follows_document(source, at, next);
            };
            match byte {
                b',' | b';' => return self.follows_comma(source, next + 1, frame.shape),
                b'}' | b']' | b')' if byte == frame.shape.closer() => {
                    closed += 1;
                    at = next + 1;
                }
                b'}' | b']' => return Ok(Confidence::Low),
                _ => return self.follows_without_comma(source, at, next, frame.shape),
            }
        }
        Ok(Confidence::High)
    }

    /// How well something follows the whole document.
    fn follows_document(
        &self,
        source: SourceText<'_>,
        at: usize,
        next: usize,
    ) -> Lookahead<Confidence> {
        let good = match source.byte_at(next) {
            Some(b'}' | b']' | b')' | b';') => true,
            Some(b',') => {
                let Some((key, _)) = source.next_token(next + 1)? else {
                    return Ok(Confidence::High);
                };
                return Ok(source.key_confidence(key)?.max(Confidence::Low));
            }
            _ => source.has_end_marker_at(next)? || source.has_line_break(at, next),
        };
        Ok(if good { Confidence::High } else { Confidence::Low })
    }

    /// How well something follows a comma.
    fn follows_comma(
        &self,
        source: SourceText<'_>,
        at: usize,
        shape: Shape,
    ) -> Lookahead<Confidence> {
        let mut at = at;
        let (next, byte) = loop {
            match source.next_token(at)? {
                None => return Ok(Confidence::High),
                Some((next, b',' | b';')) => at = next + 1,
                Some(found) => break found,
            }
        };
        match byte {
            b'}' | b']' if byte == shape.closer() => Ok(Confidence::High),
            b'.' if source.has_at(next, b"...")? => Ok(Confidence::High),
            // A comma is what follows a value, whatever comes after it.
            b'{' | b'[' if shape == Shape::Object => Ok(Confidence::Low),
            _ if shape == Shape::Object => Ok(source.key_confidence(next)?.max(Confidence::Low)),
            _ => Ok(source.item_confidence(next)?.max(Confidence::Low)),
        }
    }

    /// How well something follows a value directly.
    fn follows_without_comma(
        &self,
        source: SourceText<'_>,
        at: usize,
        next: usize,
        shape: Shape,
    ) -> Lookahead<Confidence> {
        if source.has_end_marker_at(next)? {
            return Ok(Confidence::High);
        }
        if next == at && (shape != Shape::Object || source.quote_at(next).is_none()) {
            return Ok(Confidence::None);
        }
        let likeness = match shape {
            // A value without a key belongs to nothing.
            Shape::Object if source.literal_end(next)?.is_some() => Confidence::Low,
            Shape::Object => source.key_confidence(next)?,
            _ if source.has_line_break(at, next) => source.item_confidence(next)?,
            _ if source.item_confidence(next)? == Confidence::High => Confidence::Low,
            _ => Confidence::None,
        };
        Ok(if next == at { likeness.min(Confidence::Low) } else { likeness })
    }

    /// Closes what must have ended before this line by how far the line is indented. Whether it
    /// did.
    pub(crate) fn outdent(&mut self, source: SourceText<'_>, byte: u8) -> Lookahead<bool> {
        if !self.manner.layout || !self.fresh_line {
            return Ok(false);
        }
        let indent = self.indent;
        let count = match byte {
            b'}' | b']' => self.levels_to_closer(indent, byte),
            _ => self.levels_to_line(source, indent)?,
        };
        if count > 0 {
            self.close_missing(count);
        }
        Ok(count > 0)
    }

    /// How many of the innermost end before a closing bracket on a line of its own.
    fn levels_to_closer(&self, indent: u16, byte: u8) -> usize {
        let fits = |frame: &crate::parser::Frame| {
            frame.outer == indent && frame.shape.closer() == byte && frame.inner.is_some()
        };
        let mut frames = self.stack.iter().rev().take(MAX_BRACKETS);
        if frames.next().is_none_or(|top| top.inner.is_none() || top.outer <= indent) {
            return 0;
        }
        frames.position(fits).map_or(0, |above| above + 1)
    }

    /// How many of the innermost end before a key or an item on a line of its own.
    fn levels_to_line(&self, source: SourceText<'_>, indent: u16) -> Lookahead<usize> {
        let mut frames = self.stack.iter().rev().take(MAX_BRACKETS);
        let top = frames.next();
        if top.is_none_or(|top| !top.filled || top.inner.is_none_or(|inner| inner <= indent)) {
            return Ok(0);
        }
        let is_key = source.key_confidence(self.at)? == Confidence::High;
        let shape = if is_key { Shape::Object } else { Shape::Array };
        let found = frames.position(|frame| frame.inner == Some(indent));
        let fits = |above: &usize| {
            self.stack.iter().rev().nth(above + 1).is_some_and(|frame| frame.shape == shape)
        };
        Ok(found.filter(fits).map_or(0, |above| above + 1))
    }
}
