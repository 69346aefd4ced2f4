//! What a client is told is wrong with its request: everything at once, in the documented words.

use std::rc::Rc;

use attache::{
    config::Config,
    gateway::{Gateway, Output},
    region::Region::Us,
};
use serde_json::{Value, json};
use testkit::play;

/// Asserts what is wrong with each of several bodies.
fn assert_wrong<'e>(cases: impl IntoIterator<Item = (Value, &'e [&'e str])>) {
    let gateway = play::gateway(Us);
    for (body, expected) in cases {
        let output = play::exchange(&gateway, body.to_string().as_bytes());
        assert_eq!(play::errors(&output), expected, "{body}");
    }
}

#[test]
fn what_is_missing_and_what_is_too_much_is_named() {
    let both: &[&str] = &["model is required", "one of messages or prompt required"];
    let hi = json!([{"role": "user", "content": "Hi"}]);
    assert_wrong([
        (json!({}), both),
        (json!({"model": null, "messages": null, "prompt": null}), both),
        (json!({"model": "gpt-4.1"}), &["one of messages or prompt required"]),
        (json!({"messages": hi}), &["model is required"]),
        (
            json!({"model": "gpt-4.1", "messages": hi, "prompt": "Hi"}),
            &["only one of messages or prompt allowed"],
        ),
        (json!({"model": "nope", "prompt": "Hi"}), &["model nope is not supported"]),
        (json!({"model": "", "prompt": "Hi"}), &["model must be the name of a model"]),
        (json!({"model": "gpt-4.1", "prompt": 5}), &["prompt must be a string"]),
        (
            json!({"model": 4, "messages": "Hi"}),
            &["model must be the name of a model", "messages must be an array of messages"],
        ),
        (
            json!({"model": "gpt-4.1", "messages": []}),
            &["messages must be an array with at least one message"],
        ),
        (
            json!({"model": "house-chat", "prompt": "Hi", "max_tokens": 32768}),
            &["model context limit exceeded"],
        ),
    ]);
}

#[test]
fn every_value_of_the_wrong_type_or_size_is_named() {
    let body = json!({
        "model": "gpt-4.1", "prompt": "Hi", "max_tokens": 0, "max_completion_tokens": "9",
        "temperature": 2.1, "top_p": -0.1, "top_k": -1, "n": 0, "stop": [1], "seed": 1.5,
        "frequency_penalty": 3, "presence_penalty": "no", "logprobs": 1, "top_logprobs": 21,
        "parallel_tool_calls": "yes", "store": 0, "stream": "true", "stream_options": true,
        "logit_bias": [], "user": 1, "modalities": "text", "prediction": "x", "verbosity": 2,
        "reasoning_effort": "much", "reasoning": {"effort": "high", "max_tokens": 0},
    });
    let expected = [
        "reasoning_effort must be one of none, minimal, low, medium, high, xhigh, max",
        "reasoning must be an object with effort, one of none, minimal, low, medium, high, xhigh, \
         max, or max_tokens",
        "max_tokens must be an integer of at least 1",
        "max_completion_tokens must be an integer of at least 1",
        "temperature must be a number from 0 to 2",
        "n must be an integer from 1 to 128",
        "logprobs must be true or false",
        "stream must be true or false",
        "stream_options must be an object such as {include_usage: true}",
        "modalities must be an array of text and audio",
        "frequency_penalty must be a number from -2 to 2",
        "presence_penalty must be a number from -2 to 2",
        "top_p must be a number from 0 to 1",
        "top_k must be an integer of at least 0",
        "top_logprobs must be an integer from 0 to 20",
        "seed must be an integer of 64 bits",
        "parallel_tool_calls must be true or false",
        "store must be true or false",
        "stop must be a string or an array of strings",
        "user must be a string",
        "verbosity must be a string",
        "logit_bias must be an object",
        "prediction must be an object",
    ];
    assert_wrong([(body, &expected[..])]);
}

#[test]
fn everything_a_model_lacks_is_named() {
    let tool = json!({"type": "function", "function": {"name": "f"}});
    let body = json!({"model": "anywhere", "model_region": "global", "prompt": "Hi",
        "tools": [tool], "tool_choice": "auto", "response_format": {"type": "json_object"},
        "n": 2, "logprobs": true, "modalities": ["audio"], "audio": {"voice": "x"},
        "web_search_options": {}, "functions": [{"name": "f"}], "seed": 1});
    let expected = [
        "model anywhere does not support n",
        "model anywhere does not support logprobs",
        "model anywhere does not support response_format",
        "model anywhere does not support tools",
        "model anywhere does not support tool_choice",
        "model anywhere does not support modalities",
        "model anywhere does not support audio",
        "model anywhere does not support web_search_options",
    ];
    let functions = json!({"model": "anywhere", "model_region": "global", "prompt": "Hi",
        "functions": [{"name": "f"}]});
    let no_functions = ["model anywhere does not support functions, use tools"];
    assert_wrong([(body, &expected[..]), (functions, &no_functions)]);
}

#[test]
fn mistakes_in_the_gateways_own_parameters_are_named() {
    let body = json!({"model": "gpt-4.1", "prompt": "Hi", "model_region": "us",
        "transcript_id": 7, "fallback_config": {"depth": 3},
        "post_processing_steps": [{"type": "json-repair"}, {"type": "translate"}]});
    let expected = [
        "model_region can only be set to global",
        "transcript_id must be up to 128 letters, digits, `-` and `_`",
        "post_processing_steps[1].type `translate` is not supported",
        "fallback_config depth cannot be greater than 2",
    ];
    assert_wrong([(body, &expected[..])]);
}

#[test]
fn a_region_is_spelled_in_one_way() {
    let expected = ["model_region can only be set to global"];
    let spellings = ["Global", "GLOBAL", " global", "global\n", "us", "eu", "EU", ""];
    let spellings = spellings.map(Value::from).into_iter();
    for region in spellings.chain([json!(["global"]), json!(true), json!({})]) {
        let body = json!({"model": "gpt-4.1", "prompt": "Hi", "model_region": region});
        assert_wrong([(body, &expected[..])]);
    }
}

#[test]
fn there_are_at_most_eight_post_processing_steps() {
    let steps = |count| vec![json!({"type": "json-repair"}); count];
    let body = |count| {
        json!({"model": "gpt-4.1", "prompt": "Hi",
        "post_processing_steps": steps(count)})
    };
    let expected = ["post_processing_steps must be an array of at most 8 steps"];
    assert_wrong([(body(9), &expected[..])]);
    let gateway = play::gateway(Us);
    assert!(play::ask(&gateway, body(8).to_string().as_bytes()).is_ok());
}

/// Asserts the one mistake in each of several values of a parameter.
fn assert_place<'e>(name: &str, cases: impl IntoIterator<Item = (Value, &'e str)>) {
    let gateway = play::gateway(Us);
    for (value, expected) in cases {
        let output = play::exchange(&gateway, &play::request(&json!({name: value})));
        assert_eq!(play::errors(&output), [expected], "{name}: {value}");
    }
}

#[test]
fn a_mistake_in_the_messages_has_its_place() {
    let part = |part: Value| json!([{"role": "user", "content": [part]}]);
    assert_place(
        "messages",
        [
            (
                json!([{"role": "robot", "content": "x"}]),
                "messages[0]: role must be system, developer, user, assistant, tool or function",
            ),
            (
                json!([{"role": 7, "content": "x"}]),
                "messages[0]: role must be system, developer, user, assistant, tool or function",
            ),
            (part(json!("text")), "messages[0]: invalid type: string \"text\", expected an object"),
            (
                json!([{"role": "user", "content": "x"}, {"content": "x"}]),
                "messages[1]: missing field `role`",
            ),
            (
                json!([{"role": "user", "content": 1}]),
                "messages[0]: content must be a string or an array of parts",
            ),
            (
                json!([{"role": "tool", "content": "x"}]),
                "messages[0]: tool_call_id is required for role tool",
            ),
            (
                json!([{"role": "function", "content": "x"}]),
                "messages[0]: name is required for role function",
            ),
            (
                json!([{"role": "assistant", "tool_calls": [{"id": "a"}]}]),
                "messages[0]: missing field `function`",
            ),
            (part(json!({"type": "video"})), "messages[0].content[0]: unknown type `video`"),
            (part(json!({"type": "text"})), "messages[0].content[0]: text is missing"),
            (
                part(json!({"type": "image_url", "text": "x"})),
                "messages[0].content[0]: image_url is missing",
            ),
            (
                part(json!({"type": "input_audio", "input_audio": {}})),
                "messages[0].content[0]: model gpt-4.1 does not support audio input",
            ),
        ],
    );
}

#[test]
fn a_mistake_in_the_tools_has_its_place() {
    assert_place(
        "tools",
        [
            (
                json!({}),
                "tools must be an array of tools, each {type: \"function\", function: {name, …}}",
            ),
            (json!([{"type": "function"}]), "tools[0]: function is missing"),
            (json!([{"type": "function", "function": {"name": ""}}]), "tools[0]: name is empty"),
            (json!([{"type": "custom"}]), "tools[0]: custom is missing"),
            (json!([{"type": "custom", "custom": {"name": ""}}]), "tools[0]: name is empty"),
            (
                json!([{"type": "browser", "custom": {"name": "f"}}]),
                "tools[0]: unknown type `browser`, there are `function` and `custom`",
            ),
            (
                json!([{"type": "function", "function": {"name": "f", "parameters": []}}]),
                "tools[0]: parameters must be a JSON schema object",
            ),
        ],
    );
    assert_place(
        "tool_choice",
        [
            (
                json!("any"),
                "tool_choice must be none, auto, required, allowed_tools or \
                 {type: \"function\", function: {name}}",
            ),
            (json!("required"), "tool_choice required needs tools"),
            (
                json!({"type": "function", "function": {"name": "f"}}),
                "tool_choice function needs tools",
            ),
        ],
    );
}

#[test]
fn a_mistake_in_the_response_format_says_what_there_is() {
    assert_place(
        "response_format",
        [
            (
                json!({"type": "yaml"}),
                "response_format is invalid: unknown type `yaml`, there are `text`, `json_object`, \
                 `json_schema`",
            ),
            (
                json!("json"),
                "response_format is invalid: invalid type: string \"json\", expected an object",
            ),
            (
                json!({"type": "json_schema"}),
                "response_format is invalid: missing field `json_schema`",
            ),
            (
                json!({"type": "json_schema", "json_schema": {"schema": {}}}),
                "response_format is invalid: missing field `name`",
            ),
        ],
    );
}

#[test]
fn fallbacks_have_a_form_and_an_end() {
    assert_place(
        "fallbacks",
        [
            (json!({}), "fallbacks must be an array of objects"),
            (json!(vec![json!({"model": "gpt-5"}); 9]), "fallbacks cannot be more than 8"),
        ],
    );
    assert_place(
        "fallback_config",
        [
            (json!(1), "fallback_config must be an object with retry, depth and hedge_ms"),
            (json!([1]), "fallback_config must be an object with retry, depth and hedge_ms"),
            (json!({"depth": 3}), "fallback_config depth cannot be greater than 2"),
            (json!({"depth": 300}), "fallback_config depth cannot be greater than 2"),
            (json!({"depth": -1}), "fallback_config depth must be an integer from 0 to 2"),
            (json!({"depth": 0.5}), "fallback_config depth must be an integer from 0 to 2"),
            (json!({"retry": "no"}), "fallback_config retry must be true or false"),
            (
                json!({"depth": 1, "retry": null, "hedge_ms": "soon"}),
                "fallback_config hedge_ms must be an integer of milliseconds",
            ),
        ],
    );
}

#[test]
fn a_key_twice_in_a_fallback_is_named() {
    let body =
        r#"{"model":"gpt-5","prompt":"x","fallbacks":[{"model":"gpt-5","model":"gpt-4.1"}]}"#;
    let Output::Reply(reply) = play::exchange(&play::gateway(Us), body.as_bytes()) else {
        panic!("it was taken");
    };
    let errors = &play::error(&reply)["metadata"]["errors"];
    assert_eq!(*errors, json!(["fallbacks[0]: duplicate key `model`"]));
}

/// A derived reader takes an array of the fields' values for an object; a provider would not.
#[test]
fn an_array_is_no_object_anywhere() {
    let said = |part: Value| json!([{"role": "user", "content": [part]}]);
    let called = |call: Value| json!([{"role": "assistant", "tool_calls": [call]}]);
    let cases = [
        ("messages", said(json!(["text", "x"]))),
        ("messages", said(json!({"type": "image_url", "image_url": ["https://x/y"]}))),
        ("messages", called(json!(["a", {"name": "f"}]))),
        ("messages", called(json!({"id": "a", "function": ["f", "{}"]}))),
        ("tools", json!([{"type": "function", "function": ["f"]}])),
        ("tool_choice", json!(["function", {"name": "f"}])),
        ("tool_choice", json!({"type": "function", "function": ["f"]})),
        ("response_format", json!(["text"])),
        ("response_format", json!({"type": "json_schema", "json_schema": ["n", {}]})),
        ("stream_options", json!([true])),
        ("reasoning", json!(["low", 5])),
        ("fallback_config", json!([1, true, 5])),
        ("post_processing_steps", json!([["json-repair"]])),
    ];
    for (name, value) in cases {
        let mut body = json!({"model": "gpt-5", "messages": [{"role": "user", "content": "x"}]});
        body[name] = value;
        let output = play::exchange(&play::gateway(Us), body.to_string().as_bytes());
        let Output::Reply(reply) = output else { panic!("{body}: {output:?}") };
        let param = play::error(&reply)["param"].as_str().unwrap().to_owned();
        assert!(param.starts_with(name), "{body}: {param}");
    }
}

#[test]
fn the_first_mistake_gives_param_and_code() {
    let cases = [
        (json!({}), "model", "missing_required_parameter"),
        (json!({"model": "gpt-4.1"}), "messages", "missing_required_parameter"),
        (json!({"model": "nope", "prompt": "x"}), "model", "model_not_found"),
        (
            json!({"model": "gpt-5", "prompt": "x", "logprobs": true}),
            "logprobs",
            "unsupported_parameter",
        ),
        (json!({"model": "gpt-5", "prompt": "x", "n": 0}), "n", "invalid_value"),
    ];
    for (body, param, code) in cases {
        let output = play::exchange(&play::gateway(Us), body.to_string().as_bytes());
        let Output::Reply(reply) = output else { panic!("{body}: {output:?}") };
        let error = play::error(&reply);
        assert_eq!(
            (error["param"].as_str(), error["code"].as_str()),
            (Some(param), Some(code)),
            "{body}"
        );
        assert_eq!(error["type"], "invalid_request_error");
    }
}

#[test]
fn a_body_that_cannot_be_read_names_the_place() {
    let deep = format!("{{\"model\":\n{}{}}}", "[".repeat(200), "]".repeat(200));
    let cases: [(&[u8], &str); 9] = [
        (b"", "the request has no body, a JSON object is needed"),
        (b"{", "EOF while parsing an object at line 1 column 1"),
        (b"[1]", "at line 1"),
        (b"null", "at line 1"),
        (b"{\"model\":\"x\"} {}", "trailing characters at line 1 column 15"),
        (b"{\"model\":\"x\",\n\"model\":\"y\"}", "duplicate key `model` at line 2 column 12"),
        (b"{\"model\":\"\xff\"}", "line 1 column 11"),
        (b"{\"model\":'x'}", "expected value at line 1 column 10"),
        (deep.as_bytes(), "nested deeper than 128 levels at line 2 column 128"),
    ];
    for (body, expected) in cases {
        let output = play::exchange(&play::gateway(Us), body);
        let Output::Reply(reply) = &output else { panic!("{output:?}") };
        let error = play::error(reply);
        let message = error["message"].as_str().unwrap();
        assert_eq!((reply.status, error["code"].as_str()), (400, Some("invalid_json")));
        assert!(message.ends_with(expected) || message.contains(expected), "{message}");
    }
}

#[test]
fn fallbacks_are_checked_before_the_first_attempt() {
    let tool = json!({"type": "function", "function": {"name": "f"}});
    let cases = [
        (json!([{"model": "gpt-5"}, {"model": "kimi-k2.5"}, {"model": "qwen3-32b"}]), vec![]),
        (json!([]), vec![]),
        (
            json!([{"model": "gpt-5"}, {}, "gpt-5"]),
            vec!["fallbacks[1]: model is required", "fallbacks[2]: must be an object with model"],
        ),
        (
            json!([{"model": "nope"}, {"model": "stays-in-eu", "max_tokens": 0}]),
            vec![
                "fallbacks[0]: model nope is not supported",
                "fallbacks[1]: max_tokens must be an integer of at least 1",
                "fallbacks[1]: model stays-in-eu is not supported",
            ],
        ),
        (
            json!([{"model": "kimi-k2.5", "tool_choice": "required", "tools": [tool]}]),
            vec!["fallbacks[0]: model kimi-k2.5 does not support tool_choice"],
        ),
        (
            json!([{"model": "gpt-5", "messages": [{"role": "tool", "content": "x"}]}]),
            vec!["fallbacks[0]: messages[0]: tool_call_id is required for role tool"],
        ),
        // What stands in a fallback's fallback is never read.
        (json!([{"model": "gpt-5", "fallbacks": 1, "fallback_config": {"depth": 9}}]), vec![]),
        (
            json!([{"model": "gpt-5", "prompt": "In other words", "max_completion_tokens": 9}]),
            vec![],
        ),
    ];
    for (fallbacks, expected) in cases {
        let body = play::request(&json!({"fallbacks": fallbacks, "max_tokens": 100}));
        match play::exchange(&play::gateway(Us), &body) {
            Output::Send { .. } => assert_eq!(expected, Vec::<&str>::new(), "{fallbacks}"),
            output => assert_eq!(play::errors(&output), expected, "{fallbacks}"),
        }
    }
}

/// Requests that only Gemini's rules refuse, each with its mistake.
pub fn wrong_for_gemini() -> Vec<(Value, &'static str)> {
    let image = json!({"type": "image_url", "image_url": {"url": "http://example.com/a.png"}});
    let call = json!({"id": "1", "type": "function", "function": {"name": "f", "arguments": "no"}});
    let tool = |schema: Value| json!({"type": "function", "function": {"name": "f", "parameters": schema}});
    // It has itself hundreds of times.
    let itself = vec![json!({"$ref": "#/$defs/A"}); 300];
    let bomb = json!({"properties": {"a": {"$ref": "#/$defs/A"}},
        "$defs": {"A": {"allOf": itself, "properties": {"x": {"allOf": itself}}}}});
    vec![
        (
            json!({"messages": [{"role": "user", "content": [image]}]}),
            "messages[0].content[0]: image_url: this provider fetches only `https` URLs",
        ),
        (
            json!({"messages": [{"role": "assistant", "tool_calls": [call]}]}),
            "messages[0].tool_calls[0].function.arguments: is not JSON",
        ),
        (json!({"tools": [tool(json!({})), tool(json!({}))]}), "tools[1]: `f` is there twice"),
        (
            json!({"tools": [tool(json!({}))],
                "tool_choice": {"type": "function", "function": {"name": "g"}}}),
            "tool_choice.function.name: there is no tool `g`",
        ),
        (json!({"tools": [tool(bomb)]}), "tools[0]: the schema of its parameters is too large"),
    ]
}

#[test]
fn what_only_a_fallbacks_provider_refuses_is_named_before_the_first_attempt() {
    let gateway = play::gateway(Us);
    for (mut request, mistake) in wrong_for_gemini() {
        request["model"] = json!("gpt-5");
        assert!(play::is_sent(&play::exchange(&gateway, &play::request(&request))), "{request}");
        request["fallbacks"] = json!([{"model": "gpt-4.1"}, {"model": "gemini-2.5-flash"}]);
        for stream in [false, true] {
            request["stream"] = json!(stream);
            let output = play::exchange(&gateway, &play::request(&request));
            assert_eq!(play::errors(&output), [format!("fallbacks[1]: {mistake}")], "{request}");
        }
    }
}

#[test]
fn an_operators_fallback_whose_provider_refuses_the_request_is_left_out() {
    let mut document: Value = serde_json::from_str(include_str!("../golden/gateway.json")).unwrap();
    document["models"]["gpt-5"]["fallbacks"] = json!(["gemini-2.5-flash", "gpt-4.1"]);
    let config = Config::parse(&document).unwrap();
    let gateway = Rc::new(Gateway::new(Rc::new(config), Us, Rc::new(play::Table::default())));
    for (mut request, _) in wrong_for_gemini() {
        request["model"] = json!("gpt-5");
        request["stream"] = json!(true);
        let ticket = play::ticket(play::exchange(&gateway, &play::request(&request)));
        let models: Vec<&str> = ticket.rest.iter().map(|target| target.model.as_str()).collect();
        assert_eq!(models, ["gpt-5", "gpt-4.1"], "{request}");
    }
}

#[test]
fn a_fallbacks_mistake_has_the_path_as_param() {
    let body = play::request(&json!({"fallbacks": [{"model": "gpt-5"}, {"model": "nope"}]}));
    let Output::Reply(reply) = play::exchange(&play::gateway(Us), &body) else { panic!() };
    assert_eq!(play::error(&reply)["param"], "fallbacks[1].model");
}

#[test]
fn a_depth_of_two_is_the_most() {
    for (config, is_right) in [
        (json!({}), true),
        (json!(null), true),
        (json!({"depth": 0, "retry": false}), true),
        (json!({"depth": 2, "retry": null}), true),
        (json!({"depth": 3}), false),
        (json!({"depth": 1.5}), false),
        (json!({"retry": "yes"}), false),
    ] {
        let body = play::request(&json!({"fallback_config": config}));
        let output = play::exchange(&play::gateway(Us), &body);
        assert_eq!(play::is_sent(&output), is_right, "{config}: {output:?}");
    }
}

#[test]
fn a_client_limits_the_time_and_the_attempts() {
    let fallback = json!([{"model": "gpt-5"}]);
    let forwarded = |parameters: Value| {
        let output = play::exchange(&play::gateway(Us), &play::request(&parameters));
        let (attempts, deadline, hedge) = match output {
            Output::Forward { ticket, retries, deadline, .. } => {
                (ticket.rest.len().max(retries), deadline, None)
            }
            Output::Send { hedge, deadline, .. } => (0, deadline, hedge),
            output => panic!("{parameters}: {output:?}"),
        };
        (attempts, deadline.map(|deadline| deadline.as_millis()), hedge)
    };
    let cases = [
        (json!({"stream": true, "fallbacks": fallback}), 2, None),
        (json!({"stream": true, "fallbacks": fallback, "fail_fast": false}), 2, None),
        (json!({"stream": true, "fallbacks": fallback, "fail_fast": true}), 0, None),
        (json!({"stream": true, "max_timeout": 2.5}), 1, Some(2500)),
        // The configured deadline is shorter.
        (json!({"stream": true, "max_timeout": 86_400}), 1, None),
        (json!({"max_timeout": 7}), 0, Some(7000)),
        // A fallback has no say in it.
        (
            json!({"stream": true, "fallbacks": [{"model": "gpt-5", "max_timeout": 1, "fail_fast": true}]}),
            2,
            None,
        ),
    ];
    for (parameters, attempts, timeout) in cases {
        let shown = parameters.to_string();
        assert_eq!(forwarded(parameters), (attempts, timeout, None), "{shown}");
    }
    let hedged = json!({
        "fallbacks": fallback, "fail_fast": true, "fallback_config": {"hedge_ms": 100, "retry": true},
    });
    assert_eq!(forwarded(hedged).0, 0);
    assert_wrong([(
        json!({
            "model": "gpt-4.1", "prompt": "Hi", "fail_fast": 1, "max_timeout": 0,
            "zero_data_retention": "yes",
        }),
        &[
            "fail_fast must be true or false",
            "max_timeout must be a number from 0.001 to 86400",
            "zero_data_retention must be true or false",
        ][..],
    )]);
}

#[test]
fn strict_parameters_refuse_what_would_be_dropped() {
    let mut document: Value = serde_json::from_str(include_str!("../golden/gateway.json")).unwrap();
    document["strict_parameters"] = json!(true);
    let config = Rc::new(Config::parse(&document).unwrap());
    let gateway = Rc::new(Gateway::new(config, Us, Rc::new(play::Table::default())));
    let cases = [
        (json!({"temperature": 0.5, "seed": 1, "call": null}), vec![]),
        (
            json!({"model": "kimi-k2.5", "temperature": 0.5, "seed": 1, "call": {}}),
            vec![
                "model kimi-k2.5 does not take temperature",
                "model kimi-k2.5 does not take seed",
                "model kimi-k2.5 does not take call",
            ],
        ),
        (
            json!({"fallbacks": [{"model": "gpt-5", "top_p": 0.5, "fallbacks": []}]}),
            vec![
                "fallbacks[0]: model gpt-5 does not take top_p",
                "fallbacks[0]: model gpt-5 does not take fallbacks",
            ],
        ),
    ];
    for (parameters, expected) in cases {
        match play::exchange(&gateway, &play::request(&parameters)) {
            Output::Send { .. } => assert_eq!(expected, Vec::<&str>::new(), "{parameters}"),
            output => assert_eq!(play::errors(&output), expected, "{parameters}"),
        }
    }
}
