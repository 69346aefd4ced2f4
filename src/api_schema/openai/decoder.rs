//! The decoder of a response: an answer in one piece, or the chunks of a stream.

use super::{answer, stream};
use crate::{
    api_schema::{origin::ResponseContext, tool_call_pieces::ToolCallPieces},
    chat::{answer::Answer, delta::Delta, error::Error},
};

/// Decoder of a response, with the state of its stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct OpenAiDecoder {
    /// Tool calls of a stream so far.
    calls: ToolCallPieces,
}

impl OpenAiDecoder {
    /// Decodes an answer in one piece.
    pub(crate) fn answer<'b>(
        &self,
        body: &'b [u8],
        origin: ResponseContext<'_>,
    ) -> Result<Answer<'b>, Error> {
        answer::read(body, origin)
    }

    /// Decodes one event of a stream into the deltas it holds.
    pub(crate) fn decode_event<'d>(
        &mut self,
        data: &'d [u8],
        origin: ResponseContext<'_>,
        deltas: &mut Vec<Delta<'d>>,
    ) -> Result<(), Error> {
        stream::decode_event(&mut self.calls, data, origin, deltas)
    }
}
