//! Gemini's `generateContent`, as AI Studio and Vertex AI speak it: ai.google.dev, *Generating
//! content*; cloud.google.com, *GenerateContentRequest*. Both refuse names they do not know, so the
//! body is written from scratch.

use std::collections::BTreeMap;

use self::{answer::UsageMetadata, json_schema::Schemas, names::Names};
use super::{origin::ResponseContext, translation::TranslationInput};
use crate::{
    chat::{
        answer::Answer,
        delta::Delta,
        error::Error,
        mistake::{MAX_MISTAKES, Mistake, MistakeKind},
    },
    config::Target,
    fit::StreamMode,
    json::Object,
};

mod answer;
mod error;
mod fit;
mod generation;
mod json_schema;
mod logprobs;
mod media;
mod messages;
mod names;
mod signature;
mod stream;
mod tools;
mod turns;

pub(crate) use self::{error::classify, fit::fit};

/// What a request leaves to remember for its answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct GeminiDecoder {
    /// Names of tools as the client knows them, by those that were sent in their place.
    names: BTreeMap<String, String>,
    /// The request's id: calls that come without an id get one that follows from it.
    request_id: String,
    /// The progress of a stream, by candidate.
    candidates: BTreeMap<usize, stream::CandidateState>,
    /// What a stream has cost so far.
    usage: UsageMetadata,
}

/// Path below the base URL, body, and what will read the answer.
pub(crate) fn request(
    asked: &TranslationInput<'_, '_>,
) -> Result<((String, Vec<u8>), GeminiDecoder), Error> {
    let mut draft = RequestBuilder::new(asked);
    let body = draft.body();
    if !draft.mistakes.is_empty() {
        return Err(Error::Invalid(draft.mistakes));
    }
    let names = draft.names.into_originals();
    let reader = GeminiDecoder {
        names,
        request_id: asked.request_id.to_owned(),
        ..GeminiDecoder::default()
    };
    Ok(((path(asked), body), reader))
}

fn path(asked: &TranslationInput<'_, '_>) -> String {
    let model = &asked.target.endpoint.upstream_model;
    match asked.fit.stream {
        StreamMode::On => format!("/models/{model}:streamGenerateContent?alt=sse"),
        StreamMode::Off | StreamMode::Emulated => format!("/models/{model}:generateContent"),
    }
}

/// Whether this is Vertex AI, told by its path: it takes files by URL, which AI Studio does not.
fn is_vertex(target: &Target<'_>) -> bool {
    target.base.path.ends_with("/publishers/google")
}

/// A request being written, with what is found wrong on the way.
struct RequestBuilder<'q, 'a> {
    asked: &'q TranslationInput<'q, 'a>,
    names: Names,
    schemas: Schemas,
    mistakes: Vec<Mistake>,
}

impl<'q, 'a> RequestBuilder<'q, 'a> {
    fn new(asked: &'q TranslationInput<'q, 'a>) -> Self {
        Self { asked, names: Names::default(), schemas: Schemas::default(), mistakes: Vec::new() }
    }

    fn wrong(&mut self, param: impl Into<String>, problem: &str) {
        let param = param.into();
        let message = format!("{param}: {problem}");
        if self.mistakes.len() < MAX_MISTAKES {
            self.mistakes.push(Mistake::new(MistakeKind::Invalid, param, &message));
        }
    }

    fn body(&mut self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.asked.request.parameters.length() + 256);
        let mut body = Object::open(&mut out);
        // Names of declared tools come first: those that can stay as they are do.
        let tools = self.tools();
        if let Some(parts) = self.system() {
            body.object("systemInstruction", |system| {
                system.raw("parts", parts);
            });
        }
        let contents = self.contents();
        body.raw("contents", contents);
        if let Some(declarations) = &tools.declarations {
            body.raw("tools", declarations);
        }
        if let Some(config) = &tools.config {
            body.raw("toolConfig", config);
        }
        let generation = self.generation();
        body.raw("generationConfig", generation);
        body.close();
        out
    }
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

    /// Decodes one event of a stream into the deltas it holds.
    pub(crate) fn decode_event<'d>(
        &mut self,
        data: &'d [u8],
        origin: ResponseContext<'_>,
        deltas: &mut Vec<Delta<'d>>,
    ) -> Result<(), Error> {
        stream::decode_event(self, data, origin, deltas)
    }
}

#[cfg(test)]
mod tests;
