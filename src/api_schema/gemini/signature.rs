//! Thought signatures, which Gemini requires back with the calls it made. Clients that know nothing
//! of them pass them on in `extra_content` or `reasoning_details`. ai.google.dev, *Thought
//! signatures*.

use std::{borrow::Cow, collections::BTreeMap};

use serde::Deserialize;

use crate::{
    api_schema::{data_url::is_base64, raw_items::raw_items},
    chat::{
        message::{Message, ToolCall},
        text::Text,
    },
    json::Object,
};

/// Placeholder for the signature of a call that lost its own, or that another model made:
/// `skip_thought_signature_validator` in base64. Google, *Thought signatures*, FAQ.
pub(super) const PLACEHOLDER: &str = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=";

/// `format` of our `reasoning_details`. OpenRouter, *Reasoning tokens*.
const FORMAT: &str = "google-gemini-v1";

/// Returns the `extra_content` of a call, in the form of Google's own OpenAI-compatible endpoint.
/// ai.google.dev, *OpenAI compatibility*.
pub(super) fn extra_content(signature: &Text<'_>) -> String {
    format!("{{\"google\":{{\"thought_signature\":{}}}}}", signature.json())
}

/// Returns an entry of `reasoning_details`, with the `id` of the call that the signature belongs
/// to. OpenRouter, *Reasoning tokens*.
pub(super) fn reasoning_detail(
    signature: &Text<'_>,
    id: Option<&Text<'_>>,
    index: usize,
) -> String {
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

/// Signatures that a client returned in the `reasoning_details` of one message.
#[derive(Debug, Default)]
pub(super) struct Signatures {
    by_call_id: BTreeMap<String, String>,
    text: Option<String>,
}

#[derive(Deserialize)]
struct EncryptedDetail<'a> {
    #[serde(borrow)]
    data: Text<'a>,
    #[serde(borrow, default)]
    id: Option<Text<'a>>,
    #[serde(borrow, default)]
    format: Option<Cow<'a, str>>,
}

impl Signatures {
    /// Reads a message's `reasoning_details`. Skips entries of other providers, and malformed ones.
    pub(super) fn read(message: &Message<'_>) -> Self {
        let mut signatures = Self::default();
        for raw in raw_items(message.reasoning_details) {
            if let Ok(EncryptedDetail { data, id, format }) = serde_json::from_str(raw.get())
                && format.is_none_or(|format| format == FORMAT)
            {
                signatures.insert(id.as_ref(), valid_signature(&data));
            }
        }
        signatures
    }

    fn insert(&mut self, id: Option<&Text<'_>>, signature: Option<String>) {
        match (id, signature) {
            (Some(id), Some(signature)) => {
                self.by_call_id.entry(id.decode().into_owned()).or_insert(signature);
            }
            (None, Some(signature)) => self.text = Some(signature),
            (_, None) => {}
        }
    }

    /// Returns the signature of a call: its own, or the one among the details under its id.
    pub(super) fn for_call(&self, call: &ToolCall<'_>) -> Option<String> {
        signature_in_call(call).or_else(|| self.by_call_id.get(call.id.decode().as_ref()).cloned())
    }

    /// Returns the signature of the message's text.
    pub(super) fn for_text(&self) -> Option<&str> {
        self.text.as_deref()
    }
}

fn signature_in_call(call: &ToolCall<'_>) -> Option<String> {
    #[derive(Deserialize)]
    struct ExtraContent<'a> {
        #[serde(borrow, default)]
        google: Option<GoogleExtra<'a>>,
    }
    #[derive(Deserialize)]
    struct GoogleExtra<'a> {
        #[serde(borrow, default)]
        thought_signature: Option<Text<'a>>,
    }
    let extra: ExtraContent<'_> = serde_json::from_str(call.extra_content?.get()).ok()?;
    valid_signature(&extra.google?.thought_signature?)
}

/// Returns a signature if it is base64. Gemini would refuse the whole request for anything else.
fn valid_signature(text: &Text<'_>) -> Option<String> {
    let signature = text.decode();
    (!signature.is_empty() && is_base64(&signature)).then(|| signature.into_owned())
}
