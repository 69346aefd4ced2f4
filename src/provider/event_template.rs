//! Events that differ from the last one in their text only, which most events of a stream are.
//!
//! What stands before and after the text is remembered. An event that has the same around another
//! JSON string means the same with that text, so nothing but the string need be parsed.

use crate::chat::text::Text;

/// What stood around the last text.
#[derive(Debug, Default)]
pub(super) struct EventTemplate {
    before: Vec<u8>,
    /// Empty while nothing is remembered: an event ends in a brace at least.
    after: Vec<u8>,
    choice: usize,
}

impl EventTemplate {
    /// The choice and the text of an event, if it repeats the last one.
    pub(super) fn text<'d>(&self, data: &'d [u8]) -> Option<(usize, Text<'d>)> {
        if self.after.is_empty() {
            return None;
        }
        let token =
            data.strip_prefix(self.before.as_slice())?.strip_suffix(self.after.as_slice())?;
        Some((self.choice, serde_json::from_slice(token).ok()?))
    }

    /// Remembers an event that said nothing but a text, which stands in `data`.
    pub(super) fn learn(&mut self, data: &[u8], said: Option<(usize, Text<'_>)>) {
        self.after.clear();
        let Some((choice, text)) = said else { return };
        let token = text.json();
        let Some(start) = token.as_ptr().addr().checked_sub(data.as_ptr().addr()) else { return };
        let (before, rest) = (data.get(..start), data.get(start..));
        let after = rest.and_then(|rest| rest.strip_prefix(token.as_bytes()));
        if let (Some(before), Some(after)) = (before, after) {
            self.before.clear();
            self.before.extend_from_slice(before);
            self.after.extend_from_slice(after);
            self.choice = choice;
        }
    }
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use serde_json::value::RawValue;

    use super::*;

    fn learned(event: &str, token: &str) -> EventTemplate {
        let start = event.find(token).unwrap();
        let raw: &RawValue = serde_json::from_str(&event[start..start + token.len()]).unwrap();
        let mut repeat = EventTemplate::default();
        repeat.learn(event.as_bytes(), Text::from_raw(raw).map(|text| (3, text)));
        repeat
    }

    #[test]
    fn only_an_event_with_another_text_repeats() {
        let repeat = learned(r#"{"a":"x","b":"text","c":{}}"#, r#""text""#);
        let text = |event: &str| {
            let found = repeat.text(event.as_bytes());
            found.map(|(choice, text)| (choice, text.decode().into_owned()))
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
        let mut repeat = learned(r#"{"b":"text"}"#, r#""text""#);
        repeat.learn(b"{}", None);
        assert!(repeat.text(br#"{"b":"text"}"#).is_none());
    }
}
