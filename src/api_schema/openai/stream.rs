//! Decoder of a streamed answer. OpenAI's API reference, *The chat completion chunk object*.

use super::{
    arguments, place, reason,
    wire::{self, Completion, WireCall, WireChoice},
};
use crate::{
    api_schema::{
        error,
        origin::ResponseContext,
        tool_call_indices::{ToolCallIndex, ToolCallIndices},
    },
    chat::{delta::Delta, error::Error, text::Text},
    json::into_str,
};

/// Decoder of the chunks that an OpenAI-compatible server streams.
#[derive(Clone, Debug, Default)]
pub(crate) struct OpenAiDecoder {
    calls: ToolCallIndices,
}

impl OpenAiDecoder {
    /// Decodes one event into the deltas it holds.
    pub(crate) fn decode_event<'d>(
        &mut self,
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
        let whole = if chunk.is_error() { wire::raw(data) } else { None };
        if let Some(error) = chunk.error.or(whole) {
            return Err(error::hidden(origin, error));
        }
        deltas.extend(chunk.usage.map(Delta::Usage));
        for choice in chunk.choices.into_iter().flatten() {
            if reason(&choice).0.as_deref() == Some("error") {
                return Err(origin.bad("ended in an error it does not name"));
            }
            self.decode_choice(choice, deltas);
        }
        Ok(())
    }

    fn decode_choice<'d>(&mut self, wire: WireChoice<'d>, deltas: &mut Vec<Delta<'d>>) {
        let choice = wire.index.map_or(0, place);
        let finish = reason(&wire).1;
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
        let (calls, old) = (message.tool_calls.unwrap_or_default(), message.function_call);
        // The old form has a single call, and never beside others.
        let old = old.filter(|_| calls.is_empty());
        let old =
            old.map(|function| WireCall { index: Some(0), id: None, function: Some(function) });
        for call in calls.into_iter().chain(old) {
            self.decode_call(choice, call, deltas);
        }
        if let Some(finish) = finish {
            let native = wire.native_finish_reason.or(wire.finish_reason);
            deltas.push(Delta::Finish { choice, finish, native });
        }
    }

    /// Decodes a piece of a call. Arguments of a call without a name are dropped.
    fn decode_call<'d>(&mut self, choice: usize, wire: WireCall<'d>, deltas: &mut Vec<Delta<'d>>) {
        let Some(function) = wire.function else { return };
        let (number, id, name) = (wire.index.map(place), wire.id, function.name);
        let call = match self.calls.resolve(choice, number, id.as_ref(), name.as_ref()) {
            Some(ToolCallIndex::New(call)) => {
                let begin = |name| Delta::Call { choice, call, id, name, extra_content: None };
                deltas.extend(name.map(begin));
                call
            }
            Some(ToolCallIndex::Known(call)) => call,
            None => return,
        };
        let text = function.arguments.and_then(arguments);
        deltas.extend(text.map(|text| Delta::Arguments { choice, call, text }));
    }
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
        let (mut decoder, mut deltas) = (OpenAiDecoder::default(), Vec::new());
        for event in events {
            decoder.decode_event(event.as_bytes(), origin, &mut deltas).unwrap();
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
        let decoded = OpenAiDecoder::default().decode_event(event, origin, &mut deltas);
        assert!(decoded.is_err());
        assert_eq!(deltas, [Delta::Content { choice: 0, text: Text::new("a"), logprobs: None }]);
    }
}
