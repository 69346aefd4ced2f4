//! OpenAI's chat completions, and the servers that claim to speak them.
//! OpenAI's API reference, *Chat*; what the others do differently is in [`Quirk`].

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Asked, failure, reader::Origin};
use crate::{
    chat::{
        answer::{Answer, Call, Choice, Finish},
        chunk::Writer,
        error::Error,
        fit::Stream,
        parameter::Parameter,
        text::{Text, lenient},
        tools::Tool,
        usage::Usage,
    },
    config::{Provider, Quirk},
    json::Object,
};

mod message;

/// Path below the base URL, and body.
pub(super) fn request(asked: &Asked<'_, '_>) -> (String, Vec<u8>) {
    let provider = asked.target.provider;
    let mut out = Vec::with_capacity(asked.request.parameters.length() + 256);
    let mut body = Object::open(&mut out);
    body.value("model", &asked.target.endpoint.upstream_model);
    message::write(body.key("messages"), &asked.request.messages, provider);
    for (parameter, json) in &asked.fit.kept {
        match parameter {
            Parameter::MaxTokens => body.raw(limit_key(provider), json.as_bytes()),
            Parameter::Tools if provider.has(Quirk::NoStrictTools) => {
                write_loose_tools(body.key("tools"), &asked.request.tools);
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

fn limit_key(provider: &Provider) -> &'static str {
    if provider.has(Quirk::MaxTokens) { "max_tokens" } else { "max_completion_tokens" }
}

/// Usage is asked for whether or not the client wants to see it: the operator does.
fn stream(body: &mut Object<'_>, stream: Stream, provider: &Provider) {
    if stream == Stream::On {
        body.value("stream", &true);
        if !provider.has(Quirk::NoStreamOptions) {
            body.raw("stream_options", r#"{"include_usage":true}"#);
        }
    } else if provider.has(Quirk::ThinkingOnlyStreamed) {
        body.value("enable_thinking", &false);
    }
}

/// Tools without `strict`.
fn write_loose_tools(out: &mut Vec<u8>, tools: &[Tool<'_>]) {
    out.push(b'[');
    for (index, function) in tools.iter().filter_map(|tool| tool.function.as_ref()).enumerate() {
        if index > 0 {
            out.push(b',');
        }
        let mut tool = Object::open(out);
        tool.value("type", "function").object("function", |object| {
            object.value("name", &function.name);
            function.description.as_ref().map(|text| object.value("description", text));
            function.parameters.map(|schema| object.raw("parameters", schema.get()));
        });
        tool.close();
    }
    out.push(b']');
}

#[derive(Deserialize)]
struct Completion<'a> {
    #[serde(borrow, default)]
    choices: Option<Vec<WireChoice<'a>>>,
    #[serde(default, deserialize_with = "lenient")]
    usage: Option<Usage>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    system_fingerprint: Option<&'a RawValue>,
    #[serde(borrow, default)]
    service_tier: Option<&'a RawValue>,
}

/// A choice of an answer, with a `message`, or of a chunk, with a `delta`. Perplexity sends both in
/// both.
#[derive(Deserialize)]
struct WireChoice<'a> {
    #[serde(default, deserialize_with = "lenient")]
    index: Option<u64>,
    #[serde(borrow, default)]
    message: Option<WireMessage<'a>>,
    #[serde(borrow, default)]
    delta: Option<WireMessage<'a>>,
    #[serde(borrow, default)]
    finish_reason: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    native_finish_reason: Option<Text<'a>>,
    #[serde(borrow, default)]
    logprobs: Option<&'a RawValue>,
    /// Where Kimi puts it.
    #[serde(default, deserialize_with = "lenient")]
    usage: Option<Usage>,
}

#[derive(Default, Deserialize)]
struct WireMessage<'a> {
    #[serde(borrow, default)]
    content: Option<Text<'a>>,
    #[serde(borrow, default)]
    refusal: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    reasoning_content: Option<Text<'a>>,
    /// The same, as OpenRouter and newer vLLM call it.
    #[serde(borrow, default, deserialize_with = "lenient")]
    reasoning: Option<Text<'a>>,
    #[serde(borrow, default)]
    tool_calls: Option<Vec<WireCall<'a>>>,
    #[serde(borrow, default)]
    annotations: Option<&'a RawValue>,
    #[serde(borrow, default)]
    audio: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct WireCall<'a> {
    #[serde(default, deserialize_with = "lenient")]
    index: Option<u64>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    id: Option<Text<'a>>,
    #[serde(borrow, default)]
    function: Option<WireFunction<'a>>,
}

#[derive(Deserialize)]
struct WireFunction<'a> {
    #[serde(borrow, default)]
    name: Option<Text<'a>>,
    #[serde(borrow, default)]
    arguments: Option<&'a RawValue>,
}

/// Reads an answer in one piece.
pub(super) fn answer<'a>(body: &'a [u8], origin: Origin<'_>) -> Result<Answer<'a>, Error> {
    let wire: Completion<'a> =
        serde_json::from_slice(body).map_err(|_| origin.bad("is not a chat completion"))?;
    if let Some(error) = wire.error {
        return Err(failure::hidden(origin, error));
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
    let calls: Vec<Call<'_>> = message.tool_calls.into_iter().flatten().filter_map(call).collect();
    let silent = calls.is_empty() && message.refusal.is_none();
    Choice {
        content: message.content.or_else(|| silent.then(|| Text::new(""))),
        refusal: message.refusal,
        reasoning: message.reasoning_content.or(message.reasoning),
        reasoning_details: Vec::new(),
        finish: finish.with_calls(!calls.is_empty()),
        calls,
        native_finish: wire.native_finish_reason.or(word),
        logprobs: wire.logprobs.map(Cow::Borrowed),
        annotations: message.annotations,
        audio: message.audio,
    }
}

/// A call without a name is none.
fn call(wire: WireCall<'_>) -> Option<Call<'_>> {
    let function = wire.function?;
    Some(Call {
        id: wire.id.filter(|id| !id.is_empty()),
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

/// Reads one event of a stream. If all it said was more text, that is given back.
pub(super) fn event<'d>(
    data: &'d [u8],
    writer: &mut Writer,
    origin: Origin<'_>,
) -> Result<Option<(usize, Text<'d>)>, Error> {
    let data = data.trim_ascii();
    if data.is_empty() {
        return Ok(None);
    }
    if data == b"[DONE]" {
        if !writer.has_begun() {
            return Err(origin.bad("ended before it began"));
        }
        writer.finish_rest();
        writer.end();
        return Ok(None);
    }
    let chunk: Completion<'d> = serde_json::from_slice(data)
        .map_err(|_| origin.bad("holds an event that is not a chunk"))?;
    if let Some(error) = chunk.error {
        return Err(failure::hidden(origin, error));
    }
    let plain = chunk.plain();
    if let Some(usage) = chunk.usage {
        writer.usage(usage);
    }
    for choice in chunk.choices.into_iter().flatten() {
        if reason(&choice).0.as_deref() == Some("error") {
            return Err(origin.bad("ended in an error it does not name"));
        }
        delta(choice, writer);
    }
    Ok(plain)
}

impl<'a> Completion<'a> {
    /// The choice and the text of a chunk that holds nothing else.
    fn plain(&self) -> Option<(usize, Text<'a>)> {
        let [choice] = self.choices.as_deref()? else { return None };
        let WireChoice { index, delta: Some(delta), message: None, .. } = choice else {
            return None;
        };
        let silent = choice.finish_reason.is_none()
            && choice.logprobs.is_none()
            && choice.usage.is_none()
            && self.usage.is_none()
            && delta.refusal.is_none()
            && delta.reasoning_content.is_none()
            && delta.reasoning.is_none()
            && delta.tool_calls.is_none();
        delta.content.clone().filter(|_| silent).map(|text| (index.map_or(0, place), text))
    }
}

fn delta(wire: WireChoice<'_>, writer: &mut Writer) {
    let index = wire.index.map_or(0, place);
    let finish = reason(&wire).1;
    if let Some(usage) = wire.usage {
        writer.usage(usage);
    }
    let message = wire.delta.or(wire.message).unwrap_or_default();
    if let Some(text) = message.reasoning_content.or(message.reasoning) {
        writer.reasoning(index, &text);
    }
    if let Some(text) = message.refusal {
        writer.refusal(index, &text);
    }
    let content = message.content.or_else(|| wire.logprobs.map(|_| Text::new("")));
    if let Some(text) = content {
        writer.content(index, &text, wire.logprobs);
    }
    for call in message.tool_calls.into_iter().flatten() {
        delta_call(index, &call, writer);
    }
    if let Some(finish) = finish {
        let native = wire.native_finish_reason.or(wire.finish_reason);
        writer.finish(index, finish, native.as_ref());
    }
}

fn delta_call(choice: usize, call: &WireCall<'_>, writer: &mut Writer) {
    let Some(function) = &call.function else { return };
    let (id, name) = (call.id.as_ref(), function.name.as_ref());
    let number = call.index.map_or_else(|| writer.number(choice, id, name), place);
    writer.call(choice, number, id, name, None);
    if let Some(text) = function.arguments.and_then(arguments) {
        writer.arguments(choice, number, &text);
    }
}

/// A provider's index as ours. One that is beyond this machine's numbers is beyond any bound too.
fn place(index: u64) -> usize {
    usize::try_from(index).unwrap_or(usize::MAX)
}
