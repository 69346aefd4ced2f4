//! Tests of single flaws.

use super::*;

/// A text, its repair, and the kinds of flaws.
type Case = (&'static str, &'static str, &'static [FlawKind]);

fn check(cases: &[Case], shape: &ExpectedShape) {
    for (text, expected, kinds) in cases {
        let (json, report) =
            repair(text, shape).unwrap_or_else(|failure| panic!("{text}: {failure:?}"));
        assert_eq!(json, *expected, "{text}");
        assert_eq!(report.kinds().collect::<Vec<_>>(), *kinds, "{text}");
    }
}

#[test]
fn frequent_flaws_are_repaired() {
    use FlawKind::*;
    check(
        &[
            (r#"{"a": 1}"#, r#"{"a": 1}"#, &[]),
            (r#"{"a": 1,}"#, r#"{"a": 1}"#, &[TrailingComma]),
            ("{'a': 'b'}", r#"{"a": "b"}"#, &[WrongQuote]),
            ("{a: 1}", r#"{"a": 1}"#, &[UnquotedText]),
            ("```json\n{\"a\": 1}\n```", r#"{"a": 1}"#, &[CodeFence]),
            ("Sure! Here you go: {\"a\": 1}", r#"{"a": 1}"#, &[SurroundingText]),
            ("[1, 2, 3", "[1, 2, 3]", &[MissingBracket]),
            (r#"{"a": "unterminated"#, r#"{"a": "unterminated"}"#, &[MissingBracket, MissingQuote]),
            (r#"{"a": True, "b": None}"#, r#"{"a": true, "b": null}"#, &[WrongLiteral]),
            (r#"{"a": 1 "b": 2}"#, r#"{"a": 1, "b": 2}"#, &[MissingComma]),
            (r#"{"a": 1,, "b": 2}"#, r#"{"a": 1, "b": 2}"#, &[ExtraComma]),
            (r#"{"a": NaN}"#, r#"{"a": null}"#, &[WrongLiteral]),
            ("{\"x\": 1}\n{\"y\": 2}", r#"[{"x": 1},{"y": 2}]"#, &[SeveralValues]),
            (r#"{"x": 1}, {"y": 2}"#, r#"[{"x": 1},{"y": 2}]"#, &[SeveralValues]),
        ],
        &ExpectedShape::default(),
    );
}

#[test]
fn each_flaw_is_repaired_and_named() {
    use FlawKind::*;
    check(
        &[
            (r#"{"a" 1}"#, r#"{"a": 1}"#, &[MissingColon]),
            (r#"{"a" => 1}"#, r#"{"a" : 1}"#, &[WrongColon]),
            (r#"{"a": 1; "b": 2}"#, r#"{"a": 1, "b": 2}"#, &[WrongComma]),
            (r#"{"a": }"#, r#"{"a": null}"#, &[MissingValue]),
            (r#"{"a": [1, 2}"#, r#"{"a": [1, 2]}"#, &[MissingBracket]),
            (r#"{"a": [1, 2}, "b": 3}"#, r#"{"a": [1, 2], "b": 3}"#, &[WrongBracket]),
            (r#"{"a": {"b": 1}}, "c": 2}"#, r#"{"a": {"b": 1}, "c": 2}"#, &[ExtraBracket]),
            (r#"{"a": "say "hi" now"}"#, r#"{"a": "say \"hi\" now"}"#, &[UnescapedQuote]),
            (r#"{"a": "b, "c": 1}"#, r#"{"a": "b", "c": 1}"#, &[MissingQuote]),
            (r#"{"a: "b"}"#, r#"{"a": "b"}"#, &[MissingQuote]),
            (r#"{"a": "C:\Windows"}"#, r#"{"a": "C:\\Windows"}"#, &[WrongEscape]),
            (r#"{"a": "it\'s"}"#, r#"{"a": "it's"}"#, &[WrongEscape]),
            ("{\"a\": \"x\ny\"}", r#"{"a": "x\ny"}"#, &[ControlCharacter]),
            (r#"{"a": "x" + "y"}"#, r#"{"a": "xy"}"#, &[JoinedStrings]),
            ("[+1, .5, 2., 1_000, 0x1f]", "[1, 0.5, 2.0, 1000, 31]", &[WrongNumber]),
            ("[1, 2, ...]", "[1, 2 ]", &[TrailingComma, Ellipsis]),
            ("{\"a\": 1, // one\n\"b\": 2}", "{\"a\": 1, \n\"b\": 2}", &[Comment]),
            ("{\"a\":\u{a0}1}", r#"{"a":1}"#, &[WhiteSpace]),
            (r#"{"a": ISODate("2020")}"#, r#"{"a": "2020"}"#, &[Call]),
            (r#"{\"a\": \"b\"}"#, r#"{"a": "b"}"#, &[Escaped]),
            (r#"{"a": 1, "b"#, r#"{"a": 1}"#, &[Truncated]),
            (r#"{"a": tr"#, r#"{"a": true}"#, &[MissingBracket, Truncated]),
        ],
        &ExpectedShape::default(),
    );
}

#[test]
fn brackets_are_inserted_where_they_were_meant() {
    use FlawKind::*;
    check(
        &[
            ("[[1, 2], [3", "[[1, 2], [3]]", &[MissingBracket]),
            (r#"{"a": [[1], 2], 3], [4]]}"#, r#"{"a": [[1], [2], [3], [4]]}"#, &[MissingBracket]),
            (r#"{"a": [[1], 2]], "b": 3}"#, r#"{"a": [[1], 2], "b": 3}"#, &[ExtraBracket]),
            (r#"{"a": [1, 2], [3], "b": 4}"#, r#"{"a": [1, 2,3], "b": 4}"#, &[ExtraBracket]),
            (r#"{"a": "b [c]}"#, r#"{"a": "b [c]"}"#, &[MissingQuote]),
            (r#"{"a": ["b {c}, "d"]}"#, r#"{"a": ["b {c}", "d"]}"#, &[MissingQuote]),
            ("((1, 2), (3, 4))", "[[1, 2], [3, 4]]", &[WrongBracket]),
        ],
        &ExpectedShape::default(),
    );
}

#[test]
fn strings_end_where_they_were_meant_to() {
    use FlawKind::*;
    check(
        &[
            (r#"["a "b" c ", "d "e" f"]"#, r#"["a \"b\" c ", "d \"e\" f"]"#, &[UnescapedQuote]),
            ("[\"a,\n\"# b\", \"\"]", "[\"a\",\n\"# b\", \"\"]", &[MissingQuote, ControlCharacter]),
            ("[\"a,\n\"\"]", "[\"a\",\n\"\"]", &[MissingQuote, ControlCharacter]),
            (r#"{"a": "b, c: true}"#, r#"{"a": "b", "c": true}"#, &[MissingQuote, UnquotedText]),
            (r#"{"a": "b["c"]", "d": 1}"#, r#"{"a": "b[\"c\"]", "d": 1}"#, &[UnescapedQuote]),
        ],
        &ExpectedShape::default(),
    );
}

#[test]
fn a_repair_that_would_be_a_guess_is_refused() {
    let cases = [
        ("Hello world", Failure::NoJson),
        ("", Failure::NoJson),
        ("The set {1, 2} has two elements, see [1].", Failure::NoJson),
        (r#"{"a" ]"#, Failure::Unrepairable),
        (r#"{.a": {"b": 1}}"#, Failure::Unrepairable),
        (r#"[("a": 1}, {"a": 2}]"#, Failure::Unrepairable),
        (r#"Either {"a": 1} or, which is better, {"a": 2}"#, Failure::Unrepairable),
    ];
    for (text, failure) in cases {
        assert_eq!(repair(text, &ExpectedShape::default()).unwrap_err(), failure, "{text}");
    }
}

#[test]
fn flaws_are_reported_with_their_offsets() {
    let (_, report) = repair(r#"{"a": 1, b: 'c',}"#, &ExpectedShape::default()).unwrap();
    let expected =
        [(FlawKind::UnquotedText, 9), (FlawKind::WrongQuote, 12), (FlawKind::TrailingComma, 16)];
    assert_eq!(report.flaws(), expected.map(|(kind, offset)| Flaw { kind, offset }));
    assert_eq!(report.count(), 3);
}

const SCHEMA: &str = r##"{"type": "object", "$defs": {"n": {"type": "integer"}}, "properties": {
    "count": {"$ref": "#/$defs/n"}, "ok": {"type": "boolean"}, "name": {"type": "string"},
    "tags": {"type": "array", "items": {"type": "string"}},
    "unit": {"enum": ["celsius", "kelvin"]},
    "size": {"anyOf": [{"type": "number"}, {"type": "null"}]},
    "inner": {"type": ["object", "null"], "properties": {"count": {"$ref": "#/$defs/n"}}},
    "any": {}}}"##;

#[test]
fn a_schema_converts_values_without_loss() {
    let shape = ExpectedShape::from_schema(SCHEMA);
    assert_eq!(shape.root, RootKind::Object);
    let cases = [
        (r#"{"count": "30"}"#, r#"{"count": 30}"#),
        (r#"{"ok": "True"}"#, r#"{"ok": true}"#),
        (r#"{"ok": 0}"#, r#"{"ok": false}"#),
        (r#"{"name": 12.50}"#, r#"{"name": "12.50"}"#),
        (r#"{"tags": "a"}"#, r#"{"tags": ["a"]}"#),
        (r#"{"tags": "[\"a\", \"b\"]"}"#, r#"{"tags": ["a", "b"]}"#),
        (r#"{"unit": " Celsius"}"#, r#"{"unit": "celsius"}"#),
        (r#"{"size": "null"}"#, r#"{"size": null}"#),
        (r#"{"size": "1e3"}"#, r#"{"size": 1e3}"#),
        (r#"{"inner": "{\"count\": \"1\"}"}"#, r#"{"inner": {"count": 1}}"#),
        (r#"{"inner": "{count: 1}"}"#, r#"{"inner": {"count": 1}}"#),
        (r#""{\"count\": 1}""#, r#"{"count": 1}"#),
    ];
    for (text, expected) in cases {
        let (json, report) = repair(text, &shape).unwrap();
        assert_eq!(json, expected);
        assert!(!report.is_empty());
    }
}

#[test]
fn values_that_no_conversion_fits_stay() {
    let shape = ExpectedShape::from_schema(SCHEMA);
    let cases = [
        r#"{"count": "007"}"#,
        r#"{"count": "1.5"}"#,
        r#"{"ok": "yes"}"#,
        r#"{"name": null}"#,
        r#"{"tags": null}"#,
        r#"{"unit": "rankine"}"#,
        r#"{"inner": "[1]"}"#,
        r#"{"any": "30", "other": "true"}"#,
        r#"{"count": 3.0, "size": 1}"#,
        "[1]",
    ];
    for json in cases {
        let (out, report) = repair(json, &shape).unwrap();
        assert_eq!(out, json);
        assert!(report.is_empty(), "{json}");
    }
    for schema in ["{}", "true", "[", "{\"$ref\": \"#\"}", "{\"$ref\": 1}"] {
        assert_eq!(
            repair("{\"a\":\"1\"}", &ExpectedShape::from_schema(schema)).unwrap().0,
            "{\"a\":\"1\"}"
        );
    }
}

#[test]
fn a_schema_converts_the_same_in_a_stream() {
    let shape = ExpectedShape::from_schema(SCHEMA);
    let text =
        r#"{'count': '3', "tags": "x", "unit": "KELVIN", "inner": "{\"count\":\"1\"}", "n": 1,}"#;
    let (whole, _) = repair(text, &shape).unwrap();
    for cut in 0..=text.len() {
        let (mut stream, mut out) = (Stream::new(&shape), Vec::new());
        stream.feed(&text[..cut], &mut out).unwrap();
        stream.feed(&text[cut..], &mut out).unwrap();
        stream.finish(&mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), whole, "cut at {cut}");
    }
}
