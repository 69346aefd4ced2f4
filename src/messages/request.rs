//! The translation of a request into a chat request. Claude API reference, *Create a Message*.

use serde_json::value::RawValue;

use super::{conversation, tools};
use crate::{
    chat::{error::Error, mistake::MistakeKind, object::ObjectFields, text::Text},
    client_api::{
        chat_body::{ChatBody, OWN_KEYS},
        translation::InletTranslation,
    },
    json::Object,
};

/// The longest id of a user that OpenAI's servers take, in characters. OpenAI's API reference,
/// `safety_identifier`.
const MAX_USER: usize = 64;

/// The key of a conversation that Claude's servers keep. Claude API, *Message threads*.
pub(super) const THREAD: &str = "thread";

/// Keys that have the same name and meaning in the chat API.
const SAME_KEYS: [&str; 7] =
    ["model", "max_tokens", "temperature", "top_p", "top_k", "stream", "cache_control"];

/// Keys that are translated.
const TRANSLATED_KEYS: [&str; 11] = [
    "messages",
    "system",
    "stop_sequences",
    "tools",
    "tool_choice",
    "thinking",
    "output_config",
    "output_format",
    "metadata",
    "service_tier",
    "fallbacks",
];

/// Translates a body, which must have the `required` fields. The error lists all mistakes in it.
pub fn to_chat(body: &[u8], required: &[&str]) -> Result<ChatBody, Error> {
    ChatBody::translate(body, required, &InletTranslation::write_messages_request)
}

impl InletTranslation {
    /// Writes the keys of a request, or of a fallback that overrides fields of `base`.
    fn write_messages_request(
        &mut self,
        fields: &ObjectFields<'_>,
        base: &ObjectFields<'_>,
        chat: &mut Object<'_>,
    ) {
        if fields.get(THREAD).is_some() && !self.is_in_fallback() {
            let problem = "conversations are not kept here, send all messages without it";
            self.add(MistakeKind::Unsupported, THREAD, problem);
        }
        for (key, raw) in fields.iter().filter(|(_, raw)| raw.get() != "null") {
            if SAME_KEYS.contains(&key) || OWN_KEYS.contains(&key) {
                chat.raw(key, raw.get());
            } else if !TRANSLATED_KEYS.contains(&key) {
                self.leave_out("", key);
            }
        }
        if fields.get("messages").is_some() || fields.get("system").is_some() {
            let either = |key| fields.get(key).or_else(|| base.get(key));
            let (system, messages) = (either("system"), either("messages"));
            conversation::write(self, system, messages, chat.key("messages"));
        }
        fields.get("stop_sequences").map(|stop| chat.raw("stop", stop.get()));
        fields.get("service_tier").map(|raw| chat.raw("service_tier", service_tier(raw)));
        tools::write(self, fields, chat);
        self.write_reasoning(fields, chat);
        self.write_format(fields, chat);
        self.write_user(fields, chat);
    }

    /// Writes the way of thinking: `reasoning_effort`, or the budget of `reasoning`.
    fn write_reasoning(&mut self, fields: &ObjectFields<'_>, chat: &mut Object<'_>) {
        let effort = self.read_field(fields, "output_config").and_then(|own| own.get("effort"));
        let Some(thinking) = self.read_field(fields, "thinking") else {
            effort.map(|effort| chat.raw("reasoning_effort", effort.get()));
            return;
        };
        let kind = thinking.text("type");
        match kind.as_ref().map(Text::decode).unwrap_or_default().as_ref() {
            "disabled" => {
                chat.value("reasoning_effort", "none");
            }
            "adaptive" => {
                chat.raw("reasoning_effort", effort.map_or(DEFAULT_EFFORT, RawValue::get));
            }
            "enabled" => match thinking.get("budget_tokens") {
                Some(budget) => {
                    chat.object("reasoning", |reasoning| {
                        reasoning.raw("max_tokens", budget.get());
                    });
                }
                None => self.add(MistakeKind::Missing, "thinking.budget_tokens", "is required"),
            },
            _ => self.add_invalid("thinking.type", "must be enabled, adaptive or disabled"),
        }
    }

    /// Writes the schema of the answer.
    fn write_format(&mut self, fields: &ObjectFields<'_>, chat: &mut Object<'_>) {
        let new = fields.object("output_config").and_then(|config| config.get("format"));
        let Some(raw) = new.or_else(|| fields.get("output_format")) else { return };
        let path = if new.is_some() { "output_config.format" } else { "output_format" };
        let expected = "an object with type json_schema and schema";
        let Some(format) = self.read_object(path, raw, expected) else { return };
        let is_schema = format.text("type").is_some_and(|kind| kind.decode() == "json_schema");
        let Some(schema) = format.get("schema").filter(|_| is_schema) else {
            return self.add_invalid(path, &["must be ", expected].concat());
        };
        chat.object("response_format", |format| {
            format.value("type", "json_schema").object("json_schema", |json_schema| {
                json_schema.value("name", "answer").raw("schema", schema.get());
                json_schema.value("strict", &true);
            });
        });
    }

    /// Writes the id of the user, unless it is too long for other providers.
    fn write_user(&mut self, fields: &ObjectFields<'_>, chat: &mut Object<'_>) {
        let Some(metadata) = self.read_field(fields, "metadata") else { return };
        let Some(user) = metadata.text("user_id") else {
            if metadata.get("user_id").is_some() {
                self.add_invalid("metadata.user_id", "must be a string");
            }
            return;
        };
        if user.decode().chars().count() <= MAX_USER {
            chat.value("user", &user);
        } else {
            self.leave_out("metadata", "user_id");
        }
    }
}

/// The effort of adaptive thinking without one. Claude API, *Effort*.
const DEFAULT_EFFORT: &str = "\"high\"";

/// Returns OpenAI's word for a service tier.
fn service_tier(raw: &RawValue) -> &str {
    if raw.get() == "\"standard_only\"" { "\"default\"" } else { raw.get() }
}
