//! Reads what comes back from one attempt, by the provider's API schema.

mod anthropic;
mod error;
mod gemini;
mod openai;
pub mod origin;
mod tool_call_indices;
pub mod translation;

use self::{
    origin::ResponseContext,
    translation::{TranslatedRequest, TranslationInput},
};
use crate::{
    chat::{answer::Answer, delta::Delta, error::Error, request::Request},
    config::{ApiSchema, Target},
    fit::{Fit, StreamMode},
};

/// What reads an attempt's answer, with what its request left to remember.
#[derive(Clone, Debug)]
pub(crate) enum Decoder {
    /// OpenAI's chat completions.
    OpenAi(openai::OpenAiDecoder),
    /// Anthropic's Messages.
    Anthropic(anthropic::AnthropicDecoder),
    /// Gemini's `generateContent`.
    Gemini(gemini::GeminiDecoder),
}

/// Fits a request to where it is to run: to the model, and to the provider's API schema.
pub fn fit<'a>(request: &Request<'a>, target: &Target<'_>) -> Fit<'a> {
    let schema = target.provider.api_schema;
    let unsupported = match schema {
        ApiSchema::OpenAi => openai::unsupported_parameters(request),
        ApiSchema::Anthropic | ApiSchema::Gemini => &[],
    };
    let mut fit = Fit::new(request, target, unsupported);
    match schema {
        ApiSchema::Anthropic => anthropic::fit(&mut fit, request, target),
        ApiSchema::Gemini => gemini::fit(&mut fit, request, target),
        ApiSchema::OpenAi => openai::fit(&mut fit, request, target),
    }
    fit
}

/// Translates a request, and says what will read its answer.
pub(crate) fn translate(
    asked: &TranslationInput<'_, '_>,
) -> Result<(TranslatedRequest, Decoder), Error> {
    let mut headers: &'static [(&'static str, &'static str)] = &[];
    let ((path, body), reader) = match asked.target.provider.api_schema {
        ApiSchema::OpenAi => {
            let (request, reader) = openai::request(asked);
            (request, Decoder::OpenAi(reader))
        }
        ApiSchema::Anthropic => {
            let (request, reader) = anthropic::request(asked)?;
            headers = anthropic::HEADERS;
            (request, Decoder::Anthropic(reader))
        }
        ApiSchema::Gemini => {
            let (request, reader) = gemini::request(asked)?;
            (request, Decoder::Gemini(reader))
        }
    };
    let streams = asked.fit.stream == StreamMode::On;
    let outgoing = TranslatedRequest {
        authority: asked.target.base.authority(),
        path: [&*asked.target.base.path, &path].concat(),
        accept: if streams { "text/event-stream" } else { "application/json" },
        headers,
        body,
    };
    Ok((outgoing, reader))
}

impl Decoder {
    /// Reads an answer in one piece, or the error it is.
    pub(crate) fn answer<'b>(
        &self,
        body: &'b [u8],
        origin: ResponseContext<'_>,
    ) -> Result<Answer<'b>, Error> {
        let head = origin.head;
        origin.check_plain(body)?;
        if head.status != 200 {
            return Err(match self {
                Self::OpenAi(_) | Self::Anthropic(_) => error::classify(origin, body),
                Self::Gemini(_) => gemini::classify(origin, body),
            });
        }
        if !head.content_type.is_empty() && !head.content_type.starts_with("application/json") {
            return Err(origin.bad("is not JSON, by its content type"));
        }
        match self {
            Self::OpenAi(reader) => reader.answer(body, origin),
            Self::Anthropic(reader) => reader.answer(body, origin),
            Self::Gemini(reader) => reader.answer(body, origin),
        }
    }

    /// Decodes one event of a stream into the deltas it holds. Those before an error count.
    pub(crate) fn decode_event<'d>(
        &mut self,
        data: &'d [u8],
        origin: ResponseContext<'_>,
        deltas: &mut Vec<Delta<'d>>,
    ) -> Result<(), Error> {
        match self {
            Self::OpenAi(decoder) => decoder.decode_event(data, origin, deltas),
            Self::Anthropic(decoder) => decoder.decode_event(data, origin, deltas),
            Self::Gemini(decoder) => decoder.decode_event(data, origin, deltas),
        }
    }
}
