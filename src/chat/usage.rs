//! What an answer cost, under both namings.

use serde::{Deserialize, Serialize};

/// Tokens of one answer. Counts inside others are not counted twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// All of the prompt, cached parts included.
    pub prompt: u64,
    /// All of the answer, reasoning included.
    pub completion: u64,
    /// The part of the prompt that was read from a cache.
    pub cached: u64,
    /// The part of the prompt that was written to a cache.
    pub cache_written: u64,
    /// The part of the answer that was reasoning.
    pub reasoning: u64,
}

impl Usage {
    /// All of prompt and answer.
    pub fn total(&self) -> u64 {
        self.prompt.saturating_add(self.completion)
    }
}

/// OpenAI's names and AssemblyAI's. LLM Gateway API reference, *usage*.
#[derive(Serialize)]
struct Wire {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    input_tokens: u64,
    output_tokens: u64,
    prompt_tokens_details: PromptDetails,
    completion_tokens_details: CompletionDetails,
}

#[derive(Default, Serialize, Deserialize)]
struct PromptDetails {
    #[serde(default)]
    cached_tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cache_creation_tokens: Option<u64>,
}

#[derive(Default, Serialize, Deserialize)]
struct CompletionDetails {
    #[serde(default)]
    reasoning_tokens: Option<u64>,
}

impl Serialize for Usage {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let wire = Wire {
            prompt_tokens: self.prompt,
            completion_tokens: self.completion,
            total_tokens: self.total(),
            input_tokens: self.prompt,
            output_tokens: self.completion,
            prompt_tokens_details: PromptDetails {
                cached_tokens: Some(self.cached),
                cache_creation_tokens: (self.cache_written > 0).then_some(self.cache_written),
            },
            completion_tokens_details: CompletionDetails { reasoning_tokens: Some(self.reasoning) },
        };
        wire.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Usage {
    /// Reads OpenAI's form, and what some servers add to it. A part that claims to be more than the whole is cut to it.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct OpenAi {
            prompt_tokens: Option<u64>,
            completion_tokens: Option<u64>,
            prompt_tokens_details: Option<PromptDetails>,
            completion_tokens_details: Option<CompletionDetails>,
            /// What should be in `prompt_tokens_details`, where some servers have it.
            cached_tokens: Option<u64>,
            /// The same under another name.
            prompt_cache_hit_tokens: Option<u64>,
        }
        let wire = OpenAi::deserialize(deserializer)?;
        let prompt_details = wire.prompt_tokens_details.unwrap_or_default();
        let completion_details = wire.completion_tokens_details.unwrap_or_default();
        let (prompt, completion) =
            (wire.prompt_tokens.unwrap_or_default(), wire.completion_tokens.unwrap_or_default());
        let cached = [prompt_details.cached_tokens, wire.cached_tokens];
        let cached = cached.into_iter().flatten().next().or(wire.prompt_cache_hit_tokens);
        Ok(Self {
            prompt,
            completion,
            cached: cached.unwrap_or_default().min(prompt),
            cache_written: prompt_details.cache_creation_tokens.unwrap_or_default().min(prompt),
            reasoning: completion_details.reasoning_tokens.unwrap_or_default().min(completion),
        })
    }
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn both_namings_are_written_and_the_total_is_the_sum() {
        let json = r#"{"prompt_tokens":9,"completion_tokens":2,"total_tokens":99,
            "prompt_tokens_details":{"cached_tokens":50},"completion_tokens_details":null}"#;
        let usage: Usage = serde_json::from_str(json).unwrap();
        assert_eq!(usage.cached, 9);
        let written = serde_json::to_value(usage).unwrap();
        for (key, value) in [("input_tokens", 9), ("output_tokens", 2), ("total_tokens", 11)] {
            assert_eq!(written[key], value, "{key}");
        }
    }
}
