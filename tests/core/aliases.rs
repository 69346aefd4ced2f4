//! Played exchanges with aliases: the client reads the name that it asked for, and everything else
//! goes by the model.

use std::rc::Rc;

use attache::{
    attempt::Attempt,
    config::Config,
    gateway::{Exchange, Gateway, Input, Output, RequestHead, reply_source::ReplySource},
    region::Region::{Eu, Us},
};
use serde_json::{Value, json};

use testkit::play::{self, REQUEST_ID};

const NAMES: [(&str, &str, &str); 4] = [
    ("gpt-latest", "gpt-4.1", "gpt-latest"),
    ("GPT-LATEST", "gpt-4.1", "gpt-latest"),
    ("vendor/gpt-4.1-2025-04-14", "gpt-4.1", "vendor/gpt-4.1-2025-04-14"),
    ("gpt-4.1", "gpt-4.1", "gpt-4.1"),
];

fn good() -> Value {
    json!({"choices": [{"message": {"content": "Hello."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 60, "completion_tokens": 41}})
}

/// What becomes of a request of an account.
fn ask(gateway: &Rc<Gateway>, account: &str, parameters: &Value) -> (Exchange, Output) {
    let mut exchange = Exchange::new(Rc::clone(gateway), REQUEST_ID.to_owned());
    let head = RequestHead { account: Some(account.to_owned()), ..play::client_head() };
    exchange.on(Input::Head(head), play::sent);
    let output = exchange.on(Input::Body(play::request(parameters)), play::sent);
    (exchange, output)
}

#[test]
fn an_answer_has_the_name_that_was_asked_for() {
    for (asked, model, shown) in NAMES {
        let (mut exchange, output) = ask(&play::gateway(Us), "frugal", &json!({"model": asked}));
        let Output::Send { ticket, request, .. } = output else { panic!("{output:?}") };
        let sent: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!((ticket.target.model.as_str(), &sent["model"]), (model, &json!("gpt-4.1")));
        let body = good().to_string();
        let output = play::respond(&mut exchange, 200, body.as_bytes(), play::answered());
        let Output::Reply(reply) = output else { panic!("{output:?}") };
        let answer: Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!((&answer["model"], &answer["request"]["model"]), (&json!(shown), &json!(shown)));
        for header in [("x-ratelimit-model", model), ("x-attache-attempts", "gpt-4.1=200/1250ms")] {
            assert!(
                reply.headers.contains(&(header.0, header.1.to_owned())),
                "{asked}: {header:?}"
            );
        }
        assert!(reply.summary.is_none_or(|line| line.contains("request_model=gpt-4.1")));
    }
}

#[test]
fn a_stream_has_the_name_that_was_asked_for_to_its_last_event() {
    for (asked, model, shown) in NAMES {
        let parameters = json!({"model": asked, "stream": true});
        let (mut exchange, output) = ask(&play::gateway(Us), "acme", &parameters);
        let Output::Forward { ticket, .. } = output else { panic!("{output:?}") };
        assert_eq!(ticket.target.model, model);
        let site = play::site(&play::gateway(Us), &ticket.target.cluster);
        let body = play::request(&parameters);
        let (mut attempt, _) = Attempt::new(&site, ticket, &body, play::sent()).unwrap();
        let said = play::provider_stream(&json!([
            {"choices": [{"delta": {"content": "Hi"}}]},
            {"choices": [{"delta": {}, "finish_reason": "stop"}]},
            "data: [DONE]\n\n",
        ]));
        let got = play::receive(&mut attempt, play::stream_head(), &[said.as_bytes()]);
        let events = play::events(&got.body);
        assert!(events.len() > 3, "{events:?}");
        for event in events.iter().filter(|event| event.is_object()) {
            assert_eq!(event["model"], shown, "{event}");
        }
        assert_eq!(attempt.model(), model);
        let begun = Input::Response { status: 200, source: ReplySource::Provider };
        let Output::Stream(limits) = exchange.on(begun, play::answered) else { panic!("{asked}") };
        let event = String::from_utf8(limits.deadline.event()).unwrap();
        assert!(event.contains(&format!("\"model\":\"{shown}\"")), "{event}");
    }
}

#[test]
fn limits_count_on_the_model_whatever_it_is_called() {
    let gateway = play::gateway(Us);
    let ask = |model: &str| ask(&gateway, "frugal", &json!({"model": model})).1;
    assert!(play::is_sent(&ask("gpt-latest")));
    assert!(play::is_sent(&ask("vendor/gpt-4.1-mini")));
    let Output::Reply(reply) = ask("gpt-4.1") else { panic!("admitted") };
    assert_eq!((reply.status, &play::error(&reply)["code"]), (429, &json!("rate_limit_exceeded")));
}

#[test]
fn a_model_that_an_account_may_not_ask_has_no_other_name() {
    let mut document: Value = serde_json::from_str(include_str!("../golden/gateway.json")).unwrap();
    document["aliases"] = json!({"*": "gpt-5"});
    let config = Rc::new(Config::parse(&document).unwrap());
    let gateway = Rc::new(Gateway { config, ..(*play::gateway(Us)).clone() });
    let no_access = ["Your account does not have access to this LLM Gateway model"];
    assert_eq!(play::errors(&ask(&gateway, "frugal", &json!({"model": "anything"})).1), no_access);
    assert!(play::is_sent(&ask(&gateway, "acme", &json!({"model": "anything"})).1));
}

#[test]
fn a_fallback_may_be_an_alias() {
    let fallbacks = json!({"fallbacks": [{"model": "claude-haiku-20990101"}, {"model": "claude-x"}],
        "fallback_config": {"retry": false, "depth": 2}});
    let (mut exchange, _) = ask(&play::gateway(Us), "acme", &fallbacks);
    let output = play::respond(&mut exchange, 429, b"{}", play::sent());
    let Output::Call { index, ticket, .. } = output else { panic!("{output:?}") };
    assert_eq!(ticket.target.model, "claude-haiku-4-5");
    let result = play::called(529, b"{}");
    let output = exchange.on(Input::CallEnded { index, result }, play::sent);
    let Output::Call { index, ticket, .. } = output else { panic!("{output:?}") };
    assert_eq!(ticket.target.model, "claude-sonnet-4-6");
    let answer = json!({"content": [{"type": "text", "text": "Hi"}], "stop_reason": "end_turn"});
    let result = play::called(200, answer.to_string().as_bytes());
    let output = exchange.on(Input::CallEnded { index, result }, play::sent);
    let Output::Reply(reply) = output else { panic!("{output:?}") };
    let answer: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(answer["model"], "claude-x");
    let attempts = reply.headers.iter().find(|(name, _)| *name == "x-attache-attempts").unwrap();
    let expected = "gpt-4.1=429/0ms claude-haiku-4-5=503/0ms claude-sonnet-4-6=200/0ms";
    assert_eq!(attempts.1, expected);
}

#[test]
fn exact_aliases_are_listed_and_all_are_found() {
    let read = |region, path: &str| {
        let mut exchange = Exchange::new(play::gateway(region), REQUEST_ID.to_owned());
        let (method, path) = ("GET".to_owned(), path.to_owned());
        let head = RequestHead { method, path, end: true, ..play::client_head() };
        let output = exchange.on(Input::Head(head), play::sent);
        let Output::Reply(reply) = output else { panic!("{output:?}") };
        (reply.status, serde_json::from_slice::<Value>(&reply.body).unwrap())
    };
    let (_, list) = read(Us, "/v1/models");
    let of = |id: &str| list["data"].as_array().unwrap().iter().find(|model| model["id"] == id);
    let mut expected = of("gpt-4.1").unwrap().clone();
    assert_eq!(expected.get("alias_of"), None);
    expected["alias_of"] = json!("gpt-4.1");
    expected["id"] = json!("gpt-latest");
    assert_eq!(of("gpt-latest"), Some(&expected));
    assert_eq!(read(Us, "/v1/models/GPT-Latest"), (200, expected.clone()));
    expected["id"] = json!("vendor/gpt-4.1-x");
    assert_eq!(read(Us, "/v1/models/vendor/gpt-4.1-x"), (200, expected.clone()));
    assert_eq!(read(Us, "/v1/models/vendor%2Fgpt-4.1-x"), (200, expected));
    let is_pattern = |model: &Value| model["id"].as_str().unwrap().contains('*');
    assert!(!list["data"].as_array().unwrap().iter().any(is_pattern), "{list}");
    assert_eq!(read(Eu, "/v1/models/gpt-latest").0, 404);
    assert_eq!(read(Us, "/v1/models/gemini-latest").0, 404);
}
