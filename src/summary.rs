//! Summary of an exchange, in one line for logs, traces and billing: `name=value`, separated by
//! spaces. No value contains a space, because none is a client's or a provider's text.

use std::time::Duration;

use crate::{
    chat::{finish::Finish, usage::Usage},
    region::Region,
    time::millis,
};

/// Summary of an exchange. Unknown values are omitted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Summary<'s> {
    /// Model of the client's request.
    pub request_model: &'s str,
    /// Model that has answered.
    pub response_model: Option<&'s str>,
    /// The last provider and its region.
    pub provider: Option<(&'s str, Region)>,
    /// The tokens that the provider reported.
    pub usage: Option<Usage>,
    /// The cost of the tokens in pico-USD, if the model has a price.
    pub cost: Option<u64>,
    /// The finish reason.
    pub finish: Option<Finish>,
    /// Time from the complete request to the first content of a stream.
    pub first_content: Option<Duration>,
    /// Time from the request to the provider to the end of the response.
    pub provider_time: Option<Duration>,
    /// Time from the complete request to the end of the answer.
    pub total: Option<Duration>,
}

/// The text before each value, in order. The first value is always present.
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

/// Returns the names of all values, in order.
pub fn names() -> impl Iterator<Item = &'static str> {
    FIELDS.iter().map(|field| field.trim_matches([' ', '=']))
}

impl Summary<'_> {
    /// Returns the line. Every answer needs one, so the slower `write!` is not used.
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
        let mut line = SummaryLine { text: String::with_capacity(LENGTH), fields: FIELDS.iter() };
        words.into_iter().for_each(|word| line.word(word));
        counts.into_iter().for_each(|count| line.number(count));
        line.word(self.finish.map(Finish::name));
        times.into_iter().for_each(|span| line.number(span.map(millis)));
        line.text
    }
}

/// The initial capacity: enough for most lines.
const LENGTH: usize = 320;

/// Writer of a line, which adds the text before each value.
struct SummaryLine<'f> {
    text: String,
    fields: std::slice::Iter<'f, &'static str>,
}

impl SummaryLine<'_> {
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

/// Returns the names and values of a line.
pub fn fields(line: &str) -> impl Iterator<Item = (&str, &str)> {
    line.split(' ').filter_map(|fact| fact.split_once('='))
}

/// Returns the value of a name in a line.
pub fn field<'l>(line: &'l str, name: &str) -> Option<&'l str> {
    fields(line).find(|(other, _)| *other == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_is_known_and_nothing_else() {
        let millis = |millis| Some(Duration::from_millis(millis));
        let usage = Usage {
            prompt: 9,
            completion: 5,
            cached: 3,
            cache_written: 1,
            reasoning: 2,
            ..Usage::default()
        };
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
        assert!(fields(line).map(|(name, _)| name).eq(names()));
        assert_eq!(field(line, "region"), Some("us"));
        let short = Summary { request_model: "gpt-5", total: millis(3), ..Summary::default() };
        assert_eq!(short.to_line(), "request_model=gpt-5 total_ms=3");
        assert_eq!(field(&short.to_line(), "region"), None);
        assert_eq!(fields("").count(), 0);
    }
}
