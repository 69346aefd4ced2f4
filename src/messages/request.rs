//! The translation of a request into a chat request. Claude API reference, *Create a Message*.

use std::rc::Rc;

use serde_json::value::RawValue;

use super::{
    conversation, tools,
    translation::{MessagesTranslation, PathStep},
};
use crate::{
    chat::{
        error::Error,
        mistake::{MistakeKind, Unreadable},
        object::ObjectFields,
        parameter::{OriginalRequest, Parameters},
        request::checked_parameters,
        text::Text,
    },
    json::{Object, list},
};

/// The longest id of a user that OpenAI's servers take, in characters. OpenAI's API reference,
/// `safety_identifier`.
const MAX_USER: usize = 64;

/// The key of a conversation that Claude's servers keep. Claude API, *Message threads*.
pub(super) const THREAD: &str = "thread";

/// Keys that have the same name and meaning in the chat API.
const SAME_KEYS: [&str; 15] = [
    "model",
    "max_tokens",
    "temperature",
    "top_p",
    "top_k",
    "stream",
    "cache_control",
    "fallback_config",
    "post_processing_steps",
    "transcript_id",
    "model_region",
    "service_tier",
    "zero_data_retention",
    "fail_fast",
    "max_timeout",
];

/// Keys that are translated, besides those of [`SAME_KEYS`].
const TRANSLATED_KEYS: [&str; 10] = [
    "messages",
    "system",
    "stop_sequences",
    "tools",
    "tool_choice",
    "thinking",
    "output_config",
    "output_format",
    "metadata",
    "fallbacks",
];

/// Chat request that a request was translated into.
#[derive(Debug, Default)]
pub struct ChatBody {
    /// The chat request, in JSON.
    json: Vec<u8>,
    /// Paths of fields that the chat API does not have.
    left_out: Vec<String>,
}

impl ChatBody {
    /// Returns the parameters of the chat request, beside those of the body that it was translated
    /// from.
    pub fn parameters<'a>(&'a self, body: &'a [u8]) -> Result<Parameters<'a>, Unreadable> {
        let mut parameters = checked_parameters(&self.json)?;
        parameters.left_out.clone_from(&self.left_out);
        let fields = serde_json::from_slice(body).ok();
        let original = fields.map(|fields| OriginalRequest { body: Some(body), fields });
        parameters.original = original.map(Rc::new);
        Ok(parameters)
    }

    /// Returns the chat request in JSON.
    pub fn json(&self) -> &[u8] {
        &self.json
    }
}

/// Translates a body, whose depth is checked and which must have the `required` fields. The error lists all mistakes in it.
pub fn to_chat(body: &[u8], required: &[&str]) -> Result<ChatBody, Error> {
    let fields: ObjectFields<'_> =
        serde_json::from_slice(body).map_err(|error| Unreadable::new(&error))?;
    let mut translation = MessagesTranslation::default();
    if fields.get(THREAD).is_some() {
        let problem = "conversations are not kept here, send all messages without it";
        translation.add(MistakeKind::Unsupported, THREAD, problem);
    }
    for required in required {
        if fields.get(required).is_none() {
            translation.add(MistakeKind::Missing, required, "is required");
        }
    }
    let mut json = Vec::with_capacity(body.len() + body.len() / 8 + 256);
    let mut chat = Object::open(&mut json);
    translation.write_request(&fields, &fields, &mut chat);
    translation.write_fallbacks(&fields, &mut chat);
    chat.close();
    let (mistakes, left_out) = translation.into_reports();
    if mistakes.is_empty() {
        Ok(ChatBody { json, left_out })
    } else {
        Err(Error::Invalid(mistakes))
    }
}

impl MessagesTranslation {
    /// Writes the keys of a request, or of a fallback that overrides fields of `base`.
    fn write_request(
        &mut self,
        fields: &ObjectFields<'_>,
        base: &ObjectFields<'_>,
        chat: &mut Object<'_>,
    ) {
        for (key, raw) in fields.iter().filter(|(_, raw)| raw.get() != "null") {
            if key == "service_tier" {
                chat.raw(key, service_tier(raw));
            } else if SAME_KEYS.contains(&key) {
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
        if let Some(stop) = fields.get("stop_sequences") {
            chat.raw("stop", stop.get());
        }
        tools::write(self, fields, chat);
        self.write_reasoning(fields, chat);
        self.write_format(fields, chat);
        self.write_user(fields, chat);
    }

    /// Writes the fallbacks, each translated like the request.
    fn write_fallbacks(&mut self, fields: &ObjectFields<'_>, chat: &mut Object<'_>) {
        let Some(raw) = fields.get("fallbacks") else { return };
        let entries = self.read_list("fallbacks", raw, "an array of objects");
        list(chat.key("fallbacks"), entries.into_iter().enumerate(), |out, (index, raw)| {
            self.within(PathStep::Key("fallbacks"), |all| {
                all.within(PathStep::Index(index), |own| {
                    let entry = own.read_object("", raw, "an object").unwrap_or_default();
                    let mut over = Object::open(out);
                    own.write_request(&entry, fields, &mut over);
                    over.close();
                });
            });
        });
    }

    /// Returns the object in a field, or adds a mistake.
    fn object_field<'a>(
        &mut self,
        fields: &ObjectFields<'a>,
        key: &str,
    ) -> Option<ObjectFields<'a>> {
        fields.get(key).and_then(|raw| self.read_object(key, raw, "an object"))
    }

    /// Writes the way of thinking: `reasoning_effort`, or the budget of `reasoning`.
    fn write_reasoning(&mut self, fields: &ObjectFields<'_>, chat: &mut Object<'_>) {
        let effort = self.object_field(fields, "output_config").and_then(|own| own.get("effort"));
        let Some(thinking) = self.object_field(fields, "thinking") else {
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
        let Some(metadata) = self.object_field(fields, "metadata") else { return };
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
