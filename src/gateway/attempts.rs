//! The attempts of an exchange while they are made.
//!
//! The first goes through Envoy's router. In the answer lane the gateway calls the clusters of those
//! that follow; in the stream lane the router goes on by itself, so that tokens flow, and the
//! gateway only comes in where the router gives up before the plan does.

use std::time::Duration;

use self::admission::Asking;
use super::{
    Note, Output, Patience, Why,
    envoy_reply::{Source, classify, of_call},
    final_reply::{self, ATTEMPTS, NEXT, Told, header},
    plan::Plan,
    transcript_fetch::Transcript,
};
use crate::{
    chat::{attempt_log::Made, error::Error},
    failover::{BACK_OFF, Next},
    handoff::ticket::{Lane, Ticket},
    http_call::Called,
    quota::Standing,
    region::Region,
    reply::Reply,
    time::Timestamp,
};

mod admission;

pub(super) use self::admission::Asker;

/// Attempts of a plan, made and to be made.
#[derive(Debug)]
pub(super) struct Attempts {
    asker: Asker,
    plan: Plan,
    /// The client's request, which every attempt reads anew.
    body: Vec<u8>,
    /// What the body waits for, and for which attempt's sake once it has been called for.
    pub(super) transcript: Option<Transcript>,
    fetching: Option<usize>,
    request_id: String,
    started: Timestamp,
    /// Those that came to an end.
    made: Made,
    /// The models that the account was admitted to, and where it stands with those that have a limit.
    admitted: Vec<(String, Option<Standing>)>,
    /// The attempt about which the rate limit service was asked.
    asking: Option<Asking>,
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
    pub(super) notes: Vec<Note>,
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
        asker: Asker,
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
            made: Made::default(),
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
    pub(super) fn into_parts(self) -> (String, Option<(String, Region)>, Vec<Note>) {
        (self.plan.primary.model, self.last, self.notes)
    }

    /// The client's request.
    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    /// Makes the first attempt that the account may make.
    pub(super) fn begin(&mut self, now: Timestamp) -> Output {
        self.enter(Asking { place: 0, why: None, told: None }, now)
    }

    /// Makes an attempt through Envoy's router.
    fn forward(&mut self, place: usize, now: Timestamp) -> Output {
        let ticket = self.plan.ticket(place, &self.request_id, self.made.clone());
        let Some(ticket) = ticket else { return Output::Wait };
        let ticket = self.signed(ticket);
        self.first = place;
        self.pending.push((place, now));
        let hedge = self.plan.hedge.filter(|_| self.plan.lane == Lane::Answer);
        if hedge.is_some() {
            self.sleep = Sleep::Hedge;
        }
        let retries = match self.plan.lane {
            Lane::Answer => 0,
            Lane::Stream => self.plan.following().saturating_sub(place),
        };
        Output::Forward { ticket, retries, hedge }
    }

    /// Takes in the answer that was hoped for.
    pub(super) fn good(&self) -> Output {
        let warm = self.asker.gateway.config.keep_warm;
        match self.plan.lane {
            Lane::Answer => Output::Pass,
            Lane::Stream => Output::Stream(Patience { idle: self.plan.patience(), warm }),
        }
    }

    /// Takes in an answer that is not the one that was hoped for.
    pub(super) fn answer(&mut self, status: u16, source: Source, now: Timestamp) -> Output {
        match source {
            Source::Provider => Output::Pass,
            Source::Failed { next, made } => {
                self.made.add_last_of(&made);
                match self.plan.lane {
                    Lane::Answer => self.failed(self.first, next, Told::Held, now),
                    // The router knew the plan and could not follow it.
                    Lane::Stream => Output::Pass,
                }
            }
            Source::Envoy { details, ticket } => {
                self.envoys(status, &details, ticket.map(|ticket| *ticket), now)
            }
        }
    }

    /// Takes in an answer of Envoy's own.
    fn envoys(
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
                let place = if ticket.is_none() { place } else { place.saturating_sub(1) };
                self.made = ticket.made.with_last_status(error.status());
                self.failed_with(place, next, &error, now)
            }
            // The plan is at its end, and the router did not know.
            Some(ticket) if ticket.is_none() && details == "no_healthy_upstream" => {
                let last = ticket.made.list().last().map_or(status, |(_, status, _)| status);
                let error = of_call(last, &planned.provider);
                self.made = ticket.made;
                self.failed_with(place, next, &error, now)
            }
            // The last attempt has said that it ended, Envoy knows why.
            Some(ticket) if ticket.is_none() => {
                self.made = ticket.made.with_last_status(error.status());
                self.failed_with(place, next, &error, now)
            }
            ticket => {
                self.made = ticket.map_or_else(|| self.made.clone(), |ticket| ticket.made);
                self.record(place, &error, now);
                self.failed_with(place, next, &error, now)
            }
        }
    }

    /// Takes in what came of a call.
    pub(super) fn called(&mut self, place: usize, called: Called, now: Timestamp) -> Output {
        let Some(planned) = self.plan.get(place) else { return Output::Wait };
        let provider = planned.provider.clone();
        match called {
            Called::Answer { status, headers, body } => {
                let told = header(&headers, NEXT).map(Next::told);
                if told.is_none() && status != 200 {
                    return self.fails(place, &of_call(status, &provider), now);
                }
                let made = header(&headers, ATTEMPTS).unwrap_or_default().to_owned();
                self.made.add_last_of(&Made::parse(made));
                let reply = final_reply::reply(status, headers, body, &self.made);
                match told {
                    None => Output::Reply(reply),
                    Some(next) => self.failed(place, next, Told::Reply(reply), now),
                }
            }
            Called::Broken => {
                self.fails(place, &Error::BadAnswer { provider, problem: "broke off" }, now)
            }
            Called::TurnedDown => {
                let error = Error::Unreachable { provider };
                self.record(place, &error, now);
                self.failed_with(place, Next::Move, &error, now)
            }
        }
    }

    /// The moment has come for which the exchange slept.
    pub(super) fn due(&mut self, now: Timestamp) -> Output {
        match std::mem::replace(&mut self.sleep, Sleep::None) {
            Sleep::Retry(place) => self.call(place, Why::Retry, now),
            Sleep::Hedge if self.pending.iter().map(|(place, _)| *place).eq([self.first]) => {
                match self.plan.after(self.first, Next::Move) {
                    Some(place) => {
                        self.hedged = Some(place);
                        self.enter(Asking { place, why: Some(Why::Hedge), told: None }, now)
                    }
                    None => Output::Wait,
                }
            }
            Sleep::Hedge | Sleep::None => Output::Wait,
        }
    }

    fn make(&mut self, asking: &Asking, now: Timestamp) -> Output {
        match asking.why {
            None => match &self.transcript {
                None => self.forward(asking.place, now),
                Some(transcript) => {
                    self.fetching = Some(asking.place);
                    Output::Fetch(transcript.fetch.clone())
                }
            },
            Some(why) => self.call(asking.place, why, now),
        }
    }

    /// Takes in what came of the call for the transcript.
    pub(super) fn fetched(&mut self, called: &Called, now: Timestamp) -> Output {
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
    fn fails(&mut self, place: usize, error: &Error, now: Timestamp) -> Output {
        self.record(place, error, now);
        self.failed_with(place, Next::after(error), error, now)
    }

    fn record(&mut self, place: usize, error: &Error, now: Timestamp) {
        let Some(planned) = self.plan.get(place) else { return };
        let took = self.took(place, now);
        let (provider, model) = (planned.provider.clone(), planned.model.clone());
        self.made = self.made.and(&model, error.status(), took);
        self.notes.push(Note::Failed { provider, model, reason: error.reason(), took });
    }

    fn took(&self, place: usize, now: Timestamp) -> Duration {
        let begun = self.pending.iter().find(|(other, _)| *other == place);
        now.since(begun.map_or(self.started, |(_, begun)| *begun))
    }

    fn failed_with(&mut self, place: usize, next: Next, error: &Error, now: Timestamp) -> Output {
        let mut reply = Reply::failed(error, &self.request_id, &self.made);
        let region = self.plan.primary.region.name().to_owned();
        reply.headers.push(("x-attache-region", region));
        let planned = self.plan.get(place);
        let model = planned.map_or("", |planned| &planned.model);
        reply.headers.extend(self.standing(model, now));
        self.last = planned.map(|planned| (planned.provider.clone(), planned.region));
        self.failed(place, next, Told::Reply(reply), now)
    }

    /// Goes on after an attempt that failed.
    fn failed(&mut self, place: usize, next: Next, told: Told, now: Timestamp) -> Output {
        self.pending.retain(|(other, _)| *other != place);
        if next != Next::Stop && !self.pending.is_empty() {
            return Output::Wait;
        }
        // What was to begin beside it takes its place.
        if let Some(asking) = self.asking.as_mut().filter(|_| next != Next::Stop) {
            (asking.why, asking.told) = (Some(Why::Fallback), Some(told));
            return Output::Wait;
        }
        match self.following(place, next) {
            None => told.output(),
            Some(following) if self.is_same(place, following) => {
                self.sleep = Sleep::Retry(following);
                Output::Sleep(now.plus(BACK_OFF))
            }
            Some(place) => {
                let (why, told) = (Some(Why::Fallback), Some(told));
                self.enter(Asking { place, why, told }, now)
            }
        }
    }

    /// The place of the next attempt. The one that was made beside the first is not made again.
    fn following(&self, place: usize, next: Next) -> Option<usize> {
        let following = self.plan.after(place, next)?;
        if self.hedged == Some(following) {
            self.plan.after(following, next)
        } else {
            Some(following)
        }
    }

    fn is_same(&self, place: usize, other: usize) -> bool {
        self.plan.get(place).map(|own| own.entry) == self.plan.get(other).map(|own| own.entry)
    }

    fn call(&mut self, place: usize, why: Why, now: Timestamp) -> Output {
        let Some(planned) = self.plan.get(place) else { return Output::Wait };
        let left = self.plan.primary.deadlines.total.saturating_sub(now.since(self.started));
        let timeout = planned.deadlines.answer.min(left);
        if timeout.is_zero() {
            let error = Error::Timeout { provider: planned.provider.clone() };
            return self.failed_with(place, Next::Stop, &error, now);
        }
        let ticket = planned.ticket(Lane::Answer, &self.request_id, self.made.clone());
        let ticket = self.signed(ticket);
        self.pending.push((place, now));
        Output::Call { place, ticket, timeout, why }
    }
}
