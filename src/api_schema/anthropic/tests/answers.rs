use super::*;

/// Status and body of what a client gets for an answer in one piece.
fn answered(status: u16, body: &[u8]) -> (u16, Value) {
    let (mut attempt, _) = ask(&json!({})).unwrap();
    let (status, _, body) = receive(&mut attempt, head(status, "application/json"), &[body]);
    (status, serde_json::from_slice(&body).unwrap())
}

fn choice(fields: &Value) -> Value {
    let (status, answer) = answered(200, &message(fields));
    assert_eq!(status, 200, "{answer}");
    answer["choices"][0].clone()
}

#[test]
fn blocks_become_content_calls_and_reasoning() {
    let text = |text: &str| json!({"type": "text", "text": text});
    let call = json!({"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": [1, "é"]}});
    let called = json!([{"id": "toolu_1", "type": "function",
        "function": {"name": "f", "arguments": "{\"a\":[1,\"é\"]}"}}]);
    let cases = [
        (json!([]), json!({"content": ""})),
        (json!([text("a"), text(""), text("b\n")]), json!({"content": "ab\n"})),
        (json!([text("a"), call]), json!({"content": "a", "tool_calls": called})),
        (json!([text(""), call]), json!({"content": null, "tool_calls": called})),
        (
            json!([{"type": "thinking", "thinking": "t", "signature": "s"}, {"type": "redacted_thinking", "data": "d"}, text("a")]),
            json!({"content": "a", "reasoning_content": "t", "reasoning_details": [
                {"type": "reasoning.text", "index": 0, "text": "t", "signature": "s", "format": "anthropic-claude-v1"},
                {"type": "reasoning.encrypted", "index": 1, "data": "d", "format": "anthropic-claude-v1"},
            ]}),
        ),
        (
            json!([{"type": "thinking", "thinking": "", "signature": "s"}, text("a")]),
            json!({"content": "a", "reasoning_details": [
                {"type": "reasoning.text", "index": 0, "text": "", "signature": "s", "format": "anthropic-claude-v1"},
            ]}),
        ),
        (
            json!([{"type": "server_tool_use", "id": "x", "name": "web_search", "input": {}},
                {"type": "web_search_tool_result", "content": []}, {"type": "text_of_the_future", "text": {}}, text("a")]),
            json!({"content": "a"}),
        ),
    ];
    for (content, expected) in cases {
        let mut said = choice(&json!({"content": content}))["message"].clone();
        let said = said.as_object_mut().unwrap();
        said.retain(|key, _| key != "role" && key != "refusal");
        assert_eq!(Value::Object(said.clone()), expected, "{content}");
    }
}

#[test]
fn every_reason_to_stop_means_one_of_openais() {
    let call = json!([{"type": "tool_use", "id": "t", "name": "f", "input": {}}]);
    let text = json!([{"type": "text", "text": "a"}]);
    let cases = [
        ("end_turn", &text, "stop"),
        ("stop_sequence", &text, "stop"),
        ("pause_turn", &text, "stop"),
        ("tool_use", &call, "tool_calls"),
        ("end_turn", &call, "tool_calls"),
        ("max_tokens", &text, "length"),
        ("max_tokens", &call, "length"),
        ("model_context_window_exceeded", &text, "length"),
        ("compaction", &text, "length"),
        ("refusal", &text, "content_filter"),
        ("what_comes_next_year", &text, "stop"),
    ];
    for (reason, content, finish) in cases {
        let choice = choice(&json!({"content": content, "stop_reason": reason}));
        assert_eq!(choice["finish_reason"], finish, "{reason}");
        assert_eq!(choice["native_finish_reason"], reason);
    }
    assert_eq!(choice(&json!({"stop_reason": null}))["finish_reason"], "stop");
}

#[test]
fn a_call_that_cannot_be_made_is_no_answer() {
    let cases = [
        json!({"content": [{"type": "tool_use", "id": "", "name": "", "input": {}}]}),
        json!({"content": [{"type": "tool_use", "id": "a", "name": "f", "input": [1]}]}),
        json!({"content": [{"type": "text", "text": "a"}], "stop_reason": "tool_use"}),
    ];
    for fields in cases {
        let (status, answer) = answered(200, &message(&fields));
        assert_eq!((status, &answer["error"]["code"]), (502, &json!("upstream_error")), "{fields}");
    }
}

#[test]
fn a_refusal_says_why_and_keeps_what_was_said() {
    let details = json!({"type": "refusal", "category": "cyber", "explanation": "Too risky."});
    let cases = [
        (json!({"stop_reason": "refusal", "stop_details": details}), json!("Too risky."), "Hello."),
        (json!({"stop_reason": "refusal", "content": []}), json!(null), ""),
        (json!({"stop_reason": "refusal", "stop_details": "odd"}), json!(null), "Hello."),
        (json!({"stop_reason": "end_turn", "stop_details": details}), json!(null), "Hello."),
    ];
    for (fields, refusal, content) in cases {
        let choice = choice(&fields);
        assert_eq!(choice["message"]["refusal"], refusal, "{fields}");
        assert_eq!(choice["message"]["content"], content, "{fields}");
    }
}

#[test]
fn the_prompt_is_what_was_new_and_what_the_cache_gave_and_took() {
    let cases = [
        (json!({"input_tokens": 12, "output_tokens": 7}), [12, 7, 19, 0, 0]),
        (
            json!({"input_tokens": 1, "cache_read_input_tokens": 20, "cache_creation_input_tokens": 300,
                "output_tokens": 7, "output_tokens_details": {"thinking_tokens": 5}}),
            [321, 7, 328, 20, 5],
        ),
        (
            json!({"input_tokens": null, "output_tokens": 7, "output_tokens_details": null}),
            [0, 7, 7, 0, 0],
        ),
    ];
    for (usage, [prompt, completion, total, cached, reasoning]) in cases {
        let (_, answer) = answered(200, &message(&json!({"usage": usage})));
        let got = &answer["usage"];
        assert_eq!(got["prompt_tokens"], prompt, "{usage}");
        assert_eq!(got["completion_tokens"], completion, "{usage}");
        assert_eq!(got["total_tokens"], total, "{usage}");
        assert_eq!(got["prompt_tokens_details"]["cached_tokens"], cached, "{usage}");
        assert_eq!(got["completion_tokens_details"]["reasoning_tokens"], reasoning, "{usage}");
    }
}

#[test]
fn every_error_has_its_status_hidden_in_a_200_or_not() {
    let cases = [
        (400, "invalid_request_error", 400),
        (401, "authentication_error", 502),
        (402, "billing_error", 502),
        (403, "permission_error", 502),
        (404, "not_found_error", 502),
        (413, "request_too_large", 413),
        (429, "rate_limit_error", 429),
        (500, "api_error", 502),
        (504, "timeout_error", 504),
        (529, "overloaded_error", 503),
    ];
    for (theirs, kind, ours) in cases {
        let body =
            json!({"type": "error", "error": {"type": kind, "message": "m"}, "request_id": "r"});
        let body = serde_json::to_vec(&body).unwrap();
        assert_eq!(answered(theirs, &body).0, ours, "{kind}");
        assert_eq!(answered(200, &body).0, ours, "{kind} in a 200");
    }
    let too_long = json!({"error": {"type": "invalid_request_error",
        "message": "input length and `max_tokens` exceed context limit: 199999 + 9 > 200000"}});
    let (status, error) = answered(400, &serde_json::to_vec(&too_long).unwrap());
    assert_eq!((status, &error["error"]["code"]), (400, &json!("context_length_exceeded")));
    let poor = json!({"error": {"type": "invalid_request_error",
        "message": "Your credit balance is too low to access the Anthropic API."}});
    assert_eq!(answered(400, &serde_json::to_vec(&poor).unwrap()).0, 502);
}

#[test]
fn an_answer_that_makes_no_sense_is_a_502() {
    for body in [
        "",
        "{",
        "[]",
        "1",
        "{}",
        r#"{"content":null}"#,
        r#"{"content":"a"}"#,
        r#"{"content":[1]}"#,
    ] {
        assert_eq!(answered(200, body.as_bytes()).0, 502, "{body}");
    }
}
