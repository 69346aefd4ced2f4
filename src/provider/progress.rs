//! How an attempt went, for whoever counts, logs and bills.

use std::borrow::Cow;

use super::{Attempt, State};
use crate::{
    chat::{error::Error, finish::Finish, usage::Usage},
    config::Price,
    summary::Summary,
    time::Timestamp,
};

/// How an attempt went, as far as that is known.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AttemptProgress {
    /// What its model costs.
    pub(super) price: Option<Price>,
    /// What the provider says it cost.
    pub(super) usage: Option<Usage>,
    /// Why the model stopped.
    pub(super) finish: Option<Finish>,
    /// When the first that a client gets of a stream was there.
    pub(super) begun: Option<Timestamp>,
    /// When there was nothing more to come.
    pub(super) ended: Option<Timestamp>,
    /// Whether it has an answer, or the beginning of one.
    pub(super) is_answered: bool,
}

impl Attempt {
    /// Whether nothing more is to come of it.
    pub fn has_ended(&self) -> bool {
        self.progress.ended.is_some()
    }

    /// Who asks.
    pub fn account(&self) -> &str {
        &self.ticket.account
    }

    /// Takes in that it was cut off at this moment, after its beginning had gone to the client: the
    /// reason, unless that is the client's. `details` are Envoy's, `told` is what was left for the
    /// access log: the gateway role ends a stream in which nothing is said any more.
    pub fn cut_off(
        &mut self,
        details: &str,
        told: Option<String>,
        now: Timestamp,
    ) -> Option<Cow<'static, str>> {
        self.progress.ended = Some(now);
        if is_clients_doing(details) {
            return None;
        }
        let provider = self.site.provider.clone();
        let broke_off = Error::BadAnswer { provider, problem: "broke off" };
        Some(told.map_or(broke_off.reason().into(), Cow::Owned))
    }

    /// What there is to say of it now.
    pub fn summary(&self) -> Summary<'_> {
        let AttemptProgress { price, finish, is_answered, begun, ended, .. } = self.progress;
        let usage = match &self.state {
            State::Streaming(stream) => stream.usage(),
            _ => self.progress.usage,
        };
        let model = self.model();
        let since = |moment: Timestamp| moment.since(self.ticket.started);
        Summary {
            request_model: self.request_model.as_deref().unwrap_or(model),
            response_model: is_answered.then_some(model),
            provider: Some((&self.site.provider, self.site.region)),
            usage,
            cost: price.zip(usage).map(|(price, usage)| price.cost(&usage)),
            finish,
            first_content: begun.map(since),
            provider_time: ended.map(|ended| ended.since(self.sent)),
            total: ended.map(since),
        }
    }
}

/// Whether what Envoy says in its `code_details` is the client's doing.
pub fn is_clients_doing(details: &str) -> bool {
    details.starts_with("downstream_")
}
