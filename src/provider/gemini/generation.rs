//! `generationConfig`: how the answer is made. ai.google.dev, *GenerationConfig*.

use std::num::NonZeroU32;

use super::{Disposition, Draft, disposition, schema};
use crate::{
    chat::{
        effort::Effort, fit::Fit, parameter::Parameter, request::Request, text::Text,
        tools::ResponseFormat,
    },
    config::{Model, Thinking},
    json::Object,
};

/// The most answers to one request. cloud.google.com, *GenerationConfig*, `candidateCount`.
const MAX_CANDIDATES: u32 = 8;

/// The most sequences that stop an answer. ai.google.dev, *GenerationConfig*, `stopSequences`.
const MAX_STOPS: usize = 5;

/// What Google's own OpenAI-compatible endpoint makes of an effort, in tokens. ai.google.dev,
/// *OpenAI compatibility*, *Thinking*.
fn budget(effort: Effort) -> u32 {
    match effort {
        Effort::None => 0,
        Effort::Minimal | Effort::Low => 1024,
        Effort::Medium => 8192,
        Effort::High => 24_576,
        Effort::Xhigh | Effort::Max => u32::MAX,
    }
}

/// The level of an effort. Thinking cannot be switched off where there are levels. ai.google.dev,
/// *Gemini thinking*, *Thinking levels*.
fn level(effort: Effort) -> &'static str {
    match effort {
        Effort::None | Effort::Minimal => "MINIMAL",
        Effort::Low => "LOW",
        Effort::Medium => "MEDIUM",
        Effort::High | Effort::Xhigh | Effort::Max => "HIGH",
    }
}

/// Takes out of a request what Gemini has nothing like, and brings in what it bounds.
pub(in crate::provider) fn settle(fit: &mut Fit<'_>, request: &Request<'_>, model: &Model) {
    let kept: Vec<Parameter> = fit.kept.iter().map(|(parameter, _)| *parameter).collect();
    for parameter in kept {
        if disposition(parameter) == Disposition::Dropped || is_of_budgets(parameter, model) {
            fit.leave_out(parameter);
        }
    }
    if let Some(seed) = request.parameters.get(Parameter::Seed)
        && let Ok(seed) = serde_json::from_str::<i64>(seed.get())
        && i32::try_from(seed).is_err()
    {
        // The low half: other seeds stay other seeds.
        fit.clamp(Parameter::Seed, (seed as i32).to_string());
    }
}

/// Whether only Gemini 2.5, which thinks by budgets, takes it. ai.google.dev, *Gemini 3*, *Migrating
/// from Gemini 2.5*.
fn is_of_budgets(parameter: Parameter, model: &Model) -> bool {
    use Parameter::{FrequencyPenalty, PresencePenalty, Reasoning};
    model.thinking == Thinking::Level
        && matches!(parameter, FrequencyPenalty | PresencePenalty | Reasoning)
}

impl Draft<'_, '_> {
    /// `generationConfig`.
    pub(super) fn generation(&mut self, has_tools: bool) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        let mut config = Object::open(&mut out);
        for (parameter, json) in &self.asked.fit.kept {
            self.parameter(&mut config, *parameter, json, has_tools);
        }
        self.thinking(&mut config);
        config.close();
        out
    }

    fn parameter(
        &mut self,
        config: &mut Object<'_>,
        parameter: Parameter,
        json: &str,
        has_tools: bool,
    ) {
        let key = match parameter {
            Parameter::MaxTokens => "maxOutputTokens",
            Parameter::Temperature => "temperature",
            Parameter::TopP => "topP",
            Parameter::TopK => "topK",
            Parameter::Seed => "seed",
            Parameter::FrequencyPenalty => "frequencyPenalty",
            Parameter::PresencePenalty => "presencePenalty",
            Parameter::Logprobs => "responseLogprobs",
            Parameter::TopLogprobs if self.asked.request.logprobs && json != "0" => "logprobs",
            Parameter::N => return self.candidates(config),
            Parameter::Stop => return self.stops(config, json),
            Parameter::ResponseFormat => return self.form(config, has_tools),
            other if disposition(other) == Disposition::Refused => return self.lacks(other, ""),
            _ => return,
        };
        config.raw(key, json);
    }

    fn candidates(&mut self, config: &mut Object<'_>) {
        let n = self.asked.request.n.get();
        if n > MAX_CANDIDATES {
            self.wrong("n", &format!("must be at most {MAX_CANDIDATES} with this model"));
        }
        config.value("candidateCount", &n);
    }

    fn stops(&mut self, config: &mut Object<'_>, json: &str) {
        let stops: Vec<Text<'_>> = match json.starts_with('"') {
            true => serde_json::from_str(json).into_iter().collect(),
            false => serde_json::from_str(json).unwrap_or_default(),
        };
        let stops: Vec<&str> =
            stops.iter().filter(|stop| !stop.is_empty()).map(Text::json).collect();
        if stops.len() > MAX_STOPS {
            self.wrong("stop", &format!("must be at most {MAX_STOPS} sequences with this model"));
        }
        if !stops.is_empty() {
            config.raw("stopSequences", format!("[{}]", stops.join(",")));
        }
    }

    /// Whether an answer may have a form while there are tools. Gemini 2.5 refuses that: "Function
    /// calling with a response mime type: 'application/json' is unsupported".
    pub(super) fn takes_form_with_tools(&self) -> bool {
        let asks = self.asked.request.response_format.as_ref().and_then(ResponseFormat::form);
        asks.is_none() || self.asked.target.model.thinking == Thinking::Level
    }

    /// The form of the answer. Without it, the answer would be one to another question.
    fn form(&mut self, config: &mut Object<'_>, has_tools: bool) {
        if has_tools && !self.takes_form_with_tools() {
            return self.lacks(Parameter::ResponseFormat, " together with tools");
        }
        let format = self.asked.request.response_format.as_ref();
        let schema = match format {
            None | Some(ResponseFormat::Text) => return,
            Some(ResponseFormat::JsonObject) => None,
            Some(ResponseFormat::JsonSchema(own)) => own.schema,
        };
        config.value("responseMimeType", "application/json");
        match schema.map(|raw| schema::of_answer(raw.get())).unwrap_or(Ok(None)) {
            Ok(Some(schema)) => drop(config.raw("responseJsonSchema", schema)),
            Ok(None) => {}
            Err(schema::TooLarge) => self.wrong("response_format", "its schema is too large"),
        }
    }

    /// `thinkingConfig`, if the request says anything about it. The model's thoughts come back for
    /// those who asked it to think.
    fn thinking(&self, config: &mut Object<'_>) {
        let (request, fit) = (self.asked.request, self.asked.fit);
        let tokens = request.reasoning_max_tokens.filter(|_| self.keeps(Parameter::Reasoning));
        if fit.effort.is_none() && tokens.is_none() {
            return;
        }
        let asks = request.effort.is_some_and(|effort| effort != Effort::None) || tokens.is_some();
        config.object("thinkingConfig", |thinking| {
            match (self.asked.target.model.thinking, fit.effort) {
                (Thinking::Budget { least, most }, effort) => {
                    let tokens = tokens.map(NonZeroU32::get);
                    let asked = tokens.or(effort.map(budget)).unwrap_or_default();
                    // Nothing at all is not too little.
                    let bounded = if asked == 0 { 0 } else { asked.max(least).min(most) };
                    thinking.value("thinkingBudget", &bounded);
                }
                (Thinking::Level, Some(effort)) => {
                    thinking.value("thinkingLevel", level(effort));
                }
                (Thinking::Level, None) => {}
            }
            if asks {
                thinking.value("includeThoughts", &true);
            }
        });
    }
}
