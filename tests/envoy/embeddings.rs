//! Embeddings: the request on its way to each API schema, retries and limits, in a real Envoy.

use super::claims::*;
use crate::support::access_log::Line;
use serde_json::{Value, json};
use testkit::client::{Answer, Request};
use testkit::envoy::marker;

/// Sends a request for embeddings.
fn embed(body: &Value) -> Answer {
    shared().us().send(Request::chat(body.to_string()).at("/v1/embeddings"))
}

#[test]
fn vectors_come_from_each_api_schema() {
    let cases = [
        ("vectors", "/v1/embeddings", "/v1/embeddings"),
        (
            "vectors-gemini",
            "/v1beta/models/gemini-vectors-upstream:embedContent",
            "/v1beta/models/gemini-vectors-upstream:batchEmbedContents",
        ),
    ];
    for (model, one, many) in cases {
        let first = marker();
        let answer = embed(&json!({"model": model, "input": first}));
        assert_eq!(answer.status, 200, "{answer:?}");
        let request_id = assert_request_id(&answer);
        let entry = |index: u64, vector: Value| json!({"object": "embedding", "index": index, "embedding": vector});
        let expected = json!({
            "object": "list",
            "data": [entry(0, json!([0, -2.0, 0.5]))],
            "model": model,
            "usage": {"prompt_tokens": 1, "total_tokens": 1},
            "request_id": request_id,
        });
        assert_eq!(answer.json(), expected);
        assert_eq!(answer.header("x-ratelimit-model"), Some(model));
        let line = Line::of(shared(), &answer).untimed();
        assert!(line.contains(&format!("response_model={model} ")), "{line}");
        assert!(line.contains(" input_tokens=1 output_tokens=0 "), "{line}");
        let paths = |text: &str| -> Vec<String> {
            shared().reached(text).iter().map(|entry| entry.path.clone()).collect()
        };
        assert_eq!(paths(&first), [one]);

        let second = marker();
        let input = json!([second, "b"]);
        let form = "base64";
        let answer = embed(&json!({"model": model, "input": input, "encoding_format": form}));
        let vectors =
            json!([entry(0, json!("AAAAAAAAAMAAAAA/")), entry(1, json!("AACAPwAAAMAAAAA/")),]);
        assert_eq!(answer.json()["data"], vectors, "{answer:?}");
        assert_eq!(paths(&second), [many]);
    }
    shared().assert_unharmed();
}

#[test]
fn a_failure_is_retried_and_an_error_keeps_its_shape() {
    let text = format!("{} #script status=503 | text=x", marker());
    for model in ["vectors", "vectors-gemini"] {
        let answer = embed(&json!({"model": model, "input": text}));
        assert_eq!(answer.status, 200, "{answer:?}");
        let told = answer.header("x-attache-attempts").unwrap_or_default();
        assert!(told.starts_with(&format!("{model}=503/")), "{told}");
        let limited = format!("{} #script status=429", marker());
        let answer = embed(&json!({"model": model, "input": limited}));
        assert_error(&answer, 429, "rate_limit_exceeded");
        assert_error(&embed(&json!({"model": model})), 400, "missing_required_parameter");
    }
    assert_error(&embed(&json!({"model": "claude", "input": "a"})), 400, "invalid_value");
    let body = json!({"model": "vectors", "input": "a"}).to_string();
    let request = Request::chat(body).at("/v1/embeddings");
    assert_error(&shared().us().without_key().send(request), 401, "invalid_api_key");
    shared().assert_unharmed();
}
