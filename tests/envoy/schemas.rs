//! The same exchange in each API schema: a client cannot tell who answers.

use super::claims::*;
use serde_json::{Value, json};
use testkit::client::Answer;
use testkit::envoy::marker;

/// A model, where it is asked in one piece and as a stream, and its name there.
const SCHEMAS: [(&str, [&str; 2], &str); 7] = [
    ("gpt", ["/v1/chat/completions"; 2], "gpt-upstream"),
    ("responses", ["/v1/responses"; 2], "responses-upstream"),
    ("claude", ["/v1/messages"; 2], "claude-upstream"),
    (
        "nova",
        ["/model/nova-upstream/converse", "/model/nova-upstream/converse-stream"],
        "nova-upstream",
    ),
    (
        "gemini",
        [
            "/v1beta/models/gemini-3-upstream:generateContent",
            "/v1beta/models/gemini-3-upstream:streamGenerateContent?alt=sse",
        ],
        "gemini-3-upstream",
    ),
    (
        "vertex-claude",
        [
            "/v1/projects/p/locations/us-east5/publishers/anthropic/models/\
             claude-upstream@20260101:rawPredict",
            "/v1/projects/p/locations/us-east5/publishers/anthropic/models/\
             claude-upstream@20260101:streamRawPredict",
        ],
        "claude-upstream@20260101",
    ),
    (
        "vertex-gemini",
        [
            "/v1/projects/p/locations/us-east5/publishers/google/models/\
             gemini-3-upstream:generateContent",
            "/v1/projects/p/locations/us-east5/publishers/google/models/\
             gemini-3-upstream:streamGenerateContent?alt=sse",
        ],
        "gemini-3-upstream",
    ),
];

#[test]
fn a_text_comes_in_one_piece_or_in_many() {
    for (model, paths, upstream) in SCHEMAS {
        for client in [shared().us(), shared().us().over_http2()] {
            let marker = marker();
            let heard = format!("{upstream} heard: {marker}");
            let answer = client.chat(&chat(model, &marker));
            assert_eq!(answer.status, 200, "{answer:?}");
            let body = answer.json();
            assert_eq!(body["model"], model);
            assert_eq!(body["choices"][0]["message"]["content"], heard);
            assert_eq!(body["choices"][0]["finish_reason"], "stop");
            assert_eq!(body["usage"]["prompt_tokens"], 1, "{body}");
            assert_eq!(body["usage"]["completion_tokens"], 3, "{body}");

            let options = json!({"stream_options": {"include_usage": true}});
            let answer = client.chat(&with(streamed(model, &marker), options));
            let stream = Streamed::read(&answer);
            assert!(stream.done, "{stream:#?}");
            assert_eq!(stream.text(), heard);
            assert_eq!(stream.finish_reason(), Some("stop"));
            assert_eq!(stream.usage(), Some(&body["usage"]), "{model}");
            assert_eq!(answer.header("x-attache-params"), None, "{answer:?}");

            let entries = shared().reached(&marker);
            let asked: Vec<&str> = entries.iter().map(|entry| entry.path.as_str()).collect();
            assert_eq!(asked, paths);
            for entry in entries {
                let version = model.ends_with("claude").then_some(b"2023-06-01".as_slice());
                assert_eq!(entry.header("anthropic-version"), version, "{model}");
            }
        }
    }
}

#[test]
fn vertex_is_asked_where_the_gateway_stands_and_for_no_model_in_the_body() {
    for (client, place) in [(shared().us(), "us-east5"), (shared().eu(), "europe-west4")] {
        for model in ["vertex-claude", "vertex-gemini"] {
            let marker = marker();
            for request in [chat(model, &marker), streamed(model, &marker)] {
                assert_eq!(client.chat(&request).status, 200);
            }
            for entry in shared().reached(&marker) {
                let host = format!("{place}-aiplatform.example");
                assert_eq!(entry.header("host"), Some(host.as_bytes()), "{model}");
                let base = format!("/v1/projects/p/locations/{place}/publishers/");
                assert!(entry.path.starts_with(&base), "{}", entry.path);
                let body = entry.json();
                assert_eq!(body.get("model"), None, "{body}");
                let version = (model == "vertex-claude").then_some("vertex-2023-10-16");
                assert_eq!(body["anthropic_version"].as_str(), version, "{body}");
            }
        }
    }
}

#[test]
fn it_does_not_matter_how_the_bytes_of_any_schema_are_cut() {
    let text = "naïve 日本語 🦀 — and so on";
    for (model, ..) in SCHEMAS {
        for form in ["chunk=1", "chunk=7", "crlf", "ping", "chunk=3 crlf ping", "events=200"] {
            let script = format!("#script text64={} reasoning=Let_me_see {form}", base64(text));
            let stream = Streamed::read(&shared().us().chat(&streamed(model, &script)));
            assert!(stream.done, "{model} {form}");
            assert_eq!(stream.text(), text, "{model} {form}");
            assert_eq!(gathered(&stream)["reasoning_content"], "Let me see", "{model} {form}");
        }
    }
}

#[test]
fn a_round_of_tools_takes_two_turns_and_keeps_what_the_provider_signed() {
    for (model, ..) in SCHEMAS {
        for request in [chat, streamed] {
            let marker = marker();
            let text = format!("{marker} How is the weather? #script reasoning=Let_me_see");
            let more = json!({"tools": [look()], "reasoning_effort": "high"});
            let mut request = with(request(model, &text), more);
            let (message, finish) = turn(&request);
            assert_eq!(finish, "tool_calls", "{model}: {message}");
            assert_eq!(message["reasoning_content"], "Let me see", "{model}: {message}");
            let call = &message["tool_calls"][0];
            assert_eq!(call["function"]["name"], "look", "{model}: {message}");
            let arguments = call["function"]["arguments"].as_str().expect("arguments");
            assert_eq!(arguments.replace(' ', ""), r#"{"location":"Paris"}"#, "{model}");
            let result = json!({"role": "tool", "tool_call_id": call["id"], "content": "sunny"});

            let messages = request["messages"].as_array_mut().expect("messages");
            messages.extend([message, result]);
            let (message, finish) = turn(&request);
            assert_eq!(finish, "stop", "{model}: {message}");
            let heard = message["content"].as_str().expect("a text");
            assert!(heard.contains(&marker), "{model}: {message}");

            let entries = shared().reached(&marker);
            assert_eq!(entries.len(), 2, "{model}");
            assert_second_turn(model, &entries[1].json());
        }
    }
}

/// The call, its result, and what was signed, as the provider gets them back.
#[track_caller]
fn assert_second_turn(model: &str, sent: &Value) {
    match model.trim_start_matches("vertex-") {
        "claude" => {
            let [thought, call] = &sent["messages"][1]["content"].as_array().expect("blocks")[..]
            else {
                panic!("a thought and a call: {sent}");
            };
            assert_eq!(thought["type"], "thinking", "{sent}");
            assert_eq!(thought["thinking"], "Let me see", "{sent}");
            assert!(thought["signature"].as_str().is_some_and(|text| text.len() > 40), "{sent}");
            assert_eq!(call["input"], json!({"location": "Paris"}), "{sent}");
            assert_eq!(sent["messages"][2]["content"][0]["tool_use_id"], call["id"], "{sent}");
        }
        "responses" => {
            let [_, thought, call, result] = &sent["input"].as_array().expect("items")[..] else {
                panic!("a thought, a call and its result: {sent}");
            };
            assert_eq!(thought["type"], "reasoning", "{sent}");
            let encrypted = thought["encrypted_content"].as_str().expect("a text");
            assert!(encrypted.starts_with("gAAAAABzY3JpcHRlZC1"), "{sent}");
            assert_eq!(call["arguments"], r#"{"location":"Paris"}"#, "{sent}");
            assert_eq!(result["call_id"], call["call_id"], "{sent}");
            assert_eq!(sent["reasoning"]["effort"], "high", "{sent}");
            assert_eq!(sent["store"], false, "{sent}");
        }
        "gemini" => {
            let call = &sent["contents"][1]["parts"][0];
            assert_eq!(call["functionCall"]["args"], json!({"location": "Paris"}), "{sent}");
            let signature = call["thoughtSignature"].as_str().expect("a signature");
            assert!(signature.starts_with("CiRzY3JpcHRlZC1zaWduYXR1cmU"), "{sent}");
            let result = &sent["contents"][2]["parts"][0]["functionResponse"];
            assert_eq!(result["id"], call["functionCall"]["id"], "{sent}");
            assert_eq!(result["response"], json!({"output": "sunny"}), "{sent}");
        }
        "nova" => {
            let call = &sent["messages"][1]["content"][0]["toolUse"];
            assert_eq!(call["input"], json!({"location": "Paris"}), "{sent}");
            let result = &sent["messages"][2]["content"][0]["toolResult"];
            assert_eq!(result["toolUseId"], call["toolUseId"], "{sent}");
        }
        _ => {
            let call = &sent["messages"][1]["tool_calls"][0];
            assert_eq!(call["function"]["arguments"], r#"{"location":"Paris"}"#, "{sent}");
            assert_eq!(sent["messages"][2]["tool_call_id"], call["id"], "{sent}");
        }
    }
}

#[test]
fn several_calls_come_apart() {
    for (model, ..) in SCHEMAS {
        for request in [chat, streamed] {
            let request = with(request(model, "#script tools=3"), json!({"tools": [look()]}));
            let (message, finish) = turn(&request);
            assert_eq!(finish, "tool_calls", "{model}");
            let calls = message["tool_calls"].as_array().expect("calls");
            let places: Vec<Value> = calls.iter().map(arguments).collect();
            let expected = ["Paris", "London", "Tokyo"].map(|city| json!({"location": city}));
            assert_eq!(places, expected, "{model}: {message}");
            assert!(calls[0]["id"] != calls[1]["id"] && calls[1]["id"] != calls[2]["id"]);
        }
    }
}

#[test]
fn an_answer_has_the_form_that_was_asked_for() {
    let schema = json!({
        "type": "object",
        "properties": {"city": {"type": "string"}, "degrees": {"type": "integer"}},
        "required": ["city", "degrees"],
        "additionalProperties": false,
    });
    let format = json!({
        "type": "json_schema",
        "json_schema": {"name": "weather", "strict": true, "schema": schema},
    });
    for (model, ..) in SCHEMAS {
        for request in [chat, streamed] {
            let (message, _) =
                turn(&with(request(model, "hi"), json!({"response_format": format})));
            let text = message["content"].as_str().expect("a text");
            let said: Value = serde_json::from_str(text).expect("JSON");
            assert_eq!(keys(&said), ["city", "degrees"].into(), "{model}: {said}");
            assert!(said["city"].is_string() && said["degrees"].is_i64(), "{model}: {said}");
        }
    }
}

#[test]
fn an_error_has_the_same_status_whoever_says_it() {
    let cases = [
        ("status=400", 400, "invalid_value"),
        ("status=401", 502, "provider_refused"),
        ("status=403", 502, "provider_refused"),
        ("status=404", 502, "provider_refused"),
        ("status=429 retry-after=7", 429, "rate_limit_exceeded"),
        ("status=500", 502, "upstream_error"),
        ("status=503", 503, "overloaded"),
        ("status=504", 504, "timeout"),
        ("body=e30", 502, "upstream_error"),
        ("end=0", 502, "upstream_error"),
        ("cut=0", 502, "upstream_error"),
    ];
    for (model, ..) in SCHEMAS {
        for (script, status, code) in cases {
            for request in [chat, streamed] {
                let answer = shared().us().chat(&request(model, &format!("#script {script}")));
                // A connection that ends before the body is Envoy's to tell.
                let code = match answer.json()["error"]["code"].as_str() {
                    Some("upstream_unreachable") if script == "cut=0" => "upstream_unreachable",
                    _ => code,
                };
                assert_error(&answer, status, code);
                let wait = (status == 429).then_some("7");
                assert_eq!(answer.header("retry-after"), wait, "{model} {script}");
            }
        }
    }
    shared().assert_unharmed();
}

#[test]
fn an_error_in_a_stream_is_an_answer_before_content_and_an_event_after() {
    // The provider's own late fault, and how many events it has sent with the first word.
    let cases = [
        ("gpt", 2, 502, "upstream_error"),
        ("responses", 5, 502, "upstream_error"),
        ("claude", 3, 503, "overloaded"),
        ("gemini", 1, 503, "overloaded"),
        ("nova", 2, 503, "overloaded"),
        ("vertex-claude", 3, 503, "overloaded"),
        ("vertex-gemini", 1, 503, "overloaded"),
    ];
    for (model, events, status, code) in cases {
        for form in ["", " ping chunk=5"] {
            let play = |script: String| {
                let script = format!("#script text=one_two_three {script}{form}");
                shared().us().chat(&streamed(model, &script))
            };
            assert_error(&play("error-first".to_owned()), status, code);
            assert_error(&play(format!("error-after={}", events - 1)), status, code);

            let stream = Streamed::read(&play(format!("error-after={events}")));
            assert_eq!(stream.text(), "one ", "{model}");
            assert!(!stream.done && stream.finish_reason().is_none(), "{stream:#?}");
            assert_error_shape(stream.error.as_ref().expect("an error"), status, code);

            let stream = Streamed::read(&play(format!("end={events}")));
            assert_eq!(stream.text(), "one ", "{model}");
            assert!(!stream.done && stream.finish_reason().is_none(), "{stream:#?}");
            assert_error_shape(stream.error.as_ref().expect("an error"), 502, "upstream_error");
        }
    }
    shared().assert_unharmed();
}

/// The message of an answer, and why it ended.
#[track_caller]
fn turn(request: &Value) -> (Value, String) {
    let answer: Answer = shared().us().chat(request);
    assert_eq!(answer.status, 200, "{answer:?}");
    if request["stream"] == true {
        let stream = Streamed::read(&answer);
        assert!(stream.done, "{stream:#?}");
        return (gathered(&stream), stream.finish_reason().expect("a finish").to_owned());
    }
    let mut choice = answer.json()["choices"][0].take();
    (choice["message"].take(), choice["finish_reason"].as_str().expect("a finish").to_owned())
}

/// The message a stream makes, as a client puts it together that keeps what it does not know.
fn gathered(stream: &Streamed) -> Value {
    let mut message = json!({"role": "assistant"});
    let mut texts = [("content", String::new()), ("reasoning_content", String::new())];
    let (mut details, mut calls) = (Vec::new(), Vec::<Value>::new());
    for delta in stream.choices().map(|choice| &choice["delta"]) {
        for (name, text) in &mut texts {
            text.push_str(delta[*name].as_str().unwrap_or_default());
        }
        details.extend(delta["reasoning_details"].as_array().into_iter().flatten().cloned());
        for piece in delta["tool_calls"].as_array().into_iter().flatten() {
            match calls.iter_mut().find(|call| call["index"] == piece["index"]) {
                None => calls.push(piece.clone()),
                Some(call) => {
                    let sofar = call["function"]["arguments"].as_str().unwrap_or_default();
                    let more = piece["function"]["arguments"].as_str().unwrap_or_default();
                    call["function"]["arguments"] = json!(format!("{sofar}{more}"));
                }
            }
        }
    }
    for (name, text) in texts {
        message[name] = json!(text);
    }
    if !details.is_empty() {
        message["reasoning_details"] = json!(details);
    }
    if !calls.is_empty() {
        message["tool_calls"] = json!(calls);
    }
    message
}

fn arguments(call: &Value) -> Value {
    let arguments = call["function"]["arguments"].as_str().expect("a string");
    serde_json::from_str(arguments).expect("JSON")
}

/// A tool with one parameter.
fn look() -> Value {
    let parameters = json!({
        "type": "object",
        "properties": {"location": {"type": "string"}},
        "required": ["location"],
    });
    json!({"type": "function", "function": {"name": "look", "parameters": parameters}})
}
