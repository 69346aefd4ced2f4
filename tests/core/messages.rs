//! The Messages API as a way in: what Claude gets and gives passes as it is, and what every other
//! provider gives becomes blocks and events. Whole cases are in `tests/golden/messages`.

use std::rc::Rc;

use attache::{
    attempt::Attempt,
    chat::request_variant::RequestVariant,
    gateway::{Exchange, Gateway, Input, Output, RequestHead},
    handoff::ticket::{AttemptTarget, Ticket},
    region::Region,
};
use serde_json::{Value, json};

use testkit::play::{self, REQUEST_ID};

const PATH: &str = "/v1/messages";

/// A turn of the assistant that calls a tool.
const CALL: &str =
    r#"{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":{}}]}"#;

fn head(headers: &Value) -> RequestHead {
    play::head_for(PATH, headers)
}

/// The body that a request leaves with.
fn sent(body: &[u8]) -> Vec<u8> {
    let asked = play::ask_at(&play::gateway(Region::Us), head(&json!({})), body);
    let (_, outgoing, _) = asked.unwrap_or_else(|reply| panic!("{reply:?}"));
    outgoing.body
}

/// The ticket with which a request goes through the router.
fn ticket(gateway: &Rc<Gateway>, head: RequestHead, body: &[u8]) -> Ticket {
    play::ticket(play::exchange_at(gateway, head, body))
}

#[test]
fn a_request_for_claude_leaves_byte_for_byte_where_nothing_has_to_change() {
    let bodies = [
        r#"{ "max_tokens" : 9, "model":"claude-sonnet-4-6",
            "messages":[ {"content":[{"type":"text","text":"\u0061 b","cache_control":{"type":"ephemeral","ttl":"1h"}}],"role":"user"} ] }"#,
        r#"{"model":"claude-sonnet-4-6","messages":[{"role":"user","content":"a"},{"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"EuYB"},{"type":"redacted_thinking","data":"EmwK"},{"type":"tool_use","id":"toolu_1","name":"f","input":{ "b":1.50 }}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":[]}]}],"system":[{"type":"text","text":"s"}],"tools":[{"name":"f","input_schema":{"type":"object"},"eager_input_streaming":true},{"type":"web_search_20250305","name":"web_search"}],"tool_choice":{"type":"any"},"thinking":{"type":"disabled"},"metadata":{"user_id":"{\"device_id\":\"0\"}"},"max_tokens":32000,"stream":true,"context_management":{"edits":[]},"container":null}"#,
    ];
    for body in bodies {
        assert_eq!(String::from_utf8(sent(body.as_bytes())).unwrap(), body);
    }
}

#[test]
fn only_the_fields_that_depend_on_the_target_change() {
    let inner = r#"[{"role":"user","content":[ {"type":"text","text":"\u0061"} ]}]"#;
    let body = format!(
        r#"{{"fallbacks":[{{"model":"gpt-4.1"}}],"a\"b":1,"model":"Claude-Haiku-4-5","top_k":5, "messages":{inner},"max_tokens":9000000,"stream":false}}"#
    );
    let expected = format!(
        r#"{{"a\"b":1,"model":"claude-haiku-4-5-20251001","top_k":5,"messages":{inner},"max_tokens":64000,"stream":false}}"#
    );
    let gateway = play::gateway(Region::Us);
    let small = body.replace("9000000", "100000");
    let (_, outgoing, _) = play::ask_at(&gateway, head(&json!({})), small.as_bytes()).unwrap();
    assert_eq!(String::from_utf8(outgoing.body).unwrap(), expected);
}

#[test]
fn an_answer_of_claude_passes_byte_for_byte() {
    let gateway = play::gateway(Region::Us);
    let request = play::messages_request(&json!({"model": "claude-sonnet-4-6"}));
    let answers = [
        r#"{ "id":"msg_1", "type":"message","role":"assistant","model":"claude-sonnet-4-6","content":[{"type":"thinking","thinking":"","signature":"EuYB"},{"type":"text","text":"\u0061","citations":null},{"type":"new_block"}],"stop_reason":"pause_turn","stop_sequence":null,"usage":{"input_tokens":1,"cache_creation":{"ephemeral_1h_input_tokens":2},"output_tokens":3}}"#,
        r#"{"content":[],"stop_reason":"refusal","stop_details":{"type":"refusal"}}"#,
    ];
    for answer in answers {
        let (mut attempt, ..) = play::ask_at(&gateway, head(&json!({})), &request).unwrap();
        let got = play::receive(&mut attempt, play::head(&json!({})), &[answer.as_bytes()]);
        assert_eq!(String::from_utf8(got.body).unwrap(), answer);
    }
}

#[test]
fn every_cut_of_a_stream_yields_the_same_events() {
    play::assert_cuts_agree("messages/stream");
}

#[test]
fn fallbacks_come_as_fields_or_as_a_header() {
    let gateway = play::gateway(Region::Us);
    let named = |ticket: Ticket| -> Vec<String> {
        ticket.rest.into_iter().map(|target: AttemptTarget| target.model).collect()
    };
    let stream = json!({"stream": true, "fallback_config": {"retry": false, "depth": 2}});
    let body = play::messages_request(&stream);
    let header = json!({"x-attache-fallbacks": "claude-sonnet-4-6, gpt-5"});
    let models = named(ticket(&gateway, head(&header), &body));
    assert_eq!(models, ["claude-sonnet-4-6", "gpt-5"]);

    let config = json!({
        "x-attache-fallbacks": "gpt-5",
        "x-attache-fallback-config": "retry=false",
    });
    let body = play::request(&json!({"stream": true}));
    let chat = play::head_for("/v1/chat/completions", &config);
    assert_eq!(named(ticket(&gateway, chat, &body)), ["gpt-5"]);
}

#[test]
fn a_fallback_overrides_the_fields_of_the_original() {
    let gateway = play::gateway(Region::Us);
    let body = play::messages_request(&json!({
        "system": "One.",
        "temperature": 0.5,
        "container": "c",
        "fallbacks": [{"model": "claude-sonnet-4-6", "system": "Two.", "stop_sequences": ["x"]}],
    }));
    let ticket = ticket(&gateway, head(&json!({})), &body);
    let variant = RequestVariant::fallback(0);
    let (model, cluster) = ("claude-sonnet-4-6".to_owned(), "anthropic-us".to_owned());
    let site = play::site(&gateway, &cluster);
    let target = AttemptTarget { route: variant.into(), model, cluster };
    let ticket = Ticket { target, ..ticket };
    let (_, outgoing) = Attempt::new(&site, ticket, &body, play::sent()).unwrap();
    let sent: Value = serde_json::from_slice(&outgoing.body).unwrap();
    let expected = json!({
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "Hi"}],
        "temperature": 0.5,
        "container": "c",
        "model": "claude-sonnet-4-6",
        "system": "Two.",
        "stop_sequences": ["x"],
    });
    assert_eq!(sent, expected);
}

#[test]
fn tokens_are_counted_by_claude_and_estimated_for_others() {
    let gateway = play::gateway(Region::Us);
    let ask = |model: &str| {
        let body = json!({"model": model, "messages": [{"role": "user", "content": "12345678"}]});
        let head = play::head_for("/v1/messages/count_tokens", &json!({}));
        play::ask_at(&gateway, head, body.to_string().as_bytes())
    };
    let (mut attempt, outgoing, _) = ask("claude-sonnet-4-6").unwrap();
    assert_eq!(outgoing.path, "/v1/messages/count_tokens");
    let got = play::receive(&mut attempt, play::head(&json!({})), &[br#"{"input_tokens": 14}"#]);
    assert_eq!((got.status, got.body.as_slice()), (200, br#"{"input_tokens": 14}"#.as_slice()));

    let Err(reply) = ask("gpt-4.1") else { panic!("a provider without a count is asked") };
    // "role" and "content", "user", and eight characters.
    assert_eq!((reply.status, reply.body.as_slice()), (200, br#"{"input_tokens":6}"#.as_slice()));
    let estimated = ("x-attache-params", "emulated=count_tokens".to_owned());
    assert!(reply.headers.contains(&estimated), "{:?}", reply.headers);

    let Err(reply) = ask("nobody") else { panic!("an unknown model is asked") };
    assert_eq!(reply.status, 400);
}

#[test]
fn pages_have_the_form_that_anthropics_clients_read() {
    let get = |method: &str, path: &str, headers: &Value| {
        let head = RequestHead { end: true, ..play::head_for(path, headers) };
        let head = RequestHead { method: method.to_owned(), ..head };
        let mut exchange = Exchange::new(play::gateway(Region::Us), REQUEST_ID.to_owned());
        match exchange.on(Input::Head(head), play::sent) {
            Output::Reply(reply) => reply,
            other => panic!("{other:?}"),
        }
    };
    let version = json!({"anthropic-version": "2023-06-01"});
    let list: Value = serde_json::from_slice(&get("GET", "/v1/models", &version).body).unwrap();
    let first = &list["data"][0];
    assert_eq!((&first["type"], list["has_more"].as_bool()), (&json!("model"), Some(false)));
    assert_eq!(list["first_id"], first["id"]);
    assert!(first["display_name"].is_string() && first["created_at"].is_string(), "{first}");
    let list: Value = serde_json::from_slice(&get("GET", "/v1/models", &json!({})).body).unwrap();
    assert_eq!(list["data"][0]["object"], "model");

    let reply = get("HEAD", "/", &json!({}));
    assert_eq!((reply.status, reply.body.len()), (200, 0));
    let error = get("GET", "/v1/messages", &json!({}));
    let body: Value = serde_json::from_slice(&error.body).unwrap();
    assert_eq!((error.status, &body["type"]), (405, &json!("error")));
    assert_eq!(body["error"]["type"], "invalid_request_error");
    assert!(error.headers.contains(&("request-id", REQUEST_ID.to_owned())));
}

#[test]
fn hostile_bodies_are_refused_or_read_at_once() {
    let gateway = play::gateway(Region::Us);
    let play_body = |body: &str| play::exchange_at(&gateway, head(&json!({})), body.as_bytes());
    let nested = |depth: usize| {
        let (open, close) = (r#"{"type":"tool_result","tool_use_id":"a","content":["#, "]}");
        format!(
            r#"{{"model":"gpt-4.1","max_tokens":9,"messages":[{CALL},{{"role":"user","content":[{}{}]}}]}}"#,
            open.repeat(depth),
            close.repeat(depth)
        )
    };
    let many = r#"{"type":"text"},"#.repeat(100_000);
    let refused = [
        "[]".to_owned(),
        "{".to_owned(),
        r#"{"model":"gpt-4.1","mod\u0065l":"x","max_tokens":1,"messages":[]}"#.to_owned(),
        r#"{"model":"gpt-4.1","max_tokens":1,"messages":[{"role":"user","role":"user","content":""}]}"#
            .to_owned(),
        nested(200),
        format!(
            r#"{{"model":"gpt-4.1","max_tokens":9,"messages":[{{"role":"user","content":[{many}1]}}]}}"#
        ),
    ];
    for body in refused {
        let Output::Reply(reply) = play_body(&body) else { panic!("{body:.200}") };
        assert_eq!(reply.status, 400, "{body:.200}");
        assert!(reply.body.len() < 64 << 10, "{} bytes", reply.body.len());
    }
    // Results within results mean nothing: they are left out.
    assert!(play::is_sent(&play_body(&nested(3))));
}
