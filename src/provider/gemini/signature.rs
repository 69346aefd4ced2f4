//! Thought signatures: what Gemini must get back with a call it made, on their way through clients
//! that know nothing of them. ai.google.dev, *Thought signatures*.

use std::borrow::Cow;

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
pub(super) struct Signatures<'a>(Vec<Detail<'a>>);

#[derive(Debug, Deserialize)]
struct Detail<'a> {
    #[serde(borrow, default)]
    data: Option<Text<'a>>,
    #[serde(borrow, default)]
    id: Option<Text<'a>>,
    #[serde(borrow, default)]
    format: Option<Cow<'a, str>>,
}

impl Detail<'_> {
    /// Whether Gemini wrote it: others' signatures mean nothing to it.
    fn is_ours(&self) -> bool {
        self.format.as_deref().is_none_or(|format| format == FORMAT)
    }
}

impl<'a> Signatures<'a> {
    /// What can be read of a message's `reasoning_details`.
    pub(super) fn of(message: &Message<'a>) -> Self {
        let raw = message.reasoning_details;
        let details = raw.and_then(|raw| serde_json::from_str::<Vec<&RawValue>>(raw.get()).ok());
        let details = details.into_iter().flatten();
        let details = details.filter_map(|raw| serde_json::from_str(raw.get()).ok());
        Self(details.filter(Detail::is_ours).collect())
    }

    /// The signature of a call: in the call itself, or among the details under its id.
    pub(super) fn of_call(&self, call: &ToolCall<'a>) -> Option<String> {
        in_call(call).or_else(|| self.find(|id| id.is_some_and(|id| same(id, &call.id))))
    }

    /// The signature of what the message says.
    pub(super) fn of_text(&self) -> Option<String> {
        self.find(|id| id.is_none())
    }

    fn find(&self, is_it: impl Fn(Option<&Text<'a>>) -> bool) -> Option<String> {
        let found = self.0.iter().find(|detail| is_it(detail.id.as_ref()))?;
        genuine(found.data.as_ref()?)
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
    (!plain.is_empty() && super::media::is_base64(&plain)).then(|| plain.into_owned())
}

/// Whether two ids are the same, however they are escaped.
pub(super) fn same(one: &Text<'_>, other: &Text<'_>) -> bool {
    one.json() == other.json() || one.decode() == other.decode()
}
