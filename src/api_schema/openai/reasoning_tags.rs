//! Reasoning at the beginning of the content, in tags. A server without a parser for the reasoning
//! of its model sends it there, and so does Amazon Bedrock with gpt-oss, whose streams have tags
//! around the reasoning of each chunk: vLLM, *Reasoning Outputs*; SGLang, *Reasoning Parser*.

use std::{borrow::Cow, slice};

use crate::chat::text::{Text, escaped_character};

/// Tags around reasoning: the one that opens it, and the one that closes it.
type TagPair = (&'static str, &'static str);

/// Known tags, in any case. SGLang, *Reasoning Parser*, lists those of most models; gpt-oss at
/// Amazon Bedrock, and models of Mistral and ByteDance, have others.
const TAGS: [TagPair; 7] = [
    ("<think>", "</think>"),
    ("<reasoning>", "</reasoning>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
];

/// Maximum length of white space that waits for the text behind it, in bytes: more than models write
/// between reasoning and answer.
const MAX_SPACE: usize = 256;

/// Place of the tag that opens the reasoning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OpeningTag {
    /// In the content.
    Content,
    /// In the prompt, where the chat template writes it, so that the content begins inside of the
    /// reasoning.
    Prompt,
}

/// Content, split.
#[derive(Debug, Default, PartialEq)]
pub(super) struct SplitContent<'a> {
    /// Reasoning, without its tags and without white space around it.
    pub(super) reasoning: Option<Text<'a>>,
    /// Content behind the reasoning.
    pub(super) content: Option<Text<'a>>,
}

/// Splitter of one choice's content, which may arrive in pieces. Text that cannot be a part of a tag
/// is returned at once.
#[derive(Clone, Debug)]
pub(super) struct ReasoningSplitter {
    state: SplitState,
    opening: OpeningTag,
    /// Text that may be the beginning of a tag, and in front of it, before the answer, white space.
    /// Escaped, like all text here.
    held: String,
    /// White space behind the reasoning so far, of which it is a part if more reasoning follows.
    gap: String,
    has_tag: bool,
    has_reasoning: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum SplitState {
    /// Reasoning or the answer may begin.
    Before,
    /// Reasoning goes on until a closing tag of these.
    Inside(&'static [TagPair]),
    /// The rest is the answer.
    Answer,
}

/// Comparison of the beginning of a text with a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TagMatch {
    /// The text begins with the tag, which has this length in it.
    Whole(usize),
    /// The text ends inside of the tag.
    Begun,
    /// The text is another.
    Other,
}

impl ReasoningSplitter {
    /// Creates the splitter of content that has not begun.
    pub(super) fn new(opening: OpeningTag) -> Self {
        Self {
            state: SplitState::Before,
            opening,
            held: String::new(),
            gap: String::new(),
            has_tag: false,
            has_reasoning: false,
        }
    }

    /// Splits content in one piece. Returns `None` if it has no reasoning.
    pub(super) fn split(content: &Text<'_>, opening: OpeningTag) -> Option<SplitContent<'static>> {
        let mut splitter = Self::new(opening);
        let (first, last) = (splitter.feed(content.clone()), splitter.finish());
        if splitter.has_tag {
            return Some(SplitContent {
                reasoning: join(first.reasoning, last.reasoning),
                content: join(first.content, last.content),
            });
        }
        if !content.json().contains('/') || !has_lone_closing_tag(&content.decode_lossy()) {
            return None;
        }
        Self::split(content, OpeningTag::Prompt)
    }

    /// Splits the next piece of the content.
    pub(super) fn feed<'a>(&mut self, piece: Text<'a>) -> SplitContent<'a> {
        if self.state == SplitState::Answer {
            return SplitContent { reasoning: None, content: Some(piece) };
        }
        let held = std::mem::take(&mut self.held);
        let text = match held.is_empty() {
            true => Cow::Borrowed(piece.escaped()),
            false => Cow::Owned(held + piece.escaped()),
        };
        let (mut reasoning, mut rest) = (String::new(), Some(text.as_ref()));
        while let Some(unread) = rest {
            rest = match self.state {
                SplitState::Before => self.open(unread),
                SplitState::Inside(tags) => self.close(unread, tags, &mut reasoning),
                SplitState::Answer => break,
            };
        }
        let is_whole = matches!(text, Cow::Borrowed(whole) if rest == Some(whole));
        let content = rest.and_then(to_text);
        let reasoning = to_text(&reasoning);
        SplitContent { reasoning, content: if is_whole { Some(piece) } else { content } }
    }

    /// Returns the text that is held back, at the end of the content or in front of a tool call.
    pub(super) fn finish(&mut self) -> SplitContent<'static> {
        let held = std::mem::take(&mut self.held);
        match self.state {
            SplitState::Before => {
                let space = if self.has_tag { leading_space(&held) } else { 0 };
                let content = held.get(space..).and_then(to_text);
                if content.is_some() {
                    self.state = SplitState::Answer;
                }
                SplitContent { reasoning: None, content }
            }
            SplitState::Inside(_) => {
                let mut reasoning = String::new();
                self.reason(&held, &mut reasoning);
                SplitContent { reasoning: to_text(&reasoning), content: None }
            }
            SplitState::Answer => SplitContent::default(),
        }
    }

    /// Reads an opening tag, or the beginning of the answer. Returns the text behind the tag, or
    /// `None` if all text is held back.
    fn open<'t>(&mut self, text: &'t str) -> Option<&'t str> {
        let (space, rest) = text.split_at_checked(leading_space(text))?;
        let found = TAGS.iter().map(|pair| (pair, match_tag(rest, pair.0)));
        let mut is_begun = false;
        for (pair, found) in found {
            if let TagMatch::Whole(length) = found {
                self.enter(slice::from_ref(pair));
                self.extend_gap(space);
                return rest.get(length..);
            }
            is_begun |= found == TagMatch::Begun;
        }
        if is_begun && space.len() <= MAX_SPACE {
            self.held.push_str(text);
            return None;
        }
        if self.opening == OpeningTag::Prompt && !self.has_tag {
            self.enter(&TAGS);
            return Some(text);
        }
        self.state = SplitState::Answer;
        Some(if self.has_tag { rest } else { text })
    }

    fn enter(&mut self, tags: &'static [TagPair]) {
        self.state = SplitState::Inside(tags);
        self.has_tag = true;
    }

    /// Reads reasoning and the tag that closes it. Returns the text behind the tag, or `None` if
    /// there is no tag.
    fn close<'t>(
        &mut self,
        text: &'t str,
        tags: &[TagPair],
        reasoning: &mut String,
    ) -> Option<&'t str> {
        let mut at = 0;
        while let Some((character, length)) = text.get(at..).and_then(escaped_character) {
            if matches!(character, '<' | '[' | '◁') {
                let (before, rest) = text.split_at_checked(at)?;
                let found = tags.iter().map(|(_, tag)| match_tag(rest, tag));
                // No closing tag is the beginning of another.
                if let Some(found) = found.into_iter().find(|found| *found != TagMatch::Other) {
                    self.reason(before, reasoning);
                    let TagMatch::Whole(length) = found else {
                        self.held.push_str(rest);
                        return None;
                    };
                    self.state = SplitState::Before;
                    return rest.get(length..);
                }
            }
            at += length;
        }
        self.reason(text, reasoning);
        None
    }

    /// Appends more reasoning to `reasoning`, except for white space at its beginning and its end.
    fn reason(&mut self, text: &str, reasoning: &mut String) {
        let Some((space, rest)) = text.split_at_checked(leading_space(text)) else { return };
        self.extend_gap(space);
        if rest.is_empty() {
            return;
        }
        let gap = std::mem::take(&mut self.gap);
        if std::mem::replace(&mut self.has_reasoning, true) {
            reasoning.push_str(&gap);
        }
        let (text, space) = rest.split_at_checked(text_end(rest)).unwrap_or((rest, ""));
        reasoning.push_str(text);
        self.extend_gap(space);
    }

    /// Extends the white space behind the reasoning, up to [`MAX_SPACE`].
    fn extend_gap(&mut self, space: &str) {
        if self.gap.len() + space.len() <= MAX_SPACE {
            self.gap.push_str(space);
        }
    }
}

/// Returns true if a closing tag without an opening one ends reasoning at the beginning of a text.
/// A tag in code, in quotes, in a document of JSON or within a sentence is part of an answer.
fn has_lone_closing_tag(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let found = TAGS.iter().filter_map(|(open, close)| {
        let found = lower.split_once(&close.to_ascii_lowercase());
        found.filter(|(before, _)| !before.contains(&open.to_ascii_lowercase()))
    });
    found.min_by_key(|(before, _)| before.len()).is_some_and(|(before, after)| {
        let is_quoted = before.ends_with(['`', '"', '\'', '“', '‘', '«']);
        let is_fenced = before.matches("```").count() % 2 == 1;
        let is_document = before.trim_start().starts_with(['{', '[']);
        let ends_line = after.is_empty() || after.starts_with('\n');
        let ends_sentence = before.trim_end_matches(' ').ends_with(SENTENCE_ENDS);
        let is_within_sentence = before.ends_with(' ') && !ends_line && !ends_sentence;
        !is_quoted && !is_fenced && !is_document && !is_within_sentence
    })
}

/// Characters at the end of a sentence or a line.
const SENTENCE_ENDS: [char; 8] = ['\n', '.', '!', '?', '…', '。', '！', '？'];

/// Compares the beginning of an escaped text with a tag.
fn match_tag(text: &str, tag: &str) -> TagMatch {
    let mut at = 0;
    for expected in tag.chars() {
        let Some((character, length)) = text.get(at..).and_then(escaped_character) else {
            return TagMatch::Begun;
        };
        if !character.eq_ignore_ascii_case(&expected) {
            return TagMatch::Other;
        }
        at += length;
    }
    TagMatch::Whole(at)
}

/// Returns the length of the white space at the beginning of an escaped text.
fn leading_space(text: &str) -> usize {
    let mut at = 0;
    while let Some((character, length)) = text.get(at..).and_then(escaped_character)
        && character.is_whitespace()
    {
        at += length;
    }
    at
}

/// Returns the length of an escaped text without the white space at its end.
fn text_end(text: &str) -> usize {
    let (mut at, mut end) = (0, 0);
    while let Some((character, length)) = text.get(at..).and_then(escaped_character) {
        at += length;
        if !character.is_whitespace() {
            end = at;
        }
    }
    end
}

/// Returns an escaped text, unless it is empty.
fn to_text(escaped: &str) -> Option<Text<'static>> {
    (!escaped.is_empty()).then(|| Text::from_escaped(escaped))
}

fn join(first: Option<Text<'_>>, last: Option<Text<'_>>) -> Option<Text<'static>> {
    let all: Vec<Text<'_>> = first.into_iter().chain(last).collect();
    (!all.is_empty()).then(|| Text::concat(&all).into_owned())
}
