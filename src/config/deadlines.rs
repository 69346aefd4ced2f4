//! Deadlines of the parts of an exchange.

use std::time::Duration;

use super::{
    read::{ObjectReader, defaults},
    table::{ValueType, defaults_to, object_table},
};
use crate::failover::BACK_OFF;

object_table! {
    /// Deadlines of the parts of an exchange. The entry of a model inherits from the top level each
    /// field that is absent.
    pub(super) static DEADLINES = "deadlines" {
        /// Time to connect to the provider.
        "connect": ValueType::Duration, defaults_to("3s");
        /// Time from the request to the first content of a stream, in each attempt; above `500ms`.
        "first_content": ValueType::Duration, defaults_to("20s");
        /// Time from one content of a stream to the next.
        "idle": ValueType::Duration, defaults_to("30s");
        /// Time from the request to the end of a response that is not streamed, in each attempt.
        "answer": ValueType::Duration, defaults_to("2m");
        /// Time for the whole exchange, all attempts included; for a stream, the time to its first
        /// content.
        "total": ValueType::Duration, defaults_to("5m");
        /// Time from the request to the end of a stream, after which an event with an error ends the
        /// stream.
        "stream": ValueType::Duration, defaults_to("30m");
    }
}

/// Deadlines of the parts of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadlines {
    /// Time to connect to the provider.
    pub connect: Duration,
    /// Time from the request to the first content of a stream.
    pub first_content: Duration,
    /// Time from one content of a stream to the next.
    pub idle: Duration,
    /// Time from the request to the end of a response that is not streamed.
    pub answer: Duration,
    /// Time for the whole exchange, all attempts included. For a stream, the time to its first
    /// content.
    pub total: Duration,
    /// Time from the request to the end of a stream.
    pub stream: Duration,
}

impl Deadlines {
    /// Returns the name of the deadline profile: the deadlines that Envoy keeps, in milliseconds, for
    /// the first content, for the end of a response, and for the end of a stream. Envoy has routes for
    /// each profile, and a ticket names one.
    pub fn profile(&self) -> String {
        let kept = [self.first_content, self.whole_answer(), self.cut_off()];
        kept.map(|deadline| deadline.as_millis().to_string()).join("-")
    }

    /// Returns the time after which Envoy ends an attempt whose response is not streamed.
    pub fn whole_answer(&self) -> Duration {
        self.answer.min(self.total)
    }

    /// Returns the time after which Envoy cuts a stream off. The module ends a stream that flows at
    /// its deadline, with the next content, and a silent one after `idle`.
    pub fn cut_off(&self) -> Duration {
        self.stream.max(self.total) + self.idle
    }

    /// Reads `deadlines`. An absent field is inherited from `base`.
    pub(super) fn read(entry: ObjectReader<'_>, base: Self) -> Self {
        let read = |key, base| entry.get(key).map_or(base, |value| value.duration());
        let deadlines = Self {
            connect: read("connect", base.connect),
            first_content: read("first_content", base.first_content),
            idle: read("idle", base.idle),
            answer: read("answer", base.answer),
            total: read("total", base.total),
            stream: read("stream", base.stream),
        };
        if !deadlines.first_content.is_zero() && deadlines.first_content <= BACK_OFF {
            let wait = BACK_OFF.as_millis();
            entry.wrong("first_content", format!("longer than the wait before a retry, {wait}ms"));
        }
        entry.finish();
        deadlines
    }
}

impl Default for Deadlines {
    /// Returns deadlines that are short enough for a phone call and long enough for a model that
    /// reasons.
    fn default() -> Self {
        defaults(&DEADLINES, |entry| Self {
            connect: entry.duration("connect"),
            first_content: entry.duration("first_content"),
            idle: entry.duration("idle"),
            answer: entry.duration("answer"),
            total: entry.duration("total"),
            stream: entry.duration("stream"),
        })
    }
}
