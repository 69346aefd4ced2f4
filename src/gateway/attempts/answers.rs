//! The attempts of the answer lane, which the gateway role makes itself: it translates each request
//! before it leaves, and reads each response.

use std::{borrow::Cow, rc::Rc};

use super::{Attempts, LogEntry};
use crate::{
    api_schema::{origin::ResponseHead, translation::TranslatedRequest},
    attempt::{Attempt, AttemptDraft, Step, response_head},
    chat::{attempt_log::AttemptLog, error::Error},
    failover::{AttemptReason, Failover, Failure, envoy::Cause},
    gateway::{Caller, Gateway, Output, held_bodies::ReceivedBody, plan::PlanIndex},
    handoff::{
        headers::ATTEMPTS,
        ticket::{Lane, Ticket},
    },
    http_call::CallResult,
    metrics::TelemetryEvent,
    reply::Reply,
    time::Timestamp,
};

/// Attempt that has ended without an answer for the client.
#[derive(Debug)]
pub(in crate::gateway) struct UnansweredAttempt {
    pub(in crate::gateway) attempt: Box<Attempt>,
    /// Reason of its error. `None`: another attempt was faster, the guard withholds the answer, or the
    /// client has left.
    pub(in crate::gateway) reason: Option<Cow<'static, str>>,
}

/// Attempt that is about to leave.
struct BegunAttempt {
    attempt: Box<Attempt>,
    ticket: Rc<Ticket>,
    request: TranslatedRequest,
}

impl Attempts {
    /// Makes an attempt through Envoy's router.
    pub(super) fn send(&mut self, index: PlanIndex, now: Timestamp) -> Output {
        if self.is_ejected(index, now) {
            return self.fail(index, Cause::NoHost, LogEntry::Missing, now);
        }
        let BegunAttempt { attempt, ticket, request } = match self.begin_attempt(index, now) {
            Ok(begun) => begun,
            Err(error) => return self.on_untranslated(index, error, now),
        };
        self.in_flight.route(index, Some(attempt), now);
        let hedge = self.plan.hedge;
        let deadline = self.plan.max_timeout.map(|_| self.time_left(now));
        Output::Send { ticket, request, hedge, deadline }
    }

    /// Makes an attempt by a call.
    pub(super) fn call(
        &mut self,
        index: PlanIndex,
        reason: AttemptReason,
        now: Timestamp,
    ) -> Output {
        let Some(planned) = self.plan.get(index) else { return Output::Wait };
        let timeout = planned.deadlines.answer.min(self.time_left(now));
        if self.is_time_up(now) {
            return self.fail(index, Cause::DeadlineExceeded, LogEntry::Complete, now);
        }
        if self.is_ejected(index, now) {
            return self.fail(index, Cause::NoHost, LogEntry::Missing, now);
        }
        let BegunAttempt { attempt, ticket, request } = match self.begin_attempt(index, now) {
            Ok(begun) => begun,
            Err(error) => return self.on_untranslated(index, error, now),
        };
        let cluster = ticket.target.cluster.clone();
        self.telemetry.push(TelemetryEvent::FollowUp { reason, cluster });
        self.in_flight.begin(index, Some(attempt), now);
        Output::Call { index, ticket, request, timeout, reason }
    }

    /// Returns `true` if the provider of an attempt has failed too often.
    fn is_ejected(&self, index: PlanIndex, now: Timestamp) -> bool {
        let ejections = &self.caller.gateway.ejections;
        let planned = self.plan.get(index);
        planned.is_some_and(|planned| ejections.end(planned.first_cluster(), now).is_some())
    }

    /// Takes in the status that a provider's response comes to. Envoy may have seen another.
    fn note_status(&self, index: PlanIndex, status: u16, now: Timestamp) {
        let Some(planned) = self.plan.get(index) else { return };
        let Gateway { config, ejections, .. } = &*self.caller.gateway;
        match config.providers.get(&planned.provider) {
            Some(provider) if status >= 500 => {
                ejections.on_failure(planned.first_cluster(), provider.outlier_detection, now);
            }
            _ => ejections.on_success(planned.first_cluster()),
        }
    }

    /// Translates the request of an attempt. The first one is translated already.
    fn begin_attempt(&mut self, index: PlanIndex, now: Timestamp) -> Result<BegunAttempt, Error> {
        let planned = self.plan.get(index).unwrap_or(&self.plan.primary);
        let (gateway, region) = (&self.caller.gateway, planned.region);
        let profile = planned.deadline_profile();
        let ticket = self.ticket(Lane::Answer, planned.target(), Vec::new(), profile);
        let is_drafted = planned.route == self.plan.primary.route;
        let attempted = TelemetryEvent::Attempted { gateway: gateway.region, reached: region };
        let draft = match self.draft.take_if(|_| is_drafted) {
            Some(draft) => draft,
            None => {
                let cluster = gateway.cluster(&planned.provider, region, planned.key);
                AttemptDraft::read(&cluster, &ticket, self.body.bytes())?
            }
        };
        let ticket = Rc::new(ticket);
        let (attempt, request) = draft.begin(Rc::clone(&ticket), now)?;
        self.telemetry.push(attempted);
        Ok(BegunAttempt { attempt: Box::new(attempt), ticket, request })
    }

    /// Goes on after an attempt whose request cannot be translated.
    fn on_untranslated(&mut self, index: PlanIndex, error: Error, now: Timestamp) -> Output {
        let Failure { error, failover } = error.into();
        let Caller { request_id, inlet, .. } = &self.caller;
        let reply = match index {
            PlanIndex::FIRST => Reply::error(&error, request_id, *inlet),
            _ => Reply::failed(&error, request_id, &self.log, *inlet),
        };
        self.advance(index, failover, reply, now)
    }

    /// Returns `true` if the gateway role reads the response that comes through Envoy's router.
    pub(in crate::gateway) fn reads_response(&self) -> bool {
        self.in_flight.attempt(self.in_flight.routed).is_some()
    }

    /// Takes in the head of a provider's response.
    pub(in crate::gateway) fn on_answer_head(&mut self, head: ResponseHead) -> Output {
        if let Some(attempt) = self.in_flight.attempt_mut(self.in_flight.routed) {
            attempt.head(head);
        }
        Output::Wait
    }

    /// Takes in a piece of a provider's response, or its end.
    pub(in crate::gateway) fn on_answer_piece(
        &mut self,
        piece: &[u8],
        end: bool,
        now: Timestamp,
    ) -> Output {
        let routed = self.in_flight.routed;
        let Some(attempt) = self.in_flight.attempt_mut(routed) else { return Output::Wait };
        attempt.note_failures(&self.log);
        let step = attempt.body(piece, end, || now);
        if self.is_guard_asked() {
            self.end_late(routed, step);
            return Output::Wait;
        }
        match step {
            Step::Answer(reply) => {
                self.note_status(routed, reply.status, now);
                self.answered = self.in_flight.end(routed);
                self.guard_answer(reply)
            }
            Step::Fail(reply, failover) => self.on_failed(routed, reply, failover, now),
            Step::Hold | Step::Begin(_) | Step::Yield(..) | Step::Continue { .. } => Output::Wait,
        }
    }

    /// Takes in the result of a call.
    pub(in crate::gateway) fn on_call_ended(
        &mut self,
        index: PlanIndex,
        result: &CallResult,
        now: Timestamp,
    ) -> Output {
        if self.is_guard_asked() {
            self.on_late_call(index, result, now);
            return Output::Wait;
        }
        if let Some(cause) = Cause::of_call(result) {
            return self.fail(index, cause, LogEntry::Missing, now);
        }
        let Some(attempt) = self.in_flight.attempt_mut(index) else { return Output::Wait };
        attempt.note_failures(&self.log);
        match read_call(attempt, result, now) {
            // In the stream lane, a stream comes in one piece where the router has given up.
            Step::Answer(reply) | Step::Begin(reply) => {
                self.note_status(index, reply.status, now);
                let reply = self.with_log(reply);
                self.answered = self.in_flight.end(index);
                self.guard_answer(reply)
            }
            Step::Fail(reply, failover) => self.on_failed(index, reply, failover, now),
            Step::Hold | Step::Yield(..) | Step::Continue { .. } => Output::Wait,
        }
    }

    /// Goes on after an attempt whose response is a failure.
    fn on_failed(
        &mut self,
        index: PlanIndex,
        reply: Reply,
        failover: Failover,
        now: Timestamp,
    ) -> Output {
        self.log.push_last_of(&listed(&reply));
        self.note_status(index, reply.status, now);
        let reply = self.end_failed(index, reply);
        self.advance(index, failover, reply, now)
    }

    /// Ends an attempt whose answer the client does not get, if its response has ended. Its tokens are
    /// spent.
    fn end_late(&mut self, index: PlanIndex, step: Step) {
        let reason = match step {
            Step::Answer(_) => None,
            Step::Fail(reply, _) => reply.reason,
            Step::Hold | Step::Begin(_) | Step::Yield(..) | Step::Continue { .. } => return,
        };
        let ended = self.in_flight.end(index);
        self.unanswered.extend(ended.map(|attempt| UnansweredAttempt { attempt, reason }));
    }

    /// Ends a failed attempt. Its summary becomes that of the exchange if no other attempt follows.
    fn end_failed(&mut self, index: PlanIndex, reply: Reply) -> Reply {
        let Some(attempt) = self.in_flight.end(index) else { return reply };
        let summary = Some(attempt.summary().to_line());
        self.unanswered.push(UnansweredAttempt { attempt, reason: reply.reason.clone() });
        Reply { summary, ..reply }
    }

    /// Adds the attempt of a reply to the attempt log, and lists all attempts in the reply.
    fn with_log(&mut self, mut reply: Reply) -> Reply {
        self.log.push_last_of(&listed(&reply));
        reply.headers.retain(|(name, _)| *name != ATTEMPTS);
        reply.headers.push((ATTEMPTS, self.log.to_string()));
        reply
    }

    /// Returns the attempts after the client has its answer, if there is still something to count.
    pub(in crate::gateway) fn into_late(mut self: Box<Self>) -> Option<Box<Self>> {
        drop(self.in_flight.end(self.in_flight.routed));
        self.body = ReceivedBody::default();
        let is_done = self.in_flight.is_empty() && self.unanswered.is_empty();
        (!is_done).then_some(self)
    }

    /// Takes in the result of a call whose answer the client does not get. Its tokens are spent.
    pub(in crate::gateway) fn on_late_call(
        &mut self,
        index: PlanIndex,
        result: &CallResult,
        now: Timestamp,
    ) {
        let Some(mut attempt) = self.in_flight.end(index) else { return };
        if Cause::of_call(result).is_some() {
            return;
        }
        let reason = match read_call(&mut attempt, result, now) {
            Step::Fail(reply, _) => reply.reason,
            _ => None,
        };
        self.unanswered.push(UnansweredAttempt { attempt, reason });
    }
}

/// Reads the response to a call.
fn read_call(attempt: &mut Attempt, result: &CallResult, now: Timestamp) -> Step {
    let CallResult::Response { status, body, .. } = result else { return Step::Hold };
    attempt.head(response_head(*status, |name| result.header(name).map(str::to_owned), || now));
    attempt.body(body, true, || now)
}

/// Returns the attempts that a reply lists.
fn listed(reply: &Reply) -> AttemptLog {
    let header = reply.headers.iter().find(|(name, _)| *name == ATTEMPTS);
    AttemptLog::parse(header.map(|(_, value)| value.clone()).unwrap_or_default())
}
