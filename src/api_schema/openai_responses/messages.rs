//! The conversation as a list of items: messages, reasoning, calls and their results. OpenAI's API
//! reference, *Create a model response*, `input`.

use std::collections::BTreeSet;

use super::{
    content::write_content,
    reasoning::{encrypted_reasoning, write_reasoning_item},
};
use crate::{
    api_schema::{
        openai::{CallIds, ListedMessage, add_instruction, listed_messages, takes_custom_tools},
        tool_names::ToolNames,
        tool_results::MISSING_RESULT,
        translation::TranslationInput,
    },
    chat::{
        message::{Content, Message, Role, ToolCall},
        text::Text,
    },
    json::{Object, list},
};

/// Item of the conversation.
enum InputItem<'l, 'a> {
    /// A message of the gateway, by its role.
    Added(&'static str, Text<'a>),
    Message(&'l Message<'a>),
    /// Encrypted reasoning.
    Reasoning(Text<'a>),
    Call(&'l ToolCall<'a>),
    /// A result, with the id of its call.
    Result(&'l Message<'a>, &'l Text<'a>),
    /// A result that the conversation lacks, by the id of its call.
    MissingResult(&'l Text<'a>),
}

/// Writes all items.
pub(super) fn write(out: &mut Vec<u8>, input: &TranslationInput<'_, '_>, names: &ToolNames) {
    let messages = &input.request.messages;
    let mut listed = listed_messages(input);
    add_instruction(&mut listed, input);
    let provider = &input.target.endpoint.provider;
    let mut items = Vec::with_capacity(listed.len());
    listed.iter().for_each(|listed| add_items(listed, provider, &mut items));
    let custom = match takes_custom_tools(&input.target) {
        true => custom_call_ids(messages),
        false => BTreeSet::new(),
    };
    let writer = ItemWriter { names, ids: CallIds::new(messages), custom };
    list(out, items, |out, item| writer.write(out, &item));
}

/// Returns the ids of the calls of custom tools, as JSON.
fn custom_call_ids<'q>(messages: &'q [Message<'_>]) -> BTreeSet<&'q str> {
    let calls = messages.iter().flat_map(|message| message.tool_calls.iter().flatten());
    calls.filter(|call| call.custom_input.is_some()).map(|call| call.id.json()).collect()
}

/// Adds the items of a message.
fn add_items<'l, 'a>(
    listed: &'l ListedMessage<'_, 'a>,
    provider: &str,
    items: &mut Vec<InputItem<'l, 'a>>,
) {
    match listed {
        ListedMessage::Instruction(text) => items.push(InputItem::Added("system", text.clone())),
        ListedMessage::Instructed(message) => items.push(InputItem::Message(message)),
        ListedMessage::Request(message, legacy) => {
            items.extend(encrypted_reasoning(message, provider).map(InputItem::Reasoning));
            let calls = message.tool_calls.iter().flatten().chain(legacy);
            let calls: Vec<_> = calls.map(InputItem::Call).collect();
            if calls.is_empty() || has_content(message) {
                items.push(InputItem::Message(message));
            }
            items.extend(calls);
        }
        ListedMessage::Result(message, id) => items.push(InputItem::Result(message, id)),
        ListedMessage::MissingResult(id) => items.push(InputItem::MissingResult(id)),
        // Results keep their media.
        ListedMessage::Media(_) => {}
        ListedMessage::Closing(closing) => {
            items.push(InputItem::Added("user", Text::new(closing.text())));
        }
    }
}

/// Returns true if a message has more than calls.
fn has_content(message: &Message<'_>) -> bool {
    let has_text = match &message.content {
        Content::Absent => false,
        Content::Text(text) => !text.is_empty(),
        Content::Parts(_) => true,
    };
    has_text || message.refusal.is_some()
}

/// Writer of items.
struct ItemWriter<'w> {
    names: &'w ToolNames,
    ids: CallIds,
    /// The ids of the calls that are sent as those of custom tools, as JSON.
    custom: BTreeSet<&'w str>,
}

impl ItemWriter<'_> {
    fn write(&self, out: &mut Vec<u8>, item: &InputItem<'_, '_>) {
        if let InputItem::Reasoning(data) = item {
            return write_reasoning_item(out, data);
        }
        let mut object = Object::open(out);
        match item {
            InputItem::Added(role, text) => {
                object.value("type", "message").value("role", role).value("content", text);
            }
            InputItem::Message(message) => {
                object.value("type", "message").value("role", role(message));
                write_content(object.key("content"), message);
            }
            InputItem::Call(call) => self.write_call(&mut object, call),
            InputItem::Result(message, id) => {
                write_content(self.result(&mut object, id).key("output"), message);
            }
            InputItem::MissingResult(id) => {
                self.result(&mut object, id).value("output", MISSING_RESULT);
            }
            InputItem::Reasoning(_) => {}
        }
        object.close();
    }

    fn write_call(&self, object: &mut Object<'_>, call: &ToolCall<'_>) {
        let input = call.custom_input.as_ref().filter(|_| self.custom.contains(call.id.json()));
        let kind = if input.is_some() { "custom_tool_call" } else { "function_call" };
        object.value("type", kind).value("call_id", &self.ids.sent(&call.id));
        object.value("name", &self.names.sent(&call.function.name));
        let arguments = call.function.arguments.as_ref().filter(|text| !text.is_empty());
        match (input, arguments) {
            (Some(input), _) => object.value("input", input),
            (None, Some(arguments)) => object.value("arguments", arguments),
            (None, None) => object.value("arguments", "{}"),
        };
    }

    /// Writes the type of a result, and the id of its call.
    fn result<'o, 'b>(&self, object: &'o mut Object<'b>, id: &Text<'_>) -> &'o mut Object<'b> {
        let is_custom = self.custom.contains(id.json());
        let kind = if is_custom { "custom_tool_call_output" } else { "function_call_output" };
        object.value("type", kind).value("call_id", &self.ids.sent(id))
    }
}

/// Returns the role of the author of a message that is no result.
fn role(message: &Message<'_>) -> &'static str {
    match message.role {
        Role::System => "system",
        Role::Developer => "developer",
        Role::Assistant => "assistant",
        Role::User | Role::Tool | Role::Function => "user",
    }
}
