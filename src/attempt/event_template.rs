//! Shortcut for events that differ from the last one in their text only, which most events of a
//! stream do.
//!
//! The bytes before and after the text of a decoded event are remembered. An event with the same
//! bytes around another JSON string means the same with that text, so only the string is parsed.

use memchr::arch::all::{is_prefix, is_suffix};

use crate::{
    chat::{delta::Delta, text::Text},
    json::{self, range_within},
};

/// Template of an event that holds nothing but content.
#[derive(Debug, Default)]
pub(super) struct EventTemplate {
    before: Vec<u8>,
    /// Empty while nothing is remembered: an event ends in a brace at least.
    after: Vec<u8>,
    choice: usize,
}

impl EventTemplate {
    /// Returns the content of an event that matches the template.
    pub(super) fn content<'d>(&self, data: &'d [u8]) -> Option<Delta<'d>> {
        if self.after.is_empty() {
            return None;
        }
        let rest = data.get(self.before.len()..)?;
        let token = rest.get(..rest.len().checked_sub(self.after.len())?)?;
        // What `strip_prefix` and `strip_suffix` compare byte by byte in WebAssembly, by words.
        if !is_prefix(data, &self.before) || !is_suffix(rest, &self.after) {
            return None;
        }
        let text: Text<'d> = json::read(token).ok()?;
        Some(Delta::Content { choice: self.choice, text, logprobs: None })
    }

    /// Remembers an event, if its only delta is a text inside of `data`. Forgets the one before.
    pub(super) fn learn(&mut self, data: &[u8], deltas: &[Delta<'_>]) {
        self.after.clear();
        let [Delta::Content { choice, text, logprobs: None }] = deltas else { return };
        let Some(range) = range_within(text.json(), data) else { return };
        if let (Some(before), Some(after)) = (data.get(..range.start), data.get(range.end..)) {
            self.before.clear();
            self.before.extend_from_slice(before);
            self.after.extend_from_slice(after);
            self.choice = *choice;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    fn learned(event: &str, token: &str) -> EventTemplate {
        let start = event.find(token).unwrap();
        let raw: &RawValue = serde_json::from_str(&event[start..start + token.len()]).unwrap();
        let mut template = EventTemplate::default();
        let text = Text::from_raw(raw).unwrap();
        template.learn(event.as_bytes(), &[Delta::Content { choice: 3, text, logprobs: None }]);
        template
    }

    #[test]
    fn only_an_event_with_another_text_repeats() {
        let template = learned(r#"{"a":"x","b":"text","c":{}}"#, r#""text""#);
        let text = |event: &str| match template.content(event.as_bytes())? {
            Delta::Content { choice, text, .. } => Some((choice, text.decode().into_owned())),
            _ => None,
        };
        let same = |said: &str| Some((3, said.to_owned()));
        assert_eq!(text(r#"{"a":"x","b":"other\n","c":{}}"#), same("other\n"));
        assert_eq!(text(r#"{"a":"x","b":"","c":{}}"#), same(""));
        assert_eq!(text(r#"{"a":"x","b":"text","c":{}}"#), same("text"));
        for other in [
            r#"{"a":"y","b":"text","c":{}}"#,
            r#"{"a":"x","b":"text","c":{"d":1}}"#,
            r#"{"a":"x","b":"te","x":"xt","c":{}}"#,
            r#"{"a":"x","b":null,"c":{}}"#,
            r#"{"a":"x","b":"text,"c":{}}"#,
            r#"{"a":"x","b":"#,
            "",
        ] {
            assert_eq!(text(other), None, "{other}");
        }
    }

    #[test]
    fn nothing_repeats_what_was_not_a_text() {
        let mut template = learned(r#"{"b":"text"}"#, r#""text""#);
        template.learn(b"{}", &[]);
        assert!(template.content(br#"{"b":"text"}"#).is_none());
    }
}
