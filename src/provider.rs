//! The provider role: one attempt, in the provider's own API schema. A chat request goes out, the
//! provider's answer, stream or error comes back as the chat API's.

mod cluster;
mod event_template;
mod failover;
mod progress;
mod stream;

use std::rc::Rc;

use self::{progress::AttemptProgress, stream::Streaming};
use crate::{
    api_schema::{
        Decoder,
        origin::{ResponseContext, ResponseHead},
        translate,
        translation::{TranslatedRequest, TranslationInput},
    },
    chat::{answer::Service, envelope::Envelope, error::Error, request, stream_writer::Writer},
    failover::Failover,
    fit::Stream,
    handoff::{
        headers::{ATTEMPTS, NEXT, PARAMS, REGION, REPAIR},
        ticket::{Lane, Ticket},
    },
    post_processing::{RepairReport, RepairRequest, Repairer},
    quota::{self, Counted},
    reply::Reply,
    time::Timestamp,
};

pub use self::{
    cluster::{ProviderCluster, ProviderClusters},
    progress::is_clients_doing,
};
pub use crate::api_schema::fit;

/// The longest answer in one piece, in bytes. Envoy's own limit for a called answer is the same.
pub const MAX_ANSWER: usize = 32 << 20;

/// Where nobody listens: what Envoy tries when no host of a provider can be asked. Port 1 is reserved
/// for a service that nobody runs (IANA, *tcpmux*).
pub const UNREACHABLE_ADDRESS: (&str, u16) = ("127.255.255.254", 1);

/// What the shell does with a piece of the provider's answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Takes the piece away and waits for more, the head still held.
    Hold,
    /// Replaces head and body. The answer is complete.
    Answer(Reply),
    /// The same, and another attempt is to be made in its place, with this ticket.
    Yield(Reply, Box<Ticket>),
    /// Lets go the head of a stream, with the first of its body.
    Begin(Reply),
    /// Puts these bytes in the place of the piece.
    Continue {
        /// What the client gets of it.
        bytes: Vec<u8>,
        /// Why the stream broke off with them, in a word for logs and metrics.
        reason: Option<&'static str>,
    },
}

/// The answer to a request that no provider can be asked.
pub fn refuse(error: &Error, request_id: &str) -> Reply {
    let mut reply = Reply::error(error, request_id);
    reply.headers.push((NEXT, Failover::to_header(error)));
    reply
}

/// How an attempt ended without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LostResponse {
    /// The connection broke, or Envoy gave up waiting.
    Broken,
    /// No host of the provider could be asked.
    NoHost,
}

/// One attempt at one provider.
#[derive(Debug)]
pub struct Attempt {
    site: Rc<ProviderCluster>,
    envelope: Envelope,
    stream: Stream,
    /// The value of `x-attache-params`.
    report: String,
    reader: Decoder,
    /// What is to be mended in the answer, if anything.
    wanted: Option<Rc<RepairRequest>>,
    /// What was mended, and not told yet.
    mended: Option<RepairReport>,
    ticket: Ticket,
    /// When this attempt became ours, and Envoy's clock started.
    begun: Timestamp,
    /// When its request left.
    sent: Timestamp,
    /// The model that the client asked for, if this is another.
    request_model: Option<String>,
    /// Models that the account might not ask, and of what too much was used up. Not told yet.
    refused: Vec<(String, Counted)>,
    progress: AttemptProgress,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Nothing has come back.
    Asked,
    /// An answer or an error in one piece is coming.
    Whole { head: ResponseHead, body: Vec<u8> },
    /// A stream is coming.
    Streaming(Box<Streaming>),
    /// The client has all it gets. What still comes is dropped.
    Over,
}

impl Attempt {
    /// Translates a chat request. An error is one the client gets at once.
    pub fn new(
        site: &Rc<ProviderCluster>,
        ticket: Ticket,
        body: &[u8],
        now: Timestamp,
    ) -> Result<(Self, TranslatedRequest), Error> {
        if !ticket.gateway_region.may_reach(site.region) {
            let problem = "a request came to a region that it may not reach";
            return Err(Error::Misconfigured { problem });
        }
        let parameters = request::checked_parameters(body).map_err(Error::Unreadable)?;
        let (request, mistakes, request_model) = site.read(parameters, ticket.target.variant)?;
        if !mistakes.is_empty() {
            return Err(Error::Invalid(mistakes));
        }
        let target = site.target(&request)?;
        let fit = fit(&request, &target);
        if !fit.refused.is_empty() {
            return Err(Error::Invalid(fit.refused));
        }
        let asked = TranslationInput {
            request: &request,
            fit: &fit,
            target,
            request_id: &ticket.request_id,
        };
        let (outgoing, reader) = translate(&asked)?;
        let envelope = Envelope {
            request_id: ticket.request_id.clone(),
            model: target.name.to_owned(),
            created: now.as_secs(),
            // A stream has no place for it.
            request: if fit.stream == Stream::Off { fit.echo(target.name) } else { Vec::new() },
            include_usage: request.include_usage,
        };
        let (site, stream, report) = (Rc::clone(site), fit.stream, fit.report());
        let wanted = RepairRequest::by(&request);
        let (sent, state) = (ticket.due.map_or(now, |due| due.max(now)), State::Asked);
        let course = AttemptProgress { price: target.model.price, ..AttemptProgress::default() };
        Ok((
            Self {
                site,
                ticket,
                envelope,
                stream,
                report,
                reader,
                wanted,
                mended: None,
                begun: now,
                sent,
                request_model,
                refused: Vec::new(),
                progress: course,
                state,
            },
            outgoing,
        ))
    }

    /// When the request may leave, if not at once.
    pub fn due(&self) -> Option<Timestamp> {
        self.ticket.due.filter(|due| *due == self.sent)
    }

    /// Whether the client's answer is a stream that Envoy's router looks after.
    pub fn is_streamed(&self) -> bool {
        self.ticket.lane == Lane::Stream
    }

    /// Whether nothing has been said to the client yet.
    pub fn is_open(&self) -> bool {
        match &self.state {
            State::Over => false,
            State::Streaming(stream) => !stream.is_released(),
            State::Asked | State::Whole { .. } => true,
        }
    }

    /// The model being asked, under the name clients know.
    pub fn model(&self) -> &str {
        &self.envelope.model
    }

    /// Takes in the head of the answer. It is held until [`Self::body`] says otherwise.
    pub fn head(&mut self, head: ResponseHead) {
        let is_stream = head.content_type.starts_with("text/event-stream");
        self.state = if head.status == 200 && is_stream && self.stream == Stream::On {
            let (reader, envelope) = (self.reader.clone(), self.envelope.clone());
            let mender = self.wanted.clone().map(Repairer::new);
            State::Streaming(Box::new(Streaming::new(head, reader, envelope, mender)))
        } else {
            State::Whole { head, body: Vec::new() }
        };
    }

    /// Whether so many bytes of the answer, with more to come, may stay where they are: an answer
    /// in one piece is only read when it is complete.
    pub fn may_wait(&self, size: usize) -> bool {
        let State::Whole { body, .. } = &self.state else { return false };
        body.is_empty() && size <= MAX_ANSWER
    }

    /// Where it is made.
    pub fn cluster(&self) -> &ProviderCluster {
        &self.site
    }

    /// Takes in a piece of the answer's body, or its end. The clock is only asked where time
    /// matters: every call of a host has its price.
    pub fn body(&mut self, piece: &[u8], end: bool, clock: impl Fn() -> Timestamp) -> Step {
        let is_released = matches!(&self.state, State::Streaming(stream) if stream.is_released());
        let now = if is_released { self.sent } else { clock() };
        let step = self.step(piece, end, now);
        if matches!(self.state, State::Over) && !self.has_ended() {
            self.progress.ended = Some(if is_released { clock() } else { now });
            self.charge(clock);
        }
        let mut step = match step {
            Ok(step) => step,
            Err(error) => return self.fail(&error, now),
        };
        if let Step::Answer(reply) | Step::Begin(reply) = &mut step {
            self.progress.is_answered = true;
            self.sign(reply, now);
        }
        if matches!(step, Step::Begin(_)) {
            self.progress.begun = Some(now);
        }
        step
    }

    /// Counts what it cost, if anybody wants to know.
    fn charge(&self, clock: impl Fn() -> Timestamp) {
        let Some(usage) = self.progress.usage else { return };
        let ProviderCluster { config, store, .. } = &*self.site;
        let (account, model) = (&self.ticket.account, &self.envelope.model);
        quota::charge_tokens(config, account, model, usage.total(), &**store, clock);
    }

    /// What was mended in the answer since the last time.
    pub fn take_mended(&mut self) -> Option<RepairReport> {
        self.mended.take()
    }

    /// Says where the attempt was made and how it went.
    fn sign(&self, reply: &mut Reply, now: Timestamp) {
        reply.headers.push((REGION, self.site.region.name().to_owned()));
        reply.headers.push((ATTEMPTS, self.made(reply.status, now).into_header()));
        reply.headers.extend(self.standing(now));
    }

    fn step(&mut self, piece: &[u8], end: bool, now: Timestamp) -> Result<Step, Error> {
        match std::mem::replace(&mut self.state, State::Over) {
            // The usual answer comes in one piece and needs no copy.
            State::Whole { head, body } if end && body.is_empty() => self.whole(&head, piece, now),
            State::Whole { head, mut body } => {
                body.extend_from_slice(piece);
                if body.len() > MAX_ANSWER {
                    return Err(self.origin(&head).bad("is longer than 32 MiB"));
                }
                if end {
                    return self.whole(&head, &body, now);
                }
                self.state = State::Whole { head, body };
                Ok(Step::Hold)
            }
            State::Streaming(stream) => self.streaming(stream, piece, end),
            State::Asked | State::Over => Ok(Step::Continue { bytes: Vec::new(), reason: None }),
        }
    }

    fn whole(&mut self, head: &ResponseHead, body: &[u8], now: Timestamp) -> Result<Step, Error> {
        let mut answer = self.reader.answer(body, self.origin(head))?;
        // It has cost as much if nothing can be made of it.
        self.progress.usage = answer.usage;
        self.progress.finish = answer.choices.first().map(|choice| choice.finish);
        if let Some(wanted) = &self.wanted {
            self.mended = Some(wanted.answer(&mut answer)?);
        }
        let reply = match self.stream {
            Stream::Off => {
                let response_time = now.since(self.sent).as_nanos().try_into().unwrap_or(u64::MAX);
                let service = Service { status: head.status, response_time };
                let body = answer.to_json(&self.envelope, service);
                Reply::ok(self.headers("application/json"), body)
            }
            _ => {
                let mut writer = Writer::new(self.envelope.clone());
                answer.stream(&mut writer);
                Reply::ok(self.stream_headers(), writer.take())
            }
        };
        // What is escaped on the way grows.
        if reply.body.len() > MAX_ANSWER {
            return Err(self.origin(head).bad("is longer than 32 MiB"));
        }
        Ok(if self.stream == Stream::Off { Step::Answer(reply) } else { Step::Begin(reply) })
    }

    fn streaming(
        &mut self,
        mut stream: Box<Streaming>,
        piece: &[u8],
        end: bool,
    ) -> Result<Step, Error> {
        let (provider, model) = (&self.site.provider, &self.envelope.model);
        let step = match stream.feed(piece, end, provider, model) {
            stream::Outcome::Hold => Step::Hold,
            stream::Outcome::Fail(error) => return Err(error),
            stream::Outcome::Begin { bytes, reason } => {
                let reason = reason.map(Into::into);
                Step::Begin(Reply { reason, ..Reply::ok(self.stream_headers(), bytes) })
            }
            stream::Outcome::Continue { bytes, reason } => Step::Continue { bytes, reason },
        };
        self.mended = stream.take_mended();
        if stream.is_over() {
            (self.progress.usage, self.progress.finish) = (stream.spent(), stream.finish());
        } else {
            self.state = State::Streaming(stream);
        }
        Ok(step)
    }

    fn headers(&self, content_type: &str) -> Vec<(&'static str, String)> {
        let mut headers = vec![("content-type", content_type.to_owned())];
        if !self.report.is_empty() {
            headers.push((PARAMS, self.report.clone()));
        }
        let mended = self.mended.as_ref().and_then(RepairReport::header);
        headers.extend(mended.map(|mended| (REPAIR, mended)));
        headers
    }

    /// `x-accel-buffering` keeps nginx in front of us from collecting the stream.
    fn stream_headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = self.headers("text/event-stream; charset=utf-8");
        headers.push(("cache-control", "no-cache".to_owned()));
        headers.push(("x-accel-buffering", "no".to_owned()));
        headers
    }

    fn origin<'o>(&'o self, head: &'o ResponseHead) -> ResponseContext<'o> {
        ResponseContext { provider: &self.site.provider, model: &self.envelope.model, head }
    }
}
