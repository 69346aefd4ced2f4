//! Answers in one piece.

use serde_json::{Value, json};

use super::{answer, events, stream};

#[test]
fn every_finish_reason_is_translated() {
    let cases = [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("CONTINUATION", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("IMAGE_SAFETY", "content_filter"),
        ("OTHER", "content_filter"),
        ("MALFORMED_FUNCTION_CALL", "stop"),
        ("SOMETHING_NEW", "stop"),
    ];
    for (theirs, ours) in cases {
        let parts = json!([{"text": "t"}]);
        let said = json!({"candidates": [{"content": {"parts": parts}, "finishReason": theirs}]});
        let body: Value = serde_json::from_slice(&answer(200, &said.to_string()).body).unwrap();
        assert_eq!(body["choices"][0]["finish_reason"], ours, "{theirs}");
        assert_eq!(body["choices"][0]["native_finish_reason"], theirs);
    }
}

#[test]
fn answers_without_content_are_errors() {
    let cases = [
        (r#"{"candidates":[{"finishReason":"MALFORMED_FUNCTION_CALL"}]}"#, 502),
        (
            r#"{"candidates":[{"finishReason":"UNEXPECTED_TOOL_CALL","content":{"parts":[{"text":"t","thought":true}]}}]}"#,
            502,
        ),
        (r#"{"candidates":[{"content":{"parts":[]}}]}"#, 502),
        (r#"{"candidates":[]}"#, 502),
        (r#"{"usageMetadata":{}}"#, 502),
        (r#"[{"candidates":[]},{"candidates":[]}]"#, 502),
        (r#"{"candidates":7}"#, 502),
        ("", 502),
        (r#"{"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}"#, 503),
        (r#"[{"error":{"code":429,"message":"m"}}]"#, 429),
        (r#"{"candidates":[{"finishReason":"SAFETY"}]}"#, 200),
        (r#"{"candidates":[{"finishReason":"MAX_TOKENS","content":{"role":"model"}}]}"#, 200),
        (r#"{"promptFeedback":{"blockReason":"OTHER"}}"#, 200),
    ];
    for (body, status) in cases {
        assert_eq!(answer(200, body).status, status, "{body}");
    }
}

#[test]
fn errors_are_classified_by_status_and_details() {
    let key = r#"{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"}]}}"#;
    let quota = r#"[{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED","details":[{"@type":"x"},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"16.2s"}]}}]"#;
    let long = r#"{"error":{"code":400,"message":"The input token count (9) exceeds the maximum number of tokens allowed (8).","status":"INVALID_ARGUMENT"}}"#;
    let cases = [
        (
            400,
            r#"{"error":{"code":400,"message":"m","status":"INVALID_ARGUMENT"}}"#,
            400,
            "invalid_value",
            None,
        ),
        (400, key, 502, "provider_refused", None),
        (
            400,
            r#"{"error":{"code":400,"message":"m","status":"FAILED_PRECONDITION"}}"#,
            502,
            "provider_refused",
            None,
        ),
        (400, long, 400, "context_length_exceeded", None),
        (401, "", 502, "provider_refused", None),
        (429, quota, 429, "rate_limit_exceeded", Some("17")),
        (
            499,
            r#"{"error":{"code":499,"message":"m","status":"CANCELLED"}}"#,
            502,
            "upstream_error",
            None,
        ),
        (500, "<html>", 502, "upstream_error", None),
        (
            503,
            r#"{"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}"#,
            503,
            "overloaded",
            None,
        ),
        (504, "", 504, "timeout", None),
    ];
    for (status, body, ours, reason, wait) in cases {
        let got = answer(status, body);
        assert_eq!((got.status, got.reason.as_deref()), (ours, Some(reason)), "{body}");
        let header = got.headers.iter().find(|(name, _)| *name == "retry-after");
        assert_eq!(header.map(|(_, value)| value.as_str()), wait, "{body}");
    }
}

#[test]
fn a_blocked_prompt_is_one_refusal() {
    let blocked = json!({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 3}});
    let body: Value = serde_json::from_slice(&answer(200, &blocked.to_string()).body).unwrap();
    let choice = &body["choices"][0];
    assert_eq!(choice["finish_reason"], "content_filter");
    assert_eq!(
        (&choice["message"]["content"], &choice["message"]["refusal"]),
        (&json!(null), &json!("SAFETY"))
    );
    let streamed = String::from_utf8(stream(&[events(&[blocked]).as_bytes()]).body).unwrap();
    assert!(streamed.contains(r#"{"refusal":"SAFETY"}"#) && streamed.contains("content_filter"));
}

#[test]
fn log_probabilities_are_translated() {
    let token =
        |token: &str, probability: f64| json!({"token": token, "logProbability": probability});
    let result = json!({"chosenCandidates": [token("a", -0.5)],
        "topCandidates": [{"candidates": [token("a", -0.5), {"token": "b"}]}]});
    let said = json!({"candidates": [{"content": {"parts": [{"text": "a"}]}, "finishReason": "STOP",
        "logprobsResult": result}]});
    let likely = |token: &str, logprob: f64| json!({"token": token, "logprob": logprob, "bytes": token.as_bytes()});
    let mut first = likely("a", -0.5);
    first["top_logprobs"] = json!([likely("a", -0.5), likely("b", 0.0)]);
    let ours = json!({"content": [first], "refusal": null});
    let body: Value = serde_json::from_slice(&answer(200, &said.to_string()).body).unwrap();
    assert_eq!(body["choices"][0]["logprobs"], ours);
    let streamed = String::from_utf8(stream(&[events(&[said]).as_bytes()]).body).unwrap();
    assert!(streamed.contains(&format!("\"logprobs\":{ours}")), "{streamed}");
}
