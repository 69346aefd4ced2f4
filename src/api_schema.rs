//! Translation of requests, answers and streams between the chat API and the providers' API
//! schemas.

mod anthropic;
mod bedrock_converse;
mod data_url;
mod embeddings;
mod error;
mod gemini;
mod openai;
mod openai_responses;
pub mod origin;
mod raw_items;
mod stop_sequences;
mod tool_call_input;
mod tool_call_pieces;
mod tool_names;
mod tool_results;
pub mod translation;
mod unique_names;

use self::{
    data_url::mislabelled_part,
    embeddings::EmbeddingsDecoder,
    origin::ResponseContext,
    translation::{TranslatedRequest, TranslationInput},
};
use crate::{
    chat::{answer::Answer, delta::Delta, error::Error, request::Request},
    config::{ApiSchema, Target},
    embeddings::{answer::Embeddings, request::EmbeddingsRequest},
    event_stream::AWS_EVENT_STREAM,
    fit::{Fit, StreamMode},
};

/// The decoder of one attempt's answer or stream, with the state that its request left for it.
#[derive(Clone, Debug)]
pub(crate) enum Decoder {
    /// OpenAI's chat completions.
    OpenAi(openai::OpenAiDecoder),
    /// OpenAI's Responses.
    OpenAiResponses(openai_responses::OpenAiResponsesDecoder),
    /// Anthropic's Messages.
    Anthropic(anthropic::AnthropicDecoder),
    /// Gemini's `generateContent`.
    Gemini(gemini::GeminiDecoder),
    /// Amazon Bedrock's Converse.
    BedrockConverse(Box<bedrock_converse::BedrockConverseDecoder>),
    /// Embeddings, in any of the schemas that have them.
    Embeddings(EmbeddingsDecoder),
}

/// A request that is fitted to its model and its API schema, and not written yet.
pub(crate) struct PreparedRequest<'q> {
    /// Its parameters, as the model takes them.
    pub(crate) fit: Fit<'q>,
    /// The argument of [`translate`].
    pub(crate) schema_request: SchemaRequest<'q>,
}

/// A request in the terms of its API schema, as far as the fit had to translate it.
pub(crate) enum SchemaRequest<'q> {
    /// The fit reads nothing that the translation needs again.
    OpenAi,
    /// The fit reads nothing that the translation needs again.
    OpenAiResponses,
    /// The fit depends on the translated conversation and tools.
    Anthropic(Box<anthropic::AnthropicRequest<'q>>),
    /// The fit has checked the conversation, the tools and the schemas.
    Gemini(Box<gemini::GeminiRequest<'q>>),
    /// The fit depends on the translated conversation and tools.
    BedrockConverse(Box<bedrock_converse::ConverseRequest<'q>>),
    /// The request is one for embeddings.
    Embeddings(EmbeddingsRequest<'q>),
}

/// Fits a request to a target: to its model, and to its provider's API schema.
pub fn fit<'q>(request: &'q Request<'q>, target: &Target<'_>) -> Fit<'q> {
    prepare(request, target).fit
}

/// Fits a request, and keeps the rest of the work for [`translate`].
pub(crate) fn prepare<'q>(request: &'q Request<'q>, target: &Target<'_>) -> PreparedRequest<'q> {
    if request.parameters.embeddings.is_some() {
        return embeddings::prepare(request, target);
    }
    let schema = target.endpoint.api_schema;
    let unsupported = match schema {
        ApiSchema::OpenAi => openai::unsupported_parameters(request),
        ApiSchema::OpenAiResponses
        | ApiSchema::Anthropic
        | ApiSchema::Gemini
        | ApiSchema::BedrockConverse => &[],
    };
    let mut fit = Fit::new(request, target, unsupported);
    let schema_request = match schema {
        ApiSchema::Anthropic => {
            SchemaRequest::Anthropic(Box::new(anthropic::fit(&mut fit, request, target)))
        }
        ApiSchema::BedrockConverse => {
            let own = bedrock_converse::fit(&mut fit, request, target);
            SchemaRequest::BedrockConverse(Box::new(own))
        }
        ApiSchema::Gemini => {
            SchemaRequest::Gemini(Box::new(gemini::fit(&mut fit, request, target)))
        }
        ApiSchema::OpenAi => {
            openai::fit(&mut fit, request, target);
            SchemaRequest::OpenAi
        }
        ApiSchema::OpenAiResponses => {
            openai_responses::fit(&mut fit, request, target);
            SchemaRequest::OpenAiResponses
        }
    };
    report_media_types(&mut fit, request);
    PreparedRequest { fit, schema_request }
}

/// Reports the images and files whose media type is corrected, each with the type of its data.
fn report_media_types(fit: &mut Fit<'_>, request: &Request<'_>) {
    let corrected = request.messages.iter().flat_map(|message| {
        let parts = message.content.parts().iter().enumerate();
        parts.filter_map(|(number, part)| {
            let media_type = mislabelled_part(part)?;
            Some(format!("{}:{media_type}", message.part_path(number)))
        })
    });
    fit.report_corrected(corrected);
}

/// Translates a request that its fit has not refused. Returns it with the decoder of its answer.
pub(crate) fn translate(
    asked: &TranslationInput<'_, '_>,
    schema_request: &SchemaRequest<'_>,
) -> (TranslatedRequest, Decoder) {
    let mut headers = Vec::new();
    let ((path, body), reader) = match schema_request {
        SchemaRequest::OpenAi => {
            let (request, reader) = openai::request(asked);
            (request, Decoder::OpenAi(reader))
        }
        SchemaRequest::OpenAiResponses => {
            let (request, reader) = openai_responses::request(asked);
            (request, Decoder::OpenAiResponses(reader))
        }
        SchemaRequest::Anthropic(request) => {
            let (request, reader) = anthropic::request(asked, request);
            headers.extend(anthropic::headers(asked));
            (request, Decoder::Anthropic(reader))
        }
        SchemaRequest::Gemini(request) => {
            let (request, reader) = gemini::request(asked, request);
            (request, Decoder::Gemini(reader))
        }
        SchemaRequest::BedrockConverse(request) => {
            let (request, reader) = bedrock_converse::request(asked, request);
            (request, Decoder::BedrockConverse(Box::new(reader)))
        }
        SchemaRequest::Embeddings(own) => embeddings::request(asked, own),
    };
    let accept = match &reader {
        _ if asked.fit.stream != StreamMode::On => "application/json",
        Decoder::BedrockConverse(_) => AWS_EVENT_STREAM,
        _ => "text/event-stream",
    };
    let outgoing = TranslatedRequest {
        authority: asked.target.base.authority(),
        path: [&*asked.target.base.path, &path].concat(),
        accept,
        headers,
        body,
    };
    (outgoing, reader)
}

impl Decoder {
    /// Returns `true` if the provider answers in the client's own API, so that its answer may go to the
    /// client as it comes.
    pub(crate) fn is_original(&self) -> bool {
        matches!(self, Self::Anthropic(decoder) if decoder.is_original())
    }

    /// Decodes a whole answer, or classifies an error.
    pub(crate) fn answer<'b>(
        &self,
        body: &'b [u8],
        origin: ResponseContext<'_>,
    ) -> Result<Answer<'b>, Error> {
        self.check(body, origin)?;
        match self {
            Self::OpenAi(reader) => reader.answer(body, origin),
            Self::OpenAiResponses(reader) => reader.answer(body, origin),
            Self::Anthropic(reader) => reader.answer(body, origin),
            Self::Gemini(reader) => reader.answer(body, origin),
            Self::BedrockConverse(reader) => reader.answer(body, origin),
            Self::Embeddings(_) => Err(origin.bad(NO_COMPLETION)),
        }
    }

    /// Decodes a whole answer with embeddings, or classifies an error. `None` for an answer of
    /// another kind.
    pub(crate) fn embeddings<'b>(
        &self,
        body: &'b [u8],
        origin: ResponseContext<'_>,
    ) -> Option<Result<Embeddings<'b>, Error>> {
        let Self::Embeddings(decoder) = self else { return None };
        Some(self.check(body, origin).and_then(|()| decoder.answer(body, origin)))
    }

    /// Classifies an error. A response with status 200 and a body that may be JSON is none.
    pub(crate) fn check(&self, body: &[u8], origin: ResponseContext<'_>) -> Result<(), Error> {
        let head = origin.head;
        origin.check_plain(body)?;
        if head.status != 200 {
            let classify = match self {
                Self::Gemini(_) => gemini::classify,
                Self::BedrockConverse(_) => bedrock_converse::classify,
                Self::Embeddings(own) if own.api_schema == ApiSchema::Gemini => gemini::classify,
                _ => error::classify,
            };
            return Err(classify(origin, body));
        }
        if !head.content_type.is_empty() && !head.content_type.starts_with("application/json") {
            return Err(origin.bad("is not JSON, by its content type"));
        }
        Ok(())
    }

    /// Decodes one event of a stream into the deltas it holds. Deltas before an error are valid.
    pub(crate) fn decode_event<'d>(
        &mut self,
        data: &'d [u8],
        origin: ResponseContext<'_>,
        deltas: &mut Vec<Delta<'d>>,
    ) -> Result<(), Error> {
        match self {
            Self::OpenAi(decoder) => decoder.decode_event(data, origin, deltas),
            Self::OpenAiResponses(decoder) => decoder.decode_event(data, origin, deltas),
            Self::Anthropic(decoder) => decoder.decode_event(data, origin, deltas),
            Self::Gemini(decoder) => decoder.decode_event(data, origin, deltas),
            Self::BedrockConverse(decoder) => decoder.decode_event(data, origin, deltas),
            Self::Embeddings(_) => Err(origin.bad(NO_COMPLETION)),
        }
    }
}

/// Problem of an answer with embeddings in the place of a completion.
const NO_COMPLETION: &str = "is not a completion";
