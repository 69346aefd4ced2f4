//! The delay that an error's message asks for.

use std::time::Duration;

/// Words before a delay, in lower case: OpenAI's and Groq's, Google's, Azure's.
const INTRODUCTIONS: [&str; 4] = ["try again in ", "retry in ", "retry after ", "try again after "];

/// Units of a delay with their milliseconds. A unit precedes those that it begins with.
const UNITS: [(&str, f64); 9] = [
    ("millisecond", 1.0),
    ("ms", 1.0),
    ("minute", 60_000.0),
    ("min", 60_000.0),
    ("m", 60_000.0),
    ("second", 1_000.0),
    ("s", 1_000.0),
    ("hour", 3_600_000.0),
    ("h", 3_600_000.0),
];

/// Returns the delay in a message such as "Please try again in 6m0.5s" or "retry after 26 seconds".
pub(super) fn delay_in(message: &str) -> Option<Duration> {
    let message = message.to_ascii_lowercase();
    let mut found = INTRODUCTIONS.iter().filter_map(|words| message.split_once(words));
    found.find_map(|(_, text)| parse_delay(text))
}

/// Parses the numbers with units at the beginning of a text.
fn parse_delay(mut text: &str) -> Option<Duration> {
    let mut delay: Option<f64> = None;
    while let Some((millis, rest)) = parse_part(text) {
        delay = Some(delay.unwrap_or_default() + millis);
        text = rest;
    }
    Duration::try_from_secs_f64(delay? / 1_000.0).ok()
}

/// Parses a number with its unit, in milliseconds. Returns it with the rest of the text.
fn parse_part(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, rest) = text.split_at_checked(end)?;
    let number: f64 = number.parse().ok()?;
    let rest = rest.trim_start();
    let (unit, millis) = UNITS.iter().find(|(unit, _)| rest.starts_with(unit))?;
    let rest = rest.strip_prefix(unit)?;
    Some((number * millis, rest.strip_prefix('s').unwrap_or(rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_read_from_its_sentence() {
        let cases = [
            ("Limit 3, Used 3. Please try again in 20s. Visit our site", Some(20_000)),
            ("Please try again in 1.5s.", Some(1_500)),
            ("Please try again in 6m0.5s.", Some(360_500)),
            ("Please try again in 1h2m3s", Some(3_723_000)),
            ("try again in 320ms", Some(320)),
            ("Please retry in 16.25s.", Some(16_250)),
            ("Please retry after 26 seconds.", Some(26_000)),
            ("Try again after 2 minutes", Some(120_000)),
            ("Please try again in 1 hour.", Some(3_600_000)),
            ("Please try again in a moment", None),
            ("Please try again in 20", None),
            ("Please try again in 99999999999999999999999999999s", None),
            ("slow down", None),
        ];
        for (message, millis) in cases {
            assert_eq!(delay_in(message), millis.map(Duration::from_millis), "{message}");
        }
    }
}
