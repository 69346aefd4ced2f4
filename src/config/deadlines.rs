//! How long each part of an exchange may take.

use std::time::Duration;

use super::read::ValueReader;
use crate::ticket::BACK_OFF;

/// How long each part of an exchange may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadlines {
    /// To reach the provider.
    pub connect: Duration,
    /// From the request to the first content of a stream.
    pub first_content: Duration,
    /// From one content of a stream to the next.
    pub idle: Duration,
    /// From the request to the end of an answer in one piece.
    pub answer: Duration,
    /// The whole exchange, all attempts of it.
    pub total: Duration,
}

impl Deadlines {
    /// Those that Envoy keeps, in milliseconds: to the first content, to the end of an answer, and to
    /// the end of everything. Envoy has routes for each such class, and a ticket names one.
    pub fn profile(&self) -> String {
        let kept = [self.first_content, self.answer.min(self.total), self.total];
        kept.map(|deadline| deadline.as_millis().to_string()).join("-")
    }
}

impl Default for Deadlines {
    /// Short enough for a phone call, long enough for a model that thinks.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            first_content: Duration::from_secs(20),
            idle: Duration::from_secs(30),
            answer: Duration::from_secs(120),
            total: Duration::from_secs(300),
        }
    }
}

/// Deadlines where those that are not named are `otherwise`.
pub(super) fn read_deadlines(node: &ValueReader<'_>, otherwise: Deadlines) -> Deadlines {
    let mut entry = node.object();
    let mut read = |key, otherwise| entry.optional(key).map_or(otherwise, |node| node.duration());
    let deadlines = Deadlines {
        connect: read("connect", otherwise.connect),
        first_content: read("first_content", otherwise.first_content),
        idle: read("idle", otherwise.idle),
        answer: read("answer", otherwise.answer),
        total: read("total", otherwise.total),
    };
    if !deadlines.first_content.is_zero() && deadlines.first_content <= BACK_OFF {
        let wait = BACK_OFF.as_millis();
        entry.wrong("first_content", format!("longer than the wait before a retry, {wait}ms"));
    }
    entry.finish();
    deadlines
}
