//! The names of headers that the two roles exchange, and of those that clients see.

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
