//! A rate limit service that several Envoys share: Limitador's own counting behind Envoy's protocol,
//! which it speaks by way of `prost`, so that the module's own encoding has somebody to disagree
//! with. It prints its URL, then what it is asked if it is to, and runs until it is killed.

use bytes::{BufMut, Bytes};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::{
    Request, Response,
    body::Incoming,
    header::{HeaderMap, HeaderValue},
    server::conn::http2,
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use limitador::{
    RateLimiter,
    limit::{Context, Limit},
};
use prost::Message;
use std::{collections::HashMap, convert::Infallible, net::Ipv4Addr, sync::Arc, time::Duration};
use tokio::net::TcpListener;

const USAGE: &str =
    "usage: rate-limiter headers|statuses|terse|silent|garbage|failing|account LIMIT [journal]";

/// How it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// With what is left in headers, as Limitador's own server does.
    Headers,
    /// With what is left in the status of the descriptor, as envoyproxy/ratelimit does.
    Statuses,
    /// With a decision and no numbers.
    Terse,
    /// Not at all.
    Silent,
    /// With a message that is none.
    Garbage,
    /// With the status UNAVAILABLE of gRPC.
    Failing,
}

impl Manner {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "headers" => Self::Headers,
            "statuses" => Self::Statuses,
            "terse" => Self::Terse,
            "silent" => Self::Silent,
            "garbage" => Self::Garbage,
            "failing" => Self::Failing,
            _ => return None,
        })
    }
}

struct State {
    /// None: the manner that begins the account's name, as in `silent-0`.
    manner: Option<Manner>,
    limiter: RateLimiter,
    journal: bool,
}

/// Admits so many requests a minute of each account to each model.
#[tokio::main(worker_threads = 1)]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [manner, limit, more @ ..] = arguments.as_slice() else { panic!("{USAGE}") };
    let variables = ["descriptors[0].account", "descriptors[0].model"]
        .map(|variable| variable.try_into().expect("an expression"));
    let limiter = RateLimiter::new(10_000);
    limiter.add_limit(Limit::new("attache", limit.parse().expect(USAGE), 60, [], variables));
    // Spending in a period that the gateway names, which is longer than any test.
    let variables = ["descriptors[0].account", "descriptors[0].begin"]
        .map(|variable| variable.try_into().expect("an expression"));
    limiter.add_limit(Limit::new("attache", limit.parse().expect(USAGE), 86_400, [], variables));
    let manner = (manner != "account").then(|| Manner::parse(manner).expect(USAGE));
    let state = Arc::new(State { manner, limiter, journal: !more.is_empty() });
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    println!("http://{}", listener.local_addr().expect("it listens"));
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        let service = service_fn(move |request| Arc::clone(&state).answer(request));
        let server = http2::Builder::new(TokioExecutor::new());
        tokio::spawn(async move { server.serve_connection(TokioIo::new(stream), service).await });
    }
}

type Answer = Response<BoxBody<Bytes, Infallible>>;

impl State {
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Result<Answer, hyper::Error> {
        let path = request.uri().path().to_owned();
        let frame = request.into_body().collect().await?.to_bytes();
        let question = RateLimitRequest::decode(&frame[5..]).expect("a request of the protocol");
        self.note(&path, &question);
        let manner = self.manner(&question);
        if manner == Manner::Silent {
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        let mut message = self.decide(&question, manner).encode_to_vec();
        if manner == Manner::Garbage {
            message = b"\xff\xff".to_vec();
        }
        let mut body = vec![0];
        body.put_u32(message.len().try_into().expect("a short message"));
        body.extend_from_slice(&message);
        let status = if manner == Manner::Failing { "14" } else { "0" };
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static(status));
        let body = Full::new(Bytes::from(body)).with_trailers(async { Some(Ok(trailers)) }).boxed();
        let mut answer = Response::new(body);
        let grpc = HeaderValue::from_static("application/grpc");
        answer.headers_mut().insert("content-type", grpc);
        Ok(answer)
    }

    fn manner(&self, question: &RateLimitRequest) -> Manner {
        let entries = question.descriptors.iter().flat_map(|descriptor| &descriptor.entries);
        let account = || entries.into_iter().find(|entry| entry.key == "account");
        let named = || Manner::parse(account()?.value.split('-').next()?);
        self.manner.or_else(named).expect("an account with the name of a manner")
    }

    /// A line for each descriptor: path, domain, entries, our limit and its unit.
    fn note(&self, path: &str, question: &RateLimitRequest) {
        for descriptor in question.descriptors.iter().filter(|_| self.journal) {
            let entries =
                pairs(descriptor).into_iter().map(|(key, value)| format!("{key}={value}"));
            let entries = entries.collect::<Vec<_>>().join(" ");
            let limit = descriptor.limit.clone().unwrap_or_default();
            let (limit, unit) = (limit.requests_per_unit, limit.unit);
            println!("{path} {} {entries} {limit}/{unit}", question.domain);
        }
    }

    fn decide(&self, question: &RateLimitRequest, manner: Manner) -> RateLimitResponse {
        let descriptors = question.descriptors.iter();
        let descriptors = descriptors.map(|one| pairs(one).into_iter().collect::<HashMap<_, _>>());
        let mut context = Context::default();
        context.list_binding("descriptors".to_owned(), descriptors.collect());
        let namespace = question.domain.as_str().into();
        let hits = question.hits_addend.max(1).into();
        let checked = self.limiter.check_rate_limited_and_update(&namespace, &context, hits);
        let mut checked = checked.expect("limits it can count");
        let code = if checked.limited { 2 } else { 1 };
        let headers = checked.response_header();
        let mut response = RateLimitResponse { overall_code: code, ..Default::default() };
        match manner {
            Manner::Headers => response.response_headers_to_add = options(headers),
            Manner::Statuses => response.statuses = vec![status(code, &headers)],
            _ => {}
        }
        response
    }
}

fn pairs(descriptor: &Descriptor) -> Vec<(String, String)> {
    descriptor.entries.iter().map(|entry| (entry.key.clone(), entry.value.clone())).collect()
}

fn options(headers: HashMap<String, String>) -> Vec<HeaderValueOption> {
    let option = |(key, value)| HeaderValueOption { header: Some(Header { key, value }) };
    headers.into_iter().map(option).collect()
}

fn status(code: i32, headers: &HashMap<String, String>) -> DescriptorStatus {
    let number = |name: &str| {
        let value = headers.get(name).and_then(|value| value.split(',').next()?.parse().ok());
        value.unwrap_or_default()
    };
    DescriptorStatus {
        code,
        current_limit: Some(CurrentLimit {
            requests_per_unit: number("X-RateLimit-Limit"),
            unit: 2,
        }),
        limit_remaining: number("X-RateLimit-Remaining"),
        duration_until_reset: Some(Span { seconds: number("X-RateLimit-Reset").into(), nanos: 0 }),
    }
}

// envoy/service/ratelimit/v3/rls.proto and envoy/extensions/common/ratelimit/v3/ratelimit.proto, as
// far as they are used.

#[derive(Clone, PartialEq, Message)]
struct RateLimitRequest {
    #[prost(string, tag = "1")]
    domain: String,
    #[prost(message, repeated, tag = "2")]
    descriptors: Vec<Descriptor>,
    #[prost(uint32, tag = "3")]
    hits_addend: u32,
}

#[derive(Clone, PartialEq, Message)]
struct Descriptor {
    #[prost(message, repeated, tag = "1")]
    entries: Vec<Entry>,
    #[prost(message, optional, tag = "2")]
    limit: Option<CurrentLimit>,
}

#[derive(Clone, PartialEq, Message)]
struct Entry {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct CurrentLimit {
    #[prost(uint32, tag = "1")]
    requests_per_unit: u32,
    #[prost(int32, tag = "2")]
    unit: i32,
}

#[derive(Clone, PartialEq, Message)]
struct RateLimitResponse {
    #[prost(int32, tag = "1")]
    overall_code: i32,
    #[prost(message, repeated, tag = "2")]
    statuses: Vec<DescriptorStatus>,
    #[prost(message, repeated, tag = "3")]
    response_headers_to_add: Vec<HeaderValueOption>,
}

#[derive(Clone, PartialEq, Message)]
struct DescriptorStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(message, optional, tag = "2")]
    current_limit: Option<CurrentLimit>,
    #[prost(uint32, tag = "3")]
    limit_remaining: u32,
    #[prost(message, optional, tag = "4")]
    duration_until_reset: Option<Span>,
}

#[derive(Clone, PartialEq, Message)]
struct Span {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

#[derive(Clone, PartialEq, Message)]
struct HeaderValueOption {
    #[prost(message, optional, tag = "1")]
    header: Option<Header>,
}

#[derive(Clone, PartialEq, Message)]
struct Header {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}
