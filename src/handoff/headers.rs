//! The names of headers that the two roles exchange, and of those that clients see.

use crate::config::Telemetry;

/// Account of the caller. Envoy's `api_key_auth` or `jwt_authn` sets this header, over any value that
/// a client sent.
pub const ACCOUNT: &str = "x-attache-account";

/// Report of the provider role that its attempt failed. Written by `Failover::to_header`. Envoy's
/// router makes another attempt after each response that has this header.
pub const NEXT: &str = "x-attache-next";

/// Attempts that have ended, for the client. Written by `AttemptLog`.
pub const ATTEMPTS: &str = "x-attache-attempts";

/// Parameters that were dropped or emulated, for the client.
pub const PARAMS: &str = "x-attache-params";

/// Region that answered, for the client.
pub const REGION: &str = "x-attache-region";

/// Repairs of the answer, for the client.
pub const REPAIR: &str = "x-attache-repair";

/// Number of attempts that Envoy's router may add to the first. Envoy, *Router*:
/// `x-envoy-max-retries`.
pub const MAX_RETRIES: &str = "x-envoy-max-retries";

/// Number of attempts that the routes of the stream lane let Envoy's router add to the first.
pub const ROUTE_RETRIES: usize = 1;

/// Returns the headers of a request's trace, if providers get them. W3C, *Trace Context*. Once Envoy
/// has sent the request on, they name Envoy's own span. `header` reads a header.
pub fn trace(
    telemetry: &Telemetry,
    header: impl Fn(&str) -> Option<String>,
) -> Vec<(&'static str, String)> {
    if !telemetry.propagates_traces() {
        return Vec::new();
    }
    let names = ["traceparent", "tracestate"];
    names.into_iter().filter_map(|name| Some((name, header(name)?))).collect()
}

/// Returns the value of [`MAX_RETRIES`]. `None` if the route's own number is right.
pub fn max_retries(retries: usize) -> Option<String> {
    (retries != ROUTE_RETRIES).then(|| retries.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{BaseUrl, Tracing};

    #[test]
    fn providers_get_the_headers_of_a_trace_if_the_operator_allows_it() {
        let telemetry = |to_providers| {
            let (host, path) = ("collector.example".to_owned(), String::new());
            let collector = BaseUrl { tls: true, host, port: 443, path };
            let service_name = "attache".to_owned();
            let tracing = Tracing { collector, sampling: 1.0, service_name, to_providers };
            Telemetry { separate_fields: false, per_account: false, tracing: Some(tracing) }
        };
        let header = |name: &str| (name != "tracestate").then(|| format!("of {name}"));
        let expected = [("traceparent", "of traceparent".to_owned())];
        assert_eq!(trace(&telemetry(true), header), expected);
        assert_eq!(trace(&telemetry(false), header), []);
    }

    #[test]
    fn a_request_says_how_many_retries_it_has_unless_the_route_does() {
        assert_eq!(max_retries(ROUTE_RETRIES), None);
        assert_eq!(max_retries(0).as_deref(), Some("0"));
        assert_eq!(max_retries(3).as_deref(), Some("3"));
    }
}
