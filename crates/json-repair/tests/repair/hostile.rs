//! Whatever else may come: no panic, and nothing invalid.

use json_repair::{RootKind, is_json, repair};

use crate::{
    hostile_texts::{PIECES, hostile},
    streams::{random_cuts, streamed},
    support::{corpus, damage, random::Random},
};

/// How many inputs: `REPAIR_FUZZ` says otherwise.
fn inputs() -> usize {
    std::env::var("REPAIR_FUZZ").ok().and_then(|count| count.parse().ok()).unwrap_or(50_000)
}

#[test]
fn nothing_that_comes_panics_or_comes_back_invalid() {
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
fn whatever_is_repeated_comes_back_valid_or_not_at_all() {
    for input in hostile(100) {
        if let Ok((json, _)) = repair(&input, &RootKind::Any.into()) {
            assert!(is_json(json.as_bytes()), "{input:?} => {json:?}");
        }
    }
}

/// A text of what is repeated above.
fn pieces(random: &mut Random) -> String {
    (0..random.below(30)).map(|_| *random.one_of(&PIECES)).collect()
}

/// A text with pieces taken out, put in and moved.
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
fn nothing_that_streams_panics_or_comes_out_invalid() {
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
            (Ok(_), Err(_)) => lost += 1,
            (Err(_), Err(_)) => {}
        }
    }
    // A whole text has a second document to turn to where the first is beyond mending.
    assert!(lost * 100 <= count, "{lost} of {count}");
}

#[test]
fn sizes_and_odd_characters_are_no_trouble() {
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
        assert!(json == expected, "{:.60} => {:.60}", input, json);
    }
    for json in corpus::VALID {
        assert!(is_json(json.as_bytes()));
    }
}
