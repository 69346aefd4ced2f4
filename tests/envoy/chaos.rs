//! Providers that fail at random, many clients at once: every client gets one whole answer or one
//! error, no provider is asked more often than planned, and nothing is left behind.

use super::attempts::{attempts, text};
use super::claims::{PATIENCE, assert_error_shape};
use super::metrics::setup;
use fastrand::Rng;
use serde_json::{Value, json};
use std::thread;
use std::time::{Duration, Instant};
use testkit::client::{Answer, Client};
use testkit::envoy::{Gateway, marker};

/// Clients at a time.
const CLIENTS: u64 = 12;

/// What a provider may do with an attempt, the good end twice as likely as each of the others.
const SCRIPTS: [&str; 16] = [
    "text=all_is_well",
    "text=all_is_well",
    "text=all_is_well chunk=7",
    "tool",
    "reasoning=hm text=all_is_well",
    "status=500",
    "status=503",
    "status=529",
    "status=429",
    "status=401",
    "status=400",
    "reset",
    "content-type=text/html",
    "error-first",
    "end=1",
    "cut=0",
];

const MODELS: [&str; 6] = ["first", "again", "second", "third", "refusing", "lost"];

/// The seed of a run, to be repeated: `ATTACHE_SEED`.
fn seed() -> u64 {
    std::env::var("ATTACHE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1)
}

#[test]
fn a_little_chaos_harms_nobody() {
    run(240);
}

#[test]
#[ignore = "takes minutes: `just chaos`"]
fn chaos_harms_nobody() {
    run(10_000);
}

fn run(requests: u64) {
    let gateway = setup(include_str!("failing.yaml")).start();
    let begun = Instant::now();
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let gateway = &gateway;
            scope.spawn(move || {
                let mut random = Rng::with_seed(seed() * 1000 + client);
                for _ in 0..requests / CLIENTS {
                    play(gateway, &gateway.us(), &mut random);
                }
            });
        }
    });
    eprintln!("chaos: {requests} requests in {:?}, seed {}", begun.elapsed(), seed());
    assert_nothing_is_left(&gateway);
    gateway.assert_unharmed();
}

/// One request, and all that must hold whatever happens to it.
fn play(gateway: &Gateway, client: &Client, random: &mut Rng) {
    let marker = marker();
    let scripts: Vec<&str> = (0..4).map(|_| *random.choice(&SCRIPTS).unwrap()).collect();
    let is_stream = random.usize(..2) == 0;
    let fallbacks: Vec<Value> =
        (0..random.usize(..3)).map(|_| json!({"model": random.choice(&MODELS).unwrap()})).collect();
    let retry = random.usize(..4) > 0;
    let script = format!("header=x-marker:{marker} {}", scripts.join(" | "));
    let request = json!({"model": random.choice(&MODELS).unwrap(), "stream": is_stream,
        "fallbacks": fallbacks, "fallback_config": {"depth": 2, "retry": retry},
        "messages": [{"role": "user", "content": format!("#script {script}")}]});
    let answer = client.chat(&request);
    assert_is_whole(&answer, &request);
    let told = attempts(&answer);
    let planned = 1 + usize::from(retry) + fallbacks.len();
    assert!(told.len() <= planned, "{request}: {told:?}");
    let reached = gateway.reached(&marker).len();
    assert!(reached <= told.len(), "{request}: {reached} of {told:?}");
}

fn assert_is_whole(answer: &Answer, request: &Value) {
    assert!(!answer.broken, "{request}: {answer:?}");
    if answer.status != 200 {
        let body = answer.json();
        let code = body["error"]["code"].as_str().unwrap_or_default().to_owned();
        return assert_error_shape(&body, answer.status, &code);
    }
    if request["stream"] == false {
        assert_eq!(answer.json()["choices"].as_array().map(Vec::len), Some(1), "{request}");
        return;
    }
    let events = answer.events();
    let (last, chunks) = events.split_last().unwrap_or_else(|| panic!("{request}: {answer:?}"));
    if last == "[DONE]" {
        let finishes = chunks.iter().filter(|chunk| chunk.contains("\"finish_reason\":\""));
        assert_eq!(finishes.count(), 1, "{request}: {answer:?}");
        text(answer);
    } else {
        let body: Value = serde_json::from_str(last).expect("JSON");
        assert!(body["error"].is_object(), "{request}: {last}");
    }
}

/// No stream, no call and no connection's request is still open.
fn assert_nothing_is_left(gateway: &Gateway) {
    let patience = Instant::now();
    loop {
        let stats = gateway.admin("/stats?filter=rq_active$");
        // The administration's own request is one.
        let open = |line: &&str| !line.starts_with("http.admin.") && !line.ends_with(": 0");
        let left: Vec<&str> = stats.lines().filter(open).collect();
        if left.is_empty() {
            return;
        }
        assert!(patience.elapsed() < PATIENCE, "still open: {left:?}");
        thread::sleep(Duration::from_millis(200));
    }
}
