//! Turns of a conversation and their parts, as they are written. ai.google.dev, *Content* and
//! *Part*.

use crate::{chat::text::Text, json::Object};

/// What a conversation holds in which nobody says anything: it must hold something.
const SILENCE: &[u8] = br#"{"text":"."}"#;

/// Turns being written. One speaker's messages in a row are one turn.
#[derive(Debug, Default)]
pub(super) struct Turns {
    out: Vec<u8>,
    /// Who is speaking.
    open: Option<&'static str>,
}

impl Turns {
    /// Makes room for a part of a speaker's turn, which must be written.
    pub(super) fn part(&mut self, role: &'static str) -> &mut Vec<u8> {
        if self.out.is_empty() && role != "user" {
            // The user begins.
            self.part("user").extend_from_slice(SILENCE);
        }
        if self.open == Some(role) {
            self.out.push(b',');
            return &mut self.out;
        }
        self.close();
        self.out.push(if self.out.is_empty() { b'[' } else { b',' });
        Object::open(&mut self.out).value("role", role).key("parts").push(b'[');
        self.open = Some(role);
        &mut self.out
    }

    /// Ends the turn: whoever speaks next, it is another one.
    pub(super) fn close(&mut self) {
        if self.open.take().is_some() {
            self.out.extend_from_slice(b"]}");
        }
    }

    /// All turns.
    pub(super) fn finish(mut self) -> Vec<u8> {
        if self.out.is_empty() {
            self.part("user").extend_from_slice(SILENCE);
        }
        self.close();
        self.out.push(b']');
        self.out
    }
}

/// Writes a part that is text.
pub(super) fn text(out: &mut Vec<u8>, text: &Text<'_>, signature: Option<&str>) {
    let mut part = Object::open(out);
    part.raw("text", text.json());
    if let Some(signature) = signature {
        part.value("thoughtSignature", signature);
    }
    part.close();
}

/// Writes a part that is a call. `args` is an object in JSON.
pub(super) fn call(
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
