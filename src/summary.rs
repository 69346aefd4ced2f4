//! What an exchange came to, in one line for whoever logs, traces or bills: `name=value`, separated
//! by spaces. No value holds a space, for none comes from a client or a provider.

use std::time::Duration;

use crate::{
    chat::{finish::Finish, usage::Usage},
    region::Region,
    time::millis,
};

/// What is known of an exchange. What is not is left out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Summary<'s> {
    /// The model that the client asked for.
    pub request_model: &'s str,
    /// The model that answered, if one did.
    pub response_model: Option<&'s str>,
    /// Who was asked last, and where.
    pub provider: Option<(&'s str, Region)>,
    /// What the provider says it cost.
    pub usage: Option<Usage>,
    /// The same in pico-USD, where the model has a price.
    pub cost: Option<u64>,
    /// Why the model stopped.
    pub finish: Option<Finish>,
    /// From the whole request to the first content of a stream.
    pub first_content: Option<Duration>,
    /// From the request to the provider to the end of its answer.
    pub provider_time: Option<Duration>,
    /// From the whole request to the end of the answer.
    pub total: Option<Duration>,
}

/// What stands before each value there may be, in their order. The first is always there.
const FIELDS: [&str; 13] = [
    "request_model=",
    " response_model=",
    " provider=",
    " region=",
    " input_tokens=",
    " output_tokens=",
    " cached_tokens=",
    " reasoning_tokens=",
    " cost_pico_usd=",
    " finish_reason=",
    " first_content_ms=",
    " provider_ms=",
    " total_ms=",
];

/// The names of all values there may be, in their order.
pub fn names() -> impl Iterator<Item = &'static str> {
    FIELDS.iter().map(|field| field.trim_matches([' ', '=']))
}

impl Summary<'_> {
    /// The line. Every answer pays for it, so nothing in it goes through `write!`.
    pub fn to_line(&self) -> String {
        let (provider, region) = self.provider.unzip();
        let region = region.map(Region::name);
        let words = [Some(self.request_model), self.response_model, provider, region];
        let tokens = |count: fn(&Usage) -> u64| self.usage.as_ref().map(count);
        let counts = [
            tokens(|usage| usage.prompt),
            tokens(|usage| usage.completion),
            tokens(|usage| usage.cached),
            tokens(|usage| usage.reasoning),
            self.cost,
        ];
        let times = [self.first_content, self.provider_time, self.total];
        let mut line = Line { text: String::with_capacity(LENGTH), fields: FIELDS.iter() };
        words.into_iter().for_each(|word| line.word(word));
        counts.into_iter().for_each(|count| line.number(count));
        line.word(self.finish.map(Finish::name));
        times.into_iter().for_each(|span| line.number(span.map(millis)));
        line.text
    }
}

/// Room for most lines.
const LENGTH: usize = 320;

/// A line being written. What stands before the values comes by itself.
struct Line<'f> {
    text: String,
    fields: std::slice::Iter<'f, &'static str>,
}

impl Line<'_> {
    fn word(&mut self, value: Option<&str>) {
        let field = self.fields.next().copied().unwrap_or_default();
        if let Some(value) = value {
            self.text.push_str(field);
            self.text.push_str(value);
        }
    }

    fn number(&mut self, value: Option<u64>) {
        let mut digits = itoa::Buffer::new();
        self.word(value.map(|value| digits.format(value)));
    }
}

/// The names and values of a line.
pub fn facts(line: &str) -> impl Iterator<Item = (&str, &str)> {
    line.split(' ').filter_map(|fact| fact.split_once('='))
}

/// The value of a name.
pub fn fact<'l>(line: &'l str, name: &str) -> Option<&'l str> {
    facts(line).find(|(other, _)| *other == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn a_line_says_what_is_known_and_nothing_else() {
        let millis = |millis| Some(Duration::from_millis(millis));
        let usage = Usage { prompt: 9, completion: 5, cached: 3, cache_written: 1, reasoning: 2 };
        let summary = Summary {
            request_model: "gpt-5",
            response_model: Some("claude-sonnet-4-6"),
            provider: Some(("anthropic", Region::Us)),
            usage: Some(usage),
            cost: Some(1_250_000),
            finish: Some(Finish::ToolCalls),
            first_content: millis(120),
            provider_time: millis(812),
            total: millis(1_500),
        };
        let line = "request_model=gpt-5 response_model=claude-sonnet-4-6 provider=anthropic \
                    region=us input_tokens=9 output_tokens=5 cached_tokens=3 reasoning_tokens=2 \
                    cost_pico_usd=1250000 finish_reason=tool_calls first_content_ms=120 \
                    provider_ms=812 total_ms=1500";
        assert_eq!(summary.to_line(), line);
        assert!(facts(line).map(|(name, _)| name).eq(names()));
        assert_eq!(fact(line, "region"), Some("us"));
        let short = Summary { request_model: "gpt-5", total: millis(3), ..Summary::default() };
        assert_eq!(short.to_line(), "request_model=gpt-5 total_ms=3");
        assert_eq!(fact(&short.to_line(), "region"), None);
        assert_eq!(facts("").count(), 0);
    }
}
