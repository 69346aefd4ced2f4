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
    let about = |word: &str| details.contains(word);
    if about("request_payload_too_large")
        || about("downstream")
        || about("http1.")
        || about("http2.")
    {
        None
    } else if about("timeout") || about("max_stream_duration") {
        Some(Error::Timeout { provider })
    } else if about("overflow") || about("no_healthy_upstream") {
        let message = "Envoy holds no more requests for it".to_owned();
        Some(Error::Overloaded { provider, message })
    } else if about("inject") {
        Some(Error::Refused { provider, status })
    } else if about("cluster_not_found") || about("route_not_found") {
        Some(Error::Misconfigured { problem: "Envoy has no cluster for this model" })
    } else if about("response_payload_too_large") {
        Some(Error::BadAnswer { provider, problem: "is too long" })
    } else if about("upstream_reset_after_response_started") || about("protocol_error") {
        Some(Error::BadAnswer { provider, problem: "broke off" })
    } else {
        Some(Error::Unreachable { provider })
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
            ("no_healthy_upstream", Some(503)),
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
