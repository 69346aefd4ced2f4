//! `generationConfig`: how the answer is made. ai.google.dev, *GenerationConfig*.

use super::{
    RequestBuilder,
    fit::{has_budget, level, non_empty_stops, tokens},
    json_schema,
};
use crate::{
    chat::{effort::Effort, parameter::Parameter, text::Text, tools::ResponseFormat},
    json::Object,
};

impl RequestBuilder<'_, '_> {
    /// `generationConfig`.
    pub(super) fn generation(&mut self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        let mut config = Object::open(&mut out);
        for (parameter, json) in &self.asked.fit.kept {
            self.parameter(&mut config, *parameter, json);
        }
        self.thinking(&mut config);
        config.close();
        out
    }

    fn parameter(&mut self, config: &mut Object<'_>, parameter: Parameter, json: &str) {
        let key = match parameter {
            Parameter::MaxTokens => "maxOutputTokens",
            Parameter::Temperature => "temperature",
            Parameter::TopP => "topP",
            Parameter::TopK => "topK",
            Parameter::N => "candidateCount",
            Parameter::Seed => "seed",
            Parameter::FrequencyPenalty => "frequencyPenalty",
            Parameter::PresencePenalty => "presencePenalty",
            Parameter::Logprobs => "responseLogprobs",
            Parameter::TopLogprobs if self.asked.request.logprobs && json != "0" => "logprobs",
            Parameter::Stop => return stops(config, json),
            Parameter::ResponseFormat => return self.form(config),
            _ => return,
        };
        config.raw(key, json);
    }

    /// The form of the answer.
    fn form(&mut self, config: &mut Object<'_>) {
        let schema = match &self.asked.request.response_format {
            None | Some(ResponseFormat::Text) => return,
            Some(ResponseFormat::JsonObject) => None,
            Some(ResponseFormat::JsonSchema(own)) => own.schema,
        };
        config.value("responseMimeType", "application/json");
        match schema.map(|raw| self.schemas.of_answer(raw.get())).unwrap_or(Ok(None)) {
            Ok(Some(schema)) => drop(config.raw("responseJsonSchema", schema)),
            Ok(None) => {}
            Err(json_schema::TooLarge) => self.wrong("response_format", "its schema is too large"),
        }
    }

    /// `thinkingConfig`, if the request says anything about it. The model's thoughts come back for
    /// those who asked it to think.
    fn thinking(&self, config: &mut Object<'_>) {
        let (request, fit) = (self.asked.request, self.asked.fit);
        let Some(effort) = fit.effort.or(fit.budget.map(|_| Effort::High)) else { return };
        let asks = fit.budget.is_some() || request.effort.is_some_and(|own| own != Effort::None);
        config.object("thinkingConfig", |thinking| {
            if has_budget(self.asked.target.model) {
                let budget = fit.budget.map_or_else(|| tokens(effort), |budget| budget.get());
                thinking.value("thinkingBudget", &budget);
            } else {
                thinking.value("thinkingLevel", level(effort));
            }
            if asks {
                thinking.value("includeThoughts", &true);
            }
        });
    }
}

fn stops(config: &mut Object<'_>, json: &str) {
    let stops = non_empty_stops(json);
    if !stops.is_empty() {
        let stops: Vec<&str> = stops.iter().map(Text::json).collect();
        config.raw("stopSequences", format!("[{}]", stops.join(",")));
    }
}
