//! The translation of the input into messages. OpenAI's API reference, *Create a response*: `input`,
//! `instructions`.
//!
//! The items of one turn of the assistant follow each other: reasoning, messages and calls. A chat
//! message holds all of them.

use serde_json::value::RawValue;

use super::{content::add_content, namespaces};
use crate::{
    chat::{mistake::MistakeKind, object::ObjectFields, text::Text},
    client_api::{
        assistant_turn::{AssistantTurn, CallKind},
        carried,
        chat_messages::{ChatMessages, PartArray},
        translation::InletTranslation,
    },
};

/// Writes the messages of a chat request.
pub(super) fn write(
    translation: &mut InletTranslation,
    instructions: Option<&RawValue>,
    input: Option<&RawValue>,
    out: &mut Vec<u8>,
) {
    let mut messages = InputMessages {
        chat: ChatMessages::open(out),
        turn: AssistantTurn::default(),
        content: PartArray::default(),
    };
    if let Some(instructions) = instructions {
        messages.add_message(translation, "system", "instructions", instructions);
    }
    match input.map(|raw| (raw, Text::from_raw(raw))) {
        Some((raw, Some(_))) => messages.add_message(translation, "user", "input", raw),
        Some((raw, None)) => {
            let items = translation.read_list("input", raw, "a string or an array of items");
            for (index, raw) in items.into_iter().enumerate() {
                messages.add_item(translation, &format!("input[{index}]"), raw);
            }
        }
        None => {}
    }
    messages.close();
}

/// Messages in progress.
struct InputMessages<'o> {
    chat: ChatMessages<'o>,
    /// Turn of the assistant that has not been written.
    turn: AssistantTurn,
    /// Content of the turn.
    content: PartArray,
}

impl InputMessages<'_> {
    /// Adds a message of anyone but the assistant.
    fn add_message(
        &mut self,
        translation: &mut InletTranslation,
        role: &str,
        path: &str,
        content: &RawValue,
    ) {
        self.end_turn();
        let mut parts = PartArray::default();
        add_content(translation, path, content, &mut parts);
        self.chat.add_parts(role, &parts);
    }

    fn add_item(&mut self, translation: &mut InletTranslation, path: &str, raw: &RawValue) {
        let Some(item) = translation.read_object(path, raw, "an item with a type") else { return };
        let kind = item.text("type").map(|kind| kind.decode().into_owned());
        let kind = kind.or_else(|| item.get("role").map(|_| "message".to_owned()));
        match kind.unwrap_or_default().as_str() {
            "message" => self.add_message_item(translation, path, &item),
            "reasoning" => self.add_reasoning(translation, &item),
            "function_call" => self.add_call(translation, path, &item, CallKind::Function),
            "custom_tool_call" => self.add_call(translation, path, &item, CallKind::Custom),
            "function_call_output" | "custom_tool_call_output" => {
                self.add_output(translation, path, &item);
            }
            "item_reference" => {
                let remedy = "items are not stored, send the item itself";
                translation.add(MistakeKind::Unsupported, path, remedy);
            }
            "" => translation.add(MistakeKind::Missing, path, "type is missing"),
            other => translation.leave_out("input", other),
        }
    }

    fn add_message_item(
        &mut self,
        translation: &mut InletTranslation,
        path: &str,
        item: &ObjectFields<'_>,
    ) {
        let Some(role) = translation.read_text(path, item, "role") else { return };
        let path_of = |key| [path, ".", key].concat();
        let Some(content) = item.get("content") else {
            return translation.add(MistakeKind::Missing, &path_of("content"), "is required");
        };
        match role.decode().as_ref() {
            "assistant" => {
                add_content(translation, &path_of("content"), content, &mut self.content);
            }
            role @ ("user" | "system" | "developer") => {
                self.add_message(translation, role, &path_of("content"), content);
            }
            _ => {
                let expected = "must be user, assistant, system or developer";
                translation.add_invalid(&path_of("role"), expected);
            }
        }
    }

    /// Adds reasoning: its text, and the data that the gateway gave to the client. Data of others is left
    /// out, because a provider refuses reasoning that was encrypted with another key.
    fn add_reasoning(&mut self, translation: &mut InletTranslation, item: &ObjectFields<'_>) {
        for (index, text) in reasoning_texts(item).iter().enumerate() {
            if index > 0 {
                self.turn.add_reasoning(&Text::new("\n\n"));
            }
            self.turn.add_reasoning(text);
        }
        let Some(data) = item.text("encrypted_content") else { return };
        if carried::is_own(&data) {
            self.turn.add_carried(&data);
        } else {
            translation.leave_out("input", "encrypted_content");
        }
    }

    fn add_call(
        &mut self,
        translation: &mut InletTranslation,
        path: &str,
        item: &ObjectFields<'_>,
        kind: CallKind,
    ) {
        let texts =
            ["call_id", "name", kind.text_key()].map(|key| translation.read_text(path, item, key));
        let [Some(id), Some(name), Some(text)] = texts else { return };
        let name = match item.text("namespace") {
            Some(namespace) => namespaces::joined(&namespace, &name),
            None => name,
        };
        self.turn.add_call(&id, &name, kind, &text);
    }

    /// Adds the result of a call.
    fn add_output(
        &mut self,
        translation: &mut InletTranslation,
        path: &str,
        item: &ObjectFields<'_>,
    ) {
        self.end_turn();
        let Some(id) = translation.read_text(path, item, "call_id") else { return };
        let path = [path, ".output"].concat();
        let Some(output) = item.get("output") else {
            return translation.add(MistakeKind::Missing, &path, "is required");
        };
        let mut parts = PartArray::default();
        add_content(translation, &path, output, &mut parts);
        if parts.is_empty() {
            parts.add_text(&Text::new(""), None);
        }
        self.chat.add("tool", |message| {
            message.value("tool_call_id", &id);
            parts.write(message.key("content"));
        });
    }

    /// Writes the turn of the assistant, if there is one.
    fn end_turn(&mut self) {
        let (turn, content) = (std::mem::take(&mut self.turn), std::mem::take(&mut self.content));
        if turn.is_empty() && content.is_empty() {
            return;
        }
        self.chat.add("assistant", |message| {
            if !content.is_empty() {
                content.write(message.key("content"));
            }
            turn.write(message);
        });
    }

    fn close(mut self) {
        self.end_turn();
        self.chat.close();
    }
}

/// Returns the texts of reasoning, or of its summary.
fn reasoning_texts<'a>(item: &ObjectFields<'a>) -> Vec<Text<'a>> {
    let texts = |key| {
        let parts = item.get(key).map(RawValue::get);
        let parts: Option<Vec<ObjectFields<'a>>> =
            parts.and_then(|json| serde_json::from_str(json).ok());
        let texts = parts.into_iter().flatten().filter_map(|part| part.text("text"));
        texts.collect::<Vec<_>>()
    };
    let own = texts("content");
    if own.is_empty() { texts("summary") } else { own }
}
