//! The schemas of one request, of which Gemini gets a translation. They are translated once: by the
//! fit where one of them might be too large, by the translation of the request otherwise.

use std::cell::OnceCell;

use serde_json::value::RawValue;

use super::{
    json_schema::{SchemaTranslator, TooLarge, are_small},
    tools::GeminiTools,
};
use crate::{
    chat::{
        mistake::{Mistake, add_invalid},
        parameter::Parameter,
        request::Request,
        tools::ResponseFormat,
    },
    fit::Fit,
};

/// The schemas of a request: those of its functions, and that of its answer.
#[derive(Debug)]
pub(super) struct GeminiSchemas<'q> {
    /// The schemas of the functions' parameters, each with the index of its tool in the request.
    parameters: Vec<(usize, Option<&'q RawValue>)>,
    answer: Option<&'q RawValue>,
    translated: OnceCell<TranslatedSchemas>,
}

/// Schemas as Gemini takes them.
#[derive(Debug)]
pub(super) struct TranslatedSchemas {
    /// The schemas of the functions' parameters. `None` for a function that needs none.
    pub(super) parameters: Vec<Option<Vec<u8>>>,
    /// The schema of the answer. `None` if any answer will do.
    pub(super) answer: Option<Vec<u8>>,
}

impl<'q> GeminiSchemas<'q> {
    /// Finds the schemas of a request. One that is too large is added to the mistakes.
    pub(super) fn check(
        tools: &GeminiTools<'q>,
        request: &'q Request<'q>,
        fit: &Fit<'_>,
        mistakes: &mut Vec<Mistake>,
    ) -> Self {
        let functions = tools.functions.iter();
        let parameters = functions.map(|tool| (tool.index, tool.function.parameters)).collect();
        let schemas =
            Self { parameters, answer: answer(request, fit), translated: OnceCell::new() };
        let parameters = schemas.parameters.iter().filter_map(|(_, schema)| *schema);
        if !are_small(parameters.chain(schemas.answer).map(RawValue::get)) {
            schemas.translated.get_or_init(|| schemas.translate(mistakes));
        }
        schemas
    }

    /// Returns the translated schemas.
    pub(super) fn translated(&self) -> &TranslatedSchemas {
        // The check has refused those that are too large.
        self.translated.get_or_init(|| self.translate(&mut Vec::new()))
    }

    fn translate(&self, mistakes: &mut Vec<Mistake>) -> TranslatedSchemas {
        let mut translator = SchemaTranslator::default();
        let mut parameters = Vec::with_capacity(self.parameters.len());
        for (index, schema) in &self.parameters {
            let schema = schema.map_or(Ok(None), |raw| translator.parameters_schema(raw.get()));
            parameters.push(schema.unwrap_or_else(|TooLarge| {
                let problem = "the schema of its parameters is too large";
                add_invalid(mistakes, format!("tools[{index}]"), problem);
                None
            }));
        }
        let answer = self.answer.map_or(Ok(None), |raw| translator.response_schema(raw.get()));
        let answer = answer.unwrap_or_else(|TooLarge| {
            add_invalid(mistakes, "response_format", "its schema is too large");
            None
        });
        TranslatedSchemas { parameters, answer }
    }
}

/// Returns the schema of a request's answer.
fn answer<'q>(request: &'q Request<'q>, fit: &Fit<'_>) -> Option<&'q RawValue> {
    fit.value(Parameter::ResponseFormat)?;
    match &request.response_format {
        Some(ResponseFormat::JsonSchema(own)) => own.schema,
        Some(ResponseFormat::Text | ResponseFormat::JsonObject) | None => None,
    }
}
