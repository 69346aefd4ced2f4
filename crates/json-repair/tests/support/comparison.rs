//! Comparison with the crate `jsonrepair-rs`, an independent repairer.

use json_repair::{RootKind, repair};
use jsonrepair_rs::jsonrepair;

use super::{
    damage::{Case, Expectation},
    scoring::{Score, is_equal, score_output},
};

/// The results of both crates for the same cases.
#[derive(Debug, Default)]
pub struct Comparison {
    /// The cases that `jsonrepair-rs` repairs, to the original and to another document.
    pub peer_right: usize,
    pub peer_wrong: usize,
    /// The cases that `jsonrepair-rs` refuses.
    pub peer_refused: usize,
    /// The cases that both crates repair to the same document.
    pub same: usize,
    /// The cases that both repair, to different documents of which ours is the original.
    pub ours_right: usize,
    /// The cases that both repair, to different documents of which theirs is the original.
    pub theirs_right: usize,
    /// The cases that both repair, to different documents, neither of them the original.
    pub neither_right: usize,
    /// The truncated cases that both repair, to different beginnings of the original.
    pub both_right: usize,
}

impl Comparison {
    /// Compares the crates on all cases that need no hint about the root.
    pub fn of(cases: &[Case]) -> Self {
        let mut comparison = Self::default();
        for case in cases.iter().filter(|case| case.expectation != Expectation::EqualWithRoot) {
            comparison.add(case);
        }
        comparison
    }

    fn add(&mut self, case: &Case) {
        let Ok(theirs) = jsonrepair(&case.input) else {
            self.peer_refused += 1;
            return;
        };
        let is_theirs_right = score_output(&theirs, case) == Score::Right;
        *if is_theirs_right { &mut self.peer_right } else { &mut self.peer_wrong } += 1;
        let Ok((ours, _)) = repair(&case.input, &RootKind::Any.into()) else { return };
        let is_ours_right = score_output(&ours, case) == Score::Right;
        *match (is_ours_right, is_theirs_right) {
            _ if is_same_document(&ours, &theirs) => &mut self.same,
            (true, true) => &mut self.both_right,
            (true, false) => &mut self.ours_right,
            (false, true) => &mut self.theirs_right,
            (false, false) => &mut self.neither_right,
        } += 1;
    }

    /// Returns the number of cases that both crates repair.
    pub fn repaired_by_both(&self) -> usize {
        self.same + self.ours_right + self.theirs_right + self.neither_right + self.both_right
    }
}

/// Returns whether two texts are the same document.
pub fn is_same_document(one: &str, other: &str) -> bool {
    match (serde_json::from_str(one), serde_json::from_str(other)) {
        (Ok(one), Ok(other)) => is_equal(&one, &other),
        _ => false,
    }
}
