//! Texts whose data a careless repair would lose: each is repaired to the original, whole and cut at
//! any character.

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use json_repair::{Failure, RootKind, repair};

use crate::streams::{every_cut, streamed};

/// Checks that each text is repaired to the document beside it, whole and in pieces.
fn check_repaired(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        check(text, |json| parsed(&json.unwrap_or_default()) == parsed(expected), expected);
    }
}

/// Checks the result for a text that is whole, in single characters, and cut at each character.
fn check(text: &str, is_expected: impl Fn(Result<String, Failure>) -> bool, expected: &str) {
    let whole = repair(text, &RootKind::Any.into()).map(|(json, _)| json.into_owned());
    assert!(is_expected(whole.clone()), "{text}\n  => {whole:?}\n  for {expected}");
    let single: Vec<usize> = every_cut(text).collect();
    for cuts in single.iter().map(|cut| vec![*cut]).chain([single.clone(), Vec::new()]) {
        let pieces = streamed(text, &cuts, RootKind::Any);
        assert!(is_expected(pieces.clone()), "{text} cut at {cuts:?}\n  => {pieces:?}");
    }
}

fn parsed(json: &str) -> Option<serde_json::Value> {
    serde_json::from_str(json).ok()
}

#[test]
fn a_bracket_in_a_string_does_not_swallow_the_members_behind() {
    check_repaired(&[
        (
            r#"{"id": 4, "hint": "press [ or "q" to stop", "last": true}"#,
            r#"{"id": 4, "hint": "press [ or \"q\" to stop", "last": true}"#,
        ),
        (
            r#"{"diagram": "USER ||--|{ ORDER : "places"", "width": 3, "tags": ["er"]}"#,
            r#"{"diagram": "USER ||--|{ ORDER : \"places\"", "width": 3, "tags": ["er"]}"#,
        ),
        (
            r#"[{"t": "a { "b" c"}, {"t": "d"}, {"t": "e { "f" g"}]"#,
            r#"[{"t": "a { \"b\" c"}, {"t": "d"}, {"t": "e { \"f\" g"}]"#,
        ),
        (
            r#"{"keys": ["type "[" first", "then "x" again"], "n": 1}"#,
            r#"{"keys": ["type \"[\" first", "then \"x\" again"], "n": 1}"#,
        ),
        (
            r#"{"outer": {"note": "see [ at "top" left", "page": 2}, "n": 3}"#,
            r#"{"outer": {"note": "see [ at \"top\" left", "page": 2}, "n": 3}"#,
        ),
        (
            "{'call': 'f({ 'a' b', 'n': 2, 'm': {'k': 'v'}}",
            r#"{"call": "f({ 'a' b", "n": 2, "m": {"k": "v"}}"#,
        ),
        (
            r#"{"log": "while (1) { puts("up"); break", "code": 0}"#,
            r#"{"log": "while (1) { puts(\"up\"); break", "code": 0}"#,
        ),
    ]);
}

#[test]
fn json_in_a_string_stays_in_the_string() {
    check_repaired(&[
        (
            r#"{"body": "{"a": "b", "c": [1, "d"]}", "status": 200}"#,
            r#"{"body": "{\"a\": \"b\", \"c\": [1, \"d\"]}", "status": 200}"#,
        ),
        (
            r#"{"code": "send({"to": "x", "cc": "y"}) twice", "n": 1}"#,
            r#"{"code": "send({\"to\": \"x\", \"cc\": \"y\"}) twice", "n": 1}"#,
        ),
    ]);
}

#[test]
fn a_long_document_behind_an_unclosed_bracket_is_whole() {
    let long = "all of it ".repeat(900);
    let text = format!(r#"{{"s": "{long}{{ then "so" on", "t": "{long}", "u": [1, "{long}"]}}"#);
    let expected =
        format!(r#"{{"s": "{long}{{ then \"so\" on", "t": "{long}", "u": [1, "{long}"]}}"#);
    let each: Vec<usize> = every_cut(&text).collect();
    for cuts in [each, vec![9_500, 19_000], Vec::new()] {
        let json = streamed(&text, &cuts, RootKind::Any).unwrap_or_default();
        assert_eq!(parsed(&json), parsed(&expected), "{} cuts", cuts.len());
    }
}
