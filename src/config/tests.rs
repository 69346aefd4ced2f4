//! Configuration files: values, defaults and messages about mistakes.

mod aliases;
mod callers;
mod endpoints;
#[cfg(not(target_family = "wasm"))]
mod examples;
mod limits;
mod models;
mod providers;
mod telemetry;

use serde_json::{Map, Value, json};

use super::{mistakes::one_of, *};
use crate::chat::{
    message::Modality,
    parameter::{Parameter, ParameterScope},
    tools::ToolChoice,
    usage::Usage,
};

/// Returns the smallest configuration without mistakes.
fn smallest() -> Value {
    serde_json::from_str(include_str!("tests/smallest.json")).unwrap()
}

/// Returns the smallest configuration with another value at a JSON pointer, such as `/plans/paid`.
fn with(pointer: &str, value: Value) -> Value {
    let mut document = smallest();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    document.pointer_mut(parent).unwrap()[key] = value;
    document
}

/// Returns a limit above zero.
fn up_to(limit: u32) -> Rate {
    Rate::UpTo(NonZeroU32::new(limit).unwrap())
}

/// Returns the messages about a document, one per line.
fn mistakes(document: &Value) -> String {
    let mistakes = Config::parse(document).err().unwrap_or_default();
    mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Asserts the messages of cases. A case is a line `/pointer = value`, followed by the messages about
/// the smallest configuration with that value: two spaces begin a message, four continue it.
fn assert_messages(cases: &str) {
    for case in cases.trim().split("\n/") {
        let (change, messages) = case.split_once('\n').unwrap_or((case, ""));
        let (pointer, value) = change.split_once(" = ").unwrap();
        let pointer = format!("/{}", pointer.trim_start_matches('/'));
        let value = serde_json::from_str(value).unwrap();
        let messages = messages.replace("\n    ", " ").replace("\n  ", "\n");
        assert_eq!(mistakes(&with(&pointer, value)), messages.trim(), "{change}");
    }
}

#[test]
fn absent_fields_have_defaults() {
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
    assert_eq!(model.input, [Modality::Text]);
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
fn all_mistakes_are_reported_at_once() {
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
        .filter(|parameter| parameter.scope() == ParameterScope::Optional)
        .map(|parameter| parameter.name())
        .collect();
    let expected = format!(
        "\
plans.paid.requests_per_minute: found `\"30\"`, allowed: a whole number from 0 to \
4294967295, or `unlimited`
accounts.demo.plan: found `piad`, allowed: `paid`
accounts.demo.key_files: found an empty list, allowed: at least one file
providers.openai.api_schema: found `open-ai`, allowed: `openai`, `openai-responses`, `anthropic`, \
`gemini`, `bedrock-converse`
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
`admin`, `listeners`, `request_body_bytes`, `overload`, `strict_parameters`, `report_cost`, \
`playground`, `keep_warm`, `rate_limit`, `models`, `aliases`, `transcripts`, `guard`, \
`access_log`, `metrics`, `tracing`",
        one_of(parameters)
    );
    let found = mistakes(&document);
    for (found, expected) in found.lines().zip(expected.lines()) {
        assert_eq!(found, expected);
    }
    assert_eq!(found, expected);
}

#[test]
fn one_mistake_causes_no_others() {
    assert_messages(
        r#"
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
"#,
    );
}

#[test]
fn every_field_at_the_top_level_is_checked() {
    assert_messages(
        r#"
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
/overload = {"heap_mib": 63, "connections": 0}
  overload.heap_mib: found `63`, allowed: a whole number from 64 to 1048576
  overload.connections: found `0`, allowed: a whole number from 1 to 4294967295
/overload = {"held_body_bytes": 1048576}
  overload.held_body_bytes: found `1048576`, allowed: at least `request_body_bytes`, 10485760
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
    `total`, `stream`
/deadlines = {"first_content": "500ms"}
  deadlines.first_content: found `500ms`, allowed: longer than the wait before a retry, 500ms
/deadlines = {"answer": "2s"}
"#,
    );
}
