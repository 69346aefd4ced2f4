//! The decoder of a response: an answer in one piece, or the chunks of a stream.

use std::rc::Rc;

use super::{answer, custom_calls::CustomCalls, stream};
use crate::{
    api_schema::{
        origin::ResponseContext, tool_call_pieces::ToolCallPieces, tool_names::ToolNames,
    },
    chat::{answer::Answer, delta::Delta, error::Error},
};

/// Decoder of a response, with the state of its stream.
#[derive(Clone, Debug)]
pub(crate) struct OpenAiDecoder {
    /// Names of tools as they were sent, and as the client knows them.
    names: Rc<ToolNames>,
    /// Tool calls of a stream so far.
    calls: ToolCallPieces,
    custom_calls: CustomCalls,
}

impl OpenAiDecoder {
    pub(super) fn new(names: ToolNames) -> Self {
        let (calls, custom_calls) = (ToolCallPieces::default(), CustomCalls::default());
        Self { names: Rc::new(names), calls, custom_calls }
    }

    /// Decodes an answer in one piece.
    pub(crate) fn answer<'b>(
        &self,
        body: &'b [u8],
        origin: ResponseContext<'_>,
    ) -> Result<Answer<'b>, Error> {
        let mut answer = answer::read(body, origin)?;
        let calls = answer.choices.iter_mut().flat_map(|choice| &mut choice.calls);
        calls.for_each(|call| call.name = self.names.received(&call.name));
        Ok(answer)
    }

    /// Decodes one event of a stream into the deltas it holds.
    pub(crate) fn decode_event<'d>(
        &mut self,
        data: &'d [u8],
        origin: ResponseContext<'_>,
        deltas: &mut Vec<Delta<'d>>,
    ) -> Result<(), Error> {
        let (calls, custom_calls, before) = (&mut self.calls, &mut self.custom_calls, deltas.len());
        let decoded = stream::decode_event(calls, custom_calls, data, origin, deltas);
        if !self.names.is_empty() {
            for delta in deltas.iter_mut().skip(before) {
                if let Delta::Call { name, .. } = delta {
                    *name = self.names.received(name);
                }
            }
        }
        decoded
    }
}
