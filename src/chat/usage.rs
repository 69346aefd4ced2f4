//! Token usage of an answer, in OpenAI's and AssemblyAI's names.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::json::Object;

/// Tokens of one answer. `cached`, `cache_written` and `reasoning` are parts of the other two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// The tokens of the prompt, including cached ones.
    pub prompt: u64,
    /// The tokens of the answer, including reasoning.
    pub completion: u64,
    /// The tokens of the prompt that were read from a cache.
    pub cached: u64,
    /// The tokens of the prompt that were written to a cache.
    pub cache_written: u64,
    /// The tokens of the answer that were reasoning.
    pub reasoning: u64,
}

impl Usage {
    /// Returns the tokens of prompt and answer.
    pub fn total(&self) -> u64 {
        self.prompt.saturating_add(self.completion)
    }
}

impl Usage {
    /// Writes OpenAI's names and AssemblyAI's. LLM Gateway API reference, *usage*.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::open(out);
        object
            .value("prompt_tokens", &self.prompt)
            .value("completion_tokens", &self.completion)
            .value("total_tokens", &self.total())
            .value("input_tokens", &self.prompt)
            .value("output_tokens", &self.completion)
            .object("prompt_tokens_details", |details| {
                details.value("cached_tokens", &self.cached);
                if self.cache_written > 0 {
                    details.value("cache_creation_tokens", &self.cache_written);
                }
            })
            .object("completion_tokens_details", |details| {
                details.value("reasoning_tokens", &self.reasoning);
            });
        object.close();
    }

    /// Reads OpenAI's form, with the additions of some servers. A value that is no object is
    /// `None`, a count that is no number is 0: one invalid field should not invalidate an answer.
    pub fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Self>, D::Error> {
        let mut counts = UsageCounts::default();
        let is_there = UsageValue { counts: &mut counts, place: UsagePlace::Usage }
            .deserialize(deserializer)?;
        Ok(is_there.then(|| counts.usage()))
    }
}

/// Counts that a provider reports.
#[derive(Default)]
struct UsageCounts {
    prompt: u64,
    completion: u64,
    cached: Option<u64>,
    /// The count of `prompt_tokens_details` where some servers put it: beside `prompt_tokens`.
    cached_beside: Option<u64>,
    /// The count of cached tokens under DeepSeek's name.
    cache_hit: Option<u64>,
    cache_written: u64,
    reasoning: u64,
}

impl UsageCounts {
    /// Returns the usage. A part that exceeds the whole is clamped to it.
    fn usage(&self) -> Usage {
        let cached = self.cached.or(self.cached_beside).or(self.cache_hit).unwrap_or_default();
        Usage {
            prompt: self.prompt,
            completion: self.completion,
            cached: cached.min(self.prompt),
            cache_written: self.cache_written.min(self.prompt),
            reasoning: self.reasoning.min(self.completion),
        }
    }

    fn set(&mut self, count: CountName, number: u64) {
        match count {
            // Some servers send both names, one of them with 0.
            CountName::Prompt => self.prompt = self.prompt.max(number),
            CountName::Completion => self.completion = self.completion.max(number),
            CountName::Cached => self.cached = Some(number),
            CountName::CachedBeside => self.cached_beside = Some(number),
            CountName::CacheHit => self.cache_hit = Some(number),
            CountName::CacheWritten => self.cache_written = number,
            CountName::Reasoning => self.reasoning = number,
        }
    }
}

#[derive(Clone, Copy)]
enum CountName {
    Prompt,
    Completion,
    Cached,
    CachedBeside,
    CacheHit,
    CacheWritten,
    Reasoning,
}

/// Place of a value in the object.
#[derive(Clone, Copy)]
enum UsagePlace {
    Usage,
    PromptDetails,
    CompletionDetails,
    Count(CountName),
}

impl UsagePlace {
    /// Returns the place of the value of a key, or `None` for an unknown key.
    fn at(self, key: &str) -> Option<Self> {
        Some(match (self, key) {
            (Self::Usage, "prompt_tokens" | "input_tokens") => Self::Count(CountName::Prompt),
            (Self::Usage, "completion_tokens" | "output_tokens") => {
                Self::Count(CountName::Completion)
            }
            (Self::Usage, "prompt_tokens_details") => Self::PromptDetails,
            (Self::Usage, "completion_tokens_details") => Self::CompletionDetails,
            (Self::Usage, "cached_tokens") => Self::Count(CountName::CachedBeside),
            (Self::Usage, "prompt_cache_hit_tokens") => Self::Count(CountName::CacheHit),
            (Self::PromptDetails, "cached_tokens") => Self::Count(CountName::Cached),
            (Self::PromptDetails, "cache_creation_tokens") => Self::Count(CountName::CacheWritten),
            (Self::CompletionDetails, "reasoning_tokens") => Self::Count(CountName::Reasoning),
            _ => return None,
        })
    }
}

/// Seed for a key of the object at a place, which returns the place of its value.
struct UsageKey(UsagePlace);

impl<'de> DeserializeSeed<'de> for UsageKey {
    type Value = Option<UsagePlace>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for UsageKey {
    type Value = Option<UsagePlace>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.at(key))
    }
}

/// Seed for a value at a place, which returns true for an object.
struct UsageValue<'t> {
    counts: &'t mut UsageCounts,
    place: UsagePlace,
}

impl<'de> DeserializeSeed<'de> for UsageValue<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for UsageValue<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        while let Some(place) = map.next_key_seed(UsageKey(self.place))? {
            match place {
                Some(place) => {
                    map.next_value_seed(UsageValue { counts: &mut *self.counts, place })?
                }
                None => map.next_value::<IgnoredAny>().map(|_| false)?,
            };
        }
        Ok(true)
    }

    fn visit_u64<E>(self, number: u64) -> Result<bool, E> {
        if let UsagePlace::Count(count) = self.place {
            self.counts.set(count, number);
        }
        Ok(false)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<bool, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(false)
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_bool<E>(self, _: bool) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_i64<E>(self, _: i64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_f64<E>(self, _: f64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_str<E>(self, _: &str) -> Result<bool, E> {
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn read(json: &str) -> Option<Usage> {
        Usage::read(&mut serde_json::Deserializer::from_str(json)).unwrap()
    }

    #[test]
    fn both_namings_are_written_and_the_total_is_the_sum() {
        let json = r#"{"prompt_tokens":9,"completion_tokens":2,"total_tokens":99,
            "prompt_tokens_details":{"cached_tokens":50},"completion_tokens_details":null}"#;
        let usage = read(json).unwrap();
        assert_eq!(usage.cached, 9);
        let mut out = Vec::new();
        usage.write(&mut out);
        let written: serde_json::Value = serde_json::from_slice(&out).unwrap();
        for (key, value) in [("input_tokens", 9), ("output_tokens", 2), ("total_tokens", 11)] {
            assert_eq!(written[key], value, "{key}");
        }
    }

    #[test]
    fn an_odd_field_loses_no_other() {
        let usage = |cached| Usage { prompt: 7, completion: 3, cached, ..Usage::default() };
        for (odd, cached) in [
            (r#""cached_tokens":5"#, 5),
            (r#""cached_tokens":"5""#, 0),
            (r#""cached_tokens":-5,"prompt_cache_hit_tokens":2"#, 2),
            (r#""prompt_tokens_details":[{"cached_tokens":5},1.5]"#, 0),
            (r#""prompt_tokens_details":{"cached_tokens":{"cached_tokens":5}}"#, 0),
            (r#""prompt_tokens_details":{"cached_tokens":5},"cached_tokens":4"#, 5),
            (r#""cost":0.1,"is_byok":true,"server_tool_use":null,"\u0061":{}"#, 0),
        ] {
            let json = format!(r#"{{"prompt_tokens":7,{odd},"completion_tokens":3}}"#);
            assert_eq!(read(&json), Some(usage(cached)), "{json}");
        }
        for json in [
            r#"{"input_tokens":7,"output_tokens":3}"#,
            r#"{"prompt_tokens":7,"completion_tokens":3,"input_tokens":0,"output_tokens":0}"#,
        ] {
            assert_eq!(read(json), Some(usage(0)), "{json}");
        }
        for json in ["null", "1", "-1", "1.5", "true", "\"{}\"", "[{\"prompt_tokens\":7}]"] {
            assert_eq!(read(json), None, "{json}");
        }
        assert_eq!(read("{}"), Some(Usage::default()));
    }
}
