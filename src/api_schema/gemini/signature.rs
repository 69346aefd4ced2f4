//! Thought signatures: what Gemini must get back with a call it made, on their way through clients
//! that know nothing of them. ai.google.dev, *Thought signatures*.

use std::{borrow::Cow, collections::BTreeMap};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    chat::{
        message::{Message, ToolCall},
        text::Text,
    },
    json::Object,
};

/// `skip_thought_signature_validator` in base64: what Google's *Thought signatures*, FAQ, gives for
/// calls whose signature is lost, or that another model made.
pub(super) const LOST: &str = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=";

/// The `format` of our `reasoning_details`, as OpenRouter calls it (*Reasoning tokens*).
const FORMAT: &str = "google-gemini-v1";

/// `extra_content` of a call, as Google's own OpenAI-compatible endpoint spells it
/// (ai.google.dev, *OpenAI compatibility*).
pub(super) fn extra_content(signature: &Text<'_>) -> String {
    format!("{{\"google\":{{\"thought_signature\":{}}}}}", signature.json())
}

/// One entry of `reasoning_details`; of a call, if there is an id. OpenRouter, *Reasoning tokens*.
pub(super) fn detail(signature: &Text<'_>, id: Option<&Text<'_>>, index: usize) -> String {
    let mut out = Vec::with_capacity(signature.json().len() + 128);
    let mut detail = Object::open(&mut out);
    detail.value("type", "reasoning.encrypted").raw("data", signature.json());
    if let Some(id) = id {
        detail.raw("id", id.json());
    }
    detail.value("format", FORMAT).value("index", &index);
    detail.close();
    String::from_utf8(out).unwrap_or_default()
}

/// The signatures a client gave back with one message.
#[derive(Debug, Default)]
pub(super) struct Signatures {
    of_calls: BTreeMap<String, String>,
    of_text: Option<String>,
}

#[derive(Deserialize)]
struct Detail<'a> {
    #[serde(borrow)]
    data: Text<'a>,
    #[serde(borrow, default)]
    id: Option<Text<'a>>,
    #[serde(borrow, default)]
    format: Option<Cow<'a, str>>,
}

impl Signatures {
    /// What can be read of a message's `reasoning_details`. Others' signatures mean nothing here.
    pub(super) fn of(message: &Message<'_>) -> Self {
        let mut signatures = Self::default();
        let raw = message.reasoning_details;
        let details = raw.and_then(|raw| serde_json::from_str::<Vec<&RawValue>>(raw.get()).ok());
        for raw in details.into_iter().flatten() {
            if let Ok(Detail { data, id, format }) = serde_json::from_str(raw.get())
                && format.is_none_or(|format| format == FORMAT)
            {
                signatures.keep(id.as_ref(), genuine(&data));
            }
        }
        signatures
    }

    fn keep(&mut self, id: Option<&Text<'_>>, signature: Option<String>) {
        match (id, signature) {
            (Some(id), Some(signature)) => {
                self.of_calls.entry(id.decode().into_owned()).or_insert(signature);
            }
            (None, Some(signature)) => self.of_text = Some(signature),
            (_, None) => {}
        }
    }

    /// The signature of a call: in the call itself, or among the details under its id.
    pub(super) fn of_call(&self, call: &ToolCall<'_>) -> Option<String> {
        in_call(call).or_else(|| self.of_calls.get(call.id.decode().as_ref()).cloned())
    }

    /// The signature of what the message says.
    pub(super) fn of_text(&self) -> Option<&str> {
        self.of_text.as_deref()
    }
}

fn in_call(call: &ToolCall<'_>) -> Option<String> {
    #[derive(Deserialize)]
    struct Extra<'a> {
        #[serde(borrow, default)]
        google: Option<Google<'a>>,
    }
    #[derive(Deserialize)]
    struct Google<'a> {
        #[serde(borrow, default)]
        thought_signature: Option<Text<'a>>,
    }
    let extra: Extra<'_> = serde_json::from_str(call.extra_content?.get()).ok()?;
    genuine(&extra.google?.thought_signature?)
}

/// A signature that can be one. Anything but base64 would be refused with the whole request.
fn genuine(text: &Text<'_>) -> Option<String> {
    let plain = text.decode();
    (!plain.is_empty() && crate::api_schema::data_url::is_base64(&plain))
        .then(|| plain.into_owned())
}
