//! The conversation, as Claude's Messages have it: system instructions at the top, then turns of
//! user and assistant, and the results of tools first in the turn after their calls.
//! Claude API reference, *Create a Message*; guide *Tool use*, "Handle tool calls".

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::{
    media::{Media, write_cache},
    names::Names,
    reasoning::Thought,
};
use crate::{
    chat::text::Text,
    fit::closing_message::ClosingMessage,
    json::{Object, list},
};

/// What comes from a tool whose result the conversation lacks.
const NO_RESULT: &str = "This call has no result.";

/// A conversation, sorted and not yet written.
#[derive(Debug, Default)]
pub(super) struct Conversation<'q> {
    pub(super) system: Vec<Block<'q>>,
    pub(super) turns: Vec<Turn<'q>>,
    /// Whether it ends in a message of the assistant, for the model to go on with.
    pub(super) is_open: bool,
}

/// Who has a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaker {
    User,
    Assistant,
}

/// What one says before the other does.
#[derive(Debug)]
pub(super) struct Turn<'q> {
    pub(super) speaker: Speaker,
    /// A user's first: results of the calls in the turn before.
    pub(super) results: Vec<ToolResult<'q>>,
    pub(super) blocks: Vec<Block<'q>>,
}

/// A block of content.
#[derive(Debug)]
pub(super) struct Block<'q> {
    pub(super) says: Says<'q>,
    pub(super) cache: Option<&'q RawValue>,
}

/// What a block holds.
#[derive(Debug)]
pub(super) enum Says<'q> {
    Text(Text<'q>),
    Media(Media<'q>),
    Thought(Thought<'q>),
    /// The input is an object in JSON.
    Call {
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
    pub(super) content: Option<Vec<Block<'q>>>,
    pub(super) cache: Option<&'q RawValue>,
}

impl<'q> Conversation<'q> {
    /// Whether tools are called in it.
    pub(super) fn has_calls(&self) -> bool {
        self.called().next().is_some()
    }

    /// The names of the tools called in it, as often as they are.
    pub(super) fn called(&self) -> impl Iterator<Item = &Text<'q>> + Clone {
        self.turns.iter().flat_map(|turn| &turn.blocks).filter_map(|block| match &block.says {
            Says::Call { name, .. } => Some(name),
            _ => None,
        })
    }

    /// Whether the assistant's turn under way has called tools and its thoughts are not there. A
    /// model that thinks by a budget refuses such a turn (guide *Extended thinking*, "Preserving
    /// thinking blocks").
    pub(super) fn lacks_thoughts(&self) -> bool {
        let under_way = self.turns.iter().rev().take_while(|turn| turn.is_of_tools());
        let first = under_way.filter(|turn| !turn.is_users()).last();
        first.is_some_and(|turn| {
            let thinks = |block: &Block<'_>| matches!(block.says, Says::Thought(_));
            let calls = |block: &Block<'_>| matches!(block.says, Says::Call { .. });
            turn.blocks.iter().any(calls) && !turn.blocks.first().is_some_and(thinks)
        })
    }

    /// Lets the user speak where the provider wants that, once all messages are sorted.
    /// `ends_in_user`: whether the last message is a user's, even if it says nothing.
    pub(super) fn complete(&mut self, ends_in_user: bool) {
        let is_users = |turn: Option<&Turn<'_>>| turn.is_some_and(|turn| turn.is_users());
        if !is_users(self.turns.first()) {
            self.turns.insert(0, Turn::of_user(ClosingMessage::Placeholder));
        }
        if ends_in_user && !is_users(self.turns.last()) {
            self.turns.push(Turn::of_user(ClosingMessage::Placeholder));
        }
        self.is_open = !is_users(self.turns.last());
        let end = self.turns.last_mut().and_then(|turn| turn.blocks.last_mut());
        if let Some(Block { says: Says::Text(text), .. }) = end.filter(|_| self.is_open) {
            trim_end(text);
        }
    }

    /// Closes a conversation that is open: the user asks the model to go on.
    pub(super) fn close(&mut self) {
        if std::mem::take(&mut self.is_open) {
            self.turns.push(Turn::of_user(ClosingMessage::Continue));
        }
    }

    /// Adds to the instructions.
    pub(super) fn instruct(&mut self, instruction: &str) {
        self.system.push(Block { says: Says::Text(Text::new(instruction)), cache: None });
    }

    /// Writes the instructions, if there are any.
    pub(super) fn write_system(&self, body: &mut Object<'_>) {
        if !self.system.is_empty() {
            write_blocks(body.key("system"), &self.system);
        }
    }

    /// Writes the turns, with thoughts only for a model that is going to think.
    pub(super) fn write_turns(&self, out: &mut Vec<u8>, names: &Names, thinks: bool) {
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

impl Turn<'_> {
    /// A turn in which nothing has been said.
    pub(super) fn new(speaker: Speaker) -> Self {
        Self { speaker, results: Vec::new(), blocks: Vec::new() }
    }

    fn of_user(message: ClosingMessage) -> Self {
        let block = Block { says: Says::Text(Text::new(message.text())), cache: None };
        Self { blocks: vec![block], ..Self::new(Speaker::User) }
    }

    fn is_users(&self) -> bool {
        self.speaker == Speaker::User
    }

    /// Whether no user says anything in it.
    fn is_of_tools(&self) -> bool {
        !self.is_users() || self.blocks.is_empty()
    }

    fn write(&self, out: &mut Vec<u8>, names: &Names, thinks: bool) {
        let mut turn = Object::open(out);
        turn.value("role", if self.is_users() { "user" } else { "assistant" });
        let said = |block: &&Block<'_>| thinks || !matches!(block.says, Says::Thought(_));
        let blocks = self.blocks.iter().filter(said).map(Item::Block);
        let items = self.results.iter().map(Item::Result).chain(blocks);
        list(turn.key("content"), items, |out, item| match item {
            Item::Result(result) => result.write(out),
            Item::Block(block) => block.write(out, names),
        });
        turn.close();
    }
}

/// What a turn is made of.
enum Item<'t, 'q> {
    Result(&'t ToolResult<'q>),
    Block(&'t Block<'q>),
}

impl Block<'_> {
    fn write(&self, out: &mut Vec<u8>, names: &Names) {
        if let Says::Thought(thought) = &self.says {
            return thought.write(out);
        }
        let mut block = Object::open(out);
        match &self.says {
            Says::Text(text) => {
                block.value("type", "text").raw("text", text.json());
            }
            Says::Media(media) => media.write(&mut block),
            Says::Call { id, name, input } => {
                block.value("type", "tool_use").value("id", id);
                block.value("name", &names.sent(name)).raw("input", input.as_bytes());
            }
            Says::Thought(_) => {}
        }
        write_cache(&mut block, self.cache);
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
                result.value("content", NO_RESULT).value("is_error", &true);
            }
        }
        write_cache(&mut result, self.cache);
        result.close();
    }
}

/// Writes blocks in which no tool is called.
fn write_blocks(out: &mut Vec<u8>, blocks: &[Block<'_>]) {
    list(out, blocks, |out, block| block.write(out, &Names::default()));
}
