//! The translation of the system prompt and of the messages. Claude API reference, *Create a
//! Message*: `system`, `messages`.

use serde_json::value::RawValue;

use super::blocks::{MessagesBlock, add_content, add_nested};
use crate::{
    chat::text::Text,
    client_api::{
        assistant_turn::{AssistantTurn, CallKind},
        carried::is_own,
        chat_messages::{ChatMessages, PartArray},
        translation::InletTranslation,
    },
};

/// Writes the messages of a chat request.
pub(super) fn write(
    translation: &mut InletTranslation,
    system: Option<&RawValue>,
    messages: Option<&RawValue>,
    out: &mut Vec<u8>,
) {
    let mut chat = ChatMessages::open(out);
    if let Some(system) = system {
        let mut parts = PartArray::default();
        add_nested(translation, "system", system, &mut parts);
        chat.add_parts("system", &parts);
    }
    if let Some(raw) = messages {
        let all = translation.read_list("messages", raw, "an array of messages");
        for (index, raw) in all.into_iter().enumerate() {
            write_message(translation, &format!("messages[{index}]"), raw, &mut chat);
        }
    }
    chat.close();
}

fn write_message(
    translation: &mut InletTranslation,
    path: &str,
    raw: &RawValue,
    chat: &mut ChatMessages<'_>,
) {
    let expected = "an object with role and content";
    let Some(message) = translation.read_object(path, raw, expected) else { return };
    let (Some(role), Some(content)) = (message.text("role"), message.get("content")) else {
        return translation.add_invalid(path, &["must be ", expected].concat());
    };
    let content_path = [path, ".content"].concat();
    match role.decode().as_ref() {
        "user" => write_user(translation, &content_path, content, chat),
        "assistant" => write_assistant(translation, &content_path, content, chat),
        // Claude takes instructions within a conversation since Opus 4.8.
        "system" => {
            let mut parts = PartArray::default();
            add_nested(translation, &content_path, content, &mut parts);
            chat.add_parts("system", &parts);
        }
        _ => translation.add_invalid(&[path, ".role"].concat(), "must be user or assistant"),
    }
}

/// Writes a turn of the user: the results of tools, which follow their calls, then the rest.
fn write_user(
    translation: &mut InletTranslation,
    path: &str,
    content: &RawValue,
    chat: &mut ChatMessages<'_>,
) {
    let mut parts = PartArray::default();
    let mut other = |translation: &mut InletTranslation, path: &str, block: MessagesBlock<'_>| {
        if block.kind == "tool_result" {
            write_result(translation, path, &block, chat);
        } else {
            translation.leave_out("messages", &block.kind);
        }
    };
    add_content(translation, path, content, &mut parts, &mut other);
    chat.add_parts("user", &parts);
}

/// Writes the result of a call. The chat API has no field for a failure, so the text begins with a word.
fn write_result(
    translation: &mut InletTranslation,
    path: &str,
    block: &MessagesBlock<'_>,
    chat: &mut ChatMessages<'_>,
) {
    let Some(id) = translation.read_text(path, &block.fields, "tool_use_id") else { return };
    let mut parts = PartArray::default();
    if let Some(content) = block.fields.get("content") {
        add_nested(translation, &[path, ".content"].concat(), content, &mut parts);
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
    translation: &mut InletTranslation,
    path: &str,
    content: &RawValue,
    chat: &mut ChatMessages<'_>,
) {
    let (mut parts, mut turn) = (PartArray::default(), AssistantTurn::default());
    let mut other = |translation: &mut InletTranslation, path: &str, block: MessagesBlock<'_>| {
        add_block(&mut turn, translation, path, &block);
    };
    add_content(translation, path, content, &mut parts, &mut other);
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

/// Adds a block that is no part of the content.
fn add_block(
    turn: &mut AssistantTurn,
    translation: &mut InletTranslation,
    path: &str,
    block: &MessagesBlock<'_>,
) {
    match block.kind.as_ref() {
        "thinking" => add_thinking(turn, block),
        "redacted_thinking" => add_redacted(turn, block),
        "tool_use" => add_call(turn, translation, path, block),
        other => translation.leave_out("messages", other),
    }
}

/// Adds thinking. A provider other than Claude takes its text alone.
fn add_thinking(turn: &mut AssistantTurn, block: &MessagesBlock<'_>) {
    let text = block.fields.text("thinking").unwrap_or_else(|| Text::new(""));
    turn.add_reasoning(&text);
    let signature = block.fields.text("signature");
    let Some(signature) = signature.filter(|own| !own.is_empty() && !is_own(own)) else { return };
    turn.add_thinking_block("thinking", |thinking| {
        thinking.value("thinking", &text).value("signature", &signature);
    });
}

/// Adds thinking that only its provider can read, or data of another provider.
fn add_redacted(turn: &mut AssistantTurn, block: &MessagesBlock<'_>) {
    let Some(data) = block.fields.text("data") else { return };
    if is_own(&data) {
        return turn.add_carried(&data);
    }
    turn.add_thinking_block("redacted_thinking", |redacted| {
        redacted.value("data", &data);
    });
}

fn add_call(
    turn: &mut AssistantTurn,
    translation: &mut InletTranslation,
    path: &str,
    block: &MessagesBlock<'_>,
) {
    let texts = ["id", "name"].map(|key| translation.read_text(path, &block.fields, key));
    let [Some(id), Some(name)] = texts else { return };
    let arguments = Text::new(block.fields.get("input").map_or("{}", RawValue::get));
    turn.add_call(&id, &name, CallKind::Function, &arguments);
    turn.cache_control = block.cache_control().map(|mark| mark.get().to_owned());
}
