//! What becomes of a request on its way to a provider.

use super::answers::tool;
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

/// The same for messages instead of parameters. The marker goes with them.
#[track_caller]
fn told(model: &str, mut messages: Value) -> Value {
    let marker = marker();
    let list = messages.as_array_mut().expect("messages");
    list.push(json!({"role": "user", "content": marker}));
    let answer = shared().us().chat(&json!({"model": model, "messages": messages}));
    assert_eq!(answer.status, 200, "{answer:?}");
    let mut told = shared().reached_once(&marker).json()["messages"].take();
    told.as_array_mut().expect("messages").pop();
    told
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
fn a_prompt_is_a_message_of_the_user() {
    let marker = marker();
    let answer = shared().us().chat(&json!({"model": "gpt", "prompt": marker}));
    assert_eq!(answer.status, 200, "{answer:?}");
    let expected = json!([{"role": "user", "content": marker}]);
    assert_eq!(shared().reached_once(&marker).json()["messages"], expected);
}

#[test]
fn the_newer_name_of_the_limit_wins() {
    let cases = [
        (json!({}), 1000),
        (json!({"max_tokens": 7}), 7),
        (json!({"max_completion_tokens": 8}), 8),
        (json!({"max_tokens": 7, "max_completion_tokens": 8}), 8),
        (json!({"max_tokens": 7, "max_completion_tokens": null}), 7),
    ];
    for (more, limit) in cases {
        let (answer, entry) = sent("gpt", more.clone());
        assert_eq!(entry.json()["max_completion_tokens"], limit, "{more}");
        assert!(entry.json().get("max_tokens").is_none(), "{more}");
        assert_eq!(answer.json()["request"], json!({"model": "gpt", "max_tokens": limit}));
        assert_eq!(answer.header("x-attache-params"), None, "{more}");
    }
}

#[test]
fn what_is_too_much_for_a_model_is_clamped_and_reported() {
    let cases = [
        (
            "gpt",
            json!({"max_tokens": 99_999}),
            "max_completion_tokens",
            json!(4096),
            "max_tokens:4096",
        ),
        ("kimi", json!({"temperature": 1.5}), "temperature", json!(1), "temperature:1"),
        ("oss", json!({"max_tokens": 1}), "max_completion_tokens", json!(16), "max_tokens:16"),
        (
            "qwen",
            json!({"reasoning_effort": "max"}),
            "reasoning_effort",
            json!("high"),
            "reasoning_effort:high",
        ),
    ];
    for (model, more, key, value, report) in cases {
        let (answer, entry) = sent(model, more.clone());
        assert_eq!(entry.json()[key], value, "{model} {more}");
        let expected = format!("clamped={report}");
        assert_eq!(answer.header("x-attache-params"), Some(expected.as_str()), "{model} {more}");
    }
    let (answer, _) = sent("kimi", json!({"temperature": 1.5}));
    assert_eq!(answer.json()["request"]["temperature"], 1);
}

#[test]
fn what_a_model_does_not_take_is_dropped_and_reported() {
    let more = json!({"seed": 7, "logit_bias": {"1": 1}, "frobnicate": {"a": [1]}, "store": true});
    let (answer, entry) = sent("gpt", more);
    let report = answer.header("x-attache-params");
    assert_eq!(report, Some("dropped=seed,logit_bias,store,frobnicate"));
    assert_eq!(keys(&entry.json()), ["max_completion_tokens", "messages", "model"].into());
    let (answer, _) = sent("gpt", json!({"fallback_config": {"depth": 0, "dept": 1}}));
    assert_eq!(answer.header("x-attache-params"), Some("dropped=fallback_config.dept"));
    // Qwen takes a temperature only while it does not think, and it thinks unless told otherwise.
    let (answer, entry) = sent("qwen", json!({"temperature": 0.5}));
    assert_eq!(answer.header("x-attache-params"), Some("dropped=temperature"));
    assert!(entry.json().get("temperature").is_none());
    let (answer, entry) = sent("qwen", json!({"temperature": 0.5, "reasoning_effort": "none"}));
    assert_eq!(answer.header("x-attache-params"), None);
    assert_eq!(entry.json()["temperature"], 0.5);
}

#[test]
fn names_of_unknown_keys_cannot_forge_the_report() {
    let (answer, _) = sent("gpt", json!({"a; clamped=b": 1, "c\r\nx-evil: 1": 2, "ü": 3, "d": 4}));
    assert_eq!(answer.header("x-attache-params"), Some("dropped=d,+3"));
    assert_eq!(answer.header("x-evil"), None);
}

#[test]
fn null_is_as_good_as_absent() {
    let names = [
        "prompt",
        "max_tokens",
        "temperature",
        "top_p",
        "n",
        "stop",
        "seed",
        "logprobs",
        "tools",
        "tool_choice",
        "response_format",
        "stream",
        "stream_options",
        "user",
        "reasoning_effort",
        "fallbacks",
        "model_region",
        "metadata",
    ];
    let nulls = names.iter().map(|name| ((*name).to_owned(), Value::Null)).collect();
    let (answer, entry) = sent("gpt", Value::Object(nulls));
    assert_eq!(answer.header("x-attache-params"), None);
    assert_eq!(keys(&entry.json()), ["max_completion_tokens", "messages", "model"].into());
}

#[test]
fn what_a_model_takes_reaches_it_as_it_was() {
    let more = json!({
        "temperature": 0.25, "top_p": 0.5, "n": 2, "stop": ["a", "b"], "logprobs": true,
        "top_logprobs": 3, "user": "u", "parallel_tool_calls": false,
        "tools": [{"type": "function", "function": {
            "name": "look", "description": "d", "strict": true,
            "parameters": {"type": "object", "properties": {"z": {"type": "string"}, "a": {}}},
        }}],
        "tool_choice": {"type": "function", "function": {"name": "look"}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
    });
    let (answer, entry) = sent("gpt", more.clone());
    assert_eq!(answer.header("x-attache-params"), None);
    let body = entry.json();
    for (name, value) in more.as_object().unwrap() {
        assert_eq!(body[name], *value, "{name}");
        assert_eq!(answer.json()["request"][name], *value, "{name}");
    }
    // A model writes the members of an object in the order of its schema.
    let text = String::from_utf8(entry.body).unwrap();
    assert!(text.find("\"z\":") < text.find("\"a\":{}"), "{text}");
}

#[test]
fn a_whole_conversation_with_tools_reaches_the_provider() {
    let messages = json!([
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": "Be kind."},
        {"role": "user", "name": "Ada", "content": [{"type": "text", "text": "The weather in "}, {"type": "text", "text": "Paris?"}]},
        {"role": "assistant", "content": null, "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{\"location\":\"Paris\"}"}},
        ]},
        {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
        {"role": "assistant", "content": "It is sunny."},
    ]);
    assert_eq!(told("gpt", messages.clone()), messages);
    let in_its_own_way = json!([
        {"role": "system", "content": "Be brief."},
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Ada: The weather in Paris?"},
        {"role": "assistant", "content": null, "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{\"location\":\"Paris\"}"}},
        ], "reasoning_content": " "},
        {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
        {"role": "assistant", "content": "It is sunny."},
    ]);
    assert_eq!(told("kimi", messages), in_its_own_way);
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
fn what_changes_the_meaning_is_refused_by_models_that_lack_it() {
    let image = json!([{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]);
    let cases = [
        ("kimi", json!({"tools": [tool("a")], "tool_choice": "required"}), "tool_choice"),
        ("kimi", json!({"n": 2}), "n"),
        ("kimi", json!({"logprobs": true}), "logprobs"),
        (
            "kimi",
            json!({"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}}}),
            "response_format",
        ),
        ("oss", json!({"response_format": {"type": "json_object"}}), "response_format"),
        ("qwen", json!({"tools": [tool("a")]}), "tools"),
        ("gpt", json!({"modalities": ["text", "audio"]}), "modalities"),
    ];
    for (model, more, param) in cases {
        let marker = marker();
        let answer = shared().us().chat(&with(chat(model, &marker), more));
        let body = assert_error(&answer, 400, "unsupported_parameter");
        assert_eq!(body["message"], "invalid request body");
        assert_eq!(body["error"]["param"], param, "{model}");
        let expected = json!([format!("model {model} does not support {param}")]);
        assert_eq!(body["metadata"]["errors"], expected);
        assert!(shared().reached(&marker).is_empty(), "{model} {param}");
    }
    let message = json!([{"role": "user", "content": image}]);
    let answer = shared().us().chat(&json!({"model": "kimi", "messages": message}));
    let body = assert_error(&answer, 400, "unsupported_parameter");
    assert_eq!(body["error"]["param"], "messages[0].content[0]");
    assert!(body["error"]["message"].as_str().unwrap().contains("model kimi"), "{body}");
    assert_eq!(told("gpt", message.clone()), message);
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
