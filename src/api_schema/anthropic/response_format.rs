//! The form of the answer. Claude API reference, `output_config.format`; guide *Structured outputs*.

use super::json_schema::{self, StrictSchema};
use crate::{
    chat::{
        parameter::Parameter,
        request::Request,
        tools::{JsonSchema, ResponseFormat},
    },
    fit::Fit,
    json::Object,
};

/// The form of an answer.
#[derive(Debug, PartialEq)]
pub(super) enum OutputFormat {
    /// Any.
    Any,
    /// The model is held to a schema.
    Schema(StrictSchema),
    /// The model is told what to write.
    Instruction(String),
}

/// What tells the model to write an object.
const OBJECT: &str = "Respond with a single JSON object and nothing else: no prose, no code fence.";

/// The form that a request asks for.
pub(super) fn of(request: &Request<'_>, fit: &Fit<'_>) -> OutputFormat {
    if fit.value(Parameter::ResponseFormat).is_none() {
        return OutputFormat::Any;
    }
    match &request.response_format {
        None | Some(ResponseFormat::Text) => OutputFormat::Any,
        Some(ResponseFormat::JsonObject) => OutputFormat::Instruction(OBJECT.to_owned()),
        Some(ResponseFormat::JsonSchema(JsonSchema { schema: None, .. })) => {
            OutputFormat::Instruction(OBJECT.to_owned())
        }
        Some(ResponseFormat::JsonSchema(JsonSchema { schema: Some(raw), .. })) => {
            let told = || format!("{OBJECT} It must follow this JSON schema: {}", raw.get());
            json_schema::to_strict(raw)
                .map_or_else(|| OutputFormat::Instruction(told()), OutputFormat::Schema)
        }
    }
}

impl OutputFormat {
    /// Whether the model can answer in another form.
    pub(super) fn is_emulated(&self) -> bool {
        match self {
            Self::Any => false,
            Self::Schema(converted) => converted.differs,
            Self::Instruction(_) => true,
        }
    }

    /// Writes `format`, if the model is held to one.
    pub(super) fn write(&self, output: &mut Object<'_>) {
        if let Self::Schema(converted) = self {
            output.object("format", |format| {
                format.value("type", "json_schema").value("schema", &converted.schema);
            });
        }
    }
}
