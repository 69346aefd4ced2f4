//! Failures that no provider reports: those that Envoy reports in its own words, and those that the
//! gateway finds by its own clock.

use super::{Failover, Failure};
use crate::{chat::error::Error, http_call::CallResult};

/// Address at which nobody listens. Envoy tries this address when no host of a provider can be
/// asked, because its router makes another attempt after a refused connection and none where a
/// cluster has no host. Port 1 is reserved for a service that nobody runs (IANA, *tcpmux*).
pub const UNREACHABLE_ADDRESS: (&str, u16) = ("127.255.255.254", 1);

/// Response code details of a request for which no host could be chosen.
pub const NO_HOST: &str = "no_healthy_upstream";

/// Header that Envoy adds to a provider's response to a call, and not to a reply of its own. Envoy,
/// *Router*: `x-envoy-upstream-service-time`.
pub const SERVICE_TIME: &str = "x-envoy-upstream-service-time";

/// Cause of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A timeout of this attempt has passed.
    Timeout,
    /// The total deadline of the exchange has passed.
    DeadlineExceeded,
    /// No connection came about.
    ConnectionFailed,
    /// The connection broke off before the provider role had passed on a response.
    ConnectionLost,
    /// No host of the provider can be asked: all are ejected, or the name does not resolve.
    NoHost,
    /// The provider's name leads to a private address.
    PrivateAddress,
    /// A circuit breaker of the cluster is open.
    BreakerOpen,
    /// Envoy did not send a call at all: no host is healthy, or a breaker is open.
    NotSent,
    /// The response broke off.
    BrokeOff,
    /// The response is not HTTP, or its connection ended within the head.
    NotHttp,
    /// The response does not fit into Envoy's buffer.
    TooLong,
    /// The provider's key cannot be read. The status is Envoy's.
    NoCredential(u16),
    /// Envoy has no cluster or no route for the attempt.
    NoCluster,
}

impl Cause {
    /// Returns the cause of a local reply, by its status and its response code details. `None` for a
    /// reply about the client's request, which is right as it is.
    ///
    /// The details are those of Envoy, `envoy/stream_info/stream_info.h`: `ResponseCodeDetailValues`,
    /// unless a line names another source. The reset reasons within braces are those of
    /// `source/common/http/utility.cc`: `resetReasonToString`.
    pub fn of_local_reply(status: u16, details: &str) -> Option<Self> {
        let (details, reset_reason) = details.split_once('{').unwrap_or((details, ""));
        Some(match details {
            "upstream_response_timeout"
            | "response_timeout"
            | "upstream_per_try_timeout"
            | "upstream_per_try_idle_timeout"
            | "upstream_max_stream_duration_reached" => Self::Timeout,
            "upstream_reset_before_response_started" => Self::of_reset(reset_reason),
            "upstream_reset_after_response_started" => Self::BrokeOff,
            NO_HOST => Self::NoHost,
            "response_payload_too_large" => Self::TooLong,
            "cluster_not_found" | "route_not_found" => Self::NoCluster,
            // The policy `private` of `envoy/templates/clusters.yaml`. Envoy,
            // `source/extensions/filters/common/rbac/utility.cc`: `responseDetail`.
            "rbac_access_denied_matched_policy[private]" => Self::PrivateAddress,
            // Envoy, `source/extensions/filters/http/credential_injector`.
            "failed_to_inject_credential" => Self::NoCredential(status),
            _ => return None,
        })
    }

    /// Returns the cause of a reset before the response began.
    fn of_reset(reason: &str) -> Self {
        match reason {
            overflow if overflow.starts_with("overflow") => Self::BreakerOpen,
            // A connection that ends within the head of a response is no HTTP to Envoy's codec.
            protocol if protocol.starts_with("protocol_error") => Self::NotHttp,
            // The provider role holds the head of a response, so that the response may have begun.
            lost if LOST.iter().any(|reason| lost.replace('_', " ").starts_with(reason)) => {
                Self::ConnectionLost
            }
            _ => Self::ConnectionFailed,
        }
    }

    /// Returns the cause of the failure of a call. `None`: the provider has responded.
    pub fn of_call(result: &CallResult) -> Option<Self> {
        match result {
            CallResult::Response { .. } if result.header(SERVICE_TIME).is_some() => None,
            CallResult::Response { status, body, .. } => Some(Self::of_call_reply(*status, body)),
            // A cluster holds a response until it is complete, so that none breaks off after its head.
            CallResult::Broken => Some(Self::TooLong),
            CallResult::NotSent => Some(Self::NotSent),
        }
    }

    /// Returns the cause of Envoy's own reply to a call. A call has no response code details, but the
    /// text of the reply ends with the reason of a reset.
    pub fn of_call_reply(status: u16, text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(text);
        let (_, reason) = text.split_once("reset reason: ").unwrap_or_default();
        match status {
            504 => Self::Timeout,
            // The length of an answer that ends early is wrong, too.
            _ if reason.starts_with("protocol error") => Self::NotHttp,
            _ if LOST.iter().any(|lost| reason.starts_with(lost)) => Self::ConnectionLost,
            _ => Self::ConnectionFailed,
        }
    }

    /// Returns the cause of an attempt that ended without a response, by the address of the host that
    /// Envoy has chosen.
    pub fn of_lost_response(upstream_address: &[u8]) -> Self {
        if is_unreachable(upstream_address) { Self::NoHost } else { Self::ConnectionFailed }
    }

    /// Returns the failure of an attempt at a provider: the one table of causes.
    pub fn failure(self, provider: &str) -> Failure {
        let provider = provider.to_owned();
        let bad_answer = |provider, problem| Error::BadAnswer { provider, problem };
        let error = match self {
            Self::Timeout | Self::DeadlineExceeded => Error::Timeout { provider },
            Self::ConnectionFailed | Self::NoHost | Self::PrivateAddress | Self::NotSent => {
                Error::Unreachable { provider }
            }
            Self::ConnectionLost => Error::Disconnected { provider },
            Self::BreakerOpen => Error::Overloaded { provider, retry_after: None },
            Self::BrokeOff => bad_answer(provider, "broke off"),
            Self::NotHttp => bad_answer(provider, "broke off, or is not HTTP"),
            Self::TooLong => bad_answer(provider, "is longer than 32 MiB"),
            Self::NoCredential(status) => Error::Refused { provider, status },
            Self::NoCluster => {
                Error::Misconfigured { problem: "Envoy has no cluster for this model" }
            }
        };
        let failover = match self {
            // No attempt has any time left.
            Self::DeadlineExceeded => Failover::GiveUp,
            // An ejection, a name and a breaker stay as they are for longer than the pause before a
            // retry.
            Self::NoHost | Self::PrivateAddress | Self::NotSent | Self::BreakerOpen => {
                Failover::NextEndpoint
            }
            _ => Failover::after(&error),
        };
        Failure { error, failover }
    }
}

/// Reasons of a reset of a connection that had come about. Envoy,
/// `source/common/http/utility.cc`: `resetReasonToString`.
const LOST: [&str; 2] = ["connection termination", "remote reset"];

/// Returns `true` if Envoy's upstream address is [`UNREACHABLE_ADDRESS`].
pub fn is_unreachable(upstream_address: &[u8]) -> bool {
    let (address, port) = UNREACHABLE_ADDRESS;
    upstream_address == format!("{address}:{port}").as_bytes()
}

/// Returns `true` if the response code details say that the client ended the exchange.
pub fn is_by_client(details: &str) -> bool {
    details.starts_with("downstream_")
}

/// State of the ticket that a local reply finds in filter state, in the stream lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TicketState {
    /// An attempt may be made with the ticket, or was.
    Open,
    /// The ticket leads nowhere: the last attempt has replaced the ticket when it ended.
    Exhausted,
}

/// Relation of the attempt that a local reply reports to the ticket in filter state.
///
/// An attempt that ends without a response lists itself in the attempt log and leaves the ticket of
/// the next attempt. Envoy's details say more than the attempt knew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportedAttempt {
    /// The attempt of the ticket. The attempt log lacks it.
    Unlisted,
    /// The attempt before the one of the ticket. The attempt log has it with a guessed status.
    Predecessor,
    /// The last attempt of the plan. The attempt log has it with a guessed status.
    Last,
    /// The last attempt of the plan. The attempt log has it with the right status.
    LastAsListed,
}

impl ReportedAttempt {
    /// Returns the attempt that a local reply with this cause reports.
    pub fn of(cause: Cause, ticket: TicketState) -> Self {
        match (cause, ticket) {
            // Envoy's router makes no attempt after a reset by a circuit breaker, so the ticket of
            // the next attempt stays unused. Envoy, `source/common/router/retry_state_impl.cc`:
            // `RetryStateImpl::wouldRetryFromReset`.
            (Cause::BreakerOpen, TicketState::Open) => Self::Predecessor,
            // The router did not know that the plan had ended, and tried the cluster of exhausted
            // tickets.
            (Cause::NoHost, TicketState::Exhausted) => Self::LastAsListed,
            (_, TicketState::Exhausted) => Self::Last,
            // Without a host, Envoy makes no filter for the attempt, so nothing is listed.
            (_, TicketState::Open) => Self::Unlisted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_of_envoy_say_what_happened_and_what_follows() {
        use Failover::*;
        let reset = |reason: &str| format!("upstream_reset_before_response_started{{{reason}}}");
        let cases = [
            ("upstream_response_timeout".to_owned(), 504, "timeout", NextEndpoint),
            ("response_timeout".to_owned(), 504, "timeout", NextEndpoint),
            ("upstream_per_try_timeout".to_owned(), 504, "timeout", NextEndpoint),
            ("upstream_per_try_idle_timeout".to_owned(), 504, "timeout", NextEndpoint),
            ("upstream_max_stream_duration_reached".to_owned(), 504, "timeout", NextEndpoint),
            (reset("connection_termination"), 502, "upstream_unreachable", RetrySame),
            (reset("remote_connection_failure,reason"), 502, "upstream_unreachable", RetrySame),
            (reset("protocol_error"), 502, "upstream_error", RetrySame),
            (reset("overflow"), 503, "overloaded", NextEndpoint),
            (
                "upstream_reset_after_response_started{x}".to_owned(),
                502,
                "upstream_error",
                RetrySame,
            ),
            (NO_HOST.to_owned(), 502, "upstream_unreachable", NextEndpoint),
            (
                "rbac_access_denied_matched_policy[private]".to_owned(),
                502,
                "upstream_unreachable",
                NextEndpoint,
            ),
            ("response_payload_too_large".to_owned(), 502, "upstream_error", RetrySame),
            ("failed_to_inject_credential".to_owned(), 502, "provider_refused", NextEndpoint),
            ("cluster_not_found".to_owned(), 500, "misconfigured", NextEndpoint),
            ("route_not_found".to_owned(), 500, "misconfigured", NextEndpoint),
        ];
        for (details, status, reason, failover) in cases {
            let cause = Cause::of_local_reply(503, &details).unwrap();
            let failure = cause.failure("p");
            let found = (failure.error.status(), failure.error.reason(), failure.failover);
            assert_eq!(found, (status, reason, failover), "{details}");
        }
        for details in ["request_payload_too_large", "via_upstream", "", "downstream_x"] {
            assert_eq!(Cause::of_local_reply(503, details), None, "{details}");
        }
    }

    #[test]
    fn other_causes_have_their_place_in_the_table() {
        use Failover::*;
        let cases = [
            (Cause::of_call_reply(504, b""), 504, NextEndpoint),
            (Cause::of_call_reply(503, b""), 502, RetrySame),
            (Cause::NotSent, 502, NextEndpoint),
            (Cause::BrokeOff, 502, RetrySame),
            (Cause::DeadlineExceeded, 504, GiveUp),
        ];
        for (cause, status, failover) in cases {
            let failure = cause.failure("p");
            assert_eq!((failure.error.status(), failure.failover), (status, failover), "{cause:?}");
        }
    }

    #[test]
    fn a_connection_that_broke_off_is_told_from_one_that_was_refused() {
        let text =
            |reason: &str| format!("upstream connect error or disconnect. reset reason: {reason}");
        let call = |reason: &str| Cause::of_call_reply(503, text(reason).as_bytes());
        let router = |reason: &str| {
            let details = format!("upstream_reset_before_response_started{{{reason}}}");
            Cause::of_local_reply(503, &details).unwrap()
        };
        let lost = [call("connection termination"), router("connection_termination")];
        assert_eq!(lost, [Cause::ConnectionLost; 2]);
        assert_eq!([call("remote reset"), router("remote_reset")], [Cause::ConnectionLost; 2]);
        assert_eq!([call("protocol error"), router("protocol_error")], [Cause::NotHttp; 2]);
        let refused = "remote connection failure, transport failure reason: delayed connect error";
        let failed = [call(refused), router("remote_connection_failure,reason")];
        assert_eq!(failed, [Cause::ConnectionFailed; 2]);
        let error = Cause::ConnectionLost.failure("p").error.to_string();
        assert_eq!(error, "the answer of provider `p` broke off before it was complete");
    }

    #[test]
    fn a_ticket_tells_which_attempt_a_local_reply_reports() {
        use ReportedAttempt::*;
        let cases = [
            (Cause::ConnectionFailed, Unlisted, Last),
            (Cause::Timeout, Unlisted, Last),
            (Cause::NoHost, Unlisted, LastAsListed),
            (Cause::PrivateAddress, Unlisted, Last),
            (Cause::BreakerOpen, Predecessor, Last),
        ];
        for (cause, open, exhausted) in cases {
            assert_eq!(ReportedAttempt::of(cause, TicketState::Open), open, "{cause:?}");
            assert_eq!(ReportedAttempt::of(cause, TicketState::Exhausted), exhausted, "{cause:?}");
        }
    }

    #[test]
    fn the_unreachable_address_is_known_by_its_port_too() {
        assert!(is_unreachable(b"127.255.255.254:1"));
        for address in ["127.255.255.254:10", "127.255.255.254", "10.0.0.1:1", ""] {
            assert!(!is_unreachable(address.as_bytes()), "{address}");
        }
    }
}
