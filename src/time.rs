//! Timestamps, which the shell passes in.

use std::time::Duration;

/// Time since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(Duration);

impl Timestamp {
    /// Returns the timestamp at a time after the epoch.
    pub fn from_epoch(elapsed: Duration) -> Self {
        Self(elapsed)
    }

    /// Returns whole seconds since the epoch.
    pub fn as_secs(self) -> u64 {
        self.0.as_secs()
    }

    /// Returns whole milliseconds since the epoch.
    pub fn as_millis(self) -> u64 {
        millis(self.0)
    }

    /// Returns the timestamp `span` later.
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span))
    }

    /// Returns the time since `earlier`: zero if a clock went backwards.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// Returns whole milliseconds, up to the maximum of 64 bits.
pub fn millis(span: Duration) -> u64 {
    span.as_millis().try_into().unwrap_or(u64::MAX)
}
