//! Models that think unless a request disables that.

use super::*;

fn thinking(model: &str, parameters: &Value) -> (Value, Value) {
    let mut request = parameters.clone();
    request["model"] = json!(model);
    let body = sent(&request);
    (body["thinking"].clone(), body["output_config"]["effort"].clone())
}

#[test]
fn the_effort_none_disables_thinking_that_is_on_by_default() {
    let adaptive = json!({"type": "adaptive", "display": "summarized"});
    let disabled = json!({"type": "disabled"});
    let none = json!({"reasoning_effort": "none"});
    let nested = json!({"reasoning": {"effort": "none"}});
    let forced = json!({"tools": [tool("f")], "tool_choice": "required"});
    let mut forced_low = forced.clone();
    forced_low["reasoning_effort"] = json!("low");
    let cases = [
        ("default", &none, (disabled.clone(), json!(null))),
        ("default", &nested, (disabled, json!(null))),
        ("default", &json!({}), (json!(null), json!(null))),
        ("default", &forced, (json!(null), json!(null))),
        ("default", &json!({"reasoning_effort": "low"}), (adaptive.clone(), json!("low"))),
        ("default", &forced_low, (adaptive, json!("low"))),
        ("level", &none, (json!(null), json!(null))),
        ("level", &nested, (json!(null), json!(null))),
        ("level", &forced_low, (json!(null), json!(null))),
    ];
    for (model, request, expected) in cases {
        assert_eq!(thinking(model, request), expected, "{model} {request}");
    }
}

#[test]
fn a_request_with_tools_does_not_think() {
    let disabled = (json!({"type": "disabled"}), json!(null));
    let cases = [
        (json!({}), "clamped=reasoning_effort:none"),
        (json!({"reasoning_effort": "none", "temperature": 0.5}), ""),
        (json!({"reasoning_effort": "high", "temperature": 0.5}), "clamped=reasoning_effort:none"),
        (
            json!({"reasoning": {"max_tokens": 2000}, "max_tokens": 3000}),
            "dropped=reasoning.max_tokens; clamped=reasoning_effort:none",
        ),
    ];
    for (mut request, expected) in cases {
        request["tools"] = json!([tool("f")]);
        let model = "tools_without_thinking";
        assert_eq!(thinking(model, &request), disabled, "{request}");
        request["model"] = json!(model);
        assert_eq!(sent(&request).get("temperature"), request.get("temperature"), "{request}");
        let (mut attempt, _) = ask(&request).unwrap();
        let (_, report, _) = receive(&mut attempt, head(200, ""), &[&message(&json!({}))]);
        assert_eq!(report, expected, "{request}");
    }
}
