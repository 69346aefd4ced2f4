//! The decoder of Claude's answers and streams.

use std::rc::Rc;

use super::{answer, stream::StreamProgress};
use crate::{
    api_schema::{origin::ResponseContext, tool_names::ToolNames},
    chat::{answer::Answer, delta::Delta, error::Error},
};

/// The decoder of one attempt's answer or stream.
#[derive(Clone, Debug)]
pub(crate) struct AnthropicDecoder {
    /// The names of tools as they were sent, and as the client knows them.
    names: Rc<ToolNames>,
    progress: Box<StreamProgress>,
    /// `true` if the client asked in Claude's own API.
    is_original: bool,
}

impl AnthropicDecoder {
    pub(super) fn new(names: ToolNames) -> Self {
        Self { names: Rc::new(names), progress: Box::default(), is_original: false }
    }

    /// Creates a decoder for a request that came in Claude's own API.
    pub(super) fn of_original() -> Self {
        Self { is_original: true, ..Self::new(ToolNames::default()) }
    }

    /// Returns `true` if the answer may go to the client as it comes.
    pub(crate) fn is_original(&self) -> bool {
        self.is_original
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
        self.progress.decode_event(data, &self.names, origin, deltas)
    }
}
