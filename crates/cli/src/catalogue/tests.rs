use std::{collections::BTreeSet, time::SystemTime};

use attache::config::{Config, ModelKind};
use serde_json::json;

use super::*;

fn catalogue() -> Catalogue {
    Catalogue::built_in().unwrap()
}

/// A document without mistakes whose only model is an entry with a name.
fn document(name: &str, entry: Value) -> Value {
    json!({
        "listeners": {"us": {"port": 8080}},
        "plans": {"paid": {"requests_per_minute": 30}},
        "accounts": {"acme": {"plan": "paid", "key_files": ["acme.key"]}},
        "providers": {
            "p": {"api_schema": "openai", "base_url": {"us": "https://example.com/v1"}},
        },
        "models": {name: entry},
    })
}

/// An entry with these fields and a region.
fn entry(fields: Value) -> Value {
    let mut entry = json!({"regions": {"us": {"provider": "p", "upstream_model": "m"}}});
    entry.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    entry
}

/// The entry of a model after its completion, and the names of the fields that were added.
fn completed(name: &str, fields: Value) -> (Value, Vec<String>) {
    let mut document = document(name, entry(fields));
    let added = catalogue().complete(&mut document);
    let prefix = format!("models.{name}.");
    let added = added.iter().map(|path| path.strip_prefix(&prefix).unwrap().to_owned());
    let added = added.collect();
    (document["models"][name].take(), added)
}

#[test]
fn every_model_of_the_catalogue_is_valid_and_has_a_source() {
    let models = catalogue().models;
    assert!(!models.is_empty());
    for model in models {
        let name = &model.name;
        let document = document(name, entry(Value::Object(model.fields.clone())));
        let config = Config::parse(&document).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
        let own = &config.models[name];
        assert!(own.context_length >= own.max_output_tokens, "{name}");
        assert!(own.max_output_tokens >= own.min_output_tokens, "{name}");
        let is_chat = own.kind == ModelKind::Chat;
        assert_eq!(own.supported_parameters.is_empty(), !is_chat, "{name}");
        let decided_by_operators =
            ["regions", "deadlines", "fallbacks", "hedge", "price", "prompt_cache"];
        for field in decided_by_operators {
            assert!(!model.fields.contains_key(field), "{name}: {field}");
        }
        assert!(!model.sources.is_empty(), "{name}");
        for source in &model.sources {
            let is_page = source.starts_with("https://") && !source.contains(char::is_whitespace);
            assert!(is_page, "{name}: {source}");
        }
        let sources: BTreeSet<_> = model.sources.iter().collect();
        assert_eq!(sources.len(), model.sources.len(), "{name}: {sources:?}");
    }
}

#[test]
fn the_rules_of_a_generation_are_in_its_entries() {
    let models = catalogue().models;
    let supports = |model: &CatalogueModel, parameter: &str| {
        let supported = model.fields["supported_parameters"].as_array().unwrap();
        supported.iter().any(|own| own == parameter)
    };
    for model in &models {
        let (name, fields) = (model.name.as_str(), &model.fields);
        let generation = |prefix: &str| {
            let rest = name.strip_prefix(prefix)?;
            let number: String = rest.chars().take_while(|own| !"-".contains(*own)).collect();
            number.parse::<f64>().ok()
        };
        if generation("gpt-").is_some_and(|number| number >= 5.4) {
            let none_only = fields.get("effort_with_tools") == Some(&json!("none_only"));
            assert_eq!(none_only, supports(model, "tools"), "{name}");
        }
        let is_lite = name == "gemini-3.5-flash-lite";
        // Google replaces it with a later model.
        if name == "gemini-3.5-flash" {
            assert_eq!(fields.get("prefill"), Some(&json!(false)));
        }
        if is_lite || generation("gemini-").is_some_and(|number| number >= 3.6) {
            assert_eq!(fields.get("prefill"), Some(&json!(false)), "{name}");
            for parameter in ["temperature", "top_p", "top_k", "presence_penalty"] {
                assert!(!supports(model, parameter), "{name}: {parameter}");
            }
        }
    }
    let always_thinks = ["claude-fable-5-2", "claude-opus-5-5", "claude-sonnet-5-5", "kimi-k3"];
    for name in always_thinks {
        let fields = &models.iter().find(|model| model.name == name).unwrap().fields;
        let efforts = fields["reasoning_efforts"].as_array().unwrap();
        assert!(!efforts.contains(&json!("none")), "{name}");
        assert_eq!(fields["tool_choices"], json!(["none", "auto"]), "{name}");
    }
}

#[test]
fn no_two_models_have_the_same_name() {
    let models = catalogue().models;
    let names: BTreeSet<_> = models.iter().map(|model| model.name.to_lowercase()).collect();
    let titles: BTreeSet<_> = models.iter().map(|model| model.fields["name"].as_str()).collect();
    assert_eq!((names.len(), titles.len()), (models.len(), models.len()));
    let error = Catalogue::parse("families: {}\nmodels:\n  a: {}\n  a: {}\n").unwrap_err();
    assert!(error.contains("duplicate"), "{error}");
}

#[test]
fn every_retirement_date_is_a_day_of_this_decade() {
    let mut dates = 0;
    for model in catalogue().models {
        let Some(date) = model.fields.get("retirement_date") else { continue };
        let day = format!("{}T00:00:00Z", date.as_str().unwrap());
        let day: SystemTime = humantime::parse_rfc3339(&day).unwrap();
        let range = ["2024-01-01T00:00:00Z", "2034-01-01T00:00:00Z"];
        let [first, last] = range.map(|day| humantime::parse_rfc3339(day).unwrap());
        assert!((first..last).contains(&day), "{}: {date}", model.name);
        dates += 1;
    }
    assert!(dates > 0);
}

#[test]
fn a_family_gives_its_fields_and_null_removes_one() {
    let text = "
families:
  f: {source: [https://example.com/family], name: F, context_length: 9, sampling: always}
models:
  a: {family: f, name: A, sampling: null}
  b: {family: f, source: [https://example.com/b]}
";
    let models = Catalogue::parse(text).unwrap().models;
    let fields = |index: usize| Value::Object(models[index].fields.clone());
    assert_eq!(fields(0), json!({"name": "A", "context_length": 9}));
    assert_eq!(fields(1), json!({"name": "F", "context_length": 9, "sampling": "always"}));
    assert_eq!(models[1].sources, ["https://example.com/b", "https://example.com/family"]);
    let error = Catalogue::parse("families: {}\nmodels: {a: {family: f}}").unwrap_err();
    assert_eq!(error, "models.a: no family `f`");
}

#[test]
fn an_entry_with_nothing_but_regions_gets_every_field() {
    let (own, added) = completed("gpt-4.1", json!({}));
    let model = catalogue().model("gpt-4.1").unwrap().fields.clone();
    assert_eq!(own, entry(Value::Object(model.clone())));
    assert_eq!(added, model.keys().cloned().collect::<Vec<_>>());
    Config::parse(&document("gpt-4.1", own)).unwrap();
}

#[test]
fn a_field_of_the_operators_takes_the_place_of_the_catalogues() {
    let fields = json!({"max_output_tokens": 1000, "retirement_date": null, "input": ["text"]});
    let (own, added) = completed("claude-sonnet-4-5-20250929", fields);
    assert_eq!((&own["max_output_tokens"], &own["input"]), (&json!(1000), &json!(["text"])));
    assert_eq!(own["context_length"], 200_000);
    for field in ["max_output_tokens", "retirement_date", "input"] {
        assert!(!added.contains(&field.to_owned()), "{field}");
    }
    let config = Config::parse(&document("claude-sonnet-4-5-20250929", own)).unwrap();
    assert_eq!(config.models["claude-sonnet-4-5-20250929"].retirement_date, None);
}

#[test]
fn a_complete_entry_and_an_unknown_model_are_left_alone() {
    let complete = json!({"name": "Own", "context_length": 8000, "max_output_tokens": 800});
    assert_eq!(completed("gpt-4.1", complete.clone()), (entry(complete), Vec::new()));
    for name in ["gpt-7", "GPT-4.1"] {
        assert_eq!(completed(name, json!({})), (entry(json!({})), Vec::new()));
    }
    for wrong in [json!(null), json!([]), json!("gpt-4.1")] {
        let mut document = document("gpt-4.1", wrong.clone());
        assert_eq!(catalogue().complete(&mut document), Vec::<String>::new());
        assert_eq!(document["models"]["gpt-4.1"], wrong);
    }
    for document in [json!(null), json!({}), json!({"models": []})] {
        assert_eq!(catalogue().complete(&mut document.clone()), Vec::<String>::new());
    }
}

#[test]
fn a_parameter_that_the_operator_leaves_out_takes_its_fields_with_it() {
    for model in catalogue().models {
        let name = &model.name;
        for supported in [json!(["stream"]), json!([]), json!(null)] {
            let (own, _) = completed(name, json!({"supported_parameters": supported}));
            for (field, _) in PARAMETER_FIELDS {
                assert_eq!(own.get(field), None, "{name}");
            }
            Config::parse(&document(name, own)).unwrap();
        }
        let own = json!({"supported_parameters": ["tools", "tool_choice"]});
        Config::parse(&document(name, completed(name, own).0)).unwrap();
    }
}

#[test]
fn the_table_has_a_line_for_each_model() {
    let catalogue = catalogue();
    let table = catalogue.table();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 1 + catalogue.models.len());
    let heading: Vec<&str> = lines[0].split_whitespace().collect();
    assert_eq!(heading, listing::HEADINGS);
    let line = lines.iter().find(|line| line.starts_with("gpt-5-mini ")).unwrap();
    let cells: Vec<&str> = line.split_whitespace().collect();
    let expected = ["gpt-5-mini", "gpt", "400000", "128000", "text,image,file", "2026-12-11"];
    assert_eq!(cells[..6], expected);
    assert!(cells[6].starts_with("n,seed,response_format,"), "{line}");
    let column = |line: &str, cell: &str| line.find(cell);
    assert_eq!(column(lines[0], "CONTEXT"), column(line, "400000"));
    let line = lines.iter().find(|line| line.starts_with("gpt-oss-20b ")).unwrap();
    let cells: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(cells[4..6], ["text", "-"]);
}

#[test]
fn the_json_has_every_field_and_the_sources() {
    let catalogue = catalogue();
    let json: Value = serde_json::from_str(&catalogue.json()).unwrap();
    assert_eq!(json.as_object().unwrap().len(), catalogue.models.len());
    let own = &json["gpt-4.1"];
    assert_eq!((&own["family"], &own["context_length"]), (&json!("gpt"), &json!(1_047_576)));
    assert!(own["source"][0].as_str().unwrap().ends_with("/gpt-4.1"), "{own}");
}
