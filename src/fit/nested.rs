//! What is left out inside of parameters that go on.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::value::RawValue;

use super::support::{ParameterSupport, support_of};
use super::{Fit, MAX_REPORTED, is_plain};
use crate::{
    chat::{
        message::{Content, Part},
        parameter::Parameter,
        request::Request,
    },
    config::ApiSchema,
};

/// A mark for a provider's cache, by where it stands.
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
    /// Reports the marks for a provider's cache that do not go on, once for messages and once for
    /// tools.
    pub fn drop_cache_control(
        &mut self,
        request: &Request<'_>,
        goes_on: impl Fn(CacheControlMark<'_>) -> bool + Copy,
    ) {
        let is_lost = |mark: Option<CacheControlMark<'_>>| mark.is_some_and(|mark| !goes_on(mark));
        let messages = request.messages.iter().any(|message| {
            let lost = |part: &Part<'_>| is_lost(part.cache_control.map(CacheControlMark::Part));
            is_lost(message.cache_control.map(CacheControlMark::Message))
                || parts(&message.content).any(lost)
        });
        let mut tools = request.tools.iter();
        let tools = tools.any(|tool| is_lost(tool.cache_control.map(CacheControlMark::Tool)));
        for (name, is_lost) in [("messages", messages), ("tools", tools)] {
            if is_lost {
                self.dropped.push(Cow::Owned(format!("{name}.cache_control")));
            }
        }
    }

    /// Reports that pictures are shown as the provider likes, where the client said how.
    pub fn drop_image_detail(&mut self, request: &Request<'_>) {
        let parts = request.messages.iter().flat_map(|message| parts(&message.content));
        let mut details = parts.filter_map(|part| part.image_url.as_ref()?.detail.as_ref());
        if details.any(|detail| detail.decode() != "auto") {
            self.dropped.push(Cow::Borrowed("image_url.detail"));
        }
    }

    /// Reports the keys of `stream_options`, of `reasoning` and of `fallback_config` that nobody
    /// reads. `false` asks for what is so anyway.
    pub(super) fn inside(&mut self, request: &Request<'_>, schema: ApiSchema) {
        // A budget goes on with all that stands beside it, where nobody needs to read it.
        let is_whole = self.value(Parameter::Reasoning).is_some()
            && support_of(Parameter::Reasoning, schema) == ParameterSupport::Mapped;
        for (parameter, known) in [
            (Parameter::StreamOptions, &["include_usage"][..]),
            (Parameter::Reasoning, &["effort", "max_tokens"]),
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
            let lost = keys.map(|(key, _)| Cow::Owned(format!("{name}.{key}")));
            self.dropped.extend(lost.take(MAX_REPORTED));
        }
    }
}

/// An object, unread.
type UnreadObject<'a> = BTreeMap<String, &'a RawValue>;

/// The parts of a message that has any.
fn parts<'c, 'a>(content: &'c Content<'a>) -> impl Iterator<Item = &'c Part<'a>> {
    let parts = if let Content::Parts(parts) = content { parts.as_slice() } else { &[] };
    parts.iter()
}
