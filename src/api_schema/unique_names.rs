//! Names of which no two are equal, for tools, calls and schemas that a provider wants renamed.

use std::collections::BTreeMap;

/// The names in use, each once.
#[derive(Debug, Default)]
pub(super) struct UniqueNames {
    /// Every name, with the last number that was appended to it.
    last_suffix: BTreeMap<String, usize>,
}

impl UniqueNames {
    /// Returns how many names are in use.
    pub(super) fn len(&self) -> usize {
        self.last_suffix.len()
    }

    /// Marks a name as in use. It may be already.
    pub(super) fn reserve(&mut self, name: &str) {
        if !self.last_suffix.contains_key(name) {
            self.last_suffix.insert(name.to_owned(), 1);
        }
    }

    /// Takes a name, with a number appended if it is in use, and shortened to `max_chars` with that
    /// number.
    pub(super) fn claim(&mut self, name: String, max_chars: usize) -> String {
        let Some(mut number) = self.last_suffix.get(&name).copied() else {
            self.last_suffix.insert(name.clone(), 1);
            return name;
        };
        loop {
            number += 1;
            let suffix = format!("_{number}");
            let stem = name.chars().take(max_chars.saturating_sub(suffix.len()));
            let numbered: String = stem.chain(suffix.chars()).collect();
            if !self.last_suffix.contains_key(&numbered) {
                self.last_suffix.insert(name, number);
                self.last_suffix.insert(numbered.clone(), 1);
                return numbered;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_use_gets_a_number() {
        let mut names = UniqueNames::default();
        names.reserve("a_3");
        names.reserve("a_3");
        for (name, claimed) in [
            ("a", "a"),
            ("a", "a_2"),
            ("a", "a_4"),
            ("a_2", "a_2_2"),
            ("a_3", "a_3_2"),
            ("abcdef", "abcdef"),
            ("abcdef", "abcd_2"),
            ("abcdeg", "abcdeg"),
            ("abcdeg", "abcd_3"),
        ] {
            assert_eq!(names.claim(name.to_owned(), 6), claimed, "{name}");
        }
        assert_eq!(names.len(), 10);
    }
}
