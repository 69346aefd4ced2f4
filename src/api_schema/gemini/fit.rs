//! Limits of Gemini's API: adapts a request that fits its model, by dropping, clamping or refusing
//! parameters.

use std::{borrow::Cow, num::NonZeroU32};

use super::{
    closing::closing_message,
    conversation::{CheckedMessage, check_messages},
    media::{MediaPart, is_vertex},
    request::GeminiRequest,
    schemas::GeminiSchemas,
    tools::GeminiTools,
};
use crate::{
    api_schema::{stop_sequences::stop_sequences, tool_results::MOVED_MEDIA},
    chat::{
        effort::Effort,
        mistake::{Mistake, MistakeKind},
        parameter::Parameter,
        request::Request,
        text::Text,
        tools::{ResponseFormat, ToolChoice},
    },
    config::{Model, Target, Thinking},
    fit::{Fit, closing_message::ClosingMessage},
};

/// Maximum number of candidates. cloud.google.com, *GenerationConfig*, `candidateCount`.
const MAX_CANDIDATES: u32 = 8;

/// Maximum number of stop sequences. ai.google.dev, *GenerationConfig*, `stopSequences`.
const MAX_STOPS: usize = 5;

/// Smallest thinking budget that every Gemini 2.5 model accepts, in tokens: Flash-Lite's minimum,
/// which is the highest. ai.google.dev, *Gemini thinking*, *Thinking budgets*.
const MIN_BUDGET: NonZeroU32 = NonZeroU32::new(512).unwrap();

/// Largest thinking budget that every Gemini 2.5 model accepts, in tokens: Flash's maximum, which
/// is the lowest. The source is that of [`MIN_BUDGET`].
const MAX_BUDGET: NonZeroU32 = NonZeroU32::new(24_576).unwrap();

/// Returns true if the model takes its reasoning effort as a number of tokens, as Gemini 2.5 does.
/// Later models take a level; they also give calls ids, and require thought signatures back.
/// ai.google.dev, *Gemini 3*.
pub(super) fn has_thinking_budget(model: &Model) -> bool {
    model.thinking == Some(Thinking::Budget)
}

/// Returns true if the request combines a `response_format` with tools, which Gemini 2.5 refuses:
/// "Function calling with a response mime type: 'application/json' is unsupported".
fn format_excludes_tools(request: &Request<'_>, model: &Model) -> bool {
    let form = request.response_format.as_ref().and_then(ResponseFormat::form);
    has_thinking_budget(model) && form.is_some() && !request.tools.is_empty()
}

/// Adapts a request to the limits of Gemini's API. Returns the request as the fit has checked it.
pub(crate) fn fit<'q>(
    fit: &mut Fit<'_>,
    request: &'q Request<'q>,
    target: &Target<'_>,
) -> GeminiRequest<'q> {
    let mut mistakes = Vec::new();
    fit.drop_cache_control(request, |_| false);
    fit.drop_image_detail(request);
    let messages = check_messages(request, is_vertex(target), &mut mistakes);
    if move_media(&messages, target) {
        fit.emulated.push(MOVED_MEDIA);
    }
    if closing_message(request, target) == Some(ClosingMessage::Continue) {
        fit.emulated.push("prefill");
    }
    fit_parameters(fit, request, target);
    let mut tools = GeminiTools::check(request, fit, &mut mistakes);
    // Without declarations there are no calls, and `response_format` is permitted.
    if tools.forbid_calls() && format_excludes_tools(request, target.model) {
        tools = GeminiTools::default();
    }
    let schemas = GeminiSchemas::check(&tools, request, fit, &mut mistakes);
    fit.refuse_others(mistakes);
    GeminiRequest { messages, tools, schemas }
}

fn fit_parameters(fit: &mut Fit<'_>, request: &Request<'_>, target: &Target<'_>) {
    let kept: Vec<Parameter> = fit.kept.iter().map(|(parameter, _)| *parameter).collect();
    for parameter in kept {
        match parameter {
            Parameter::Seed => fit_seed(fit, request),
            Parameter::Reasoning => fit_budget(fit, request, target.model),
            Parameter::N => check_n(fit, request),
            Parameter::Stop => check_stop(fit, request),
            Parameter::ResponseFormat => check_response_format(fit, request, target),
            Parameter::FrequencyPenalty | Parameter::PresencePenalty
                if !has_thinking_budget(target.model) =>
            {
                fit.drop_parameter(parameter);
            }
            _ => {}
        }
    }
}

/// Returns true if media of a result are sent in the response to the call, which may hold them for
/// Gemini 3 and later, and not behind it.
pub(super) fn stays_in_result(media: &MediaPart<'_>, target: &Target<'_>) -> bool {
    !has_thinking_budget(target.model) && media.fits_in_result()
}

/// Returns true if media of a result are sent behind the result.
fn move_media(messages: &[CheckedMessage<'_>], target: &Target<'_>) -> bool {
    let mut results = messages.iter().filter(|checked| checked.message.is_result());
    results.any(|checked| checked.media().any(|media| !stays_in_result(media, target)))
}

/// Clamps a seed to Gemini's 32 bits. The low half of a longer seed is kept, so that different
/// seeds usually stay different.
#[expect(clippy::cast_possible_truncation, reason = "the low bits are a seed too")]
fn fit_seed(fit: &mut Fit<'_>, request: &Request<'_>) {
    let raw = request.parameters.get(Parameter::Seed);
    let seed = raw.and_then(|raw| serde_json::from_str::<i64>(raw.get()).ok()).unwrap_or_default();
    if i32::try_from(seed).is_err() {
        let low = seed as i32;
        fit.clamp(Parameter::Seed, low.to_string(), low.to_string());
    }
}

/// Clamps `reasoning.max_tokens`, or drops it on a model without a thinking budget.
fn fit_budget(fit: &mut Fit<'_>, request: &Request<'_>, model: &Model) {
    let Some(requested) = request.reasoning_max_tokens else { return };
    if !has_thinking_budget(model) {
        fit.kept.retain(|(parameter, _)| *parameter != Parameter::Reasoning);
        fit.dropped.push(Cow::Borrowed("reasoning.max_tokens"));
        return;
    }
    let bounded = requested.clamp(MIN_BUDGET, MAX_BUDGET);
    fit.budget = Some(bounded);
    if bounded != requested {
        let json = format!("{{\"max_tokens\":{bounded}}}");
        fit.clamp(Parameter::Reasoning, json, bounded.to_string());
    }
}

fn check_n(fit: &mut Fit<'_>, request: &Request<'_>) {
    if request.n.get() > MAX_CANDIDATES {
        let message = format!("n must be at most {MAX_CANDIDATES} with this model");
        fit.refused.push(Mistake::new(MistakeKind::Invalid, "n", &message));
    }
}

fn check_stop(fit: &mut Fit<'_>, request: &Request<'_>) {
    let raw = request.parameters.get(Parameter::Stop);
    if raw.is_some_and(|raw| non_empty_stops(raw.get()).len() > MAX_STOPS) {
        let message = format!("stop must be at most {MAX_STOPS} sequences with this model");
        fit.refused.push(Mistake::new(MistakeKind::Invalid, "stop", &message));
    }
}

/// Returns the sequences in `stop` that are not empty: an empty one stops nothing.
pub(super) fn non_empty_stops(json: &str) -> Vec<Text<'_>> {
    let mut stops = stop_sequences(json);
    stops.retain(|stop| !stop.is_empty());
    stops
}

/// Refuses a `response_format` beside tools where the model cannot combine them. With a
/// `tool_choice` of `none` the translation leaves out the tools instead.
fn check_response_format(fit: &mut Fit<'_>, request: &Request<'_>, target: &Target<'_>) {
    let is_unused = matches!(request.tool_choice, Some(ToolChoice::None));
    if format_excludes_tools(request, target.model) && !is_unused {
        let model = target.name;
        let message = format!("model {model} does not support response_format together with tools");
        fit.refused.push(Mistake::new(MistakeKind::Unsupported, "response_format", &message));
    }
}

/// Returns the thinking budget of an effort, in tokens, as Google's own OpenAI-compatible endpoint
/// maps it. ai.google.dev, *OpenAI compatibility*, *Thinking*.
pub(super) fn thinking_budget(effort: Effort) -> u32 {
    match effort {
        Effort::None => 0,
        Effort::Minimal | Effort::Low => 1024,
        Effort::Medium => 8192,
        Effort::High | Effort::Xhigh | Effort::Max => MAX_BUDGET.get(),
    }
}

/// Returns the thinking level of an effort. There is no level that turns thinking off.
/// ai.google.dev, *Gemini thinking*, *Thinking levels*.
pub(super) fn thinking_level(effort: Effort) -> &'static str {
    match effort {
        Effort::None | Effort::Minimal => "MINIMAL",
        Effort::Low => "LOW",
        Effort::Medium => "MEDIUM",
        Effort::High | Effort::Xhigh | Effort::Max => "HIGH",
    }
}
