//! Answers in one piece: the shape of the API, field by field.

use super::claims::*;
use hyper::header::HeaderName;
use serde_json::{Value, json};
use std::time::SystemTime;
use testkit::client::Request;
use testkit::envoy::marker;

#[test]
fn an_answer_has_every_field_of_the_api_and_no_other() {
    let answer = shared().us().chat(&with(
        chat("gpt", &format!("{} #script text=Good_day head-delay=30", marker())),
        json!({"temperature": 0.5}),
    ));
    assert_eq!(answer.status, 200, "{answer:?}");
    let request_id = assert_request_id(&answer);
    let mut body = answer.json();
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let created = body["created"].as_u64().expect("whole seconds");
    assert!((now - 60..=now).contains(&created), "{created} is not now, {now}");
    let response_time = body["response_time"].as_u64().expect("whole nanoseconds");
    assert!((30_000_000..30_000_000_000).contains(&response_time), "{response_time} ns");
    body["created"].take();
    body["response_time"].take();
    let expected = json!({
        "id": format!("chatcmpl-{}", request_id.replace('-', "")),
        "object": "chat.completion",
        "created": null,
        "model": "gpt",
        "request_id": request_id,
        "choices": [{
            "index": 0,
            "message": {
                "role": "assistant", "content": "Good day", "refusal": null, "annotations": [],
            },
            "logprobs": null,
            "finish_reason": "stop",
            "native_finish_reason": "stop",
        }],
        "usage": {
            "prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6,
            "input_tokens": 4, "output_tokens": 2,
            "prompt_tokens_details": {
                "cached_tokens": 0, "audio_tokens": 0, "cache_write_tokens": 0,
            },
            "completion_tokens_details": {
                "reasoning_tokens": 0, "audio_tokens": 0,
                "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
            },
        },
        "system_fingerprint": "fp_5c0de0a11a",
        "service_tier": "default",
        "request": {"model": "gpt", "max_tokens": 1000, "temperature": 0.5},
        "http_status_code": 200,
        "llm_status_code": 200,
        "response_time": null,
    });
    assert_eq!(body, expected, "{answer:?}");
}

#[test]
fn an_answer_carries_our_headers_and_none_of_the_providers() {
    let script = "#script header=set-cookie:a=b header=x-should-retry:true \
                  header=x-request-id:theirs header=x-attache-region:mars header=x-secret:s";
    for client in [shared().us(), shared().us().over_http2()] {
        let answer = client.chat(&chat("gpt", script));
        assert_eq!(answer.status, 200, "{answer:?}");
        let names: Vec<&str> = answer.headers.keys().map(HeaderName::as_str).collect();
        let ours = [
            "content-type",
            "content-length",
            "date",
            "server",
            "x-request-id",
            "x-attache-region",
            "x-attache-attempts",
            "x-envoy-upstream-service-time",
        ];
        let foreign: Vec<_> = names
            .iter()
            .filter(|name| !ours.contains(name) && !name.starts_with("x-ratelimit-"))
            .collect();
        assert!(foreign.is_empty(), "{foreign:?} in {answer:?}");
        assert_ne!(answer.header("x-ratelimit-remaining-requests"), Some("9999"), "{answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let length = answer.body.len().to_string();
        assert_eq!(answer.header("content-length"), Some(length.as_str()));
        assert_eq!(answer.header("x-attache-region"), Some("us"));
        assert_eq!(answer.header("server"), Some("attache"));
        let attempts = answer.header("x-attache-attempts").expect("attempts");
        let took = attempts.strip_prefix("gpt=200/").and_then(|rest| rest.strip_suffix("ms"));
        assert!(took.is_some_and(|ms| ms.parse::<u32>().is_ok()), "{attempts}");
        assert_eq!(answer.json()["request_id"], assert_request_id(&answer));
    }
}

#[test]
fn every_request_has_an_id_of_its_own_that_no_client_chooses() {
    let chosen = "00000000-0000-4000-8000-000000000000";
    let request = |text| Request::chat(chat("gpt", text).to_string());
    let first = shared().us().send(request("one").header("x-request-id", chosen));
    let second = shared().us().send(request("two").header("x-request-id", "not-a-uuid"));
    let ids = [&first, &second].map(assert_request_id);
    assert_ne!(ids[0], ids[1]);
    assert!(!ids.contains(&chosen.to_owned()), "{ids:?}");
    assert_eq!(first.json()["request_id"], ids[0]);
}

#[test]
fn the_reason_for_the_finish_is_openais_and_the_providers_own_beside_it() {
    let cases = [
        ("stop", "stop"),
        ("length", "length"),
        ("max_tokens", "length"),
        ("content_filter", "content_filter"),
        ("eos", "stop"),
    ];
    for (theirs, ours) in cases {
        let answer = shared().us().chat(&chat("gpt", &format!("#script finish={theirs}")));
        let choice = &answer.json()["choices"][0];
        assert_eq!(choice["finish_reason"], ours, "{theirs}");
        assert_eq!(choice["native_finish_reason"], theirs);
    }
}

#[test]
fn thoughts_come_beside_the_text() {
    let answer = shared().us().chat(&chat("gpt", "#script reasoning=Let_me_see text=Yes"));
    let body = answer.json();
    assert_eq!(body["choices"][0]["message"]["reasoning_content"], "Let me see", "{answer:?}");
    assert_eq!(body["choices"][0]["message"]["content"], "Yes");
    assert_eq!(body["usage"]["completion_tokens_details"]["reasoning_tokens"], 3);
}

#[test]
fn an_empty_answer_is_an_empty_text() {
    let answer = shared().us().chat(&chat("gpt", "#script empty"));
    assert_eq!(answer.json()["choices"][0]["message"]["content"], "", "{answer:?}");
}

#[test]
fn tool_calls_come_in_the_message() {
    for (script, names) in [("tool", vec!["look"]), ("tools=2", vec!["look", "ask"])] {
        let answer = shared().us().chat(&with(
            chat("gpt", &format!("#script {script}")),
            json!({"tools": [tool("look"), tool("ask")]}),
        ));
        assert_eq!(answer.status, 200, "{answer:?}");
        let choice = &answer.json()["choices"][0];
        assert_eq!(choice["finish_reason"], "tool_calls", "{script}");
        assert!(choice["message"]["content"].is_null(), "{choice}");
        let calls = choice["message"]["tool_calls"].as_array().expect("calls");
        let called: Vec<&Value> = calls.iter().map(|call| &call["function"]["name"]).collect();
        assert_eq!(called, names, "{script}");
        for call in calls {
            assert_eq!(call["type"], "function");
            assert!(call["id"].as_str().is_some_and(|id| id.starts_with("call_")), "{call}");
            let arguments = call["function"]["arguments"].as_str().expect("a string");
            let arguments: Value = serde_json::from_str(arguments).expect("JSON");
            assert!(arguments["location"].is_string(), "{call}");
        }
    }
}

#[test]
fn a_model_is_found_whatever_its_case_and_answers_under_its_own_name() {
    let answer = shared().us().chat(&chat("GPT", "hello"));
    let body = answer.json();
    assert_eq!((&body["model"], &body["request"]["model"]), (&json!("gpt"), &json!("gpt")));
}

#[test]
fn text_of_any_script_passes_unharmed() {
    let text = "naïve 日本語 🦀 \u{0} \"quoted\" \\ \u{2028} end";
    let script = format!("#script text64={}", base64(text));
    for client in [shared().us(), shared().us().over_http2()] {
        let answer = client.chat(&chat("gpt", &script));
        assert_eq!(answer.json()["choices"][0]["message"]["content"], text);
        let answer = client.chat(&streamed("gpt", &script));
        assert_eq!(Streamed::read(&answer).text(), text);
    }
}

#[test]
fn an_answer_of_16_megabytes_passes() {
    let gateway = large();
    let answer = gateway.us().chat(&chat("gpt", "#script size=16777216"));
    let content = &answer.json()["choices"][0]["message"]["content"];
    assert_eq!(content.as_str().map(str::len), Some(16 << 20));
    gateway.assert_unharmed();
}

#[test]
fn the_limit_of_requests_is_none_of_answers() {
    let gateway = narrow();
    let answer = gateway.us().chat(&chat("gpt", "#script size=2000000"));
    let content = &answer.json()["choices"][0]["message"]["content"];
    assert_eq!(content.as_str().map(str::len), Some(2_000_000));
    let answer = gateway.us().chat(&streamed("gpt", "#script size=2000000 events=1"));
    assert_eq!(Streamed::read(&answer).text().len(), 2_000_000);
    gateway.assert_unharmed();
}

#[test]
fn an_answer_of_40_megabytes_is_refused() {
    let gateway = large();
    let answer = gateway.us().chat(&chat("gpt", "#script size=41943040"));
    let error = assert_error(&answer, 502, "upstream_error");
    assert!(error["message"].as_str().unwrap().contains("longer than 32 MiB"), "{error}");
    gateway.assert_unharmed();
}

/// A tool without parameters.
pub fn tool(name: &str) -> Value {
    json!({"type": "function", "function": {"name": name, "parameters": {"type": "object"}}})
}
