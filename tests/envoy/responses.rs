//! The Responses API as a way in: the same models, for clients of OpenAI's newer API.

use super::claims::*;
use serde_json::{Value, json};
use testkit::client::{Answer, Request};
use testkit::envoy::marker;
use testkit::play;

/// The models of the gateway, one for each API schema, with the provider's name of each.
const MODELS: [(&str, &str); 3] =
    [("gpt", "gpt-upstream"), ("claude", "claude-upstream"), ("gemini", "gemini-3-upstream")];

/// A request with one text, in one attempt.
fn response(model: &str, text: &str) -> Value {
    json!({"model": model, "input": text, "store": false, "fallback_config": {"retry": false}})
}

fn send(body: &Value) -> Answer {
    shared().us().send(Request::chat(body.to_string()).at("/v1/responses"))
}

/// The events of a stream, which must be legal.
fn events(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let events: Vec<Value> =
        answer.events().iter().map(|data| serde_json::from_str(data).expect("JSON")).collect();
    play::assert_response_events(&events);
    events
}

#[test]
fn every_schema_answers_in_one_piece_and_as_a_stream() {
    for (model, upstream) in MODELS {
        let marker = marker();
        let heard = format!("{upstream} heard: {marker}");
        let answer = send(&response(model, &marker));
        assert_eq!(answer.status, 200, "{answer:?}");
        let body = answer.json();
        assert_eq!((&body["object"], &body["model"]), (&json!("response"), &json!(model)));
        assert_eq!((&body["status"], &body["store"]), (&json!("completed"), &json!(false)));
        assert_eq!(body["output"][0]["content"][0]["text"], heard, "{body}");
        assert_eq!(body["usage"]["output_tokens"], 3, "{body}");
        assert_request_id(&answer);
        assert!(answer.header("x-ratelimit-remaining").is_some(), "{answer:?}");

        let answer = send(&with(response(model, &marker), json!({"stream": true})));
        let events = events(&answer);
        assert_eq!(events[0]["type"], "response.created");
        let deltas = events.iter().filter(|event| event["type"] == "response.output_text.delta");
        let text: String = deltas.filter_map(|event| event["delta"].as_str()).collect();
        assert_eq!(text, heard, "{events:#?}");
        let last = events.last().expect("an event");
        assert_eq!(last["type"], "response.completed");
        assert_eq!(last["response"]["usage"]["output_tokens"], 3, "{last}");
    }
}

#[test]
fn a_call_goes_out_and_its_result_comes_back_in_both_lanes() {
    let tool = json!({"type": "function", "name": "look", "strict": false,
        "parameters": {"type": "object", "properties": {"location": {"type": "string"}}}});
    for (model, _) in MODELS {
        for stream in [false, true] {
            let text = format!("{} #script reasoning=hm tools=1", marker());
            let mut asked = with(
                response(model, &text),
                json!({"stream": stream, "tools": [tool], "reasoning": {"effort": "high"},
                    "include": ["reasoning.encrypted_content"]}),
            );
            let answer = send(&asked);
            let first = match stream {
                true => events(&answer).pop().expect("an event")["response"].take(),
                false => answer.json(),
            };
            let output = first["output"].as_array().expect("items").clone();
            let call = output.last().expect("a call");
            assert_eq!((&call["type"], &call["name"]), (&json!("function_call"), &json!("look")));
            let arguments = call["arguments"].as_str().expect("arguments");
            assert!(serde_json::from_str::<Value>(arguments).is_ok(), "{call}");
            let result = json!({"type": "function_call_output", "call_id": call["call_id"],
                "output": "sunny"});
            let mut input = vec![json!({"role": "user", "content": text})];
            input.extend(output);
            input.push(result);
            asked["input"] = Value::Array(input);
            let answer = send(&asked);
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    }
}

#[test]
fn a_fallback_answers_in_both_lanes() {
    for stream in [false, true] {
        let marker = marker();
        let body = with(
            response("claude", &format!("{marker} #script status=529")),
            json!({"stream": stream, "fallbacks": [{"model": "gpt", "input": marker}]}),
        );
        let answer = send(&body);
        assert_eq!(answer.status, 200, "{answer:?}");
        let body = match stream {
            true => events(&answer).pop().expect("an event")["response"].take(),
            false => answer.json(),
        };
        assert_eq!((&body["model"], &body["status"]), (&json!("gpt"), &json!("completed")));
        let attempts = answer.header("x-attache-attempts").unwrap_or_default();
        assert!(
            attempts.starts_with("claude=503/") && attempts.contains(" gpt=200/"),
            "{attempts}"
        );
    }
}

#[test]
fn errors_have_the_shape_of_openais_api_whoever_finds_them() {
    let body = response("gpt", "hi");
    let request = Request::chat(body.to_string()).at("/v1/responses");
    let answer = shared().us().without_key().send(request);
    assert_eq!(answer.status, 401, "{answer:?}");
    play::assert_error_shape(&answer.json(), 401, "invalid_api_key");
    let answer = send(&with(body, json!({"previous_response_id": "resp_1"})));
    assert_eq!(answer.status, 400, "{answer:?}");
    play::assert_error_shape(&answer.json(), 400, "unsupported_parameter");
    assert_eq!(answer.json()["error"]["param"], "previous_response_id");
    let unreachable = response("gpt", &format!("{} #script reset", marker()));
    assert_eq!(send(&unreachable).status, 502);
}

#[test]
fn a_stream_that_breaks_off_fails() {
    for (model, _) in MODELS {
        let text = format!("{} #script text=a_b_c_d_e_f_g error-after=5", marker());
        let answer = send(&with(response(model, &text), json!({"stream": true})));
        let events = events(&answer);
        let kinds: Vec<_> = events.iter().filter_map(|event| event["type"].as_str()).collect();
        assert!(kinds.ends_with(&["error", "response.failed"]), "{kinds:?}");
    }
}
