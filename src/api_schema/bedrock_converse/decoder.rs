//! The decoder of Converse's answers and streams.

use std::rc::Rc;

use super::{answer, stream::ConverseStream};
use crate::{
    api_schema::{origin::ResponseContext, tool_names::ToolNames},
    chat::{answer::Answer, delta::Delta, error::Error},
};

/// The decoder of one attempt's answer or stream.
#[derive(Clone, Debug)]
pub(crate) struct BedrockConverseDecoder {
    /// The names of tools as they were sent, and as the client knows them.
    names: Rc<ToolNames>,
    stream: ConverseStream,
}

impl BedrockConverseDecoder {
    pub(super) fn new(names: ToolNames) -> Self {
        Self { names: Rc::new(names), stream: ConverseStream::default() }
    }

    /// Decodes a whole answer.
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
