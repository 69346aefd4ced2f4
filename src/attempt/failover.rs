//! The end of a failed attempt: its error, and the ticket of the next attempt.

use std::time::Duration;

use super::{Attempt, AttemptState, ProviderCluster, Step};
use crate::{
    chat::{
        attempt_log::{AttemptLog, attempt_name},
        error::Error,
    },
    endpoint_choice::cool_downs,
    failover::{Failover, Failure, envoy::Cause},
    handoff::{
        headers::{NEXT, REGION},
        ticket::{Lane, Ticket},
    },
    quota::{self, Counted, Verdict},
    reply::Reply,
    time::Timestamp,
};

/// Time by which Envoy's timers may fire early, by the module's clock.
const TOLERANCE: Duration = Duration::from_millis(20);

impl Attempt {
    /// Takes in that Envoy has ended the attempt without a response. Returns the error, and the ticket
    /// of the next attempt, which leads nowhere if there is none. `None` if the client has the
    /// beginning of the response.
    pub fn on_response_lost(&mut self, cause: Cause, now: Timestamp) -> Option<(Error, Ticket)> {
        if !self.is_open() {
            return None;
        }
        self.end_early(now);
        let cause = if self.has_timed_out(now) { Cause::Timeout } else { cause };
        let Failure { error, failover } = cause.failure(&self.cluster.provider);
        let log = self.attempt_log(error.status(), now);
        let next = self.next_ticket(failover, log.clone(), now);
        Some((error, next.unwrap_or_else(|| self.ticket.exhausted(log))))
    }

    /// Ends the attempt before its response has ended.
    pub(super) fn end_early(&mut self, now: Timestamp) {
        if let AttemptState::Streaming(stream) = &self.state {
            self.progress.usage = stream.usage();
        }
        self.state = AttemptState::Ended(now);
        self.charge(|| now);
    }

    /// Returns `true` if Envoy gave up waiting for the first content. Envoy does not say so, but its
    /// timer is exact.
    fn has_timed_out(&self, now: Timestamp) -> bool {
        now.since(self.began) + TOLERANCE >= self.ticket.first_content_timeout()
    }

    /// Returns the response after an error: the client's answer, or a report to whoever makes the next
    /// attempt.
    pub(super) fn fail(&mut self, error: &Error, now: Timestamp) -> Step {
        if let Some(length) = cool_downs::after(error) {
            self.begin_cool_down(length, now);
        }
        let log = self.failure_log(error.status(), now);
        let reply = self.error_reply(error, &log, now);
        let failover = Failover::after(error);
        match self.ticket.lane {
            Lane::Answer => Step::Fail(reply, failover),
            Lane::Stream => match self.next_ticket(failover, log, now) {
                None => Step::Answer(reply),
                Some(ticket) => yield_to(ticket, reply, error),
            },
        }
    }

    /// Passes over the endpoint for a while, if the model has others.
    fn begin_cool_down(&self, length: Duration, now: Timestamp) {
        let ProviderCluster { config, store, region, .. } = &*self.cluster;
        let endpoint = self.ticket.target.route.endpoint;
        if self.endpoint.is_some()
            && let Some(target) = config.target_at(self.model(), *region, endpoint)
        {
            cool_downs::begin(&**store, target.endpoint, *region, length, now);
        }
    }

    /// Returns the response after an empty answer. The client gets that answer if no attempt
    /// follows, so the log has its status.
    pub(super) fn fail_empty(&mut self, mut reply: Reply, now: Timestamp) -> Step {
        let error = Error::EmptyAnswer { provider: self.cluster.provider.clone() };
        let (failover, log) = (Failover::after(&error), self.attempt_log(reply.status, now));
        if self.ticket.lane == Lane::Stream
            && let Some(ticket) = self.next_ticket(failover, log.clone(), now)
        {
            return yield_to(ticket, self.error_reply(&error, &log, now), &error);
        }
        reply.reason = Some(error.reason().into());
        self.complete_reply(&mut reply, now);
        match self.ticket.lane {
            Lane::Answer => Step::Fail(reply, failover),
            Lane::Stream => Step::Answer(reply),
        }
    }

    fn error_reply(&self, error: &Error, log: &AttemptLog, now: Timestamp) -> Reply {
        let mut reply = Reply::failed(error, &self.envelope.request_id, log, self.ticket.inlet);
        reply.headers.push((REGION, self.cluster.region.name().to_owned()));
        reply.headers.extend(self.limit_headers(now));
        reply
    }

    /// Returns the ticket of the next attempt that the account may make. A model that the exchange
    /// has asked before needs no new admission.
    fn next_ticket(
        &mut self,
        failover: Failover,
        log: AttemptLog,
        now: Timestamp,
    ) -> Option<Ticket> {
        let mut ticket = self.ticket.after(failover, log, now)?;
        let ProviderCluster { config, store, .. } = &*self.cluster;
        while ticket.target.model != self.ticket.target.model && !ticket.is_admitted() {
            let Ticket { account, target, .. } = &ticket;
            match quota::admit_here(config, account, &target.model, &**store, now) {
                Verdict::Admit(status) => {
                    return Some(Ticket { limit_status: Some(status), ..ticket });
                }
                Verdict::Refuse { exceeded, .. } => {
                    self.refused.push((target.model.clone(), exceeded));
                    let log = ticket.attempt_log.with_attempt(&target.model, 429, Duration::ZERO);
                    ticket = ticket.after(Failover::AFTER_REFUSAL, log, now)?;
                }
                // Every other model would be refused, too.
                Verdict::OverBudget(_) => {
                    self.refused.push((target.model.clone(), Counted::Cost));
                    return None;
                }
                Verdict::Unlimited | Verdict::Ask(_) | Verdict::Unknown => return Some(ticket),
            }
        }
        Some(ticket)
    }

    /// Takes the models that the account may not ask in the place of this one, and the quantities
    /// whose limits are exceeded, since the last call.
    pub fn take_refused(&mut self) -> Vec<(String, Counted)> {
        std::mem::take(&mut self.refused)
    }

    /// Returns the attempts that have ended, with this one.
    pub(super) fn attempt_log(&self, status: u16, now: Timestamp) -> AttemptLog {
        self.listed_in(&self.ticket.attempt_log, status, now)
    }

    fn listed_in(&self, log: &AttemptLog, status: u16, now: Timestamp) -> AttemptLog {
        let name = attempt_name(self.model(), self.endpoint.as_deref());
        log.with_attempt(&name, status, now.since(self.sent))
    }

    /// Takes in the attempts that have failed so far. A failure of this one lists them, too.
    pub fn note_failures(&mut self, log: &AttemptLog) {
        if *log != self.ticket.attempt_log {
            self.failures = Some(log.clone());
        }
    }

    /// Returns all attempts that have failed, with this one.
    fn failure_log(&self, status: u16, now: Timestamp) -> AttemptLog {
        let before = self.failures.as_ref().unwrap_or(&self.ticket.attempt_log);
        self.listed_in(before, status, now)
    }

    /// Returns the headers about the account's limits for the model.
    pub(super) fn limit_headers(&self, now: Timestamp) -> Vec<(&'static str, String)> {
        let Ticket { inlet, account, limit_status, .. } = &*self.ticket;
        let requests = limit_status
            .as_ref()
            .map(|status| inlet.limit_headers(status, Counted::Requests, self.model(), now));
        let mut headers = requests.unwrap_or_default();
        if inlet.tells_token_limit() {
            let ProviderCluster { config, store, .. } = &*self.cluster;
            let status = quota::token_status(config, account, self.model(), &**store, now);
            headers.extend(
                status
                    .into_iter()
                    .flat_map(|status| inlet.further_limit_headers(&status, Counted::Tokens, now)),
            );
        }
        headers
    }
}

/// Returns the step that leaves a ticket to the next attempt.
fn yield_to(ticket: Ticket, mut reply: Reply, error: &Error) -> Step {
    reply.headers.push((NEXT, Failover::to_header(error)));
    Step::Yield(reply, Box::new(ticket))
}
