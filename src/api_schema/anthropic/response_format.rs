//! The format of the answer. Claude API reference, `output_config.format`; guide *Structured
//! outputs*.

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

/// The format that an answer must have.
#[derive(Debug, PartialEq)]
pub(super) enum OutputFormat {
    /// Any text.
    Any,
    /// JSON that follows a schema, which Claude enforces.
    Schema(StrictSchema),
    /// JSON, which an instruction in the prompt asks for.
    Instruction(String),
}

/// The instruction that asks for a JSON object.
const OBJECT_INSTRUCTION: &str =
    "Respond with a single JSON object and nothing else: no prose, no code fence.";

impl OutputFormat {
    /// Returns the format that a request asks for, if the model supports it.
    pub(super) fn new(request: &Request<'_>, fit: &Fit<'_>) -> Self {
        if fit.value(Parameter::ResponseFormat).is_none() {
            return Self::Any;
        }
        match &request.response_format {
            None | Some(ResponseFormat::Text) => Self::Any,
            Some(
                ResponseFormat::JsonObject
                | ResponseFormat::JsonSchema(JsonSchema { schema: None, .. }),
            ) => Self::Instruction(OBJECT_INSTRUCTION.to_owned()),
            Some(ResponseFormat::JsonSchema(JsonSchema { schema: Some(raw), .. })) => {
                json_schema::to_strict(raw).map_or_else(
                    || {
                        let schema = raw.get();
                        Self::Instruction(format!(
                            "{OBJECT_INSTRUCTION} It must follow this JSON schema: {schema}"
                        ))
                    },
                    Self::Schema,
                )
            }
        }
    }

    /// Returns whether Claude does not enforce all of the format.
    pub(super) fn is_emulated(&self) -> bool {
        match self {
            Self::Any => false,
            Self::Schema(strict) => strict.differs,
            Self::Instruction(_) => true,
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
