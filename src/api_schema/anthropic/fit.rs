//! What Claude's Messages cannot do that the chat API can: known before the request leaves, so that
//! `x-attache-params` says it and `strict_parameters` can refuse it.

use std::{borrow::Cow, num::NonZeroU32};

use serde_json::value::RawValue;

use super::{conversation::Conversation, media, messages::to_turns, response_format, tools::Tools};
use crate::{
    chat::{effort::Effort, parameter::Parameter, request::Request, text::Text},
    config::{Model, Target, Thinking},
    fit::{CacheControlMark, Fit},
};

/// The smallest budget: Claude API reference, `thinking.budget_tokens`.
const MIN_BUDGET: u32 = 1024;

/// Budgets for efforts, largest first. The words are OpenAI's, the numbers are ours: each twice the
/// one before, from the smallest there is.
const BUDGETS: [(Effort, u32); 5] = [
    (Effort::Max, 16384),
    (Effort::Xhigh, 8192),
    (Effort::High, 4096),
    (Effort::Medium, 2048),
    (Effort::Low, MIN_BUDGET),
];

/// The longest id of a user, in characters: Claude API reference, `metadata.user_id`.
const MAX_USER: usize = 256;

/// Fits a request to Claude's Messages.
pub(crate) fn fit<'a>(fit: &mut Fit<'a>, request: &Request<'a>, target: &Target<'_>) {
    let mut mistakes = Vec::new();
    let conversation = to_turns(&request.messages, &mut mistakes);
    let tools = Tools::read(request, fit, &mut mistakes);
    think(fit, request, target, &conversation, tools.are_forced());
    sample(fit, request);
    stop(fit);
    user(fit);
    fit.leave_out_marks(request, |mark| {
        let (CacheControlMark::Message(raw)
        | CacheControlMark::Part(raw)
        | CacheControlMark::Tool(raw)) = mark;
        media::is_known_mark(raw)
    });
    fit.leave_out_detail(request);
    if tools.loosen() {
        fit.emulated.push("tools.strict");
    }
    if response_format::of(request, fit).is_emulated() {
        fit.emulated.push("response_format");
    }
    if conversation.is_open && !may_stay_open(fit, target) {
        fit.emulated.push("prefill");
    }
    // What the model lacks has been said.
    mistakes.retain(|own| fit.refused.iter().all(|other| other.param != own.param));
    fit.refused.append(&mut mistakes);
}

/// Whether the model can go on with an answer that the conversation ends in. None does while it
/// thinks, or is held to a schema: guides *Extended thinking* and *Structured outputs*.
pub(super) fn may_stay_open(fit: &Fit<'_>, target: &Target<'_>) -> bool {
    let is_free = fit.value(Parameter::ResponseFormat).is_none();
    let continues = target.model.continues_assistant(target.provider.api_schema);
    continues && is_free && !Thoughts::of(fit, target).is_enabled()
}

/// How a request asks the model to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Thoughts {
    /// Not at all.
    None,
    /// Disabled in the request, because the model thinks by default.
    Disabled,
    /// As it sees fit, with an effort.
    Adaptive(Effort),
    /// With so many tokens.
    Budget(u32),
    /// It is not asked to, only to make an effort.
    Effort(Effort),
}

impl Thoughts {
    /// Whether thoughts will come.
    pub(super) fn is_enabled(self) -> bool {
        matches!(self, Self::Adaptive(_) | Self::Budget(_))
    }

    /// How a fitted request asks.
    pub(super) fn of(fit: &Fit<'_>, target: &Target<'_>) -> Self {
        let effort = fit.effort.filter(|effort| *effort != Effort::None);
        match (fit.budget, effort, target.model.thinking) {
            (Some(budget), _, _) => Self::Budget(budget.get()),
            (None, None, _) if disables_thinking(fit, target.model) => Self::Disabled,
            (None, None, _) => Self::None,
            (None, Some(effort), Some(Thinking::Budget)) => Self::Budget(budget_of(effort)),
            (None, Some(effort), Some(Thinking::Effort)) => Self::Effort(effort),
            (None, Some(effort), Some(Thinking::Adaptive) | None) => Self::Adaptive(effort),
        }
    }
}

/// Returns true if the model thinks unless a request disables that, as Claude 5 does. Such a model
/// accepts `thinking` in a request that forces a tool call: guide *Thinking*.
fn thinks_by_default(model: &Model) -> bool {
    model.default_reasoning_effort != Effort::None
}

fn disables_thinking(fit: &Fit<'_>, model: &Model) -> bool {
    fit.effort == Some(Effort::None) && thinks_by_default(model)
}

fn budget_of(effort: Effort) -> u32 {
    let found = BUDGETS.iter().find(|(own, _)| *own <= effort);
    found.map_or(MIN_BUDGET, |(_, budget)| *budget)
}

/// Leaves thinking out where the provider refuses it: when a tool must be called, when a turn under
/// way has lost its thoughts, and when there is no room for a budget.
fn think<'a>(
    fit: &mut Fit<'a>,
    request: &Request<'a>,
    target: &Target<'_>,
    conversation: &Conversation<'_>,
    is_forced: bool,
) {
    // A budget says more than an effort.
    if fit.value(Parameter::Reasoning).is_some() {
        fit.budget = request.reasoning_max_tokens;
        if fit.effort.is_some_and(|effort| effort != Effort::None) {
            fit.drop_parameter(Parameter::ReasoningEffort);
        }
    }
    let thoughts = Thoughts::of(fit, target);
    let may = match thoughts {
        Thoughts::None | Thoughts::Disabled | Thoughts::Effort(_) => return,
        Thoughts::Adaptive(_) => !is_forced || thinks_by_default(target.model),
        Thoughts::Budget(budget) => {
            !is_forced && !conversation.lacks_thoughts() && make_room(fit, budget)
        }
    };
    if may {
        for parameter in [Parameter::Temperature, Parameter::TopP, Parameter::TopK] {
            fit.drop_parameter(parameter);
        }
        return;
    }
    fit.drop_parameter(Parameter::ReasoningEffort);
    if fit.value(Parameter::Reasoning).is_some() {
        fit.kept.retain(|(kept, _)| *kept != Parameter::Reasoning);
        fit.dropped.push(Cow::Borrowed("reasoning.max_tokens"));
    }
    (fit.effort, fit.budget) = (None, None);
    for parameter in [Parameter::Temperature, Parameter::TopP, Parameter::TopK] {
        fit.restore(parameter, request, target);
    }
}

/// Makes a budget less than the limit of the answer, which it is a part of. False: it cannot be.
fn make_room(fit: &mut Fit<'_>, budget: u32) -> bool {
    let limit: u32 = fit.value(Parameter::MaxTokens).and_then(|n| n.parse().ok()).unwrap_or(0);
    if limit <= MIN_BUDGET {
        return false;
    }
    if fit.budget.is_some() {
        let room = budget.clamp(MIN_BUDGET, limit - 1);
        fit.budget = NonZeroU32::new(room);
        if room != budget {
            let json = format!("{{\"max_tokens\":{room}}}");
            fit.clamp(Parameter::Reasoning, json, room.to_string());
        }
    } else if budget >= limit {
        let fits = BUDGETS.iter().find(|(_, budget)| *budget < limit);
        let (effort, _) = *fits.unwrap_or(&(Effort::Low, MIN_BUDGET));
        fit.effort = Some(effort);
        let word = effort.name();
        fit.clamp(Parameter::ReasoningEffort, format!("\"{word}\""), word.to_owned());
    }
    true
}

/// A temperature is at most 1, and goes without `top_p`: since Claude 4.5 the provider takes one of
/// them (Claude API, *Migrating to Claude 4.5*).
fn sample(fit: &mut Fit<'_>, request: &Request<'_>) {
    if fit.value(Parameter::Temperature).is_none() {
        return;
    }
    fit.drop_parameter(Parameter::TopP);
    if request.temperature.is_some_and(|asked| asked > 1.0) {
        fit.clamp(Parameter::Temperature, "1".to_owned(), "1".to_owned());
    }
}

/// Leaves out stop sequences of white space, which the provider refuses.
fn stop(fit: &mut Fit<'_>) {
    let Some(json) = fit.value(Parameter::Stop) else { return };
    let all = sequences(json);
    let rest: Vec<&str> = all.iter().filter(|text| !text.is_blank()).map(Text::json).collect();
    let (left, asked) = (rest.len(), all.len());
    let json = format!("[{}]", rest.join(","));
    if left == 0 {
        fit.drop_parameter(Parameter::Stop);
    } else if left < asked {
        // The sequences are the client's text, which does not belong into a header.
        fit.clamp(Parameter::Stop, json, format!("{left}_of_{asked}"));
    }
}

/// The sequences of `stop`, one or several.
pub(super) fn sequences(json: &str) -> Vec<Text<'_>> {
    match serde_json::from_str::<&RawValue>(json).ok().and_then(Text::from_raw) {
        Some(one) => vec![one],
        None => serde_json::from_str(json).unwrap_or_default(),
    }
}

/// Leaves out what looks like a person's address or number: the provider wants none (Claude API
/// reference, `metadata.user_id`).
fn user(fit: &mut Fit<'_>) {
    for parameter in [Parameter::User, Parameter::SafetyIdentifier] {
        let id = fit.value(parameter).and_then(|json| serde_json::from_str::<String>(json).ok());
        if id.is_some_and(|id| id.is_empty() || id.len() > MAX_USER || is_personal(&id)) {
            fit.drop_parameter(parameter);
        }
    }
    // There is room for one, and the newer name wins.
    if fit.value(Parameter::SafetyIdentifier).is_some() {
        fit.drop_parameter(Parameter::User);
    }
}

fn is_personal(id: &str) -> bool {
    let address = id.split_once('@').is_some_and(|(_, host)| host.contains('.'));
    let digits = id.bytes().filter(u8::is_ascii_digit).count();
    let as_number = id.bytes().all(|byte| byte.is_ascii_digit() || b"+-() .".contains(&byte));
    address || (as_number && digits >= 7 && digits < id.len())
}
