//! The configuration as an operator meets it: the sample file, and what is said about mistakes.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::chat::{
    message::Input,
    parameter::{Parameter, Place},
    tools::ToolChoice,
    usage::Usage,
};

/// A configuration without mistakes, as small as it can be.
fn smallest() -> Value {
    json!({
        "listeners": {"us": {"port": 8080}},
        "plans": {"paid": {"requests_per_minute": 30}},
        "accounts": {"demo": {"plan": "paid", "key_files": ["demo.key"]}},
        "providers": {
            "openai": {"api_schema": "openai", "base_url": {"us": "https://api.openai.com/v1"}},
            "bedrock": {"api_schema": "anthropic", "base_url": {"eu": "https://example.com"}},
        },
        "models": {
            "gpt-4.1": {
                "name": "GPT-4.1",
                "regions": {"us": {"provider": "openai", "upstream_model": "gpt-4.1"}},
                "context_length": 1_047_576,
                "max_output_tokens": 32_768,
            },
        },
    })
}

/// The smallest configuration with a value put at a place, `/plans/paid` say.
fn with(pointer: &str, value: Value) -> Value {
    let mut document = smallest();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    document.pointer_mut(parent).unwrap()[key] = value;
    document
}

/// The messages about a document, one a line.
fn mistakes(document: &Value) -> String {
    let mistakes = Config::parse(document).err().unwrap_or_default();
    mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Plays cases. A case is a line `/place = value`, and below it what is said when that value stands
/// at that place: a line indented by two for each mistake, by four where it goes on.
fn say(cases: &str) {
    for case in cases.trim().split("\n/") {
        let (place, said) = case.split_once('\n').unwrap_or((case, ""));
        let (pointer, value) = place.split_once(" = ").unwrap();
        let pointer = format!("/{}", pointer.trim_start_matches('/'));
        let value = serde_json::from_str(value).unwrap();
        let said = said.replace("\n    ", " ").replace("\n  ", "\n");
        assert_eq!(mistakes(&with(&pointer, value)), said.trim(), "{place}");
    }
}

#[test]
fn what_is_not_written_has_a_default() {
    let config = Config::parse(&smallest()).unwrap();
    let local = |port| Address { address: "127.0.0.1".into(), port };
    let us = Listener { socket: local(8080), tls: None };
    assert_eq!(config.listeners.iter().collect::<Vec<_>>(), [(Region::Us, &us)]);
    assert_eq!(config.admin, local(9901));
    assert_eq!(config.request_body.get(), 10 << 20);
    assert!(!config.strict_parameters && !config.playground);
    assert_eq!(config.deadlines, Deadlines::default());
    assert_eq!(config.keep_warm, Duration::from_secs(2));
    let model = &config.models["gpt-4.1"];
    assert_eq!(model.min_output_tokens.get(), 1);
    assert_eq!(model.input, [Input::Text]);
    assert_eq!(model.tool_choices, ToolChoice::FORMS);
    assert!(model.supported_parameters.is_empty() && model.response_formats.is_empty());
    assert_eq!((model.sampling, model.max_temperature), (Sampling::Always, 2.0));
    assert_eq!((model.deadlines, model.price), (config.deadlines, None));
    let telemetry = Telemetry { separate_fields: false, per_account: true, tracing: None };
    assert_eq!(config.telemetry, telemetry);
    assert_eq!(config.providers["openai"].key_header, KeyHeader::Authorization);
    assert_eq!(config.providers["bedrock"].key_header, KeyHeader::XApiKey);
}

#[test]
fn all_mistakes_come_at_once() {
    let document = json!({
        "listener": {},
        "plans": {"paid": {"requests_per_minute": "30"}},
        "accounts": {"demo": {"plan": "piad", "key_files": []}},
        "providers": {
            "openai": {
                "api_schema": "open-ai",
                "base_url": {"us": "http://localhost:8000/v1"},
                "quirks": ["max_tokens", "max_tokens"],
            },
        },
        "models": {
            "gpt-4.1": {
                "name": "GPT-4.1",
                "regions": {"eu": {"provider": "openai"}},
                "context_length": 0,
                "max_output_tokens": 32_768,
                "supported_parameters": ["temprature"],
            },
        },
    });
    let parameters: Vec<&str> = Parameter::ALL
        .iter()
        .filter(|parameter| parameter.place() == Place::Optional)
        .map(|parameter| parameter.name())
        .collect();
    let expected = format!(
        "\
plans.paid.requests_per_minute: found `\"30\"`, allowed: a whole number from 0 to \
4294967295, or `unlimited`
accounts.demo.plan: found `piad`, allowed: `paid`
accounts.demo.key_files: found an empty list, allowed: at least one file
providers.openai.api_schema: found `open-ai`, allowed: `openai`, `anthropic`, `gemini`
providers.openai.base_url.us: found `http://localhost:8000/v1`, allowed: `https`, or \
`allow_private: true` in this entry
providers.openai.base_url.us: found `http://localhost:8000/v1`, allowed: a public host, or \
`allow_private: true` in this entry
providers.openai.quirks[1]: found `max_tokens`, allowed: each word once
listeners: missing, allowed: `us`, `eu` or both
models.gpt-4.1.regions.eu.provider: found `openai`, allowed: a provider whose base_url has `eu`: \
nothing
models.gpt-4.1.regions.eu.upstream_model: missing, allowed: what the provider calls the model
models.gpt-4.1.context_length: found `0`, allowed: a whole number from 1 to 4294967295
models.gpt-4.1.supported_parameters[0]: found `temprature`, allowed: {}
listener: unknown key, allowed: `deadlines`, `plans`, `jwt`, `accounts`, `providers`, \
`admin`, `listeners`, `request_body_bytes`, `strict_parameters`, `playground`, `keep_warm`, \
`rate_limit`, `models`, `transcripts`, `access_log`, `metrics`, `tracing`",
        one_of(parameters)
    );
    let said = mistakes(&document);
    for (said, expected) in said.lines().zip(expected.lines()) {
        assert_eq!(said, expected);
    }
    assert_eq!(said, expected);
}

#[test]
fn one_mistake_draws_no_others() {
    say(r#"
/providers/openai/base_url = {"us": "api.openai.com"}
  providers.openai.base_url.us: found `api.openai.com`, allowed: a URL such as
    `https://api.example.com/v1`
/providers/openai/base_url = {}
  providers.openai.base_url: found an empty object, allowed: `us`, `eu` or `global`, at least one
    of them
/providers = {}
  providers: found an empty object, allowed: at least one entry
/plans = null
  plans: missing, allowed: an object, name to entry
/plans/paid = null
  plans.paid: found `null`, allowed: an object
/listeners = []
  listeners: found an empty list, allowed: an object
/models/gpt-4.1/context_length = "1M"
  models.gpt-4.1.context_length: found `1M`, allowed: a whole number from 1 to 4294967295
"#);
}

#[test]
fn every_value_of_the_top_is_checked() {
    say(r#"
/listeners = {}
  listeners: found an empty object, allowed: `us`, `eu` or both
/listeners = {"global": {"port": 1}}
  listeners.global: unknown key, allowed: `us`, `eu`
  listeners: found an object, allowed: `us`, `eu` or both
/listeners/EU = {"port": 1}
  listeners.EU: unknown key, allowed: `us`, `eu`
/listeners/us = {}
  listeners.us.port: missing, allowed: a number from 1 to 65535
/listeners/us/port = 65536
  listeners.us.port: found `65536`, allowed: a whole number from 1 to 65535
/listeners/us/address = "localhost"
  listeners.us.address: found `localhost`, allowed: an IP address, `0.0.0.0` for all of them
/listeners/us/tls = {"certificate_file": "a.pem"}
  listeners.us.tls.private_key_file: missing, allowed: the path of a PEM file
/request_body_bytes = 0
  request_body_bytes: found `0`, allowed: a whole number from 1 to 4294967295
/strict_parameters = "yes"
  strict_parameters: found `yes`, allowed: `true` or `false`
/strict_parameters = "true"
  strict_parameters: found `"true"`, allowed: `true` or `false`
/keep_warm = 2
  keep_warm: found `2`, allowed: a duration from `1ms` to `24h`, such as `500ms`, `20s` or `5m`
/playground = "on"
  playground: found `on`, allowed: `true` or `false`
/deadlines = {"connect": "0s", "total": 300, "idle": "30M"}
  deadlines.connect: found `0s`, allowed: a duration from `1ms` to `24h`, such as `500ms`, `20s` or
    `5m`
  deadlines.idle: found `30M`, allowed: a duration from `1ms` to `24h`, such as `500ms`, `20s` or
    `5m`
  deadlines.total: found `300`, allowed: a duration from `1ms` to `24h`, such as `500ms`, `20s` or
    `5m`
/deadlines = {"first_token": "20s"}
  deadlines.first_token: unknown key, allowed: `connect`, `first_content`, `idle`, `answer`,
    `total`
/deadlines = {"first_content": "500ms"}
  deadlines.first_content: found `500ms`, allowed: longer than the wait before a retry, 500ms
/deadlines = {"answer": "2s"}
"#);
}

#[test]
fn every_value_of_a_limit_is_checked() {
    say(r#"
/rate_limit = {"service": "http://10.0.0.7:8081"}
/rate_limit = {"service": "https://limits.internal", "timeout": "5ms", "unreachable": "refuse"}
/rate_limit = {"domain": "", "unreachable": "deny"}
  rate_limit.service: missing, allowed: the URL of a rate limit service
  rate_limit.domain: found `""`, allowed: a string
  rate_limit.unreachable: found `deny`, allowed: `local`, `refuse`
/rate_limit = {"service": "http://limits.internal/rls"}
  rate_limit.service: found `http://limits.internal/rls`, allowed: a URL without a path, such as
    `http://ratelimit.internal:8081`
/rate_limit = {"service": "http://user:hunter2@limits.internal"}
  rate_limit.service: found a URL with `@`, `?` or `#`, allowed: a URL without a path, such as
    `http://ratelimit.internal:8081`
/plans/paid = {}
  plans.paid.requests_per_minute: missing, allowed: a whole number, 0 for no access, or `unlimited`
/plans/paid/requests_per_minute = -1
  plans.paid.requests_per_minute: found `-1`, allowed: a whole number from 0 to 4294967295, or
    `unlimited`
/plans/paid/requests_per_minute = "unlimited"
/plans/paid/tokens_per_minute = "unlimited"
/plans/paid/tokens_per_minute = 0
  plans.paid.tokens_per_minute: found `0`, allowed: a whole number from 1 to 4294967295, or
    `unlimited`
/plans/paid/models = {"gpt-4.1": {"requests_per_minute": 0, "tokens_per_minute": 1}}
/plans/paid/models = {"GPT-4.1": {"requests": 0}}
  plans.paid.models.GPT-4.1: found the name `GPT-4.1`, allowed: `gpt-4.1`
  plans.paid.models.GPT-4.1.requests: unknown key, allowed: `requests_per_minute`,
    `tokens_per_minute`
/accounts/demo/requests_per_minute = "60"
  accounts.demo.requests_per_minute: found `"60"`, allowed: a whole number from 0 to 4294967295, or
    `unlimited`
/accounts/demo/models = {"gpt-9": {}}
  accounts.demo.models.gpt-9: found the name `gpt-9`, allowed: `gpt-4.1`
/accounts/demo = {"plan": "paid"}
  accounts.demo.key_files: missing, allowed: a list of files that hold one key each
/accounts/demo/key_files = "demo.key"
  accounts.demo.key_files: found `demo.key`, allowed: a list
/accounts/demo/key_files = [""]
  accounts.demo.key_files[0]: found `""`, allowed: a string
/accounts/demo/key = "sk-1"
  accounts.demo.key: unknown key, allowed: `plan`, `key_files`, `requests_per_minute`,
    `tokens_per_minute`, `models`
"#);
}

#[test]
fn every_value_of_a_price_is_checked() {
    say(r#"
/models/gpt-4.1/price = {"input": 1.25, "output": 10}
/models/gpt-4.1/price = {"input": 0, "cached_input": 0.018750, "cache_write": 1.5, "output": 1e6}
/models/gpt-4.1/price = {}
  models.gpt-4.1.price.input: missing, allowed: USD per million tokens
  models.gpt-4.1.price.output: missing, allowed: USD per million tokens
/models/gpt-4.1/price = {"input": -1, "output": 1000001, "cached_input": "1", "cache_write": null}
  models.gpt-4.1.price.input: found `-1`, allowed: a number from 0 to 1000000
  models.gpt-4.1.price.output: found `1000001`, allowed: a number from 0 to 1000000
  models.gpt-4.1.price.cached_input: found `"1"`, allowed: a number from 0 to 1000000
/models/gpt-4.1/price = {"input": 0.0000001, "output": 0.1234567, "currency": "EUR"}
  models.gpt-4.1.price.input: found `1e-7`, allowed: a number with at most six decimals
  models.gpt-4.1.price.output: found `0.1234567`, allowed: a number with at most six decimals
  models.gpt-4.1.price.currency: unknown key, allowed: `input`, `output`, `cached_input`,
    `cache_write`
"#);
}

#[test]
fn a_cost_loses_nothing() {
    let usage = |prompt, cached, cache_written, completion| Usage {
        prompt,
        completion,
        cached,
        cache_written,
        reasoning: completion,
    };
    let cases = [
        (json!({"input": 1.25, "output": 10}), usage(1, 0, 0, 1), 11_250_000),
        (json!({"input": 1.25, "output": 10}), usage(1_000_000, 400_000, 9, 0), 1_250_000_000_000),
        (
            json!({"input": 3, "cached_input": 0.3, "cache_write": 3.75, "output": 15}),
            usage(100, 60, 30, 2),
            10 * 3_000_000 + 60 * 300_000 + 30 * 3_750_000 + 2 * 15_000_000,
        ),
        (json!({"input": 0.01875, "output": 0.000001}), usage(1, 0, 0, 1), 18_751),
        // More than the whole is no less than nothing.
        (json!({"input": 1, "output": 0}), usage(5, 9, 9, 0), 18_000_000),
        (json!({"input": 1e6, "output": 1e6}), usage(u64::MAX, 0, 0, u64::MAX), u64::MAX),
    ];
    for (price, usage, cost) in cases {
        let mut document = smallest();
        document["models"]["gpt-4.1"]["price"] = price.clone();
        let model = Config::parse(&document).unwrap().models.remove("gpt-4.1").unwrap();
        assert_eq!(model.price.unwrap().cost(&usage), cost, "{price} {usage:?}");
    }
}

#[test]
fn traces_have_defaults_too() {
    let document = with("/tracing", json!({"collector": "https://otel.internal"}));
    let tracing = Config::parse(&document).unwrap().telemetry.tracing.unwrap();
    assert_eq!((tracing.sampling, tracing.service_name.as_str()), (1.0, "attache"));
    assert!(!tracing.to_providers && tracing.collector.tls);
    assert_eq!(tracing.collector.port, 443);
}

#[test]
fn every_value_of_telemetry_is_checked() {
    say(r#"
/access_log = {"separate_fields": true}
/access_log = {"separate_fields": "yes", "format": "json"}
  access_log.separate_fields: found `yes`, allowed: `true` or `false`
  access_log.format: unknown key, allowed: `separate_fields`
/metrics = {"per_account": false}
/metrics = true
  metrics: found `true`, allowed: an object
/metrics = {"per_account": 1, "per_model": true}
  metrics.per_account: found `1`, allowed: `true` or `false`
  metrics.per_model: unknown key, allowed: `per_account`
/tracing = {"collector": "http://127.0.0.1:4318"}
/tracing = {"collector": "https://otel.internal", "sampling": 0.5, "service_name": "llm"}
/tracing = {}
  tracing.collector: missing, allowed: the URL of an OpenTelemetry collector
/tracing = {"collector": "http://otel.internal:4318/v1/traces", "sampling": 101}
  tracing.collector: found `http://otel.internal:4318/v1/traces`, allowed: a URL without a path,
    such as `http://127.0.0.1:4318`
  tracing.sampling: found `101`, allowed: a number from 0 to 100
/tracing = {"collector": "http://user:hunter2@otel.internal", "to_providers": "all"}
  tracing.collector: found a URL with `@`, `?` or `#`, allowed: a URL without a path, such as
    `http://127.0.0.1:4318`
  tracing.to_providers: found `all`, allowed: `true` or `false`
"#);
}

fn up_to(limit: u32) -> Rate {
    Rate::UpTo(NonZeroU32::new(limit).unwrap())
}

#[test]
fn who_names_a_model_means_it_and_an_account_has_the_last_word() {
    let cases = [
        (json!({}), json!({}), (up_to(30), Rate::Unlimited)),
        (json!({"tokens_per_minute": 9}), json!({}), (up_to(30), up_to(9))),
        (json!({"tokens_per_minute": 9}), json!({"tokens_per_minute": 8}), (up_to(30), up_to(8))),
        (json!({}), json!({"requests_per_minute": 60}), (up_to(60), Rate::Unlimited)),
        (json!({}), json!({"requests_per_minute": 0}), (Rate::Nothing, Rate::Unlimited)),
        (
            json!({"models": {"gpt-4.1": {"requests_per_minute": 5}}}),
            json!({"requests_per_minute": "unlimited", "tokens_per_minute": 7}),
            (up_to(5), up_to(7)),
        ),
        (
            json!({"models": {"gpt-4.1": {"requests_per_minute": 5, "tokens_per_minute": 6}}}),
            json!({"models": {"gpt-4.1": {"requests_per_minute": "unlimited"}}}),
            (Rate::Unlimited, up_to(6)),
        ),
    ];
    for (plan, account, (requests, tokens)) in cases {
        let mut document = smallest();
        for (place, more) in [("/plans/paid", &plan), ("/accounts/demo", &account)] {
            let entry = document.pointer_mut(place).unwrap().as_object_mut().unwrap();
            entry.extend(more.as_object().unwrap().clone());
        }
        let config = Config::parse(&document).unwrap();
        let limits = config.limits("demo", "gpt-4.1");
        assert_eq!(limits, Limits { requests, tokens }, "{plan} {account}");
        assert_eq!(config.limits("nobody", "gpt-4.1").requests, Rate::Nothing);
        assert_eq!(config.has_access("demo"), requests != Rate::Nothing, "{plan} {account}");
    }
}

#[test]
fn one_model_is_access_enough() {
    let mut document = with("/plans/paid/requests_per_minute", json!(0));
    document["accounts"]["demo"]["models"] = json!({"gpt-4.1": {"requests_per_minute": 2}});
    let config = Config::parse(&document).unwrap();
    assert!(config.has_access("demo"));
    assert_eq!(config.limits("demo", "gpt-4.1").requests, up_to(2));
    assert_eq!(config.limits("demo", "another").requests, Rate::Nothing);
}

#[test]
fn a_port_is_one_listeners() {
    say(r#"
/listeners/eu = {"port": 8081}
/listeners/eu = {"port": 8080, "address": "127.0.0.2"}
/listeners/eu = {"port": 8080}
  listeners.eu.port: found `8080`, allowed: a port that neither `admin` nor another listener has
/listeners/eu = {"port": 8080, "address": "0.0.0.0"}
  listeners.eu.port: found `8080`, allowed: a port that neither `admin` nor another listener has
/listeners/eu = {"port": 9901}
  listeners.eu.port: found `9901`, allowed: a port that neither `admin` nor another listener has
/admin = {"port": 8080}
  listeners.us.port: found `8080`, allowed: a port that neither `admin` nor another listener has
"#);
}

#[test]
fn a_key_file_is_one_accounts() {
    say(r#"
/accounts/demo/key_files = ["a.key", "b.key"]
/accounts/demo/key_files = ["a.key", "a.key"]
  accounts.demo.key_files[1]: found `a.key`, allowed: a file that no account has named yet
/accounts/other = {"plan": "paid", "key_files": ["demo.key"]}
  accounts.other.key_files[0]: found `demo.key`, allowed: a file that no account has named yet
/providers/openai/key_file = "demo.key"
  providers.openai.key_file: found `demo.key`, allowed: a file that holds no account's key
"#);
}

#[test]
fn every_value_of_transcripts_is_checked() {
    say(r#"
/transcripts = {"base_url": {"us": "https://x.example"}, "caller_key": true, "timeout": "5s"}
/transcripts = {"base_url": {"eu": "https://x.example/a/"}, "key_file": "t.key"}
/transcripts = {}
  transcripts.base_url: missing, allowed: an object, `us` or `eu` to URL
  transcripts.key_file: missing, allowed: the path of a file, or `caller_key: true` in its place
/transcripts = {"base_url": {"global": "https://x.example"}, "key_file": "demo.key"}
  transcripts.base_url.global: unknown key, allowed: `us`, `eu`
  transcripts.base_url: found an object, allowed: `us` or `eu`, at least one of them
  transcripts.key_file: found `demo.key`, allowed: a file that holds no account's key
/transcripts = {"base_url": {"us": "http://127.0.0.1"}, "key_file": "t.key", "caller_key": true}
  transcripts.base_url.us: found `http://127.0.0.1`, allowed: `https`, or `allow_private: true` in
    this entry
  transcripts.base_url.us: found `http://127.0.0.1`, allowed: a public host, or
    `allow_private: true` in this entry
  transcripts.caller_key: found `true`, allowed: `false`, as there is a `key_file`
/transcripts = {"base_url": {"us": "https://u:p@x.example"}, "caller_key": true, "key": "k"}
  transcripts.base_url.us: found a URL with `@`, `?` or `#`, allowed: a URL such as
    `https://api.example.com/v1`
  transcripts.key: unknown key, allowed: `allow_private`, `base_url`, `key_file`, `caller_key`,
    `timeout`
"#);
}

#[test]
fn every_value_of_tokens_is_checked() {
    say(r#"
/jwt = {"issuer": "https://id.example", "jwks_file": "keys.json", "account_claim": "org"}
/jwt = {"issuer": "me", "jwks_url": "https://id.example/jwks.json", "audiences": ["a", "b"]}
/jwt = {}
  jwt.issuer: missing, allowed: the claim `iss` of the tokens
  jwt.jwks_file: missing, allowed: the path of a file, or a `jwks_url` in its place
/jwt = {"issuer": "", "jwks_file": "k", "jwks_url": "http://10.0.0.1/k", "audiences": "a"}
  jwt.issuer: found `""`, allowed: a string
  jwt.audiences: found `a`, allowed: a list
  jwt.jwks_url: found `http://10.0.0.1/k`, allowed: `https`, or `allow_private: true` in this entry
  jwt.jwks_url: found `http://10.0.0.1/k`, allowed: a public host, or `allow_private: true` in
    this entry
  jwt.jwks_url: found `http://10.0.0.1/k`, allowed: nothing, as there is a `jwks_file`
/jwt = {"issuer": "x", "jwks_file": "k", "keys": 1}
  jwt.keys: unknown key, allowed: `issuer`, `audiences`, `allow_private`, `jwks_file`, `jwks_url`,
    `account_claim`
"#);
}

#[test]
fn names_can_stand_in_paths_headers_and_metrics() {
    let plan = json!({"requests_per_minute": 1});
    let allowed = "up to 64 letters, digits and `-_.`, the first a letter or digit";
    let long = "x".repeat(65);
    let said = |name: &str| mistakes(&with(&format!("/plans/{name}"), plan.clone()));
    for name in ["p", "9", "GPT-4.1_x", &long[..64]] {
        assert_eq!(said(name), "", "{name}");
    }
    for name in ["", ".", "-p", "a b", "a:b", "é", "a\nb", &long] {
        assert!(said(name).ends_with(&format!(", allowed: {allowed}")), "{name:?}: {}", said(name));
    }
    say(r#"
/plans/a b = {"requests_per_minute": 1}
  plans.a b: found the name `a b`, allowed: up to 64 letters, digits and `-_.`, the first a letter
    or digit
/plans/PAID = {"requests_per_minute": 1}
  plans.PAID: found the name `PAID`, allowed: a name that differs from `paid` in more than case
"#);
}

#[test]
fn every_value_of_a_provider_is_checked() {
    say(r#"
/providers/openai = {}
  providers.openai.api_schema: missing, allowed: `openai`, `anthropic` or `gemini`
  providers.openai.base_url: missing, allowed: an object, `us`, `eu` or `global` to URL
/providers/openai/base_url = "https://api.openai.com/v1"
  providers.openai.base_url: found `https://api.openai.com/v1`, allowed: an object
/providers/openai/base_url/uk = "https://example.com"
  providers.openai.base_url.uk: unknown key, allowed: `us`, `eu`, `global`
/providers/openai/base_url/Global = "https://example.com"
  providers.openai.base_url.Global: unknown key, allowed: `us`, `eu`, `global`
/providers/openai/base_url/us = "https://api.openai.com/v1/chat/completions/"
  providers.openai.base_url: found an object, allowed: URLs without `/chat/completions`, which goes
    after them
/providers/openai/key_file = 1
  providers.openai.key_file: found `1`, allowed: a string
/providers/openai/key_header = "Authorization"
  providers.openai.key_header: found `Authorization`, allowed: `authorization`, `x-api-key`,
    `x-goog-api-key`, `api-key`
/providers/openai/quirks = ["no_stream"]
  providers.openai.quirks[0]: found `no_stream`, allowed: `max_tokens`, `system_for_developer`,
    `name_in_content`, `text_in_one_string`, `no_stream_options`, `no_strict_tools`,
    `reasoning_with_tool_calls`, `reasoning_details`, `thinking_only_streamed`, `raw_predict`
/providers/openai/forward_unknown = 1
  providers.openai.forward_unknown: found `1`, allowed: `true` or `false`
/providers/bedrock/forward_unknown = false
/providers/bedrock/forward_unknown = true
  providers.bedrock.forward_unknown: found `true`, allowed: nothing, it is for `api_schema: openai`
    only
/providers/bedrock/quirks = ["max_tokens"]
  providers.bedrock.quirks: found a list, allowed: nothing, it is for `api_schema: openai` only
/providers/bedrock/quirks = ["raw_predict"]
/providers/openai/quirks = ["raw_predict"]
  providers.openai.quirks: found a list, allowed: nothing, it is for `api_schema: anthropic` only
/providers/openai/api_key = "sk-1"
  providers.openai.api_key: unknown key, allowed: `api_schema`, `allow_private`, `base_url`,
    `key_file`, `key_header`, `quirks`, `forward_unknown`, `circuit_breakers`, `outlier_detection`
/providers/openai/circuit_breakers = {"max_requests": 0, "max_retries": 3}
  providers.openai.circuit_breakers.max_requests: found `0`, allowed: a whole number from 1 to
    4294967295
  providers.openai.circuit_breakers.max_retries: unknown key, allowed: `max_connections`,
    `max_pending_requests`, `max_requests`
/providers/openai/outlier_detection = {"consecutive_5xx": "5", "base_ejection_time": 30}
  providers.openai.outlier_detection.consecutive_5xx: found `"5"`, allowed: a whole number from 1 to
    4294967295
  providers.openai.outlier_detection.base_ejection_time: found `30`, allowed: a duration from `1ms`
    to `24h`, such as `500ms`, `20s` or `5m`
"#);
}

#[test]
fn a_url_is_a_scheme_a_host_and_a_path() {
    let cases = [
        ("https://api.example.com", Some(("api.example.com", 443, ""))),
        ("https://API.example.com/v1/", Some(("api.example.com", 443, "/v1"))),
        ("https://api.example.com:8443/a/b", Some(("api.example.com:8443", 8443, "/a/b"))),
        ("https://[2001:4860::1]/v1", Some(("[2001:4860::1]", 443, "/v1"))),
        ("https://[2001:4860::1]:8443", Some(("[2001:4860::1]:8443", 8443, ""))),
        ("HTTPS://api.example.com///", Some(("api.example.com", 443, ""))),
        ("https://api.example.com:443/v1//", Some(("api.example.com", 443, "/v1"))),
        ("https://api.example.com./v1", Some(("api.example.com", 443, "/v1"))),
        ("https://a_b.xn--bcher-kva.example", Some(("a_b.xn--bcher-kva.example", 443, ""))),
        ("https://api.example.com/a%20b/v1", Some(("api.example.com", 443, "/a%20b/v1"))),
        ("api.example.com", None),
        ("ftp://api.example.com", None),
        ("https://", None),
        ("https://api.example.com:0", None),
        ("https://api.example.com:", None),
        ("https://api.example.com:65536", None),
        ("https://api.example.com:443:443", None),
        ("https://api.example.com:+443", None),
        ("https://api.example.com:abc", None),
        ("https://user:secret@api.example.com", None),
        ("https://@api.example.com", None),
        ("https://api.example.com?a=b", None),
        ("https://api.example.com#a", None),
        ("https://[2001:4860::1", None),
        ("https://[fe80::1%25eth0]/v1", None),
        ("https://[::ffff]bad]", None),
        ("https://2001:4860::1/v1", None),
        ("https://api example.com", None),
        ("https://api.example.com\n", None),
        ("https://api.example.com\\@evil.example", None),
        ("https://b\u{fc}cher.example", None),
        ("https://127\u{3002}0\u{3002}0\u{3002}1", None),
        ("https://api%2eexample.com", None),
        ("https://*.example.com", None),
        ("https://a,b.example.com", None),
        ("https://a..example.com", None),
        ("https://.example.com", None),
        ("https://api.example.com/v\u{e9}", None),
        ("https:api.example.com", None),
        ("https:///v1", None),
        ("//api.example.com/v1", None),
        ("/v1", None),
        ("", None),
    ];
    for (url, expected) in cases {
        let config = Config::parse(&with("/providers/openai/base_url/us", json!(url))).ok();
        let base = config
            .map(|config| config.providers["openai"].base_urls.get(Region::Us).cloned().unwrap());
        let found = base.map(|base| (base.authority(), base.port, base.path));
        let expected = expected.map(|(host, port, path)| (host.to_owned(), port, path.to_owned()));
        assert_eq!(found, expected, "{url}");
    }
}

#[test]
fn no_message_shows_a_key_in_a_url() {
    say(r#"
/providers/openai/base_url/us = "https://user:hunter2@example.com/v1"
  providers.openai.base_url.us: found a URL with `@`, `?` or `#`, allowed: a URL such as
    `https://api.example.com/v1`
/providers/openai/base_url/us = "https://example.com/v1?key=hunter2"
  providers.openai.base_url.us: found a URL with `@`, `?` or `#`, allowed: a URL such as
    `https://api.example.com/v1`
"#);
}

#[test]
fn private_hosts_need_a_word_from_the_operator() {
    let private = "localhost LOCALHOST localhost. api.localhost gateway vllm.internal \
        vllm.internal. printer.local box.home.arpa 10.0.0.1 127.0.0.1 127.1 0x7f.1 2130706433 \
        172.16.0.1 192.168.1.1 169.254.169.254 100.64.0.1 0.0.0.0 0.1.2.3 224.0.0.1 \
        255.255.255.255 240.0.0.1 198.18.0.1 192.0.0.8 10.0.0.1. 0177.0.0.01 127.0.0.0x1 \
        [::1] [::] [fc00::1] [fe80::1] [fec0::1] [ff02::1] [::ffff:10.0.0.1] [::ffff:7f00:1] \
        [::ffff:8.8.8.8] [::127.0.0.1] [64:ff9b:1::a00:1]";
    let public = "api.openai.com localhost.example.com internal.example.com 8.8.8.8 172.32.0.1 \
        100.128.0.1 api.openai.com. [2001:4860::1] [64:ff9b::808:808]";
    let said = |url: &str, allow_private: bool| {
        let base_url = json!({"us": url});
        let provider =
            json!({"api_schema": "openai", "base_url": base_url, "allow_private": allow_private});
        mistakes(&with("/providers/openai", provider))
    };
    for host in private.split_whitespace() {
        let url = format!("https://{host}/v1");
        let path = "providers.openai.base_url.us";
        let allowed = "a public host, or `allow_private: true` in this entry";
        assert_eq!(said(&url, false), format!("{path}: found `{url}`, allowed: {allowed}"));
        assert_eq!(said(&url, true), "", "{url}");
    }
    for host in public.split_whitespace() {
        assert_eq!(said(&format!("https://{host}/v1"), false), "", "{host}");
    }
    assert_eq!(said("http://api.openai.com/v1", true), "");
    say(r#"
/providers/openai/base_url/us = "http://api.openai.com/v1"
  providers.openai.base_url.us: found `http://api.openai.com/v1`, allowed: `https`, or
    `allow_private: true` in this entry
"#);
}

#[test]
fn every_value_of_a_model_is_checked() {
    say(r#"
/models/gpt-4.1 = {}
  models.gpt-4.1.name: missing, allowed: what people call it
  models.gpt-4.1.regions: missing, allowed: an object, `us`, `eu` or `global` to provider and
    upstream_model
  models.gpt-4.1.context_length: missing, allowed: a number of tokens
  models.gpt-4.1.max_output_tokens: missing, allowed: a number of tokens
/models/gpt-4.1/regions = {}
  models.gpt-4.1.regions: found an empty object, allowed: `us`, `eu` or `global`, at least one of
    them
/models/gpt-4.1/regions/us = {"provider": "opneai", "upstream_model": "m"}
  models.gpt-4.1.regions.us.provider: found `opneai`, allowed: `bedrock`, `openai`
/models/gpt-4.1/regions/eu = {"provider": "openai", "upstream_model": "m"}
  models.gpt-4.1.regions.eu.provider: found `openai`, allowed: a provider whose base_url has `eu`:
    `bedrock`
/models/gpt-4.1/regions/US = {"provider": "openai", "upstream_model": "m"}
  models.gpt-4.1.regions.US: unknown key, allowed: `us`, `eu`, `global`
/models/gpt-4.1/regions/us/upstream_model = "../secret"
  models.gpt-4.1.regions.us.upstream_model: found `../secret`, allowed: letters, digits and
    `-_.:@/`
/models/gpt-4.1/regions/us/upstream_model = "m?key=1"
  models.gpt-4.1.regions.us.upstream_model: found `m?key=1`, allowed: letters, digits and `-_.:@/`
/models/gpt-4.1/input = ["image"]
  models.gpt-4.1.input: found a list, allowed: a list with `text` in it
/models/gpt-4.1/input = ["text", "pdf"]
  models.gpt-4.1.input[1]: found `pdf`, allowed: `text`, `image`, `file`, `audio`
/models/gpt-4.1/tool_choices = ["any"]
  models.gpt-4.1.tool_choices[0]: found `any`, allowed: `none`, `auto`, `required`, `function`,
    `allowed_tools`
/models/gpt-4.1/response_formats = ["text"]
  models.gpt-4.1.response_formats[0]: found `text`, allowed: `json_object`, `json_schema`
/models/gpt-4.1/reasoning_efforts = ["extreme"]
  models.gpt-4.1.reasoning_efforts[0]: found `extreme`, allowed: `none`, `minimal`, `low`,
    `medium`, `high`, `xhigh`, `max`
/models/gpt-4.1/thinking = "hard"
  models.gpt-4.1.thinking: found `hard`, allowed: `adaptive`, `budget`, `effort`
/models/gpt-4.1/prefill = 1
  models.gpt-4.1.prefill: found `1`, allowed: `true` or `false`
/models/gpt-4.1/sampling = "never"
  models.gpt-4.1.sampling: found `never`, allowed: `always`, `effort_none`
/models/gpt-4.1/max_temperature = 2.1
  models.gpt-4.1.max_temperature: found `2.1`, allowed: a number from 0 to 2
/models/gpt-4.1/retirement_date = "2026-02-30"
  models.gpt-4.1.retirement_date: found `2026-02-30`, allowed: a date, `YYYY-MM-DD`
/models/gpt-4.1/retirement_date = "2026-02-28"
/models/gpt-4.1/prices = 1
  models.gpt-4.1.prices: unknown key, allowed: `name`, `regions`, `context_length`,
    `max_output_tokens`, `min_output_tokens`, `input`, `supported_parameters`, `tool_choices`,
    `response_formats`, `reasoning_efforts`, `default_reasoning_effort`, `thinking`, `prefill`,
    `sampling`, `max_temperature`, `deadlines`, `fallbacks`, `hedge`, `price`, `retirement_date`
/models/gpt-4.1/fallbacks = ["gpt-4.1", "gpt-6"]
  models.gpt-4.1.fallbacks[1]: found `gpt-6`, allowed: `gpt-4.1`
/models/gpt-4.1/fallbacks = ["gpt-4.1", "gpt-4.1", "gpt-4.1"]
  models.gpt-4.1.fallbacks: found a list, allowed: at most 2 models
/models/gpt-4.1/hedge = 2
  models.gpt-4.1.hedge: found `2`, allowed: a duration from `1ms` to `24h`, such as `500ms`, `20s` or
    `5m`
"#);
}

#[test]
fn values_that_contradict_each_other_are_mistakes() {
    let cases = r#"
{"max_output_tokens": 1047577}
max_output_tokens: found `1047577`, allowed: at most the context_length, `1047576`
{"min_output_tokens": 32769}
min_output_tokens: found `32769`, allowed: at most the max_output_tokens, `32768`
{"supported_parameters": ["response_format"]}
response_formats: missing, allowed: at least one, as supported_parameters has `response_format`
{"response_formats": ["json_object"]}
response_formats: found a list, allowed: nothing, unless supported_parameters has `response_format`
{"supported_parameters": ["tool_choice"], "tool_choices": []}
tool_choices: found an empty list, allowed: at least one, as supported_parameters has `tool_choice`
{"default_reasoning_effort": "low"}
default_reasoning_effort: found `low`, allowed: one of reasoning_efforts: nothing
{"supported_parameters": ["reasoning_effort"], "reasoning_efforts": ["low"]}
default_reasoning_effort: missing, allowed: one of reasoning_efforts: `low`
"#;
    let lines: Vec<&str> = cases.trim().lines().collect();
    for case in lines.chunks(2) {
        let mut document = smallest();
        let own: Map<String, Value> = serde_json::from_str(case[0]).unwrap();
        document["models"]["gpt-4.1"].as_object_mut().unwrap().extend(own);
        assert_eq!(mistakes(&document), format!("models.gpt-4.1.{}", case[1]));
    }
}

/// The keys that the readers ask for.
fn keys() -> BTreeSet<&'static str> {
    let sources = [
        include_str!("../config.rs"),
        include_str!("model.rs"),
        include_str!("price.rs"),
        include_str!("provider.rs"),
        include_str!("telemetry.rs"),
    ];
    let calls = [
        "optional(",
        "required(",
        "entries(&mut top, ",
        "read_forms(&mut entry, ",
        "file(",
        "read(",
        "tokens(&mut entry, ",
        "required(&mut entry, ",
        "otherwise(",
        "flag(top, ",
    ];
    let mut keys = BTreeSet::new();
    for (source, call) in sources.into_iter().flat_map(|source| calls.map(|call| (source, call))) {
        for rest in source.split(call).skip(1) {
            let argument = rest.trim_start().strip_prefix('"');
            keys.extend(argument.and_then(|argument| argument.split_once('"')).map(|(key, _)| key));
        }
    }
    keys
}

#[test]
fn every_key_and_word_is_documented() {
    let page = include_str!("../../docs/configuration.md");
    let quirks = Quirk::WORDS.map(|(word, _)| word);
    for word in keys().into_iter().chain(quirks).chain(Region::ALL.map(Region::name)) {
        let named = ["`", "."].into_iter().any(|before| page.contains(&format!("{before}{word}`")));
        assert!(named, "docs/configuration.md says nothing of `{word}`");
    }
    for known in ["connect", "tls", "certificate_file", "plans", "base_url", "context_length"] {
        assert!(keys().contains(known), "the scan has missed `{known}`");
    }
}

#[cfg(not(target_family = "wasm"))]
mod sample {
    use super::*;

    /// `envoy/gateway.yaml` as the command reads it.
    fn document() -> Value {
        let options = serde_saphyr::options! { strict_booleans: true };
        serde_saphyr::from_str_with_options(include_str!("../../envoy/gateway.yaml"), options)
            .unwrap()
    }

    fn sample() -> Config {
        let document = document();
        assert_eq!(mistakes(&document), "");
        Config::parse(&document).unwrap()
    }

    /// The models that `reached` holds for.
    fn models(config: &Config, region: Region) -> Vec<&str> {
        let names = config.models.keys().map(String::as_str);
        names.filter(|name| config.target(name, region).is_some()).collect()
    }

    /// AssemblyAI, LLM Gateway, "Available models" and "Cloud endpoints and data residency".
    #[test]
    fn the_sample_has_the_documented_models_in_the_documented_regions() {
        let config = sample();
        let claude = [
            "claude-haiku-4-5-20251001",
            "claude-opus-4-20250514",
            "claude-opus-4-5-20251101",
            "claude-opus-4-6",
            "claude-opus-4-7",
            "claude-sonnet-4-20250514",
            "claude-sonnet-4-5-20250929",
            "claude-sonnet-4-6",
        ];
        let gemini = [
            "gemini-2.5-flash",
            "gemini-2.5-flash-lite",
            "gemini-2.5-pro",
            "gemini-3-flash-preview",
            "gemini-3.5-flash",
        ];
        let lite = ["gemini-3.1-flash-lite-preview"];
        let gpt = ["gpt-4.1", "gpt-5", "gpt-5-mini", "gpt-5-nano", "gpt-5.1", "gpt-5.2", "gpt-5.5"];
        let open = ["gpt-oss-120b", "gpt-oss-20b", "kimi-k2.5", "qwen3-32B", "qwen3-next-80b-a3b"];
        let sorted = |families: &[&[&'static str]]| {
            let mut all = families.concat();
            all.sort_unstable();
            all
        };
        assert_eq!(models(&config, Region::Us), sorted(&[&claude, &gemini, &lite, &gpt, &open]));
        assert_eq!(models(&config, Region::Us).len(), 26);
        assert_eq!(models(&config, Region::Eu), sorted(&[&claude, &gemini]));
        assert_eq!(models(&config, Region::Global), sorted(&[&claude, &gemini, &lite, &gpt]));
    }

    #[test]
    fn what_is_asked_in_the_eu_stays_in_the_eu() {
        let config = sample();
        for name in config.models.keys() {
            let Some(target) = config.target(name, Region::Eu) else { continue };
            assert!(target.cluster().ends_with("-eu"), "{name}: {}", target.cluster());
            let host = target.base.host.as_str();
            assert!(host.contains(".eu-") || host.contains(".eu."), "{name}: {host}");
            let elsewhere = config.target(name, Region::Us).map(|us| us.base.host.clone());
            assert_ne!(elsewhere.as_deref(), Some(host), "{name}");
        }
    }

    #[test]
    fn the_sample_says_what_each_model_cannot_do() {
        let config = sample();
        let takes = |name: &str, parameter| config.models[name].supports(parameter);
        for name in ["gpt-oss-120b", "gpt-oss-20b"] {
            assert!(!takes(name, Parameter::ResponseFormat) && !takes(name, Parameter::Stream));
        }
        for (name, model) in &config.models {
            assert!(takes(name, Parameter::Tools) && takes(name, Parameter::ToolChoice), "{name}");
            assert_eq!(takes(name, Parameter::Stream), !name.starts_with("gpt-oss"), "{name}");
            let most = if name.starts_with("claude") { 1.0 } else { 2.0 };
            assert!(model.max_temperature <= most, "{name}");
        }
        for name in ["claude-opus-4-7", "gpt-5", "gpt-5-mini", "gpt-5-nano", "kimi-k2.5"] {
            assert!(
                !takes(name, Parameter::Temperature) && !takes(name, Parameter::TopP),
                "{name}"
            );
        }
    }

    #[test]
    fn the_sample_writes_the_defaults_down() {
        let (config, mut document) = (sample(), document());
        let top = document.as_object_mut().unwrap();
        let written = [
            "admin",
            "request_body_bytes",
            "strict_parameters",
            "playground",
            "deadlines",
            "keep_warm",
        ];
        for key in written {
            assert!(top.remove(key).is_some(), "{key}");
        }
        let bare = Config::parse(&document).unwrap();
        assert_eq!(bare.admin, config.admin);
        assert_eq!(bare.request_body, config.request_body);
        assert_eq!(bare.strict_parameters, config.strict_parameters);
        assert_eq!(bare.playground, config.playground);
        assert_eq!(bare.deadlines, config.deadlines);
        assert_eq!(bare.keep_warm, config.keep_warm);
        assert_eq!(bare.models, config.models);
    }

    #[test]
    fn the_sample_account_may_call_and_a_free_one_may_not() {
        let config = sample();
        assert!(config.has_access("demo"));
        assert!(!config.has_access("Demo"));
        let limits = config.limits("demo", "gpt-5");
        assert_eq!(limits, Limits { requests: up_to(30), tokens: Rate::Unlimited });
        assert_eq!(config.model("QWEN3-32b").map(|(name, _)| name), Some("qwen3-32B"));
    }

    /// Each example stands in a configuration that has what the example speaks of.
    #[test]
    fn the_documented_examples_are_valid() {
        let pages = [
            include_str!("../../docs/configuration.md"),
            include_str!("../../docs/assemblyai-voice-agent.md"),
            include_str!("../../docs/vapi.md"),
        ];
        let blocks = pages.iter().flat_map(|page| page.split("```yaml\n").skip(1));
        assert!(blocks.clone().count() > 6);
        for block in blocks {
            let (yaml, _) = block.split_once("\n```").unwrap();
            let example: Map<String, Value> = serde_saphyr::from_str(yaml).unwrap();
            let mut document = smallest();
            let anthropic = document["providers"]["openai"].clone();
            document["providers"]["anthropic"] = anthropic;
            for (key, value) in example {
                match (document.get_mut(&key).and_then(Value::as_object_mut), value) {
                    (Some(entries), Value::Object(more)) => entries.extend(more),
                    (_, value) => document[&key] = value,
                }
            }
            assert_eq!(mistakes(&document), "", "{yaml}");
        }
    }

    /// The example in docs/configuration.md is what its output says it is.
    #[test]
    fn the_documented_mistakes_are_real() {
        let page = include_str!("../../docs/configuration.md");
        let block = |fence: &str| {
            let (_, rest) = page.split_once(fence).unwrap();
            rest.split_once("\n```").unwrap().0.to_owned()
        };
        let broken: Value = serde_saphyr::from_str(&block("```yaml broken\n")).unwrap();
        let said = mistakes(&broken);
        let shown = block("$ attache check broken.yaml\n");
        let shown: Vec<_> =
            shown.lines().filter_map(|line| line.strip_prefix("broken.yaml: ")).collect();
        let count = format!("mistakes: {}", said.lines().count());
        assert_eq!(shown, said.lines().chain([count.as_str()]).collect::<Vec<_>>());
    }
}
