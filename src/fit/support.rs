//! What becomes of each parameter of the chat request in each API schema: the one table of it, which
//! [`crate::fit`] obeys and the documentation shows. What a single model lacks is in its entry
//! in the configuration; what an API schema lacks, no entry can add.

use crate::{
    chat::parameter::{Parameter, ParameterScope},
    config::ApiSchema,
};

/// What becomes of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterSupport {
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

impl ParameterSupport {
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
    pub fn is_forwarded(self) -> bool {
        !matches!(self, Self::Dropped | Self::Refused)
    }
}

/// What becomes of a parameter in an API schema.
pub fn support_of(parameter: Parameter, schema: ApiSchema) -> ParameterSupport {
    match schema {
        ApiSchema::Anthropic => anthropic(parameter),
        ApiSchema::Gemini => gemini(parameter),
        ApiSchema::OpenAi => openai(parameter),
    }
}

/// OpenAI's API reference, *Create chat completion*: the chat API itself.
fn openai(parameter: Parameter) -> ParameterSupport {
    use Parameter as P;
    match parameter {
        P::MaxTokens | P::MaxCompletionTokens | P::Temperature | P::ReasoningEffort => {
            ParameterSupport::Clamped
        }
        // Usage is always asked for; whether the client sees it is the gateway's business.
        P::StreamOptions => ParameterSupport::Emulated,
        // Replaced by tools in 2023; no server that is asked here need know them.
        P::Functions | P::FunctionCall => ParameterSupport::Refused,
        ours if ours.scope() == ParameterScope::Gateway => ParameterSupport::Emulated,
        _ => ParameterSupport::Mapped,
    }
}

/// Claude API reference, *Create a Message*. It takes no field that it does not know.
fn anthropic(parameter: Parameter) -> ParameterSupport {
    use Parameter as P;
    match parameter {
        P::Model | P::Messages | P::Prompt | P::TopP | P::TopK | P::Stream => {
            ParameterSupport::Mapped
        }
        P::Tools | P::ToolChoice | P::ParallelToolCalls | P::CacheControl => {
            ParameterSupport::Mapped
        }
        P::User | P::SafetyIdentifier => ParameterSupport::Mapped,
        P::MaxTokens | P::MaxCompletionTokens | P::Temperature | P::Stop => {
            ParameterSupport::Clamped
        }
        P::ReasoningEffort | P::Reasoning => ParameterSupport::Clamped,
        // A JSON schema is mapped; `json_object` becomes an instruction.
        P::ResponseFormat => ParameterSupport::Emulated,
        // Usage is always in the stream.
        P::StreamOptions => ParameterSupport::Emulated,
        P::Seed | P::FrequencyPenalty | P::PresencePenalty | P::LogitBias => {
            ParameterSupport::Dropped
        }
        P::TopLogprobs | P::Verbosity | P::Prediction | P::ServiceTier => ParameterSupport::Dropped,
        P::PromptCacheKey | P::PromptCacheRetention | P::Store | P::Metadata => {
            ParameterSupport::Dropped
        }
        P::N | P::Logprobs | P::Modalities | P::Audio | P::WebSearchOptions => {
            ParameterSupport::Refused
        }
        P::Functions | P::FunctionCall => ParameterSupport::Refused,
        P::Fallbacks
        | P::FallbackConfig
        | P::PostProcessingSteps
        | P::TranscriptId
        | P::ModelRegion => ParameterSupport::Emulated,
    }
}

/// ai.google.dev, *GenerateContentRequest*. It takes no field that it does not know.
fn gemini(parameter: Parameter) -> ParameterSupport {
    use Parameter as P;
    match parameter {
        P::Model | P::Messages | P::Prompt | P::Stream | P::TopP | P::TopK => {
            ParameterSupport::Mapped
        }
        P::N | P::Stop | P::FrequencyPenalty | P::PresencePenalty => ParameterSupport::Mapped,
        P::Logprobs | P::TopLogprobs | P::ResponseFormat => ParameterSupport::Mapped,
        P::Tools | P::ToolChoice => ParameterSupport::Mapped,
        P::MaxTokens | P::MaxCompletionTokens | P::Temperature | P::Seed => {
            ParameterSupport::Clamped
        }
        P::ReasoningEffort | P::Reasoning => ParameterSupport::Clamped,
        // As with Anthropic.
        P::StreamOptions => ParameterSupport::Emulated,
        P::Fallbacks | P::FallbackConfig | P::ModelRegion => ParameterSupport::Emulated,
        P::PostProcessingSteps | P::TranscriptId => ParameterSupport::Emulated,
        P::LogitBias | P::ParallelToolCalls | P::Prediction | P::Verbosity => {
            ParameterSupport::Dropped
        }
        P::CacheControl | P::PromptCacheKey | P::PromptCacheRetention => ParameterSupport::Dropped,
        P::Metadata | P::SafetyIdentifier | P::ServiceTier | P::Store => ParameterSupport::Dropped,
        P::User => ParameterSupport::Dropped,
        P::Audio | P::Modalities | P::WebSearchOptions => ParameterSupport::Refused,
        P::Functions | P::FunctionCall => ParameterSupport::Refused,
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
            let ours = |own: &&Parameter| own.scope() == ParameterScope::Gateway;
            for parameter in Parameter::ALL.iter().filter(ours) {
                let fate = support_of(*parameter, schema);
                assert_eq!(
                    fate,
                    ParameterSupport::Emulated,
                    "{} {}",
                    schema.name(),
                    parameter.name()
                );
            }
        }
    }

    #[test]
    fn no_fate_has_two_names() {
        for (index, fate) in ParameterSupport::ALL.iter().enumerate() {
            assert!(ParameterSupport::ALL[..index].iter().all(|other| other.name() != fate.name()));
        }
    }
}
