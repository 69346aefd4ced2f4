//! Rate limit service that several Envoys share.

use std::time::Duration;

use super::{
    BaseUrl,
    read::ObjectReader,
    table::{
        ValueType::{self, Origin, Text},
        defaults_to, object_table, required, word, words_of,
    },
};

object_table! {
    /// Rate limit service that counts the requests of several Envoys together.
    pub(super) static RATE_LIMIT = "rate_limit" {
        /// URL of a server of Envoy's rate limit protocol over gRPC: `http` without TLS, `https` with
        /// TLS.
        "service": Origin, required("the URL of a rate limit service");
        /// Domain of the descriptors in the service's own configuration.
        "domain": Text, defaults_to("attache");
        /// Deadline of one query.
        "timeout": ValueType::Duration, defaults_to("20ms");
        /// Action when the service does not answer: `local` counts the request in this Envoy,
        /// `refuse` refuses the request with 503.
        "unreachable": word(|| words_of(&UnreachablePolicy::WORDS)), defaults_to("local");
    }
}

/// Rate limit service that counts requests in place of each Envoy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimitService {
    /// Address, for gRPC.
    pub base: BaseUrl,
    /// Domain of the descriptors.
    pub domain: String,
    /// Deadline of one query. The default is short enough to be inaudible in a phone call, and long
    /// enough for a service in the same zone.
    pub timeout: Duration,
    /// Action when the service does not answer.
    pub unreachable: UnreachablePolicy,
}

/// Action on a request when the service does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnreachablePolicy {
    /// Count the request in this Envoy.
    Local,
    /// Refuse the request.
    Refuse,
}

impl UnreachablePolicy {
    const WORDS: [(&'static str, Self); 2] = [("local", Self::Local), ("refuse", Self::Refuse)];
}

impl RateLimitService {
    /// Name of Envoy's cluster for the service. Names of providers' clusters end in a region, so none
    /// is equal.
    pub const CLUSTER: &'static str = "rate-limit";

    /// Reads `rate_limit`.
    pub(super) fn read(entry: ObjectReader<'_>) -> Self {
        let service = entry.get("service");
        let base = service.map(|url| BaseUrl::read_origin(&url, "http://ratelimit.internal:8081"));
        let service = Self {
            base: base.unwrap_or(BaseUrl::PLACEHOLDER),
            domain: entry.string("domain"),
            timeout: entry.duration("timeout"),
            unreachable: entry
                .word("unreachable", &UnreachablePolicy::WORDS)
                .unwrap_or(UnreachablePolicy::Local),
        };
        entry.finish();
        service
    }
}
