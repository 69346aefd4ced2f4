//! The decoder of Claude's answers and streams.

use std::rc::Rc;

use super::{answer, names::ToolNames, stream::Progress};
use crate::{
    api_schema::origin::ResponseContext,
    chat::{answer::Answer, error::Error, stream_writer::Writer, text::Text},
};

/// The decoder of one attempt's answer or stream.
#[derive(Clone, Debug)]
pub(crate) struct AnthropicDecoder {
    /// The names of tools as they were sent, and as the client knows them.
    names: Rc<ToolNames>,
    progress: Box<Progress>,
}

impl AnthropicDecoder {
    pub(super) fn new(names: ToolNames) -> Self {
        Self { names: Rc::new(names), progress: Box::default() }
    }

    /// Decodes a whole answer.
    pub(crate) fn answer<'b>(
        &self,
        body: &'b [u8],
        origin: ResponseContext<'_>,
    ) -> Result<Answer<'b>, Error> {
        answer::read(body, &self.names, origin)
    }

    /// Reads one event of a stream. If all it said was more text, that is given back.
    pub(crate) fn event<'d>(
        &mut self,
        data: &'d [u8],
        writer: &mut Writer,
        origin: ResponseContext<'_>,
    ) -> Result<Option<(usize, Text<'d>)>, Error> {
        self.progress.event(data, &self.names, writer, origin)
    }
}
