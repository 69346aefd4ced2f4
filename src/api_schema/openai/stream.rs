//! The answer as a stream. OpenAI's API reference, *The chat completion chunk object*.

use super::wire::{self, Completion, WireCall, WireChoice, to_index};
use crate::{
    api_schema::{error, origin::ResponseContext},
    chat::{error::Error, stream_writer::Writer, text::Text},
};

/// Reads one event of a stream. If all it said was more text, that is given back.
pub(crate) fn event<'d>(
    data: &'d [u8],
    writer: &mut Writer,
    origin: ResponseContext<'_>,
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
    let whole = if chunk.is_vllm_error() { wire::raw(data) } else { None };
    if let Some(error) = chunk.error.or(whole) {
        return Err(error::hidden(origin, error));
    }
    let plain = chunk.only_text();
    if let Some(usage) = chunk.usage {
        writer.usage(usage);
    }
    for choice in chunk.choices.into_iter().flatten() {
        if choice.is_failed() {
            return Err(origin.bad("ended in an error it does not name"));
        }
        delta(choice, writer);
    }
    Ok(plain)
}

fn delta(wire: WireChoice<'_>, writer: &mut Writer) {
    let index = wire.index.map_or(0, to_index);
    let finish = wire.finish();
    if let Some(usage) = wire.usage {
        writer.usage(usage);
    }
    let message = wire.delta.or(wire.message).unwrap_or_default();
    let (details, images) = (message.details(), message.images());
    let (text, thoughts) = message.content.map_or((None, None), |own| (own.text, own.thoughts));
    if let Some(text) = message.reasoning_content.or(message.reasoning).or(thoughts) {
        writer.reasoning(index, &text);
    }
    details.iter().for_each(|detail| writer.reasoning_detail(index, detail));
    if let Some(text) = message.refusal {
        writer.refusal(index, &text);
    }
    let logprobs = wire.logprobs.map(wire::logprobs);
    let text = text.or_else(|| logprobs.as_ref().map(|_| Text::new("")));
    if let Some(text) = text {
        writer.content(index, &text, logprobs.as_deref());
    }
    images.iter().for_each(|image| writer.image(index, image));
    let (calls, old) = (message.tool_calls.unwrap_or_default(), message.function_call);
    // There is one call of the old form, and never beside others.
    let old = old.filter(|_| calls.is_empty());
    let old = old.map(|function| WireCall { index: Some(0), id: None, function: Some(function) });
    for call in calls.into_iter().chain(old) {
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
    let number = call.index.map_or_else(|| writer.number(choice, id, name), to_index);
    writer.call(choice, number, id, name, None);
    if let Some(text) = function.arguments() {
        writer.arguments(choice, number, &text);
    }
}
