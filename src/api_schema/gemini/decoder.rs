//! The decoder of a response: an answer in one piece, or the events of a stream.

use super::{answer, parts::PartDecoder, stream::GeminiStream};
use crate::{
    api_schema::{origin::ResponseContext, tool_names::ToolNames},
    chat::{answer::Answer, delta::Delta, error::Error},
};

/// Decoder of a response, with the state of its stream.
#[derive(Clone, Debug)]
pub(crate) struct GeminiDecoder {
    parts: PartDecoder,
    stream: GeminiStream,
}

impl GeminiDecoder {
    pub(super) fn new(names: ToolNames, request_id: &str) -> Self {
        Self { parts: PartDecoder::new(names, request_id), stream: GeminiStream::default() }
    }

    /// Decodes an answer in one piece.
    pub(crate) fn answer<'b>(
        &self,
        body: &'b [u8],
        origin: ResponseContext<'_>,
    ) -> Result<Answer<'b>, Error> {
        answer::read(&self.parts, body, origin)
    }

    /// Decodes one event of a stream into the deltas it holds.
    pub(crate) fn decode_event<'d>(
        &mut self,
        data: &'d [u8],
        origin: ResponseContext<'_>,
        deltas: &mut Vec<Delta<'d>>,
    ) -> Result<(), Error> {
        self.stream.decode_event(&self.parts, data, origin, deltas)
    }
}
