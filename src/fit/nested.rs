//! Fields inside forwarded parameters that are dropped.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::value::RawValue;

use super::support::{ParameterSupport, support_of};
use super::{Fit, MAX_REPORTED, is_plain};
use crate::{
    chat::{
        message::{Message, Part},
        parameter::{ClientApi, Parameter},
        request::Request,
    },
    config::{ApiSchema, Provider, Quirk},
};

/// A `cache_control` mark, by its place in the request.
#[derive(Clone, Copy, Debug)]
pub enum CacheControlMark<'q> {
    /// On a message as a whole.
    Message(&'q RawValue),
    /// On a part of a message.
    Part(&'q RawValue),
    /// On a tool.
    Tool(&'q RawValue),
}

impl Fit<'_> {
    /// Reports the `cache_control` marks that are not forwarded, once for messages and once for
    /// tools.
    pub fn drop_cache_control(
        &mut self,
        request: &Request<'_>,
        is_forwarded: impl Fn(CacheControlMark<'_>) -> bool + Copy,
    ) {
        let is_dropped =
            |mark: Option<CacheControlMark<'_>>| mark.is_some_and(|mark| !is_forwarded(mark));
        let messages = request.messages.iter().any(|message| {
            let dropped =
                |part: &Part<'_>| is_dropped(part.cache_control.map(CacheControlMark::Part));
            is_dropped(message.cache_control.map(CacheControlMark::Message))
                || message.content.parts().iter().any(dropped)
        });
        let mut tools = request.tools.iter();
        let tools = tools.any(|tool| is_dropped(tool.cache_control.map(CacheControlMark::Tool)));
        for (name, is_dropped) in [("messages", messages), ("tools", tools)] {
            if is_dropped {
                self.dropped.push(Cow::Owned(format!("{name}.cache_control")));
            }
        }
    }

    /// Reports `image_url.detail`, where it is not `auto`, for an API schema without such a field.
    pub fn drop_image_detail(&mut self, request: &Request<'_>) {
        let parts = request.messages.iter().flat_map(|message| message.content.parts());
        let mut details = parts.filter_map(|part| part.image_url.as_ref()?.detail.as_ref());
        if details.any(|detail| detail.decode() != "auto") {
            self.dropped.push(Cow::Borrowed("image_url.detail"));
        }
    }

    /// Reports the thoughts of earlier turns under AssemblyAI's name, `thinking`, unless the provider
    /// receives them as `reasoning_content`.
    pub(super) fn drop_thinking(&mut self, request: &Request<'_>, provider: &Provider) {
        let takes_thoughts = provider.has(Quirk::ReasoningWithToolCalls);
        let is_dropped = |message: &Message<'_>| {
            let is_forwarded =
                takes_thoughts && message.has_calls() && message.reasoning_content.is_none();
            message.thinking.as_ref().is_some_and(|text| !text.is_empty()) && !is_forwarded
        };
        if request.messages.iter().any(is_dropped) {
            self.dropped.push(Cow::Borrowed("messages.thinking"));
        }
    }

    /// Reports the unknown keys of `stream_options`, `reasoning` and `fallback_config`, except for
    /// those with the value `false`, which has no effect.
    pub(super) fn drop_nested(&mut self, request: &Request<'_>, schema: ApiSchema) {
        // A forwarded budget keeps the unknown keys beside it.
        let is_whole = self.value(Parameter::Reasoning).is_some()
            && support_of(Parameter::Reasoning, schema) == ParameterSupport::Mapped;
        let asks_in_responses = request.parameters.original_in(ClientApi::Responses).is_some();
        let reasoning: &[&str] = match schema {
            ApiSchema::OpenAiResponses => &["effort", "max_tokens", "summary", "exclude"],
            // Claude and Gemini give thoughts to whoever asks for an effort.
            ApiSchema::Anthropic | ApiSchema::Gemini | ApiSchema::BedrockConverse
                if asks_in_responses =>
            {
                &["effort", "max_tokens", "summary"]
            }
            _ => &["effort", "max_tokens"],
        };
        for (parameter, known) in [
            (Parameter::StreamOptions, &["include_usage"][..]),
            (Parameter::Reasoning, reasoning),
            (Parameter::FallbackConfig, &["retry", "depth", "hedge_ms"]),
        ] {
            let raw = request.parameters.get(parameter);
            let raw = raw.filter(|_| parameter != Parameter::Reasoning || !is_whole);
            let keys = raw.map(|raw| serde_json::from_str::<UnreadObject<'_>>(raw.get()));
            let keys = keys.into_iter().flatten().flatten().filter(|(key, raw)| {
                is_plain(key)
                    && !known.contains(&key.as_str())
                    && !matches!(raw.get(), "false" | "null")
            });
            let name = parameter.name();
            let dropped = keys.map(|(key, _)| Cow::Owned(format!("{name}.{key}")));
            self.dropped.extend(dropped.take(MAX_REPORTED));
        }
    }
}

/// The values of an object, unread.
type UnreadObject<'a> = BTreeMap<String, &'a RawValue>;
