//! What the crate `jsonrepair-rs` makes of the same damage: it knows nothing of this code.

use json_repair::{RootKind, repair};
use jsonrepair_rs::jsonrepair;

use super::{
    damage::{Case, Promise},
    verdict::{Verdict, compare, is_equal},
};

/// How often the two come to what.
#[derive(Debug, Default)]
pub struct Tally {
    /// Verdicts on the crate: right, wrong, refused.
    pub peer: [usize; 3],
    /// Both mend, and come to the same.
    pub same: usize,
    /// They differ, and the original is: ours, the crate's, neither, either (of one cut off).
    pub differ: [usize; 4],
}

impl Tally {
    /// Counts cases that need no hint.
    pub fn of(cases: &[Case]) -> Self {
        let mut tally = Self::default();
        for case in cases.iter().filter(|case| case.promise != Promise::EqualWithRoot) {
            tally.add(case);
        }
        tally
    }

    fn add(&mut self, case: &Case) {
        let Ok(theirs) = jsonrepair(&case.input) else {
            self.peer[Verdict::Refused as usize] += 1;
            return;
        };
        let peer = compare(&theirs, case);
        self.peer[peer as usize] += 1;
        let Ok((ours, _)) = repair(&case.input, &RootKind::Any.into()) else { return };
        if same(&ours, &theirs) {
            self.same += 1;
            return;
        }
        let nth = match (compare(&ours, case), peer) {
            (Verdict::Right, Verdict::Right) => 3,
            (Verdict::Right, _) => 0,
            (_, Verdict::Right) => 1,
            _ => 2,
        };
        self.differ[nth] += 1;
    }

    /// How many texts both mended.
    pub fn both(&self) -> usize {
        self.same + self.differ.iter().sum::<usize>()
    }
}

/// Whether two documents say the same.
pub fn same(one: &str, other: &str) -> bool {
    match (serde_json::from_str(one), serde_json::from_str(other)) {
        (Ok(one), Ok(other)) => is_equal(&one, &other),
        _ => false,
    }
}
