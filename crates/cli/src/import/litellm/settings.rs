//! Settings of the router, of the library and of the server.

use serde_json::{Map, Value, json};

use super::{
    ACCOUNT,
    advice::{Remark, joined},
    models::ImportedModels,
    providers::key_advice,
    source::{Setting, Source, object},
    values::{deadlines, whole_number},
};

/// Applies the settings that concern models: aliases, fallbacks and retries.
pub(super) fn apply(source: &Source<'_>, models: &mut ImportedModels, remarks: &mut Vec<Remark>) {
    if let Some((path, aliases)) = source.router_setting("model_group_alias") {
        add_aliases(&path, &object(Some(&aliases)), models, remarks);
    }
    if let Some((path, lists)) = source.router_setting("fallbacks") {
        for (index, list) in lists.as_array().into_iter().flatten().enumerate() {
            for (group, names) in object(Some(list)) {
                let path = format!("{path}[{index}].{group}");
                let groups = match group.as_str() {
                    "*" => models.groups_without_fallbacks(),
                    _ => vec![group],
                };
                add_fallbacks(&path, &groups, &names, models, remarks);
            }
        }
    }
    if let Some((path, names)) = source.router_setting("default_fallbacks") {
        let groups = models.groups_without_fallbacks();
        add_fallbacks(&path, &groups, &names, models, remarks);
    }
    report_routing(source, remarks);
}

fn add_aliases(
    path: &str,
    aliases: &Map<String, Value>,
    models: &mut ImportedModels,
    remarks: &mut Vec<Remark>,
) {
    for (alias, target) in aliases {
        let path = joined(path, alias);
        let group = target.get("model").unwrap_or(target).as_str().unwrap_or_default();
        if let Err(advice) = models.add_alias(alias, group) {
            remarks.push(Remark::new(path, advice));
        }
    }
}

fn add_fallbacks(
    path: &str,
    groups: &[String],
    names: &Value,
    models: &mut ImportedModels,
    remarks: &mut Vec<Remark>,
) {
    let mut known = Vec::new();
    for name in names.as_array().into_iter().flatten() {
        let group = name.as_str().unwrap_or_default();
        match models.name_of(group) {
            Some(name) => known.push(name),
            None => {
                let advice = format!("left out: there is no model `{group}`");
                remarks.push(Remark::new(path, advice));
            }
        }
    }
    for group in groups {
        if models.name_of(group).is_none() {
            remarks.push(Remark::new(path, format!("left out: there is no model `{group}`")));
        }
        for name in models.add_fallbacks(group, known.clone()) {
            let advice = format!("`{name}` is left out: `{group}` has two fallbacks already");
            remarks.push(Remark::new(path, advice));
        }
    }
}

/// Adds remarks about retries and about the choice among deployments.
fn report_routing(source: &Source<'_>, remarks: &mut Vec<Remark>) {
    if let Some((path, retries)) = source.router_setting("num_retries")
        && retries != 1
    {
        let advice = "every model has one retry, after 500 ms; `fallback_config.retry` of a request \
                      turns it off";
        remarks.push(Remark::new(path, advice));
    }
    if let Some((path, strategy)) = source.router_setting("routing_strategy")
        && strategy != "simple-shuffle"
    {
        let advice = "not carried over: the deployments of a model share its load by `weight`";
        remarks.push(Remark::new(path, advice));
    }
}

/// Returns the fields of the top level, and adds a remark about the key of the clients.
pub(super) fn top_level(source: &Source<'_>, remarks: &mut Vec<Remark>) -> Map<String, Value> {
    let general = source.section("general_settings");
    let file = format!("secrets/{ACCOUNT}.key");
    let advice = match general.get("master_key").and_then(Setting::read) {
        Some(key) => key_advice(Some(&key), &file),
        None => {
            format!("absent, and every request to the gateway needs a key: write one to `{file}`")
        }
    };
    remarks.push(Remark::new("general_settings.master_key", advice));
    let mut fields = Map::new();
    if let Some(megabytes) = general.get("max_request_size_mb").and_then(whole_number) {
        let bytes = megabytes.saturating_mul(1024 * 1024).clamp(1, u64::from(u32::MAX));
        fields.insert("request_body_bytes".to_owned(), json!(bytes));
    }
    if source.section("litellm_settings").get("drop_params") == Some(&json!(false)) {
        fields.insert("strict_parameters".to_owned(), json!(true));
    }
    let value = |key| source.router_setting(key).map(|(_, value)| value);
    let whole = value("timeout").or_else(|| value("request_timeout"));
    fields.extend(deadlines(whole.as_ref(), value("stream_timeout").as_ref()));
    fields
}
