//! Providers that fail, lie, or are not there: what the client is told.

use super::claims::*;
use serde_json::{Value, json};
use std::thread;
use std::time::{Duration, Instant};
use testkit::client::{Answer, Request};
use testkit::envoy::marker;

fn play(script: &str) -> Answer {
    shared().us().chat(&chat("gpt", &format!("#script {script}")))
}

#[test]
fn a_providers_status_becomes_ours() {
    let cases = [
        (400, 400, "invalid_value"),
        (401, 502, "provider_refused"),
        (402, 502, "provider_refused"),
        (403, 502, "provider_refused"),
        (404, 502, "provider_refused"),
        (408, 503, "overloaded"),
        (409, 503, "overloaded"),
        (410, 410, "model_retired"),
        (413, 413, "request_too_large"),
        (422, 400, "invalid_value"),
        (425, 503, "overloaded"),
        (429, 429, "rate_limit_exceeded"),
        (500, 502, "upstream_error"),
        (502, 502, "upstream_error"),
        (503, 503, "overloaded"),
        (504, 504, "timeout"),
        (520, 502, "upstream_error"),
        (524, 504, "timeout"),
        (529, 503, "overloaded"),
        (204, 502, "upstream_error"),
        (206, 502, "upstream_error"),
        (302, 502, "upstream_error"),
    ];
    for (theirs, ours, code) in cases {
        let script = format!("#script status={theirs} header=location:http://127.0.0.1:1/");
        for request in [chat("gpt", &script), streamed("gpt", &script), chat("oss", &script)] {
            let answer = shared().us().chat(&request);
            assert_eq!(answer.status, ours, "{theirs}: {answer:?}");
            assert_error(&answer, ours, code);
            assert_eq!(answer.header("x-attache-region"), Some("us"), "{theirs}");
            let attempts = answer.header("x-attache-attempts").expect("attempts");
            assert!(attempts.contains(&format!("={ours}/")), "{theirs}: {attempts}");
            assert_eq!(answer.header("location"), None, "{theirs}");
        }
    }
    shared().assert_unharmed();
}

#[test]
fn how_long_to_wait_is_passed_on() {
    for model in ["gpt", "oss"] {
        for script in ["status=429 retry-after=17", "status=429 header=retry-after:17"] {
            let answer = shared().us().chat(&chat(model, &format!("#script {script}")));
            assert_error(&answer, 429, "rate_limit_exceeded");
            assert_eq!(answer.header("retry-after"), Some("17"), "{script}");
        }
    }
    assert_eq!(play("status=429").header("retry-after"), None);
    assert_eq!(play("status=429 header=retry-after:soon").header("retry-after"), None);
}

#[test]
fn the_clients_fault_is_told_in_the_providers_words_and_ours_is_not() {
    let body = |message: &str| {
        json!({"error": {"message": message, "code": "bad_thing", "param": "top_p"}}).to_string()
    };
    let long = "x".repeat(2000);
    let told = play(&format!("status=400 body={}", base64(body(&long))));
    let error = assert_error(&told, 400, "bad_thing");
    assert_eq!(error["error"]["param"], "top_p");
    assert_eq!(error["error"]["message"].as_str().map(str::len), Some(500));

    let secret = "Incorrect API key provided: sk-very-secret";
    for status in [401, 402, 403, 404] {
        let answer = play(&format!("status={status} body={}", base64(body(secret))));
        let error = assert_error(&answer, 502, "provider_refused");
        assert!(!error.to_string().contains("sk-very"), "{error}");
        assert_eq!(error["metadata"]["provider"], "openai");
        assert_eq!(error["metadata"]["llm_status_code"], status);
    }
    let page = play(&format!(
        "status=503 content-type=text/html body={}",
        base64("<html><h1>503</h1></html>")
    ));
    assert!(!assert_error(&page, 503, "overloaded").to_string().contains("html"));
}

#[test]
fn a_prompt_that_is_too_long_has_a_code_of_its_own() {
    let body = json!({"error": {"message": "too long", "code": "context_length_exceeded"}});
    let answer = play(&format!("status=400 body={}", base64(body.to_string())));
    let error = assert_error(&answer, 400, "context_length_exceeded");
    assert_eq!(error["metadata"]["errors"], json!(["model context limit exceeded"]));
}

#[test]
fn a_200_that_hides_an_error_is_an_error() {
    let cases = [
        (json!({"error": {"message": "m", "code": 429}}), 429, "rate_limit_exceeded"),
        (json!({"error": {"message": "m", "code": "503"}}), 503, "overloaded"),
        (json!({"error": {"message": "m"}}), 502, "upstream_error"),
        (json!({"error": "m"}), 502, "upstream_error"),
        (json!({"error": {"message": "m"}, "choices": []}), 502, "upstream_error"),
    ];
    for (body, status, code) in cases {
        let script = format!("#script body={}", base64(body.to_string()));
        for request in [chat("gpt", &script), streamed("gpt", &script)] {
            let answer = shared().us().chat(&request);
            assert_eq!(answer.status, status, "{body}: {answer:?}");
            assert_error(&answer, status, code);
        }
    }
}

#[test]
fn an_answer_that_makes_no_sense_is_the_providers_fault() {
    let body = |bytes: &[u8]| format!("body={}", base64(bytes));
    let cases = [
        body(b""),
        body(b"{}"),
        body(b"[]"),
        body(b"null"),
        body(b"<html></html>"),
        body(b"{\"choices\":[]}"),
        body(b"{\"choices\":{}}"),
        body(b"{\"choices\":[{\"message\":{\"content\":7}}]}"),
        body(b"{\"choices\":[{\"message\":{\"content\":\"\xff\"}}]}"),
        body(b"{\"choices\":[{\"message\":{\"content\":\"a\"}}]} and more"),
        "content-type=text/html".to_owned(),
        "content-type=text/event-stream".to_owned(),
        "end=0".to_owned(),
        "end=40".to_owned(),
        "gzip".to_owned(),
        "endless=100000".to_owned(),
    ];
    for script in cases {
        let answer = play(&script);
        assert_eq!(answer.status, 502, "{script}: {answer:?}");
        assert_error(&answer, 502, "upstream_error");
    }
    for script in ["content-type=text/html", "gzip"] {
        let answer = shared().us().chat(&streamed("gpt", &format!("#script {script}")));
        assert_eq!(answer.status, 502, "{script}: {answer:?}");
        assert_error(&answer, 502, "upstream_error");
    }
    shared().assert_unharmed();
}

#[test]
fn a_connection_that_breaks_is_the_providers_fault() {
    for (script, code) in [
        ("cut=0", "upstream_error"),
        ("cut=40", "upstream_error"),
        ("reset", "upstream_unreachable"),
    ] {
        let answer = play(script);
        assert_eq!(answer.status, 502, "{script}: {answer:?}");
        let error = assert_error(&answer, 502, code);
        assert_eq!(error["metadata"]["provider"], "openai", "{script}");
    }
    shared().assert_unharmed();
}

#[test]
fn a_provider_that_cannot_be_reached_is_named() {
    for model in ["kimi", "qwen"] {
        for request in [chat(model, "hi"), streamed(model, "hi")] {
            let answer = troubled().us().chat(&request);
            let error = assert_error(&answer, 502, "upstream_unreachable");
            let provider = if model == "kimi" { "moonshot" } else { "alibaba" };
            assert_eq!(error["metadata"]["provider"], provider);
            let attempts = answer.header("x-attache-attempts").expect("attempts");
            assert!(attempts.starts_with(&format!("{model}=")), "{attempts}");
        }
    }
    troubled().assert_unharmed();
}

#[test]
fn a_provider_that_hangs_is_given_up() {
    let client = troubled().us();
    let whole = ["hang-head", "head-delay=3000", "hang=0", "hang=20", "chunk=1 delay=100"];
    let whole = whole.map(|script| chat("gpt", &format!("#script {script}")));
    let streams = ["hang-head", "hang=0", "hang=1"];
    let streams = streams.map(|script| streamed("gpt", &format!("#script {script}")));
    thread::scope(|scope| {
        for request in whole.iter().chain(&streams) {
            let client = &client;
            scope.spawn(move || {
                let started = Instant::now();
                let answer = client.chat(request);
                let took = started.elapsed();
                assert_eq!(answer.status, 504, "{request}: {answer:?}");
                let error = assert_error(&answer, 504, "timeout");
                assert_eq!(error["metadata"]["provider"], "openai", "{request}: {error}");
                assert!(took > Duration::from_millis(900), "{request}: {took:?}");
            });
        }
    });
    troubled().assert_unharmed();
}

#[test]
fn a_stream_that_hangs_never_looks_complete() {
    let request = streamed("gpt", "#script text=one_two_three hang=3");
    for client in [troubled().us(), troubled().us().over_http2()] {
        let answer = client.chat(&request);
        let text = answer.text();
        assert!(text.contains("two"), "{answer:?}");
        assert!(!text.contains("[DONE]") && !text.contains("\"stop\""), "{answer:?}");
        assert!(answer.broken || text.contains("\"error\""), "a quiet end: {answer:?}");
    }
    troubled().assert_unharmed();
}

#[test]
fn a_stream_that_flows_past_its_deadline_ends_with_an_error() {
    let request = streamed("gpt", "#script size=4000 events=400 delay=100");
    for client in [troubled().us(), troubled().us().over_http2()] {
        let answer = client.chat(&request);
        let text = answer.text();
        let last = text.trim_end().rsplit("data: ").next().unwrap_or_default();
        let error: Value = serde_json::from_str(last).expect("an event with an error");
        assert_eq!(error["error"]["code"], "timeout", "{error}");
        assert!(text.contains("\"content\"") && !text.contains("[DONE]"), "{answer:?}");
    }
    troubled().assert_unharmed();
}

#[test]
fn a_connection_goes_on_after_every_error() {
    let theirs = [
        chat("gpt", "fine"),
        chat("gpt", "#script status=500"),
        chat("gpt", "#script cut=40"),
        chat("gpt", "#script gzip"),
        streamed("gpt", "#script error-first"),
        streamed("gpt", "#script text=a_b error-after=2"),
        streamed("gpt", "fine"),
    ];
    let theirs = theirs.map(|request| (Request::chat(request.to_string()), true));
    // Envoy may end a connection of HTTP/1.1 with an answer of its own or of the filter.
    let ours =
        [Request::chat("{"), Request::chat("{}").at("/nowhere"), Request::get("/v1/nowhere")];
    let ours = ours.map(|request| (request, false));
    for client in [shared().us(), shared().us().over_http2()] {
        let mut connection = client.connect();
        for (request, goes_on) in theirs.iter().chain(&ours) {
            let answer = connection.send(request.clone());
            let ends = answer.header("connection") == Some("close");
            assert!(!ends || !goes_on, "ended by {answer:?}");
            if ends {
                connection = client.connect();
            }
            assert!(connection.is_open(), "closed without a word after {answer:?}");
            let marker = marker();
            let answer = connection.send(Request::chat(chat("gpt", &marker).to_string()));
            let content = answer.json()["choices"][0]["message"]["content"].take();
            let expected = Value::from(format!("gpt-upstream heard: {marker}"));
            assert_eq!(content, expected, "the answer after {request:?}");
        }
    }
}
