//! The repair of JSON, held against damaged documents whose original is known, and against
//! whatever else may come.
#![cfg(not(target_family = "wasm"))]

mod corpus;
mod damage;
mod hostile;
mod peer;
mod pieces;
mod random;
mod streamed;
mod verdict;
mod wrap;
mod write;

use json_repair::{Root, is_json, mend};

use self::{
    peer::Tally,
    verdict::{Verdict, judge},
};

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

#[test]
fn where_another_repairer_differs_ours_is_the_original() {
    let tally = Tally::of(&damage::cases(2026, 20));
    let [ours, theirs, neither, _] = tally.differ;
    assert!(100 * tally.same >= 70 * tally.both(), "{tally:?}");
    assert!(100 * (theirs + neither) <= tally.both(), "{tally:?}");
    assert!(ours >= 20 * (theirs + neither), "{tally:?}");
}

#[test]
fn what_another_repairer_does_otherwise_is_known() {
    // A text, what the crate makes of it, what comes out here. `None` is a refusal.
    let cases = [
        (r#"["hello, world]"#, Some(r#"["hello", "world"]"#), Some(r#"["hello, world"]"#)),
        (r#"["hello +]"#, Some(r#"["hello"]"#), Some(r#"["hello +"]"#)),
        (r#"{"foo"#, Some(r#"{"foo": null}"#), Some("{}")),
        (r#"{"a": 2}foo"#, None, Some(r#"{"a": 2}"#)),
        (r#"{"a": "C:\1"}"#, Some(r#"{"a": "C:1"}"#), Some(r#"{"a": "C:\\1"}"#)),
        (r#"{"a: "b"}"#, Some(r#"{"a: ": "b"}"#), Some(r#"{"a": "b"}"#)),
        (r#"["""a"""]"#, Some(r#"["", "a", ""]"#), Some(r#"["a"]"#)),
        ("[(1, 2)]", Some(r#"["(1, 2)"]"#), Some("[[1, 2]]")),
        (r#"{"a": 1}{"b": 2}"#, None, Some(r#"[{"a": 1}, {"b": 2}]"#)),
        ("hello world", Some(r#""hello world""#), None),
        ("1\n2", Some("[1, 2]"), None),
        (r#""abc"#, Some(r#""abc""#), None),
        ("callback(2)", Some("2"), None),
    ];
    for (text, theirs, ours) in cases {
        let peer = jsonrepair_rs::jsonrepair(text).ok();
        let own = mend(text, &Root::Any.into()).ok();
        for (out, expected) in [(peer, theirs), (own.map(|it| it.0.into_owned()), ours)] {
            let same = match (&out, expected) {
                (Some(out), Some(expected)) => peer::same(out, expected),
                (out, expected) => out.is_none() && expected.is_none(),
            };
            assert!(same, "{text}: {out:?}, not {expected:?}");
        }
    }
}
