//! The Messages API as a way in: the same models, for clients of Anthropic's API.

use super::claims::*;
use serde_json::{Value, json};
use testkit::client::{Answer, Request};
use testkit::envoy::marker;

/// A request of the Messages API with one message, in one attempt.
fn message(model: &str, text: &str) -> Value {
    json!({"model": model, "max_tokens": 100, "messages": [{"role": "user", "content": text}],
        "fallback_config": {"retry": false}})
}

/// Sends a request as Anthropic's SDKs do: with the key in a header of its own.
fn send(body: &Value, path: &str) -> Answer {
    let request = Request::chat(body.to_string())
        .at(path)
        .header("x-api-key", shared().secret("acme"))
        .header("anthropic-version", "2023-06-01")
        .header("anthropic-beta", "oauth-2025-04-20,effort-2025-11-24");
    shared().us().without_key().send(request)
}

/// Asserts the shape of an error, and returns its type.
#[track_caller]
fn error_type(answer: &Answer, status: u16) -> String {
    assert_eq!(answer.status, status, "{answer:?}");
    let body = answer.json();
    assert_eq!(body["type"], "error", "{answer:?}");
    assert!(body["error"]["message"].as_str().is_some_and(|text| !text.is_empty()), "{answer:?}");
    let id = assert_request_id(answer);
    assert_eq!(body["request_id"], id, "{answer:?}");
    assert_eq!(answer.header("request-id"), Some(id.as_str()), "{answer:?}");
    body["error"]["type"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn every_schema_answers_in_one_piece_and_as_a_stream() {
    for (model, upstream) in
        [("gpt", "gpt-upstream"), ("claude", "claude-upstream"), ("gemini", "gemini-3-upstream")]
    {
        let marker = marker();
        let heard = format!("{upstream} heard: {marker}");
        let answer = send(&message(model, &marker), "/v1/messages?beta=true");
        assert_eq!(answer.status, 200, "{answer:?}");
        let body = answer.json();
        assert_eq!((&body["type"], &body["model"]), (&json!("message"), &json!(model)));
        assert_eq!(body["content"], json!([{"type": "text", "text": heard}]), "{body}");
        assert_eq!(body["stop_reason"], "end_turn");
        assert_eq!(body["usage"]["output_tokens"], 3, "{body}");
        let id = assert_request_id(&answer);
        assert_eq!(answer.header("request-id"), Some(id.as_str()));
        assert!(answer.header("anthropic-ratelimit-requests-remaining").is_some(), "{answer:?}");
        assert!(answer.header("x-ratelimit-remaining").is_some(), "{answer:?}");

        let streamed = with(message(model, &marker), json!({"stream": true}));
        let answer = send(&streamed, "/v1/messages");
        assert_eq!(answer.status, 200, "{answer:?}");
        let events: Vec<Value> =
            answer.events().iter().map(|data| serde_json::from_str(data).expect("JSON")).collect();
        let kinds: Vec<&str> = events.iter().filter_map(|event| event["type"].as_str()).collect();
        assert_eq!(kinds.first(), Some(&"message_start"), "{kinds:?}");
        assert_eq!(kinds.last(), Some(&"message_stop"), "{kinds:?}");
        let text: String =
            events.iter().filter_map(|event| event["delta"]["text"].as_str()).collect();
        assert_eq!(text, heard, "{events:#?}");
        assert_eq!(events[0]["message"]["model"], model);

        let entries = shared().reached(&marker);
        assert_eq!(entries.len(), 2);
        for entry in entries {
            let betas = (model == "claude").then_some(b"effort-2025-11-24".as_slice());
            assert_eq!(entry.header("anthropic-beta"), betas, "{model}");
        }
    }
}

#[test]
fn a_fallback_of_a_header_answers_in_both_lanes() {
    for stream in [false, true] {
        let marker = marker();
        let body = with(
            message("claude", &format!("{marker} #script status=529")),
            json!({"stream": stream, "fallback_config": {"retry": false}}),
        );
        let request = Request::chat(body.to_string())
            .at("/v1/messages")
            .header("x-attache-fallbacks", "gpt-5-nobody,gpt");
        // A fallback that does not exist is a mistake of the client's.
        assert_eq!(error_type(&shared().us().send(request.clone()), 400), "invalid_request_error");
        let answer = shared().us().send(request.header("x-attache-fallbacks", "gpt"));
        // The script is in the text, so that the fallback fails too.
        assert_eq!(error_type(&answer, 503), "overloaded_error");
        let attempts = answer.header("x-attache-attempts").unwrap_or_default();
        assert!(
            attempts.starts_with("claude=503/") && attempts.contains(" gpt=503/"),
            "{attempts}"
        );
        assert_eq!(shared().reached(&marker).len(), 2);
    }
}

#[test]
fn errors_have_the_shape_of_anthropics_api_whoever_finds_them() {
    let body = message("gpt", "hi");
    let without_key = Request::chat(body.to_string()).at("/v1/messages");
    let answer = shared().us().without_key().send(without_key);
    assert_eq!(error_type(&answer, 401), "authentication_error");
    let wrong = with(body.clone(), json!({"max_tokens": null}));
    assert_eq!(error_type(&send(&wrong, "/v1/messages"), 400), "invalid_request_error");
    let text = format!("{} #script status=400", marker());
    let answer = send(&message("claude", &text), "/v1/messages");
    assert_eq!(error_type(&answer, 400), "invalid_request_error");
    let unreachable = message("gpt", &format!("{} #script reset", marker()));
    assert_eq!(error_type(&send(&unreachable, "/v1/messages"), 502), "api_error");
}

#[test]
fn pages_that_anthropics_clients_ask_for() {
    let client = shared().us().without_key();
    let answer = client.send(Request::get("/").method("HEAD"));
    assert_eq!((answer.status, answer.body.len()), (200, 0), "{answer:?}");
    let request = Request::get("/v1/models").header("anthropic-version", "2023-06-01");
    let list = client.send(request).json();
    assert_eq!(list["data"][0]["type"], "model", "{list}");
    let answer = send(&message("gpt", "12345678"), "/v1/messages/count_tokens");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json(), json!({"input_tokens": 6}));
    assert_eq!(answer.header("x-attache-params"), Some("emulated=count_tokens"));
}
