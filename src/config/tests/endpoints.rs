//! Several endpoints of one model, and pools of keys.

use super::*;

#[test]
fn every_endpoint_of_a_list_is_checked() {
    assert_messages(
        r#"
/models/gpt-4.1/regions/us = []
  models.gpt-4.1.regions.us: found an empty list, allowed: at least one entry
/models/gpt-4.1/regions/us = 5
  models.gpt-4.1.regions.us: found `5`, allowed: an object
/models/gpt-4.1/regions/us = [{"provider": "openai", "upstream_model": "m"}, {"provider": "bedrock"}]
  models.gpt-4.1.regions.us[1].provider: found `bedrock`, allowed: a provider whose base_url has
    `us`: `openai`
  models.gpt-4.1.regions.us[1].upstream_model: missing, allowed: what the provider calls the model
/models/gpt-4.1/regions/us = [{"provider": "openai", "upstream_model": "m", "weight": -1}]
  models.gpt-4.1.regions.us[0].weight: found `-1`, allowed: a whole number from 0 to 1000000
/models/gpt-4.1/regions/us = [{"provider": "openai", "upstream_model": "m", "priority": 101}]
  models.gpt-4.1.regions.us[0].priority: found `101`, allowed: a whole number from 0 to 100
/models/gpt-4.1/regions/us = [{"provider": "openai", "upstream_model": "m", "weight": 0}]
  models.gpt-4.1.regions.us: found a list, allowed: at least one endpoint with a `weight` above 0
/models/gpt-4.1/regions/us = [{"provider": "openai", "upstream_model": "m", "share": 1}]
  models.gpt-4.1.regions.us[0].share: unknown key, allowed: `provider`, `upstream_model`,
    `api_schema`, `weight`, `priority`
/models/gpt-4.1/regions/us = [[{"provider": "openai", "upstream_model": "m"}]]
  models.gpt-4.1.regions.us[0]: found a list, allowed: an object
/models/gpt-4.1/regions/us = [{"provider": "openai", "upstream_model": "m"}, {"provider": "openai", "upstream_model": "m", "weight": 2}]
  models.gpt-4.1.regions.us[1]: found an endpoint that the list has already, allowed: each endpoint
    once
/models/gpt-4.1/hash_on = "user"
  models.gpt-4.1.hash_on: found `user`, allowed: `account`, `prompt`
/models/gpt-4.1/hash_on = "prompt"
"#,
    );
}

#[test]
fn a_pool_has_different_keys_and_names_that_no_other_provider_has() {
    assert_messages(
        r#"
/providers/openai/key_files = "a.key"
  providers.openai.key_files: found `a.key`, allowed: a list
/providers/openai/key_files = []
  providers.openai.key_files: found an empty list, allowed: 1 to 16 files
/providers/openai/key_files = ["a.key", "demo.key", "a.key"]
  providers.openai.key_files[1]: found `demo.key`, allowed: a file that holds no account's key
  providers.openai.key_files[2]: found `a.key`, allowed: each file once
/providers/openai/key_files = ["a.key", "b.key"]
/providers/openai = {"api_schema": "openai", "base_url": {"us": "https://x.example"}, "key_file": "a.key", "key_files": ["b.key"]}
  providers.openai.key_files: found a list, allowed: nothing, as there is a `key_file`
"#,
    );
    let mut document = with("/providers/openai/key_files", json!(["a.key", "b.key"]));
    document["providers"]["openai-key2"] = document["providers"]["bedrock"].clone();
    let twin = "providers.openai-key2: found the name `openai-key2`, allowed: another name, as \
                `openai` has a pool of keys";
    assert_eq!(mistakes(&document), twin);
}

/// Returns label, cluster and weight of each endpoint in the US.
fn endpoints(document: &Value) -> Vec<(Option<String>, String, u64)> {
    let config = Config::parse(document).unwrap();
    let endpoints = config.models["gpt-4.1"].endpoints_in(Region::Us).iter();
    endpoints.map(|own| (own.label.clone(), own.cluster(Region::Us), own.weight)).collect()
}

#[test]
fn a_pool_is_an_endpoint_for_each_key_and_they_share_its_weight() {
    assert_eq!(endpoints(&smallest()), [(None, "openai-us".to_owned(), 1)]);
    let own = |provider: &str, model: &str, weight: u32| json!({"provider": provider, "upstream_model": model, "weight": weight});
    let list = json!([own("openai", "m", 3), own("other", "m", 2), own("other", "n", 0)]);
    let mut document = with("/models/gpt-4.1/regions/us", list);
    document["providers"]["openai"]["key_files"] = json!(["a.key", "b.key", "c.key"]);
    document["providers"]["other"] = document["providers"]["openai"].clone();
    document["providers"]["other"]["key_files"] = json!(["d.key", "e.key"]);
    let found = endpoints(&document);
    let found: Vec<String> = found
        .into_iter()
        .map(|(label, cluster, weight)| format!("{} {cluster} {weight}", label.unwrap()))
        .collect();
    let expected = [
        "openai openai-us 6",
        "openai-key2 openai-us-key2 6",
        "openai-key3 openai-us-key3 6",
        "other/m other-us 6",
        "other-key2/m other-us-key2 6",
        "other/n other-us 0",
        "other-key2/n other-us-key2 0",
    ];
    assert_eq!(found, expected);
}
