//! The translation of a request into a chat request. OpenAI's API reference, *Create a response*.

use serde_json::value::RawValue;

use super::{input, tools};
use crate::{
    chat::{error::Error, mistake::MistakeKind, object::ObjectFields, text::Text},
    client_api::{
        chat_body::{ChatBody, OWN_KEYS},
        translation::InletTranslation,
    },
    json::Object,
};

/// Keys that have the same meaning in the chat API, each with its name there.
const SAME_KEYS: [(&str, &str); 14] = [
    ("model", "model"),
    ("max_output_tokens", "max_completion_tokens"),
    ("temperature", "temperature"),
    ("top_p", "top_p"),
    ("stream", "stream"),
    ("stream_options", "stream_options"),
    ("reasoning", "reasoning"),
    ("parallel_tool_calls", "parallel_tool_calls"),
    ("metadata", "metadata"),
    ("user", "user"),
    ("safety_identifier", "safety_identifier"),
    ("prompt_cache_key", "prompt_cache_key"),
    ("prompt_cache_retention", "prompt_cache_retention"),
    ("service_tier", "service_tier"),
];

/// Keys that are translated.
const TRANSLATED_KEYS: [&str; 14] = [
    "input",
    "instructions",
    "tools",
    "tool_choice",
    "text",
    "include",
    "top_logprobs",
    "truncation",
    "store",
    "fallbacks",
    "previous_response_id",
    "conversation",
    "background",
    "prompt",
];

/// Keys that need stored data, each with what a client can do instead.
const STORED_KEYS: [(&str, &str); 4] = [
    ("previous_response_id", "responses are not stored, send the items of earlier turns in input"),
    ("conversation", "conversations are not stored, send their items in input"),
    ("background", "responses are not stored, ask in the foreground or for a stream"),
    ("prompt", "prompts are not stored, send instructions and input"),
];

/// Value of `include` for reasoning that clients carry.
pub(super) const ENCRYPTED_REASONING: &str = "reasoning.encrypted_content";

/// Value of `include` for log probabilities.
const LOGPROBS: &str = "message.output_text.logprobs";

/// Translates a body. The error lists all mistakes in it.
pub fn to_chat(body: &[u8]) -> Result<ChatBody, Error> {
    ChatBody::translate(body, &["input"], &InletTranslation::write_responses_request)
}

impl InletTranslation {
    /// Writes the keys of a request, or of a fallback that overrides fields of `base`.
    fn write_responses_request(
        &mut self,
        fields: &ObjectFields<'_>,
        base: &ObjectFields<'_>,
        chat: &mut Object<'_>,
    ) {
        for (key, raw) in fields.iter().filter(|(_, raw)| raw.get() != "null") {
            let same = SAME_KEYS.iter().find(|(own, _)| *own == key);
            if let Some((_, name)) = same {
                chat.raw(name, raw.get());
            } else if OWN_KEYS.contains(&key) {
                chat.raw(key, raw.get());
            } else if !TRANSLATED_KEYS.contains(&key) {
                self.leave_out("", key);
            }
        }
        self.refuse_stored(fields);
        if fields.get("input").is_some() || fields.get("instructions").is_some() {
            let either = |key| fields.get(key).or_else(|| base.get(key));
            input::write(self, either("instructions"), either("input"), chat.key("messages"));
        }
        tools::write(self, fields, chat);
        self.write_text(fields, chat);
        self.write_logprobs(fields, chat);
        self.leave_out_defaults(fields);
    }

    /// Refuses fields that need stored data.
    fn refuse_stored(&mut self, fields: &ObjectFields<'_>) {
        for (key, remedy) in STORED_KEYS {
            if fields.get(key).is_some_and(|raw| raw.get() != "false") {
                self.add(MistakeKind::Unsupported, key, remedy);
            }
        }
    }

    /// Reports `store` unless the client does without, and a truncation other than none.
    fn leave_out_defaults(&mut self, fields: &ObjectFields<'_>) {
        let store = fields.get("store").map(RawValue::get);
        if store == Some("true") || (store.is_none() && !self.is_in_fallback()) {
            self.leave_out("", "store");
        }
        if fields.get("truncation").is_some_and(|raw| raw.get() != "\"disabled\"") {
            self.leave_out("", "truncation");
        }
    }

    /// Writes the format of the text, and its verbosity.
    fn write_text(&mut self, fields: &ObjectFields<'_>, chat: &mut Object<'_>) {
        let Some(text) = self.read_field(fields, "text") else { return };
        text.get("verbosity").map(|verbosity| chat.raw("verbosity", verbosity.get()));
        let other = text.iter().filter(|(key, _)| !matches!(*key, "format" | "verbosity"));
        other.for_each(|(key, _)| self.leave_out("text", key));
        let expected = "an object with type text, json_object or json_schema";
        let Some(raw) = text.get("format") else { return };
        let Some(format) = self.read_object("text.format", raw, expected) else { return };
        match format.text("type").as_ref().map(Text::decode).as_deref() {
            Some("text") => {}
            Some("json_object") => {
                chat.raw("response_format", r#"{"type":"json_object"}"#);
            }
            Some("json_schema") => self.write_json_schema(&format, chat),
            _ => self.add_invalid("text.format", &["must be ", expected].concat()),
        }
    }

    fn write_json_schema(&mut self, format: &ObjectFields<'_>, chat: &mut Object<'_>) {
        for required in ["name", "schema"] {
            if format.get(required).is_none() {
                let path = ["text.format.", required].concat();
                self.add(MistakeKind::Missing, &path, "is required");
            }
        }
        chat.object("response_format", |response_format| {
            response_format.value("type", "json_schema").object("json_schema", |json_schema| {
                for key in ["name", "description", "schema", "strict"] {
                    format.get(key).map(|raw| json_schema.raw(key, raw.get()));
                }
            });
        });
    }

    /// Writes whether the answer has log probabilities, and reports the rest of `include`.
    fn write_logprobs(&mut self, fields: &ObjectFields<'_>, chat: &mut Object<'_>) {
        let top = fields.get("top_logprobs").filter(|raw| raw.get() != "0");
        top.map(|raw| chat.raw("top_logprobs", raw.get()));
        let included = fields.get("include").map(|raw| self.read_included(raw));
        let included = included.unwrap_or_default();
        if top.is_some() || included.iter().any(|name| name == LOGPROBS) {
            chat.value("logprobs", &true);
        }
        for name in included.iter().filter(|name| *name != LOGPROBS) {
            if name != ENCRYPTED_REASONING {
                self.leave_out("include", name);
            }
        }
    }

    fn read_included(&mut self, raw: &RawValue) -> Vec<String> {
        serde_json::from_str(raw.get()).unwrap_or_else(|_| {
            self.add_invalid("include", "must be an array of strings");
            Vec::new()
        })
    }
}
