//! A load: many clients at once, who ask for all kinds of things and check every answer.

use bytes::Bytes;
use fastrand::Rng;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use testkit::client::Protocol;
use testkit::leaks::assert_no_key;
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Longer than the longest deadline of `loaded.yaml`: a request that takes as long hangs.
const PATIENCE: Duration = Duration::from_secs(180);

/// How many answers that were not as they should be are kept in words.
const TOLD: usize = 6;

/// What a client may ask for, and what must come of it.
#[derive(Clone, Debug)]
pub struct Case {
    /// Names the case in a report.
    pub name: &'static str,
    /// How often it is asked, in proportion to the others.
    pub weight: usize,
    pub request: Value,
    pub want: Want,
}

/// What must come of a request.
#[derive(Clone, Copy, Debug)]
pub enum Want {
    /// An answer in one piece that says this.
    Answer(&'static str),
    /// A whole stream that says this.
    Stream(&'static str),
}

/// A load under way. It may be looked at and told to stop from any thread.
pub struct Load {
    address: SocketAddr,
    cases: Vec<Case>,
    /// The key that requests are sent with. A client holds it while its request is under way.
    key: Mutex<Arc<str>>,
    /// How many requests are to be sent.
    limit: usize,
    sent: AtomicUsize,
    stopped: AtomicBool,
    report: Mutex<Report>,
}

/// What came of the requests so far.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How many of each case were as they should be.
    pub good: BTreeMap<&'static str, usize>,
    /// How many were not.
    pub bad: usize,
    /// The first of those.
    pub told: Vec<String>,
}

impl Report {
    /// How many requests came to their end.
    pub fn total(&self) -> usize {
        self.good.values().sum::<usize>() + self.bad
    }
}

impl Load {
    /// A load of so many requests.
    pub fn new(address: SocketAddr, key: &str, cases: Vec<Case>, limit: usize) -> Self {
        Self {
            address,
            cases,
            key: Mutex::new(key.into()),
            limit,
            sent: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
            report: Mutex::default(),
        }
    }

    /// Sends all requests over so many connections, every second of HTTP/2, and comes back when they
    /// are answered.
    pub fn run(self: &Arc<Self>, clients: u64) {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let mut crowd = JoinSet::new();
            for seed in 0..clients {
                crowd.spawn(Arc::clone(self).client(seed));
            }
            crowd.join_all().await;
        });
        self.stop();
    }

    /// Replaces the key from the next request on, and returns the old one. Its last clone goes with
    /// the last request that is sent with it.
    pub fn change_key(&self, fresh: &str) -> Arc<str> {
        let mut key = self.key.lock().expect("no client panics with it");
        std::mem::replace(&mut *key, fresh.into())
    }

    /// Sends no more requests.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
    }

    /// Whether all requests are sent, or no more are.
    pub fn is_over(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// What came of the requests so far.
    pub fn report(&self) -> Report {
        self.report.lock().expect("no client panics with it").clone()
    }

    async fn client(self: Arc<Self>, seed: u64) {
        let protocol = if seed.is_multiple_of(2) { Protocol::Http1 } else { Protocol::Http2 };
        let mut random = Rng::with_seed(seed);
        let mut sender = None;
        while !self.is_over() && self.sent.fetch_add(1, Ordering::Relaxed) < self.limit {
            let case = self.choose(&mut random);
            let key = Arc::clone(&self.key.lock().expect("no client panics with it"));
            let told = match timeout(PATIENCE, self.ask(&mut sender, protocol, case, &key)).await {
                Ok(told) => told,
                Err(_) => Err("nothing came: it hangs".to_owned()),
            };
            if told.is_err() {
                sender = None;
            }
            self.note(case, told);
        }
    }

    fn choose(&self, random: &mut Rng) -> &Case {
        let all: usize = self.cases.iter().map(|case| case.weight).sum();
        let mut at = random.usize(..all);
        let chosen = self.cases.iter().find(|case| match at.checked_sub(case.weight) {
            Some(rest) => {
                at = rest;
                false
            }
            None => true,
        });
        chosen.expect("a case")
    }

    fn note(&self, case: &Case, told: Result<(), String>) {
        let mut report = self.report.lock().expect("no client panics with it");
        match told {
            Ok(()) => *report.good.entry(case.name).or_default() += 1,
            Err(problem) => {
                report.bad += 1;
                if report.told.len() < TOLD {
                    report.told.push(format!("{}: {problem}", case.name));
                }
            }
        }
    }

    async fn ask(
        &self,
        sender: &mut Option<Sender>,
        protocol: Protocol,
        case: &Case,
        key: &str,
    ) -> Result<(), String> {
        let request = || self.request(protocol, case, key);
        // A request that never left, because the other side closes, goes over another connection.
        let sent = loop {
            let open = match sender.take() {
                Some(open) if open.is_open() => open,
                _ => Sender::connect(self.address, protocol).await?,
            };
            let open = sender.insert(open);
            match open.whole(request()).await {
                Err(Failed::Unsent) => *sender = None,
                Err(Failed::Lost(problem)) => return Err(problem),
                Ok(answer) => break answer,
            }
        };
        if sent.closes {
            *sender = None;
        }
        sent.check(case.want)
    }

    fn request(&self, protocol: Protocol, case: &Case, key: &str) -> hyper::Request<Full<Bytes>> {
        let path = "/v1/chat/completions";
        let uri = match protocol {
            Protocol::Http1 => path.to_owned(),
            Protocol::Http2 => format!("http://{}{path}", self.address),
        };
        let mut request = hyper::Request::post(uri)
            .header("authorization", format!("Bearer {key}"))
            .header("content-type", "application/json");
        if protocol == Protocol::Http1 {
            request = request.header("host", self.address.to_string());
        }
        request.body(Full::new(Bytes::from(case.request.to_string()))).expect("a request")
    }
}

/// Why there is no answer.
enum Failed {
    /// The request never left.
    Unsent,
    /// It may have left, and this happened.
    Lost(String),
}

enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Sender {
    async fn connect(address: SocketAddr, protocol: Protocol) -> Result<Self, String> {
        let problem = |error: &dyn std::fmt::Display| format!("no connection: {error}");
        let stream = TcpStream::connect(address).await.map_err(|error| problem(&error))?;
        let stream = TokioIo::new(stream);
        Ok(match protocol {
            Protocol::Http1 => {
                let (sender, connection) =
                    http1::handshake(stream).await.map_err(|error| problem(&error))?;
                tokio::spawn(connection);
                Self::Http1(sender)
            }
            Protocol::Http2 => {
                let (sender, connection) = http2::handshake(TokioExecutor::new(), stream)
                    .await
                    .map_err(|error| problem(&error))?;
                tokio::spawn(connection);
                Self::Http2(sender)
            }
        })
    }

    fn is_open(&self) -> bool {
        match self {
            Self::Http1(sender) => !sender.is_closed(),
            Self::Http2(sender) => !sender.is_closed(),
        }
    }

    /// Sends a request and takes in its answer.
    async fn whole(&mut self, request: hyper::Request<Full<Bytes>>) -> Result<Whole, Failed> {
        let failed = |error: hyper::Error| match error.is_canceled() {
            true => Failed::Unsent,
            false => Failed::Lost(format!("no answer: {error:?}")),
        };
        let response = match self {
            Self::Http1(sender) => {
                sender.ready().await.map_err(|_| Failed::Unsent)?;
                sender.send_request(request).await
            }
            Self::Http2(sender) => {
                sender.ready().await.map_err(|_| Failed::Unsent)?;
                sender.send_request(request).await
            }
        };
        let (head, mut body) = response.map_err(failed)?.into_parts();
        let mut whole = Whole {
            status: head.status.as_u16(),
            closes: head.headers.get("connection").is_some_and(|value| value == "close"),
            is_stream: head
                .headers
                .get("content-type")
                .is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream")),
            body: Vec::new(),
            broken: false,
        };
        while let Some(frame) = body.frame().await {
            match frame.map(hyper::body::Frame::into_data) {
                Ok(Ok(data)) => whole.body.extend_from_slice(&data),
                Ok(Err(_trailers)) => {}
                Err(_) => {
                    whole.broken = true;
                    break;
                }
            }
        }
        assert_no_key("an answer", &whole.body);
        Ok(whole)
    }
}

/// An answer.
struct Whole {
    status: u16,
    /// Whether the connection ends with it.
    closes: bool,
    is_stream: bool,
    body: Vec<u8>,
    broken: bool,
}

impl Whole {
    fn check(&self, want: Want) -> Result<(), String> {
        let is_right = match want {
            Want::Answer(text) => self.is_good() && !self.is_stream && self.said() == text,
            Want::Stream(text) => {
                self.is_good() && self.is_stream && self.is_done() && self.streamed() == text
            }
        };
        if is_right { Ok(()) } else { Err(format!("not {want:?}: {self}")) }
    }

    fn is_good(&self) -> bool {
        self.status == 200 && !self.broken
    }

    fn is_done(&self) -> bool {
        self.body.ends_with(b"data: [DONE]\n\n")
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    fn said(&self) -> String {
        let text = self.json()["choices"][0]["message"]["content"].take();
        text.as_str().unwrap_or_default().trim_end().to_owned()
    }

    fn streamed(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let data = text.split("\n\n").filter_map(|event| event.strip_prefix("data: "));
        let chunks = data.filter_map(|data| serde_json::from_str::<Value>(data).ok());
        let deltas = chunks.map(|mut chunk| chunk["choices"][0]["delta"]["content"].take());
        let text: String = deltas.filter_map(|text| text.as_str().map(str::to_owned)).collect();
        text.trim_end().to_owned()
    }
}

impl std::fmt::Display for Whole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let body: String = String::from_utf8_lossy(&self.body).chars().take(500).collect();
        let broken = if self.broken { ", and broke off" } else { "" };
        write!(f, "{} {body}{broken}", self.status)
    }
}
