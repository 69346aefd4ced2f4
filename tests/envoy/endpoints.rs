//! Models with several endpoints in a real Envoy: the shares of the load, the keys of a pool, failover
//! between endpoints in both lanes, endpoints that are passed over, and warm prompt caches.

use super::attempts::text;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use testkit::client::Answer;
use testkit::envoy::{Gateway, Setup, marker};

const YAML: &str = "
listeners: {us: {port: 8080}}
admin: {port: 9901}
plans: {paid: {requests_per_minute: unlimited}}
accounts: {acme: {plan: paid, key_files: [secrets/acme.key]}}
providers:
  one: &one
    api_schema: openai
    base_url: {us: http://one.test/v1}
    key_file: secrets/one.key
    allow_private: true
    outlier_detection: {consecutive_5xx: 100000}
  two: {<<: *one, base_url: {us: http://two.test/v1}, key_file: secrets/two.key}
  pool:
    api_schema: openai
    base_url: {us: http://pool.test/v1}
    key_files: [secrets/pool.key, secrets/pool-second.key]
    allow_private: true
models:
  split: &model
    name: Model
    context_length: 100000
    max_output_tokens: 1000
    regions:
      us:
      - {provider: one, upstream_model: split, weight: 80}
      - {provider: two, upstream_model: split, weight: 20}
  pooled: {<<: *model, regions: {us: {provider: pool, upstream_model: pooled}}}
  first:
    <<: *model
    regions:
      us: [{provider: one, upstream_model: first}, {provider: pool, upstream_model: first, priority: 1}]
  limited:
    <<: *model
    regions:
      us: [{provider: one, upstream_model: limited, weight: 9}, {provider: two, upstream_model: limited}]
  sticky:
    <<: *model
    hash_on: prompt
    regions:
      us: [{provider: one, upstream_model: sticky}, {provider: two, upstream_model: sticky}]
  scattered:
    <<: *model
    regions:
      us: [{provider: one, upstream_model: scattered}, {provider: two, upstream_model: scattered}]
";

fn gateway() -> &'static Gateway {
    static GATEWAY: OnceLock<Gateway> = OnceLock::new();
    GATEWAY.get_or_init(|| Setup::new(YAML).remembering(4000).start())
}

fn request(model: &str, content: &str, is_stream: bool) -> Value {
    json!({"model": model, "stream": is_stream,
        "messages": [{"role": "user", "content": content}]})
}

/// Returns the names of the attempts with their statuses, such as `split@one=200`.
fn attempts(answer: &Answer) -> Vec<String> {
    let header = answer.header("x-attache-attempts").unwrap_or_else(|| panic!("{answer:?}"));
    header.split(' ').map(|one| one.split_once('/').unwrap().0.to_owned()).collect()
}

/// Sends requests over connections of their own, which Envoy gives to all its workers, and returns
/// the number of answers by the attempts that they name.
fn shares(model: &str, content: &str, count: usize) -> BTreeMap<String, usize> {
    let mut shares = BTreeMap::new();
    for number in 0..count {
        let answer = gateway().us().chat(&request(model, content, number % 2 == 1));
        assert_eq!(answer.status, 200, "{answer:?}");
        *shares.entry(attempts(&answer).join(" ")).or_default() += 1;
    }
    shares
}

#[test]
fn eighty_of_a_hundred_requests_go_to_the_endpoint_with_that_weight() {
    let shares = shares("split", "Hi", 500);
    let [one, two] = ["split@one=200", "split@two=200"].map(|name| shares[name]);
    assert_eq!(one + two, 500, "{shares:?}");
    // Each of the two workers is at most a few requests from its exact share.
    assert!((390..=410).contains(&one), "{shares:?}");
}

#[test]
fn each_key_of_a_pool_gets_its_share_of_the_requests() {
    let marker = marker();
    let shares = shares("pooled", &marker, 60);
    let mut sent = BTreeMap::new();
    for entry in gateway().provider().requests_about(&marker) {
        let key = entry.header("authorization").expect("a key").to_vec();
        *sent.entry(String::from_utf8(key).unwrap()).or_default() += 1;
    }
    let key = |name: &str| format!("Bearer {}", gateway().secret(name));
    let expected = [("pool", "pooled@pool=200"), ("pool-second", "pooled@pool-key2=200")];
    let expected = expected.map(|(name, attempt)| (key(name), shares[attempt]));
    assert_eq!(sent, BTreeMap::from(expected));
    assert!(sent.values().all(|count: &usize| (26..=34).contains(count)), "{shares:?}");
}

#[test]
fn a_failure_is_answered_by_another_endpoint_in_both_lanes() {
    let cases = [("status=503", 503), ("reset", 502), ("status=404", 502), ("status=429", 429)];
    for (script, status) in cases {
        for is_stream in [false, true] {
            let content = format!("{} #script {script} retry-after=0 | text=well", marker());
            let answer = gateway().us().chat(&request("first", &content, is_stream));
            assert_eq!((answer.status, text(&answer)), (200, "well".to_owned()), "{script}");
            let made = attempts(&answer);
            assert_eq!(made[0], format!("first@one={status}"), "{script} {is_stream}");
            assert!(made.len() == 2 && made[1].starts_with("first@pool"), "{made:?}");
        }
    }
    let metrics = gateway().admin("/stats/prometheus?filter=attache_retries");
    assert!(metrics.contains("attache_retries{cluster=\"pool-us\"}"), "{metrics}");
}

#[test]
fn an_endpoint_that_said_429_is_passed_over_by_all_workers() {
    // A machine may be so slow that the endpoint's time has passed.
    let is_in_time = (0..3).any(|_| {
        let started = Instant::now();
        let content = format!("{} #script status=429 retry-after=60 | text=well", marker());
        let mut made = Vec::new();
        while made.first().map(String::as_str) != Some("limited@one=429") {
            made = attempts(&gateway().us().chat(&request("limited", &content, false)));
        }
        let shares = shares("limited", "Hi", 40);
        let is_in_time = started.elapsed() < Duration::from_secs(55);
        assert!(!is_in_time || shares.keys().eq(["limited@two=200"]), "{shares:?}");
        is_in_time
    });
    assert!(is_in_time, "three times slower than a minute");
}

/// Plays conversations of five turns, and returns the tokens of their prompts and those of them that
/// the provider had in its cache.
fn cached(model: &str) -> (u64, u64) {
    let (mut prompt, mut cached) = (0, 0);
    for number in 0..10 {
        let mut messages = vec![json!({"role": "system", "content": "Be brief, and be kind."})];
        for turn in 0..5 {
            let own = format!("Conversation {number} turn {turn} #script cache=of-{number}");
            let first = format!("The question of conversation {number}");
            let content = if turn == 0 { json!(format!("{first} {own}")) } else { json!(own) };
            messages.push(json!({"role": "user", "content": content}));
            let answer = gateway().us().chat(&json!({"model": model, "messages": messages}));
            assert_eq!(answer.status, 200, "{answer:?}");
            let usage = &answer.json()["usage"];
            prompt += usage["prompt_tokens"].as_u64().unwrap();
            cached += usage["prompt_tokens_details"]["cached_tokens"].as_u64().unwrap();
            messages.push(json!({"role": "assistant", "content": text(&answer)}));
        }
    }
    (prompt, cached)
}

#[test]
fn a_conversation_that_stays_at_its_endpoint_finds_its_prompt_in_the_cache() {
    let share = |(prompt, cached): (u64, u64)| 100 * cached / prompt;
    let (sticky, scattered) = (share(cached("sticky")), share(cached("scattered")));
    println!("cached tokens: {sticky} % with `hash_on: prompt`, {scattered} % without");
    assert!(sticky > 60 && sticky > scattered + 10, "{sticky} {scattered}");
}
