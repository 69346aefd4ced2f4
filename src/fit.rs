//! What becomes of a request's parameters on one model: kept, clamped, dropped, or refused. The one
//! place that knows, for the request that leaves, for `x-attache-params`, and for the answer's echo.

use std::{borrow::Cow, num::NonZeroU32};

use self::support::support_of;
use crate::chat::{
    effort::Effort,
    message::{Content, Message},
    mistake::{MAX_MISTAKES, Mistake, MistakeKind},
    parameter::{Parameter, ParameterScope},
    request::Request,
};
use crate::{
    config::{EffortWithTools, Model, Sampling, Target},
    json::{Object, is_empty_array},
    transcript::has_tag,
};

pub mod closing_message;
mod inside;
pub mod support;

pub use self::inside::CacheControlMark;

/// The longest list of unknown keys that is reported one by one.
const MAX_REPORTED: usize = 16;

/// A request as one model can take it.
#[derive(Clone, Debug, Default)]
pub struct Fit<'a> {
    /// Parameters that go on, with their values in JSON. `max_tokens` first.
    pub kept: Vec<(Parameter, Cow<'a, str>)>,
    /// The effort that goes on.
    pub effort: Option<Effort>,
    /// The budget for thoughts that goes on, in tokens, where a schema has one.
    pub budget: Option<NonZeroU32>,
    /// Whether the model streams, as far as the client asked for it.
    pub stream: Stream,
    /// Names of what is left out.
    pub dropped: Vec<Cow<'a, str>>,
    /// Names of what was changed, with what it became.
    pub clamped: Vec<(&'static str, String)>,
    /// Names of what is asked for in another way than the client's.
    pub emulated: Vec<&'static str>,
    /// What the model lacks and the client cannot do without.
    pub refused: Vec<Mistake>,
}

/// How the answer comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stream {
    /// In one piece, as asked.
    #[default]
    Off,
    /// As a stream, as asked.
    On,
    /// In one piece from the provider, as a stream to the client.
    Emulated,
}

impl<'a> Fit<'a> {
    /// Fits a request to where it is to run.
    pub fn new(request: &Request<'a>, target: &Target<'_>) -> Self {
        let model = target.model;
        let mut fit = Self::default();
        fit.limit(request, model);
        fit.think(request, model);
        fit.stream(request, model);
        for (parameter, raw) in request.parameters.present() {
            match parameter.place() {
                ParameterScope::Optional | ParameterScope::Legacy => {
                    fit.parameter(parameter, raw.get(), request, target);
                }
                ParameterScope::Gateway if means_nothing(parameter, request) => {
                    fit.dropped.push(Cow::Borrowed(parameter.name()));
                }
                ParameterScope::Core | ParameterScope::Gateway => {}
            }
        }
        for (index, message) in request.messages.iter().enumerate() {
            fit.message(index, message, target.name, model);
        }
        fit.inside(request, target.provider.api_schema);
        if !target.provider.forward_unknown {
            fit.unknown(request);
        }
        fit
    }

    /// The effective request without prompt and messages, which the answer repeats.
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

    /// The value of `x-attache-params`, empty when everything went on as it came.
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
        if self.stream == Stream::Emulated {
            emulated.push("stream");
        }
        if !emulated.is_empty() {
            parts.push(format!("emulated={}", emulated.join(",")));
        }
        parts.join("; ")
    }

    /// The value of a parameter that goes on.
    pub fn value(&self, parameter: Parameter) -> Option<&str> {
        let kept = self.kept.iter().find(|(kept, _)| *kept == parameter);
        kept.map(|(_, json)| json.as_ref())
    }

    /// Leaves out a parameter that would have gone on.
    pub fn drop_parameter(&mut self, parameter: Parameter) {
        let Some(at) = self.kept.iter().position(|(kept, _)| *kept == parameter) else { return };
        let (_, json) = self.kept.remove(at);
        self.clamped.retain(|(name, _)| *name != parameter.name());
        if !is_usual(parameter, &json) {
            self.dropped.push(Cow::Borrowed(parameter.name()));
        }
    }

    /// Changes a parameter that goes on to `json`, and reports it as `told`.
    pub fn clamp(&mut self, parameter: Parameter, json: String, told: String) {
        if let Some((_, kept)) = self.kept.iter_mut().find(|(kept, _)| *kept == parameter) {
            *kept = Cow::Owned(json);
            self.clamped.retain(|(name, _)| *name != parameter.name());
            self.clamped.push((parameter.name(), told));
        }
    }

    /// Looks again at a parameter that was left out because the model was to think.
    pub fn restore(&mut self, parameter: Parameter, request: &Request<'a>, target: &Target<'_>) {
        let Some(raw) = request.parameters.get(parameter) else { return };
        let before = self.dropped.len();
        self.dropped.retain(|name| name != parameter.name());
        if self.dropped.len() < before {
            self.parameter(parameter, raw.get(), request, target);
        }
    }

    fn limit(&mut self, request: &Request<'a>, model: &Model) {
        let asked = request.max_tokens;
        if asked >= model.context_length {
            let message = "model context limit exceeded";
            self.refused.push(Mistake::new(MistakeKind::Invalid, "max_tokens", message));
        }
        let limit = asked.min(model.max_output_tokens).max(model.min_output_tokens);
        if limit != asked {
            self.clamped.push(("max_tokens", limit.to_string()));
        }
        self.kept.push((Parameter::MaxTokens, Cow::Owned(limit.to_string())));
    }

    /// An effort the model does not offer becomes the closest it does.
    fn think(&mut self, request: &Request<'a>, model: &Model) {
        if excludes_reasoning(request, model) {
            return self.disable_reasoning(request, model);
        }
        let Some(asked) = request.effort else { return };
        let named = effort_parameter(request);
        self.effort = asked.closest(&model.reasoning_efforts);
        match self.effort {
            None => self.dropped.push(Cow::Borrowed(named.name())),
            Some(effort) if effort != asked => {
                self.clamped.push((named.name(), effort.name().to_owned()));
            }
            Some(_) => {}
        }
        // Where `reasoning` goes on whole, its effort is inside.
        let inside = named == Parameter::Reasoning
            && request.reasoning_max_tokens.is_some()
            && model.supports(Parameter::Reasoning);
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

    fn stream(&mut self, request: &Request<'a>, model: &Model) {
        self.stream = match (request.stream, model.supports(Parameter::Stream)) {
            (false, _) => Stream::Off,
            (true, true) => Stream::On,
            (true, false) => Stream::Emulated,
        };
    }

    fn parameter(
        &mut self,
        parameter: Parameter,
        json: &'a str,
        request: &Request<'a>,
        target: &Target<'_>,
    ) {
        let model = target.model;
        match parameter {
            Parameter::Stream | Parameter::ReasoningEffort => {}
            // Its effort goes on under the flat name.
            Parameter::Reasoning if request.reasoning_max_tokens.is_none() => {}
            Parameter::Reasoning
                if !model.supports(parameter) || excludes_reasoning(request, model) =>
            {
                self.dropped.push(Cow::Borrowed("reasoning.max_tokens"));
            }
            _ if asks_nothing(parameter, json, request) => {}
            _ if !self.supports(parameter, request, target) => {
                if changes_meaning(parameter, request) {
                    self.refuse(parameter, target.name);
                } else if !is_usual(parameter, json) {
                    self.dropped.push(Cow::Borrowed(parameter.name()));
                }
            }
            Parameter::Temperature => self.temperature(json, request, model),
            _ => self.kept.push((parameter, Cow::Borrowed(json))),
        }
    }

    fn supports(&self, parameter: Parameter, request: &Request<'_>, target: &Target<'_>) -> bool {
        let model = target.model;
        let takes_form = match parameter {
            Parameter::ToolChoice => {
                let form = request.tool_choice.as_ref().map(|choice| choice.form());
                form.is_none_or(|form| model.tool_choices.contains(&form))
            }
            Parameter::ResponseFormat => {
                let form = request.response_format.as_ref().and_then(|format| format.form());
                form.is_none_or(|form| model.response_formats.contains(&form))
            }
            // OpenAI refuses what it is not to store, and voice platforms write there whose call it
            // is.
            Parameter::Metadata => {
                request.parameters.get(Parameter::Store).is_some_and(|raw| raw.get() == "true")
            }
            _ => !is_sampling(parameter) || self.samples(model),
        };
        takes_form
            && model.supports(parameter)
            && support_of(parameter, target.provider.api_schema).is_forwarded()
    }

    /// Whether the model takes sampling parameters, thinking as hard as it now is to.
    fn samples(&self, model: &Model) -> bool {
        let effort = self.effort.unwrap_or(model.default_reasoning_effort);
        model.sampling == Sampling::Always || effort == Effort::None
    }

    fn refuse(&mut self, parameter: Parameter, model: &str) {
        let hint = if parameter.place() == ParameterScope::Legacy { ", use tools" } else { "" };
        let parameter = parameter.name();
        let message = format!("model {model} does not support {parameter}{hint}");
        self.refused.push(Mistake::new(MistakeKind::Unsupported, parameter, &message));
    }

    fn temperature(&mut self, json: &'a str, request: &Request<'a>, model: &Model) {
        let too_high = request.temperature.is_some_and(|asked| asked > model.max_temperature);
        if !too_high {
            return self.kept.push((Parameter::Temperature, Cow::Borrowed(json)));
        }
        let most = model.max_temperature.to_string();
        self.clamped.push(("temperature", most.clone()));
        self.kept.push((Parameter::Temperature, Cow::Owned(most)));
    }

    fn message(&mut self, index: usize, message: &Message<'_>, name: &str, model: &Model) {
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

    /// Names of unknown keys are the client's text: only plain ones go into a header.
    fn unknown(&mut self, request: &Request<'a>) {
        let names = request.parameters.unknown.iter().map(|(name, _)| name);
        let plain = names.clone().filter(|name| is_plain(name));
        let listed: Vec<_> = plain.take(MAX_REPORTED).cloned().collect();
        let rest = names.count() - listed.len();
        self.dropped.extend(listed);
        if rest > 0 {
            self.dropped.push(Cow::Owned(format!("+{rest}")));
        }
    }
}

/// Returns true if the model does not reason in an answer to the request, because it has tools.
fn excludes_reasoning(request: &Request<'_>, model: &Model) -> bool {
    model.effort_with_tools == EffortWithTools::NoneOnly && !request.tools.is_empty()
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

/// Whether a parameter for the gateway is passed over.
fn means_nothing(parameter: Parameter, request: &Request<'_>) -> bool {
    let of_plan = matches!(parameter, Parameter::Fallbacks | Parameter::FallbackConfig);
    // The gateway role takes the id away where it put the transcript.
    let is_unused = parameter == Parameter::TranscriptId && !has_tag(&request.parameters);
    is_unused || (of_plan && request.parameters.is_fallback)
}

/// Whether a client's key can stand in a header.
fn is_plain(name: &str) -> bool {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    (1..=64).contains(&name.len()) && name.bytes().all(safe)
}

/// Whether a value says what is so anyway, so that leaving it out changes nothing.
fn asks_nothing(parameter: Parameter, json: &str, request: &Request<'_>) -> bool {
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

/// Whether a value is what every model takes for granted.
fn is_usual(parameter: Parameter, json: &str) -> bool {
    match parameter {
        Parameter::Temperature | Parameter::TopP => matches!(json, "1" | "1.0"),
        Parameter::FrequencyPenalty | Parameter::PresencePenalty => matches!(json, "0" | "0.0"),
        Parameter::ParallelToolCalls => json == "true",
        Parameter::Logprobs | Parameter::Store => json == "false",
        _ => false,
    }
}

fn is_sampling(parameter: Parameter) -> bool {
    use Parameter::{Logprobs, Temperature, TopK, TopLogprobs, TopP};
    matches!(parameter, Temperature | TopP | TopK | Logprobs | TopLogprobs)
}

/// Whether an answer without the parameter would be an answer to another question.
fn changes_meaning(parameter: Parameter, request: &Request<'_>) -> bool {
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
