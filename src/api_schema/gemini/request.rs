//! The request. ai.google.dev, *Generating content*; cloud.google.com, *GenerateContentRequest*.
//! Both APIs refuse fields that they do not know, so the body is written from scratch.

use super::{
    conversation::CheckedMessage, decoder::GeminiDecoder, schemas::GeminiSchemas,
    tools::GeminiTools,
};
use crate::{
    api_schema::{
        tool_names::{FirstCharacter, NameRules, ToolNames},
        translation::TranslationInput,
    },
    fit::StreamMode,
    json::Object,
};

/// The rules for names of functions. Vertex AI accepts twice the length; both get the shorter.
/// ai.google.dev, *Function calling*, *Function declarations*.
const RULES: NameRules =
    NameRules { max_length: 64, marks: "_.:-", first: FirstCharacter::LetterOrUnderscore };

/// A request that the fit has checked and that is not written yet.
#[derive(Debug)]
pub(crate) struct GeminiRequest<'q> {
    pub(super) messages: Vec<CheckedMessage<'q>>,
    pub(super) tools: GeminiTools<'q>,
    pub(super) schemas: GeminiSchemas<'q>,
}

/// Writes a request. Returns its path below the base URL, its body, and the decoder of its answer.
pub(crate) fn request(
    input: &TranslationInput<'_, '_>,
    request: &GeminiRequest<'_>,
) -> ((String, Vec<u8>), GeminiDecoder) {
    let names = ToolNames::of_request(RULES, input.request);
    let builder = RequestBuilder { input, checked: request, names };
    let body = builder.body();
    ((path(input), body), GeminiDecoder::new(builder.names, input.request_id))
}

fn path(input: &TranslationInput<'_, '_>) -> String {
    let model = &input.target.endpoint.upstream_model;
    match input.fit.stream {
        StreamMode::On => format!("/models/{model}:streamGenerateContent?alt=sse"),
        StreamMode::Off | StreamMode::Emulated => format!("/models/{model}:generateContent"),
    }
}

/// Builder of a request's body.
pub(super) struct RequestBuilder<'q> {
    pub(super) input: &'q TranslationInput<'q, 'q>,
    pub(super) checked: &'q GeminiRequest<'q>,
    pub(super) names: ToolNames,
}

impl RequestBuilder<'_> {
    fn body(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.input.request.parameters.length() + 256);
        let mut body = Object::open(&mut out);
        if let Some(parts) = self.system_parts() {
            body.object("systemInstruction", |system| {
                system.raw("parts", parts);
            });
        }
        body.raw("contents", self.contents());
        let schemas = &self.checked.schemas.translated().parameters;
        self.checked.tools.write(&mut body, schemas, &self.names);
        body.raw("generationConfig", self.generation_config());
        body.close();
        out
    }
}
