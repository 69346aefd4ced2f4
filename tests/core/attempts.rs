//! Played exchanges: which attempts are made after which failures, in both lanes, until somebody
//! answers or nobody is left. Both roles play themselves; Envoy is played by this file.

use std::{rc::Rc, time::Duration};

use attache::{
    api_schema::origin::ResponseHead,
    attempt::{Attempt, Step},
    chat::attempt_log::AttemptLog,
    config::Deadlines,
    failover::{Failover, envoy::Cause},
    gateway::{Exchange, Gateway, Input, Output, reply_source::ReplySource},
    handoff::ticket::{Lane, Ticket},
    http_call::CallResult,
    region::Region::Us,
    reply::Reply,
    time::Timestamp,
};
use serde_json::{Value, json};

use testkit::play::{self, REQUEST_ID};

/// How a provider takes an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// It answers.
    Good,
    /// It answers, and says nothing.
    Empty,
    /// It finds fault with the request.
    BadRequest,
    /// It is overloaded.
    Overloaded,
    /// It says what makes no sense.
    Garbage,
    /// It is out of quota.
    RateLimited,
    /// It does not know the gateway's key.
    Unauthorized,
    /// It does not let anybody in, or goes away.
    Unreachable,
    /// It says nothing.
    Silent,
    /// All its hosts are ejected.
    Ejected,
    /// Its breaker is open.
    Overflow,
}

use Kind::*;

const KINDS: [Kind; 11] = [
    Good,
    Empty,
    BadRequest,
    Overloaded,
    Garbage,
    RateLimited,
    Unauthorized,
    Unreachable,
    Silent,
    Ejected,
    Overflow,
];

impl Kind {
    /// The status that the client is told of.
    fn status(self) -> u16 {
        match self {
            Good | Empty => 200,
            BadRequest => 400,
            RateLimited => 429,
            Garbage | Unauthorized | Unreachable | Ejected => 502,
            Overloaded | Overflow => 503,
            Silent => 504,
        }
    }

    /// What decisions say about it.
    fn next(self) -> Failover {
        match self {
            Good | BadRequest => Failover::GiveUp,
            Empty | Overloaded | Garbage | Unreachable => Failover::RetrySame,
            RateLimited | Unauthorized | Silent | Ejected | Overflow => Failover::NextEndpoint,
        }
    }

    /// What a provider that says something says.
    fn said(self, lane: Lane) -> Option<(ResponseHead, Vec<u8>)> {
        let error = json!({"error": {"message": "no"}}).to_string().into_bytes();
        let status = match self {
            Good | Empty | Garbage => 200,
            BadRequest => 400,
            Overloaded => 503,
            RateLimited => 429,
            Unauthorized => 401,
            Unreachable | Silent | Ejected | Overflow => return None,
        };
        let head =
            ResponseHead { status, content_type: "application/json".to_owned(), retry_after: None };
        Some(match (self, lane) {
            (Good, Lane::Answer) => (head, ANSWER.into()),
            (Good, Lane::Stream) => (play::stream_head(), STREAM.into()),
            (Empty, Lane::Answer) => (head, ANSWER.replace("Hi", "").into()),
            (Empty, Lane::Stream) => (play::stream_head(), STREAM.replace("Hi", "").into()),
            (Garbage, Lane::Stream) => (play::stream_head(), b"data: {\"error\":{}}\n\n".into()),
            (Garbage, Lane::Answer) => (head, b"{".into()),
            _ => (head, error),
        })
    }

    /// How long it takes.
    fn took(self) -> Duration {
        match self {
            Silent => Deadlines::default().first_content,
            Ejected | Overflow => Duration::ZERO,
            _ => Duration::from_millis(20),
        }
    }

    fn details(self) -> &'static str {
        match self {
            Silent => "upstream_per_try_timeout",
            Ejected => "no_healthy_upstream",
            Overflow => "upstream_reset_before_response_started{overflow}",
            _ => "upstream_reset_before_response_started{connection_termination}",
        }
    }
}

const ANSWER: &str = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}]}"#;
const STREAM: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

/// What became of an exchange.
#[derive(Debug, PartialEq, Eq)]
struct Story {
    /// Models that were asked, in order, and when, in milliseconds after the request came.
    asked: Vec<(String, u128)>,
    /// The status of the client's answer.
    status: u16,
    /// What the client is told about attempts.
    attempts: Vec<(String, u16)>,
}

/// An exchange with an Envoy whose providers take attempts as they are told.
struct World<'k> {
    gateway: Rc<Gateway>,
    exchange: Exchange,
    body: Vec<u8>,
    kinds: std::slice::Iter<'k, Kind>,
    now: Timestamp,
    asked: Vec<(String, u128)>,
}

impl<'k> World<'k> {
    fn new(parameters: &Value, kinds: &'k [Kind]) -> Self {
        let gateway = play::gateway(Us);
        let exchange = Exchange::new(Rc::clone(&gateway), REQUEST_ID.to_owned());
        let body = play::request(parameters);
        let (kinds, now) = (kinds.iter(), play::sent());
        Self { gateway, exchange, body, kinds, now, asked: Vec::new() }
    }

    fn tell(&mut self, input: Input) -> Output {
        let now = self.now;
        self.exchange.on(input, || now)
    }

    /// Plays until the client has its answer.
    fn play(mut self) -> Story {
        self.tell(Input::Head(play::client_head()));
        let body = self.body.clone();
        let mut output = self.tell(Input::Body(body));
        for _ in 0..20 {
            output = match output {
                Output::Forward { ticket, retries, .. } => match self.route(ticket, retries) {
                    Ok(output) => output,
                    Err(story) => return story,
                },
                Output::Send { ticket, .. } => self.send(&ticket),
                Output::RetryAt(due) => {
                    assert!(due > self.now);
                    self.now = due;
                    self.tell(Input::RetryDue)
                }
                Output::Call { index: place, ticket, .. } => {
                    let called = self.call(&ticket);
                    self.tell(Input::CallEnded { index: place, result: called })
                }
                Output::Reply(reply) => return self.story(&reply),
                other => panic!("nothing happens any more: {other:?} after {:?}", self.asked),
            };
        }
        panic!("it does not end: {:?}", self.asked)
    }

    /// Envoy's router: attempts until one is not to be followed by another.
    fn route(&mut self, mut ticket: Ticket, retries: usize) -> Result<Output, Story> {
        for left in (0..=retries).rev() {
            if ticket.is_exhausted() {
                return Ok(self.envoys("no_healthy_upstream", &ticket));
            }
            self.now = self.now.max(ticket.due.unwrap_or_default());
            let (kind, mut attempt) = self.attempt(&ticket);
            self.pass(kind);
            let Some(step) = self.said(kind, &mut attempt) else {
                // Without a host, the filters of the cluster are not even made.
                let broken = (kind != Ejected)
                    .then(|| attempt.on_response_lost(Cause::ConnectionFailed, self.now))
                    .flatten();
                ticket = broken.map_or(ticket, |(_, next)| next);
                let gives_up = matches!(kind, Ejected | Overflow) || left == 0;
                if gives_up {
                    return Ok(self.envoys(kind.details(), &ticket));
                }
                continue;
            };
            match step {
                Step::Yield(_, next) if left > 0 => ticket = *next,
                Step::Answer(reply) | Step::Begin(reply) | Step::Yield(reply, _) => {
                    return self.passed(&reply);
                }
                other => panic!("{other:?}"),
            }
        }
        unreachable!("the router gives up at last")
    }

    /// What the gateway role makes of an answer that comes through the router.
    fn passed(&mut self, reply: &Reply) -> Result<Output, Story> {
        let failed = header(reply, "x-attache-next").map(|_| ReplySource::Failed { reason: None });
        let source = failed.unwrap_or(ReplySource::Provider);
        match self.tell(Input::Response { status: reply.status, source }) {
            Output::Pass | Output::Stream { .. } => Err(self.story(reply)),
            other => Ok(other),
        }
    }

    fn envoys(&mut self, details: &str, ticket: &Ticket) -> Output {
        let source = ReplySource::Envoy {
            details: details.to_owned(),
            ticket: Some(Box::new(ticket.clone())),
        };
        self.tell(Input::Response { status: 503, source })
    }

    /// Envoy's router: the one attempt of the answer lane.
    fn send(&mut self, ticket: &Ticket) -> Output {
        let kind = self.arrive(&ticket.target.model);
        match kind.said(Lane::Answer) {
            Some((head, body)) => play::respond(&mut self.exchange, head.status, &body, self.now),
            None => self.envoys(kind.details(), ticket),
        }
    }

    fn call(&mut self, ticket: &Ticket) -> CallResult {
        let kind = self.arrive(&ticket.target.model);
        match kind.said(Lane::Answer) {
            Some((head, body)) => play::called(head.status, &body),
            None if matches!(kind, Ejected | Overflow) => CallResult::NotSent,
            None => {
                let status = if kind == Silent { 504 } else { 503 };
                CallResult::Response { status, headers: Vec::new(), body: b"Envoy's".to_vec() }
            }
        }
    }

    /// A request of the gateway role arrives at a provider, which takes its time.
    fn arrive(&mut self, model: &str) -> Kind {
        let kind = *self.kinds.next().unwrap_or_else(|| panic!("too many: {:?}", self.asked));
        let after = self.now.since(play::sent()).as_millis();
        self.asked.push((model.to_owned(), after));
        self.pass(kind);
        kind
    }

    /// An attempt arrives in a cluster.
    fn attempt(&mut self, ticket: &Ticket) -> (Kind, Attempt) {
        let kind = *self.kinds.next().unwrap_or_else(|| panic!("too many: {:?}", self.asked));
        let site = play::site(&self.gateway, &ticket.target.cluster);
        let (attempt, _) = Attempt::new(&site, ticket.clone(), &self.body, self.now).unwrap();
        let after = self.now.since(play::sent()).as_millis();
        self.asked.push((attempt.model().to_owned(), after));
        (kind, attempt)
    }

    fn pass(&mut self, kind: Kind) {
        self.now = self.now.plus(kind.took());
    }

    /// What the provider role makes of what the provider says.
    fn said(&self, kind: Kind, attempt: &mut Attempt) -> Option<Step> {
        let (head, said) = kind.said(Lane::Stream)?;
        attempt.head(head);
        let first = attempt.body(&said, false, || self.now);
        Some(match first {
            Step::Hold => attempt.body(b"", true, || self.now),
            step => step,
        })
    }

    fn story(&self, reply: &Reply) -> Story {
        let made = AttemptLog::parse(header(reply, "x-attache-attempts").unwrap_or_default());
        let attempts = made.list().map(|(model, status, _)| (model.to_owned(), status)).collect();
        Story { asked: self.asked.clone(), status: reply.status, attempts }
    }
}

fn header(reply: &Reply, name: &str) -> Option<String> {
    reply.headers.iter().find(|(other, _)| *other == name).map(|(_, value)| value.clone())
}

/// What decisions say must happen, in the simplest words.
/// `None` if the kinds come to an end before the exchange does.
fn expected(lane: Lane, models: &[&str], kinds: &[Kind]) -> Option<Story> {
    let mut is_call = false;
    let (mut asked, mut attempts, mut place, mut now) = (Vec::new(), Vec::new(), 0, Duration::ZERO);
    for kind in kinds {
        let model = models[place];
        // A call that is turned down does not say why.
        let status = if is_call && *kind == Overflow { 502 } else { kind.status() };
        is_call |= lane == Lane::Answer || matches!(kind, Ejected | Overflow);
        asked.push((model.to_owned(), now.as_millis()));
        attempts.push((model.to_owned(), status));
        now += kind.took();
        let rest = models.iter().enumerate().skip(place + 1);
        let next = match kind.next() {
            Failover::GiveUp => None,
            Failover::RetrySame => rest.map(|(next, _)| next).next(),
            Failover::NextEndpoint | Failover::NextModel => {
                rest.filter(|(_, other)| **other != model).map(|(next, _)| next).next()
            }
        };
        let Some(next) = next else {
            return Some(Story { asked, status, attempts });
        };
        if models[next] == model {
            now += Duration::from_millis(500);
        }
        place = next;
    }
    None
}

/// All ways an exchange over these models can go, each until its end.
fn every_way(lane: Lane, models: &[&str], kinds: &mut Vec<Kind>, act: &mut impl FnMut(&[Kind])) {
    for kind in KINDS {
        kinds.push(kind);
        match expected(lane, models, kinds) {
            Some(_) => act(kinds),
            None => every_way(lane, models, kinds, act),
        }
        kinds.pop();
    }
}

#[test]
fn every_failure_in_every_place_is_followed_by_what_the_plan_says() {
    let fallbacks = json!([{"model": "kimi-k2.5"}, {"model": "house-chat"}]);
    let mut plays = 0;
    for (lane, stream) in [(Lane::Answer, false), (Lane::Stream, true)] {
        for (retry, depth) in [(true, 0), (false, 0), (true, 1), (false, 1), (false, 2), (true, 2)]
        {
            let mut models = vec!["gpt-4.1"];
            models.extend(retry.then_some("gpt-4.1"));
            models.extend(["kimi-k2.5", "house-chat"].iter().take(depth));
            let parameters = json!({"stream": stream, "fallbacks": fallbacks,
                "fallback_config": {"retry": retry, "depth": depth}});
            every_way(lane, &models, &mut Vec::new(), &mut |kinds| {
                plays += 1;
                let story = World::new(&parameters, kinds).play();
                assert_eq!(
                    Some(story),
                    expected(lane, &models, kinds),
                    "{models:?} {kinds:?} {parameters}"
                );
            });
        }
    }
    assert!(plays > 1000, "{plays}");
}
