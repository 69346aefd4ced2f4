//! Requests as they are sent, and requests that are refused.

use serde_json::{Value, json};

use super::{NEW, OLD, attempt_in, head, receive, refused, sent};
use crate::{api_schema::gemini::signature::PLACEHOLDER, region::Region};

#[test]
fn the_path_holds_the_model_and_the_method() {
    let vertex = "/v1/projects/p/locations/eu/publishers/google";
    let cases = [
        (Region::Us, false, "/v1beta", "generateContent"),
        (Region::Us, true, "/v1beta", "streamGenerateContent?alt=sse"),
        (Region::Eu, false, vertex, "generateContent"),
        (Region::Eu, true, vertex, "streamGenerateContent?alt=sse"),
    ];
    for (region, stream, base, method) in cases {
        let (_, outgoing) = attempt_in(region, NEW, &json!({"stream": stream})).unwrap();
        assert_eq!(outgoing.path, format!("{base}/models/{NEW}:{method}"));
    }
}

#[test]
fn messages_become_turns_of_two_roles() {
    let user = |text: &str| json!({"role": "user", "parts": [{"text": text}]});
    let model = |text: &str| json!({"role": "model", "parts": [{"text": text}]});
    let cases = [
        (json!([{"role": "system", "content": "S"}]), json!([user(".")])),
        (json!([{"role": "user", "content": ""}]), json!([user(".")])),
        (json!([{"role": "assistant", "content": "A"}]), json!([user("."), model("A")])),
        (
            json!([
                {"role": "user", "content": "a", "name": "Ana"},
                {"role": "user", "content": [{"type": "text", "text": "b"}, {"type": "text", "text": ""}]},
                {"role": "assistant", "content": null, "refusal": "No."},
                {"role": "developer", "content": "D"},
                {"role": "user", "content": "c"},
            ]),
            json!([
                {"role": "user", "parts": [{"text": "Ana: a"}, {"text": "b"}]},
                model("No."),
                user("c"),
            ]),
        ),
    ];
    for (messages, contents) in cases {
        assert_eq!(sent(OLD, &json!({"messages": messages}))["contents"], contents, "{messages}");
    }
}

/// Returns a tool call of `f`.
fn call(id: &str, arguments: &str) -> Value {
    json!({"id": id, "type": "function", "function": {"name": "f", "arguments": arguments}})
}

#[test]
fn results_are_sent_in_the_order_of_their_calls() {
    let messages = json!([
        {"role": "user", "content": "u"},
        {"role": "assistant", "tool_calls": [
            call("1", ""), call("2", "{\"a\": 1}"), call("3", "[1]"),
        ]},
        {"role": "tool", "tool_call_id": "3", "content": "{\"ok\": true}"},
        {"role": "tool", "tool_call_id": "1", "content": [{"type": "text", "text": "one"}]},
        {"role": "user", "content": "v"},
    ]);
    let named = |args: Value| json!({"functionCall": {"name": "f", "args": args}});
    let said = |response: Value| json!({"functionResponse": {"name": "f", "response": response}});
    let contents = json!([
        {"role": "user", "parts": [{"text": "u"}]},
        {"role": "model", "parts": [named(json!({})), named(json!({"a": 1})), named(json!({"value": [1]}))]},
        {"role": "user", "parts": [
            said(json!({"output": "one"})),
            said(json!({"error": "the call was not answered"})),
            said(json!({"ok": true})),
        ]},
        {"role": "user", "parts": [{"text": "v"}]},
    ]);
    assert_eq!(sent(OLD, &json!({"messages": messages}))["contents"], contents);
}

#[test]
fn a_function_call_is_matched_by_name() {
    let messages = json!([
        {"role": "assistant", "content": "x", "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "r"},
    ]);
    let contents = sent(OLD, &json!({"messages": messages}))["contents"].clone();
    let response = json!({"functionResponse": {"name": "f", "response": {"output": "r"}}});
    assert_eq!(contents[2], json!({"role": "user", "parts": [response]}));
}

#[test]
fn signatures_are_sent_back_from_either_field() {
    let extra = json!({"google": {"thought_signature": "c2ln"}});
    let detail = |id: &str, format: &str| json!([{"type": "reasoning.encrypted", "data": "c2ln", "id": id, "format": format}]);
    let ours = "google-gemini-v1";
    let cases = [
        (extra.clone(), json!(null), OLD, json!("c2ln")),
        (extra, json!(null), NEW, json!("c2ln")),
        (json!(null), detail("1", ours), NEW, json!("c2ln")),
        (json!(null), detail("2", ours), NEW, json!(PLACEHOLDER)),
        (json!(null), detail("1", "anthropic-claude-v1"), NEW, json!(PLACEHOLDER)),
        (json!({"google": {"thought_signature": "not base64"}}), json!(7), NEW, json!(PLACEHOLDER)),
        (json!("odd"), json!([1, {}]), NEW, json!(PLACEHOLDER)),
        (json!(null), json!(null), OLD, json!(null)),
    ];
    for (extra_content, details, model, signature) in cases {
        let mut first = call("1", "{}");
        first["extra_content"] = extra_content;
        let messages = json!([
            {"role": "user", "content": "u"},
            {"role": "assistant", "reasoning_details": details, "tool_calls": [first, call("9", "{}")]},
        ]);
        let body = sent(model, &json!({"messages": messages}));
        let parts = &body["contents"][1]["parts"];
        assert_eq!(parts[0]["thoughtSignature"], signature, "{model} {messages}");
        assert_eq!(parts[1]["thoughtSignature"], json!(null), "only the first needs one");
        let id = if model == NEW { json!("1") } else { json!(null) };
        assert_eq!(parts[0]["functionCall"]["id"], id, "{model}");
    }
}

#[test]
fn content_that_cannot_be_sent_is_refused_with_its_path() {
    let part = |part: Value| json!({"messages": [{"role": "user", "content": [part]}]});
    let image = |url: &str| part(json!({"type": "image_url", "image_url": {"url": url}}));
    let calls = |arguments: &str| json!({"messages": [{"role": "assistant", "tool_calls": [call("1", arguments)]}]});
    let function = json!({"type": "function", "function": {"name": "f"}});
    let form = json!({"type": "json_object"});
    let chosen = json!({"type": "function", "function": {"name": "g"}});
    let cases = [
        (calls("no"), "messages[0].tool_calls[0].function.arguments: is not JSON"),
        (
            json!({"messages": [{"role": "tool", "tool_call_id": "1", "content": "r"}]}),
            "messages are results of tools without their calls",
        ),
        (
            image("http://x.com/a.png"),
            "messages[0].content[0]: image_url: this provider fetches only `https` URLs",
        ),
        (
            image("data:image/gif;base64,AAAA"),
            "messages[0].content[0]: image_url: type `image/gif` is not supported, there are \
             image/jpeg, image/png, image/webp, image/heic, image/heif",
        ),
        (image("data:image/png;base64,A!"), "messages[0].content[0]: image_url: is not base64"),
        (
            part(json!({"type": "file", "file": {"file_id": "file-1"}})),
            "messages[0].content[0]: file: file_id is not supported, send file_data",
        ),
        (
            part(json!({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "x"}})),
            "messages[0].content[0]: input_audio: format `x` is not supported",
        ),
        (json!({"tools": [function, function]}), "tools[1]: `f` is there twice"),
        (
            json!({"tools": [function], "tool_choice": chosen}),
            "tool_choice.function.name: there is no tool `g`",
        ),
        (
            json!({"tools": [function], "response_format": form}),
            "model gemini-2.5-flash does not support response_format together with tools",
        ),
        (json!({"n": 9}), "n must be at most 8 with this model"),
        (
            json!({"stop": ["a", "b", "c", "d", "e", "f"]}),
            "stop must be at most 5 sequences with this model",
        ),
        (json!({"audio": {"voice": "x"}}), "model gemini-2.5-flash does not support audio"),
    ];
    for (request, message) in cases {
        assert_eq!(refused(Region::Us, OLD, &request), [message], "{request}");
    }
}

#[test]
fn vertex_takes_urls_with_a_known_file_type() {
    let url = |url: &str| {
        json!({"messages": [{"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": url}},
        ]}]})
    };
    for (file, kind) in
        [("https://x.com/a.PNG?b=c.d", "image/png"), ("gs://b/a.pdf", "application/pdf")]
    {
        let (_, outgoing) = attempt_in(Region::Eu, NEW, &url(file)).unwrap();
        let body: Value = serde_json::from_slice(&outgoing.body).unwrap();
        let data = json!({"fileData": {"mimeType": kind, "fileUri": file}});
        assert_eq!(body["contents"][0]["parts"][0], data);
    }
    let problem = "messages[0].content[0]: image_url: the URL does not tell a file type, let it end \
                   in one such as `.png`";
    assert_eq!(refused(Region::Eu, NEW, &url("https://x.com/a")), [problem]);
}

#[test]
fn effort_becomes_a_budget_or_a_level() {
    let effort = |effort: &str| json!({"reasoning_effort": effort});
    let cases = [
        (OLD, json!({}), json!(null)),
        (OLD, effort("none"), json!({"thinkingBudget": 0})),
        (OLD, effort("low"), json!({"thinkingBudget": 1024, "includeThoughts": true})),
        (OLD, effort("medium"), json!({"thinkingBudget": 8192, "includeThoughts": true})),
        (OLD, effort("max"), json!({"thinkingBudget": 24576, "includeThoughts": true})),
        (
            OLD,
            json!({"reasoning": {"max_tokens": 100}}),
            json!({"thinkingBudget": 512, "includeThoughts": true}),
        ),
        (
            OLD,
            json!({"reasoning": {"max_tokens": 2000, "effort": "high"}}),
            json!({"thinkingBudget": 2000, "includeThoughts": true}),
        ),
        (NEW, effort("none"), json!({"thinkingLevel": "MINIMAL"})),
        (NEW, effort("high"), json!({"thinkingLevel": "HIGH", "includeThoughts": true})),
        (NEW, json!({"reasoning": {"max_tokens": 100}}), json!(null)),
    ];
    for (model, request, config) in cases {
        let body = sent(model, &request);
        assert_eq!(body["generationConfig"]["thinkingConfig"], config, "{model} {request}");
    }
}

#[test]
fn tool_choice_becomes_a_calling_mode() {
    let tool = |name: &str| json!({"type": "function", "function": {"name": name}});
    let allowed = |mode: &str| json!({"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": [tool("a/b")]}});
    let cases = [
        (json!("auto"), json!(null)),
        (json!("none"), json!({"mode": "NONE"})),
        (json!("required"), json!({"mode": "ANY"})),
        (tool("a/b"), json!({"mode": "ANY", "allowedFunctionNames": ["a_b"]})),
        (allowed("required"), json!({"mode": "ANY", "allowedFunctionNames": ["a_b"]})),
        (allowed("auto"), json!({"mode": "VALIDATED", "allowedFunctionNames": ["a_b"]})),
    ];
    for (choice, config) in cases {
        let body = sent(OLD, &json!({"tools": [tool("a/b")], "tool_choice": choice}));
        assert_eq!(body["toolConfig"]["functionCallingConfig"], config, "{choice}");
        assert_eq!(body["tools"][0]["functionDeclarations"][0]["name"], "a_b");
    }
    let form = json!({"type": "json_object"});
    let request = json!({"tools": [tool("f")], "tool_choice": "none", "response_format": form});
    assert_eq!(sent(OLD, &request)["tools"], json!(null), "a form, and nothing may be called");
}

#[test]
fn dropped_and_clamped_parameters_are_reported() {
    let cases = [
        (OLD, json!({"seed": 1, "frequency_penalty": 0.5}), ""),
        (OLD, json!({"user": "u", "logit_bias": {"1": 1}}), "dropped=logit_bias,user"),
        (
            NEW,
            json!({"frequency_penalty": 0.5, "presence_penalty": 1}),
            "dropped=frequency_penalty,presence_penalty",
        ),
        (NEW, json!({"seed": 4_294_967_298_u64}), "clamped=seed:2"),
        (OLD, json!({"reasoning": {"max_tokens": 99999}}), "clamped=reasoning:24576"),
        (NEW, json!({"reasoning": {"max_tokens": 99}}), "dropped=reasoning.max_tokens"),
    ];
    for (model, request, report) in cases {
        let (mut attempt, _) = attempt_in(Region::Us, model, &request).unwrap();
        let said = r#"{"candidates":[{"finishReason":"STOP","content":{"parts":[{"text":"t"}]}}]}"#;
        let got = receive(&mut attempt, head(200, "application/json"), &[said.as_bytes()]);
        let header = got.headers.iter().find(|(name, _)| *name == "x-attache-params");
        assert_eq!(header.map_or("", |(_, value)| value.as_str()), report, "{request}");
    }
}
