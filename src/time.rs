//! Moments, as numbers that the shell passes in.

use std::time::Duration;

/// Time since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(Duration);

impl Timestamp {
    /// The moment this long after the epoch.
    pub fn from_epoch(elapsed: Duration) -> Self {
        Self(elapsed)
    }

    /// Whole seconds since the epoch.
    pub fn as_secs(self) -> u64 {
        self.0.as_secs()
    }

    /// Whole milliseconds since the epoch.
    pub fn as_millis(self) -> u64 {
        millis(self.0)
    }

    /// The moment this long after it.
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span))
    }

    /// How long after `earlier` this is. Zero if a clock went backwards.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// Whole milliseconds. As many as a number of 64 bits holds, which are more than anybody waits.
pub fn millis(span: Duration) -> u64 {
    span.as_millis().try_into().unwrap_or(u64::MAX)
}
