//! Checks of parameters that the gateway does not use: they are forwarded unchanged or dropped.

use std::borrow::Cow;

use serde::Deserialize;

use super::reader::ParameterReader;
use crate::chat::{
    object::JsonObject, parameter::Parameter, text::Text, transcript_id::TranscriptId,
};

/// The maximum number of post-processing steps. One is enough.
const MAX_STEPS: usize = 8;

impl<'a> ParameterReader<'_, 'a> {
    /// Checks the types of the parameters that are only forwarded.
    pub(super) fn check_unread(&mut self) {
        for parameter in [Parameter::FrequencyPenalty, Parameter::PresencePenalty] {
            self.number(parameter, -2.0..=2.0);
        }
        self.number(Parameter::TopP, 0.0..=1.0);
        self.integer(Parameter::TopK, 0..=u32::MAX);
        self.integer(Parameter::TopLogprobs, 0..=20);
        self.get::<i64>(Parameter::Seed, "an integer of 64 bits");
        for parameter in
            [Parameter::ParallelToolCalls, Parameter::Store, Parameter::ZeroDataRetention]
        {
            self.bool(parameter);
        }
        self.check_stop();
        self.get::<TranscriptId>(Parameter::TranscriptId, TranscriptId::ALLOWED);
        self.check_types();
        self.check_steps();
    }

    fn check_stop(&mut self) {
        let Some(raw) = self.parameters.get(Parameter::Stop) else { return };
        let several = || serde_json::from_str::<Vec<Text<'_>>>(raw.get());
        if Text::from_raw(raw).is_none() && several().is_err() {
            self.must_be(Parameter::Stop, "a string or an array of strings");
        }
    }

    /// Checks parameters of which only the JSON type matters: strings, objects and arrays.
    fn check_types(&mut self) {
        const STRINGS: [Parameter; 6] = [
            Parameter::User,
            Parameter::SafetyIdentifier,
            Parameter::ServiceTier,
            Parameter::Verbosity,
            Parameter::PromptCacheKey,
            Parameter::PromptCacheRetention,
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

    fn check_steps(&mut self) {
        #[derive(Deserialize)]
        struct PostProcessingStep<'a> {
            #[serde(borrow, rename = "type")]
            kind: Cow<'a, str>,
        }
        let steps: Option<Vec<JsonObject<PostProcessingStep<'a>>>> =
            self.get(Parameter::PostProcessingSteps, "an array of steps, each {type}");
        if steps.as_ref().is_some_and(|steps| steps.len() > MAX_STEPS) {
            let param = Parameter::PostProcessingSteps;
            self.must_be(param, &format!("an array of at most {MAX_STEPS} steps"));
            return;
        }
        for (index, JsonObject(step)) in steps.iter().flatten().enumerate() {
            if step.kind != "json-repair" {
                let path = format!("post_processing_steps[{index}]");
                self.add_invalid(&path, &format!("{path}.type `{}` is not supported", step.kind));
            }
        }
    }
}
