//! The guard in an exchange: asked before the first attempt, and about an answer in one piece.

use super::{Attempts, TranscriptState, UnansweredAttempt};
use crate::{
    chat::{attempt_log::AttemptLog, error::Error},
    config::GuardStage,
    gateway::{
        Caller, Output, guard_call::GuardCall, plan::PlanIndex, planned_request::PlannedRequest,
    },
    guard::GuardDecision,
    handoff::ticket::Lane,
    http_call::CallResult,
    metrics::TelemetryEvent,
    reply::Reply,
    time::Timestamp,
};

/// State of the guard in an exchange.
#[derive(Debug)]
pub(super) enum GuardState {
    /// The guard is not asked, or has decided.
    Idle,
    /// The guard is to be asked about the request.
    Due,
    /// The guard is asked about the request, and this attempt waits.
    AskedAboutRequest(PlanIndex),
    /// The guard is asked about this answer.
    AskedAboutAnswer(Reply),
}

impl GuardState {
    /// Returns the state before the first attempt.
    pub(super) fn new(caller: &Caller) -> Self {
        let is_asked = caller.gateway.guard_of(GuardStage::Request).is_some();
        if is_asked && !caller.inlet.counts_tokens() { Self::Due } else { Self::Idle }
    }
}

impl Attempts {
    /// Asks the guard about the request if that is due, and else makes an attempt through Envoy's
    /// router.
    pub(super) fn guard_request(&mut self, index: PlanIndex, now: Timestamp) -> Output {
        let is_due = matches!(self.guard, GuardState::Due);
        match is_due.then(|| self.guard_call(GuardStage::Request, None)).flatten() {
            Some(call) => {
                self.guard = GuardState::AskedAboutRequest(index);
                Output::AskGuard(call)
            }
            None => self.route(index, now),
        }
    }

    /// Asks the guard about an answer, and else gives it to the client.
    pub(super) fn guard_answer(&mut self, reply: Reply) -> Output {
        let is_guarded = self.plan.lane == Lane::Answer && self.caller.inlet.answers_in_text();
        let call = is_guarded.then(|| self.guard_call(GuardStage::Answer, Some(&reply.body)));
        match call.flatten() {
            Some(call) => {
                self.guard = GuardState::AskedAboutAnswer(reply);
                Output::AskGuard(call)
            }
            None => Output::Reply(reply),
        }
    }

    /// Returns `true` while the guard is asked. No attempt that ends then is the client's.
    pub(super) fn is_guard_asked(&self) -> bool {
        !matches!(self.guard, GuardState::Idle | GuardState::Due)
    }

    /// Returns `true` while the guard is asked about the answer of an attempt.
    pub(super) fn is_answer_held(&self) -> bool {
        matches!(self.guard, GuardState::AskedAboutAnswer(_))
    }

    fn guard_call(&self, stage: GuardStage, answer: Option<&[u8]>) -> Option<GuardCall> {
        let guard = self.caller.gateway.guard_of(stage)?;
        GuardCall::new(guard, &self.caller, self.model(), self.body.bytes(), answer)
    }

    /// Takes in the result of a call to the guard.
    pub(in crate::gateway) fn on_guard(&mut self, result: &CallResult, now: Timestamp) -> Output {
        match std::mem::replace(&mut self.guard, GuardState::Idle) {
            GuardState::AskedAboutRequest(index) => {
                match self.decision(GuardStage::Request, result) {
                    Ok(None) => self.route(index, now),
                    Ok(Some(body)) => self.begin_again(body, now),
                    Err(error) => Output::Reply(self.refusal(&error, now)),
                }
            }
            GuardState::AskedAboutAnswer(reply) => {
                Output::Reply(match self.decision(GuardStage::Answer, result) {
                    Ok(None) => reply,
                    Ok(Some(body)) => Reply { body, ..reply },
                    Err(error) => self.refused_answer(reply, &error),
                })
            }
            state @ (GuardState::Idle | GuardState::Due) => {
                self.guard = state;
                Output::Wait
            }
        }
    }

    /// Reads the decision about a subject: its replacement if there is one, or the client's error.
    fn decision(
        &mut self,
        stage: GuardStage,
        result: &CallResult,
    ) -> Result<Option<Vec<u8>>, Error> {
        let decision = GuardDecision::read(stage, result);
        let (gateway, word) = (&self.caller.gateway, decision.name());
        let event = TelemetryEvent::Guarded { region: gateway.region, stage, decision: word };
        self.telemetry.push(event);
        let guard = gateway.guard_of(stage);
        guard.map_or(Ok(None), |guard| decision.apply(guard, stage))
    }

    /// Begins with the request that the guard has put in the place of the client's.
    fn begin_again(&mut self, body: Vec<u8>, now: Timestamp) -> Output {
        let PlannedRequest { plan, draft, transcript } =
            match PlannedRequest::new(&self.caller, &body) {
                Ok(planned) => planned,
                Err(error) => return Output::Reply(self.refusal(&error, now)),
            };
        (self.plan, self.draft, self.log) = (plan, draft, AttemptLog::default());
        self.transcript = transcript.map_or(TranscriptState::NotNeeded, TranscriptState::Missing);
        self.body.replace(body);
        self.begin(now)
    }

    /// Returns the reply to a request that no provider gets, and that its limit has counted.
    pub(super) fn refusal(&self, error: &Error, now: Timestamp) -> Reply {
        let Caller { request_id, inlet, .. } = &self.caller;
        let mut reply = Reply::error(error, request_id, *inlet);
        reply.headers.extend(self.admissions.limit_headers(self.model(), *inlet, now));
        reply
    }

    /// Returns the reply in the place of an answer, with the facts that its headers tell.
    fn refused_answer(&mut self, answer: Reply, error: &Error) -> Reply {
        let summary = self.answered.as_ref().map(|attempt| attempt.summary().to_line());
        self.withhold_answer();
        let Caller { request_id, inlet, .. } = &self.caller;
        Reply {
            status: error.status(),
            body: inlet.error(error, request_id, &AttemptLog::default()),
            reason: Some(error.reason().into()),
            summary,
            ..answer
        }
    }

    /// Counts an answer that the guard is asked about, as the client has left.
    pub(in crate::gateway) fn drop_guarded_answer(&mut self) {
        if self.is_guard_asked() {
            self.guard = GuardState::Idle;
            self.withhold_answer();
        }
    }

    /// Counts the attempt whose answer the client does not get. It has not failed.
    fn withhold_answer(&mut self) {
        let answered = self.answered.take();
        let unanswered = |attempt| UnansweredAttempt { attempt, reason: None };
        self.unanswered.extend(answered.map(unanswered));
    }
}
