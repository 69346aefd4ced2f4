//! Models that refuse a conversation whose last turn is the model's.

use serde_json::{Value, json};

use super::{NEW, USER_LAST, attempt_in, head, receive, sent};
use crate::region::Region;

fn says(role: &str, content: &str) -> Value {
    json!({"role": role, "content": content})
}

fn call() -> Value {
    json!({"role": "assistant", "content": null, "tool_calls": [
        {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}},
    ]})
}

fn result() -> Value {
    json!({"role": "tool", "tool_call_id": "c", "content": "21"})
}

/// Returns the last turn of the contents, and the value of `x-attache-params`.
fn last_turn(model: &str, messages: &Value) -> (Value, String) {
    let request = json!({"messages": messages});
    let (mut attempt, outgoing) = attempt_in(Region::Us, model, &request).unwrap();
    let body: Value = serde_json::from_slice(&outgoing.body).unwrap();
    let reply = receive(
        &mut attempt,
        head(200, "application/json"),
        &[br#"{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}]}"#],
    );
    let report = reply.headers.iter().find(|(name, _)| *name == "x-attache-params");
    let report = report.map(|(_, value)| value.clone());
    (body["contents"].as_array().unwrap().last().unwrap().clone(), report.unwrap_or_default())
}

#[test]
fn the_user_continues_a_conversation_that_the_model_ends() {
    let user = |text: &str| json!({"role": "user", "parts": [{"text": text}]});
    let (hi, filler) = (says("user", "Hi"), says("assistant", "One second."));
    let refusal = json!({"role": "assistant", "content": null, "refusal": "No."});
    let blank = json!({"role": "user", "content": [{"type": "text", "text": ""}]});
    let cases = [
        (json!([hi, filler]), user("Continue."), "emulated=prefill"),
        (json!([says("system", "Be brief."), hi, filler]), user("Continue."), "emulated=prefill"),
        (json!([hi, call(), result(), filler]), user("Continue."), "emulated=prefill"),
        (json!([hi, filler, says("assistant", "")]), user("Continue."), "emulated=prefill"),
        (json!([hi, filler, says("system", "")]), user("Continue."), "emulated=prefill"),
        (json!([hi, refusal]), user("Continue."), "emulated=prefill"),
        (json!([filler]), user("Continue."), "emulated=prefill"),
        (json!([hi, filler, says("user", "")]), user("."), ""),
        (json!([hi, filler, blank]), user("."), ""),
        (json!([hi, call(), result(), filler, says("user", "")]), user("."), ""),
        (json!([hi, filler, says("system", "Be brief.")]), user("Be brief."), ""),
        (json!([hi, says("assistant", "")]), user("Hi"), ""),
        (json!([hi, filler, hi, says("user", "")]), user("Hi"), ""),
    ];
    for (messages, turn, report) in cases {
        assert_eq!(last_turn(USER_LAST, &messages), (turn, report.to_owned()), "{messages}");
    }
}

#[test]
fn other_models_continue_their_own_turn() {
    let model = json!({"role": "model", "parts": [{"text": "One second."}]});
    let (hi, filler) = (says("user", "Hi"), says("assistant", "One second."));
    for messages in [json!([hi, filler]), json!([hi, filler, says("user", "")])] {
        assert_eq!(last_turn(NEW, &messages), (model.clone(), String::new()), "{messages}");
    }
}

#[test]
fn a_request_with_tools_does_not_reason() {
    let tools = json!([{"type": "function", "function": {"name": "f"}}]);
    for effort in ["none", "low", "high"] {
        let request = json!({"tools": tools, "reasoning_effort": effort});
        let level = |model| sent(model, &request)["generationConfig"]["thinkingConfig"].clone();
        assert_eq!(level(USER_LAST)["thinkingLevel"], "MINIMAL", "{effort}");
        let expected = if effort == "none" { "MINIMAL" } else { &effort.to_uppercase() };
        assert_eq!(level(NEW)["thinkingLevel"], expected, "{effort}");
    }
}

#[test]
fn every_short_conversation_ends_in_a_turn_of_the_user() {
    let kinds = [
        says("user", "u"),
        says("user", ""),
        says("assistant", "a"),
        says("assistant", ""),
        says("system", "s"),
        call(),
        result(),
    ];
    let mut conversations = vec![Vec::new()];
    for _ in 0..3 {
        let longer = conversations.iter().flat_map(|messages: &Vec<Value>| {
            kinds.iter().map(|kind| messages.iter().chain([kind]).cloned().collect())
        });
        conversations = longer.collect();
        for messages in &conversations {
            let request = json!({"messages": messages});
            // A result without its call is refused.
            let Ok((_, outgoing)) = attempt_in(Region::Us, USER_LAST, &request) else { continue };
            let body: Value = serde_json::from_slice(&outgoing.body).unwrap();
            let turn = body["contents"].as_array().unwrap().last().unwrap();
            assert_eq!(turn["role"], "user", "{request}");
        }
    }
}
