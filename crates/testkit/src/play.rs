//! Plays whole exchanges against the core: a chat request through both roles to the provider's
//! door, and what the provider says back to the client.

use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    time::Duration,
};

use attache::{
    api_schema::{origin::ResponseHead, translation::TranslatedRequest},
    attempt::{Attempt, ProviderCluster, ProviderClusters, Step},
    config::Config,
    event_stream::AWS_EVENT_STREAM,
    failover::envoy::SERVICE_TIME,
    gateway::{Exchange, Gateway, Input, Output, RequestHead as ClientHead},
    handoff::ticket::Ticket,
    http_call::CallResult,
    quota::{CasConflict, SharedStore},
    region::Region,
    reply::Reply,
    time::Timestamp,
};
use serde_json::{Map, Value, json};

use crate::{aws_events, golden::CASES};

/// The id of every request.
pub const REQUEST_ID: &str = "7f3c1e52-9b1d-4e6a-8c2f-0d4b5a697887";

/// When every request leaves for its provider.
pub fn sent() -> Timestamp {
    Timestamp::from_epoch(Duration::from_secs(1_795_000_000))
}

/// When every answer is complete.
pub fn answered() -> Timestamp {
    Timestamp::from_epoch(Duration::from_millis(1_795_000_001_250))
}

/// What the operator of the test gateway decided.
pub fn config() -> Config {
    let document =
        serde_json::from_str(include_str!("../../../tests/golden/gateway.json")).unwrap();
    Config::parse(&document).unwrap_or_else(|mistakes| panic!("gateway.json: {mistakes:?}"))
}

/// The test gateway in a region.
pub fn gateway(region: Region) -> Rc<Gateway> {
    Rc::new(Gateway::new(Rc::new(config()), region, Rc::new(Table::default())))
}

/// A chat request of an account that may call.
pub fn client_head() -> ClientHead {
    ClientHead {
        method: "POST".to_owned(),
        path: "/v1/chat/completions".to_owned(),
        content_type: Some("application/json".to_owned()),
        content_encoding: None,
        account: Some("acme".to_owned()),
        ..ClientHead::default()
    }
}

/// A request for another path, with its headers, of the same account.
pub fn head_for(path: &str, headers: &Value) -> ClientHead {
    let headers = headers.as_object().into_iter().flatten();
    let headers = headers.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()));
    let (head, _) = ClientHead::from_headers(headers.collect(), false);
    let ClientHead { method, content_type, account, .. } = client_head();
    ClientHead { method, content_type, account, path: path.to_owned(), ..head }
}

/// What the gateway role does with a body.
pub fn exchange(gateway: &Rc<Gateway>, body: &[u8]) -> Output {
    exchange_at(gateway, client_head(), body)
}

/// What the gateway role does with a head and a body.
pub fn exchange_at(gateway: &Rc<Gateway>, head: ClientHead, body: &[u8]) -> Output {
    let mut exchange = Exchange::new(Rc::clone(gateway), REQUEST_ID.to_owned());
    assert_eq!(exchange.on(Input::Head(head), sent), Output::Wait);
    exchange.on(Input::Body(body.to_vec()), sent)
}

/// A request on its way: through the gateway role to the cluster it names, and out of there.
pub fn ask(
    gateway: &Rc<Gateway>,
    body: &[u8],
) -> Result<(Attempt, TranslatedRequest, String), Reply> {
    ask_at(gateway, client_head(), body)
}

/// A request with a head of its own on its way.
pub fn ask_at(
    gateway: &Rc<Gateway>,
    head: ClientHead,
    body: &[u8],
) -> Result<(Attempt, TranslatedRequest, String), Reply> {
    let (ticket, drafted) = match exchange_at(gateway, head, body) {
        Output::Send { ticket, request, .. } => ((*ticket).clone(), Some(request)),
        Output::Forward { ticket, .. } => (ticket, None),
        Output::Reply(reply) => return Err(reply),
        other => panic!("neither forwarded nor refused: {other:?}"),
    };
    // What fails is told to the client, not tried again: that has tests of its own.
    let ticket = Ticket { rest: Vec::new(), ..ticket };
    let (cluster, inlet) = (ticket.target.cluster.clone(), ticket.inlet);
    match Attempt::new(&site(gateway, &cluster), ticket, body, sent()) {
        Ok((attempt, outgoing)) => {
            // The plan's fit and a second reading of the body come to the same request.
            assert!(drafted.is_none_or(|drafted| drafted == outgoing), "{outgoing:?}");
            Ok((attempt, outgoing, cluster))
        }
        Err(error) => Err(Reply::error(&error, REQUEST_ID, inlet)),
    }
}

/// The ticket of the attempt that an output makes.
pub fn ticket(output: Output) -> Ticket {
    match output {
        Output::Forward { ticket, .. } => ticket,
        Output::Send { ticket, .. } | Output::Call { ticket, .. } => (*ticket).clone(),
        output => panic!("no attempt: {output:?}"),
    }
}

/// Whether an output lets the request go.
pub fn is_sent(output: &Output) -> bool {
    matches!(output, Output::Send { .. } | Output::Forward { .. })
}

/// Gives an exchange of the answer lane what its provider says through Envoy's router.
pub fn respond(exchange: &mut Exchange, status: u16, body: &[u8], now: Timestamp) -> Output {
    let head = head(&json!({"status": status}));
    assert_eq!(exchange.on(Input::AnswerHead(head), || now), Output::Wait);
    exchange.on(Input::AnswerPiece { bytes: body.to_vec(), end: true }, || now)
}

/// What a provider says to a call.
pub fn called(status: u16, body: &[u8]) -> CallResult {
    let headers = [("content-type", "application/json"), (SERVICE_TIME, "20")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    CallResult::Response { status, headers, body: body.to_vec() }
}

/// What Envoy says to a call that has had no response.
pub fn called_by_envoy(status: u16) -> CallResult {
    CallResult::Response { status, headers: Vec::new(), body: Vec::new() }
}

/// The provider role of a cluster.
pub fn site(gateway: &Rc<Gateway>, cluster: &str) -> Rc<ProviderCluster> {
    let clusters = ProviderClusters::new(&gateway.config, &gateway.store);
    Rc::clone(clusters.get(cluster).unwrap())
}

/// Everything the client gets of an answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Got {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    pub reason: Option<Cow<'static, str>>,
}

/// Gives an attempt its answer in pieces. The last piece comes with the end, or before it.
pub fn receive(attempt: &mut Attempt, head: ResponseHead, pieces: &[&[u8]]) -> Got {
    let mut got = Got::default();
    attempt.head(head);
    for piece in pieces {
        got.take(attempt.body(piece, false, answered));
    }
    got.take(attempt.body(b"", true, answered));
    got
}

/// What the client gets of an answer in one piece.
pub fn answer(model: &str, said: &Value) -> Got {
    let (mut attempt, ..) = ask(&gateway(Region::Us), &request(&json!({"model": model}))).unwrap();
    receive(&mut attempt, head(&Value::Null), &[said.to_string().as_bytes()])
}

/// What the client gets of a stream, wherever that is cut.
pub fn stream(model: &str, said: &Value) -> Got {
    let gateway = gateway(Region::Us);
    let request = request(&json!({"model": model, "stream": true}));
    let said = provider_stream(said);
    let received = |pieces: &[&[u8]]| {
        let (mut attempt, ..) = ask(&gateway, &request).unwrap();
        receive(&mut attempt, stream_head(), pieces)
    };
    let whole = received(&[said.as_bytes()]);
    for cut in 0..=said.len() {
        let (one, two) = said.as_bytes().split_at(cut);
        assert_eq!(received(&[one, two]), whole, "cut at byte {cut}: {said}");
    }
    whole
}

impl Got {
    fn take(&mut self, step: Step) {
        match step {
            Step::Hold => {}
            Step::Answer(reply) | Step::Begin(reply) | Step::Fail(reply, _) => {
                assert_eq!(self.status, 0, "a second head");
                self.status = reply.status;
                self.headers = reply.headers;
                // Between the roles only: no client gets it.
                self.headers.retain(|(name, _)| *name != "x-attache-next");
                self.body = reply.body;
                self.reason = reply.reason;
            }
            Step::Yield(reply, ticket) => panic!("another attempt: {reply:?} {ticket:?}"),
            Step::Continue { bytes, reason } => {
                self.body.extend_from_slice(&bytes);
                self.reason = self.reason.take().or(reason.map(Into::into));
            }
        }
    }

    /// Whether it is a stream.
    pub fn is_stream(&self) -> bool {
        self.headers.iter().any(|(_, value)| value.starts_with("text/event-stream"))
    }

    /// The answer as golden files show it.
    pub fn show(&self) -> Value {
        let mut shown = Map::new();
        shown.insert("status".to_owned(), json!(self.status));
        let headers = self.headers.iter().map(|(name, value)| ((*name).to_owned(), json!(value)));
        shown.insert("headers".to_owned(), Value::Object(headers.collect()));
        if let Some(reason) = &self.reason {
            shown.insert("reason".to_owned(), json!(reason));
        }
        let (key, body) = match self.is_stream() {
            true => ("events", Value::Array(events(&self.body))),
            false => ("body", serde_json::from_slice(&self.body).unwrap()),
        };
        shown.insert(key.to_owned(), body);
        Value::Object(shown)
    }
}

impl From<Reply> for Got {
    fn from(reply: Reply) -> Self {
        let Reply { status, headers, body, reason, .. } = reply;
        Self { status, headers, body, reason }
    }
}

/// Asserts that the client's stream is the same wherever the provider's is cut, for each case of a
/// golden file.
pub fn assert_cuts_agree(name: &str) {
    let (_, text) = CASES.iter().find(|(own, _)| *own == name).unwrap();
    let cases: Value = serde_json::from_str(text).unwrap();
    let gateway = gateway(Region::Us);
    for case in cases.as_array().unwrap() {
        let (path, mut asked) =
            (case["input"]["path"].as_str().unwrap(), case["input"]["asked"].clone());
        asked["stream"] = json!(true);
        let request = request_for(path, &asked);
        let ask = || ask_at(&gateway, head_for(path, &json!({})), &request).unwrap().0;
        let said = provider_stream(&case["input"]["stream"]);
        let whole = receive(&mut ask(), stream_head(), &[said.as_bytes()]);
        for cut in 0..=said.len() {
            let (first, rest) = said.as_bytes().split_at(cut);
            let got = receive(&mut ask(), stream_head(), &[first, rest]);
            assert_eq!(got.body, whole.body, "cut at byte {cut} of {said}");
        }
        let bytes: Vec<&[u8]> = said.as_bytes().chunks(1).collect();
        assert_eq!(receive(&mut ask(), stream_head(), &bytes).body, whole.body);
    }
}

/// Asserts that events are a legal stream of the Responses API: numbered, with items that do not
/// overlap, and with a last event that has all of them.
pub fn assert_response_events(events: &[Value]) {
    let (mut open, mut done) = (None, Vec::new());
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], number, "{event}");
        match event["type"].as_str().unwrap() {
            "response.output_item.added" => {
                assert_eq!(open.replace(event["item"]["id"].clone()), None, "{event}");
                assert_eq!(event["output_index"], done.len(), "{event}");
            }
            "response.output_item.done" => {
                assert_eq!(open.take().as_ref(), Some(&event["item"]["id"]), "{event}");
                done.push(event["item"].clone());
            }
            _ if event.get("item_id").is_some() => {
                assert_eq!(open.as_ref(), Some(&event["item_id"]), "{event}");
                assert_eq!(event["output_index"], done.len(), "{event}");
            }
            _ => {}
        }
    }
    let last = events.last().unwrap();
    match last["type"].as_str().unwrap() {
        "response.completed" | "response.incomplete" => {
            assert_eq!(open, None, "{last}");
            assert_eq!(last["response"]["output"], Value::Array(done), "{last}");
        }
        kind => assert_eq!(kind, "response.failed", "{last}"),
    }
}

/// The data of each event of a client's stream, which may hold nothing else but the type of the data.
pub fn events(stream: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(stream).unwrap();
    let body = text.strip_suffix("\n\n").unwrap_or_else(|| panic!("no blank line ends {text:?}"));
    body.split("\n\n")
        .map(|event| match event.strip_prefix("data: ") {
            Some("[DONE]") => json!("[DONE]"),
            Some(data) => serde_json::from_str(data).unwrap_or_else(|e| panic!("{e}: {data}")),
            None => typed_event(event),
        })
        .collect()
}

/// The data of a typed event, whose type comes twice.
fn typed_event(event: &str) -> Value {
    let typed = event.strip_prefix("event: ").and_then(|rest| rest.split_once("\ndata: "));
    let Some((kind, data)) = typed else { panic!("neither data nor a typed event: {event:?}") };
    let data: Value = serde_json::from_str(data).unwrap_or_else(|e| panic!("{e}: {data}"));
    assert_eq!(data["type"], kind, "{event:?}");
    data
}

/// A provider's stream from a list: strings stand as they are, anything else is an event's data.
pub fn provider_stream(events: &Value) -> String {
    let event = |event: &Value| match event.as_str() {
        Some(text) => text.to_owned(),
        None => format!("data: {event}\n\n"),
    };
    events.as_array().unwrap().iter().map(event).collect()
}

/// A provider's stream in AWS's framing, from a list of objects whose key is the type of the event.
/// Anything else is an event that the provider does not have.
pub fn aws_stream(events: &Value) -> Vec<u8> {
    let message = |event: &Value| {
        let (kind, payload) = event.as_object().and_then(|event| event.iter().next())?;
        (kind.len() < 256).then(|| aws_events::message(kind, payload.to_string().as_bytes()))
    };
    let events = events.as_array().into_iter().flatten();
    events
        .flat_map(|event| message(event).unwrap_or_else(|| aws_events::message("odd", b"1")))
        .collect()
}

/// The head of a provider's stream in AWS's framing.
pub fn aws_stream_head() -> ResponseHead {
    let content_type = AWS_EVENT_STREAM.to_owned();
    ResponseHead { status: 200, content_type, ..ResponseHead::default() }
}

/// The head of a provider's answer: `content-type` is JSON unless there is another.
pub fn head(answer: &Value) -> ResponseHead {
    let header = |name: &str| answer["headers"][name].as_str();
    ResponseHead {
        status: answer["status"].as_u64().unwrap_or(200).try_into().unwrap(),
        content_type: header("content-type").unwrap_or("application/json").to_owned(),
        retry_after: ResponseHead::retry_after(|name| header(name).map(str::to_owned), answered),
    }
}

/// The head of a provider's stream.
pub fn stream_head() -> ResponseHead {
    let content_type = "text/event-stream; charset=utf-8".to_owned();
    ResponseHead { status: 200, content_type, ..ResponseHead::default() }
}

/// A chat request with these parameters, and with a model and messages if they name none.
pub fn request(parameters: &Value) -> Vec<u8> {
    fill(json!({"model": "gpt-4.1", "messages": [{"role": "user", "content": "Hi"}]}), parameters)
}

/// A request of the Messages API with these fields, and with those that it needs if they name none.
pub fn messages_request(fields: &Value) -> Vec<u8> {
    let messages = json!([{"role": "user", "content": "Hi"}]);
    fill(json!({"model": "gpt-4.1", "max_tokens": 100, "messages": messages}), fields)
}

/// A request for a path with these fields, and with those that its API needs if they name none.
pub fn request_for(path: &str, fields: &Value) -> Vec<u8> {
    if path.contains("/responses") {
        return fill(json!({"model": "gpt-4.1", "input": "Hi", "store": false}), fields);
    }
    if path.contains("/embeddings") {
        return fill(json!({"model": "text-embedding-3-small", "input": "Hi"}), fields);
    }
    messages_request(fields)
}

fn fill(mut request: Value, parameters: &Value) -> Vec<u8> {
    for (name, value) in parameters.as_object().into_iter().flatten() {
        request[name] = value.clone();
    }
    serde_json::to_vec(&request).unwrap()
}

/// The mistakes a request was refused for, as the client gets them.
pub fn errors(output: &Output) -> Vec<String> {
    let Output::Reply(reply) = output else { panic!("{output:?}") };
    assert_eq!(reply.status, 400);
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(body["code"], 400);
    assert_eq!(body["message"], "invalid request body");
    assert_eq!(body["request_id"], REQUEST_ID);
    assert_eq!(body["error"]["metadata"], body["metadata"]);
    let errors = body["metadata"]["errors"].as_array().unwrap();
    errors.iter().map(|error| error.as_str().unwrap().to_owned()).collect()
}

/// What OpenAI's clients see of an error.
pub fn error(reply: &Reply) -> Value {
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    body["error"].clone()
}

/// The keys of an object.
pub fn keys(value: &Value) -> BTreeSet<&str> {
    let object = value.as_object().unwrap_or_else(|| panic!("not an object: {value}"));
    object.keys().map(String::as_str).collect()
}

/// Asserts the shape that every error has, in an answer and in a stream: flat, and once more below
/// `error`. In a stream, it is a chunk without choices besides.
#[track_caller]
pub fn assert_error_shape(body: &Value, status: u16, code: &str) {
    let flat = ["code", "error", "message", "metadata", "request_id"];
    let inner = ["code", "message", "metadata", "param", "type"];
    let mut found = keys(body);
    if body["object"] == "chat.completion.chunk" {
        let chunk = ["choices", "created", "id", "model", "object"];
        assert!(chunk.into_iter().all(|key| found.remove(key)), "{body}");
        assert_eq!(body["choices"], Value::Array(Vec::new()), "{body}");
    }
    assert_eq!(found, flat.into(), "{body}");
    let error = &body["error"];
    assert_eq!(keys(error), inner.into(), "{body}");
    assert_eq!(body["code"], status, "{body}");
    assert_eq!(error["code"], code, "{body}");
    assert_eq!(error["metadata"], body["metadata"], "{body}");
    assert!(body["metadata"].is_object(), "{body}");
    assert!(error["param"].is_null() || error["param"].is_string(), "{body}");
    for message in [&body["message"], &error["message"]] {
        assert!(message.as_str().is_some_and(|text| !text.is_empty()), "{body}");
    }
    let kind = match status {
        403 => "permission_error",
        429 => "rate_limit_error",
        408 | 504 => "timeout",
        500.. => "server_error",
        _ => "invalid_request_error",
    };
    assert_eq!(error["type"], kind, "{body}");
}

/// What Envoy's shared data does: a version for all keys that goes up with every value.
#[derive(Debug, Default)]
pub struct Table {
    values: RefCell<BTreeMap<String, (Vec<u8>, u32)>>,
    version: Cell<u32>,
}

impl SharedStore for Table {
    fn get(&self, key: &str) -> Option<(Vec<u8>, u32)> {
        self.values.borrow().get(key).cloned()
    }

    fn set(&self, key: &str, value: &[u8], version: Option<u32>) -> Result<(), CasConflict> {
        let mut values = self.values.borrow_mut();
        if values.get(key).map(|(_, version)| *version) != version {
            return Err(CasConflict);
        }
        self.version.set(self.version.get() + 1);
        values.insert(key.to_owned(), (value.to_vec(), self.version.get()));
        Ok(())
    }
}

/// Writes a file of expectations anew where that was asked for. There is no file system under Node.
#[cfg(not(target_family = "wasm"))]
pub fn update(name: &str, text: &str) -> bool {
    if std::env::var_os("UPDATE").is_none() {
        return false;
    }
    let path = format!("{}/../../tests/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::write(path, text).unwrap();
    true
}

#[cfg(target_family = "wasm")]
pub fn update(_name: &str, _text: &str) -> bool {
    false
}
