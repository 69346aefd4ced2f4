//! The translation of the system prompt and of the messages. Claude API reference, *Create a
//! Message*: `system`, `messages`.

use serde_json::value::RawValue;

use super::{
    blocks::{MessagesBlock, PartArray, add_content, add_nested},
    carried::{CarriedData, is_own},
    translation::{MessagesTranslation, PathStep},
};
use crate::{chat::text::Text, json::Object};

/// Array of chat messages in progress.
struct ChatMessages<'o> {
    out: &'o mut Vec<u8>,
    is_empty: bool,
}

impl ChatMessages<'_> {
    /// Adds a message. `fill` writes its fields after the role.
    fn add(&mut self, role: &str, fill: impl FnOnce(&mut Object<'_>)) {
        if !std::mem::replace(&mut self.is_empty, false) {
            self.out.push(b',');
        }
        let mut message = Object::open(self.out);
        message.value("role", role);
        fill(&mut message);
        message.close();
    }

    /// Adds a message of parts, if there are any.
    fn add_parts(&mut self, role: &str, parts: &PartArray) {
        if !parts.is_empty() {
            self.add(role, |message| parts.write(message.key("content")));
        }
    }
}

/// Writes the messages of a chat request.
pub(super) fn write(
    translation: &mut MessagesTranslation,
    system: Option<&RawValue>,
    messages: Option<&RawValue>,
    out: &mut Vec<u8>,
) {
    out.push(b'[');
    let mut chat = ChatMessages { out, is_empty: true };
    if let Some(system) = system {
        let mut parts = PartArray::default();
        translation.within(PathStep::Key("system"), |own| add_nested(own, system, &mut parts));
        chat.add_parts("system", &parts);
    }
    if let Some(raw) = messages {
        let all = translation.read_list("messages", raw, "an array of messages");
        translation.within(PathStep::Key("messages"), |messages| {
            for (index, raw) in all.into_iter().enumerate() {
                messages.within(PathStep::Index(index), |own| write_message(own, raw, &mut chat));
            }
        });
    }
    out.push(b']');
}

fn write_message(
    translation: &mut MessagesTranslation,
    raw: &RawValue,
    chat: &mut ChatMessages<'_>,
) {
    let expected = "an object with role and content";
    let Some(message) = translation.read_object("", raw, expected) else { return };
    let (Some(role), Some(content)) = (message.text("role"), message.get("content")) else {
        return translation.add_invalid("", &["must be ", expected].concat());
    };
    let mut is_known = true;
    translation.within(PathStep::Key("content"), |own| match role.decode().as_ref() {
        "user" => write_user(own, content, chat),
        "assistant" => write_assistant(own, content, chat),
        // Claude takes instructions within a conversation since Opus 4.8.
        "system" => {
            let mut parts = PartArray::default();
            add_nested(own, content, &mut parts);
            chat.add_parts("system", &parts);
        }
        _ => is_known = false,
    });
    if !is_known {
        translation.add_invalid("role", "must be user or assistant");
    }
}

/// Writes a turn of the user: the results of tools, which follow their calls, then the rest.
fn write_user(
    translation: &mut MessagesTranslation,
    content: &RawValue,
    chat: &mut ChatMessages<'_>,
) {
    let mut parts = PartArray::default();
    let mut other = |translation: &mut MessagesTranslation, block: MessagesBlock<'_>| {
        if block.kind == "tool_result" {
            write_result(translation, &block, chat);
        } else {
            translation.leave_out("messages", &block.kind);
        }
    };
    add_content(translation, content, &mut parts, &mut other);
    chat.add_parts("user", &parts);
}

/// Writes the result of a call. The chat API has no field for a failure, so the text begins with a word.
fn write_result(
    translation: &mut MessagesTranslation,
    block: &MessagesBlock<'_>,
    chat: &mut ChatMessages<'_>,
) {
    let Some(id) = translation.read_text("", &block.fields, "tool_use_id") else { return };
    let mut parts = PartArray::default();
    if let Some(content) = block.fields.get("content") {
        translation.within(PathStep::Key("content"), |own| add_nested(own, content, &mut parts));
    }
    if block.fields.get("is_error").is_some_and(|raw| raw.get() == "true") {
        parts.prepend("Error");
    }
    if parts.is_empty() {
        parts.add_text(&Text::new(""), None);
    }
    chat.add("tool", |message| {
        message.value("tool_call_id", &id);
        parts.write(message.key("content"));
        block.cache_control().map(|mark| message.raw("cache_control", mark.get()));
    });
}

/// Writes a turn of the assistant.
fn write_assistant(
    translation: &mut MessagesTranslation,
    content: &RawValue,
    chat: &mut ChatMessages<'_>,
) {
    let (mut parts, mut turn) = (PartArray::default(), AssistantTurn::default());
    let mut other = |translation: &mut MessagesTranslation, block: MessagesBlock<'_>| {
        turn.add(translation, &block);
    };
    add_content(translation, content, &mut parts, &mut other);
    if parts.is_empty() && turn.is_empty() {
        return;
    }
    chat.add("assistant", |message| {
        if !parts.is_empty() {
            parts.write(message.key("content"));
        }
        turn.write(message);
    });
}

/// Fields of an assistant's message besides its content.
#[derive(Default)]
struct AssistantTurn {
    /// Text of all thinking blocks, escaped.
    reasoning: String,
    /// Thinking blocks that Claude has signed, in JSON, separated by commas.
    thinking_blocks: Vec<u8>,
    /// Entries of `reasoning_details` in JSON, separated by commas.
    details: String,
    /// `extra_content` of the next call.
    extra_content: Option<String>,
    /// Calls in JSON, separated by commas.
    calls: Vec<u8>,
    /// Mark of the last call.
    cache_control: Option<String>,
}

impl AssistantTurn {
    fn is_empty(&self) -> bool {
        self.reasoning.is_empty()
            && self.thinking_blocks.is_empty()
            && self.details.is_empty()
            && self.calls.is_empty()
    }

    fn add(&mut self, translation: &mut MessagesTranslation, block: &MessagesBlock<'_>) {
        match block.kind.as_ref() {
            "thinking" => self.add_thinking(block),
            "redacted_thinking" => self.add_redacted(block),
            "tool_use" => self.add_call(translation, block),
            other => translation.leave_out("messages", other),
        }
    }

    /// Adds thinking. A provider other than Claude takes its text alone.
    fn add_thinking(&mut self, block: &MessagesBlock<'_>) {
        let text = block.fields.text("thinking").unwrap_or_else(|| Text::new(""));
        self.reasoning.push_str(text.escaped());
        let signature = block.fields.text("signature");
        let Some(signature) = signature.filter(|own| !own.is_empty() && !is_own(own)) else {
            return;
        };
        separate(&mut self.thinking_blocks);
        let mut thinking = Object::open(&mut self.thinking_blocks);
        thinking.value("type", "thinking").value("thinking", &text);
        thinking.value("signature", &signature);
        thinking.close();
    }

    /// Adds thinking that only its provider can read, or data of another provider.
    fn add_redacted(&mut self, block: &MessagesBlock<'_>) {
        let Some(data) = block.fields.text("data") else { return };
        if !is_own(&data) {
            separate(&mut self.thinking_blocks);
            let mut redacted = Object::open(&mut self.thinking_blocks);
            redacted.value("type", "redacted_thinking").value("data", &data);
            redacted.close();
            return;
        }
        match CarriedData::parse(&data.decode()) {
            Some(CarriedData::Details(array)) => {
                let entries = array.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
                let entries = entries.filter(|entries| !entries.trim().is_empty());
                let separator = if self.details.is_empty() { "" } else { "," };
                self.details.extend(entries.into_iter().flat_map(|entries| [separator, entries]));
            }
            Some(CarriedData::ExtraContent(json)) => self.extra_content = Some(json.to_owned()),
            None => {}
        }
    }

    fn add_call(&mut self, translation: &mut MessagesTranslation, block: &MessagesBlock<'_>) {
        let texts = ["id", "name"].map(|key| translation.read_text("", &block.fields, key));
        let [Some(id), Some(name)] = texts else { return };
        let arguments = Text::new(block.fields.get("input").map_or("{}", RawValue::get));
        let extra_content = self.extra_content.take();
        separate(&mut self.calls);
        let mut call = Object::open(&mut self.calls);
        call.value("id", &id).value("type", "function").object("function", |function| {
            function.value("name", &name).value("arguments", &arguments);
        });
        extra_content.map(|extra| call.raw("extra_content", extra));
        call.close();
        self.cache_control = block.cache_control().map(|mark| mark.get().to_owned());
    }

    fn write(&self, message: &mut Object<'_>) {
        if !self.reasoning.is_empty() {
            message.raw("reasoning_content", ["\"", &self.reasoning, "\""].concat());
        }
        let blocks = (!self.thinking_blocks.is_empty()).then_some(self.thinking_blocks.as_slice());
        let details = (!self.details.is_empty()).then_some(self.details.as_bytes());
        let calls = (!self.calls.is_empty()).then_some(self.calls.as_slice());
        for (key, items) in
            [("thinking_blocks", blocks), ("reasoning_details", details), ("tool_calls", calls)]
        {
            items.map(|items| message.raw(key, [b"[", items, b"]"].concat()));
        }
        self.cache_control.as_ref().map(|mark| message.raw("cache_control", mark));
    }
}

/// Writes a comma after an item.
fn separate(items: &mut Vec<u8>) {
    if !items.is_empty() {
        items.push(b',');
    }
}
