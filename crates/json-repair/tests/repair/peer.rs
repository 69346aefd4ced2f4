//! Comparison with the crate `jsonrepair-rs`.

use json_repair::{RootKind, repair};

use crate::support::{
    comparison::{Comparison, is_same_document},
    damage,
};

#[test]
fn where_results_differ_ours_is_the_original() {
    let comparison = Comparison::of(&damage::cases(2026, 20));
    let both = comparison.repaired_by_both();
    let worse = comparison.theirs_right + comparison.neither_right;
    assert!(100 * comparison.same >= 70 * both, "{comparison:?}");
    assert!(100 * worse <= both, "{comparison:?}");
    assert!(comparison.ours_right >= 20 * worse, "{comparison:?}");
}

#[test]
fn differences_in_policy_are_known() {
    // A text, the result of `jsonrepair-rs`, the result of this crate. `None` is a refusal.
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
        let own = repair(text, &RootKind::Any.into()).ok();
        for (out, expected) in [(peer, theirs), (own.map(|(json, _)| json.into_owned()), ours)] {
            let same = match (&out, expected) {
                (Some(out), Some(expected)) => is_same_document(out, expected),
                (out, expected) => out.is_none() && expected.is_none(),
            };
            assert!(same, "{text}: {out:?}, not {expected:?}");
        }
    }
}
