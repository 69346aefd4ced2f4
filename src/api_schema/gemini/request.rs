//! The request. ai.google.dev, *Generating content*; cloud.google.com, *GenerateContentRequest*.
//! Both APIs refuse fields that they do not know, so the body is written from scratch.

use super::{decoder::GeminiDecoder, fit::RULES, json_schema::SchemaTranslator};
use crate::{
    api_schema::{tool_names::ToolNames, translation::TranslationInput},
    chat::{
        error::Error,
        mistake::{MAX_MISTAKES, Mistake, MistakeKind},
    },
    fit::StreamMode,
    json::Object,
};

/// Returns the path below the base URL and the body, and the decoder of the response.
pub(crate) fn request(
    input: &TranslationInput<'_, '_>,
) -> Result<((String, Vec<u8>), GeminiDecoder), Error> {
    let mut builder = RequestBuilder::new(input);
    let body = builder.body();
    if !builder.mistakes.is_empty() {
        return Err(Error::Invalid(builder.mistakes));
    }
    let decoder = GeminiDecoder::new(builder.names, input.request_id);
    Ok(((path(input), body), decoder))
}

fn path(input: &TranslationInput<'_, '_>) -> String {
    let model = &input.target.endpoint.upstream_model;
    match input.fit.stream {
        StreamMode::On => format!("/models/{model}:streamGenerateContent?alt=sse"),
        StreamMode::Off | StreamMode::Emulated => format!("/models/{model}:generateContent"),
    }
}

/// Builder of a request's body, and of the list of its mistakes.
pub(super) struct RequestBuilder<'q, 'a> {
    pub(super) input: &'q TranslationInput<'q, 'a>,
    pub(super) names: ToolNames,
    pub(super) schemas: SchemaTranslator,
    mistakes: Vec<Mistake>,
}

impl<'q, 'a> RequestBuilder<'q, 'a> {
    fn new(input: &'q TranslationInput<'q, 'a>) -> Self {
        let names = ToolNames::of_request(RULES, input.request);
        Self { input, names, schemas: SchemaTranslator::default(), mistakes: Vec::new() }
    }

    /// Records a problem with the parameter `param`, up to [`MAX_MISTAKES`].
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
