//! Played exchanges for embeddings: they are planned, counted and answered as chat requests are.

use std::rc::Rc;

use attache::{
    gateway::{Exchange, Gateway, Input, Output, RequestHead},
    http_call::MAX_ANSWER,
    region::Region::{Eu, Us},
    reply::Reply,
};
use serde_json::{Value, json};

use testkit::play::{self, REQUEST_ID};

const PATH: &str = "/v1/embeddings";

/// What becomes of a request of the account `frugal`, which may ask each model twice a minute and for
/// a hundred tokens.
fn ask(gateway: &Rc<Gateway>, fields: &Value) -> (Exchange, Output) {
    let mut exchange = Exchange::new(Rc::clone(gateway), REQUEST_ID.to_owned());
    let head = play::head_for(PATH, &Value::Null);
    let head = RequestHead { account: Some("frugal".to_owned()), ..head };
    exchange.on(Input::Head(head), play::sent);
    let output = exchange.on(Input::Body(play::request_for(PATH, fields)), play::sent);
    (exchange, output)
}

fn good(tokens: u64) -> Vec<u8> {
    let usage = json!({"prompt_tokens": tokens, "total_tokens": tokens});
    json!({"data": [{"embedding": [0.5]}], "usage": usage}).to_string().into_bytes()
}

fn reply(output: Output) -> Reply {
    let Output::Reply(reply) = output else { panic!("no reply: {output:?}") };
    reply
}

fn body(reply: &Reply) -> Value {
    serde_json::from_slice(&reply.body).unwrap()
}

fn header<'r>(reply: &'r Reply, name: &str) -> Option<&'r str> {
    let found = reply.headers.iter().find(|(own, _)| *own == name);
    found.map(|(_, value)| value.as_str())
}

#[test]
fn a_failure_is_retried_and_then_a_fallback_answers() {
    let fallback = json!({"model": "gemini-embedding-001", "dimensions": 256});
    let fields = json!({"dimensions": 512, "fallbacks": [fallback]});
    let (mut exchange, output) = ask(&play::gateway(Us), &fields);
    assert!(play::is_sent(&output), "{output:?}");
    let output = play::respond(&mut exchange, 503, b"{}", play::sent());
    assert!(matches!(output, Output::RetryAt(_)), "{output:?}");
    let output = exchange.on(Input::RetryDue, play::sent);
    let Output::Call { index, request, .. } = output else { panic!("{output:?}") };
    let sent: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!((request.path.as_str(), &sent["dimensions"]), ("/v1/embeddings", &json!(512)));
    // A vector is missing, so the retry has failed, too.
    let result = play::called(200, br#"{"data": []}"#);
    let output = exchange.on(Input::CallEnded { index, result }, play::sent);
    let Output::Call { index, request, .. } = output else { panic!("{output:?}") };
    let sent: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(sent["outputDimensionality"], 256);
    assert!(request.path.ends_with("/models/gemini-embedding-001:embedContent"));
    let result = play::called(200, br#"{"embedding": {"values": [0.5]}}"#);
    let reply = reply(exchange.on(Input::CallEnded { index, result }, play::sent));
    let expected = "text-embedding-3-small=503/0ms text-embedding-3-small=502/0ms \
                    gemini-embedding-001=200/0ms";
    assert_eq!(header(&reply, "x-attache-attempts"), Some(expected));
    let answer = body(&reply);
    assert_eq!(answer["model"], "gemini-embedding-001");
    assert_eq!(answer["data"][0]["embedding"], json!([0.5]));
}

#[test]
fn requests_and_tokens_count_against_the_limits() {
    for (tokens, requests, counted) in [(1, 2, "requests"), (100, 1, "tokens")] {
        let gateway = play::gateway(Us);
        for _ in 0..requests {
            let (mut exchange, output) = ask(&gateway, &json!({}));
            assert!(play::is_sent(&output), "{output:?}");
            let reply = reply(play::respond(&mut exchange, 200, &good(tokens), play::sent()));
            assert_eq!(header(&reply, "x-ratelimit-model"), Some("text-embedding-3-small"));
            assert_eq!(body(&reply)["usage"]["total_tokens"], tokens);
        }
        let reply = reply(ask(&gateway, &json!({"model": "embedding-latest"})).1);
        assert_eq!(reply.status, 429, "{reply:?}");
        let message = play::error(&reply)["message"].to_string();
        assert!(message.contains("text-embedding-3-small"), "{message}");
        assert!(message.contains(counted), "{counted}: {message}");
    }
}

#[test]
fn each_model_serves_one_kind_of_request() {
    let gateway = play::gateway(Us);
    let embeddings_only =
        ["model text-embedding-3-small serves embeddings only, use /v1/embeddings"];
    let model = json!({"model": "text-embedding-3-small"});
    assert_eq!(play::errors(&play::exchange(&gateway, &play::request(&model))), embeddings_only);
    let message = play::head_for("/v1/messages", &Value::Null);
    let output = play::exchange_at(&gateway, message, &play::messages_request(&model));
    let refused = reply(output);
    assert_eq!(
        (refused.status, &body(&refused)["error"]["message"]),
        (400, &json!(embeddings_only[0]))
    );
    let chat_only = ["model gemini-2.5-pro serves chat only, it has no embeddings"];
    assert_eq!(play::errors(&ask(&gateway, &json!({"model": "gemini-2.5-pro"})).1), chat_only);
}

#[test]
fn a_request_stays_in_its_region() {
    let expected = ["model text-embedding-3-small is not supported"];
    assert_eq!(play::errors(&ask(&play::gateway(Eu), &json!({})).1), expected);
}

#[test]
fn lone_surrogates_are_replaced_and_reported() {
    let head = play::head_for(PATH, &Value::Null);
    let body = br#"{"model": "gemini-embedding-001", "input": ["a\ud83d", "b"]}"#;
    let (mut attempt, request, _) = play::ask_at(&play::gateway(Us), head, body).unwrap();
    let sent: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(sent["requests"][0]["content"]["parts"][0]["text"], "a\u{fffd}");
    let answer = br#"{"embeddings": [{"values": [1]}, {"values": [2]}]}"#;
    let got = play::receive(&mut attempt, play::head(&Value::Null), &[answer]);
    let report = got.headers.iter().find(|(name, _)| *name == "x-attache-params").unwrap();
    assert_eq!(report.1, "corrected=lone_surrogates");
}

#[test]
fn an_answer_may_be_cut_anywhere() {
    let head = || play::head_for(PATH, &Value::Null);
    let request =
        play::request_for(PATH, &json!({"input": ["a", "b"], "encoding_format": "base64"}));
    let said = br#"{"data":[{"index":1,"embedding":[-2e0]},{"index":0,"embedding":[0.5]}]}"#;
    let received = |pieces: &[&[u8]]| {
        let (mut attempt, ..) = play::ask_at(&play::gateway(Us), head(), &request).unwrap();
        play::receive(&mut attempt, play::head(&Value::Null), pieces)
    };
    let whole = received(&[said]);
    assert_eq!(whole.status, 200);
    for cut in 0..said.len() {
        let (one, two) = said.split_at(cut);
        assert_eq!(received(&[one, two]), whole, "cut at byte {cut}");
        assert_eq!(received(&[one]).status, 502, "cut off at byte {cut}");
    }
}

#[test]
fn hostile_bodies_are_refused_with_a_short_answer() {
    let gateway = play::gateway(Us);
    let many = |item: &str| format!("[{}]", vec![item; 100_000].join(","));
    let long = "x".repeat(1 << 20);
    let cases = [
        format!(r#"{{"input": {}}}"#, many("\"a\"")),
        format!(r#"{{"input": {}}}"#, many("[1]")),
        format!(r#"{{"input": {}}}"#, many("{}")),
        format!(r#"{{"input": "a", "dimensions": "{long}"}}"#),
        format!(r#"{{"input": "a", "encoding_format": "{long}"}}"#),
        format!(r#"{{"model": "{long}", "input": "a"}}"#),
        format!(r#"{{"input": "a", "fallbacks": {}}}"#, many("{\"model\": \"m\"}")),
        format!(r#"{{"input": {}1{}}}"#, "[".repeat(200), "]".repeat(200)),
        r#"{"input": "a", "model": "m", "model": "n"}"#.to_owned(),
        "[]".to_owned(),
    ];
    for fields in cases {
        let body = fields.replacen('{', r#"{"model": "text-embedding-3-small", "#, 1);
        let body = if fields.contains("\"model\":") { fields } else { body };
        let output =
            play::exchange_at(&gateway, play::head_for(PATH, &Value::Null), body.as_bytes());
        let reply = reply(output);
        let shown = body.get(..60).unwrap_or(&body);
        assert_eq!(reply.status, 400, "{shown}");
        assert!(reply.body.len() < 16 << 10, "{shown}: {} bytes", reply.body.len());
    }
}

#[test]
fn an_answer_that_is_too_long_is_an_error() {
    let head = play::head_for(PATH, &Value::Null);
    let request = play::request_for(PATH, &json!({}));
    let (mut attempt, ..) = play::ask_at(&play::gateway(Us), head, &request).unwrap();
    let said = format!(r#"{{"data":[{{"embedding":"{}"}}]}}"#, "A".repeat(MAX_ANSWER - 50));
    let got = play::receive(&mut attempt, play::head(&Value::Null), &[said.as_bytes()]);
    assert_eq!(got.status, 502);
}

#[test]
fn models_of_embeddings_are_listed_as_such() {
    let read = |headers: &Value| {
        let head = play::head_for("/v1/models", headers);
        let head = RequestHead { method: "GET".to_owned(), end: true, ..head };
        let mut exchange = Exchange::new(play::gateway(Us), REQUEST_ID.to_owned());
        body(&reply(exchange.on(Input::Head(head), play::sent)))
    };
    let list = read(&Value::Null);
    let of = |id: &str| list["data"].as_array().unwrap().iter().find(|model| model["id"] == id);
    let model = of("text-embedding-3-small").unwrap();
    assert_eq!(model["kind"], "embeddings");
    assert_eq!(model["supported_parameters"], json!(["dimensions", "encoding_format"]));
    assert_eq!(model["default_parameters"], json!({}));
    assert_eq!(of("gpt-4.1").unwrap()["kind"], "chat");
    let messages = read(&json!({"anthropic-version": "2023-06-01"}));
    assert!(!messages.to_string().contains("embedding"), "{messages}");
}
