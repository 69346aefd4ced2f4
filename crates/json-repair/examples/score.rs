//! `score [seed] [cases of each class] [class]`: the share of damaged documents that are repaired to
//! the original, as tables. The failed cases of one class are printed too if the class is named.

#[path = "../tests/support/mod.rs"]
mod support;

use std::collections::BTreeMap;

use json_repair::{RootKind, repair};

use self::support::{
    comparison::Comparison,
    corpus,
    damage::{self, Case},
    scoring::{Score, score},
};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let seed = arguments.next().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let each = arguments.next().and_then(|each| each.parse().ok()).unwrap_or(100);
    let class = arguments.next();
    let cases = damage::cases(seed, each);
    let mut counts: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    for case in &cases {
        let score = score(case);
        counts.entry(case.class).or_default()[score as usize] += 1;
        if score != Score::Right && class.as_deref() == Some(case.class) {
            print_case(case, score);
        }
    }
    print_scores(&counts);
    print_untouched();
    print_comparison(&Comparison::of(&cases));
}

fn print_case(case: &Case, score: Score) {
    let repaired = repair(&case.input, &RootKind::Any.into());
    println!("--- {score:?}\n{}\n  =>\n{repaired:?}\n  for\n{}", case.input, case.original);
}

fn print_scores(counts: &BTreeMap<&str, [usize; 3]>) {
    println!("| damage | right | wrong | refused |\n|---|---|---|---|");
    for (class, counts) in counts {
        print_score(class, *counts);
    }
    let sum = |index: usize| counts.values().map(|counts| counts[index]).sum();
    print_score("**all**", [sum(0), sum(1), sum(2)]);
}

fn print_score(class: &str, counts: [usize; 3]) {
    let all: usize = counts.iter().sum();
    let [right, wrong, refused] = counts.map(|count| 100.0 * count as f64 / all as f64);
    println!("| {class} | {right:.1} % | {wrong:.1} % | {refused:.1} % |");
}

/// Prints the number of texts that a repair must return, or leave, as they are.
fn print_untouched() {
    let is_unchanged = |json: &&&str| {
        repair(json, &RootKind::Any.into())
            .is_ok_and(|(out, report)| out == **json && report.is_empty())
    };
    let valid = corpus::VALID.iter().filter(is_unchanged).count();
    println!("\nValid documents unchanged to the byte: {valid} of {}.", corpus::VALID.len());
    let is_refused = |text: &&&str| repair(text, &RootKind::Any.into()).is_err();
    let prose = corpus::PROSE.iter().filter(is_refused).count();
    println!("Texts without JSON left alone: {prose} of {}.\n", corpus::PROSE.len());
}

fn print_comparison(comparison: &Comparison) {
    let both = comparison.repaired_by_both();
    let share = 100.0 * comparison.same as f64 / both as f64;
    println!("| `jsonrepair-rs` on the same cases | cases |\n|---|---|");
    println!("| right | {} |", comparison.peer_right);
    println!("| wrong | {} |", comparison.peer_wrong);
    println!("| refused | {} |", comparison.peer_refused);
    println!("\n| repaired by both crates | cases |\n|---|---|");
    println!("| all | {both} |");
    println!("| the same document ({share:.1} %) | {} |", comparison.same);
    println!("| different, the repair here is the original | {} |", comparison.ours_right);
    println!(
        "| different, that of `jsonrepair-rs` is the original | {} |",
        comparison.theirs_right
    );
    println!("| different, neither is the original | {} |", comparison.neither_right);
    println!("| truncated, both are beginnings of the original | {} |", comparison.both_right);
}
