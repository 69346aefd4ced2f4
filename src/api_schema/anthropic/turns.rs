//! A conversation as Claude's Messages have it: system instructions at the top, then alternating
//! turns of user and assistant, with the results of tools first in the turn after their calls.
//! Claude API reference, *Create a Message*; guide *Tool use*, "Handle tool calls".

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::{
    cache_control::{is_known_mark, write_cache_control},
    media::MediaBlock,
    prompt_cache::MARKED_TURNS,
    reasoning::ThinkingBlock,
    thinking::ThinkingMode,
};
use crate::{
    api_schema::{tool_names::ToolNames, tool_results::MISSING_RESULT},
    chat::text::Text,
    fit::closing_message::ClosingMessage,
    json::{Object, list},
};

/// A conversation in Claude's turns, not written yet.
#[derive(Debug, Default)]
pub(in crate::api_schema) struct AnthropicConversation<'q> {
    pub(in crate::api_schema) system: Vec<ContentBlock<'q>>,
    pub(in crate::api_schema) turns: Vec<AnthropicTurn<'q>>,
    /// True if the last turn is the assistant's, for the model to continue ("prefill").
    pub(in crate::api_schema) ends_in_assistant: bool,
}

/// The author of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::api_schema) enum TurnRole {
    User,
    Assistant,
}

/// The messages of one role in a row.
#[derive(Debug)]
pub(in crate::api_schema) struct AnthropicTurn<'q> {
    pub(in crate::api_schema) role: TurnRole,
    /// The results of the calls in the turn before. Only a user's turn has any.
    pub(in crate::api_schema) results: Vec<ToolResult<'q>>,
    pub(in crate::api_schema) blocks: Vec<ContentBlock<'q>>,
}

/// A block of a turn or of the system prompt.
#[derive(Debug)]
pub(in crate::api_schema) struct ContentBlock<'q> {
    pub(in crate::api_schema) content: BlockContent<'q>,
    pub(in crate::api_schema) cache_control: Option<&'q RawValue>,
}

/// The content of a block.
#[derive(Debug)]
pub(in crate::api_schema) enum BlockContent<'q> {
    Text(Text<'q>),
    Media(MediaBlock<'q>),
    Thinking(ThinkingBlock<'q>),
    ToolUse {
        id: String,
        name: Text<'q>,
        /// A JSON object.
        input: Cow<'q, str>,
    },
}

/// The result of a call.
#[derive(Debug)]
pub(in crate::api_schema) struct ToolResult<'q> {
    pub(in crate::api_schema) id: String,
    /// `None` if the conversation lacks the result.
    pub(in crate::api_schema) content: Option<Vec<ContentBlock<'q>>>,
    pub(in crate::api_schema) cache_control: Option<&'q RawValue>,
}

impl<'q> AnthropicConversation<'q> {
    /// Returns whether the assistant has called tools.
    pub(in crate::api_schema) fn has_calls(&self) -> bool {
        self.called_names().next().is_some()
    }

    /// Returns the name of the tool for every call.
    pub(in crate::api_schema) fn called_names(&self) -> impl Iterator<Item = &Text<'q>> + Clone {
        self.turns.iter().flat_map(|turn| &turn.blocks).filter_map(|block| match &block.content {
            BlockContent::ToolUse { name, .. } => Some(name),
            _ => None,
        })
    }

    /// Returns whether the assistant has thought.
    pub(in crate::api_schema) fn has_thinking(&self) -> bool {
        self.turns.iter().flat_map(|turn| &turn.blocks).any(ContentBlock::is_thinking)
    }

    /// Returns whether the assistant's unfinished turn has calls and no thinking block before them.
    /// A model that thinks with a budget refuses such a turn (guide *Extended thinking*,
    /// "Preserving thinking blocks").
    pub(super) fn lacks_thinking(&self) -> bool {
        let unfinished = self.turns.iter().rev().take_while(|turn| turn.has_no_user_content());
        let first = unfinished.filter(|turn| !turn.is_from_user()).last();
        first.is_some_and(|turn| {
            turn.blocks.iter().any(ContentBlock::is_tool_use)
                && !turn.blocks.first().is_some_and(ContentBlock::is_thinking)
        })
    }

    /// Adds the user's turns that Claude requires and the messages lack: one at the beginning, and
    /// one at the end if the last message is a user's, even if it is blank (`ends_in_user`).
    pub(super) fn add_required_user_turns(&mut self, ends_in_user: bool) {
        if !self.turns.first().is_some_and(AnthropicTurn::is_from_user) {
            self.turns.insert(0, AnthropicTurn::from_user(ClosingMessage::Placeholder));
        }
        if ends_in_user && !self.turns.last().is_some_and(AnthropicTurn::is_from_user) {
            self.turns.push(AnthropicTurn::from_user(ClosingMessage::Placeholder));
        }
        self.ends_in_assistant = !self.turns.last().is_some_and(AnthropicTurn::is_from_user);
        if self.ends_in_assistant {
            let last_block = self.turns.last_mut().and_then(|turn| turn.blocks.last_mut());
            if let Some(ContentBlock { content: BlockContent::Text(text), .. }) = last_block {
                trim_end(text);
            }
        }
    }

    /// Returns the cache marks of the system prompt, and those of the turns.
    pub(super) fn cache_marks(&mut self) -> [Vec<&mut Option<&'q RawValue>>; 2] {
        let system = marks_of(&mut self.system).collect();
        let turns = self.turns.iter_mut().flat_map(AnthropicTurn::cache_marks).collect();
        [system, turns]
    }

    /// Marks the end of the system prompt, and those of the user's last turns.
    pub(super) fn mark_ends(&mut self, mark: &'q RawValue) {
        let system = self.system.last_mut().map(|block| &mut block.cache_control);
        let users = self.turns.iter_mut().rev().filter(|turn| turn.is_from_user());
        let turns = users.filter_map(AnthropicTurn::end_mark).take(MARKED_TURNS);
        system.into_iter().chain(turns).for_each(|own| *own = Some(mark));
    }

    /// Adds a turn in which the user asks the model to continue its answer.
    pub(in crate::api_schema) fn ask_to_continue(&mut self) {
        self.turns.push(AnthropicTurn::from_user(ClosingMessage::Continue));
        self.ends_in_assistant = false;
    }

    /// Adds an instruction to the system prompt.
    pub(in crate::api_schema) fn add_instruction(&mut self, instruction: &str) {
        self.system.push(ContentBlock::from_text(instruction));
    }

    /// Writes the system prompt, if there is one.
    pub(super) fn write_system(&self, body: &mut Object<'_>) {
        if !self.system.is_empty() {
            write_blocks(body.key("system"), &self.system);
        }
    }

    /// Writes the turns, with thinking blocks only for a model that thinks.
    pub(super) fn write_turns(&self, out: &mut Vec<u8>, names: &ToolNames, thinking: ThinkingMode) {
        list(out, &self.turns, |out, turn| turn.write(out, names, thinking));
    }
}

/// Removes the white space at the end of a text: Claude refuses to continue one.
fn trim_end(text: &mut Text<'_>) {
    let trimmed = {
        let plain = text.decode();
        let trimmed = plain.trim_end();
        (trimmed.len() < plain.len()).then(|| Text::new(trimmed))
    };
    if let Some(trimmed) = trimmed {
        *text = trimmed;
    }
}

/// Returns the marks of blocks that Claude knows.
fn marks_of<'b, 'q>(
    blocks: &'b mut [ContentBlock<'q>],
) -> impl Iterator<Item = &'b mut Option<&'q RawValue>> {
    let marks = blocks.iter_mut().map(|block| &mut block.cache_control);
    marks.filter(|mark| is_known_mark(**mark))
}

impl<'q> AnthropicTurn<'q> {
    /// Returns the cache marks in the order in which they are written.
    fn cache_marks(&mut self) -> impl Iterator<Item = &mut Option<&'q RawValue>> {
        let results = self.results.iter_mut().flat_map(|result| {
            let inner = result.content.iter_mut().flat_map(|blocks| marks_of(blocks));
            let own = std::iter::once(&mut result.cache_control);
            inner.chain(own.filter(|mark| is_known_mark(**mark)))
        });
        results.chain(marks_of(&mut self.blocks))
    }

    /// Returns the cache mark of the last block.
    fn end_mark(&mut self) -> Option<&mut Option<&'q RawValue>> {
        let result = self.results.last_mut().map(|result| &mut result.cache_control);
        self.blocks.last_mut().map(|block| &mut block.cache_control).or(result)
    }

    /// Returns an empty turn.
    pub(super) fn new(role: TurnRole) -> Self {
        Self { role, results: Vec::new(), blocks: Vec::new() }
    }

    fn from_user(message: ClosingMessage) -> Self {
        Self { blocks: vec![ContentBlock::from_text(message.text())], ..Self::new(TurnRole::User) }
    }

    fn is_from_user(&self) -> bool {
        self.role == TurnRole::User
    }

    /// Returns whether the user has added nothing to the results of tools.
    fn has_no_user_content(&self) -> bool {
        !self.is_from_user() || self.blocks.is_empty()
    }

    fn write(&self, out: &mut Vec<u8>, names: &ToolNames, thinking: ThinkingMode) {
        let mut turn = Object::open(out);
        turn.value("role", if self.is_from_user() { "user" } else { "assistant" });
        let is_sent = |block: &&ContentBlock<'_>| thinking.is_enabled() || !block.is_thinking();
        let blocks = self.blocks.iter().filter(is_sent).map(TurnItem::Block);
        let items = self.results.iter().map(TurnItem::Result).chain(blocks);
        list(turn.key("content"), items, |out, item| match item {
            TurnItem::Result(result) => result.write(out),
            TurnItem::Block(block) => block.write(out, names),
        });
        turn.close();
    }
}

/// An item of a turn that is being written.
enum TurnItem<'t, 'q> {
    Result(&'t ToolResult<'q>),
    Block(&'t ContentBlock<'q>),
}

impl<'q> ContentBlock<'q> {
    /// Returns a block without `cache_control`.
    pub(in crate::api_schema) fn uncached(content: BlockContent<'q>) -> Self {
        Self { content, cache_control: None }
    }

    fn from_text(text: &str) -> Self {
        Self::uncached(BlockContent::Text(Text::new(text)))
    }

    fn is_thinking(&self) -> bool {
        matches!(self.content, BlockContent::Thinking(_))
    }

    fn is_tool_use(&self) -> bool {
        matches!(self.content, BlockContent::ToolUse { .. })
    }

    fn write(&self, out: &mut Vec<u8>, names: &ToolNames) {
        if let BlockContent::Thinking(thinking) = &self.content {
            return thinking.write(out);
        }
        let mut block = Object::open(out);
        match &self.content {
            BlockContent::Text(text) => {
                block.value("type", "text").raw("text", text.json());
            }
            BlockContent::Media(media) => media.write(&mut block),
            BlockContent::ToolUse { id, name, input } => {
                block.value("type", "tool_use").value("id", id);
                block.value("name", &names.sent(name)).raw("input", input.as_bytes());
            }
            BlockContent::Thinking(_) => {}
        }
        write_cache_control(&mut block, self.cache_control);
        block.close();
    }
}

impl ToolResult<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        let mut result = Object::open(out);
        result.value("type", "tool_result").value("tool_use_id", &self.id);
        match &self.content {
            Some(blocks) if blocks.is_empty() => {}
            Some(blocks) => write_blocks(result.key("content"), blocks),
            None => {
                result.value("content", MISSING_RESULT).value("is_error", &true);
            }
        }
        write_cache_control(&mut result, self.cache_control);
        result.close();
    }
}

/// Writes blocks without calls.
fn write_blocks(out: &mut Vec<u8>, blocks: &[ContentBlock<'_>]) {
    list(out, blocks, |out, block| block.write(out, &ToolNames::default()));
}
