//! What an answer means for the plan.

use crate::chat::error::Error;

/// Whose answer it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The provider's, which the provider role has translated already.
    Provider,
    /// Envoy's own, with its `code_details`. Envoy, *Response code details*.
    Envoy(String),
}

/// The error that takes the place of an answer, or `None` for one that may pass.
///
/// Envoy's own replies say what happened inside Envoy; a client needs to know what happened to its
/// request. Those about the request itself are right as they are.
pub fn classify(status: u16, source: &Source, provider: &str) -> Option<Error> {
    let Source::Envoy(details) = source else { return None };
    let provider = provider.to_owned();
    // `upstream_reset_before_response_started{connection_termination}`: what, and why.
    let (what, why) = details.split_once('{').unwrap_or((details, ""));
    match what {
        "upstream_response_timeout" | "upstream_per_try_timeout" => {
            Some(Error::Timeout { provider })
        }
        "upstream_max_stream_duration_reached" | "response_timeout" => {
            Some(Error::Timeout { provider })
        }
        "upstream_reset_before_response_started" if why.starts_with("overflow") => {
            Some(Error::Overloaded { provider })
        }
        "upstream_reset_before_response_started" if why.starts_with("protocol_error") => {
            Some(Error::BadAnswer { provider, problem: "is not HTTP" })
        }
        "upstream_reset_before_response_started" | "no_healthy_upstream" => {
            Some(Error::Unreachable { provider })
        }
        "upstream_reset_after_response_started" => {
            Some(Error::BadAnswer { provider, problem: "broke off" })
        }
        "response_payload_too_large" => Some(Error::BadAnswer { provider, problem: "is too long" }),
        "failed_to_inject_credential" => Some(Error::Refused { provider, status }),
        "cluster_not_found" | "route_not_found" => {
            Some(Error::Misconfigured { problem: "Envoy has no cluster for this model" })
        }
        _ => None,
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
            ("cluster_not_found", Some(500)),
            ("failed_to_inject_credential", Some(502)),
            ("request_payload_too_large", None),
        ];
        for (details, status) in cases {
            let error = classify(503, &Source::Envoy(details.to_owned()), "p");
            assert_eq!(error.map(|error| error.status()), status, "{details}");
        }
        assert_eq!(classify(503, &Source::Provider, "p"), None);
    }
}
