//! Whether the account may make an attempt. A model counts once in an exchange, however often it is
//! asked.

use std::{rc::Rc, time::Duration};

use super::Attempts;
use crate::{
    chat::error::Error,
    failover::Failover,
    gateway::{AttemptReason, Gateway, Output, TelemetryEvent, final_reply::FinalReply},
    handoff::ticket::Ticket,
    quota::{self, Verdict, service::RateLimitResponse},
    reply::Reply,
    time::Timestamp,
};

/// Who asks, and where.
#[derive(Debug)]
pub(in crate::gateway) struct Caller {
    /// The gateway.
    pub(in crate::gateway) gateway: Rc<Gateway>,
    /// The account.
    pub(in crate::gateway) account: String,
}

/// An attempt that waits to be admitted.
#[derive(Debug)]
pub(super) struct PendingAdmission {
    pub(super) place: usize,
    /// `None` for the one that goes through the router.
    pub(super) why: Option<AttemptReason>,
    /// What the client is told if nothing comes of it, where something has failed already.
    pub(super) told: Option<FinalReply>,
}

impl Attempts {
    /// Takes in what the rate limit service says.
    pub(in crate::gateway) fn on_rate_limit_answer(
        &mut self,
        answer: Option<RateLimitResponse>,
        now: Timestamp,
    ) -> Output {
        let Some(asking) = self.asking.take() else { return Output::Wait };
        let Some(planned) = self.plan.get(asking.place) else { return Output::Wait };
        let Caller { gateway, account } = &self.asker;
        let (config, store) = (&gateway.config, &*gateway.store);
        let verdict =
            quota::apply_service_answer(config, account, &planned.model, answer, store, now);
        self.decide(asking, verdict, now)
    }

    /// Makes an attempt if the account may ask its model. A model counts once.
    pub(super) fn admit_then_attempt(
        &mut self,
        asking: PendingAdmission,
        now: Timestamp,
    ) -> Output {
        let Some(planned) = self.plan.get(asking.place) else { return Output::Wait };
        if self.admitted.iter().any(|(model, _)| *model == planned.model) {
            return self.start_attempt(&asking, now);
        }
        let Caller { gateway, account } = &self.asker;
        let (config, store) = (&gateway.config, &*gateway.store);
        let verdict = quota::admit(config, account, &planned.model, store, now);
        self.decide(asking, verdict, now)
    }

    fn decide(&mut self, asking: PendingAdmission, verdict: Verdict, now: Timestamp) -> Output {
        let Some(planned) = self.plan.get(asking.place) else { return Output::Wait };
        let model = planned.model.clone();
        match verdict {
            Verdict::Unlimited => self.admitted.push((model, None)),
            Verdict::Admit(standing) => self.admitted.push((model, Some(standing))),
            Verdict::Ask(question) => {
                let service = self.asker.gateway.config.rate_limit.as_ref();
                let timeout = service.map(|service| service.timeout).unwrap_or_default();
                self.asking = Some(asking);
                return Output::AskRateLimit { request: question, timeout };
            }
            Verdict::Refuse { status, exceeded: used_up } => {
                let account = self.asker.account.clone();
                self.notes.push(TelemetryEvent::Refused {
                    account,
                    model: model.clone(),
                    exceeded: used_up,
                });
                let (limit, counted) = (status.limit, used_up.name());
                let (headers, retry_after) = (status.headers(&model, now), status.left(now));
                let error = Error::LimitReached { model, limit, counted, retry_after };
                return self.refused(asking, Failover::NextModel, &error, headers.to_vec(), now);
            }
            Verdict::Unknown => {
                return self.refused(asking, Failover::GiveUp, &Error::Uncounted, Vec::new(), now);
            }
        }
        self.start_attempt(&asking, now)
    }

    /// Goes on after an attempt that the account may not make. A failure before it says more.
    pub(super) fn refused(
        &mut self,
        asking: PendingAdmission,
        next: Failover,
        error: &Error,
        headers: Vec<(&'static str, String)>,
        now: Timestamp,
    ) -> Output {
        let PendingAdmission { place, why, told } = asking;
        // What it was to begin beside is still under way.
        if why == Some(AttemptReason::Hedge) {
            return Output::Wait;
        }
        let model = self.plan.get(place).map_or("", |planned| &planned.model);
        self.made = self.made.with_attempt(model, error.status(), Duration::ZERO);
        let told = told.unwrap_or_else(|| {
            let mut reply = Reply::failed(error, &self.request_id, &self.made);
            reply.headers.extend(headers);
            FinalReply::Reply(reply)
        });
        match self.following(place, next) {
            Some(place) => {
                self.admit_then_attempt(PendingAdmission { place, why, told: Some(told) }, now)
            }
            None => told.output(),
        }
    }

    /// Where the account stands with a model, for the head of an answer.
    pub(super) fn standing(&self, model: &str, now: Timestamp) -> Vec<(&'static str, String)> {
        let found = self.admitted.iter().find(|(other, _)| other == model);
        let standing = found.and_then(|(_, standing)| *standing);
        standing.map(|standing| standing.headers(model, now).to_vec()).unwrap_or_default()
    }

    /// A ticket that says who asks, since when, and where the account stands.
    pub(super) fn with_caller(&self, ticket: Ticket) -> Ticket {
        let found = self.admitted.iter().find(|(model, _)| *model == ticket.target.model);
        let standing = found.and_then(|(_, standing)| *standing);
        let Caller { gateway, account } = &self.asker;
        let (account, version) = (account.clone(), gateway.config.version.clone());
        let started = self.started;
        Ticket { account, version, started, limit_status: standing, ..ticket }
    }
}
