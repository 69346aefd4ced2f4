//! The sample `envoy/gateway.yaml`, completed from the model catalogue, and the examples of
//! `docs/models.md` and `README.md`.

use std::num::NonZeroU32;

use attache::{
    chat::parameter::Parameter,
    config::{
        Config,
        limits::{Limits, Rate},
    },
    region::Region,
};
use serde_json::Value;

/// Returns `envoy/gateway.yaml` as the command reads it.
fn document() -> Value {
    attache_cli::gateway_file::document(include_str!("../../../envoy/gateway.yaml")).unwrap()
}

fn sample() -> Config {
    Config::parse(&document()).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
}

/// Returns the models that a gateway may send to a region.
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
fn a_request_in_the_eu_stays_in_the_eu() {
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
fn the_sample_knows_the_limits_of_each_model() {
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
        assert!(!takes(name, Parameter::Temperature) && !takes(name, Parameter::TopP), "{name}");
    }
}

#[test]
fn the_sample_shows_the_defaults() {
    let (config, mut document) = (sample(), document());
    let top = document.as_object_mut().unwrap();
    let written = [
        "admin",
        "request_body_bytes",
        "overload",
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
    assert_eq!(bare.overload, config.overload);
    assert_eq!(bare.strict_parameters, config.strict_parameters);
    assert_eq!(bare.playground, config.playground);
    assert_eq!(bare.deadlines, config.deadlines);
    assert_eq!(bare.keep_warm, config.keep_warm);
    assert_eq!(bare.models, config.models);
}

#[test]
fn the_sample_account_has_access() {
    let config = sample();
    assert!(config.has_access("demo"));
    assert!(!config.has_access("Demo"));
    let limits = config.limits("demo", "gpt-5");
    assert_eq!(
        limits,
        Limits { requests: Rate::UpTo(NonZeroU32::new(30).unwrap()), tokens: Rate::Unlimited }
    );
    assert_eq!(config.model("QWEN3-32b").map(|(name, _)| name), Some("qwen3-32B"));
}

/// The providers of the sample, and a model from each example of `docs/models.md`.
#[test]
fn the_documented_entries_are_valid() {
    let page = include_str!("../../../docs/models.md");
    let blocks: Vec<&str> = page.split("```yaml\n").skip(1).collect();
    assert_eq!(blocks.len(), 3);
    let sample = include_str!("../../../envoy/gateway.yaml");
    let (providers, _) = sample.split_once("\nmodels:\n").unwrap();
    for block in blocks {
        let (models, _) = block.split_once("\n```").unwrap();
        let document = attache_cli::gateway_file::document(&format!("{providers}\n{models}"));
        let config = Config::parse(&document.unwrap());
        let config = config.unwrap_or_else(|mistakes| panic!("{models}: {mistakes:?}"));
        assert_eq!(config.models.len(), 1, "{models}");
    }
}

#[test]
fn the_example_of_the_readme_is_valid() {
    let page = include_str!("../../../README.md");
    let (_, rest) = page.split_once("```yaml\n").unwrap();
    let (yaml, _) = rest.split_once("\n```").unwrap();
    let document = attache_cli::gateway_file::document(yaml).unwrap();
    let config = Config::parse(&document).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
    assert_eq!(config.models["gpt-4.1"].name, "GPT-4.1");
}
