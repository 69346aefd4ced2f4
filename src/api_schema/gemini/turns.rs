//! The writer of a conversation's turns and their parts. ai.google.dev, *Content* and *Part*.

use crate::{chat::text::Text, json::Object};

/// The role of the user, and of results.
pub(super) const USER: &str = "user";

/// The role of the model.
pub(super) const MODEL: &str = "model";

/// Part of a turn for which there is no message: the first turn must be the user's, and there must
/// be one.
const PLACEHOLDER_PART: &[u8] = br#"{"text":"."}"#;

/// Writer of turns. Consecutive parts of one role share a turn.
#[derive(Debug, Default)]
pub(super) struct TurnsWriter {
    out: Vec<u8>,
    /// Role of the turn that is open.
    role: Option<&'static str>,
}

impl TurnsWriter {
    /// Returns the buffer, in which the caller must write one part of a turn of `role`.
    pub(super) fn begin_part(&mut self, role: &'static str) -> &mut Vec<u8> {
        if self.out.is_empty() && role != USER {
            // The first turn must be the user's.
            self.begin_part(USER).extend_from_slice(PLACEHOLDER_PART);
        }
        if self.role == Some(role) {
            self.out.push(b',');
            return &mut self.out;
        }
        self.end_turn();
        self.out.push(if self.out.is_empty() { b'[' } else { b',' });
        Object::open(&mut self.out).value("role", role).key("parts").push(b'[');
        self.role = Some(role);
        &mut self.out
    }

    /// Ends the turn. The next part begins another one, even for the same role.
    pub(super) fn end_turn(&mut self) {
        if self.role.take().is_some() {
            self.out.extend_from_slice(b"]}");
        }
    }

    /// Returns all turns as a JSON array.
    pub(super) fn finish(mut self) -> Vec<u8> {
        if self.out.is_empty() {
            self.begin_part(USER).extend_from_slice(PLACEHOLDER_PART);
        }
        self.end_turn();
        self.out.push(b']');
        self.out
    }
}

/// Writes a part that holds text.
pub(super) fn write_text_part(out: &mut Vec<u8>, text: &Text<'_>, signature: Option<&str>) {
    let mut part = Object::open(out);
    part.raw("text", text.json());
    if let Some(signature) = signature {
        part.value("thoughtSignature", signature);
    }
    part.close();
}

/// Writes a part that holds a function call. `args` is a JSON object.
pub(super) fn write_call_part(
    out: &mut Vec<u8>,
    id: Option<&Text<'_>>,
    name: &Text<'_>,
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
