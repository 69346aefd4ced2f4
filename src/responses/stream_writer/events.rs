//! The form of events: each has a number, and those of an item its place.

use crate::{
    chat::{attempt_log::AttemptLog, envelope::Envelope, error::Error, text::Text},
    json::Object,
    responses::output::{ItemStatus, OutputItem},
};

/// Length of an event besides its fields, at most.
const FRAME: usize = 160;

/// Events written and not taken yet.
#[derive(Debug, Default)]
pub(super) struct ResponseEvents {
    out: Vec<u8>,
    /// Number of the next event.
    sequence: u64,
    /// Number of items so far.
    items: usize,
    /// Id of the last item.
    item_id: String,
    /// Fields with the place of the open part.
    place: String,
}

impl ResponseEvents {
    /// Returns the bytes written since the last call.
    pub(super) fn take_bytes(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// Returns the id of the last item.
    pub(super) fn item_id(&self) -> &str {
        &self.item_id
    }

    /// Writes an event. `fields` follow its number, and have no line breaks.
    pub(super) fn write(&mut self, kind: &str, fields: &[&[u8]]) {
        let length: usize = fields.iter().map(|field| field.len()).sum();
        self.out.reserve(length + FRAME);
        for piece in ["event: ", kind, "\ndata: {\"type\":\"", kind, "\",\"sequence_number\":"] {
            self.out.extend_from_slice(piece.as_bytes());
        }
        crate::json::write(&mut self.out, &self.sequence);
        self.sequence += 1;
        fields.iter().for_each(|field| self.out.extend_from_slice(field));
        self.out.extend_from_slice(b"}\n\n");
    }

    /// Writes an item that has begun.
    pub(super) fn add_item(&mut self, item: &OutputItem<'_>, envelope: &Envelope) {
        self.item_id = item.id(envelope, self.items);
        self.items += 1;
        self.set_place("");
        let mut json = Vec::new();
        item.write(&mut json, &self.item_id, ItemStatus::InProgress);
        self.write_item("response.output_item.added", &json);
    }

    /// Writes an item that is done.
    pub(super) fn end_item(&mut self, json: &[u8]) {
        self.write_item("response.output_item.done", json);
    }

    fn write_item(&mut self, kind: &str, json: &[u8]) {
        let index = self.items.saturating_sub(1).to_string();
        self.write(kind, &[b",\"output_index\":", index.as_bytes(), b",\"item\":", json]);
    }

    /// Sets the place of the events that follow: a part of the last item.
    pub(super) fn set_part(&mut self, key: &str, index: usize) {
        self.set_place(&format!(",\"{key}\":{index}"));
    }

    fn set_place(&mut self, part: &str) {
        let index = self.items.saturating_sub(1);
        self.place = format!(",\"item_id\":\"{}\",\"output_index\":{index}{part}", self.item_id);
    }

    /// Writes an event with a part of an item.
    pub(super) fn write_part(&mut self, kind: &str, part: &[u8]) {
        let place = std::mem::take(&mut self.place);
        self.write(kind, &[place.as_bytes(), b",\"part\":", part]);
        self.place = place;
    }

    /// Writes an event with a text. `more` are further fields.
    pub(super) fn write_text(&mut self, kind: &str, key: &str, text: &Text<'_>, more: [&str; 3]) {
        let place = std::mem::take(&mut self.place);
        let [first, second, third] = more;
        let pieces = [&*place, ",\"", key, "\":", text.json(), first, second, third];
        self.write(kind, &pieces.map(str::as_bytes));
        self.place = place;
    }

    /// Writes an error: flat as the reference has it, and in the form of an answer that fails, which
    /// OpenAI's SDKs raise.
    pub(super) fn write_error(&mut self, error: &Error) {
        let mut fields = Vec::new();
        let mut object = Object::open(&mut fields);
        object
            .value("code", error.code())
            .value("message", &error.to_string())
            .value("param", &error.param())
            .object("error", |own| error.write_inner(own, &AttemptLog::default()));
        object.close();
        let inner = fields.strip_prefix(b"{").and_then(|rest| rest.strip_suffix(b"}"));
        self.write("error", &[b",", inner.unwrap_or_default()]);
    }
}
