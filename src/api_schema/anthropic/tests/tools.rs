use super::*;

#[test]
fn tools_and_the_choice_among_them() {
    let nothing = json!({"type": "object", "properties": {}});
    let tools = json!([tool("f"), tool("g")]);
    let declared = |name: &str| json!({"name": name, "input_schema": nothing});
    let choice = |choice: Value, expected: Value| {
        (json!({"tools": tools, "tool_choice": choice}), json!({"tool_choice": expected}))
    };
    let allowed = |mode: &str| json!({"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": [tool("g"), {"type": "function", "name": "z"}]}});
    check(&[
        (
            json!({"tools": tools}),
            json!({"tools": [declared("f"), declared("g")], "tool_choice": null}),
        ),
        choice(json!("auto"), json!({"type": "auto"})),
        choice(json!("none"), json!({"type": "none"})),
        choice(json!("required"), json!({"type": "any"})),
        choice(tool("g"), json!({"type": "tool", "name": "g"})),
        (
            json!({"tools": tools, "tool_choice": allowed("required")}),
            json!({"tools": [declared("g")], "tool_choice": {"type": "any"}}),
        ),
        (
            json!({"tools": tools, "tool_choice": allowed("auto"), "parallel_tool_calls": false}),
            json!({"tools": [declared("g")], "tool_choice": {"type": "auto", "disable_parallel_tool_use": true}}),
        ),
        (
            json!({"tools": tools, "parallel_tool_calls": false}),
            json!({"tool_choice": {"type": "auto", "disable_parallel_tool_use": true}}),
        ),
        (json!({"tools": tools, "parallel_tool_calls": true}), json!({"tool_choice": null})),
        (
            json!({"tools": tools, "tool_choice": "none", "parallel_tool_calls": false}),
            json!({"tool_choice": {"type": "none"}}),
        ),
        (json!({"tools": [], "tool_choice": "auto"}), json!({"tools": null, "tool_choice": null})),
        (
            json!({"messages": [{"role": "assistant", "tool_calls": [call("a", "f.x", "{}"), call("b", "f.x", "{}")]}]}),
            json!({"tools": [declared("f_x")], "tool_choice": {"type": "none"}}),
        ),
        (
            json!({"tools": [{"type": "function", "function": {"name": "f", "description": "", "parameters": null},
                "cache_control": {"type": "ephemeral"}}]}),
            json!({"tools": [{"name": "f", "input_schema": nothing, "cache_control": {"type": "ephemeral"}}]}),
        ),
    ]);
}

#[test]
fn names_that_cannot_be_go_there_and_back() {
    let parameters = json!({"tools": [tool("a.b"), tool("a_b")], "tool_choice": tool("a.b")});
    let body = sent(&parameters);
    assert_eq!(body["tools"][0]["name"], "a_b_2");
    assert_eq!(body["tools"][1]["name"], "a_b");
    assert_eq!(body["tool_choice"], json!({"type": "tool", "name": "a_b_2"}));
    let (mut attempt, _) = ask(&parameters).unwrap();
    let calls =
        json!({"content": [tool_use("t", "a_b_2", &json!({})), tool_use("u", "a_b", &json!({}))]});
    let (_, _, answer) = receive(&mut attempt, head(200, ""), &[&message(&calls)]);
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    let calls = &answer["choices"][0]["message"]["tool_calls"];
    assert_eq!(calls[0]["function"]["name"], "a.b");
    assert_eq!(calls[1]["function"]["name"], "a_b");
}

#[test]
fn thinking_and_what_goes_with_it() {
    let tools = json!([tool("f")]);
    let adaptive = json!({"type": "adaptive", "display": "summarized"});
    let budget = |tokens: u32| json!({"type": "enabled", "budget_tokens": tokens});
    check(&[
        (
            json!({"reasoning_effort": "high"}),
            json!({"thinking": adaptive, "output_config": {"effort": "high"}}),
        ),
        (json!({"reasoning_effort": "none"}), json!({"thinking": null, "output_config": null})),
        (json!({}), json!({"thinking": null, "output_config": null})),
        (
            json!({"reasoning_effort": "low", "tools": tools, "tool_choice": "required", "temperature": 0.5}),
            json!({"thinking": null, "output_config": null, "temperature": 0.5}),
        ),
        (
            json!({"reasoning_effort": "low", "temperature": 0.5, "top_k": 3}),
            json!({"thinking": adaptive, "temperature": null, "top_k": null}),
        ),
        (
            json!({"reasoning": {"max_tokens": 2000}, "max_tokens": 3000, "top_p": 0.5}),
            json!({"thinking": budget(2000), "output_config": null, "top_p": null}),
        ),
        (
            json!({"reasoning": {"max_tokens": 5}, "max_tokens": 3000}),
            json!({"thinking": budget(1024)}),
        ),
        (
            json!({"reasoning": {"max_tokens": 5000}, "max_tokens": 3000}),
            json!({"thinking": budget(2999)}),
        ),
        (json!({"reasoning": {"max_tokens": 5000}, "max_tokens": 1024}), json!({"thinking": null})),
        (
            json!({"model": "budget", "reasoning_effort": "high", "max_tokens": 5000}),
            json!({"thinking": budget(4096), "output_config": null}),
        ),
        (
            json!({"model": "budget", "reasoning_effort": "high", "max_tokens": 3000}),
            json!({"thinking": budget(2048)}),
        ),
        (
            json!({"model": "budget", "reasoning_effort": "high", "max_tokens": 1000, "temperature": 0.1}),
            json!({"thinking": null, "temperature": 0.1}),
        ),
    ]);
}

#[test]
fn thoughts_come_back_while_the_model_thinks() {
    let details = json!([
        {"type": "reasoning.text", "index": 0, "text": "t", "signature": "s", "format": "anthropic-claude-v1"},
        {"type": "reasoning.encrypted", "index": 1, "data": "d", "format": "anthropic-claude-v1"},
    ]);
    let messages = |details: &Value| {
        json!([{"role": "user", "content": "w?"},
            {"role": "assistant", "content": "a", "reasoning_content": "t", "reasoning_details": details,
                "tool_calls": [call("a", "f", "{}")]},
            {"role": "tool", "tool_call_id": "a", "content": "1"}])
    };
    let said = [text("a"), tool_use("a", "f", &json!({}))];
    let thought = [
        json!({"type": "thinking", "thinking": "t", "signature": "s"}),
        json!({"type": "redacted_thinking", "data": "d"}),
    ];
    let turns = |blocks: &[Value]| {
        json!([user(&[text("w?")]), assistant(blocks), user(&[result("a", "1")])])
    };
    let with = |model: &str, effort: &str, details: &Value| {
        json!({"model": model, "reasoning_effort": effort, "max_tokens": 2000, "messages": messages(details),
            "tools": [tool("f")]})
    };
    let all = [&thought[..], &said[..]].concat();
    let enabled = json!({"type": "enabled", "budget_tokens": 1024});
    check(&[
        (with("budget", "low", &details), json!({"messages": turns(&all), "thinking": enabled})),
        (with("budget", "none", &details), json!({"messages": turns(&said), "thinking": null})),
        // A turn that lost its thoughts, or has another provider's.
        (with("budget", "low", &json!(null)), json!({"messages": turns(&said), "thinking": null})),
        (
            with("budget", "low", &json!([{"type": "reasoning.text", "text": "t"}])),
            json!({"thinking": null}),
        ),
        (
            with("level", "low", &json!(null)),
            json!({"messages": turns(&said), "thinking": {"type": "adaptive", "display": "summarized"}}),
        ),
    ]);
}
