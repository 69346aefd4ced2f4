//! The rate limit service that several Envoys share.

use std::time::Duration;

use super::{BaseUrl, read::ValueReader};

/// Where requests are counted if not in this Envoy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimitService {
    /// Where it listens, for gRPC.
    pub base: BaseUrl,
    /// What it calls our descriptors together.
    pub domain: String,
    /// How long it may take.
    pub timeout: Duration,
    /// What is done when it cannot be asked.
    pub unreachable: UnreachablePolicy,
}

/// What is done with a request when the service cannot be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnreachablePolicy {
    /// It is counted in this Envoy.
    Local,
    /// It is refused.
    Refuse,
}

impl UnreachablePolicy {
    const WORDS: [(&'static str, Self); 2] = [("local", Self::Local), ("refuse", Self::Refuse)];
}

/// Short enough not to be heard on a phone call, long enough for a service in the same zone.
const TIMEOUT: Duration = Duration::from_millis(20);

impl RateLimitService {
    /// The name of Envoy's cluster for it. No provider's ends like this: theirs end in a region.
    pub const CLUSTER: &'static str = "rate-limit";

    /// Reads `rate_limit`.
    pub(super) fn read(node: &ValueReader<'_>) -> Self {
        let mut entry = node.object();
        let service = entry.required("service", "the URL of a rate limit service");
        let base =
            service.map(|node| BaseUrl::read_origin(&node, "http://ratelimit.internal:8081"));
        let domain = entry.optional("domain").map(|node| node.string());
        let timeout = entry.optional("timeout").map(|node| node.duration());
        let unreachable = entry.optional("unreachable");
        let unreachable = unreachable.and_then(|node| node.word(&UnreachablePolicy::WORDS));
        entry.finish();
        Self {
            base: base.unwrap_or(BaseUrl::PLACEHOLDER),
            domain: domain.unwrap_or_else(|| "attache".to_owned()),
            timeout: timeout.unwrap_or(TIMEOUT),
            unreachable: unreachable.unwrap_or(UnreachablePolicy::Local),
        }
    }
}
