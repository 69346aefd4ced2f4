//! Answers and streams in which the model has stopped and said nothing: failed attempts, which the
//! client gets as they are if no other follows.

use attache::{attempt::Step, region::Region};
use serde_json::{Value, json};

use testkit::play;

const GPT: &str = "gpt-4.1";
const CLAUDE: &str = "claude-sonnet-4-6";
const GEMINI: &str = "gemini-2.5-flash";
const RESPONSES: &str = "gpt-5.5";

fn message(message: &Value, finish: &str) -> Value {
    json!({"choices": [{"index": 0, "message": message, "finish_reason": finish}]})
}

fn chunk(delta: &Value, finish: Option<&str>) -> Value {
    json!({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
}

fn candidate(parts: &Value, finish: &str) -> Value {
    json!({"candidates": [{"content": {"parts": parts}, "finishReason": finish}],
        "usageMetadata": {"promptTokenCount": 5}})
}

fn claude(content: &Value, stop: &str) -> Value {
    json!({"content": content, "stop_reason": stop, "usage": {"input_tokens": 5}})
}

fn response(output: &Value) -> Value {
    json!({"status": "completed", "output": output, "usage": {"input_tokens": 5}})
}

fn output_text(text: &str) -> Value {
    json!({"type": "message", "content": [{"type": "output_text", "text": text}]})
}

/// The last event of a stream.
fn ended(status: &str, details: Value) -> Value {
    let response = json!({"status": status, "output": [], "incomplete_details": details});
    json!({"type": format!("response.{status}"), "response": response})
}

#[test]
fn an_answer_that_says_nothing_is_reported_and_passed_on() {
    let cases = [
        (GPT, message(&json!({"content": ""}), "stop")),
        (GPT, message(&json!({"content": null, "tool_calls": []}), "stop")),
        (GPT, message(&json!({"content": [], "refusal": ""}), "eos")),
        (CLAUDE, claude(&json!([]), "end_turn")),
        (CLAUDE, claude(&json!([{"type": "text", "text": ""}]), "end_turn")),
        (CLAUDE, claude(&json!([{"type": "redacted_thinking", "data": "x"}]), "stop_sequence")),
        (GEMINI, candidate(&json!([]), "STOP")),
        (GEMINI, candidate(&json!([{"text": "", "thoughtSignature": "c2ln"}]), "STOP")),
        (GEMINI, json!({"candidates": [{"content": {}, "finishReason": "STOP"}]})),
        (RESPONSES, response(&json!([]))),
        (RESPONSES, response(&json!([output_text("")]))),
        (RESPONSES, response(&json!([{"type": "reasoning", "encrypted_content": "x"}]))),
    ];
    for (model, said) in cases {
        let got = play::answer(model, &said);
        assert_eq!((got.status, got.reason.as_deref()), (200, Some("empty_answer")), "{said}");
        let body: Value = serde_json::from_slice(&got.body).unwrap();
        let choice = &body["choices"][0];
        assert_eq!(choice["finish_reason"], "stop", "{said}");
        assert!(choice["message"]["content"].as_str().is_none_or(str::is_empty), "{said}");
    }
}

#[test]
fn a_stream_that_says_nothing_is_reported_and_passed_on() {
    let usage = json!({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 0}});
    let start = json!({"type": "message_start", "message": {"usage": {"input_tokens": 5}}});
    let stop = |reason: &str| json!({"type": "message_delta", "delta": {"stop_reason": reason}});
    let block = json!({"type": "content_block_start", "index": 0,
        "content_block": {"type": "text", "text": ""}});
    let end = json!({"type": "message_stop"});
    let done = json!("data: [DONE]\n\n");
    let role = json!({"role": "assistant", "content": ""});
    let cases = [
        (GPT, json!([chunk(&role, None), chunk(&json!({}), Some("stop")), usage, done])),
        (GPT, json!([chunk(&role, Some("stop")), done])),
        (GPT, json!([chunk(&json!({"content": null, "tool_calls": []}), Some("stop"))])),
        (CLAUDE, json!([start, stop("end_turn"), end])),
        (CLAUDE, json!([start, block, stop("stop_sequence"), end])),
        (CLAUDE, json!([start, end])),
        (GEMINI, json!([candidate(&json!([{"text": ""}]), "STOP")])),
        (GEMINI, json!([candidate(&json!([{"text": "", "thoughtSignature": "c2ln"}]), "STOP")])),
        (GEMINI, json!([{"candidates": [{"content": {}}]}, candidate(&json!([]), "STOP")])),
        (RESPONSES, json!([ended("completed", Value::Null)])),
        (
            RESPONSES,
            json!([{"type": "response.output_text.delta", "delta": ""},
            ended("completed", Value::Null)]),
        ),
    ];
    for (model, said) in cases {
        let got = play::stream(model, &said);
        assert_eq!((got.status, got.reason.as_deref()), (200, Some("empty_answer")), "{said}");
        let mut events = play::events(&got.body);
        assert_eq!(events.pop(), Some(json!("[DONE]")), "{said}");
        let finish = &events.last().unwrap()["choices"][0]["finish_reason"];
        assert_eq!(finish, "stop", "{said}");
    }
}

#[test]
fn an_end_with_another_reason_or_with_thoughts_says_something() {
    let thinking = json!([{"type": "thinking", "thinking": "Hm", "signature": "s"}]);
    let cases = [
        // The reasoning has used the whole budget.
        (GPT, message(&json!({"content": ""}), "length")),
        (GPT, message(&json!({"content": ""}), "content_filter")),
        (GPT, message(&json!({"content": "", "reasoning_content": "Hm"}), "stop")),
        (GPT, message(&json!({"content": null, "refusal": "no"}), "stop")),
        (CLAUDE, claude(&json!([]), "max_tokens")),
        (CLAUDE, claude(&json!([]), "refusal")),
        (CLAUDE, claude(&thinking, "end_turn")),
        (GEMINI, candidate(&json!([]), "MAX_TOKENS")),
        (GEMINI, candidate(&json!([]), "SAFETY")),
        (GEMINI, candidate(&json!([{"text": "Hm", "thought": true}]), "STOP")),
        (RESPONSES, json!({"status": "incomplete", "output": []})),
        (RESPONSES, response(&json!([{"type": "reasoning", "summary": [{"text": "Hm"}]}]))),
    ];
    for (model, said) in cases {
        let got = play::answer(model, &said);
        assert_eq!((got.status, got.reason), (200, None), "{said}");
    }
    let streams = [
        (GPT, json!([chunk(&json!({"content": ""}), Some("length"))])),
        (GPT, json!([chunk(&json!({"reasoning": "Hm"}), None), chunk(&json!({}), Some("stop"))])),
        (GEMINI, json!([candidate(&json!([]), "MAX_TOKENS")])),
        (RESPONSES, json!([ended("incomplete", json!({"reason": "max_output_tokens"}))])),
        (
            RESPONSES,
            json!([{"type": "response.reasoning_text.delta", "delta": "Hm"},
            ended("completed", Value::Null)]),
        ),
    ];
    for (model, said) in streams {
        let got = play::stream(model, &said);
        assert_eq!((got.status, got.reason), (200, None), "{said}");
    }
}

#[test]
fn one_choice_of_several_may_say_nothing() {
    let choices = json!([
        {"index": 0, "message": {"content": ""}, "finish_reason": "stop"},
        {"index": 1, "message": {"content": "Hi"}, "finish_reason": "stop"},
    ]);
    let got = play::answer(GPT, &json!({"choices": choices}));
    assert_eq!((got.status, got.reason), (200, None));
    let second = json!({"choices": [{"index": 1, "delta": {"content": "Hi"}}]});
    let end = json!({"choices": [{"index": 1, "delta": {}, "finish_reason": "stop"}]});
    let got = play::stream(GPT, &json!([chunk(&json!({}), Some("stop")), second, end]));
    assert_eq!((got.status, got.reason.as_deref()), (200, None));
    assert_eq!(play::events(&got.body).len(), 6);
}

#[test]
fn a_stream_is_held_until_content_comes_and_no_longer() {
    let gateway = play::gateway(Region::Us);
    let request = play::request(&json!({"stream": true}));
    let (mut attempt, ..) = play::ask(&gateway, &request).unwrap();
    attempt.head(play::stream_head());
    let mut say =
        |chunk: Value| attempt.body(format!("data: {chunk}\n\n").as_bytes(), false, play::answered);
    assert_eq!(say(chunk(&json!({"role": "assistant", "content": ""}), None)), Step::Hold);
    assert_eq!(say(json!({"choices": [{"delta": {}, "finish_reason": "stop"}]})), Step::Hold);
    let other = json!({"choices": [{"index": 1, "delta": {"content": "Hi"}}]});
    assert!(matches!(say(other), Step::Begin(_)));
}
