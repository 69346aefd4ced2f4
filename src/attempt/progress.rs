//! The progress of an attempt, for metrics, logs and bills.

use super::{Attempt, AttemptState};
use crate::{
    chat::{finish::Finish, price::Price, usage::Usage},
    failover::envoy::{self, Cause},
    summary::Summary,
    time::Timestamp,
};

/// Progress of an attempt, as far as known.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AttemptProgress {
    /// Price of the model.
    pub(super) price: Option<Price>,
    /// Usage that the provider has reported.
    pub(super) usage: Option<Usage>,
    /// Reason for which the model stopped.
    pub(super) finish: Option<Finish>,
    /// Moment at which the first content of a stream came.
    pub(super) begun: Option<Timestamp>,
    /// Whether the attempt has an answer, or the beginning of one.
    pub(super) is_answered: bool,
}

impl Attempt {
    /// Takes in that the client has ended the exchange, or that the exchange ended after the client
    /// got the beginning of the response, and returns the reason. `None` if the client has ended the
    /// exchange. `details` are Envoy's response code details. `recorded` is the reason in filter
    /// state: the gateway role leaves one when it ends a stream that was silent for too long.
    pub fn on_cut_off<'r>(
        &mut self,
        details: &str,
        recorded: Option<&'r str>,
        now: Timestamp,
    ) -> Option<&'r str> {
        self.end_early(now);
        if envoy::is_by_client(details) {
            return None;
        }
        let broke_off = || Cause::BrokeOff.failure(&self.cluster.provider).error.reason();
        Some(recorded.unwrap_or_else(broke_off))
    }

    /// Returns the summary of the exchange, as far as the attempt knows it.
    pub fn summary(&self) -> Summary<'_> {
        let AttemptProgress { price, finish, is_answered, begun, .. } = self.progress;
        let (usage, ended) = match &self.state {
            AttemptState::Streaming(stream) => (stream.usage(), None),
            AttemptState::Ended(at) => (self.progress.usage, Some(*at)),
            AttemptState::Waiting | AttemptState::Whole { .. } => (self.progress.usage, None),
        };
        let model = self.model();
        let since_start = |moment: Timestamp| moment.since(self.ticket.started);
        Summary {
            request_model: self.request_model.as_deref().unwrap_or(model),
            response_model: is_answered.then_some(model),
            provider: Some((&self.cluster.provider, self.cluster.region)),
            usage,
            cost: price.zip(usage).map(|(price, usage)| price.cost(&usage)),
            finish,
            first_content: begun.map(since_start),
            provider_time: ended.map(|ended| ended.since(self.sent)),
            total: ended.map(since_start),
        }
    }
}
