use serde_json::Value;

use super::*;

fn content(text: &str) -> Delta<'static> {
    Delta::Content { choice: 0, text: Text::new(text), logprobs: None }
}

fn call(call: usize) -> Delta<'static> {
    Delta::Call { choice: 0, call, id: None, name: Text::new("f"), extra_content: None }
}

fn arguments(call: usize, text: &str) -> Delta<'static> {
    Delta::Arguments { choice: 0, call, text: Text::new(text) }
}

fn finish(finish: Finish) -> Delta<'static> {
    Delta::Finish { choice: 0, finish, native: None }
}

/// The events that deltas make.
fn events(deltas: &[Delta<'_>], envelope: Envelope) -> Vec<Value> {
    let mut writer = ResponsesStreamWriter::new(envelope);
    deltas.iter().for_each(|delta| writer.write(delta));
    let written = String::from_utf8(writer.take_bytes()).unwrap();
    let data = written.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(|data| serde_json::from_str(data).unwrap()).collect()
}

/// The output of the response that deltas make.
fn output(deltas: &[Delta<'_>], envelope: Envelope) -> Vec<Value> {
    let last = events(deltas, envelope).pop().unwrap();
    last["response"]["output"].as_array().unwrap().clone()
}

#[test]
fn deltas_that_break_the_order_are_dropped() {
    let legal = [content("a"), call(0), arguments(0, "{}"), finish(Finish::Stop), Delta::End];
    let illegal = [
        arguments(0, "{}"),
        content(""),
        content("a"),
        Delta::Content { choice: 1, text: Text::new("b"), logprobs: None },
        call(1),
        call(0),
        call(0),
        arguments(1, "{}"),
        arguments(0, "{}"),
        finish(Finish::Stop),
        finish(Finish::Stop),
        content("b"),
        arguments(0, "{}"),
        Delta::End,
        content("b"),
        Delta::End,
    ];
    let envelope = Envelope::default();
    assert_eq!(events(&illegal, envelope.clone()), events(&legal, envelope));
}

#[test]
fn text_that_comes_late_waits_for_the_arguments() {
    let deltas = [
        content("a"),
        call(0),
        arguments(0, "{\"x\":"),
        content("b"),
        call(1),
        arguments(1, "{}"),
        arguments(0, "1}"),
        content("c"),
        finish(Finish::Stop),
        Delta::End,
    ];
    let output = output(&deltas, Envelope::default());
    let said = output.iter().map(|item| match item["type"].as_str().unwrap() {
        "message" => item["content"][0]["text"].as_str().unwrap(),
        _ => item["arguments"].as_str().unwrap(),
    });
    assert_eq!(said.collect::<Vec<_>>(), ["a", "{\"x\":1}", "{}", "bc"]);
}

#[test]
fn details_without_reasoning_are_an_item_of_their_own() {
    let json = r#"{"type":"reasoning.encrypted","data":"x","index":0}"#.to_owned();
    let deltas = [
        content("a"),
        Delta::ReasoningDetail { choice: 0, json },
        content("b"),
        finish(Finish::Stop),
        Delta::End,
    ];
    for (carries_reasoning, expected) in
        [(true, &["message", "reasoning"][..]), (false, &["message"])]
    {
        let envelope = Envelope { carries_reasoning, ..Envelope::default() };
        let output = output(&deltas, envelope);
        let kinds: Vec<_> = output.iter().map(|item| item["type"].as_str().unwrap()).collect();
        assert_eq!(kinds, expected);
        assert_eq!(output[0]["content"][0]["text"], "ab");
    }
}

#[test]
fn an_answer_that_ends_without_a_finish_or_without_anything_is_complete() {
    let last = |deltas: &[Delta<'_>]| events(deltas, Envelope::default()).pop();
    assert_eq!(last(&[Delta::End]), None);
    let cut = last(&[content("a"), Delta::End]).unwrap();
    assert_eq!((&cut["type"], &cut["sequence_number"]), (&"response.completed".into(), &8.into()));
    let long = last(&[content("a"), finish(Finish::Length), Delta::End]).unwrap();
    assert_eq!(long["response"]["output"][0]["status"], "incomplete");
}
