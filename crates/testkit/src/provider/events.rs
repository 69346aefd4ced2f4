//! Server-sent events in the making: one buffer, and where each event ends.

use bytes::Bytes;
use serde::Serialize;

/// A stream of events, written back to back.
pub struct Events {
    text: Vec<u8>,
    /// Where each event ends in `text`. Invariant: ascending, the last is the length of `text`.
    ends: Vec<usize>,
    line_end: &'static str,
}

impl Events {
    /// No events yet. `line_end` is `\n` or `\r\n`: WHATWG HTML, *Parsing an event stream*.
    pub fn new(line_end: &'static str) -> Self {
        Self { text: Vec::with_capacity(1024), ends: Vec::with_capacity(16), line_end }
    }

    /// Adds an event that carries JSON.
    pub fn json(&mut self, data: &impl Serialize) {
        self.text.extend_from_slice(b"data: ");
        serde_json::to_writer(&mut self.text, data).expect("our own types are JSON");
        self.close();
    }

    /// Adds an event with a name, as Anthropic sends them.
    pub fn named(&mut self, name: &str, data: &impl Serialize) {
        self.text.extend_from_slice(b"event: ");
        self.text.extend_from_slice(name.as_bytes());
        self.text.extend_from_slice(self.line_end.as_bytes());
        self.json(data);
    }

    /// Adds a message in AWS's framing.
    pub fn message(&mut self, kind: &str, data: &impl Serialize) {
        let payload = serde_json::to_vec(data).expect("our own types are JSON");
        self.text.extend(crate::aws_events::message(kind, &payload));
        self.ends.push(self.text.len());
    }

    /// Adds an event of one line as it is: `data: [DONE]`, or a comment.
    pub fn line(&mut self, line: &str) {
        self.text.extend_from_slice(line.as_bytes());
        self.close();
    }

    /// The events, each on its own.
    pub fn into_frames(self) -> Vec<Bytes> {
        let text = Bytes::from(self.text);
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| text.slice(start..*end)).collect()
    }

    fn close(&mut self) {
        self.text.extend_from_slice(self.line_end.as_bytes());
        self.text.extend_from_slice(self.line_end.as_bytes());
        self.ends.push(self.text.len());
    }
}

/// Splits a written stream after every blank line, so that its events can be counted. What follows
/// the last blank line is the last frame.
pub fn split(stream: &Bytes) -> Vec<Bytes> {
    let mut frames = Vec::new();
    let mut start = 0;
    while let Some(length) = event_length(&stream[start..]) {
        frames.push(stream.slice(start..start + length));
        start += length;
    }
    if start < stream.len() {
        frames.push(stream.slice(start..));
    }
    frames
}

/// Length of the first event with its blank line, if there is a blank line.
fn event_length(stream: &[u8]) -> Option<usize> {
    let after = |blank: &[u8]| {
        stream.windows(blank.len()).position(|window| window == blank).map(|at| at + blank.len())
    };
    [after(b"\n\n"), after(b"\r\n\r\n")].into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_splits_into_the_events_it_was_written_from() {
        for line_end in ["\n", "\r\n"] {
            let mut events = Events::new(line_end);
            events.json(&1);
            events.named("ping", &"x");
            events.line("data: [DONE]");
            let frames = events.into_frames();
            assert_eq!(frames.len(), 3);
            assert_eq!(split(&Bytes::from(frames.concat())), frames);
        }
    }

    #[test]
    fn what_has_no_blank_line_is_a_frame_too() {
        assert_eq!(split(&Bytes::from("a\n\nb")), ["a\n\n", "b"]);
        assert!(split(&Bytes::new()).is_empty());
    }
}
