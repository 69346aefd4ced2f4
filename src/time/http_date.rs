//! Dates in HTTP headers. RFC 9110, section 5.6.7.

use std::time::Duration;

use super::Timestamp;

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// Parses a date in any of the three forms: `Sun, 06 Nov 1994 08:49:37 GMT`, `Sunday, 06-Nov-94
/// 08:49:37 GMT` and `Sun Nov  6 08:49:37 1994`. `None` for a date before 1970, too.
pub fn parse_http_date(text: &str) -> Option<Timestamp> {
    let words = text.split([' ', ',', '-']).filter(|word| !word.is_empty());
    let words: Vec<&str> = words.collect();
    let (day, month, year, time) = match *words.as_slice() {
        [_, day, month, year, time, "GMT" | "UTC"] => (day, month, year, time),
        [_, month, day, time, year] => (day, month, year, time),
        _ => return None,
    };
    let month = month.to_ascii_lowercase();
    let month = MONTHS.iter().position(|known| *known == month)?;
    let days = days_since_epoch(parse_year(year)?, month, number(day, 1..=31)?)?;
    let seconds = days * 86_400 + seconds_of_day(time)?;
    Some(Timestamp::from_epoch(Duration::from_secs(seconds)))
}

/// Parses a year. One of two digits is less than 50 years ahead for as long as this code lives.
fn parse_year(text: &str) -> Option<u64> {
    match text.len() {
        2 => number(text, 0..=99).map(|year| if year < 70 { 2_000 + year } else { 1_900 + year }),
        4 => number(text, 1_970..=9_999),
        _ => None,
    }
}

/// Parses `HH:MM:SS`. A leap second is allowed.
fn seconds_of_day(text: &str) -> Option<u64> {
    let mut parts = text.splitn(3, ':');
    let hours = number(parts.next()?, 0..=23)?;
    let minutes = number(parts.next()?, 0..=59)?;
    let seconds = number(parts.next()?, 0..=60)?;
    Some((hours * 60 + minutes) * 60 + seconds)
}

fn number(text: &str, allowed: std::ops::RangeInclusive<u64>) -> Option<u64> {
    text.parse().ok().filter(|number| allowed.contains(number))
}

/// Returns the days from 1970-01-01 to a date. `month` counts from 0.
fn days_since_epoch(year: u64, month: usize, day: u64) -> Option<u64> {
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let february = if is_leap(year) { 29 } else { 28 };
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let years: u64 = (1_970..year).map(|year| if is_leap(year) { 366 } else { 365 }).sum();
    let length = *lengths.get(month)?;
    (day <= length).then(|| years + lengths.iter().take(month).sum::<u64>() + day - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_have_three_forms() {
        let cases = [
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(784_111_777)),
            ("Sun Nov  6 08:49:37 1994", Some(784_111_777)),
            ("Thu, 29 Feb 2024 23:59:60 GMT", Some(1_709_251_200)),
            ("Tuesday, 01-Jan-30 00:00:00 UTC", Some(1_893_456_000)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Wed, 29 Feb 2023 00:00:00 GMT", None),
            ("Sun, 06 Nov 1994 24:49:37 GMT", None),
            ("Sun, 06 Nov 1994 08:49:37 CET", None),
            ("Sun, 06 Foo 1994 08:49:37 GMT", None),
            ("Sun, 06 Nov 1969 08:49:37 GMT", None),
            ("2031-01-01T00:00:00Z", None),
            ("soon", None),
            ("", None),
        ];
        for (text, seconds) in cases {
            assert_eq!(parse_http_date(text).map(Timestamp::as_secs), seconds, "{text}");
        }
    }
}
