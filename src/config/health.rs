//! Circuit breakers and outlier detection: when Envoy sends a provider no more requests, per cluster.

use std::{num::NonZeroU32, time::Duration};

use super::{
    read::{ObjectReader, defaults},
    table::{ValueType, defaults_to, object_table},
};

object_table! {
    /// Limits on concurrent work for a provider, in each of its regions.
    pub(super) static CIRCUIT_BREAKERS = "circuit_breakers" {
        /// Maximum number of connections.
        "max_connections": ValueType::POSITIVE, defaults_to("4096");
        /// Maximum number of requests that wait for a connection.
        "max_pending_requests": ValueType::POSITIVE, defaults_to("4096");
        /// Maximum number of requests in progress.
        "max_requests": ValueType::POSITIVE, defaults_to("4096");
    }
}

object_table! {
    /// Ejection of a provider that fails repeatedly, in each of its regions.
    pub(super) static OUTLIER_DETECTION = "outlier_detection" {
        /// Number of consecutive failures that eject the provider.
        "consecutive_5xx": ValueType::POSITIVE, defaults_to("10");
        /// Duration of the first ejection; each further ejection lasts longer.
        "base_ejection_time": ValueType::Duration, defaults_to("10s");
    }
}

/// Limits on concurrent work for a provider in one region. The defaults exceed what one Envoy has use
/// for, so the provider's own limits apply first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CircuitBreakers {
    /// Connections.
    pub max_connections: NonZeroU32,
    /// Requests that wait for a connection.
    pub max_pending_requests: NonZeroU32,
    /// Requests in progress.
    pub max_requests: NonZeroU32,
}

impl Default for CircuitBreakers {
    fn default() -> Self {
        defaults(&CIRCUIT_BREAKERS, Self::read)
    }
}

impl CircuitBreakers {
    pub(super) fn read(entry: ObjectReader<'_>) -> Self {
        let breakers = Self {
            max_connections: entry.positive("max_connections"),
            max_pending_requests: entry.positive("max_pending_requests"),
            max_requests: entry.positive("max_requests"),
        };
        entry.finish();
        breakers
    }
}

/// Ejection of a provider that fails repeatedly. The defaults are more consecutive failures than one
/// unlucky client causes with its retries, and a pause that outlasts an outage of seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutlierDetection {
    /// Consecutive failures that eject the provider.
    pub consecutive_5xx: NonZeroU32,
    /// Duration of the first ejection. Envoy multiplies it by the number of ejections.
    pub base_ejection_time: Duration,
}

impl Default for OutlierDetection {
    fn default() -> Self {
        defaults(&OUTLIER_DETECTION, Self::read)
    }
}

impl OutlierDetection {
    pub(super) fn read(entry: ObjectReader<'_>) -> Self {
        let detection = Self {
            consecutive_5xx: entry.positive("consecutive_5xx"),
            base_ejection_time: entry.duration("base_ejection_time"),
        };
        entry.finish();
        detection
    }
}
