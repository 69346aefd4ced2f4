//! The host's calls as the two roles need them. Those that fail are logged once here: they only do
//! when a filter asks for something at the wrong time, which no input can bring about.

use std::time::UNIX_EPOCH;

use log::error;
use proxy_wasm::{
    hostcalls,
    types::{BufferType, MapType, Status},
};

use crate::{reply::Reply, time::Timestamp};

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

/// Adds a header to the answer, in the place of one of the same name.
pub(super) fn set_response_header(name: &str, value: &str) {
    let set = hostcalls::set_map_value(MapType::HttpResponseHeaders, name, Some(value));
    noted("set a header", set);
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

/// Has Envoy choose the route again.
pub(super) fn clear_route_cache() {
    let cleared = hostcalls::call_foreign_function("clear_route_cache", None).map(drop);
    noted("clear the route cache", cleared);
}

fn noted(what: &str, done: Result<(), Status>) {
    if let Err(status) = done {
        error!("cannot {what}: {status:?}");
    }
}
