//! Names and ids that the provider takes: letters, digits, `_` and `-`.
//! Claude API reference, *Create a Message*: `tools.name`, `tool_use.id`.

use std::collections::BTreeMap;

use crate::{api_schema::unique_names::UniqueNames, chat::text::Text};

/// The longest name of a tool, in characters.
const MAX_NAME: usize = 128;

/// What tools with impossible names are called instead, in one request and its answer.
#[derive(Clone, Debug, Default)]
pub(super) struct ToolNames {
    /// The client's name to ours, for each that had to change.
    sent: BTreeMap<String, String>,
    /// The way back.
    received: BTreeMap<String, String>,
}

impl ToolNames {
    /// Finds a name for each of `names` that cannot stay. None takes the place of another.
    pub(super) fn new<'n>(names: impl Iterator<Item = &'n Text<'n>> + Clone) -> Self {
        let mut own = Self::default();
        if names.clone().all(|name| is_valid(&name.decode())) {
            return own;
        }
        let mut taken = UniqueNames::default();
        let (possible, impossible): (Vec<_>, Vec<_>) =
            names.map(Text::decode).partition(|name| is_valid(name));
        for name in possible {
            taken.reserve(&name);
        }
        for name in impossible {
            if !own.sent.contains_key(name.as_ref()) {
                let ours = taken.claim(sanitized(&name, "tool"), MAX_NAME);
                own.received.insert(ours.clone(), name.clone().into_owned());
                own.sent.insert(name.into_owned(), ours);
            }
        }
        own
    }

    /// The name to send.
    pub(super) fn sent<'t>(&self, name: &Text<'t>) -> Text<'t> {
        look_up(&self.sent, name)
    }

    /// The name the client knows.
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

/// The ids of tool calls, none used twice in a conversation.
#[derive(Debug, Default)]
pub(super) struct ToolUseIds(UniqueNames);

impl ToolUseIds {
    /// An id for a call: its own, if the provider takes it and no earlier call had it.
    pub(super) fn assign(&mut self, id: &str) -> String {
        let id = match id {
            "" => format!("call_{}", self.0.len()),
            id => sanitized(id, "call"),
        };
        self.0.claim(id, MAX_NAME)
    }
}

fn is_valid_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

fn is_valid(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(is_valid_byte)
}

/// A name with `_` for every character that cannot be, or `otherwise` for nothing at all.
fn sanitized(name: &str, otherwise: &str) -> String {
    let letter = |c: char| if c.is_ascii() && is_valid_byte(c as u8) { c } else { '_' };
    let plain: String = name.chars().take(MAX_NAME).map(letter).collect();
    if plain.is_empty() { otherwise.to_owned() } else { plain }
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
    fn every_name_is_possible_alone_and_found_again() {
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
        for (client, ours) in cases {
            let (names, texts) = names(client);
            for ((client, text), ours) in client.iter().zip(&texts).zip(ours) {
                let sent = names.sent(text);
                assert_eq!(sent.decode(), *ours);
                assert!(is_valid(&sent.decode()), "{ours}");
                assert_eq!(names.received(&sent).decode(), *client);
            }
        }
    }

    #[test]
    fn ids_are_possible_and_never_used_twice() {
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
