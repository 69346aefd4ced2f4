//! Whole exchanges with Gemini, AI Studio in the US and Vertex AI in the EU.

mod answers;
mod closing;
mod requests;
mod streams;

use std::{rc::Rc, time::Duration};

use serde_json::{Value, json};

use crate::{
    api_schema::{origin::ResponseHead, translation::TranslatedRequest},
    attempt::{Attempt, ProviderCluster, Step},
    chat::error::Error,
    config::Config,
    handoff::ticket::Ticket,
    region::Region,
    reply::Reply,
    time::Timestamp,
};

const OLD: &str = "gemini-2.5-flash";
const NEW: &str = "gemini-3-flash";

/// Model that refuses a conversation whose last turn is the model's.
const USER_LAST: &str = "gemini-3.6-flash";

fn model(name: &str, thinking: Value) -> Value {
    json!({
        "name": name,
        "regions": {
            "us": {"provider": "google", "upstream_model": name},
            "eu": {"provider": "google", "upstream_model": name},
        },
        "context_length": 1_048_576,
        "max_output_tokens": 65_535,
        "input": ["text", "image", "file", "audio"],
        "supported_parameters": [
            "temperature", "top_p", "top_k", "n", "stop", "seed", "frequency_penalty",
            "presence_penalty", "logit_bias", "logprobs", "top_logprobs", "response_format",
            "tools", "tool_choice", "parallel_tool_calls", "stream", "reasoning_effort",
            "reasoning", "user", "audio"
        ],
        "response_formats": ["json_object", "json_schema"],
        "reasoning_efforts": ["none", "minimal", "low", "medium", "high"],
        "thinking": thinking,
    })
}

fn cluster(region: Region) -> Rc<ProviderCluster> {
    let mut user_last = model(USER_LAST, json!(null));
    user_last["prefill"] = json!(false);
    user_last["effort_with_tools"] = json!("none_only");
    let vertex = "https://aiplatform.eu.rep.googleapis.com/v1/projects/p/locations/eu";
    let config = Config::parse(&json!({
        "listeners": {"us": {"port": 8080}, "eu": {"port": 8081}},
        "plans": {"paid": {"requests_per_minute": 30}},
        "accounts": {"acme": {"plan": "paid", "key_files": ["acme.key"]}},
        "providers": {"google": {
            "api_schema": "gemini",
            "base_url": {
                "us": "https://generativelanguage.googleapis.com/v1beta",
                "eu": format!("{vertex}/publishers/google"),
            },
        }},
        "models": {
            OLD: model(OLD, json!("budget")),
            NEW: model(NEW, json!(null)),
            USER_LAST: user_last,
        },
    }));
    Rc::new(ProviderCluster {
        config: Rc::new(config.unwrap()),
        provider: "google".into(),
        key: crate::config::PoolKey::FIRST,
        region,
        store: Rc::new(crate::quota::NullStore),
    })
}

fn now() -> Timestamp {
    Timestamp::from_epoch(Duration::from_secs(1_795_000_000))
}

fn attempt_in(
    region: Region,
    model: &str,
    request: &Value,
) -> Result<(Attempt, TranslatedRequest), Error> {
    let mut body = json!({"model": model, "messages": [{"role": "user", "content": "Hi"}]});
    for (name, value) in request.as_object().unwrap() {
        body[name] = value.clone();
    }
    let id = "7f3c1e52-9b1d-4e6a-8c2f-0d4b5a697887";
    let ticket = Ticket { gateway_region: region, ..Ticket::for_test(id) };
    Attempt::new(&cluster(region), ticket, body.to_string().as_bytes(), now())
}

/// Returns the body of a request that is sent.
fn sent(model: &str, request: &Value) -> Value {
    let (_, outgoing) = attempt_in(Region::Us, model, request).unwrap();
    serde_json::from_slice(&outgoing.body).unwrap()
}

/// Returns the mistakes of a request that is refused.
fn refused(region: Region, model: &str, request: &Value) -> Vec<String> {
    match attempt_in(region, model, request) {
        Err(Error::Invalid(mistakes)) => mistakes.into_iter().map(|own| own.message).collect(),
        other => panic!("not refused: {other:?}"),
    }
}

/// Returns the reply that the client gets, with all of a stream's bytes.
fn receive(attempt: &mut Attempt, head: ResponseHead, pieces: &[&[u8]]) -> Reply {
    let mut got = Reply::ok(Vec::new(), Vec::new());
    attempt.head(head);
    let steps: Vec<Step> = pieces.iter().map(|piece| attempt.body(piece, false, now)).collect();
    for step in steps.into_iter().chain([attempt.body(b"", true, now)]) {
        match step {
            Step::Hold => {}
            Step::Answer(reply) | Step::Begin(reply) | Step::Fail(reply, _) => got = reply,
            Step::Continue { bytes, reason } => {
                got.body.extend_from_slice(&bytes);
                got.reason = got.reason.or(reason.map(Into::into));
            }
            Step::Yield(..) => panic!("there is no other attempt"),
        }
    }
    got
}

fn head(status: u16, content_type: &str) -> ResponseHead {
    ResponseHead { status, content_type: content_type.into(), ..ResponseHead::default() }
}

/// Returns the reply to an answer in one piece.
fn answer(status: u16, body: &str) -> Reply {
    let tools = json!([{"type": "function", "function": {"name": "a/b"}}]);
    let (mut attempt, _) = attempt_in(Region::Us, OLD, &json!({"tools": tools})).unwrap();
    receive(&mut attempt, head(status, "application/json; charset=UTF-8"), &[body.as_bytes()])
}

/// Returns the reply to a stream.
fn stream(pieces: &[&[u8]]) -> Reply {
    let tools = json!([{"type": "function", "function": {"name": "a/b"}}]);
    let request =
        json!({"stream": true, "stream_options": {"include_usage": true}, "tools": tools});
    let (mut attempt, _) = attempt_in(Region::Us, OLD, &request).unwrap();
    receive(&mut attempt, head(200, "text/event-stream"), pieces)
}

/// Returns events in the form that Google sends.
fn events(responses: &[Value]) -> String {
    responses.iter().map(|response| format!("data: {response}\r\n\r\n")).collect()
}
