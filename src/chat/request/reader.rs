//! Reading of single parameters.

use std::{borrow::Cow, num::NonZeroU32, ops::RangeInclusive, time::Duration};

use serde::Deserialize;

use super::DEFAULT_MAX_TOKENS;
use crate::chat::{
    effort::Effort,
    mistake::{MAX_MISTAKES, Mistake, MistakeKind, without_position},
    object::JsonObject,
    parameter::{MissingLimit, Parameter, Parameters},
    text::Text,
    tools::ResponseFormat,
};

/// Values of `max_timeout`, in seconds: up to the longest deadline that a configuration may have.
const MAX_TIMEOUTS: RangeInclusive<f64> = 0.001..=86_400.0;

/// Reader of parameters that collects mistakes.
pub(super) struct ParameterReader<'p, 'a> {
    pub(super) parameters: &'p Parameters<'a>,
    pub(super) mistakes: Vec<Mistake>,
}

impl<'a> ParameterReader<'_, 'a> {
    /// Adds a mistake, up to [`MAX_MISTAKES`].
    pub(super) fn add(&mut self, kind: MistakeKind, param: &str, message: &str) {
        if self.mistakes.len() < MAX_MISTAKES {
            self.mistakes.push(Mistake::new(kind, param, message));
        }
    }

    /// Adds an invalid value.
    pub(super) fn add_invalid(&mut self, param: &str, problem: &str) {
        self.add(MistakeKind::Invalid, param, problem);
    }

    /// Adds a mistake inside a parameter. The message begins with its path.
    pub(super) fn add_inside(&mut self, kind: MistakeKind, path: &str, problem: &str) {
        self.add(kind, path, &format!("{path}: {problem}"));
    }

    /// Returns a parameter of type `T`. `expected` describes its values in a mistake.
    pub(super) fn get<T: Deserialize<'a>>(
        &mut self,
        parameter: Parameter,
        expected: &str,
    ) -> Option<T> {
        self.get_if(parameter, |_| true, || expected.to_owned())
    }

    /// Returns a parameter of type `T` that meets a condition. `expected` is called for a mistake
    /// only.
    pub(super) fn get_if<T: Deserialize<'a>>(
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

    pub(super) fn must_be(&mut self, parameter: Parameter, expected: &str) {
        let name = parameter.name();
        self.add_invalid(name, &format!("{name} must be {expected}"));
    }

    pub(super) fn bool(&mut self, parameter: Parameter) -> Option<bool> {
        self.get(parameter, "true or false")
    }

    pub(super) fn number(
        &mut self,
        parameter: Parameter,
        range: RangeInclusive<f64>,
    ) -> Option<f64> {
        let expected = || format!("a number from {} to {}", range.start(), range.end());
        self.get_if(parameter, |number| range.contains(number), expected)
    }

    pub(super) fn integer(
        &mut self,
        parameter: Parameter,
        range: RangeInclusive<u32>,
    ) -> Option<u32> {
        let expected = || match *range.end() {
            u32::MAX => format!("an integer of at least {}", range.start()),
            most => format!("an integer from {} to {most}", range.start()),
        };
        self.get_if(parameter, |number| range.contains(number), expected)
    }

    pub(super) fn model(&mut self) -> Cow<'a, str> {
        let model = match self.parameters.get(Parameter::Model) {
            None => {
                self.add(MistakeKind::Missing, "model", "model is required");
                return Cow::Borrowed("");
            }
            Some(raw) => Text::from_raw(raw).map(|text| Cow::Owned(text.decode().into_owned())),
        };
        model.filter(|model: &Cow<'_, str>| !model.is_empty()).unwrap_or_else(|| {
            self.must_be(Parameter::Model, "the name of a model");
            Cow::Borrowed("")
        })
    }

    /// Returns `max_completion_tokens` or `max_tokens`. The first one, which is the newer name, has
    /// priority: clients send both for old servers. `None`: no limit.
    pub(super) fn max_tokens(&mut self) -> Option<NonZeroU32> {
        let old = self.integer(Parameter::MaxTokens, 1..=u32::MAX);
        let new = self.integer(Parameter::MaxCompletionTokens, 1..=u32::MAX);
        let missing = match self.parameters.missing_limit {
            MissingLimit::Default => Some(DEFAULT_MAX_TOKENS),
            MissingLimit::Unlimited => None,
        };
        new.or(old).and_then(NonZeroU32::new).or(missing)
    }

    pub(super) fn response_format(&mut self) -> Option<ResponseFormat<'a>> {
        let raw = self.parameters.get(Parameter::ResponseFormat)?;
        match serde_json::from_str(raw.get()) {
            Ok(format) => Some(format),
            Err(error) => {
                let problem = format!("response_format is invalid: {}", without_position(&error));
                self.add_invalid("response_format", &problem);
                None
            }
        }
    }

    pub(super) fn include_usage(&mut self) -> bool {
        #[derive(Deserialize)]
        struct StreamOptions {
            include_usage: Option<bool>,
        }
        let options: Option<JsonObject<StreamOptions>> =
            self.get(Parameter::StreamOptions, "an object such as {include_usage: true}");
        options.and_then(|JsonObject(options)| options.include_usage).unwrap_or_default()
    }

    pub(super) fn reasoning(&mut self) -> (Option<Effort>, Option<NonZeroU32>) {
        #[derive(Deserialize)]
        struct Reasoning {
            effort: Option<Effort>,
            max_tokens: Option<NonZeroU32>,
        }
        let efforts = || format!("one of {}", Effort::ALL.map(Effort::name).join(", "));
        let fields = || format!("an object with effort, {}, or max_tokens", efforts());
        let flat = self.get_if(Parameter::ReasoningEffort, |_| true, efforts);
        let nested: Option<JsonObject<Reasoning>> =
            self.get_if(Parameter::Reasoning, |_| true, fields);
        let (effort, budget) =
            nested.map_or((None, None), |JsonObject(own)| (own.effort, own.max_tokens));
        (flat.or(effort), budget)
    }

    /// Returns true if there is a post-processing step: there is only one type.
    pub(super) fn repair(&self) -> bool {
        let steps = self.parameters.get(Parameter::PostProcessingSteps);
        steps.is_some_and(|raw| !crate::json::is_empty_array(raw.get()))
    }

    pub(super) fn audio(&mut self) -> bool {
        let expected = "an array of text and audio";
        let modalities: Option<Vec<Cow<'a, str>>> = self.get(Parameter::Modalities, expected);
        modalities.is_some_and(|names| names.iter().any(|name| name == "audio"))
    }

    pub(super) fn max_timeout(&mut self) -> Option<Duration> {
        let seconds = self.number(Parameter::MaxTimeout, MAX_TIMEOUTS)?;
        Some(Duration::from_secs_f64(seconds))
    }

    pub(super) fn global(&mut self) -> bool {
        let Some(raw) = self.parameters.get(Parameter::ModelRegion) else { return false };
        if raw.get() != "\"global\"" {
            self.add_invalid("model_region", "model_region can only be set to global");
        }
        raw.get() == "\"global\""
    }
}
