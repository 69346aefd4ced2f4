//! Names of tools and ids of calls that Claude accepts: letters, digits, `_` and `-`.
//! Claude API reference, *Create a Message*: `tools.name`, `tool_use.id`.

use std::collections::BTreeMap;

use crate::{api_schema::unique_names::UniqueNames, chat::text::Text};

/// The longest name of a tool and the longest id, in characters.
const MAX_LENGTH: usize = 128;

/// The replacements of names that Claude does not accept, for one request and its answer.
#[derive(Clone, Debug, Default)]
pub(super) struct ToolNames {
    /// Replacements by the client's names.
    sent: BTreeMap<String, String>,
    /// The client's names by their replacements.
    received: BTreeMap<String, String>,
}

impl ToolNames {
    /// Finds a replacement for every invalid name. None is equal to another name.
    pub(super) fn new<'n>(names: impl Iterator<Item = &'n Text<'n>> + Clone) -> Self {
        let mut tool_names = Self::default();
        if names.clone().all(|name| is_valid(&name.decode())) {
            return tool_names;
        }
        let mut unique = UniqueNames::default();
        let (valid, invalid): (Vec<_>, Vec<_>) =
            names.map(Text::decode).partition(|name| is_valid(name));
        valid.iter().for_each(|name| unique.reserve(name));
        for name in invalid {
            if !tool_names.sent.contains_key(name.as_ref()) {
                let replacement = unique.claim(sanitized(&name, "tool"), MAX_LENGTH);
                tool_names.received.insert(replacement.clone(), name.clone().into_owned());
                tool_names.sent.insert(name.into_owned(), replacement);
            }
        }
        tool_names
    }

    /// Returns the name to send for a client's name.
    pub(super) fn sent<'t>(&self, name: &Text<'t>) -> Text<'t> {
        look_up(&self.sent, name)
    }

    /// Returns the client's name for one that was sent.
    pub(super) fn received<'t>(&self, name: &Text<'t>) -> Text<'t> {
        look_up(&self.received, name)
    }
}

fn look_up<'t>(names: &BTreeMap<String, String>, name: &Text<'t>) -> Text<'t> {
    if names.is_empty() {
        return name.clone();
    }
    names.get(name.decode().as_ref()).map_or_else(|| name.clone(), |other| Text::new(other))
}

/// The ids of the calls of a conversation, each used once.
#[derive(Debug, Default)]
pub(super) struct ToolUseIds(UniqueNames);

impl ToolUseIds {
    /// Returns an id for a call: its own, if that is valid and no earlier call has it.
    pub(super) fn assign(&mut self, id: &str) -> String {
        let id = match id {
            "" => format!("call_{}", self.0.len()),
            id => sanitized(id, "call"),
        };
        self.0.claim(id, MAX_LENGTH)
    }
}

fn is_valid_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

fn is_valid(name: &str) -> bool {
    (1..=MAX_LENGTH).contains(&name.len()) && name.bytes().all(is_valid_byte)
}

/// Replaces invalid characters with `_`, and an empty name with `default`.
fn sanitized(name: &str, default: &str) -> String {
    let valid = |c: char| if c.is_ascii() && is_valid_byte(c as u8) { c } else { '_' };
    let sanitized: String = name.chars().take(MAX_LENGTH).map(valid).collect();
    if sanitized.is_empty() { default.to_owned() } else { sanitized }
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn names(names: &[&str]) -> (ToolNames, Vec<Text<'static>>) {
        let texts: Vec<Text<'static>> = names.iter().map(|name| Text::new(name)).collect();
        (ToolNames::new(texts.iter()), texts)
    }

    #[test]
    fn every_name_is_valid_unique_and_found_again() {
        let long = "x".repeat(200);
        let twin = format!("{}y", "x".repeat(199));
        let cases: [(&[&str], &[&str]); 4] = [
            (&["a", "b-C_9"], &["a", "b-C_9"]),
            (
                &["ns.get/it:v1", "ns_get_it_v1", "ns_get_it_v1_2"],
                &["ns_get_it_v1_3", "ns_get_it_v1", "ns_get_it_v1_2"],
            ),
            (&["a.b", "a/b", "", "é\n", "a.b"], &["a_b", "a_b_2", "tool", "__", "a_b"]),
            (&[&long, &twin], &[&"x".repeat(128), &format!("{}_2", "x".repeat(126))]),
        ];
        for (client, replacements) in cases {
            let (names, texts) = names(client);
            for ((client, text), replacement) in client.iter().zip(&texts).zip(replacements) {
                let sent = names.sent(text);
                assert_eq!(sent.decode(), *replacement);
                assert!(is_valid(&sent.decode()), "{replacement}");
                assert_eq!(names.received(&sent).decode(), *client);
            }
        }
    }

    #[test]
    fn ids_are_valid_and_never_used_twice() {
        let mut ids = ToolUseIds::default();
        let cases = [
            ("call_1", "call_1"),
            ("call_1", "call_1_2"),
            ("functions.f:0", "functions_f_0"),
            ("functions_f_0", "functions_f_0_2"),
            ("", "call_4"),
            ("", "call_5"),
            ("☃", "_"),
        ];
        for (id, assigned) in cases {
            assert_eq!(ids.assign(id), assigned, "{id:?}");
        }
    }
}
