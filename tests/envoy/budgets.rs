//! Budgets and the cost of answers: charged by both roles, whichever of them makes the attempt.

use super::claims::*;
use super::quota::counting;
use crate::support::shared::two_gateways;
use crate::support::{limiter::Limiter, metrics::Metrics};
use serde_json::{Value, json};
use testkit::client::Request;
use testkit::envoy::{Gateway, Setup};

/// A file of a gateway that reports costs, whose accounts `thrifty-0` and `thrifty-1` have a budget that
/// one answer uses up. An answer of the scripted provider to one word costs two cents at least.
pub fn thrifty(yaml: &str) -> String {
    budgeted(yaml, "thrifty", "{usd: 0.01, per: month}")
}

/// A file of a gateway that reports costs, with two accounts more that have this budget each.
fn budgeted(yaml: &str, name: &str, budget: &str) -> String {
    let accounts = (0..2).map(|index| {
        let keys = format!("key_files: [secrets/{name}-{index}.key]");
        format!("  {name}-{index}: {{plan: paid, {keys}, budget: {budget}}}\n")
    });
    let accounts = format!("\naccounts:\n{}", accounts.collect::<String>());
    let yaml = yaml.replacen("\naccounts:\n", &accounts, 1);
    let price = "\nmodels:\n  priced:\n    name: Has a price\n    regions: {us: {provider: openai, \
                 upstream_model: m}}\n    context_length: 9000\n    max_output_tokens: 1000\n    \
                 supported_parameters: [stream]\n    price: {input: 10000, output: 20000}\n";
    let yaml = yaml.replacen("\nmodels:\n", price, 1);
    format!("{yaml}\nreport_cost: true\n")
}

/// The cost of an answer by its own counts.
fn cost(usage: &Value) -> f64 {
    let count = |key: &str| usage[key].as_f64().expect("a count");
    (count("prompt_tokens") * 10_000.0 + count("completion_tokens") * 20_000.0) / 1e6
}

#[test]
fn a_budget_is_used_up_by_the_costs_that_answers_report() {
    let gateway = counting();
    for (account, stream) in [("thrifty-0", false), ("thrifty-1", true)] {
        let client = gateway.us().with_key(gateway.secret(account));
        let usage = json!({"stream": stream, "stream_options": {"include_usage": true}});
        let own = if stream { usage } else { json!({}) };
        let answer = client.chat(&with(chat("priced", "hi"), own.clone()));
        assert_eq!(answer.status, 200, "{answer:?}");
        let usage = match stream {
            true => Streamed::read(&answer).usage().expect("usage").clone(),
            false => answer.json()["usage"].clone(),
        };
        let reported = usage["cost"].as_f64().expect("a cost");
        assert!((reported - cost(&usage)).abs() < 1e-9 && reported > 0.01, "{usage}");
        for model in ["priced", "kimi"] {
            let refused = client.chat(&with(chat(model, "unseen"), own.clone()));
            assert_error(&refused, 429, "insufficient_quota");
            assert!(refused.header("retry-after").is_some(), "{refused:?}");
        }
        let messages = json!({"model": "priced", "max_tokens": 9, "stream": stream,
            "messages": [{"role": "user", "content": "unseen"}]});
        let refused = client.send(Request::chat(messages.to_string()).at("/v1/messages"));
        assert_eq!(refused.json()["error"]["type"], "rate_limit_error", "{refused:?}");
    }
    assert!(gateway.reached("unseen").is_empty());
    assert_eq!(gateway.us().chat(&chat("priced", "hi")).status, 200);
    let refused = Metrics::of(gateway);
    for account in ["thrifty-0", "thrifty-1"] {
        let of = |model, count| {
            let labels = format!("account={account} counted=cost model={model}");
            assert_eq!(refused.get(&format!("attache_rate_limited {labels}")), count, "{labels}");
        };
        of("priced", 2.0);
        of("kimi", 1.0);
    }
    gateway.assert_unharmed();
}

#[test]
fn two_envoys_with_one_service_learn_what_the_other_has_spent() {
    let service = Limiter::start("statuses", 50);
    let limits = format!("rate_limit: {{service: \"{}\", timeout: 10s}}\n", service.url());
    let yaml = budgeted(&keyless(YAML), "shared", "{usd: 0.05, per: month}") + &limits;
    let (_turn, gateways) = two_gateways(|| Setup::new(&yaml).start());
    for (account, stream) in [("shared-0", false), ("shared-1", true)] {
        let ask = |gateway: &Gateway, model| {
            let request = with(chat(model, "hi"), json!({"stream": stream}));
            gateway.us().with_key(gateway.secret(account)).chat(&request).status
        };
        let [first, second] = &gateways;
        assert_eq!(ask(first, "priced"), 200);
        let report = format!("account={account} budget=month begin=");
        let is_report = |line: &String| line.contains(&report) && line.ends_with(" 50/6");
        until(|| service.asked().iter().any(is_report));
        // An answer costs 3 cents, so two of them are more than the budget. This model has no price,
        // so only the service can tell the second gateway of the first answer.
        assert_eq!([ask(second, "kimi"), ask(second, "priced")], [200, 200]);
        until(|| ask(second, "kimi") == 429);
    }
    gateways.iter().for_each(Gateway::assert_unharmed);
}
