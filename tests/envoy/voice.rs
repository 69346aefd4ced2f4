//! Voice platforms as callers: each of their bodies answered in every schema, and nothing of a call
//! but its conversation in anybody's hands.

use super::claims::*;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use testkit::client::{Client, Request};
use testkit::envoy::{Setup, marker};
use testkit::voice::{CASES, body};

const MODELS: [&str; 3] = ["gpt", "claude", "gemini"];

/// The bodies that can be answered: all of them.
fn bodies() -> impl Iterator<Item = (&'static str, &'static str)> {
    CASES.iter().copied()
}

/// The body of one case, with a script for the provider in the caller's last words.
fn scripted(case: &str, model: &str, script: &str) -> Value {
    let (_, text) = bodies().find(|(name, _)| *name == case).expect("a case");
    let said = format!("#script {script}\\n");
    serde_json::from_str(&body(text, model, &said)).expect("JSON")
}

#[test]
fn every_body_is_answered_with_a_stream_and_nothing_private_goes_anywhere() {
    let mut gateway = Setup::new(&keyless(YAML)).start();
    for (name, text) in bodies() {
        for model in MODELS {
            let marker = marker();
            let sent = body(text, model, &format!("{marker} "));
            let answer = gateway.us().send(Request::chat(sent));
            let stream = Streamed::read(&answer);
            assert!(stream.done && stream.error.is_none(), "{name} {model}: {stream:#?}");
            assert!(!format!("{answer:?}").contains("confidential-"), "{name} {model}: {answer:?}");
        }
    }
    let asked = gateway.reached("");
    assert_eq!(asked.len(), bodies().count() * MODELS.len());
    for entry in asked {
        let sent = entry.to_json().to_string();
        for word in ["confidential-", "phoneNumber", "customer", "+15550100777"] {
            assert!(!sent.contains(word), "a provider was told {word}: {sent}");
        }
    }
    let pages = ["/config_dump?include_eds", "/clusters?format=json", "/stats"];
    let dump = pages.map(|page| gateway.admin(page)).concat();
    gateway.assert_unharmed();
    gateway.stop();
    let logs = gateway.logs();
    assert!(logs.contains("\"account\":\"acme\""), "the access log is not there: {logs}");
    for (place, text) in [("logs", logs), ("dump", dump)] {
        for word in ["confidential-", "phoneNumber", "parcel", "Harbour Dental"] {
            assert!(!text.contains(word), "{word} is in the {place}");
        }
    }
}

#[test]
fn what_is_left_out_of_a_call_is_told_to_the_platform_by_name() {
    let told = |case: &str| {
        let answer = shared().us().chat(&scripted(case, "claude", "text=hi"));
        answer.header("x-attache-params").map(str::to_owned)
    };
    assert_eq!(told("vapi/off"), None);
    let expected = "dropped=metadata,call,phoneNumber,customer";
    assert_eq!(told("vapi/variable").as_deref(), Some(expected));
    let expected = "dropped=crmId,tier,tags,call,phoneNumber,customer,destination,__proto__,+1";
    assert_eq!(told("vapi/destructured").as_deref(), Some(expected));
}

#[test]
fn a_control_token_passes_untouched_in_both_lanes() {
    let said = "One moment. <flush /> It is <flush/>\u{a0}on \"its\" way </flush> & \u{1f4e6}";
    for model in MODELS {
        for form in ["", " chunk=1", " delay=1 chunk=7"] {
            let script = format!("text64={}{form}", base64(said));
            let mut request = scripted("vapi/off", model, &script);
            let stream = Streamed::read(&shared().us().chat(&request));
            assert_eq!(stream.text(), said, "{model}{form}");
            request["stream"] = json!(false);
            let answer = shared().us().chat(&request).json();
            assert_eq!(answer["choices"][0]["message"]["content"], said, "{model}{form}");
        }
    }
}

#[test]
fn an_empty_completion_is_a_whole_stream() {
    for case in ["assemblyai/turn", "vapi/variable"] {
        for model in MODELS {
            let mut request = scripted(case, model, "empty");
            let stream = Streamed::read(&shared().us().chat(&request));
            assert!(stream.done && stream.error.is_none(), "{model}: {stream:#?}");
            assert_eq!((stream.text().as_str(), stream.finish_reason()), ("", Some("stop")));
            assert_eq!(stream.chunks.len(), 2, "the role and the finish: {stream:#?}");
            request["stream"] = json!(false);
            let answer = shared().us().chat(&request);
            assert_eq!(answer.status, 200, "{model}: {answer:?}");
            assert_eq!(answer.json()["choices"][0]["message"]["content"], "", "{answer:?}");
        }
    }
}

#[test]
fn a_platform_that_asks_twice_gets_two_answers() {
    let marker = marker();
    let request = scripted("assemblyai/turn", "gpt", &format!("text=yes header=x-marker:{marker}"));
    let ask = |client: Client| {
        let request = request.clone();
        std::thread::spawn(move || Streamed::read(&client.chat(&request)))
    };
    let asked: Vec<_> = (0..6).map(|_| ask(shared().us())).collect();
    let answers: Vec<_> = asked.into_iter().map(|one| one.join().expect("an answer")).collect();
    let ids: std::collections::BTreeSet<_> =
        answers.iter().map(|own| own.chunks[0]["id"].as_str().expect("an id")).collect();
    assert_eq!(ids.len(), 6, "every answer is one of its own");
    assert!(answers.iter().all(|own| own.done && own.text() == "yes"), "{answers:#?}");
    let bodies: Vec<_> = shared().reached(&marker).into_iter().map(|own| own.body).collect();
    assert_eq!(bodies, vec![bodies[0].clone(); 6], "and every question the same");
}

#[test]
fn the_first_word_comes_before_the_second_is_said() {
    for model in MODELS {
        for client in [shared().us(), shared().us().over_http2()] {
            let script = "text=one_two_three_four_five delay=300";
            let request = scripted("assemblyai/turn", model, script).to_string();
            assert_prompt(model, || {
                let begun = Instant::now();
                let mut answer = client.open(Request::chat(request.clone()));
                let spoken = std::iter::from_fn(|| answer.next_event());
                let first = spoken.into_iter().find(|event| event.contains("one"));
                assert!(first.is_some(), "{model} said nothing");
                // Anthropic has two events before the first word.
                begun.elapsed() < Duration::from_millis(900)
            });
        }
    }
}

#[test]
fn a_base_url_may_end_in_whatever_the_platform_repeats() {
    let bases = ["", "/", "/v1", "/v1/", "/chat/completions", "/v1/chat/completions"];
    for base in bases.into_iter().chain(["/v1/chat/completions/"]) {
        let path = format!("{base}/chat/completions");
        for case in ["assemblyai/turn", "vapi/variable"] {
            let request = Request::chat(scripted(case, "gpt", "text=hi").to_string());
            let raw = request.clone().header("authorization", shared().secret("acme"));
            for request in [request, raw] {
                let stream = Streamed::read(&shared().us().send(request.at(&path)));
                assert_eq!((stream.text().as_str(), stream.done), ("hi", true), "{path}");
            }
        }
    }
}

#[test]
fn an_error_has_the_status_that_the_platform_tells_its_own_errors_by() {
    let cases =
        [("status=429", 429), ("status=503", 503), ("status=500", 502), ("status=400", 400)];
    for (script, status) in cases {
        for case in ["assemblyai/turn", "vapi/variable"] {
            let mut request = scripted(case, "gpt", script);
            request["fallback_config"] = json!({"retry": false});
            let answer = shared().us().chat(&request);
            assert_eq!(answer.status, status, "{script}: {answer:?}");
            assert!(!answer.text().contains("confidential-"), "{answer:?}");
        }
    }
    let request = scripted("vapi/variable", "gpt", "text=hi");
    let refused = shared().us().without_key().chat(&request);
    assert_error(&refused, 401, "invalid_api_key");
    let unknown = shared().us().chat(&scripted("vapi/variable", "nobody", "text=hi"));
    assert_error(&unknown, 400, "model_not_found");
}
