//! `repair-score [seed] [cases of each class]`: how well damaged documents are mended.

mod corpus;
mod damage;
mod peer;
mod random;
mod verdict;
mod wrap;
mod write;

use std::collections::BTreeMap;

use json_repair::{Root, mend};

use self::verdict::{Verdict, judge};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let seed = arguments.next().and_then(|it| it.parse().ok()).unwrap_or(1);
    let each = arguments.next().and_then(|it| it.parse().ok()).unwrap_or(100);
    let show = arguments.next();
    let cases = damage::cases(seed, each);
    let mut table: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    for case in &cases {
        let verdict = judge(case);
        table.entry(case.class).or_default()[verdict as usize] += 1;
        if verdict != Verdict::Right && show.as_deref() == Some(case.class) {
            println!(
                "--- {verdict:?}\n{}\n  =>\n{:?}\n  for\n{}",
                case.input,
                mend(&case.input, &Root::Any.into()),
                case.original
            );
        }
    }
    println!("| damage | right | wrong | refused |\n|---|---|---|---|");
    for (class, counts) in &table {
        row(class, *counts);
    }
    let all =
        table.values().fold([0; 3], |sum, it| [sum[0] + it[0], sum[1] + it[1], sum[2] + it[2]]);
    row("**all**", all);
    let same = |json: &&&str| {
        mend(json, &Root::Any.into()).is_ok_and(|(out, report)| out == **json && report.is_empty())
    };
    println!(
        "\nvalid documents unchanged to the byte: {} of {}",
        corpus::VALID.iter().filter(same).count(),
        corpus::VALID.len()
    );
    let left = |text: &&&str| mend(text, &Root::Any.into()).is_err();
    println!(
        "replies without JSON left alone: {} of {}",
        corpus::PROSE.iter().filter(left).count(),
        corpus::PROSE.len()
    );
    beside(&peer::Tally::of(&cases));
    if show.is_some() {
        for text in corpus::PROSE.iter().filter(|text| mend(text, &Root::Any.into()).is_ok()) {
            println!("{text:?} => {:?}", mend(text, &Root::Any.into()));
        }
    }
}

fn row(class: &str, counts: [usize; 3]) {
    let all: usize = counts.iter().sum();
    let [right, wrong, refused] = counts.map(|count| 100.0 * count as f64 / all as f64);
    println!("| {class} | {right:.1} % | {wrong:.1} % | {refused:.1} % |");
}

fn beside(tally: &peer::Tally) {
    let both = tally.both();
    let [right, wrong, refused] = tally.peer;
    let [ours, theirs, neither, either] = tally.differ;
    let share = 100.0 * tally.same as f64 / both as f64;
    println!("jsonrepair-rs: right {right}, wrong {wrong}, refused {refused}");
    println!(
        "mended by both: {both}, the same in {share:.1} %; of the others ours is the original in \
         {ours}, theirs in {theirs}, neither in {neither}, either in {either}"
    );
}
