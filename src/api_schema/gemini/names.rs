//! Names of functions that Gemini accepts. Others are replaced in requests, and restored in answers.

use std::collections::BTreeMap;

use crate::{api_schema::unique_names::UniqueNames, collections::map_of};

/// The longest name of a function, in bytes. Vertex AI accepts twice that; both get the shorter.
/// ai.google.dev, *Function calling*, *Function declarations*.
const MAX_NAME: usize = 64;

/// The names of a request's functions, each with the name that is sent for it.
#[derive(Debug, Default)]
pub(super) struct FunctionNames {
    sent: BTreeMap<String, String>,
    unique: UniqueNames,
}

impl FunctionNames {
    /// Adds the names of all declared tools, valid names first, so that they stay unchanged.
    pub(super) fn declare<'n>(&mut self, names: impl Iterator<Item = &'n str> + Clone) {
        let (valid, all) = (names.clone().filter(|name| is_valid(name)), names);
        for name in valid.chain(all) {
            self.sent(name);
        }
    }

    /// Returns whether a name was added.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.sent.contains_key(name)
    }

    /// Returns the name that is sent for a client's name, which is added if it is new.
    pub(super) fn sent(&mut self, name: &str) -> String {
        if let Some(sent) = self.sent.get(name) {
            return sent.clone();
        }
        let sent = self.unique.claim(sanitized(name), MAX_NAME);
        self.sent.insert(name.to_owned(), sent.clone());
        sent
    }

    /// Returns the client's names that were replaced, by their replacements.
    pub(super) fn into_originals(self) -> BTreeMap<String, String> {
        let renamed = self.sent.into_iter().filter(|(name, sent)| name != sent);
        map_of(renamed.map(|(name, sent)| (sent, name)))
    }
}

fn is_valid(name: &str) -> bool {
    name.starts_with(is_first) && name.chars().all(is_further) && name.len() <= MAX_NAME
}

fn is_first(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}

fn is_further(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_.:-".contains(c)
}

/// Replaces invalid characters with `_`, and puts one before an invalid first character.
fn sanitized(name: &str) -> String {
    let first = if name.starts_with(is_first) { "" } else { "_" };
    let rest = name.chars().map(|c| if is_further(c) { c } else { '_' });
    first.chars().chain(rest).take(MAX_NAME).collect()
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn names_are_valid_unique_and_stay_the_same() {
        let long = "l".repeat(70);
        let declared = ["a/b", "a_b", "1st", "", "ns.get:v1-x", "a b", "größe", &long];
        let sent = ["a_b_2", "a_b", "_1st", "_", "ns.get:v1-x", "a_b_3", "gr__e", &long[..64]];
        let mut names = FunctionNames::default();
        names.declare(declared.into_iter());
        for (name, sent) in declared.into_iter().zip(sent) {
            assert_eq!(names.sent(name), sent);
            assert_eq!(names.sent(name), sent, "the second time");
            assert!(is_valid(sent), "{sent}");
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
