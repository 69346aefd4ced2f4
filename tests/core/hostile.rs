//! Nothing that anyone sends makes the core panic, or lets it say more than it was told. What chance
//! finds is in `fuzz.rs`.

use std::rc::Rc;

use attache::http_call::MAX_ANSWER;
use attache::{
    api_schema::origin::ResponseHead,
    attempt::Step,
    gateway::{Gateway, Output},
    region::Region,
    sse::MAX_EVENT,
};
use serde_json::{Value, json};

use testkit::play::{self, Got};

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
    assert_eq!(play::events(&got.body).len(), 1 + 6 + 2, "{:?}", play::events(&got.body));
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
                Step::Answer(reply) | Step::Fail(reply, _) => break reply,
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
    attempt.head(ResponseHead { status: 100, ..ResponseHead::default() });
    attempt.head(ResponseHead { status: 200, ..ResponseHead::default() });
    let step = attempt.body(b"x", true, play::answered);
    assert!(matches!(step, Step::Fail(reply, _) if reply.status == 502));
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
        assert_eq!(play::is_sent(&output), is_right, "{depth}");
    }
}
