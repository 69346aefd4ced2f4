//! Retries, fallbacks and deadlines in a real Envoy, in both lanes: whatever happens to a provider,
//! the client gets one whole answer or one error, and no provider is asked more often than planned.

use super::claims::*;
use super::metrics;
use serde_json::{Value, json};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};
use testkit::client::{Answer, Request};
use testkit::envoy::{Gateway, marker};

/// A gateway whose providers fail as they are told, or cannot be reached at all. Every model has a
/// price, and the account `frugal` may ask each once.
pub fn failing() -> &'static Gateway {
    static GATEWAY: OnceLock<Gateway> = OnceLock::new();
    GATEWAY.get_or_init(|| metrics::setup(&keyless(&metrics::priced())).start())
}

/// A request whose provider plays `script`, attempt by attempt.
pub fn request(model: &str, script: &str, is_stream: bool, fallbacks: &[&str]) -> Value {
    let fallbacks: Vec<Value> = fallbacks.iter().map(|model| json!({"model": model})).collect();
    json!({"model": model, "stream": is_stream, "fallbacks": fallbacks,
        "fallback_config": {"depth": 2},
        "messages": [{"role": "user", "content": format!("#script {script}")}]})
}

/// Models and statuses of the attempts that the client is told of.
pub fn attempts(answer: &Answer) -> Vec<(String, u16)> {
    let told = answer.header("x-attache-attempts").unwrap_or_else(|| panic!("{answer:?}"));
    let one = |one: &str| {
        let (model, rest) = one.split_once('=').expect("a model");
        let (status, _) = rest.split_once('/').expect("a status");
        (model.to_owned(), status.parse().expect("a number"))
    };
    told.split(' ').map(one).collect()
}

/// The text of an answer, whole or streamed.
pub fn text(answer: &Answer) -> String {
    if answer.header("content-type") == Some("application/json") {
        let text = &answer.json()["choices"][0]["message"]["content"];
        return text.as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned();
    }
    let events = answer.events();
    assert_eq!(events.last().map(String::as_str), Some("[DONE]"), "{answer:?}");
    let (_, chunks) = events.split_last().expect("events");
    let content = |chunk: &String| -> String {
        let chunk: Value = serde_json::from_str(chunk).expect("JSON");
        chunk["choices"][0]["delta"]["content"].as_str().unwrap_or_default().to_owned()
    };
    chunks.iter().map(content).collect()
}

/// What an attempt comes to, and how: the script, the status, and what follows.
struct Failure {
    script: &'static str,
    status: u16,
    is_retried: bool,
}

const fn retried(script: &'static str, status: u16) -> Failure {
    Failure { script, status, is_retried: true }
}

const fn moved(script: &'static str, status: u16) -> Failure {
    Failure { script, status, is_retried: false }
}

const IN_BOTH_LANES: [Failure; 13] = [
    retried("empty", 200),
    retried("status=500", 502),
    retried("status=503", 503),
    retried("status=529", 503),
    retried("status=503 empty", 503),
    retried("reset", 502),
    retried("content-type=text/html", 502),
    retried("body=eyJjaG9pY2Vz", 502),
    moved("status=429", 429),
    moved("status=429 retry-after=7", 429),
    moved("status=401", 502),
    moved("hang-head", 504),
    moved("hang=0", 504),
];

const ANSWERS: [Failure; 3] = [retried("cut=9", 502), retried("end=9", 502), moved("hang=9", 504)];

const STREAMS: [Failure; 4] = [
    retried("error-first", 502),
    retried("cut=0", 502),
    retried("end=0", 502),
    retried("end=1", 502),
];

fn failures(is_stream: bool) -> impl Iterator<Item = &'static Failure> {
    let own: &[Failure] = if is_stream { &STREAMS } else { &ANSWERS };
    IN_BOTH_LANES.iter().chain(own)
}

/// Plays one failure at the first attempts, so many times, and what follows.
fn play(failure: &Failure, times: usize, is_stream: bool) {
    let marker = marker();
    let Failure { script, status, is_retried } = failure;
    let mut scripts = vec![format!("{script} header=x-marker:{marker}"); times];
    scripts.push("text=all_is_well".to_owned());
    // OpenAI's schema fails in all these ways; what is told of the others is told by their tests.
    let models = ["first", "again", "third-time"];
    let body = request(models[0], &scripts.join(" | "), is_stream, &models[1..]);
    let answer = failing().us().chat(&body);
    let mut plan = if *is_retried { vec!["first", "first"] } else { vec!["first"] };
    plan.extend(&models[1..]);
    let tried = plan.iter().enumerate().take(times + 1);
    let expected: Vec<_> = tried
        .map(|(place, model)| ((*model).to_owned(), if place < times { *status } else { 200 }))
        .collect();
    let what = format!("{times} x {script}, stream: {is_stream}");
    assert_eq!(answer.status, 200, "{what}: {answer:?}");
    assert_eq!(attempts(&answer), expected, "{what}");
    assert_eq!(text(&answer).trim(), "all is well", "{what}");
    let asked = failing().reached(&marker).len();
    assert_eq!(asked, times + 1, "{what}: a provider is asked as often as planned");
}

#[test]
fn every_failure_of_the_first_attempt_is_mended_by_the_next() {
    for is_stream in [false, true] {
        failures(is_stream).for_each(|failure| play(failure, 1, is_stream));
    }
    failing().assert_unharmed();
}

#[test]
fn every_failure_of_a_later_attempt_is_mended_too() {
    for is_stream in [false, true] {
        for times in [2, 3] {
            let reached = |failure: &&Failure| failure.is_retried || times < 3;
            let some = failures(is_stream).filter(reached);
            some.for_each(|failure| play(failure, times, is_stream));
        }
    }
    failing().assert_unharmed();
}

#[test]
fn an_empty_answer_reaches_the_client_if_no_attempt_follows() {
    for is_stream in [false, true] {
        for fallbacks in [&[][..], &["second"][..]] {
            let answer = failing().us().chat(&request("first", "empty", is_stream, fallbacks));
            assert_eq!((answer.status, text(&answer).as_str()), (200, ""), "{answer:?}");
            assert_eq!(answer.header("x-attache-next"), None);
            let made = attempts(&answer);
            assert_eq!(made.len(), 2 + fallbacks.len(), "{made:?}");
            assert!(made.iter().all(|(_, status)| *status == 200), "{made:?}");
        }
        let body = json!({"model": "first", "stream": is_stream,
            "fallback_config": {"retry": false},
            "messages": [{"role": "user", "content": "#script empty"}]});
        let answer = failing().us().chat(&body);
        assert_eq!((answer.status, text(&answer).as_str()), (200, ""), "{answer:?}");
        assert_eq!((answer.header("x-attache-next"), attempts(&answer).len()), (None, 1));
    }
    failing().assert_unharmed();
}

#[test]
fn when_all_fail_the_last_error_is_told_with_all_attempts() {
    for is_stream in [false, true] {
        let body = request(
            "first",
            "status=500 | status=503 | status=429 retry-after=9",
            is_stream,
            &["second"],
        );
        let answer = failing().us().chat(&body);
        let error = assert_error(&answer, 429, "rate_limit_exceeded");
        assert_eq!(answer.header("retry-after"), Some("9"));
        assert_eq!(
            attempts(&answer),
            [("first".into(), 502), ("first".into(), 503), ("second".into(), 429)]
        );
        let listed = error["metadata"]["attempts"].as_array().expect("a list");
        let listed: Vec<_> =
            listed.iter().map(|own| (own["model"].as_str(), own["status"].as_u64())).collect();
        assert_eq!(
            listed,
            [(Some("first"), Some(502)), (Some("first"), Some(503)), (Some("second"), Some(429))]
        );
        assert_eq!(answer.header("x-attache-next"), None);
    }
}

#[test]
fn the_clients_own_fault_is_told_at_once() {
    for is_stream in [false, true] {
        let marker = marker();
        let script = format!("status=422 header=x-marker:{marker}");
        let answer = failing().us().chat(&request("first", &script, is_stream, &["second"]));
        assert_error(&answer, 400, "invalid_value");
        assert_eq!(failing().reached(&marker).len(), 1);
        assert_eq!(answer.header("x-attache-next"), None);
    }
}

#[test]
fn who_cannot_be_reached_is_passed_over() {
    let cases = [("refusing", 2), ("lost", 1), ("plain", 2)];
    for (model, times) in cases {
        for is_stream in [false, true] {
            for after in [&[][..], &["status=429"]] {
                let scripts = [after, &["text=still_here"]].concat().join(" | ");
                let models: &[&str] =
                    if after.is_empty() { &["second"] } else { &["second", "third"] };
                let answer = failing().us().chat(&request(model, &scripts, is_stream, models));
                assert_eq!(answer.status, 200, "{model} {is_stream}: {answer:?}");
                let mut expected = vec![(model.to_owned(), 502); times];
                expected.extend(after.iter().map(|_| ("second".to_owned(), 429)));
                expected.push((models[models.len() - 1].to_owned(), 200));
                assert_eq!(attempts(&answer), expected, "{model} {is_stream}");
                assert_eq!(text(&answer).trim(), "still here");
            }
            let answer = failing().us().chat(&request(model, "text=x", is_stream, &[]));
            assert_error(&answer, 502, "upstream_unreachable");
            assert_eq!(
                attempts(&answer),
                vec![(model.to_owned(), 502); times],
                "{model} {is_stream}"
            );
        }
    }
    failing().assert_unharmed();
}

#[test]
fn a_fallback_that_cannot_be_reached_is_passed_over_too() {
    for model in ["refusing", "lost", "plain"] {
        for is_stream in [false, true] {
            let body =
                request("first", "status=429 | text=third_it_is", is_stream, &[model, "third"]);
            let answer = failing().us().chat(&body);
            let expected = [("first".into(), 429), (model.to_owned(), 502), ("third".into(), 200)];
            assert_eq!(answer.status, 200, "{model} {is_stream}: {answer:?}");
            assert_eq!(attempts(&answer), expected, "{model} {is_stream}");
            assert_eq!(text(&answer).trim(), "third it is");
        }
    }
}

#[test]
fn a_retry_waits_half_a_second_and_a_fallback_does_not() {
    for is_stream in [false, true] {
        for (script, waits) in [("status=503 | text=x", 1), ("status=429 | text=x", 0)] {
            let begun = Instant::now();
            let answer = failing().us().chat(&request("first", script, is_stream, &["second"]));
            let took = begun.elapsed();
            assert_eq!(answer.status, 200);
            let half = Duration::from_millis(500);
            assert!(took >= half * waits, "{script} {is_stream}: {took:?}");
        }
    }
}

#[test]
fn tokens_of_a_fallback_come_as_they_are_said() {
    for script in ["status=429", "reset | reset", "hang-head", "error-first | error-first"] {
        let script = format!("{script} | text=one_two_three_four delay=300");
        let body = request("first", &script, true, &["again"]).to_string();
        assert_prompt(&script, || {
            let mut opened = failing().us().open(Request::chat(body.clone()));
            let (mut moments, mut events) = (Vec::new(), Vec::new());
            while let Some(event) = opened.next_event() {
                moments.push(Instant::now());
                events.push(event);
            }
            assert_eq!(events.last().map(String::as_str), Some("[DONE]"), "{script}: {events:?}");
            let apart = |two: &&[Instant]| two[1] - two[0] > Duration::from_millis(100);
            moments.windows(2).filter(apart).count() >= 3
        });
    }
}

#[test]
fn after_the_first_content_nothing_is_tried_again() {
    let marker = marker();
    let script = format!("text=a_b_c_d_e error-after=3 header=x-marker:{marker} | text=no");
    let answer = failing().us().chat(&request("first", &script, true, &["second"]));
    assert_eq!((answer.status, answer.broken), (200, false));
    let events = answer.events();
    let last: Value = serde_json::from_str(events.last().expect("events")).expect("JSON");
    assert_error_shape(&last, 502, "upstream_error");
    for script in ["text=a_b_c_d_e cut=3", "text=a_b_c_d_e hang=3"] {
        let script = format!("{script} header=x-marker:{marker} | text=no");
        let answer = failing().us().chat(&request("first", &script, true, &["second"]));
        assert!(answer.broken, "{script}: {answer:?}");
        assert!(!answer.text().contains("finish_reason\":\"stop"), "{script}: {answer:?}");
    }
    assert_eq!(failing().reached(&marker).len(), 3);
    failing().assert_unharmed();
}

#[test]
fn silence_before_and_after_the_first_content_have_clocks_of_their_own() {
    let slow = request("first", "text=a_b_c delay=700", true, &[]);
    assert_eq!(text(&failing().us().chat(&slow)).trim(), "a b c");
    let stops = request("impatient", "text=a_b_c delay=1500", true, &[]);
    let answer = failing().us().chat(&stops);
    assert_eq!((answer.status, answer.broken), (200, true), "{answer:?}");
    let answer =
        failing().us().chat(&request("patient", "head-delay=1500 text=thought", true, &[]));
    assert_eq!((answer.status, text(&answer).trim()), (200, "thought"));
    let thinks = request("first", "reasoning=hm_hm_hm text=done delay=600", true, &[]);
    assert_eq!(text(&failing().us().chat(&thinks)).trim(), "done");
}

/// A stream that says something, then sends what keeps it alive so many times, and goes on.
fn pinging(model: &str, pings: usize) -> Value {
    let chunk = |text: &str| {
        format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": {"content": text}}]}))
    };
    let sse = [chunk("so "), ": ping\n\n".repeat(pings), chunk("on"), "data: [DONE]\n\n".into()];
    request(model, &format!("sse={} delay=200", base64(sse.concat())), true, &[])
}

#[test]
fn what_keeps_a_stream_alive_is_no_content() {
    // The pings go on for six seconds. Without a deadline the rest would follow them.
    let answer = failing().us().chat(&pinging("impatient", 30));
    assert!(answer.broken && !answer.text().contains("\"on\""), "{answer:?}");
}

#[test]
fn a_silent_stream_is_kept_warm_as_often_as_the_operator_says() {
    for client in [failing().us(), failing().us().over_http2()] {
        let answer = client.chat(&pinging("patient", 12));
        assert_eq!(text(&answer).trim(), "so on", "{answer:?}");
        // 2.6 seconds of silence, every 0.7 seconds, which are looked at every 0.25.
        let comments = answer.text().split("\n\n").filter(|event| *event == ":").count();
        assert!((2..=3).contains(&comments), "{comments}: {answer:?}");
    }
    // Where nobody is silent for so long, nothing is added.
    let script = "text=a_b_c_d_e_f delay=200 ping";
    let answer = failing().us().chat(&request("patient", script, true, &[]));
    assert!(!answer.text().contains("\n:"), "{answer:?}");
    failing().assert_unharmed();
}

#[test]
fn the_operators_fallbacks_serve_a_request_that_names_none() {
    for is_stream in [false, true] {
        let mut body = request("backed", "status=429 | status=429 | text=saved", is_stream, &[]);
        body.as_object_mut().expect("an object").remove("fallbacks");
        body.as_object_mut().expect("an object").remove("fallback_config");
        let answer = failing().us().chat(&body);
        let expected = [("backed".into(), 429), ("third".into(), 429), ("second".into(), 200)];
        assert_eq!(attempts(&answer), expected, "{answer:?}");
        // Those of the client come first, and none of them is a decision too.
        let named = request("backed", "status=429 | text=saved", is_stream, &["again"]);
        let answer = failing().us().chat(&named);
        assert_eq!(attempts(&answer), [("backed".into(), 429), ("again".into(), 200)]);
        let answer = failing().us().chat(&request("backed", "status=429 | text=x", is_stream, &[]));
        assert_error(&answer, 429, "rate_limit_exceeded");
    }
}

#[test]
fn a_fallback_is_asked_what_it_says_and_the_rest_of_the_request() {
    for is_stream in [false, true] {
        let marker = marker();
        let script =
            |text: &str| format!("#script status=429 | text={text} header=x-marker:{marker}");
        let body = json!({"model": "first", "temperature": 0.25, "max_tokens": 7, "stream": is_stream,
            "messages": [{"role": "user", "content": script("one")}],
            "fallbacks": [{"model": "second", "max_tokens": 9, "fallbacks": [{"model": "third"}],
                "messages": [{"role": "user", "content": script("two")}]}]});
        let answer = failing().us().chat(&body);
        assert_eq!(text(&answer).trim(), "two", "{answer:?}");
        let entries = failing().reached(&marker);
        let asked = entries[1].json();
        assert_eq!((&asked["max_tokens"], &asked["temperature"]), (&json!(9), &json!(0.25)));
        assert!(asked["messages"].to_string().contains("text=two"), "{asked}");
        assert!(!asked.to_string().contains("fallbacks"), "{asked}");
    }
    let answer = failing().us().chat(&json!({"model": "first",
        "messages": [{"role": "user", "content": "#script status=429 | text=x"}],
        "fallbacks": [{"model": "second", "fallbacks": []}]}));
    assert_eq!(answer.header("x-attache-params"), Some("dropped=fallbacks"));
}

#[test]
fn a_full_provider_is_passed_over_at_once() {
    let marker = marker();
    let script = format!("head-delay=3000 text=slow header=x-marker:{marker}");
    let busy = thread::spawn(move || failing().us().chat(&request("narrow", &script, false, &[])));
    until(|| !failing().reached(&marker).is_empty());
    let others: Vec<_> = [false, false, false, true, true, true]
        .map(|is_stream| {
            thread::spawn(move || {
                failing().us().chat(&request("narrow", "text=fast", is_stream, &["second"]))
            })
        })
        .into_iter()
        .collect();
    let answers: Vec<_> =
        others.into_iter().map(|other| other.join().expect("an answer")).collect();
    let mut passed_over = 0;
    for answer in &answers {
        assert_eq!(answer.status, 200, "{answer:?}");
        let attempts = attempts(answer);
        passed_over += usize::from(attempts.len() == 2);
        assert!(attempts.len() == 1 || attempts[1].0 == "second", "{attempts:?}");
    }
    assert!(passed_over >= 2, "{answers:?}");
    assert_eq!(busy.join().expect("an answer").status, 200);
    failing().assert_unharmed();
}

#[test]
fn a_provider_that_keeps_failing_is_left_alone() {
    for is_stream in [false, true] {
        let marker = marker();
        let script = format!("status=503 header=x-marker:{marker}");
        for _ in 0..3 {
            failing().us().chat(&request("fragile", &script, is_stream, &[]));
        }
        let before = failing().reached(&marker).len();
        let answer = failing().us().chat(&request("fragile", "text=fine", is_stream, &["second"]));
        assert_eq!(attempts(&answer), [("fragile".into(), 502), ("second".into(), 200)]);
        assert_eq!(failing().reached(&marker).len(), before);
    }
}

#[test]
fn a_hedge_answers_when_the_first_is_slow_and_only_then() {
    let ask = |script: &str| {
        let mut body = request("first", script, false, &["second", "third"]);
        body["fallback_config"]["hedge_ms"] = json!(100);
        failing().us().chat(&body)
    };
    let cases = [
        ("head-delay=450 text=slow | text=fast", vec![("second", 200)], "fast"),
        ("text=quick | text=no", vec![("first", 200)], "quick"),
        ("head-delay=200 text=slow | head-delay=450 text=slower", vec![("first", 200)], "slow"),
        ("head-delay=200 text=slow | status=503", vec![("first", 200)], "slow"),
    ];
    for (script, expected, said) in cases {
        let answer = ask(script);
        assert_eq!(answer.status, 200, "{script}: {answer:?}");
        let expected: Vec<_> =
            expected.into_iter().map(|(name, status)| (name.to_owned(), status)).collect();
        assert_eq!(attempts(&answer), expected, "{script}");
        assert_eq!(text(&answer).trim(), said, "{script}");
    }
    // The one that was made beside the first is not made again.
    let answer = ask("head-delay=200 status=429 | status=503 | text=third");
    let expected = [("second".into(), 503), ("first".into(), 429), ("third".into(), 200)];
    assert_eq!(attempts(&answer), expected, "{answer:?}");
    failing().assert_unharmed();
}

#[test]
fn a_client_that_leaves_ends_what_it_asked_for() {
    let marker = marker();
    let script = format!("text=a_b_c_d_e delay=400 header=x-marker:{marker}");
    let mut opened =
        failing().us().open(Request::chat(request("first", &script, true, &[]).to_string()));
    opened.next_event();
    drop(opened);
    let script = format!("head-delay=300 status=503 header=x-marker:{marker} | text=x");
    let body = request("first", &script, false, &["second"]).to_string();
    failing().us().leave(&body, Duration::from_millis(100));
    thread::sleep(Duration::from_millis(1200));
    let entries = failing().reached(&marker);
    assert_eq!(entries.len(), 2, "no attempt begins for a client that has left");
    failing().assert_unharmed();
}

#[test]
fn attempts_are_counted() {
    failing().us().chat(&request("first", "status=503 | status=503 | text=x", false, &["second"]));
    failing().us().chat(&request("first", "status=429 | text=x", true, &["second"]));
    let stats = failing().admin("/stats/prometheus");
    for metric in [
        "attache_failures{model=\"first\",provider=\"one\",reason=\"overloaded\"}",
        "attache_retries{cluster=\"one-us\"}",
        "attache_fallbacks{cluster=\"two-us\"}",
        "attache_requests{",
    ] {
        let is_there = stats.lines().any(|line| line.starts_with(metric));
        assert!(is_there, "{metric} is not in\n{stats}");
    }
}

#[test]
fn no_attempt_is_made_that_the_plan_does_not_have() {
    let cases = [
        ("status=429 | reset | text=wrong", vec![("first", 429), ("again", 502)]),
        ("hang-head | reset | text=wrong", vec![("first", 504), ("again", 502)]),
        ("status=429 | hang-head | text=wrong", vec![("first", 429), ("again", 504)]),
        ("status=429 | cut=0 | text=wrong", vec![("first", 429), ("again", 502)]),
    ];
    for (script, expected) in cases {
        let marker = marker();
        let script = format!("header=x-marker:{marker} {script}");
        let answer = failing().us().chat(&request("first", &script, true, &["again"]));
        let expected: Vec<_> =
            expected.into_iter().map(|(model, status)| (model.to_owned(), status)).collect();
        assert_eq!(attempts(&answer), expected, "{script}: {answer:?}");
        assert_eq!(answer.status, expected[1].1, "{script}");
        assert_eq!(failing().reached(&marker).len(), 2, "{script}");
    }
}
