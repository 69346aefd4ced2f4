//! The provider role: one attempt, in the provider's own API schema. A chat request goes out, the
//! provider's answer, stream or error comes back as the chat API's.

mod anthropic;
mod failure;
mod gemini;
mod openai;
mod reader;
mod repeat;
mod stream;

use std::{rc::Rc, time::Duration};

pub use self::reader::fit;
use self::{
    reader::{Origin, Reader, translate},
    stream::Streaming,
};
use crate::{
    chat::{
        answer::Service,
        chunk::Writer,
        envelope::Envelope,
        error::Error,
        fit::{Fit, Stream},
        request::{self, Request},
    },
    config::{Config, Target},
    region::Region,
    reply::Reply,
    time::Timestamp,
};

/// The longest answer in one piece, in bytes. Envoy's own limit for a called answer is the same.
pub const MAX_ANSWER: usize = 32 << 20;

/// A provider in one region: what a cluster of Envoy stands for.
#[derive(Clone, Debug)]
pub struct Site {
    /// Everything the operator decided.
    pub config: Rc<Config>,
    /// The provider's name.
    pub provider: String,
    /// Where it is asked.
    pub region: Region,
}

/// A request as it leaves for the provider.
#[derive(Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The value of `:authority`.
    pub authority: String,
    /// The value of `:path`.
    pub path: String,
    /// The value of `accept`.
    pub accept: &'static str,
    /// What else the API schema wants in the head.
    pub headers: &'static [(&'static str, &'static str)],
    /// JSON.
    pub body: Vec<u8>,
}

/// The beginning of a provider's answer.
#[derive(Debug, Default)]
pub struct Head {
    /// The status.
    pub status: u16,
    /// `content-type`, empty if there is none.
    pub content_type: String,
    /// `retry-after`, as far as it is a number of seconds.
    pub retry_after: Option<Duration>,
}

/// What the shell does with a piece of the provider's answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Takes the piece away and waits for more, the head still held.
    Hold,
    /// Replaces head and body. The answer is complete.
    Answer(Reply),
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

/// One attempt at one provider.
#[derive(Debug)]
pub struct Attempt {
    site: Rc<Site>,
    envelope: Envelope,
    stream: Stream,
    /// The value of `x-attache-params`.
    report: String,
    reader: Reader,
    sent: Timestamp,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Nothing has come back.
    Asked,
    /// An answer or an error in one piece is coming.
    Whole { head: Head, body: Vec<u8> },
    /// A stream is coming.
    Streaming(Box<Streaming>),
    /// The client has all it gets. What still comes is dropped.
    Over,
}

impl Attempt {
    /// Translates a chat request. An error is one the client gets at once.
    pub fn new(
        site: &Rc<Site>,
        request_id: &str,
        body: &[u8],
        now: Timestamp,
    ) -> Result<(Self, Outgoing), Error> {
        let parameters = request::checked_parameters(body).map_err(Error::Unreadable)?;
        let (request, mistakes) = Request::read(parameters);
        if !mistakes.is_empty() {
            return Err(Error::Invalid(mistakes));
        }
        let target = site.target(&request)?;
        let fit = fit(&request, &target);
        if !fit.refused.is_empty() {
            return Err(Error::Invalid(fit.refused));
        }
        let asked = Asked { request: &request, fit: &fit, target, request_id };
        let (outgoing, reader) = translate(&asked)?;
        let envelope = Envelope {
            request_id: request_id.to_owned(),
            model: target.name.to_owned(),
            created: now.as_secs(),
            // A stream has no place for it.
            request: if fit.stream == Stream::Off { fit.echo(target.name) } else { Vec::new() },
            include_usage: request.include_usage,
        };
        let (site, stream, report) = (Rc::clone(site), fit.stream, fit.report());
        let state = State::Asked;
        Ok((Self { site, envelope, stream, report, reader, sent: now, state }, outgoing))
    }

    /// The model being asked, under the name clients know.
    pub fn model(&self) -> &str {
        &self.envelope.model
    }

    /// Takes in the head of the answer. It is held until [`Self::body`] says otherwise.
    pub fn head(&mut self, head: Head) {
        let is_stream = head.content_type.starts_with("text/event-stream");
        self.state = if head.status == 200 && is_stream && self.stream == Stream::On {
            let (reader, envelope) = (self.reader.clone(), self.envelope.clone());
            State::Streaming(Box::new(Streaming::new(head, reader, envelope)))
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

    /// Takes in a piece of the answer's body, or its end. The clock is only asked where time
    /// matters: every call of a host has its price.
    pub fn body(&mut self, piece: &[u8], end: bool, clock: impl FnOnce() -> Timestamp) -> Step {
        let is_released = matches!(&self.state, State::Streaming(stream) if stream.is_released());
        let now = if is_released { self.sent } else { clock() };
        let mut step = self.step(piece, end, now);
        if let Step::Answer(reply) | Step::Begin(reply) = &mut step {
            self.sign(reply, now);
        }
        step
    }

    /// Says where the attempt was made and how it went.
    fn sign(&self, reply: &mut Reply, now: Timestamp) {
        let (model, status) = (&self.envelope.model, reply.status);
        let took = now.since(self.sent).as_millis();
        reply.headers.push(("x-attache-region", self.site.region.name().to_owned()));
        reply.headers.push(("x-attache-attempts", format!("{model}={status}/{took}ms")));
    }

    fn step(&mut self, piece: &[u8], end: bool, now: Timestamp) -> Step {
        match std::mem::replace(&mut self.state, State::Over) {
            // The usual answer comes in one piece and needs no copy.
            State::Whole { head, body } if end && body.is_empty() => self.whole(&head, piece, now),
            State::Whole { head, mut body } => {
                body.extend_from_slice(piece);
                if body.len() > MAX_ANSWER {
                    return self.fail(self.origin(&head).bad("is longer than 32 MiB"));
                }
                if end {
                    return self.whole(&head, &body, now);
                }
                self.state = State::Whole { head, body };
                Step::Hold
            }
            State::Streaming(stream) => self.streaming(stream, piece, end),
            State::Asked | State::Over => Step::Continue { bytes: Vec::new(), reason: None },
        }
    }

    fn whole(&self, head: &Head, body: &[u8], now: Timestamp) -> Step {
        let step = self.whole_of_any_length(head, body, now);
        match &step {
            // What is escaped on the way grows.
            Step::Answer(reply) | Step::Begin(reply) if reply.body.len() > MAX_ANSWER => {
                self.fail(self.origin(head).bad("is longer than 32 MiB"))
            }
            _ => step,
        }
    }

    fn whole_of_any_length(&self, head: &Head, body: &[u8], now: Timestamp) -> Step {
        match self.reader.answer(body, self.origin(head)) {
            Err(error) => self.fail(error),
            Ok(answer) if self.stream == Stream::Off => {
                let response_time = now.since(self.sent).as_nanos().try_into().unwrap_or(u64::MAX);
                let service = Service { status: head.status, response_time };
                let body = answer.to_json(&self.envelope, service);
                Step::Answer(Reply::ok(self.headers("application/json"), body))
            }
            Ok(answer) => {
                let mut writer = Writer::new(self.envelope.clone());
                answer.stream(&mut writer);
                Step::Begin(Reply::ok(self.stream_headers(), writer.take()))
            }
        }
    }

    fn streaming(&mut self, mut stream: Box<Streaming>, piece: &[u8], end: bool) -> Step {
        let (provider, model) = (&self.site.provider, &self.envelope.model);
        let step = match stream.feed(piece, end, provider, model) {
            stream::Outcome::Hold => Step::Hold,
            stream::Outcome::Fail(error) => return self.fail(error),
            stream::Outcome::Begin { bytes, reason } => {
                Step::Begin(Reply { reason, ..Reply::ok(self.stream_headers(), bytes) })
            }
            stream::Outcome::Continue { bytes, reason } => Step::Continue { bytes, reason },
        };
        if !stream.is_over() {
            self.state = State::Streaming(stream);
        }
        step
    }

    fn fail(&self, error: Error) -> Step {
        Step::Answer(Reply::error(&error, &self.envelope.request_id))
    }

    fn headers(&self, content_type: &str) -> Vec<(&'static str, String)> {
        let mut headers = vec![("content-type", content_type.to_owned())];
        if !self.report.is_empty() {
            headers.push(("x-attache-params", self.report.clone()));
        }
        headers
    }

    /// `x-accel-buffering` keeps nginx in front of us from collecting the stream.
    fn stream_headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = self.headers("text/event-stream; charset=utf-8");
        headers.push(("cache-control", "no-cache".to_owned()));
        headers.push(("x-accel-buffering", "no".to_owned()));
        headers
    }

    fn origin<'o>(&'o self, head: &'o Head) -> Origin<'o> {
        Origin { provider: &self.site.provider, model: &self.envelope.model, head }
    }
}

impl Site {
    fn target(&self, request: &Request<'_>) -> Result<Target<'_>, Error> {
        let target = self.config.target(&request.model, self.region);
        target
            .filter(|target| target.endpoint.provider == self.provider)
            .ok_or(Error::Misconfigured { problem: "a request came to a provider it is not for" })
    }
}

/// A request that is about to be translated.
struct Asked<'q, 'a> {
    request: &'q Request<'a>,
    fit: &'q Fit<'a>,
    target: Target<'q>,
    request_id: &'q str,
}
