//! The start of an attempt: the ticket is read, and the request translated.

use std::rc::Rc;

use super::{RecentConfigs, refuse};
use crate::{
    api_schema::{origin::ResponseHead, translation::TranslatedRequest},
    attempt::{Attempt, AttemptRoute, ProviderClusters},
    chat::error::Error,
    handoff::{
        filter_state::Update,
        response_facts::ResponseFacts,
        ticket::{Lane, Ticket},
    },
    http_call::USER_AGENT,
    metrics::Metrics,
    reply::Reply,
    time::Timestamp,
};

/// Start of an attempt.
#[derive(Debug)]
pub enum Start {
    /// The request leaves, at once or at [`Attempt::due`].
    Send(Box<Attempt>, TranslatedRequest),
    /// The request is answered, and no provider is asked.
    Refuse(Reply, Update),
}

impl Start {
    /// Starts the attempt of a ticket, with the configuration that the exchange was planned by.
    /// `ticket` is `None` if the request has none that can be read.
    pub fn new(
        current: &Rc<ProviderClusters>,
        recent: &RecentConfigs,
        ticket: Option<Ticket>,
        body: &[u8],
        metrics: &Metrics,
        clock: impl FnOnce() -> Timestamp,
    ) -> Self {
        let found = ticket.and_then(|ticket| {
            let clusters = recent.get(&ticket.version, current);
            Some((Rc::clone(clusters.get(&ticket.target.cluster)?), ticket))
        });
        let Some((cluster, ticket)) = found else {
            let problem = "a request came to a provider without a ticket";
            let reply = Reply::error(&Error::Misconfigured { problem }, "");
            return Self::Refuse(reply, Update::default());
        };
        let (request_id, lane) = (ticket.request_id.clone(), ticket.lane);
        let gateway_region = ticket.gateway_region;
        match Attempt::new(&cluster, ticket, body, clock()) {
            Ok((attempt, request)) => {
                metrics.count_attempt(gateway_region, cluster.region);
                Self::Send(Box::new(attempt), request)
            }
            Err(error) => {
                let (reply, mut update) = (refuse(&error, &request_id), Update::default());
                if lane == Lane::Stream {
                    metrics.count_error(error.reason());
                    metrics.count_request(cluster.region, "none", reply.status);
                    update.error = Some(error.reason().to_owned());
                }
                Self::Refuse(reply, update)
            }
        }
    }
}

/// Reads the ticket of an attempt: from filter state, or from a header if the attempt is a call.
pub fn read_ticket(
    filter_state: Option<String>,
    header: impl FnOnce() -> Option<String>,
) -> (Option<Ticket>, AttemptRoute) {
    let (text, route) = match filter_state {
        Some(text) => (Some(text), AttemptRoute::Router),
        None => (header(), AttemptRoute::Call),
    };
    (text.and_then(|text| Ticket::parse(&text)), route)
}

/// Returns the headers of the request to a provider. No header of the client goes along.
pub fn request_headers<'h>(
    request: &'h TranslatedRequest,
    length: &'h str,
    request_id: &'h str,
    trace: &'h [(&'static str, String)],
) -> Vec<(&'h str, &'h str)> {
    let mut headers = vec![
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", request.authority.as_str()),
        (":path", &request.path),
        ("content-type", "application/json"),
        ("content-length", length),
        ("accept", request.accept),
        ("user-agent", USER_AGENT),
        ("x-request-id", request_id),
    ];
    headers.extend(request.headers);
    headers.extend(trace.iter().map(|(name, value)| (*name, value.as_str())));
    headers
}

/// Returns the head of a provider's response.
pub fn response_head(
    response: &impl ResponseFacts,
    clock: impl FnOnce() -> Timestamp,
) -> ResponseHead {
    let status = response.status();
    let header = |name: &str| response.header(name);
    let retry_after = (status != 200).then(|| ResponseHead::retry_after(header, clock)).flatten();
    let content_type = header("content-type").unwrap_or_default().to_ascii_lowercase();
    ResponseHead { status, content_type, retry_after }
}
