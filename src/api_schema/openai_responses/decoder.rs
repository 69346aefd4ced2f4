//! The decoder of a response: an answer in one piece, or the events of a stream.

use std::rc::Rc;

use super::{answer, stream::ResponsesStream};
use crate::{
    api_schema::{origin::ResponseContext, tool_names::ToolNames},
    chat::{answer::Answer, delta::Delta, error::Error},
};

/// Decoder of a response, with the state of its stream.
#[derive(Clone, Debug)]
pub(crate) struct OpenAiResponsesDecoder {
    /// Names of tools as they were sent, and as the client knows them.
    names: Rc<ToolNames>,
    stream: Box<ResponsesStream>,
}

impl OpenAiResponsesDecoder {
    pub(super) fn new(names: ToolNames) -> Self {
        Self { names: Rc::new(names), stream: Box::default() }
    }

    /// Decodes an answer in one piece.
    pub(crate) fn answer<'b>(
        &self,
        body: &'b [u8],
        origin: ResponseContext<'_>,
    ) -> Result<Answer<'b>, Error> {
        answer::read(body, &self.names, origin)
    }

    /// Decodes one event of a stream into the deltas it holds.
    pub(crate) fn decode_event<'d>(
        &mut self,
        data: &'d [u8],
        origin: ResponseContext<'_>,
        deltas: &mut Vec<Delta<'d>>,
    ) -> Result<(), Error> {
        self.stream.decode_event(data, &self.names, origin, deltas)
    }
}
