//! Documents that arrive in pieces.

use json_repair::{Failure, FlawKind, RootKind, Stream, is_json, repair};

use crate::support::{
    corpus, damage,
    damage::Expectation,
    random::Random,
    scoring::{Score, score_output},
    tokens::{self, TokenKind},
};

/// Returns the output for a text that is cut at each of `cuts`.
pub fn streamed(text: &str, cuts: &[usize], root: RootKind) -> Result<String, Failure> {
    let mut stream = Stream::new(&root.into());
    let (mut out, mut from) = (Vec::new(), 0);
    for cut in cuts.iter().copied().chain([text.len()]) {
        stream.feed(&text[from..cut], &mut out)?;
        from = cut;
    }
    stream.finish(&mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

/// Returns the offsets where a text may be cut.
pub fn every_cut(text: &str) -> impl Iterator<Item = usize> {
    (1..text.len()).filter(|at| text.is_char_boundary(*at))
}

/// Returns a random quarter of the offsets where a text may be cut.
pub fn random_cuts(text: &str, random: &mut Random) -> Vec<usize> {
    every_cut(text).filter(|_| random.percent(25)).collect()
}

#[test]
fn a_valid_stream_passes_byte_for_byte_wherever_it_is_cut() {
    let mut random = Random(3);
    let documents = (0..60).map(|layout| tokens::text(&corpus::document(&mut random), layout % 4));
    let valid = corpus::VALID.iter().map(|json| (*json).to_owned()).chain(documents);
    for json in valid {
        let single: Vec<usize> = every_cut(&json).collect();
        for cuts in single.iter().map(|cut| vec![*cut]).chain([single.clone(), Vec::new()]) {
            assert_eq!(streamed(&json, &cuts, RootKind::Any), Ok(json.clone()), "{cuts:?}");
        }
    }
}

#[test]
fn a_valid_stream_is_never_more_than_a_token_behind() {
    let mut random = Random(4);
    for number in 0..200 {
        let tokens = tokens::tokens(&corpus::document(&mut random), number % 4);
        let json: String = tokens.iter().map(|token| token.text.as_str()).collect();
        let starts = starts(&tokens);
        let mut stream = Stream::new(&RootKind::Any.into());
        let mut out = Vec::new();
        for (at, character) in json.char_indices() {
            stream.feed(character.encode_utf8(&mut [0; 4]), &mut out).unwrap();
            let arrived = at + character.len_utf8();
            // At most a key, a number, a short item or the end of a string is held.
            let begun = starts.iter().filter(|start| (out.len()..arrived).contains(start)).count();
            assert!(begun <= 1, "held {:?} of {json}", &json[out.len()..arrived]);
        }
    }
}

/// Returns the offsets of the strings, numbers and literals of a document.
fn starts(tokens: &[tokens::Token]) -> Vec<usize> {
    let mut at = 0;
    let mut starts = Vec::new();
    for token in tokens {
        if matches!(
            token.kind,
            TokenKind::Key | TokenKind::Text | TokenKind::Number | TokenKind::Literal
        ) {
            starts.push(at);
        }
        at += token.text.len();
    }
    starts
}

#[test]
fn every_repairable_text_is_repaired_in_pieces() {
    let mut random = Random(6);
    let cases = damage::cases(12, 10);
    let (mut right, mut same) = (0, 0);
    for case in &cases {
        let root = if case.expectation == Expectation::EqualWithRoot {
            RootKind::Object
        } else {
            RootKind::Any
        };
        let whole = repair(&case.input, &root.into());
        let each: Vec<usize> = every_cut(&case.input).collect();
        let mut last = None;
        for cuts in [each, random_cuts(&case.input, &mut random), Vec::new()] {
            let out = streamed(&case.input, &cuts, root);
            if let (Ok((_, report)), Err(failure)) = (&whole, &out) {
                // A stream has no way to return a second document.
                let is_several = report.kinds().any(|kind| kind == FlawKind::SeveralValues);
                assert!(is_several, "{}: {failure:?} for {}", case.class, case.input);
            }
            let Ok(out) = out else { continue };
            assert!(is_json(out.as_bytes()), "{}: {} => {out}", case.class, case.input);
            assert!(last.is_none_or(|last| last == out), "{}: {}", case.class, case.input);
            right += usize::from(score_output(&out, case) == Score::Right);
            same += usize::from(whole.as_ref().is_ok_and(|(json, _)| *json == out));
            last = Some(out);
        }
    }
    let all = 3 * cases.len();
    assert!(100 * right / all >= 90, "right: {right} of {all}");
    assert!(100 * same / all >= 75, "the same as whole: {same} of {all}");
}

/// Returns the output and the kinds of flaws for a text that arrives in single characters.
fn streamed_with_report(text: &str, root: RootKind) -> (String, Vec<FlawKind>) {
    let mut stream = Stream::new(&root.into());
    let mut out = Vec::new();
    for character in text.chars() {
        stream.feed(character.encode_utf8(&mut [0; 4]), &mut out).unwrap();
    }
    let report = stream.finish(&mut out).unwrap();
    (String::from_utf8(out).unwrap(), report.kinds().collect())
}

#[test]
fn a_stream_returns_a_document_and_reports_what_is_behind() {
    use FlawKind::{SeveralValues, SurroundingText, TrailingComma};
    let cases = [
        (r#"{"a": 1}{"a": 1}"#, r#"{"a": 1}"#, vec![SeveralValues]),
        ("{\"a\": [1]};\n{'a':[1]", r#"{"a": [1]}"#, vec![SeveralValues]),
        (r#"{"a": 1},"#, r#"{"a": 1}"#, vec![TrailingComma]),
        ("{\"a\": 1}\nAs asked.", "{\"a\": 1}\n", vec![SurroundingText]),
    ];
    for (text, expected, kinds) in cases {
        for root in [RootKind::Any, RootKind::Object] {
            assert_eq!(streamed_with_report(text, root), (expected.to_owned(), kinds.clone()));
        }
    }
}

#[test]
fn a_stream_refuses_a_second_document_that_would_be_lost() {
    let texts = [
        "{\"a\": 1}\n{\"b\": 2}",
        r#"{"a": 1}{"b": 2}{"c": 3}"#,
        r#"{"a": 1}, {"a": 2}"#,
        "[1]\n[2]",
        "{“a”：1}，｛“a”：2｝",
        "{\"a\": 1}\n{\"a\": 1, \"b\": [",
    ];
    for text in texts {
        for cut in every_cut(text) {
            let refused = streamed(text, &[cut], RootKind::Any);
            assert_eq!(refused, Err(Failure::Unrepairable), "{text} cut at {cut}");
        }
    }
    let long = format!("{{\"a\": \"{}\"}}", "b".repeat(1 << 15));
    let twice = streamed(&long.repeat(2), &[9_999], RootKind::Any);
    assert_eq!(twice, Err(Failure::Unrepairable));
}

#[test]
fn a_stream_agrees_with_the_complete_text_where_it_can_wait() {
    let cases = [
        ("{\"a\": 1}\n{\"b\": 2,}\n{c: 3}", RootKind::Array),
        (r#"{"a": 1}, {"b": 2}"#, RootKind::Array),
        (r#"{"a": 1}"#, RootKind::Array),
        (r#"{}{"city": "Oslo", "days": 4}"#, RootKind::Object),
        ("{ }\n{\"city\": \"Oslo\"}", RootKind::Object),
        ("{}\n", RootKind::Any),
    ];
    for (text, root) in cases {
        let whole = repair(text, &root.into()).map(|(json, _)| json.into_owned());
        for cut in every_cut(text) {
            assert_eq!(streamed(text, &[cut], root), whole, "{text} cut at {cut}");
        }
    }
    let lines = streamed("{\"a\": 1}\n{\"b\": 2}", &[5, 11], RootKind::Array);
    assert_eq!(lines.as_deref(), Ok(r#"[{"a": 1},{"b": 2}]"#));
    let city = streamed(r#"{}{"city": "Oslo"}"#, &[1, 2, 5], RootKind::Object);
    assert_eq!(city.as_deref(), Ok(r#"{"city": "Oslo"}"#));
}

#[test]
fn a_text_without_json_is_returned() {
    for text in corpus::PROSE {
        let mut stream = Stream::new(&RootKind::Any.into());
        let mut out = Vec::new();
        for character in text.chars() {
            stream.feed(character.encode_utf8(&mut [0; 4]), &mut out).unwrap();
        }
        assert_eq!(stream.finish(&mut out), Err(Failure::NoJson), "{text}");
        assert!(out.is_empty());
        assert_eq!(stream.into_text(), text);
    }
}
