use super::*;

/// Messages of a client and the turns they become.
fn check_turns(cases: &[(Value, Value)]) {
    let cases: Vec<_> = cases
        .iter()
        .map(|(messages, turns)| (json!({"messages": messages}), json!({"messages": turns})))
        .collect();
    check(&cases);
}

#[test]
fn instructions_stand_at_the_top_or_where_they_came() {
    let system = |text| json!({"role": "system", "content": text});
    let hi = json!({"role": "user", "content": "Hi"});
    check(&[
        (json!({"messages": [hi]}), json!({"system": null, "messages": [user(&[text("Hi")])]})),
        (
            json!({"messages": [system("A"), {"role": "developer", "content": [text("B"), text(" ")]}, hi]}),
            json!({"system": [text("A"), text("B")], "messages": [user(&[text("Hi")])]}),
        ),
        (
            json!({"messages": [system("A"), hi, {"role": "assistant", "content": "Yo"}, system("B"), hi]}),
            json!({"system": [text("A")], "messages": [
                user(&[text("Hi")]), assistant(&[text("Yo")]), user(&[text("B"), text("Hi")]),
            ]}),
        ),
        (json!({"messages": [system("A")]}), json!({"messages": [user(&[text(".")])]})),
        (
            json!({"messages": [{"role": "system", "content": ""}, {"role": "user", "content": " \n"}]}),
            json!({"system": null, "messages": [user(&[text(".")])]}),
        ),
        (
            json!({"messages": [{"role": "system", "name": "boss", "content": "A"}, hi]}),
            json!({"system": [text("boss: A")]}),
        ),
    ]);
}

#[test]
fn turns_alternate_and_say_something() {
    let says = |role: &str, content: Value| json!({"role": role, "content": content});
    check_turns(&[
        (
            json!([says("user", json!("a")), says("user", json!([text("b"), text("")]))]),
            json!([user(&[text("a"), text("b")])]),
        ),
        (
            json!([
                says("user", json!("a")),
                says("assistant", json!(null)),
                says("user", json!("b"))
            ]),
            json!([user(&[text("a"), text("b")])]),
        ),
        (
            json!([says("assistant", json!("a")), says("user", json!("b"))]),
            json!([user(&[text(".")]), assistant(&[text("a")]), user(&[text("b")])]),
        ),
        (
            json!([
                says("user", json!("a")),
                says("assistant", json!("b")),
                says("user", json!(""))
            ]),
            json!([user(&[text("a")]), assistant(&[text("b")]), user(&[text(".")])]),
        ),
        (
            json!([says("user", json!("a")), {"role": "assistant", "content": null, "refusal": "No."}, says("user", json!("b"))]),
            json!([user(&[text("a")]), assistant(&[text("No.")]), user(&[text("b")])]),
        ),
        (
            json!([{"role": "user", "name": "al", "content": [{"type": "image_url", "image_url": {"url": "https://x/y"}}]}]),
            json!([user(&[
                text("al:"),
                json!({"type": "image", "source": {"type": "url", "url": "https://x/y"}})
            ])]),
        ),
        (json!([{"role": "user", "name": "al", "content": "a"}]), json!([user(&[text("al: a")])])),
    ]);
}

#[test]
fn an_answer_to_go_on_with_is_left_open_or_the_user_asks_for_more() {
    let messages =
        json!([{"role": "user", "content": "x"}, {"role": "assistant", "content": "It is \n"}]);
    let open = json!([user(&[text("x")]), assistant(&[text("It is")])]);
    let closed =
        json!([user(&[text("x")]), assistant(&[text("It is")]), user(&[text("Continue.")])]);
    check(&[
        (json!({"model": "budget", "messages": messages}), json!({"messages": open})),
        (json!({"model": "level", "messages": messages}), json!({"messages": closed})),
        (
            json!({"model": "budget", "messages": messages, "reasoning_effort": "low", "max_tokens": 2000}),
            json!({"messages": closed}),
        ),
        (
            json!({"model": "budget", "messages": messages, "response_format": {"type": "json_object"}}),
            json!({"messages": closed}),
        ),
    ]);
}

#[test]
fn results_come_first_in_the_turn_after_their_calls() {
    let asks = json!({"role": "user", "content": "w?"});
    let calls =
        |calls: &[Value]| json!({"role": "assistant", "content": null, "tool_calls": calls});
    let gives =
        |id: &str, content: &str| json!({"role": "tool", "tool_call_id": id, "content": content});
    let asked = user(&[text("w?")]);
    check_turns(&[
        (
            json!([
                asks,
                calls(&[call("a", "f", "{\"x\": 1}"), call("b", "g", "")]),
                gives("b", "2"),
                asks,
                gives("a", "1")
            ]),
            json!([
                asked,
                assistant(&[tool_use("a", "f", &json!({"x": 1})), tool_use("b", "g", &json!({}))]),
                user(&[result("b", "2"), result("a", "1"), text("w?")])
            ]),
        ),
        (
            json!([asks, calls(&[call("a", "f", "[1]"), call("b", "f", "null")]), gives("a", "1")]),
            json!([
                asked,
                assistant(&[
                    tool_use("a", "f", &json!({"value": [1]})),
                    tool_use("b", "f", &json!({}))
                ]),
                user(&[result("a", "1"), missing("b")])
            ]),
        ),
        (
            json!([asks, calls(&[call("a", "f", "{}")])]),
            json!([asked, assistant(&[tool_use("a", "f", &json!({}))]), user(&[missing("a")])]),
        ),
        (
            json!([asks, calls(&[call("a", "f", "{}")]), {"role": "assistant", "content": "b"}, asks]),
            json!([
                asked,
                assistant(&[tool_use("a", "f", &json!({})), text("b")]),
                user(&[missing("a"), text("w?")])
            ]),
        ),
    ]);
}

#[test]
fn ids_are_the_clients_as_far_as_they_can_be() {
    let asks = json!({"role": "user", "content": "w?"});
    let calls =
        |calls: &[Value]| json!({"role": "assistant", "content": null, "tool_calls": calls});
    let gives =
        |id: &str, content: &str| json!({"role": "tool", "tool_call_id": id, "content": content});
    let asked = user(&[text("w?")]);
    check_turns(&[
        (
            json!([asks, calls(&[call("functions.f:0", "f", "{}")]), gives("functions.f:0", "")]),
            json!([
                asked,
                assistant(&[tool_use("functions_f_0", "f", &json!({}))]),
                user(&[json!({"type": "tool_result", "tool_use_id": "functions_f_0"})])
            ]),
        ),
        // The same id in every turn, as some providers have it.
        (
            json!([
                asks,
                calls(&[call("f:0", "f", "{}")]),
                gives("f:0", "1"),
                calls(&[call("f:0", "f", "{}")]),
                gives("f:0", "2")
            ]),
            json!([
                asked,
                assistant(&[tool_use("f_0", "f", &json!({}))]),
                user(&[result("f_0", "1")]),
                assistant(&[tool_use("f_0_2", "f", &json!({}))]),
                user(&[result("f_0_2", "2")])
            ]),
        ),
        (
            json!([asks, {"role": "assistant", "content": null, "function_call": {"name": "f", "arguments": "{}"}},
                {"role": "function", "name": "f", "content": "1"}]),
            json!([
                asked,
                assistant(&[tool_use("call_0", "f", &json!({}))]),
                user(&[result("call_0", "1")])
            ]),
        ),
    ]);
}

#[test]
fn what_cannot_be_said_is_refused_where_it_stands() {
    let messages = |messages: Value| json!({"messages": messages});
    let cases = [
        (
            messages(json!([{"role": "tool", "tool_call_id": "a", "content": "1"}])),
            "messages are results of tools without their calls",
        ),
        (
            messages(json!([{"role": "assistant", "tool_calls": [call("a", "f", "no")]}])),
            "messages[0].tool_calls[0].function.arguments: is not JSON",
        ),
        (
            messages(json!([{"role": "assistant", "function_call": 1}])),
            "messages[0].function_call: must be an object with name and arguments",
        ),
        (
            messages(
                json!([{"role": "assistant", "content": [{"type": "image_url", "image_url": "https://x"}]}]),
            ),
            "messages[0].content[0]: image_url cannot be sent from this role",
        ),
        (
            messages(
                json!([{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]),
            ),
            "messages[0].content[0]: model level does not support audio input",
        ),
        (json!({"tools": [tool("f"), tool("f")]}), "tools[1]: there is another tool called `f`"),
        (
            json!({"tools": [tool("f")], "tool_choice": tool("g")}),
            "tool_choice: there is no tool `g`",
        ),
        (
            json!({"tools": [tool("f")], "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [tool("g")]}}}),
            "tool_choice: it allows none of the tools",
        ),
        (json!({"n": 2}), "model level does not support n"),
    ];
    for (parameters, problem) in cases {
        assert_eq!(refusal(&parameters), problem, "{parameters}");
    }
}

#[test]
fn sampling_stop_and_user() {
    check(&[
        (json!({"temperature": 1.5}), json!({"temperature": 1})),
        (json!({"temperature": 0.3, "top_p": 0.9}), json!({"temperature": 0.3, "top_p": null})),
        (json!({"top_p": 0.9, "top_k": 5}), json!({"top_p": 0.9, "top_k": 5})),
        (json!({"stop": "END"}), json!({"stop_sequences": ["END"]})),
        (json!({"stop": ["END", "\n\n", ""]}), json!({"stop_sequences": ["END"]})),
        (json!({"stop": [" "]}), json!({"stop_sequences": null})),
        (json!({"stop": []}), json!({"stop_sequences": null})),
        (json!({"stop": null, "temperature": null}), json!({"stop_sequences": null})),
        (json!({"user": "u-1"}), json!({"metadata": {"user_id": "u-1"}})),
        (json!({"user": "u-1", "safety_identifier": "s"}), json!({"metadata": {"user_id": "s"}})),
        (json!({"user": "12345678"}), json!({"metadata": {"user_id": "12345678"}})),
        (json!({"user": "al@example.com"}), json!({"metadata": null})),
        (json!({"user": "+1 (555) 123-4567"}), json!({"metadata": null})),
        (json!({"metadata": {"a": "b"}, "seed": 1}), json!({"metadata": null, "seed": null})),
        (
            json!({"cache_control": {"type": "ephemeral"}}),
            json!({"cache_control": {"type": "ephemeral"}}),
        ),
        (json!({"max_completion_tokens": 70_000}), json!({"max_tokens": 64_000})),
        (
            json!({"stream": true, "stream_options": {"include_usage": true}}),
            json!({"stream": true, "stream_options": null}),
        ),
        (json!({"stream": false}), json!({"stream": null})),
    ]);
}

#[test]
fn marks_for_the_cache_stay_with_what_they_mark() {
    let mark = json!({"type": "ephemeral"});
    let marked = |said: &str| json!({"type": "text", "text": said, "cache_control": mark});
    check(&[
        (
            json!({"messages": [{"role": "system", "content": [marked("A")]}, {"role": "user", "content": "b", "cache_control": mark}]}),
            json!({"system": [marked("A")], "messages": [user(&[marked("b")])]}),
        ),
        (
            json!({"messages": [{"role": "assistant", "tool_calls": [call("a", "f", "")], "cache_control": mark},
                {"role": "tool", "tool_call_id": "a", "content": "", "cache_control": mark}]}),
            json!({"messages": [user(&[text(".")]),
                assistant(&[json!({"type": "tool_use", "id": "a", "name": "f", "input": {}, "cache_control": mark})]),
                user(&[json!({"type": "tool_result", "tool_use_id": "a", "cache_control": mark})])]}),
        ),
    ]);
}

#[test]
fn what_became_of_parameters_is_reported() {
    let strict = json!({"type": "function", "function": {"name": "f", "strict": true,
        "parameters": {"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}}}});
    let cases = [
        (json!({"user": "u"}), ""),
        (
            json!({"seed": 1, "logit_bias": {}, "verbosity": "low", "x": 1}),
            "dropped=seed,logit_bias,verbosity,x",
        ),
        (json!({"temperature": 1.5, "top_p": 0.5}), "dropped=top_p; clamped=temperature:1"),
        (json!({"stop": ["END", " "], "user": "a@b.c"}), "dropped=user; clamped=stop:1_of_2"),
        (json!({"stop": " "}), "dropped=stop"),
        (json!({"user": "u", "safety_identifier": "s"}), "dropped=user"),
        (json!({"response_format": {"type": "json_object"}}), "emulated=response_format"),
        (json!({"tools": [strict]}), "emulated=tools.strict"),
        (json!({"messages": [{"role": "assistant", "content": "a"}]}), "emulated=prefill"),
        (json!({"reasoning": {"max_tokens": 9000}, "max_tokens": 3000}), "clamped=reasoning:2999"),
        (json!({"reasoning": {"max_tokens": 9000}}), "dropped=reasoning.max_tokens"),
        (
            json!({"model": "budget", "reasoning_effort": "high", "max_tokens": 3000}),
            "clamped=reasoning_effort:medium",
        ),
        (
            json!({"tools": [tool("f")], "tool_choice": "required", "reasoning_effort": "low", "temperature": 0.1}),
            "dropped=reasoning_effort",
        ),
    ];
    for (parameters, expected) in cases {
        let (mut attempt, _) = ask(&parameters).unwrap();
        let answer = message(&json!({"content": [{"type": "text", "text": "{}"}]}));
        let (_, report, _) = receive(&mut attempt, head(200, ""), &[&answer]);
        assert_eq!(report, expected, "{parameters}");
    }
}

#[test]
fn the_path_and_the_head_are_the_providers() {
    let cases = [
        ("level", false, "/v1/messages"),
        ("vertex", false, "/v1/publishers/anthropic/models/claude-x:rawPredict"),
        ("vertex", true, "/v1/publishers/anthropic/models/claude-x:streamRawPredict"),
    ];
    for (model, stream, path) in cases {
        let (_, outgoing) = ask(&json!({"model": model, "stream": stream})).unwrap();
        assert_eq!(outgoing.path, path);
        assert_eq!(outgoing.headers, [("anthropic-version", "2023-06-01".to_owned())]);
        let body: Value = serde_json::from_slice(&outgoing.body).unwrap();
        let version = body.get("anthropic_version").and_then(Value::as_str);
        let named = body.get("model").and_then(Value::as_str);
        let expected = match model {
            "vertex" => (None, Some("vertex-2023-10-16")),
            _ => (Some("claude-x"), None),
        };
        assert_eq!((named, version), expected, "{model}");
    }
}
