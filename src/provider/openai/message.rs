//! Messages as an OpenAI-compatible server takes them. Written from scratch, so that no field of a
//! client, or of another provider's answer, reaches a server that would refuse it.

use crate::{
    chat::{
        message::{Content, Message, Part, Role, ToolCall},
        text::Text,
    },
    config::{Provider, Quirk},
    json::Object,
};

/// Writes all messages.
pub(super) fn write(out: &mut Vec<u8>, messages: &[Message<'_>], provider: &Provider) {
    list(out, messages, |out, message| write_one(out, message, provider));
}

fn list<T>(out: &mut Vec<u8>, items: &[T], mut write: impl FnMut(&mut Vec<u8>, &T)) {
    out.push(b'[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}

fn write_one(out: &mut Vec<u8>, message: &Message<'_>, provider: &Provider) {
    let mut object = Object::open(out);
    object.value("role", role(message.role, provider));
    let prefix = prefix(message, provider);
    write_content(object.key("content"), message, prefix, provider);
    if let Some(name) = message.name.as_ref().filter(|_| prefix.is_none()) {
        object.value("name", name);
    }
    if let Some(calls) = message.tool_calls.as_ref().filter(|calls| !calls.is_empty()) {
        list(object.key("tool_calls"), calls, write_call);
        if provider.has(Quirk::ReasoningWithToolCalls) {
            let lost = Text::new(" ");
            object.value("reasoning_content", message.reasoning_content.as_ref().unwrap_or(&lost));
        }
    }
    if let Some(id) = &message.tool_call_id {
        object.value("tool_call_id", id);
    }
    if let Some(refusal) = &message.refusal {
        object.value("refusal", refusal);
    }
    if let Some(call) = message.function_call {
        object.raw("function_call", call.get());
    }
    object.close();
}

fn role(role: Role, provider: &Provider) -> &'static str {
    match role {
        Role::Developer if provider.has(Quirk::SystemForDeveloper) => "system",
        Role::Developer => "developer",
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
        Role::Function => "function",
    }
}

/// The name that goes in front of the content. A function's name is no speaker's.
fn prefix<'m, 'a>(message: &'m Message<'a>, provider: &Provider) -> Option<&'m Text<'a>> {
    let speaks = !matches!(message.role, Role::Tool | Role::Function);
    message.name.as_ref().filter(|_| speaks && provider.has(Quirk::NameInContent))
}

fn write_content(
    out: &mut Vec<u8>,
    message: &Message<'_>,
    prefix: Option<&Text<'_>>,
    provider: &Provider,
) {
    match &message.content {
        Content::Absent if message.role == Role::Assistant => out.extend_from_slice(b"null"),
        Content::Absent => out.extend_from_slice(b"\"\""),
        Content::Text(text) => write_text(out, text, prefix),
        Content::Parts(parts) => {
            let texts: Option<Vec<&Text<'_>>> = parts.iter().map(Part::as_text).collect();
            match texts.filter(|_| provider.has(Quirk::TextInOneString)) {
                Some(texts) => write_texts(out, &texts, prefix),
                None => write_parts(out, parts, prefix),
            }
        }
    }
}

fn write_text(out: &mut Vec<u8>, text: &Text<'_>, prefix: Option<&Text<'_>>) {
    write_texts(out, &[text], prefix);
}

/// Several texts as one string.
fn write_texts(out: &mut Vec<u8>, texts: &[&Text<'_>], prefix: Option<&Text<'_>>) {
    out.push(b'"');
    if let Some(name) = prefix {
        out.extend_from_slice(name.escaped().as_bytes());
        out.extend_from_slice(b": ");
    }
    for text in texts {
        out.extend_from_slice(text.escaped().as_bytes());
    }
    out.push(b'"');
}

/// A name goes into the first part that is text, or into a part of its own.
fn write_parts(out: &mut Vec<u8>, parts: &[Part<'_>], prefix: Option<&Text<'_>>) {
    let first_text = parts.iter().position(|part| plain_text(part).is_some());
    out.push(b'[');
    let mut separator: &[u8] = b"";
    if let Some(name) = prefix.filter(|_| first_text.is_none()) {
        write_text_part(out, &Text::new(""), Some(name));
        separator = b",";
    }
    for (index, part) in parts.iter().enumerate() {
        out.extend_from_slice(separator);
        separator = b",";
        match plain_text(part) {
            Some(text) => {
                write_text_part(out, text, prefix.filter(|_| first_text == Some(index)));
            }
            None => write_other_part(out, part),
        }
    }
    out.push(b']');
}

/// The text of a text part. A stray `text` in another part is not its content.
fn plain_text<'p, 'a>(part: &'p Part<'a>) -> Option<&'p Text<'a>> {
    part.text.as_ref().filter(|_| part.kind == "text")
}

fn write_text_part(out: &mut Vec<u8>, text: &Text<'_>, prefix: Option<&Text<'_>>) {
    let mut object = Object::open(out);
    write_text(object.value("type", "text").key("text"), text, prefix);
    object.close();
}

fn write_other_part(out: &mut Vec<u8>, part: &Part<'_>) {
    let mut object = Object::open(out);
    let kind = part.kind.as_ref();
    object.value("type", kind);
    if let Some(refusal) = part.refusal.as_ref().filter(|_| kind == "refusal") {
        object.value("refusal", refusal);
    }
    if let Some(image) = part.image_url.as_ref().filter(|_| kind == "image_url") {
        object.object("image_url", |fields| {
            fields.value("url", &image.url);
            image.detail.as_ref().map(|detail| fields.value("detail", detail));
        });
    }
    for (key, raw) in [("input_audio", part.input_audio), ("file", part.file)] {
        raw.filter(|_| kind == key).map(|raw| object.raw(key, raw.get()));
    }
    object.close();
}

fn write_call(out: &mut Vec<u8>, call: &ToolCall<'_>) {
    let mut object = Object::open(out);
    object.value("id", &call.id).value("type", "function").object("function", |function| {
        let none = Text::new("{}");
        let arguments = call.function.arguments.as_ref().filter(|text| !text.is_empty());
        function.value("name", &call.function.name).value("arguments", arguments.unwrap_or(&none));
    });
    object.close();
}
