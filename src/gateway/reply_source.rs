//! The source of a response, for all but successful streams.

use crate::{
    failover::{envoy, header_reason},
    handoff::{filter_state, headers::NEXT, response_facts::ResponseFacts, ticket::Ticket},
};

/// Source of a response that came through Envoy's router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplySource {
    /// The provider. The provider role has translated the response.
    Provider,
    /// The provider role, which reports that its attempt failed.
    Failed {
        /// Reason of the error.
        reason: Option<String>,
    },
    /// Envoy itself: a local reply.
    Envoy {
        /// Response code details. Envoy, *Response code details*.
        details: String,
        /// Ticket in filter state, as the last attempt has left it.
        ticket: Option<Box<Ticket>>,
    },
}

impl ReplySource {
    /// Returns the source of a response that has passed the provider role.
    pub fn of(response: &impl ResponseFacts) -> Self {
        let source = Self::of_direct(response);
        if source != Self::Provider {
            return source;
        }
        Self::of_upstream(response)
    }

    /// Returns the source of a response that came from an upstream.
    pub(super) fn of_upstream(response: &impl ResponseFacts) -> Self {
        let Some(report) = response.header(NEXT) else { return Self::Provider };
        Self::Failed { reason: header_reason(&report).map(str::to_owned) }
    }

    /// Returns the source of a response whose headers are the provider's own: it says nothing of
    /// attempts.
    pub fn of_direct(response: &impl ResponseFacts) -> Self {
        let details = response.details();
        let is_envoys = !details.is_empty() && details != VIA_UPSTREAM;
        if is_envoys { Self::of_envoy(response, details) } else { Self::Provider }
    }

    /// Returns the reason of an error that no provider role has counted. `None` if the provider role
    /// has counted the response.
    pub(super) fn uncounted_reason(&self) -> Option<Option<String>> {
        match self {
            Self::Provider => None,
            Self::Failed { reason } => Some(reason.clone()),
            Self::Envoy { .. } => Some(None),
        }
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
            self.next.filter(|_| name == NEXT).map(str::to_owned)
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
        let failed = ReplySource::Failed { reason: Some("timeout".to_owned()) };
        let next = Some("move timeout");
        let cases = [
            (Response::default(), ReplySource::Provider),
            (Response { details: VIA_UPSTREAM, ..Response::default() }, ReplySource::Provider),
            (Response { next, ..Response::default() }, failed),
            (local("x{y}", "10.0.0.1:443"), envoy("x{y}")),
            (local("x{y}", "127.255.255.254:1"), envoy("no_healthy_upstream")),
        ];
        for (response, source) in cases {
            assert_eq!(ReplySource::of(&response), source, "{}", response.details);
        }
    }
}
