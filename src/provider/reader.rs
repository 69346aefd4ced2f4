//! Reads what comes back from one attempt, by the provider's API schema.

use super::{Asked, Head, Outgoing, anthropic, failure, gemini, openai};
use crate::{
    chat::{answer::Answer, error::Error, request::Request, stream_writer::Writer, text::Text},
    config::{ApiSchema, Target},
    fit::{Fit, Stream},
};

/// How gzip (RFC 1952), zlib (RFC 1950) and Zstandard (RFC 8878) begin.
const COMPRESSED: [&[u8]; 5] =
    [&[0x1f, 0x8b], &[0x78, 0x01], &[0x78, 0x9c], &[0x78, 0xda], &[0x28, 0xb5, 0x2f, 0xfd]];

/// How many bytes it takes to know.
pub(super) const MAGIC: usize = 4;

/// What reads an attempt's answer, with what its request left to remember.
#[derive(Clone, Debug)]
pub(super) enum Reader {
    /// OpenAI's chat completions.
    OpenAi,
    /// Anthropic's Messages.
    Anthropic(anthropic::Reader),
    /// Gemini's `generateContent`.
    Gemini(gemini::Reader),
}

/// Who answered, and how the answer began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin<'o> {
    /// The provider's name.
    pub(super) provider: &'o str,
    /// The model, under the name clients know.
    pub(super) model: &'o str,
    /// The head of the answer.
    pub(super) head: &'o Head,
}

impl Origin<'_> {
    /// The error for an answer that makes no sense.
    pub(super) fn bad(&self, problem: &'static str) -> Error {
        Error::BadAnswer { provider: self.provider.to_owned(), problem }
    }

    /// Refuses a body that begins as compressed ones do. Nobody asked for that: the header is not
    /// worth a look at every answer.
    pub(super) fn check_plain(&self, start: &[u8]) -> Result<(), Error> {
        let is_compressed = COMPRESSED.iter().any(|magic| start.starts_with(magic));
        if is_compressed { Err(self.bad("is compressed, which was not asked for")) } else { Ok(()) }
    }
}

/// Fits a request to where it is to run: to the model, and to the provider's API schema.
pub fn fit<'a>(request: &Request<'a>, target: &Target<'_>) -> Fit<'a> {
    let mut fit = Fit::new(request, target);
    match target.provider.api_schema {
        ApiSchema::Anthropic => anthropic::fit(&mut fit, request, target),
        ApiSchema::Gemini => gemini::fit(&mut fit, request, target),
        ApiSchema::OpenAi => openai::fit(&mut fit, request, target),
    }
    fit
}

/// Translates a request, and says what will read its answer.
pub(super) fn translate(asked: &Asked<'_, '_>) -> Result<(Outgoing, Reader), Error> {
    let mut headers: &'static [(&'static str, &'static str)] = &[];
    let ((path, body), reader) = match asked.target.provider.api_schema {
        ApiSchema::OpenAi => (openai::request(asked), Reader::OpenAi),
        ApiSchema::Anthropic => {
            let (request, reader) = anthropic::request(asked)?;
            headers = anthropic::HEADERS;
            (request, Reader::Anthropic(reader))
        }
        ApiSchema::Gemini => {
            let (request, reader) = gemini::request(asked)?;
            (request, Reader::Gemini(reader))
        }
    };
    let streams = asked.fit.stream == Stream::On;
    let outgoing = Outgoing {
        authority: asked.target.base.authority(),
        path: [&*asked.target.base.path, &path].concat(),
        accept: if streams { "text/event-stream" } else { "application/json" },
        headers,
        body,
    };
    Ok((outgoing, reader))
}

impl Reader {
    /// Reads an answer in one piece, or the error it is.
    pub(super) fn answer<'b>(
        &self,
        body: &'b [u8],
        origin: Origin<'_>,
    ) -> Result<Answer<'b>, Error> {
        let head = origin.head;
        origin.check_plain(body)?;
        if head.status != 200 {
            return Err(match self {
                Self::OpenAi | Self::Anthropic(_) => failure::classify(origin, body),
                Self::Gemini(_) => gemini::classify(origin, body),
            });
        }
        if !head.content_type.is_empty() && !head.content_type.starts_with("application/json") {
            return Err(origin.bad("is not JSON, by its content type"));
        }
        match self {
            Self::OpenAi => openai::answer(body, origin),
            Self::Anthropic(reader) => reader.answer(body, origin),
            Self::Gemini(reader) => reader.answer(body, origin),
        }
    }

    /// Reads one event of a stream. If all it said was more text, that is given back.
    pub(super) fn event<'d>(
        &mut self,
        data: &'d [u8],
        writer: &mut Writer,
        origin: Origin<'_>,
    ) -> Result<Option<(usize, Text<'d>)>, Error> {
        match self {
            Self::OpenAi => openai::event(data, writer, origin),
            Self::Anthropic(reader) => reader.event(data, writer, origin),
            Self::Gemini(reader) => reader.event(data, writer, origin),
        }
    }
}
