//! When Envoy stops asking a provider: circuit breakers and outlier detection, per cluster.

use std::{num::NonZeroU32, time::Duration};

use super::read::{ObjectReader, ValueReader};

/// How much may be asked of a provider in one region at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CircuitBreakers {
    /// Connections.
    pub max_connections: NonZeroU32,
    /// Requests that wait for a connection.
    pub max_pending_requests: NonZeroU32,
    /// Requests under way.
    pub max_requests: NonZeroU32,
}

impl Default for CircuitBreakers {
    /// As many as one Envoy has any use for: a provider's own limits come first.
    fn default() -> Self {
        const MANY: NonZeroU32 = NonZeroU32::new(4096).unwrap();
        Self { max_connections: MANY, max_pending_requests: MANY, max_requests: MANY }
    }
}

/// When a provider that keeps failing is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutlierDetection {
    /// Failures without an answer between them.
    pub consecutive_5xx: NonZeroU32,
    /// For how long at first. It grows with every time.
    pub base_ejection_time: Duration,
}

impl Default for OutlierDetection {
    /// More failures in a row than one unlucky client makes with its retries, and a rest after which
    /// an outage of seconds is over.
    fn default() -> Self {
        const ROW: NonZeroU32 = NonZeroU32::new(10).unwrap();
        Self { consecutive_5xx: ROW, base_ejection_time: Duration::from_secs(10) }
    }
}

impl CircuitBreakers {
    pub(super) fn read(entry: &mut ObjectReader<'_>) -> Self {
        let usual = Self::default();
        let Some(node) = entry.optional("circuit_breakers") else { return usual };
        let mut entry = node.object();
        let mut read =
            |key, usual| entry.optional(key).map_or(usual, |node: ValueReader<'_>| node.positive());
        let breakers = Self {
            max_connections: read("max_connections", usual.max_connections),
            max_pending_requests: read("max_pending_requests", usual.max_pending_requests),
            max_requests: read("max_requests", usual.max_requests),
        };
        entry.finish();
        breakers
    }
}

impl OutlierDetection {
    pub(super) fn read(entry: &mut ObjectReader<'_>) -> Self {
        let usual = Self::default();
        let Some(node) = entry.optional("outlier_detection") else { return usual };
        let mut entry = node.object();
        let detection = Self {
            consecutive_5xx: entry
                .optional("consecutive_5xx")
                .map_or(usual.consecutive_5xx, |node| node.positive()),
            base_ejection_time: entry
                .optional("base_ejection_time")
                .map_or(usual.base_ejection_time, |node| node.duration()),
        };
        entry.finish();
        detection
    }
}
