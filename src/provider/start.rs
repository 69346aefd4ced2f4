//! The start of an attempt: the ticket is read, and the request translated.

use std::rc::Rc;

use super::{RecentConfigs, refuse};
use crate::{
    api_schema::translation::TranslatedRequest,
    attempt::{Attempt, ProviderClusters},
    chat::error::Error,
    handoff::ticket::Ticket,
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
    /// The request is answered, and no provider is asked. The gateway role counts the reply, as that of
    /// a failed attempt.
    Refuse(Reply),
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
        let Some(ticket) = ticket.and_then(Ticket::parse) else {
            let problem = "a request came to a provider without a ticket";
            let reply = Reply::error(&Error::Misconfigured { problem }, "", Inlet::default());
            return Self::Refuse(reply);
        };
        let Ticket { gateway_region, inlet, .. } = ticket;
        let request_id = ticket.request_id.clone();
        let clusters = recent.get(&ticket.version, current);
        let problem = "a request came to a cluster that the configuration does not have";
        let cluster = clusters.get(&ticket.target.cluster).ok_or(Error::Misconfigured { problem });
        let begun = cluster.and_then(|cluster| {
            let begun = Attempt::new(cluster, ticket, body, clock())?;
            metrics.count_attempt(gateway_region, cluster.region);
            Ok(begun)
        });
        match begun {
            Ok((attempt, request)) => Self::Send(Box::new(attempt), request),
            Err(error) => Self::Refuse(refuse(&error, &request_id, inlet)),
        }
    }
}
