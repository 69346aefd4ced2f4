//! Streams, cut at every byte, and malformed ones.

use serde_json::{Value, json};

use super::{answer, events, stream};

/// Event with the next parts of a candidate.
fn parts(parts: &Value) -> Value {
    json!({"candidates": [{"index": 0, "content": {"role": "model", "parts": parts}}],
        "usageMetadata": {"promptTokenCount": 12}})
}

/// Events with a thought, texts, two calls, an end without content, and usage alone.
fn conversation() -> Vec<Value> {
    let cost = json!({"promptTokenCount": 12, "candidatesTokenCount": 7, "thoughtsTokenCount": 3,
        "cachedContentTokenCount": 4});
    vec![
        json!({"candidates": [{"content": {"role": "model"}}], "usageMetadata": {"trafficType": "ON_DEMAND"}}),
        parts(&json!([{"text": "Hm", "thought": true}])),
        parts(&json!([{"text": "漢🙂"}, {"text": "\n\"é\""}])),
        parts(
            &json!([{"functionCall": {"name": "a_b", "args": {"x": "y z"}}, "thoughtSignature": "c2ln"}]),
        ),
        parts(
            &json!([{"functionCall": {"id": "own", "name": "g"}}, {"text": "", "thoughtSignature": "dGV4dA=="}]),
        ),
        json!({"candidates": [{"content": {"parts": [{"text": ""}]}, "finishReason": "STOP"}]}),
        json!({"usageMetadata": cost}),
    ]
}

/// Joins the chunks of a stream to a message, as OpenAI's SDKs do.
fn accumulated(stream: &str) -> Value {
    let mut message =
        json!({"content": "", "reasoning_content": "", "reasoning_details": [], "tool_calls": []});
    let mut finish = json!(null);
    let mut usage = json!(null);
    let data = stream.split("\n\n").filter_map(|event| event.strip_prefix("data: "));
    for chunk in data.filter(|data| *data != "[DONE]") {
        let chunk: Value = serde_json::from_str(chunk).unwrap();
        usage = chunk["usage"].clone();
        let Some(choice) = chunk["choices"].get(0) else { continue };
        finish = choice["finish_reason"].clone();
        let delta = &choice["delta"];
        for key in ["content", "reasoning_content"] {
            let more = delta[key].as_str().unwrap_or_default();
            message[key] = json!(format!("{}{more}", message[key].as_str().unwrap()));
        }
        for detail in delta["reasoning_details"].as_array().into_iter().flatten() {
            message["reasoning_details"].as_array_mut().unwrap().push(detail.clone());
        }
        for call in delta["tool_calls"].as_array().into_iter().flatten() {
            let mut call = call.clone();
            let index = call.as_object_mut().unwrap().shift_remove("index").unwrap();
            let calls = message["tool_calls"].as_array_mut().unwrap();
            match calls.get_mut(usize::try_from(index.as_u64().unwrap()).unwrap()) {
                None => calls.push(call),
                Some(known) => {
                    let more = call["function"]["arguments"].as_str().unwrap();
                    let all = format!("{}{more}", known["function"]["arguments"].as_str().unwrap());
                    known["function"]["arguments"] = json!(all);
                }
            }
        }
    }
    json!({"message": message, "finish": finish, "usage": usage})
}

#[test]
fn a_stream_cut_anywhere_equals_the_answer_in_one_piece() {
    let streamed = events(&conversation());
    let whole = String::from_utf8(stream(&[streamed.as_bytes()]).body).unwrap();
    assert!(whole.ends_with("data: [DONE]\n\n"), "{whole}");
    for streamed in [streamed.clone(), streamed.replace("\r\n", "\n")] {
        for cut in 0..=streamed.len() {
            let (first, second) = streamed.as_bytes().split_at(cut);
            let got = String::from_utf8(stream(&[first, second]).body).unwrap();
            assert_eq!(got, whole, "cut at byte {cut}");
        }
        let bytes: Vec<&[u8]> = streamed.as_bytes().chunks(1).collect();
        assert_eq!(String::from_utf8(stream(&bytes).body).unwrap(), whole, "byte by byte");
    }

    let mut all = Vec::new();
    for response in conversation() {
        let said = response["candidates"][0]["content"]["parts"].as_array().cloned();
        all.extend(said.unwrap_or_default());
    }
    let cost = conversation().pop().unwrap()["usageMetadata"].clone();
    let twin = json!({
        "candidates": [{"content": {"parts": all}, "finishReason": "STOP"}],
        "usageMetadata": cost,
    });
    let twin: Value = serde_json::from_slice(&answer(200, &format!("{twin:#}")).body).unwrap();
    let got = accumulated(&whole);
    for key in ["content", "reasoning_content", "reasoning_details", "tool_calls"] {
        assert_eq!(got["message"][key], twin["choices"][0]["message"][key], "{key}");
    }
    assert_eq!(got["finish"], "tool_calls");
    assert_eq!(twin["choices"][0]["finish_reason"], "tool_calls");
    assert_eq!(got["usage"], twin["usage"]);
    assert_eq!(got["message"]["tool_calls"][0]["function"]["name"], "a/b");
    assert_eq!(got["message"]["tool_calls"][0]["function"]["arguments"], r#"{"x":"y z"}"#);
}

#[test]
fn a_stream_without_an_end_is_an_error() {
    let mut responses = conversation();
    responses.truncate(5);
    let got = stream(&[events(&responses).as_bytes()]);
    let text = String::from_utf8(got.body).unwrap();
    assert_eq!(got.reason.as_deref(), Some("upstream_error"));
    assert!(!text.contains("[DONE]") && !text.contains("\"stop\""), "{text}");
    assert!(text.contains("\"error\""), "{text}");

    let error = json!({"error": {"code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED"}});
    assert_eq!(
        stream(&[events(std::slice::from_ref(&error)).as_bytes()]).status,
        429,
        "before it begins"
    );
    responses.push(error);
    let got = stream(&[events(&responses).as_bytes()]);
    assert_eq!((got.status, got.reason.as_deref()), (200, Some("rate_limit_exceeded")));

    let failed = json!({"candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL"}]});
    assert_eq!(stream(&[events(&[failed]).as_bytes()]).status, 502);
    let only_cost = json!({"usageMetadata": {"promptTokenCount": 1}});
    assert_eq!(stream(&[events(&[only_cost]).as_bytes()]).status, 502);
    assert_eq!(stream(&[b""]).status, 502);
}

/// Returns copies of a text in which one byte is missing, or replaced by one that is special in
/// JSON or UTF-8.
fn mutations(text: &str) -> impl Iterator<Item = Vec<u8>> {
    (0..text.len()).flat_map(move |place| {
        [None, Some(b'"'), Some(b'{'), Some(b']'), Some(b'0'), Some(0xff)].map(|byte| {
            let mut bytes = text.as_bytes().to_vec();
            match byte {
                None => drop(bytes.remove(place)),
                Some(byte) => bytes[place] = byte,
            }
            bytes
        })
    })
}

#[test]
fn no_answer_causes_a_panic() {
    for bytes in mutations(&events(&conversation())) {
        stream(&[&bytes]);
    }
    for response in conversation() {
        for bytes in mutations(&response.to_string()) {
            answer(200, &String::from_utf8_lossy(&bytes));
            answer(400, &String::from_utf8_lossy(&bytes));
        }
    }
    let far = json!({"candidates": [{"index": u64::MAX, "content": {"parts": [{"text": "t"}]}}]});
    stream(&[events(&[far]).as_bytes()]);
}
