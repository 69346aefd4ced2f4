//! A turn of the assistant in progress: the fields of a chat message besides its content.

use super::{carried::CarriedData, chat_messages::separate};
use crate::{chat::text::Text, json::Object};

/// Kind of tool that a call calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallKind {
    /// A function, whose arguments are JSON.
    Function,
    /// A custom tool, whose input is plain text.
    Custom,
}

impl CallKind {
    /// Returns the type of a call in the chat API.
    fn name(self) -> &'static str {
        match self {
            Self::Function => "function",
            Self::Custom => "custom",
        }
    }

    /// Returns the key of the text that the model has written.
    pub(crate) fn text_key(self) -> &'static str {
        match self {
            Self::Function => "arguments",
            Self::Custom => "input",
        }
    }
}

/// Fields of an assistant's message besides its content.
#[derive(Debug, Default)]
pub(crate) struct AssistantTurn {
    /// Text of the reasoning, escaped.
    reasoning: String,
    /// Thinking blocks that Claude has signed, in JSON, separated by commas.
    thinking_blocks: Vec<u8>,
    /// Entries of `reasoning_details` in JSON, separated by commas.
    details: Vec<u8>,
    /// `extra_content` of the next call.
    extra_content: Option<String>,
    /// Calls in JSON, separated by commas.
    calls: Vec<u8>,
    /// Mark of the last call.
    pub(crate) cache_control: Option<String>,
}

impl AssistantTurn {
    /// Returns `true` if the message would have no other field than its content.
    pub(crate) fn is_empty(&self) -> bool {
        let lists = [&self.thinking_blocks, &self.details, &self.calls];
        self.reasoning.is_empty() && lists.into_iter().all(Vec::is_empty)
    }

    /// Adds text of the reasoning.
    pub(crate) fn add_reasoning(&mut self, text: &Text<'_>) {
        self.reasoning.push_str(text.escaped());
    }

    /// Adds a block that Claude has signed. `fill` writes its fields.
    pub(crate) fn add_thinking_block(&mut self, kind: &str, fill: impl FnOnce(&mut Object<'_>)) {
        separate(&mut self.thinking_blocks);
        let mut block = Object::open(&mut self.thinking_blocks);
        block.value("type", kind);
        fill(&mut block);
        block.close();
    }

    /// Adds entries of `reasoning_details` in JSON, separated by commas.
    fn add_details(&mut self, entries: &str) {
        if !entries.trim().is_empty() {
            separate(&mut self.details);
            self.details.extend_from_slice(entries.as_bytes());
        }
    }

    /// Adds data that the gateway gave to the client.
    pub(crate) fn add_carried(&mut self, data: &Text<'_>) {
        match CarriedData::parse(&data.decode()) {
            Some(CarriedData::Details(array)) => {
                let entries = array.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
                self.add_details(entries.unwrap_or_default());
            }
            Some(CarriedData::ExtraContent(json)) => self.extra_content = Some(json.to_owned()),
            None => {}
        }
    }

    /// Adds a call, with the `extra_content` that came before it.
    pub(crate) fn add_call(
        &mut self,
        id: &Text<'_>,
        name: &Text<'_>,
        kind: CallKind,
        text: &Text<'_>,
    ) {
        let extra_content = self.extra_content.take();
        separate(&mut self.calls);
        let mut call = Object::open(&mut self.calls);
        call.value("id", id).value("type", kind.name()).object(kind.name(), |tool| {
            tool.value("name", name).value(kind.text_key(), text);
        });
        extra_content.map(|extra| call.raw("extra_content", extra));
        call.close();
    }

    /// Writes the fields.
    pub(crate) fn write(&self, message: &mut Object<'_>) {
        if !self.reasoning.is_empty() {
            message.raw("reasoning_content", ["\"", &self.reasoning, "\""].concat());
        }
        for (key, items) in [
            ("thinking_blocks", &self.thinking_blocks),
            ("reasoning_details", &self.details),
            ("tool_calls", &self.calls),
        ] {
            if !items.is_empty() {
                message.raw(key, [b"[", items.as_slice(), b"]"].concat());
            }
        }
        self.cache_control.as_ref().map(|mark| message.raw("cache_control", mark));
    }
}
