//! Reasoning at the beginning of the content, in tags.

use super::*;
use crate::{
    api_schema::{
        openai::reasoning_tags::{OpeningTag, ReasoningSplitter, SplitContent},
        origin::{ResponseContext, ResponseHead},
    },
    chat::text::Text,
};

/// Contents whose reasoning is behind an opening tag: content, reasoning, answer.
const TAGGED: [(&str, &str, &str); 22] = [
    ("<think>\nA guest.\n</think>\n\nWelcome!", "A guest.", "Welcome!"),
    ("<reasoning>A guest.</reasoning>Welcome!", "A guest.", "Welcome!"),
    (" \n<Think>a</THINK> b", "a", "b"),
    ("<thinking>a</thinking>b", "a", "b"),
    ("<thought>a</thought>b", "a", "b"),
    ("<seed:think>a</seed:think>b", "a", "b"),
    ("[THINK]a[/THINK]b", "a", "b"),
    ("◁think▷a◁/think▷b", "a", "b"),
    // Several in a row, as the chunks of Bedrock's streams have them.
    (
        "<reasoning>The guest</reasoning><reasoning> is late.</reasoning>Hi",
        "The guest is late.",
        "Hi",
    ),
    ("<think>a</think>\n\n<think>\nb</think>\n\nc", "a\n\n\nb", "c"),
    ("<think>a</think><reasoning> b</reasoning> c", "a b", "c"),
    // Unclosed, by a limit or by a model that says nothing else.
    ("<think>a < b and", "a < b and", ""),
    ("<think>a</thin", "a</thin", ""),
    ("<think>a</think>b <", "a", "b <"),
    // Empty, as without reasoning.
    ("<think>\n\n</think>\n\nHi", "", "Hi"),
    ("<think></think>", "", ""),
    ("<think>", "", ""),
    // Other text in angle brackets, in the reasoning and in the answer.
    ("<think>if (a < b) { </ } <think></think>x</think>", "if (a < b) { </ } <think>", "x</think>"),
    ("<think>a</think>Close it: </think>", "a", "Close it: </think>"),
    ("<think>a</think><b>x</b>", "a", "<b>x</b>"),
    ("<think>a [b] c</think> [1]", "a [b] c", "[1]"),
    ("<think>\"é😀\\\"</think>\t\"é😀\\\"", "\"é😀\\\"", "\"é😀\\\""),
];

/// Contents that have no reasoning, in a stream either.
const PLAIN: [&str; 14] = [
    "",
    "  ",
    "Hello!",
    "\n\n  Hello <think>",
    "<",
    "<thin",
    "<thinker>x</thinker>",
    "<html><think>a</think></html>",
    "```xml\n<think>a</think>\n```",
    "`<think>a</think>`",
    "The tag <think>a</think> shows it.",
    "1 < 2",
    "[THIN] ice",
    "{\"html\": \"<think>a</think>\"}",
];

/// Contents with a closing tag alone, which ends reasoning if the content comes in one piece.
const LONE: [(&str, &str, &str); 6] = [
    ("A guest.\n</think>\n\nWelcome!", "A guest.", "Welcome!"),
    ("A guest.</think>Welcome!", "A guest.", "Welcome!"),
    ("A guest. </think> Welcome!", "A guest.", "Welcome!"),
    ("A guest</think>\nWelcome!", "A guest", "Welcome!"),
    ("a</reasoning>b", "a", "b"),
    ("```\n1\n```\nRight.\n[/THINK]\nb", "```\n1\n```\nRight.", "b"),
];

/// Contents with a closing tag alone that is a part of the answer.
const MENTIONED: [&str; 6] = [
    "Write </think> behind it.",
    "Write `</think>` behind it.",
    "The tag \"</think>\" ends it.",
    "```\na\n</think>\n```\nDone.",
    "{\"html\": \"a</think>b\"}",
    "A tag (like </thinking> here) ends it.",
];

/// Returns the reasoning and the answer in the pieces of a content.
fn fed(pieces: &[Text<'_>], opening: OpeningTag) -> (String, String) {
    let mut splitter = ReasoningSplitter::new(opening);
    let (mut reasoning, mut content) = (String::new(), String::new());
    let mut add = |split: SplitContent<'_>| {
        reasoning.extend(split.reasoning.map(|text| text.escaped().to_owned()));
        content.extend(split.content.map(|text| text.escaped().to_owned()));
    };
    pieces.iter().for_each(|piece| add(splitter.feed(piece.clone())));
    add(splitter.finish());
    let decode = |escaped: String| Text::from_escaped(&escaped).decode().into_owned();
    (decode(reasoning), decode(content))
}

fn split(content: &str, opening: OpeningTag) -> (String, String) {
    let text = Text::new(content);
    let Some(split) = ReasoningSplitter::split(&text, opening) else {
        return (String::new(), content.to_owned());
    };
    let decode = |text: Option<Text<'_>>| text.map(|text| text.decode().into_owned());
    (decode(split.reasoning).unwrap_or_default(), decode(split.content).unwrap_or_default())
}

/// Asserts that a content in any two pieces, and character by character, has this split.
#[track_caller]
fn assert_cut(content: &str, opening: OpeningTag, expected: (&str, &str)) {
    let expected = (expected.0.to_owned(), expected.1.to_owned());
    let starts: Vec<usize> = content.char_indices().map(|(at, _)| at).collect();
    for at in starts {
        let (first, rest) = content.split_at(at);
        let pieces = [Text::new(first), Text::new(""), Text::new(rest)];
        assert_eq!(fed(&pieces, opening), expected, "{first:?} {rest:?}");
    }
    let pieces: Vec<Text<'_>> =
        content.chars().map(|character| Text::new(&character.to_string())).collect();
    assert_eq!(fed(&pieces, opening), expected, "{content:?}");
}

#[test]
fn reasoning_behind_an_opening_tag_is_split_off_in_any_cut() {
    for (content, reasoning, answer) in TAGGED {
        let expected = (reasoning.to_owned(), answer.to_owned());
        assert_eq!(split(content, OpeningTag::Content), expected, "{content:?}");
        assert_cut(content, OpeningTag::Content, (reasoning, answer));
        assert_cut(content, OpeningTag::Prompt, (reasoning, answer));
    }
}

#[test]
fn text_that_only_looks_like_a_tag_stays_in_any_cut() {
    for content in PLAIN {
        let whole = ReasoningSplitter::split(&Text::new(content), OpeningTag::Content);
        assert_eq!(whole, None, "{content:?}");
        assert_cut(content, OpeningTag::Content, ("", content));
    }
}

#[test]
fn a_closing_tag_alone_ends_reasoning_in_one_piece_or_behind_a_tag_in_the_prompt() {
    for (content, reasoning, answer) in LONE {
        let expected = (reasoning.to_owned(), answer.to_owned());
        assert_eq!(split(content, OpeningTag::Content), expected, "{content:?}");
        assert_cut(content, OpeningTag::Content, ("", content));
        assert_cut(content, OpeningTag::Prompt, (reasoning, answer));
    }
    for content in MENTIONED {
        let whole = ReasoningSplitter::split(&Text::new(content), OpeningTag::Content);
        assert_eq!(whole, None, "{content:?}");
    }
}

#[test]
fn content_behind_a_tag_in_the_prompt_is_reasoning_until_a_tag_closes_it() {
    assert_cut("a b", OpeningTag::Prompt, ("a b", ""));
    assert_cut(" \na</think> b</think>", OpeningTag::Prompt, ("a", "b</think>"));
    assert_cut("a</think><think> b</think>c", OpeningTag::Prompt, ("a b", "c"));
}

#[test]
fn escaped_tags_are_tags_and_halves_of_characters_stay() {
    let pieces = [r"\u003cthink\u003E\ud83d", r"\ude00\u003c\/thi", r"nk>\n\ud83d", r"\ude00<"];
    let pieces = pieces.map(Text::from_escaped);
    let expected = ("😀".to_owned(), "😀<".to_owned());
    assert_eq!(fed(&pieces, OpeningTag::Content), expected);
    assert_eq!(fed(&[Text::concat(&pieces)], OpeningTag::Content), expected);
}

#[test]
fn text_that_cannot_be_a_tag_is_passed_on_at_once() {
    let mut splitter = ReasoningSplitter::new(OpeningTag::Content);
    let steps = [
        ("<thi", "", ""),
        ("nk>We", "We", ""),
        (" greet", " greet", ""),
        (" <b", " <b", ""),
        (" </thi", "", ""),
        ("s", " </this", ""),
        ("</think>\n", "", ""),
        ("<", "", ""),
        ("b> Hi", "", "<b> Hi"),
        (" <think>", "", " <think>"),
    ];
    for (piece, reasoning, content) in steps {
        let split = splitter.feed(Text::new(piece));
        let decode =
            |text: Option<Text<'_>>| text.map_or_else(String::new, |own| own.decode().into());
        assert_eq!(
            (decode(split.reasoning), decode(split.content)),
            (reasoning.into(), content.into())
        );
    }
    // White space waits for its neighbour, but not for ever.
    let mut splitter = ReasoningSplitter::new(OpeningTag::Content);
    let held = (0..1000).find(|_| splitter.feed(Text::new(" ")).content.is_some());
    assert_eq!(held, Some(256));
}

/// Returns the reasoning and the content of an answer `a</think>b` to a request that a provider with
/// these quirks receives.
fn answered(quirks: &Value, request: &Value) -> (Option<String>, Option<String>) {
    let mut document = document(&json!({}));
    document["providers"]["p"]["quirks"] = quirks.clone();
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}]});
    body.as_object_mut().unwrap().extend(request.as_object().unwrap().clone());
    let (body, config) = (body.to_string(), Config::parse(&document).unwrap());
    let (request, _) = Request::check(parameters(body.as_bytes()).unwrap());
    let target = config.target("m", Region::Us).unwrap();
    let PreparedRequest { fit, schema_request } = api_schema::prepare(&request, &target);
    let inlet = Inlet::Chat;
    let input = TranslationInput { request: &request, fit: &fit, target, request_id: "id", inlet };
    let (_, decoder) = api_schema::translate(&input, &schema_request);
    let head = ResponseHead { status: 200, ..ResponseHead::default() };
    let origin = ResponseContext { provider: "p", model: "m", head: &head };
    let content = br#"{"choices": [{"message": {"content": "a [b] `</think>` c"}}]}"#;
    let choice = decoder.answer(content, origin).unwrap().choices.remove(0);
    let decode = |text: Option<Text<'_>>| text.map(|own| own.decode().into_owned());
    (decode(choice.reasoning), decode(choice.content))
}

#[test]
fn a_tag_in_the_prompt_is_expected_unless_the_request_switches_reasoning_off() {
    let in_prompt = json!(["reasoning_tag_in_prompt"]);
    let streamed = json!(["reasoning_tag_in_prompt", "thinking_only_streamed"]);
    let cases = [
        (json!([]), json!({}), false),
        (json!(["reasoning_tags"]), json!({}), false),
        (in_prompt.clone(), json!({}), true),
        (in_prompt.clone(), json!({"reasoning_effort": "low"}), true),
        (in_prompt, json!({"reasoning_effort": "none"}), false),
        (streamed.clone(), json!({}), false),
        (streamed, json!({"stream": true}), true),
    ];
    for (quirks, request, is_split) in &cases {
        let expected = match is_split {
            true => (Some("a [b] `".to_owned()), Some("` c".to_owned())),
            false => (None, Some("a [b] `</think>` c".to_owned())),
        };
        assert_eq!(answered(quirks, request), expected, "{quirks} {request}");
    }
}
