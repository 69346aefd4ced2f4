//! The decoder of what comes back: an answer in one piece, or the events of a stream.

use std::collections::BTreeMap;

use super::{answer, stream, wire::UsageMetadata};
use crate::{
    api_schema::origin::ResponseContext,
    chat::{answer::Answer, error::Error, stream_writer::Writer, text::Text},
};

/// What a request leaves to remember for its answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct GeminiDecoder {
    /// Names of tools as the client knows them, by those that were sent in their place.
    pub(super) original_names: BTreeMap<String, String>,
    /// The request's id: calls that come without an id get one that follows from it.
    pub(super) request_id: String,
    /// What has been said so far in a stream, per candidate.
    pub(super) candidates: BTreeMap<usize, stream::CandidateState>,
    /// What a stream has cost so far.
    pub(super) usage: UsageMetadata,
}

impl GeminiDecoder {
    /// Reads an answer in one piece.
    pub(crate) fn answer<'b>(
        &self,
        body: &'b [u8],
        origin: ResponseContext<'_>,
    ) -> Result<Answer<'b>, Error> {
        answer::read(self, body, origin)
    }

    /// Reads one event of a stream. It is never text alone: each has the usage so far in it.
    pub(crate) fn event<'d>(
        &mut self,
        data: &'d [u8],
        writer: &mut Writer,
        origin: ResponseContext<'_>,
    ) -> Result<Option<(usize, Text<'d>)>, Error> {
        stream::read(self, data, writer, origin).map(|()| None)
    }
}
