use std::{fs, os::unix::fs::PermissionsExt};

use attache::config::Config;

use super::*;
use crate::gateway_file::{self, GatewayFile};

fn setup() -> Setup {
    Setup { catalogue: Catalogue::built_in().unwrap(), known: KnownProviders::built_in().unwrap() }
}

/// Returns choices: the provider, the models, the region, the port and the limit; `-` leaves one open.
fn choices(words: [&str; 5]) -> Choices {
    let [provider, models, region, port, requests_per_minute] =
        words.map(|word| (word != "-").then(|| word.to_owned()));
    Choices { provider, models, region, port, requests_per_minute }
}

/// Returns the document for choices, without questions.
fn document(words: [&str; 5]) -> Result<Value, String> {
    let setup = setup();
    setup.answers(choices(words), &mut Silent).map(|answers| setup.document(&answers))
}

/// Returns the document for answers, the text that the dialogue shows, and the rest of the input.
fn dialogue(words: [&str; 5], answers: &str) -> (Result<Value, String>, String, String) {
    let (setup, mut input, mut output) = (setup(), answers.as_bytes(), Vec::new());
    let mut respondent = Dialogue { input: &mut input, output: &mut output };
    let answers = setup.answers(choices(words), &mut respondent);
    let document = answers.map(|answers| setup.document(&answers));
    (document, String::from_utf8(output).unwrap(), String::from_utf8(input.to_vec()).unwrap())
}

#[test]
fn every_well_known_provider_gives_a_file_without_mistakes() {
    let setup = setup();
    for region in ["us", "eu"] {
        for (name, known) in setup.known.iter() {
            let usual = if region == "us" { &known.base_url } else { &known.eu_base_url };
            let models = if known.family.is_some() { "-" } else { "some/model:8b" };
            let document = document([name, models, region, "-", "-"]);
            let Some(url) = usual.as_ref().filter(|url| !url.contains('{')) else {
                assert!(document.is_err(), "{name} in {region}");
                continue;
            };
            let document = document.unwrap();
            assert_eq!(document["providers"][name]["base_url"][region], url.as_str());
            let text = crate::yaml::text(&document).unwrap();
            let config = Config::parse(&gateway_file::document(&text).unwrap());
            assert_eq!(config.unwrap_or_else(|mistakes| panic!("{mistakes:?}")).models.len(), 1);
        }
    }
}

#[test]
fn a_file_without_choices_has_the_newest_model_of_openai() {
    let document = document(["-"; 5]).unwrap();
    let newest = setup().catalogue.family("gpt").next().unwrap().to_owned();
    let expected = json!({
        "listeners": {"us": {"port": 8080}},
        "plans": {"default": {"requests_per_minute": "unlimited"}},
        "accounts": {"default": {"plan": "default", "key_files": ["secrets/default.key"]}},
        "providers": {"openai": {
            "api_schema": "openai",
            "base_url": {"us": "https://api.openai.com/v1"},
            "key_file": "secrets/openai.key",
        }},
        "models": {&newest: {"regions": {"us": {"provider": "openai", "upstream_model": newest}}}},
    });
    assert_eq!(document, expected);
}

#[test]
fn a_private_server_needs_no_key_and_is_allowed() {
    let document =
        document(["http://vllm.internal:8000/v1", "our/model, other", "eu", "-", "60"]).unwrap();
    let server = &document["providers"]["server"];
    assert_eq!(server["allow_private"], true);
    assert_eq!(server["base_url"]["eu"], "http://vllm.internal:8000/v1");
    assert!(server.get("key_file").is_none());
    assert_eq!(document["plans"]["default"]["requests_per_minute"], 60);
    let models = document["models"].as_object().unwrap();
    assert_eq!(models.keys().collect::<Vec<_>>(), ["model", "other"]);
    assert_eq!(models["model"]["regions"]["eu"]["upstream_model"], "our/model");
    Config::parse(&document).unwrap();
}

#[test]
fn five_questions_are_asked_and_a_wrong_answer_again() {
    let answers = "us\nnowhere\nanthropic\nclaude-opus-4-7,claude-sonnet-4-6\n0\n9000\n\nrest\n";
    let (document, shown, rest) = dialogue(["-"; 5], answers);
    let document = document.unwrap();
    assert_eq!(document["listeners"]["us"]["port"], 9000);
    assert_eq!(document["plans"]["default"]["requests_per_minute"], "unlimited");
    assert_eq!(document["models"].as_object().unwrap().len(), 2);
    assert_eq!(rest, "rest\n");
    assert_eq!(shown.matches("]: ").count(), 7, "{shown}");
    assert!(shown.contains("found `nowhere`, allowed in `us`: `openai`, `anthropic`"), "{shown}");
    assert!(shown.contains("found `0`, allowed: a whole number from 1 to 65535"), "{shown}");
}

#[test]
fn a_choice_is_not_asked_for() {
    let (document, shown, _) = dialogue(["google", "-", "us", "8443", "30"], "\n");
    assert_eq!(document.unwrap()["listeners"]["us"]["port"], 8443);
    assert_eq!(shown.matches("]: ").count(), 1, "{shown}");
    let (document, _, _) = dialogue(["-"; 5], "us\n");
    assert_eq!(document.unwrap_err(), "there is no answer");
}

#[test]
fn a_wrong_choice_names_the_allowed_ones() {
    let cases = [
        (["openai", "-", "asia", "-", "-"], "found `asia`, allowed: `us` or `eu`"),
        (
            ["anthropic", "-", "eu", "-", "-"],
            "found `anthropic`, allowed in `eu`: `openai`, or a URL",
        ),
        (["groq", "-", "-", "-", "-"], "found no model, allowed: at least one"),
        (["-", "-", "-", "http", "-"], "found `http`, allowed: a whole number from 1 to 65535"),
        (["-", "-", "-", "-", "-1"], "found `-1`, allowed: a whole number, or `unlimited`"),
    ];
    for (words, expected) in cases {
        assert_eq!(document(words).unwrap_err(), expected, "{words:?}");
    }
}

#[test]
fn a_file_and_a_key_that_exist_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gateway.yaml");
    let key = dir.path().join("secrets/default.key");
    let of_port = |port| choices(["openai", "gpt-4.1", "us", port, "30"]);
    run(of_port("8080"), &path, Existing::Kept).unwrap();
    let (text, first) = (fs::read_to_string(&path).unwrap(), fs::read_to_string(&key).unwrap());
    assert_eq!(GatewayFile::read(&path).unwrap().config.models.len(), 1);
    assert_eq!(first.len(), 32);
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);

    let error = run(of_port("9090"), &path, Existing::Kept).unwrap_err();
    assert_eq!(error, format!("{}: exists, `--force` replaces it", path.display()));
    assert_eq!(fs::read_to_string(&path).unwrap(), text);

    run(of_port("9090"), &path, Existing::Replaced).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), text.replace("8080", "9090"));
    assert_eq!(fs::read_to_string(&key).unwrap(), first);
}
