//! What a load asks for: a case of every lane.

use super::claims::with;
use crate::support::load::{Case, Want};
use serde_json::{Value, json};
use testkit::envoy::Setup;

/// A gateway to be kept busy.
pub fn loaded() -> Setup {
    Setup::new(include_str!("loaded.yaml"))
}

const WELL: &str = "text=all_is_well";

/// A request whose provider plays a script, attempt by attempt.
pub fn scripted(model: &str, script: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": format!("#script {script}")}]})
}

/// The same as a stream.
pub fn streaming(model: &str, script: &str) -> Value {
    with(scripted(model, script), json!({"stream": true}))
}

/// The same with two fallbacks.
pub fn backed(request: Value) -> Value {
    let fallbacks = json!([{"model": "second"}, {"model": "third"}]);
    with(request, json!({"fallbacks": fallbacks, "fallback_config": {"depth": 2}}))
}

pub fn case(name: &'static str, weight: usize, request: Value, want: Want) -> Case {
    Case { name, weight, request, want }
}

/// What every client gets, in each lane, as long as some provider is well.
pub fn cases() -> Vec<Case> {
    answers().into_iter().chain(streams()).collect()
}

fn answers() -> Vec<Case> {
    let answer = |name, weight, request| case(name, weight, request, Want::Answer("all is well"));
    let slow = |delay| format!("head-delay={delay} {WELL}");
    let hedge = json!({"fallbacks": [{"model": "second"}], "fallback_config": {"hedge_ms": 100}});
    let transcript = json!({"model": "first", "transcript_id": "late-call", "messages": [
        {"role": "user", "content": format!("{{{{ transcript }}}} #script {WELL}")}]});
    vec![
        answer("an answer of OpenAI's schema", 60, scripted("first", WELL)),
        answer("an answer of Anthropic's", 20, scripted("second", WELL)),
        answer("an answer of Gemini's", 20, scripted("third", WELL)),
        answer("a slow answer", 4, scripted("first", &slow(800))),
        answer("a retry", 2, scripted("first", &format!("status=500 | {WELL}"))),
        answer("a fallback", 4, backed(scripted("first", &format!("status=429 | {}", slow(300))))),
        answer(
            "a hedge",
            2,
            with(scripted("first", &format!("{} | {}", slow(900), slow(300))), hedge),
        ),
        answer("a transcript", 4, transcript),
    ]
}

fn streams() -> Vec<Case> {
    let stream = |name, weight, request| case(name, weight, request, Want::Stream("all is well"));
    let slow = |delay| format!("delay={delay} {WELL}");
    vec![
        stream("a stream", 10, streaming("first", &slow(100))),
        stream("a long stream", 1, streaming("second", &slow(600))),
        stream(
            "a stream after a fallback",
            4,
            backed(streaming("first", &format!("status=429 | {}", slow(100)))),
        ),
        stream(
            "a stream after a retry",
            2,
            streaming("first", &format!("status=503 | {}", slow(100))),
        ),
    ]
}
