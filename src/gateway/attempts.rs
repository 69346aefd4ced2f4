//! The attempts of an exchange while they are under way.
//!
//! The first attempt goes through Envoy's router. In the answer lane, the gateway role calls the
//! clusters of the attempts that follow. In the stream lane, the router makes those too, so that
//! tokens flow, and the gateway role only acts where the router gives up before the plan ends.

mod admission;
mod answers;
mod guarding;
mod in_flight;

use std::time::Duration;

pub(super) use self::answers::UnansweredAttempt;
use self::{
    admission::{Admissions, PendingAdmission},
    guarding::GuardState,
    in_flight::InFlight,
};
use super::{
    Caller, Output,
    held_bodies::ReceivedBody,
    idle::{IdleTimeouts, StreamLimits},
    plan::{Plan, PlanIndex},
    planned_request::PlannedRequest,
    reply_source::ReplySource,
    stream_deadline::StreamDeadline,
    transcript_fetch::PendingTranscript,
};
use crate::{
    attempt::{Attempt, AttemptDraft},
    chat::{attempt_log::AttemptLog, envelope::Envelope, error::Error},
    failover::{
        AttemptReason, BACK_OFF, Failover, Failure,
        envoy::{Cause, ReportedAttempt, TicketState},
    },
    handoff::{
        headers::REGION,
        ticket::{AttemptTarget, Lane, Ticket},
    },
    http_call::CallResult,
    metrics::TelemetryEvent,
    region::Region,
    reply::Reply,
    time::Timestamp,
};

/// Attempts of one exchange: those that were made, those under way, and those of the plan.
#[derive(Debug)]
pub(super) struct Attempts {
    caller: Caller,
    plan: Plan,
    /// Body of the client's request. Every attempt after the first reads it again.
    body: ReceivedBody,
    /// Draft of the first attempt, if there is one.
    draft: Option<AttemptDraft>,
    transcript: TranscriptState,
    guard: GuardState,
    /// Attempts that have ended.
    log: AttemptLog,
    admissions: Admissions,
    in_flight: InFlight,
    /// Retry whose moment has not come.
    retry: Option<PlanIndex>,
    /// Provider and region of the last failure that no provider role has reported.
    last_failed: Option<(String, Region)>,
    telemetry: Vec<TelemetryEvent>,
    /// The attempt whose answer the client gets, if it is the gateway role's own.
    pub(super) answered: Option<Box<Attempt>>,
    /// Attempts that have ended without an answer, and are not counted yet.
    pub(super) unanswered: Vec<UnansweredAttempt>,
}

/// State of the transcript that the body refers to.
#[derive(Debug)]
enum TranscriptState {
    /// The body is complete.
    NotNeeded,
    /// The transcript is missing.
    Missing(PendingTranscript),
    /// The transcript is being fetched, and this attempt waits for it.
    Fetching(PendingTranscript, PlanIndex),
}

/// Entry of a failed attempt in the attempt log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LogEntry {
    /// There is none.
    Missing,
    /// The status is a guess of the attempt, which did not know why it ended.
    Guessed,
    /// Nothing is to be added: the entry is right, or no attempt was made.
    Complete,
}

impl Attempts {
    /// Creates the attempts of a plan. None is made.
    pub(super) fn new(caller: Caller, planned: PlannedRequest, body: ReceivedBody) -> Self {
        let PlannedRequest { plan, draft, transcript } = planned;
        Self {
            guard: GuardState::new(&caller),
            caller,
            plan,
            body,
            draft,
            transcript: transcript.map_or(TranscriptState::NotNeeded, TranscriptState::Missing),
            log: AttemptLog::default(),
            admissions: Admissions::default(),
            in_flight: InFlight::default(),
            retry: None,
            last_failed: None,
            telemetry: Vec::new(),
            answered: None,
            unanswered: Vec::new(),
        }
    }

    /// Returns the model of the client's request.
    pub(super) fn model(&self) -> &str {
        &self.plan.primary.model
    }

    /// Returns the body of the client's request.
    pub(super) fn body(&self) -> &[u8] {
        self.body.bytes()
    }

    /// Returns the provider and the region of the last failure that no provider role has reported.
    pub(super) fn last_failed(&self) -> Option<&(String, Region)> {
        self.last_failed.as_ref()
    }

    /// Takes the events since the last call.
    pub(super) fn take_telemetry(&mut self) -> Vec<TelemetryEvent> {
        std::mem::take(&mut self.telemetry)
    }

    /// Makes the first attempt that the account may make.
    pub(super) fn begin(&mut self, now: Timestamp) -> Output {
        // Limits are for answers of models.
        if self.caller.inlet.counts_tokens() {
            return self.start(PlanIndex::FIRST, None, now);
        }
        self.admit(PendingAdmission { index: PlanIndex::FIRST, reason: None, reply: None }, now)
    }

    /// Takes in a response with status 200 that is no failure.
    pub(super) fn on_success(&self) -> Output {
        match self.plan.lane {
            Lane::Answer => Output::Pass,
            Lane::Stream => Output::Stream(Box::new(self.stream_limits())),
        }
    }

    /// Returns the limits of a stream.
    fn stream_limits(&self) -> StreamLimits {
        let Caller { gateway, request_id, started, inlet, .. } = &self.caller;
        let timeouts = IdleTimeouts { idle: self.plan.max_idle(), warm: gateway.config.keep_warm };
        let configured = self.plan.slowest_from(self.in_flight.routed).deadlines.stream;
        let limit = self.plan.max_timeout.map_or(configured, |own| own.min(configured));
        let envelope = Envelope {
            request_id: request_id.clone(),
            model: self.plan.shown_model.clone(),
            created: started.as_secs(),
            ..Envelope::default()
        };
        let deadline = StreamDeadline { limit, due: started.plus(limit), envelope, inlet: *inlet };
        StreamLimits { timeouts, deadline }
    }

    /// Takes in that the deadline of an attempt without a response has passed. `ticket` is the one
    /// of the attempt under way.
    pub(super) fn on_deadline(&mut self, ticket: Option<Ticket>, now: Timestamp) -> Output {
        if !self.in_flight.is_routed_alone() || self.is_answer_held() {
            return Output::Wait;
        }
        self.on_local_failure(Cause::DeadlineExceeded, ticket, 504, now)
    }

    /// Takes in a response with another status, or one that a role reports as a failed attempt.
    pub(super) fn on_failure(
        &mut self,
        status: u16,
        source: ReplySource,
        now: Timestamp,
    ) -> Output {
        match source {
            // After a failure, the router knew the plan and made no further attempt.
            ReplySource::Provider | ReplySource::Failed { .. } => Output::Pass,
            // Another attempt has answered.
            ReplySource::Envoy { .. } if self.is_answer_held() => {
                self.in_flight.end(self.in_flight.routed);
                Output::Wait
            }
            ReplySource::Envoy { details, ticket } => {
                self.on_local_reply(status, &details, ticket.map(|ticket| *ticket), now)
            }
        }
    }

    /// Takes in a local reply of Envoy's. In the stream lane, `ticket` is the one that the last
    /// attempt has left.
    fn on_local_reply(
        &mut self,
        status: u16,
        details: &str,
        ticket: Option<Ticket>,
        now: Timestamp,
    ) -> Output {
        match Cause::of_local_reply(status, details) {
            Some(cause) => self.on_local_failure(cause, ticket, status, now),
            None => Output::Pass,
        }
    }

    /// Takes in a failure of an attempt through Envoy's router.
    fn on_local_failure(
        &mut self,
        cause: Cause,
        ticket: Option<Ticket>,
        status: u16,
        now: Timestamp,
    ) -> Output {
        let routed = self.in_flight.routed;
        let Some(ticket) = ticket.filter(|_| self.plan.lane == Lane::Stream) else {
            return self.fail(routed, cause, LogEntry::Missing, now);
        };
        self.in_flight.end(routed);
        let index = self.plan.index_of(&ticket);
        let state = if ticket.is_exhausted() { TicketState::Exhausted } else { TicketState::Open };
        self.log = ticket.attempt_log;
        match ReportedAttempt::of(cause, state) {
            ReportedAttempt::Unlisted => self.fail(index, cause, LogEntry::Missing, now),
            ReportedAttempt::Predecessor => {
                self.fail(index.previous(), cause, LogEntry::Guessed, now)
            }
            ReportedAttempt::Last => self.give_up(index, cause, LogEntry::Guessed, now),
            ReportedAttempt::LastAsListed => {
                let last = self.log.list().last().map_or(status, |(_, status, _)| status);
                let cause = Cause::of_call_reply(last, b"");
                self.give_up(index, cause, LogEntry::Complete, now)
            }
        }
    }

    /// Takes in that a retry is due.
    pub(super) fn on_retry_due(&mut self, now: Timestamp) -> Output {
        let retry = self.retry.take();
        retry.map_or(Output::Wait, |index| self.call(index, AttemptReason::Retry, now))
    }

    /// Takes in that an attempt beside the first is due: at the next endpoint, or for the next model.
    pub(super) fn on_hedge_due(&mut self, now: Timestamp) -> Output {
        if self.plan.hedge.is_none()
            || self.in_flight.hedged.is_some()
            || !self.in_flight.is_routed_alone()
        {
            return Output::Wait;
        }
        let Some(index) = self.plan.after(self.in_flight.routed, Failover::NextEndpoint) else {
            return Output::Wait;
        };
        self.in_flight.hedged = Some(index);
        let reason = Some(AttemptReason::Hedge);
        self.admit(PendingAdmission { index, reason, reply: None }, now)
    }

    /// Takes in the result of the call for the transcript.
    pub(super) fn on_transcript(&mut self, result: &CallResult, now: Timestamp) -> Output {
        let state = std::mem::replace(&mut self.transcript, TranscriptState::NotNeeded);
        let TranscriptState::Fetching(transcript, index) = state else {
            self.transcript = state;
            return Output::Wait;
        };
        match transcript.insert(self.body.bytes(), result) {
            Ok(body) => {
                self.body.replace(body);
                self.guard_request(index, now)
            }
            Err(error) => Output::Reply(self.refusal(&error, now)),
        }
    }

    /// Makes an attempt that was admitted.
    fn start(&mut self, index: PlanIndex, reason: Option<AttemptReason>, now: Timestamp) -> Output {
        if let Some(reason) = reason {
            return self.call(index, reason, now);
        }
        match std::mem::replace(&mut self.transcript, TranscriptState::NotNeeded) {
            TranscriptState::Missing(transcript) | TranscriptState::Fetching(transcript, _) => {
                let call = transcript.call.clone();
                self.telemetry.push(TelemetryEvent::TranscriptCalled(call.region));
                self.transcript = TranscriptState::Fetching(transcript, index);
                Output::FetchTranscript(call)
            }
            TranscriptState::NotNeeded => self.guard_request(index, now),
        }
    }

    /// Makes an attempt through Envoy's router.
    fn route(&mut self, index: PlanIndex, now: Timestamp) -> Output {
        match self.plan.lane {
            Lane::Answer => self.send(index, now),
            Lane::Stream => self.forward(index, now),
        }
    }

    /// Returns the time that is left for the attempts of a stream, if Envoy's router may take longer.
    fn stream_wait(&self, index: PlanIndex, now: Timestamp) -> Option<Duration> {
        let left = self.time_left(now);
        (self.plan.longest_wait_from(index) + BACK_OFF > left).then_some(left)
    }

    /// Returns the time until the total deadline.
    fn time_left(&self, now: Timestamp) -> Duration {
        self.plan.primary.deadlines.total.saturating_sub(now.since(self.caller.started))
    }

    /// Returns `true` if no attempt can be made before the total deadline. To Envoy, a timeout below
    /// a millisecond is none.
    fn is_time_up(&self, now: Timestamp) -> bool {
        self.time_left(now) < Duration::from_millis(1)
    }

    /// Lets the router make an attempt, and those that follow.
    fn forward(&mut self, index: PlanIndex, now: Timestamp) -> Output {
        let Some(planned) = self.plan.get(index) else { return Output::Wait };
        let profile = self.plan.slowest_from(index).deadline_profile();
        let rest = self.plan.targets_after(index);
        let retries = self.plan.retries_after(index);
        let ticket = self.ticket(Lane::Stream, planned.target(), rest, profile);
        let deadline = self.stream_wait(index, now);
        self.in_flight.route(index, None, now);
        Output::Forward { ticket, retries, body: self.body.state(), deadline }
    }

    /// Returns the ticket of an attempt.
    fn ticket(
        &self,
        lane: Lane,
        target: AttemptTarget,
        rest: Vec<AttemptTarget>,
        deadline_profile: &str,
    ) -> Ticket {
        let Caller { gateway, account, request_id, started, inlet } = &self.caller;
        Ticket {
            lane,
            deadline_profile: deadline_profile.to_owned(),
            version: gateway.config.version.clone(),
            request_id: request_id.clone(),
            started: *started,
            gateway_region: gateway.region,
            limit_status: self.admissions.limit_status(&target.model),
            target,
            rest,
            due: None,
            account: account.clone(),
            attempt_log: self.log.clone(),
            inlet: *inlet,
        }
    }

    /// Goes on after a failure that no provider role has reported.
    fn fail(&mut self, index: PlanIndex, cause: Cause, entry: LogEntry, now: Timestamp) -> Output {
        match self.record_failure(index, cause, entry, now) {
            Some((reply, failover)) => self.advance(index, failover, reply, now),
            None => Output::Wait,
        }
    }

    /// Answers after the failure of the last attempt that may be made.
    fn give_up(
        &mut self,
        index: PlanIndex,
        cause: Cause,
        entry: LogEntry,
        now: Timestamp,
    ) -> Output {
        match self.record_failure(index, cause, entry, now) {
            Some((reply, _)) => self.advance(index, Failover::GiveUp, reply, now),
            None => Output::Wait,
        }
    }

    /// Lists a failure, and returns the client's answer if no attempt follows, and the step that
    /// follows otherwise.
    fn record_failure(
        &mut self,
        index: PlanIndex,
        cause: Cause,
        entry: LogEntry,
        now: Timestamp,
    ) -> Option<(Reply, Failover)> {
        let planned = self.plan.get(index)?;
        let Failure { error, failover } = cause.failure(&planned.provider);
        self.last_failed = Some((planned.provider.clone(), planned.region));
        match entry {
            LogEntry::Missing => self.list_failure(index, &error, now),
            LogEntry::Guessed => self.log = self.log.with_last_status(error.status()),
            LogEntry::Complete => {}
        }
        Some((self.error_reply(index, &error, now), failover))
    }

    /// Lists a failed attempt, and counts it.
    fn list_failure(&mut self, index: PlanIndex, error: &Error, now: Timestamp) {
        let Some(planned) = self.plan.get(index) else { return };
        let duration = now.since(self.in_flight.began(index).unwrap_or(self.caller.started));
        let (provider, model) = (planned.provider_label(), planned.model.clone());
        self.log = self.log.with_attempt(&planned.name(), error.status(), duration);
        let reason = error.reason();
        self.telemetry.push(TelemetryEvent::Failed { provider, model, reason, duration });
    }

    /// Returns the client's answer if no attempt follows the failed one.
    fn error_reply(&self, index: PlanIndex, error: &Error, now: Timestamp) -> Reply {
        let mut reply = Reply::failed(error, &self.caller.request_id, &self.log, self.caller.inlet);
        reply.headers.push((REGION, self.plan.primary.region.name().to_owned()));
        let model = self.plan.get(index).map_or("", |planned| &planned.model);
        reply.headers.extend(self.admissions.limit_headers(model, self.caller.inlet, now));
        reply
    }

    /// Goes on after a failed attempt. `reply` is the client's answer if no attempt follows.
    fn advance(
        &mut self,
        index: PlanIndex,
        failover: Failover,
        reply: Reply,
        now: Timestamp,
    ) -> Output {
        self.in_flight.end(index);
        if failover != Failover::GiveUp {
            if !self.in_flight.is_empty() && !self.is_time_up(now) {
                return Output::Wait;
            }
            // An attempt that waits to be made beside the failed one takes its place.
            if let Some(pending) = &mut self.admissions.pending {
                (pending.reason, pending.reply) = (Some(AttemptReason::Fallback), Some(reply));
                return Output::Wait;
            }
        }
        let next = self.next_after(index, failover).filter(|_| !self.is_time_up(now));
        match next {
            None => Output::Reply(reply),
            Some(next) if self.plan.is_same_endpoint(index, next) => {
                self.retry = Some(next);
                Output::RetryAt(now.plus(BACK_OFF))
            }
            Some(next) => {
                let (reason, reply) = (Some(self.plan.reason(index, next)), Some(reply));
                self.admit(PendingAdmission { index: next, reason, reply }, now)
            }
        }
    }

    /// Returns the position of the next attempt. An attempt that was made beside the first is not
    /// made again.
    fn next_after(&self, index: PlanIndex, failover: Failover) -> Option<PlanIndex> {
        let next = self.plan.after(index, failover)?;
        if self.in_flight.hedged == Some(next) {
            return self.plan.after(next, failover);
        }
        Some(next)
    }
}
