//! Turns of a conversation and their parts, as they are written. ai.google.dev, *Content* and
//! *Part*.

use crate::{chat::text::Text, json::Object};

/// What a conversation holds in which nobody says anything: it must hold something.
const PLACEHOLDER_PART: &[u8] = br#"{"text":"."}"#;

/// Turns being written. One speaker's messages in a row are one turn.
#[derive(Debug, Default)]
pub(super) struct TurnsWriter {
    out: Vec<u8>,
    /// Who is speaking.
    speaker: Option<&'static str>,
}

impl TurnsWriter {
    /// Makes room for a part of a speaker's turn, which must be written.
    pub(super) fn begin_part(&mut self, role: &'static str) -> &mut Vec<u8> {
        if self.out.is_empty() && role != "user" {
            // The user begins.
            self.begin_part("user").extend_from_slice(PLACEHOLDER_PART);
        }
        if self.speaker == Some(role) {
            self.out.push(b',');
            return &mut self.out;
        }
        self.end_turn();
        self.out.push(if self.out.is_empty() { b'[' } else { b',' });
        Object::open(&mut self.out).value("role", role).key("parts").push(b'[');
        self.speaker = Some(role);
        &mut self.out
    }

    /// Ends the turn: whoever speaks next, it is another one.
    pub(super) fn end_turn(&mut self) {
        if self.speaker.take().is_some() {
            self.out.extend_from_slice(b"]}");
        }
    }

    /// All turns.
    pub(super) fn finish(mut self) -> Vec<u8> {
        if self.out.is_empty() {
            self.begin_part("user").extend_from_slice(PLACEHOLDER_PART);
        }
        self.end_turn();
        self.out.push(b']');
        self.out
    }
}

/// Writes a part that is text.
pub(super) fn write_text_part(out: &mut Vec<u8>, text: &Text<'_>, signature: Option<&str>) {
    let mut part = Object::open(out);
    part.raw("text", text.json());
    if let Some(signature) = signature {
        part.value("thoughtSignature", signature);
    }
    part.close();
}

/// Writes a part that is a call. `args` is an object in JSON.
pub(super) fn write_call_part(
    out: &mut Vec<u8>,
    id: Option<&Text<'_>>,
    name: &str,
    args: &str,
    signature: Option<&str>,
) {
    let mut part = Object::open(out);
    part.object("functionCall", |call| {
        if let Some(id) = id {
            call.raw("id", id.json());
        }
        call.value("name", name).raw("args", args);
    });
    if let Some(signature) = signature {
        part.value("thoughtSignature", signature);
    }
    part.close();
}
