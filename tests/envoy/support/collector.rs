//! A collector of traces: takes OTLP over HTTP, and remembers the spans.

use http_body_util::{BodyExt, Collected, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime::Builder;

/// Longer than Envoy keeps spans back: `tracing.opentelemetry.flush_interval_ms` is five seconds.
/// A bound for a hang.
const PATIENCE: Duration = Duration::from_secs(120);

/// A part of a trace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub trace_id: String,
    pub id: String,
    /// Empty for the first.
    pub parent: String,
    pub name: String,
    /// Those with a text for a value.
    pub attributes: BTreeMap<String, String>,
    /// Who made it.
    pub service: String,
}

impl Span {
    /// An attribute's value.
    pub fn get(&self, attribute: &str) -> Option<&str> {
        self.attributes.get(attribute).map(String::as_str)
    }
}

/// A running collector, on 127.0.0.1 only, for as long as the process runs.
pub struct Collector {
    address: SocketAddr,
    received: Arc<Mutex<Received>>,
}

#[derive(Default)]
struct Received {
    spans: Vec<Span>,
    /// All that came, as it came.
    bytes: Vec<u8>,
}

impl Collector {
    /// Starts on a free port, on a thread of its own.
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        listener.set_nonblocking(true).expect("a listener");
        let address = listener.local_addr().expect("it listens");
        let received = Arc::default();
        let shared = Arc::clone(&received);
        thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(run(listener, shared));
        });
        Self { address, received }
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The spans of the trace that has one with this attribute, once that and so many others came.
    pub fn trace(&self, attribute: &str, value: &str, spans: usize) -> Vec<Span> {
        let started = Instant::now();
        loop {
            let all = self.all();
            let known = all.iter().find(|span| span.get(attribute) == Some(value));
            let of_trace = |span: &&Span| known.is_some_and(|own| own.trace_id == span.trace_id);
            let found: Vec<Span> = all.iter().filter(of_trace).cloned().collect();
            if found.len() >= spans {
                return found;
            }
            let late = started.elapsed() > PATIENCE;
            assert!(!late, "{} spans with {attribute}={value}, of {all:#?}", found.len());
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// All that has come.
    pub fn all(&self) -> Vec<Span> {
        self.received().spans.clone()
    }

    /// Whether a word came, in whichever part of a span.
    pub fn holds(&self, word: &str) -> bool {
        let received = self.received();
        received.bytes.windows(word.len()).any(|window| window == word.as_bytes())
    }

    fn received(&self) -> MutexGuard<'_, Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn run(listener: TcpListener, received: Arc<Mutex<Received>>) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("it does not block");
    while let Ok((stream, _)) = listener.accept().await {
        let received = Arc::clone(&received);
        let service = service_fn(move |request| take(request, Arc::clone(&received)));
        let server = auto::Builder::new(TokioExecutor::new());
        tokio::spawn(async move {
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn take(
    request: Request<Incoming>,
    received: Arc<Mutex<Received>>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let is_trace = request.uri().path() == "/v1/traces";
    let body = request.into_body().collect().await.map(Collected::to_bytes);
    if let (true, Ok(body)) = (is_trace, body) {
        let mut received = received.lock().unwrap_or_else(PoisonError::into_inner);
        received.spans.extend(read(&body));
        received.bytes.extend_from_slice(&body);
    }
    Ok(Response::new(Empty::new()))
}

/// The spans of an `ExportTraceServiceRequest`: opentelemetry/proto/trace/v1/trace.proto.
fn read(request: &[u8]) -> Vec<Span> {
    let mut spans = Vec::new();
    for of_resource in bytes(request, 1) {
        let resource: BTreeMap<_, _> =
            bytes(of_resource, 1).into_iter().flat_map(|own| attributes(own, 1)).collect();
        let service = resource.get("service.name").cloned().unwrap_or_default();
        let of_scopes = bytes(of_resource, 2).into_iter().flat_map(|scope| bytes(scope, 2));
        spans.extend(of_scopes.map(|span| Span {
            trace_id: hex(span, 1),
            id: hex(span, 2),
            parent: hex(span, 4),
            name: text(span, 5),
            attributes: attributes(span, 9).collect(),
            service: service.clone(),
        }));
    }
    spans
}

fn attributes(message: &[u8], number: u64) -> impl Iterator<Item = (String, String)> {
    let pair = |pair: &[u8]| {
        let value = bytes(pair, 2).first().map(|value| text(value, 1));
        (text(pair, 1), value.unwrap_or_default())
    };
    bytes(message, number).into_iter().map(pair)
}

fn text(message: &[u8], number: u64) -> String {
    let text = bytes(message, number).first().map(|bytes| String::from_utf8_lossy(bytes));
    text.unwrap_or_default().into_owned()
}

fn hex(message: &[u8], number: u64) -> String {
    let id = bytes(message, number).first().copied().unwrap_or_default();
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The fields of a message with this number that hold bytes, a text or a message: Protocol Buffers,
/// *Encoding*.
fn bytes(mut message: &[u8], number: u64) -> Vec<&[u8]> {
    let mut found = Vec::new();
    while !message.is_empty() {
        let key = varint(&mut message);
        let length = match key & 7 {
            0 => {
                varint(&mut message);
                continue;
            }
            1 => 8,
            5 => 4,
            2 => usize::try_from(varint(&mut message)).expect("a length"),
            other => panic!("wire type {other}"),
        };
        let (field, rest) = message.split_at(length);
        message = rest;
        if key == number << 3 | 2 {
            found.push(field);
        }
    }
    found
}

fn varint(message: &mut &[u8]) -> u64 {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first().expect("a number goes on");
        *message = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    number
}
