//! The names of filter state: values that Envoy keeps for one request, where no client can read or
//! write them.

/// Ticket of the attempt under way, which Envoy's routes read too.
pub const TICKET: &str = "attache_ticket";

/// Reason of the error that the client gets, for the access log.
pub const ERROR: &str = "attache_error";

/// Summary line of the exchange, for the access log.
pub const SUMMARY: &str = "attache_exchange";

/// Clusters of attempts besides the one that Envoy's router names in the access log.
pub const OTHER_CLUSTERS: &str = "attache_others";

/// Prefix of the names under which the values of the summary line are kept one by one.
pub const FIELD_PREFIX: &str = "attache_";

/// Account of the caller, for the access log. Set by Envoy, never by the module.
pub const ACCOUNT: &str = "attache.account";

/// The caller's own key, for transcripts. Set by Envoy, never by the module.
pub const CALLER_KEY: &str = "attache.caller";

/// Prefix that Envoy adds to the name of a value that a module set. Envoy,
/// `source/extensions/common/wasm/context.cc`: `Context::setProperty`.
pub const MODULE_PREFIX: &str = "wasm.";

/// Returns the name by which Envoy's configuration reads a value that the module set.
pub fn in_envoy(name: &str) -> String {
    [MODULE_PREFIX, name].concat()
}
