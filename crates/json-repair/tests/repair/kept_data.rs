//! Texts whose data a careless repair would lose: each is repaired to the original, whole and cut at
//! any character.

use json_repair::{Failure, RootKind, repair};

use crate::streams::{every_cut, streamed};

/// Checks that each text is repaired to the document beside it, whole and in pieces.
fn check_repaired(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        check(text, |json| parsed(&json.unwrap_or_default()) == parsed(expected), expected);
    }
}

/// Checks that each text is refused, whole and in pieces.
fn check_refused(texts: &[&str]) {
    for text in texts {
        check(text, |json| json == Err(Failure::Unrepairable), "a failure");
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

#[test]
fn a_key_without_its_colon_does_not_take_in_the_value() {
    check_repaired(&[
        (r#"{"to "ada@x.org", "retries": 3}"#, r#"{"to": "ada@x.org", "retries": 3}"#),
        (r#"{"retries": 3, "to "Ada Lovelace"}"#, r#"{"retries": 3, "to": "Ada Lovelace"}"#),
        (r#"{"to""ada","n":1}"#, r#"{"to": "ada", "n": 1}"#),
        (r#"{"to"ada", "retries": 3}"#, r#"{"to": "ada", "retries": 3}"#),
        (r#"{"to" ada", "retries": 3}"#, r#"{"to": "ada", "retries": 3}"#),
        (r#"{"rows": [{"sku "A1", "qty 2}]}"#, r#"{"rows": [{"sku": "A1", "qty": 2}]}"#),
        (r#"{"full name "Ada", "age": 3}"#, r#"{"full name": "Ada", "age": 3}"#),
        (r#"{"say "wait: what, now?", "n": 1}"#, r#"{"say": "wait: what, now?", "n": 1}"#),
        (r#"{"sql "SELECT a, b", "limit" 10}"#, r#"{"sql": "SELECT a, b", "limit": 10}"#),
        (r#"{"m {"k": 1}, "n": 2}"#, r#"{"m": {"k": 1}, "n": 2}"#),
        (r#"{"m ["a", "b"], "n": 2}"#, r#"{"m": ["a", "b"], "n": 2}"#),
        (r#"{"m true, "n": 2}"#, r#"{"m": true, "n": 2}"#),
        (r#"{"m": "x", "n -5}"#, r#"{"m": "x", "n": -5}"#),
        ("{\"m\": \"x\",\n\"n \"y\"\n\"o\": 1}", r#"{"m": "x", "n": "y", "o": 1}"#),
        ("{'to 'ada', 'retries': 3}", r#"{"to": "ada", "retries": 3}"#),
        (r#"{"id" 5 "name" "x"}"#, r#"{"id": 5, "name": "x"}"#),
    ]);
}

#[test]
fn a_string_without_its_end_does_not_take_in_the_next_member() {
    check_repaired(&[
        (r#"{"city": "Oslo "unit": "c", "n": 2}"#, r#"{"city": "Oslo", "unit": "c", "n": 2}"#),
        (r#"{"city": "Oslo "days": 4}"#, r#"{"city": "Oslo", "days": 4}"#),
        (r#"{"rule": "set "unit": 5 here"}"#, r#"{"rule": "set \"unit\": 5 here"}"#),
    ]);
}

#[test]
fn a_key_that_nobody_wrote_is_refused() {
    check_refused(&[
        r#"{"to ada", "retries": 3}"#,
        r#"{"to", "ada", "retries": 3}"#,
        r#"{"to"| "ada", "retries": 3}"#,
        r#"{"say "he "really" did", "n": 1}"#,
        r#"{"run "echo "a: b"", "n": 1}"#,
        r#"{"n": 1, "a, "b": 2}"#,
        r#"{"n": 1, "run me}"#,
        r#"{"to "ada"#,
        "{\"a \"b\"\n\"c \"d\"}",
    ]);
}

#[test]
fn quotes_in_a_key_stay_in_the_key() {
    check_repaired(&[
        (r#"{"say "hi" now": 1, "n": 2}"#, r#"{"say \"hi\" now": 1, "n": 2}"#),
        (r#"{"5" disk": 1, "n": 2}"#, r#"{"5\" disk": 1, "n": 2}"#),
        ("{'it's me': 1, 'n': 2}", r#"{"it's me": 1, "n": 2}"#),
    ]);
}

#[test]
fn an_item_without_quotes_is_an_item_of_its_own() {
    check_repaired(&[
        (r#"{"l": ["red", "blue" GREEN], "n": 1}"#, r#"{"l": ["red", "blue", "GREEN"], "n": 1}"#),
        ("[\n\"red\",\n\"blue\" dark green\n]", r#"["red", "blue", "dark green"]"#),
        (r#"["a" b, c d, "e"]"#, r#"["a", "b", "c d", "e"]"#),
        (r#"["梨" 苹果, "桃"]"#, r#"["梨", "苹果", "桃"]"#),
        (r#"["say "hi" twice" bye, "x"]"#, r#"["say \"hi\" twice", "bye", "x"]"#),
        (r#"["5" wide, and tall", "x"]"#, r#"["5\" wide, and tall", "x"]"#),
        (r#"["he said "hi" aloud", "x"]"#, r#"["he said \"hi\" aloud", "x"]"#),
    ]);
}

#[test]
fn full_width_punctuation_is_structure_where_json_has_structure() {
    check_repaired(&[
        (
            r#"{"城市"："上海"，"温度"：-3.5，"晴"：true}"#,
            r#"{"城市":"上海","温度":-3.5,"晴":true}"#,
        ),
        (r#"{"a"："x"；"b"：［1，2］、"c"：{}}"#, r#"{"a":"x","b":[1,2],"c":{}}"#),
        ("｛“a”：“x”，“b”：【“y”、“z”】｝", r#"{"a":"x","b":["y","z"]}"#),
        ("结果如下：{\"a\"：1，\"b\"：2}", r#"{"a":1,"b":2}"#),
        ("```json\n｛\"a\"：1｝\n```", r#"{"a":1}"#),
        ("{姓名：李四，年龄：30}", r#"{"姓名":"李四","年龄":30}"#),
        ("{日期：2024-01-01，备注：无}", r#"{"日期":"2024-01-01","备注":"无"}"#),
        ("{「都市」：「東京」、＂区＂：＂港＂}", r#"{"都市":"東京","区":"港"}"#),
        (r#"{"a"：1，"b"：[2，{"c"：3"#, r#"{"a":1,"b":[2,{"c":3}]}"#),
        (r#"{"a": "x，"b"：1}"#, r#"{"a":"x","b":1}"#),
        (r#"["甲"，"乙"、"丙"]"#, r#"["甲","乙","丙"]"#),
    ]);
}

#[test]
fn full_width_punctuation_in_a_string_is_text() {
    check_repaired(&[
        (r#"{"a"："见：甲，乙；【丙】"，"b"：1}"#, r#"{"a":"见：甲，乙；【丙】","b":1}"#),
        (
            r#"{"a": "他说"好"，"走"，就走了", "b": 1}"#,
            r#"{"a":"他说\"好\"，\"走\"，就走了","b":1}"#,
        ),
        (r#"{"a": "选"甲"：一、"乙"：二", "b": 1}"#, r#"{"a":"选\"甲\"：一、\"乙\"：二","b":1}"#),
        (r#"["他说"好"】完", "b"]"#, r#"["他说\"好\"】完","b"]"#),
        (r#"{"a，b": 1, "c：d": "「e」",}"#, r#"{"a，b":1,"c：d":"「e」"}"#),
    ]);
}

#[test]
fn a_string_may_begin_and_end_with_quotes_of_different_width() {
    check_repaired(&[
        (r#"{"name”: “Ada", "age": 3}"#, r#"{"name":"Ada","age":3}"#),
        (r#"{“name": "Ada”, "age": 3}"#, r#"{"name":"Ada","age":3}"#),
        (r#"{"name”：“李四”，"age"：3}"#, r#"{"name":"李四","age":3}"#),
        (r#"{"age": 3, "name": "Ada”}"#, r#"{"age":3,"name":"Ada"}"#),
        (r#"{"a": "he said “hi”, "b": 1}"#, r#"{"a":"he said “hi”","b":1}"#),
        (r#"{“a”: “he said "hi", and left”, “b”: 1}"#, r#"{"a":"he said \"hi\", and left","b":1}"#),
    ]);
}

#[test]
fn prose_with_full_width_brackets_holds_no_json() {
    for text in ["【提示】请查收：1、苹果；2、香蕉。", "｛注意｝今天不上班", "见［附件一］，谢谢。"]
    {
        check(text, |json| json == Err(Failure::NoJson), "a failure");
    }
}

#[test]
fn full_width_brackets_behind_prose_open_a_document() {
    check_repaired(&[
        ("答案：｛“甲”：1｝", r#"{"甲": 1}"#),
        ("结果如下 ｛\"甲\"：［1，2］｝", r#"{"甲": [1, 2]}"#),
        ("【说明】\n{\"甲\": 1}", r#"{"甲": 1}"#),
        ("列表：【{“甲”：1}，{“甲”：2}】", r#"[{"甲": 1}, {"甲": 2}]"#),
        ("列表：［{“甲”：1}，{“甲”：2}］", r#"[{"甲": 1}, {"甲": 2}]"#),
    ]);
}
