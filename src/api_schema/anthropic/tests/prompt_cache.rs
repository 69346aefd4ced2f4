//! The marks that the gateway places, from one turn of a conversation to the next.

use super::*;

/// Returns the prompts that a request writes to Claude's cache and reads from it: up to each mark,
/// without the marks.
fn cached_prompts(body: &Value) -> Vec<Vec<Value>> {
    let list = |key: &str| body[key].as_array().cloned().unwrap_or_default();
    let of_turn = |turn: Value| turn["content"].as_array().cloned().unwrap();
    let blocks = [list("tools"), list("system")].into_iter().flatten();
    let (mut prompt, mut cached) = (Vec::new(), Vec::new());
    for mut block in blocks.chain(list("messages").into_iter().flat_map(of_turn)) {
        let mark = block.as_object_mut().unwrap().remove("cache_control");
        prompt.push(block);
        if mark.is_some() {
            cached.push(prompt.clone());
        }
    }
    cached
}

/// Returns what is sent for the first messages of a conversation.
fn sent_until(messages: &[Value], tools: &[Value]) -> Value {
    sent(&json!({"model": "cached", "messages": messages, "tools": tools}))
}

#[test]
fn each_turn_reads_what_the_turn_before_has_written() {
    let says = |role: &str, text: &str| json!({"role": role, "content": text});
    let calls: Vec<Value> = (0..30).map(|n| call(&format!("c{n}"), "look", "{}")).collect();
    let results = (0..30).map(|n| {
        json!({"role": "tool", "tool_call_id": format!("c{n}"),
        "content": "Found."})
    });
    let mut messages = vec![says("system", "You help."), says("user", "One")];
    let (mut turns, tools) = (vec![2], [tool("look"), tool("find")]);
    messages.push(json!({"role": "assistant", "content": null, "tool_calls": calls}));
    messages.extend(results);
    turns.push(messages.len());
    messages.extend([says("assistant", "Two"), says("user", "Three"), says("user", "Four")]);
    turns.push(messages.len());
    messages.extend([says("assistant", "Five"), says("user", "Six")]);
    turns.push(messages.len());
    let mut written: Vec<Vec<Value>> = Vec::new();
    for turn in turns {
        let body = sent_until(&messages[..turn], &tools);
        let cached = cached_prompts(&body);
        assert!((3..=4).contains(&cached.len()), "{body}");
        if let Some(whole) = written.last() {
            assert!(cached.contains(whole), "{turn}: {body}");
        }
        written = cached;
    }
}

#[test]
fn nothing_is_marked_beside_a_mark_of_the_client_or_without_the_operators_word() {
    let mark = json!({"type": "ephemeral"});
    let other = json!({"type": "persistent"});
    let hi = json!([{"role": "user", "content": "Hi"}]);
    let marked = json!([{"role": "user", "content": "Hi", "cache_control": mark}]);
    let mut known = tool("look");
    known["cache_control"] = other.clone();
    for (parameters, count) in [
        (json!({"model": "cached", "messages": hi}), 1),
        (json!({"model": "level", "messages": hi}), 0),
        (json!({"model": "cached", "messages": marked, "tools": [tool("look")]}), 1),
        (json!({"model": "cached", "messages": hi, "tools": [known]}), 0),
        (json!({"model": "cached", "messages": hi, "cache_control": other}), 0),
    ] {
        let (mut attempt, outgoing) = ask(&parameters).unwrap();
        let body = String::from_utf8(outgoing.body).unwrap();
        assert_eq!(body.matches("cache_control").count(), count, "{parameters}: {body}");
        let (_, report, _) =
            receive(&mut attempt, head(200, "application/json"), &[&message(&json!({}))]);
        let is_reported = report.contains("emulated=cache_control");
        assert_eq!(
            is_reported,
            parameters["messages"] == hi && count > 0,
            "{parameters}: {report}"
        );
    }
}
