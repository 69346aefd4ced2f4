//! Decoder of a streamed answer. Claude API, *Streaming messages*.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    reasoning::ThinkingBlock,
    wire::{self, ResponseBlock, StopDetails, UsageTokens, WireBlock},
};
use crate::{
    api_schema::{
        error,
        origin::ResponseContext,
        tool_call_input::to_arguments,
        tool_call_pieces::{CallPiece, NO_NAME, NO_OBJECT, ToolCallPieces},
        tool_names::ToolNames,
    },
    chat::{
        delta::Delta,
        error::Error,
        finish::Finish,
        text::{Text, lenient},
    },
    json,
    sse::MAX_EVENT,
};

/// The progress of a streamed message.
#[derive(Clone, Debug, Default)]
pub(super) struct StreamProgress {
    /// True once the message or any of its content has begun.
    begun: bool,
    tokens: Option<UsageTokens>,
    /// The open thinking block, which becomes a `reasoning_details` item when it ends.
    thinking: Option<OpenThinkingBlock>,
    /// The number of `reasoning_details` items so far.
    details: usize,
    calls: ToolCallPieces,
    /// The index and the input of the open block of a call, without any `input_json_delta` yet.
    input: Option<(Option<usize>, String)>,
    /// The index of the open block, if it is no part of the chat API. Its input is no call's.
    foreign: Option<Option<usize>>,
    /// The reason why the model stopped. It is forwarded when the message is complete, because an
    /// error may come before.
    stop: Option<MessageStop>,
}

/// The end of a message: its meaning, and the fields that are forwarded.
#[derive(Clone, Debug)]
struct MessageStop {
    finish: Finish,
    native: Text<'static>,
    refusal: Option<Text<'static>>,
}

/// A thinking block in progress.
#[derive(Clone, Debug)]
struct OpenThinkingBlock {
    /// The text, escaped as in JSON. Bounded by [`MAX_EVENT`]: clients cannot return a longer text,
    /// so that its block becomes no item of `reasoning_details`.
    text: String,
    signature: Text<'static>,
}

/// An event, or an error instead of one.
#[derive(Deserialize)]
struct StreamEvent<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(default, deserialize_with = "lenient")]
    index: Option<u64>,
    #[serde(default)]
    message: Option<MessageStart>,
    #[serde(borrow, default)]
    content_block: Option<&'a RawValue>,
    #[serde(borrow, default)]
    delta: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "lenient")]
    usage: Option<UsageTokens>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

/// The message of `message_start`, without content.
#[derive(Deserialize)]
struct MessageStart {
    #[serde(default, deserialize_with = "lenient")]
    usage: Option<UsageTokens>,
}

/// The `delta` of a block or of the message. Fields of unknown types of delta hold any JSON.
#[derive(Deserialize)]
struct BlockDelta<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
    #[serde(borrow, default)]
    thinking: Option<&'a RawValue>,
    #[serde(borrow, default)]
    signature: Option<&'a RawValue>,
    #[serde(borrow, default)]
    partial_json: Option<&'a RawValue>,
    #[serde(borrow, default)]
    stop_reason: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    stop_details: Option<StopDetails<'a>>,
}

impl StreamProgress {
    /// Decodes one event. Pings and unknown events hold no deltas.
    pub(super) fn decode_event<'d>(
        &mut self,
        data: &'d [u8],
        names: &ToolNames,
        origin: ResponseContext<'_>,
        deltas: &mut Vec<Delta<'d>>,
    ) -> Result<(), Error> {
        let data = data.trim_ascii();
        // Anthropic sends no `[DONE]`, but some servers with its API schema do.
        if data.is_empty() || data == b"[DONE]" {
            return Ok(());
        }
        let event: StreamEvent<'d> =
            json::read(data).map_err(|_| origin.bad("holds an event that is not JSON"))?;
        if let Some(error) = event.error {
            return Err(error::classify_embedded(origin, error));
        }
        // An index that `usize` cannot hold is beyond any bound too.
        let index = event.index.map(|index| usize::try_from(index).unwrap_or(usize::MAX));
        match event.kind.as_ref().map(Text::decode).unwrap_or_default().as_ref() {
            "message_start" => self.begin_message(event.message, deltas),
            "content_block_start" => {
                self.close_block(origin, deltas)?;
                self.open_block(index, event.content_block, names, origin, deltas)?;
            }
            "content_block_delta" => self.add_to_block(index, event.delta, origin, deltas)?,
            "content_block_stop" => self.close_block(origin, deltas)?,
            "message_delta" => {
                self.close_block(origin, deltas)?;
                self.count(event.usage);
                // A relayed event reports its own counts, and they count even if no end follows.
                deltas.extend(self.usage().filter(|_| self.begun));
                self.note_stop(event.delta);
            }
            "message_stop" => self.end_message(origin, deltas)?,
            "error" => return Err(origin.bad("ended in an error it does not name")),
            _ => {}
        }
        self.begun |= !deltas.iter().all(Delta::is_empty);
        Ok(())
    }

    /// Begins the message. The prompt's tokens count even if the rest never comes.
    fn begin_message(&mut self, message: Option<MessageStart>, deltas: &mut Vec<Delta<'_>>) {
        self.begun = true;
        self.count(message.and_then(|message| message.usage));
        deltas.extend(self.usage());
    }

    fn count(&mut self, later: Option<UsageTokens>) {
        if let Some(later) = later {
            self.tokens = Some(self.tokens.unwrap_or_default().merge(later));
        }
    }

    fn usage(&self) -> Option<Delta<'static>> {
        self.tokens.and_then(UsageTokens::usage).map(Delta::Usage)
    }

    fn open_block<'d>(
        &mut self,
        index: Option<usize>,
        block: Option<&'d RawValue>,
        names: &ToolNames,
        origin: ResponseContext<'_>,
        deltas: &mut Vec<Delta<'d>>,
    ) -> Result<(), Error> {
        self.foreign = None;
        let block = block.and_then(|raw| serde_json::from_str::<WireBlock<'d>>(raw.get()).ok());
        match block.map(WireBlock::decode) {
            Some(ResponseBlock::Text(text)) => {
                deltas.push(Delta::Content { choice: 0, text, logprobs: None });
            }
            Some(ResponseBlock::Thinking(ThinkingBlock::Signed { text, signature })) => {
                let signature = signature.into_owned();
                self.thinking =
                    Some(OpenThinkingBlock { text: text.escaped().to_owned(), signature });
                deltas.push(Delta::Reasoning { choice: 0, text });
            }
            Some(ResponseBlock::Thinking(redacted)) => self.add_detail(&redacted, deltas),
            Some(ResponseBlock::ToolUse { id, name, input }) => {
                let name = name.ok_or_else(|| origin.bad(NO_NAME))?;
                let name = Some(names.received(&name));
                let input = to_arguments(input).ok_or_else(|| origin.bad(NO_OBJECT))?;
                let piece = CallPiece { number: index, id, name, ..CallPiece::default() };
                self.calls.place(piece, origin, deltas)?;
                self.input = Some((index, input.into_owned()));
            }
            Some(ResponseBlock::Other) | None => self.foreign = Some(index),
        }
        Ok(())
    }

    /// Adds to the open block.
    fn add_to_block<'d>(
        &mut self,
        index: Option<usize>,
        delta: Option<&'d RawValue>,
        origin: ResponseContext<'_>,
        deltas: &mut Vec<Delta<'d>>,
    ) -> Result<(), Error> {
        let delta = delta.and_then(|raw| serde_json::from_str::<BlockDelta<'d>>(raw.get()).ok());
        let Some(delta) = delta else { return Ok(()) };
        let text = |raw: Option<&'d RawValue>| raw.and_then(Text::from_raw);
        match delta.kind.as_ref().map(Text::decode).unwrap_or_default().as_ref() {
            "text_delta" => {
                let content = |text| Delta::Content { choice: 0, text, logprobs: None };
                deltas.extend(text(delta.text).map(content));
            }
            "input_json_delta" => self.add_input(index, delta.partial_json, origin, deltas)?,
            "thinking_delta" => {
                if let Some(text) = text(delta.thinking) {
                    self.add_thinking(&text);
                    deltas.push(Delta::Reasoning { choice: 0, text });
                }
            }
            "signature_delta" => {
                if let (Some(open), Some(signature)) = (&mut self.thinking, text(delta.signature)) {
                    open.signature = signature.into_owned();
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Adds to the input of a call. Some servers send an object instead of a piece of its text.
    fn add_input<'d>(
        &mut self,
        number: Option<usize>,
        json: Option<&'d RawValue>,
        origin: ResponseContext<'_>,
        deltas: &mut Vec<Delta<'d>>,
    ) -> Result<(), Error> {
        let is_foreign = |open: Option<usize>| number.is_none() || number == open;
        let Some(raw) = json.filter(|raw| raw.get() != "null") else { return Ok(()) };
        let text = Text::from_raw(raw).unwrap_or_else(|| Text::new(raw.get()));
        if text.is_empty() || self.foreign.is_some_and(is_foreign) {
            return Ok(());
        }
        self.input = None;
        let piece = CallPiece { number, arguments: Some(text), ..CallPiece::default() };
        self.calls.place(piece, origin, deltas)
    }

    /// Adds to the open thinking block, or forgets it if it becomes too long.
    fn add_thinking(&mut self, text: &Text<'_>) {
        let more = text.escaped();
        match &mut self.thinking {
            Some(open) if open.text.len() + more.len() <= MAX_EVENT => open.text.push_str(more),
            _ => self.thinking = None,
        }
    }

    /// Closes the open block: adds the `reasoning_details` item of thinking, or the input of a
    /// call.
    fn close_block(
        &mut self,
        origin: ResponseContext<'_>,
        deltas: &mut Vec<Delta<'_>>,
    ) -> Result<(), Error> {
        if let Some(OpenThinkingBlock { text, signature }) = self.thinking.take() {
            let token = format!("\"{text}\"");
            let text = serde_json::from_str::<&RawValue>(&token).ok().and_then(Text::from_raw);
            let text = text.unwrap_or_else(|| Text::new(""));
            self.add_detail(&ThinkingBlock::Signed { text, signature }, deltas);
        }
        self.foreign = None;
        let Some((number, input)) = self.input.take() else { return Ok(()) };
        let arguments = Some(Text::new(&input));
        self.calls.place(
            CallPiece { number, arguments, ..CallPiece::default() },
            origin,
            deltas,
        )?;
        self.calls.end_call(deltas);
        Ok(())
    }

    fn add_detail(&mut self, thinking: &ThinkingBlock<'_>, deltas: &mut Vec<Delta<'_>>) {
        deltas.push(Delta::ReasoningDetail { choice: 0, json: thinking.to_detail(self.details) });
        self.details += 1;
    }

    fn note_stop(&mut self, delta: Option<&RawValue>) {
        let delta = delta.and_then(|raw| serde_json::from_str::<BlockDelta<'_>>(raw.get()).ok());
        let Some(delta) = delta else { return };
        let Some(reason) = delta.stop_reason.and_then(Text::from_raw) else { return };
        let refusal = delta.stop_details.and_then(|details| details.explanation);
        self.stop = Some(MessageStop {
            finish: wire::to_finish(Some(&reason)),
            native: reason.into_owned(),
            refusal: refusal.map(Text::into_owned),
        });
    }

    /// Ends the message. A stream without this event is incomplete, whatever came before. A message
    /// that never began ends without a finish reason.
    fn end_message(
        &mut self,
        origin: ResponseContext<'_>,
        deltas: &mut Vec<Delta<'_>>,
    ) -> Result<(), Error> {
        self.close_block(origin, deltas)?;
        if self.begun || !deltas.is_empty() {
            let (finish, native, refusal) = match self.stop.take() {
                Some(stop) => (stop.finish, Some(stop.native), stop.refusal),
                None => (Finish::Stop, None, None),
            };
            self.calls.finish(0, finish, origin, deltas)?;
            let refusal = refusal.filter(|_| finish == Finish::ContentFilter);
            deltas.extend(refusal.map(|text| Delta::Refusal { choice: 0, text }));
            deltas.push(Delta::Finish { choice: 0, finish, native });
            deltas.extend(self.usage());
        }
        deltas.push(Delta::End);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{api_schema::origin::ResponseHead, chat::usage::Usage};

    fn decode<'d>(events: &[&'d str]) -> Vec<Delta<'d>> {
        let (head, names) = (ResponseHead::default(), ToolNames::default());
        let origin = ResponseContext { provider: "anthropic", model: "claude", head: &head };
        let (mut progress, mut deltas) = (StreamProgress::default(), Vec::new());
        for event in events {
            let mut own = Vec::new();
            progress.decode_event(event.as_bytes(), &names, origin, &mut own).unwrap();
            deltas.append(&mut own);
        }
        deltas
    }

    #[test]
    fn thinking_text_and_a_call_are_decoded_in_order() {
        let deltas = decode(&[
            r#"{"type":"message_start","message":{"usage":{"input_tokens":3,"output_tokens":1}}}"#,
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Hm"}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"s"}}"#,
            r#"{"type":"content_block_stop","index":0}"#,
            r#"{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Hi"}}"#,
            r#"{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"a","name":"f","input":{}}}"#,
            r#"{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"x\":1}"}}"#,
            r#"{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":7}}"#,
            r#"{"type":"message_stop"}"#,
        ]);
        let usage = |completion| Delta::Usage(Usage { prompt: 3, completion, ..Usage::default() });
        let detail = r#"{"type":"reasoning.text","index":0,"text":"Hm","signature":"s","format":"anthropic-claude-v1"}"#;
        let (id, name) = (Some(Text::new("a")), Text::new("f"));
        let native = Some(Text::new("tool_use"));
        let expected = [
            usage(1),
            Delta::Reasoning { choice: 0, text: Text::new("") },
            Delta::Reasoning { choice: 0, text: Text::new("Hm") },
            Delta::ReasoningDetail { choice: 0, json: detail.to_owned() },
            Delta::Content { choice: 0, text: Text::new("Hi"), logprobs: None },
            Delta::Call { choice: 0, call: 0, id, name, extra_content: None },
            Delta::Arguments { choice: 0, call: 0, text: Text::new(r#"{"x":1}"#) },
            usage(7),
            Delta::Finish { choice: 0, finish: Finish::ToolCalls, native },
            usage(7),
            Delta::End,
        ];
        assert_eq!(deltas, expected);
    }

    #[test]
    fn a_call_without_pieces_has_the_input_of_its_block() {
        let deltas = decode(&[
            r#"{"type":"content_block_start","index":5,"content_block":{"type":"tool_use","name":"f","input":{"x":1}}}"#,
            r#"{"type":"content_block_stop","index":5}"#,
        ]);
        let name = Text::new("f");
        let expected = [
            Delta::Call { choice: 0, call: 0, id: None, name, extra_content: None },
            Delta::Arguments { choice: 0, call: 0, text: Text::new(r#"{"x":1}"#) },
        ];
        assert_eq!(deltas, expected);
    }

    #[test]
    fn a_message_that_never_began_has_no_finish_reason() {
        assert_eq!(decode(&[r#"{"type":"ping"}"#, r#"{"type":"message_stop"}"#]), [Delta::End]);
    }
}
