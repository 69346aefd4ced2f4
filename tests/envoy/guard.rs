//! The guard in a real Envoy: asked in the request's own region, with its key, before a provider and
//! before the client. Whatever it does, the client gets one answer.

use super::claims::*;
use serde_json::{Value, json};
use std::sync::OnceLock;
use testkit::client::{Client, Request};
use testkit::envoy::{Gateway, Setup, marker};
use testkit::provider::Entry;

const GUARDED: &str = include_str!("guarded.yaml");

fn guarded() -> &'static Gateway {
    static GATEWAY: OnceLock<Gateway> = OnceLock::new();
    GATEWAY.get_or_init(|| Setup::new(GUARDED).start())
}

/// The calls to the guard about a text, and the requests to providers.
fn calls(marker: &str) -> (Vec<Entry>, Vec<Entry>) {
    guarded().reached(marker).into_iter().partition(|entry| entry.path == "/v1/guard")
}

#[test]
fn the_guard_of_the_region_is_asked_with_its_key_before_and_after() {
    let clients: [(Client, &str); 2] =
        [(guarded().us(), "guard.us.example"), (guarded().eu(), "guard.eu.example")];
    for (client, host) in clients {
        for model in ["gpt", "claude"] {
            let marker = marker();
            let body = chat(model, &marker);
            let answer = client.chat(&body);
            assert_eq!(answer.status, 200, "{answer:?}");
            let (asked, told) = calls(&marker);
            assert_eq!((asked.len(), told.len()), (2, 1), "{asked:?}");
            let stages = asked.iter().map(|call| call.json()["stage"].clone());
            assert_eq!(stages.collect::<Vec<_>>(), [json!("request"), json!("answer")]);
            assert_eq!(asked[0].json()["request"], body);
            assert_eq!(asked[1].json()["answer"], answer.json());
            for call in asked {
                let id = answer.header("x-request-id").map(str::as_bytes);
                assert_eq!(call.header("host"), Some(host.as_bytes()));
                assert_eq!(call.header("x-request-id"), id);
                let key = format!("Bearer {}", guarded().secret("guard"));
                assert_eq!(call.header("authorization"), Some(key.as_bytes()));
            }
        }
    }
    guarded().assert_unharmed();
}

#[test]
fn a_decision_about_a_request_is_carried_out_in_both_lanes() {
    for is_stream in [false, true] {
        let send = |word: &str| {
            let marker = marker();
            let text = format!("{marker} my secret guard:request:{word}");
            let body = with(chat("gpt", &text), json!({"stream": is_stream}));
            (guarded().us().chat(&body), calls(&marker).1)
        };
        let (answer, told) = send("mask");
        assert_eq!((answer.status, told.len()), (200, 1), "{answer:?}");
        assert!(answer.text().contains("masked"), "{answer:?}");
        assert!(!told[0].json().to_string().contains("secret"), "{told:?}");
        let (answer, told) = send("refuse");
        let error = assert_error(&answer, 400, "content_filter");
        assert_eq!((&error["message"], told.len()), (&json!("the guard says no"), 0));
        for word in ["500", "html", "reset", "hang"] {
            let (answer, told) = send(word);
            assert_error(&answer, 503, "guard_unavailable");
            assert_eq!(told.len(), 0, "{word}");
        }
        assert_eq!(send("late").0.status, 200);
    }
    guarded().assert_unharmed();
}

#[test]
fn a_decision_about_an_answer_is_carried_out_after_any_attempt() {
    let failing = "#script status=503 | text=the_secret";
    for (script, retry) in [("#script text=the_secret", false), (failing, true)] {
        let send = |word: &str| {
            let text = format!("{} guard:answer:{word} {script}", marker());
            let retry = json!({"fallback_config": {"retry": retry}});
            guarded().us().chat(&with(chat("claude", &text), retry))
        };
        let answer = send("mask");
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.json()["choices"][0]["message"]["content"], "the masked");
        let answer = send("refuse");
        assert_error(&answer, 400, "content_filter");
        assert!(answer.header("x-attache-attempts").is_some_and(|all| all.contains("=200/")));
        assert_error(&send("500"), 503, "guard_unavailable");
    }
    guarded().assert_unharmed();
}

#[test]
fn other_ways_in_are_guarded_in_their_own_form() {
    let cases = [
        (
            "/v1/messages",
            "messages",
            json!({"model": "gpt", "max_tokens": 9,
            "messages": [{"role": "user", "content": "TEXT"}]}),
        ),
        ("/v1/responses", "responses", json!({"model": "claude", "input": "TEXT"})),
    ];
    for (path, api, body) in cases {
        let marker = marker();
        let text = format!("{marker} my secret guard:request:mask");
        let body: Value = serde_json::from_str(&body.to_string().replace("TEXT", &text)).unwrap();
        let answer = guarded().us().send(Request::chat(body.to_string()).at(path));
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.text().contains("my masked"), "{answer:?}");
        let (asked, _) = calls(&marker);
        assert_eq!((&asked[0].json()["api"], &asked[0].json()["request"]), (&json!(api), &body));
        assert_eq!(asked[1].json()["answer"], answer.json());
    }
    guarded().assert_unharmed();
}

#[test]
fn decisions_are_in_the_metrics() {
    let text = format!("{} guard:request:refuse", marker());
    assert_error(&guarded().us().chat(&chat("gpt", &text)), 400, "content_filter");
    let stats = guarded().admin("/stats/prometheus?filter=attache_guard");
    let line = r#"attache_guard_calls{region="us",stage="request",decision="refuse"}"#;
    let sorted = |text: &str| {
        let labels = text.split(['{', '}']).nth(1).unwrap_or_default().split(',');
        let mut labels: Vec<String> = labels.map(str::to_owned).collect();
        labels.sort();
        labels
    };
    assert!(stats.lines().any(|own| sorted(own) == sorted(line)), "{stats}");
}
