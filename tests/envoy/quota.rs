//! Limits of accounts: exact whatever thread a request comes to, and told with every answer.

use super::budgets::thrifty;
use super::claims::*;
use super::resilience::crashes;
use crate::support::crowd::{self, Ask, Told};
use serde_json::{Value, json};
use std::fmt::Write;
use std::sync::OnceLock;
use std::time::Instant;
use testkit::client::{Answer, Request};
use testkit::envoy::{Gateway, Setup};

/// A gateway whose accounts `NAME-0` to `NAME-(count-1)` may ask each model so often.
pub fn limited(accounts: &[(&str, usize, u32)]) -> String {
    let mut more = String::from("\naccounts:\n");
    for (name, count, limit) in accounts {
        for index in 0..*count {
            let name = format!("{name}-{index}");
            let keys = format!("key_files: [secrets/{name}.key]");
            writeln!(more, "  {name}: {{plan: paid, requests_per_minute: {limit}, {keys}}}")
                .unwrap();
        }
    }
    keyless(YAML).replacen("\naccounts:\n", &more, 1)
}

/// The same with many models.
fn with_models(yaml: &str, count: usize) -> String {
    let model = |index| {
        format!(
            "  model-{index}:\n    name: One of many\n    regions: {{us: {{provider: openai, \
             upstream_model: m}}}}\n    context_length: 9000\n    max_output_tokens: 1000\n"
        )
    };
    let models: String = (0..count).map(model).collect();
    yaml.replacen("\nmodels:\n", &format!("\nmodels:\n{models}"), 1)
}

fn ask(gateway: &Gateway, account: &str, model: &str) -> Ask {
    Ask { key: gateway.secret(account).to_owned(), model: model.to_owned() }
}

/// What was told to those who were admitted is each number below the limit once: none was admitted
/// twice, none forgotten. The others were refused.
pub fn assert_exact(told: &[Told], limit: u32, story: &str) {
    let mut remaining: Vec<u32> =
        told.iter().filter(|told| told.status == 200).map(|told| told.remaining).collect();
    remaining.sort_unstable();
    assert!(remaining.iter().copied().eq(0..limit), "{story}: {} admitted", remaining.len());
    let refused: Vec<&Told> = told.iter().filter(|told| told.status != 200).collect();
    let wrong = refused.iter().find(|told| told.status != 429 || told.remaining != 0);
    assert_eq!(wrong, None, "{story}");
}

/// The accounts, numbered from 0, with which a story may be played again.
const ROUNDS: usize = 4;

/// Plays a story with one account after another until it takes less than a window. On a busy machine
/// a window may pass meanwhile, and then there is nothing to compare.
fn within_a_window<T>(mut play: impl FnMut(usize) -> T) -> T {
    let mut round = |round| {
        let started = Instant::now();
        let told = play(round);
        (started.elapsed().as_secs() < 55).then_some(told)
    };
    (0..ROUNDS).find_map(&mut round).expect("a story that takes less than a window")
}

/// Sends requests of one account for one model until its window is long full.
fn fill(gateway: &Gateway, name: &str, requests: usize) {
    let told = within_a_window(|round| {
        let asks = vec![ask(gateway, &format!("{name}-{round}"), "gpt"); requests];
        crowd::send(&gateway.us(), 64, asks)
    });
    assert_exact(&told, 1_000, name);
}

/// A gateway that tests share, each with accounts of its own: `three-0` may make three requests, and
/// so on; `metered-0` may cost a token, `thrifty-0` a cent.
pub fn counting() -> &'static Gateway {
    static GATEWAY: OnceLock<Gateway> = OnceLock::new();
    let accounts = [
        ("three", 2, 3),
        ("two", 1, 2),
        ("moving", 2, 2),
        ("one", 2, 1),
        ("metered", 2, 1_000_000),
    ];
    let yaml = limited(&accounts);
    let yaml = yaml.replace("requests_per_minute: 1000000, key", "tokens_per_minute: 1, key");
    let yaml = thrifty(&yaml);
    GATEWAY.get_or_init(|| Setup::new(&yaml).start())
}

const FILLED: [(&str, usize, u32); 2] = [("first", ROUNDS, 1_000), ("second", ROUNDS, 1_000)];

/// Sends requests of two accounts until the windows of both are long full.
fn fill_both(gateway: &Gateway) {
    FILLED.iter().for_each(|(name, ..)| fill(gateway, name, 2_000));
    gateway.assert_unharmed();
}

#[test]
fn a_limit_is_exact_across_two_worker_threads() {
    fill_both(&Setup::new(&limited(&FILLED)).workers(2).start());
}

#[test]
fn a_limit_is_exact_across_four_worker_threads_and_for_each_account_and_model() {
    let [first, second] = FILLED;
    let limits = limited(&[first, second, ("one", ROUNDS * 10, 5)]);
    let gateway = Setup::new(&with_models(&limits, 10)).workers(4).start();
    fill_both(&gateway);
    fill_all(&gateway, 10, 10, 5);
}

#[test]
#[ignore = "takes minutes: `just limits`"]
fn a_limit_is_exact_across_worker_threads_for_a_hundred_thousand_requests() {
    for workers in [2, 4] {
        let names: Vec<String> = (0..20).map(|index| format!("busy-{index}")).collect();
        let accounts: Vec<_> = names.iter().map(|name| (name.as_str(), ROUNDS, 1_000)).collect();
        let gateway = Setup::new(&limited(&accounts)).workers(workers).start();
        for name in &names {
            fill(&gateway, name, 100_000);
        }
        gateway.assert_unharmed();
    }
}

/// Asks each model for each account twice as often as it may, in an order that mixes all of them.
fn fill_all(gateway: &Gateway, accounts: usize, models: usize, limit: u32) {
    let asks_of_each = 2 * usize::try_from(limit).unwrap();
    let pairs = accounts * models;
    let pair = |index: usize| (index * 7_919) % pairs;
    let told = within_a_window(|round| {
        let asks = (0..pairs * asks_of_each).map(|index| {
            let account = round * accounts + pair(index) / models;
            let model = pair(index) % models;
            ask(gateway, &format!("one-{account}"), &format!("model-{model}"))
        });
        crowd::send(&gateway.us(), 64, asks.collect())
    });
    let mut by_pair = vec![Vec::new(); pairs];
    told.iter().for_each(|told| by_pair[pair(told.index)].push(*told));
    for (pair, told) in by_pair.iter().enumerate() {
        assert_exact(told, limit, &format!("account {} model {}", pair / models, pair % models));
    }
    gateway.assert_unharmed();
}

#[test]
#[ignore = "takes a minute: `just limits`"]
fn fifty_accounts_and_twenty_models_do_not_take_from_each_other() {
    let yaml = with_models(&limited(&[("one", ROUNDS * 50, 10)]), 20);
    fill_all(&Setup::new(&yaml).workers(4).start(), 50, 20, 10);
}

#[test]
#[ignore = "takes minutes: `just limits`"]
fn every_window_is_as_exact_as_the_first() {
    let gateway = Setup::new(&limited(&[("busy", 1, 500)])).workers(4).start();
    let started = Instant::now();
    let mut windows = [0_u32; 500];
    while started.elapsed().as_secs() < 150 {
        let asks = vec![ask(&gateway, "busy-0", "gpt"); 2_000];
        for told in crowd::send(&gateway.us(), 64, asks) {
            match told.status {
                200 => windows[usize::try_from(told.remaining).unwrap()] += 1,
                status => assert_eq!(status, 429, "{told:?}"),
            }
        }
    }
    assert_eq!(windows, [3; 500], "admitted in three windows, by what remained");
    gateway.assert_unharmed();
}

/// Crashes every worker of a gateway that has the accounts of `busy`, while their windows fill.
pub fn a_crash_of_every_worker_loses_no_count(gateway: &Gateway) {
    let told = within_a_window(|round| {
        let account = format!("busy-{round}");
        let part =
            |count| crowd::send(&gateway.us(), 16, vec![ask(gateway, &account, "gpt"); count]);
        let mut told = part(200);
        let before = crashes(gateway);
        // Each connection comes to any of the workers.
        while crashes(gateway) < before + 8 {
            let answer = gateway.us().send(Request::get("/debug/crash"));
            assert_eq!(answer.status, 503, "the module did not crash: {answer:?}");
        }
        std::thread::sleep(std::time::Duration::from_secs(2));
        told.extend(part(200));
        told
    });
    assert_exact(&told, 300, "after crashes");
}

/// The accounts of that.
pub fn busy() -> String {
    limited(&[("busy", ROUNDS, 300)])
}

#[test]
fn no_release_crashes_on_demand() {
    let answer = shared().us().send(Request::get("/debug/crash"));
    assert_eq!(answer.status, 404, "{answer:?}");
}

pub fn told(answer: &Answer) -> String {
    let names = ["limit", "remaining", "reset", "model", "service"];
    let told = names.map(|name| answer.header(&format!("x-ratelimit-{name}")).unwrap_or("-"));
    told.join(" ")
}

#[test]
fn every_answer_says_where_the_account_stands() {
    let gateway = counting();
    let client = gateway.us().with_key(gateway.secret("three-0"));
    let plain = client.chat(&chat("gpt", "hi"));
    assert_eq!((plain.status, told(&plain).as_str()), (200, "3 2 60 gpt llmgw"));
    let failed = client.chat(&chat("gpt", "#script status=500"));
    assert_eq!((failed.status, told(&failed).as_str()), (502, "3 1 60 gpt llmgw"));
    let stream = client.chat(&streamed("gpt", "hi"));
    assert_eq!((stream.status, told(&stream).as_str()), (200, "3 0 60 gpt llmgw"));
    assert_eq!(stream.events().last().map(String::as_str), Some("[DONE]"));
    for request in [chat("gpt", "refused"), streamed("GPT", "refused")] {
        let refused = client.chat(&request);
        assert_error(&refused, 429, "rate_limit_exceeded");
        let wait = refused.header("retry-after").and_then(|wait| wait.parse().ok()).unwrap_or(0);
        assert!((50..=60).contains(&wait), "{refused:?}");
        assert_eq!(told(&refused), format!("3 0 {wait} gpt llmgw"));
    }
    assert!(gateway.reached("refused").is_empty());
    // Another model, another account, the other region: each model has one window per account.
    assert_eq!(told(&client.chat(&chat("kimi", "hi"))), "3 2 60 kimi llmgw");
    let other = gateway.us().with_key(gateway.secret("three-1"));
    assert_eq!(told(&other.chat(&chat("gpt", "hi"))), "3 2 60 gpt llmgw");
    let eu = gateway.eu().with_key(gateway.secret("three-0"));
    assert_eq!(eu.chat(&chat("gpt", "hi")).status, 429);
    gateway.assert_unharmed();
}

#[test]
fn what_is_wrong_costs_nothing_and_says_nothing_of_limits() {
    let gateway = counting();
    let client = gateway.us().with_key(gateway.secret("two-0"));
    let wrong = [
        chat("nobody", "hi"),
        with(chat("gpt", "hi"), json!({"temperature": 9})),
        with(chat("gpt", "hi"), json!({"fallbacks": [{"model": "nobody"}]})),
    ];
    for request in wrong {
        let answer = client.chat(&request);
        assert_eq!((answer.status, told(&answer).as_str()), (400, "- - - - -"));
    }
    assert_eq!(told(&client.chat(&chat("gpt", "hi"))), "2 1 60 gpt llmgw");
    gateway.assert_unharmed();
}

#[test]
fn a_limit_is_walked_around_by_fallbacks_that_have_their_own() {
    let gateway = counting();
    for (account, ask) in [("one-0", chat as fn(&str, &str) -> Value), ("one-1", streamed)] {
        let client = gateway.us().with_key(gateway.secret(account));
        let fallbacks = json!({"fallbacks": [{"model": "kimi"}, {"model": "qwen"}],
            "fallback_config": {"depth": 2, "retry": false}});
        let request = |text| with(ask("gpt", text), fallbacks.clone());
        let attempts = |answer: &Answer| {
            let attempts = answer.header("x-attache-attempts").expect("attempts");
            let names = attempts.split(' ').map(|one| one.split_once('/').expect("a time").0);
            names.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(told(&client.chat(&request("hi"))), "1 0 60 gpt llmgw");
        let second = client.chat(&request("hi"));
        assert_eq!((second.status, attempts(&second)), (200, "gpt=429 kimi=200".into()));
        assert_eq!(told(&second), "1 0 60 kimi llmgw");
        let third = client.chat(&request("hi"));
        assert_eq!((third.status, attempts(&third)), (200, "gpt=429 kimi=429 qwen=200".into()));
        let fourth = client.chat(&request("unseen"));
        assert_error(&fourth, 429, "rate_limit_exceeded");
        assert!(told(&fourth).ends_with(" gpt llmgw"), "{fourth:?}");
        assert!(gateway.reached("unseen").is_empty());
        gateway.assert_unharmed();
    }
}

#[test]
fn whoever_moves_on_counts_for_the_model_it_moves_to() {
    let gateway = counting();
    for (account, ask) in [("moving-0", chat as fn(&str, &str) -> Value), ("moving-1", streamed)] {
        let client = gateway.us().with_key(gateway.secret(account));
        let failing = |model| {
            let script = "#script status=503 | text=fine";
            with(
                ask(model, script),
                json!({"fallbacks": [{"model": "kimi"}], "fallback_config": {"retry": false}}),
            )
        };
        let answer = client.chat(&failing("gpt"));
        assert_eq!((answer.status, told(&answer).as_str()), (200, "2 1 60 kimi llmgw"));
        assert_eq!(told(&client.chat(&chat("gpt", "hi"))), "2 0 60 gpt llmgw");
        assert_eq!(told(&client.chat(&chat("kimi", "hi"))), "2 0 60 kimi llmgw");
        gateway.assert_unharmed();
    }
}

#[test]
fn tokens_are_counted_when_they_are_known_and_then_waited_for() {
    let gateway = counting();
    for (account, ask) in [("metered-0", chat as fn(&str, &str) -> Value), ("metered-1", streamed)]
    {
        let client = gateway.us().with_key(gateway.secret(account));
        assert_eq!(client.chat(&ask("gpt", "hi")).status, 200);
        let refused = client.chat(&ask("gpt", "unseen"));
        assert_error(&refused, 429, "rate_limit_exceeded");
        assert!(told(&refused).starts_with("1 0 "), "{refused:?}");
        assert!(gateway.reached("unseen").is_empty());
        assert_eq!(client.chat(&ask("kimi", "hi")).status, 200);
        gateway.assert_unharmed();
    }
}
