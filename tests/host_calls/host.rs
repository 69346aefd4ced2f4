//! The functions that the module imports from its host, as functions of this program. Each writes down
//! that it was called, and works on the state of one exchange.

use std::{cell::RefCell, collections::HashMap, ptr, slice};

/// Maps and buffers of the ABI, by their numbers (`MapType` and `BufferType` of the SDK).
pub const REQUEST_HEADERS: u32 = 0;
pub const RESPONSE_HEADERS: u32 = 2;
pub const REQUEST_BODY: u32 = 0;
pub const RESPONSE_BODY: u32 = 1;
const PLUGIN_CONFIGURATION: u32 = 7;

const OK: u32 = 0;
const NOT_FOUND: u32 = 1;
const BAD_ARGUMENT: u32 = 2;
const CAS_MISMATCH: u32 = 8;

/// A call that the module has made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Name of the function, without `proxy_`.
    pub function: &'static str,
    /// The subject of the call, for a reader.
    pub subject: String,
    /// `true` if the module allocated memory for what the host returned.
    pub returned_bytes: bool,
}

type Headers = Vec<(Vec<u8>, Vec<u8>)>;

#[derive(Default)]
struct State {
    calls: Vec<Call>,
    headers: HashMap<u32, Headers>,
    buffers: HashMap<u32, Vec<u8>>,
    properties: HashMap<Vec<u8>, Vec<u8>>,
    shared: HashMap<Vec<u8>, (Vec<u8>, u32)>,
    /// Names of metrics. The number of a metric is its place here.
    metrics: Vec<String>,
    /// Milliseconds that have passed: one with each look at the clock.
    elapsed: u64,
}

thread_local! {
    static STATE: RefCell<State> = RefCell::default();
}

/// Forgets the exchange. Shared data and metrics stay, as they do in a host.
pub fn begin() {
    STATE.with_borrow_mut(|state| {
        state.calls.clear();
        state.headers.clear();
        state.buffers.clear();
        state.properties.clear();
    });
}

/// Takes the calls since the last time.
pub fn take_calls() -> Vec<Call> {
    STATE.with_borrow_mut(|state| std::mem::take(&mut state.calls))
}

/// Sets the configuration that a root context reads.
pub fn configure(bytes: Vec<u8>) {
    set_body(PLUGIN_CONFIGURATION, bytes);
}

/// Sets all headers of a map.
pub fn set_headers(map: u32, headers: &[(&str, &str)]) {
    let bytes = |text: &str| text.as_bytes().to_vec();
    let headers = headers.iter().map(|(name, value)| (bytes(name), bytes(value))).collect();
    STATE.with_borrow_mut(|state| state.headers.insert(map, headers));
}

/// Appends to a buffer, and returns its length.
pub fn receive(buffer: u32, bytes: &[u8]) -> usize {
    STATE.with_borrow_mut(|state| {
        let body = state.buffers.entry(buffer).or_default();
        body.extend_from_slice(bytes);
        body.len()
    })
}

/// Sets the whole content of a buffer.
pub fn set_body(buffer: u32, bytes: Vec<u8>) {
    STATE.with_borrow_mut(|state| state.buffers.insert(buffer, bytes));
}

/// Takes the content of a buffer.
pub fn take_body(buffer: u32) -> Vec<u8> {
    STATE.with_borrow_mut(|state| state.buffers.remove(&buffer).unwrap_or_default())
}

/// Writes a call down, and acts on the state.
fn called<T>(
    function: &'static str,
    subject: impl Into<String>,
    act: impl FnOnce(&mut State) -> T,
) -> T {
    STATE.with_borrow_mut(|state| {
        state.calls.push(Call { function, subject: subject.into(), returned_bytes: false });
        act(state)
    })
}

/// Returns bytes that the module has passed.
///
/// # Safety
///
/// `data` is null, or `size` bytes are there.
unsafe fn passed(data: *const u8, size: usize) -> Vec<u8> {
    if data.is_null() || size == 0 {
        return Vec::new();
    }
    // SAFETY: see above.
    unsafe { slice::from_raw_parts(data, size) }.to_vec()
}

/// Returns text that the module has passed.
///
/// # Safety
///
/// As for [`passed`].
unsafe fn text(data: *const u8, size: usize) -> String {
    // SAFETY: see above.
    String::from_utf8_lossy(&unsafe { passed(data, size) }).replace('\0', ".")
}

/// Gives bytes to the module, which frees them.
///
/// # Safety
///
/// A pointer and a length may be written to the two places.
unsafe fn give(bytes: Option<Vec<u8>>, data: *mut *mut u8, size: *mut usize) -> u32 {
    let Some(bytes) = bytes else { return NOT_FOUND };
    // The SDK takes null for nothing.
    let length = bytes.len();
    STATE.with_borrow_mut(|state| {
        state.calls.iter_mut().last().unwrap().returned_bytes = length > 0;
    });
    let start = if length == 0 {
        ptr::null_mut()
    } else {
        Box::into_raw(bytes.into_boxed_slice()).cast::<u8>()
    };
    // SAFETY: see above.
    unsafe {
        data.write(start);
        size.write(length);
    }
    OK
}

/// Writes headers as the ABI has them: their number, the lengths of names and values, then these,
/// each with a zero byte.
fn serialized(headers: &Headers) -> Vec<u8> {
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap().to_le_bytes();
    let mut bytes = u32::try_from(headers.len()).unwrap().to_le_bytes().to_vec();
    for (name, value) in headers {
        bytes.extend([length(name), length(value)].concat());
    }
    for (name, value) in headers {
        bytes.extend([name, &b"\0"[..], value, b"\0"].concat());
    }
    bytes
}

/// Reads what [`serialized`] writes.
fn deserialized(bytes: &[u8]) -> Headers {
    let number = |at: usize| {
        usize::try_from(u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())).unwrap()
    };
    let mut at = 4 + 8 * number(0);
    let mut next = |length: usize| {
        let part = bytes[at..at + length].to_vec();
        at += length + 1;
        part
    };
    (0..number(0)).map(|i| (next(number(4 + 8 * i)), next(number(8 + 8 * i)))).collect()
}

/// Replaces part of a buffer.
fn splice(body: &mut Vec<u8>, start: usize, size: usize, bytes: Vec<u8>) {
    let end = start.saturating_add(size).min(body.len());
    body.splice(start.min(end)..end, bytes);
}

// The imports. Every pointer comes from the SDK, which runs in this program: where a length comes with
// it, so many bytes are there, and what is returned may be written to the places that are named last.

#[unsafe(no_mangle)]
extern "C" fn proxy_log(_level: u32, data: *const u8, size: usize) -> u32 {
    // SAFETY: see above.
    let text = unsafe { text(data, size) };
    called("log", text, |_| OK)
}

#[unsafe(no_mangle)]
extern "C" fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32 {
    let elapsed = called("get_current_time_nanoseconds", "", |state| {
        state.elapsed += 1;
        state.elapsed
    });
    // SAFETY: see above.
    unsafe { time.write((1_795_000_000_000 + elapsed) * 1_000_000) };
    OK
}

#[unsafe(no_mangle)]
extern "C" fn proxy_set_tick_period_milliseconds(period: u32) -> u32 {
    called("set_tick_period_milliseconds", period.to_string(), |_| OK)
}

#[unsafe(no_mangle)]
extern "C" fn proxy_get_buffer_bytes(
    buffer: u32,
    start: usize,
    size: usize,
    data: *mut *mut u8,
    length: *mut usize,
) -> u32 {
    let bytes = called("get_buffer_bytes", buffer_name(buffer), |state| {
        let body = state.buffers.get(&buffer)?;
        let end = start.saturating_add(size).min(body.len());
        body.get(start..end).map(<[u8]>::to_vec)
    });
    // SAFETY: see above.
    unsafe { give(bytes, data, length) }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_set_buffer_bytes(
    buffer: u32,
    start: usize,
    size: usize,
    data: *const u8,
    length: usize,
) -> u32 {
    // SAFETY: see above.
    let bytes = unsafe { passed(data, length) };
    called("set_buffer_bytes", buffer_name(buffer), |state| {
        let Some(body) = state.buffers.get_mut(&buffer) else { return BAD_ARGUMENT };
        splice(body, start, size, bytes);
        OK
    })
}

#[unsafe(no_mangle)]
extern "C" fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32 {
    let bytes = called("get_header_map_pairs", map_name(map), |state| {
        state.headers.get(&map).map(serialized)
    });
    // SAFETY: see above.
    unsafe { give(bytes, data, size) }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_set_header_map_pairs(map: u32, data: *const u8, size: usize) -> u32 {
    // SAFETY: see above.
    let headers = deserialized(&unsafe { passed(data, size) });
    called("set_header_map_pairs", map_name(map), |state| {
        state.headers.insert(map, headers);
        OK
    })
}

#[unsafe(no_mangle)]
extern "C" fn proxy_get_header_map_value(
    map: u32,
    key: *const u8,
    size: usize,
    data: *mut *mut u8,
    length: *mut usize,
) -> u32 {
    // SAFETY: see above.
    let name = unsafe { text(key, size) };
    let subject = format!("{}, {name}", map_name(map));
    let value = called("get_header_map_value", subject, |state| {
        let found = state.headers.get(&map)?.iter().find(|(own, _)| own == name.as_bytes());
        found.map(|(_, value)| value.clone())
    });
    // SAFETY: see above.
    unsafe { give(value, data, length) }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_replace_header_map_value(
    map: u32,
    key: *const u8,
    size: usize,
    data: *const u8,
    length: usize,
) -> u32 {
    // SAFETY: see above.
    let (name, value) = unsafe { (passed(key, size), passed(data, length)) };
    let subject = format!("{}, {}", map_name(map), String::from_utf8_lossy(&name));
    called("replace_header_map_value", subject, |state| {
        let headers = state.headers.entry(map).or_default();
        headers.retain(|(own, _)| *own != name);
        headers.push((name, value));
        OK
    })
}

#[unsafe(no_mangle)]
extern "C" fn proxy_remove_header_map_value(map: u32, key: *const u8, size: usize) -> u32 {
    // SAFETY: see above.
    let name = unsafe { text(key, size) };
    called("remove_header_map_value", format!("{}, {name}", map_name(map)), |state| {
        state.headers.entry(map).or_default().retain(|(own, _)| own != name.as_bytes());
        OK
    })
}

#[unsafe(no_mangle)]
extern "C" fn proxy_get_property(
    path: *const u8,
    size: usize,
    data: *mut *mut u8,
    length: *mut usize,
) -> u32 {
    // SAFETY: see above.
    let (name, path) = unsafe { (text(path, size), passed(path, size)) };
    let value = called("get_property", name, |state| state.properties.get(&path).cloned());
    // SAFETY: see above.
    unsafe { give(value, data, length) }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_set_property(
    path: *const u8,
    size: usize,
    data: *const u8,
    length: usize,
) -> u32 {
    // SAFETY: see above.
    let (name, path, value) =
        unsafe { (text(path, size), passed(path, size), passed(data, length)) };
    called("set_property", name, |state| {
        state.properties.insert(path, value);
        OK
    })
}

#[unsafe(no_mangle)]
extern "C" fn proxy_get_shared_data(
    key: *const u8,
    size: usize,
    data: *mut *mut u8,
    length: *mut usize,
    version: *mut u32,
) -> u32 {
    // SAFETY: see above.
    let (name, key) = unsafe { (text(key, size), passed(key, size)) };
    let (value, own) =
        called("get_shared_data", name, |state| state.shared.get(&key).cloned().unzip());
    // SAFETY: see above.
    unsafe {
        version.write(own.unwrap_or_default());
        give(value, data, length)
    }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_set_shared_data(
    key: *const u8,
    size: usize,
    data: *const u8,
    length: usize,
    version: u32,
) -> u32 {
    // SAFETY: see above.
    let (name, key, value) = unsafe { (text(key, size), passed(key, size), passed(data, length)) };
    called("set_shared_data", name, |state| {
        let before = state.shared.get(&key).map(|(_, version)| *version);
        if version != 0 && before.is_some_and(|before| before != version) {
            return CAS_MISMATCH;
        }
        state.shared.insert(key, (value, before.unwrap_or_default() + 1));
        OK
    })
}

#[unsafe(no_mangle)]
extern "C" fn proxy_define_metric(
    _kind: u32,
    name: *const u8,
    size: usize,
    metric: *mut u32,
) -> u32 {
    // SAFETY: see above.
    let name = unsafe { text(name, size) };
    let id = called("define_metric", name.clone(), |state| {
        state.metrics.push(name);
        u32::try_from(state.metrics.len() - 1).unwrap()
    });
    // SAFETY: see above.
    unsafe { metric.write(id) };
    OK
}

#[unsafe(no_mangle)]
extern "C" fn proxy_record_metric(metric: u32, _value: u64) -> u32 {
    called("record_metric", metric_name(metric), |_| OK)
}

#[unsafe(no_mangle)]
extern "C" fn proxy_increment_metric(metric: u32, _offset: i64) -> u32 {
    called("increment_metric", metric_name(metric), |_| OK)
}

#[unsafe(no_mangle)]
extern "C" fn proxy_set_effective_context(context: u32) -> u32 {
    called("set_effective_context", context.to_string(), |_| OK)
}

#[unsafe(no_mangle)]
extern "C" fn proxy_send_local_response(
    status: u32,
    _details: *const u8,
    _details_size: usize,
    body: *const u8,
    size: usize,
    _headers: *const u8,
    _headers_size: usize,
    _grpc_status: i32,
) -> u32 {
    // SAFETY: see above.
    let body = unsafe { text(body, size) };
    called("send_local_response", format!("{status} {body}"), |_| OK)
}

/// Defines imports that none of these exchanges needs.
macro_rules! unexpected {
    ($($name:ident)*) => {
        $(#[unsafe(no_mangle)]
        extern "C" fn $name() -> u32 {
            unreachable!(stringify!($name))
        })*
    };
}

unexpected! {
    proxy_add_header_map_value proxy_call_foreign_function proxy_close_stream proxy_continue_stream
    proxy_dequeue_shared_queue proxy_done proxy_enqueue_shared_queue proxy_get_log_level
    proxy_get_metric proxy_get_status proxy_grpc_call proxy_grpc_cancel proxy_grpc_close
    proxy_grpc_send proxy_grpc_stream proxy_http_call proxy_register_shared_queue
    proxy_resolve_shared_queue
}

fn metric_name(metric: u32) -> String {
    let place = usize::try_from(metric).unwrap();
    STATE.with_borrow(|state| state.metrics[place].clone())
}

fn buffer_name(buffer: u32) -> &'static str {
    match buffer {
        REQUEST_BODY => "request body",
        RESPONSE_BODY => "response body",
        PLUGIN_CONFIGURATION => "configuration",
        _ => "another buffer",
    }
}

fn map_name(map: u32) -> &'static str {
    match map {
        REQUEST_HEADERS => "request",
        RESPONSE_HEADERS => "response",
        _ => "another map",
    }
}
