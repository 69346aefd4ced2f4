//! Finds where in a text JSON begins: behind prose, fences, tags and thoughts.

use memchr::memmem;

use crate::{
    lookahead::{Confidence, Lookahead, MAX_LOOKAHEAD, NeedMoreInput, SourceText},
    parser::Shape,
};

/// Tags around what a model thinks. What is between them is no answer.
const THOUGHTS: [&[u8]; 5] = [b"think", b"thinking", b"reasoning", b"reflection", b"scratchpad"];

/// How far a look goes for the end of an array of numbers or words, in bytes.
const LONGEST_LIST: usize = 128;

/// How far into opening brackets a look goes, in bytes.
const MOST_BRACKETS: usize = 8;

/// What the search for a document finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A document begins there.
    Document { at: usize, opened: Opened, fenced: bool },
    /// There is none.
    Nothing,
}

/// How a document begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opened {
    /// With its bracket.
    Plainly,
    /// With a key: its bracket was left out.
    Without(Shape),
    /// With its bracket, and every quote in it has a backslash.
    Escaped,
}

/// Thoughts being passed over.
#[derive(Clone, Copy, Debug)]
struct Thoughts {
    kind: usize,
    name: &'static [u8],
    begin: usize,
}

/// A search under way.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Search {
    /// Where it goes on.
    pub(crate) at: usize,
    /// Whether anything but white space and marks was passed over since the last mark.
    prose: bool,
    /// Whether that was one word: the name of what comes.
    named: bool,
    /// Whether a fence is open.
    fenced: bool,
    /// The last byte that was no white space.
    last: Option<u8>,
    /// Whether only white space came on this line.
    line_begins: bool,
    /// The thoughts it is in.
    thoughts: Option<Thoughts>,
    /// Thoughts without an end, a bit each.
    endless: u8,
}

impl Search {
    /// A search that begins at a byte.
    pub(crate) fn new(at: usize) -> Self {
        Self { at, line_begins: true, ..Self::default() }
    }

    /// Searches on.
    pub(crate) fn run(&mut self, source: SourceText<'_>) -> Lookahead<Found> {
        while !source.budget.is_exhausted() {
            if let Some(thoughts) = self.thoughts {
                self.think(source, thoughts)?;
            }
            self.blank(source);
            let Some(byte) = source.peek(self.at)? else { return Ok(Found::Nothing) };
            let found = match byte {
                b'{' => self.object(source)?,
                b'[' => self.array(source)?,
                b'"' | b'\'' if !self.prose => self.key(source)?,
                b'(' if !self.prose => self.tuple(source)?,
                b',' | b';' if !self.prose => {
                    (self.at, self.line_begins) = (self.at + 1, false);
                    continue;
                }
                b'`' | b'~' => {
                    self.fence(source)?;
                    continue;
                }
                b'<' => {
                    self.tag(source)?;
                    continue;
                }
                _ => None,
            };
            if let Some(opened) = found {
                return Ok(Found::Document { at: self.at, opened, fenced: self.fenced });
            }
            self.pass_over(source, byte)?;
        }
        Ok(Found::Nothing)
    }

    fn blank(&mut self, source: SourceText<'_>) {
        let at = source.whitespace_end(self.at);
        self.line_begins |= source.has_line_break(self.at, at);
        self.at = at;
    }

    /// Passes over what is no JSON, up to the next byte that may be.
    fn pass_over(&mut self, source: SourceText<'_>, byte: u8) -> Lookahead<()> {
        let comment =
            if byte == b'/' { source.clipped(self.at).comment_length(self.at)? } else { 0 };
        if comment > 0 {
            self.at += comment;
            return Ok(());
        }
        let rest = source.tail(self.at + 1);
        let is_mark = |byte: &u8| b"{[`~<\n".contains(byte);
        let length = rest.iter().position(is_mark).unwrap_or(rest.len());
        let word = source.bytes.get(self.at..self.at + 1 + length).unwrap_or_default();
        // A lone word before JSON is its name, and no prose: `json`, `const x =`.
        let word = word.trim_ascii_end();
        self.last = word.last().copied();
        self.named = !self.prose && !word.contains(&b' ');
        self.prose = true;
        self.line_begins = false;
        self.at += 1 + length;
        Ok(())
    }

    /// Passes over a code fence, with the name of its language.
    fn fence(&mut self, source: SourceText<'_>) -> Lookahead<()> {
        if !source.has_end_marker_at(self.at)? {
            self.at += 1;
            (self.prose, self.line_begins) = (true, false);
            return Ok(());
        }
        let mark = source.byte_at(self.at);
        let rest = source.tail(self.at);
        let length = rest.iter().take_while(|byte| Some(**byte) == mark).count();
        let name = rest.get(length..).unwrap_or_default();
        let is_name = |byte: &&u8| byte.is_ascii_alphanumeric() || b"+-_.".contains(byte);
        let name = name.iter().take_while(is_name).count();
        source.peek(self.at + length + name)?;
        self.fenced = !self.fenced;
        (self.prose, self.line_begins, self.last) = (false, true, None);
        self.at += length + if self.fenced { name } else { 0 };
        Ok(())
    }

    /// Passes over a tag, with all it holds if those are thoughts.
    fn tag(&mut self, source: SourceText<'_>) -> Lookahead<()> {
        let name = source.tail(self.at + 1);
        let is_name = |byte: &&u8| byte.is_ascii_alphanumeric() || b"_-|/".contains(byte);
        let length = name.iter().take_while(is_name).count();
        let after = source.peek(self.at + 1 + length)?;
        let name = name.get(..length).unwrap_or_default();
        if length == 0 || after != Some(b'>') {
            self.at += 1;
            (self.prose, self.line_begins) = (true, false);
            return Ok(());
        }
        self.at += length + 2;
        (self.prose, self.line_begins, self.last) = (false, true, None);
        let known = THOUGHTS.iter().position(|known| name.eq_ignore_ascii_case(known));
        let Some((kind, thoughts)) = known.and_then(|kind| Some((kind, THOUGHTS.get(kind)?)))
        else {
            return Ok(());
        };
        // Where one had no end, none after it has.
        if self.endless & (1 << kind) == 0 {
            self.thoughts = Some(Thoughts { kind, name: thoughts, begin: self.at });
        }
        Ok(())
    }

    /// Passes over thoughts, or over nothing if they have no end.
    fn think(&mut self, source: SourceText<'_>, thoughts: Thoughts) -> Lookahead<()> {
        match end_of_thoughts(source, self.at, thoughts.name) {
            Some(end) => self.at = end,
            None if source.is_complete => {
                self.endless |= 1 << thoughts.kind;
                self.at = thoughts.begin;
            }
            None => {
                // The closing tag may have begun.
                let tag = thoughts.name.len() + 3;
                self.at = source.bytes.len().saturating_sub(tag).max(self.at);
                return Err(NeedMoreInput);
            }
        }
        self.thoughts = None;
        Ok(())
    }

    /// Whether an object begins here, and how.
    fn object(&self, source: SourceText<'_>) -> Lookahead<Option<Opened>> {
        let mut inside = self.at + 1;
        while let Some((next, b'{')) = source.next_token(inside)? {
            inside = next + 1;
            if inside > self.at + 4 {
                return Ok(None);
            }
        }
        let Some((next, byte)) = source.next_token(inside)? else {
            return Ok(self.is_introduced().then_some(Opened::Plainly));
        };
        let begins = match byte {
            b'}' => self.named_as_line().stands_alone_empty(source, next + 1)?,
            b':' => !self.prose && matches!(source.next_token(next + 1)?, Some((_, b'}'))),
            b'\\' => return self.escaped(source, next),
            b',' | b']' => !self.prose,
            b'.' => !self.prose && source.has_at(next, b"...")?,
            _ => match source.key_confidence(next)? {
                Confidence::High => true,
                Confidence::Low => self.is_introduced(),
                Confidence::None => !self.prose && self.odd_key(source, next)?,
            },
        };
        Ok(begins.then_some(Opened::Plainly))
    }

    /// Whether JSON would not surprise here: nothing is before it, it begins a line, or it follows
    /// a colon.
    fn is_introduced(&self) -> bool {
        !self.prose || self.line_begins || self.last == Some(b':')
    }

    /// Whether something may be a key at the beginning of a text, where nothing else is likely.
    fn odd_key(&self, source: SourceText<'_>, at: usize) -> Lookahead<bool> {
        if source.quote_at(at).is_some() {
            return Ok(true);
        }
        let word = source.word_length(at)?;
        let Some((next, byte)) = source.next_token(at + word)? else { return Ok(false) };
        Ok(word > 0 && (matches!(byte, b':' | b'=') || source.quote_at(next).is_some()))
    }

    /// Whether JSON begins here in which every quote has a backslash.
    fn escaped(&self, source: SourceText<'_>, at: usize) -> Lookahead<Option<Opened>> {
        let (mut at, limit) = (at, at + MAX_LOOKAHEAD);
        while at < limit {
            at += match source.peek(at)? {
                Some(b' ' | b'{' | b'[') => 1,
                Some(b'\\') if matches!(source.peek(at + 1)?, Some(b'n' | b't' | b'r')) => 2,
                _ => break,
            };
        }
        Ok(source.has_at(at, b"\\\"")?.then_some(Opened::Escaped))
    }

    /// Whether an array begins here.
    fn array(&self, source: SourceText<'_>) -> Lookahead<Option<Opened>> {
        let mut inside = self.at + 1;
        while let Some((next, b'[')) = source.next_token(inside)? {
            inside = next + 1;
            if inside > self.at + MOST_BRACKETS {
                return Ok((!self.prose).then_some(Opened::Plainly));
            }
        }
        let Some((next, byte)) = source.next_token(inside)? else {
            return Ok(self.is_introduced().then_some(Opened::Plainly));
        };
        let begins = match byte {
            b'{' => return Self { at: next, ..*self }.object(source),
            b'\\' => return self.escaped(source, next),
            b',' => !self.prose,
            b']' => self.stands_alone_empty(source, next + 1)?,
            _ if source.quote_at(next).is_some() => self.strings(source, next)?,
            _ => self.scalars(source, next)? || inside > self.at + 1 && self.rows(source, next)?,
        };
        Ok(begins.then_some(Opened::Plainly))
    }

    /// Whether an array of arrays begins here, the first of which begins with a number or literal.
    fn rows(&self, source: SourceText<'_>, at: usize) -> Lookahead<bool> {
        let rest = source.tail(at);
        let rest = rest.get(..LONGEST_LIST).unwrap_or(rest);
        let Some(end) = rest.iter().position(|byte| b"[]{}\"".contains(byte)) else {
            return Ok(false);
        };
        if rest.get(end) != Some(&b']') || !self.is_introduced() || !source.has_value_at(at)? {
            return Ok(false);
        }
        let Some((comma, b',')) = source.next_token(at + end + 1)? else { return Ok(false) };
        Ok(matches!(source.next_token(comma + 1)?, None | Some((_, b'['))))
    }

    /// Whether an array of strings begins here.
    fn strings(&self, source: SourceText<'_>, at: usize) -> Lookahead<bool> {
        let Some(end) = source.string_end(at, MAX_LOOKAHEAD)? else { return Ok(!self.prose) };
        match source.next_token(end + 1)? {
            None => Ok(!self.prose),
            Some((_, b',' | b':')) => Ok(true),
            Some((next, b']')) => self.stands_alone(source, next + 1),
            Some(_) => Ok(!self.prose),
        }
    }

    /// Whether an array of numbers, literals or words begins here: all of it is looked at, because
    /// prose has such brackets too.
    fn scalars(&self, source: SourceText<'_>, at: usize) -> Lookahead<bool> {
        let rest = source.tail(at);
        let rest = rest.get(..LONGEST_LIST).unwrap_or(rest);
        let end = rest.iter().position(|byte| b"[]{}\"".contains(byte));
        source.budget.spend(end.unwrap_or(rest.len()));
        let Some(end) = end else {
            let comma = rest.contains(&b',');
            let first = rest.first().is_some_and(u8::is_ascii_digit);
            // In a stream nothing waits longer than it must: prose rarely begins so.
            let plain = !source.is_complete && !self.prose && comma && source.has_value_at(at)?;
            if rest.len() < LONGEST_LIST && !source.is_complete && !plain {
                return Err(NeedMoreInput);
            }
            return Ok(self.is_introduced() && (comma || first));
        };
        let inside = rest.get(..end).unwrap_or_default();
        let several = inside.contains(&b',');
        if rest.get(end) != Some(&b']') {
            let quote = rest.get(end) == Some(&b'"');
            let ends = quote && matches!(source.next_token(at + end + 1)?, Some((_, b',' | b']')));
            return Ok(!self.prose && (several || ends));
        }
        let plain = source.has_value_at(at)?;
        let one = !inside.contains(&b' ')
            && inside.iter().any(|byte| byte.is_ascii_digit() || *byte == b'/');
        let numbers = inside.iter().all(|byte| b"0123456789+-.eE \n".contains(byte));
        let words = !self.prose && (several || one || numbers);
        Ok((plain || words) && self.stands_alone(source, at + end + 1)?)
    }

    /// Whether a Python tuple begins here, which is all there is: prose has such brackets too.
    fn tuple(&self, source: SourceText<'_>) -> Lookahead<Option<Opened>> {
        let mut inside = self.at + 1;
        while let Some((next, b'(')) =
            source.next_token(inside)?.filter(|it| it.0 < self.at + MOST_BRACKETS)
        {
            inside = next + 1;
        }
        let Some((first, _)) = source.next_token(inside)? else { return Ok(None) };
        let end = match source.quote_at(first) {
            Some(_) => source.after_string(first)?,
            None => source.scalar_end(first)?,
        };
        let Some(end) = end else { return Ok(None) };
        let Some((comma, b',')) = source.next_token(end)? else { return Ok(None) };
        let second = source.next_token(comma + 1)?;
        let is_tuple =
            second.map_or(Ok(false), |(at, byte)| Ok(byte == b')' || source.has_value_at(at)?))?;
        if is_tuple && !self.fenced && !source.is_complete {
            return Err(NeedMoreInput);
        }
        let ends = self.fenced || source.bytes.trim_ascii_end().ends_with(b")");
        Ok((is_tuple && ends).then_some(Opened::Plainly))
    }

    /// Whether brackets that prose has too are JSON here: they end their line, and begin it or
    /// follow a colon.
    fn stands_alone(&self, source: SourceText<'_>, after: usize) -> Lookahead<bool> {
        if !self.is_introduced() {
            return Ok(false);
        }
        let mut at = after;
        while let Some(b']' | b'}' | b' ' | b';' | b',' | b')') = source.peek(at)? {
            at += 1;
        }
        Ok(source.peek(at)?.is_none_or(|byte| byte == b'\n' || byte == b'\r')
            || source.has_end_marker_at(at)?
            || source.comment_length(at)? > 0)
    }

    /// The same search, where a name before JSON counts for nothing.
    fn named_as_line(&self) -> Self {
        let (prose, line_begins) = (self.prose && !self.named, self.line_begins || self.named);
        Self { prose, line_begins, ..*self }
    }

    /// The same for brackets that hold nothing, which say nothing behind a comma.
    fn stands_alone_empty(&self, source: SourceText<'_>, after: usize) -> Lookahead<bool> {
        Ok((self.prose || self.line_begins) && self.stands_alone(source, after)?)
    }

    /// Whether the text begins with a key: its object's bracket was left out.
    fn key(&self, source: SourceText<'_>) -> Lookahead<Option<Opened>> {
        // A text that is all string may be JSON in it.
        let inside = source.next_token(self.at + 1)?;
        if matches!(inside, Some((_, b'{' | b'['))) && source.peek(self.at)? == Some(b'"') {
            return Ok(None);
        }
        let is_key = source.key_confidence(self.at)? == Confidence::High;
        Ok(is_key.then_some(Opened::Without(Shape::Object)))
    }
}

/// Where thoughts end whose closing tag is looked for from `at` on.
fn end_of_thoughts(source: SourceText<'_>, at: usize, name: &[u8]) -> Option<usize> {
    let mut at = at;
    while let Some(found) = memmem::find(source.tail(at), b"</") {
        at += found + 2;
        let rest = source.tail(at);
        let same = rest.get(..name.len()).is_some_and(|it| it.eq_ignore_ascii_case(name));
        if same && rest.get(name.len()) == Some(&b'>') {
            return Some(at + name.len() + 1);
        }
    }
    None
}

impl Search {
    /// Goes on behind a document.
    pub(crate) fn resume(&mut self, at: usize) {
        self.at = at;
        (self.prose, self.line_begins, self.last) = (false, true, None);
    }
}
