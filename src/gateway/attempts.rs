//! The attempts of an exchange while they are made.
//!
//! The first goes through Envoy's router. In the answer lane the gateway calls the clusters of those
//! that follow; in the stream lane the router goes on by itself, so that tokens flow, and the
//! gateway only comes in where the router gives up before the plan does.

use std::time::Duration;

use self::admission::PendingAdmission;
use super::{
    AttemptReason, IdleTimeouts, Output, TelemetryEvent,
    envoy_reply::{ReplySource, classify, of_call},
    final_reply::{self, FinalReply, header},
    plan::Plan,
    transcript_fetch::PendingTranscript,
};
use crate::{
    chat::{attempt_log::AttemptLog, error::Error},
    failover::{BACK_OFF, Failover},
    handoff::{
        headers::{ATTEMPTS, NEXT, REGION},
        ticket::{Lane, Ticket},
    },
    http_call::CallResult,
    quota::LimitStatus,
    region::Region,
    reply::Reply,
    time::Timestamp,
};

mod admission;

pub(super) use self::admission::Caller;

/// Attempts of a plan, made and to be made.
#[derive(Debug)]
pub(super) struct Attempts {
    asker: Caller,
    plan: Plan,
    /// The client's request, which every attempt reads anew.
    body: Vec<u8>,
    /// What the body waits for, and for which attempt's sake once it has been called for.
    pub(super) transcript: Option<PendingTranscript>,
    fetching: Option<usize>,
    request_id: String,
    started: Timestamp,
    /// Those that came to an end.
    made: AttemptLog,
    /// The models that the account was admitted to, and where it stands with those that have a limit.
    admitted: Vec<(String, Option<LimitStatus>)>,
    /// The attempt about which the rate limit service was asked.
    asking: Option<PendingAdmission>,
    /// The place of the attempt that goes through Envoy's router.
    first: usize,
    /// Those under way: their place in the plan, and when they began.
    pending: Vec<(usize, Timestamp)>,
    /// The place of the one that began beside the first.
    hedged: Option<usize>,
    /// What the next awakening is for.
    sleep: Sleep,
    /// Who failed last, as far as only the gateway knows.
    last: Option<(String, Region)>,
    /// What else only it knows.
    pub(super) notes: Vec<TelemetryEvent>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sleep {
    /// Nothing.
    None,
    /// The attempt at this place.
    Retry(usize),
    /// The one after the first, beside it.
    Hedge,
}

impl Attempts {
    /// The attempts of a plan, none made.
    pub(super) fn new(
        asker: Caller,
        plan: Plan,
        body: Vec<u8>,
        request_id: String,
        now: Timestamp,
    ) -> Self {
        Self {
            asker,
            plan,
            body,
            transcript: None,
            fetching: None,
            request_id,
            started: now,
            made: AttemptLog::default(),
            admitted: Vec::new(),
            asking: None,
            first: 0,
            pending: Vec::new(),
            hedged: None,
            sleep: Sleep::None,
            last: None,
            notes: Vec::new(),
        }
    }

    /// The model that was asked for.
    pub(super) fn model(&self) -> &str {
        &self.plan.primary.model
    }

    /// What is left of them: the model that was asked for, and who failed last.
    pub(super) fn into_parts(self) -> (String, Option<(String, Region)>, Vec<TelemetryEvent>) {
        (self.plan.primary.model, self.last, self.notes)
    }

    /// The client's request.
    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    /// Makes the first attempt that the account may make.
    pub(super) fn begin(&mut self, now: Timestamp) -> Output {
        self.admit_then_attempt(PendingAdmission { place: 0, why: None, told: None }, now)
    }

    /// Makes an attempt through Envoy's router.
    fn forward(&mut self, place: usize, now: Timestamp) -> Output {
        let ticket = self.plan.ticket(place, &self.request_id, self.made.clone());
        let Some(ticket) = ticket else { return Output::Wait };
        let ticket = self.with_caller(ticket);
        self.first = place;
        self.pending.push((place, now));
        let hedge = self.plan.hedge.filter(|_| self.plan.lane == Lane::Answer);
        if hedge.is_some() {
            self.sleep = Sleep::Hedge;
        }
        let retries = match self.plan.lane {
            Lane::Answer => 0,
            Lane::Stream => self.plan.max_retries().saturating_sub(place),
        };
        Output::Forward { ticket, retries, hedge }
    }

    /// Takes in the answer that was hoped for.
    pub(super) fn on_success(&self) -> Output {
        let warm = self.asker.gateway.config.keep_warm;
        match self.plan.lane {
            Lane::Answer => Output::Pass,
            Lane::Stream => Output::Stream(IdleTimeouts { idle: self.plan.max_idle(), warm }),
        }
    }

    /// Takes in an answer that is not the one that was hoped for.
    pub(super) fn answer(&mut self, status: u16, source: ReplySource, now: Timestamp) -> Output {
        match source {
            ReplySource::Provider => Output::Pass,
            ReplySource::Failed { failover: next, log: made } => {
                self.made.push_last_of(&made);
                match self.plan.lane {
                    Lane::Answer => {
                        self.advance_after_failure(self.first, next, FinalReply::Held, now)
                    }
                    // The router knew the plan and could not follow it.
                    Lane::Stream => Output::Pass,
                }
            }
            ReplySource::Envoy { details, ticket } => {
                self.on_envoy_reply(status, &details, ticket.map(|ticket| *ticket), now)
            }
        }
    }

    /// Takes in an answer of Envoy's own.
    fn on_envoy_reply(
        &mut self,
        status: u16,
        details: &str,
        ticket: Option<Ticket>,
        now: Timestamp,
    ) -> Output {
        let ticket = ticket.filter(|_| self.plan.lane == Lane::Stream);
        self.pending.retain(|(place, _)| *place != self.first);
        let place = ticket.as_ref().map_or(self.first, |ticket| self.plan.place(ticket));
        let Some(planned) = self.plan.get(place) else { return Output::Pass };
        let Some((error, next)) = classify(status, details, &planned.provider) else {
            return Output::Pass;
        };
        match ticket {
            // Envoy's router makes no attempt after one that a breaker turned down, whatever that
            // one has said to the ticket: it did not know why it ended.
            Some(ticket) if matches!(error, Error::Overloaded { .. }) => {
                let place = if ticket.is_exhausted() { place } else { place.saturating_sub(1) };
                self.made = ticket.attempt_log.with_last_status(error.status());
                self.advance_with_error(place, next, &error, now)
            }
            // The plan is at its end, and the router did not know.
            Some(ticket) if ticket.is_exhausted() && details == "no_healthy_upstream" => {
                let last = ticket.attempt_log.list().last().map_or(status, |(_, status, _)| status);
                let error = of_call(last, &planned.provider);
                self.made = ticket.attempt_log;
                self.advance_with_error(place, next, &error, now)
            }
            // The last attempt has said that it ended, Envoy knows why.
            Some(ticket) if ticket.is_exhausted() => {
                self.made = ticket.attempt_log.with_last_status(error.status());
                self.advance_with_error(place, next, &error, now)
            }
            ticket => {
                self.made = ticket.map_or_else(|| self.made.clone(), |ticket| ticket.attempt_log);
                self.record(place, &error, now);
                self.advance_with_error(place, next, &error, now)
            }
        }
    }

    /// Takes in what came of a call.
    pub(super) fn called(&mut self, place: usize, called: CallResult, now: Timestamp) -> Output {
        let Some(planned) = self.plan.get(place) else { return Output::Wait };
        let provider = planned.provider.clone();
        match called {
            CallResult::Response { status, headers, body } => {
                let told = header(&headers, NEXT).map(Failover::from_header);
                if told.is_none() && status != 200 {
                    return self.on_gateway_failure(place, &of_call(status, &provider), now);
                }
                let made = header(&headers, ATTEMPTS).unwrap_or_default().to_owned();
                self.made.push_last_of(&AttemptLog::parse(made));
                let reply = final_reply::reply_from_call(status, headers, body, &self.made);
                match told {
                    None => Output::Reply(reply),
                    Some(next) => {
                        self.advance_after_failure(place, next, FinalReply::Reply(reply), now)
                    }
                }
            }
            CallResult::Broken => self.on_gateway_failure(
                place,
                &Error::BadAnswer { provider, problem: "broke off" },
                now,
            ),
            CallResult::NotSent => {
                let error = Error::Unreachable { provider };
                self.record(place, &error, now);
                self.advance_with_error(place, Failover::NextModel, &error, now)
            }
        }
    }

    /// The moment has come for which the exchange slept.
    pub(super) fn due(&mut self, now: Timestamp) -> Output {
        match std::mem::replace(&mut self.sleep, Sleep::None) {
            Sleep::Retry(place) => self.call(place, AttemptReason::Retry, now),
            Sleep::Hedge if self.pending.iter().map(|(place, _)| *place).eq([self.first]) => {
                match self.plan.after(self.first, Failover::NextModel) {
                    Some(place) => {
                        self.hedged = Some(place);
                        self.admit_then_attempt(
                            PendingAdmission { place, why: Some(AttemptReason::Hedge), told: None },
                            now,
                        )
                    }
                    None => Output::Wait,
                }
            }
            Sleep::Hedge | Sleep::None => Output::Wait,
        }
    }

    fn start_attempt(&mut self, asking: &PendingAdmission, now: Timestamp) -> Output {
        match asking.why {
            None => match &self.transcript {
                None => self.forward(asking.place, now),
                Some(transcript) => {
                    self.fetching = Some(asking.place);
                    Output::FetchTranscript(transcript.fetch.clone())
                }
            },
            Some(why) => self.call(asking.place, why, now),
        }
    }

    /// Takes in what came of the call for the transcript.
    pub(super) fn fetched(&mut self, called: &CallResult, now: Timestamp) -> Output {
        let (Some(place), Some(transcript)) = (self.fetching.take(), self.transcript.take()) else {
            return Output::Wait;
        };
        match transcript.insert(&self.body, called) {
            Ok(body) => {
                self.body = body;
                self.forward(place, now)
            }
            Err(error) => Output::Reply(Reply::error(&error, &self.request_id)),
        }
    }

    /// An attempt failed of which only the gateway knows.
    fn on_gateway_failure(&mut self, place: usize, error: &Error, now: Timestamp) -> Output {
        self.record(place, error, now);
        self.advance_with_error(place, Failover::after(error), error, now)
    }

    fn record(&mut self, place: usize, error: &Error, now: Timestamp) {
        let Some(planned) = self.plan.get(place) else { return };
        let took = self.took(place, now);
        let (provider, model) = (planned.provider.clone(), planned.model.clone());
        self.made = self.made.with_attempt(&model, error.status(), took);
        self.notes.push(TelemetryEvent::Failed { provider, model, reason: error.reason(), took });
    }

    fn took(&self, place: usize, now: Timestamp) -> Duration {
        let begun = self.pending.iter().find(|(other, _)| *other == place);
        now.since(begun.map_or(self.started, |(_, begun)| *begun))
    }

    fn advance_with_error(
        &mut self,
        place: usize,
        next: Failover,
        error: &Error,
        now: Timestamp,
    ) -> Output {
        let mut reply = Reply::failed(error, &self.request_id, &self.made);
        let region = self.plan.primary.region.name().to_owned();
        reply.headers.push((REGION, region));
        let planned = self.plan.get(place);
        let model = planned.map_or("", |planned| &planned.model);
        reply.headers.extend(self.standing(model, now));
        self.last = planned.map(|planned| (planned.provider.clone(), planned.region));
        self.advance_after_failure(place, next, FinalReply::Reply(reply), now)
    }

    /// Goes on after an attempt that failed.
    fn advance_after_failure(
        &mut self,
        place: usize,
        next: Failover,
        told: FinalReply,
        now: Timestamp,
    ) -> Output {
        self.pending.retain(|(other, _)| *other != place);
        if next != Failover::GiveUp && !self.pending.is_empty() {
            return Output::Wait;
        }
        // What was to begin beside it takes its place.
        if let Some(asking) = self.asking.as_mut().filter(|_| next != Failover::GiveUp) {
            (asking.why, asking.told) = (Some(AttemptReason::Fallback), Some(told));
            return Output::Wait;
        }
        match self.following(place, next) {
            None => told.output(),
            Some(following) if self.is_same(place, following) => {
                self.sleep = Sleep::Retry(following);
                Output::WakeAt(now.plus(BACK_OFF))
            }
            Some(place) => {
                let (why, told) = (Some(AttemptReason::Fallback), Some(told));
                self.admit_then_attempt(PendingAdmission { place, why, told }, now)
            }
        }
    }

    /// The place of the next attempt. The one that was made beside the first is not made again.
    fn following(&self, place: usize, next: Failover) -> Option<usize> {
        let following = self.plan.after(place, next)?;
        if self.hedged == Some(following) {
            self.plan.after(following, next)
        } else {
            Some(following)
        }
    }

    fn is_same(&self, place: usize, other: usize) -> bool {
        self.plan.get(place).map(|own| own.variant) == self.plan.get(other).map(|own| own.variant)
    }

    fn call(&mut self, place: usize, why: AttemptReason, now: Timestamp) -> Output {
        let Some(planned) = self.plan.get(place) else { return Output::Wait };
        let left = self.plan.primary.deadlines.total.saturating_sub(now.since(self.started));
        let timeout = planned.deadlines.answer.min(left);
        if timeout.is_zero() {
            let error = Error::Timeout { provider: planned.provider.clone() };
            return self.advance_with_error(place, Failover::GiveUp, &error, now);
        }
        let ticket = planned.ticket(Lane::Answer, &self.request_id, self.made.clone());
        let ticket = self.with_caller(ticket);
        self.pending.push((place, now));
        Output::Call { index: place, ticket, timeout, reason: why }
    }
}
