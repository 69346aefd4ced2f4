//! Played exchanges of an account with limits: what is counted, what is refused, where a request goes
//! instead, and what the client is told of it.

use std::{rc::Rc, time::Duration};

use attache::{
    attempt::{Attempt, Step},
    chat::request_variant::RequestVariant,
    config::Config,
    failover::{AttemptReason, envoy::Cause},
    gateway::{Exchange, Gateway, Input, Output, RequestHead, reply_source::ReplySource},
    handoff::{response_facts::ResponseFacts, ticket::Ticket},
    metrics::Metrics,
    quota::{self, Verdict, service::RateLimitResponse},
    region::Region::Us,
    reply::Reply,
    time::Timestamp,
};
use serde_json::{Value, json};

use super::guard::Numbers;
use testkit::play::{self, REQUEST_ID, ticket};

use crate::{guard, validation::wrong_for_gemini};

pub fn later(millis: u64) -> Timestamp {
    play::sent().plus(Duration::from_millis(millis))
}

/// What becomes of a request of the account `frugal`, which may ask each model twice a minute.
pub fn ask(gateway: &Rc<Gateway>, request: &Value, millis: u64) -> (Exchange, Output) {
    let mut exchange = Exchange::new(Rc::clone(gateway), REQUEST_ID.to_owned());
    let head = RequestHead { account: Some("frugal".to_owned()), ..play::client_head() };
    exchange.on(Input::Head(head), || later(millis));
    let output = exchange.on(Input::Body(play::request(request)), || later(millis));
    (exchange, output)
}

pub fn model(model: &str) -> Value {
    json!({"model": model})
}

pub fn with_fallback(stream: bool) -> Value {
    let fallbacks = [model("qwen3-32b"), model("kimi-k2.5")];
    let config = json!({"retry": false, "depth": 2});
    json!({"model": "gpt-4.1", "stream": stream, "fallbacks": fallbacks, "fallback_config": config})
}

pub fn reply(output: Output) -> Reply {
    let Output::Reply(reply) = output else { panic!("no reply: {output:?}") };
    reply
}

/// The headers about limits, in their order.
fn told(headers: &[(&'static str, String)]) -> String {
    let told = headers.iter().filter_map(|(name, value)| {
        Some(format!("{}={value}", name.strip_prefix("x-ratelimit-")?))
    });
    told.collect::<Vec<_>>().join(" ")
}

/// The provider role's attempt for a ticket.
pub fn attempt(gateway: &Rc<Gateway>, ticket: &Ticket, request: &Value) -> Attempt {
    let site = play::site(gateway, &ticket.target.cluster);
    let (attempt, _) =
        Attempt::new(&site, ticket.clone(), &play::request(request), later(0)).unwrap();
    attempt
}

pub fn answered(attempt: &mut Attempt, status: u16, body: &Value, millis: u64) -> Step {
    attempt.head(play::head(&json!({"status": status})));
    attempt.body(body.to_string().as_bytes(), true, || later(millis))
}

pub fn good() -> Value {
    let message = json!({"role": "assistant", "content": "Hi"});
    json!({"id": "1", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 60, "completion_tokens": 40, "total_tokens": 100}})
}

#[test]
fn an_account_asks_a_model_as_often_as_it_may_and_is_told() {
    let gateway = play::gateway(Us);
    let admitted = [
        (0, "gpt-4.1", "limit=2 remaining=1 reset=60 model=gpt-4.1 service=llmgw"),
        (30_500, "gpt-4.1", "limit=2 remaining=0 reset=30 model=gpt-4.1 service=llmgw"),
        (59_999, "qwen3-32b", "limit=2 remaining=1 reset=60 model=qwen3-32B service=llmgw"),
    ];
    for (millis, name, expected) in admitted {
        let ticket = ticket(ask(&gateway, &model(name), millis).1);
        let mut attempt = attempt(&gateway, &ticket, &model(name));
        let step = answered(&mut attempt, 200, &json!({"choices": good()["choices"]}), millis);
        let Step::Answer(reply) = step else { panic!("{step:?}") };
        assert_eq!((reply.status, told(&reply.headers).as_str()), (200, expected));
    }
    for _ in 0..3 {
        let reply = reply(ask(&gateway, &model("gpt-4.1"), 58_999).1);
        let expected = "limit=2 remaining=0 reset=2 model=gpt-4.1 service=llmgw";
        assert_eq!((reply.status, told(&reply.headers).as_str()), (429, expected));
        assert!(reply.headers.contains(&("retry-after", "2".to_owned())));
        assert!(reply.headers.contains(&("x-attache-attempts", "gpt-4.1=429/0ms".to_owned())));
        let error = play::error(&reply);
        assert_eq!(error["type"], "rate_limit_error");
        assert_eq!(error["code"], "rate_limit_exceeded");
        let message = "too many requests for this action: model gpt-4.1 takes 2 requests in 60 s \
                       from this account, try again in 2 s";
        assert_eq!(error["message"], message);
        assert_eq!(error["metadata"]["limit"], 2);
    }
    let ticket = ticket(ask(&gateway, &model("GPT-4.1"), 60_000).1);
    assert_eq!(ticket.limit_status.map(|status| status.remaining), Some(1));
}

#[test]
fn a_failure_tells_where_the_account_stands() {
    let gateway = play::gateway(Us);
    let once = json!({"model": "gpt-4.1", "fallback_config": {"retry": false}});
    let expected = "limit=2 remaining=1 reset=59 model=gpt-4.1 service=llmgw";
    let (mut exchange, output) = ask(&gateway, &once, 0);
    let step = answered(&mut attempt(&gateway, &ticket(output), &once), 503, &json!({}), 1_000);
    let Step::Fail(failed, _) = step else { panic!("{step:?}") };
    assert_eq!(told(&failed.headers), expected);
    let source = ReplySource::Envoy { details: "no_healthy_upstream".to_owned(), ticket: None };
    let output = exchange.on(Input::Response { status: 503, source }, || later(1_000));
    assert_eq!(told(&reply(output).headers), expected);
}

#[test]
fn a_model_an_account_may_not_ask_is_a_mistake_and_costs_nothing() {
    let gateway = play::gateway(Us);
    let no_access = "Your account does not have access to this LLM Gateway model";
    assert_eq!(play::errors(&ask(&gateway, &model("gpt-5"), 0).1), [no_access]);
    for wrong in [json!({"fallbacks": [{"model": "gpt-5"}]}), json!({"temperature": 9})] {
        assert_eq!(play::errors(&ask(&gateway, &wrong, 0).1).len(), 1);
    }
    let ticket = ticket(ask(&gateway, &model("gpt-4.1"), 0).1);
    assert_eq!(ticket.limit_status.map(|status| status.remaining), Some(1));
}

#[test]
fn a_request_that_a_provider_would_refuse_costs_nothing() {
    let (gateway, guarded) = (play::gateway(Us), guard::gateway(json!({})));
    for (mut request, mistake) in wrong_for_gemini() {
        request["model"] = json!("gemini-2.5-flash");
        for stream in [false, true] {
            request["stream"] = json!(stream);
            for gateway in [&gateway, &guarded] {
                assert_eq!(play::errors(&ask(gateway, &request, 0).1), [mistake], "{request}");
            }
        }
    }
    let ticket = ticket(ask(&gateway, &model("gemini-2.5-flash"), 0).1);
    assert_eq!(ticket.limit_status.map(|status| status.remaining), Some(1));
}

#[test]
fn who_has_no_limit_is_neither_counted_nor_told() {
    let gateway = play::gateway(Us);
    for _ in 0..3 {
        let output = play::exchange(&gateway, &play::request(&json!({})));
        assert_eq!(ticket(output).limit_status, None);
    }
    assert!(gateway.store.get("requests/acme/gpt-4.1").is_none());
}

#[test]
fn a_retry_is_not_counted() {
    let gateway = play::gateway(Us);
    let (mut exchange, _) = ask(&gateway, &model("gpt-4.1"), 0);
    let output = play::respond(&mut exchange, 503, b"{}", later(1));
    assert!(matches!(output, Output::RetryAt(_)), "{output:?}");
    let ticket = ticket(exchange.on(Input::RetryDue, || later(600)));
    assert_eq!(ticket.limit_status.map(|status| status.remaining), Some(1));
    // In a stream, the provider role goes on by itself.
    let streamed = json!({"model": "gpt-4.1", "stream": true});
    let first = play::ticket(ask(&gateway, &streamed, 1_000).1);
    let step = answered(&mut attempt(&gateway, &first, &streamed), 503, &json!({}), 1_000);
    let Step::Yield(_, second) = step else { panic!("{step:?}") };
    assert_eq!(second.limit_status, first.limit_status);
    assert_eq!(reply(ask(&gateway, &model("gpt-4.1"), 2_000).1).status, 429);
}

/// Uses up what the account may ask of a model.
fn exhaust(gateway: &Rc<Gateway>, name: &str) {
    for _ in 0..2 {
        ticket(ask(gateway, &model(name), 0).1);
    }
}

#[test]
fn a_model_that_may_not_be_asked_is_passed_over_in_both_lanes() {
    for stream in [false, true] {
        let gateway = play::gateway(Us);
        exhaust(&gateway, "gpt-4.1");
        exhaust(&gateway, "qwen3-32b");
        let ticket = ticket(ask(&gateway, &with_fallback(stream), 1_000).1);
        assert_eq!(
            (ticket.target.route.variant, ticket.target.model.as_str()),
            (RequestVariant::fallback(1), "kimi-k2.5")
        );
        assert_eq!(ticket.attempt_log.to_string(), "gpt-4.1=429/0ms qwen3-32B=429/0ms");
        let mut attempt = attempt(&gateway, &ticket, &with_fallback(stream));
        let free = json!({"choices": good()["choices"]});
        let step = answered(&mut attempt, 200, &free, 1_000);
        let (Step::Answer(reply) | Step::Begin(reply)) = step else { panic!("{step:?}") };
        let expected = "limit=2 remaining=1 reset=60 model=kimi-k2.5 service=llmgw";
        assert_eq!(told(&reply.headers), expected);
        // Nobody is left.
        exhaust_last(&gateway);
        let reply = self::reply(ask(&gateway, &with_fallback(stream), 2_000).1);
        let expected = "limit=2 remaining=0 reset=58 model=gpt-4.1 service=llmgw";
        assert_eq!((reply.status, told(&reply.headers).as_str()), (429, expected));
    }
}

fn exhaust_last(gateway: &Rc<Gateway>) {
    ticket(ask(gateway, &model("kimi-k2.5"), 1_500).1);
}

#[test]
fn each_fallback_counts_on_its_own_model() {
    let gateway = play::gateway(Us);
    exhaust(&gateway, "qwen3-32b");
    let (mut exchange, _) = ask(&gateway, &with_fallback(false), 0);
    let output = play::respond(&mut exchange, 429, b"{}", later(1));
    let Output::Call { index: place, ticket, reason, .. } = output else { panic!("{output:?}") };
    assert_eq!((ticket.target.model.as_str(), reason), ("kimi-k2.5", AttemptReason::Fallback));
    assert_eq!(ticket.limit_status.map(|status| status.remaining), Some(1));
    assert!(
        ticket.attempt_log.to_string().ends_with("qwen3-32B=429/0ms"),
        "{}",
        ticket.attempt_log
    );
    let free = json!({"choices": good()["choices"]}).to_string();
    let called = play::called(200, free.as_bytes());
    let output = exchange.on(Input::CallEnded { index: place, result: called }, || later(2));
    let expected = "limit=2 remaining=1 reset=60 model=kimi-k2.5 service=llmgw";
    assert_eq!(told(&reply(output).headers), expected);
    // The same where the provider role moves on.
    let first = play::ticket(ask(&gateway, &with_fallback(true), 3).1);
    let step = answered(&mut attempt(&gateway, &first, &with_fallback(true)), 429, &json!({}), 4);
    let Step::Yield(_, second) = step else { panic!("{step:?}") };
    assert_eq!(second.target.model, "kimi-k2.5");
    assert_eq!(second.limit_status.map(|status| status.remaining), Some(0));
    assert!(
        second.attempt_log.to_string().ends_with("qwen3-32B=429/0ms"),
        "{}",
        second.attempt_log
    );
}

#[test]
fn a_failure_says_more_than_a_limit_after_it() {
    let gateway = play::gateway(Us);
    exhaust(&gateway, "qwen3-32b");
    exhaust(&gateway, "kimi-k2.5");
    let (mut exchange, _) = ask(&gateway, &with_fallback(false), 0);
    let output = play::respond(&mut exchange, 503, b"{}", later(1));
    assert_eq!(reply(output).status, 503);
    let ticket = ticket(ask(&gateway, &with_fallback(true), 3).1);
    let step = answered(&mut attempt(&gateway, &ticket, &with_fallback(true)), 503, &json!({}), 4);
    assert!(matches!(step, Step::Answer(reply) if reply.status == 503));
}

#[test]
fn a_model_that_is_named_twice_counts_once() {
    let gateway = play::gateway(Us);
    for stream in [false, true] {
        let again = [json!({"model": "gpt-4.1", "temperature": 0})];
        let request = json!({"stream": stream, "fallbacks": again,
            "fallback_config": {"retry": false}});
        let (mut exchange, output) = ask(&gateway, &request, 0);
        let first = ticket(output);
        let second = if stream {
            let step = answered(&mut attempt(&gateway, &first, &request), 503, &json!({}), 1);
            let Step::Yield(_, second) = step else { panic!("{step:?}") };
            *second
        } else {
            ticket(play::respond(&mut exchange, 503, b"{}", later(1)))
        };
        assert_eq!(second.target.route.variant, RequestVariant::fallback(0));
        let slot = gateway.store.get("requests/frugal/gpt-4.1").unwrap().0;
        assert_eq!(slot[8..], [0, 0, 0, if stream { 2 } else { 1 }]);
    }
}

#[test]
fn an_attempt_begins_after_the_service_has_answered() {
    let gateway = with_service("local");
    let request = json!({"fallback_config": {"retry": false}});
    let (mut exchange, _) = ask(&gateway, &request, 0);
    exchange.on(Input::RateLimitAnswered(RateLimitResponse::parse(ADMITTED)), || later(50));
    let details = "upstream_reset_before_response_started{connection failure}".to_owned();
    let source = ReplySource::Envoy { details, ticket: None };
    let reply = reply(exchange.on(Input::Response { status: 503, source }, || later(60)));
    assert!(reply.headers.contains(&("x-attache-attempts", "gpt-4.1=502/10ms".to_owned())));
}

#[test]
fn a_model_that_its_provider_limits_counts_once_too() {
    let gateway = play::gateway(Us);
    let again = [json!({"model": "gpt-4.1", "temperature": 0})];
    let request = json!({"stream": true, "fallbacks": again});
    let first = ticket(ask(&gateway, &request, 0).1);
    let step = answered(&mut attempt(&gateway, &first, &request), 429, &json!({}), 1);
    let Step::Yield(_, second) = step else { panic!("{step:?}") };
    assert_eq!(second.target.route.variant, RequestVariant::fallback(0));
    assert_eq!(second.limit_status, first.limit_status);
    let slot = gateway.store.get("requests/frugal/gpt-4.1").unwrap().0;
    assert_eq!(slot[8..], [0, 0, 0, 1]);
}

#[test]
fn the_provider_that_failed_is_named_where_the_fallback_is_refused() {
    let gateway = play::gateway(Us);
    exhaust(&gateway, "qwen3-32b");
    let request = json!({"stream": true, "fallbacks": [model("qwen3-32b")]});
    let (mut exchange, output) = ask(&gateway, &request, 0);
    let mut ticket = ticket(output);
    for millis in [1, 600] {
        let mut lost = attempt(&gateway, &ticket, &request);
        let next = lost.on_response_lost(Cause::ConnectionFailed, later(millis));
        ticket = next.map_or(ticket, |(_, next)| next);
    }
    assert!(ticket.is_exhausted());
    let details = "no_healthy_upstream".to_owned();
    let source = ReplySource::Envoy { details, ticket: Some(Box::new(ticket)) };
    let reply = reply(exchange.on(Input::Response { status: 503, source }, || later(700)));
    let message = play::error(&reply)["message"].to_string();
    assert!(message.contains("`openai`"), "{message}");
}

#[test]
fn what_answers_cost_is_counted_and_waited_for() {
    for stream in [false, true] {
        let gateway = play::gateway(Us);
        let request = json!({"stream": stream});
        let ticket = ticket(ask(&gateway, &request, 0).1);
        let step = answered(&mut attempt(&gateway, &ticket, &request), 200, &good(), 2_000);
        assert!(matches!(step, Step::Answer(_) | Step::Begin(_)), "{step:?}");
        let reply = reply(ask(&gateway, &request, 3_000).1);
        let expected = "limit=100 remaining=0 reset=59 model=gpt-4.1 service=llmgw";
        assert_eq!((reply.status, told(&reply.headers).as_str()), (429, expected));
        let message = play::error(&reply)["message"].to_string();
        assert!(message.contains("takes 100 tokens in 60 s"), "{message}");
        // What was refused did not count as a request either.
        let ticket = play::ticket(ask(&gateway, &request, 62_000).1);
        assert_eq!(ticket.limit_status.map(|status| status.remaining), Some(1));
    }
    let gateway = play::gateway(Us);
    quota::charge_tokens(&gateway.config, "acme", "gpt-4.1", 9, &*gateway.store, || later(0));
    assert!(gateway.store.get("tokens/acme/gpt-4.1").is_none());
    // No tokens open no window.
    for (tokens, is_counted) in [(0, false), (1, true)] {
        let store = &*gateway.store;
        quota::charge_tokens(&gateway.config, "frugal", "gpt-4.1", tokens, store, || later(0));
        assert_eq!(store.get("tokens/frugal/gpt-4.1").is_some(), is_counted, "{tokens}");
    }
}

#[test]
fn an_answer_that_cannot_be_repaired_has_its_cost() {
    let gateway = play::gateway(Us);
    let request = json!({"post_processing_steps": [{"type": "json-repair"}]});
    let ticket = ticket(ask(&gateway, &request, 0).1);
    let step = answered(&mut attempt(&gateway, &ticket, &request), 200, &good(), 1);
    let Step::Fail(failed, _) = step else { panic!("{step:?}") };
    assert_eq!(failed.status, 500);
    let slot = gateway.store.get("tokens/frugal/gpt-4.1").unwrap().0;
    assert_eq!(slot[8..], [0, 0, 0, 100]);
}

#[test]
fn a_streams_cost_is_counted_at_its_end() {
    let gateway = play::gateway(Us);
    let request = json!({"stream": true});
    let ticket = ticket(ask(&gateway, &request, 0).1);
    let mut attempt = attempt(&gateway, &ticket, &request);
    attempt.head(play::stream_head());
    let delta = |delta: Value, finish: Value| json!({"id": "1", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]});
    let usage = json!({"id": "1", "choices": [], "usage": good()["usage"]});
    let events = play::provider_stream(&json!([
        delta(json!({"content": "Hi"}), Value::Null),
        delta(json!({}), json!("stop")),
        usage,
        "data: [DONE]\n\n"
    ]));
    let (begin, rest) = events.split_at(events.find("\n\n").unwrap() + 2);
    let spent = || gateway.store.get("tokens/frugal/gpt-4.1").map(|(slot, _)| slot[11]);
    assert!(matches!(attempt.body(begin.as_bytes(), false, || later(1)), Step::Begin(_)));
    assert_eq!(spent(), None);
    attempt.body(rest.as_bytes(), false, || later(2));
    attempt.body(b"", true, || later(3));
    assert_eq!(spent(), Some(100));
}

/// A response to a client that has left.
struct ClientLeft;

impl ResponseFacts for ClientLeft {
    fn details(&self) -> String {
        "downstream_remote_disconnect".to_owned()
    }

    fn header(&self, _name: &str) -> Option<String> {
        None
    }

    fn filter_state(&self, _name: &str) -> Option<String> {
        None
    }

    fn upstream_address(&self) -> Vec<u8> {
        Vec::new()
    }
}

/// Plays a stream whose client leaves before its first content, when Claude has reported 41 tokens of
/// the prompt and 1 of the answer.
pub fn leave_early(gateway: &Rc<Gateway>) {
    let request = json!({"model": "claude-sonnet-4-5", "stream": true});
    let ticket = ticket(ask(gateway, &request, 0).1);
    let mut attempt = attempt(gateway, &ticket, &request);
    attempt.head(play::stream_head());
    let usage = json!({"input_tokens": 41, "output_tokens": 1});
    let start = json!([{"type": "message_start", "message": {"id": "m", "usage": usage}}]);
    let step = attempt.body(play::provider_stream(&start).as_bytes(), false, || later(1));
    assert_eq!(step, Step::Hold);
    attempt.on_done(&ClientLeft, &Metrics::new(Numbers::default()), || later(2));
}

#[test]
fn a_stream_whose_client_leaves_before_its_first_content_counts_the_tokens_that_are_known() {
    let gateway = play::gateway(Us);
    leave_early(&gateway);
    let slot = gateway.store.get("tokens/frugal/claude-sonnet-4-5").unwrap().0;
    assert_eq!(slot[8..], [0, 0, 0, 42]);
}

/// The test gateway with a rate limit service.
fn with_service(unreachable: &str) -> Rc<Gateway> {
    let mut document: Value = serde_json::from_str(include_str!("../golden/gateway.json")).unwrap();
    let service = "http://limits.internal:8081";
    document["rate_limit"] = json!({"service": service, "unreachable": unreachable});
    let config = Rc::new(Config::parse(&document).unwrap());
    Rc::new(Gateway { config, ..(*play::gateway(Us)).clone() })
}

#[test]
fn a_fallback_of_a_stream_counts_here_whatever_the_service_says() {
    for unreachable in ["local", "refuse"] {
        let gateway = with_service(unreachable);
        let admitted = |millis| {
            let now = later(millis);
            let verdict =
                quota::admit_here(&gateway.config, "frugal", "gpt-4.1", &*gateway.store, now);
            matches!(verdict, Verdict::Admit(_))
        };
        assert_eq!([0, 1, 2].map(admitted), [true, true, false], "{unreachable}");
    }
}

const ADMITTED: &[u8] = b"\x08\x01\x12\x0e\x08\x01\x12\x04\x08\x1e\x10\x02\x18\x1d\x22\x02\x08\x2a";
const REFUSED: &[u8] = b"\x08\x02";

fn question(output: &Output) -> &[u8] {
    let Output::AskRateLimit { request, timeout } = output else {
        panic!("no question: {output:?}")
    };
    assert_eq!(*timeout, Duration::from_millis(20));
    request
}

fn is_about(output: &Output, name: &str) -> bool {
    question(output).windows(name.len()).any(|text| text == name.as_bytes())
}

#[test]
fn a_service_is_asked_and_its_word_holds() {
    let gateway = with_service("local");
    let (mut exchange, output) = ask(&gateway, &model("gpt-4.1"), 0);
    assert!(is_about(&output, "gpt-4.1") && is_about(&output, "frugal"));
    let output =
        exchange.on(Input::RateLimitAnswered(RateLimitResponse::parse(ADMITTED)), || later(0));
    assert_eq!(ticket(output).limit_status.map(|status| status.remaining), Some(29));
    // What comes late, or twice, changes nothing.
    assert_eq!(exchange.on(Input::RateLimitAnswered(None), || later(1)), Output::Wait);
    let (mut exchange, _) = ask(&gateway, &model("gpt-4.1"), 0);
    let output =
        exchange.on(Input::RateLimitAnswered(RateLimitResponse::parse(REFUSED)), || later(0));
    assert_eq!(reply(output).status, 429);
    assert!(gateway.store.get("requests/frugal/gpt-4.1").is_none());
}

#[test]
fn a_service_is_asked_about_each_fallback_too() {
    let gateway = with_service("refuse");
    let (mut exchange, output) = ask(&gateway, &with_fallback(false), 0);
    assert!(is_about(&output, "gpt-4.1"));
    let output =
        exchange.on(Input::RateLimitAnswered(RateLimitResponse::parse(REFUSED)), || later(0));
    assert!(is_about(&output, "qwen3-32B"));
    let output =
        exchange.on(Input::RateLimitAnswered(RateLimitResponse::parse(ADMITTED)), || later(0));
    assert_eq!(ticket(output).target.route.variant, RequestVariant::fallback(0));
    let output = play::respond(&mut exchange, 429, b"{}", later(1));
    assert!(is_about(&output, "kimi-k2.5"));
    // The error of the attempt that was made is the best there is.
    let output =
        exchange.on(Input::RateLimitAnswered(RateLimitResponse::parse(REFUSED)), || later(2));
    assert_eq!(play::error(&reply(output))["metadata"]["limit"], Value::Null);
}

#[test]
fn a_service_that_is_silent_is_replaced_or_waited_for() {
    let (local, refuse) = (with_service("local"), with_service("refuse"));
    for expected in [200, 200, 429] {
        let (mut exchange, _) = ask(&local, &model("gpt-4.1"), 0);
        match exchange.on(Input::RateLimitAnswered(None), || later(0)) {
            Output::Send { .. } => assert_eq!(expected, 200),
            output => assert_eq!(reply(output).status, expected),
        }
    }
    let (mut exchange, _) = ask(&refuse, &with_fallback(false), 0);
    let reply = reply(exchange.on(Input::RateLimitAnswered(None), || later(0)));
    let code = &play::error(&reply)["code"];
    assert_eq!((reply.status, code), (503, &json!("rate_limit_unavailable")));
}

#[test]
fn a_hedge_that_may_not_begin_leaves_the_first_alone() {
    let gateway = play::gateway(Us);
    exhaust(&gateway, "qwen3-32b");
    let mut request = with_fallback(false);
    request["fallback_config"]["hedge_ms"] = json!(100);
    let (mut exchange, output) = ask(&gateway, &request, 0);
    assert!(matches!(output, Output::Send { hedge: Some(_), .. }), "{output:?}");
    assert_eq!(exchange.on(Input::HedgeDue, || later(100)), Output::Wait);
    let output = play::respond(&mut exchange, 200, good().to_string().as_bytes(), later(200));
    assert_eq!(reply(output).status, 200);
    // With a service, the first may fail while it is asked about the hedge.
    let gateway = with_service("local");
    let (mut exchange, _) = ask(&gateway, &request, 0);
    exchange.on(Input::RateLimitAnswered(RateLimitResponse::parse(ADMITTED)), || later(0));
    assert!(is_about(&exchange.on(Input::HedgeDue, || later(100)), "qwen3-32B"));
    let output = play::respond(&mut exchange, 429, b"{}", later(101));
    assert_eq!(output, Output::Wait);
    let output =
        exchange.on(Input::RateLimitAnswered(RateLimitResponse::parse(REFUSED)), || later(102));
    assert!(is_about(&output, "kimi-k2.5"));
}
