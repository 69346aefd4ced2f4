//! Writes an answer as a stream of the Messages API. Claude API, *Streaming messages*.
//!
//! The writer alone decides what a legal stream is: the start of the message, each block with its
//! start, its deltas and its stop, then the end of the message with its usage. Deltas that would break
//! this order wait or are dropped. Only the first choice is written: the API has no other.

use super::{
    answer::{ThinkingDetail, image_source, message_id, stop_reason, tool_use_id},
    failure,
    relay::{self, RelayedValues},
    tokens::write_usage,
};
use crate::{
    chat::{
        attempt_log::AttemptLog, delta::Delta, envelope::Envelope, error::Error, finish::Finish,
        text::Text, usage::Usage,
    },
    client_api::{
        call_queue::WaitingCall,
        carried::{CarriedData, UNSIGNED},
        stream_state::StreamState,
    },
    json::Object,
};

/// Writer of the events of one answer.
#[derive(Debug, Default)]
pub struct MessagesStreamWriter {
    envelope: Envelope,
    state: StreamState,
    open: OpenBlock,
    /// Number of blocks so far.
    blocks: usize,
    /// Claude's word for the finish reason.
    stop_reason: &'static str,
    /// Events written and not taken yet.
    out: Vec<u8>,
}

/// Block that has begun and not ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum OpenBlock {
    #[default]
    None,
    Text,
    Thinking,
    ToolUse,
}

impl MessagesStreamWriter {
    /// Creates a writer that has written nothing.
    pub fn new(envelope: Envelope) -> Self {
        Self { envelope, ..Self::default() }
    }

    /// Returns the state of the stream.
    pub(crate) fn state(&self) -> &StreamState {
        &self.state
    }

    /// Returns the bytes written since the last call.
    pub fn take_bytes(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// Writes the events of a delta.
    pub fn write(&mut self, delta: &Delta<'_>) {
        if !self.state.admits(delta) {
            return;
        }
        if *delta != Delta::End {
            self.begin();
        }
        match delta {
            Delta::Content { text, .. } | Delta::Refusal { text, .. } => self.write_text(text),
            Delta::Reasoning { text, .. } => self.write_thinking(text),
            Delta::ReasoningDetail { json, .. } => self.write_detail(json),
            Delta::Image { json, .. } => self.write_image(json),
            Delta::Call { call, id, name, extra_content, .. } => {
                self.write_call(*call, id.as_ref(), name, extra_content.as_ref());
            }
            Delta::Arguments { call, text, .. } => self.write_arguments(*call, text),
            Delta::Finish { finish, native, .. } => self.write_finish(*finish, native.as_ref()),
            Delta::End => self.write_end(),
            Delta::Usage(_) => {}
        }
    }

    /// Writes an event that came in this API as it is, under the gateway's name of the model. `deltas`
    /// are those that the event holds.
    pub fn relay(&mut self, data: &[u8], deltas: &[Delta<'_>]) {
        if self.state.ended {
            return;
        }
        deltas.iter().for_each(|delta| self.state.note(delta));
        let has_begun = self.state.has_begun();
        let cost = self.envelope.cost(self.state.usage.as_ref());
        let own = RelayedValues { model: &self.envelope.model, cost };
        relay::write_event(&mut self.out, data, own, has_begun);
        for delta in deltas {
            match delta {
                Delta::Finish { finish, .. } => self.state.finish = Some(*finish),
                Delta::End => self.state.ended = true,
                _ => {}
            }
        }
    }

    /// Ends an interrupted stream with an error.
    pub fn fail(&mut self, error: &Error) {
        if !self.state.fail() {
            return;
        }
        self.out.extend_from_slice(b"event: error\ndata: ");
        let log = AttemptLog::default();
        self.out.extend_from_slice(&failure::to_json(error, &self.envelope.request_id, &log));
        self.out.extend_from_slice(b"\n\n");
    }

    /// Writes an event. `fill` writes its fields after the type.
    fn event(&mut self, kind: &str, fill: impl FnOnce(&mut Object<'_>)) {
        for piece in ["event: ", kind, "\ndata: "] {
            self.out.extend_from_slice(piece.as_bytes());
        }
        let mut event = Object::open(&mut self.out);
        event.value("type", kind);
        fill(&mut event);
        event.close();
        self.out.extend_from_slice(b"\n\n");
    }

    /// Begins the message, if that has not happened.
    fn begin(&mut self) {
        if !self.state.open() {
            return;
        }
        let (id, model) = (message_id(&self.envelope), self.envelope.model.clone());
        // The tokens of the answer are known at its end only.
        let usage = Usage { completion: 0, reasoning: 0, ..self.state.usage.unwrap_or_default() };
        self.event("message_start", |event| {
            event.object("message", |message| {
                message.value("id", &id).value("type", "message").value("role", "assistant");
                message.value("model", &model).raw("content", "[]");
                message.value("stop_reason", &()).value("stop_sequence", &());
                write_usage(message.key("usage"), &usage, None);
            });
        });
        self.event("ping", |_| ());
    }

    /// Opens a block, after the end of the one before. `fill` writes the fields of the block.
    fn open_block(&mut self, open: OpenBlock, kind: &str, fill: impl FnOnce(&mut Object<'_>)) {
        self.close_block();
        let index = self.blocks;
        self.event("content_block_start", |event| {
            event.value("index", &index).object("content_block", |block| {
                block.value("type", kind);
                fill(block);
            });
        });
        self.blocks += 1;
        self.open = open;
    }

    /// Closes the open block. Thinking that no provider has signed gets a signature of the gateway's.
    fn close_block(&mut self) {
        if self.open == OpenBlock::Thinking {
            self.write_delta("signature_delta\",\"signature", &Text::new(UNSIGNED));
        }
        if std::mem::take(&mut self.open) != OpenBlock::None {
            let index = self.blocks.saturating_sub(1);
            self.event("content_block_stop", |event| {
                event.value("index", &index);
            });
        }
    }

    /// Writes a block that is complete.
    fn write_block(&mut self, kind: &str, fill: impl FnOnce(&mut Object<'_>)) {
        self.open_block(OpenBlock::Text, kind, fill);
        self.close_block();
    }

    /// Writes a delta of the open block. `keys` is its type and the key of its text. Most events of a
    /// stream are deltas, so that each is written in one go.
    fn write_delta(&mut self, keys: &str, text: &Text<'_>) {
        let start =
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":";
        self.out.extend_from_slice(start.as_bytes());
        crate::json::write(&mut self.out, &self.blocks.saturating_sub(1));
        for piece in [",\"delta\":{\"type\":\"", keys, "\":", text.json(), "}}\n\n"] {
            self.out.extend_from_slice(piece.as_bytes());
        }
    }

    /// Writes what waits for the end of the thinking and of the calls before.
    fn write_waiting(&mut self) {
        while let Some(call) = self.state.calls.next() {
            self.open_call(&call);
        }
        self.write_late_text();
        if let Some(data) = self.state.take_details() {
            self.write_block("redacted_thinking", |block| {
                block.value("data", &data);
            });
        }
    }

    /// Writes text, unless that would end a call whose arguments are not complete: a repair holds the
    /// end of a text back beyond the beginning of a call.
    fn write_text(&mut self, text: &Text<'_>) {
        if self.open == OpenBlock::ToolUse && !self.state.calls.is_complete() {
            return self.state.keep_text(text);
        }
        if self.open != OpenBlock::Text {
            self.write_waiting();
            self.open_block(OpenBlock::Text, "text", |block| {
                block.value("text", "");
            });
        }
        self.write_delta("text_delta\",\"text", text);
    }

    fn write_thinking(&mut self, text: &Text<'_>) {
        if self.open != OpenBlock::Thinking {
            self.write_waiting();
            self.open_thinking();
        }
        self.write_delta("thinking_delta\",\"thinking", text);
    }

    fn open_thinking(&mut self) {
        self.open_block(OpenBlock::Thinking, "thinking", |block| {
            block.value("thinking", "").value("signature", "");
        });
    }

    /// Writes the signature of the open thinking, or a block that only its provider can read.
    fn write_detail(&mut self, json: &str) {
        match ThinkingDetail::read(json) {
            Some(ThinkingDetail::Signed { signature, .. }) => {
                if self.open != OpenBlock::Thinking {
                    self.write_waiting();
                    self.open_thinking();
                }
                self.write_delta("signature_delta\",\"signature", &signature);
                self.open = OpenBlock::Text;
                self.close_block();
            }
            Some(redacted) => {
                self.write_waiting();
                self.write_block(redacted.kind(), |block| redacted.write(block));
            }
            None => self.state.keep_detail(json),
        }
    }

    fn write_image(&mut self, json: &str) {
        let Some(source) = image_source(json) else { return };
        self.write_waiting();
        self.write_block("image", |block| {
            block.raw("source", &source);
        });
    }

    /// Begins a call, once the arguments of the call before are complete.
    fn write_call(
        &mut self,
        call: usize,
        id: Option<&Text<'_>>,
        name: &Text<'_>,
        extra_content: Option<&String>,
    ) {
        let own_id = self.envelope.call_id(0, call);
        let id = id.map(|id| tool_use_id(&id.decode())).unwrap_or_default();
        let (name, extra_content) = (name.clone().into_owned(), extra_content.cloned());
        let waiting = WaitingCall { id, name, extra_content, arguments: String::new() };
        self.state.calls.push(call, waiting, own_id);
        self.open_ready_calls();
    }

    /// Opens the calls that wait, up to the first whose arguments are not complete.
    fn open_ready_calls(&mut self) {
        while let Some(call) = self.state.calls.next_ready() {
            self.open_call(&call);
        }
        if self.state.calls.is_complete() {
            self.write_late_text();
        }
    }

    fn write_late_text(&mut self) {
        let Some(text) = self.state.take_text() else { return };
        self.open_block(OpenBlock::Text, "text", |block| {
            block.value("text", "");
        });
        self.write_delta("text_delta\",\"text", &text);
    }

    fn open_call(&mut self, call: &WaitingCall) {
        if let Some(extra) = &call.extra_content {
            let data = CarriedData::ExtraContent(extra).to_data();
            self.write_block("redacted_thinking", |block| {
                block.value("data", &data);
            });
        }
        self.open_block(OpenBlock::ToolUse, "tool_use", |block| {
            block.value("id", &call.id).value("name", &call.name).raw("input", "{}");
        });
        if !call.arguments.is_empty() {
            let text = Text::from_escaped(&call.arguments);
            self.write_delta("input_json_delta\",\"partial_json", &text);
        }
    }

    fn write_arguments(&mut self, call: usize, text: &Text<'_>) {
        if self.state.calls.add_arguments(call, text) && self.open == OpenBlock::ToolUse {
            self.write_delta("input_json_delta\",\"partial_json", text);
        }
        self.open_ready_calls();
    }

    fn write_finish(&mut self, finish: Finish, native: Option<&Text<'_>>) {
        self.write_waiting();
        self.close_block();
        let finish = finish.with_calls(!self.state.calls.is_empty());
        self.state.finish = Some(finish);
        self.stop_reason = stop_reason(finish, native);
    }

    fn write_end(&mut self) {
        if !self.state.is_opened() {
            return self.state.ended = true;
        }
        if self.state.finish.is_none() {
            self.write_finish(Finish::Stop, None);
        }
        let cost = self.envelope.cost(self.state.usage.as_ref());
        let (reason, usage) = (self.stop_reason, self.state.usage.unwrap_or_default());
        self.event("message_delta", |event| {
            event.object("delta", |delta| {
                delta.value("stop_reason", reason).value("stop_sequence", &());
            });
            write_usage(event.key("usage"), &usage, cost);
        });
        self.event("message_stop", |_| ());
        self.state.ended = true;
    }
}
