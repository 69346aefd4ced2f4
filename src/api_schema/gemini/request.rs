//! The request. ai.google.dev, *Generating content*; cloud.google.com, *GenerateContentRequest*. Both
//! APIs refuse fields that they do not know, so the body is written from scratch.

use super::{decoder::GeminiDecoder, json_schema::SchemaTranslator, names::Names};
use crate::{
    api_schema::translation::TranslationInput,
    chat::{
        error::Error,
        mistake::{MAX_MISTAKES, Mistake, MistakeKind},
    },
    config::Target,
    fit::Stream,
    json::Object,
};

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
        original_names: names,
        request_id: asked.request_id.to_owned(),
        ..GeminiDecoder::default()
    };
    Ok(((path(asked), body), reader))
}

fn path(asked: &TranslationInput<'_, '_>) -> String {
    let model = &asked.target.endpoint.upstream_model;
    match asked.fit.stream {
        Stream::On => format!("/models/{model}:streamGenerateContent?alt=sse"),
        Stream::Off | Stream::Emulated => format!("/models/{model}:generateContent"),
    }
}

/// Whether this is Vertex AI, told by its path: it takes files by URL, which AI Studio does not.
pub(super) fn is_vertex(target: &Target<'_>) -> bool {
    target.base.path.ends_with("/publishers/google")
}

/// A request being written, with what is found wrong on the way.
pub(super) struct RequestBuilder<'q, 'a> {
    pub(super) input: &'q TranslationInput<'q, 'a>,
    pub(super) names: Names,
    pub(super) schemas: SchemaTranslator,
    mistakes: Vec<Mistake>,
}

impl<'q, 'a> RequestBuilder<'q, 'a> {
    fn new(asked: &'q TranslationInput<'q, 'a>) -> Self {
        Self {
            input: asked,
            names: Names::default(),
            schemas: SchemaTranslator::default(),
            mistakes: Vec::new(),
        }
    }

    pub(super) fn add_mistake(&mut self, param: impl Into<String>, problem: &str) {
        let param = param.into();
        let message = format!("{param}: {problem}");
        if self.mistakes.len() < MAX_MISTAKES {
            self.mistakes.push(Mistake::new(MistakeKind::Invalid, param, &message));
        }
    }

    fn body(&mut self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.input.request.parameters.length() + 256);
        let mut body = Object::open(&mut out);
        // Names of declared tools come first: those that can stay as they are do.
        let tools = self.tools();
        if let Some(parts) = self.system_parts() {
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
        let generation = self.generation_config();
        body.raw("generationConfig", generation);
        body.close();
        out
    }
}
