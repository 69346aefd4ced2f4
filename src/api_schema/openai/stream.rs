//! Decoder of a streamed answer. OpenAI's API reference, *The chat completion chunk object*.

use super::wire::{self, Completion, WireCall, WireChoice, to_index};
use crate::{
    api_schema::{
        error,
        origin::ResponseContext,
        tool_call_indices::{ToolCallIndex, ToolCallIndices},
        tool_names::ToolNames,
    },
    chat::{delta::Delta, error::Error, text::Text},
    json::into_str,
};

/// Decodes one event into the deltas it holds.
pub(super) fn decode_event<'d>(
    indices: &mut ToolCallIndices,
    names: &ToolNames,
    data: &'d [u8],
    origin: ResponseContext<'_>,
    deltas: &mut Vec<Delta<'d>>,
) -> Result<(), Error> {
    let data = data.trim_ascii();
    if data.is_empty() {
        return Ok(());
    }
    if data == b"[DONE]" {
        deltas.push(Delta::End);
        return Ok(());
    }
    let chunk: Completion<'d> = serde_json::from_slice(data)
        .map_err(|_| origin.bad("holds an event that is not a chunk"))?;
    let whole = if chunk.is_vllm_error() { wire::raw(data) } else { None };
    if let Some(error) = chunk.error.or(whole) {
        return Err(error::classify_embedded(origin, error));
    }
    deltas.extend(chunk.usage.map(Delta::Usage));
    for choice in chunk.choices.into_iter().flatten() {
        if choice.is_failed() {
            return Err(origin.bad("ended in an error it does not name"));
        }
        decode_choice(indices, names, choice, deltas);
    }
    Ok(())
}

/// Decodes a choice of a chunk: its message, then its end.
fn decode_choice<'d>(
    indices: &mut ToolCallIndices,
    names: &ToolNames,
    wire: WireChoice<'d>,
    deltas: &mut Vec<Delta<'d>>,
) {
    let choice = wire.index.map_or(0, to_index);
    let finish = wire.finish();
    deltas.extend(wire.usage.map(Delta::Usage));
    let message = wire.delta.or(wire.message).unwrap_or_default();
    let (details, images) = (message.details(), message.images());
    let (text, thoughts) = message.content.map_or((None, None), |own| (own.text, own.thoughts));
    let reasoning = message.reasoning_content.or(message.reasoning).or(thoughts);
    deltas.extend(reasoning.map(|text| Delta::Reasoning { choice, text }));
    deltas.extend(details.into_iter().map(|json| Delta::ReasoningDetail { choice, json }));
    deltas.extend(message.refusal.map(|text| Delta::Refusal { choice, text }));
    let logprobs = wire.logprobs.map(wire::logprobs).map(into_str);
    let text = text.or_else(|| logprobs.as_ref().map(|_| Text::new("")));
    deltas.extend(text.map(|text| Delta::Content { choice, text, logprobs }));
    deltas.extend(images.into_iter().map(|json| Delta::Image { choice, json }));
    let calls = message.tool_calls.unwrap_or_default();
    // A `function_call` is the only call of its message.
    let legacy = message.function_call.filter(|_| calls.is_empty());
    let legacy = legacy.map(|function| WireCall::of_function(Some(0), function));
    for call in calls.into_iter().chain(legacy) {
        decode_call(indices, names, choice, call, deltas);
    }
    if let Some(finish) = finish {
        let native = wire.native_finish_reason.or(wire.finish_reason);
        deltas.push(Delta::Finish { choice, finish, native });
    }
}

/// Decodes a piece of a call. Drops the arguments of a call without a name, which cannot be made.
fn decode_call<'d>(
    indices: &mut ToolCallIndices,
    names: &ToolNames,
    choice: usize,
    mut wire: WireCall<'d>,
    deltas: &mut Vec<Delta<'d>>,
) {
    let Some(function) = wire.take_function() else { return };
    let arguments = function.arguments();
    let (number, id, name) = (wire.index.map(to_index), wire.id, function.name);
    let call = match indices.resolve(choice, number, id.as_ref(), name.as_ref()) {
        Some(ToolCallIndex::New(call)) => {
            let begin = |name| Delta::Call { choice, call, id, name, extra_content: None };
            deltas.extend(name.map(|name| begin(names.received(&name))));
            call
        }
        Some(ToolCallIndex::Known(call)) => call,
        None => return,
    };
    deltas.extend(arguments.map(|text| Delta::Arguments { choice, call, text }));
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::{
        api_schema::origin::ResponseHead,
        chat::{finish::Finish, usage::Usage},
    };

    fn decode<'d>(events: &[&'d str]) -> Vec<Delta<'d>> {
        let head = ResponseHead::default();
        let origin = ResponseContext { provider: "openai", model: "gpt", head: &head };
        let (mut indices, mut deltas) = (ToolCallIndices::default(), Vec::new());
        for event in events {
            decode_event(
                &mut indices,
                &ToolNames::default(),
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
        let indices = &mut ToolCallIndices::default();
        let decoded = decode_event(indices, &ToolNames::default(), event, origin, &mut deltas);
        assert!(decoded.is_err());
        assert_eq!(deltas, [Delta::Content { choice: 0, text: Text::new("a"), logprobs: None }]);
    }
}
