//! The gateway role: one client request from its head to the last word about its answer.
//!
//! What happened comes in as [`Input`], what to do next goes out as [`Output`]. Which attempts there
//! may be stands in [`plan`], how they go in `attempts`.

mod attempts;
mod endpoints;
pub mod envoy_reply;
mod final_reply;
pub mod models;
pub mod plan;
pub mod transcript_fetch;

use std::{rc::Rc, time::Duration};

use self::{
    attempts::{Attempts, Caller},
    endpoints::{Endpoint, endpoint},
    envoy_reply::ReplySource,
    plan::Plan,
    transcript_fetch::{PendingTranscript, TranscriptCall},
};
use crate::{
    chat::{error::Error, parameter::Parameter, request},
    config::Config,
    handoff::ticket::Ticket,
    http_call::CallResult,
    quota::{Counted, SharedStore, service::RateLimitResponse},
    region::Region,
    reply::Reply,
    summary::Summary,
    time::Timestamp,
    transcript::Wanted,
};

/// A gateway in one region: what a listener of Envoy stands for.
#[derive(Clone, Debug)]
pub struct Gateway {
    /// Everything the operator decided.
    pub config: Rc<Config>,
    /// Where it stands.
    pub region: Region,
    /// Where requests are counted.
    pub store: Rc<dyn SharedStore>,
}

/// The head of a client's request, as far as it matters.
#[derive(Clone, Debug, Default)]
pub struct RequestHead {
    /// `:method`.
    pub method: String,
    /// `:path`, query included.
    pub path: String,
    /// `content-type`.
    pub content_type: Option<String>,
    /// `content-encoding`.
    pub content_encoding: Option<String>,
    /// Whose key it was, as Envoy found.
    pub account: Option<String>,
    /// Whether no body follows.
    pub end: bool,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// The request began.
    Head(RequestHead),
    /// So many bytes of the request's body have come, and it goes on.
    Received(usize),
    /// The request's body is complete.
    Body(Vec<u8>),
    /// The request ended in trailers.
    Trailers,
    /// The rate limit service was asked. `None`: it gave no answer.
    RateLimitAnswered(Option<RateLimitResponse>),
    /// An answer began that came through Envoy's router.
    Response {
        /// Its status.
        status: u16,
        /// Whose answer it is.
        source: ReplySource,
    },
    /// A call came to its end.
    CallEnded {
        /// The place in the plan of the attempt it was.
        index: usize,
        /// What came of it.
        result: CallResult,
    },
    /// The call for a transcript came to its end.
    TranscriptFetched(CallResult),
    /// The moment has come that an output asked to be woken at.
    WakeUp,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Hold what there is and wait for more.
    Wait,
    /// Answer the client.
    Reply(Reply),
    /// Hold what there is and ask the rate limit service.
    AskRateLimit {
        /// The message.
        request: Vec<u8>,
        /// How long it may take.
        timeout: Duration,
    },
    /// Let the request go to the first attempt's cluster, its body as it came.
    Forward {
        /// What the attempt is told. It names the cluster.
        ticket: Ticket,
        /// How often Envoy's router may make another.
        retries: usize,
        /// After how long without an answer to begin the next attempt beside it.
        hedge: Option<Duration>,
    },
    /// Hold what there is, and call for a transcript. [`Output::Forward`] after that is about the body
    /// with the transcript in it, [`Exchange::asked`].
    FetchTranscript(TranscriptCall),
    /// Hold what there is, and wake the exchange at this moment.
    WakeAt(Timestamp),
    /// Call a cluster with the request's body, [`Exchange::asked`].
    Call {
        /// The attempt's place in the plan.
        index: usize,
        /// What the attempt is told. It names the cluster.
        ticket: Ticket,
        /// How long it may take.
        timeout: Duration,
        /// Why it is made.
        reason: AttemptReason,
    },
    /// Let the answer go to the client.
    Pass,
    /// The same with a stream, in which silences have a bound.
    Stream(IdleTimeouts),
}

/// How long a stream may be silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdleTimeouts {
    /// From one content to the next, until it is ended.
    pub idle: Duration,
    /// Until something should keep it warm.
    pub warm: Duration,
}

/// Why an attempt is made after the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptReason {
    /// The same again.
    Retry,
    /// Another model.
    Fallback,
    /// Nothing has come yet of the one before.
    Hedge,
}

/// What only the gateway role knows of an attempt, for whoever counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TelemetryEvent {
    /// It failed.
    Failed {
        /// Who was asked.
        provider: String,
        /// For which model.
        model: String,
        /// Why, in a word for metrics.
        reason: &'static str,
        /// How long it took to know.
        took: Duration,
    },
    /// It was not made: the account has used up what it may ask of the model.
    Refused {
        /// Who asks.
        account: String,
        /// The model.
        model: String,
        /// What there was too much of.
        exceeded: Counted,
    },
}

/// One client request and its answer.
#[derive(Debug)]
pub struct Exchange {
    gateway: Rc<Gateway>,
    request_id: String,
    /// The model that was asked for, once nothing more is.
    model: String,
    /// When the request was complete, if it could be read.
    started: Option<Timestamp>,
    /// Who failed last, and where.
    failed: Option<(String, Region)>,
    /// What was not told yet.
    telemetry: Vec<TelemetryEvent>,
    state: ExchangeState,
}

/// The model of a request that names none we know.
const NO_MODEL: &str = "none";

#[derive(Debug)]
enum ExchangeState {
    /// Nothing has come yet.
    Fresh,
    /// A chat request's body is coming, from this account.
    Reading(String),
    /// Attempts are under way.
    Attempting(Box<Attempts>),
    /// The client has its answer, or is getting it, or asked for something else than a chat.
    Over,
}

impl Exchange {
    /// An exchange in which nothing has happened.
    pub fn new(gateway: Rc<Gateway>, request_id: String) -> Self {
        let (model, started, failed) = (NO_MODEL.to_owned(), None, None);
        let (notes, state) = (Vec::new(), ExchangeState::Fresh);
        Self { gateway, request_id, model, started, failed, telemetry: notes, state }
    }

    /// The model that the client asked for, once that is known.
    pub fn model(&self) -> &str {
        if let ExchangeState::Attempting(attempts) = &self.state {
            attempts.model()
        } else {
            &self.model
        }
    }

    /// The request's body, for as long as attempts are under way.
    pub fn request_body(&self) -> &[u8] {
        if let ExchangeState::Attempting(attempts) = &self.state { attempts.body() } else { &[] }
    }

    /// What there is to say of it at this moment, where the gateway answers. `None` if there was no
    /// request.
    pub fn summary(&self, now: Timestamp) -> Option<Summary<'_>> {
        let total = Some(now.since(self.started?));
        let provider = self.failed.as_ref().map(|(name, region)| (name.as_str(), *region));
        Some(Summary { request_model: self.model(), provider, total, ..Summary::default() })
    }

    /// What only the gateway knows, since the last time.
    pub fn take_telemetry(&mut self) -> Vec<TelemetryEvent> {
        if let ExchangeState::Attempting(attempts) = &mut self.state {
            self.telemetry.append(&mut attempts.notes);
        }
        std::mem::take(&mut self.telemetry)
    }

    /// Takes in what happened and says what to do next. The clock is only asked where time matters:
    /// every call of a host has its price.
    pub fn on(&mut self, input: Input, clock: impl FnOnce() -> Timestamp) -> Output {
        match (&mut self.state, input) {
            (ExchangeState::Fresh, Input::Head(head)) => self.head(&head),
            (ExchangeState::Reading(_), Input::Received(size)) => self.received(size),
            (ExchangeState::Reading(account), Input::Body(body)) => {
                let account = std::mem::take(account);
                self.body(account, body, clock())
            }
            (ExchangeState::Reading(_), Input::Trailers) => self.refuse(&Error::Trailers),
            (ExchangeState::Attempting(attempts), Input::RateLimitAnswered(answer)) => {
                let output = attempts.on_rate_limit_answer(answer, clock());
                self.end(output)
            }
            (ExchangeState::Attempting(attempts), Input::TranscriptFetched(called)) => {
                let output = attempts.fetched(&called, clock());
                self.end(output)
            }
            (ExchangeState::Attempting(attempts), Input::Response { status: 200, .. }) => {
                let output = attempts.on_success();
                self.end(output)
            }
            (ExchangeState::Attempting(attempts), Input::Response { status, source }) => {
                let output = attempts.answer(status, source, clock());
                self.end(output)
            }
            (
                ExchangeState::Attempting(attempts),
                Input::CallEnded { index: place, result: called },
            ) => {
                let output = attempts.called(place, called, clock());
                self.end(output)
            }
            (ExchangeState::Attempting(attempts), Input::WakeUp) => {
                let output = attempts.due(clock());
                self.end(output)
            }
            // Envoy's own reply to a request that never became an attempt, or one of ours.
            (_, Input::Response { .. }) => {
                self.state = ExchangeState::Over;
                Output::Pass
            }
            _ => Output::Wait,
        }
    }

    /// After an output that answers the client there is nothing more to do.
    fn end(&mut self, output: Output) -> Output {
        if matches!(output, Output::Pass | Output::Stream(_) | Output::Reply(_))
            && let ExchangeState::Attempting(attempts) =
                std::mem::replace(&mut self.state, ExchangeState::Over)
        {
            (self.model, self.failed, self.telemetry) = attempts.into_parts();
        }
        output
    }

    fn head(&mut self, head: &RequestHead) -> Output {
        match self.open(head) {
            Ok(Endpoint::Chat) => {
                self.state = ExchangeState::Reading(head.account.clone().unwrap_or_default());
                Output::Wait
            }
            Ok(Endpoint::Models) => self.json(models::list(&self.gateway)),
            Ok(Endpoint::Health) => self.json(br#"{"status":"ok"}"#.to_vec()),
            Err(error) => self.refuse(&error),
        }
    }

    /// What can be said before the body came.
    fn open(&self, head: &RequestHead) -> Result<Endpoint, Error> {
        let page = endpoint(&head.method, &head.path)?;
        if page != Endpoint::Chat {
            return Ok(page);
        }
        let account = head.account.as_deref().ok_or(Error::NoAccount)?;
        if !self.gateway.config.has_access(account) {
            return Err(Error::NoAccess);
        }
        endpoints::check_content_type(head.content_type.as_deref())?;
        endpoints::check_content_encoding(head.content_encoding.as_deref())?;
        if head.end { Err(Error::NoBody) } else { Ok(page) }
    }

    fn body(&mut self, account: String, body: Vec<u8>, now: Timestamp) -> Output {
        let (plan, transcript) = match self.plan(&account, &body) {
            Ok(planned) => planned,
            Err(error) => return self.refuse(&error),
        };
        let asker = Caller { gateway: Rc::clone(&self.gateway), account };
        let mut attempts = Attempts::new(asker, plan, body, self.request_id.clone(), now);
        attempts.transcript = transcript;
        self.started = Some(now);
        let output = attempts.begin(now);
        self.state = ExchangeState::Attempting(Box::new(attempts));
        self.end(output)
    }

    fn received(&mut self, size: usize) -> Output {
        if self.is_too_large(size) { self.refuse(&self.too_large()) } else { Output::Wait }
    }

    fn is_too_large(&self, size: usize) -> bool {
        size > usize::try_from(self.gateway.config.request_body.get()).unwrap_or(usize::MAX)
    }

    fn too_large(&self) -> Error {
        Error::TooLarge { limit: self.gateway.config.request_body.get() }
    }

    /// What is to be done with a request, and what has to be fetched before.
    fn plan(&self, account: &str, body: &[u8]) -> Result<(Plan, Option<PendingTranscript>), Error> {
        if self.is_too_large(body.len()) {
            return Err(self.too_large());
        }
        if body.is_empty() {
            return Err(Error::NoBody);
        }
        let parameters = request::parameters(body).map_err(Error::Unreadable)?;
        let asks_for = parameters.has(Parameter::TranscriptId).then(|| parameters.clone());
        let plan = Plan::new(&self.gateway, account, parameters).map_err(Error::Invalid)?;
        let wanted = asks_for.and_then(|all| Wanted::of(body, &all, |entry| plan.asks(entry)));
        let transcript =
            wanted.map(|wanted| PendingTranscript::new(&self.gateway, wanted)).transpose()?;
        Ok((plan, transcript))
    }

    fn json(&self, body: Vec<u8>) -> Output {
        Output::Reply(Reply::ok(vec![("content-type", "application/json".to_owned())], body))
    }

    fn refuse(&mut self, error: &Error) -> Output {
        self.state = ExchangeState::Over;
        Output::Reply(Reply::error(error, &self.request_id))
    }
}
