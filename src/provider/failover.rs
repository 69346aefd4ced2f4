//! What an attempt that failed leaves to the next.

use std::time::Duration;

use super::{Attempt, LostResponse, ProviderCluster, Step};
use crate::{
    chat::{attempt_log::AttemptLog, error::Error},
    failover::Failover,
    handoff::{
        headers::{NEXT, REGION},
        ticket::{Lane, Ticket},
    },
    quota::{self, Counted, Verdict},
    reply::Reply,
    time::Timestamp,
};

/// How much earlier than due Envoy's timers may ring by our clock.
const TOLERANCE: Duration = Duration::from_millis(20);

impl Attempt {
    /// What it means that this attempt was broken off without an answer: the error, and the ticket
    /// of the next attempt, which leads nowhere if there is none.
    pub fn broken(&mut self, end: LostResponse, now: Timestamp) -> Option<(Error, Ticket)> {
        if !self.is_open() || self.ticket.lane == Lane::Answer {
            return None;
        }
        self.progress.ended = Some(now);
        let provider = self.site.provider.clone();
        let error = match self.has_timed_out(now) {
            true => Error::Timeout { provider },
            false => Error::Unreachable { provider },
        };
        let made = self.made(error.status(), now);
        let next = match end {
            LostResponse::NoHost => Failover::NextModel,
            LostResponse::Broken => Failover::after(&error),
        };
        let next = self.next(next, made.clone(), now);
        Some((error, next.unwrap_or_else(|| self.ticket.exhausted(made))))
    }

    /// Whether Envoy gave up waiting for a first content. It does not tell, but it is punctual.
    fn has_timed_out(&self, now: Timestamp) -> bool {
        now.since(self.begun) + TOLERANCE >= self.ticket.first_content_timeout()
    }

    /// What a failure comes to: the client's answer, or a word to whoever makes the next attempt.
    pub(super) fn fail(&mut self, error: &Error, now: Timestamp) -> Step {
        let made = self.made(error.status(), now);
        let mut reply = Reply::failed(error, &self.envelope.request_id, &made);
        reply.headers.push((REGION, self.site.region.name().to_owned()));
        reply.headers.extend(self.standing(now));
        match self.ticket.lane {
            Lane::Answer => {
                reply.headers.push((NEXT, Failover::to_header(error)));
                Step::Answer(reply)
            }
            Lane::Stream => match self.next(Failover::after(error), made, now) {
                None => Step::Answer(reply),
                Some(ticket) => {
                    reply.headers.push((NEXT, Failover::to_header(error)));
                    Step::Yield(reply, Box::new(ticket))
                }
            },
        }
    }

    /// The ticket of the next attempt that the account may make. A model counts once.
    fn next(&mut self, next: Failover, made: AttemptLog, now: Timestamp) -> Option<Ticket> {
        let mut ticket = self.ticket.after(next, made, now)?;
        let ProviderCluster { config, store, .. } = &*self.site;
        while !ticket.is_admitted() {
            let Ticket { account, target: leg, .. } = &ticket;
            match quota::admit_here(config, account, &leg.model, &**store, now) {
                Verdict::Admit(standing) => {
                    return Some(Ticket { limit_status: Some(standing), ..ticket });
                }
                Verdict::Refuse { exceeded: used_up, .. } => {
                    self.refused.push((leg.model.clone(), used_up));
                    let made = ticket.attempt_log.with_attempt(&leg.model, 429, Duration::ZERO);
                    ticket = ticket.after(Failover::NextModel, made, now)?;
                }
                _ => return Some(ticket),
            }
        }
        Some(ticket)
    }

    /// The models that the account might not ask in the place of this one, and what of was used up,
    /// since the last time.
    pub fn take_refused(&mut self) -> Vec<(String, Counted)> {
        std::mem::take(&mut self.refused)
    }

    /// The attempts that were made, this one among them.
    pub(super) fn made(&self, status: u16, now: Timestamp) -> AttemptLog {
        self.ticket.attempt_log.with_attempt(&self.envelope.model, status, now.since(self.sent))
    }

    /// Where the account stands with the model.
    pub(super) fn standing(
        &self,
        now: Timestamp,
    ) -> impl Iterator<Item = (&'static str, String)> + use<> {
        let standing = self.ticket.limit_status;
        standing.map(|standing| standing.headers(self.model(), now)).into_iter().flatten()
    }
}
