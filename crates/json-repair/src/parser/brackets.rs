//! Brackets: opening ones, closing ones, missing ones and wrong ones.

use super::{BracketPolicy, Container, Frame, Parser, ParserState, StepResult, StopReason};
use crate::{
    lookahead::{Confidence, Lookahead, SourceText},
    report::FlawKind,
};

/// The maximum number of brackets that lookahead passes, and of open containers that are searched.
const MAX_BRACKETS_AHEAD: usize = 32;

/// The flaw behind an unexpected closing bracket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BracketFlaw {
    /// As many brackets are missing before this one.
    Missing(usize),
    /// The bracket is of the wrong kind.
    Wrong,
    /// The bracket is one too many.
    Extra,
}

impl Parser {
    /// Opens an object, or a set.
    pub(super) fn open_brace(&mut self, source: SourceText<'_>) -> StepResult {
        let container = if self.looks_far_ahead() && self.is_set(source)? {
            Container::Set
        } else {
            Container::Object
        };
        self.open_at_bracket(container);
        Ok(())
    }

    /// Returns whether the brace begins a set: strings without a colon between them.
    fn is_set(&self, source: SourceText<'_>) -> Lookahead<bool> {
        let Some((mut at, _)) = source.next_token(self.position + 1)? else { return Ok(false) };
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

    /// Opens a tuple, or reads the one value in the parentheses.
    pub(super) fn open_parenthesis(&mut self, source: SourceText<'_>) -> StepResult {
        if let Some(argument) = self.find_call_argument(source, 0)? {
            self.record(FlawKind::Call);
            return self.write_call_argument(source, argument);
        }
        self.open_at_bracket(Container::Tuple);
        Ok(())
    }

    /// Opens a container at its bracket.
    pub(super) fn open_at_bracket(&mut self, container: Container) {
        if matches!(container, Container::Tuple | Container::Set) {
            self.record(FlawKind::WrongBracket);
        }
        self.position += 1;
        self.open_container(container);
    }

    /// Opens a container.
    pub(super) fn open_container(&mut self, container: Container) {
        self.begin_value();
        let outer = self.line_indent;
        self.starts_with_comma = false;
        self.stack.push(Frame {
            container,
            has_content: false,
            has_double_brace: false,
            line_indent: outer,
            content_indent: None,
            last_array_end: 0,
        });
        self.output.push(if container == Container::Object { b'{' } else { b'[' });
        self.state = if container == Container::Object {
            ParserState::ExpectKey
        } else {
            ParserState::ExpectItem
        };
    }

    /// Reads an opening bracket where a key is expected: the brace was written twice, or the object
    /// before was not closed.
    pub(super) fn read_bracket_as_key(&mut self, source: SourceText<'_>, byte: u8) -> StepResult {
        let Some(frame) = self.stack.last() else { return Err(StopReason::Unrepairable) };
        if byte == b'{' && !frame.has_content && !frame.has_double_brace {
            let doubled = match source.next_token(self.position + 1)? {
                Some((next, _)) => source.key_confidence(next)? != Confidence::None,
                None => true,
            };
            if doubled {
                self.record(FlawKind::ExtraBracket);
                self.position += 1;
                self.stack.last_mut().into_iter().for_each(|frame| frame.has_double_brace = true);
                return Ok(());
            }
        }
        let is_in_array = self.container_at(1).is_some_and(|outer| outer != Container::Object);
        if is_in_array {
            self.close_missing(1);
            self.state = ParserState::ExpectItem;
            return Ok(());
        }
        Err(StopReason::Unrepairable)
    }

    /// Reads a closing bracket.
    pub(super) fn read_closing_bracket(&mut self, source: SourceText<'_>, byte: u8) -> StepResult {
        let Some(container) = self.innermost() else { return Ok(()) };
        if self.close_by_indentation(source, byte)? {
            return Ok(());
        }
        if container.closing_bracket() == byte {
            if self.closes_too_early(source)? {
                if self.insert_late_array() || self.continue_array(source)? {
                    return Ok(());
                }
                let is_root = self.stack.len() == 1;
                self.is_ambiguous |= !is_root;
                if is_root || self.options.bracket_policy == BracketPolicy::Drop {
                    return self.skip_extra_bracket();
                }
            }
            self.close_innermost();
            return Ok(());
        }
        match self.classify_bracket(source, byte)? {
            BracketFlaw::Missing(count) => self.close_missing(count),
            BracketFlaw::Wrong => {
                self.record(FlawKind::WrongBracket);
                self.close_innermost();
            }
            BracketFlaw::Extra => return self.skip_extra_bracket(),
        }
        Ok(())
    }

    /// Drops a bracket.
    fn skip_extra_bracket(&mut self) -> StepResult {
        self.record(FlawKind::ExtraBracket);
        self.position += 1;
        Ok(())
    }

    /// Closes the innermost container with the bracket at the current position.
    fn close_innermost(&mut self) {
        if self.at_line_start
            && self.stack.last().is_some_and(|top| top.line_indent != self.line_indent)
        {
            self.options.use_indentation = false;
        }
        self.drop_comma();
        self.output.append(&mut self.pending);
        self.at_line_start = false;
        self.position += 1;
        if let Some(frame) = self.stack.pop() {
            self.output.push(frame.container.json_closing_bracket());
            let end = if frame.is_array() { self.output.len() } else { 0 };
            self.stack.last_mut().into_iter().for_each(|outer| outer.last_array_end = end);
        }
        self.end_value();
    }

    /// Closes the `count` innermost containers without a bracket in the text. Pending text is
    /// written behind the brackets.
    pub(super) fn close_missing(&mut self, count: usize) {
        for _ in 0..count {
            self.record(FlawKind::MissingBracket);
            if let Some(frame) = self.stack.pop() {
                self.output.push(frame.container.json_closing_bracket());
            }
        }
        self.end_value();
    }

    /// Returns whether the text behind a bracket belongs into the container that the bracket would
    /// close, and nowhere else.
    fn closes_too_early(&self, source: SourceText<'_>) -> Lookahead<bool> {
        let is_root = self.stack.len() == 1;
        if !is_root && !self.looks_far_ahead() {
            return Ok(false);
        }
        let Some((next, b',')) = source.next_token(self.position + 1)? else { return Ok(false) };
        if is_root {
            let in_object = self.innermost() == Some(Container::Object);
            let Some((next, _)) = source.next_token(next + 1)?.filter(|_| in_object) else {
                return Ok(false);
            };
            return Ok(
                source.quote_at(next).is_some() && source.key_confidence(next)? != Confidence::None
            );
        }
        Ok(self.continuation_confidence(source, self.position + 1, 1)? != Confidence::High
            && self.continuation_confidence(source, self.position + 1, 0)? == Confidence::High)
    }

    /// Inserts the opening bracket that is missing behind the last array in this container, and
    /// closes the array. Returns whether a bracket was inserted. A stream cannot insert, because
    /// the output was returned.
    fn insert_late_array(&mut self) -> bool {
        let nested = self.stack.last().map_or(0, |frame| frame.last_array_end);
        let late = self.output.get(nested..).unwrap_or_default();
        let between = late.iter().take_while(|byte| b", \n\r\t".contains(byte)).count();
        if nested == 0 || between == late.len() || !self.options.always_look_ahead {
            return false;
        }
        self.record(FlawKind::MissingBracket);
        self.drop_comma();
        self.output.append(&mut self.pending);
        self.output.insert(nested + between, b'[');
        self.output.push(b']');
        let end = self.output.len();
        self.stack.last_mut().into_iter().for_each(|frame| frame.last_array_end = end);
        self.position += 1;
        self.end_value();
        true
    }

    /// Continues an array if another array follows where only a key could. Returns whether that is
    /// so.
    fn continue_array(&mut self, source: SourceText<'_>) -> Lookahead<bool> {
        let in_object = self.container_at(1) == Some(Container::Object);
        let Some((comma, _)) = source.next_token(self.position + 1)?.filter(|_| in_object) else {
            return Ok(false);
        };
        let Some((next, b'[')) = source.next_token(comma + 1)? else { return Ok(false) };
        self.record(FlawKind::ExtraBracket);
        self.position = comma;
        self.read_comma(b',');
        self.record_at(FlawKind::ExtraBracket, next);
        self.position = next + 1;
        Ok(true)
    }

    /// Returns the flaw behind an unexpected bracket: the one whose repair fits best to the
    /// following text.
    fn classify_bracket(&mut self, source: SourceText<'_>, byte: u8) -> Lookahead<BracketFlaw> {
        let mut above = self.stack.iter().rev().skip(1).take(MAX_BRACKETS_AHEAD);
        let depth = above.position(|frame| frame.container.closing_bracket() == byte);
        let wrong = self.continuation_confidence(source, self.position + 1, 1)?;
        let extra = self.continuation_confidence(source, self.position + 1, 0)?;
        let Some(depth) = depth else {
            let ends = source.next_token(self.position + 1)?.is_none();
            // A bracket does not close the document when more of the document follows.
            let more_comes = self.stack.len() == 1 && wrong == extra;
            let wrong = ends || wrong >= extra && wrong == Confidence::High && !more_comes;
            return Ok(if wrong { BracketFlaw::Wrong } else { BracketFlaw::Extra });
        };
        let missing = self.continuation_confidence(source, self.position + 1, depth + 2)?;
        let best = missing.max(wrong).max(extra);
        let candidates = [
            (missing, BracketPolicy::Insert, BracketFlaw::Missing(depth + 1)),
            (wrong, BracketPolicy::Replace, BracketFlaw::Wrong),
            (extra, BracketPolicy::Drop, BracketFlaw::Extra),
        ];
        let fits = candidates.into_iter().filter(|(confidence, ..)| *confidence == best);
        self.is_ambiguous |= fits.clone().count() > 1;
        let preferred = fits.clone().find(|(_, policy, _)| *policy == self.options.bracket_policy);
        // The default is a missing bracket, the most frequent mistake of models.
        let chosen = preferred.or_else(|| fits.clone().next());
        Ok(chosen.map_or(BracketFlaw::Extra, |(.., flaw)| flaw))
    }

    /// Returns the confidence that the text at `at` continues the document after a value, if the
    /// `closed` innermost containers are closed before.
    pub(super) fn continuation_confidence(
        &self,
        source: SourceText<'_>,
        at: usize,
        closed: usize,
    ) -> Lookahead<Confidence> {
        let confidence = self.plain_continuation_confidence(source, at, closed)?;
        if confidence != Confidence::Low {
            return Ok(confidence);
        }
        // A full-width mark is frequent in text.
        let next = source.next_token(at)?.map_or(at, |(next, _)| next);
        Ok(if source.is_full_width(next) { Confidence::None } else { confidence })
    }

    /// Returns the same as [`continuation_confidence`](Self::continuation_confidence), without
    /// regard to the width of the marks.
    fn plain_continuation_confidence(
        &self,
        source: SourceText<'_>,
        at: usize,
        closed: usize,
    ) -> Lookahead<Confidence> {
        let (mut at, mut closed) = (at, closed);
        for _ in 0..MAX_BRACKETS_AHEAD {
            source.budget.spend(2);
            let Some((next, byte)) = source.next_token(at)? else { return Ok(Confidence::High) };
            let Some(container) = self.container_at(closed) else {
                return self.after_document_confidence(source, at, next);
            };
            match byte {
                b',' | b';' => {
                    return self.after_comma_confidence(source, next + 1, container);
                }
                b'}' | b']' | b')' if byte == container.closing_bracket() => {
                    closed += 1;
                    at = next + 1;
                }
                b'}' | b']' => return Ok(Confidence::Low),
                _ => return self.without_comma_confidence(source, at, next, container),
            }
        }
        Ok(Confidence::High)
    }

    /// Returns the confidence that the text at `next` follows the whole document.
    fn after_document_confidence(
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

    /// Returns the confidence that the text at `at` follows a comma in a container.
    fn after_comma_confidence(
        &self,
        source: SourceText<'_>,
        at: usize,
        container: Container,
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
            b'}' | b']' if byte == container.closing_bracket() => Ok(Confidence::High),
            b'.' if source.has_at(next, b"...")? => Ok(Confidence::High),
            // A comma may follow a value whatever follows the comma, so the confidence is at least low.
            b'{' | b'[' if container == Container::Object => Ok(Confidence::Low),
            _ if container == Container::Object => {
                Ok(source.key_confidence(next)?.max(Confidence::Low))
            }
            _ => Ok(source.item_confidence(next)?.max(Confidence::Low)),
        }
    }

    /// Returns the confidence that the text at `next` follows a value in a container without a
    /// comma.
    fn without_comma_confidence(
        &self,
        source: SourceText<'_>,
        at: usize,
        next: usize,
        container: Container,
    ) -> Lookahead<Confidence> {
        if source.has_end_marker_at(next)? {
            return Ok(Confidence::High);
        }
        if next == at && (container != Container::Object || source.quote_at(next).is_none()) {
            return Ok(Confidence::None);
        }
        let confidence = match container {
            // A literal without a key is no member of an object.
            Container::Object if source.literal_end(next)?.is_some() => Confidence::Low,
            Container::Object => source.key_confidence(next)?,
            _ if source.has_line_break(at, next) => source.item_confidence(next)?,
            _ if source.item_confidence(next)? == Confidence::High => Confidence::Low,
            _ => Confidence::None,
        };
        Ok(if next == at { confidence.min(Confidence::Low) } else { confidence })
    }

    /// Closes the containers that ended before this line, by the indentation of the line. Returns
    /// whether any did.
    pub(super) fn close_by_indentation(
        &mut self,
        source: SourceText<'_>,
        byte: u8,
    ) -> Lookahead<bool> {
        if !self.options.use_indentation || !self.at_line_start {
            return Ok(false);
        }
        let indent = self.line_indent;
        let count = match byte {
            b'}' | b']' => self.levels_before_bracket(indent, byte),
            _ => self.levels_before_line(source, indent)?,
        };
        if count > 0 {
            self.close_missing(count);
        }
        Ok(count > 0)
    }

    /// Returns the number of containers that end before a closing bracket on a line of its own.
    fn levels_before_bracket(&self, indent: u16, byte: u8) -> usize {
        let fits = |frame: &Frame| {
            frame.line_indent == indent
                && frame.container.closing_bracket() == byte
                && frame.content_indent.is_some()
        };
        let mut frames = self.stack.iter().rev().take(MAX_BRACKETS_AHEAD);
        if frames.next().is_none_or(|top| top.content_indent.is_none() || top.line_indent <= indent)
        {
            return 0;
        }
        frames.position(fits).map_or(0, |above| above + 1)
    }

    /// Returns the number of containers that end before a key or an item on a line of its own.
    fn levels_before_line(&self, source: SourceText<'_>, indent: u16) -> Lookahead<usize> {
        let mut frames = self.stack.iter().rev().take(MAX_BRACKETS_AHEAD);
        let top = frames.next();
        if top.is_none_or(|top| {
            !top.has_content || top.content_indent.is_none_or(|inner| inner <= indent)
        }) {
            return Ok(0);
        }
        let is_key = source.key_confidence(self.position)? == Confidence::High;
        let container = if is_key { Container::Object } else { Container::Array };
        let found = frames.position(|frame| frame.content_indent == Some(indent));
        let fits = |above: &usize| self.container_at(above + 1) == Some(container);
        Ok(found.filter(fits).map_or(0, |above| above + 1))
    }
}
