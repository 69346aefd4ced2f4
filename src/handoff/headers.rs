//! The names of headers that the two roles exchange, and of those that clients see.

use super::ticket::Lane;
use crate::config::Telemetry;

/// Account of the caller. Envoy's `api_key_auth` or `jwt_authn` sets this header, over any value that
/// a client sent.
pub const ACCOUNT: &str = "x-attache-account";

/// Ticket of an attempt that is a call. A call shares no filter state with the client's request.
pub const TICKET: &str = "x-attache-ticket";

/// Report of the provider role that its attempt failed. Written by `Failover::to_header`. Envoy's
/// router makes another attempt after each response that has this header.
pub const NEXT: &str = "x-attache-next";

/// Summary line of an attempt that is a call.
pub const SUMMARY: &str = "x-attache-summary";

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
pub fn max_retries(lane: Lane, retries: usize) -> Option<String> {
    (lane == Lane::Stream && retries != ROUTE_RETRIES).then(|| retries.to_string())
}

/// Returns the headers of a call to a provider's cluster. The provider role there translates the
/// request.
pub fn of_call<'h>(
    ticket: &'h str,
    trace: &'h [(&'static str, String)],
) -> Vec<(&'h str, &'h str)> {
    let mut headers = vec![
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", "attache"),
        (":path", "/v1/chat/completions"),
        ("content-type", "application/json"),
        (TICKET, ticket),
    ];
    headers.extend(trace.iter().map(|(name, value)| (*name, value.as_str())));
    headers
}
