//! Decoder of a streamed answer. OpenAI's API reference, *The chat completion chunk object*.

use serde_json::value::RawValue;

use super::{
    custom_calls::CustomCalls,
    wire::{self, Completion, WireCall, WireChoice, WireMessage, to_index},
};
use crate::{
    api_schema::{error, origin::ResponseContext, tool_call_pieces::ToolCallPieces},
    chat::{delta::Delta, error::Error, text::Text},
    json::{self, into_str},
};

/// Decodes one event into the deltas it holds.
pub(super) fn decode_event<'d>(
    tool_calls: &mut ToolCallPieces,
    custom_calls: &mut CustomCalls,
    data: &'d [u8],
    origin: ResponseContext<'_>,
    deltas: &mut Vec<Delta<'d>>,
) -> Result<(), Error> {
    let data = data.trim_ascii();
    if data.is_empty() {
        return Ok(());
    }
    if data == b"[DONE]" {
        tool_calls.finish_all(origin, deltas)?;
        deltas.push(Delta::End);
        return Ok(());
    }
    let chunk: Completion<'d> =
        json::read(data).map_err(|_| origin.bad("holds an event that is not a chunk"))?;
    let whole = if chunk.is_vllm_error() { wire::raw(data) } else { None };
    if let Some(error) = chunk.error.or(whole) {
        return Err(error::classify_embedded(origin, error));
    }
    deltas.extend(chunk.usage.map(Delta::Usage));
    for choice in chunk.choices.into_iter().flatten() {
        if choice.is_failed() {
            return Err(origin.bad("ended in an error it does not name"));
        }
        decode_choice(tool_calls, custom_calls, choice, origin, deltas)?;
    }
    Ok(())
}

/// Decodes a choice of a chunk: its message, then its end.
fn decode_choice<'d>(
    tool_calls: &mut ToolCallPieces,
    custom_calls: &mut CustomCalls,
    mut wire: WireChoice<'d>,
    origin: ResponseContext<'_>,
    deltas: &mut Vec<Delta<'d>>,
) -> Result<(), Error> {
    let choice = wire.index.map_or(0, to_index);
    deltas.extend(wire.usage.map(Delta::Usage));
    let mut message = wire.delta.take().or(wire.message.take()).unwrap_or_default();
    let calls = take_calls(&mut message);
    decode_message(choice, message, wire.logprobs, deltas);
    for call in calls {
        for piece in custom_calls.read(choice, call) {
            tool_calls.place(piece, origin, deltas)?;
        }
    }
    if let Some(finish) = wire.finish() {
        custom_calls.end().map_or(Ok(()), |piece| tool_calls.place(piece, origin, deltas))?;
        tool_calls.finish(choice, finish, origin, deltas)?;
        let native = wire.native_finish_reason.or(wire.finish_reason);
        deltas.push(Delta::Finish { choice, finish, native });
    }
    Ok(())
}

/// Decodes a message, except for its calls.
fn decode_message<'d>(
    choice: usize,
    message: WireMessage<'d>,
    logprobs: Option<&'d RawValue>,
    deltas: &mut Vec<Delta<'d>>,
) {
    let (details, images) = (message.details(), message.images());
    let (text, thoughts) = message.content.map_or((None, None), |own| (own.text, own.thoughts));
    let reasoning = message.reasoning_content.or(message.reasoning).or(thoughts);
    deltas.extend(reasoning.map(|text| Delta::Reasoning { choice, text }));
    deltas.extend(details.into_iter().map(|json| Delta::ReasoningDetail { choice, json }));
    deltas.extend(message.refusal.map(|text| Delta::Refusal { choice, text }));
    let logprobs = logprobs.map(wire::logprobs).map(into_str);
    let text = text.or_else(|| logprobs.as_ref().map(|_| Text::new("")));
    deltas.extend(text.map(|text| Delta::Content { choice, text, logprobs }));
    deltas.extend(images.into_iter().map(|json| Delta::Image { choice, json }));
}

/// Takes the pieces of calls out of a message. A `function_call` is the only call of its message.
fn take_calls<'d>(message: &mut WireMessage<'d>) -> Vec<WireCall<'d>> {
    let mut calls = message.tool_calls.take().unwrap_or_default();
    if calls.is_empty() {
        let legacy = message.function_call.take();
        calls.extend(legacy.map(|own| WireCall::of_function(Some(0), own)));
    }
    calls
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api_schema::origin::ResponseHead,
        chat::{finish::Finish, usage::Usage},
    };

    fn decode<'d>(events: &[&'d str]) -> Vec<Delta<'d>> {
        let head = ResponseHead::default();
        let origin = ResponseContext { provider: "openai", model: "gpt", head: &head };
        let (mut tool_calls, mut deltas) = (ToolCallPieces::default(), Vec::new());
        for event in events {
            decode_event(
                &mut tool_calls,
                &mut CustomCalls::default(),
                event.as_bytes(),
                origin,
                &mut deltas,
            )
            .unwrap();
        }
        deltas
    }

    fn begin(call: usize, id: Option<&str>, name: &str) -> Delta<'static> {
        let (id, name) = (id.map(Text::new), Text::new(name));
        Delta::Call { choice: 0, call, id, name, extra_content: None }
    }

    fn arguments(call: usize, json: &str) -> Delta<'static> {
        Delta::Arguments { choice: 0, call, text: Text::new(json) }
    }

    #[test]
    fn an_answer_of_two_choices_is_decoded_in_order() {
        let deltas = decode(&[
            r#"{"choices":[{"index":1,"delta":{"reasoning":"Hm"}},{"index":0,"delta":{"content":"Hi"}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"refusal":"no"},"finish_reason":"content_filter"}]}"#,
            r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}"#,
            "",
            "[DONE]",
        ]);
        let native = Some(Text::new("content_filter"));
        let expected = [
            Delta::Reasoning { choice: 1, text: Text::new("Hm") },
            Delta::Content { choice: 0, text: Text::new("Hi"), logprobs: None },
            Delta::Refusal { choice: 0, text: Text::new("no") },
            Delta::Finish { choice: 0, finish: Finish::ContentFilter, native },
            Delta::Usage(Usage { prompt: 3, completion: 2, ..Usage::default() }),
            Delta::End,
        ];
        assert_eq!(deltas, expected);
    }

    #[test]
    fn calls_are_numbered_from_0_whatever_the_provider_counts() {
        let deltas = decode(&[
            r#"{"choices":[{"delta":{"tool_calls":[{"index":1,"id":"a","function":{"name":"f","arguments":""}}]}}]}"#,
            r#"{"choices":[{"delta":{"tool_calls":[{"index":1,"function":{"arguments":"{"}}]}}]}"#,
            r#"{"choices":[{"delta":{"tool_calls":[{"index":1,"id":"b","function":{"name":"g","arguments":{"x":1}}}]}}]}"#,
            r#"{"choices":[{"delta":{"tool_calls":[{"function":{"arguments":"}"}},{"function":{"name":"h"}}]}}]}"#,
        ]);
        let expected = [
            begin(0, Some("a"), "f"),
            arguments(0, "{"),
            begin(1, Some("b"), "g"),
            arguments(1, r#"{"x":1}"#),
            arguments(1, "}"),
            begin(2, None, "h"),
        ];
        assert_eq!(deltas, expected);
    }

    #[test]
    fn deltas_before_an_error_are_kept() {
        let head = ResponseHead::default();
        let origin = ResponseContext { provider: "openai", model: "gpt", head: &head };
        let mut deltas = Vec::new();
        let event =
            br#"{"choices":[{"delta":{"content":"a"}},{"index":1,"finish_reason":"error"}]}"#;
        let tool_calls = &mut ToolCallPieces::default();
        let decoded =
            decode_event(tool_calls, &mut CustomCalls::default(), event, origin, &mut deltas);
        assert!(decoded.is_err());
        assert_eq!(deltas, [Delta::Content { choice: 0, text: Text::new("a"), logprobs: None }]);
    }
}
