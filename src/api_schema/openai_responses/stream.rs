//! Decoder of a streamed answer. OpenAI's API reference, *Streaming events*.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::{
    answer::PARAGRAPH,
    error::classify_failure,
    logprobs,
    wire::{OutputItem, WireResponse},
};
use crate::{
    api_schema::{
        openai::{CustomCalls, WireCall, WireCustomCall, raw, to_index},
        origin::ResponseContext,
        tool_call_pieces::{CallPiece, ToolCallPieces},
        tool_names::ToolNames,
    },
    chat::{delta::Delta, error::Error, object::ObjectFields, text::Text},
    json::into_str,
};

/// State of a stream.
#[derive(Clone, Debug, Default)]
pub(super) struct ResponsesStream {
    calls: ToolCallPieces,
    custom_calls: CustomCalls,
    /// The place in the output of the call whose arguments came last in pieces.
    streamed: Option<u64>,
    /// The number of `reasoning_details` so far.
    details: usize,
    reasoning: ReasoningText,
}

/// State of the text of reasoning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ReasoningText {
    /// Nothing has come.
    #[default]
    Absent,
    /// A part has come.
    Present,
    /// A part has ended: the next one is another paragraph.
    Ended,
}

impl ResponsesStream {
    /// Decodes one event into the deltas it holds. Events that repeat a whole text hold none.
    pub(super) fn decode_event<'d>(
        &mut self,
        data: &'d [u8],
        names: &ToolNames,
        origin: ResponseContext<'_>,
        deltas: &mut Vec<Delta<'d>>,
    ) -> Result<(), Error> {
        let data = data.trim_ascii();
        // OpenAI sends no such event, but some servers with its API schema do.
        if data.is_empty() || data == b"[DONE]" {
            return Ok(());
        }
        let whole = raw(data).ok_or_else(|| origin.bad(NO_EVENT))?;
        let event = ObjectFields::read(whole).ok_or_else(|| origin.bad(NO_EVENT))?;
        if let Some(error) = event.get("error") {
            return Err(classify_failure(error, origin));
        }
        let kind = event.text("type").map(Text::into_decoded).unwrap_or_default();
        let kind = kind.strip_prefix("response.").unwrap_or(&kind);
        match kind {
            "output_item.added" => self.begin_item(item_in(&event, names), origin, deltas)?,
            "output_item.done" => self.end_item(item_in(&event, names), origin, deltas)?,
            "completed" | "incomplete" => self.end(event.get("response"), origin, deltas)?,
            "failed" | "cancelled" => return Err(failure(event.get("response"), origin)),
            "error" => return Err(classify_failure(whole, origin)),
            _ => self.add(kind, &event, origin, deltas)?,
        }
        Ok(())
    }

    /// Adds to the item that has begun.
    fn add<'d>(
        &mut self,
        kind: &str,
        event: &ObjectFields<'d>,
        origin: ResponseContext<'_>,
        deltas: &mut Vec<Delta<'d>>,
    ) -> Result<(), Error> {
        let (index, Some(text)) = (index_in(event), event.text("delta")) else {
            self.end_reasoning(kind);
            return Ok(());
        };
        match kind {
            "output_text.delta" => {
                let logprobs =
                    logprobs::translate(event.get("logprobs")).map(Cow::Owned).map(into_str);
                deltas.push(Delta::Content { choice: 0, text, logprobs });
            }
            "refusal.delta" => deltas.push(Delta::Refusal { choice: 0, text }),
            "reasoning_summary_text.delta" | "reasoning_text.delta" => {
                self.add_reasoning(text, deltas);
            }
            "function_call_arguments.delta" => {
                self.streamed = index;
                let arguments = Some(text);
                let piece =
                    CallPiece { number: index.map(to_index), arguments, ..CallPiece::default() };
                self.calls.place(piece, origin, deltas)?;
            }
            "custom_tool_call_input.delta" => {
                self.streamed = index;
                let custom = Some(WireCustomCall { name: None, input: Some(text) });
                let call = WireCall { index, id: None, function: None, custom };
                self.place(call, origin, deltas)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Begins an item. The arguments of a call come in pieces, or when the item ends.
    fn begin_item<'d>(
        &mut self,
        item: OutputItem<'d>,
        origin: ResponseContext<'_>,
        deltas: &mut Vec<Delta<'d>>,
    ) -> Result<(), Error> {
        let OutputItem::Call(mut call) = item else { return Ok(()) };
        self.streamed = None;
        call.take_arguments();
        self.place(call, origin, deltas)
    }

    /// Ends an item: adds its encrypted reasoning, or the arguments of a call without pieces.
    fn end_item<'d>(
        &mut self,
        item: OutputItem<'d>,
        origin: ResponseContext<'_>,
        deltas: &mut Vec<Delta<'d>>,
    ) -> Result<(), Error> {
        match item {
            OutputItem::Reasoning { encrypted, .. } => {
                self.end_reasoning("reasoning_item");
                let detail = encrypted.map(|own| own.to_detail(self.details, origin.provider));
                self.details += usize::from(detail.is_some());
                deltas.extend(detail.map(|json| Delta::ReasoningDetail { choice: 0, json }));
                Ok(())
            }
            OutputItem::Call(call) => {
                let is_custom = call.custom.is_some();
                if self.streamed.is_none() || self.streamed != call.index {
                    self.place(call.into_piece(), origin, deltas)?;
                }
                if is_custom { self.end_custom_call(origin, deltas) } else { Ok(()) }
            }
            OutputItem::Message(_) | OutputItem::Other => Ok(()),
        }
    }

    fn place<'d>(
        &mut self,
        call: WireCall<'d>,
        origin: ResponseContext<'_>,
        deltas: &mut Vec<Delta<'d>>,
    ) -> Result<(), Error> {
        let mut pieces = self.custom_calls.read(0, call).into_iter();
        pieces.try_for_each(|piece| self.calls.place(piece, origin, deltas))
    }

    fn end_custom_call(
        &mut self,
        origin: ResponseContext<'_>,
        deltas: &mut Vec<Delta<'_>>,
    ) -> Result<(), Error> {
        self.custom_calls.end().map_or(Ok(()), |piece| self.calls.place(piece, origin, deltas))
    }

    fn add_reasoning<'d>(&mut self, text: Text<'d>, deltas: &mut Vec<Delta<'d>>) {
        if self.reasoning == ReasoningText::Ended {
            deltas.push(Delta::Reasoning { choice: 0, text: Text::new(PARAGRAPH) });
        }
        self.reasoning = ReasoningText::Present;
        deltas.push(Delta::Reasoning { choice: 0, text });
    }

    /// Ends a part of the reasoning, at an event about reasoning that adds no text.
    fn end_reasoning(&mut self, kind: &str) {
        if kind.starts_with("reasoning_") && self.reasoning == ReasoningText::Present {
            self.reasoning = ReasoningText::Ended;
        }
    }

    /// Ends the response. A stream without this event is incomplete, whatever came before.
    fn end<'d>(
        &mut self,
        response: Option<&'d RawValue>,
        origin: ResponseContext<'_>,
        deltas: &mut Vec<Delta<'d>>,
    ) -> Result<(), Error> {
        let response =
            response.and_then(WireResponse::read).ok_or_else(|| origin.bad(NO_RESPONSE))?;
        let (finish, native) = response.end(origin)?;
        self.end_custom_call(origin, deltas)?;
        self.calls.finish(0, finish, origin, deltas)?;
        deltas.push(Delta::Finish { choice: 0, finish, native });
        deltas.extend(response.usage().map(Delta::Usage));
        deltas.push(Delta::End);
        Ok(())
    }
}

/// Returns the place in the output of the item that an event is about.
fn index_in(event: &ObjectFields<'_>) -> Option<u64> {
    event.get("output_index")?.get().parse().ok()
}

/// Returns the item that an event is about.
fn item_in<'d>(event: &ObjectFields<'d>, names: &ToolNames) -> OutputItem<'d> {
    let raw = event.get("item");
    raw.map_or(OutputItem::Other, |raw| OutputItem::read(raw, index_in(event), names))
}

/// The problem of a stream with data that are no object.
const NO_EVENT: &str = "holds an event that is no object";

/// The problem of a stream whose last event has no response.
const NO_RESPONSE: &str = "ended in an event without a response";

/// Returns the error of a response that has failed.
fn failure(response: Option<&RawValue>, origin: ResponseContext<'_>) -> Error {
    let named = response.and_then(WireResponse::read).and_then(|own| own.end(origin).err());
    named.unwrap_or_else(|| origin.bad("ended in an error it does not name"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api_schema::origin::ResponseHead,
        chat::{finish::Finish, usage::Usage},
    };

    fn decode<'d>(events: &[&'d str]) -> (Vec<Delta<'d>>, Result<(), Error>) {
        let (head, names) = (ResponseHead::default(), ToolNames::default());
        let origin = ResponseContext { provider: "openai", model: "gpt", head: &head };
        let (mut stream, mut deltas) = (ResponsesStream::default(), Vec::new());
        let mut events = events.iter().map(|event| event.as_bytes());
        let result =
            events.try_for_each(|event| stream.decode_event(event, &names, origin, &mut deltas));
        (deltas, result)
    }

    #[test]
    fn a_call_without_pieces_comes_with_its_end() {
        let (deltas, result) = decode(&[
            r#"{"type":"response.output_item.added","output_index":0,"item":{"type":"function_call","call_id":"a","name":"f","arguments":""}}"#,
            r#"{"type":"response.output_item.added","output_index":1,"item":{"type":"function_call","call_id":"b","name":"g","arguments":""}}"#,
            r#"{"type":"response.function_call_arguments.delta","output_index":0,"delta":"{\"y\":2}"}"#,
            r#"{"type":"response.output_item.done","output_index":0,"item":{"type":"function_call","call_id":"a","name":"f","arguments":"{\"y\":2}"}}"#,
            r#"{"type":"response.output_item.done","output_index":1,"item":{"type":"function_call","call_id":"b","name":"g","arguments":"{\"x\":1}"}}"#,
        ]);
        assert!(result.is_ok(), "{result:?}");
        let begin = |call, id, name| {
            let (id, name) = (Some(Text::new(id)), Text::new(name));
            Delta::Call { choice: 0, call, id, name, extra_content: None }
        };
        let arguments = |call, text| Delta::Arguments { choice: 0, call, text: Text::new(text) };
        let expected = [
            begin(0, "a", "f"),
            begin(1, "b", "g"),
            arguments(0, r#"{"y":2}"#),
            arguments(1, r#"{"x":1}"#),
        ];
        assert_eq!(deltas, expected);
    }

    #[test]
    fn events_of_other_servers_hold_nothing() {
        let (deltas, result) = decode(&["", " ", "[DONE]", r#"{"type":"response.in_progress"}"#]);
        assert_eq!((deltas, result), (Vec::new(), Ok(())));
    }

    #[test]
    fn reasoning_text_and_a_call_are_decoded_in_order() {
        let (deltas, result) = decode(&[
            r#"{"type":"response.created","response":{"status":"in_progress"}}"#,
            r#"{"type":"response.reasoning_summary_part.added","part":{"text":""}}"#,
            r#"{"type":"response.reasoning_summary_text.delta","delta":"Hm"}"#,
            r#"{"type":"response.reasoning_summary_part.done","part":{"text":"Hm"}}"#,
            r#"{"type":"response.reasoning_summary_text.delta","delta":"so"}"#,
            r#"{"type":"response.output_item.done","item":{"type":"reasoning","encrypted_content":"gA"}}"#,
            r#"{"type":"response.output_text.delta","delta":"Hi","logprobs":[]}"#,
            r#"{"type":"response.output_text.done","text":"Hi"}"#,
            r#"{"type":"response.output_item.added","output_index":2,"item":{"type":"custom_tool_call","call_id":"c","name":"f","input":""}}"#,
            r#"{"type":"response.custom_tool_call_input.delta","output_index":2,"delta":"a\nb"}"#,
            r#"{"type":"response.output_item.done","output_index":2,"item":{"type":"custom_tool_call","call_id":"c","name":"f","input":"a\nb"}}"#,
            r#"{"type":"response.completed","response":{"status":"completed","usage":{"input_tokens":3,"output_tokens":2}}}"#,
        ]);
        assert!(result.is_ok(), "{result:?}");
        let reasoning = |text| Delta::Reasoning { choice: 0, text: Text::new(text) };
        let arguments = |text| Delta::Arguments { choice: 0, call: 0, text: Text::new(text) };
        let detail = r#"{"type":"reasoning.encrypted","index":0,"data":"gA","format":"openai-responses-v1","provider":"openai"}"#;
        let (id, name) = (Some(Text::new("c")), Text::new("f"));
        let native = Some(Text::new("completed"));
        let expected = [
            reasoning("Hm"),
            reasoning(PARAGRAPH),
            reasoning("so"),
            Delta::ReasoningDetail { choice: 0, json: detail.to_owned() },
            Delta::Content { choice: 0, text: Text::new("Hi"), logprobs: None },
            Delta::Call { choice: 0, call: 0, id, name, extra_content: None },
            arguments("{\"input\":\""),
            arguments("a\\nb"),
            arguments("\"}"),
            Delta::Finish { choice: 0, finish: Finish::Stop, native },
            Delta::Usage(Usage { prompt: 3, completion: 2, ..Usage::default() }),
            Delta::End,
        ];
        assert_eq!(deltas, expected);
    }

    #[test]
    fn deltas_before_a_failure_are_kept() {
        let content = r#"{"type":"response.output_text.delta","delta":"a"}"#;
        for failure in [
            r#"{"type":"response.failed","response":{"status":"failed","error":{"code":"server_error","message":"m"}}}"#,
            r#"{"type":"response.failed"}"#,
            r#"{"type":"response.cancelled","response":{}}"#,
            r#"{"type":"response.completed","response":{"status":"in_progress"}}"#,
            r#"{"type":"error","code":"server_error","message":"m"}"#,
            r#"{"error":{"message":"m"}}"#,
            "{",
            "1",
        ] {
            let (deltas, result) = decode(&[content, failure]);
            assert!(result.is_err(), "{failure}");
            let text = Text::new("a");
            assert_eq!(deltas, [Delta::Content { choice: 0, text, logprobs: None }], "{failure}");
        }
    }
}
