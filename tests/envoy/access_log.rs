//! The access log: a line for each request, with what it came to and no word of what was said.

use super::attempts::{failing, request};
use super::claims::*;
use super::metrics::{priced, setup, with_usage};
use crate::support::access_log::Line;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use testkit::client::{Answer, Request};
use testkit::envoy::{Gateway, marker};

/// The clusters that a line names: the last that Envoy's router asked, and all others.
fn clusters(line: &Line) -> [Option<&str>; 2] {
    ["cluster", "other_clusters"].map(|field| line.get(field).as_str())
}

/// A line's account, status and error.
fn outcome(line: &Line) -> (Option<&str>, u64, Option<&str>) {
    let status = line.get("status").as_u64().expect("a status");
    (line.get("account").as_str(), status, line.get("error").as_str())
}

#[track_caller]
fn assert_attempts(line: &Line, answer: &Answer) {
    let told = answer.header("x-attache-attempts");
    assert!(told.is_some(), "{answer:?}");
    assert_eq!(line.get("attempts").as_str(), told, "{line:?}");
}

#[test]
fn an_answer_is_a_line_with_what_it_took_and_cost() {
    let whole = format!("head-delay=100 {}", with_usage());
    let cases = [
        (
            request("first", &whole, false, &[]),
            "request_model=first response_model=first provider=one region=us input_tokens=1000 \
             output_tokens=50 cached_tokens=600 reasoning_tokens=20 cost_pico_usd=1075000000 \
             finish_reason=stop",
        ),
        (
            request("second", "head-delay=100 reasoning=one_two text=three_four", true, &[]),
            "request_model=second response_model=second provider=two region=us input_tokens=4 \
             output_tokens=4 cached_tokens=0 reasoning_tokens=0 cost_pico_usd=45000000 \
             finish_reason=stop",
        ),
    ];
    for (body, expected) in cases {
        let answer = failing().us().chat(&body);
        let line = Line::of(failing(), &answer);
        assert_eq!(line.untimed(), expected, "{line:?}");
        assert_eq!(outcome(&line), (Some("acme"), 200, None), "{line:?}");
        assert_eq!(line.get("region"), "us");
        assert_eq!(clusters(&line)[1], None, "{line:?}");
        assert_attempts(&line, &answer);
        let [first, provider, total] =
            ["first_content_ms", "provider_ms", "total_ms"].map(|name| line.millis(name));
        assert_eq!(first.is_some(), body["stream"] == true, "{line:?}");
        let all = line.get("duration_ms").as_u64();
        assert!(Some(100) <= provider && provider <= total && total <= all, "{line:?}");
        assert!(first.is_none_or(|first| first >= 100 && Some(first) <= total), "{line:?}");
    }
}

#[test]
fn after_another_attempt_the_line_names_all_that_were_asked() {
    for is_stream in [false, true] {
        let cases =
            [("status=429 | text=saved", "second", "two"), ("reset | text=saved", "first", "one")];
        for (script, model, provider) in cases {
            let answer = failing().us().chat(&request("first", script, is_stream, &["second"]));
            let line = Line::of(failing(), &answer);
            let asked = format!("request_model=first response_model={model} provider={provider} ");
            assert!(line.untimed().starts_with(&asked), "{is_stream}: {line:?}");
            assert!(line.untimed().contains(" output_tokens=1 "), "{is_stream}: {line:?}");
            assert_eq!(outcome(&line), (Some("acme"), 200, None), "{line:?}");
            // The router makes all attempts of a stream; of an answer it makes the first.
            let last = format!("{provider}-us");
            let named = if is_stream { [last.as_str(), "one-us"] } else { ["one-us", &last] };
            assert_eq!(clusters(&line), named.map(Some), "{is_stream} {script}: {line:?}");
            assert_attempts(&line, &answer);
            assert!(line.millis("provider_ms") <= line.millis("total_ms"), "{line:?}");
        }
    }
}

#[test]
fn a_refusal_is_a_line_with_its_reason() {
    let frugal = failing().us().with_key(failing().secret("frugal"));
    frugal.chat(&chat("third-time", "#script text=x"));
    let us = failing().us();
    let cases = [
        (us.chat(&chat("nobody", "x")), "acme", 400, "invalid_value", ""),
        (us.send(Request::chat("{")), "acme", 400, "invalid_json", ""),
        (us.send(Request::get("/nowhere")), "acme", 404, "not_found", ""),
        (
            frugal.chat(&chat("third-time", "x")),
            "frugal",
            429,
            "rate_limit_exceeded",
            "request_model=third-time",
        ),
    ];
    for (answer, account, status, reason, exchange) in cases {
        let line = Line::of(failing(), &answer);
        assert_eq!(outcome(&line), (Some(account), status, Some(reason)), "{line:?}");
        assert_eq!(line.untimed(), exchange, "{line:?}");
        assert_eq!(clusters(&line), [None, None], "{line:?}");
    }
    let answer = failing().eu().chat(&chat("first", "x"));
    let line = Line::of(failing(), &answer);
    assert_eq!(line.get("region"), "eu", "{line:?}");
    assert_eq!(outcome(&line).1, u64::from(answer.status), "{line:?}");
    let answer = failing().us().without_key().chat(&chat("first", "x"));
    let line = Line::of(failing(), &answer);
    assert_eq!(outcome(&line), (None, 401, None), "{line:?}");
    assert!(line.get("details").as_str().is_some_and(|text| text.contains("api_key")), "{line:?}");
}

#[test]
fn a_request_that_all_attempts_failed_is_a_line_with_the_last_reason() {
    let cases = [
        ("first", "status=422", "invalid_value", "one"),
        ("first", "reset | reset", "upstream_unreachable", "one"),
        ("first", "hang-head", "timeout", "one"),
        ("first", "status=429 | status=429", "rate_limit_exceeded", "two"),
        ("refusing", "text=x", "upstream_unreachable", "refusing"),
    ];
    for is_stream in [false, true] {
        for (model, script, reason, provider) in cases {
            let fallbacks: &[&str] = if provider == "two" { &["second"] } else { &[] };
            let answer = failing().us().chat(&request(model, script, is_stream, fallbacks));
            let line = Line::of(failing(), &answer);
            let status = u64::from(answer.status);
            assert_eq!(outcome(&line), (Some("acme"), status, Some(reason)), "{line:?}");
            let expected = format!("request_model={model} provider={provider} region=us");
            assert_eq!(line.untimed(), expected, "{is_stream} {script}: {line:?}");
            assert!(line.millis("total_ms").is_some(), "{is_stream} {script}: {line:?}");
        }
    }
}

#[test]
fn a_stream_that_breaks_off_is_a_line_with_its_reason() {
    for (script, reason) in [("cut=5", "upstream_error"), ("hang=5", "timeout")] {
        let script = format!("text=a_b_c_d_e {script}");
        let answer = failing().us().chat(&request("second", &script, true, &[]));
        let line = Line::of(failing(), &answer);
        assert_eq!(outcome(&line), (Some("acme"), 200, Some(reason)), "{script}: {line:?}");
        let expected = "request_model=second response_model=second provider=two region=us \
                        input_tokens=3 ";
        assert!(line.untimed().starts_with(expected), "{script}: {line:?}");
        assert!(line.millis("first_content_ms").is_some(), "{script}: {line:?}");
    }
}

#[test]
fn a_client_that_leaves_is_a_line_too() {
    let script = "text=a_b_c_d_e delay=200";
    let body = request("second", script, true, &[]).to_string();
    let mut opened = failing().us().open(Request::chat(body));
    let id = opened.headers["x-request-id"].to_str().expect("an id").to_owned();
    opened.next_event();
    drop(opened);
    let line = Line::with(failing(), "request_id", &id);
    assert_eq!(outcome(&line), (Some("acme"), 200, None), "{line:?}");
    assert_eq!(line.get("flags"), "DC", "{line:?}");
    let expected = "request_model=second response_model=second provider=two region=us";
    assert!(line.untimed().starts_with(expected), "{line:?}");
    assert!(line.millis("first_content_ms").is_some(), "{line:?}");
    let body = request("first", "head-delay=400 text=x", false, &[]).to_string();
    let spender = failing().us().with_key(failing().secret("spender"));
    spender.leave(&body, Duration::from_millis(100));
    let line = Line::with(failing(), "account", "spender");
    assert_eq!(outcome(&line), (Some("spender"), 0, None), "{line:?}");
    assert_eq!(line.get("flags"), "DC", "{line:?}");
    assert_eq!(clusters(&line)[0], Some("one-us"), "{line:?}");
}

#[test]
fn a_hedged_request_is_one_line_that_names_who_was_faster() {
    let mut body = request("first", "head-delay=400 text=slow | text=fast", false, &["second"]);
    body["fallback_config"]["hedge_ms"] = json!(100);
    let answer = failing().us().chat(&body);
    let line = Line::of(failing(), &answer);
    let expected = "request_model=first response_model=second provider=two region=us ";
    assert!(line.untimed().starts_with(expected), "{line:?}");
    assert_eq!(clusters(&line), [Some("one-us"), Some("two-us")], "{line:?}");
    assert_eq!(outcome(&line), (Some("acme"), 200, None), "{line:?}");
    assert_attempts(&line, &answer);
}

/// A request with a word in everything that a client may write.
pub fn planted(word: &str, script: &str, is_stream: bool) -> Request {
    let mut body =
        request("first", &format!("{script} header=x-own:{word}"), is_stream, &["second"]);
    let call = json!({"id": word, "type": "function",
        "function": {"name": word.trim_end_matches('.'), "arguments": json!({word: word}).to_string()}});
    let before = json!([{"role": "system", "content": word}, {"role": "user", "content": word},
        {"role": "assistant", "content": null, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": word, "content": word}]);
    let mut messages = before.as_array().expect("messages").clone();
    messages.extend(body["messages"].as_array().cloned().expect("messages"));
    body["messages"] = Value::from(messages);
    body["user"] = json!(word);
    body["metadata"] = json!({"own": word});
    let request = Request::chat(body.to_string()).at(&format!("/v1/chat/completions?own={word}"));
    ["cookie", "x-own", "x-api-key", "x-attache-summary", "x-attache-account", "tracestate"]
        .into_iter()
        .fold(request, |request, name| request.header(name, format!("own={word}")))
}

/// What is asked, and with what a provider answers, has the word in it.
pub fn scripts(word: &str) -> [String; 5] {
    let refusal = json!({"error": {"message": word, "type": word, "code": word}}).to_string();
    [
        format!("text={word}"),
        format!("tool text={word} reasoning={word}"),
        format!("status=429 body={} | text={word}", base64(&refusal)),
        format!("status=422 body={}", base64(&refusal)),
        format!("text={word}_b_c_d_e cut=5 | text={word}_b_c_d_e cut=5 | text={word}_b_c cut=5"),
    ]
}

#[test]
fn facts_have_one_key_and_no_line_holds_a_word_of_what_was_said_nor_a_key() {
    let gateway = setup(&priced()).edited("listeners.yaml", GATEWAY, READER).start();
    facts_have_one_key_where_no_more_is_wanted(&gateway);
    no_line_holds_a_word_of_what_was_said_nor_a_key(gateway);
}

fn no_line_holds_a_word_of_what_was_said_nor_a_key(mut gateway: Gateway) {
    let (word, us) = (marker(), gateway.us());
    let mut ids = Vec::new();
    let mut note = |answer: Answer| {
        ids.push(answer.header("x-request-id").expect("an id").to_owned());
        answer
    };
    for is_stream in [false, true] {
        for script in scripts(&word) {
            note(us.send(planted(&word, &script, is_stream)));
        }
    }
    for body in [chat(&word, "x"), with(chat("first", "x"), json!({&word: &word}))] {
        note(us.chat(&body));
    }
    assert_eq!(note(us.send(Request::chat(format!("{{{word}")))).status, 400);
    assert_eq!(note(us.with_key(&word).chat(&chat("first", "x"))).status, 401);
    assert_eq!(note(us.send(Request::get(&format!("/{word}")))).status, 404);
    assert!(gateway.reached(&word).len() > 10, "providers have the word");
    gateway.stop();
    let lines = Line::all(&gateway);
    for id in &ids {
        let own = lines.iter().filter(|line| line.get("request_id") == id.as_str());
        assert_eq!(own.count(), 1, "a line for each request: {lines:#?}");
    }
    let logs = gateway.logs();
    assert!(!logs.contains(&word), "{logs}");
    for (name, key) in gateway.secrets() {
        assert!(!logs.contains(key), "{name}'s key: {logs}");
    }
}

/// Tells the client what stands in filter state, as another filter of the operator's would use it.
const READER: &str = r#"        - name: reader
          typed_config:
            "@type": type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation
            mutations:
              response_mutations:
              - append: {header: {key: x-read-exchange, value: "%FILTER_STATE(wasm.attache_exchange:PLAIN)%"}}
              - append: {header: {key: x-read-provider, value: "%FILTER_STATE(wasm.attache_provider:PLAIN)%"}}
              - append: {header: {key: x-read-input, value: "%FILTER_STATE(wasm.attache_input_tokens:PLAIN)%"}}
        - name: attache.gateway
"#;

/// What it stands before: it sees an answer after the module.
const GATEWAY: &str = "        - name: attache.gateway\n";

#[test]
fn each_fact_has_a_key_of_its_own_where_that_is_wanted() {
    let yaml = format!("{}\naccess_log: {{separate_fields: true}}\n", priced());
    let gateway = setup(&yaml).edited("listeners.yaml", GATEWAY, READER).start();
    let answer = gateway.us().chat(&chat("first", "#script text=whole"));
    let exchange = answer.header("x-read-exchange").expect("a line");
    let facts: BTreeMap<&str, &str> =
        exchange.split(' ').filter_map(|fact| fact.split_once('=')).collect();
    assert_eq!(answer.header("x-read-provider"), Some(facts["provider"]), "{answer:?}");
    assert_eq!(answer.header("x-read-input"), Some(facts["input_tokens"]), "{answer:?}");
    let line = Line::of(&gateway, &answer);
    assert!(!line.names().contains(&"exchange"), "{line:?}");
    for name in attache::summary::names() {
        let known = facts.get(name).copied();
        assert_eq!(line.get(name).as_str(), known, "{name} of {exchange}: {line:?}");
    }
    for is_stream in [false, true] {
        let body = request("first", "status=429 | text=one_two", is_stream, &["second"]);
        let line = Line::of(&gateway, &gateway.us().chat(&body));
        let told = ["request_model", "response_model", "provider", "output_tokens"];
        let told = told.map(|name| line.get(name).as_str().unwrap_or_default());
        assert_eq!(told, ["first", "second", "two", "2"], "{is_stream}: {line:?}");
        assert_eq!(line.get("first_content_ms").is_string(), is_stream, "{line:?}");
    }
    let line = Line::of(&gateway, &gateway.us().chat(&chat("nobody", "x")));
    assert_eq!(line.get("error"), "invalid_value", "{line:?}");
    assert!(line.get("provider").is_null(), "{line:?}");
    gateway.assert_unharmed();
}

fn facts_have_one_key_where_no_more_is_wanted(gateway: &Gateway) {
    let answer = gateway.us().chat(&chat("first", "#script text=x"));
    assert!(answer.header("x-read-exchange").is_some_and(|line| line.contains(" provider=one ")));
    assert_eq!(answer.header("x-read-provider").filter(|text| !text.is_empty()), None);
    let line = Line::of(gateway, &answer);
    assert!(!line.names().contains(&"provider"), "{line:?}");
}
