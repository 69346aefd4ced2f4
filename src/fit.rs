//! Fit: adapts a chat request to one model. Each parameter is forwarded, clamped to the model's
//! limits, dropped if the answer has the same meaning without it, or refused.
//!
//! The result determines the provider's request, the header `x-attache-params`, and the copy of the
//! request in the answer. Limits of an API schema are applied afterwards, by `api_schema`.

use std::{borrow::Cow, num::NonZeroU32};

use self::{response_format::FormatMode, support::support_of};
use crate::chat::{
    effort::Effort,
    message::{Content, Message},
    mistake::{MAX_MISTAKES, Mistake, MistakeKind},
    parameter::{Parameter, ParameterScope},
    request::Request,
    tools::{ResponseFormat, ToolChoice},
};
use crate::{
    config::{ApiSchema, EffortWithTools, Model, Sampling, Target},
    json::{Object, is_empty_array},
    transcript::has_tag,
};

pub mod closing_message;
mod functions;
mod nested;
pub mod response_format;
pub mod support;

pub use self::nested::CacheControlMark;

/// The maximum number of unknown keys that are reported by name, and of messages by index.
const MAX_REPORTED: usize = 16;

/// The parameters of a request, adapted to one model.
#[derive(Clone, Debug, Default)]
pub struct Fit<'a> {
    /// The forwarded parameters, with their values in JSON. `max_tokens` comes first.
    pub kept: Vec<(Parameter, Cow<'a, str>)>,
    /// The forwarded reasoning effort.
    pub effort: Option<Effort>,
    /// The forwarded budget for reasoning, in tokens, for an API schema that has one.
    pub budget: Option<NonZeroU32>,
    /// The way in which the answer arrives.
    pub stream: StreamMode,
    /// The way in which the answer gets the format that the request asks for.
    pub format: FormatMode,
    /// The paths of dropped parameters.
    pub dropped: Vec<Cow<'a, str>>,
    /// The names of changed parameters, each with its new value.
    pub clamped: Vec<(&'static str, String)>,
    /// The places of invalid values that are sent corrected, some with the new value.
    pub corrected: Vec<Cow<'a, str>>,
    /// The names of parameters that the provider receives in another form.
    pub emulated: Vec<&'static str>,
    /// The reasons to refuse the request.
    pub refused: Vec<Mistake>,
    /// Parameters that the API schema does not take in this request.
    unsupported: &'static [Parameter],
}

/// Way in which an answer arrives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StreamMode {
    /// In one piece, as requested.
    #[default]
    Off,
    /// As a stream, as requested.
    On,
    /// In one piece from the provider, and as a stream to the client.
    Emulated,
}

impl<'a> Fit<'a> {
    /// Fits a request to its target. `unsupported` names the parameters that the target's API schema
    /// does not take in this request, besides those that it never takes.
    pub fn new(
        request: &Request<'a>,
        target: &Target<'_>,
        unsupported: &'static [Parameter],
    ) -> Self {
        let model = target.model;
        let mut fit = Self { unsupported, ..Self::default() };
        fit.fit_max_tokens(request, target);
        fit.fit_effort(request, target);
        fit.stream = stream_mode(request, model);
        for (parameter, raw) in request.parameters.present() {
            match parameter.scope() {
                ParameterScope::Optional => {
                    fit.fit_parameter(parameter, raw.get(), request, target);
                }
                ParameterScope::Legacy => fit.fit_functions(parameter, raw, request, target),
                ParameterScope::Gateway if is_ignored(parameter, request) => {
                    fit.dropped.push(Cow::Borrowed(parameter.name()));
                }
                ParameterScope::Core | ParameterScope::Gateway => {}
            }
        }
        for message in &request.messages {
            fit.check_inputs(message, target.name, model);
        }
        fit.drop_messages(&request.unpaired_results);
        fit.report_custom_tools(request, target);
        fit.drop_nested(request, target.endpoint.api_schema);
        fit.drop_thinking(request, target.provider);
        fit.report_body(request, target);
        fit
    }

    /// Fits a request for embeddings to its target. `refused` are the mistakes in its input.
    pub fn of_embeddings(
        request: &Request<'a>,
        target: &Target<'_>,
        refused: Vec<Mistake>,
    ) -> Self {
        let mut fit = Self { refused, ..Self::default() };
        fit.report_body(request, target);
        fit
    }

    /// Reports what a body has besides parameters of the chat API.
    fn report_body(&mut self, request: &Request<'a>, target: &Target<'_>) {
        if request.parameters.replaces_surrogates {
            self.corrected.push(Cow::Borrowed("lone_surrogates"));
        }
        if !target.provider.forward_unknown {
            self.drop_unknown(request);
        }
        self.dropped.extend(request.parameters.left_out.iter().cloned().map(Cow::Owned));
    }

    /// Returns the effective request without prompt and messages: `request` in the answer.
    pub fn echo(&self, model: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let mut object = Object::open(&mut out);
        object.value("model", model);
        for (parameter, json) in &self.kept {
            object.raw(parameter.name(), json.as_bytes());
        }
        object.close();
        out
    }

    /// Returns the value of `x-attache-params`: empty if every parameter is forwarded unchanged.
    pub fn report(&self) -> String {
        let mut parts = Vec::new();
        if !self.dropped.is_empty() {
            parts.push(format!("dropped={}", self.dropped.join(",")));
        }
        if !self.clamped.is_empty() {
            let clamped: Vec<String> =
                self.clamped.iter().map(|(name, value)| format!("{name}:{value}")).collect();
            parts.push(format!("clamped={}", clamped.join(",")));
        }
        let mut emulated = self.emulated.clone();
        if self.stream == StreamMode::Emulated {
            emulated.push("stream");
        }
        if !emulated.is_empty() {
            parts.push(format!("emulated={}", emulated.join(",")));
        }
        if !self.corrected.is_empty() {
            parts.push(format!("corrected={}", self.corrected.join(",")));
        }
        parts.join("; ")
    }

    /// Returns the value of a forwarded parameter.
    pub fn value(&self, parameter: Parameter) -> Option<&str> {
        let kept = self.kept.iter().find(|(kept, _)| *kept == parameter);
        kept.map(|(_, json)| json.as_ref())
    }

    /// Drops a forwarded parameter. A default value is not reported.
    pub fn drop_parameter(&mut self, parameter: Parameter) {
        let Some(at) = self.kept.iter().position(|(kept, _)| *kept == parameter) else { return };
        let (_, json) = self.kept.remove(at);
        self.clamped.retain(|(name, _)| *name != parameter.name());
        if !is_default(parameter, &json) {
            self.dropped.push(Cow::Borrowed(parameter.name()));
        }
    }

    /// Changes a forwarded parameter to `json`, and reports it as `reported`.
    pub fn clamp(&mut self, parameter: Parameter, json: String, reported: String) {
        if let Some((_, kept)) = self.kept.iter_mut().find(|(kept, _)| *kept == parameter) {
            *kept = Cow::Owned(json);
            self.clamped.retain(|(name, _)| *name != parameter.name());
            self.clamped.push((parameter.name(), reported));
        }
    }

    /// Fits a dropped parameter again, after the reasoning that excluded it was switched off.
    pub fn restore(&mut self, parameter: Parameter, request: &Request<'a>, target: &Target<'_>) {
        let Some(raw) = request.parameters.get(parameter) else { return };
        let before = self.dropped.len();
        self.dropped.retain(|name| name != parameter.name());
        if self.dropped.len() < before {
            self.fit_parameter(parameter, raw.get(), request, target);
        }
    }

    /// Fits the limit of the answer. Claude requires one; every other API schema has the model's own.
    fn fit_max_tokens(&mut self, request: &Request<'a>, target: &Target<'_>) {
        let model = target.model;
        let Some(requested) = request.max_tokens else {
            if target.provider.api_schema == ApiSchema::Anthropic {
                let most = model.max_output_tokens.to_string();
                self.kept.push((Parameter::MaxTokens, Cow::Owned(most)));
            }
            return;
        };
        if requested >= model.context_length {
            let message = "model context limit exceeded";
            self.refused.push(Mistake::new(MistakeKind::Invalid, "max_tokens", message));
        }
        let limit = requested.min(model.max_output_tokens).max(model.min_output_tokens);
        if limit != requested {
            self.clamped.push(("max_tokens", limit.to_string()));
        }
        self.kept.push((Parameter::MaxTokens, Cow::Owned(limit.to_string())));
    }

    /// Fits the reasoning effort: an effort that the model lacks becomes the closest one it has.
    fn fit_effort(&mut self, request: &Request<'a>, target: &Target<'_>) {
        let model = target.model;
        if excludes_reasoning(request, target) {
            return self.disable_reasoning(request, model);
        }
        let Some(requested) = request.effort else { return };
        let named = effort_parameter(request);
        self.effort = requested.closest(&model.reasoning_efforts);
        match self.effort {
            None => self.dropped.push(Cow::Borrowed(named.name())),
            Some(effort) if effort != requested => {
                self.clamped.push((named.name(), effort.name().to_owned()));
            }
            Some(_) => {}
        }
        // A forwarded `reasoning` contains the effort.
        let inside = named == Parameter::Reasoning
            && request.reasoning_max_tokens.is_some()
            && takes_budget(target);
        if let Some(effort) = self.effort.filter(|_| !inside) {
            let json = Cow::Owned(format!("\"{}\"", effort.name()));
            self.kept.push((Parameter::ReasoningEffort, json));
        }
    }

    /// Sets the effort `none`, even if the request has no effort: the provider's default may be
    /// another one.
    fn disable_reasoning(&mut self, request: &Request<'a>, model: &Model) {
        let none = Effort::None.name();
        if request.effort.unwrap_or(model.default_reasoning_effort) != Effort::None {
            self.clamped.push((effort_parameter(request).name(), none.to_owned()));
        }
        self.effort = Some(Effort::None);
        self.kept.push((Parameter::ReasoningEffort, Cow::Owned(format!("\"{none}\""))));
    }

    fn fit_parameter(
        &mut self,
        parameter: Parameter,
        json: &'a str,
        request: &Request<'a>,
        target: &Target<'_>,
    ) {
        let model = target.model;
        match parameter {
            Parameter::Stream | Parameter::ReasoningEffort => {}
            // The effort is forwarded as `reasoning_effort`.
            Parameter::Reasoning if request.reasoning_max_tokens.is_none() => {}
            Parameter::Reasoning
                if !takes_budget(target) || excludes_reasoning(request, target) =>
            {
                self.dropped.push(Cow::Borrowed("reasoning.max_tokens"));
            }
            _ if is_without_effect(parameter, json, request) => {}
            Parameter::ResponseFormat
                if !self.supports(parameter, request, target)
                    && self.emulate_format(request, target) =>
            {
                self.kept.push((parameter, Cow::Borrowed(json)));
            }
            _ if !self.supports(parameter, request, target) => {
                if is_essential(parameter, request) {
                    self.refuse(parameter, target.name);
                } else if !is_default(parameter, json) {
                    self.dropped.push(Cow::Borrowed(parameter.name()));
                }
            }
            Parameter::Temperature => self.fit_temperature(json, request, model),
            _ => self.kept.push((parameter, Cow::Borrowed(json))),
        }
    }

    fn supports(&self, parameter: Parameter, request: &Request<'_>, target: &Target<'_>) -> bool {
        let model = target.model;
        let takes_form = match parameter {
            Parameter::ToolChoice => {
                let form = request.tool_choice.as_ref().map(ToolChoice::form);
                form.is_none_or(|form| model.tool_choices.contains(&form))
            }
            Parameter::ResponseFormat => {
                let form = request.response_format.as_ref().and_then(ResponseFormat::form);
                form.is_none_or(|form| self.takes_format(form, target))
            }
            _ => !is_sampling(parameter) || self.takes_sampling(model),
        };
        takes_form
            && !self.unsupported.contains(&parameter)
            && model.supports(parameter)
            && support_of(parameter, target.endpoint.api_schema).is_forwarded()
    }

    /// Returns true if the model takes sampling parameters at the forwarded effort.
    fn takes_sampling(&self, model: &Model) -> bool {
        let effort = self.effort.unwrap_or(model.default_reasoning_effort);
        model.sampling == Sampling::Always || effort == Effort::None
    }

    fn refuse(&mut self, parameter: Parameter, model: &str) {
        let hint = if parameter.scope() == ParameterScope::Legacy { ", use tools" } else { "" };
        let parameter = parameter.name();
        let message = format!("model {model} does not support {parameter}{hint}");
        self.refused.push(Mistake::new(MistakeKind::Unsupported, parameter, &message));
    }

    /// Refuses a request for further mistakes, but for parameters with one that is reported already.
    pub fn refuse_others(&mut self, mut mistakes: Vec<Mistake>) {
        mistakes.retain(|own| self.refused.iter().all(|other| other.param != own.param));
        self.refused.append(&mut mistakes);
    }

    fn fit_temperature(&mut self, json: &'a str, request: &Request<'a>, model: &Model) {
        let too_high =
            request.temperature.is_some_and(|requested| requested > model.max_temperature);
        if !too_high {
            return self.kept.push((Parameter::Temperature, Cow::Borrowed(json)));
        }
        let most = model.max_temperature.to_string();
        self.clamped.push(("temperature", most.clone()));
        self.kept.push((Parameter::Temperature, Cow::Owned(most)));
    }

    fn check_inputs(&mut self, message: &Message<'_>, name: &str, model: &Model) {
        let index = message.index;
        let Content::Parts(parts) = &message.content else { return };
        for (number, part) in parts.iter().enumerate() {
            let Some((input, _)) = part.input() else { continue };
            if !model.input.contains(&input) && self.refused.len() < MAX_MISTAKES {
                let param = format!("messages[{index}].content[{number}]");
                let input = input.name();
                let message = format!("{param}: model {name} does not support {input} input");
                self.refused.push(Mistake::new(MistakeKind::Unsupported, param, &message));
            }
        }
    }

    /// Reports values that are sent corrected: the places of some, and the number of the others.
    pub fn report_corrected(&mut self, mut places: impl Iterator<Item = String>) {
        self.corrected.extend(places.by_ref().take(MAX_REPORTED).map(Cow::Owned));
        let rest = places.count();
        if rest > 0 {
            self.corrected.push(Cow::Owned(format!("+{rest}")));
        }
    }

    /// Reports messages that are left out, by their indices.
    fn drop_messages(&mut self, indices: &[usize]) {
        let listed = indices.iter().take(MAX_REPORTED);
        self.dropped.extend(listed.map(|index| Cow::Owned(format!("messages[{index}]"))));
        self.drop_unlisted(indices.len().saturating_sub(MAX_REPORTED));
    }

    /// Reports the number of dropped values that are not listed, if there are any.
    fn drop_unlisted(&mut self, count: usize) {
        if count > 0 {
            self.dropped.push(Cow::Owned(format!("+{count}")));
        }
    }

    /// Drops unknown keys. Their names are the client's text: only plain ones are put in a header.
    fn drop_unknown(&mut self, request: &Request<'a>) {
        let names = request.parameters.unknown.iter().map(|(name, _)| name);
        let plain = names.clone().filter(|name| is_plain(name));
        let listed: Vec<_> = plain.take(MAX_REPORTED).cloned().collect();
        let rest = names.count() - listed.len();
        self.dropped.extend(listed);
        self.drop_unlisted(rest);
    }
}

/// Returns the way in which the model's answer to a request arrives.
fn stream_mode(request: &Request<'_>, model: &Model) -> StreamMode {
    match (request.stream, model.supports(Parameter::Stream)) {
        (false, _) => StreamMode::Off,
        (true, true) => StreamMode::On,
        (true, false) => StreamMode::Emulated,
    }
}

/// Returns true if the model does not reason in an answer to the request, because it has tools. That
/// is a rule of Chat Completions only.
fn excludes_reasoning(request: &Request<'_>, target: &Target<'_>) -> bool {
    target.model.effort_with_tools == EffortWithTools::NoneOnly
        && target.endpoint.api_schema != ApiSchema::OpenAiResponses
        && !request.tools.is_empty()
}

/// Returns true if the provider takes a budget for reasoning, in tokens.
fn takes_budget(target: &Target<'_>) -> bool {
    let support = support_of(Parameter::Reasoning, target.endpoint.api_schema);
    target.model.supports(Parameter::Reasoning) && support.is_forwarded()
}

/// Returns the parameter that names the effort: `reasoning`, if `reasoning_effort` is absent and
/// `reasoning` has an effort.
fn effort_parameter(request: &Request<'_>) -> Parameter {
    let is_nested = request.effort.is_some();
    match request.parameters.has(Parameter::ReasoningEffort) || !is_nested {
        true => Parameter::ReasoningEffort,
        false => Parameter::Reasoning,
    }
}

/// Returns true for a parameter of the gateway that has no effect in this request.
fn is_ignored(parameter: Parameter, request: &Request<'_>) -> bool {
    let of_plan = Parameter::OF_PLAN.contains(&parameter);
    // The gateway role removes the id when it inserts the transcript.
    let is_unused = parameter == Parameter::TranscriptId && !has_tag(&request.parameters);
    is_unused || (of_plan && request.parameters.is_fallback)
}

/// Returns true if a client's key is safe in a header.
fn is_plain(name: &str) -> bool {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    (1..=64).contains(&name.len()) && name.bytes().all(safe)
}

/// Returns true for a value without effect: the answer is the same without it, on every model.
fn is_without_effect(parameter: Parameter, json: &str, request: &Request<'_>) -> bool {
    match parameter {
        Parameter::N => request.n.get() == 1,
        Parameter::Logprobs => !request.logprobs,
        Parameter::Modalities => !request.audio,
        Parameter::ResponseFormat => {
            request.response_format.as_ref().is_some_and(|format| format.form().is_none())
        }
        Parameter::Tools | Parameter::Functions | Parameter::Stop => is_empty_array(json),
        Parameter::ToolChoice => request.tools.is_empty(),
        Parameter::ParallelToolCalls => request.tools.is_empty(),
        _ => false,
    }
}

/// Returns true for the default value of every model.
fn is_default(parameter: Parameter, json: &str) -> bool {
    match parameter {
        Parameter::Temperature | Parameter::TopP => matches!(json, "1" | "1.0"),
        Parameter::FrequencyPenalty | Parameter::PresencePenalty => matches!(json, "0" | "0.0"),
        Parameter::ParallelToolCalls => json == "true",
        Parameter::Logprobs | Parameter::Store | Parameter::ZeroDataRetention => json == "false",
        _ => false,
    }
}

fn is_sampling(parameter: Parameter) -> bool {
    use Parameter::{Logprobs, Temperature, TopK, TopLogprobs, TopP};
    matches!(parameter, Temperature | TopP | TopK | Logprobs | TopLogprobs)
}

/// Returns true for a parameter that the request cannot do without.
fn is_essential(parameter: Parameter, request: &Request<'_>) -> bool {
    match parameter {
        Parameter::Tools | Parameter::ToolChoice | Parameter::ResponseFormat => true,
        Parameter::Functions | Parameter::FunctionCall => true,
        Parameter::Audio | Parameter::WebSearchOptions => true,
        Parameter::N => request.n.get() > 1,
        Parameter::Logprobs => request.logprobs,
        Parameter::Modalities => request.audio,
        _ => false,
    }
}
