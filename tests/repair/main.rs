//! The repair of JSON, held against damaged documents whose original is known, and against
//! whatever else may come.
#![cfg(not(target_family = "wasm"))]

mod corpus;
mod damage;
mod hostile;
mod pieces;
mod random;
mod streamed;
mod verdict;
mod wrap;
mod write;

use attache::repair::{Root, is_json, mend};

use self::verdict::{Verdict, judge};

#[test]
fn damaged_documents_come_back_as_they_were() {
    let cases = damage::cases(2026, 20);
    let verdicts: Vec<Verdict> = cases.iter().map(judge).collect();
    let share = |verdict| {
        100.0 * verdicts.iter().filter(|it| **it == verdict).count() as f64 / verdicts.len() as f64
    };
    assert!(share(Verdict::Right) >= 97.0, "right: {}", share(Verdict::Right));
    assert!(share(Verdict::Wrong) <= 2.0, "wrong: {}", share(Verdict::Wrong));
}

#[test]
fn valid_documents_come_back_to_the_byte() {
    for json in corpus::VALID {
        for root in [Root::Any, Root::Object, Root::Array] {
            let (out, report) = mend(json, &root.into()).unwrap();
            assert_eq!(out, json);
            assert!(report.is_empty(), "{json}");
        }
    }
}

#[test]
fn replies_without_json_are_left_alone() {
    for text in corpus::PROSE {
        assert!(
            mend(text, &Root::Any.into()).is_err(),
            "{text}: {:?}",
            mend(text, &Root::Any.into())
        );
    }
}

#[test]
fn what_is_mended_is_mended_for_good() {
    for case in damage::cases(7, 3) {
        if let Ok((json, report)) = mend(&case.input, &Root::Any.into()) {
            assert!(is_json(json.as_bytes()), "{}", case.input);
            assert_eq!(report.is_empty(), json == case.input, "{}", case.input);
            let (again, report) = mend(&json, &Root::Any.into()).unwrap();
            assert!(again == json && report.is_empty());
        }
    }
}
