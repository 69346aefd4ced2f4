//! The start of an attempt: the ticket is read, and the request translated.

use std::rc::Rc;

use super::{RecentConfigs, refuse};
use crate::{
    api_schema::translation::TranslatedRequest,
    attempt::{Attempt, ProviderClusters},
    chat::error::Error,
    handoff::{filter_state::Update, ticket::Ticket},
    inlet::Inlet,
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
    /// `ticket` is `None` if the request has none.
    pub fn new(
        current: &Rc<ProviderClusters>,
        recent: &RecentConfigs,
        ticket: Option<&str>,
        body: &[u8],
        metrics: &Metrics,
        clock: impl FnOnce() -> Timestamp,
    ) -> Self {
        let found = ticket.and_then(Ticket::parse).and_then(|ticket| {
            let clusters = recent.get(&ticket.version, current);
            Some((Rc::clone(clusters.get(&ticket.target.cluster)?), ticket))
        });
        let Some((cluster, ticket)) = found else {
            let problem = "a request came to a provider without a ticket";
            let reply = Reply::error(&Error::Misconfigured { problem }, "", Inlet::default());
            return Self::Refuse(reply, Update::default());
        };
        let Ticket { gateway_region, inlet, .. } = ticket;
        let request_id = ticket.request_id.clone();
        match Attempt::new(&cluster, ticket, body, clock()) {
            Ok((attempt, request)) => {
                metrics.count_attempt(gateway_region, cluster.region);
                Self::Send(Box::new(attempt), request)
            }
            Err(error) => {
                let reply = refuse(&error, &request_id, inlet);
                metrics.count_error(error.reason());
                metrics.count_request(cluster.region, "none", reply.status);
                let error = Some(error.reason().to_owned());
                Self::Refuse(reply, Update { error, ..Update::default() })
            }
        }
    }
}
