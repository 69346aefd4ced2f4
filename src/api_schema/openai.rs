//! OpenAI's chat completions, and the servers that claim to speak them.
//! OpenAI's API reference, *Chat*; what the others do differently is in [`Quirk`].

use std::borrow::Cow;

use serde_json::value::RawValue;

use self::wire::{Completion, WireCall, WireChoice, WireFunction, WireMessage};
use super::{error, origin::ResponseContext, translation::TranslationInput};
use crate::{
    chat::{
        answer::{Answer, Call, Choice},
        error::Error,
        finish::Finish,
        parameter::Parameter,
        text::Text,
        tools::Tool,
    },
    config::{Provider, Quirk},
    fit::StreamMode,
    json::{Object, list},
};

mod fit;
mod messages;
mod stream;
mod wire;

pub(crate) use self::{
    fit::{fit, unsupported_parameters},
    stream::OpenAiDecoder,
};

/// Path below the base URL, and body.
pub(crate) fn request(asked: &TranslationInput<'_, '_>) -> (String, Vec<u8>) {
    let provider = asked.target.provider;
    let mut out = Vec::with_capacity(asked.request.parameters.length() + 256);
    let mut body = Object::open(&mut out);
    body.value("model", &asked.target.endpoint.upstream_model);
    messages::write(body.key("messages"), asked);
    for (parameter, json) in &asked.fit.kept {
        match parameter {
            Parameter::MaxTokens => body.raw(limit_key(provider), json.as_bytes()),
            // A server that takes what we do not know gets tools as they came.
            Parameter::Tools if !forwards_tools(provider) => {
                write_tools(body.key("tools"), &asked.request.tools, asked);
                continue;
            }
            other => body.raw(other.name(), json.as_bytes()),
        };
    }
    stream(&mut body, asked.fit.stream, provider);
    if provider.forward_unknown {
        for (key, raw) in &asked.request.parameters.unknown {
            body.raw(Text::new(key).escaped(), raw.get());
        }
    }
    body.close();
    ("/chat/completions".to_owned(), out)
}

fn forwards_tools(provider: &Provider) -> bool {
    provider.forward_unknown && !provider.has(Quirk::NoStrictTools)
}

fn limit_key(provider: &Provider) -> &'static str {
    if provider.has(Quirk::MaxTokens) { "max_tokens" } else { "max_completion_tokens" }
}

/// Usage is asked for whether or not the client wants to see it: the operator does.
fn stream(body: &mut Object<'_>, stream: StreamMode, provider: &Provider) {
    if stream == StreamMode::On {
        body.value("stream", &true);
        if !provider.has(Quirk::NoStreamOptions) {
            body.raw("stream_options", r#"{"include_usage":true}"#);
        }
    } else if provider.has(Quirk::ThinkingOnlyStreamed) {
        body.value("enable_thinking", &false);
    }
}

/// Tools, each with the fields of the API and no others: some servers refuse what they do not know.
fn write_tools(out: &mut Vec<u8>, tools: &[Tool<'_>], asked: &TranslationInput<'_, '_>) {
    let provider = asked.target.provider;
    let caches = asked.target.model.supports(Parameter::CacheControl);
    list(out, tools, |out, item| {
        let Some(function) = &item.function else { return out.extend_from_slice(b"{}") };
        let mut tool = Object::open(out);
        tool.value("type", "function").object("function", |object| {
            object.value("name", &function.name);
            function.description.as_ref().map(|text| object.value("description", text));
            let parameters = function.parameters.filter(|schema| schema.get() != "null");
            parameters.map(|schema| object.raw("parameters", schema.get()));
            let strict = function.strict.filter(|_| !provider.has(Quirk::NoStrictTools));
            strict.map(|strict| object.value("strict", &strict));
        });
        item.cache_control.filter(|_| caches).map(|mark| tool.raw("cache_control", mark.get()));
        tool.close();
    });
}

/// Reads an answer in one piece.
pub(crate) fn answer<'a>(body: &'a [u8], origin: ResponseContext<'_>) -> Result<Answer<'a>, Error> {
    let wire: Completion<'a> =
        serde_json::from_slice(body).map_err(|_| origin.bad("is not a chat completion"))?;
    if let Some(error) = wire.error {
        return Err(error::hidden(origin, error));
    }
    let mut choices = wire.choices.unwrap_or_default();
    choices.sort_by_key(|choice| choice.index);
    if choices.is_empty() {
        return Err(origin.bad("has no choices"));
    }
    let usage = wire.usage.or_else(|| choices.iter().find_map(|choice| choice.usage));
    if choices.iter().any(|choice| reason(choice).0.as_deref() == Some("error")) {
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
    let finish = reason(&wire).1.unwrap_or(Finish::Stop);
    let word = wire.finish_reason.filter(|word| !word.is_empty());
    let message = wire.message.or(wire.delta).unwrap_or_default();
    let (reasoning_details, images) = (message.details(), message.images());
    let WireMessage { content, function_call, tool_calls, .. } = message;
    let mut calls: Vec<Call<'_>> = tool_calls.into_iter().flatten().filter_map(call).collect();
    if calls.is_empty() {
        calls.extend(function_call.and_then(|function| named(None, function)));
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

fn call(wire: WireCall<'_>) -> Option<Call<'_>> {
    named(wire.id, wire.function?)
}

/// A call without a name is none.
fn named<'a>(id: Option<Text<'a>>, function: WireFunction<'a>) -> Option<Call<'a>> {
    Some(Call {
        id: id.filter(|id| !id.is_empty()),
        name: function.name.filter(|name| !name.is_empty())?,
        arguments: function.arguments.and_then(arguments).unwrap_or_else(|| Text::new("{}")),
        extra_content: None,
    })
}

/// Arguments as a string, which is what they should have been. None when there are none.
fn arguments(raw: &RawValue) -> Option<Text<'_>> {
    match Text::from_raw(raw) {
        Some(text) if text.is_empty() => None,
        Some(text) => Some(text),
        None if raw.get() == "null" => None,
        None => Some(Text::new(raw.get())),
    }
}

/// The provider's word for why it stopped, and what it means. Neither when it has not stopped.
fn reason<'w>(wire: &'w WireChoice<'_>) -> (Option<Cow<'w, str>>, Option<Finish>) {
    let Some(word) = wire.finish_reason.as_ref().map(Text::decode).filter(|word| !word.is_empty())
    else {
        return (None, None);
    };
    let finish = match word.as_ref() {
        "length" | "max_tokens" => Finish::Length,
        "tool_calls" | "function_call" | "tool_use" => Finish::ToolCalls,
        "content_filter" | "safety" => Finish::ContentFilter,
        _ => Finish::Stop,
    };
    (Some(word), Some(finish))
}

/// A provider's index as ours. One that is beyond this machine's numbers is beyond any bound too.
fn place(index: u64) -> usize {
    usize::try_from(index).unwrap_or(usize::MAX)
}
