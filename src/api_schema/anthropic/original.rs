//! A request that came in Claude's own API. Claude gets it as it came, but for the fields that depend
//! on the target or on the gateway: whatever a translation would lose is kept.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::{
    fields::{write_model, write_thinking},
    prompt_cache::marked_field,
    response_format::OutputFormat,
    thinking::{SAMPLING, ThinkingMode},
};
use crate::{
    api_schema::translation::TranslationInput,
    chat::{
        object::ObjectFields,
        parameter::{OriginalRequest, Parameter, ParameterScope},
        request::Request,
        text::Text,
    },
    client_api::carried::is_foreign_block,
    config::{Model, PromptCache, Quirk, Thinking},
    fit::{Fit, StreamMode, response_format::FormatMode},
    json::{Object, list},
};

/// Parameters of a chat request whose changes apply to the original too.
const FITTED: [&str; 7] = [
    "temperature",
    "top_p",
    "top_k",
    "reasoning_effort",
    "reasoning.max_tokens",
    "stream",
    "zero_data_retention",
];

/// Removes from a fit what only a translation has to drop or to refuse.
pub(super) fn forget_translation(fit: &mut Fit<'_>, refused: usize) {
    fit.refused.truncate(refused);
    fit.dropped.retain(|name| {
        let is_own = Parameter::parse(name)
            .is_some_and(|parameter| parameter.scope() == ParameterScope::Gateway);
        is_own || FITTED.contains(&name.as_ref())
    });
    fit.clamped.retain(|(name, _)| *name != Parameter::Stop.name());
    fit.corrected.retain(|place| place == "lone_surrogates");
    fit.emulated.clear();
    fit.format = FormatMode::Native;
}

/// Returns `true` if the target takes the way of thinking as the client put it.
pub(super) fn keeps_thinking(
    original: &OriginalRequest<'_>,
    request: &Request<'_>,
    fit: &Fit<'_>,
    model: &Model,
) -> bool {
    let is_unchanged = fit.effort == request.effort && fit.budget == request.reasoning_max_tokens;
    let kind = original.fields.object("thinking").and_then(|thinking| thinking.text("type"));
    let kind = kind.as_ref().map(Text::decode);
    is_unchanged
        && match kind.as_deref() {
            Some("adaptive") => matches!(model.thinking, None | Some(Thinking::Adaptive)),
            None => request.effort.is_none() || model.thinking != Some(Thinking::Budget),
            Some(_) => true,
        }
}

/// Returns the body for the target. `thinking` replaces the client's own way of thinking, and `cache`
/// decides whether the gateway places marks.
pub(super) fn write_body(
    input: &TranslationInput<'_, '_>,
    original: &OriginalRequest<'_>,
    thinking: Option<(ThinkingMode, &OutputFormat)>,
    cache: PromptCache,
) -> Vec<u8> {
    let has_model = !input.target.provider.has(Quirk::RawPredict);
    let fields = original.fields.iter();
    let edited = fields.map(|(key, raw)| {
        let json = edit(key, raw, input, thinking.is_none());
        (
            key,
            if cache == PromptCache::Auto {
                json.map(|json| marked_field(key, json))
            } else {
                json
            },
        )
    });
    let edited: Vec<(&str, Option<Cow<'_, str>>)> = edited.collect();
    let is_unchanged = has_model
        && thinking.is_none()
        && original
            .fields
            .iter()
            .zip(&edited)
            .all(|((_, raw), (_, json))| json.as_deref() == Some(raw.get()));
    if let Some(body) = original.body.filter(|_| is_unchanged) {
        return body.to_vec();
    }
    let mut out = Vec::with_capacity(input.request.parameters.length() + 256);
    let mut body = Object::open(&mut out);
    if !has_model {
        write_model(&mut body, &input.target);
    }
    for (key, json) in edited {
        if let Some(json) = json {
            body.foreign_key(key).extend_from_slice(json.as_bytes());
        }
    }
    if let Some((thinking, format)) = thinking {
        write_thinking(&mut body, thinking, format);
    }
    body.close();
    out
}

/// Returns the value that a field has for the target. `None`: the field does not go along.
fn edit<'q>(
    key: &str,
    raw: &'q RawValue,
    input: &'q TranslationInput<'_, '_>,
    keeps_thinking: bool,
) -> Option<Cow<'q, str>> {
    let (fit, target) = (input.fit, &input.target);
    let parameter = Parameter::parse(key);
    let as_sent = Some(Cow::Borrowed(raw.get()));
    match key {
        "model" if target.provider.has(Quirk::RawPredict) => None,
        "model" => {
            let name = Text::new(&target.endpoint.upstream_model);
            Some(Cow::Owned(name.json().to_owned()))
        }
        "messages" => Some(without_foreign_blocks(raw)),
        "stream" => as_sent.filter(|_| fit.stream == StreamMode::On || raw.get() == "false"),
        "max_tokens" => fit.value(Parameter::MaxTokens).map(Cow::Borrowed),
        "zero_data_retention" => None,
        "thinking" | "output_config" => as_sent.filter(|_| keeps_thinking),
        // Vertex AI takes the features in the body, other servers in a header.
        "anthropic_beta" => as_sent.filter(|_| target.provider.has(Quirk::RawPredict)),
        _ => match parameter {
            Some(sampling) if SAMPLING.contains(&sampling) => {
                fit.value(sampling).map(Cow::Borrowed)
            }
            Some(own) if own.scope() == ParameterScope::Gateway => None,
            _ => as_sent,
        },
    }
}

/// Returns messages without the blocks that other providers' answers have left, which Claude refuses.
fn without_foreign_blocks(messages: &RawValue) -> Cow<'_, str> {
    let json = messages.get();
    if !is_foreign_block(json) {
        return Cow::Borrowed(json);
    }
    let all: Vec<&RawValue> = serde_json::from_str(json).unwrap_or_default();
    let mut out = Vec::with_capacity(json.len());
    let kept = all.into_iter().filter_map(without_foreign_content);
    list(&mut out, kept, |out, message| out.extend_from_slice(message.as_bytes()));
    String::from_utf8(out).map_or(Cow::Borrowed(json), Cow::Owned)
}

/// Returns a message without such blocks. `None` if it has no others.
fn without_foreign_content(message: &RawValue) -> Option<Cow<'_, str>> {
    let as_sent = Some(Cow::Borrowed(message.get()));
    if !is_foreign_block(message.get()) {
        return as_sent;
    }
    let Some(fields) = ObjectFields::read(message) else { return as_sent };
    let blocks = fields.get("content").and_then(|raw| serde_json::from_str(raw.get()).ok());
    let Some::<Vec<&RawValue>>(mut blocks) = blocks else { return as_sent };
    blocks.retain(|block| !is_thinking(block) || !is_foreign_block(block.get()));
    if blocks.is_empty() {
        return None;
    }
    let mut out = Vec::new();
    let mut object = Object::open(&mut out);
    for (key, raw) in fields.iter() {
        let value = object.foreign_key(key);
        if key == "content" {
            list(value, &blocks, |out, block| out.extend_from_slice(block.get().as_bytes()));
        } else {
            value.extend_from_slice(raw.get().as_bytes());
        }
    }
    object.close();
    String::from_utf8(out).ok().map(Cow::Owned)
}

fn is_thinking(block: &RawValue) -> bool {
    let kind = ObjectFields::read(block).and_then(|block| block.text("type"));
    kind.is_some_and(|kind| matches!(kind.decode().as_ref(), "thinking" | "redacted_thinking"))
}
