//! The format of the answer. Claude API reference, `output_config.format`; guide *Structured
//! outputs*.

use super::json_schema::{self, StrictSchema};
use crate::{
    chat::{
        parameter::Parameter,
        request::Request,
        tools::{JsonSchema, ResponseFormat},
    },
    fit::{
        Fit,
        response_format::{FormatMode, format_instruction},
    },
    json::Object,
};

/// The format that an answer must have.
#[derive(Debug, PartialEq)]
pub(in crate::api_schema) enum OutputFormat {
    /// Any text.
    Any,
    /// JSON that follows a schema, which Claude enforces.
    Schema(StrictSchema),
    /// JSON, which an instruction in the prompt asks for.
    Instruction(String),
}

impl OutputFormat {
    /// Returns the format that a request asks for, if the model supports it.
    pub(in crate::api_schema) fn new(request: &Request<'_>, fit: &Fit<'_>) -> Self {
        if fit.value(Parameter::ResponseFormat).is_none() {
            return Self::Any;
        }
        let Some(format) = &request.response_format else { return Self::Any };
        let strict = match format {
            ResponseFormat::Text => return Self::Any,
            ResponseFormat::JsonSchema(JsonSchema { schema: Some(raw), .. })
                if fit.format == FormatMode::Native =>
            {
                json_schema::to_strict(raw)
            }
            ResponseFormat::JsonObject | ResponseFormat::JsonSchema(_) => None,
        };
        strict.map_or_else(|| Self::Instruction(format_instruction(request)), Self::Schema)
    }

    /// Reports a format that Claude does not enforce, or not all of it.
    pub(in crate::api_schema) fn report(&self, fit: &mut Fit<'_>) {
        match self {
            Self::Schema(strict) if strict.differs => fit.emulated.push("response_format"),
            Self::Any | Self::Schema(_) => {}
            Self::Instruction(_) => fit.instruct_format(FormatMode::Instruction),
        }
    }

    /// Writes `format`, if Claude is to enforce a schema.
    pub(super) fn write(&self, output_config: &mut Object<'_>) {
        if let Self::Schema(strict) = self {
            output_config.object("format", |format| {
                format.value("type", "json_schema").value("schema", &strict.schema);
            });
        }
    }
}
