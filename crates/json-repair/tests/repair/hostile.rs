//! Hostile texts: no panic, and no invalid output.

use json_repair::{FlawKind, RootKind, is_json, repair};

use crate::{
    hostile_texts::{PIECES, hostile},
    streams::{random_cuts, streamed},
    support::{corpus, damage, random::Random},
};

/// The number of inputs without `REPAIR_FUZZ` in the environment.
const INPUTS: usize = if cfg!(target_family = "wasm") { 5_000 } else { 50_000 };

/// Returns the number of inputs.
fn inputs() -> usize {
    std::env::var("REPAIR_FUZZ").ok().and_then(|count| count.parse().ok()).unwrap_or(INPUTS)
}

#[test]
fn no_text_panics_or_becomes_invalid() {
    let mut random = Random(4711);
    let cases = damage::cases(99, 2);
    for _ in 0..inputs() {
        let input = match random.below(3) {
            0 => pieces(&mut random),
            _ => mutated(&random.one_of(&cases).input, &mut random),
        };
        let root = *random.one_of(&[RootKind::Any, RootKind::Object, RootKind::Array]);
        if let Ok((json, report)) = repair(&input, &root.into()) {
            assert!(is_json(json.as_bytes()), "{input:?} => {json:?}");
            assert!(
                serde_json::from_str::<serde::de::IgnoredAny>(&json).is_ok() || json.len() > 100
            );
            assert_eq!(report.is_empty(), json == input, "{input:?}");
        }
    }
}

#[test]
fn repeated_pieces_become_valid_or_are_refused() {
    for input in hostile(100) {
        if let Ok((json, _)) = repair(&input, &RootKind::Any.into()) {
            assert!(is_json(json.as_bytes()), "{input:?} => {json:?}");
        }
    }
}

/// Returns a text of random pieces.
fn pieces(random: &mut Random) -> String {
    (0..random.below(30)).map(|_| *random.one_of(&PIECES)).collect()
}

/// Returns a text with characters removed, pieces inserted and the end cut off.
fn mutated(text: &str, random: &mut Random) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    for _ in 0..=random.below(4) {
        let at = random.below(characters.len() + 1);
        match random.below(3) {
            0 => {
                let end = (at + random.below(8)).min(characters.len());
                characters.drain(at..end);
            }
            1 => {
                characters.splice(at..at, random.one_of(&PIECES).chars());
            }
            _ => characters.truncate(at.max(1)),
        }
    }
    characters.into_iter().collect()
}

#[test]
fn no_stream_panics_or_becomes_invalid() {
    let mut random = Random(4712);
    let cases = damage::cases(98, 2);
    let mut lost = 0;
    let count = inputs() / 5;
    for _ in 0..count {
        let input = match random.below(3) {
            0 => pieces(&mut random),
            _ => mutated(&random.one_of(&cases).input, &mut random),
        };
        let cuts = random_cuts(&input, &mut random);
        match (repair(&input, &RootKind::Any.into()), streamed(&input, &cuts, RootKind::Any)) {
            (_, Ok(json)) => assert!(is_json(json.as_bytes()), "{input:?} => {json:?}"),
            // A stream has no way to return a second document.
            (Ok((_, report)), Err(_)) => {
                let is_several = report.kinds().any(|kind| kind == FlawKind::SeveralValues);
                lost += usize::from(!is_several);
            }
            (Err(_), Err(_)) => {}
        }
    }
    // A complete text may have a second document, where the first is unrepairable.
    assert!(lost * 100 <= count, "{lost} of {count}");
}

#[test]
fn sizes_and_unusual_characters_are_repaired() {
    let digits = "9".repeat(10_000);
    let cases = [
        (format!("[{digits},]"), format!("[{digits}]")),
        (
            format!("{{\"a\":\"{}\",}}", "x".repeat(5 << 20)),
            format!("{{\"a\":\"{}\"}}", "x".repeat(5 << 20)),
        ),
        (
            format!("{}1,{}", "[".repeat(100_000), "]".repeat(100_000)),
            format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000)),
        ),
        ("{\"a\":1,\"a\":2,}".to_owned(), "{\"a\":1,\"a\":2}".to_owned()),
        ("\u{feff}{\"a\":1}".to_owned(), "{\"a\":1}".to_owned()),
        ("{\"a\":\"\u{0}\"}".to_owned(), "{\"a\":\"\\u0000\"}".to_owned()),
        ("{\"a\":\"\\ud83d\",}".to_owned(), "{\"a\":\"\\ud83d\"}".to_owned()),
        ("{\"a\":\"\\ud8".to_owned(), "{\"a\":\"\"}".to_owned()),
    ];
    for (input, expected) in cases {
        let (json, _) = repair(&input, &RootKind::Any.into()).unwrap();
        assert!(json == expected, "{input:.60} => {json:.60}");
    }
    for json in corpus::VALID {
        assert!(is_json(json.as_bytes()));
    }
}
