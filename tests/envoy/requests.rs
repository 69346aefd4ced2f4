//! What becomes of a request on its way to a provider.

use super::claims::*;
use serde_json::{Value, json};
use testkit::client::{Answer, Request};
use testkit::envoy::marker;
use testkit::provider::Entry;

/// Sends a chat request with more parameters, and gives the answer and what reached the provider.
#[track_caller]
fn sent(model: &str, more: Value) -> (Answer, Entry) {
    let marker = marker();
    let answer = shared().us().chat(&with(chat(model, &marker), more));
    assert_eq!(answer.status, 200, "{answer:?}");
    (answer, shared().reached_once(&marker))
}

#[test]
fn the_provider_gets_its_own_request_and_no_header_of_the_client() {
    let marker = marker();
    let request = Request::chat(chat("gpt", &marker).to_string())
        .header("cookie", "a=b")
        .header("accept-encoding", "gzip, br")
        .header("user-agent", "OpenAI/Python")
        .header("x-stainless-lang", "python")
        .header("openai-organization", "org")
        .header("x-forwarded-for", "1.2.3.4")
        .header("x-api-key", "client")
        .header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    for client in [shared().us(), shared().us().over_http2()] {
        assert_eq!(client.send(request.clone()).status, 200);
    }
    let entries = shared().reached(&marker);
    assert_eq!(entries.len(), 2);
    for entry in entries {
        assert_eq!((entry.method.as_str(), entry.path.as_str()), ("POST", "/v1/chat/completions"));
        let headers: Vec<(String, String)> = entry
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), String::from_utf8_lossy(value).into_owned()))
            .filter(|(name, _)| name != "x-request-id")
            .collect();
        let bearer = format!("Bearer {}", shared().secret("openai"));
        let length = entry.body.len().to_string();
        let expected = [
            ("host", "api.openai.example"),
            ("content-type", "application/json"),
            ("content-length", &length),
            ("accept", "application/json"),
            ("user-agent", concat!("attache/", env!("CARGO_PKG_VERSION"))),
            ("authorization", &bearer),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(headers, expected);
        let body = json!({
            "model": "gpt-upstream",
            "messages": [{"role": "user", "content": marker}],
            "max_completion_tokens": 1000,
        });
        assert_eq!(entry.json(), body);
    }
}

#[test]
fn names_of_unknown_keys_cannot_forge_the_report() {
    let (answer, _) = sent("gpt", json!({"a; clamped=b": 1, "c\r\nx-evil: 1": 2, "ü": 3, "d": 4}));
    assert_eq!(answer.header("x-attache-params"), Some("dropped=d,+3"));
    assert_eq!(answer.header("x-evil"), None);
}

#[test]
fn every_server_is_spoken_to_in_its_own_way() {
    let strict =
        json!({"tools": [{"type": "function", "function": {"name": "look", "strict": true}}]});
    let (_, entry) = sent("kimi", strict);
    let body = entry.json();
    assert_eq!((&body["max_tokens"], body.get("max_completion_tokens")), (&json!(1000), None));
    assert_eq!(body["tools"], json!([{"type": "function", "function": {"name": "look"}}]));

    let (_, entry) = sent("qwen", json!({}));
    assert_eq!(entry.path, "/compatible-mode/v1/chat/completions");
    assert_eq!(entry.header("host"), Some(b"dashscope.example".as_slice()));
    assert_eq!(entry.header("api-key"), Some(shared().secret("alibaba").as_bytes()));
    assert_eq!(entry.header("authorization"), None);
    assert_eq!(entry.json()["enable_thinking"], false);

    let (answer, entry) = sent("oss", json!({"guided_regex": "a+", "seed": 1}));
    assert_eq!(entry.json()["guided_regex"], "a+");
    assert_eq!(answer.header("x-attache-params"), Some("dropped=seed"));
    assert_eq!(entry.header("host"), Some(b"10.0.0.7:8000".as_slice()));
    assert_eq!((entry.header("authorization"), entry.header("api-key")), (None, None));
}

#[test]
fn the_content_type_may_be_absent_or_have_a_charset() {
    for value in [None, Some("application/json; charset=utf-8"), Some("Application/JSON")] {
        let request = Request::chat(chat("gpt", "hi").to_string()).without("content-type");
        let request = match value {
            Some(value) => request.header("content-type", value),
            None => request,
        };
        let answer = shared().us().send(request);
        assert_eq!(answer.status, 200, "{value:?}: {answer:?}");
    }
}

#[test]
fn a_key_may_come_with_bearer_or_without() {
    let key = shared().secret("acme-next");
    for value in [key.to_owned(), format!("Bearer {key}")] {
        let request = Request::chat(chat("gpt", "hi").to_string()).header("authorization", value);
        let answer = shared().us().send(request);
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

#[test]
fn a_body_of_10_megabytes_passes() {
    let marker = marker();
    let text = format!("{marker}{}", "x".repeat(10_000_000));
    let gateway = large();
    for client in [gateway.us(), gateway.us().over_http2()] {
        let answer = client.chat(&chat("gpt", &text));
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    for entry in gateway.reached(&marker) {
        assert_eq!(entry.json()["messages"][0]["content"].as_str().map(str::len), Some(text.len()));
    }
}
