//! The gateway role: one client request, from its head to the end of its answer.
//!
//! The shell reports each event as an [`Input`] and acts on the [`Output`]. [`plan`] holds the attempts
//! that an exchange may make, `attempts` makes them, and [`crate::failover`] decides which one follows
//! a failure.

mod attempts;
mod ejections;
mod endpoints;
pub mod guard_call;
pub mod head_fields;
pub mod held_bodies;
pub mod idle;
pub mod models;
mod pages;
pub mod plan;
mod planned_request;
mod regional;
pub mod reply_source;
mod request_head;
pub mod stream_deadline;
mod telemetry;
pub mod transcript_fetch;

use std::{rc::Rc, time::Duration};

use self::{
    attempts::{Attempts, UnansweredAttempt},
    guard_call::GuardCall,
    held_bodies::{AwaitedBody, ReceivedBody},
    idle::StreamLimits,
    plan::PlanIndex,
    planned_request::PlannedRequest,
    reply_source::ReplySource,
    transcript_fetch::TranscriptCall,
};
pub use self::{
    ejections::Ejections, held_bodies::RequestBody, regional::Gateway, request_head::RequestHead,
};
use crate::{
    api_schema::{origin::ResponseHead, translation::TranslatedRequest},
    attempt::{Attempt, response_head},
    chat::error::Error,
    failover::AttemptReason,
    handoff::{response_facts::ResponseFacts, ticket::Ticket},
    http_call::CallResult,
    inlet::Inlet,
    metrics::TelemetryEvent,
    quota::{budget::SpendingReport, service::RateLimitResponse},
    region::Region,
    reply::Reply,
    summary::Summary,
    time::Timestamp,
};

/// Event of an exchange.
#[derive(Clone, Debug)]
pub enum Input {
    /// The head of the request has come.
    Head(RequestHead),
    /// This many bytes of the body have come, and more follow.
    Received(usize),
    /// The body is complete.
    Body(Vec<u8>),
    /// The request ended in trailers.
    Trailers,
    /// The rate limit service was asked. `None`: no answer came.
    RateLimitAnswered(Option<RateLimitResponse>),
    /// The head of a provider's response has come through Envoy's router, in the answer lane.
    AnswerHead(ResponseHead),
    /// A piece of that response has come, or its end.
    AnswerPiece {
        /// Bytes.
        bytes: Vec<u8>,
        /// Whether nothing follows.
        end: bool,
    },
    /// The head of any other response has come through Envoy's router.
    Response {
        /// Status.
        status: u16,
        /// Source of the response.
        source: ReplySource,
    },
    /// A call for an attempt has ended.
    CallEnded {
        /// Position of the attempt in the plan.
        index: PlanIndex,
        /// Result of the call.
        result: CallResult,
    },
    /// The call for a transcript has ended.
    TranscriptFetched(CallResult),
    /// The call to the guard has ended.
    GuardDecided(CallResult),
    /// The moment of [`Output::RetryAt`] has come.
    RetryDue,
    /// The time of a hedge has passed without a response.
    HedgeDue,
    /// The deadline of [`Output::Send`] or [`Output::Forward`] has passed without a response. The
    /// ticket in filter state is that of the attempt under way, in the stream lane.
    DeadlinePassed(Option<Box<Ticket>>),
}

/// Action that the shell takes.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Hold the request or the response, and wait for the next event.
    Wait,
    /// Answer the client.
    Reply(Reply),
    /// Hold the request or the response, and ask the rate limit service.
    AskRateLimit {
        /// Message for the service.
        request: Vec<u8>,
        /// Timeout of the call.
        timeout: Duration,
    },
    /// Replace head and body of the request, and let it go through Envoy's router to a provider, whose
    /// response comes back as [`Input::AnswerHead`] and [`Input::AnswerPiece`].
    Send {
        /// Ticket of the attempt, which names the cluster.
        ticket: Rc<Ticket>,
        /// Request.
        request: TranslatedRequest,
        /// Time without a response after which [`Input::HedgeDue`] is due.
        hedge: Option<Duration>,
        /// Time without a response after which [`Input::DeadlinePassed`] is due.
        deadline: Option<Duration>,
    },
    /// Let the request go through Envoy's router to the provider role.
    Forward {
        /// Ticket of the attempt, which names the cluster.
        ticket: Ticket,
        /// Number of attempts that the router may add.
        retries: usize,
        /// Body of the request.
        body: RequestBody,
        /// Time without a response after which [`Input::DeadlinePassed`] is due.
        deadline: Option<Duration>,
    },
    /// Hold the request, and call for a transcript.
    FetchTranscript(TranscriptCall),
    /// Hold the request or the response, and ask the guard.
    AskGuard(GuardCall),
    /// Hold the response, and report [`Input::RetryDue`] at this moment.
    RetryAt(Timestamp),
    /// Hold the response, and call a provider.
    Call {
        /// Position of the attempt in the plan.
        index: PlanIndex,
        /// Ticket of the attempt, which names the cluster.
        ticket: Rc<Ticket>,
        /// Request.
        request: TranslatedRequest,
        /// Timeout of the call.
        timeout: Duration,
        /// Reason of the attempt.
        reason: AttemptReason,
    },
    /// Let the response go to the client.
    Pass,
    /// Let the response, a stream, go to the client, and watch its silences and its deadline.
    Stream(Box<StreamLimits>),
}

/// Caller of an exchange, with the facts that every ticket of the exchange carries.
#[derive(Debug)]
struct Caller {
    gateway: Rc<Gateway>,
    account: String,
    request_id: String,
    /// Moment at which the request was complete.
    started: Timestamp,
    inlet: Inlet,
}

/// One client request and its answer.
#[derive(Debug)]
pub struct Exchange {
    gateway: Rc<Gateway>,
    request_id: String,
    inlet: Inlet,
    /// Model of the request, when no attempt is under way.
    model: String,
    /// Moment at which a request that can be read was complete.
    started: Option<Timestamp>,
    /// Provider and region of the last failure that no provider role has reported.
    last_failed: Option<(String, Region)>,
    /// Events that were not taken yet.
    telemetry: Vec<TelemetryEvent>,
    /// Status and reason of a response that no provider role has counted.
    uncounted: Option<(u16, Option<String>)>,
    /// The attempt whose answer the client gets, until it is counted.
    answered: Option<Box<Attempt>>,
    /// Reports to the rate limit service that are not sent yet.
    reports: Vec<SpendingReport>,
    state: ExchangeState,
}

/// Model of a request that names no known one.
const NO_MODEL: &str = "none";

#[derive(Debug)]
enum ExchangeState {
    /// Nothing has come yet.
    Fresh,
    /// The body of a request is coming.
    Reading(Box<AwaitedBody>),
    /// Attempts are under way.
    Attempting(Box<Attempts>),
    /// The client has its answer, or the beginning of it. So has a request for any other endpoint.
    /// Calls of the attempts may still be under way.
    Over(Option<Box<Attempts>>),
}

impl Exchange {
    /// Creates an exchange in which nothing has happened.
    pub fn new(gateway: Rc<Gateway>, request_id: String) -> Self {
        Self {
            gateway,
            request_id,
            inlet: Inlet::default(),
            model: NO_MODEL.to_owned(),
            started: None,
            last_failed: None,
            telemetry: Vec::new(),
            uncounted: None,
            answered: None,
            reports: Vec::new(),
            state: ExchangeState::Fresh,
        }
    }

    /// Returns the model of the request. `none` before it is known.
    pub fn model(&self) -> &str {
        if let ExchangeState::Attempting(attempts) = &self.state {
            attempts.model()
        } else {
            &self.model
        }
    }

    /// Returns the body of the request. Empty when no attempt is under way.
    pub fn request_body(&self) -> &[u8] {
        if let ExchangeState::Attempting(attempts) = &self.state { attempts.body() } else { &[] }
    }

    /// Returns the summary of an exchange that the gateway role answers. `None` if the request could
    /// not be read.
    pub fn summary(&self, now: Timestamp) -> Option<Summary<'_>> {
        let total = Some(now.since(self.started?));
        let provider = self.last_failed.as_ref().map(|(name, region)| (name.as_str(), *region));
        Some(Summary { request_model: self.model(), provider, total, ..Summary::default() })
    }

    /// Takes the events since the last call.
    pub fn take_telemetry(&mut self) -> Vec<TelemetryEvent> {
        if let ExchangeState::Attempting(attempts) = &mut self.state {
            self.telemetry.append(&mut attempts.take_telemetry());
        }
        std::mem::take(&mut self.telemetry)
    }

    /// Takes the attempts without an answer that have ended since the last call.
    fn take_unanswered(&mut self) -> Vec<UnansweredAttempt> {
        match &mut self.state {
            ExchangeState::Attempting(attempts) | ExchangeState::Over(Some(attempts)) => {
                std::mem::take(&mut attempts.unanswered)
            }
            ExchangeState::Fresh | ExchangeState::Reading(_) | ExchangeState::Over(None) => {
                Vec::new()
            }
        }
    }

    /// Returns the event of a response whose head has come through Envoy's router.
    pub fn read_response(
        &self,
        response: &impl ResponseFacts,
        clock: impl FnOnce() -> Timestamp,
    ) -> Input {
        let status = response.status();
        let is_direct =
            matches!(&self.state, ExchangeState::Attempting(own) if own.reads_response());
        let source = match status {
            // A success, such as a stream that has begun, needs no further host call.
            200 => ReplySource::Provider,
            _ if is_direct => ReplySource::of_direct(response),
            _ => ReplySource::of(response),
        };
        if is_direct && source == ReplySource::Provider {
            return Input::AnswerHead(response_head(status, |name| response.header(name), clock));
        }
        Input::Response { status, source }
    }

    /// Takes in that the client has left. An answer that the guard has not seen yet is counted.
    pub fn on_client_left(&mut self) {
        if let ExchangeState::Attempting(attempts) = &mut self.state {
            attempts.drop_guarded_answer();
        }
    }

    /// Takes in the result of a call after the client has left.
    pub fn on_abandoned_call(&mut self, index: PlanIndex, result: &CallResult, now: Timestamp) {
        if let ExchangeState::Attempting(attempts) | ExchangeState::Over(Some(attempts)) =
            &mut self.state
        {
            attempts.on_late_call(index, result, now);
        }
    }

    /// Takes in an event and returns the action. The clock is only read where time matters, because
    /// every host call has its price.
    pub fn on(&mut self, input: Input, clock: impl FnOnce() -> Timestamp) -> Output {
        self.note(&input);
        match (&mut self.state, input) {
            (ExchangeState::Fresh, Input::Head(head)) => self.on_head(&head),
            (ExchangeState::Reading(awaited), Input::Received(size)) => {
                match awaited.grow(size, &self.gateway.config) {
                    Ok(()) => Output::Wait,
                    Err(error) => self.refuse(&error),
                }
            }
            (ExchangeState::Reading(awaited), Input::Body(body)) => {
                match awaited.complete(body, &self.gateway.config) {
                    Ok((account, body)) => self.on_body(account, body, clock()),
                    Err(error) => self.refuse(&error),
                }
            }
            (ExchangeState::Reading(_), Input::Trailers) => self.refuse(&Error::Trailers),
            (ExchangeState::Attempting(attempts), input) => {
                let output = Self::on_attempts(attempts, input, clock);
                self.finish(output)
            }
            (ExchangeState::Over(Some(attempts)), Input::CallEnded { index, result }) => {
                attempts.on_late_call(index, &result, clock());
                Output::Wait
            }
            // A local reply to a request that never became an attempt, or a reply of the module's own.
            (_, Input::Response { .. }) => {
                self.state = ExchangeState::Over(None);
                Output::Pass
            }
            _ => Output::Wait,
        }
    }

    /// Notes what metrics need of an event, whatever the state.
    fn note(&mut self, input: &Input) {
        match input {
            Input::RateLimitAnswered(None) => self.telemetry.push(TelemetryEvent::ServiceFailed),
            Input::Response { status, source } => {
                self.uncounted = source.uncounted_reason().map(|reason| (*status, reason));
            }
            _ => {}
        }
    }

    /// Takes in an event while attempts are under way.
    fn on_attempts(
        attempts: &mut Attempts,
        input: Input,
        clock: impl FnOnce() -> Timestamp,
    ) -> Output {
        match input {
            Input::RateLimitAnswered(answer) => attempts.on_rate_limit_answer(answer, clock()),
            Input::TranscriptFetched(result) => attempts.on_transcript(&result, clock()),
            Input::GuardDecided(result) => attempts.on_guard(&result, clock()),
            Input::Response { status: 200, source: ReplySource::Provider } => attempts.on_success(),
            Input::Response { status, source } => attempts.on_failure(status, source, clock()),
            Input::AnswerHead(head) => attempts.on_answer_head(head),
            Input::AnswerPiece { bytes, end } => attempts.on_answer_piece(&bytes, end, clock()),
            Input::CallEnded { index, result } => attempts.on_call_ended(index, &result, clock()),
            Input::RetryDue => attempts.on_retry_due(clock()),
            Input::HedgeDue => attempts.on_hedge_due(clock()),
            Input::DeadlinePassed(ticket) => {
                attempts.on_deadline(ticket.map(|ticket| *ticket), clock())
            }
            Input::Head(_) | Input::Received(_) | Input::Body(_) | Input::Trailers => Output::Wait,
        }
    }

    /// Ends the attempts after an output that answers the client.
    fn finish(&mut self, output: Output) -> Output {
        if !matches!(output, Output::Pass | Output::Stream(_) | Output::Reply(_)) {
            return output;
        }
        let state = std::mem::replace(&mut self.state, ExchangeState::Over(None));
        if let ExchangeState::Attempting(mut attempts) = state {
            attempts.model().clone_into(&mut self.model);
            self.last_failed = attempts.last_failed().cloned();
            self.telemetry.append(&mut attempts.take_telemetry());
            self.answered = attempts.answered.take();
            self.state = ExchangeState::Over(attempts.into_late());
        }
        output
    }

    fn on_head(&mut self, head: &RequestHead) -> Output {
        self.inlet = endpoints::inlet(head);
        let endpoint = match self.gateway.check_head(head) {
            Ok(endpoint) => endpoint,
            Err(error) => return self.refuse(&error),
        };
        if endpoint.has_body() {
            return match AwaitedBody::new(head, &self.gateway) {
                Ok(awaited) => {
                    self.state = ExchangeState::Reading(Box::new(awaited));
                    Output::Wait
                }
                Err(error) => self.refuse(&error),
            };
        }
        match pages::page(&self.gateway, &endpoint, self.inlet) {
            Ok(reply) => Output::Reply(reply),
            Err(error) => self.refuse(&error),
        }
    }

    fn on_body(&mut self, account: String, body: ReceivedBody, now: Timestamp) -> Output {
        let (gateway, request_id) = (Rc::clone(&self.gateway), self.request_id.clone());
        let caller = Caller { gateway, account, request_id, started: now, inlet: self.inlet };
        let planned = match PlannedRequest::new(&caller, body.bytes()) {
            Ok(planned) => planned,
            Err(error) => return self.refuse(&error),
        };
        if self.inlet.counts_tokens() && !pages::can_count(&self.gateway, &planned.plan) {
            self.state = ExchangeState::Over(None);
            return Output::Reply(pages::estimated_tokens(
                body.bytes(),
                self.inlet,
                &self.request_id,
            ));
        }
        self.started = Some(now);
        let mut attempts = Attempts::new(caller, planned, body);
        let output = attempts.begin(now);
        self.state = ExchangeState::Attempting(Box::new(attempts));
        self.finish(output)
    }

    fn refuse(&mut self, error: &Error) -> Output {
        self.state = ExchangeState::Over(None);
        Output::Reply(Reply::error(error, &self.request_id, self.inlet))
    }
}
