//! A client of the gateway: HTTP/1.1 and HTTP/2 one call at a time, streams event by event, and raw
//! bytes for what no library would send. It blocks: a test reads from top to bottom.

use crate::leaks::assert_no_key;
use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// Longer than anything takes here. Who waits as long has found a request that hangs.
const PATIENCE: Duration = Duration::from_secs(180);

/// How long raw bytes wait for the first byte of an answer.
const FIRST_BYTE: Duration = Duration::from_secs(60);

/// How long an answer to raw bytes may pause before it is taken for whole.
const SILENCE: Duration = Duration::from_millis(500);

/// How a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// One request after the other.
    Http1,
    /// Without an upgrade: both sides know.
    Http2,
}

/// A request, field by field.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: &'static str,
    pub path: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    pub trailers: Option<HeaderMap>,
}

impl Request {
    /// A chat request with this body.
    pub fn chat(body: impl Into<Vec<u8>>) -> Self {
        let json = HeaderValue::from_static("application/json");
        Self { method: "POST", body: body.into(), ..Self::get("/v1/chat/completions") }
            .header(CONTENT_TYPE.as_str(), json)
    }

    /// A request without a body.
    pub fn get(path: &str) -> Self {
        let headers = HeaderMap::new();
        Self { method: "GET", path: path.to_owned(), headers, body: Vec::new(), trailers: None }
    }

    /// The same at another path.
    pub fn at(self, path: &str) -> Self {
        Self { path: path.to_owned(), ..self }
    }

    /// The same with another method.
    pub fn method(self, method: &'static str) -> Self {
        Self { method, ..self }
    }

    /// The same with a header in the place of those of its name.
    pub fn header<V>(mut self, name: &str, value: V) -> Self
    where
        V: TryInto<HeaderValue>,
        V::Error: std::fmt::Debug,
    {
        let name: HeaderName = name.parse().expect("a header's name");
        self.headers.insert(name, value.try_into().expect("a header's value"));
        self
    }

    /// The same without a header.
    pub fn without(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    /// The same, ended by trailers.
    pub fn trailer(mut self, name: &'static str, value: &'static str) -> Self {
        self.trailers.get_or_insert_default().insert(name, HeaderValue::from_static(value));
        self
    }

    fn into_hyper(self, protocol: Protocol, address: SocketAddr) -> hyper::Request<Body> {
        let body = Full::new(Bytes::from(self.body));
        let body = match self.trailers {
            Some(trailers) => body.with_trailers(async { Some(Ok(trailers)) }).boxed(),
            None => body.boxed(),
        };
        let mut request = hyper::Request::new(body);
        *request.method_mut() = self.method.parse().expect("a method");
        *request.headers_mut() = self.headers;
        let uri = match protocol {
            Protocol::Http1 => self.path,
            Protocol::Http2 => format!("http://{address}{}", self.path),
        };
        *request.uri_mut() = uri.parse().expect("a path");
        if protocol == Protocol::Http1 {
            let host = address.to_string().parse().expect("an address is a host");
            request.headers_mut().entry(HOST).or_insert(host);
        }
        request
    }
}

/// A whole answer.
#[derive(Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// Whether the connection or the stream was gone before the body had its end.
    pub broken: bool,
}

impl Answer {
    /// A header's only value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next()?;
        assert!(values.next().is_none(), "several `{name}` in {self:?}");
        Some(value.to_str().expect("our own headers are text"))
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("our own bodies are text")
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("not JSON, {error}: {self:?}"))
    }

    /// The data of each event of the body.
    pub fn events(&self) -> Vec<String> {
        let text = self.text();
        assert!(text.is_empty() || text.ends_with("\n\n"), "half an event at the end: {self:?}");
        text.split_terminator("\n\n").filter_map(data_of).collect()
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let body: String = String::from_utf8_lossy(&self.body).chars().take(2000).collect();
        let broken = if self.broken { ", and broke off" } else { "" };
        write!(f, "{} {:?}\n{body}{broken}", self.status, self.headers)
    }
}

/// The data of one event as our own gateway writes it: one line of data, perhaps after a line with its
/// type, or a comment.
fn data_of(event: &str) -> Option<String> {
    if event.starts_with(':') {
        return None;
    }
    let typed = event.strip_prefix("event: ").and_then(|rest| rest.split_once('\n'));
    let event = typed.map_or(event, |(_, data)| data);
    let data = event.strip_prefix("data: ").unwrap_or_else(|| panic!("no event: `{event}`"));
    assert!(!data.contains('\n'), "more than one line: `{event}`");
    Some(data.to_owned())
}

type Body = BoxBody<Bytes, Infallible>;

/// Who sends requests, and to where.
#[derive(Clone, Debug)]
pub struct Client {
    pub address: SocketAddr,
    pub key: Option<String>,
    pub protocol: Protocol,
}

impl Client {
    /// The same with another key.
    pub fn with_key(&self, key: &str) -> Self {
        Self { key: Some(key.to_owned()), ..self.clone() }
    }

    /// The same without a key.
    pub fn without_key(&self) -> Self {
        Self { key: None, ..self.clone() }
    }

    /// The same over HTTP/2.
    pub fn over_http2(&self) -> Self {
        Self { protocol: Protocol::Http2, ..self.clone() }
    }

    /// Sends a chat request over a connection of its own.
    pub fn chat(&self, body: &Value) -> Answer {
        self.send(Request::chat(body.to_string()))
    }

    /// Sends a request over a connection of its own.
    pub fn send(&self, request: Request) -> Answer {
        self.connect().send(request)
    }

    /// Sends a request and gives back its answer as soon as it begins.
    pub fn open(&self, request: Request) -> Opened {
        self.connect().open(request)
    }

    /// A connection for several requests.
    pub fn connect(&self) -> Connection {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let sender = runtime.block_on(async {
            let stream = tokio::net::TcpStream::connect(self.address).await.expect("a listener");
            let stream = TokioIo::new(stream);
            match self.protocol {
                Protocol::Http1 => {
                    let (sender, connection) = http1::handshake(stream).await.expect("HTTP/1.1");
                    tokio::spawn(connection);
                    Sender::Http1(sender)
                }
                Protocol::Http2 => {
                    let executor = TokioExecutor::new();
                    let (sender, connection) =
                        http2::handshake(executor, stream).await.expect("HTTP/2");
                    tokio::spawn(connection);
                    Sender::Http2(sender)
                }
            }
        });
        Connection { client: self.clone(), runtime, sender }
    }

    /// Writes bytes, and gives back all that is answered until the other side closes or is silent
    /// for a while.
    pub fn raw(&self, bytes: &[u8]) -> String {
        self.raw_until(bytes, Then::Wait)
    }

    /// The same, and closes our side after the bytes.
    pub fn raw_and_close(&self, bytes: &[u8]) -> String {
        self.raw_until(bytes, Then::Close)
    }

    /// Sends a chat request, and leaves after a while without an answer.
    pub fn leave(&self, body: &str, after: Duration) {
        let mut stream = std::net::TcpStream::connect(self.address).expect("a listener");
        let key = self.key.as_deref().unwrap_or_default();
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).expect("a request");
        std::thread::sleep(after);
    }

    fn raw_until(&self, bytes: &[u8], then: Then) -> String {
        let mut stream = std::net::TcpStream::connect(self.address).expect("a listener");
        // Who refuses early may close before it has read everything.
        let _ = stream.write_all(bytes);
        if then == Then::Close {
            let _ = stream.shutdown(Shutdown::Write);
        }
        let (mut answer, mut piece) = (Vec::new(), [0; 65536]);
        let mut patience = FIRST_BYTE;
        while stream.set_read_timeout(Some(patience)).is_ok() {
            match stream.read(&mut piece) {
                Ok(0) | Err(_) => break,
                Ok(count) => answer.extend_from_slice(&piece[..count]),
            }
            patience = SILENCE;
        }
        assert_no_key("an answer", &answer);
        String::from_utf8_lossy(&answer).into_owned()
    }
}

#[derive(PartialEq)]
enum Then {
    Wait,
    Close,
}

enum Sender {
    Http1(http1::SendRequest<Body>),
    Http2(http2::SendRequest<Body>),
}

/// An open connection. It makes progress only while a call is under way.
pub struct Connection {
    client: Client,
    runtime: Runtime,
    sender: Sender,
}

impl Connection {
    /// Sends a request and takes in its whole answer.
    pub fn send(&mut self, request: Request) -> Answer {
        let response = self.head(request);
        let (head, body) = response.into_parts();
        let (body, broken) = self.within(|runtime| runtime.block_on(patiently(collect(body))));
        assert_no_key("an answer", &body);
        Answer { status: head.status.as_u16(), headers: head.headers, body, broken }
    }

    /// Whether the other side takes another request. Some answers end a connection of HTTP/1.1.
    pub fn is_open(&mut self) -> bool {
        let Self { runtime, sender, .. } = self;
        runtime.block_on(async {
            match sender {
                Sender::Http1(sender) => sender.ready().await.is_ok(),
                Sender::Http2(sender) => sender.ready().await.is_ok(),
            }
        })
    }

    fn open(mut self, request: Request) -> Opened {
        let (head, body) = self.head(request).into_parts();
        let (status, headers) = (head.status.as_u16(), head.headers);
        Opened { status, headers, connection: self, body, rest: Vec::new() }
    }

    fn head(&mut self, mut request: Request) -> hyper::Response<Incoming> {
        if let Some(key) = &self.client.key {
            let bearer = HeaderValue::try_from(format!("Bearer {key}")).expect("a key");
            request.headers.entry("authorization").or_insert(bearer);
        }
        let request = request.into_hyper(self.client.protocol, self.client.address);
        let Self { runtime, sender, .. } = self;
        let response = runtime.block_on(patiently(async {
            match sender {
                Sender::Http1(sender) => {
                    sender.ready().await?;
                    sender.send_request(request).await
                }
                Sender::Http2(sender) => {
                    sender.ready().await?;
                    sender.send_request(request).await
                }
            }
        }));
        let response = response.unwrap_or_else(|error| panic!("no answer: {error:?}"));
        assert_no_key("an answer's head", format!("{:?}", response.headers()).as_bytes());
        response
    }

    fn within<T>(&self, work: impl FnOnce(&Runtime) -> T) -> T {
        work(&self.runtime)
    }
}

/// An answer under way.
pub struct Opened {
    pub status: u16,
    pub headers: HeaderMap,
    connection: Connection,
    body: Incoming,
    /// What came after the last whole event.
    rest: Vec<u8>,
}

impl Opened {
    /// The data of the next event, as soon as it is there. None at the end of the body.
    pub fn next_event(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.rest.windows(2).position(|window| window == b"\n\n") {
                let event: Vec<u8> = self.rest.drain(..end + 2).collect();
                assert_no_key("an event", &event);
                let event = String::from_utf8(event).expect("our own events are text");
                if let Some(data) = data_of(event.trim_end_matches('\n')) {
                    return Some(data);
                }
                continue;
            }
            let frame = self.connection.runtime.block_on(patiently(self.body.frame()));
            match frame?.ok()?.into_data() {
                Ok(data) => self.rest.extend_from_slice(&data),
                Err(_) => return None,
            }
        }
    }
}

/// The body, and whether it broke off.
async fn collect(mut body: Incoming) -> (Vec<u8>, bool) {
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame.map(Frame::into_data) {
            Ok(Ok(data)) => whole.extend_from_slice(&data),
            Ok(Err(_trailers)) => {}
            Err(_) => return (whole, true),
        }
    }
    (whole, false)
}

async fn patiently<T>(work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(done) => done,
        Err(_) => panic!("nothing came for {} s: the request hangs", PATIENCE.as_secs()),
    }
}
