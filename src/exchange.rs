//! The gateway role: one client request from its head to the last word about its answer.
//!
//! What happened comes in as [`Input`], what to do next goes out as [`Output`]. There is one
//! attempt so far; the plan that retries and falls back takes its place in [`plan`].

pub mod models;
pub mod outcome;
pub mod plan;
mod surface;

use std::rc::Rc;

use self::{
    outcome::Source,
    plan::Plan,
    surface::{Page, page},
};
use crate::{
    chat::{error::Error, request},
    config::Config,
    region::Region,
    reply::Reply,
    time::Timestamp,
};

/// A gateway in one region: what a listener of Envoy stands for.
#[derive(Clone, Debug)]
pub struct Gateway {
    /// Everything the operator decided.
    pub config: Rc<Config>,
    /// Where it stands.
    pub region: Region,
}

/// The head of a client's request, as far as it matters.
#[derive(Clone, Debug, Default)]
pub struct Head {
    /// `:method`.
    pub method: String,
    /// `:path`, query included.
    pub path: String,
    /// `content-type`.
    pub content_type: Option<String>,
    /// Whose key it was, as Envoy found.
    pub account: Option<String>,
    /// Whether no body follows.
    pub end: bool,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// The request began.
    Head(Head),
    /// So many bytes of the request's body have come, and it goes on.
    Received(usize),
    /// The request's body is complete.
    Body(&'a [u8]),
    /// The request ended in trailers.
    Trailers,
    /// An answer began: the provider's, as the provider role left it, or Envoy's own.
    Answer {
        /// Its status, where it is Envoy's own.
        status: u16,
        /// Whose answer it is.
        source: Source,
    },
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Hold what there is and wait for more.
    Wait,
    /// Answer the client.
    Reply(Reply),
    /// Let the request go to a cluster, its body as it came.
    Forward {
        /// The cluster's name.
        cluster: String,
    },
    /// Let the answer go to the client.
    Pass,
}

/// One client request and its answer.
#[derive(Debug)]
pub struct Exchange {
    gateway: Rc<Gateway>,
    request_id: String,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Nothing has come yet.
    Fresh,
    /// A chat request's body is coming.
    Reading,
    /// An attempt is under way.
    Asked(Plan),
    /// The client has its answer, or is getting it.
    Answered(Plan),
    /// The client was refused, or asked for something else than a chat.
    Over,
}

impl Exchange {
    /// An exchange in which nothing has happened.
    pub fn new(gateway: Rc<Gateway>, request_id: String) -> Self {
        Self { gateway, request_id, state: State::Fresh }
    }

    /// The model being asked, once that is known.
    pub fn model(&self) -> Option<&str> {
        let (State::Asked(plan) | State::Answered(plan)) = &self.state else { return None };
        Some(&plan.primary.model)
    }

    /// Takes in what happened and says what to do next. The clock is only asked where time matters:
    /// every call of a host has its price.
    pub fn on(&mut self, input: Input<'_>, clock: impl FnOnce() -> Timestamp) -> Output {
        match (std::mem::replace(&mut self.state, State::Over), input) {
            (State::Fresh, Input::Head(head)) => self.head(&head),
            (State::Reading, Input::Received(size)) if self.is_too_large(size) => {
                self.refuse(&self.too_large())
            }
            (State::Reading, Input::Body(body)) => self.body(body, clock()),
            (State::Reading, Input::Trailers) => self.refuse(&Error::Trailers),
            (State::Asked(plan), Input::Answer { status, source }) => {
                self.answer(plan, status, &source, clock)
            }
            // Envoy's own reply to a request that never became an attempt, or one of ours.
            (state, Input::Answer { .. }) => {
                if matches!(state, State::Answered(_)) {
                    self.state = state;
                }
                Output::Pass
            }
            (state, _) => {
                self.state = state;
                Output::Wait
            }
        }
    }

    fn head(&mut self, head: &Head) -> Output {
        match self.open(head) {
            Ok(Page::Chat) => {
                self.state = State::Reading;
                Output::Wait
            }
            Ok(Page::Models) => self.json(models::list(&self.gateway)),
            Ok(Page::Health) => self.json(br#"{"status":"ok"}"#.to_vec()),
            Err(error) => self.refuse(&error),
        }
    }

    /// What can be said before the body came.
    fn open(&self, head: &Head) -> Result<Page, Error> {
        let page = page(&head.method, &head.path)?;
        if page != Page::Chat {
            return Ok(page);
        }
        let account = head.account.as_deref().ok_or(Error::NoAccount)?;
        if !self.gateway.config.has_access(account) {
            return Err(Error::NoAccess);
        }
        surface::content_type(head.content_type.as_deref())?;
        if head.end { Err(Error::NoBody) } else { Ok(page) }
    }

    fn body(&mut self, body: &[u8], now: Timestamp) -> Output {
        let plan = match self.plan(body, now) {
            Ok(plan) => plan,
            Err(error) => return self.refuse(&error),
        };
        let cluster = plan.primary.cluster.clone();
        self.state = State::Asked(plan);
        Output::Forward { cluster }
    }

    fn is_too_large(&self, size: usize) -> bool {
        size > usize::try_from(self.gateway.config.request_body.get()).unwrap_or(usize::MAX)
    }

    fn too_large(&self) -> Error {
        Error::TooLarge { limit: self.gateway.config.request_body.get() }
    }

    fn plan(&self, body: &[u8], now: Timestamp) -> Result<Plan, Error> {
        if self.is_too_large(body.len()) {
            return Err(self.too_large());
        }
        if body.is_empty() {
            return Err(Error::NoBody);
        }
        let parameters = request::parameters(body).map_err(Error::Unreadable)?;
        Plan::new(&self.gateway, parameters, now).map_err(Error::Invalid)
    }

    fn answer(
        &mut self,
        mut plan: Plan,
        status: u16,
        source: &Source,
        clock: impl FnOnce() -> Timestamp,
    ) -> Output {
        let output = match outcome::classify(status, source, &plan.primary.provider) {
            // The provider role has said where and how already, and Envoy's words about the
            // request itself are right as they are.
            None => Output::Pass,
            Some(error) => {
                plan.record(error.status(), clock());
                let mut reply = Reply::error(&error, &self.request_id);
                let region = plan.primary.region.name().to_owned();
                reply.headers.push(("x-attache-region", region));
                reply.headers.push(("x-attache-attempts", plan.told()));
                Output::Reply(reply)
            }
        };
        self.state = State::Answered(plan);
        output
    }

    fn json(&self, body: Vec<u8>) -> Output {
        Output::Reply(Reply::ok(vec![("content-type", "application/json".to_owned())], body))
    }

    fn refuse(&mut self, error: &Error) -> Output {
        self.state = State::Over;
        Output::Reply(Reply::error(error, &self.request_id))
    }
}
