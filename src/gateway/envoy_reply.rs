//! What an answer means for the plan.

use crate::{
    chat::{attempt_log::AttemptLog, error::Error},
    failover::Failover,
    handoff::ticket::Ticket,
};

/// Whose answer it is that came through Envoy's router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplySource {
    /// The provider's, which the provider role has translated already.
    Provider,
    /// The provider role's word that the attempt failed.
    Failed {
        /// What that means.
        failover: Failover,
        /// This attempt and those before it.
        log: AttemptLog,
    },
    /// Envoy's own.
    Envoy {
        /// Its `code_details`. Envoy, *Response code details*.
        details: String,
        /// The ticket of the attempt that was to be made, as the last one left it.
        ticket: Option<Box<Ticket>>,
    },
}

/// The error that takes the place of an answer of Envoy's own and what it means for the plan, or
/// `None` for one that may pass.
///
/// Envoy's own replies say what happened inside Envoy; a client needs to know what happened to its
/// request. Those about the request itself are right as they are.
pub fn classify(status: u16, details: &str, provider: &str) -> Option<(Error, Failover)> {
    let provider = provider.to_owned();
    // `upstream_reset_before_response_started{connection_termination}`: what, and why.
    let (what, why) = details.split_once('{').unwrap_or((details, ""));
    let error = match what {
        "upstream_response_timeout"
        | "upstream_per_try_timeout"
        | "upstream_per_try_idle_timeout" => Error::Timeout { provider },
        "upstream_max_stream_duration_reached" | "response_timeout" => Error::Timeout { provider },
        "upstream_reset_before_response_started" if why.starts_with("overflow") => {
            // A breaker that is open stays so for a while.
            return Some((Error::Overloaded { provider }, Failover::NextModel));
        }
        "upstream_reset_before_response_started" if why.starts_with("protocol_error") => {
            // A connection that ends within an answer is no HTTP to Envoy.
            Error::BadAnswer { provider, problem: "broke off, or is not HTTP" }
        }
        "upstream_reset_before_response_started" => Error::Unreachable { provider },
        // All of its hosts are ejected, or its name does not resolve, or leads to a private address.
        "no_healthy_upstream" | "rbac_access_denied_matched_policy[private]" => {
            return Some((Error::Unreachable { provider }, Failover::NextModel));
        }
        "upstream_reset_after_response_started" => {
            Error::BadAnswer { provider, problem: "broke off" }
        }
        "response_payload_too_large" => Error::BadAnswer { provider, problem: "is too long" },
        "failed_to_inject_credential" => Error::Refused { provider, status },
        "cluster_not_found" | "route_not_found" => {
            Error::Misconfigured { problem: "Envoy has no cluster for this model" }
        }
        _ => return None,
    };
    let next = Failover::after(&error);
    Some((error, next))
}

/// The error of a call that Envoy answered itself, by the status. [`classify`] has no details to go
/// by then.
pub fn of_call(status: u16, provider: &str) -> Error {
    let provider = provider.to_owned();
    match status {
        504 => Error::Timeout { provider },
        _ => Error::Unreachable { provider },
    }
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn replies_of_envoy_say_what_happened_to_the_request() {
        let cases = [
            ("upstream_response_timeout", Some(504)),
            ("upstream_per_try_timeout", Some(504)),
            ("upstream_max_stream_duration_reached", Some(504)),
            ("upstream_reset_before_response_started{connection_termination}", Some(502)),
            ("upstream_reset_before_response_started{remote_connection_failure}", Some(502)),
            ("upstream_reset_before_response_started{overflow}", Some(503)),
            ("no_healthy_upstream", Some(502)),
            ("rbac_access_denied_matched_policy[private]", Some(502)),
            ("cluster_not_found", Some(500)),
            ("failed_to_inject_credential", Some(502)),
            ("request_payload_too_large", None),
        ];
        for (details, status) in cases {
            let error = classify(503, details, "p");
            assert_eq!(error.map(|(error, _)| error.status()), status, "{details}");
        }
    }
}
