//! Timestamps, which the shell passes in.

mod http_date;

use std::{
    collections::BTreeMap,
    time::{Duration, UNIX_EPOCH},
};

pub use self::http_date::parse_http_date;

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

    /// Returns the date and time in UTC, to the second: RFC 3339, such as `2026-02-01T00:00:00Z`.
    pub fn to_rfc3339(self) -> String {
        let moment = UNIX_EPOCH + Duration::from_secs(self.as_secs().min(LAST_SECOND));
        humantime::format_rfc3339_seconds(moment).to_string()
    }

    /// Reads what [`Self::to_rfc3339`] writes.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let moment = humantime::parse_rfc3339(text).ok()?;
        moment.duration_since(UNIX_EPOCH).ok().map(Self)
    }

    /// Returns the time since `earlier`: zero if a clock went backwards.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// The last second of the year 9999, after which a year has five digits.
const LAST_SECOND: u64 = 253_402_300_799;

/// Returns whole milliseconds, up to the maximum of 64 bits.
pub fn millis(span: Duration) -> u64 {
    span.as_millis().try_into().unwrap_or(u64::MAX)
}

/// Values that wait for their moments.
#[derive(Debug)]
pub struct WaitingList<T> {
    values: BTreeMap<WaitingKey, T>,
    /// Number of the next value.
    next: u64,
}

/// Key of a value that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WaitingKey {
    due: Timestamp,
    number: u64,
}

impl<T> Default for WaitingList<T> {
    fn default() -> Self {
        Self { values: BTreeMap::new(), next: 0 }
    }
}

impl<T> WaitingList<T> {
    /// Adds a value that waits for a moment.
    pub fn add(&mut self, due: Timestamp, value: T) -> WaitingKey {
        let key = WaitingKey { due, number: self.next };
        self.next = self.next.wrapping_add(1);
        self.values.insert(key, value);
        key
    }

    /// Removes a value that need not wait any longer.
    pub fn remove(&mut self, key: WaitingKey) {
        self.values.remove(&key);
    }

    /// Takes the values whose moments have come, in the order of their moments.
    pub fn take_due(&mut self, now: Timestamp) -> Vec<T> {
        let mut due = Vec::new();
        while let Some(first) = self.values.first_entry().filter(|first| first.key().due <= now) {
            due.push(first.remove());
        }
        due
    }

    /// Returns the time until the next moment, at least a millisecond. `None` if no value waits.
    pub fn next_wait(&self, clock: impl FnOnce() -> Timestamp) -> Option<Duration> {
        let (next, _) = self.values.first_key_value()?;
        Some(next.due.since(clock()).max(Duration::from_millis(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_wait_for_their_moments() {
        let at = |millis| Timestamp::from_epoch(Duration::from_millis(millis));
        let millis = Duration::from_millis;
        let mut list = WaitingList::default();
        assert_eq!(list.next_wait(|| at(0)), None);
        for (due, value) in [(300, 'c'), (100, 'a'), (200, 'b')] {
            list.add(at(due), value);
        }
        assert_eq!(list.next_wait(|| at(40)), Some(millis(60)));
        assert_eq!(list.take_due(at(99)), []);
        assert_eq!(list.take_due(at(200)), ['a', 'b']);
        assert_eq!(list.next_wait(|| at(900)), Some(millis(1)));
        assert_eq!(list.take_due(at(900)), ['c']);
        let removed = list.add(at(950), 'd');
        list.add(at(950), 'e');
        list.remove(removed);
        assert_eq!(list.take_due(at(990)), ['e']);
        assert_eq!(list.next_wait(|| at(990)), None);
    }
}
