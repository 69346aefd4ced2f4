//! Anthropic's Messages: Claude at Anthropic itself, on Amazon Bedrock's endpoint of that name, and,
//! with a quirk, on Vertex AI. Claude API reference, *Messages*.
//!
//! A request is sorted ([`sort`]), fitted ([`fit`]) and written ([`request`]); an answer is read in
//! one piece ([`answer`]) or as a stream ([`stream`]).

mod answer;
mod conversation;
mod fit;
mod json_schema;
mod media;
mod messages;
mod names;
mod reasoning;
mod request;
mod response_format;
mod stream;
mod tools;

#[cfg(test)]
mod tests;

use std::rc::Rc;

use self::{names::Names, stream::StreamProgress};
use super::origin::ResponseContext;
use crate::chat::{answer::Answer, delta::Delta, error::Error};

pub(crate) use self::{fit::fit, request::request};

/// What every request has in its head: Claude API, *Versioning*. The version after this one takes
/// no sampling parameters from any model.
pub(crate) const HEADERS: &[(&str, &str)] = &[("anthropic-version", "2023-06-01")];

/// What reads an answer.
#[derive(Clone, Debug)]
pub(crate) struct AnthropicDecoder {
    /// What tools are called on the other side.
    names: Rc<Names>,
    progress: Box<StreamProgress>,
}

impl AnthropicDecoder {
    fn new(names: Names) -> Self {
        Self { names: Rc::new(names), progress: Box::default() }
    }

    /// Reads an answer in one piece.
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
