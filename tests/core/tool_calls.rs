//! Tool calls whose pieces do not fit together as the providers' documents say: they go to the call
//! that they belong to, or the attempt has failed.

use serde_json::{Value, json};

use testkit::play::{self, Got};

const GPT: &str = "gpt-4.1";
const CLAUDE: &str = "claude-sonnet-4-6";
const GEMINI: &str = "gemini-2.5-flash";
const RESPONSES: &str = "gpt-5.5";

const OSLO: &str = r#"{"city":"Oslo"}"#;
const ROME: &str = r#"{"city":"Rome"}"#;

/// Name and arguments of each call of an answer, after its finish reason.
fn calls_of(got: &Got) -> (String, Vec<(String, String)>) {
    let body: Value = serde_json::from_slice(&got.body).unwrap();
    let choice = &body["choices"][0];
    let calls = choice["message"]["tool_calls"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let calls = calls.iter().map(|call| &call["function"]);
    let calls = calls.map(|function| (text(&function["name"]), text(&function["arguments"])));
    (text(&choice["finish_reason"]), calls.collect())
}

/// Name and arguments of each call of a stream, after its finish reason. The ids of the calls differ.
fn joined(got: &Got) -> (String, Vec<(String, String)>) {
    let (mut calls, mut ids, mut finish) = (Vec::new(), Vec::new(), String::new());
    for event in play::events(&got.body) {
        let choice = &event["choices"][0];
        for piece in choice["delta"]["tool_calls"].as_array().into_iter().flatten() {
            let function = &piece["function"];
            if let Some(id) = piece["id"].as_str() {
                assert!(!id.is_empty() && !ids.contains(&id.to_owned()), "{piece}");
                ids.push(id.to_owned());
                calls.push((function["name"].as_str().unwrap().to_owned(), String::new()));
            }
            let index: usize = piece["index"].as_u64().unwrap().try_into().unwrap();
            calls[index].1.push_str(function["arguments"].as_str().unwrap());
        }
        finish.push_str(choice["finish_reason"].as_str().unwrap_or_default());
    }
    (finish, calls)
}

fn expected(calls: &[(&str, &str)]) -> (String, Vec<(String, String)>) {
    let calls = calls.iter().map(|(name, own)| ((*name).to_owned(), (*own).to_owned()));
    ("tool_calls".to_owned(), calls.collect())
}

fn tool_calls(calls: &Value) -> Value {
    json!({"choices": [{"index": 0, "delta": {"tool_calls": calls}}]})
}

fn finish(word: &str) -> Value {
    json!({"choices": [{"index": 0, "delta": {}, "finish_reason": word}]})
}

fn head(index: u64, id: &str, name: &str) -> Value {
    let function = json!({"name": name, "arguments": ""});
    tool_calls(&json!([{"index": index, "id": id, "type": "function", "function": function}]))
}

fn arguments(index: u64, text: &Value) -> Value {
    tool_calls(&json!([{"index": index, "function": {"arguments": text}}]))
}

#[test]
fn pieces_of_openais_streams_go_to_their_calls() {
    let oslo = json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": OSLO}});
    let rome = json!({"index": 1, "id": "b", "function": {"name": "g", "arguments": ROME}});
    let repeated = json!({"choices": [{"index": 0, "finish_reason": "tool_calls",
        "delta": {"tool_calls": [oslo, rome]}}]});
    let message = json!({"choices": [{"index": 0, "message": {"tool_calls": [
        {"id": "a", "function": {"name": "f", "arguments": {"city": "Oslo"}}}, rome]}}]});
    let end = finish("tool_calls");
    let cases = [
        json!([
            head(0, "a", "f"),
            arguments(0, &json!(OSLO)),
            head(0, "b", "g"),
            arguments(1, &json!("{\"city\":")),
            arguments(1, &json!("\"Rome\"}")),
            end
        ]),
        json!([
            arguments(0, &json!(OSLO)),
            head(0, "a", "f"),
            arguments(1, &json!(ROME)),
            head(1, "b", "g"),
            end
        ]),
        json!([tool_calls(&json!([oslo])), tool_calls(&json!([rome])), repeated]),
        json!([tool_calls(&json!([oslo, rome])), end, repeated, message]),
        json!([
            head(0, "a", "f"),
            arguments(0, &json!({"city": "Oslo"})),
            arguments(0, &Value::Null),
            head(0, "b", "g"),
            arguments(0, &json!(ROME)),
            finish("stop")
        ]),
        json!([
            head(3, "same", "f"),
            arguments(3, &json!(OSLO)),
            head(7, "same", "g"),
            arguments(7, &json!(ROME)),
            end,
            "data: [DONE]\n\n"
        ]),
    ];
    for said in cases {
        let got = play::stream(GPT, &said);
        assert_eq!((got.status, got.reason.as_deref()), (200, None), "{said}");
        assert_eq!(joined(&got), expected(&[("f", OSLO), ("g", ROME)]), "{said}");
    }
}

fn item(id: &str, name: &str, arguments: &Value) -> Value {
    json!({"type": "function_call", "call_id": id, "name": name, "arguments": arguments})
}

fn added(index: u64, id: &str, name: &str) -> Value {
    let item = item(id, name, &json!(""));
    json!({"type": "response.output_item.added", "output_index": index, "item": item})
}

fn piece(index: u64, text: &str) -> Value {
    let kind = "response.function_call_arguments.delta";
    json!({"type": kind, "output_index": index, "delta": text})
}

fn done(index: u64, item: &Value) -> Value {
    json!({"type": "response.output_item.done", "output_index": index, "item": item})
}

fn completed() -> Value {
    json!({"type": "response.completed", "response": {"status": "completed", "output": []}})
}

#[test]
fn pieces_of_responses_go_to_their_calls() {
    let (oslo, rome) = (item("a", "f", &json!(OSLO)), item("b", "g", &json!(ROME)));
    let (f, g) = (added(0, "a", "f"), added(1, "b", "g"));
    let (start, end) = OSLO.split_at(4);
    let cases = [
        json!([
            f,
            piece(0, start),
            piece(0, end),
            done(0, &oslo),
            g,
            piece(1, ROME),
            done(1, &rome)
        ]),
        json!([
            f,
            g,
            piece(1, ROME),
            piece(0, start),
            piece(0, end),
            done(0, &oslo),
            done(1, &rome)
        ]),
        json!([f, done(0, &oslo), g, done(1, &rome)]),
        json!([f, piece(0, OSLO), g, piece(1, ROME)]),
        json!([
            {"type": "response.output_item.added", "output_index": 0, "item": oslo},
            done(0, &oslo),
            g,
            done(1, &item("b", "g", &json!({"city": "Rome"})))
        ]),
    ];
    for mut said in cases {
        said.as_array_mut().unwrap().push(completed());
        let got = play::stream(RESPONSES, &said);
        assert_eq!((got.status, got.reason.as_deref()), (200, None), "{said}");
        assert_eq!(joined(&got), expected(&[("f", OSLO), ("g", ROME)]), "{said}");
    }
}

#[test]
fn pieces_of_claudes_streams_go_to_their_calls() {
    let start = |index: u64, id: &str, name: &str, input: &Value| {
        json!({"type": "content_block_start", "index": index,
            "content_block": {"type": "tool_use", "id": id, "name": name, "input": input}})
    };
    let add = |index: u64, text: &Value| {
        json!({"type": "content_block_delta", "index": index,
            "delta": {"type": "input_json_delta", "partial_json": text}})
    };
    let stop = json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}});
    let search = json!({"type": "content_block_start", "index": 9,
        "content_block": {"type": "server_tool_use", "id": "s", "name": "search", "input": {}}});
    let (end, nothing) = (json!({"type": "message_stop"}), json!({}));
    let (oslo, rome) = (json!({"city": "Oslo"}), json!({"city": "Rome"}));
    let cases = [
        json!([
            start(0, "a", "f", &nothing),
            add(0, &json!(OSLO)),
            start(0, "b", "g", &nothing),
            add(0, &json!(ROME)),
            stop,
            end
        ]),
        json!([
            start(0, "a", "f", &nothing),
            add(1, &json!(OSLO)),
            start(1, "b", "g", &nothing),
            add(2, &json!(ROME)),
            stop,
            end
        ]),
        json!([
            add(0, &json!(OSLO)),
            start(0, "a", "f", &nothing),
            start(1, "b", "g", &rome),
            stop,
            end
        ]),
        json!([
            start(0, "a", "f", &oslo),
            start(0, "a", "f", &oslo),
            search,
            add(9, &json!("{\"query\":1}")),
            start(1, "b", "g", &json!(ROME)),
            stop,
            end
        ]),
        json!([start(0, "a", "f", &Value::Null), add(0, &oslo), start(2, "b", "g", &rome), end]),
    ];
    for said in cases {
        let got = play::stream(CLAUDE, &said);
        assert_eq!((got.status, got.reason.as_deref()), (200, None), "{said}");
        assert_eq!(joined(&got), expected(&[("f", OSLO), ("g", ROME)]), "{said}");
    }
}

/// The parts of a candidate, with its finish reason.
fn candidate(parts: &Value, finish: Option<&str>) -> Value {
    json!({"candidates": [{"content": {"parts": parts}, "finishReason": finish}]})
}

#[test]
fn calls_of_geminis_streams_are_whole() {
    let call = |id: &str, name: &str, args: &Value| json!({"functionCall": {"id": id, "name": name, "args": args}});
    let (oslo, rome) = (json!({"city": "Oslo"}), json!({"city": "Rome"}));
    let (first, second) = (call("a", "f", &oslo), call("b", "g", &rome));
    let cases = [
        json!([candidate(&json!([first]), None), candidate(&json!([second]), Some("STOP"))]),
        // The last event tells all calls again.
        json!([
            candidate(&json!([first, second]), None),
            candidate(&json!([first, second]), Some("STOP"))
        ]),
        json!([candidate(
            &json!([call("", "f", &json!(OSLO)), call("", "g", &rome)]),
            Some("STOP")
        )]),
    ];
    for said in cases {
        let got = play::stream(GEMINI, &said);
        assert_eq!((got.status, got.reason.as_deref()), (200, None), "{said}");
        assert_eq!(joined(&got), expected(&[("f", OSLO), ("g", ROME)]), "{said}");
    }
}

/// Streams with a piece that fits no call.
fn stray_streams() -> Vec<(&'static str, Value)> {
    let nameless = json!([{"index": 0, "id": "a", "function": {"name": "", "arguments": OSLO}}]);
    let start =
        |block: Value| json!({"type": "content_block_start", "index": 0, "content_block": block});
    let stop = json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}});
    let end = json!({"type": "message_stop"});
    let add = json!({"type": "content_block_delta", "index": 0,
        "delta": {"type": "input_json_delta", "partial_json": OSLO}});
    let call = |call: Value| candidate(&json!([{"functionCall": call}]), Some("STOP"));
    vec![
        (GPT, json!([tool_calls(&nameless), finish("tool_calls")])),
        (GPT, json!([arguments(0, &json!(OSLO)), finish("stop")])),
        (GPT, json!([finish("tool_calls")])),
        (GPT, json!([tool_calls(&json!([{"function": {"arguments": OSLO}}])), "data: [DONE]\n\n"])),
        (CLAUDE, json!([start(json!({"type": "tool_use", "id": "a", "input": {}})), stop, end])),
        (CLAUDE, json!([start(json!({"type": "tool_use", "name": "f", "input": [1]})), stop, end])),
        (CLAUDE, json!([add, stop, end])),
        (CLAUDE, json!([start(json!({"type": "text", "text": ""})), stop, end])),
        (GEMINI, json!([call(json!({"args": {"x": 1}}))])),
        (GEMINI, json!([call(json!({"name": "", "args": {"x": 1}}))])),
        (GEMINI, json!([call(json!({"name": "f", "args": [1]}))])),
        (RESPONSES, json!([added(0, "a", ""), completed()])),
        (RESPONSES, json!([piece(0, OSLO), completed()])),
    ]
}

#[test]
fn a_stray_piece_before_the_first_content_fails_the_attempt() {
    for (model, said) in stray_streams() {
        let got = play::stream(model, &said);
        assert_eq!((got.status, got.reason.as_deref()), (502, Some("upstream_error")), "{said}");
    }
}

#[test]
fn a_stray_piece_after_the_first_content_is_an_error_event() {
    for (model, mut said) in stray_streams() {
        let content = match model {
            GPT => json!({"choices": [{"index": 0, "delta": {"content": "Hi"}}]}),
            RESPONSES => json!({"type": "response.output_text.delta", "delta": "Hi"}),
            CLAUDE => json!({"type": "content_block_delta", "index": 5,
                "delta": {"type": "text_delta", "text": "Hi"}}),
            _ => candidate(&json!([{"text": "Hi"}]), None),
        };
        said.as_array_mut().unwrap().insert(0, content);
        let got = play::stream(model, &said);
        assert_eq!((got.status, got.reason.as_deref()), (200, Some("upstream_error")), "{said}");
        let events = play::events(&got.body);
        play::assert_error_shape(events.last().unwrap(), 502, "upstream_error");
        assert!(!events.iter().any(|event| event["choices"][0]["finish_reason"].is_string()));
    }
}

#[test]
fn calls_of_an_answer_are_whole() {
    let message = |message: Value, word: &str| json!({"choices": [{"index": 0, "message": message, "finish_reason": word}]});
    let function = |name: &str, own: Value| json!({"name": name, "arguments": own});
    let claude = |blocks: Value| json!({"content": blocks, "stop_reason": "tool_use"});
    let block = |id: &str, name: &str, input: Value| json!({"type": "tool_use", "id": id, "name": name, "input": input});
    let oslo = json!({"id": "a", "function": function("f", json!({"city":"Oslo"}))});
    let rome = json!({"id": "b", "function": function("g", json!(ROME))});
    let filler = json!({"id": "", "function": function("", json!(""))});
    let named = json!({"index": 1, "function": function("g", Value::Null)});
    let rest = json!({"index": 1, "function": {"arguments": ROME}});
    let args = |city: &str| json!({"city": city});
    let cases = [
        (GPT, message(json!({"tool_calls": [oslo, rome]}), "stop")),
        (GPT, message(json!({"content": null, "tool_calls": [oslo, filler, rome]}), "tool_calls")),
        (GPT, message(json!({"tool_calls": [oslo, named, rest]}), "tool_calls")),
        (CLAUDE, claude(json!([block("a", "f", args("Oslo")), block("b", "g", json!(ROME))]))),
        (CLAUDE, claude(json!([block("", "f", json!(OSLO)), block("", "g", args("Rome"))]))),
        (
            GEMINI,
            candidate(
                &json!([{"functionCall": {"name": "f", "args": args("Oslo")}},
                    {"functionCall": {"name": "g", "args": ROME}}]),
                Some("STOP"),
            ),
        ),
        (
            RESPONSES,
            json!({"output": [item("a", "f", &json!(OSLO)), item("b", "g", &json!(ROME))]}),
        ),
        (
            RESPONSES,
            json!({"output": [item("a", "f", &args("Oslo")), item("b", "g", &json!(ROME))]}),
        ),
    ];
    for (model, said) in cases {
        let got = play::answer(model, &said);
        assert_eq!((got.status, got.reason.as_deref()), (200, None), "{said}");
        assert_eq!(calls_of(&got), expected(&[("f", OSLO), ("g", ROME)]), "{said}");
    }
}

#[test]
fn an_answer_with_a_call_that_cannot_be_made_fails_the_attempt() {
    let message = |message: Value, word: &str| json!({"choices": [{"index": 0, "message": message, "finish_reason": word}]});
    let call = |name: Value| json!([{"id": "a", "function": {"name": name, "arguments": OSLO}}]);
    let claude = |block: Value| json!({"content": [block], "stop_reason": "tool_use"});
    let gemini =
        |call: Value| candidate(&json!([{"text": "Hi"}, {"functionCall": call}]), Some("STOP"));
    let cases = [
        (GPT, message(json!({"content": null, "tool_calls": call(json!(""))}), "tool_calls")),
        (GPT, message(json!({"content": "Hi", "tool_calls": call(Value::Null)}), "stop")),
        (GPT, message(json!({"tool_calls": [{"id": "a", "type": "function"}]}), "tool_calls")),
        (GPT, message(json!({"content": "Hi", "tool_calls": []}), "tool_calls")),
        (GPT, message(json!({"function_call": {"arguments": OSLO}}), "function_call")),
        (CLAUDE, claude(json!({"type": "tool_use", "id": "a", "input": {}}))),
        (CLAUDE, claude(json!({"type": "tool_use", "name": "f", "input": "Oslo"}))),
        (CLAUDE, claude(json!({"type": "text", "text": "Hi"}))),
        (GEMINI, gemini(json!({"args": {"x": 1}}))),
        (GEMINI, gemini(json!({"name": "", "args": {"x": 1}}))),
        (GEMINI, gemini(json!({"name": "f", "args": "x"}))),
        (RESPONSES, json!({"output": [item("a", "", &json!(OSLO))]})),
        (RESPONSES, json!({"output": [{"type": "custom_tool_call", "input": "x"}]})),
    ];
    for (model, said) in cases {
        let got = play::answer(model, &said);
        assert_eq!((got.status, got.reason.as_deref()), (502, Some("upstream_error")), "{said}");
    }
}
