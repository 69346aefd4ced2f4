//! Requests for embeddings and their answers, in the API schemas that have them.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::{
    Decoder, PreparedRequest, SchemaRequest, error, gemini, openai, origin::ResponseContext,
    translation::TranslationInput,
};
use crate::{
    chat::{
        error::Error,
        mistake::{Mistake, MistakeKind},
        object::ObjectFields,
        parameter::Parameter,
        request::Request,
        usage::Usage,
    },
    config::{ApiSchema, Target},
    embeddings::{VectorEncoding, answer::Embeddings, request::EmbeddingsRequest},
    fit::Fit,
    json,
};

/// Decoder of an answer with embeddings.
#[derive(Clone, Debug)]
pub(crate) struct EmbeddingsDecoder {
    /// API schema of the provider.
    pub(super) api_schema: ApiSchema,
    /// Number of inputs.
    inputs: usize,
    /// Form of the vectors that the client asks for.
    encoding: VectorEncoding,
}

/// Embeddings as a provider sends them.
#[derive(Default)]
pub(super) struct ProviderEmbeddings<'b> {
    /// Vectors, each with its position if the provider names one.
    pub(super) vectors: Vec<(Option<u64>, &'b RawValue)>,
    /// Tokens. `None` if the provider counts none.
    pub(super) usage: Option<Usage>,
}

/// Reads the fields of an answer. An `error` among them is returned as one.
pub(super) fn answer_fields<'b>(
    body: &'b [u8],
    origin: ResponseContext<'_>,
) -> Result<ObjectFields<'b>, Error> {
    let fields: ObjectFields<'b> = json::read(body)
        .map_err(|error| origin.unreadable(&error, "is not an answer with embeddings"))?;
    match fields.get("error") {
        Some(error) => Err(error::classify_embedded(origin, error)),
        None => Ok(fields),
    }
}

/// Fits a request to its target.
#[inline(never)]
pub(super) fn prepare<'q>(request: &'q Request<'q>, target: &Target<'_>) -> PreparedRequest<'q> {
    let (own, mistakes) = EmbeddingsRequest::read(&request.parameters);
    let mut fit = Fit::of_embeddings(request, target, mistakes);
    let is_gemini = target.endpoint.api_schema == ApiSchema::Gemini;
    if is_gemini && own.input.is_some() && own.texts.is_none() {
        let problem = format!("model {} does not support input of tokens", target.name);
        fit.refused.push(Mistake::new(MistakeKind::Unsupported, "input", &problem));
    }
    match request.parameters.get(Parameter::User) {
        Some(_) if is_gemini => fit.dropped.push(Cow::Borrowed(Parameter::User.name())),
        Some(raw) => fit.kept.push((Parameter::User, Cow::Borrowed(raw.get()))),
        None => {}
    }
    PreparedRequest { fit, schema_request: SchemaRequest::Embeddings(own) }
}

/// Returns the path below the base URL and the body, and the decoder of the response.
#[inline(never)]
pub(super) fn request(
    input: &TranslationInput<'_, '_>,
    own: &EmbeddingsRequest<'_>,
) -> ((String, Vec<u8>), Decoder) {
    let api_schema = input.target.endpoint.api_schema;
    let request = match api_schema {
        ApiSchema::Gemini => gemini::embeddings_request(input, own),
        _ => openai::embeddings_request(input, own),
    };
    let (inputs, encoding) = (own.count, own.encoding);
    (request, Decoder::Embeddings(EmbeddingsDecoder { api_schema, inputs, encoding }))
}

impl EmbeddingsDecoder {
    /// Decodes an answer that is no error.
    #[inline(never)]
    pub(super) fn answer<'b>(
        &self,
        body: &'b [u8],
        origin: ResponseContext<'_>,
    ) -> Result<Embeddings<'b>, Error> {
        let answer = match self.api_schema {
            ApiSchema::Gemini => gemini::embeddings(body, origin)?,
            _ => openai::embeddings(body, origin)?,
        };
        let incomplete = || origin.bad("does not have one vector for each input");
        let mut vectors = vec![None; self.inputs];
        for (position, (index, vector)) in answer.vectors.iter().enumerate() {
            let index = index.map_or(Some(position), |index| usize::try_from(index).ok());
            let slot: Option<&mut Option<_>> = index.and_then(|index| vectors.get_mut(index));
            *slot.ok_or_else(incomplete)? = Some(*vector);
        }
        let encoded = vectors.into_iter().map(|vector| {
            let vector = vector.ok_or_else(incomplete)?;
            self.encoding.encode(vector).ok_or_else(|| origin.bad("has a vector without numbers"))
        });
        Ok(Embeddings { vectors: encoded.collect::<Result<_, _>>()?, usage: answer.usage })
    }
}
