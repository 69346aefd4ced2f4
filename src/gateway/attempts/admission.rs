//! Admission of attempts: each model that an exchange asks counts once against the account's limit.

use std::time::Duration;

use super::Attempts;
use crate::{
    chat::error::Error,
    failover::{AttemptReason, Failure},
    gateway::{Caller, Output, plan::PlanIndex},
    inlet::Inlet,
    metrics::TelemetryEvent,
    quota::{self, Counted, LimitStatus, Verdict, service::RateLimitResponse},
    reply::Reply,
    time::Timestamp,
};

/// Models that the account was admitted to in this exchange.
#[derive(Debug, Default)]
pub(super) struct Admissions {
    /// Models, and the state of their limits where they have one.
    admitted: Vec<(String, Option<LimitStatus>)>,
    /// The attempt about which the rate limit service was asked.
    pub(super) pending: Option<PendingAdmission>,
}

/// Attempt that waits for its admission.
#[derive(Debug)]
pub(super) struct PendingAdmission {
    /// Position in the plan.
    pub(super) index: PlanIndex,
    /// Reason of the attempt. `None` for the one that goes through Envoy's router.
    pub(super) reason: Option<AttemptReason>,
    /// The client's answer if the account may make no attempt. `None` where nothing has failed yet.
    pub(super) reply: Option<Reply>,
}

impl Admissions {
    /// Returns `true` if the account was admitted to a model.
    fn contains(&self, model: &str) -> bool {
        self.admitted.iter().any(|(other, _)| other == model)
    }

    /// Returns the state of the account's limit for a model. `None`: no limit.
    pub(super) fn limit_status(&self, model: &str) -> Option<LimitStatus> {
        self.admitted.iter().find(|(other, _)| other == model).and_then(|(_, status)| *status)
    }

    /// Returns the headers about the account's limit for a model.
    pub(super) fn limit_headers(
        &self,
        model: &str,
        inlet: Inlet,
        now: Timestamp,
    ) -> impl Iterator<Item = (&'static str, String)> + use<> {
        let status = self.limit_status(model);
        let headers = |status| inlet.limit_headers(&status, Counted::Requests, model, now);
        status.map(headers).into_iter().flatten()
    }
}

impl Attempts {
    /// Makes an attempt if the account may ask its model.
    pub(super) fn admit(&mut self, attempt: PendingAdmission, now: Timestamp) -> Output {
        let Some(planned) = self.plan.get(attempt.index) else { return Output::Wait };
        if self.admissions.contains(&planned.model) {
            return self.start(attempt.index, attempt.reason, now);
        }
        let Caller { gateway, account, .. } = &self.caller;
        let (config, store) = (&gateway.config, &*gateway.store);
        let verdict = quota::admit(config, account, &planned.model, store, now);
        self.on_verdict(attempt, verdict, now)
    }

    /// Takes in the answer of the rate limit service. `None`: the service has not answered.
    pub(in crate::gateway) fn on_rate_limit_answer(
        &mut self,
        answer: Option<RateLimitResponse>,
        now: Timestamp,
    ) -> Output {
        let pending = self.admissions.pending.take().filter(|_| !self.is_guard_asked());
        let Some(attempt) = pending else { return Output::Wait };
        let Some(planned) = self.plan.get(attempt.index) else { return Output::Wait };
        let Caller { gateway, account, .. } = &self.caller;
        let (config, store) = (&gateway.config, &*gateway.store);
        let verdict =
            quota::apply_service_answer(config, account, &planned.model, answer, store, now);
        self.on_verdict(attempt, verdict, now)
    }

    fn on_verdict(
        &mut self,
        attempt: PendingAdmission,
        verdict: Verdict,
        now: Timestamp,
    ) -> Output {
        let Some(planned) = self.plan.get(attempt.index) else { return Output::Wait };
        let model = planned.model.clone();
        let status = match verdict {
            Verdict::Unlimited => None,
            Verdict::Admit(status) => Some(status),
            Verdict::Ask(request) => return self.ask_service(attempt, request),
            Verdict::Refuse { status, exceeded } => {
                return self.refuse_limit(attempt, &model, status, exceeded, now);
            }
            Verdict::OverBudget(status) => {
                self.note_refusal(&model, Counted::Cost);
                return self.refuse(attempt, status.error(now), Vec::new(), now);
            }
            Verdict::Unknown => return self.refuse(attempt, Error::Uncounted, Vec::new(), now),
        };
        self.admissions.admitted.push((model, status));
        self.start(attempt.index, attempt.reason, now)
    }

    fn ask_service(&mut self, attempt: PendingAdmission, request: Vec<u8>) -> Output {
        let service = self.caller.gateway.config.rate_limit.as_ref();
        let timeout = service.map(|service| service.timeout).unwrap_or_default();
        self.admissions.pending = Some(attempt);
        Output::AskRateLimit { request, timeout }
    }

    /// Goes on after an attempt for a model whose limit is exceeded.
    fn refuse_limit(
        &mut self,
        attempt: PendingAdmission,
        model: &str,
        status: LimitStatus,
        exceeded: Counted,
        now: Timestamp,
    ) -> Output {
        let headers = self.caller.inlet.limit_headers(&status, exceeded, model, now);
        let (limit, counted, retry_after) = (status.limit, exceeded.name(), status.left(now));
        self.note_refusal(model, exceeded);
        let error = Error::LimitReached { model: model.to_owned(), limit, counted, retry_after };
        self.refuse(attempt, error, headers, now)
    }

    /// Counts an attempt that the account may not make.
    fn note_refusal(&mut self, model: &str, exceeded: Counted) {
        let (account, model) = (self.caller.account.clone(), model.to_owned());
        self.telemetry.push(TelemetryEvent::Refused { account, model, exceeded });
    }

    /// Goes on after an attempt that the account may not make. The answer of an earlier failure says
    /// more than a refusal.
    fn refuse(
        &mut self,
        attempt: PendingAdmission,
        error: Error,
        headers: Vec<(&'static str, String)>,
        now: Timestamp,
    ) -> Output {
        let PendingAdmission { index, reason, reply } = attempt;
        // The attempt beside which this one was to be made is still under way.
        if reason == Some(AttemptReason::Hedge) {
            return Output::Wait;
        }
        let Failure { error, failover } = error.into();
        let model = self.plan.get(index).map_or("", |planned| &planned.model);
        self.log = self.log.with_attempt(model, error.status(), Duration::ZERO);
        let reply = reply.unwrap_or_else(|| {
            let mut reply =
                Reply::failed(&error, &self.caller.request_id, &self.log, self.caller.inlet);
            reply.headers.extend(headers);
            reply
        });
        match self.next_after(index, failover) {
            Some(index) => self.admit(PendingAdmission { index, reason, reply: Some(reply) }, now),
            None => Output::Reply(reply),
        }
    }
}
