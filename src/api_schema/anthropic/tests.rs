//! Whole requests, answers and streams, through an attempt.

mod answers;
mod requests;
mod schemas;
mod streams;
mod thinking;
mod tools;

use std::{rc::Rc, time::Duration};

use serde_json::{Value, json};

use crate::{
    api_schema::{origin::ResponseHead, translation::TranslatedRequest},
    attempt::{Attempt, ProviderCluster, Step},
    chat::error::Error,
    config::Config,
    handoff::ticket::Ticket,
    region::Region,
    time::Timestamp,
};

const REQUEST_ID: &str = "7f3c1e52-9b1d-4e6a-8c2f-0d4b5a697887";

/// Returns the provider of the models in `gateway.json`: `level` thinks with an effort, `budget`
/// with a budget and takes prefill, `vertex` is `level` on Vertex AI. `default` thinks unless a
/// request disables that, and so does `tools_without_thinking`, but in no request with tools.
fn cluster(provider: &str) -> Rc<ProviderCluster> {
    let document = serde_json::from_str(include_str!("tests/gateway.json")).unwrap();
    let config = Rc::new(Config::parse(&document).unwrap());
    Rc::new(ProviderCluster {
        config,
        provider: provider.to_owned(),
        key: crate::config::PoolKey::FIRST,
        region: Region::Us,
        store: Rc::new(crate::quota::NullStore),
    })
}

fn now() -> Timestamp {
    Timestamp::from_epoch(Duration::from_secs(1_795_000_000))
}

/// Translates a request with these parameters. The model is `level` and there is one message,
/// unless the parameters replace them.
fn ask(parameters: &Value) -> Result<(Attempt, TranslatedRequest), Error> {
    let mut request =
        json!({"model": "level", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]});
    request.as_object_mut().unwrap().extend(parameters.as_object().cloned().unwrap());
    let provider = if request["model"] == "vertex" { "vertex" } else { "anthropic" };
    let (ticket, body) = (Ticket::for_test(REQUEST_ID), serde_json::to_vec(&request).unwrap());
    Attempt::new(&cluster(provider), ticket, &body, now())
}

/// Returns the body of the request to the provider.
fn sent(parameters: &Value) -> Value {
    let (_, outgoing) = ask(parameters).unwrap_or_else(|error| panic!("{parameters}: {error}"));
    serde_json::from_slice(&outgoing.body).unwrap()
}

/// Returns the error for a request that is refused.
fn refusal(parameters: &Value) -> String {
    match ask(parameters) {
        Ok((_, outgoing)) => panic!("sent {}", String::from_utf8_lossy(&outgoing.body)),
        Err(error) => error.to_string(),
    }
}

/// Returns the client's response: status, value of `x-attache-params`, body.
fn receive(attempt: &mut Attempt, head: ResponseHead, pieces: &[&[u8]]) -> (u16, String, Vec<u8>) {
    let (mut status, mut report, mut body) = (0, String::new(), Vec::new());
    let mut take = |step| match step {
        Step::Hold => {}
        Step::Continue { bytes, .. } => body.extend(bytes),
        Step::Answer(reply) | Step::Begin(reply) | Step::Fail(reply, _) => {
            assert_eq!(status, 0, "a second head");
            let found = reply.headers.iter().find(|(name, _)| *name == "x-attache-params");
            report = found.map(|(_, value)| value.clone()).unwrap_or_default();
            (status, body) = (reply.status, reply.body);
        }
        Step::Yield(..) => panic!("there is no other attempt"),
    };
    attempt.head(head);
    for piece in pieces {
        take(attempt.body(piece, false, now));
    }
    take(attempt.body(b"", true, now));
    (status, report, body)
}

fn head(status: u16, content_type: &str) -> ResponseHead {
    ResponseHead { status, content_type: content_type.to_owned(), ..ResponseHead::default() }
}

/// Returns an answer of the provider, with these fields instead of its usual ones.
fn message(fields: &Value) -> Vec<u8> {
    let mut message = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x",
        "content": [{"type": "text", "text": "Hello."}],
        "stop_reason": "end_turn", "stop_sequence": null,
        "usage": {"input_tokens": 12, "output_tokens": 7},
    });
    message.as_object_mut().unwrap().extend(fields.as_object().cloned().unwrap());
    serde_json::to_vec(&message).unwrap()
}

/// Checks cases of parameters and the fields of the body that they become, `null` for none.
fn check(cases: &[(Value, Value)]) {
    for (parameters, expected) in cases {
        let body = sent(parameters);
        for (field, value) in expected.as_object().unwrap() {
            let found = body.get(field).unwrap_or(&Value::Null);
            assert_eq!(found, value, "{field} of {parameters}");
        }
    }
}

fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

fn user(blocks: &[Value]) -> Value {
    json!({"role": "user", "content": blocks})
}

fn assistant(blocks: &[Value]) -> Value {
    json!({"role": "assistant", "content": blocks})
}

fn tool(name: &str) -> Value {
    json!({"type": "function", "function": {"name": name}})
}

fn call(id: &str, name: &str, arguments: &str) -> Value {
    json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}})
}

fn tool_use(id: &str, name: &str, input: &Value) -> Value {
    json!({"type": "tool_use", "id": id, "name": name, "input": input})
}

fn result(id: &str, text: &str) -> Value {
    json!({"type": "tool_result", "tool_use_id": id, "content": [{"type": "text", "text": text}]})
}

fn missing(id: &str) -> Value {
    json!({"type": "tool_result", "tool_use_id": id, "content": "This call has no result.",
        "is_error": true})
}
