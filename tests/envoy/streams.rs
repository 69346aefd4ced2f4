//! Streams: the shape of every one, and what becomes of those that go wrong.

use super::answers::tool;
use super::claims::*;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use testkit::client::{Answer, Client, Request};
use testkit::envoy::marker;

/// Asks for a stream with a script.
fn play(script: &str) -> Answer {
    shared().us().chat(&streamed("gpt", &format!("#script {script}")))
}

#[test]
fn a_stream_is_the_answer_in_pieces() {
    let text = format!("{} hello", marker());
    for client in [shared().us(), shared().us().over_http2()] {
        let answer = client.chat(&streamed("gpt", &text));
        let stream = Streamed::read(&answer);
        assert!(stream.done, "{stream:#?}");
        assert_eq!(stream.text(), format!("gpt-upstream heard: {text}"));
        assert_eq!(stream.finish_reason(), Some("stop"));
        assert_eq!(stream.usage(), None);
        assert_eq!(stream.chunks[0]["model"], "gpt");
        let id = format!("chatcmpl-{}", assert_request_id(&answer).replace('-', ""));
        assert_eq!(stream.chunks[0]["id"], id);
        assert_eq!(answer.header("x-attache-region"), Some("us"));
        assert!(
            answer.header("x-attache-attempts").is_some_and(|told| told.starts_with("gpt=200/"))
        );
        assert_eq!(answer.header("x-attache-params"), None);
        assert_eq!(answer.header("openai-version"), None, "{answer:?}");
    }
    for entry in shared().reached(&text) {
        assert_eq!(entry.header("accept"), Some(b"text/event-stream".as_slice()));
        assert_eq!(entry.json()["stream"], true);
    }
}

#[test]
fn usage_comes_if_and_only_if_it_was_asked_for() {
    for (options, expected) in [
        (json!({"include_usage": true}), true),
        (json!({"include_usage": false}), false),
        (json!({}), false),
        (Value::Null, false),
    ] {
        for model in ["gpt", "oss"] {
            let request = with(streamed(model, "hi"), json!({"stream_options": options}));
            let stream = Streamed::read(&shared().us().chat(&request));
            assert!(stream.done);
            assert_eq!(stream.usage().is_some(), expected, "{model} {options}: {stream:#?}");
            if let Some(usage) = stream.usage() {
                assert_eq!(usage["prompt_tokens"], 1);
                assert_eq!(usage["input_tokens"], 1);
            }
        }
    }
}

#[test]
fn a_model_that_does_not_stream_is_streamed_all_the_same() {
    let marker = marker();
    let answer = shared().us().chat(&streamed("oss", &marker));
    let stream = Streamed::read(&answer);
    assert!(stream.done);
    assert_eq!(stream.text(), format!("openai/gpt-oss-120b heard: {marker}"));
    assert_eq!(stream.finish_reason(), Some("stop"));
    assert_eq!(answer.header("x-attache-params"), Some("emulated=stream"));
    let entry = shared().reached_once(&marker);
    assert!(entry.json().get("stream").is_none());
    assert_eq!(entry.header("accept"), Some(b"application/json".as_slice()));

    let request = with(streamed("oss", "#script tool"), json!({"tools": [tool("look")]}));
    let stream = Streamed::read(&shared().us().chat(&request));
    assert_calls(&stream, &["look"]);
}

#[test]
fn a_provider_that_answers_in_one_piece_is_streamed_all_the_same() {
    let whole = json!({"choices": [{"message": {"content": "Yes"}, "finish_reason": "stop"}]});
    let stream = Streamed::read(&play(&format!("body={}", base64(whole.to_string()))));
    assert_eq!((stream.text().as_str(), stream.finish_reason()), ("Yes", Some("stop")));
    assert!(stream.done);
}

#[test]
fn tool_calls_are_streamed_by_the_rules() {
    for (script, names) in [("tool", &["look"][..]), ("tools=3", &["look", "ask", "look"])] {
        let tools = json!({"tools": [tool("look"), tool("ask")]});
        let request = with(streamed("gpt", &format!("#script {script}")), tools);
        assert_calls(&Streamed::read(&shared().us().chat(&request)), names);
    }
}

/// Id, type and name once, in the first delta of each call, and the arguments in pieces.
#[track_caller]
fn assert_calls(stream: &Streamed, names: &[&str]) {
    assert!(stream.done, "{stream:#?}");
    assert_eq!(stream.finish_reason(), Some("tool_calls"), "{stream:#?}");
    let mut arguments: Vec<String> = Vec::new();
    let deltas = stream.choices().filter_map(|choice| choice["delta"]["tool_calls"].as_array());
    for call in deltas.flatten() {
        let index = usize::try_from(call["index"].as_u64().expect("an index")).unwrap();
        if index == arguments.len() {
            assert_eq!(keys(call), ["function", "id", "index", "type"].into(), "{call}");
            assert_eq!(call["type"], "function");
            assert_eq!(call["function"], json!({"name": names[index], "arguments": ""}));
            assert!(call["id"].as_str().is_some_and(|id| !id.is_empty()), "{call}");
            arguments.push(String::new());
        } else {
            assert_eq!(keys(call), ["function", "index"].into(), "{call}");
            assert_eq!(keys(&call["function"]), ["arguments"].into(), "{call}");
            arguments[index].push_str(call["function"]["arguments"].as_str().unwrap());
        }
    }
    assert_eq!(arguments.len(), names.len(), "{stream:#?}");
    for text in arguments {
        let parsed: Value = serde_json::from_str(&text).expect("arguments are JSON");
        assert!(parsed["location"].is_string(), "{text}");
    }
}

#[test]
fn thoughts_are_streamed_before_the_text() {
    let stream = Streamed::read(&play("reasoning=Let_me_see text=Yes"));
    let thoughts: String = stream
        .choices()
        .filter_map(|choice| choice["delta"]["reasoning_content"].as_str())
        .collect();
    assert_eq!((thoughts.as_str(), stream.text().as_str()), ("Let me see", "Yes"));
}

#[test]
fn it_does_not_matter_how_the_bytes_are_cut() {
    let text = "naïve 日本語 🦀 — and so on";
    let forms =
        ["chunk=1", "chunk=7", "crlf", "ping", "chunk=1 crlf", "chunk=3 crlf ping", "events=200"];
    for form in forms {
        let stream = Streamed::read(&play(&format!("text64={} {form}", base64(text))));
        assert!(stream.done, "{form}");
        assert_eq!(stream.text(), text, "{form}");
        assert_eq!(stream.finish_reason(), Some("stop"), "{form}");
    }
}

#[test]
fn a_delta_leaves_when_it_came() {
    for client in [shared().us(), shared().us().over_http2()] {
        assert_prompt("deltas", || are_apart(&client));
    }
}

/// Returns whether the deltas of a slow stream came one by one, before the provider had finished.
fn are_apart(client: &Client) -> bool {
    let marker = marker();
    let text = format!("{marker} #script text=one_two_three_four delay=200");
    let started = Instant::now();
    let mut answer = client.open(Request::chat(streamed("gpt", &text).to_string()));
    assert_eq!(answer.status, 200);
    let mut came = Vec::new();
    while let Some(event) = answer.next_event() {
        let finished = shared().reached_once(&marker).finished;
        came.push((event, started.elapsed(), finished));
    }
    let last = came.len() - 1;
    assert_eq!(came[last].0, "[DONE]");
    let contents: Vec<_> = came
        .iter()
        .filter(|(event, ..)| event.contains("\"content\":\"t") || event.contains("four"))
        .collect();
    assert_eq!(contents.len(), 3, "{came:#?}");
    let apart = |pair: &[&(String, Duration, bool)]| pair[1].1 - pair[0].1;
    let early = came.iter().filter(|(_, _, finished)| !finished).count();
    early >= 4 && contents.windows(2).all(|pair| apart(pair) > Duration::from_millis(100))
}

#[test]
fn a_client_that_leaves_ends_the_providers_work() {
    let marker = marker();
    let text = format!("{marker} #script events=40 delay=50");
    let mut answer = shared().us().open(Request::chat(streamed("gpt", &text).to_string()));
    assert!(answer.next_event().is_some());
    drop(answer);
    std::thread::sleep(Duration::from_millis(2500));
    assert!(!shared().reached_once(&marker).finished, "the provider went on");
    shared().assert_unharmed();
}

#[test]
fn an_error_before_the_first_content_is_an_answer_with_its_true_status() {
    let coded = |code: Value| {
        let event = json!({"error": {"message": "m", "code": code}});
        format!("sse={}", base64(format!(": hello\n\ndata: {event}\n\n")))
    };
    let cases = [
        ("error-first".to_owned(), 502, "upstream_error"),
        ("error-first ping chunk=5".to_owned(), 502, "upstream_error"),
        ("error-after=1".to_owned(), 502, "upstream_error"),
        (coded(json!(429)), 429, "rate_limit_exceeded"),
        (coded(json!("503")), 503, "overloaded"),
        (coded(json!(401)), 502, "provider_refused"),
        (coded(json!("context_length_exceeded")), 400, "context_length_exceeded"),
        (format!("sse={}", base64("data: [DONE]\n\n")), 502, "upstream_error"),
        (format!("sse={}", base64("data: nonsense\n\n")), 502, "upstream_error"),
        (format!("sse={}", base64("")), 502, "upstream_error"),
        ("end=0".to_owned(), 502, "upstream_error"),
        ("end=1".to_owned(), 502, "upstream_error"),
    ];
    for (script, status, code) in cases {
        let answer = play(&script);
        assert_eq!(answer.status, status, "{script}: {answer:?}");
        assert_error(&answer, status, code);
    }
    shared().assert_unharmed();
}

#[test]
fn a_stream_that_breaks_before_the_first_content_is_an_error() {
    for script in ["cut=0", "cut=1", "reset"] {
        let answer = play(script);
        assert_eq!(answer.status, 502, "{script}: {answer:?}");
        let code = answer.json()["error"]["code"].as_str().unwrap_or_default().to_owned();
        assert!(["upstream_error", "upstream_unreachable"].contains(&code.as_str()), "{script}");
        assert_error(&answer, 502, &code);
    }
    shared().assert_unharmed();
}

#[test]
fn an_error_after_content_is_the_last_event() {
    let nonsense = "data: {\"choices\":[{\"delta\":{\"content\":\"one \"}}]}\n\ndata: nonsense\n\n\
                    data: [DONE]\n\n";
    let cases = [
        "text=one_two_three error-after=2".to_owned(),
        "text=one_two_three error-after=2 chunk=1 crlf".to_owned(),
        "text=one_two_three end=2".to_owned(),
        format!("sse={}", base64(nonsense)),
    ];
    for script in cases {
        let answer = play(&script);
        assert!(!answer.broken, "{script}: {answer:?}");
        let stream = Streamed::read(&answer);
        assert_eq!(stream.text(), "one ", "{script}");
        assert!(!stream.done, "{script}: {stream:#?}");
        assert_eq!(stream.finish_reason(), None, "{script}: {stream:#?}");
        let error = stream.error.unwrap_or_else(|| panic!("no error event for {script}"));
        assert_error_shape(&error, 502, "upstream_error");
    }
    shared().assert_unharmed();
}

#[test]
fn a_stream_that_is_cut_never_looks_complete() {
    for client in [shared().us(), shared().us().over_http2()] {
        let answer = client.chat(&streamed("gpt", "#script text=one_two_three cut=3"));
        assert_eq!(answer.status, 200, "{answer:?}");
        let text = answer.text();
        assert!(!text.contains("[DONE]") && !text.contains("\"stop\""), "{answer:?}");
        assert!(answer.broken || text.contains("\"error\""), "a quiet end: {answer:?}");
    }
    shared().assert_unharmed();
}

#[test]
fn a_finish_without_done_is_complete() {
    let stream = Streamed::read(&play("text=one_two end=4"));
    assert_eq!((stream.text().as_str(), stream.finish_reason()), ("one two", Some("stop")));
    assert!(stream.done && stream.error.is_none(), "{stream:#?}");
}

#[test]
fn what_comes_after_the_end_is_not_passed_on() {
    let chunk =
        json!({"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": "stop"}]});
    let late = json!({"choices": [{"index": 0, "delta": {"content": "late"}}]});
    let sse = format!("data: {chunk}\n\ndata: {late}\n\ndata: [DONE]\n\ndata: {late}\n\n: bye\n\n");
    let stream = Streamed::read(&play(&format!("sse={} delay=20", base64(sse))));
    assert_eq!(stream.text(), "a");
    assert!(stream.done);
}

#[test]
fn an_event_of_3_megabytes_passes_and_one_of_5_does_not() {
    let stream = Streamed::read(&play("size=3000000 events=1"));
    assert_eq!(stream.text().len(), 3_000_000);
    assert!(stream.done);
    assert_error(&play("size=5000000 events=1"), 502, "upstream_error");
    assert_error(&play("endless=6000000"), 502, "upstream_error");
    shared().assert_unharmed();
}

#[test]
fn a_stream_may_be_longer_than_any_buffer() {
    let gateway = large();
    let answer = gateway.us().chat(&streamed("gpt", "#script size=40000000 events=600"));
    let stream = Streamed::read(&answer);
    assert_eq!(stream.text().len(), 40_000_000);
    assert!(stream.done);
    gateway.assert_unharmed();
}
