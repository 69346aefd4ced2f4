//! Parameters of the chat request: their names, and a table of their unread values.

use std::{borrow::Cow, fmt, rc::Rc};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::object::{ObjectFields, ObjectKey};
use crate::collections::set_of;

macro_rules! parameters {
    ($($variant:ident = $name:literal,)*) => {
        /// A top-level key of the chat request that the gateway knows. Variants are named as on the
        /// wire: OpenAI's API reference, *Create chat completion*; LLM Gateway API reference.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "the name on the wire says it")]
        pub enum Parameter { $($variant,)* }

        impl Parameter {
            /// All parameters, in the order of the enum.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Returns the key in a request.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Returns the parameter with a key.
            pub fn parse(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

parameters! {
    Model = "model",
    Messages = "messages",
    Prompt = "prompt",
    MaxTokens = "max_tokens",
    MaxCompletionTokens = "max_completion_tokens",
    Temperature = "temperature",
    TopP = "top_p",
    TopK = "top_k",
    N = "n",
    Stop = "stop",
    Seed = "seed",
    FrequencyPenalty = "frequency_penalty",
    PresencePenalty = "presence_penalty",
    LogitBias = "logit_bias",
    Logprobs = "logprobs",
    TopLogprobs = "top_logprobs",
    ResponseFormat = "response_format",
    Tools = "tools",
    ToolChoice = "tool_choice",
    ParallelToolCalls = "parallel_tool_calls",
    Functions = "functions",
    FunctionCall = "function_call",
    Stream = "stream",
    StreamOptions = "stream_options",
    ReasoningEffort = "reasoning_effort",
    Reasoning = "reasoning",
    Verbosity = "verbosity",
    Modalities = "modalities",
    Audio = "audio",
    Prediction = "prediction",
    WebSearchOptions = "web_search_options",
    PromptCacheKey = "prompt_cache_key",
    PromptCacheRetention = "prompt_cache_retention",
    CacheControl = "cache_control",
    ServiceTier = "service_tier",
    Store = "store",
    User = "user",
    SafetyIdentifier = "safety_identifier",
    Metadata = "metadata",
    Fallbacks = "fallbacks",
    FallbackConfig = "fallback_config",
    PostProcessingSteps = "post_processing_steps",
    TranscriptId = "transcript_id",
    ModelRegion = "model_region",
    ZeroDataRetention = "zero_data_retention",
    FailFast = "fail_fast",
    MaxTimeout = "max_timeout",
}

/// Scope of a parameter: the models that take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterScope {
    /// Every model takes the parameter.
    Core,
    /// Some models take the parameter, according to their configuration.
    Optional,
    /// No model takes the parameter: it is deprecated, and sent in its new form.
    Legacy,
    /// The gateway itself takes the parameter: no provider receives it.
    Gateway,
}

impl Parameter {
    /// Parameters about all attempts of an exchange. They have no effect in an entry of `fallbacks`.
    pub const OF_PLAN: [Self; 4] =
        [Self::Fallbacks, Self::FallbackConfig, Self::FailFast, Self::MaxTimeout];

    /// Returns the scope of the parameter.
    pub fn scope(self) -> ParameterScope {
        match self {
            Self::Model | Self::Messages | Self::Prompt | Self::StreamOptions => {
                ParameterScope::Core
            }
            Self::MaxTokens | Self::MaxCompletionTokens => ParameterScope::Core,
            Self::Functions | Self::FunctionCall => ParameterScope::Legacy,
            Self::Fallbacks | Self::FallbackConfig | Self::ModelRegion => ParameterScope::Gateway,
            Self::PostProcessingSteps | Self::TranscriptId => ParameterScope::Gateway,
            Self::FailFast | Self::MaxTimeout => ParameterScope::Gateway,
            _ => ParameterScope::Optional,
        }
    }
}

/// The number of parameters.
pub const COUNT: usize = Parameter::ALL.len();

/// Pairs of names with the same meaning.
const SYNONYMS: [[Parameter; 2]; 3] = [
    [Parameter::Messages, Parameter::Prompt],
    [Parameter::MaxTokens, Parameter::MaxCompletionTokens],
    [Parameter::ReasoningEffort, Parameter::Reasoning],
];

/// Parameters of a request, unread. `null` counts as absent.
#[derive(Clone, Debug)]
pub struct Parameters<'a> {
    known: [Option<&'a RawValue>; COUNT],
    /// Unknown top-level keys, in the order of the request.
    pub unknown: Vec<(Cow<'a, str>, &'a RawValue)>,
    /// True if lone surrogates in the client's body were replaced.
    pub replaces_surrogates: bool,
    /// True for the parameters of a fallback, whose own fallbacks have no effect.
    pub is_fallback: bool,
    /// Paths of fields of another API's request that the chat API does not have.
    pub left_out: Vec<String>,
    /// Fields of a request for embeddings that chat requests do not have. `None`: a chat request.
    pub embeddings: Option<Vec<(Cow<'a, str>, &'a RawValue)>>,
    /// Limit of the answer if the request names none.
    pub missing_limit: MissingLimit,
    /// The client's request in its own API, for a provider that has the same API.
    pub original: Option<Rc<OriginalRequest<'a>>>,
}

/// Limit of an answer whose request names none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingLimit {
    /// The default of the chat API.
    Default,
    /// None: as many tokens as the model writes.
    Unlimited,
}

/// API other than the chat API in which a client asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientApi {
    /// Anthropic's Messages API.
    Messages,
    /// OpenAI's Responses API.
    Responses,
}

/// Request of a client in an API other than the chat API, unread.
#[derive(Clone, Debug)]
pub struct OriginalRequest<'a> {
    /// The API.
    pub api: ClientApi,
    /// The body. `None` for the request of a fallback, which no body holds as a whole.
    pub body: Option<&'a [u8]>,
    /// The fields of the body, overridden by those of the fallback.
    pub fields: ObjectFields<'a>,
}

impl<'a> Parameters<'a> {
    /// Returns the value of a parameter, if present.
    pub fn get(&self, parameter: Parameter) -> Option<&'a RawValue> {
        self.known.get(parameter as usize).copied().flatten()
    }

    /// Returns the client's request in an API, if the client asked in that one.
    pub fn original_in(&self, api: ClientApi) -> Option<&OriginalRequest<'a>> {
        self.original.as_deref().filter(|original| original.api == api)
    }

    /// Returns the length of all values, in bytes.
    pub fn length(&self) -> usize {
        self.known.iter().flatten().map(|raw| raw.get().len()).sum()
    }

    /// Returns true if a parameter is present.
    pub fn has(&self, parameter: Parameter) -> bool {
        self.get(parameter).is_some()
    }

    /// Returns the parameters that are present, in the order of [`Parameter::ALL`].
    pub fn present(&self) -> impl Iterator<Item = (Parameter, &'a RawValue)> {
        Parameter::ALL
            .iter()
            .zip(&self.known)
            .filter_map(|(parameter, raw)| Some((*parameter, (*raw)?)))
    }

    /// Returns these parameters, overridden by those of `over`. A parameter overrides its synonym
    /// too.
    pub fn merged(&self, over: &Self) -> Self {
        let mut merged = self.clone();
        for names in SYNONYMS {
            if names.into_iter().any(|name| over.has(name)) {
                names.into_iter().for_each(|name| merged.remove(name));
            }
        }
        let replaced = set_of(over.unknown.iter().map(|(key, _)| key.as_ref()));
        merged.unknown.retain(|(key, _)| !replaced.contains(key.as_ref()));
        for (slot, raw) in merged.known.iter_mut().zip(&over.known) {
            *slot = raw.or(*slot);
        }
        merged.unknown.extend(over.unknown.iter().cloned());
        merged
    }

    /// Removes a parameter.
    pub fn remove(&mut self, parameter: Parameter) {
        if let Some(slot) = self.known.get_mut(parameter as usize) {
            *slot = None;
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Parameters<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ParametersVisitor)
    }
}

struct ParametersVisitor;

impl<'de> Visitor<'de> for ParametersVisitor {
    type Value = Parameters<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut table = Parameters {
            known: [None; COUNT],
            unknown: Vec::new(),
            replaces_surrogates: false,
            is_fallback: false,
            left_out: Vec::new(),
            embeddings: None,
            missing_limit: MissingLimit::Default,
            original: None,
        };
        let mut seen = [false; COUNT];
        while let Some(ObjectKey(key)) = map.next_key()? {
            let raw: &RawValue = map.next_value()?;
            let Some(parameter) = Parameter::parse(&key) else {
                if raw.get() != "null" {
                    table.unknown.push((key, raw));
                }
                continue;
            };
            // Two readers of a duplicate key could disagree about its value.
            if seen.get_mut(parameter as usize).is_none_or(|seen| std::mem::replace(seen, true)) {
                return Err(A::Error::custom(format!("duplicate key `{key}`")));
            }
            if let Some(slot) = table.known.get_mut(parameter as usize) {
                *slot = (raw.get() != "null").then_some(raw);
            }
        }
        Ok(table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_variants_are_one_to_one() {
        for (index, parameter) in Parameter::ALL.iter().enumerate() {
            assert_eq!(*parameter as usize, index);
            assert_eq!(Parameter::parse(parameter.name()), Some(*parameter));
        }
    }

    #[test]
    fn null_is_absent_and_unknown_keys_are_kept_apart() {
        let json =
            r#"{"model":"m","temp\u0065rature":0.5,"seed":null,"call":{"id":1},"none":null}"#;
        let table: Parameters<'_> = serde_json::from_str(json).unwrap();
        assert_eq!(table.get(Parameter::Temperature).unwrap().get(), "0.5");
        assert!(!table.has(Parameter::Seed));
        assert_eq!(table.unknown.len(), 1);
        assert_eq!(table.unknown[0].0, "call");
    }

    #[test]
    fn a_doubled_key_is_refused_even_when_null_or_escaped() {
        for json in [r#"{"model":null,"model":"m"}"#, r#"{"model":"m","mod\u0065l":"n"}"#] {
            let error = serde_json::from_str::<Parameters<'_>>(json).unwrap_err();
            assert!(error.to_string().contains("duplicate key `model`"), "{error}");
        }
    }

    #[test]
    fn a_merge_replaces_what_is_there_and_keeps_the_rest() {
        let base: Parameters<'_> = serde_json::from_str(r#"{"model":"a","seed":1,"x":1}"#).unwrap();
        let over: Parameters<'_> =
            serde_json::from_str(r#"{"model":"b","seed":null,"y":2}"#).unwrap();
        let merged = base.merged(&over);
        assert_eq!(merged.get(Parameter::Model).unwrap().get(), "\"b\"");
        assert_eq!(merged.get(Parameter::Seed).unwrap().get(), "1");
        assert_eq!(merged.unknown.len(), 2);
    }

    #[test]
    fn a_merge_replaces_what_goes_under_another_name_too() {
        let cases = [
            (r#"{"prompt":"p"}"#, r#"{"messages":[]}"#, &["messages"][..]),
            (r#"{"messages":[]}"#, r#"{"prompt":"p"}"#, &["prompt"]),
            (r#"{"max_completion_tokens":9}"#, r#"{"max_tokens":1}"#, &["max_tokens"]),
            (r#"{"reasoning_effort":"low"}"#, r#"{"reasoning":{}}"#, &["reasoning"]),
            (r#"{"max_tokens":9,"prompt":"p"}"#, r#"{"n":1}"#, &["prompt", "max_tokens", "n"]),
        ];
        for (base, over, left) in cases {
            let base: Parameters<'_> = serde_json::from_str(base).unwrap();
            let merged = base.merged(&serde_json::from_str(over).unwrap());
            let names: Vec<_> = merged.present().map(|(parameter, _)| parameter.name()).collect();
            assert_eq!(names, left, "{over}");
        }
        let base: Parameters<'_> = serde_json::from_str(r#"{"x":1,"y":1}"#).unwrap();
        let merged = base.merged(&serde_json::from_str(r#"{"x":2}"#).unwrap());
        let unknown: Vec<_> = merged.unknown.iter().map(|(key, raw)| (key, raw.get())).collect();
        assert_eq!(unknown, [(&Cow::from("y"), "1"), (&Cow::from("x"), "2")]);
    }
}
