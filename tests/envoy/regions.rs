//! Where data goes: every model, region and chain of fallbacks in both lanes, with the providers'
//! journal as the witness, and what an auditor finds in metrics and logs.

use super::claims::*;
use super::transcripts::regional;
use crate::support::access_log::Line;
use serde_json::{Value, json};
use testkit::client::Answer;
use testkit::envoy::{Gateway, Setup, marker};
use testkit::provider::Entry;

const REGIONAL: &str = include_str!("regional.yaml");
const MODELS: [&str; 5] = ["gpt", "claude", "gemini", "european", "worldly"];

/// Every chain of up to two fallbacks.
fn chains() -> Vec<Vec<&'static str>> {
    let ones = MODELS.map(|one| vec![one]);
    let twos = MODELS.iter().flat_map(|one| MODELS.map(|two| vec![*one, two]));
    std::iter::once(Vec::new()).chain(ones).chain(twos).collect()
}

/// The region that the host of a request to a provider or to the transcript service names.
fn region(entry: &Entry) -> &'static str {
    let host = String::from_utf8_lossy(entry.header("host").expect("a host")).into_owned();
    match host.split('.').collect::<Vec<_>>()[..] {
        ["us", ..] | ["api", "assemblyai", ..] => "us",
        ["eu", ..] | ["api", "eu", "assemblyai", ..] => "eu",
        ["global", ..] => "global",
        _ => panic!("no region: {host}"),
    }
}

/// A request whose attempts all fail, so that all of them are made.
fn request(model: &str, chain: &[&str], is_stream: bool, global: bool, marker: &str) -> Value {
    let id = format!("call-{}", marker.trim_end_matches('.'));
    let fallbacks: Vec<_> = chain.iter().map(|model| json!({"model": model})).collect();
    let text = format!("{{{{ transcript }}}} #script status=429 header=x-marker:{marker}");
    let mut body = json!({"model": model, "stream": is_stream, "transcript_id": id,
        "fallbacks": fallbacks, "fallback_config": {"depth": 2, "retry": false},
        "messages": [{"role": "user", "content": text}]});
    if global {
        body["model_region"] = json!("global");
    }
    body
}

/// What was asked of providers and of the transcript service for one request.
fn asked(gateway: &Gateway, marker: &str) -> Vec<Entry> {
    let mut asked = gateway.reached(marker);
    let path = format!("/v2/transcript/call-{}", marker.trim_end_matches('.'));
    asked.extend(gateway.reached("").into_iter().filter(|entry| entry.path == path));
    asked
}

#[test]
fn nothing_of_a_request_reaches_another_region() {
    let gateway = Setup::new(REGIONAL).start();
    let (mut attempts, mut longest) = ([0, 0], [0, 0]);
    for (home, client) in [("us", gateway.us()), ("eu", gateway.eu())] {
        let at = usize::from(home == "eu");
        let mut connection = client.connect();
        for model in MODELS {
            for chain in chains() {
                for (is_stream, global) in
                    [(false, false), (true, false), (false, true), (true, true)]
                {
                    let marker = marker();
                    let body = request(model, &chain, is_stream, global, &marker);
                    let request = testkit::client::Request::chat(body.to_string());
                    let answer = connection.send(request);
                    if !connection.is_open() {
                        connection = client.connect();
                    }
                    let asked = asked(&gateway, &marker);
                    let what = format!("{home} {model} {chain:?} {is_stream} {global}");
                    if answer.status == 400 {
                        assert!(asked.is_empty(), "{what}: {asked:?}");
                        continue;
                    }
                    assert_eq!(answer.status, 429, "{what}: {answer:?}");
                    attempts[at] += asked.len() - 1;
                    longest[at] = longest[at].max(asked.len());
                    let served = if global { "global" } else { home };
                    assert_eq!(answer.header("x-attache-region"), Some(served), "{what}");
                    for entry in asked {
                        let is_fetch = entry.method == "GET";
                        let expected = if is_fetch { home } else { served };
                        assert_eq!(region(&entry), expected, "{what}: {entry:?}");
                    }
                }
            }
        }
    }
    assert_eq!(longest, [4, 4], "a transcript and three attempts");
    // Three models in each region, and two that run anywhere: chains of one, two and three.
    let of_three = 3 + 3 * 3 * 2 + 3 * 3 * 3 * 3;
    let of_two = 2 + 2 * 2 * 2 + 2 * 2 * 2 * 3;
    assert_eq!(attempts, [2 * (of_three + of_two), 2 * of_three], "in both lanes");
    auditors_metrics(&gateway, attempts);
    gateway.assert_unharmed();
}

/// The gateway's own count agrees with the providers'.
fn auditors_metrics(gateway: &Gateway, attempts: [usize; 2]) {
    let stats = gateway.admin("/stats/prometheus?filter=attache");
    let count = |labels: &str| -> usize {
        let name = format!("attache_attempts{{{labels}}} ");
        let line = stats.lines().find_map(|line| line.strip_prefix(&name));
        line.map_or(0, |count| count.parse().expect("a number"))
    };
    let of = |home: &str, reached: &str| count(&format!("region=\"{home}\",reached=\"{reached}\""));
    assert_eq!(of("us", "us") + of("us", "global"), attempts[0], "{stats}");
    assert_eq!(of("eu", "eu"), attempts[1], "{stats}");
    let all: usize = ["us", "eu", "global"].iter().map(|reached| of("eu", reached)).sum();
    assert_eq!(all, attempts[1], "nothing from the EU went anywhere else");
    assert_eq!(of("us", "eu"), 0);
    assert!(stats.contains("attache_transcripts{region=\"eu\"}"), "{stats}");
}

#[test]
fn the_access_log_names_every_cluster_that_was_asked() {
    let told = |answer: &Answer| {
        let line = Line::of(regional(), answer);
        let told = ["account", "region"].map(|field| line.get(field).as_str());
        assert_eq!(told, [Some("acme"), Some("eu")], "{line:?}");
        let named = ["cluster", "other_clusters"].map(|field| line.get(field).as_str());
        let named = named.into_iter().flatten().flat_map(|names| names.split(' '));
        let mut named: Vec<_> = named.map(|name| name.trim_end_matches("-hosts")).collect();
        named.sort_unstable();
        named.join(" ")
    };
    for is_stream in [false, true] {
        let chain = ["gemini", "european"];
        let body = request("claude", &chain, is_stream, false, &marker());
        let all = "_transcripts-eu anthropic-eu google-eu openai-eu";
        assert_eq!(told(&regional().eu().chat(&body)), all);
        assert_eq!(told(&regional().eu().chat(&streamed("claude", "alone"))), "anthropic-eu");
    }
}

#[test]
fn an_envoy_in_the_eu_has_no_cluster_elsewhere() {
    let yaml = REGIONAL.replace("  us: {port: 8080}\n", "");
    let files = Setup::new(&yaml).render();
    let clusters = std::fs::read_to_string(files.dir.join("envoy/clusters.yaml")).expect("a file");
    let names = clusters.lines().filter_map(|line| line.strip_prefix("  name: "));
    let names: Vec<&str> = names.filter(|name| !name.ends_with("-hosts")).collect();
    let expected = "nobody anthropic-eu google-eu openai-eu _transcripts-eu \
                    anthropic-eu-direct google-eu-direct openai-eu-direct";
    assert_eq!(
        names.iter().copied().collect::<std::collections::BTreeSet<_>>(),
        expected.split(' ').collect()
    );
}
