//! Aliases: further names of models, each for one name or, with wildcards, for many.

use std::collections::BTreeSet;

use super::{mistakes::one_of, read::ValueReader};

/// Aliases of models. Upper and lower case make no difference.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aliases(Vec<Alias>);

/// Alias of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// Name, in which a wildcard stands for any text.
    pub name: String,
    /// Name of the model.
    pub model: String,
}

impl Aliases {
    /// Reads `aliases`. `models` are the models' names.
    pub(super) fn read(value: &ValueReader<'_>, models: &BTreeSet<&str>) -> Self {
        let mut aliases = Self::default();
        for (name, entry) in value.entries() {
            let (name, model) = (name.to_owned(), entry.string());
            if !model.is_empty() && !models.contains(model.as_str()) {
                entry.wrong(one_of(models.iter().copied()));
            }
            let alias = Alias { name, model };
            if let Some(allowed) = aliases.problem(&alias, models) {
                entry.wrong_name(&alias.name, allowed);
            }
            aliases.0.push(alias);
        }
        aliases
    }

    /// Returns the names that would be allowed in the place of an alias's wrong one.
    fn problem(&self, alias: &Alias, models: &BTreeSet<&str>) -> Option<String> {
        let name = alias.name.as_str();
        let is_allowed = |byte| is_name_byte(byte) || byte == WILDCARD;
        if alias.wildcards() > MAX_WILDCARDS || !is_name(name, is_allowed) {
            return Some(NAMES.to_owned());
        }
        let known = self.0.iter().map(|other| other.name.as_str());
        let mut known = models.iter().copied().chain(known);
        if let Some(twin) = known.find(|known| known.eq_ignore_ascii_case(name)) {
            return Some(format!("a name that differs from `{twin}` in more than case"));
        }
        let rival = self.0.iter().find(|other| other.ties(alias) && other.model != alias.model)?;
        Some(format!("a name that is more or less specific than `{}`", rival.name))
    }

    /// Returns the aliases without a wildcard.
    pub fn exact(&self) -> impl Iterator<Item = &Alias> {
        self.0.iter().filter(|alias| alias.wildcards() == 0)
    }

    /// Returns the most specific alias that a name matches.
    pub fn get(&self, name: &str) -> Option<&Alias> {
        if self.0.is_empty() || !is_name(name, is_name_byte) {
            return None;
        }
        let matching =
            self.0.iter().filter(|alias| matches(alias.name.as_bytes(), name.as_bytes()));
        matching.max_by_key(|alias| alias.specificity())
    }
}

impl Alias {
    /// Returns the alias's name in answers to a client that has asked by this one: as the operator
    /// spells it, unless it has wildcards.
    pub fn shown_name<'n>(&'n self, asked: &'n str) -> &'n str {
        if self.wildcards() == 0 { &self.name } else { asked }
    }

    fn wildcards(&self) -> usize {
        self.name.bytes().filter(|byte| *byte == WILDCARD).count()
    }

    /// Returns a number that is higher for a more specific alias. A name without a wildcard is more
    /// specific than any other.
    fn specificity(&self) -> (bool, usize) {
        let wildcards = self.wildcards();
        (wildcards == 0, self.name.len() - wildcards)
    }

    /// Returns `true` if some name matches both aliases, which are equally specific. Such a name begins
    /// with the longer head, ends in the longer tail, and has the rest of both in between.
    fn ties(&self, other: &Self) -> bool {
        let (one, two) = (self.name.as_bytes(), other.name.as_bytes());
        self.specificity() == other.specificity()
            && agree(one.iter().zip(two))
            && agree(one.iter().rev().zip(two.iter().rev()))
    }
}

/// Returns `true` if pairs of bytes are equal up to the first wildcard.
fn agree<'b>(pairs: impl Iterator<Item = (&'b u8, &'b u8)>) -> bool {
    let is_literal = |(one, two): &(&u8, &u8)| **one != WILDCARD && **two != WILDCARD;
    pairs.take_while(is_literal).all(|(one, two)| one.eq_ignore_ascii_case(two))
}

/// Returns `true` if a name matches a pattern.
fn matches(mut pattern: &[u8], mut name: &[u8]) -> bool {
    // What follows the last wildcard, and the name from there: the wildcard may stand for more.
    let mut last: Option<(&[u8], &[u8])> = None;
    loop {
        match (pattern, name) {
            ([], []) => return true,
            ([WILDCARD, rest @ ..], _) => {
                (pattern, last) = (rest, Some((rest, name)));
            }
            ([one, rest @ ..], [two, more @ ..]) if one.eq_ignore_ascii_case(two) => {
                (pattern, name) = (rest, more);
            }
            _ => {
                let Some((rest, [_, more @ ..])) = last else { return false };
                (pattern, name, last) = (rest, more, Some((rest, more)));
            }
        }
    }
}

/// Character that stands for any text.
const WILDCARD: u8 = b'*';

/// Maximum number of wildcards in an alias. Each makes the search for a match longer.
const MAX_WILDCARDS: usize = 4;

/// Maximum length of an alias, and of a name that a pattern matches.
const MAX_LENGTH: usize = 128;

/// Allowed names of aliases, in messages.
const NAMES: &str = "up to 128 letters, digits and `-_.:@/`, with up to 4 `*`";

/// Returns `true` if a text may name a model in a request. Answers repeat it.
fn is_name(name: &str, is_allowed: impl Fn(u8) -> bool) -> bool {
    (1..=MAX_LENGTH).contains(&name.len()) && name.bytes().all(is_allowed)
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.:@/".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_stands_for_any_text() {
        let cases = [
            ("claude-haiku-*", "claude-haiku-4-5-20251001 claude-haiku-", "claude-haiku gpt-5"),
            ("*-haiku-*", "claude-haiku-4 -haiku-", "-haiku claude-haiku haiku-4"),
            ("*", "gpt-5 x", ""),
            ("a*a", "aa aba aaa", "a ab"),
            ("a*b*b", "abb axbxb abbb", "ab axb"),
            ("*ab*ab*ab*", "ababab xabxabxabx", "abab ababxa"),
            ("a**b", "ab axb", "a b"),
        ];
        for (text, good, bad) in cases {
            for name in good.split_whitespace() {
                assert!(matches(text.as_bytes(), name.as_bytes()), "{text} {name}");
            }
            for name in bad.split_whitespace() {
                assert!(!matches(text.as_bytes(), name.as_bytes()), "{text} {name}");
            }
        }
    }

    #[test]
    fn patterns_tie_if_one_name_matches_both() {
        let cases = [
            ("gpt-*", "*-gpt", true),
            ("gpt-*", "gpt*-", true),
            ("a*b", "a*b*", true),
            ("gpt-*", "foo-*", false),
            ("*-mini", "*-nano", false),
            ("gpt-5*", "gpt-*", false),
        ];
        for (one, other, expected) in cases {
            let alias = |name: &str| Alias { name: name.to_owned(), model: "m".to_owned() };
            let (one, two) = (alias(one), alias(other));
            assert_eq!((one.ties(&two), two.ties(&one)), (expected, expected), "{one:?} {two:?}");
        }
    }
}
