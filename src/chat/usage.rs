//! Token usage of an answer, in OpenAI's and AssemblyAI's names.

use std::fmt;

use serde::{
    Deserialize,
    de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{json::Object, usd::Usd};

/// Tokens of one answer. All other counts are parts of `prompt` and `completion`.
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
    /// The tokens of the prompt that were audio.
    pub prompt_audio: u64,
    /// The tokens of the answer that were reasoning.
    pub reasoning: u64,
    /// The tokens of the answer that were audio.
    pub completion_audio: u64,
    /// The tokens of a `prediction` that are in the answer.
    pub accepted_prediction: u64,
    /// The tokens of a `prediction` that are not in the answer.
    pub rejected_prediction: u64,
}

impl Usage {
    /// Returns the tokens of prompt and answer.
    pub fn total(&self) -> u64 {
        self.prompt.saturating_add(self.completion)
    }
}

impl Usage {
    /// Writes OpenAI's names and AssemblyAI's. LLM Gateway API reference, *usage*. The types of
    /// AssemblyAI's SDK require every detail, so usage that the provider did not report is written
    /// with counts of 0, and `reported` says so. `cost` has the name and the unit of OpenRouter's:
    /// OpenRouter, *Usage Accounting*.
    pub fn write(reported: Option<&Self>, cost: Option<Usd>, out: &mut Vec<u8>) {
        let usage = reported.copied().unwrap_or_default();
        let mut object = Object::open(out);
        object
            .value("prompt_tokens", &usage.prompt)
            .value("completion_tokens", &usage.completion)
            .value("total_tokens", &usage.total())
            .value("input_tokens", &usage.prompt)
            .value("output_tokens", &usage.completion)
            .object("prompt_tokens_details", |details| usage.write_prompt_details(details))
            .object("completion_tokens_details", |details| usage.write_completion_details(details));
        write_cost(cost, &mut object);
        if reported.is_none() {
            object.value("reported", &false);
        }
        object.close();
    }

    fn write_prompt_details(&self, details: &mut Object<'_>) {
        details
            .value("cached_tokens", &self.cached)
            .value("audio_tokens", &self.prompt_audio)
            .value("cache_write_tokens", &self.cache_written);
        // An older name of `cache_write_tokens`.
        if self.cache_written > 0 {
            details.value("cache_creation_tokens", &self.cache_written);
        }
    }

    fn write_completion_details(&self, details: &mut Object<'_>) {
        details
            .value("reasoning_tokens", &self.reasoning)
            .value("audio_tokens", &self.completion_audio)
            .value("accepted_prediction_tokens", &self.accepted_prediction)
            .value("rejected_prediction_tokens", &self.rejected_prediction);
    }

    /// Returns the usage in OpenAI's form that a value holds.
    pub fn from_raw(raw: &RawValue) -> Option<Self> {
        // The same parser as that of answers, whose code is there already.
        let mut json = serde_json::Deserializer::from_str(raw.get());
        Self::read(&mut json).ok().flatten()
    }

    /// Reads OpenAI's form, with the additions of some servers. Returns `None` for a value that
    /// counts neither prompt nor answer. A detail that is no count is 0: one invalid field should
    /// not invalidate an answer.
    pub fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Self>, D::Error> {
        let mut counts = UsageCounts::default();
        UsageValue { counts: &mut counts, place: UsagePlace::Usage }.deserialize(deserializer)?;
        Ok(counts.usage())
    }
}

/// Writes the cost of an answer into its usage. Nothing is written for an unknown cost.
pub fn write_cost(cost: Option<Usd>, usage: &mut Object<'_>) {
    if let Some(cost) = cost {
        usage.raw("cost", cost.to_string());
    }
}

/// Reads a count of tokens. Some servers send it as a decimal number or as text. Returns `None` for
/// anything else.
pub fn token_count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let json = <&RawValue>::deserialize(deserializer)?.get();
    let text = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    Ok(parse_count(text.unwrap_or(json)))
}

/// Returns the count that a text holds.
fn parse_count(text: &str) -> Option<u64> {
    let text = text.trim();
    text.parse().ok().or_else(|| round_count(text.parse().ok()?))
}

/// Returns the count closest to a decimal number.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is within bounds")]
fn round_count(number: f64) -> Option<u64> {
    (0.0..=MAX_COUNT).contains(&number).then(|| number.round() as u64)
}

/// The maximum of a decimal count: larger numbers are inexact.
const MAX_COUNT: f64 = 9_007_199_254_740_992.0;

/// Counts that a provider reports.
#[derive(Default)]
struct UsageCounts {
    prompt: Option<u64>,
    completion: Option<u64>,
    total: Option<u64>,
    cached: Option<u64>,
    /// The count of `prompt_tokens_details` where some servers put it: beside `prompt_tokens`.
    cached_beside: Option<u64>,
    /// The count of cached tokens under DeepSeek's name.
    cache_hit: Option<u64>,
    cache_written: u64,
    prompt_audio: u64,
    reasoning: u64,
    completion_audio: u64,
    accepted_prediction: u64,
    rejected_prediction: u64,
}

impl UsageCounts {
    /// Returns the usage. A part that exceeds the whole is clamped to it, except for a rejected
    /// prediction, which some servers count beside the answer.
    fn usage(&self) -> Option<Usage> {
        let (prompt, completion) = self.halves()?;
        let cached = self.cached.or(self.cached_beside).or(self.cache_hit).unwrap_or_default();
        Some(Usage {
            prompt,
            completion,
            cached: cached.min(prompt),
            cache_written: self.cache_written.min(prompt),
            prompt_audio: self.prompt_audio.min(prompt),
            reasoning: self.reasoning.min(completion),
            completion_audio: self.completion_audio.min(completion),
            accepted_prediction: self.accepted_prediction.min(completion),
            rejected_prediction: self.rejected_prediction,
        })
    }

    /// Returns the tokens of prompt and answer. A missing one is the rest of the total, if that is
    /// known.
    fn halves(&self) -> Option<(u64, u64)> {
        let rest = |known: u64| self.total.unwrap_or_default().saturating_sub(known);
        match (self.prompt, self.completion) {
            (Some(prompt), Some(completion)) => Some((prompt, completion)),
            (Some(prompt), None) => Some((prompt, rest(prompt))),
            (None, Some(completion)) => Some((rest(completion), completion)),
            (None, None) => None,
        }
    }

    fn set(&mut self, count: CountName, number: u64) {
        match count {
            // Some servers send both names, one of them with 0.
            CountName::Prompt => self.prompt = self.prompt.max(Some(number)),
            CountName::Completion => self.completion = self.completion.max(Some(number)),
            CountName::Total => self.total = Some(number),
            CountName::Cached => self.cached = Some(number),
            CountName::CachedBeside => self.cached_beside = Some(number),
            CountName::CacheHit => self.cache_hit = Some(number),
            CountName::CacheWritten => self.cache_written = self.cache_written.max(number),
            CountName::PromptAudio => self.prompt_audio = number,
            CountName::Reasoning => self.reasoning = number,
            CountName::CompletionAudio => self.completion_audio = number,
            CountName::AcceptedPrediction => self.accepted_prediction = number,
            CountName::RejectedPrediction => self.rejected_prediction = number,
        }
    }
}

#[derive(Clone, Copy)]
enum CountName {
    Prompt,
    Completion,
    Total,
    Cached,
    CachedBeside,
    CacheHit,
    CacheWritten,
    PromptAudio,
    Reasoning,
    CompletionAudio,
    AcceptedPrediction,
    RejectedPrediction,
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
        match self {
            Self::Usage => Self::in_usage(key),
            Self::PromptDetails => Self::in_prompt_details(key),
            Self::CompletionDetails => Self::in_completion_details(key),
            Self::Count(_) => None,
        }
    }

    fn in_usage(key: &str) -> Option<Self> {
        Some(match key {
            "prompt_tokens_details" | "input_tokens_details" => Self::PromptDetails,
            "completion_tokens_details" | "output_tokens_details" => Self::CompletionDetails,
            "prompt_tokens" | "input_tokens" => Self::Count(CountName::Prompt),
            "completion_tokens" | "output_tokens" => Self::Count(CountName::Completion),
            "total_tokens" => Self::Count(CountName::Total),
            "cached_tokens" => Self::Count(CountName::CachedBeside),
            "prompt_cache_hit_tokens" => Self::Count(CountName::CacheHit),
            _ => return None,
        })
    }

    fn in_prompt_details(key: &str) -> Option<Self> {
        Some(Self::Count(match key {
            "cached_tokens" => CountName::Cached,
            "cache_write_tokens" | "cache_creation_tokens" => CountName::CacheWritten,
            "audio_tokens" => CountName::PromptAudio,
            _ => return None,
        }))
    }

    fn in_completion_details(key: &str) -> Option<Self> {
        Some(Self::Count(match key {
            "reasoning_tokens" => CountName::Reasoning,
            "audio_tokens" => CountName::CompletionAudio,
            "accepted_prediction_tokens" => CountName::AcceptedPrediction,
            "rejected_prediction_tokens" => CountName::RejectedPrediction,
            _ => return None,
        }))
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

/// Seed for a value at a place.
struct UsageValue<'t> {
    counts: &'t mut UsageCounts,
    place: UsagePlace,
}

impl UsageValue<'_> {
    /// Notes the count of a value.
    fn note(self, number: Option<u64>) {
        if let (UsagePlace::Count(count), Some(number)) = (self.place, number) {
            self.counts.set(count, number);
        }
    }
}

impl<'de> DeserializeSeed<'de> for UsageValue<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for UsageValue<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(place) = map.next_key_seed(UsageKey(self.place))? {
            match place {
                Some(place) => {
                    map.next_value_seed(UsageValue { counts: &mut *self.counts, place })?;
                }
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        self.note(Some(number));
        Ok(())
    }

    fn visit_f64<E>(self, number: f64) -> Result<(), E> {
        self.note(round_count(number));
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.note(parse_count(text));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
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
        Usage::write(Some(&usage), None, &mut out);
        let written: serde_json::Value = serde_json::from_slice(&out).unwrap();
        for (key, value) in [("input_tokens", 9), ("output_tokens", 2), ("total_tokens", 11)] {
            assert_eq!(written[key], value, "{key}");
        }
        assert!(written.get("reported").is_none());
    }

    #[test]
    fn usage_that_is_not_reported_is_written_as_zeros_that_say_so() {
        let mut out = Vec::new();
        Usage::write(None, None, &mut out);
        let written: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!((&written["total_tokens"], &written["reported"]), (&0.into(), &false.into()));
    }

    #[test]
    fn a_count_is_read_from_a_decimal_number_and_from_text() {
        for (json, prompt, completion) in [
            (r#"{"prompt_tokens":12.0,"completion_tokens":"4"}"#, 12, 4),
            (r#"{"prompt_tokens":" 12 ","completion_tokens":4.4}"#, 12, 4),
            (r#"{"prompt_tokens":"12.0","completion_tokens":1e1}"#, 12, 10),
            (r#"{"prompt_tokens":"12","completion_tokens":null,"total_tokens":"16"}"#, 12, 4),
            (r#"{"prompt_tokens":"many","completion_tokens":4,"total_tokens":16.0}"#, 12, 4),
            (r#"{"prompt_tokens":12,"completion_tokens":-4,"total_tokens":null}"#, 12, 0),
        ] {
            let expected = Usage { prompt, completion, ..Usage::default() };
            assert_eq!(read(json), Some(expected), "{json}");
        }
        for json in
            ["\"many\"", "-1", "-0.6", "\"-1\"", "1e300", "\"inf\"", "\"NaN\"", "\"\"", "{}"]
        {
            let mut count = serde_json::Deserializer::from_str(json);
            assert_eq!(token_count(&mut count).unwrap(), None, "{json}");
            let json = format!(r#"{{"prompt_tokens":{json},"total_tokens":{json}}}"#);
            assert_eq!(read(&json), None, "{json}");
        }
        for (json, number) in [("7", 7), ("7.0", 7), ("\"7\"", 7), ("\" 7.0\"", 7), ("0", 0)] {
            let mut count = serde_json::Deserializer::from_str(json);
            assert_eq!(token_count(&mut count).unwrap(), Some(number), "{json}");
        }
    }

    #[test]
    fn every_detail_is_read_and_written() {
        let json = r#"{"prompt_tokens":90,"completion_tokens":80,"total_tokens":170,
            "prompt_tokens_details":{"cached_tokens":1,"audio_tokens":2,"cache_write_tokens":3},
            "completion_tokens_details":{"reasoning_tokens":4,"audio_tokens":5,
            "accepted_prediction_tokens":6,"rejected_prediction_tokens":7}}"#;
        let mut out = Vec::new();
        Usage::write(read(json).as_ref(), None, &mut out);
        let told: serde_json::Value = serde_json::from_str(json).unwrap();
        let written: serde_json::Value = serde_json::from_slice(&out).unwrap();
        for details in ["prompt_tokens_details", "completion_tokens_details"] {
            for (key, value) in told[details].as_object().unwrap() {
                assert_eq!(&written[details][key], value, "{key}");
            }
        }
    }

    #[test]
    fn an_odd_field_loses_no_other() {
        let usage = |cached| Usage { prompt: 7, completion: 3, cached, ..Usage::default() };
        for (odd, cached) in [
            (r#""cached_tokens":5"#, 5),
            (r#""cached_tokens":"5""#, 5),
            (r#""cached_tokens":"few""#, 0),
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
        assert_eq!(read("{}"), None);
    }
}
