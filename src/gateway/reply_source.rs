//! The source of a response that is no success, and the facts about it that a host knows.

use crate::{
    chat::attempt_log::AttemptLog,
    failover::{Failover, envoy, header_reason},
    handoff::{
        filter_state,
        headers::{ATTEMPTS, NEXT},
        ticket::Ticket,
    },
};

/// Source of a response that came through Envoy's router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplySource {
    /// The provider. The provider role has translated the response.
    Provider,
    /// The provider role, which reports that its attempt failed.
    Failed {
        /// Step that follows.
        failover: Failover,
        /// This attempt and those before it.
        log: AttemptLog,
    },
    /// Envoy itself: a local reply.
    Envoy {
        /// Response code details. Envoy, *Response code details*.
        details: String,
        /// Ticket in filter state, as the last attempt has left it.
        ticket: Option<Box<Ticket>>,
    },
}

/// Facts about a response that a host answers at once.
pub trait ResponseFacts {
    /// Returns Envoy's response code details. Empty for a reply of a filter.
    fn details(&self) -> String;

    /// Returns a header of the response.
    fn header(&self, name: &str) -> Option<String>;

    /// Returns a value of filter state that the module has set.
    fn filter_state(&self, name: &str) -> Option<String>;

    /// Returns the address of the host that Envoy has chosen, as `ADDRESS:PORT`.
    fn upstream_address(&self) -> Vec<u8>;
}

impl ReplySource {
    /// Returns the source of a response, and the reason that the provider role gives if that reports
    /// a failure.
    pub fn of(response: &impl ResponseFacts) -> (Self, Option<String>) {
        let details = response.details();
        if !details.is_empty() && details != VIA_UPSTREAM {
            return (Self::of_envoy(response, details), None);
        }
        let Some(report) = response.header(NEXT) else { return (Self::Provider, None) };
        let log = AttemptLog::parse(response.header(ATTEMPTS).unwrap_or_default());
        let reason = header_reason(&report).map(str::to_owned);
        (Self::Failed { failover: Failover::from_header(&report), log }, reason)
    }

    fn of_envoy(response: &impl ResponseFacts, details: String) -> Self {
        let ticket = response.filter_state(filter_state::TICKET);
        let ticket = ticket.and_then(|text| Ticket::parse(&text)).map(Box::new);
        let is_unreachable = envoy::is_unreachable(&response.upstream_address());
        let details = if is_unreachable { envoy::NO_HOST.to_owned() } else { details };
        Self::Envoy { details, ticket }
    }
}

/// Response code details of a response that came from an upstream. Envoy,
/// `envoy/stream_info/stream_info.h`: `ResponseCodeDetailValues::ViaUpstream`.
const VIA_UPSTREAM: &str = "via_upstream";

#[cfg(test)]
mod tests {
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[derive(Default)]
    struct Response {
        details: &'static str,
        next: Option<&'static str>,
        ticket: Option<&'static str>,
        address: &'static str,
    }

    impl ResponseFacts for Response {
        fn details(&self) -> String {
            self.details.to_owned()
        }

        fn header(&self, name: &str) -> Option<String> {
            let value = if name == NEXT { self.next } else { Some("gpt-5=503/20ms") };
            value.map(str::to_owned)
        }

        fn filter_state(&self, _name: &str) -> Option<String> {
            self.ticket.map(str::to_owned)
        }

        fn upstream_address(&self) -> Vec<u8> {
            self.address.into()
        }
    }

    #[test]
    fn a_response_is_envoys_the_provider_roles_or_the_providers() {
        let text = "nobody;s1-2-3;v;id;5;us;0:gpt-5;;;;;";
        let ticket = || Ticket::parse(text).map(Box::new);
        let envoy =
            |details: &str| ReplySource::Envoy { details: details.to_owned(), ticket: ticket() };
        let local = |details, address| Response {
            details,
            address,
            ticket: Some(text),
            ..Response::default()
        };
        let failed = ReplySource::Failed {
            failover: Failover::NextModel,
            log: AttemptLog::parse("gpt-5=503/20ms".to_owned()),
        };
        let next = Some("move timeout");
        let cases = [
            (Response::default(), ReplySource::Provider, None),
            (
                Response { details: VIA_UPSTREAM, ..Response::default() },
                ReplySource::Provider,
                None,
            ),
            (Response { next, ..Response::default() }, failed, Some("timeout")),
            (local("x{y}", "10.0.0.1:443"), envoy("x{y}"), None),
            (local("x{y}", "127.255.255.254:1"), envoy("no_healthy_upstream"), None),
        ];
        for (response, source, reason) in cases {
            let (found, given) = ReplySource::of(&response);
            assert_eq!((found, given.as_deref()), (source, reason), "{}", response.details);
        }
    }
}
