//! Emulation of a `response_format` that a model does not accept: an instruction asks for it, with
//! JSON mode where the model has one, and the answer is checked and repaired.

use serde_json::value::RawValue;

use super::{Fit, StreamMode};
use crate::{
    chat::{parameter::Parameter, request::Request, tools::ResponseFormat},
    config::{ApiSchema, Quirk, Target},
};
use json_repair::{ExpectedShape, RootKind};

/// Way in which an answer gets the format that its request asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FormatMode {
    /// The provider enforces the format, or the request asks for none.
    #[default]
    Native,
    /// An instruction asks for the format, and the provider enforces JSON.
    JsonMode,
    /// An instruction asks for the format.
    Instruction,
}

/// Returns the instruction that asks for the format of a request.
pub fn format_instruction(request: &Request<'_>) -> String {
    let value = if asks_for_object(request) { "object" } else { "value" };
    let mut text =
        format!("Respond with a single JSON {value} and nothing else: no prose, no code fence.");
    if let Some(raw) = schema(request) {
        text.push_str(" It must follow this JSON schema: ");
        text.push_str(raw.get());
    }
    if !request.tools.is_empty() {
        text.push_str(" You may call tools before you respond.");
    }
    text
}

impl Fit<'_> {
    /// Has an instruction ask for the format, and reports that.
    pub fn instruct_format(&mut self, mode: FormatMode) {
        self.format = mode;
        if !self.emulated.contains(&"response_format") {
            self.emulated.push("response_format");
        }
    }

    /// Emulates the format, unless the model's entry forbids that or the API schema has no place for
    /// the instruction. Returns true if the format is emulated.
    pub(super) fn emulate_format(&mut self, request: &Request<'_>, target: &Target<'_>) -> bool {
        let schema = target.endpoint.api_schema;
        if !target.model.response_format_emulation || schema == ApiSchema::Gemini {
            return false;
        }
        let has_json_mode = schema.is_of_openai() && self.has_json_mode(request, target);
        self.instruct_format(match has_json_mode {
            true => FormatMode::JsonMode,
            false => FormatMode::Instruction,
        });
        true
    }

    /// Returns true if JSON mode helps: the model has it, the answer is an object, and there are no
    /// tools, whose calls some servers exclude in JSON mode.
    fn has_json_mode(&self, request: &Request<'_>, target: &Target<'_>) -> bool {
        let form = ResponseFormat::JsonObject.form();
        target.model.supports(Parameter::ResponseFormat)
            && form.is_some_and(|form| self.takes_format(form, target))
            && request.tools.is_empty()
            && asks_for_object(request)
    }

    /// Returns true if the model takes a form of `response_format` in the request. Qwen refuses all
    /// of them while it thinks, "Json mode response is not supported when enable_thinking is true":
    /// Alibaba Model Studio, *Structured output*.
    pub(super) fn takes_format(&self, form: &str, target: &Target<'_>) -> bool {
        let thinks =
            target.provider.has(Quirk::ThinkingOnlyStreamed) && self.stream == StreamMode::On;
        target.model.response_formats.contains(&form) && !thinks
    }
}

/// Returns true unless the schema asks for another value.
fn asks_for_object(request: &Request<'_>) -> bool {
    schema(request).is_none_or(|raw| ExpectedShape::from_schema(raw.get()).root == RootKind::Object)
}

fn schema<'a>(request: &Request<'a>) -> Option<&'a RawValue> {
    match &request.response_format {
        Some(ResponseFormat::JsonSchema(own)) => own.schema,
        _ => None,
    }
}
