//! Reading a chat request: every value gets its type and its bounds, and every mistake is kept, so
//! that one answer names them all.

use std::{borrow::Cow, num::NonZeroU32, ops::RangeInclusive};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    effort::Effort,
    error::shortened,
    message::{Content, Message, Role},
    parameter::{Parameter, Parameters},
    text::Text,
    tools::{ResponseFormat, Tool, ToolChoice},
};

/// `max_tokens` of a request that names none. LLM Gateway API reference, *max_tokens*.
pub const DEFAULT_MAX_TOKENS: NonZeroU32 = NonZeroU32::new(1000).unwrap();

/// How deep a body may nest: what serde_json bounds its own recursion to.
pub const MAX_DEPTH: usize = 128;

/// The most mistakes of a request that are named: a body has room for millions.
pub const MAX_MISTAKES: usize = 64;

/// A mistake in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The parameter, with the path inside it: `messages[2].content`.
    pub param: String,
    /// What is wrong, in one sentence.
    pub message: String,
}

impl Mistake {
    /// A mistake in a parameter.
    pub fn new(param: impl Into<String>, message: impl Into<String>) -> Self {
        // What the client wrote may stand in it, at any length.
        Self { param: param.into(), message: shortened(&message.into()) }
    }
}

/// Why a body could not be read at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// What is wrong, in one sentence without the place.
    pub problem: String,
    /// Line and column, counted from 1.
    pub place: (usize, usize),
}

/// A chat request, each value in its type.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the names are the API's")]
pub struct Request<'a> {
    /// What came, unread.
    pub parameters: Parameters<'a>,
    pub model: Cow<'a, str>,
    /// `prompt` is here too, as a user's message.
    pub messages: Vec<Message<'a>>,
    pub max_tokens: NonZeroU32,
    pub temperature: Option<f64>,
    pub n: NonZeroU32,
    pub logprobs: bool,
    pub stream: bool,
    /// `stream_options.include_usage`.
    pub include_usage: bool,
    /// `reasoning_effort`, or `reasoning.effort`.
    pub effort: Option<Effort>,
    /// `reasoning.max_tokens`.
    pub reasoning_max_tokens: Option<NonZeroU32>,
    pub tools: Vec<Tool<'a>>,
    pub tool_choice: Option<ToolChoice<'a>>,
    pub response_format: Option<ResponseFormat<'a>>,
    /// Whether `modalities` asks for sound.
    pub audio: bool,
    /// Whether `model_region` is `global`.
    pub global: bool,
}

/// Splits a body into its parameters.
pub fn parameters(body: &[u8]) -> Result<Parameters<'_>, Unreadable> {
    if let Some(place) = crate::json::too_deep(body, MAX_DEPTH) {
        let problem = format!("nested deeper than {MAX_DEPTH} levels");
        return Err(Unreadable { problem, place });
    }
    serde_json::from_slice(body).map_err(|error| {
        let place = (error.line(), error.column());
        Unreadable { problem: shortened(&without_place(&error)), place }
    })
}

impl<'a> Request<'a> {
    /// Reads each parameter. What cannot be read is as if absent, and among the mistakes.
    pub fn read(parameters: Parameters<'a>) -> (Self, Vec<Mistake>) {
        let mut reader = Reader { parameters: &parameters, mistakes: Vec::new() };
        let (effort, reasoning_max_tokens) = reader.reasoning();
        let request = Self {
            model: reader.model(),
            messages: reader.messages(),
            max_tokens: reader.max_tokens(),
            temperature: reader.number(Parameter::Temperature, 0.0..=2.0),
            n: reader
                .whole(Parameter::N, 1..=128)
                .and_then(NonZeroU32::new)
                .unwrap_or(NonZeroU32::MIN),
            logprobs: reader.bool(Parameter::Logprobs).unwrap_or_default(),
            stream: reader.bool(Parameter::Stream).unwrap_or_default(),
            include_usage: reader.include_usage(),
            effort,
            reasoning_max_tokens,
            tools: reader.tools(),
            tool_choice: reader.tool_choice(),
            response_format: reader.response_format(),
            audio: reader.audio(),
            global: reader.global(),
            parameters: parameters.clone(),
        };
        reader.rest();
        let mistakes = reader.mistakes;
        (request, mistakes)
    }
}

/// Reads parameters and keeps the mistakes.
struct Reader<'p, 'a> {
    parameters: &'p Parameters<'a>,
    mistakes: Vec<Mistake>,
}

impl<'a> Reader<'_, 'a> {
    fn wrong(&mut self, param: impl Into<String>, message: impl Into<String>) {
        if self.mistakes.len() < MAX_MISTAKES {
            self.mistakes.push(Mistake::new(param, message));
        }
    }

    /// A parameter of type `T`, whose values are `expected`.
    fn get<T: Deserialize<'a>>(&mut self, parameter: Parameter, expected: &str) -> Option<T> {
        self.get_if(parameter, |_| true, || expected.to_owned())
    }

    /// A parameter of type `T` that fits. What is expected is only put into words for a mistake.
    fn get_if<T: Deserialize<'a>>(
        &mut self,
        parameter: Parameter,
        fits: impl FnOnce(&T) -> bool,
        expected: impl FnOnce() -> String,
    ) -> Option<T> {
        let raw = self.parameters.get(parameter)?;
        let value = serde_json::from_str(raw.get()).ok().filter(fits);
        if value.is_none() {
            self.must_be(parameter, &expected());
        }
        value
    }

    fn must_be(&mut self, parameter: Parameter, expected: &str) {
        let name = parameter.name();
        self.wrong(name, format!("{name} must be {expected}"));
    }

    fn bool(&mut self, parameter: Parameter) -> Option<bool> {
        self.get(parameter, "true or false")
    }

    fn number(&mut self, parameter: Parameter, range: RangeInclusive<f64>) -> Option<f64> {
        let expected = || format!("a number from {} to {}", range.start(), range.end());
        self.get_if(parameter, |number| range.contains(number), expected)
    }

    fn whole(&mut self, parameter: Parameter, range: RangeInclusive<u32>) -> Option<u32> {
        let expected = || match *range.end() {
            u32::MAX => format!("an integer of at least {}", range.start()),
            most => format!("an integer from {} to {most}", range.start()),
        };
        self.get_if(parameter, |number| range.contains(number), expected)
    }

    fn model(&mut self) -> Cow<'a, str> {
        let model = match self.parameters.get(Parameter::Model) {
            None => {
                self.wrong("model", "model is required");
                return Cow::Borrowed("");
            }
            Some(raw) => Text::from_raw(raw).map(|text| Cow::Owned(text.decode().into_owned())),
        };
        model.filter(|model: &Cow<'_, str>| !model.is_empty()).unwrap_or_else(|| {
            self.must_be(Parameter::Model, "the name of a model");
            Cow::Borrowed("")
        })
    }

    /// `max_completion_tokens` wins: it is the newer name, and clients send both for old servers.
    fn max_tokens(&mut self) -> NonZeroU32 {
        let old = self.whole(Parameter::MaxTokens, 1..=u32::MAX);
        let new = self.whole(Parameter::MaxCompletionTokens, 1..=u32::MAX);
        new.or(old).and_then(NonZeroU32::new).unwrap_or(DEFAULT_MAX_TOKENS)
    }

    fn messages(&mut self) -> Vec<Message<'a>> {
        let prompt: Option<Text<'a>> = self.get(Parameter::Prompt, "a string");
        let Some(raw) = self.parameters.get(Parameter::Messages) else {
            if !self.parameters.has(Parameter::Prompt) {
                self.wrong("messages", "one of messages or prompt required");
            }
            return prompt.map(user).into_iter().collect();
        };
        if self.parameters.has(Parameter::Prompt) {
            self.wrong("prompt", "only one of messages or prompt allowed");
        }
        let messages = match serde_json::from_str::<Vec<Message<'a>>>(raw.get()) {
            Ok(messages) => messages,
            Err(_) => self.locate(raw),
        };
        if is_empty(raw) {
            self.must_be(Parameter::Messages, "an array with at least one message");
        }
        for (index, message) in messages.iter().enumerate() {
            self.check_message(index, message);
        }
        messages
    }

    /// The messages that can be read, and a mistake for each that cannot.
    fn locate(&mut self, raw: &'a RawValue) -> Vec<Message<'a>> {
        let Ok(items) = serde_json::from_str::<Vec<&'a RawValue>>(raw.get()) else {
            self.must_be(Parameter::Messages, "an array of messages");
            return Vec::new();
        };
        let mut messages = Vec::new();
        for (index, item) in items.into_iter().enumerate() {
            match serde_json::from_str(item.get()) {
                Ok(message) => messages.push(message),
                Err(error) => {
                    let param = format!("messages[{index}]");
                    self.wrong(&param, format!("{param}: {}", without_place(&error)));
                }
            }
        }
        messages
    }

    fn check_message(&mut self, index: usize, message: &Message<'a>) {
        let param = format!("messages[{index}]");
        if message.role == Role::Tool && message.tool_call_id.is_none() {
            self.wrong(&param, format!("{param}: tool_call_id is required for role tool"));
        }
        if message.role == Role::Function && message.name.is_none() {
            self.wrong(&param, format!("{param}: name is required for role function"));
        }
        let Content::Parts(parts) = &message.content else { return };
        for (number, part) in parts.iter().enumerate() {
            let param = format!("{param}.content[{number}]");
            match part.input() {
                Some((_, true)) => {}
                Some((_, false)) => {
                    let problem = format!("{param}: {} is missing", part.kind);
                    self.wrong(param, problem);
                }
                None => {
                    let problem = format!("{param}: unknown type `{}`", part.kind);
                    self.wrong(param, problem);
                }
            }
        }
    }

    fn tools(&mut self) -> Vec<Tool<'a>> {
        let expected = "an array of tools, each {type: \"function\", function: {name, …}}";
        let tools: Vec<Tool<'a>> = self.get(Parameter::Tools, expected).unwrap_or_default();
        for (index, tool) in tools.iter().enumerate() {
            let param = format!("tools[{index}]");
            let problem = match (&tool.function, tool.kind.as_ref()) {
                (Some(function), "function") if function.name.is_empty() => {
                    "name is empty".to_owned()
                }
                (Some(function), "function") => match function.parameters {
                    Some(raw) if !raw.get().starts_with('{') => {
                        "parameters must be a JSON schema object".to_owned()
                    }
                    _ => continue,
                },
                (None, "function") => "function is missing".to_owned(),
                (_, other) => format!("unknown type `{other}`, there is `function`"),
            };
            self.wrong(&param, format!("{param}: {problem}"));
        }
        tools
    }

    fn tool_choice(&mut self) -> Option<ToolChoice<'a>> {
        let choice = self.get(
            Parameter::ToolChoice,
            "none, auto, required, allowed_tools or {type: \"function\", function: {name}}",
        )?;
        let harmless = matches!(choice, ToolChoice::None | ToolChoice::Auto);
        if !harmless && self.parameters.get(Parameter::Tools).is_none_or(is_empty) {
            self.wrong("tool_choice", format!("tool_choice {} needs tools", choice.form()));
        }
        Some(choice)
    }

    fn response_format(&mut self) -> Option<ResponseFormat<'a>> {
        let raw = self.parameters.get(Parameter::ResponseFormat)?;
        match serde_json::from_str(raw.get()) {
            Ok(format) => Some(format),
            Err(error) => {
                let problem = format!("response_format is invalid: {}", without_place(&error));
                self.wrong("response_format", problem);
                None
            }
        }
    }

    fn include_usage(&mut self) -> bool {
        #[derive(Deserialize)]
        struct Options {
            include_usage: Option<bool>,
        }
        let options: Option<Options> =
            self.get(Parameter::StreamOptions, "an object such as {include_usage: true}");
        options.and_then(|options| options.include_usage).unwrap_or_default()
    }

    fn reasoning(&mut self) -> (Option<Effort>, Option<NonZeroU32>) {
        #[derive(Deserialize)]
        struct Reasoning {
            effort: Option<Effort>,
            max_tokens: Option<NonZeroU32>,
        }
        let efforts = || format!("one of {}", Effort::ALL.map(Effort::name).join(", "));
        let fields = || format!("an object with effort, {}, or max_tokens", efforts());
        let flat = self.get_if(Parameter::ReasoningEffort, |_| true, efforts);
        let nested: Option<Reasoning> = self.get_if(Parameter::Reasoning, |_| true, fields);
        let (effort, budget) = nested.map_or((None, None), |own| (own.effort, own.max_tokens));
        (flat.or(effort), budget)
    }

    fn audio(&mut self) -> bool {
        let expected = "an array of text and audio";
        let modalities: Option<Vec<Cow<'a, str>>> = self.get(Parameter::Modalities, expected);
        modalities.is_some_and(|names| names.iter().any(|name| name == "audio"))
    }

    fn global(&mut self) -> bool {
        let Some(raw) = self.parameters.get(Parameter::ModelRegion) else { return false };
        if raw.get() != "\"global\"" {
            self.wrong("model_region", "model_region can only be set to global");
        }
        raw.get() == "\"global\""
    }

    /// Parameters whose type is checked here and whose value nobody here reads.
    fn rest(&mut self) {
        for parameter in [Parameter::FrequencyPenalty, Parameter::PresencePenalty] {
            self.number(parameter, -2.0..=2.0);
        }
        self.number(Parameter::TopP, 0.0..=1.0);
        self.whole(Parameter::TopK, 0..=u32::MAX);
        self.whole(Parameter::TopLogprobs, 0..=20);
        self.get::<i64>(Parameter::Seed, "an integer");
        for parameter in [Parameter::ParallelToolCalls, Parameter::Store] {
            self.bool(parameter);
        }
        self.stop();
        self.shapes();
        self.steps();
    }

    fn stop(&mut self) {
        let Some(raw) = self.parameters.get(Parameter::Stop) else { return };
        let several = || serde_json::from_str::<Vec<Text<'_>>>(raw.get());
        if Text::from_raw(raw).is_none() && several().is_err() {
            self.must_be(Parameter::Stop, "a string or an array of strings");
        }
    }

    /// Parameters that are strings, objects or arrays to us, and no more.
    fn shapes(&mut self) {
        const STRINGS: [Parameter; 7] = [
            Parameter::User,
            Parameter::SafetyIdentifier,
            Parameter::ServiceTier,
            Parameter::Verbosity,
            Parameter::PromptCacheKey,
            Parameter::PromptCacheRetention,
            Parameter::TranscriptId,
        ];
        const OBJECTS: [Parameter; 5] = [
            Parameter::LogitBias,
            Parameter::Audio,
            Parameter::Prediction,
            Parameter::WebSearchOptions,
            Parameter::CacheControl,
        ];
        let shapes = STRINGS.map(|parameter| (parameter, '"', "a string")).into_iter();
        let shapes = shapes.chain(OBJECTS.map(|parameter| (parameter, '{', "an object")));
        for (parameter, first, expected) in shapes.chain([(Parameter::Functions, '[', "an array")])
        {
            if self.parameters.get(parameter).is_some_and(|raw| !raw.get().starts_with(first)) {
                self.must_be(parameter, expected);
            }
        }
    }

    fn steps(&mut self) {
        #[derive(Deserialize)]
        struct Step<'a> {
            #[serde(borrow, rename = "type")]
            kind: Cow<'a, str>,
        }
        let steps: Option<Vec<Step<'a>>> =
            self.get(Parameter::PostProcessingSteps, "an array of steps, each {type}");
        for (index, step) in steps.iter().flatten().enumerate() {
            if step.kind != "json-repair" {
                let param = format!("post_processing_steps[{index}]");
                let problem = format!("{param}.type `{}` is not supported", step.kind);
                self.wrong(param, problem);
            }
        }
    }
}

fn user(content: Text<'_>) -> Message<'_> {
    Message {
        role: Role::User,
        content: Content::Text(content),
        name: None,
        tool_calls: None,
        tool_call_id: None,
        function_call: None,
        refusal: None,
        reasoning_content: None,
        reasoning_details: None,
        cache_control: None,
    }
}

/// Whether an array holds nothing.
fn is_empty(array: &RawValue) -> bool {
    array.get().strip_prefix('[').is_some_and(|rest| rest.trim_start() == "]")
}

/// What serde_json says, without the line and column inside a fragment nobody sees.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}
