//! Writes an answer as a stream of typed events. OpenAI's API reference, *Streaming events*.
//!
//! The writer alone decides what a legal stream is: the response that is created and in progress, each
//! item with its events, then the response as a whole. Items do not overlap. Deltas that would break
//! this order wait or are dropped. Only the first choice is written: the API has no other.

mod events;
mod open_item;

use super::{
    answer::token_logprobs,
    namespaces::NamespacedTools,
    output::{
        ItemStatus, OutputCall, OutputItem, ResponseObject, ResponseOutcome, image_data,
        write_text_part,
    },
};
use crate::{
    chat::{delta::Delta, envelope::Envelope, error::Error, finish::Finish, text::Text},
    client_api::{
        assistant_turn::CallKind, call_queue::WaitingCall, carried::CarriedData,
        chat_messages::separate, stream_state::StreamState,
    },
    http_call::MAX_ANSWER,
};

use self::{
    events::ResponseEvents,
    open_item::{OpenItem, OpenMessage, PartKind},
};

/// Writer of the events of one answer.
#[derive(Debug, Default)]
pub struct ResponsesStreamWriter {
    envelope: Envelope,
    state: StreamState,
    namespaced: NamespacedTools,
    events: ResponseEvents,
    open: OpenItem,
    /// Items that are done, in JSON, separated by commas.
    output: Vec<u8>,
}

impl ResponsesStreamWriter {
    /// Creates a writer that has written nothing.
    pub fn new(envelope: Envelope) -> Self {
        let namespaced = NamespacedTools::read(&envelope.request);
        Self { envelope, namespaced, ..Self::default() }
    }

    /// Returns the state of the stream.
    pub(crate) fn state(&self) -> &StreamState {
        &self.state
    }

    /// Returns `true` if the response is longer than its last event may be.
    pub fn is_too_long(&self) -> bool {
        self.output.len() + self.open.length() > MAX_ANSWER
    }

    /// Returns the bytes written since the last call.
    pub fn take_bytes(&mut self) -> Vec<u8> {
        self.events.take_bytes()
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
            Delta::Content { text, logprobs, .. } => {
                self.write_text(PartKind::Text, text, logprobs.as_deref());
            }
            Delta::Refusal { text, .. } => self.write_text(PartKind::Refusal, text, None),
            Delta::Reasoning { text, .. } => self.write_reasoning(text),
            Delta::ReasoningDetail { json, .. } => self.state.keep_detail(json),
            Delta::Image { json, .. } => self.write_image(json),
            Delta::Call { call, id, name, extra_content, .. } => {
                self.write_call(*call, id.as_ref(), name, extra_content.as_ref());
            }
            Delta::Arguments { call, text, .. } => self.write_arguments(*call, text),
            Delta::Finish { finish, .. } => self.write_finish(*finish),
            Delta::End => self.write_end(),
            Delta::Usage(_) => {}
        }
    }

    /// Ends an interrupted stream with an error.
    pub fn fail(&mut self, error: &Error) {
        if !self.state.fail() {
            return;
        }
        self.events.write_error(error);
        self.write_response("response.failed", ResponseOutcome::Failed(error));
    }

    /// Begins the response, if that has not happened.
    fn begin(&mut self) {
        if self.state.open() {
            self.write_response("response.created", ResponseOutcome::InProgress);
            self.write_response("response.in_progress", ResponseOutcome::InProgress);
        }
    }

    fn write_response(&mut self, kind: &str, outcome: ResponseOutcome<'_>) {
        let is_over = !matches!(outcome, ResponseOutcome::InProgress);
        let usage = self.state.usage.filter(|_| is_over);
        let (envelope, output) = (&self.envelope, self.output.as_slice());
        let mut object = Vec::with_capacity(output.len() + envelope.request.len() + 1024);
        ResponseObject { envelope, outcome, output, usage }.write(&mut object);
        self.events.write(kind, &[b",\"response\":", &object]);
    }

    /// Adds an item without its content, after the end of the one before.
    fn add_item(&mut self, item: &OutputItem<'_>) {
        self.close_item(ItemStatus::Completed);
        self.events.add_item(item, &self.envelope);
    }

    /// Writes the end of an item.
    fn end_item(&mut self, item: &OutputItem<'_>, status: ItemStatus) {
        separate(&mut self.output);
        let start = self.output.len();
        item.write(&mut self.output, self.events.item_id(), status);
        self.events.end_item(self.output.get(start..).unwrap_or_default());
    }

    /// Ends the open item.
    fn close_item(&mut self, status: ItemStatus) {
        match std::mem::take(&mut self.open) {
            OpenItem::None => {}
            OpenItem::Reasoning { summary } => self.close_reasoning(&Text::from_escaped(&summary)),
            OpenItem::Message(mut message) => {
                self.close_part(&mut message);
                self.end_item(&OutputItem::Message { parts: &message.parts }, status);
            }
            OpenItem::Call { call, arguments } => self.close_call(&call, &arguments, status),
        }
    }

    /// Writes a text, unless that would end a call whose arguments are not complete: a repair holds
    /// the end of a text back beyond the beginning of a call.
    fn write_text(&mut self, kind: PartKind, text: &Text<'_>, logprobs: Option<&str>) {
        if matches!(self.open, OpenItem::Call { .. }) && !self.state.calls.is_complete() {
            return self.state.keep_text(text);
        }
        self.open_part(kind);
        let OpenItem::Message(message) = &mut self.open else { return };
        let [_, _, delta, _] = kind.names();
        message.text.push_str(text.escaped());
        match kind {
            PartKind::Text => {
                let tokens = logprobs.map(token_logprobs).unwrap_or_default();
                let more = [",\"logprobs\":[", &tokens, "]"];
                self.events.write_text(delta, "delta", text, more);
                message.add_logprobs(&tokens);
            }
            PartKind::Refusal => self.events.write_text(delta, "delta", text, NOTHING),
        }
    }

    /// Opens a part of a kind, and a message if there is none.
    fn open_part(&mut self, kind: PartKind) {
        match &self.open {
            OpenItem::Message(message) if message.kind == kind => return,
            OpenItem::Message(_) => {}
            _ => {
                self.write_waiting();
                self.add_item(&OutputItem::Message { parts: b"" });
            }
        }
        let (mut parts, mut count) = (Vec::new(), 0);
        if let OpenItem::Message(mut before) = std::mem::take(&mut self.open) {
            self.close_part(&mut before);
            (parts, count) = (before.parts, before.count);
        }
        let (text, logprobs) = (String::new(), String::new());
        let message = OpenMessage { kind, text, logprobs, parts, count };
        let mut part = Vec::new();
        message.write_part(&mut part, &Text::new(""));
        self.events.set_part("content_index", count);
        self.events.write_part("response.content_part.added", &part);
        self.open = OpenItem::Message(message);
    }

    /// Writes the end of a part, which then is done.
    fn close_part(&mut self, message: &mut OpenMessage) {
        let text = Text::from_escaped(&std::mem::take(&mut message.text));
        let [_, key, _, done] = message.kind.names();
        let more = match message.kind {
            PartKind::Text => [",\"logprobs\":[", &*message.logprobs, "]"],
            PartKind::Refusal => NOTHING,
        };
        self.events.write_text(done, key, &text, more);
        separate(&mut message.parts);
        let start = message.parts.len();
        let mut part = Vec::new();
        message.write_part(&mut part, &text);
        message.parts.extend_from_slice(&part);
        let part = message.parts.get(start..).unwrap_or_default();
        self.events.write_part("response.content_part.done", part);
        message.count += 1;
    }

    fn write_reasoning(&mut self, text: &Text<'_>) {
        if !matches!(self.open, OpenItem::Reasoning { .. }) {
            self.write_waiting();
            self.add_item(&OutputItem::Reasoning { summary: None, carried: None });
            self.open = OpenItem::Reasoning { summary: String::new() };
            self.events.set_part("summary_index", 0);
            self.events.write_part("response.reasoning_summary_part.added", &summary_part(""));
        }
        if let OpenItem::Reasoning { summary } = &mut self.open {
            summary.push_str(text.escaped());
            let kind = "response.reasoning_summary_text.delta";
            self.events.write_text(kind, "delta", text, NOTHING);
        }
    }

    fn close_reasoning(&mut self, summary: &Text<'_>) {
        let kind = "response.reasoning_summary_text.done";
        self.events.write_text(kind, "text", summary, NOTHING);
        let part = summary_part(summary.escaped());
        self.events.write_part("response.reasoning_summary_part.done", &part);
        let carried = self.take_details();
        let item = OutputItem::Reasoning { summary: Some(summary), carried: carried.as_deref() };
        self.end_item(&item, ItemStatus::Completed);
    }

    /// Takes the entries of `reasoning_details` as data for the next turn, if the client carries any.
    fn take_details(&mut self) -> Option<String> {
        self.state.take_details().filter(|_| self.envelope.carries_reasoning)
    }

    /// Writes reasoning that has data only.
    fn write_carried(&mut self, data: &str) {
        self.add_item(&OutputItem::Reasoning { summary: None, carried: None });
        let item = OutputItem::Reasoning { summary: None, carried: Some(data) };
        self.end_item(&item, ItemStatus::Completed);
    }

    fn write_image(&mut self, json: &str) {
        let Some(data) = image_data(json) else { return };
        self.write_waiting();
        self.add_item(&OutputItem::Image { data: "" });
        self.end_item(&OutputItem::Image { data: &data }, ItemStatus::Completed);
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
        let id = id.map(|id| id.decode().into_owned()).unwrap_or_default();
        let extra_content = extra_content.filter(|_| self.envelope.carries_reasoning).cloned();
        let name = name.clone().into_owned();
        let waiting = WaitingCall { id, name, extra_content, arguments: String::new() };
        self.state.calls.push(call, waiting, own_id);
        self.open_ready_calls();
    }

    /// Opens the calls that wait, up to the first whose arguments are not complete.
    fn open_ready_calls(&mut self) {
        while let Some(call) = self.state.calls.next_ready() {
            self.open_call(call);
        }
        if self.state.calls.is_complete() {
            self.write_late_text();
        }
    }

    fn open_call(&mut self, waiting: WaitingCall) {
        self.write_details();
        if let Some(extra) = &waiting.extra_content {
            self.write_carried(&CarriedData::ExtraContent(extra).to_data());
        }
        let WaitingCall { id, name, arguments, .. } = waiting;
        let call = OutputCall::new(id, &name, &self.envelope, &self.namespaced);
        self.add_item(&OutputItem::Call { call: &call, text: &Text::new("") });
        let is_function = call.kind == CallKind::Function;
        if is_function && !arguments.is_empty() {
            self.write_arguments_delta(&Text::from_escaped(&arguments));
        }
        self.open = OpenItem::Call { call, arguments };
    }

    fn write_arguments(&mut self, call: usize, text: &Text<'_>) {
        if self.state.calls.add_arguments(call, text)
            && let OpenItem::Call { call, arguments } = &mut self.open
        {
            arguments.push_str(text.escaped());
            if call.kind == CallKind::Function {
                self.write_arguments_delta(text);
            }
        }
        self.open_ready_calls();
    }

    fn write_arguments_delta(&mut self, text: &Text<'_>) {
        let kind = "response.function_call_arguments.delta";
        self.events.write_text(kind, "delta", text, NOTHING);
    }

    /// Writes the end of a call. The input of a custom tool comes as one delta, because it is known
    /// when the arguments are complete.
    fn close_call(&mut self, call: &OutputCall, arguments: &str, status: ItemStatus) {
        let text = call.text_of(&Text::from_escaped(arguments));
        let done = match call.kind {
            CallKind::Function if arguments.is_empty() => {
                self.write_arguments_delta(&text);
                "response.function_call_arguments.done"
            }
            CallKind::Function => "response.function_call_arguments.done",
            CallKind::Custom => {
                let kind = "response.custom_tool_call_input.delta";
                self.events.write_text(kind, "delta", &text, NOTHING);
                "response.custom_tool_call_input.done"
            }
        };
        self.events.write_text(done, call.kind.text_key(), &text, NOTHING);
        self.end_item(&OutputItem::Call { call, text: &text }, status);
    }

    /// Writes what waits for the end of the reasoning and of the calls before.
    fn write_waiting(&mut self) {
        while let Some(call) = self.state.calls.next() {
            self.open_call(call);
        }
        self.write_late_text();
        self.write_details();
    }

    /// Writes the entries of `reasoning_details` that do not belong to open reasoning.
    fn write_details(&mut self) {
        self.close_item(ItemStatus::Completed);
        if let Some(data) = self.take_details() {
            self.write_carried(&data);
        }
    }

    fn write_late_text(&mut self) {
        if let Some(text) = self.state.take_text() {
            self.close_item(ItemStatus::Completed);
            self.write_text(PartKind::Text, &text, None);
        }
    }

    fn write_finish(&mut self, finish: Finish) {
        while let Some(call) = self.state.calls.next() {
            self.open_call(call);
        }
        self.write_late_text();
        let finish = finish.with_calls(!self.state.calls.is_empty());
        self.close_item(ItemStatus::of_last(finish));
        self.write_details();
        self.state.finish = Some(finish);
    }

    fn write_end(&mut self) {
        self.state.ended = true;
        if !self.state.is_opened() {
            return;
        }
        if self.state.finish.is_none() {
            self.write_finish(Finish::Stop);
        }
        let finish = self.state.finish.unwrap_or(Finish::Stop);
        let outcome = ResponseOutcome::Finished(finish);
        let kind = match outcome.status() {
            "incomplete" => "response.incomplete",
            _ => "response.completed",
        };
        self.write_response(kind, outcome);
    }
}

/// No further fields of an event.
const NOTHING: [&str; 3] = ["", "", ""];

/// Returns the part of a summary. The text is escaped.
fn summary_part(text: &str) -> Vec<u8> {
    let mut part = Vec::new();
    write_text_part(&mut part, "summary_text", "text", &Text::from_escaped(text), "");
    part
}

#[cfg(test)]
mod tests;
