//! The origin of an answer or an error: the provider, the model and the response head.

use std::time::Duration;

use crate::{
    chat::error::Error,
    time::{Timestamp, parse_http_date},
};

/// The head of a provider's response.
#[derive(Clone, Debug, Default)]
pub struct ResponseHead {
    /// The HTTP status.
    pub status: u16,
    /// The value of `content-type`, empty if there is none.
    pub content_type: String,
    /// The delay that `retry-after` or `retry-after-ms` asks for.
    pub retry_after: Option<Duration>,
}

impl ResponseHead {
    /// Returns the delay that the headers of an error ask for: milliseconds, which OpenAI and Azure
    /// send, seconds, or a date.
    pub fn retry_after(
        header: impl Fn(&str) -> Option<String>,
        clock: impl FnOnce() -> Timestamp,
    ) -> Option<Duration> {
        let seconds = |text: &str, unit: f64| {
            Duration::try_from_secs_f64(text.trim().parse::<f64>().ok()? * unit).ok()
        };
        let precise = header("retry-after-ms").and_then(|millis| seconds(&millis, 0.001));
        precise.or_else(|| {
            let value = header("retry-after")?;
            seconds(&value, 1.0).or_else(|| Some(parse_http_date(value.trim())?.since(clock())))
        })
    }
}

/// The context in which an answer is decoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResponseContext<'o> {
    /// The provider's name.
    pub(crate) provider: &'o str,
    /// The model's name in the configuration.
    pub(crate) model: &'o str,
    /// The head of the answer.
    pub(crate) head: &'o ResponseHead,
}

impl ResponseContext<'_> {
    /// Returns the error for an answer that is invalid.
    pub(crate) fn bad(&self, problem: &'static str) -> Error {
        Error::BadAnswer { provider: self.provider.to_owned(), problem }
    }

    /// Returns the error for an answer that cannot be parsed: it is cut short, or has the `problem`.
    pub(crate) fn unreadable(&self, error: &serde_json::Error, problem: &'static str) -> Error {
        // An empty body ends at line 1, column 0.
        let is_cut_short = error.is_eof() && error.column() > 0;
        self.bad(if is_cut_short { "is cut short" } else { problem })
    }

    /// Refuses a compressed body, by its first bytes. Requests do not offer compression, so that
    /// reading `content-encoding` of every response would cost a host call for a rare mistake.
    pub(crate) fn check_plain(&self, start: &[u8]) -> Result<(), Error> {
        let is_compressed = COMPRESSED.iter().any(|magic| start.starts_with(magic));
        if is_compressed { Err(self.bad("is compressed, which was not asked for")) } else { Ok(()) }
    }
}

/// The first bytes of gzip (RFC 1952), zlib (RFC 1950) and Zstandard (RFC 8878).
const COMPRESSED: [&[u8]; 5] =
    [&[0x1f, 0x8b], &[0x78, 0x01], &[0x78, 0x9c], &[0x78, 0xda], &[0x28, 0xb5, 0x2f, 0xfd]];

/// The length of the longest entry of [`COMPRESSED`], in bytes.
pub(crate) const MAGIC: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_a_number_of_two_units_or_a_date() {
        let now = || Timestamp::from_epoch(Duration::from_secs(784_111_747));
        let cases = [
            (None, Some("20"), Some(20_000)),
            (None, Some(" 1.5 "), Some(1_500)),
            (Some("250"), Some("1"), Some(250)),
            (Some("soon"), Some("1"), Some(1_000)),
            (None, Some("Sun, 06 Nov 1994 08:49:37 GMT"), Some(30_000)),
            (None, Some("Sunday, 06-Nov-94 08:49:37 GMT"), Some(30_000)),
            (None, Some("Sun Nov  6 08:48:00 1994"), Some(0)),
            (None, Some("-1"), None),
            (None, Some("NaN"), None),
            (None, Some("1e999"), None),
            (None, Some("tomorrow"), None),
            (None, None, None),
        ];
        for (millis, seconds, expected) in cases {
            let header = |name: &str| match name {
                "retry-after-ms" => millis.map(str::to_owned),
                _ => seconds.map(str::to_owned),
            };
            let found = ResponseHead::retry_after(header, now);
            assert_eq!(found, expected.map(Duration::from_millis), "{millis:?} {seconds:?}");
        }
    }
}
