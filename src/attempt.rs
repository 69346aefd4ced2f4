//! One attempt, in the provider's own API schema, for the role that makes it. A chat request goes out,
//! the provider's answer, stream or error comes back as the chat API's.

mod cluster;
mod draft;
mod event_template;
mod failover;
mod heads;
mod progress;
mod stream;
mod telemetry;

use std::rc::Rc;

use self::{
    progress::AttemptProgress,
    stream::{StreamStep, Streaming},
};
use crate::{
    api_schema::{
        Decoder,
        origin::{ResponseContext, ResponseHead},
        translation::TranslatedRequest,
    },
    chat::{
        answer::UpstreamResponse, attempt_log::AttemptLog, envelope::Envelope, error::Error, replay,
    },
    embeddings::answer::Embeddings,
    event_stream::EventDecoder,
    failover::Failover,
    fit::StreamMode,
    handoff::{
        headers::{ATTEMPTS, PARAMS, REGION, REPAIR},
        ticket::Ticket,
    },
    http_call::MAX_ANSWER,
    post_processing::{RepairReport, RepairRequest, Repairer},
    quota::{
        self, Counted,
        budget::{self, SpendingReport},
    },
    reply::Reply,
    time::Timestamp,
};

pub use self::{
    cluster::{ProviderCluster, ProviderClusters},
    draft::{AttemptDraft, DraftContext},
    heads::{request_headers, response_head},
};

/// Action that the shell takes for a piece of the provider's response.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Remove the piece, and wait for more. The head is still held.
    Hold,
    /// Replace head and body. The answer is complete.
    Answer(Reply),
    /// The attempt has failed. The gateway role decides what follows, and replaces head and body by
    /// this reply if nothing does.
    Fail(Reply, Failover),
    /// Replace head and body, and leave this ticket to the attempt that Envoy's router makes next.
    Yield(Reply, Box<Ticket>),
    /// Replace the head, and the piece by the beginning of a stream.
    Begin(Reply),
    /// Replace the piece.
    Continue {
        /// Bytes for the client.
        bytes: Vec<u8>,
        /// Reason of the error with which the stream ends, for logs and metrics.
        reason: Option<&'static str>,
    },
}

/// Problem of an answer above [`MAX_ANSWER`].
const TOO_LONG: &str = "is longer than 32 MiB";

/// One attempt at one provider.
#[derive(Debug)]
pub struct Attempt {
    cluster: Rc<ProviderCluster>,
    ticket: Rc<Ticket>,
    envelope: Envelope,
    stream: StreamMode,
    /// Name of the endpoint, if the model has several.
    endpoint: Option<String>,
    /// Value of `x-attache-params`.
    params: String,
    decoder: Decoder,
    /// Repair that the client has asked for.
    repair: Option<Rc<RepairRequest>>,
    /// Repairs since the last call of [`Self::take_repairs`].
    repairs: Option<RepairReport>,
    /// Moment at which the request came, and Envoy's timers started.
    began: Timestamp,
    /// Moment at which the request left.
    sent: Timestamp,
    /// Model of the client's request, if this is another.
    request_model: Option<String>,
    /// Models that the account may not ask in the place of this one, and the quantities whose limits
    /// are exceeded.
    refused: Vec<(String, Counted)>,
    progress: AttemptProgress,
    /// Report of the cost to the rate limit service, until it is sent.
    report: Option<SpendingReport>,
    /// Attempts of the exchange that have failed, if some have while this one was under way.
    failures: Option<AttemptLog>,
    state: AttemptState,
    /// Value of [`Self::buffered`].
    buffered: Option<usize>,
}

/// State of the provider's response.
#[derive(Debug)]
enum AttemptState {
    /// Nothing has come.
    Waiting,
    /// An answer or an error in one piece is coming.
    Whole { head: ResponseHead, body: Vec<u8> },
    /// A stream is coming.
    Streaming(Box<Streaming>),
    /// The client has everything since this moment. Whatever still comes is dropped.
    Ended(Timestamp),
}

/// Fault of an attempt, after which another may follow.
#[derive(Debug)]
enum AttemptFault {
    /// There is no answer.
    Error(Error),
    /// The answer is empty. The client gets it if no attempt follows.
    Empty(Reply),
}

impl From<Error> for AttemptFault {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl Attempt {
    /// Creates an attempt, and translates its request. The client gets an error at once.
    pub fn new(
        cluster: &Rc<ProviderCluster>,
        ticket: Ticket,
        body: &[u8],
        now: Timestamp,
    ) -> Result<(Self, TranslatedRequest), Error> {
        AttemptDraft::read(cluster, &ticket, body)?.begin(Rc::new(ticket), now)
    }

    /// Returns the moment at which the request may leave. `None`: at once.
    pub fn due(&self) -> Option<Timestamp> {
        self.ticket.due.filter(|due| *due == self.sent)
    }

    /// Returns `true` as long as the client has nothing of the response.
    pub fn is_open(&self) -> bool {
        match &self.state {
            AttemptState::Ended(_) => false,
            AttemptState::Streaming(stream) => !stream.is_released(),
            AttemptState::Waiting | AttemptState::Whole { .. } => true,
        }
    }

    /// Returns `true` if nothing more comes of the attempt.
    pub fn has_ended(&self) -> bool {
        matches!(self.state, AttemptState::Ended(_))
    }

    /// Returns the id of the exchange.
    pub fn request_id(&self) -> &str {
        &self.envelope.request_id
    }

    /// Returns the name of the model, as the operator spells it.
    pub fn model(&self) -> &str {
        &self.ticket.target.model
    }

    /// Returns the account of the caller.
    pub fn account(&self) -> &str {
        &self.ticket.account
    }

    /// Returns the cluster at which the attempt is made.
    pub fn cluster(&self) -> &ProviderCluster {
        &self.cluster
    }

    /// Takes the repairs of the answer since the last call.
    pub fn take_repairs(&mut self) -> Option<RepairReport> {
        self.repairs.take()
    }

    /// Takes the report of the cost to the rate limit service.
    pub fn take_report(&mut self) -> Option<SpendingReport> {
        self.report.take()
    }

    /// Takes in the head of the response. The client gets it when [`Self::body`] says so.
    pub fn head(&mut self, head: ResponseHead) {
        let is_stream = EventDecoder::reads(&head.content_type);
        self.state = if head.status == 200 && is_stream && self.stream == StreamMode::On {
            let writer = self.ticket.inlet.stream(self.envelope.clone());
            let (decoder, repairer) = (self.decoder.clone(), self.repair.clone());
            let repairer = repairer.map(Repairer::new);
            AttemptState::Streaming(Box::new(Streaming::new(head, decoder, writer, repairer)))
        } else {
            AttemptState::Whole { head, body: Vec::new() }
        };
    }

    /// Leaves the body so far, which has this many bytes, in Envoy's buffer until more comes, and
    /// returns `true`, if that may be. An answer in one piece is only read when it is complete.
    pub fn leave(&mut self, size: usize) -> bool {
        let AttemptState::Whole { body, .. } = &self.state else { return false };
        let may_wait = body.is_empty() && size <= MAX_ANSWER;
        if may_wait {
            self.buffered = Some(size);
        }
        may_wait
    }

    /// Returns the number of bytes in Envoy's buffer for the response's body, between two pieces.
    /// `None` if there is no buffer, before the first piece and after a piece that went on to the
    /// client. Envoy, `source/extensions/common/wasm/context.cc`: `Context::encodeData` and
    /// `Context::getBuffer`.
    pub fn buffered(&self) -> Option<usize> {
        self.buffered
    }

    /// Takes in a piece of the response's body, or its end. The clock is only read where time
    /// matters, because every host call has its price.
    pub fn body(&mut self, piece: &[u8], end: bool, clock: impl Fn() -> Timestamp) -> Step {
        if self.has_ended() {
            return Step::Continue { bytes: Vec::new(), reason: None };
        }
        let is_open = self.is_open();
        // After the head of a stream only the end needs the time.
        let now = if is_open { clock() } else { self.sent };
        let result = self.read(piece, end, now);
        if self.has_ended() {
            self.state = AttemptState::Ended(if is_open { now } else { clock() });
            self.charge(clock);
        }
        let step = match result {
            Ok(step) => self.complete(step, now),
            Err(AttemptFault::Error(error)) => self.fail(&error, now),
            Err(AttemptFault::Empty(reply)) => self.fail_empty(reply, now),
        };
        self.buffered = matches!(step, Step::Hold).then_some(0);
        step
    }

    /// Decodes a piece of the response. The state is [`AttemptState::Ended`] after the last piece and
    /// after an error.
    fn read(&mut self, piece: &[u8], end: bool, now: Timestamp) -> Result<Step, AttemptFault> {
        match std::mem::replace(&mut self.state, AttemptState::Ended(now)) {
            // The usual answer comes in one piece and needs no copy.
            AttemptState::Whole { head, body } if end && body.is_empty() => {
                self.whole(&head, piece, now)
            }
            AttemptState::Whole { head, mut body } => {
                body.extend_from_slice(piece);
                if body.len() > MAX_ANSWER {
                    return Err(self.origin(&head).bad(TOO_LONG).into());
                }
                if end {
                    return self.whole(&head, &body, now);
                }
                self.state = AttemptState::Whole { head, body };
                Ok(Step::Hold)
            }
            AttemptState::Streaming(stream) => self.streaming(stream, piece, end),
            AttemptState::Waiting | AttemptState::Ended(_) => {
                Ok(Step::Continue { bytes: Vec::new(), reason: None })
            }
        }
    }

    /// Charges the tokens of an attempt that has ended, and their cost, to the account.
    fn charge(&mut self, clock: impl Fn() -> Timestamp) {
        let Some(usage) = self.progress.usage else { return };
        let ProviderCluster { config, store, .. } = &*self.cluster;
        let (account, store) = (&self.ticket.account, &**store);
        quota::charge_tokens(config, account, self.model(), usage.total(), store, &clock);
        if let Some(cost) = self.progress.price.and_then(|price| price.cost_of(Some(&usage))) {
            self.report = budget::charge(config, account, cost, store, clock);
        }
    }

    /// Adds the headers about the attempt to a head that goes to the client.
    fn complete(&mut self, mut step: Step, now: Timestamp) -> Step {
        if matches!(step, Step::Begin(_)) {
            self.progress.begun = Some(now);
        }
        if let Step::Answer(reply) | Step::Begin(reply) = &mut step {
            self.complete_reply(reply, now);
        }
        step
    }

    fn complete_reply(&mut self, reply: &mut Reply, now: Timestamp) {
        self.progress.is_answered = true;
        reply.headers.push((REGION, self.cluster.region.name().to_owned()));
        reply.headers.push((ATTEMPTS, self.attempt_log(reply.status, now).into_header()));
        reply.headers.extend(self.limit_headers(now));
    }

    fn whole(
        &mut self,
        head: &ResponseHead,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Step, AttemptFault> {
        if self.ticket.inlet.counts_tokens() {
            self.decoder.check(body, self.origin(head))?;
            return Ok(Step::Answer(Reply::ok(self.headers("application/json"), body.to_vec())));
        }
        if let Some(embeddings) = self.decoder.embeddings(body, self.origin(head)) {
            return self.embeddings(&embeddings?, head);
        }
        let mut answer = self.decoder.answer(body, self.origin(head))?;
        // A failed repair does not make an answer cheaper.
        self.progress.usage = answer.usage;
        self.progress.finish = answer.choices.first().map(|choice| choice.finish);
        if let Some(repair) = &self.repair {
            self.repairs = Some(repair.repair_answer(&mut answer)?);
        }
        let is_empty = answer.is_empty();
        let reply = match self.stream {
            StreamMode::Off => {
                let response_time = now.since(self.sent).as_nanos().try_into().unwrap_or(u64::MAX);
                let service = UpstreamResponse { status: head.status, response_time };
                let inlet = self.ticket.inlet;
                let body = match self.relays() {
                    true => inlet.relay(body, &self.envelope, answer.usage.as_ref()),
                    false => inlet.answer(&answer, &self.envelope, service),
                };
                Reply::ok(self.headers("application/json"), body)
            }
            _ => {
                let mut writer = self.ticket.inlet.stream(self.envelope.clone());
                replay::to_deltas(answer).iter().for_each(|delta| writer.write(delta));
                Reply::ok(self.stream_headers(), writer.take_bytes())
            }
        };
        // Escaping makes an answer longer.
        if reply.body.len() > MAX_ANSWER {
            return Err(self.origin(head).bad(TOO_LONG).into());
        }
        if is_empty {
            return Err(AttemptFault::Empty(reply));
        }
        Ok(if self.stream == StreamMode::Off { Step::Answer(reply) } else { Step::Begin(reply) })
    }

    fn embeddings(
        &mut self,
        answer: &Embeddings<'_>,
        head: &ResponseHead,
    ) -> Result<Step, AttemptFault> {
        self.progress.usage = answer.usage;
        let body = answer.to_json(&self.envelope);
        if body.len() > MAX_ANSWER {
            return Err(self.origin(head).bad(TOO_LONG).into());
        }
        Ok(Step::Answer(Reply::ok(self.headers("application/json"), body)))
    }

    /// Returns `true` if the provider's answer goes to the client as it comes.
    fn relays(&self) -> bool {
        self.decoder.is_original() && self.repair.is_none()
    }

    fn streaming(
        &mut self,
        mut stream: Box<Streaming>,
        piece: &[u8],
        end: bool,
    ) -> Result<Step, AttemptFault> {
        let (provider, model) = (&self.cluster.provider, &self.envelope.model);
        let result = match stream.feed(piece, end, provider, model) {
            StreamStep::Hold => Ok(Step::Hold),
            StreamStep::Fail(error) => {
                self.progress.usage = stream.usage();
                return Err(error.into());
            }
            StreamStep::Empty(bytes) => {
                Err(AttemptFault::Empty(Reply::ok(self.stream_headers(), bytes)))
            }
            StreamStep::Begin { bytes, reason } => {
                let reason = reason.map(Into::into);
                Ok(Step::Begin(Reply { reason, ..Reply::ok(self.stream_headers(), bytes) }))
            }
            StreamStep::Continue { bytes, reason } => Ok(Step::Continue { bytes, reason }),
        };
        self.repairs = stream.take_repair_report();
        if stream.is_over() {
            (self.progress.usage, self.progress.finish) = (stream.usage(), stream.finish_reason());
        } else {
            self.state = AttemptState::Streaming(stream);
        }
        result
    }

    /// Returns the headers of an answer.
    fn headers(&self, content_type: &str) -> Vec<(&'static str, String)> {
        let mut headers = vec![("content-type", content_type.to_owned())];
        headers.extend(self.ticket.inlet.id_header(&self.envelope.request_id));
        if !self.params.is_empty() {
            headers.push((PARAMS, self.params.clone()));
        }
        let repairs = self.repairs.as_ref().and_then(RepairReport::header);
        headers.extend(repairs.map(|repairs| (REPAIR, repairs)));
        headers
    }

    /// Returns the headers of a stream. `x-accel-buffering` keeps an nginx between client and gateway
    /// from buffering the stream.
    fn stream_headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = self.headers("text/event-stream; charset=utf-8");
        headers.push(("cache-control", "no-cache".to_owned()));
        headers.push(("x-accel-buffering", "no".to_owned()));
        headers
    }

    fn origin<'o>(&'o self, head: &'o ResponseHead) -> ResponseContext<'o> {
        ResponseContext { provider: &self.cluster.provider, model: &self.envelope.model, head }
    }
}
