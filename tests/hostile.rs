//! Nothing that anyone sends makes the core panic, or lets it say more than it was told.

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[path = "golden/cases.rs"]
mod cases;
#[path = "golden/play.rs"]
mod play;

use std::rc::Rc;

use attache::{
    exchange::{Gateway, Output},
    provider::{Head, MAX_ANSWER, Step},
    region::Region,
    sse::MAX_EVENT,
};
use serde_json::{Value, json};

use self::{
    cases::CASES,
    play::{Got, Random},
};

/// How often each of the tests rolls its dice. Node is slower, and it is the same code.
const ROUNDS: usize = if cfg!(target_family = "wasm") { 500 } else { 7_000 };

/// What a client gets at most for each byte of the provider's, besides the chunks' own frames: a
/// character of one byte that is escaped becomes six.
const GROWTH: usize = 6;

/// What surrounds a piece of text in the client's stream: a chunk with its ids.
const FRAME: usize = 1024;

/// What golden cases hold under a key, each with the request of its case.
fn inputs(key: &str) -> Vec<(Value, Value)> {
    let mut found = Vec::new();
    for (_, text) in CASES {
        let document: Value = serde_json::from_str(text).unwrap();
        let pairs = document.as_array().cloned().unwrap_or_else(|| vec![document]);
        let inputs = pairs.iter().map(|pair| &pair["input"]);
        found.extend(
            inputs.filter_map(|input| Some((input["asked"].clone(), input.get(key)?.clone()))),
        );
    }
    found
}

/// The request of a case, or now and then of a case in perhaps another API schema, with more in it.
fn asked(random: &mut Random, cases: &[(Value, Value)], own: &Value, more: &Value) -> Vec<u8> {
    let mut asked = if random.below(8) == 0 { &random.one_of(cases).0 } else { own }.clone();
    if asked.is_null() {
        asked = json!({});
    }
    for (name, value) in more.as_object().unwrap() {
        asked[name] = value.clone();
    }
    play::request(&asked)
}

/// Puts something else in the place of a value somewhere in a document, or drops it.
fn mutate(random: &mut Random, document: &mut Value) {
    let count = document.as_array().map_or(0, Vec::len);
    let count = document.as_object().map_or(count, |entries| entries.len());
    if count == 0 {
        *document = odd(random);
        return;
    }
    let (chosen, fate) = (random.below(count), random.below(12));
    let value = match document {
        Value::Array(items) if fate == 0 => return drop(items.remove(chosen)),
        Value::Array(items) => &mut items[chosen],
        Value::Object(entries) => {
            let key = entries.keys().nth(chosen).unwrap().clone();
            if fate == 0 {
                entries.shift_remove(&key);
                return;
            }
            &mut entries[&key]
        }
        _ => return,
    };
    if fate < 3 { *value = odd(random) } else { mutate(random, value) }
}

fn odd(random: &mut Random) -> Value {
    match random.below(16) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(-1),
        3 => json!(u64::MAX),
        4 => json!(u64::from(u32::MAX) + 1),
        5 => json!(1e300),
        6 => json!(0.5),
        7 => json!(""),
        8 => json!("\u{0}\r\n\u{2028}\"\\é🙂"),
        9 => json!("x".repeat(random.below(3000))),
        10 => json!([]),
        11 => json!({}),
        12 => json!([null, [], {}, "x", 1]),
        13 => json!({"role": "assistant", "content": [{"type": "text"}], "index": 7, "id": 1}),
        14 => (0..random.below(60)).fold(json!(1), |inner, _| json!([inner])),
        _ => json!(random.below(2000)),
    }
}

/// Damages text as a network or a broken server would.
fn damage(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..random.below(4) {
        let length = bytes.len();
        let at = random.below(length + 1);
        match random.below(6) {
            0 if at < length => bytes[at] = random.next().to_le_bytes()[0],
            1 if at < length => bytes[at] ^= 0x80,
            2 => bytes.truncate(at),
            3 => drop(bytes.splice(at..at, *b"\r\n\n")),
            4 => drop(bytes.splice(at..at, *b"\xff\xfe\xed\xa0\x80")),
            _ => {
                let again = bytes[at..].to_vec();
                bytes.extend(again);
            }
        }
    }
}

fn pieces<'b>(random: &mut Random, mut bytes: &'b [u8]) -> Vec<&'b [u8]> {
    let mut pieces = Vec::new();
    while !bytes.is_empty() && pieces.len() < 5 {
        let (piece, rest) = bytes.split_at(random.below(bytes.len() + 1));
        pieces.push(piece);
        bytes = rest;
    }
    pieces.push(bytes);
    pieces
}

/// Whether an answer is one a client can read.
fn check(got: &Got, said: usize, what: &str) {
    let (status, body) = (got.status, &got.body);
    assert!((200..600).contains(&status), "status {status} for {what}");
    let frames = body.windows(6).filter(|window| window == b"data: ").count() + 1;
    let most = said * GROWTH + frames * FRAME;
    assert!(body.len() <= most, "{} bytes for {said} of {what}", body.len());
    if got.is_stream() {
        let events = play::events(body);
        let last = events.last().unwrap();
        assert!(*last == json!("[DONE]") || last.get("error").is_some(), "{last} for {what}");
    } else {
        let body: Value = serde_json::from_slice(body).unwrap();
        assert_eq!(body.get("error").is_some(), status != 200, "{body} for {what}");
    }
}

#[test]
fn any_request_is_forwarded_or_refused() {
    let (mut random, gateway) = (Random(2), play::gateway(Region::Us));
    let requests = inputs("request");
    for _ in 0..ROUNDS {
        let (_, mut parameters) = random.one_of(&requests).clone();
        for _ in 0..=random.below(2) {
            mutate(&mut random, &mut parameters);
        }
        let mut body = match parameters.is_object() {
            true => play::request(&parameters),
            false => parameters.to_string().into_bytes(),
        };
        if random.below(3) == 0 {
            damage(&mut random, &mut body);
        }
        let shown = String::from_utf8_lossy(&body).into_owned();
        match play::ask(&gateway, &body) {
            Ok((_, outgoing, _)) => {
                let sent: Value = serde_json::from_slice(&outgoing.body)
                    .unwrap_or_else(|error| panic!("{error} in what leaves for {shown}"));
                assert!(sent["messages"].is_array() || sent["contents"].is_array(), "{shown}");
                assert!(outgoing.body.len() < body.len() * GROWTH + FRAME, "{shown}");
            }
            Err(reply) => {
                assert!((400..=501).contains(&reply.status), "{} for {shown}", reply.status);
                check(&Got::from(reply), body.len() * 4, &shown);
            }
        }
    }
}

#[test]
fn any_answer_is_translated_or_refused() {
    let (mut random, gateway) = (Random(3), play::gateway(Region::Us));
    let answers = inputs("answer");
    let ways = [
        json!({}),
        json!({"stream": true}),
        json!({"stream": true, "stream_options": {"include_usage": true}}),
    ];
    for _ in 0..ROUNDS {
        let (own, mut answer) = random.one_of(&answers).clone();
        let mut body = std::mem::take(&mut answer["body"]);
        for _ in 0..=random.below(2) {
            mutate(&mut random, &mut body);
        }
        let mut said = body.to_string().into_bytes();
        if random.below(3) == 0 {
            damage(&mut random, &mut said);
        }
        let way = &ways[random.below(3)];
        let request = asked(&mut random, &answers, &own, way);
        let (mut attempt, ..) = play::ask(&gateway, &request).unwrap();
        let pieces = pieces(&mut random, &said);
        let got = play::receive(&mut attempt, play::head(&answer), &pieces);
        check(&got, said.len(), &String::from_utf8_lossy(&said));
    }
}

#[test]
fn any_stream_is_translated_or_refused() {
    let (mut random, gateway) = (Random(4), play::gateway(Region::Us));
    let streams = inputs("stream");
    let streamed = json!({"stream": true, "stream_options": {"include_usage": true}});
    for _ in 0..ROUNDS {
        let (own, mut events) = random.one_of(&streams).clone();
        for _ in 0..=random.below(2) {
            mutate(&mut random, &mut events);
        }
        let events = events.as_array().cloned().unwrap_or_default();
        let mut said = play::provider_stream(&Value::Array(events)).into_bytes();
        if random.below(3) == 0 {
            damage(&mut random, &mut said);
        }
        let request = asked(&mut random, &streams, &own, &streamed);
        let (mut attempt, ..) = play::ask(&gateway, &request).unwrap();
        let pieces = pieces(&mut random, &said);
        let got = play::receive(&mut attempt, play::stream_head(), &pieces);
        check(&got, said.len(), &String::from_utf8_lossy(&said));
    }
}

fn streamed(gateway: &Rc<Gateway>, chunks: impl Iterator<Item = Value>) -> Got {
    let request = play::request(&json!({"stream": true}));
    let (mut attempt, ..) = play::ask(gateway, &request).unwrap();
    let said: String = chunks.map(|chunk| format!("data: {chunk}\n\n")).collect();
    play::receive(&mut attempt, play::stream_head(), &[said.as_bytes()])
}

#[test]
fn more_calls_and_choices_than_anyone_makes_are_left_out() {
    let gateway = play::gateway(Region::Us);
    let call = |number: u64| {
        let call = json!({"index": number, "function": {"name": "f", "arguments": "{}"}});
        json!({"choices": [{"delta": {"tool_calls": [call]}}]})
    };
    let finish = json!({"choices": [{"delta": {}, "finish_reason": "tool_calls"}]});
    let got = streamed(&gateway, (0..3000).map(call).chain([finish.clone()]));
    assert_eq!(play::events(&got.body).len(), 1 + 2 * 1024 + 2);

    let choice = |index: u64| json!({"choices": [{"index": index, "delta": {"content": "x"}}]});
    let jumps = [u64::MAX, u64::MAX - 1, 1 << 40, 1024, 1023].map(choice);
    let got = streamed(&gateway, jumps.into_iter());
    let events = play::events(&got.body);
    assert_eq!(events.len(), 3, "{events:?}");
    assert_eq!(events[1]["choices"][0]["index"], 1023);

    let jumps = [0, u64::MAX, 5, u64::MAX].map(call);
    let got = streamed(&gateway, jumps.into_iter().chain([finish]));
    assert_eq!(play::events(&got.body).len(), 1 + 6 + 3, "{:?}", play::events(&got.body));
}

#[test]
fn an_answer_with_thousands_of_calls_is_read_at_once() {
    let gateway = play::gateway(Region::Us);
    let call = json!({"id": "same", "function": {"name": "f", "arguments": "{}"}});
    let calls = vec![call; 20_000];
    let said = json!({"choices": [{"message": {"tool_calls": calls}}]}).to_string();
    for stream in [false, true] {
        let request = play::request(&json!({"stream": stream}));
        let (mut attempt, ..) = play::ask(&gateway, &request).unwrap();
        let got = play::receive(&mut attempt, play::head(&Value::Null), &[said.as_bytes()]);
        assert_eq!((got.status, got.is_stream()), (200, stream));
    }
}

#[test]
fn an_endless_answer_is_cut_off() {
    let gateway = play::gateway(Region::Us);
    for (stream, most) in [(false, MAX_ANSWER), (true, MAX_EVENT)] {
        let request = play::request(&json!({"stream": stream}));
        let (mut attempt, ..) = play::ask(&gateway, &request).unwrap();
        let head = if stream { play::stream_head() } else { play::head(&Value::Null) };
        attempt.head(head);
        let piece = vec![b'x'; 1 << 20];
        let mut taken = 0;
        let reply = loop {
            taken += piece.len();
            match attempt.body(&piece, false, play::answered) {
                Step::Hold => assert!(taken <= most, "{taken} bytes are held"),
                Step::Answer(reply) => break reply,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!((reply.status, taken), (502, most + piece.len()));
        let rest = attempt.body(&piece, true, play::answered);
        assert_eq!(rest, Step::Continue { bytes: Vec::new(), reason: None });
    }
}

#[test]
fn a_body_without_a_head_and_a_second_head_do_no_harm() {
    let gateway = play::gateway(Region::Us);
    let (mut attempt, ..) = play::ask(&gateway, &play::request(&json!({}))).unwrap();
    let step = attempt.body(b"x", true, play::answered);
    assert_eq!(step, Step::Continue { bytes: Vec::new(), reason: None });
    attempt.head(Head { status: 100, ..Head::default() });
    attempt.head(Head { status: 200, ..Head::default() });
    let step = attempt.body(b"x", true, play::answered);
    assert!(matches!(step, Step::Answer(reply) if reply.status == 502));
}

#[test]
fn a_body_of_nothing_but_mistakes_gets_a_short_answer() {
    let gateway = play::gateway(Region::Us);
    let many = |item: &str| format!("[{}]", vec![item; 100_000].join(","));
    let long = "x".repeat(1 << 20);
    let part =
        format!("[{{\"role\":\"user\",\"content\":{}}}]", many("{\"type\":\"file\",\"file\":1}"));
    let deep = many("{\"model\":\"nope\"}");
    let cases = [
        ("messages", many("{}")),
        ("messages", many("[]")),
        ("messages", many("{\"role\":\"tool\"}")),
        ("messages", part.replace("file", "nothing")),
        (
            "messages",
            part.replace(":\"file\"", ":\"input_audio\"").replace("\"file\":", "\"input_audio\":"),
        ),
        ("messages", format!("[{{\"role\":\"{long}\"}}]")),
        ("messages", format!("\"{long}\"")),
        ("tools", many("{\"type\":\"x\"}")),
        ("tools", format!("[{{\"type\":\"{long}\"}}]")),
        ("post_processing_steps", many("{\"type\":\"x\"}")),
        ("response_format", format!("{{\"type\":\"{long}\"}}")),
        ("fallbacks", deep),
        ("fallbacks", format!("[{{\"model\":\"{long}\"}}]")),
        ("model_region", format!("\"{long}\"")),
    ];
    for (name, value) in cases {
        let messages = if name == "messages" { "" } else { ",\"prompt\":\"x\"" };
        let body = format!("{{\"model\":\"gpt-4.1\",\"{name}\":{value}{messages}}}");
        let output = play::exchange(&gateway, body.as_bytes());
        let Output::Reply(reply) = output else { panic!("{name} is forwarded") };
        assert!(reply.body.len() < 128 << 10, "{name}: {} bytes", reply.body.len());
        assert_eq!(reply.status, 400, "{name}");
    }
    for body in [format!("\"{long}\""), format!("{{\"model\":\"{long}\",\"prompt\":\"x\"}}")] {
        let output = play::exchange(&gateway, body.as_bytes());
        let Output::Reply(reply) = output else { panic!("{output:?}") };
        assert!(reply.body.len() < 16 << 10, "{} bytes", reply.body.len());
    }
}

#[test]
fn what_a_body_holds_many_of_is_read_in_one_go() {
    let gateway = play::gateway(Region::Us);
    let many = |item: &str| format!("[{}]", vec![item; 50_000].join(","));
    let parts = many("{\"type\":\"text\",\"text\":\"four score and seven years ago\"}");
    let keys: Vec<String> = (0..50_000).map(|number| format!("\"k{number}\":1")).collect();
    let keys = keys.join(",");
    let bodies = [
        format!("\"messages\":[{{\"role\":\"user\",\"name\":\"n\",\"content\":{parts}}}]"),
        format!("\"messages\":{}", many("{\"role\":\"user\",\"content\":\"x\"}")),
        format!("\"prompt\":\"x\",{keys},\"fallbacks\":[{{\"model\":\"gpt-5\",{keys}}}]"),
    ];
    for body in bodies {
        let body = format!("{{\"model\":\"kimi-k2.5\",{body}}}");
        assert!(play::ask(&gateway, body.as_bytes()).is_ok());
    }
}

#[test]
fn the_deepest_body_is_still_read() {
    let gateway = play::gateway(Region::Us);
    for (depth, is_right) in [(126, true), (127, false)] {
        let deep = format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        let body =
            format!("{{\"model\":\"gpt-4.1\",\"prompt\":\"x\",\"metadata\":{{\"a\":{deep}}}}}");
        let output = play::exchange(&gateway, body.as_bytes());
        assert_eq!(matches!(output, Output::Forward { .. }), is_right, "{depth}");
    }
}
