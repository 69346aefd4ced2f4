//! Models that refuse a conversation that ends with an assistant message.

use super::*;

/// Returns the messages after those of the request, and the report.
fn added(fields: &Value, messages: &Value) -> (Value, String) {
    let (body, report) = sent(fields, &json!({"messages": messages}));
    let own = messages.as_array().unwrap().len();
    let all = body["messages"].as_array().unwrap();
    (all.get(own..).unwrap().into(), report)
}

#[test]
fn the_user_continues_a_conversation_that_the_assistant_ends() {
    let says = |role: &str, content: &str| json!({"role": role, "content": content});
    let user = |content: &str| json!([{"role": "user", "content": content}]);
    let (hi, filler) = (says("user", "Hi"), says("assistant", "One second."));
    let call = json!({"role": "assistant", "content": null, "tool_calls": [
        {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}},
    ]});
    let result = json!({"role": "tool", "tool_call_id": "c", "content": "21"});
    let continued = (user("Continue."), "emulated=prefill".to_owned());
    let silent = (user("."), String::new());
    let unchanged = (json!([]), String::new());
    let cases = [
        (json!([hi, filler]), &continued),
        (json!([hi, filler, filler]), &continued),
        (json!([hi, call, result, filler]), &continued),
        (json!([hi, filler, says("system", "Be brief.")]), &continued),
        (json!([hi, says("assistant", "")]), &continued),
        (json!([hi, filler, says("user", "")]), &silent),
        (json!([hi, filler, says("user", " "), says("user", "\n")]), &silent),
        (json!([hi, filler, {"role": "user", "content": [{"type": "text", "text": ""}]}]), &silent),
        (json!([hi]), &unchanged),
        (json!([says("user", "")]), &unchanged),
        (json!([hi, filler, hi]), &unchanged),
        (json!([hi, filler, hi, says("user", "")]), &unchanged),
        (json!([hi, call, result]), &unchanged),
        (json!([says("system", "Be brief.")]), &unchanged),
    ];
    for (messages, expected) in cases {
        assert_eq!(added(&json!({"prefill": false}), &messages), *expected, "{messages}");
        for accepts in [json!({}), json!({"prefill": true})] {
            assert_eq!(added(&accepts, &messages), unchanged, "{messages}");
        }
    }
}
