//! Host calls, as the two roles need them. A failure of one is logged here: it only happens when a
//! filter calls at the wrong time, which no input can bring about.

use std::time::{Duration, UNIX_EPOCH};

use log::{debug, error};
use proxy_wasm::{
    hostcalls,
    types::{BufferType, MapType, Status},
};

use crate::{
    api_schema::translation::TranslatedRequest,
    attempt::request_headers,
    config::{Telemetry, TranscriptKey, rate_limit::RateLimitService},
    gateway::{guard_call::GuardCall, transcript_fetch::TranscriptCall},
    handoff::{
        filter_state::{self, Update},
        headers,
        response_facts::ResponseFacts,
    },
    http_call::CallResult,
    quota::service::{self, RateLimitResponse},
    reply::Reply,
    time::Timestamp,
};

/// Returns the time.
pub(super) fn now() -> Timestamp {
    let time = hostcalls::get_current_time().unwrap_or(UNIX_EPOCH);
    Timestamp::from_epoch(time.duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// Returns a header's value. Bytes that are not UTF-8 become U+FFFD.
pub(super) fn header(map: MapType, name: &str) -> Option<String> {
    hostcalls::get_map_value_bytes(map, name).ok()?.map(text)
}

/// Returns bytes as text. Bytes that are not UTF-8 become U+FFFD.
fn text(bytes: Vec<u8>) -> String {
    match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    }
}

/// Returns all headers of a map. This host call costs as much as those for two single headers.
pub(super) fn headers(map: MapType) -> Vec<(String, String)> {
    let headers = hostcalls::get_map_bytes(map).unwrap_or_default();
    headers.into_iter().map(|(name, value)| (name, text(value))).collect()
}

/// Returns the bytes of a property.
fn property(path: &[&str]) -> Option<Vec<u8>> {
    hostcalls::get_property(path.to_vec()).ok()?
}

/// Returns a value of filter state that the module has set.
pub(super) fn filter_state(name: &str) -> Option<String> {
    property(&[name]).map(text)
}

/// Returns the first `size` bytes of a buffer.
pub(super) fn buffer(kind: BufferType, size: usize) -> Vec<u8> {
    if size == 0 {
        return Vec::new();
    }
    hostcalls::get_buffer(kind, 0, size).ok().flatten().unwrap_or_default()
}

/// Replaces the first `size` bytes of a buffer. Nothing is replaced by nothing without a host call.
pub(super) fn set_buffer(kind: BufferType, size: usize, bytes: &[u8]) {
    if size > 0 || !bytes.is_empty() {
        log_failure("set a buffer", hostcalls::set_buffer(kind, 0, size, bytes));
    }
}

/// Replaces all headers of a map.
pub(super) fn set_headers(map: MapType, headers: Vec<(&str, &str)>) {
    log_failure("set headers", hostcalls::set_map(map, headers));
}

/// Sets a header, or removes it.
pub(super) fn set_header(map: MapType, name: &str, value: Option<&str>) {
    log_failure("set a header", hostcalls::set_map_value(map, name, value));
}

/// Replaces head and body of the request by one to a provider. `size` is the body's length so far.
pub(super) fn replace_request(
    request: &TranslatedRequest,
    size: usize,
    request_id: &str,
    further: &[(&'static str, String)],
) {
    let length = request.body.len().to_string();
    let headers = request_headers(request, &length, request_id, further);
    set_headers(MapType::HttpRequestHeaders, headers);
    set_buffer(BufferType::HttpRequestBody, size, &request.body);
}

/// Replaces head and body of the provider's response. `size` is the body's length so far.
pub(super) fn replace_response(reply: &Reply, length: Option<&str>, size: usize) {
    replace_head(reply, length);
    set_buffer(BufferType::HttpResponseBody, size, &reply.body);
}

/// Replaces the head of the provider's response. No header of the provider goes along.
pub(super) fn replace_head(reply: &Reply, length: Option<&str>) {
    let status = reply.status.to_string();
    set_headers(MapType::HttpResponseHeaders, reply.head(&status, length));
}

/// Sends a local reply.
pub(super) fn reply(reply: &Reply) {
    let headers = reply.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let sent = hostcalls::send_http_response(reply.status.into(), headers, Some(&reply.body));
    log_failure("reply", sent);
}

/// Writes values into filter state.
pub(super) fn update_filter_state(update: &Update, telemetry: Option<&Telemetry>) {
    for (name, value) in update.values(telemetry) {
        set_filter_state(&name, value);
    }
    if let Some(cluster) = &update.other_cluster {
        add_other_cluster(cluster);
    }
}

/// Writes a value into filter state.
pub(super) fn set_filter_state(name: &str, value: &str) {
    let set = hostcalls::set_property(vec![name], Some(value.as_bytes()));
    log_failure("set filter state", set);
}

/// Adds a cluster to those that the access log names besides the one of Envoy's router.
pub(super) fn add_other_cluster(cluster: &str) {
    let name = filter_state::OTHER_CLUSTERS;
    set_filter_state(name, &Update::with_other_cluster(filter_state(name), cluster));
}

/// The response under way.
pub(super) struct Response;

impl ResponseFacts for Response {
    fn details(&self) -> String {
        property(&["response", "code_details"]).map(text).unwrap_or_default()
    }

    fn header(&self, name: &str) -> Option<String> {
        header(MapType::HttpResponseHeaders, name)
    }

    fn filter_state(&self, name: &str) -> Option<String> {
        filter_state(name)
    }

    fn upstream_address(&self) -> Vec<u8> {
        property(&["upstream", "address"]).unwrap_or_default()
    }
}

/// Calls a provider. `None` if Envoy does not send the call.
pub(super) fn call(
    cluster: &str,
    request: &TranslatedRequest,
    request_id: &str,
    timeout: Duration,
    telemetry: &Telemetry,
) -> Option<u32> {
    // The headers of a request that has left are only to be had as a property.
    let trace =
        headers::trace(telemetry, |name| property(&["request", "headers", name]).map(self::text));
    let length = request.body.len().to_string();
    let headers = request_headers(request, &length, request_id, &trace);
    dispatch(cluster, headers, Some(&request.body), timeout)
}

/// Calls for a transcript. `None` if Envoy does not send the call.
pub(super) fn fetch(call: &TranscriptCall) -> Option<u32> {
    let caller_key = || property(&["filter_state", filter_state::CALLER_KEY]).map(text);
    let key = if call.key == TranscriptKey::Caller { caller_key() } else { None };
    dispatch(&call.cluster, call.headers(key.as_deref()), None, call.timeout)
}

/// Calls the guard. `None` if Envoy does not send the call.
pub(super) fn ask_guard(call: &GuardCall) -> Option<u32> {
    dispatch(&call.cluster, call.headers(), Some(&call.body), call.timeout)
}

fn dispatch(
    cluster: &str,
    headers: Vec<(&str, &str)>,
    body: Option<&[u8]>,
    timeout: Duration,
) -> Option<u32> {
    let sent = hostcalls::dispatch_http_call(cluster, headers, body, Vec::new(), timeout);
    sent.inspect_err(|status| debug!("call to {cluster}: {status:?}")).ok()
}

/// Returns the result of a call. A response without headers did not come, and must not be read.
pub(super) fn call_result(headers: usize, body: usize) -> CallResult {
    if headers == 0 {
        return CallResult::Broken;
    }
    let headers = self::headers(MapType::HttpCallResponseHeaders);
    CallResult::from_headers(headers, buffer(BufferType::HttpCallResponseBody, body))
}

/// Asks the rate limit service. `None` if Envoy does not send the call.
pub(super) fn ask_service(request: &[u8], timeout: Duration) -> Option<u32> {
    let (service, method, metadata) = (service::SERVICE, service::METHOD, Vec::new());
    let cluster = RateLimitService::CLUSTER;
    let request = Some(request);
    hostcalls::dispatch_grpc_call(cluster, service, method, metadata, request, timeout).ok()
}

/// Returns the answer of the rate limit service. `None` if the gRPC status is not 0.
pub(super) fn service_answer(status: usize, size: usize) -> Option<RateLimitResponse> {
    let answer = (status == 0).then(|| buffer(BufferType::GrpcReceiveBuffer, size));
    answer.and_then(|answer| RateLimitResponse::parse(&answer))
}

/// Lets a held request go on.
pub(super) fn resume_request() {
    log_failure("resume a request", hostcalls::resume_http_request());
}

fn log_failure(action: &str, result: Result<(), Status>) {
    if let Err(status) = result {
        error!("cannot {action}: {status:?}");
    }
}
