//! Decoder of a streamed answer. Claude API, *Streaming messages*.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    answer::{self, Block, Piece, StopDetails, Tokens, arguments},
    names::Names,
    reasoning::Thought,
};
use crate::{
    api_schema::{
        error,
        origin::ResponseContext,
        tool_call_indices::{ToolCallIndex, ToolCallIndices},
    },
    chat::{
        delta::Delta,
        error::Error,
        finish::Finish,
        text::{Text, lenient},
    },
    sse::MAX_EVENT,
};

/// Progress of a streamed message.
#[derive(Clone, Debug, Default)]
pub(super) struct StreamProgress {
    /// True once the message has begun, or any of its content has arrived.
    begun: bool,
    tokens: Option<Tokens>,
    /// The thinking block in progress, which is sent once more with its signature.
    thinking: Option<OpenThought>,
    /// The number of thinking blocks so far.
    thoughts: usize,
    calls: ToolCallIndices,
    /// The call in progress, with the input that its block began with.
    input: Option<(usize, String)>,
    /// The reason why the model stopped. Sent when the message is complete, because an error may
    /// still follow.
    stop: Option<StopReason>,
}

#[derive(Clone, Debug)]
struct StopReason {
    finish: Finish,
    native: Text<'static>,
    refusal: Option<Text<'static>>,
}

/// Thinking block in progress.
#[derive(Clone, Debug)]
struct OpenThought {
    /// Escaped as in JSON. Bounded by [`MAX_EVENT`]: a client could not send longer thoughts back,
    /// so they are dropped.
    text: String,
    signature: Text<'static>,
}

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
    usage: Option<Tokens>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct MessageStart {
    #[serde(default, deserialize_with = "lenient")]
    usage: Option<Tokens>,
}

/// The `delta` of a block or of the message. Unknown fields of a delta may have any type.
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
        names: &Names,
        origin: ResponseContext<'_>,
        deltas: &mut Vec<Delta<'d>>,
    ) -> Result<(), Error> {
        let data = data.trim_ascii();
        // Not part of Anthropic's API, but servers that imitate it send `[DONE]`.
        if data.is_empty() || data == b"[DONE]" {
            return Ok(());
        }
        let event: StreamEvent<'d> = serde_json::from_slice(data)
            .map_err(|_| origin.bad("holds an event that is not JSON"))?;
        if let Some(error) = event.error {
            return Err(error::hidden(origin, error));
        }
        // An index that exceeds `usize` exceeds every limit.
        let index = usize::try_from(event.index.unwrap_or_default()).unwrap_or(usize::MAX);
        match event.kind.as_ref().map(Text::decode).unwrap_or_default().as_ref() {
            "message_start" => self.begin_message(event.message, deltas),
            "content_block_start" => self.open_block(index, event.content_block, names, deltas),
            "content_block_delta" => deltas.extend(self.add_to_block(index, event.delta)),
            "content_block_stop" => self.close_block(deltas),
            "message_delta" => {
                self.close_block(deltas);
                self.count(event.usage);
                self.note_stop(event.delta);
            }
            "message_stop" => self.end_message(deltas),
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

    fn count(&mut self, later: Option<Tokens>) {
        if let Some(later) = later {
            self.tokens = Some(self.tokens.unwrap_or_default().updated(later));
        }
    }

    fn usage(&self) -> Option<Delta<'static>> {
        self.tokens.map(|tokens| Delta::Usage(tokens.usage()))
    }

    fn open_block<'d>(
        &mut self,
        index: usize,
        block: Option<&'d RawValue>,
        names: &Names,
        deltas: &mut Vec<Delta<'d>>,
    ) {
        self.close_block(deltas);
        let block = block.and_then(|raw| serde_json::from_str::<Block<'d>>(raw.get()).ok());
        match block.map(Block::piece) {
            Some(Piece::Text(text)) => {
                deltas.push(Delta::Content { choice: 0, text, logprobs: None });
            }
            Some(Piece::Thought(Thought::Signed { text, signature })) => {
                let signature = signature.into_owned();
                self.thinking = Some(OpenThought { text: text.escaped().to_owned(), signature });
                deltas.push(Delta::Reasoning { choice: 0, text });
            }
            Some(Piece::Thought(redacted)) => self.add_detail(&redacted, deltas),
            Some(Piece::Call { id, name, input }) => {
                let name = names.received(&name);
                let index = self.calls.resolve(0, Some(index), id.as_ref(), Some(&name));
                if let Some(ToolCallIndex::New(call)) = index {
                    deltas.push(Delta::Call { choice: 0, call, id, name, extra_content: None });
                }
                let input = || arguments(input).to_owned();
                self.input = index.map(|index| (index.call(), input()));
            }
            Some(Piece::Other) | None => {}
        }
    }

    /// Adds to the block in progress. Returns the delta that a client receives, if any.
    fn add_to_block<'d>(&mut self, index: usize, delta: Option<&'d RawValue>) -> Option<Delta<'d>> {
        let delta: BlockDelta<'d> = serde_json::from_str(delta?.get()).ok()?;
        match delta.kind.as_ref().map(Text::decode).unwrap_or_default().as_ref() {
            "text_delta" => {
                let text = Text::from_raw(delta.text?)?;
                Some(Delta::Content { choice: 0, text, logprobs: None })
            }
            "input_json_delta" => {
                let text = Text::from_raw(delta.partial_json?).filter(|text| !text.is_empty())?;
                self.input = None;
                let call = self.calls.find(0, index)?;
                Some(Delta::Arguments { choice: 0, call, text })
            }
            "thinking_delta" => {
                let text = Text::from_raw(delta.thinking?)?;
                self.add_thinking(&text);
                Some(Delta::Reasoning { choice: 0, text })
            }
            "signature_delta" => {
                let signature = Text::from_raw(delta.signature?)?;
                self.thinking.as_mut()?.signature = signature.into_owned();
                None
            }
            _ => None,
        }
    }

    fn add_thinking(&mut self, text: &Text<'_>) {
        let more = text.escaped();
        match &mut self.thinking {
            Some(own) if own.text.len() + more.len() <= MAX_EVENT => own.text.push_str(more),
            _ => self.thinking = None,
        }
    }

    /// Closes the block in progress: sends its thoughts for the next turn, or its call's input.
    fn close_block(&mut self, deltas: &mut Vec<Delta<'_>>) {
        if let Some(OpenThought { text, signature }) = self.thinking.take() {
            let token = format!("\"{text}\"");
            let text = serde_json::from_str::<&RawValue>(&token).ok().and_then(Text::from_raw);
            let text = text.unwrap_or_else(|| Text::new(""));
            self.add_detail(&Thought::Signed { text, signature }, deltas);
        }
        if let Some((call, input)) = self.input.take() {
            deltas.push(Delta::Arguments { choice: 0, call, text: Text::new(&input) });
        }
    }

    fn add_detail(&mut self, thought: &Thought<'_>, deltas: &mut Vec<Delta<'_>>) {
        deltas.push(Delta::ReasoningDetail { choice: 0, json: thought.detail(self.thoughts) });
        self.thoughts += 1;
    }

    fn note_stop(&mut self, delta: Option<&RawValue>) {
        let delta = delta.and_then(|raw| serde_json::from_str::<BlockDelta<'_>>(raw.get()).ok());
        let Some(delta) = delta else { return };
        let Some(reason) = delta.stop_reason.and_then(Text::from_raw) else { return };
        let refusal = delta.stop_details.and_then(|details| details.explanation);
        self.stop = Some(StopReason {
            finish: answer::finish(Some(&reason)),
            native: reason.into_owned(),
            refusal: refusal.map(Text::into_owned),
        });
    }

    /// Ends the message. A stream without this event is incomplete. A message that never began ends
    /// without a finish reason.
    fn end_message(&mut self, deltas: &mut Vec<Delta<'_>>) {
        self.close_block(deltas);
        if self.begun || !deltas.is_empty() {
            let (finish, native, refusal) = match self.stop.take() {
                Some(stop) => (stop.finish, Some(stop.native), stop.refusal),
                None => (Finish::Stop, None, None),
            };
            let refusal = refusal.filter(|_| finish == Finish::ContentFilter);
            deltas.extend(refusal.map(|text| Delta::Refusal { choice: 0, text }));
            deltas.push(Delta::Finish { choice: 0, finish, native });
            deltas.extend(self.usage());
        }
        deltas.push(Delta::End);
    }
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::{api_schema::origin::ResponseHead, chat::usage::Usage};

    fn decode<'d>(events: &[&'d str]) -> Vec<Delta<'d>> {
        let (head, names) = (ResponseHead::default(), Names::default());
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
    fn thoughts_text_and_a_call_are_decoded_in_order() {
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
