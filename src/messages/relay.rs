//! Answers and streams that come in the Messages API, and pass as they are: only the name of the model
//! becomes the gateway's, and the usage gets the cost if the operator wants that.

use std::ops::Range;

use serde_json::value::RawValue;

use crate::{
    chat::{object::ObjectFields, text::Text},
    json::{self, put_on_one_line, range_within},
    usd::Usd,
};

/// Values of the gateway in an answer or event.
#[derive(Clone, Copy, Debug)]
pub struct RelayedValues<'v> {
    /// Name of the model.
    pub model: &'v str,
    /// Cost. `None`: it is not reported.
    pub cost: Option<Usd>,
}

/// Replacement of a part of a text in JSON.
type Edit = (Range<usize>, Vec<u8>);

/// Returns an answer with the gateway's own values.
pub fn answer(body: &[u8], own: RelayedValues<'_>) -> Vec<u8> {
    let message: Option<ObjectFields<'_>> = json::read(body).ok();
    let message = message.unwrap_or_default();
    let cost = cost_edit(body, message.get("usage"), own);
    let mut out = Vec::with_capacity(body.len() + own.model.len());
    write_edited(&mut out, body, [model_edit(body, message.get("model"), own), cost]);
    out
}

/// Appends an event with the gateway's own values. A `ping` before the stream has begun, and data
/// without a type, are left out.
pub(super) fn write_event(out: &mut Vec<u8>, data: &[u8], own: RelayedValues<'_>, has_begun: bool) {
    // Nearly all events are these, and their order of keys is known.
    if data.starts_with(br#"{"type":"content_block_delta""#) {
        return write_named(out, "content_block_delta", data, [None, None]);
    }
    let event: Option<ObjectFields<'_>> = json::read(data).ok();
    let event = event.unwrap_or_default();
    let kind = event.text("type");
    let name = kind.as_ref().map(Text::decode).unwrap_or_default();
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_plain && !name.is_empty() && (has_begun || name != "ping") {
        let message = event.object("message").unwrap_or_default();
        let model = model_edit(data, message.get("model"), own);
        // Only the event with the last counts has its usage beside its type.
        write_named(out, &name, data, [model, cost_edit(data, event.get("usage"), own)]);
    }
}

fn write_named(out: &mut Vec<u8>, name: &str, data: &[u8], edits: [Option<Edit>; 2]) {
    for piece in ["event: ", name, "\ndata: "] {
        out.extend_from_slice(piece.as_bytes());
    }
    let start = out.len();
    write_edited(out, data, edits);
    put_on_one_line(out.get_mut(start..).unwrap_or_default());
    out.extend_from_slice(b"\n\n");
}

/// Returns the edit that replaces the name of the model.
fn model_edit(json: &[u8], found: Option<&RawValue>, own: RelayedValues<'_>) -> Option<Edit> {
    let range = range_within(found?.get(), json)?;
    let mut name = Vec::new();
    crate::json::write(&mut name, own.model);
    Some((range, name))
}

/// Returns the edit that adds the cost to a usage, or replaces one that is there.
fn cost_edit(json: &[u8], usage: Option<&RawValue>, own: RelayedValues<'_>) -> Option<Edit> {
    let (usage, cost) = usage.zip(own.cost)?;
    let fields = ObjectFields::read(usage)?;
    if let Some((_, found)) = fields.iter().find(|(key, _)| *key == "cost") {
        return Some((range_within(found.get(), json)?, cost.to_string().into_bytes()));
    }
    let end = range_within(usage.get(), json)?.end.checked_sub(1)?;
    let separator = fields.iter().next().map_or("", |_| ",");
    Some((end..end, format!("{separator}\"cost\":{cost}").into_bytes()))
}

/// Appends JSON with its edits.
fn write_edited(out: &mut Vec<u8>, json: &[u8], edits: [Option<Edit>; 2]) {
    let mut edits: Vec<Edit> = edits.into_iter().flatten().collect();
    edits.sort_by_key(|(range, _)| range.start);
    let mut rest = 0;
    for (range, value) in edits {
        out.extend_from_slice(json.get(rest..range.start).unwrap_or_default());
        out.extend_from_slice(&value);
        rest = range.end;
    }
    out.extend_from_slice(json.get(rest..).unwrap_or_default());
}
