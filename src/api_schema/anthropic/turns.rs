//! The conversation, as Claude's Messages have it: system instructions at the top, then turns of
//! user and assistant, and the results of tools first in the turn after their calls.
//! Claude API reference, *Create a Message*; guide *Tool use*, "Handle tool calls".

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::{
    cache_control::write_cache_control, media::MediaBlock, names::ToolNames,
    reasoning::ThinkingBlock,
};
use crate::{
    chat::text::Text,
    json::{Object, list},
};

/// What a user says where the provider needs a user to speak and nobody did.
const EMPTY_USER_TEXT: &str = ".";

/// What a user says after an answer that the model is not able to go on with by itself.
const CONTINUE_TEXT: &str = "Continue.";

/// What comes from a tool whose result the conversation lacks.
const MISSING_RESULT_TEXT: &str = "This call has no result.";

/// A conversation, sorted and not yet written.
#[derive(Debug, Default)]
pub(super) struct AnthropicConversation<'q> {
    pub(super) system: Vec<ContentBlock<'q>>,
    pub(super) turns: Vec<AnthropicTurn<'q>>,
    /// Whether it ends in a message of the assistant, for the model to go on with.
    pub(super) ends_in_assistant: bool,
}

/// Who has a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TurnRole {
    User,
    Assistant,
}

/// What one says before the other does.
#[derive(Debug)]
pub(super) struct AnthropicTurn<'q> {
    pub(super) role: TurnRole,
    /// A user's first: results of the calls in the turn before.
    pub(super) results: Vec<ToolResult<'q>>,
    pub(super) blocks: Vec<ContentBlock<'q>>,
}

/// A block of content.
#[derive(Debug)]
pub(super) struct ContentBlock<'q> {
    pub(super) content: BlockContent<'q>,
    pub(super) cache_control: Option<&'q RawValue>,
}

/// What a block holds.
#[derive(Debug)]
pub(super) enum BlockContent<'q> {
    Text(Text<'q>),
    Media(MediaBlock<'q>),
    Thinking(ThinkingBlock<'q>),
    /// The input is an object in JSON.
    ToolUse {
        id: String,
        name: Text<'q>,
        input: Cow<'q, str>,
    },
}

/// What came of a call.
#[derive(Debug)]
pub(super) struct ToolResult<'q> {
    pub(super) id: String,
    /// `None`: the conversation lacks it.
    pub(super) content: Option<Vec<ContentBlock<'q>>>,
    pub(super) cache_control: Option<&'q RawValue>,
}

impl<'q> AnthropicConversation<'q> {
    /// Whether tools are called in it.
    pub(super) fn has_calls(&self) -> bool {
        self.called_names().next().is_some()
    }

    /// The names of the tools called in it, as often as they are.
    pub(super) fn called_names(&self) -> impl Iterator<Item = &Text<'q>> + Clone {
        self.turns.iter().flat_map(|turn| &turn.blocks).filter_map(|block| match &block.content {
            BlockContent::ToolUse { name, .. } => Some(name),
            _ => None,
        })
    }

    /// Whether the assistant's turn under way has called tools and its thoughts are not there. A
    /// model that thinks by a budget refuses such a turn (guide *Extended thinking*, "Preserving
    /// thinking blocks").
    pub(super) fn lacks_thinking(&self) -> bool {
        let under_way = self.turns.iter().rev().take_while(|turn| turn.has_no_user_content());
        let first = under_way.filter(|turn| !turn.is_from_user()).last();
        first.is_some_and(|turn| {
            let thinks =
                |block: &ContentBlock<'_>| matches!(block.content, BlockContent::Thinking(_));
            let calls =
                |block: &ContentBlock<'_>| matches!(block.content, BlockContent::ToolUse { .. });
            turn.blocks.iter().any(calls) && !turn.blocks.first().is_some_and(thinks)
        })
    }

    /// Lets the user speak where the provider wants that, once all messages are sorted.
    /// `ends_in_user`: whether the last message is a user's, even if it says nothing.
    pub(super) fn add_required_user_turns(&mut self, ends_in_user: bool) {
        let is_users =
            |turn: Option<&AnthropicTurn<'_>>| turn.is_some_and(|turn| turn.is_from_user());
        if !is_users(self.turns.first()) {
            self.turns.insert(0, AnthropicTurn::from_user_text(EMPTY_USER_TEXT));
        }
        if ends_in_user && !is_users(self.turns.last()) {
            self.turns.push(AnthropicTurn::from_user_text(EMPTY_USER_TEXT));
        }
        self.ends_in_assistant = !is_users(self.turns.last());
        let end = self.turns.last_mut().and_then(|turn| turn.blocks.last_mut());
        if let Some(ContentBlock { content: BlockContent::Text(text), .. }) =
            end.filter(|_| self.ends_in_assistant)
        {
            trim_end(text);
        }
    }

    /// Closes a conversation that is open: the user asks the model to go on.
    pub(super) fn ask_to_continue(&mut self) {
        if std::mem::take(&mut self.ends_in_assistant) {
            self.turns.push(AnthropicTurn::from_user_text(CONTINUE_TEXT));
        }
    }

    /// Adds to the instructions.
    pub(super) fn add_instruction(&mut self, instruction: &str) {
        self.system.push(ContentBlock {
            content: BlockContent::Text(Text::new(instruction)),
            cache_control: None,
        });
    }

    /// Writes the instructions, if there are any.
    pub(super) fn write_system(&self, body: &mut Object<'_>) {
        if !self.system.is_empty() {
            write_blocks(body.key("system"), &self.system);
        }
    }

    /// Writes the turns, with thoughts only for a model that is going to think.
    pub(super) fn write_turns(&self, out: &mut Vec<u8>, names: &ToolNames, thinks: bool) {
        list(out, &self.turns, |out, turn| turn.write(out, names, thinks));
    }
}

/// Claude refuses to go on after white space.
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

impl AnthropicTurn<'_> {
    /// A turn in which nothing has been said.
    pub(super) fn new(speaker: TurnRole) -> Self {
        Self { role: speaker, results: Vec::new(), blocks: Vec::new() }
    }

    fn from_user_text(text: &str) -> Self {
        let block =
            ContentBlock { content: BlockContent::Text(Text::new(text)), cache_control: None };
        Self { blocks: vec![block], ..Self::new(TurnRole::User) }
    }

    fn is_from_user(&self) -> bool {
        self.role == TurnRole::User
    }

    /// Whether no user says anything in it.
    fn has_no_user_content(&self) -> bool {
        !self.is_from_user() || self.blocks.is_empty()
    }

    fn write(&self, out: &mut Vec<u8>, names: &ToolNames, thinks: bool) {
        let mut turn = Object::open(out);
        turn.value("role", if self.is_from_user() { "user" } else { "assistant" });
        let said = |block: &&ContentBlock<'_>| {
            thinks || !matches!(block.content, BlockContent::Thinking(_))
        };
        let blocks = self.blocks.iter().filter(said).map(TurnItem::Block);
        let items = self.results.iter().map(TurnItem::Result).chain(blocks);
        list(turn.key("content"), items, |out, item| match item {
            TurnItem::Result(result) => result.write(out),
            TurnItem::Block(block) => block.write(out, names),
        });
        turn.close();
    }
}

/// What a turn is made of.
enum TurnItem<'t, 'q> {
    Result(&'t ToolResult<'q>),
    Block(&'t ContentBlock<'q>),
}

impl<'q> ContentBlock<'q> {
    /// Returns a block without `cache_control`.
    pub(super) fn uncached(content: BlockContent<'q>) -> Self {
        Self { content, cache_control: None }
    }
}

impl ContentBlock<'_> {
    fn write(&self, out: &mut Vec<u8>, names: &ToolNames) {
        if let BlockContent::Thinking(thought) = &self.content {
            return thought.write(out);
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
                result.value("content", MISSING_RESULT_TEXT).value("is_error", &true);
            }
        }
        write_cache_control(&mut result, self.cache_control);
        result.close();
    }
}

/// Writes blocks in which no tool is called.
fn write_blocks(out: &mut Vec<u8>, blocks: &[ContentBlock<'_>]) {
    list(out, blocks, |out, block| block.write(out, &ToolNames::default()));
}
