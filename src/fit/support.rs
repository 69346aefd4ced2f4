//! What becomes of each parameter of the chat request in each API schema: the one table of it, which
//! [`crate::fit`] obeys and the documentation shows. What a single model lacks is in its entry
//! in the configuration; what an API schema lacks, no entry can add.

use crate::{
    chat::parameter::{Parameter, Place},
    config::ApiSchema,
};

/// What becomes of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes on, in the provider's own words.
    Mapped,
    /// It goes on, within the provider's bounds.
    Clamped,
    /// The provider has no such thing: it is asked in another way, or the gateway does it.
    Emulated,
    /// It is left out, and reported.
    Dropped,
    /// A request that cannot do without it is refused.
    Refused,
}

impl Fate {
    /// Every fate.
    pub const ALL: [Self; 5] =
        [Self::Mapped, Self::Clamped, Self::Emulated, Self::Dropped, Self::Refused];

    /// The word in the documentation.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mapped => "mapped",
            Self::Clamped => "clamped",
            Self::Emulated => "emulated",
            Self::Dropped => "dropped",
            Self::Refused => "refused",
        }
    }

    /// Whether the provider learns of it.
    pub fn goes_on(self) -> bool {
        !matches!(self, Self::Dropped | Self::Refused)
    }
}

/// What becomes of a parameter in an API schema.
pub fn fate(parameter: Parameter, schema: ApiSchema) -> Fate {
    match schema {
        ApiSchema::Anthropic => anthropic(parameter),
        ApiSchema::Gemini => gemini(parameter),
        ApiSchema::OpenAi => openai(parameter),
    }
}

/// OpenAI's API reference, *Create chat completion*: the chat API itself.
fn openai(parameter: Parameter) -> Fate {
    use Parameter as P;
    match parameter {
        P::MaxTokens | P::MaxCompletionTokens | P::Temperature | P::ReasoningEffort => {
            Fate::Clamped
        }
        // Usage is always asked for; whether the client sees it is the gateway's business.
        P::StreamOptions => Fate::Emulated,
        // Replaced by tools in 2023; no server that is asked here need know them.
        P::Functions | P::FunctionCall => Fate::Refused,
        ours if ours.place() == Place::Gateway => Fate::Emulated,
        _ => Fate::Mapped,
    }
}

/// Claude API reference, *Create a Message*. It takes no field that it does not know.
fn anthropic(parameter: Parameter) -> Fate {
    use Parameter as P;
    match parameter {
        P::Model | P::Messages | P::Prompt | P::TopP | P::TopK | P::Stream => Fate::Mapped,
        P::Tools | P::ToolChoice | P::ParallelToolCalls | P::CacheControl => Fate::Mapped,
        P::User | P::SafetyIdentifier => Fate::Mapped,
        P::MaxTokens | P::MaxCompletionTokens | P::Temperature | P::Stop => Fate::Clamped,
        P::ReasoningEffort | P::Reasoning => Fate::Clamped,
        // A JSON schema is mapped; `json_object` becomes an instruction.
        P::ResponseFormat => Fate::Emulated,
        // Usage is always in the stream.
        P::StreamOptions => Fate::Emulated,
        P::Seed | P::FrequencyPenalty | P::PresencePenalty | P::LogitBias => Fate::Dropped,
        P::TopLogprobs | P::Verbosity | P::Prediction | P::ServiceTier => Fate::Dropped,
        P::PromptCacheKey | P::PromptCacheRetention | P::Store | P::Metadata => Fate::Dropped,
        P::N | P::Logprobs | P::Modalities | P::Audio | P::WebSearchOptions => Fate::Refused,
        P::Functions | P::FunctionCall => Fate::Refused,
        P::Fallbacks
        | P::FallbackConfig
        | P::PostProcessingSteps
        | P::TranscriptId
        | P::ModelRegion => Fate::Emulated,
    }
}

/// ai.google.dev, *GenerateContentRequest*. It takes no field that it does not know.
fn gemini(parameter: Parameter) -> Fate {
    use Parameter as P;
    match parameter {
        P::Model | P::Messages | P::Prompt | P::Stream | P::TopP | P::TopK => Fate::Mapped,
        P::N | P::Stop | P::FrequencyPenalty | P::PresencePenalty => Fate::Mapped,
        P::Logprobs | P::TopLogprobs | P::ResponseFormat => Fate::Mapped,
        P::Tools | P::ToolChoice => Fate::Mapped,
        P::MaxTokens | P::MaxCompletionTokens | P::Temperature | P::Seed => Fate::Clamped,
        P::ReasoningEffort | P::Reasoning => Fate::Clamped,
        // As with Anthropic.
        P::StreamOptions => Fate::Emulated,
        P::Fallbacks | P::FallbackConfig | P::ModelRegion => Fate::Emulated,
        P::PostProcessingSteps | P::TranscriptId => Fate::Emulated,
        P::LogitBias | P::ParallelToolCalls | P::Prediction | P::Verbosity => Fate::Dropped,
        P::CacheControl | P::PromptCacheKey | P::PromptCacheRetention => Fate::Dropped,
        P::Metadata | P::SafetyIdentifier | P::ServiceTier | P::Store => Fate::Dropped,
        P::User => Fate::Dropped,
        P::Audio | P::Modalities | P::WebSearchOptions => Fate::Refused,
        P::Functions | P::FunctionCall => Fate::Refused,
    }
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn what_the_gateway_does_itself_is_emulated_everywhere() {
        for schema in [ApiSchema::OpenAi, ApiSchema::Anthropic, ApiSchema::Gemini] {
            let ours = |own: &&Parameter| own.place() == Place::Gateway;
            for parameter in Parameter::ALL.iter().filter(ours) {
                let fate = fate(*parameter, schema);
                assert_eq!(fate, Fate::Emulated, "{} {}", schema.name(), parameter.name());
            }
        }
    }

    #[test]
    fn no_fate_has_two_names() {
        for (index, fate) in Fate::ALL.iter().enumerate() {
            assert!(Fate::ALL[..index].iter().all(|other| other.name() != fate.name()));
        }
    }
}
