//! Names of tools that an API schema accepts. Others are replaced in a request, and restored in its
//! answer.

use std::collections::BTreeMap;

use super::unique_names::UniqueNames;
use crate::chat::{message::Message, request::Request, text::Text};

/// The names that an API schema accepts: letters, digits and further characters.
#[derive(Clone, Copy, Debug)]
pub(super) struct NameRules {
    /// The maximum number of characters.
    pub(super) max_length: usize,
    /// The characters besides letters and digits.
    pub(super) marks: &'static str,
    /// The first characters that are accepted.
    pub(super) first: FirstCharacter,
}

/// Characters that a name may begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FirstCharacter {
    /// Every character that a name may have.
    Any,
    /// A letter or an underscore.
    LetterOrUnderscore,
}

impl NameRules {
    fn accept(self, name: &str) -> bool {
        let is_short = (1..=self.max_length).contains(&name.len());
        is_short && self.may_begin(name) && name.chars().all(|c| self.may_contain(c))
    }

    fn may_begin(self, name: &str) -> bool {
        self.first == FirstCharacter::Any
            || name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
    }

    fn may_contain(self, c: char) -> bool {
        c.is_ascii_alphanumeric() || self.marks.contains(c)
    }

    /// Returns a name with `_` for each character that is not accepted, and before a first one that
    /// is not. `default` stands for an empty name.
    pub(super) fn sanitized(self, name: &str, default: &str) -> String {
        if name.is_empty() {
            return default.to_owned();
        }
        let first = if self.may_begin(name) { "" } else { "_" };
        let rest = name.chars().map(|c| if self.may_contain(c) { c } else { '_' });
        first.chars().chain(rest).take(self.max_length).collect()
    }
}

/// The replacements of names that a provider does not accept, for one request and its answer.
#[derive(Clone, Debug, Default)]
pub(super) struct ToolNames {
    /// Replacements by the client's names.
    sent: BTreeMap<String, String>,
    /// The client's names by their replacements.
    received: BTreeMap<String, String>,
}

impl ToolNames {
    /// Finds a replacement for every name in a request, those of earlier calls included.
    pub(super) fn of_request(rules: NameRules, request: &Request<'_>) -> Self {
        let tools = request.tools.iter().filter_map(|tool| tool.function.as_ref());
        let declared = tools.map(|function| function.name.clone());
        let called = request.messages.iter().flat_map(Message::called_names);
        let names: Vec<Text<'_>> = declared.chain(called).collect();
        Self::new(rules, names.iter())
    }

    /// Finds a replacement for every name that is not accepted. None is equal to another name.
    fn new<'n>(rules: NameRules, names: impl Iterator<Item = &'n Text<'n>> + Clone) -> Self {
        let mut tool_names = Self::default();
        if names.clone().all(|name| rules.accept(&name.decode())) {
            return tool_names;
        }
        let mut unique = UniqueNames::default();
        let (accepted, others): (Vec<_>, Vec<_>) =
            names.map(Text::decode).partition(|name| rules.accept(name));
        accepted.iter().for_each(|name| unique.reserve(name));
        for name in others {
            if !tool_names.sent.contains_key(name.as_ref()) {
                let replacement = unique.claim(rules.sanitized(&name, "tool"), rules.max_length);
                tool_names.received.insert(replacement.clone(), name.clone().into_owned());
                tool_names.sent.insert(name.into_owned(), replacement);
            }
        }
        tool_names
    }

    /// Returns true if the provider accepts all names.
    pub(super) fn is_empty(&self) -> bool {
        self.sent.is_empty()
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

#[cfg(test)]
mod tests {
    use super::*;

    const STRICT: NameRules = NameRules { max_length: 12, marks: "_-", first: FirstCharacter::Any };
    const LOOSE: NameRules =
        NameRules { max_length: 12, marks: "_.:-", first: FirstCharacter::LetterOrUnderscore };

    #[test]
    fn every_name_is_accepted_unique_and_found_again() {
        let (long, twin) = ("x".repeat(20), format!("{}y", "x".repeat(19)));
        let cases: [(NameRules, &[&str], &[&str]); 7] = [
            (STRICT, &["a", "b-C_9"], &["a", "b-C_9"]),
            (
                STRICT,
                &["ns.get/v1", "ns_get_v1", "ns_get_v1_2"],
                &["ns_get_v1_3", "ns_get_v1", "ns_get_v1_2"],
            ),
            (STRICT, &["a.b", "a/b", "", "é\n", "a.b"], &["a_b", "a_b_2", "tool", "__", "a_b"]),
            (STRICT, &[&long, &twin], &["xxxxxxxxxxxx", "xxxxxxxxxx_2"]),
            (LOOSE, &["a/b", "a_b", "1st", "a b"], &["a_b_2", "a_b", "_1st", "a_b_3"]),
            (LOOSE, &["ns.get:v1-x", "größe", "-"], &["ns.get:v1-x", "gr__e", "_-"]),
            (LOOSE, &["1234567890ab"], &["_1234567890a"]),
        ];
        for (rules, client, replacements) in cases {
            let texts: Vec<Text<'static>> = client.iter().map(|name| Text::new(name)).collect();
            let names = ToolNames::new(rules, texts.iter());
            for ((client, text), replacement) in client.iter().zip(&texts).zip(replacements) {
                let sent = names.sent(text);
                assert_eq!(sent.decode(), *replacement);
                assert!(rules.accept(&sent.decode()), "{replacement}");
                assert_eq!(names.received(&sent).decode(), *client);
            }
        }
    }
}
