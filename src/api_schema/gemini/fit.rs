//! What becomes of a request's parameters here, besides what becomes of them on the model.

use std::{borrow::Cow, num::NonZeroU32};

use crate::{
    chat::{
        effort::Effort,
        mistake::{Mistake, MistakeKind},
        parameter::Parameter,
        request::Request,
        text::Text,
        tools::{ResponseFormat, ToolChoice},
    },
    config::{Model, Target, Thinking},
    fit::Fit,
};

/// The most answers to one request. cloud.google.com, *GenerationConfig*, `candidateCount`.
const MAX_CANDIDATES: u32 = 8;

/// The most sequences that stop an answer. ai.google.dev, *GenerationConfig*, `stopSequences`.
const MAX_STOPS: usize = 5;

/// The budgets that every Gemini 2.5 takes, besides none at all: Flash-Lite has the highest least,
/// Flash the lowest most. ai.google.dev, *Gemini thinking*, *Thinking budgets*.
const MIN_BUDGET: NonZeroU32 = NonZeroU32::new(512).unwrap();
const MAX_BUDGET: NonZeroU32 = NonZeroU32::new(24_576).unwrap();

/// Whether a model is told how hard to think by a number of tokens, as Gemini 2.5 is. Later ones
/// are told by a word; they also give calls ids, and want signatures back with them.
/// ai.google.dev, *Gemini 3*.
pub(super) fn has_budget(model: &Model) -> bool {
    model.thinking == Some(Thinking::Budget)
}

/// Whether an answer is asked to have a form while there are tools, which Gemini 2.5 refuses:
/// "Function calling with a response mime type: 'application/json' is unsupported".
pub(super) fn forms_beside_tools(request: &Request<'_>, model: &Model) -> bool {
    let form = request.response_format.as_ref().and_then(ResponseFormat::form);
    has_budget(model) && form.is_some() && !request.tools.is_empty()
}

/// Fits a request that fits its model to Gemini.
pub(crate) fn fit(fit: &mut Fit<'_>, request: &Request<'_>, target: &Target<'_>) {
    fit.drop_cache_control(request, |_| false);
    fit.drop_image_detail(request);
    let kept: Vec<Parameter> = fit.kept.iter().map(|(parameter, _)| *parameter).collect();
    for parameter in kept {
        match parameter {
            Parameter::Seed => seed(fit, request),
            Parameter::Reasoning => budget(fit, request, target.model),
            Parameter::N => candidates(fit, request),
            Parameter::Stop => stops(fit, request),
            Parameter::ResponseFormat => form(fit, request, target),
            Parameter::FrequencyPenalty | Parameter::PresencePenalty
                if !has_budget(target.model) =>
            {
                fit.drop_parameter(parameter);
            }
            _ => {}
        }
    }
}

/// Seeds have 32 bits here. The low half of a longer one is used, so that other seeds stay others.
fn seed(fit: &mut Fit<'_>, request: &Request<'_>) {
    let raw = request.parameters.get(Parameter::Seed);
    let seed = raw.and_then(|raw| serde_json::from_str::<i64>(raw.get()).ok()).unwrap_or_default();
    if i32::try_from(seed).is_err() {
        let low = seed as i32;
        fit.clamp(Parameter::Seed, low.to_string(), low.to_string());
    }
}

/// `reasoning.max_tokens`, where thinking has a budget.
fn budget(fit: &mut Fit<'_>, request: &Request<'_>, model: &Model) {
    let Some(asked) = request.reasoning_max_tokens else { return };
    if !has_budget(model) {
        fit.kept.retain(|(parameter, _)| *parameter != Parameter::Reasoning);
        fit.dropped.push(Cow::Borrowed("reasoning.max_tokens"));
        return;
    }
    let bounded = asked.clamp(MIN_BUDGET, MAX_BUDGET);
    fit.budget = Some(bounded);
    if bounded != asked {
        let json = format!("{{\"max_tokens\":{bounded}}}");
        fit.clamp(Parameter::Reasoning, json, bounded.to_string());
    }
}

fn candidates(fit: &mut Fit<'_>, request: &Request<'_>) {
    if request.n.get() > MAX_CANDIDATES {
        let message = format!("n must be at most {MAX_CANDIDATES} with this model");
        fit.refused.push(Mistake::new(MistakeKind::Invalid, "n", &message));
    }
}

fn stops(fit: &mut Fit<'_>, request: &Request<'_>) {
    let raw = request.parameters.get(Parameter::Stop);
    if raw.is_some_and(|raw| stop_sequences(raw.get()).len() > MAX_STOPS) {
        let message = format!("stop must be at most {MAX_STOPS} sequences with this model");
        fit.refused.push(Mistake::new(MistakeKind::Invalid, "stop", &message));
    }
}

/// The sequences in `stop`, a string or several. Empty ones stop nothing.
pub(super) fn stop_sequences(json: &str) -> Vec<Text<'_>> {
    let mut stops: Vec<Text<'_>> = match json.starts_with('"') {
        true => serde_json::from_str(json).into_iter().collect(),
        false => serde_json::from_str(json).unwrap_or_default(),
    };
    stops.retain(|stop| !stop.is_empty());
    stops
}

/// Without its form the answer would be one to another question. Where nothing may be called, the
/// tools need not be there.
fn form(fit: &mut Fit<'_>, request: &Request<'_>, target: &Target<'_>) {
    let idle = matches!(request.tool_choice, Some(ToolChoice::None));
    if forms_beside_tools(request, target.model) && !idle {
        let model = target.name;
        let message = format!("model {model} does not support response_format together with tools");
        fit.refused.push(Mistake::new(MistakeKind::Unsupported, "response_format", &message));
    }
}

/// What Google's own OpenAI-compatible endpoint makes of an effort, in tokens. ai.google.dev,
/// *OpenAI compatibility*, *Thinking*.
pub(super) fn tokens(effort: Effort) -> u32 {
    match effort {
        Effort::None => 0,
        Effort::Minimal | Effort::Low => 1024,
        Effort::Medium => 8192,
        Effort::High | Effort::Xhigh | Effort::Max => MAX_BUDGET.get(),
    }
}

/// The level of an effort. Thinking cannot be switched off where there are levels. ai.google.dev,
/// *Gemini thinking*, *Thinking levels*.
pub(super) fn level(effort: Effort) -> &'static str {
    match effort {
        Effort::None | Effort::Minimal => "MINIMAL",
        Effort::Low => "LOW",
        Effort::Medium => "MEDIUM",
        Effort::High | Effort::Xhigh | Effort::Max => "HIGH",
    }
}
