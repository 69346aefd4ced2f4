//! Sample file of the repository, and examples of the documents.

use super::*;

/// Returns the document of `envoy/gateway.yaml`, read as the command reads files.
fn document() -> Value {
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options(include_str!("../../../envoy/gateway.yaml"), options)
        .unwrap()
}

fn sample() -> Config {
    let document = document();
    assert_eq!(mistakes(&document), "");
    Config::parse(&document).unwrap()
}

/// Returns the names of the models that have an endpoint in a region.
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
fn endpoints_in_the_eu_have_hosts_in_the_eu() {
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
fn the_sample_account_has_access() {
    let config = sample();
    assert!(config.has_access("demo"));
    assert!(!config.has_access("Demo"));
    let limits = config.limits("demo", "gpt-5");
    assert_eq!(limits, Limits { requests: up_to(30), tokens: Rate::Unlimited });
    assert_eq!(config.model("QWEN3-32b").map(|(name, _)| name), Some("qwen3-32B"));
}

/// Each example is checked in a configuration that has the providers and models it refers to.
#[test]
fn the_documented_examples_are_valid() {
    let pages = [
        include_str!("../../../docs/configuration.md"),
        include_str!("../../../docs/assemblyai-voice-agent.md"),
        include_str!("../../../docs/vapi.md"),
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

/// The mistakes shown in `docs/configuration.md` are those of the example above them.
#[test]
fn the_documented_mistakes_are_real() {
    let page = include_str!("../../../docs/configuration.md");
    let block = |fence: &str| {
        let (_, rest) = page.split_once(fence).unwrap();
        rest.split_once("\n```").unwrap().0.to_owned()
    };
    let broken: Value = serde_saphyr::from_str(&block("```yaml broken\n")).unwrap();
    let found = mistakes(&broken);
    let shown = block("$ attache check broken.yaml\n");
    let shown: Vec<_> =
        shown.lines().filter_map(|line| line.strip_prefix("broken.yaml: ")).collect();
    let count = format!("mistakes: {}", found.lines().count());
    assert_eq!(shown, found.lines().chain([count.as_str()]).collect::<Vec<_>>());
}
