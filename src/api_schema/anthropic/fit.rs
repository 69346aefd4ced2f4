//! Parameters of the chat API that Claude's Messages take in another form, or not at all. The fit
//! knows them before the request leaves, so that `x-attache-params` reports them and
//! `strict_parameters` can refuse them.

use std::{borrow::Cow, num::NonZeroU32};

use super::{
    cache_control::{CacheMarks, MAX_MARKS, is_known_cache_control, is_known_mark},
    messages::to_turns,
    original::{self, forget_translation},
    prompt_cache::{effective, mark},
    request::AnthropicRequest,
    response_format::OutputFormat,
    thinking::{BUDGETS, MIN_BUDGET, SAMPLING, ThinkingMode, thinks_by_default},
    tools::AnthropicTools,
    turns::AnthropicConversation,
};
use crate::{
    api_schema::stop_sequences::stop_sequences,
    chat::{
        effort::Effort,
        parameter::{ClientApi, Parameter},
        request::Request,
        text::Text,
    },
    config::{PromptCache, Target},
    fit::{CacheControlMark, Fit},
};

/// The longest id of a user, in bytes: Claude API reference, `metadata.user_id`.
const MAX_USER: usize = 256;

/// Fits a request to Claude's Messages. Returns the request as the fit had to translate it.
pub(crate) fn fit<'q>(
    fit: &mut Fit<'q>,
    request: &'q Request<'q>,
    target: &Target<'_>,
) -> AnthropicRequest<'q> {
    let (mut mistakes, refused) = (Vec::new(), fit.refused.len());
    let mut conversation = to_turns(&request.messages, &mut mistakes);
    let mut tools = AnthropicTools::new(request, fit, &mut mistakes);
    fit_thinking(fit, request, target, &conversation, &tools);
    fit_sampling(fit, request);
    fit_stop(fit);
    fit_user(fit);
    fit_cache_control(fit, request);
    limit_cache_control(fit, request, &mut conversation, &mut tools);
    let cache = effective(request, target.model);
    if cache == PromptCache::Auto
        && let Some(mark) = mark()
    {
        conversation.mark_ends(mark);
        tools.mark_last(mark);
    }
    fit.drop_image_detail(request);
    if tools.loosen_strict() {
        fit.emulated.push("tools.strict");
    }
    let format = OutputFormat::new(request, fit);
    format.report(fit);
    if let OutputFormat::Instruction(instruction) = &format {
        conversation.add_instruction(instruction);
    }
    let thinking = ThinkingMode::new(fit, target);
    if conversation.ends_in_assistant && !allows_prefill(fit, target, thinking) {
        conversation.ask_to_continue();
        fit.emulated.push("prefill");
    }
    fit.refuse_others(mistakes);
    let mut keeps_thinking = false;
    if let Some(original) = request.parameters.original_in(ClientApi::Messages) {
        forget_translation(fit, refused);
        keeps_thinking = original::keeps_thinking(original, request, fit, target.model);
    }
    if cache == PromptCache::Auto {
        fit.emulated.push("cache_control");
    }
    AnthropicRequest { conversation, tools, format, thinking, keeps_thinking, cache }
}

/// Returns whether the model can continue an answer that the conversation ends in. None does while
/// it thinks or is held to a schema: guides *Extended thinking* and *Structured outputs*.
fn allows_prefill(fit: &Fit<'_>, target: &Target<'_>, thinking: ThinkingMode) -> bool {
    let is_free = fit.value(Parameter::ResponseFormat).is_none();
    let continues = target.model.continues_assistant(target.endpoint.api_schema);
    continues && is_free && !thinking.is_enabled()
}

/// Reports the `cache_control` that Claude does not know.
pub(in crate::api_schema) fn fit_cache_control(fit: &mut Fit<'_>, request: &Request<'_>) {
    fit.drop_cache_control(request, |mark| {
        let (CacheControlMark::Message(raw)
        | CacheControlMark::Part(raw)
        | CacheControlMark::Tool(raw)) = mark;
        is_known_cache_control(raw)
    });
}

/// Removes the marks that are one too many for Claude, and reports them. The mark of the request as a
/// whole is one of them.
pub(in crate::api_schema) fn limit_cache_control<'q>(
    fit: &mut Fit<'q>,
    request: &Request<'q>,
    conversation: &mut AnthropicConversation<'q>,
    tools: &mut AnthropicTools<'q>,
) {
    let own = request.parameters.get(Parameter::CacheControl);
    let own = own.filter(|_| fit.value(Parameter::CacheControl).is_some());
    let limit = MAX_MARKS - usize::from(is_known_mark(own));
    let [system, turns] = conversation.cache_marks();
    let removed = CacheMarks { tools: tools.cache_marks(), system, turns }.limit(limit);
    for (name, count) in [("messages", removed.messages), ("tools", removed.tools)] {
        let name = Cow::Owned(format!("{name}.cache_control"));
        if count > 0 && !fit.dropped.contains(&name) {
            fit.dropped.push(name);
        }
    }
}

/// Switches thinking off where Claude refuses it: when a tool must be called, when the unfinished
/// turn of the assistant lacks its thinking blocks, and when `max_tokens` leaves no room for a
/// budget.
fn fit_thinking<'a>(
    fit: &mut Fit<'a>,
    request: &Request<'a>,
    target: &Target<'_>,
    conversation: &AnthropicConversation<'_>,
    tools: &AnthropicTools<'_>,
) {
    // A budget is more precise than an effort.
    if fit.value(Parameter::Reasoning).is_some() {
        fit.budget = request.reasoning_max_tokens;
        if fit.effort.is_some_and(|effort| effort != Effort::None) {
            fit.drop_parameter(Parameter::ReasoningEffort);
        }
    }
    let is_allowed = match ThinkingMode::new(fit, target) {
        ThinkingMode::None | ThinkingMode::Disabled | ThinkingMode::Effort(_) => return,
        ThinkingMode::Adaptive(_) => !tools.require_call() || thinks_by_default(target.model),
        ThinkingMode::Budget(budget) => {
            !tools.require_call() && !conversation.lacks_thinking() && fit_budget(fit, budget)
        }
    };
    if is_allowed {
        SAMPLING.iter().for_each(|parameter| fit.drop_parameter(*parameter));
        return;
    }
    fit.drop_parameter(Parameter::ReasoningEffort);
    if fit.value(Parameter::Reasoning).is_some() {
        fit.kept.retain(|(kept, _)| *kept != Parameter::Reasoning);
        fit.dropped.push(Cow::Borrowed("reasoning.max_tokens"));
    }
    (fit.effort, fit.budget) = (None, None);
    SAMPLING.iter().for_each(|parameter| fit.restore(*parameter, request, target));
}

/// Reduces a budget below `max_tokens`, of which it is a part. Returns `false` if there is no room.
fn fit_budget(fit: &mut Fit<'_>, budget: u32) -> bool {
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
        let name = effort.name();
        fit.clamp(Parameter::ReasoningEffort, format!("\"{name}\""), name.to_owned());
    }
    true
}

/// Reduces `temperature` to 1 at most, and drops `top_p` beside it: since Claude 4.5 the API takes
/// only one of the two (Claude API, *Migrating to Claude 4.5*).
fn fit_sampling(fit: &mut Fit<'_>, request: &Request<'_>) {
    if fit.value(Parameter::Temperature).is_none() {
        return;
    }
    fit.drop_parameter(Parameter::TopP);
    if request.temperature.is_some_and(|temperature| temperature > 1.0) {
        fit.clamp(Parameter::Temperature, "1".to_owned(), "1".to_owned());
    }
}

/// Drops the stop sequences that are only white space, which Claude refuses.
fn fit_stop(fit: &mut Fit<'_>) {
    let Some(json) = fit.value(Parameter::Stop) else { return };
    let all = stop_sequences(json);
    let kept: Vec<&str> = all.iter().filter(|text| !text.is_blank()).map(Text::json).collect();
    let (kept_count, all_count) = (kept.len(), all.len());
    let json = format!("[{}]", kept.join(","));
    if kept_count == 0 {
        fit.drop_parameter(Parameter::Stop);
    } else if kept_count < all_count {
        // The sequences are the client's text, which does not belong into a header.
        fit.clamp(Parameter::Stop, json, format!("{kept_count}_of_{all_count}"));
    }
}

/// Drops ids of users that look like a person's e-mail address or telephone number, which Claude
/// must not be sent (Claude API reference, `metadata.user_id`).
fn fit_user(fit: &mut Fit<'_>) {
    for parameter in [Parameter::User, Parameter::SafetyIdentifier] {
        let id = fit.value(parameter).and_then(|json| serde_json::from_str::<String>(json).ok());
        if id.is_some_and(|id| id.is_empty() || id.len() > MAX_USER || is_personal(&id)) {
            fit.drop_parameter(parameter);
        }
    }
    // Claude takes one id; the parameter that OpenAI introduced later wins.
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
