//! Support for each parameter of the chat request in each API schema: the table that
//! [`crate::fit`] follows and the documentation shows. A model's configuration may remove support
//! for a parameter, but not add it.

use crate::{
    chat::parameter::{Parameter, ParameterScope},
    config::ApiSchema,
};

/// Support for a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterSupport {
    /// Forwarded, under the provider's name.
    Mapped,
    /// Forwarded, within the provider's limits.
    Clamped,
    /// Unknown to the provider: expressed in another way, or implemented by the gateway.
    Emulated,
    /// Dropped and reported.
    Dropped,
    /// Unknown to the provider: a request that depends on it is refused.
    Refused,
}

impl ParameterSupport {
    /// Every kind of support.
    pub const ALL: [Self; 5] =
        [Self::Mapped, Self::Clamped, Self::Emulated, Self::Dropped, Self::Refused];

    /// Returns the word in the documentation.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mapped => "mapped",
            Self::Clamped => "clamped",
            Self::Emulated => "emulated",
            Self::Dropped => "dropped",
            Self::Refused => "refused",
        }
    }

    /// Returns true if the provider receives the parameter in some form.
    pub fn is_forwarded(self) -> bool {
        !matches!(self, Self::Dropped | Self::Refused)
    }
}

/// Returns the support for a parameter in an API schema.
pub fn support_of(parameter: Parameter, schema: ApiSchema) -> ParameterSupport {
    match schema {
        ApiSchema::Anthropic => anthropic(parameter),
        ApiSchema::Gemini => gemini(parameter),
        ApiSchema::BedrockConverse => bedrock_converse(parameter),
        ApiSchema::OpenAi => openai(parameter),
        ApiSchema::OpenAiResponses => openai_responses(parameter),
    }
}

/// OpenAI's API reference, *Create chat completion*: the chat API itself.
fn openai(parameter: Parameter) -> ParameterSupport {
    use Parameter as P;
    match parameter {
        P::MaxTokens | P::MaxCompletionTokens | P::Temperature | P::ReasoningEffort => {
            ParameterSupport::Clamped
        }
        // Usage is always requested; the gateway decides whether the client receives it.
        P::StreamOptions => ParameterSupport::Emulated,
        // Replaced by tools in 2023, and sent as such.
        P::Functions | P::FunctionCall => ParameterSupport::Emulated,
        ours if ours.scope() == ParameterScope::Gateway => ParameterSupport::Emulated,
        _ => ParameterSupport::Mapped,
    }
}

/// OpenAI's API reference, *Create a model response*. The API refuses unknown fields.
fn openai_responses(parameter: Parameter) -> ParameterSupport {
    use Parameter as P;
    match parameter {
        P::Seed | P::FrequencyPenalty | P::PresencePenalty | P::LogitBias => {
            ParameterSupport::Dropped
        }
        P::Stop | P::TopK | P::Reasoning | P::Prediction => ParameterSupport::Dropped,
        // Responses are never stored.
        P::Store | P::CacheControl | P::ZeroDataRetention => ParameterSupport::Dropped,
        P::N | P::Modalities | P::Audio | P::WebSearchOptions => ParameterSupport::Refused,
        other => openai(other),
    }
}

/// Claude API reference, *Create a Message*. The API refuses unknown fields.
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
        P::ZeroDataRetention => ParameterSupport::Dropped,
        P::N | P::Logprobs | P::Modalities | P::Audio | P::WebSearchOptions => {
            ParameterSupport::Refused
        }
        P::Functions | P::FunctionCall => ParameterSupport::Emulated,
        P::Fallbacks
        | P::FallbackConfig
        | P::PostProcessingSteps
        | P::TranscriptId
        | P::ModelRegion
        | P::FailFast
        | P::MaxTimeout => ParameterSupport::Emulated,
    }
}

/// Amazon Bedrock API reference, *Converse*. The API refuses unknown fields.
fn bedrock_converse(parameter: Parameter) -> ParameterSupport {
    use Parameter as P;
    match parameter {
        // The efforts are those of Amazon's models.
        P::MaxTokens | P::MaxCompletionTokens | P::Temperature | P::ReasoningEffort => {
            ParameterSupport::Clamped
        }
        P::Stop => ParameterSupport::Mapped,
        P::TopK | P::Reasoning | P::ParallelToolCalls => ParameterSupport::Dropped,
        P::CacheControl | P::User | P::SafetyIdentifier => ParameterSupport::Dropped,
        other => anthropic(other),
    }
}

/// ai.google.dev, *GenerateContentRequest*. The API refuses unknown fields.
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
        // Usage is always in the stream.
        P::StreamOptions => ParameterSupport::Emulated,
        P::Fallbacks | P::FallbackConfig | P::ModelRegion => ParameterSupport::Emulated,
        P::PostProcessingSteps | P::TranscriptId => ParameterSupport::Emulated,
        P::FailFast | P::MaxTimeout => ParameterSupport::Emulated,
        P::LogitBias | P::ParallelToolCalls | P::Prediction | P::Verbosity => {
            ParameterSupport::Dropped
        }
        P::CacheControl | P::PromptCacheKey | P::PromptCacheRetention => ParameterSupport::Dropped,
        P::Metadata | P::SafetyIdentifier | P::ServiceTier | P::Store => ParameterSupport::Dropped,
        P::User | P::ZeroDataRetention => ParameterSupport::Dropped,
        P::Audio | P::Modalities | P::WebSearchOptions => ParameterSupport::Refused,
        P::Functions | P::FunctionCall => ParameterSupport::Emulated,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_the_gateway_are_emulated_everywhere() {
        for schema in ApiSchema::ALL {
            let is_ours = |own: &&Parameter| own.scope() == ParameterScope::Gateway;
            for parameter in Parameter::ALL.iter().filter(is_ours) {
                let support = support_of(*parameter, schema);
                assert_eq!(
                    support,
                    ParameterSupport::Emulated,
                    "{} {}",
                    schema.name(),
                    parameter.name()
                );
            }
        }
    }

    #[test]
    fn no_two_kinds_of_support_have_one_name() {
        for (index, support) in ParameterSupport::ALL.iter().enumerate() {
            assert!(
                ParameterSupport::ALL[..index].iter().all(|other| other.name() != support.name())
            );
        }
    }
}
