use super::*;
use crate::sse::MAX_EVENT;

/// Events as the provider writes them.
fn stream(events: &[Value]) -> String {
    let event = |event: &Value| {
        format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or("?"))
    };
    events.iter().map(event).collect()
}

fn start() -> Value {
    json!({"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant",
        "model": "claude-x", "content": [], "stop_reason": null, "stop_sequence": null,
        "usage": {"input_tokens": 12, "cache_read_input_tokens": 5, "output_tokens": 1}}})
}

fn stop(reason: &str) -> Vec<Value> {
    vec![
        json!({"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": null}, "usage": {"output_tokens": 7}}),
        json!({"type": "message_stop"}),
    ]
}

fn block(index: u32, start: &Value, deltas: &[Value]) -> Vec<Value> {
    let mut events =
        vec![json!({"type": "content_block_start", "index": index, "content_block": start})];
    events.extend(
        deltas
            .iter()
            .map(|delta| json!({"type": "content_block_delta", "index": index, "delta": delta})),
    );
    events.push(json!({"type": "content_block_stop", "index": index}));
    events
}

fn text(index: u32, pieces: &[&str]) -> Vec<Value> {
    let deltas: Vec<Value> =
        pieces.iter().map(|piece| json!({"type": "text_delta", "text": piece})).collect();
    block(index, &json!({"type": "text", "text": ""}), &deltas)
}

fn thinking(index: u32) -> Vec<Value> {
    block(
        index,
        &json!({"type": "thinking", "thinking": "", "signature": ""}),
        &[
            json!({"type": "thinking_delta", "thinking": "Let \"me\" "}),
            json!({"type": "thinking_delta", "thinking": "sé\n"}),
            json!({"type": "signature_delta", "signature": "sig=="}),
        ],
    )
}

fn call(index: u32, id: &str, pieces: &[&str]) -> Vec<Value> {
    let deltas: Vec<Value> = pieces
        .iter()
        .map(|piece| json!({"type": "input_json_delta", "partial_json": piece}))
        .collect();
    block(index, &json!({"type": "tool_use", "id": id, "name": "f", "input": {}}), &deltas)
}

/// Returns the client's response to a stream that comes in pieces.
fn streamed(pieces: &[&[u8]]) -> (u16, Vec<u8>) {
    let parameters = json!({"stream": true, "stream_options": {"include_usage": true}});
    let (mut attempt, _) = ask(&parameters).unwrap();
    let (status, _, body) = receive(&mut attempt, head(200, "text/event-stream"), pieces);
    (status, body)
}

/// Returns the chunks of a stream and the data of its last event.
fn chunks(events: &[Value]) -> (Vec<Value>, String) {
    let (status, body) = streamed(&[stream(events).as_bytes()]);
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
    let body = String::from_utf8(body).unwrap();
    let mut data: Vec<&str> =
        body.split("\n\n").filter_map(|event| event.strip_prefix("data: ")).collect();
    let last = data.pop().unwrap_or_default().to_owned();
    (data.iter().map(|data| serde_json::from_str(data).unwrap()).collect(), last)
}

/// The deltas of a stream that is complete.
fn deltas(events: &[Value]) -> Vec<Value> {
    let (chunks, last) = chunks(events);
    assert_eq!(last, "[DONE]");
    let choices = chunks.iter().filter_map(|chunk| chunk["choices"].get(0));
    choices.map(|choice| choice["delta"].clone()).collect()
}

fn everything() -> Vec<Value> {
    let mut events = vec![start(), json!({"type": "ping"})];
    events.extend(thinking(0));
    events.extend(block(1, &json!({"type": "redacted_thinking", "data": "d"}), &[]));
    events.push(json!({"type": "event_of_the_future", "index": 1, "delta": 7}));
    events.extend(text(2, &["H\u{e9}", "llo \u{1f642}", ""]));
    events.extend(block(
        3,
        &json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}),
        &[json!({"type": "input_json_delta", "partial_json": "{\"q\":1}"})],
    ));
    events.extend(call(4, "toolu_1", &["", "{\"a\"", ": [1]}"]));
    events.extend(call(5, "toolu_2", &[]));
    events.extend(text(6, &["!"]));
    events.extend(stop("tool_use"));
    events
}

#[test]
fn every_event_becomes_the_delta_it_should() {
    let call = |index: u32, id: &str| json!({"tool_calls": [{"index": index, "id": id, "type": "function", "function": {"name": "f", "arguments": ""}}]});
    let arguments = |index: u32, json: &str| json!({"tool_calls": [{"index": index, "function": {"arguments": json}}]});
    let expected = [
        json!({"role": "assistant", "content": ""}),
        json!({"reasoning_content": "Let \"me\" "}),
        json!({"reasoning_content": "sé\n"}),
        json!({"reasoning_details": [{"type": "reasoning.text", "index": 0, "text": "Let \"me\" sé\n", "signature": "sig==", "format": "anthropic-claude-v1"}]}),
        json!({"reasoning_details": [{"type": "reasoning.encrypted", "index": 1, "data": "d", "format": "anthropic-claude-v1"}]}),
        json!({"content": "Hé"}),
        json!({"content": "llo 🙂"}),
        call(0, "toolu_1"),
        arguments(0, "{\"a\""),
        arguments(0, ": [1]}"),
        call(1, "toolu_2"),
        arguments(1, "{}"),
        json!({"content": "!"}),
        json!({}),
    ];
    assert_eq!(deltas(&everything()), expected);
    let (chunks, _) = chunks(&everything());
    let usage = &chunks.last().unwrap()["usage"];
    assert_eq!(usage["prompt_tokens"], 17);
    assert_eq!(usage["completion_tokens"], 7);
    assert_eq!(usage["prompt_tokens_details"]["cached_tokens"], 5);
    assert_eq!(chunks[chunks.len() - 2]["choices"][0]["finish_reason"], "tool_calls");
}

#[test]
fn events_of_other_servers_hold_nothing() {
    let mut events = vec![start()];
    events.extend(text(0, &["Hi"]));
    events.extend(stop("end_turn"));
    let own = stream(&events);
    let with_more =
        own.replacen("event: content_block_stop", "data: \n\nevent: content_block_stop", 1);
    let whole = streamed(&[own.as_bytes()]);
    assert_eq!(streamed(&[with_more.as_bytes()]), whole);
    assert_eq!(streamed(&[own.as_bytes(), b"data: [DONE]\n\n"]), whole);
}

#[test]
fn an_error_without_its_name_ends_the_stream() {
    let mut events = vec![start()];
    events.extend(text(0, &["Hi"]));
    events.push(json!({"type": "error"}));
    let (_, body) = streamed(&[stream(&events).as_bytes()]);
    let body = String::from_utf8(body).unwrap();
    assert!(body.contains("ended in an error it does not name"), "{body}");
}

#[test]
fn thinking_beyond_the_bound_has_no_detail() {
    let piece = "x".repeat(MAX_EVENT / 2);
    let long = |pieces: usize| {
        let delta = json!({"type": "thinking_delta", "thinking": piece});
        let mut deltas_of_block = vec![delta; pieces];
        deltas_of_block.push(json!({"type": "signature_delta", "signature": "s"}));
        let mut events = vec![start()];
        events.extend(block(0, &json!({"type": "thinking", "thinking": ""}), &deltas_of_block));
        events.extend(stop("end_turn"));
        deltas(&events).iter().filter(|delta| !delta["reasoning_details"].is_null()).count()
    };
    assert_eq!([long(1), long(2), long(3)], [1, 1, 0]);
}

#[test]
fn every_cut_gives_the_same_stream() {
    let lf = stream(&everything());
    for stream in [lf.replace('\n', "\r\n"), lf] {
        let whole = streamed(&[stream.as_bytes()]);
        for cut in 0..=stream.len() {
            let (first, second) = stream.as_bytes().split_at(cut);
            assert_eq!(streamed(&[first, second]), whole, "cut at byte {cut}");
        }
        let bytes: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
        assert_eq!(streamed(&bytes), whole, "byte by byte");
    }
}

/// The message that the deltas of a stream come to.
fn joined(deltas: &[Value]) -> Value {
    let mut message = json!({});
    for delta in deltas {
        for (key, value) in delta.as_object().unwrap() {
            let slot = &mut message[key];
            match value {
                Value::String(more) => {
                    *slot = json!(format!("{}{more}", slot.as_str().unwrap_or_default()));
                }
                Value::Array(items) if key == "tool_calls" => {
                    let (item, calls) = (&items[0], slot.as_array().cloned().unwrap_or_default());
                    let (mut calls, index) =
                        (calls, usize::try_from(item["index"].as_u64().unwrap()).unwrap());
                    if index == calls.len() {
                        calls.push(item.clone());
                    } else {
                        let so_far = calls[index]["function"]["arguments"].as_str().unwrap();
                        let more = item["function"]["arguments"].as_str().unwrap();
                        calls[index]["function"]["arguments"] = json!(format!("{so_far}{more}"));
                    }
                    *slot = Value::Array(calls);
                }
                Value::Array(items) => {
                    let mut all = slot.as_array().cloned().unwrap_or_default();
                    all.extend(items.clone());
                    *slot = Value::Array(all);
                }
                other => *slot = other.clone(),
            }
        }
    }
    message
}

#[test]
fn a_stream_says_what_its_twin_in_one_piece_says() {
    let content = json!([
        {"type": "thinking", "thinking": "Let \"me\" sé\n", "signature": "sig=="},
        {"type": "redacted_thinking", "data": "d"},
        {"type": "text", "text": "Héllo 🙂"},
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"q": 1}},
        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": [1]}},
        {"type": "tool_use", "id": "toolu_2", "name": "f", "input": {}},
        {"type": "text", "text": "!"},
    ]);
    let usage = json!({"input_tokens": 12, "cache_read_input_tokens": 5, "output_tokens": 7});
    let twin = message(&json!({"content": content, "stop_reason": "tool_use", "usage": usage}));
    let (mut attempt, _) = ask(&json!({})).unwrap();
    let (_, _, whole) = receive(&mut attempt, head(200, "application/json"), &[&twin]);
    let whole: Value = serde_json::from_slice(&whole).unwrap();
    let message = joined(&deltas(&everything()));
    for key in ["role", "content", "reasoning_content", "reasoning_details"] {
        assert_eq!(message[key], whole["choices"][0]["message"][key], "{key}");
    }
    for (index, call) in message["tool_calls"].as_array().unwrap().iter().enumerate() {
        let other = &whole["choices"][0]["message"]["tool_calls"][index];
        assert_eq!(call["id"], other["id"]);
        let parsed = |call: &Value| -> Value {
            serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap()
        };
        assert_eq!(parsed(call), parsed(other));
    }
    let (chunks, _) = chunks(&everything());
    assert_eq!(chunks.last().unwrap()["usage"], whole["usage"]);
}

#[test]
fn only_the_end_of_the_message_is_the_end() {
    let events = [vec![start()], text(0, &["a"]), stop("end_turn")].concat();
    for keep in 1..events.len() {
        let (status, body) = streamed(&[stream(&events[..keep]).as_bytes()]);
        let body = String::from_utf8(body).unwrap();
        let begun = keep > 2;
        assert_eq!(status, if begun { 200 } else { 502 }, "{keep} events");
        assert!(!body.contains("[DONE]") && !body.contains("\"stop\""), "{body}");
        assert!(body.contains("broke off"), "{body}");
    }
    assert_eq!(deltas(&events).len(), 3);
}

#[test]
fn an_error_before_content_is_an_answer_and_after_it_an_event() {
    let error = json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}, "request_id": "r"});
    let (status, body) = streamed(&[stream(&[start(), error.clone()]).as_bytes()]);
    assert_eq!(status, 503, "{}", String::from_utf8_lossy(&body));
    for before in [text(0, &["par"]), [text(0, &["par"]), stop("end_turn")[..1].to_vec()].concat()]
    {
        let events = [vec![start()], before, vec![error.clone()], stop("end_turn")].concat();
        let (chunks, last) = chunks(&events);
        assert_eq!(chunks.len(), 2);
        let last: Value = serde_json::from_str(&last).unwrap();
        assert_eq!(last["code"], 503);
    }
}

#[test]
fn a_refusal_and_a_stop_without_a_word() {
    let refused = json!({"type": "message_delta", "usage": {"output_tokens": 2}, "delta": {"stop_reason": "refusal",
        "stop_details": {"type": "refusal", "category": "cyber", "explanation": "Too risky."}}});
    let (chunks, _) = chunks(&[start(), refused, json!({"type": "message_stop"})]);
    assert_eq!(chunks[1]["choices"][0]["delta"], json!({"refusal": "Too risky."}));
    assert_eq!(chunks[2]["choices"][0]["finish_reason"], "content_filter");
    let silent = deltas(&[start(), json!({"type": "message_stop"})]);
    assert_eq!(silent, [json!({"role": "assistant", "content": ""}), json!({})]);
}

#[test]
fn other_servers_ways_are_borne() {
    // A block that begins with all it has, and `[DONE]` after the end.
    let mut events = vec![start()];
    events.extend(block(0, &json!({"type": "text", "text": "a"}), &[]));
    events.extend(block(
        1,
        &json!({"type": "tool_use", "id": "t", "name": "f", "input": {"x": 1}}),
        &[],
    ));
    events.extend(stop("tool_use"));
    let said = joined(&deltas(&events));
    assert_eq!(said["content"], "a");
    assert_eq!(said["tool_calls"][0]["function"]["arguments"], "{\"x\":1}");
    let with_done = format!("{}data: [DONE]\n\n", stream(&events));
    assert_eq!(streamed(&[with_done.as_bytes()]), streamed(&[stream(&events).as_bytes()]));
}

#[test]
fn nothing_that_comes_makes_it_panic() {
    let good = stream(&everything());
    let odd = [
        "null",
        "{}",
        "[]",
        "-1",
        "1e99",
        "\"\"",
        "\"\\ud800\"",
        "18446744073709551616",
        "{\"type\":1}",
    ];
    for (position, _) in good.match_indices([':', ',']) {
        for value in odd {
            let (before, after) = good.split_at(position + 1);
            let rest = after.find([',', '}']).map_or("", |end| &after[end..]);
            let broken = format!("{before}{value}{rest}");
            streamed(&[broken.as_bytes()]);
            let body = broken.replace("data: ", "");
            let (mut attempt, _) = ask(&json!({})).unwrap();
            receive(&mut attempt, head(200, ""), &[body.as_bytes()]);
        }
    }
    for byte in [0_u8, b'"', b'{', 0xff] {
        for at in (0..good.len()).step_by(7) {
            let mut broken = good.clone().into_bytes();
            broken[at] = byte;
            streamed(&[&broken]);
        }
    }
}
