//! Answers and streams that come in the Messages API, and pass as they are: only the name of the model
//! becomes the gateway's.

use serde_json::value::RawValue;

use crate::{
    chat::{object::ObjectFields, text::Text},
    json::{put_on_one_line, range_within},
};

/// Returns an answer under the gateway's name of the model.
pub fn answer(body: &[u8], model: &str) -> Vec<u8> {
    let message: Option<ObjectFields<'_>> = serde_json::from_slice(body).ok();
    let mut out = Vec::with_capacity(body.len() + model.len());
    write_renamed(&mut out, body, message.and_then(|own| own.get("model")), model);
    out
}

/// Appends an event under the gateway's name of the model. A `ping` before the stream has begun, and
/// data without a type, are left out.
pub(super) fn write_event(out: &mut Vec<u8>, data: &[u8], model: &str, has_begun: bool) {
    // Nearly all events are these, and their order of keys is known.
    if data.starts_with(br#"{"type":"content_block_delta""#) {
        return write_named(out, "content_block_delta", data, None, model);
    }
    let event: Option<ObjectFields<'_>> = serde_json::from_slice(data).ok();
    let event = event.unwrap_or_default();
    let kind = event.text("type");
    let name = kind.as_ref().map(Text::decode).unwrap_or_default();
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_plain && !name.is_empty() && (has_begun || name != "ping") {
        let found = event.object("message").and_then(|message| message.get("model"));
        write_named(out, &name, data, found, model);
    }
}

fn write_named(out: &mut Vec<u8>, name: &str, data: &[u8], found: Option<&RawValue>, model: &str) {
    for piece in ["event: ", name, "\ndata: "] {
        out.extend_from_slice(piece.as_bytes());
    }
    let start = out.len();
    write_renamed(out, data, found, model);
    put_on_one_line(out.get_mut(start..).unwrap_or_default());
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
