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
    json,
};

/// The progress of a streamed message.
#[derive(Clone, Debug, Default)]
pub(super) struct ConverseStream {
    calls: ToolCallPieces,
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
        let event: ObjectFields<'d> =
            json::read(data).map_err(|_| origin.bad("holds an event that is not JSON"))?;
        let Some((kind, raw)) = event.iter().next() else { return Ok(()) };
        if let Some(error) = exception(kind, raw, origin) {
            return Err(error);
        }
        let Some(fields) = ObjectFields::read(raw) else { return Ok(()) };
        match kind {
            "contentBlockStart" => self.open_block(&fields, names, origin, deltas)?,
            "contentBlockDelta" => self.add_to_block(&fields, origin, deltas)?,
            "contentBlockStop" => self.calls.end_call(deltas),
            "messageStop" => {
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
        let call = event.object("start").and_then(|start| start.object("toolUse"));
        let Some(call) = call else { return Ok(()) };
        let name = call.text("name").filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| origin.bad(NO_NAME))?;
        let (id, name) = (call.text("toolUseId"), Some(names.received(&name)));
        // The arguments, unless others follow.
        let arguments = Some(Text::new("{}"));
        let number = index_in(event);
        let piece = CallPiece { number, id, name, arguments, ..CallPiece::default() };
        self.calls.place(piece, origin, deltas)
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
        let Some(text) = arguments.filter(|text| !text.is_empty()) else { return Ok(()) };
        let (number, arguments) = (index_in(event), Some(text));
        self.calls.place(CallPiece { number, arguments, ..CallPiece::default() }, origin, deltas)
    }
}

/// Returns the index of the block that an event is about.
fn index_in(event: &ObjectFields<'_>) -> Option<usize> {
    event.get("contentBlockIndex")?.get().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api_schema::origin::ResponseHead,
        chat::{finish::Finish, usage::Usage},
    };

    fn decode<'d>(events: &[&'d str]) -> Vec<Delta<'d>> {
        let (head, names) = (ResponseHead::default(), ToolNames::default());
        let origin = ResponseContext { provider: "bedrock", model: "nova", head: &head };
        let (mut stream, mut deltas) = (ConverseStream::default(), Vec::new());
        for event in events {
            stream.decode_event(event.as_bytes(), &names, origin, &mut deltas).unwrap();
        }
        deltas
    }

    fn begin<'d>(call: usize, id: &'d str, name: &'d str) -> Delta<'d> {
        let (id, name) = (Some(Text::new(id)), Text::new(name));
        Delta::Call { choice: 0, call, id, name, extra_content: None }
    }

    fn arguments(call: usize, json: &str) -> Delta<'_> {
        Delta::Arguments { choice: 0, call, text: Text::new(json) }
    }

    #[test]
    fn a_call_without_arguments_has_an_empty_object_when_its_block_ends() {
        let events = [
            r#"{"contentBlockStart":{"start":{"toolUse":{"toolUseId":"a","name":"f"}},"contentBlockIndex":1}}"#,
            r#"{"contentBlockDelta":{"delta":{"toolUse":{"input":""}},"contentBlockIndex":1}}"#,
            r#"{"contentBlockStop":{"contentBlockIndex":1}}"#,
        ];
        assert_eq!(decode(&events), [begin(0, "a", "f"), arguments(0, "{}")]);
        assert_eq!(decode(&events[..2]), [begin(0, "a", "f")]);
    }

    #[test]
    fn arguments_belong_to_the_call_of_their_block() {
        let events = [
            r#"{"contentBlockStart":{"start":{"toolUse":{"toolUseId":"a","name":"f"}},"contentBlockIndex":1}}"#,
            r#"{"contentBlockDelta":{"delta":{"toolUse":{"input":"{\"x\":"}},"contentBlockIndex":1}}"#,
            r#"{"contentBlockStart":{"start":{"toolUse":{"toolUseId":"b","name":"g"}},"contentBlockIndex":2}}"#,
            r#"{"contentBlockDelta":{"delta":{"toolUse":{"input":"{\"y\":2}"}},"contentBlockIndex":2}}"#,
            r#"{"contentBlockDelta":{"delta":{"toolUse":{"input":"1}"}},"contentBlockIndex":1}}"#,
            r#"{"contentBlockStop":{"contentBlockIndex":2}}"#,
            r#"{"messageStop":{"stopReason":"tool_use"}}"#,
            r#"{"metadata":{"usage":{"inputTokens":3,"outputTokens":2,"totalTokens":5}}}"#,
        ];
        let usage = Usage { prompt: 3, completion: 2, ..Usage::default() };
        let native = Some(Text::new("tool_use"));
        let expected = [
            begin(0, "a", "f"),
            arguments(0, "{\"x\":"),
            begin(1, "b", "g"),
            arguments(1, "{\"y\":2}"),
            arguments(0, "1}"),
            Delta::Finish { choice: 0, finish: Finish::ToolCalls, native },
            Delta::Usage(usage),
            Delta::End,
        ];
        assert_eq!(decode(&events), expected);
    }
}
