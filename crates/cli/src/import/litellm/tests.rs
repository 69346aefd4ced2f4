//! The golden folder `crates/cli/tests/litellm`: each case has a `config.yaml`, the
//! `gateway.yaml` and the remarks. `UPDATE=1` rewrites the last two.

use std::{env, fs, path::PathBuf};

use attache::config::Config;

use super::*;
use crate::{gateway_file, yaml};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/litellm")
}

/// Returns the variables that the cases find in the environment.
fn environment(variable: &str) -> Option<String> {
    (variable == "AZURE_WEST_BASE").then(|| "https://acme-west.openai.azure.com/".to_owned())
}

fn imported(text: &str) -> Imported {
    import(text, &environment).unwrap()
}

/// Returns the error about a configuration.
fn error(text: &str) -> String {
    import(text, &environment).unwrap_err()
}

#[test]
fn each_configuration_becomes_its_file_and_its_remarks() {
    let mut cases = 0;
    for entry in fs::read_dir(folder()).unwrap() {
        let case = entry.unwrap().path();
        let Imported { document, remarks } =
            imported(&fs::read_to_string(case.join("config.yaml")).unwrap());
        let remarks: String = remarks.iter().map(|remark| format!("{remark}\n")).collect();
        for (name, text) in
            [("gateway.yaml", yaml::text(&document).unwrap()), ("remarks.txt", remarks)]
        {
            let path = case.join(name);
            if env::var_os("UPDATE").is_some() {
                fs::write(&path, &text).unwrap();
            }
            let golden = fs::read_to_string(&path).unwrap_or_default();
            assert_eq!(text, golden, "{}", path.display());
        }
        cases += 1;
    }
    assert!(cases >= 7, "{cases}");
}

#[test]
fn each_file_has_no_mistakes_and_no_key() {
    for entry in fs::read_dir(folder()).unwrap() {
        let case = entry.unwrap().path();
        let Imported { document, remarks } =
            imported(&fs::read_to_string(case.join("config.yaml")).unwrap());
        let text = yaml::text(&document).unwrap();
        let config = Config::parse(&gateway_file::document(&text).unwrap());
        let config = config.unwrap_or_else(|mistakes| panic!("{}: {mistakes:?}", case.display()));
        assert_eq!(config.listeners.iter().count(), 1);
        assert_eq!(yaml::parse(&text).unwrap(), document, "{}", case.display());
        let shown = remarks.iter().map(ToString::to_string).chain([text]);
        for text in shown {
            assert!(!text.contains("sk-"), "{}: {text}", case.display());
        }
    }
}

#[test]
fn every_model_has_an_entry_or_a_remark() {
    for entry in fs::read_dir(folder()).unwrap() {
        let case = entry.unwrap().path();
        let text = fs::read_to_string(case.join("config.yaml")).unwrap();
        let source = yaml::parse(&text).unwrap();
        let Imported { document, remarks } = imported(&text);
        for (index, deployment) in source["model_list"].as_array().unwrap().iter().enumerate() {
            let path = format!("model_list[{index}]");
            let name = deployment["model_name"].as_str().unwrap_or_default();
            let has_entry = document["models"].get(name).or_else(|| document["aliases"].get(name));
            let has_remark = remarks.iter().any(|remark| remark.to_string().starts_with(&path));
            assert!(has_entry.is_some() || has_remark, "{}: {path}", case.display());
        }
    }
}

#[test]
fn another_file_is_refused_with_the_reason() {
    let missing = "not a configuration of LiteLLM: there is no list `model_list`";
    assert_eq!(error("models: {}"), missing);
    assert_eq!(error("[]"), missing);
    assert!(error("model_list: [").starts_with("not YAML: "));
    let nothing = error("model_list: [{model_name: a, litellm_params: {model: sagemaker/a}}]");
    let (head, reasons) = nothing.split_once('\n').unwrap();
    assert_eq!(head, "model_list has no model that the gateway can serve");
    assert!(reasons.starts_with("  model_list[0].litellm_params.model: left out: "), "{reasons}");
}

#[test]
fn an_api_base_becomes_the_base_url_of_the_api() {
    let cases = [
        ("azure", "https://a.openai.azure.com", "https://a.openai.azure.com/openai/v1"),
        ("azure", "https://a.openai.azure.com/openai/v1/", "https://a.openai.azure.com/openai/v1"),
        ("azure", "https://a.openai.azure.com/openai", "https://a.openai.azure.com/openai/v1"),
        ("anthropic", "https://proxy.example.com/v1/messages", "https://proxy.example.com/v1"),
        ("anthropic", "https://proxy.example.com", "https://proxy.example.com/v1"),
        ("openai", "https://proxy.example.com", "https://proxy.example.com"),
        ("openai", "https://proxy.example.com/v1?a=b", "https://proxy.example.com/v1"),
        (
            "azure_ai",
            "https://a.services.ai.azure.com/models",
            "https://a.services.ai.azure.com/openai/v1",
        ),
    ];
    for (prefix, api_base, expected) in cases {
        let text = format!(
            "model_list: [{{model_name: m, litellm_params: {{model: {prefix}/m, api_base: '{api_base}'}}}}]"
        );
        let document = imported(&text).document;
        let provider = document["providers"].as_object().unwrap().values().next().unwrap();
        assert_eq!(provider["base_url"]["us"], expected, "{api_base}");
    }
}
