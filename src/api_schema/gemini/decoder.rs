//! The decoder of a response: an answer in one piece, or the events of a stream.

use std::collections::BTreeMap;

use super::{answer, parts::PartDecoder, stream::GeminiStream};
use crate::{
    api_schema::origin::ResponseContext,
    chat::{answer::Answer, delta::Delta, error::Error},
};

/// Decoder of a response, with the state of its stream.
#[derive(Clone, Debug)]
pub(crate) struct GeminiDecoder {
    parts: PartDecoder,
    stream: GeminiStream,
}

impl GeminiDecoder {
    /// `original_names` holds the client's tool names, by the names that were sent in their place.
    pub(super) fn new(original_names: BTreeMap<String, String>, request_id: &str) -> Self {
        Self {
            parts: PartDecoder::new(original_names, request_id),
            stream: GeminiStream::default(),
        }
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
