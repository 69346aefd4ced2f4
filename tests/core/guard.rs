//! The guard in played exchanges: when it is asked, and the client's reply after each decision.

use std::{cell::RefCell, rc::Rc};

use attache::{
    config::Config,
    gateway::{
        Exchange, Gateway, Input, Output, RequestBody, RequestHead, guard_call::GuardCall,
        plan::PlanIndex, reply_source::ReplySource,
    },
    http_call::CallResult,
    metrics::{MetricHost, MetricKind, Metrics, TelemetryEvent},
    region::Region::Us,
    reply::Reply,
};
use serde_json::{Value, json};

use testkit::play::{self, REQUEST_ID};

const ANSWER: &[u8] = br#"{"id":"c-1","model":"up","choices":[{"index":0,"finish_reason":"stop",
    "message":{"role":"assistant","content":"Hi"}}],
    "usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}"#;

/// A host that keeps what was counted.
#[derive(Clone, Debug, Default)]
pub struct Numbers(pub Rc<RefCell<Vec<(String, u64)>>>);

impl MetricHost for Numbers {
    fn define(&self, _kind: MetricKind, name: &str) -> Option<u32> {
        self.0.borrow_mut().push((name.to_owned(), 0));
        u32::try_from(self.0.borrow().len() - 1).ok()
    }

    fn add(&self, counter: u32, amount: u64) {
        self.0.borrow_mut()[usize::try_from(counter).unwrap()].1 += amount;
    }

    fn record(&self, histogram: u32, value: u64) {
        self.add(histogram, value);
    }
}

/// A gateway with a guard.
pub fn gateway(settings: Value) -> Rc<Gateway> {
    let mut document: Value = serde_json::from_str(include_str!("../golden/gateway.json")).unwrap();
    let mut guard =
        json!({"url": {"us": "https://guard.example/check", "eu": "https://guard.example"}});
    guard.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    document["guard"] = guard;
    let config = Config::parse(&document).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
    Rc::new(Gateway::new(Rc::new(config), Us, Rc::new(play::Table::default())))
}

fn begin(gateway: &Rc<Gateway>, head: RequestHead, body: &Value) -> (Exchange, Output) {
    let mut exchange = Exchange::new(Rc::clone(gateway), REQUEST_ID.to_owned());
    assert_eq!(exchange.on(Input::Head(head), play::sent), Output::Wait);
    let output = exchange.on(Input::Body(body.to_string().into_bytes()), play::sent);
    (exchange, output)
}

fn ask(gateway: &Rc<Gateway>, body: &Value) -> (Exchange, Output) {
    begin(gateway, play::client_head(), body)
}

fn decide(exchange: &mut Exchange, decision: &Value) -> Output {
    let result = play::called(200, decision.to_string().as_bytes());
    exchange.on(Input::GuardDecided(result), play::sent)
}

fn call(output: Output) -> (GuardCall, Value) {
    let Output::AskGuard(call) = output else { panic!("the guard is not asked: {output:?}") };
    let body = serde_json::from_slice(&call.body).unwrap();
    (call, body)
}

fn reply(output: Output) -> Reply {
    let Output::Reply(reply) = output else { panic!("no reply: {output:?}") };
    reply
}

fn admit() -> Value {
    json!({"action": "admit"})
}

fn chat() -> Value {
    json!({"model": "gpt-4.1", "messages": [{"role": "user", "content": "my secret"}]})
}

#[test]
fn the_guard_sees_the_request_and_then_the_answer() {
    let (mut exchange, output) = ask(&gateway(json!({})), &chat());
    let (first, body) = call(output);
    assert_eq!((&*first.cluster, &*first.path), ("_guard-us", "/check"));
    let expected = json!({"stage": "request", "request_id": REQUEST_ID, "account": "acme",
        "model": "gpt-4.1", "region": "us", "api": "chat_completions", "request": chat()});
    assert_eq!(body, expected);
    let output = decide(&mut exchange, &admit());
    assert!(matches!(output, Output::Send { .. }), "{output:?}");
    let output = play::respond(&mut exchange, 200, ANSWER, play::answered());
    let (_, body) = call(output);
    assert_eq!((&body["stage"], &body["request"]), (&json!("answer"), &chat()));
    assert_eq!(body["answer"]["choices"][0]["message"]["content"], "Hi");
    let reply = reply(decide(&mut exchange, &admit()));
    let shown: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!((reply.status, &shown), (200, &body["answer"]));
}

#[test]
fn a_decision_about_a_request_decides_its_reply() {
    let replaced = json!({"model": "gpt-4.1", "messages": [{"role": "user", "content": "masked"}]});
    let wrong = json!({"model": "gpt-4.1", "messages": 1});
    let refused = json!({"action": "refuse", "message": "not that"});
    let cases = [
        (json!({}), admit(), Ok("my secret")),
        (json!({}), json!({"action": "replace", "request": replaced}), Ok("masked")),
        (json!({}), json!({"action": "replace", "request": wrong}), Err((400, "invalid_value"))),
        (json!({}), refused, Err((400, "content_filter"))),
        (json!({}), json!({"action": "?"}), Err((503, "guard_unavailable"))),
        (json!({"on_error": "admit"}), json!({"action": "?"}), Ok("my secret")),
        (json!({"on_error": "admit"}), json!({"action": "refuse"}), Err((400, "content_filter"))),
    ];
    for (settings, decision, expected) in cases {
        let (mut exchange, output) = ask(&gateway(settings), &chat());
        call(output);
        match (decide(&mut exchange, &decision), expected) {
            (Output::Send { request, .. }, Ok(text)) => {
                let sent = String::from_utf8_lossy(&request.body).into_owned();
                assert!(sent.contains(text), "{decision}: {sent}");
            }
            (Output::Reply(reply), Err((status, code))) => {
                assert_eq!((reply.status, &play::error(&reply)["code"]), (status, &json!(code)));
            }
            (output, _) => panic!("{decision}: {output:?}"),
        }
    }
}

#[test]
fn a_replaced_request_goes_on_in_its_lane() {
    let gateway = gateway(json!({}));
    let mut body = chat();
    body["stream"] = json!(true);
    let (mut exchange, output) = ask(&gateway, &body);
    call(output);
    body["messages"][0]["content"] = json!("masked");
    let output = decide(&mut exchange, &json!({"action": "replace", "request": body}));
    let Output::Forward { body: RequestBody::Edited, .. } = output else { panic!("{output:?}") };
    assert_eq!(exchange.request_body(), body.to_string().as_bytes());
}

#[test]
fn a_decision_about_an_answer_decides_its_reply() {
    let guarded = |settings: Value, decision: Value| {
        let (mut exchange, output) = ask(&gateway(settings), &chat());
        assert!(matches!(output, Output::Send { .. }), "the request is not a subject: {output:?}");
        call(play::respond(&mut exchange, 200, ANSWER, play::answered()));
        reply(decide(&mut exchange, &decision))
    };
    let settings = |on_error: &str| json!({"stages": ["answer"], "on_error": on_error});
    let replaced = json!({"action": "replace", "answer": {"choices": []}});
    let cases = [
        ("refuse", replaced.clone(), 200, None),
        ("admit", json!({"action": "?"}), 200, None),
        ("refuse", json!({"action": "?"}), 503, Some("guard_unavailable")),
        ("admit", json!({"action": "refuse", "message": "not that"}), 400, Some("content_filter")),
    ];
    for (on_error, decision, status, reason) in cases {
        let reply = guarded(settings(on_error), decision.clone());
        assert_eq!((reply.status, reply.reason.as_deref()), (status, reason), "{decision}");
        let attempts = reply.headers.iter().find(|(name, _)| *name == "x-attache-attempts");
        assert!(attempts.is_some_and(|(_, value)| value.contains("200")), "{reply:?}");
        if decision == replaced {
            assert_eq!(reply.body, br#"{"choices":[]}"#);
        }
    }
}

#[test]
fn the_guard_is_asked_about_nothing_else() {
    let gateway = gateway(json!({"stages": ["answer"]}));
    let mut stream = chat();
    stream["stream"] = json!(true);
    let (_, output) = ask(&gateway, &stream);
    assert!(matches!(output, Output::Forward { .. }), "{output:?}");
    let (mut exchange, _) = ask(&gateway, &chat());
    let refused = br#"{"error": {"message": "no"}}"#;
    assert_eq!(reply(play::respond(&mut exchange, 400, refused, play::answered())).status, 400);
}

#[test]
fn tokens_of_a_refused_answer_are_counted_without_a_failure_of_the_provider() {
    let host = Numbers::default();
    let metrics = Metrics::new(host.clone());
    for is_gone in [true, false] {
        let (mut exchange, _) = ask(&gateway(json!({"stages": ["answer"]})), &chat());
        call(play::respond(&mut exchange, 200, ANSWER, play::answered()));
        if is_gone {
            exchange.on_client_left();
        } else {
            let reply = reply(decide(&mut exchange, &json!({"action": "refuse"})));
            exchange.record_reply(&metrics, &reply, play::answered);
        }
        exchange.count_events(&metrics);
        let counted = host.0.borrow().clone();
        let tokens = counted.iter().filter(|(name, _)| name.contains("token_usage"));
        let expected = if is_gone { 4 } else { 8 };
        assert_eq!(tokens.map(|(_, amount)| amount).sum::<u64>(), expected, "{counted:?}");
        assert!(
            !counted.iter().any(|(name, _)| name.starts_with("attache_failures")),
            "{counted:?}"
        );
    }
}

/// A request whose first attempt has company after a moment.
fn hedged() -> Value {
    json!({"model": "gpt-4.1", "messages": [{"role": "user", "content": "Hi"}],
        "fallbacks": [{"model": "anywhere"}], "model_region": "global",
        "fallback_config": {"hedge_ms": 100}})
}

#[test]
fn a_late_answer_of_a_hedge_does_not_replace_the_guarded_one() {
    let (mut exchange, output) = ask(&gateway(json!({"stages": ["answer"]})), &hedged());
    assert!(matches!(output, Output::Send { .. }), "{output:?}");
    let output = exchange.on(Input::HedgeDue, play::answered);
    let Output::Call { index, .. } = output else { panic!("{output:?}") };
    call(play::respond(&mut exchange, 200, ANSWER, play::answered()));
    let late = Input::CallEnded { index, result: play::called(200, ANSWER) };
    assert_eq!(exchange.on(late, play::answered), Output::Wait);
    assert_eq!(reply(decide(&mut exchange, &admit())).status, 200);
    assert_ne!(index, PlanIndex::FIRST);
}

#[test]
fn an_attempt_that_ends_while_the_guard_decides_about_a_hedge_changes_nothing() {
    let late = String::from_utf8_lossy(ANSWER).replace("Hi", "Late");
    let failed = Input::Response {
        status: 503,
        source: ReplySource::Envoy { details: "upstream_reset".to_owned(), ticket: None },
    };
    for end in [None, Some((200, &*late)), Some((503, "{}")), Some((401, "{}"))] {
        let (mut exchange, output) = ask(&gateway(json!({"stages": ["answer"]})), &hedged());
        assert!(matches!(output, Output::Send { .. }), "{output:?}");
        let output = exchange.on(Input::HedgeDue, play::answered);
        let Output::Call { index, .. } = output else { panic!("{output:?}") };
        let answered = Input::CallEnded { index, result: play::called(200, ANSWER) };
        call(exchange.on(answered, play::answered));
        let output = match end {
            Some((status, body)) => {
                play::respond(&mut exchange, status, body.as_bytes(), play::answered())
            }
            None => exchange.on(failed.clone(), play::answered),
        };
        assert_eq!(output, Output::Wait, "{end:?}");
        let passed = exchange.on(Input::DeadlinePassed(None), play::answered);
        assert_eq!(passed, Output::Wait, "{end:?}");
        let reply = reply(decide(&mut exchange, &admit()));
        let shown: Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(shown["choices"][0]["message"]["content"], "Hi", "{end:?}");
    }
}

#[test]
fn a_request_that_the_guard_refuses_has_counted_and_says_so() {
    let head = RequestHead { account: Some("frugal".to_owned()), ..play::client_head() };
    let (mut exchange, output) = begin(&gateway(json!({})), head, &chat());
    call(output);
    let reply = reply(decide(&mut exchange, &json!({"action": "refuse"})));
    assert_eq!(reply.status, 400);
    assert!(reply.headers.contains(&("x-ratelimit-remaining", "1".to_owned())), "{reply:?}");
}

#[test]
fn decisions_are_counted() {
    let (mut exchange, _) = ask(&gateway(json!({})), &chat());
    exchange.on(Input::GuardDecided(CallResult::NotSent), play::sent);
    let events = exchange.take_telemetry();
    let is_counted = events.iter().any(|event| {
        matches!(event, TelemetryEvent::Guarded { decision: "failed", region: Us, .. })
    });
    assert!(is_counted, "{events:?}");
}

#[test]
fn every_gateway_has_a_guard_of_its_own_region() {
    let mut document: Value = serde_json::from_str(include_str!("../golden/gateway.json")).unwrap();
    document["guard"] = json!({"url": {"us": "https://guard.example"}});
    let mistakes = Config::parse(&document).unwrap_err();
    let mistakes: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    let expected = "guard.url.eu: missing, allowed: a URL, because there is `listeners.eu`";
    assert_eq!(mistakes, [expected]);
}
