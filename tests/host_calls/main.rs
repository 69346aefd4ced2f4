//! The host calls of an exchange, counted. A host call leaves the VM, and one that returns bytes enters
//! it again to allocate memory for them: `docs/proxy-wasm-host.md` has the cost of each.
//!
//! The module runs natively here. [`host`] has the functions that it imports, and [`envoy`] calls those
//! that it exports, as Envoy does.

#![cfg(not(target_family = "wasm"))]

mod envoy;
mod host;

use std::{collections::BTreeSet, fmt::Write};

use serde_json::json;

use self::{
    envoy::{Envoy, Response},
    host::Call,
};

/// Host calls by exchange and function. `answer` is the answer lane, `stream` the stream lane, with
/// three events; `limited` is an account with a limit of requests and one of tokens.
const COUNTS: &str = include_str!("counts.txt");

/// An exchange of the table.
struct Case {
    name: &'static str,
    account: &'static str,
    model: &'static str,
    response: Response<'static>,
}

const CASES: [Case; 6] = [
    Case { name: "answer openai", account: "acme", model: "gpt-4.1", response: OPENAI },
    Case {
        name: "answer anthropic",
        account: "acme",
        model: "claude-haiku-4-5",
        response: ANTHROPIC,
    },
    Case { name: "answer gemini", account: "acme", model: "gemini-2.5-flash", response: GEMINI },
    Case { name: "answer limited", account: "frugal", model: "gpt-4.1", response: OPENAI },
    Case { name: "stream openai", account: "acme", model: "gpt-4.1", response: OPENAI_STREAM },
    Case {
        name: "stream anthropic",
        account: "acme",
        model: "claude-haiku-4-5",
        response: ANTHROPIC_STREAM,
    },
];

const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";

const OPENAI: Response<'_> = Response {
    content_type: JSON,
    pieces: &[
        r#"{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,
        "message":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}],
        "usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}"#,
    ],
};

const ANTHROPIC: Response<'_> = Response {
    content_type: JSON,
    pieces: &[r#"{"id":"c","type":"message","role":"assistant","model":"m",
        "content":[{"type":"text","text":"Hello"}],"stop_reason":"end_turn",
        "usage":{"input_tokens":3,"output_tokens":2}}"#],
};

const GEMINI: Response<'_> = Response {
    content_type: JSON,
    pieces: &[r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"Hello"}]},
        "finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":3,
        "candidatesTokenCount":2,"totalTokenCount":5}}"#],
};

const OPENAI_STREAM: Response<'_> = Response {
    content_type: EVENTS,
    pieces: &[
        "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hel\"}}]}\n\n",
        "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"lo\"}}]}\n\n",
        "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\
         \"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5}}\n\n\
         data: [DONE]\n\n",
    ],
};

const ANTHROPIC_STREAM: Response<'_> = Response {
    content_type: EVENTS,
    pieces: &[
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"c\",\
         \"usage\":{\"input_tokens\":3,\"output_tokens\":1}}}\n\n\
         event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\
         \"delta\":{\"type\":\"text_delta\",\"text\":\"Hel\"}}\n\n",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\
         \"delta\":{\"type\":\"text_delta\",\"text\":\"lo\"}}\n\n",
        "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\
         \"end_turn\"},\"usage\":{\"output_tokens\":2}}\n\n\
         event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    ],
};

#[test]
fn an_exchange_needs_no_other_host_calls_than_these() {
    let file = serde_json::from_str(include_str!("../golden/gateway.json")).unwrap();
    let mut envoy = Envoy::start(&file);
    let found: Vec<_> = CASES.iter().map(|case| (case.name, calls(&mut envoy, case))).collect();
    let counts = table(&found);
    assert!(counts == COUNTS, "not as in counts.txt:\n{counts}{}", lists(&found));
}

#[test]
fn a_response_that_ends_in_trailers_is_replaced_where_envoy_has_its_body() {
    let file = serde_json::from_str(include_str!("../golden/gateway.json")).unwrap();
    let mut envoy = Envoy::start(&file);
    let mut play = |content_type, pieces: &[&str]| {
        let request = json!({"model": "gpt-4.1", "messages": [{"role": "user", "content": "Hello"}],
            "stream": true, "fallbacks": [], "fallback_config": {"retry": false}});
        envoy.trailers("acme", &request.to_string(), &Response { content_type, pieces })
    };
    let [answer] = OPENAI.pieces else { panic!("{:?}", OPENAI.pieces) };
    let (head, rest) = answer.split_at(9);
    for pieces in [&[*answer][..], &[head, rest]] {
        let (_, body) = play(JSON, pieces);
        assert!(body.starts_with("data: ") && body.ends_with("data: [DONE]\n\n"), "{body}");
    }
    // A stream that was held to its end, and one that the client has but for `[DONE]`.
    let [first, second, last] = OPENAI_STREAM.pieces else { panic!("{:?}", OPENAI_STREAM.pieces) };
    let last = last.trim_end_matches("data: [DONE]\n\n");
    let role =
        "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\"}}]}\n\n";
    let (_, body) = play(EVENTS, &[role]);
    assert!(body.contains("upstream_error"), "{body}");
    let (_, body) = play(EVENTS, &[first, second, last]);
    assert!(body.contains("Hel") && body.contains("\"stop\""), "{body}");
    assert!(!body.contains("[DONE]"), "{body}");
    let (calls, body) = play(JSON, &[]);
    let reply = calls.iter().find(|call| call.function == "send_local_response");
    assert!(reply.is_some_and(|call| call.subject.starts_with("502 ")), "{calls:?}");
    assert_eq!(body, "");
}

/// Returns the host calls of an exchange like one before it, for which the metrics are defined.
fn calls(envoy: &mut Envoy, case: &Case) -> Vec<Call> {
    let request = json!({
        "model": case.model,
        "messages": [{"role": "user", "content": "Hello"}],
        "stream": case.response.content_type == EVENTS,
    });
    envoy.exchange(case.account, &request.to_string(), &case.response);
    let (calls, answer) = envoy.exchange(case.account, &request.to_string(), &case.response);
    assert!(answer.contains("Hel"), "{}: {answer}", case.name);
    calls
}

/// Returns the table of [`COUNTS`].
fn table(found: &[(&str, Vec<Call>)]) -> String {
    let functions: BTreeSet<_> =
        found.iter().flat_map(|(_, calls)| calls.iter().map(|call| call.function)).collect();
    let mut text = format!("{:<30}", "");
    for (name, _) in found {
        write!(text, "  {name}").unwrap();
    }
    for function in functions {
        row(&mut text, function, found, |call| call.function == function);
    }
    row(&mut text, "returning bytes", found, |call| call.returned_bytes);
    row(&mut text, "all", found, |_| true);
    text + "\n"
}

/// Writes a row: the number of calls of a kind in each exchange.
fn row(text: &mut String, name: &str, found: &[(&str, Vec<Call>)], kind: impl Fn(&Call) -> bool) {
    write!(text, "\n{name:<30}").unwrap();
    for (column, calls) in found {
        let count = calls.iter().filter(|call| kind(call)).count();
        write!(text, "  {count:>width$}", width = column.len()).unwrap();
    }
}

/// Returns every call of every exchange, in order.
fn lists(found: &[(&str, Vec<Call>)]) -> String {
    let mut text = String::new();
    for (name, calls) in found {
        writeln!(text, "\n{name}").unwrap();
        for Call { function, subject, .. } in calls {
            writeln!(text, "    {function} {subject}").unwrap();
        }
    }
    text
}
