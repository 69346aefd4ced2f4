//! Tests of the public API on damaged documents whose original is known, on valid documents, on prose
//! and on hostile texts.

mod hostile;
#[path = "../support/hostile_texts.rs"]
mod hostile_texts;
mod kept_data;
#[cfg(not(target_family = "wasm"))]
mod peer;
mod readme;
mod streams;
#[path = "../support/mod.rs"]
mod support;

use json_repair::{RootKind, is_json, repair};

use self::support::{
    corpus, damage,
    scoring::{Score, score},
};

#[test]
fn damaged_documents_become_the_original() {
    let cases = damage::cases(2026, 20);
    let scores: Vec<Score> = cases.iter().map(score).collect();
    let share = |wanted| {
        let count = scores.iter().filter(|score| **score == wanted).count();
        100.0 * count as f64 / scores.len() as f64
    };
    assert!(share(Score::Right) >= 97.0, "right: {}", share(Score::Right));
    assert!(share(Score::Wrong) <= 2.0, "wrong: {}", share(Score::Wrong));
}

#[test]
fn valid_documents_are_returned_byte_for_byte() {
    for json in corpus::VALID {
        for root in [RootKind::Any, RootKind::Object, RootKind::Array] {
            let (out, report) = repair(json, &root.into()).unwrap();
            assert_eq!(out, json);
            assert!(report.is_empty(), "{json}");
        }
    }
}

#[test]
fn texts_without_json_are_left_alone() {
    for text in corpus::PROSE {
        let repaired = repair(text, &RootKind::Any.into());
        assert!(repaired.is_err(), "{text}: {repaired:?}");
    }
}

#[test]
fn a_repaired_document_needs_no_repair() {
    for case in damage::cases(7, 3) {
        if let Ok((json, report)) = repair(&case.input, &RootKind::Any.into()) {
            assert!(is_json(json.as_bytes()), "{}", case.input);
            assert_eq!(report.is_empty(), json == case.input, "{}", case.input);
            let (again, report) = repair(&json, &RootKind::Any.into()).unwrap();
            assert!(again == json && report.is_empty());
        }
    }
}
