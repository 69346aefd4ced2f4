//! Answers and streams that come in the Messages API, and pass as they are: only the name of the model
//! becomes the gateway's.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    chat::{object::JsonObject, text::Text},
    json::range_within,
};

/// Message of an answer, or of the start of a stream.
#[derive(Deserialize)]
struct NamedMessage<'a> {
    #[serde(borrow, default)]
    model: Option<&'a RawValue>,
}

/// Event of a stream, as far as it is read.
#[derive(Deserialize)]
struct NamedEvent<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow, default)]
    message: Option<JsonObject<NamedMessage<'a>>>,
}

/// Returns an answer under the gateway's name of the model.
pub fn answer(body: &[u8], model: &str) -> Vec<u8> {
    let message: Option<JsonObject<NamedMessage<'_>>> = serde_json::from_slice(body).ok();
    let mut out = Vec::with_capacity(body.len() + model.len());
    write_renamed(&mut out, body, message.and_then(|JsonObject(own)| own.model), model);
    out
}

/// Appends an event under the gateway's name of the model. A `ping` before the stream has begun, and
/// data without a type, are left out.
pub(super) fn write_event(out: &mut Vec<u8>, data: &[u8], model: &str, has_begun: bool) {
    // Nearly all events are these, and their order of keys is known.
    if data.starts_with(br#"{"type":"content_block_delta""#) {
        return write_named(out, "content_block_delta", data, None, model);
    }
    let event: Option<JsonObject<NamedEvent<'_>>> = serde_json::from_slice(data).ok();
    let Some(JsonObject(NamedEvent { kind, message })) = event else { return };
    let name = kind.decode();
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_plain && (has_begun || name != "ping") {
        write_named(out, &name, data, message.and_then(|JsonObject(own)| own.model), model);
    }
}

fn write_named(out: &mut Vec<u8>, name: &str, data: &[u8], found: Option<&RawValue>, model: &str) {
    for piece in ["event: ", name, "\ndata: "] {
        out.extend_from_slice(piece.as_bytes());
    }
    let start = out.len();
    write_renamed(out, data, found, model);
    // A line break, which can only stand between tokens, would end the event's line.
    for byte in out.iter_mut().skip(start).filter(|byte| **byte < b' ') {
        *byte = b' ';
    }
    out.extend_from_slice(b"\n\n");
}

/// Appends JSON with another value in the place of `found`.
fn write_renamed(out: &mut Vec<u8>, json: &[u8], found: Option<&RawValue>, model: &str) {
    let range = found.and_then(|raw| range_within(raw.get(), json));
    let Some(range) = range else { return out.extend_from_slice(json) };
    out.extend_from_slice(json.get(..range.start).unwrap_or_default());
    crate::json::write(out, model);
    out.extend_from_slice(json.get(range.end..).unwrap_or_default());
}
