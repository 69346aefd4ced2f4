//! An answer in one piece.

use super::wire::{self, Completion, WireCall, WireChoice, WireFunction, WireMessage};
use crate::{
    api_schema::{error, origin::ResponseContext},
    chat::{
        answer::{Answer, Call, Choice},
        error::Error,
        finish::Finish,
        text::Text,
    },
};

/// Translates an answer in one piece.
pub(super) fn read<'a>(body: &'a [u8], origin: ResponseContext<'_>) -> Result<Answer<'a>, Error> {
    let wire: Completion<'a> = serde_json::from_slice(body)
        .map_err(|error| origin.unreadable(&error, "is not a chat completion"))?;
    if let Some(error) = wire.error {
        return Err(error::classify_embedded(origin, error));
    }
    let mut choices = wire.choices.unwrap_or_default();
    choices.sort_by_key(|choice| choice.index);
    if choices.is_empty() {
        return Err(origin.bad("has no choices"));
    }
    let usage = wire.usage.or_else(|| choices.iter().find_map(|choice| choice.usage));
    if choices.iter().any(WireChoice::is_failed) {
        return Err(origin.bad("ended in an error it does not name"));
    }
    Ok(Answer {
        choices: choices.into_iter().map(choice).collect(),
        usage,
        system_fingerprint: wire.system_fingerprint,
        service_tier: wire.service_tier,
    })
}

fn choice(wire: WireChoice<'_>) -> Choice<'_> {
    let finish = wire.finish().unwrap_or(Finish::Stop);
    let word = wire.finish_reason.filter(|word| !word.is_empty());
    let message = wire.message.or(wire.delta).unwrap_or_default();
    let (reasoning_details, images) = (message.details(), message.images());
    let WireMessage { content, function_call, tool_calls, .. } = message;
    let mut calls: Vec<Call<'_>> =
        tool_calls.into_iter().flatten().filter_map(complete_call).collect();
    if calls.is_empty() {
        calls.extend(function_call.and_then(|function| named_call(None, function)));
    }
    let silent = calls.is_empty() && message.refusal.is_none();
    let (text, thoughts) = content.map_or((None, None), |content| (content.text, content.thoughts));
    Choice {
        content: text.or_else(|| silent.then(|| Text::new(""))),
        refusal: message.refusal,
        reasoning: message.reasoning_content.or(message.reasoning).or(thoughts),
        reasoning_details,
        images,
        finish: finish.with_calls(!calls.is_empty()),
        calls,
        native_finish: wire.native_finish_reason.or(word),
        logprobs: wire.logprobs.map(wire::logprobs),
        annotations: message.annotations,
        audio: message.audio,
    }
}

fn complete_call(wire: WireCall<'_>) -> Option<Call<'_>> {
    named_call(wire.id, wire.function?)
}

/// Returns a call, unless its name is missing or empty.
fn named_call<'a>(id: Option<Text<'a>>, function: WireFunction<'a>) -> Option<Call<'a>> {
    Some(Call {
        id: id.filter(|id| !id.is_empty()),
        arguments: function.arguments().unwrap_or_else(|| Text::new("{}")),
        name: function.name.filter(|name| !name.is_empty())?,
        extra_content: None,
    })
}
