//! `generationConfig`: sampling, format and thinking of the answer. ai.google.dev,
//! *GenerationConfig*.

use std::num::NonZero;

use super::{
    fit::{has_thinking_budget, non_empty_stops, thinking_budget, thinking_level},
    request::RequestBuilder,
};
use crate::{
    chat::{effort::Effort, parameter::Parameter, text::Text, tools::ResponseFormat},
    json::Object,
};

impl RequestBuilder<'_> {
    /// Returns the `generationConfig`.
    pub(super) fn generation_config(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        let mut config = Object::open(&mut out);
        for (parameter, json) in &self.input.fit.kept {
            self.write_parameter(&mut config, *parameter, json);
        }
        self.write_thinking(&mut config);
        config.close();
        out
    }

    fn write_parameter(&self, config: &mut Object<'_>, parameter: Parameter, json: &str) {
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
            Parameter::TopLogprobs if self.input.request.logprobs && json != "0" => "logprobs",
            Parameter::Stop => return write_stop(config, json),
            Parameter::ResponseFormat => return self.write_response_format(config),
            _ => return,
        };
        config.raw(key, json);
    }

    /// Writes the JSON mode and the schema of a `response_format`.
    fn write_response_format(&self, config: &mut Object<'_>) {
        if matches!(self.input.request.response_format, None | Some(ResponseFormat::Text)) {
            return;
        }
        config.value("responseMimeType", "application/json");
        let schema = &self.checked.schemas.translated().answer;
        schema.as_ref().map(|schema| config.raw("responseJsonSchema", schema));
    }

    /// Writes the `thinkingConfig`, if the request has an effort or a budget. Thoughts are included
    /// unless the client asked for the effort `none`.
    fn write_thinking(&self, config: &mut Object<'_>) {
        let (request, fit) = (self.input.request, self.input.fit);
        let Some(effort) = fit.effort.or(fit.budget.map(|_| Effort::High)) else { return };
        let includes_thoughts =
            fit.budget.is_some() || request.effort.is_some_and(|own| own != Effort::None);
        config.object("thinkingConfig", |thinking| {
            if has_thinking_budget(self.input.target.model) {
                let budget = fit.budget.map_or_else(|| thinking_budget(effort), NonZero::get);
                thinking.value("thinkingBudget", &budget);
            } else {
                thinking.value("thinkingLevel", thinking_level(effort));
            }
            if includes_thoughts {
                thinking.value("includeThoughts", &true);
            }
        });
    }
}

fn write_stop(config: &mut Object<'_>, json: &str) {
    let stops = non_empty_stops(json);
    if !stops.is_empty() {
        let stops: Vec<&str> = stops.iter().map(Text::json).collect();
        config.raw("stopSequences", format!("[{}]", stops.join(",")));
    }
}
