//! Names and patterns of the contract between the roles, as the templates use them.

use attache::{
    config::{Deadlines, direct_cluster},
    failover::envoy::UNREACHABLE_ADDRESS,
    handoff::{
        filter_state::{self, in_envoy},
        headers,
        ticket::{EXHAUSTED_CLUSTER, Lane, Ticket},
    },
};
use serde::Serialize;

use super::seconds;

/// Everything of the contract that is the same for all configurations.
#[derive(Serialize)]
pub(super) struct HandoffView {
    headers: HeadersView,
    filter_state: FilterStateView,
    exhausted: ExhaustedView,
}

/// Names of headers.
#[derive(Serialize)]
struct HeadersView {
    account: &'static str,
    attempts: &'static str,
    next: &'static str,
}

/// Names of filter state, as Envoy reads them.
#[derive(Serialize)]
struct FilterStateView {
    ticket: String,
    error: String,
    summary: String,
    other_clusters: String,
    /// Prefix of a value of the summary.
    field: String,
    account: &'static str,
    caller_key: &'static str,
}

/// The cluster of attempts that are not to be made.
#[derive(Serialize)]
struct ExhaustedView {
    name: &'static str,
    address: &'static str,
    port: u16,
}

impl HandoffView {
    pub(super) fn new() -> Self {
        let (address, port) = UNREACHABLE_ADDRESS;
        Self {
            headers: HeadersView {
                account: headers::ACCOUNT,
                attempts: headers::ATTEMPTS,
                next: headers::NEXT,
            },
            filter_state: FilterStateView {
                ticket: in_envoy(filter_state::TICKET),
                error: in_envoy(filter_state::ERROR),
                summary: in_envoy(filter_state::SUMMARY),
                other_clusters: in_envoy(filter_state::OTHER_CLUSTERS),
                field: in_envoy(filter_state::FIELD_PREFIX),
                account: filter_state::ACCOUNT,
                caller_key: filter_state::CALLER_KEY,
            },
            exhausted: ExhaustedView { name: EXHAUSTED_CLUSTER, address, port },
        }
    }
}

/// A cluster that a listener's routes may choose.
#[derive(Serialize)]
pub(super) struct RoutedCluster {
    name: String,
    /// Beginning of the tickets that name this cluster.
    ticket_prefix: String,
}

impl RoutedCluster {
    /// Returns these clusters, those beside them, and the one of exhausted plans. Empty if there are
    /// none.
    pub(super) fn list(names: Vec<String>) -> Vec<Self> {
        let exhausted = (!names.is_empty()).then(|| EXHAUSTED_CLUSTER.to_owned());
        let view = |name: String| {
            let ticket_prefix = Ticket::cluster_prefix(&name);
            Self { name, ticket_prefix }
        };
        let direct: Vec<String> = names.iter().map(|name| direct_cluster(name)).collect();
        names.into_iter().chain(direct).chain(exhausted).map(view).collect()
    }
}

/// A deadline profile: timeouts that some models share, with routes of their own.
#[derive(Serialize)]
pub(super) struct DeadlineProfileView {
    /// Text that tickets of the stream lane contain.
    streams: String,
    /// Text that tickets of the answer lane contain.
    answers: String,
    first_content: String,
    answer: String,
    cut_off: String,
}

impl From<Deadlines> for DeadlineProfileView {
    fn from(deadlines: Deadlines) -> Self {
        let profile = deadlines.profile();
        Self {
            streams: Ticket::route_pattern(Lane::Stream, &profile),
            answers: Ticket::route_pattern(Lane::Answer, &profile),
            first_content: seconds(deadlines.first_content),
            answer: seconds(deadlines.whole_answer()),
            cut_off: seconds(deadlines.cut_off()),
        }
    }
}
