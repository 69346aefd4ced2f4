//! Models that do not reason in an answer to a request with tools.

use super::*;

fn tools() -> Value {
    json!([{"type": "function", "function": {"name": "f"}}])
}

#[test]
fn a_request_with_tools_is_sent_with_the_effort_none() {
    let model = json!({"effort_with_tools": "none_only"});
    let cases = [
        (json!({"reasoning_effort": "none"}), ""),
        (json!({"reasoning_effort": "high"}), "clamped=reasoning_effort:none"),
        (json!({"reasoning_effort": "xhigh", "stream": true}), "clamped=reasoning_effort:none"),
        (json!({"reasoning": {"effort": "low"}}), "clamped=reasoning:none"),
        (json!({"reasoning": {"effort": "none"}}), ""),
        (
            json!({"reasoning": {"max_tokens": 2000}}),
            "dropped=reasoning.max_tokens; clamped=reasoning_effort:none",
        ),
        (
            json!({"reasoning": {"effort": "high", "max_tokens": 2000}}),
            "dropped=reasoning.max_tokens; clamped=reasoning:none",
        ),
        (
            json!({"tool_choice": "none", "reasoning_effort": "low"}),
            "clamped=reasoning_effort:none",
        ),
        // The provider's default effort is not `none`.
        (json!({}), "clamped=reasoning_effort:none"),
    ];
    for (mut request, expected) in cases {
        request["tools"] = tools();
        let (body, report) = sent(&model, &request);
        assert_eq!((&body["reasoning_effort"], &*report), (&json!("none"), expected), "{request}");
        assert_eq!(body.get("reasoning"), None, "{request}");
        assert_eq!(body["tools"][0]["function"]["name"], "f", "{request}");
    }
}

#[test]
fn a_model_that_does_not_reason_by_default_gets_the_effort_without_a_report() {
    let model = json!({"effort_with_tools": "none_only", "default_reasoning_effort": "none"});
    let (body, report) = sent(&model, &json!({"tools": tools()}));
    assert_eq!((&body["reasoning_effort"], &*report), (&json!("none"), ""));
}

#[test]
fn sampling_parameters_are_sent_with_the_effort_none() {
    let request = json!({"tools": tools(), "reasoning_effort": "high", "temperature": 0.2});
    let (body, report) = sent(&json!({"effort_with_tools": "none_only"}), &request);
    assert_eq!((&body["temperature"], &*report), (&json!(0.2), "clamped=reasoning_effort:none"));
    let (body, report) = sent(&json!({}), &request);
    assert_eq!((body.get("temperature"), &*report), (None, "dropped=temperature"));
}

#[test]
fn other_requests_keep_their_effort() {
    let (none_only, any) = (json!({"effort_with_tools": "none_only"}), json!({}));
    let cases = [
        (&none_only, json!({"reasoning_effort": "low"})),
        (&none_only, json!({"reasoning_effort": "low", "tools": []})),
        (&any, json!({"reasoning_effort": "low", "tools": tools()})),
    ];
    for (model, request) in cases {
        let (body, report) = sent(model, &request);
        assert_eq!((&body["reasoning_effort"], &*report), (&json!("low"), ""), "{request}");
    }
    let (body, report) = sent(&any, &json!({"tools": tools()}));
    assert_eq!((body.get("reasoning_effort"), &*report), (None, ""));
}
