//! The list of attempts that have ended, as clients see it in `x-attache-attempts`.

use std::{borrow::Cow, fmt, time::Duration};

/// Sign between a model and one of its endpoints. No model has it in its name.
const AT: char = '@';

/// Returns the name of an attempt: its model, and the endpoint where the model has several.
pub fn attempt_name<'n>(model: &'n str, endpoint: Option<&str>) -> Cow<'n, str> {
    let name = |endpoint| Cow::Owned(format!("{model}{AT}{endpoint}"));
    endpoint.map_or(Cow::Borrowed(model), name)
}

/// Splits a name into the model and the endpoint.
pub fn split_name(name: &str) -> (&str, Option<&str>) {
    name.split_once(AT).map_or((name, None), |(model, endpoint)| (model, Some(endpoint)))
}

/// List of finished attempts, in the form of `x-attache-attempts`:
/// `gpt-5@azure=503/120ms claude-sonnet-4-6=200/812ms`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttemptLog(String);

impl AttemptLog {
    /// Returns the header's value.
    pub fn into_header(self) -> String {
        self.0
    }

    /// Returns the header's value.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Creates a log from a header's value.
    pub fn parse(header: String) -> Self {
        Self(header)
    }

    /// Returns a log with one more attempt: its name, its status, and the time until the status was
    /// known.
    pub fn with_attempt(&self, name: &str, status: u16, took: Duration) -> Self {
        let separator = if self.0.is_empty() { "" } else { " " };
        let (status, took) = (status.to_string(), took.as_millis().to_string());
        Self([&self.0, separator, name, "=", &status, "/", &took, "ms"].concat())
    }

    /// Appends the last attempt of another log.
    pub fn push_last_of(&mut self, others: &Self) {
        let last = others.0.rsplit(' ').next().unwrap_or_default();
        if !self.0.is_empty() && !last.is_empty() {
            self.0.push(' ');
        }
        self.0.push_str(last);
    }

    /// Returns a log whose last attempt has another status.
    pub fn with_last_status(&self, status: u16) -> Self {
        let (before, rest) = self.0.rsplit_once('=').unwrap_or((&self.0, ""));
        let took = rest.split_once('/').map_or("", |(_, took)| took);
        Self(format!("{before}={status}/{took}"))
    }

    /// Returns true if there are no attempts.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns name, status and milliseconds of each attempt.
    pub fn list(&self) -> impl Iterator<Item = (&str, u16, u64)> {
        self.0.split(' ').filter_map(|one| {
            let (name, rest) = one.rsplit_once('=')?;
            let (status, took) = rest.strip_suffix("ms")?.split_once('/')?;
            Some((name, status.parse().ok()?, took.parse().ok()?))
        })
    }
}

impl fmt::Display for AttemptLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_listed_as_they_were_made() {
        let made = AttemptLog::default().with_attempt("gpt-5", 503, Duration::from_millis(120));
        let made = made.with_attempt("org/a=b", 200, Duration::from_micros(812_900));
        assert_eq!(made.to_string(), "gpt-5=503/120ms org/a=b=200/812ms");
        let listed: Vec<_> = made.list().collect();
        assert_eq!(listed, [("gpt-5", 503, 120), ("org/a=b", 200, 812)]);
        for (model, endpoint) in [("gpt-5", None), ("gpt-5", Some("azure-key2/org/gpt@1"))] {
            assert_eq!(split_name(&attempt_name(model, endpoint)), (model, endpoint));
        }
        assert_eq!(made.with_last_status(504).to_string(), "gpt-5=503/120ms org/a=b=504/812ms");
    }
}
