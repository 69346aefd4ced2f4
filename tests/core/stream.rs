//! Streams: cut anywhere they say the same, and they say what the answer in one piece says.

use std::rc::Rc;

use attache::{
    attempt::{Attempt, Step},
    gateway::Gateway,
    region::Region,
};
use serde_json::{Value, json};

use testkit::{
    golden::CASES,
    play::{self, Got},
};

/// A golden case in which the provider streams.
struct Case {
    /// File and number, for messages.
    name: String,
    /// The client's request.
    request: Vec<u8>,
    /// What the provider streams.
    said: String,
    /// The same answer in one piece.
    whole: Option<Value>,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, text) in CASES {
        let document: Value = serde_json::from_str(text).unwrap();
        let pairs = document.as_array().cloned().unwrap_or_else(|| vec![document]);
        for (number, pair) in pairs.iter().enumerate() {
            let input = &pair["input"];
            // Streams of other inlets have tests of their own.
            let is_chat = input.get("path").is_none();
            let Some(stream) = input.get("stream").filter(|_| is_chat) else { continue };
            let mut asked = input["asked"].clone();
            asked["stream"] = json!(true);
            cases.push(Case {
                name: format!("{name}[{number}]"),
                request: play::request(&asked),
                said: play::provider_stream(stream),
                whole: input.get("in_one_piece").cloned(),
            });
        }
    }
    cases
}

fn stream(gateway: &Rc<Gateway>, request: &[u8], pieces: &[&[u8]]) -> Got {
    let (mut attempt, ..) = play::ask(gateway, request).unwrap();
    play::receive(&mut attempt, play::stream_head(), pieces)
}

#[test]
fn every_cut_yields_the_same_stream() {
    let gateway = play::gateway(Region::Us);
    for Case { name, request, said, .. } in cases() {
        let expected = stream(&gateway, &request, &[said.as_bytes()]);
        for said in [said.clone(), said.replace('\n', "\r\n")] {
            for cut in 0..=said.len() {
                let (one, two) = said.as_bytes().split_at(cut);
                let got = stream(&gateway, &request, &[one, two]);
                assert_eq!(got, expected, "{name} cut at byte {cut}");
            }
            let bytes: Vec<&[u8]> = said.as_bytes().chunks(1).collect();
            assert_eq!(stream(&gateway, &request, &bytes), expected, "{name} byte by byte");
        }
    }
}

#[test]
fn a_compressed_stream_is_refused_wherever_it_is_cut() {
    let gateway = play::gateway(Region::Us);
    let request = play::request(&json!({"stream": true}));
    // Stored blocks leave the text as it is, so that whole events are in there.
    let text =
        "\ndata: {\"choices\":[{\"delta\":{\"content\":\"Hi\"},\"finish_reason\":\"stop\"}]}\n\n";
    let magics: [&[u8]; 3] = [b"\x1f\x8b\x08\x00", b"\x78\x01\x01", b"\x28\xb5\x2f\xfd\x00"];
    for magic in magics {
        let said = [magic, text.as_bytes()].concat();
        let bytes: Vec<&[u8]> = said.chunks(1).collect();
        let cuts = (0..=6).map(|cut| vec![&said[..cut], &said[cut..]]);
        for pieces in cuts.chain([bytes]) {
            let got = stream(&gateway, &request, &pieces);
            let body = String::from_utf8_lossy(&got.body);
            assert!(got.status == 502 && body.contains("is compressed"), "{}: {body}", got.status);
        }
    }
}

#[test]
fn a_delta_leaves_when_its_event_has_come() {
    let gateway = play::gateway(Region::Us);
    let request = play::request(&json!({"stream": true}));
    let (mut attempt, ..) = play::ask(&gateway, &request).unwrap();
    attempt.head(play::stream_head());
    let mut say = |data: &str, end: &str| {
        let event = format!("data: {data}{end}");
        attempt.body(event.as_bytes(), false, play::answered)
    };
    let role = r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#;
    assert_eq!(say(role, "\n\n"), Step::Hold);
    let content = r#"{"choices":[{"index":0,"delta":{"content":"Hi"}}]}"#;
    assert_eq!(say(content, ""), Step::Hold);
    match attempt.body(b"\n\n", false, play::answered) {
        Step::Begin(reply) => assert_eq!(play::events(&reply.body).len(), 2),
        other => panic!("{other:?}"),
    }
    let call = r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"f"}}]}}]}"#;
    for event in [content, call] {
        let event = format!("data: {event}\n\n");
        match attempt.body(event.as_bytes(), false, play::answered) {
            Step::Continue { bytes, reason: None } => assert_eq!(play::events(&bytes).len(), 1),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn envoy_has_a_buffer_after_a_piece_that_did_not_go_on() {
    let gateway = play::gateway(Region::Us);
    let request = play::request(&json!({"stream": true}));
    let (mut attempt, ..) = play::ask(&gateway, &request).unwrap();
    attempt.head(play::head(&json!({"status": 503})));
    assert_eq!(attempt.buffered(), None);
    for size in [10, 25] {
        assert!(attempt.leave(size));
        assert_eq!(attempt.buffered(), Some(size));
    }
    attempt.body(b"overloaded", true, play::sent);
    assert_eq!(attempt.buffered(), None);

    let (mut attempt, ..) = play::ask(&gateway, &request).unwrap();
    attempt.head(play::stream_head());
    assert!(!attempt.leave(10));
    let mut after = |delta: Value| {
        let events = json!([{"choices": [{"index": 0, "delta": delta}]}]);
        attempt.body(play::provider_stream(&events).as_bytes(), false, play::sent);
        attempt.buffered()
    };
    assert_eq!(after(json!({"role": "assistant"})), Some(0));
    assert_eq!(after(json!({"content": "Hi"})), None);
}

#[test]
fn a_stream_says_what_its_answer_in_one_piece_says() {
    let gateway = play::gateway(Region::Us);
    let mut compared = 0;
    for Case { name, request, said, whole } in cases() {
        let Some(whole) = whole else { continue };
        let streamed = stream(&gateway, &request, &[said.as_bytes()]);
        compared += 1;
        let mut unstreamed: Value = serde_json::from_slice(&request).unwrap();
        unstreamed["stream"] = json!(false);
        let unstreamed = serde_json::to_vec(&unstreamed).unwrap();
        let whole = whole.to_string();
        let answer = answer(&gateway, &unstreamed, &whole);
        assert_eq!(joined(&streamed), spread(&answer), "{name}");
        // A provider that does not stream though it was asked to: the third way to the same words.
        let (mut attempt, ..) = play::ask(&gateway, &request).unwrap();
        let head = play::head(&Value::Null);
        let emulated = play::receive(&mut attempt, head, &[whole.as_bytes()]);
        assert!(emulated.is_stream(), "{name}");
        assert_eq!(joined(&emulated), spread(&answer), "{name} emulated");
    }
    assert!(compared >= 10, "only {compared} streams have a twin");
}

fn answer(gateway: &Rc<Gateway>, request: &[u8], said: &str) -> Value {
    let (mut attempt, ..): (Attempt, _, _) = play::ask(gateway, request).unwrap();
    let got = play::receive(&mut attempt, play::head(&Value::Null), &[said.as_bytes()]);
    assert_eq!(got.status, 200);
    serde_json::from_slice(&got.body).unwrap()
}

/// What a client knows after a stream. Checks on the way that the stream is a legal one.
fn joined(got: &Got) -> Value {
    let mut events = play::events(&got.body);
    assert_eq!(events.pop(), Some(json!("[DONE]")));
    let mut answer = json!({"choices": []});
    for event in &events {
        for key in ["id", "created", "model", "request_id"] {
            let first = answer[key].take();
            assert!(first.is_null() || first == event[key], "{key} differs in {event}");
            answer[key] = event[key].clone();
        }
        assert_eq!(event["object"], "chat.completion.chunk");
        if let Some(usage) = event.get("usage") {
            assert_eq!(event["choices"], json!([]));
            answer["usage"] = usage.clone();
        }
        for chunk in event["choices"].as_array().unwrap() {
            let index: usize = chunk["index"].as_u64().unwrap().try_into().unwrap();
            let choices = answer["choices"].as_array_mut().unwrap();
            choices.resize(choices.len().max(index + 1), Value::Null);
            join(&mut choices[index], chunk);
        }
    }
    for choice in answer["choices"].as_array().unwrap() {
        assert!(choice["finish_reason"].is_string(), "a choice did not finish: {choice}");
    }
    answer
}

fn join(choice: &mut Value, chunk: &Value) {
    let delta = &chunk["delta"];
    assert!(choice["finish_reason"].is_null(), "more after the finish: {chunk}");
    if choice.is_null() {
        assert_eq!(delta, &json!({"role": "assistant", "content": ""}), "the first delta");
        *choice = json!({"content": "", "refusal": "", "reasoning_content": "", "calls": [],
            "images": [], "logprobs": [], "finish_reason": null, "native_finish_reason": null});
        return;
    }
    assert!(delta.get("role").is_none(), "a second role: {chunk}");
    for key in ["content", "refusal", "reasoning_content"] {
        append(&mut choice[key], &delta[key]);
    }
    for call in delta["tool_calls"].as_array().into_iter().flatten() {
        let index: usize = call["index"].as_u64().unwrap().try_into().unwrap();
        let calls = choice["calls"].as_array_mut().unwrap();
        if index == calls.len() {
            assert_eq!(call["type"], "function");
            let (id, function) = (&call["id"], &call["function"]);
            assert_eq!(function["arguments"], "");
            calls.push(json!({"id": id, "name": function["name"], "arguments": ""}));
            continue;
        }
        assert!(call.get("id").is_none() && call["function"].get("name").is_none(), "{call}");
        append(&mut calls[index]["arguments"], &call["function"]["arguments"]);
    }
    let images = delta["images"].as_array().cloned().unwrap_or_default();
    choice["images"].as_array_mut().unwrap().extend(images);
    let logprobs = chunk["logprobs"]["content"].as_array().cloned().unwrap_or_default();
    choice["logprobs"].as_array_mut().unwrap().extend(logprobs);
    if !chunk["finish_reason"].is_null() {
        assert_eq!(delta, &json!({}), "a finish comes alone");
        choice["finish_reason"] = chunk["finish_reason"].clone();
        choice["native_finish_reason"] = chunk["native_finish_reason"].clone();
    }
}

fn append(text: &mut Value, more: &Value) {
    if let (Some(known), Some(more)) = (text.as_str(), more.as_str()) {
        *text = json!(format!("{known}{more}"));
    }
}

/// An answer in one piece, in the form of [`joined`].
fn spread(answer: &Value) -> Value {
    let text = |value: &Value| json!(value.as_str().unwrap_or_default());
    let choices = answer["choices"].as_array().unwrap().iter().map(|choice| {
        let message = &choice["message"];
        let calls = message["tool_calls"].as_array().cloned().unwrap_or_default();
        let calls = calls.iter().map(|call| {
            let function = &call["function"];
            json!({"id": call["id"], "name": function["name"], "arguments": function["arguments"]})
        });
        json!({
            "content": text(&message["content"]),
            "refusal": text(&message["refusal"]),
            "reasoning_content": text(&message["reasoning_content"]),
            "calls": calls.collect::<Vec<_>>(),
            "images": message["images"].as_array().cloned().unwrap_or_default(),
            "logprobs": choice["logprobs"]["content"].as_array().cloned().unwrap_or_default(),
            "finish_reason": choice["finish_reason"],
            "native_finish_reason": choice["native_finish_reason"],
        })
    });
    let mut spread = json!({"choices": choices.collect::<Vec<_>>()});
    for key in ["id", "created", "model", "request_id"] {
        spread[key] = answer[key].clone();
    }
    // A stream has usage if it was asked for, and an answer in any case.
    if let Some(usage) = answer.get("usage").filter(|usage| usage["reported"].is_null()) {
        spread["usage"] = usage.clone();
    }
    spread
}
