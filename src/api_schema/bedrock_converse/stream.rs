//! Decoder of a streamed answer. Each event is an object with one key, its type. Amazon Bedrock API
//! reference, *ConverseStreamOutput*.

use super::{
    error::exception,
    wire::{end_in, thought, usage_in},
};
use crate::{
    api_schema::{
        origin::ResponseContext,
        tool_call_pieces::{CallPiece, NO_NAME, ToolCallPieces},
        tool_names::ToolNames,
    },
    chat::{delta::Delta, error::Error, object::ObjectFields, text::Text},
};

/// The progress of a streamed message.
#[derive(Clone, Debug, Default)]
pub(super) struct ConverseStream {
    calls: ToolCallPieces,
    /// The index of the open block of a call, without any arguments yet.
    open_call: Option<usize>,
}

impl ConverseStream {
    /// Decodes one event. Unknown events hold no deltas.
    pub(super) fn decode_event<'d>(
        &mut self,
        data: &'d [u8],
        names: &ToolNames,
        origin: ResponseContext<'_>,
        deltas: &mut Vec<Delta<'d>>,
    ) -> Result<(), Error> {
        let event: ObjectFields<'d> = serde_json::from_slice(data)
            .map_err(|_| origin.bad("holds an event that is not JSON"))?;
        let Some((kind, raw)) = event.iter().next() else { return Ok(()) };
        if let Some(error) = exception(kind, raw, origin) {
            return Err(error);
        }
        let Some(fields) = ObjectFields::read(raw) else { return Ok(()) };
        match kind {
            "contentBlockStart" => self.open_block(&fields, names, origin, deltas)?,
            "contentBlockDelta" => self.add_to_block(&fields, origin, deltas)?,
            "contentBlockStop" => self.close_block(origin, deltas)?,
            "messageStop" => {
                self.close_block(origin, deltas)?;
                let (finish, native) = end_in(&fields, origin)?;
                self.calls.finish(0, finish, origin, deltas)?;
                deltas.push(Delta::Finish { choice: 0, finish, native });
            }
            "metadata" => {
                deltas.extend(usage_in(&fields).map(Delta::Usage));
                deltas.push(Delta::End);
            }
            _ => {}
        }
        Ok(())
    }

    fn open_block<'d>(
        &mut self,
        event: &ObjectFields<'d>,
        names: &ToolNames,
        origin: ResponseContext<'_>,
        deltas: &mut Vec<Delta<'d>>,
    ) -> Result<(), Error> {
        self.close_block(origin, deltas)?;
        let call = event.object("start").and_then(|start| start.object("toolUse"));
        let Some(call) = call else { return Ok(()) };
        let name = call.text("name").filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| origin.bad(NO_NAME))?;
        let number = index_in(event);
        let (id, name) = (call.text("toolUseId"), Some(names.received(&name)));
        let piece = CallPiece { number, id, name, ..CallPiece::default() };
        self.calls.place(piece, origin, deltas)?;
        self.open_call = number;
        Ok(())
    }

    fn add_to_block<'d>(
        &mut self,
        event: &ObjectFields<'d>,
        origin: ResponseContext<'_>,
        deltas: &mut Vec<Delta<'d>>,
    ) -> Result<(), Error> {
        let Some(delta) = event.object("delta") else { return Ok(()) };
        let content = |text| Delta::Content { choice: 0, text, logprobs: None };
        deltas.extend(delta.text("text").map(content));
        let reasoning = delta.object("reasoningContent").and_then(|own| own.text("text"));
        deltas.extend(thought(reasoning).map(|text| Delta::Reasoning { choice: 0, text }));
        let arguments = delta.object("toolUse").and_then(|call| call.text("input"));
        if let Some(text) = arguments.filter(|text| !text.is_empty()) {
            self.open_call = None;
            return self.add_arguments(index_in(event), text, origin, deltas);
        }
        Ok(())
    }

    /// Closes a block. A call without arguments has an empty object.
    fn close_block(
        &mut self,
        origin: ResponseContext<'_>,
        deltas: &mut Vec<Delta<'_>>,
    ) -> Result<(), Error> {
        let Some(index) = self.open_call.take() else { return Ok(()) };
        self.add_arguments(Some(index), Text::new("{}"), origin, deltas)
    }

    fn add_arguments<'d>(
        &mut self,
        number: Option<usize>,
        text: Text<'d>,
        origin: ResponseContext<'_>,
        deltas: &mut Vec<Delta<'d>>,
    ) -> Result<(), Error> {
        let piece = CallPiece { number, arguments: Some(text), ..CallPiece::default() };
        self.calls.place(piece, origin, deltas)
    }
}

/// Returns the index of the block that an event is about.
fn index_in(event: &ObjectFields<'_>) -> Option<usize> {
    event.get("contentBlockIndex")?.get().parse().ok()
}
