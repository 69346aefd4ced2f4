//! The host's calls as the two roles need them. Those that fail are logged once here: they only do
//! when a filter asks for something at the wrong time, which no input can bring about.

use std::time::{Duration, UNIX_EPOCH};

use log::{debug, error};
use proxy_wasm::{
    hostcalls,
    types::{BufferType, MapType, Status},
};

use crate::{
    config::{Telemetry, TranscriptKey, rate_limit::RateLimitService},
    gateway::transcript_fetch::TranscriptCall,
    handoff::{filter_state, headers, ticket::Ticket},
    http_call::CallResult,
    quota::service::{self, RateLimitResponse},
    reply::Reply,
    summary,
    time::Timestamp,
    transcript,
};

/// Who asks a provider, or the transcript service.
pub(super) const USER_AGENT: &str = concat!("attache/", env!("CARGO_PKG_VERSION"));

/// Now.
pub(super) fn now() -> Timestamp {
    let time = hostcalls::get_current_time().unwrap_or(UNIX_EPOCH);
    Timestamp::from_epoch(time.duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// A header's value, where bytes that are no UTF-8 become U+FFFD.
pub(super) fn header(map: MapType, name: &str) -> Option<String> {
    hostcalls::get_map_value_bytes(map, name).ok()?.map(text)
}

/// Bytes as text, where those that are no UTF-8 become U+FFFD.
pub(super) fn text(bytes: Vec<u8>) -> String {
    match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    }
}

/// All headers of a map: one call of the host costs as much as two single headers.
pub(super) fn headers(map: MapType) -> Vec<(String, Vec<u8>)> {
    hostcalls::get_map_bytes(map).unwrap_or_default()
}

/// A property's bytes.
pub(super) fn property(path: &[&str]) -> Option<Vec<u8>> {
    hostcalls::get_property(path.to_vec()).ok()?
}

/// The first `size` bytes of a buffer.
pub(super) fn buffer(kind: BufferType, size: usize) -> Vec<u8> {
    if size == 0 {
        return Vec::new();
    }
    hostcalls::get_buffer(kind, 0, size).ok().flatten().unwrap_or_default()
}

/// Puts `bytes` in the place of the first `size` bytes of a buffer.
pub(super) fn set_buffer(kind: BufferType, size: usize, bytes: &[u8]) {
    noted("set a buffer", hostcalls::set_buffer(kind, 0, size, bytes));
}

/// Puts these headers in the place of all there are.
pub(super) fn set_headers(map: MapType, headers: Vec<(&str, &str)>) {
    noted("set headers", hostcalls::set_map(map, headers));
}

/// Answers in the provider's or Envoy's place.
pub(super) fn reply(reply: &Reply) {
    let headers = reply.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    noted("reply", hostcalls::send_http_response(reply.status.into(), headers, Some(&reply.body)));
}

/// Leaves a fact for Envoy's other filters, its routes and its access log.
pub(super) fn set_filter_state(name: &str, value: &str) {
    noted("set filter state", hostcalls::set_property(vec![name], Some(value.as_bytes())));
}

/// Leaves what an exchange came to for whoever logs, traces or bills: as one line, and each fact by
/// itself where that is wanted.
pub(super) fn tell(line: &str, telemetry: &Telemetry) {
    set_filter_state(filter_state::SUMMARY, line);
    if telemetry.wants_separate_facts() {
        for (name, value) in summary::facts(line) {
            set_filter_state(&[filter_state::FIELD_PREFIX, name].concat(), value);
        }
    }
}

/// Leaves for the access log that a cluster was asked besides the one Envoy's router names there.
pub(super) fn note_cluster(cluster: &str) {
    let before = property(&[filter_state::OTHER_CLUSTERS]).map(text).unwrap_or_default();
    let separator = if before.is_empty() { "" } else { " " };
    set_filter_state(filter_state::OTHER_CLUSTERS, &format!("{before}{separator}{cluster}"));
}

/// Takes a header off.
pub(super) fn remove_header(map: MapType, name: &str) {
    noted("remove a header", hostcalls::set_map_value(map, name, None));
}

/// Puts a header on the request.
pub(super) fn set_request_header(name: &str, value: &str) {
    let set = hostcalls::set_map_value(MapType::HttpRequestHeaders, name, Some(value));
    noted("set a header", set);
}

/// The status of the answer. A header costs half of what the property does.
pub(super) fn status() -> u16 {
    let status = header(MapType::HttpResponseHeaders, ":status");
    status.and_then(|status| status.parse().ok()).unwrap_or_default()
}

/// Why there is no answer, or not all of it. Envoy, *Response code details*.
pub(super) fn details() -> String {
    property(&["response", "code_details"]).map(text).unwrap_or_default()
}

/// Returns the address of the host that Envoy has chosen.
pub(super) fn upstream_address() -> Vec<u8> {
    property(&["upstream", "address"]).unwrap_or_default()
}

/// Of which trace a request is a part, if providers are told: W3C, *Trace Context*. Where Envoy has
/// sent it on, its own part stands in the place of the client's.
pub(super) fn trace(
    telemetry: &Telemetry,
    header: impl Fn(&str) -> Option<String>,
) -> Vec<(&'static str, String)> {
    if !telemetry.tells_providers() {
        return Vec::new();
    }
    let told = |name| Some((name, header(name)?));
    ["traceparent", "tracestate"].into_iter().filter_map(told).collect()
}

/// Sends a chat request to a cluster, whose provider role translates it. None if Envoy turns it
/// down at once: no host is healthy, or a breaker is open.
pub(super) fn call(
    ticket: &Ticket,
    body: &[u8],
    timeout: Duration,
    telemetry: &Telemetry,
) -> Option<u32> {
    let text = ticket.to_text();
    // The request has left: its headers are no longer in reach but as a property.
    let trace = trace(telemetry, |name| property(&["request", "headers", name]).map(self::text));
    let mut headers = vec![
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", "attache"),
        (":path", "/v1/chat/completions"),
        ("content-type", "application/json"),
        (headers::TICKET, &text),
    ];
    headers.extend(trace.iter().map(|(name, value)| (*name, value.as_str())));
    let called = hostcalls::dispatch_http_call(
        &ticket.target.cluster,
        headers,
        Some(body),
        Vec::new(),
        timeout,
    );
    called.inspect_err(|status| debug!("call to {}: {status:?}", ticket.target.cluster)).ok()
}

/// Calls for a transcript. None if Envoy turns it down at once.
pub(super) fn fetch(fetch: &TranscriptCall) -> Option<u32> {
    let key = match fetch.key {
        TranscriptKey::File(_) => None,
        TranscriptKey::Caller => property(&["filter_state", filter_state::CALLER_KEY]).map(text),
    };
    let mut headers = vec![
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", fetch.authority.as_str()),
        (":path", &fetch.path),
        ("accept", "application/json"),
        ("user-agent", USER_AGENT),
    ];
    headers.extend(key.as_deref().map(|key| ("authorization", transcript::bare(key))));
    let called =
        hostcalls::dispatch_http_call(&fetch.cluster, headers, None, Vec::new(), fetch.timeout);
    called.inspect_err(|status| debug!("call to {}: {status:?}", fetch.cluster)).ok()
}

/// The answer to a call. Without headers there is none, and none may be asked for.
pub(super) fn called(headers: usize, body: usize) -> CallResult {
    if headers == 0 {
        return CallResult::Broken;
    }
    let map = hostcalls::get_map_bytes(MapType::HttpCallResponseHeaders).unwrap_or_default();
    let headers: Vec<_> = map.into_iter().map(|(name, value)| (name, text(value))).collect();
    let status = headers.iter().find(|(name, _)| name == ":status");
    let status = status.and_then(|(_, status)| status.parse().ok()).unwrap_or_default();
    CallResult::Response { status, headers, body: buffer(BufferType::HttpCallResponseBody, body) }
}

/// Asks the rate limit service. `None` if it cannot be asked.
pub(super) fn ask_service(question: &[u8], timeout: Duration) -> Option<u32> {
    let (cluster, metadata) = (RateLimitService::CLUSTER, Vec::new());
    let (service, method) = (service::SERVICE, service::METHOD);
    let question = Some(question);
    hostcalls::dispatch_grpc_call(cluster, service, method, metadata, question, timeout).ok()
}

/// What the rate limit service answered, if it did: the status of gRPC is 0 then.
pub(super) fn service_answer(status: usize, size: usize) -> Option<RateLimitResponse> {
    let answer = (status == 0).then(|| buffer(BufferType::GrpcReceiveBuffer, size));
    answer.and_then(|answer| RateLimitResponse::parse(&answer))
}

/// Lets an answer go on that was held.
pub(super) fn resume_response() {
    noted("resume an answer", hostcalls::resume_http_response());
}

/// Lets a request go on that was held.
pub(super) fn resume_request() {
    noted("resume a request", hostcalls::resume_http_request());
}

fn noted(what: &str, done: Result<(), Status>) {
    if let Err(status) = done {
        error!("cannot {what}: {status:?}");
    }
}
