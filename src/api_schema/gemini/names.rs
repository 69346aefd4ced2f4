//! Names of tools: what Gemini refuses goes under another name, and comes back under its own.

use std::collections::BTreeMap;

use crate::api_schema::unique_names::UniqueNames;

/// The longest name of a function. Vertex AI takes twice that; one length does for both.
/// ai.google.dev, *Function calling*, *Function declarations*.
const MAX_NAME: usize = 64;

/// Every name that has been met, with the one that is sent for it.
#[derive(Debug, Default)]
pub(super) struct FunctionNames {
    sent: BTreeMap<String, String>,
    unique: UniqueNames,
}

impl FunctionNames {
    /// Meets the names of all declared tools, those first that can stay as they are.
    pub(super) fn declare<'n>(&mut self, names: impl Iterator<Item = &'n str> + Clone) {
        let (plain, rest) = (names.clone().filter(|name| is_plain(name)), names);
        for name in plain.chain(rest) {
            self.sent(name);
        }
    }

    /// Whether a name was met.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.sent.contains_key(name)
    }

    /// The name that is sent for one, always the same.
    pub(super) fn sent(&mut self, name: &str) -> String {
        if let Some(sent) = self.sent.get(name) {
            return sent.clone();
        }
        let sent = self.unique.claim(plain(name), MAX_NAME);
        self.sent.insert(name.to_owned(), sent.clone());
        sent
    }

    /// The clients' names that are sent under another, by that other.
    pub(super) fn into_originals(self) -> BTreeMap<String, String> {
        let renamed = self.sent.into_iter().filter(|(name, sent)| name != sent);
        renamed.map(|(name, sent)| (sent, name)).collect()
    }
}

fn is_plain(name: &str) -> bool {
    name.starts_with(begins) && name.chars().all(continues) && name.len() <= MAX_NAME
}

fn begins(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}

fn continues(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_.:-".contains(c)
}

fn plain(name: &str) -> String {
    let first = if name.starts_with(begins) { "" } else { "_" };
    let rest = name.chars().map(|c| if continues(c) { c } else { '_' });
    first.chars().chain(rest).take(MAX_NAME).collect()
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn names_stay_plain_unique_and_the_same() {
        let long = "l".repeat(70);
        let declared = ["a/b", "a_b", "1st", "", "ns.get:v1-x", "a b", "größe", &long];
        let sent = ["a_b_2", "a_b", "_1st", "_", "ns.get:v1-x", "a_b_3", "gr__e", &long[..64]];
        let mut names = FunctionNames::default();
        names.declare(declared.into_iter());
        for (name, sent) in declared.into_iter().zip(sent) {
            assert_eq!(names.sent(name), sent);
            assert_eq!(names.sent(name), sent, "the second time");
            assert!(is_plain(sent), "{sent}");
        }
        assert_eq!(names.sent("a_b_2"), "a_b_2_2", "undeclared, and taken");
        let originals = names.into_originals();
        assert_eq!(originals.get("a_b_2").unwrap(), "a/b");
        assert_eq!(originals.get("a_b"), None);
        assert_eq!(originals.len(), 7);
    }

    #[test]
    fn long_names_that_begin_alike_stay_apart() {
        let (one, two) = ("x".repeat(80), "x".repeat(81));
        let mut names = FunctionNames::default();
        assert_eq!(names.sent(&one), "x".repeat(64));
        assert_eq!(names.sent(&two), format!("{}_2", "x".repeat(62)));
    }
}
