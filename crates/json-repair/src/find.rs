//! The search for a document in a text: past prose, code fences, tags and the reasoning of a model.

use memchr::memmem;

use crate::{
    lookahead::{Confidence, Lookahead, MAX_LOOKAHEAD, NeedMoreInput, SourceText},
    parser::Container,
};

/// The tags around the reasoning of a model. Text between them is no answer.
const REASONING_TAGS: [&[u8]; 5] =
    [b"think", b"thinking", b"reasoning", b"reflection", b"scratchpad"];

/// The length, in bytes, within which an array of numbers or words must end to be recognized.
const MAX_LIST_LENGTH: usize = 128;

/// The reach of lookahead into a run of opening brackets, in bytes.
const MAX_OPENING_BRACKETS: usize = 8;

/// The beginning of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DocumentStart {
    /// The offset of the document in the text.
    pub(crate) at: usize,
    pub(crate) opening: Opening,
    /// Whether the document is in a code fence.
    pub(crate) is_fenced: bool,
}

/// The first bytes of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    /// An opening bracket.
    Bracket,
    /// A key: the opening bracket of the container is missing.
    MissingBracket(Container),
    /// An opening bracket, in a document in which every quote has a backslash.
    Escaped,
}

/// A block of reasoning that is skipped.
#[derive(Clone, Copy, Debug)]
struct ReasoningBlock {
    /// The index of the tag in [`REASONING_TAGS`].
    tag: usize,
    name: &'static [u8],
    /// The offset behind the opening tag.
    start: usize,
}

/// A search for documents in one text.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DocumentSearch {
    /// The offset of the next byte to be examined.
    pub(crate) position: usize,
    /// Whether anything but white space was skipped since the last fence or tag.
    after_prose: bool,
    /// Whether only one word was skipped: a name before the document.
    after_name: bool,
    /// Whether a code fence is open.
    in_fence: bool,
    /// The last byte that was skipped and is no white space.
    last_byte: Option<u8>,
    /// Whether the current line holds only white space so far.
    at_line_start: bool,
    /// The block of reasoning that is open.
    reasoning: Option<ReasoningBlock>,
    /// One bit for each of [`REASONING_TAGS`] that is never closed in the rest of the text.
    unclosed_tags: u8,
}

impl DocumentSearch {
    /// Creates a search that begins at `position`.
    pub(crate) fn new(position: usize) -> Self {
        Self { position, at_line_start: true, ..Self::default() }
    }

    /// Returns the beginning of the next document, or `None` if no document follows.
    pub(crate) fn find_next(&mut self, source: SourceText<'_>) -> Lookahead<Option<DocumentStart>> {
        while !source.budget.is_exhausted() {
            if let Some(block) = self.reasoning {
                self.skip_reasoning(source, block)?;
            }
            self.skip_whitespace(source);
            let Some(byte) = source.peek_mark(self.position)? else { return Ok(None) };
            let opening = match byte {
                b'{' => self.object_opening(source)?,
                b'[' => self.array_opening(source)?,
                b'"' | b'\'' if !self.after_prose => self.key_opening(source)?,
                b'(' if !self.after_prose => self.tuple_opening(source)?,
                b',' | b';' if !self.after_prose => {
                    (self.position, self.at_line_start) = (self.position + 1, false);
                    continue;
                }
                b'`' | b'~' => {
                    self.skip_fence(source)?;
                    continue;
                }
                b'<' => {
                    self.skip_tag(source)?;
                    continue;
                }
                _ => None,
            };
            if let Some(opening) = opening {
                let (at, is_fenced) = (self.position, self.in_fence);
                return Ok(Some(DocumentStart { at, opening, is_fenced }));
            }
            self.skip_prose(source, byte)?;
        }
        Ok(None)
    }

    /// Continues behind a document that ends at `position`.
    pub(crate) fn resume(&mut self, position: usize) {
        self.position = position;
        self.restart_line();
    }

    /// Forgets the skipped text, as at the start of a line.
    fn restart_line(&mut self) {
        (self.after_prose, self.at_line_start, self.last_byte) = (false, true, None);
    }

    /// Skips one byte of prose.
    fn skip_byte(&mut self) {
        self.position += 1;
        (self.after_prose, self.at_line_start) = (true, false);
    }

    /// Skips white space.
    fn skip_whitespace(&mut self, source: SourceText<'_>) {
        let at = source.whitespace_end(self.position);
        self.at_line_start |= source.has_line_break(self.position, at);
        self.position = at;
    }

    /// Skips text that is no JSON, up to the next byte that may be.
    fn skip_prose(&mut self, source: SourceText<'_>, byte: u8) -> Lookahead<()> {
        let comment = if byte == b'/' {
            source.clipped(self.position).comment_length(self.position)?
        } else {
            0
        };
        if comment > 0 {
            self.position += comment;
            return Ok(());
        }
        let rest = source.tail(self.position + 1);
        let length = prose_length(rest, source.is_complete);
        let word = source.bytes.get(self.position..self.position + 1 + length).unwrap_or_default();
        // A single word before JSON is a name and no prose: `json`, `const x =`.
        let word = word.trim_ascii_end();
        let is_colon = word.ends_with("：".as_bytes());
        self.last_byte = if is_colon { Some(b':') } else { word.last().copied() };
        self.after_name = !self.after_prose && !word.contains(&b' ');
        self.after_prose = true;
        self.at_line_start = false;
        self.position += 1 + length;
        Ok(())
    }

    /// Skips a code fence, with the name of its language.
    fn skip_fence(&mut self, source: SourceText<'_>) -> Lookahead<()> {
        if !source.has_end_marker_at(self.position)? {
            self.skip_byte();
            return Ok(());
        }
        let mark = source.byte_at(self.position);
        let rest = source.tail(self.position);
        let length = rest.iter().take_while(|byte| Some(**byte) == mark).count();
        let name = rest.get(length..).unwrap_or_default();
        let is_name = |byte: &&u8| byte.is_ascii_alphanumeric() || b"+-_.".contains(byte);
        let name = name.iter().take_while(is_name).count();
        source.peek(self.position + length + name)?;
        self.in_fence = !self.in_fence;
        self.restart_line();
        self.position += length + if self.in_fence { name } else { 0 };
        Ok(())
    }

    /// Skips a tag, and opens a block of reasoning if the tag begins one.
    fn skip_tag(&mut self, source: SourceText<'_>) -> Lookahead<()> {
        let name = source.tail(self.position + 1);
        let is_name = |byte: &&u8| byte.is_ascii_alphanumeric() || b"_-|/".contains(byte);
        let length = name.iter().take_while(is_name).count();
        let after = source.peek(self.position + 1 + length)?;
        let name = name.get(..length).unwrap_or_default();
        if length == 0 || after != Some(b'>') {
            self.skip_byte();
            return Ok(());
        }
        self.position += length + 2;
        self.restart_line();
        let known = REASONING_TAGS.iter().position(|known| name.eq_ignore_ascii_case(known));
        let Some((tag, name)) = known.and_then(|tag| Some((tag, REASONING_TAGS.get(tag)?))) else {
            return Ok(());
        };
        // If one block is never closed, no later one with the same tag is.
        if self.unclosed_tags & (1 << tag) == 0 {
            self.reasoning = Some(ReasoningBlock { tag, name, start: self.position });
        }
        Ok(())
    }

    /// Skips a block of reasoning, or nothing if the block is never closed.
    fn skip_reasoning(&mut self, source: SourceText<'_>, block: ReasoningBlock) -> Lookahead<()> {
        match reasoning_end(source, self.position, block.name) {
            Some(end) => self.position = end,
            None if source.is_complete => {
                self.unclosed_tags |= 1 << block.tag;
                self.position = block.start;
            }
            None => {
                // The closing tag may have begun.
                let tag_length = block.name.len() + 3;
                self.position = source.bytes.len().saturating_sub(tag_length).max(self.position);
                return Err(NeedMoreInput);
            }
        }
        self.reasoning = None;
        Ok(())
    }

    /// Returns the opening of the object that begins here, if one does.
    fn object_opening(&self, source: SourceText<'_>) -> Lookahead<Option<Opening>> {
        let mut inside = self.position + 1;
        while let Some((next, b'{')) = source.next_token(inside)? {
            inside = next + 1;
            if inside > self.position + 4 {
                return Ok(None);
            }
        }
        let Some((next, byte)) = source.next_token(inside)? else {
            return Ok(self.expects_json().then_some(Opening::Bracket));
        };
        let begins = match byte {
            b'}' => self.after_name_as_line_start().is_empty_and_alone(source, next + 1)?,
            b':' => !self.after_prose && matches!(source.next_token(next + 1)?, Some((_, b'}'))),
            b'\\' => return self.escaped_opening(source, next),
            b',' | b']' => !self.after_prose,
            b'.' => !self.after_prose && source.has_at(next, b"...")?,
            _ => match source.key_confidence(next)? {
                Confidence::High => true,
                Confidence::Low => self.expects_json(),
                Confidence::None => !self.after_prose && self.is_irregular_key(source, next)?,
            },
        };
        Ok(begins.then_some(Opening::Bracket))
    }

    /// Returns whether a document is likely here: at the beginning, at the start of a line, or
    /// behind a colon.
    fn expects_json(&self) -> bool {
        !self.after_prose || self.at_line_start || self.last_byte == Some(b':')
    }

    /// Returns whether a key may begin at `at`, by the loose rules for the beginning of a text.
    fn is_irregular_key(&self, source: SourceText<'_>, at: usize) -> Lookahead<bool> {
        if source.quote_at(at).is_some() {
            return Ok(true);
        }
        let word = source.word_length(at)?;
        let Some((next, byte)) = source.next_token(at + word)? else { return Ok(false) };
        Ok(word > 0 && (matches!(byte, b':' | b'=') || source.quote_at(next).is_some()))
    }

    /// Returns the opening of a document in which every quote has a backslash, if one begins here.
    fn escaped_opening(&self, source: SourceText<'_>, at: usize) -> Lookahead<Option<Opening>> {
        let (mut at, limit) = (at, at + MAX_LOOKAHEAD);
        while at < limit {
            at += match source.peek(at)? {
                Some(b' ' | b'{' | b'[') => 1,
                Some(b'\\') if matches!(source.peek(at + 1)?, Some(b'n' | b't' | b'r')) => 2,
                _ => break,
            };
        }
        Ok(source.has_at(at, b"\\\"")?.then_some(Opening::Escaped))
    }

    /// Returns the opening of the array that begins here, if one does.
    fn array_opening(&self, source: SourceText<'_>) -> Lookahead<Option<Opening>> {
        let mut inside = self.position + 1;
        while let Some((next, b'[')) = source.next_token(inside)? {
            inside = next + 1;
            if inside > self.position + MAX_OPENING_BRACKETS {
                return Ok((!self.after_prose).then_some(Opening::Bracket));
            }
        }
        let Some((next, byte)) = source.next_token(inside)? else {
            return Ok(self.expects_json().then_some(Opening::Bracket));
        };
        let begins = match byte {
            b'{' => return Self { position: next, ..*self }.object_opening(source),
            b'\\' => return self.escaped_opening(source, next),
            b',' => !self.after_prose,
            b']' => self.is_empty_and_alone(source, next + 1)?,
            _ if source.quote_at(next).is_some() => self.is_array_of_strings(source, next)?,
            _ => {
                self.is_array_of_scalars(source, next)?
                    || inside > self.position + 1 && self.is_array_of_arrays(source, next)?
            }
        };
        Ok(begins.then_some(Opening::Bracket))
    }

    /// Returns whether an array of arrays begins here, the first of which begins with a number or a
    /// literal.
    fn is_array_of_arrays(&self, source: SourceText<'_>, at: usize) -> Lookahead<bool> {
        let rest = source.tail(at);
        let rest = rest.get(..MAX_LIST_LENGTH).unwrap_or(rest);
        let Some(end) = rest.iter().position(|byte| b"[]{}\"".contains(byte)) else {
            return Ok(false);
        };
        if rest.get(end) != Some(&b']') || !self.expects_json() || !source.has_value_at(at)? {
            return Ok(false);
        }
        let Some((comma, b',')) = source.next_token(at + end + 1)? else { return Ok(false) };
        Ok(matches!(source.next_token(comma + 1)?, None | Some((_, b'['))))
    }

    /// Returns whether an array of strings begins here.
    fn is_array_of_strings(&self, source: SourceText<'_>, at: usize) -> Lookahead<bool> {
        let Some(end) = source.string_end(at, MAX_LOOKAHEAD)? else { return Ok(!self.after_prose) };
        match source.next_token(end + 1)? {
            None => Ok(!self.after_prose),
            Some((_, b',' | b':')) => Ok(true),
            Some((next, b']')) => self.is_alone_on_line(source, next + 1),
            Some(_) => Ok(!self.after_prose),
        }
    }

    /// Returns whether an array of numbers, literals or words begins here. The whole array is
    /// examined, because prose has such brackets too.
    fn is_array_of_scalars(&self, source: SourceText<'_>, at: usize) -> Lookahead<bool> {
        let rest = source.tail(at);
        let rest = rest.get(..MAX_LIST_LENGTH).unwrap_or(rest);
        let end = rest.iter().position(|byte| b"[]{}\"".contains(byte));
        source.budget.spend(end.unwrap_or(rest.len()));
        let Some(end) = end else {
            let has_comma = rest.contains(&b',');
            let starts_with_digit = rest.first().is_some_and(u8::is_ascii_digit);
            // A stream does not wait for the end of a list, because prose rarely begins so.
            let is_plain =
                !source.is_complete && !self.after_prose && has_comma && source.has_value_at(at)?;
            if rest.len() < MAX_LIST_LENGTH && !source.is_complete && !is_plain {
                return Err(NeedMoreInput);
            }
            return Ok(self.expects_json() && (has_comma || starts_with_digit));
        };
        let inside = rest.get(..end).unwrap_or_default();
        let has_comma = inside.contains(&b',');
        if rest.get(end) != Some(&b']') {
            let is_quote = rest.get(end) == Some(&b'"');
            let is_closing =
                is_quote && matches!(source.next_token(at + end + 1)?, Some((_, b',' | b']')));
            return Ok(!self.after_prose && (has_comma || is_closing));
        }
        let starts_with_value = source.has_value_at(at)?;
        let is_one_number = !inside.contains(&b' ')
            && inside.iter().any(|byte| byte.is_ascii_digit() || *byte == b'/');
        let is_numbers = inside.iter().all(|byte| b"0123456789+-.eE \n".contains(byte));
        let is_words = !self.after_prose && (has_comma || is_one_number || is_numbers);
        Ok((starts_with_value || is_words) && self.is_alone_on_line(source, at + end + 1)?)
    }

    /// Returns the opening of a Python tuple that is the whole document. Prose has such parentheses
    /// too.
    fn tuple_opening(&self, source: SourceText<'_>) -> Lookahead<Option<Opening>> {
        let mut inside = self.position + 1;
        while let Some((next, b'(')) =
            source.next_token(inside)?.filter(|it| it.0 < self.position + MAX_OPENING_BRACKETS)
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
        if is_tuple && !self.in_fence && !source.is_complete {
            return Err(NeedMoreInput);
        }
        let ends = self.in_fence || source.bytes.trim_ascii_end().ends_with(b")");
        Ok((is_tuple && ends).then_some(Opening::Bracket))
    }

    /// Returns whether brackets that are frequent in prose are JSON here: they end their line, and
    /// begin the line or follow a colon.
    fn is_alone_on_line(&self, source: SourceText<'_>, after: usize) -> Lookahead<bool> {
        if !self.expects_json() {
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

    /// Returns the search as if a name before the document were the start of the line.
    fn after_name_as_line_start(&self) -> Self {
        let (prose, line_begins) =
            (self.after_prose && !self.after_name, self.at_line_start || self.after_name);
        Self { after_prose: prose, at_line_start: line_begins, ..*self }
    }

    /// Returns whether empty brackets are a document here. Behind a comma they carry no data.
    fn is_empty_and_alone(&self, source: SourceText<'_>, after: usize) -> Lookahead<bool> {
        Ok((self.after_prose || self.at_line_start) && self.is_alone_on_line(source, after)?)
    }

    /// Returns the opening of an object whose bracket is missing, if the text begins with a key.
    fn key_opening(&self, source: SourceText<'_>) -> Lookahead<Option<Opening>> {
        // A text that is one string may hold JSON.
        let inside = source.next_token(self.position + 1)?;
        if matches!(inside, Some((_, b'{' | b'['))) && source.peek(self.position)? == Some(b'"') {
            return Ok(None);
        }
        let is_key = source.key_confidence(self.position)? == Confidence::High;
        Ok(is_key.then_some(Opening::MissingBracket(Container::Object)))
    }
}

/// Returns the length of the prose in front of the next byte that may begin a document, a fence or a
/// tag.
fn prose_length(rest: &[u8], is_complete: bool) -> usize {
    let mark = rest.iter().position(|byte| b"{[`~<\n".contains(byte));
    let prose = rest.get(..mark.unwrap_or(rest.len())).unwrap_or_default();
    let openings = ["｛", "［", "【｛"].iter();
    if let Some(opening) = openings.filter_map(|mark| memmem::find(prose, mark.as_bytes())).min() {
        return opening;
    }
    // Headings begin with `【`, too, so that it opens an array in front of an object only.
    let bracket = "【".as_bytes();
    let may_open = mark.map_or(!is_complete, |mark| rest.get(mark) == Some(&b'{'));
    let is_opening = may_open && prose.ends_with(bracket);
    prose.len() - if is_opening { bracket.len() } else { 0 }
}

/// Returns the offset behind the closing tag of a block of reasoning.
fn reasoning_end(source: SourceText<'_>, at: usize, name: &[u8]) -> Option<usize> {
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
