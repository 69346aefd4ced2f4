//! The form of the answer. Claude API reference, `output_config.format`; guide *Structured outputs*.

use super::json_schema::{self, Converted};
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
pub(super) enum Format {
    /// Any.
    Free,
    /// The model is held to a schema.
    Held(Converted),
    /// The model is told what to write.
    Told(String),
}

/// What tells the model to write an object.
const OBJECT: &str = "Respond with a single JSON object and nothing else: no prose, no code fence.";

/// The form that a request asks for.
pub(super) fn of(request: &Request<'_>, fit: &Fit<'_>) -> Format {
    if fit.value(Parameter::ResponseFormat).is_none() {
        return Format::Free;
    }
    match &request.response_format {
        None | Some(ResponseFormat::Text) => Format::Free,
        Some(ResponseFormat::JsonObject) => Format::Told(OBJECT.to_owned()),
        Some(ResponseFormat::JsonSchema(JsonSchema { schema: None, .. })) => {
            Format::Told(OBJECT.to_owned())
        }
        Some(ResponseFormat::JsonSchema(JsonSchema { schema: Some(raw), .. })) => {
            let told = || format!("{OBJECT} It must follow this JSON schema: {}", raw.get());
            json_schema::convert(raw).map_or_else(|| Format::Told(told()), Format::Held)
        }
    }
}

impl Format {
    /// Whether the model can answer in another form.
    pub(super) fn is_emulated(&self) -> bool {
        match self {
            Self::Free => false,
            Self::Held(converted) => converted.differs,
            Self::Told(_) => true,
        }
    }

    /// Writes `format`, if the model is held to one.
    pub(super) fn write(&self, output: &mut Object<'_>) {
        if let Self::Held(converted) = self {
            output.object("format", |format| {
                format.value("type", "json_schema").value("schema", &converted.schema);
            });
        }
    }
}
