//! The Responses API as a way in: every model answers, and nothing is stored. Whole cases are in
//! `tests/golden/responses`.

use attache::{
    attempt::Attempt,
    chat::request_variant::RequestVariant,
    gateway::{Output, RequestHead},
    handoff::ticket::{AttemptTarget, Ticket},
    region::Region,
};
use serde_json::{Value, json};

use testkit::{
    golden::CASES,
    play::{self, Got},
};

const PATH: &str = "/v1/responses";

fn head() -> RequestHead {
    play::head_for(PATH, &json!({}))
}

/// The answer to a request with these fields, of a provider that says this.
fn answer(fields: &Value, said: &Value) -> (Got, Value) {
    let gateway = play::gateway(Region::Us);
    let request = play::request_for(PATH, fields);
    let (mut attempt, ..) = play::ask_at(&gateway, head(), &request).unwrap();
    let got = play::receive(&mut attempt, play::head(&json!({})), &[said.to_string().as_bytes()]);
    let body = serde_json::from_slice(&got.body).unwrap();
    (got, body)
}

#[test]
fn every_cut_of_a_stream_yields_the_same_events() {
    play::assert_cuts_agree("responses/stream");
}

#[test]
fn items_of_a_stream_do_not_overlap_and_the_last_event_has_them_all() {
    let (_, text) = CASES.iter().find(|(name, _)| *name == "responses/stream").unwrap();
    let cases: Value = serde_json::from_str(text).unwrap();
    for case in cases.as_array().unwrap() {
        play::assert_response_events(case["output"]["events"].as_array().unwrap());
    }
}

#[test]
fn reasoning_is_carried_by_whoever_cannot_rely_on_storage() {
    let said = json!({
        "content": [{"type": "thinking", "thinking": "Hm", "signature": "EuYB"}],
        "stop_reason": "end_turn",
    });
    let asked = [
        (json!({"store": true}), true, true),
        (json!({"store": null}), true, true),
        (json!({"store": false}), false, false),
        (json!({"store": false, "include": ["reasoning.encrypted_content"]}), false, true),
    ];
    for (mut fields, is_reported, is_carried) in asked {
        fields["model"] = json!("claude-sonnet-4-6");
        let (got, body) = answer(&fields, &said);
        let report = ("x-attache-params", "dropped=store".to_owned());
        assert_eq!(got.headers.contains(&report), is_reported, "{fields}");
        assert_eq!(body["store"], false);
        let item = &body["output"][0];
        assert_eq!(item["summary"][0]["text"], "Hm");
        assert_eq!(item["encrypted_content"].is_string(), is_carried, "{fields}: {item}");
    }
}

#[test]
fn reasoning_comes_back_to_the_provider_as_it_left() {
    let carried =
        json!({"include": ["reasoning.encrypted_content"], "reasoning": {"effort": "high"}});
    let tool = json!({"type": "function", "name": "f", "parameters": {"type": "object"}});
    let cases = [
        (
            "claude-sonnet-4-6",
            json!({"content": [{"type": "thinking", "thinking": "Hm", "signature": "EuYB"},
                {"type": "redacted_thinking", "data": "EmwK"},
                {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}],
                "stop_reason": "tool_use"}),
            "/messages/1/content",
            "/content",
        ),
        (
            "gemini-3-flash-preview",
            json!({"candidates": [{"content": {"role": "model", "parts": [
                {"functionCall": {"id": "call_1", "name": "f", "args": {}},
                    "thoughtSignature": "c2ln"}]}, "finishReason": "STOP"}]}),
            "/contents/1/parts",
            "/candidates/0/content/parts",
        ),
        (
            "gpt-5.5",
            json!({"object": "response", "status": "completed", "output": [
                {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"},
                {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f",
                    "arguments": "{}", "status": "completed"}]}),
            "/input/1/encrypted_content",
            "/output/0/encrypted_content",
        ),
    ];
    for (model, said, sent_at, said_at) in cases {
        let mut fields = carried.clone();
        (fields["model"], fields["tools"]) = (json!(model), json!([tool]));
        let (_, body) = answer(&fields, &said);
        let mut input = vec![json!({"role": "user", "content": "Hi"})];
        let output = body["output"].as_array().unwrap().clone();
        let id = output.last().unwrap()["call_id"].clone();
        input.extend(output);
        input.push(json!({"type": "function_call_output", "call_id": id, "output": "done"}));
        fields["input"] = Value::Array(input);
        let request = play::request_for(PATH, &fields);
        let (_, outgoing, _) = play::ask_at(&play::gateway(Region::Us), head(), &request).unwrap();
        let sent: Value = serde_json::from_slice(&outgoing.body).unwrap();
        assert_eq!(sent.pointer(sent_at), said.pointer(said_at), "{model}");
    }
}

#[test]
fn a_fallback_overrides_the_fields_of_the_original() {
    let gateway = play::gateway(Region::Us);
    let body = play::request_for(
        PATH,
        &json!({
            "instructions": "One.",
            "temperature": 0.5,
            "user": "u",
            "stream": true,
            "fallbacks": [{"model": "gpt-5", "instructions": "Two.", "max_output_tokens": 99}],
        }),
    );
    let Output::Forward { ticket, .. } = play::exchange_at(&gateway, head(), &body) else {
        panic!("not forwarded");
    };
    let (model, cluster) = ("gpt-5".to_owned(), "openai-us".to_owned());
    let site = play::site(&gateway, &cluster);
    let route = RequestVariant::fallback(0).into();
    let target = AttemptTarget { route, model, cluster };
    let ticket = Ticket { target, ..ticket };
    let (mut attempt, outgoing) = Attempt::new(&site, ticket, &body, play::sent()).unwrap();
    let sent: Value = serde_json::from_slice(&outgoing.body).unwrap();
    assert_eq!(sent["messages"][0]["content"], "Two.");
    assert_eq!(sent["messages"][1]["content"], "Hi");
    assert_eq!(sent["max_completion_tokens"], 99);
    let said =
        b"data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}\n\n";
    let got = play::receive(&mut attempt, play::stream_head(), &[said]);
    let response = &play::events(&got.body)[0]["response"];
    assert_eq!(response["instructions"], "Two.");
    assert_eq!((&response["max_output_tokens"], &response["user"]), (&json!(99), &json!("u")));
}

#[test]
fn a_stream_beyond_the_longest_answer_fails() {
    let gateway = play::gateway(Region::Us);
    let request = play::request_for(PATH, &json!({"stream": true}));
    let (mut attempt, ..) = play::ask_at(&gateway, head(), &request).unwrap();
    let text = "a".repeat(4_000_000);
    let event = json!({"choices": [{"index": 0, "delta": {"content": text}}]});
    let event = format!("data: {event}\n\n");
    let got = play::receive(&mut attempt, play::stream_head(), &[event.as_bytes(); 10]);
    let tail = got.body.len() - 4096;
    let last = String::from_utf8_lossy(&got.body[tail..]).into_owned();
    assert!(
        last.contains("event: response.failed") && last.contains("longer than 32 MiB"),
        "{last}"
    );
    assert_eq!(got.body.windows(12).filter(|window| window == b"event: error").count(), 1);
}

#[test]
fn hostile_bodies_are_refused_at_once() {
    let gateway = play::gateway(Region::Us);
    let play_body = |body: &str| play::exchange_at(&gateway, head(), body.as_bytes());
    let many = r#"{"type":"item_reference"},"#.repeat(100_000);
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let bodies = [
        "[]".to_owned(),
        "{".to_owned(),
        r#"{"model":"gpt-4.1","mod\u0065l":"x","input":"Hi"}"#.to_owned(),
        r#"{"model":"gpt-4.1","input":[{"role":"user","role":"user","content":""}]}"#.to_owned(),
        format!(r#"{{"model":"gpt-4.1","input":{deep}}}"#),
        format!(r#"{{"model":"gpt-4.1","input":[{many}1]}}"#),
        format!(r#"{{"model":"gpt-4.1","input":"Hi","tools":[{many}1]}}"#),
    ];
    for body in bodies {
        let Output::Reply(reply) = play_body(&body) else { panic!("{body:.200}") };
        assert_eq!(reply.status, 400, "{body:.200}");
        assert!(reply.body.len() < 64 << 10, "{} bytes", reply.body.len());
    }
}
