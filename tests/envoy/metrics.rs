//! What is counted: each metric moves as it should, and no other with it.

use super::attempts::request;
use super::claims::*;
use crate::support::metrics::{Metrics, once};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use testkit::client::{Client, Request};
use testkit::envoy::{Gateway, Setup};

/// The gateway of the tests about attempts, where every model has a price and some accounts may not
/// ask for much.
pub fn priced() -> String {
    let price = "    price: {input: 1.25, cached_input: 0.125, output: 10}\n";
    let output = "    max_output_tokens: 4096\n";
    let account = "  acme: {plan: paid, key_files: [secrets/acme.key]}\n";
    let yaml = include_str!("failing.yaml");
    let yaml = yaml.replacen(output, &format!("{output}{price}"), 1);
    let limited = |name: &str, limit: &str| {
        format!(
            "  {name}: {{plan: paid, {limit}_per_minute: 1, key_files: [secrets/{name}.key]}}\n"
        )
    };
    let more = [account, &limited("frugal", "requests"), &limited("spender", "tokens")];
    yaml.replacen(account, &more.concat(), 1)
}

/// Such a gateway. One test at a time has it, so that what moves is that test's doing.
fn measured() -> MutexGuard<'static, Gateway> {
    static GATEWAY: OnceLock<Mutex<Gateway>> = OnceLock::new();
    let gateway = GATEWAY.get_or_init(|| Mutex::new(start(&keyless(&priced()))));
    gateway.lock().unwrap_or_else(PoisonError::into_inner)
}

fn start(yaml: &str) -> Gateway {
    setup(yaml).start()
}

/// Such a gateway, about to be started.
pub fn setup(yaml: &str) -> Setup {
    Setup::new(yaml).scripted(&["one", "two", "three", "narrow", "fragile"])
}

/// By how much each counter grows while something is done.
fn grown(gateway: &Gateway, work: impl FnOnce(Client)) -> BTreeMap<String, u64> {
    let before = Metrics::of(gateway);
    work(gateway.us());
    Metrics::of(gateway).grown(&before)
}

/// The same as one expects it: a line for each counter, which ends in the number.
fn expected(lines: &str) -> BTreeMap<String, u64> {
    let lines = lines.lines().map(str::trim).filter(|line| !line.is_empty());
    let line = |line: &str| {
        let (series, value) = line.rsplit_once(' ').expect("a number");
        (format!("attache_{series}"), value.parse().expect("a number"))
    };
    lines.map(line).collect()
}

/// An answer of OpenAI's, with all kinds of tokens.
pub fn with_usage() -> String {
    let body = json!({"choices": [{"message": {"content": "fine"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 50,
            "prompt_tokens_details": {"cached_tokens": 600, "cache_write_tokens": 30},
            "completion_tokens_details": {"reasoning_tokens": 20}}});
    format!("body={}", base64(body.to_string()))
}

#[test]
fn an_answer_is_counted_with_what_it_took_and_cost() {
    let gateway = measured();
    let found = grown(&gateway, |us| {
        assert_eq!(us.chat(&request("first", &with_usage(), false, &[])).status, 200);
    });
    let all = expected(
        "attempts reached=us region=us 1
        requests model=first region=us status=200 1
        tokens account=acme model=first provider=one type=input 1000
        tokens account=acme model=first provider=one type=output 50
        tokens account=acme model=first provider=one type=cached 600
        tokens account=acme model=first provider=one type=cache_write 30
        tokens account=acme model=first provider=one type=reasoning 20
        cost_pico_usd account=acme model=first provider=one 1075000000",
    );
    assert_eq!(found, all);
    let found = grown(&gateway, |us| {
        let script = "reasoning=one_two text=three_four";
        assert_eq!(us.chat(&request("second", script, true, &[])).status, 200);
    });
    let all = expected(
        "attempts reached=us region=us 1
        requests model=second region=us status=200 1
        tokens account=acme model=second provider=two type=input 3
        tokens account=acme model=second provider=two type=output 4
        cost_pico_usd account=acme model=second provider=two 43750000",
    );
    assert_eq!(found, all);
    gateway.assert_unharmed();
}

#[test]
fn what_fails_on_the_way_is_counted_where_it_failed() {
    let gateway = measured();
    for is_stream in [false, true] {
        let script = "status=429 | text=saved";
        let found = grown(&gateway, |us| {
            let answer = us.chat(&request("first", script, is_stream, &["second"]));
            assert_eq!(answer.status, 200);
        });
        let all = expected(
            "attempts reached=us region=us 2
            failures model=first provider=one reason=rate_limit_exceeded 1
            fallbacks cluster=two-us 1
            requests model=second region=us status=200 1
            tokens account=acme model=second provider=two type=input 4
            tokens account=acme model=second provider=two type=output 1
            cost_pico_usd account=acme model=second provider=two 15000000",
        );
        assert_eq!(found, all, "{is_stream}");
        let found = grown(&gateway, |us| {
            us.chat(&request("refusing", "text=x", is_stream, &[]));
        });
        let all = expected(
            "attempts reached=us region=us 2
            errors reason=upstream_unreachable 1
            failures model=refusing provider=refusing reason=upstream_unreachable 2
            requests model=refusing region=us status=502 1
            retries cluster=refusing-us 1",
        );
        assert_eq!(found, all, "{is_stream}");
        let found = grown(&gateway, |us| {
            us.chat(&request("first", "hang-head", is_stream, &[]));
        });
        let all = expected(
            "attempts reached=us region=us 1
            errors reason=timeout 1
            failures model=first provider=one reason=timeout 1
            requests model=first region=us status=504 1",
        );
        assert_eq!(found, all, "{is_stream}");
    }
    gateway.assert_unharmed();
}

#[test]
fn what_is_refused_is_counted_by_its_reason() {
    let gateway = measured();
    let found = grown(&gateway, |us| {
        us.chat(&chat("nobody", "x"));
        us.send(Request::chat("{"));
        us.send(Request::get("/nowhere"));
    });
    let all = expected(
        "errors reason=invalid_json 1
        errors reason=invalid_value 1
        errors reason=not_found 1
        requests model=none region=us status=400 2
        requests model=none region=us status=404 1",
    );
    assert_eq!(found, all);
}

#[test]
fn a_request_that_an_account_may_not_make_is_counted_for_account_and_model() {
    let gateway = measured();
    let frugal = gateway.us().with_key(gateway.secret("frugal"));
    assert_eq!(frugal.chat(&chat("first", "#script text=x")).status, 200);
    let cases = [(false, "narrow", "third-time"), (true, "second", "again")];
    for (is_stream, fresh, last) in cases {
        let found = grown(&gateway, |_| {
            let answer = frugal.chat(&request("first", "text=x", is_stream, &[]));
            assert_error(&answer, 429, "rate_limit_exceeded");
        });
        let all = expected(
            "errors reason=rate_limit_exceeded 1
            rate_limited account=frugal counted=requests model=first 1
            requests model=first region=us status=429 1",
        );
        assert_eq!(found, all, "{is_stream}");
        // One that failed is followed by the next that the account may make.
        let body = request(fresh, "status=429 | text=x", is_stream, &["first", last]);
        let found = grown(&gateway, |_| assert_eq!(frugal.chat(&body).status, 200));
        let limited = "attache_rate_limited account=frugal counted=requests model=first";
        assert_eq!(found.get(limited), Some(&1), "{is_stream}: {found:#?}");
    }
    let spender = gateway.us().with_key(gateway.secret("spender"));
    assert_eq!(spender.chat(&chat("first", "#script text=x")).status, 200);
    let found = grown(&gateway, |_| {
        assert_error(&spender.chat(&chat("first", "#script text=x")), 429, "rate_limit_exceeded");
    });
    let limited = "attache_rate_limited account=spender counted=tokens model=first";
    assert_eq!(found.get(limited), Some(&1), "{found:#?}");
    gateway.assert_unharmed();
}

#[test]
fn a_repair_is_counted_by_its_kind_and_one_that_fails_has_cost_as_much() {
    let gateway = measured();
    let steps = json!({"post_processing_steps": [{"type": "json-repair"}]});
    let repaired = |text: &str| with(chat("first", text), steps.clone());
    let found = grown(&gateway, |us| {
        let script = format!("#script text64={}", base64("[1, 2,]"));
        assert_eq!(us.chat(&repaired(&script)).status, 200);
    });
    assert_eq!(found.get("attache_repairs kind=trailing_comma"), Some(&1), "{found:#?}");
    let found = grown(&gateway, |us| {
        assert_error(
            &us.chat(&repaired("#script text=the_heron_flies")),
            500,
            "post_processing_failed",
        );
    });
    let all = expected(
        "attempts reached=us region=us 1
        errors reason=post_processing_failed 1
        failures model=first provider=one reason=post_processing_failed 1
        requests model=first region=us status=500 1
        tokens account=acme model=first provider=one type=input 2
        tokens account=acme model=first provider=one type=output 3
        cost_pico_usd account=acme model=first provider=one 32500000",
    );
    assert_eq!(found, all);
}

#[test]
fn a_hedged_request_is_one_request() {
    let gateway = measured();
    let mut body = request("first", "head-delay=300 text=slow | text=fast", false, &["second"]);
    body["fallback_config"]["hedge_ms"] = json!(100);
    let found = grown(&gateway, |us| {
        assert_eq!(us.chat(&body).status, 200);
        std::thread::sleep(Duration::from_millis(500));
    });
    assert_eq!(found.get("attache_hedges cluster=two-us"), Some(&1), "{found:#?}");
    let requests: u64 = of(&found, "attache_requests").map(|(_, count)| count).sum();
    assert_eq!(requests, 1, "{found:#?}");
}

fn of<'f>(found: &'f BTreeMap<String, u64>, name: &'f str) -> impl Iterator<Item = (&'f str, u64)> {
    let of = found.iter().filter(move |(series, _)| series.starts_with(name));
    of.map(|(series, count)| (series.as_str(), *count))
}

#[test]
fn a_stream_that_breaks_off_is_a_failure_and_costs_what_is_known() {
    let gateway = measured();
    let broken = |script: &str, model: &str| {
        grown(&gateway, |us| {
            assert_eq!(us.chat(&request(model, script, true, &[])).status, 200);
        })
    };
    for (script, reason) in
        [("text=a_b_c_d_e cut=5", "upstream_error"), ("text=a_b_c_d_e hang=5", "timeout")]
    {
        let found = broken(script, "second");
        let failures = format!("attache_failures model=second provider=two reason={reason}");
        assert_eq!(found.get(&failures), Some(&1), "{script}: {found:#?}");
        let input = "attache_tokens account=acme model=second provider=two type=input";
        assert_eq!(found.get(input), Some(&3), "{script}: {found:#?}");
    }
    let found = grown(&gateway, |us| {
        let script = "text=a_b_c_d_e delay=200";
        let mut opened = us.open(Request::chat(request("first", script, true, &[]).to_string()));
        opened.next_event();
        drop(opened);
        std::thread::sleep(Duration::from_millis(300));
    });
    assert_eq!(of(&found, "attache_failures").count(), 0, "a client left: {found:#?}");
    gateway.assert_unharmed();
}

/// Bounds: OpenTelemetry, *Semantic conventions for generative AI metrics*, in milliseconds.
const DURATIONS: [f64; 14] = [
    10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0, 1280.0, 2560.0, 5120.0, 10240.0, 20480.0, 40960.0,
    81920.0,
];

const FIRST: [f64; 16] = [
    1.0, 5.0, 10.0, 20.0, 40.0, 60.0, 80.0, 100.0, 250.0, 500.0, 750.0, 1000.0, 2500.0, 5000.0,
    7500.0, 10000.0,
];

const TOKENS: [f64; 14] = [
    1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262144.0, 1048576.0, 4194304.0,
    16777216.0, 67108864.0,
];

/// Of each bound, how many values were no greater.
fn buckets(metrics: &Metrics, name: &str, labels: &str) -> Vec<(f64, f64)> {
    let prefix = format!("{name}_bucket ");
    let bucket = |(series, count): (&str, f64)| {
        let mut words: Vec<&str> = series.split(' ').skip(1).collect();
        let at = words.iter().position(|word| word.starts_with("le=")).expect("a bound");
        let bound = words.remove(at).trim_start_matches("le=");
        let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().expect("a number") };
        (words.join(" ") == labels).then_some((bound, count))
    };
    let mut buckets: Vec<_> = metrics.named(&prefix).filter_map(bucket).collect();
    buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
    buckets
}

/// How many values a series has, and how many of them are no greater than 80.
fn assert_buckets(
    metrics: &Metrics,
    name: &str,
    labels: &str,
    bounds: &[f64],
    [all, few]: [f64; 2],
) {
    let found = buckets(metrics, name, labels);
    let expected: Vec<f64> = bounds.iter().copied().chain([f64::INFINITY]).collect();
    let bounds: Vec<f64> = found.iter().map(|(bound, _)| *bound).collect();
    assert_eq!(bounds, expected, "{name} {labels}");
    assert_eq!(found.last(), Some(&(f64::INFINITY, all)), "{name} {labels}");
    let below = found.iter().filter(|(bound, _)| *bound <= 80.0).map(|(_, count)| *count);
    assert_eq!(below.fold(0.0, f64::max), few, "{name} {labels}: {found:?}");
    assert_eq!(metrics.get(&format!("{name}_count {labels}")), all, "{name} {labels}");
}

#[test]
fn times_and_sizes_are_in_opentelemetrys_buckets() {
    let gateway = measured();
    let us = gateway.us();
    // No other test asks these models, for all that was ever counted is looked at.
    us.chat(&request("patient", "text=slow head-delay=100", false, &[]));
    us.chat(&request("patient", "status=429 head-delay=100 | text=saved", true, &["third"]));
    us.chat(&request("patient", "status=400", false, &[]));
    let (asked, failed) = ("gen_ai_request_model=patient", "error_type=invalid_value");
    let (one, three) = ("gen_ai_provider_name=one", "gen_ai_provider_name=three");
    let (first, third) = (format!("{one} {asked}"), format!("{three} gen_ai_request_model=third"));
    let [total, begun, took, usage] = [
        "gen_ai_server_request_duration_milliseconds",
        "gen_ai_server_time_to_first_token_milliseconds",
        "gen_ai_client_operation_duration_milliseconds",
        "gen_ai_client_token_usage",
    ];
    let metrics = once(&gateway, &format!("{begun}_count {asked}"), 1.0);
    let check = |name, labels: &str, bounds: &[f64], counts| {
        assert_buckets(&metrics, name, labels, bounds, counts);
    };
    check(total, asked, &DURATIONS, [2.0, 0.0]);
    check(total, &format!("{failed} {asked}"), &DURATIONS, [1.0, 1.0]);
    check(begun, asked, &FIRST, [1.0, 0.0]);
    check(took, &first, &DURATIONS, [1.0, 0.0]);
    check(took, &format!("error_type=rate_limit_exceeded {first}"), &DURATIONS, [1.0, 0.0]);
    check(took, &third, &DURATIONS, [1.0, 1.0]);
    check(usage, &format!("{first} gen_ai_token_type=input"), &TOKENS, [1.0, 1.0]);
    check(usage, &format!("{third} gen_ai_token_type=output"), &TOKENS, [1.0, 1.0]);
    gateway.assert_unharmed();
}

#[test]
fn accounts_are_told_apart_only_where_that_is_wanted() {
    let gateway = start(&format!("{}\nmetrics: {{per_account: false}}\n", priced()));
    let found = grown(&gateway, |us| {
        us.chat(&chat("first", "#script text=x"));
        let frugal = us.with_key(gateway.secret("frugal"));
        (0..2).for_each(|_| drop(frugal.chat(&chat("first", "#script text=x"))));
    });
    let all = expected(
        "attempts reached=us region=us 2
        errors reason=rate_limit_exceeded 1
        rate_limited counted=requests model=first 1
        requests model=first region=us status=200 2
        requests model=first region=us status=429 1
        tokens model=first provider=one type=input 4
        tokens model=first provider=one type=output 2
        cost_pico_usd model=first provider=one 25000000",
    );
    assert_eq!(found, all);
}

#[test]
fn a_label_is_a_name_of_the_configuration_whatever_a_client_writes() {
    let gateway = measured();
    let found = grown(&gateway, |us| {
        for model in ["../../etc", "x_=_y", "FIRST", "\u{1f980}"] {
            us.chat(&chat(model, "#script text=x"));
        }
    });
    let models: Vec<&str> = of(&found, "attache_requests").map(|(series, _)| series).collect();
    let all = [
        "attache_requests model=first region=us status=200",
        "attache_requests model=none region=us status=400",
    ];
    assert_eq!(models, all, "{found:#?}");
}
