//! Entries of `models`: one for the deployments of a name that are the same model.

use serde_json::{Map, Value, json};

use super::{
    Lookup, REGION,
    advice::Remark,
    endpoints::ImportedEndpoints,
    providers::{Assigned, ProviderEntries},
    source::{Deployment, Source},
    values::{deadlines, whole_number},
};
use crate::served_model::{FieldOrigin, MAX_NAME, ServedModel, valid_name};

/// Entries of `models`, in the order of their deployments, and `aliases`.
#[derive(Debug, Default)]
pub(super) struct ImportedModels {
    models: Vec<ImportedModel>,
    /// Names of entries by the further names of models.
    aliases: Map<String, Value>,
}

/// Entry of `models`.
#[derive(Clone, Debug)]
struct ImportedModel {
    /// Name of the entry.
    name: String,
    /// LiteLLM's name, which several deployments may share.
    group: String,
    served: ServedModel,
    endpoints: ImportedEndpoints,
    /// Fields that describe a model that the catalogue does not have.
    description: Map<String, Value>,
    /// Fields of an operator's decisions.
    decisions: Map<String, Value>,
    /// Names of the entries that follow a failure.
    fallbacks: Vec<String>,
}

/// Number of fallbacks that a model may have.
const MAX_FALLBACKS: usize = 2;

impl ImportedModels {
    pub(super) fn is_empty(&self) -> bool {
        self.models.is_empty()
    }

    /// Adds the entries of a deployment, and remarks about it.
    pub(super) fn add(
        &mut self,
        deployment: Deployment,
        source: &Source<'_>,
        lookup: &Lookup,
        providers: &mut ProviderEntries,
        remarks: &mut Vec<Remark>,
    ) {
        let path = format!("{}.model_name", deployment.path);
        if is_wildcard(&deployment) && !has_family(&deployment, lookup) {
            remarks
                .push(Remark::new(path, "left out: name each model that the wildcard stands for"));
            return;
        }
        if deployment.is_for_embeddings() && !is_known_for_embeddings(&deployment, lookup) {
            let advice = "left out: the model catalogue has no such model for embeddings; add it to \
                          `models` with `kind: embeddings`";
            remarks.push(Remark::new(format!("{}.model_info.mode", deployment.path), advice));
            return;
        }
        let Some(assigned) = providers.assign(&deployment, source, &lookup.known, remarks) else {
            return;
        };
        for (section, fields) in
            [("litellm_params", &deployment.params), ("model_info", &deployment.info)]
        {
            let path = format!("{}.{section}", deployment.path);
            lookup.advice.report(section, &path, fields, remarks);
        }
        if is_wildcard(&deployment) {
            remarks.push(self.add_family(&path, &deployment, &assigned, lookup));
        } else if !is_upstream_name(&assigned.upstream_model) {
            let advice = "left out: names of models have letters, digits and `-_.:@/`";
            remarks.push(Remark::new(format!("{}.litellm_params.model", deployment.path), advice));
        } else {
            self.add_model(&path, &deployment, &assigned, lookup, remarks);
        }
    }

    /// Adds the models of the catalogue that a wildcard stands for. Returns the remark about it.
    fn add_family(
        &mut self,
        path: &str,
        deployment: &Deployment,
        assigned: &Assigned,
        lookup: &Lookup,
    ) -> Remark {
        let family = assigned.family.as_deref().filter(|_| deployment.model == "*");
        let Some(family) = family else {
            return Remark::new(path, "left out: name each model that the wildcard stands for");
        };
        let names =
            lookup.catalogue.family(family).filter(|name| self.group(name).next().is_none());
        let names: Vec<&str> = names.collect();
        for name in &names {
            let served =
                ServedModel { upstream_model: (*name).to_owned(), ..served(deployment, assigned) };
            let own = ImportedModel { name: (*name).to_owned(), ..imported(deployment, served) };
            self.models.push(own);
        }
        let count = names.len();
        for name in names.into_iter().map(str::to_owned).collect::<Vec<_>>() {
            self.add_name(&deployment.group.replace('*', &name), &name);
        }
        Remark::new(path, format!("became {count} models of the catalogue, see `attache models`"))
    }

    fn add_model(
        &mut self,
        path: &str,
        deployment: &Deployment,
        assigned: &Assigned,
        lookup: &Lookup,
        remarks: &mut Vec<Remark>,
    ) {
        let served = served(deployment, assigned);
        let same = self.models.iter_mut().filter(|own| own.group == deployment.group);
        let mut same = same.filter(|own| own.served.is_same_model(&served, &lookup.catalogue));
        if let Some(own) = same.next() {
            own.endpoints.add(served, deployment);
            return;
        }
        if self.group(&deployment.group).count() > MAX_FALLBACKS {
            let advice = "left out: a model has at most two fallbacks, other models of its name \
                          included";
            remarks.push(Remark::new(&deployment.path, advice));
            return;
        }
        let name = self.unused_name(&deployment.group);
        let first = self.group(&deployment.group).next().map(|first| first.name.clone());
        if let Some(first) = first {
            let advice = format!(
                "became `{name}`, a fallback of `{first}`: only deployments of the same model share \
                 its load"
            );
            remarks.push(Remark::new(path, advice));
            self.add_fallbacks(&deployment.group, vec![name.clone()]);
        } else if self.add_name(&deployment.group, &name) == Naming::Refused {
            remarks.push(Remark::new(path, renamed(&name)));
        }
        let model = imported(deployment, served);
        let model = ImportedModel { name, ..model };
        let (_, origin) = model.served.entry(&model.name, &lookup.catalogue, &lookup.known);
        if origin == FieldOrigin::Assumed {
            let advice = "not in the model catalogue: check its limits and `supported_parameters`";
            remarks.push(Remark::new(format!("{}.litellm_params.model", deployment.path), advice));
        }
        self.models.push(model);
    }

    /// Adds a further name of a model. An error is the advice about a name that is left out.
    pub(super) fn add_alias(&mut self, alias: &str, group: &str) -> Result<(), String> {
        let Some(name) = self.name_of(group) else {
            return Err(format!("left out: there is no model `{group}`"));
        };
        match self.add_name(alias, &name) {
            Naming::Accepted => Ok(()),
            Naming::Refused => Err(format!("left out: {ALIASES}, and no other model's name")),
        }
    }

    /// Makes a name lead to an entry, by an alias unless it is the entry's own.
    fn add_name(&mut self, alias: &str, name: &str) -> Naming {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || "-_.:@/".contains(c);
        let has_length = (1..=MAX_ALIAS).contains(&alias.len());
        if alias == name {
            Naming::Accepted
        } else if !has_length || !alias.chars().all(is_allowed) || self.is_used(alias) {
            Naming::Refused
        } else {
            self.aliases.insert(alias.to_owned(), json!(name));
            Naming::Accepted
        }
    }

    /// Returns whether an entry or an alias has a name, in upper or lower case.
    fn is_used(&self, name: &str) -> bool {
        let mut names = self.models.iter().map(|own| &own.name).chain(self.aliases.keys());
        names.any(|own| own.eq_ignore_ascii_case(name))
    }

    /// Adds fallbacks to a group, by the names of entries. Returns those that are too many.
    pub(super) fn add_fallbacks(&mut self, group: &str, names: Vec<String>) -> Vec<String> {
        let own = self.name_of(group);
        let Some(model) = self.models.iter_mut().find(|model| Some(&model.name) == own.as_ref())
        else {
            return Vec::new();
        };
        for name in names {
            if name != model.name && !model.fallbacks.contains(&name) {
                model.fallbacks.push(name);
            }
        }
        model.fallbacks.split_off(MAX_FALLBACKS.min(model.fallbacks.len()))
    }

    /// Returns the groups whose models have no fallbacks yet.
    pub(super) fn groups_without_fallbacks(&self) -> Vec<String> {
        let models = self.models.iter().filter(|model| model.fallbacks.is_empty());
        models.map(|model| model.group.clone()).collect()
    }

    /// Returns the name of a group's first entry, or of the entry that an alias leads to.
    pub(super) fn name_of(&self, group: &str) -> Option<String> {
        let own = self.group(group).next().map(|model| model.name.clone());
        own.or_else(|| self.aliases.get(group).and_then(Value::as_str).map(str::to_owned))
    }

    fn group<'m>(&'m self, group: &'m str) -> impl Iterator<Item = &'m ImportedModel> {
        self.models.iter().filter(move |model| model.group == group)
    }

    /// Returns a valid name that no entry has yet.
    fn unused_name(&self, group: &str) -> String {
        let name = valid_name(group);
        if !self.is_used(&name) {
            return name;
        }
        let front = name.get(..(MAX_NAME - 4).min(name.len())).unwrap_or_default();
        let mut numbered = (2..).map(|number: u32| format!("{front}-{number}"));
        numbered.find(|name| !self.is_used(name)).unwrap_or_default()
    }

    /// Returns the limits of the models that have any.
    pub(super) fn limits(&self) -> Map<String, Value> {
        let limits = self.models.iter().map(|model| (model.name.clone(), model.limits()));
        let limited = limits.filter(|(_, limits)| !limits.is_empty());
        limited.map(|(name, limits)| (name, Value::Object(limits))).collect()
    }

    /// Returns the sections `models` and `aliases`.
    pub(super) fn sections(&self, lookup: &Lookup) -> Map<String, Value> {
        let entries = self.models.iter();
        let entries: Map<String, Value> =
            entries.map(|model| (model.name.clone(), Value::Object(model.entry(lookup)))).collect();
        let mut sections = Map::from_iter([("models".to_owned(), Value::Object(entries))]);
        if !self.aliases.is_empty() {
            sections.insert("aliases".to_owned(), Value::Object(self.aliases.clone()));
        }
        sections
    }
}

/// Result of giving a name to an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Naming {
    Accepted,
    Refused,
}

/// Longest alias.
const MAX_ALIAS: usize = 128;

/// Allowed aliases, in messages.
const ALIASES: &str = "further names have letters, digits and `-_.:@/`";

impl ImportedModel {
    fn entry(&self, lookup: &Lookup) -> Map<String, Value> {
        let (mut entry, origin) = self.served.entry(&self.name, &lookup.catalogue, &lookup.known);
        if origin == FieldOrigin::Assumed {
            describe(&mut entry, &self.description);
        }
        if let Some(regions) = self.endpoints.regions() {
            entry.insert("regions".to_owned(), regions);
        }
        entry.extend(self.decisions.clone());
        if !self.fallbacks.is_empty() {
            entry.insert("fallbacks".to_owned(), json!(self.fallbacks));
        }
        entry
    }

    /// Returns the limits per minute, which are those of all deployments together.
    fn limits(&self) -> Map<String, Value> {
        let keys = [("rpm", "requests_per_minute"), ("tpm", "tokens_per_minute")];
        let limit = |(key, own): (&str, &str)| {
            let number = self.endpoints.limit(key)?;
            Some((own.to_owned(), json!(u32::try_from(number).unwrap_or(u32::MAX))))
        };
        keys.into_iter().filter_map(limit).collect()
    }
}

/// Returns the advice for a name that neither an entry nor an alias can have.
fn renamed(name: &str) -> String {
    format!("became `{name}`, which clients must send: names have letters, digits and `-_.:@/`")
}

/// Returns whether a deployment stands for several models.
pub(super) fn is_wildcard(deployment: &Deployment) -> bool {
    deployment.group.contains('*') || deployment.model.contains('*')
}

/// Returns whether a wildcard stands for all models that a provider makes.
fn has_family(deployment: &Deployment, lookup: &Lookup) -> bool {
    let known = lookup.known.serving(&deployment.prefix, &deployment.model);
    deployment.model == "*" && known.is_some_and(|(_, provider)| provider.family.is_some())
}

/// Returns whether the catalogue has a model as one for embeddings.
fn is_known_for_embeddings(deployment: &Deployment, lookup: &Lookup) -> bool {
    let base_model = deployment.info.get("base_model").and_then(Value::as_str);
    let mut names = base_model.into_iter().chain([deployment.model.as_str()]);
    let found = names.find_map(|name| lookup.catalogue.find(name));
    found.is_some_and(|(_, fields)| fields.get("kind") == Some(&json!("embeddings")))
}

fn is_upstream_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:@/".contains(c))
}

fn served(deployment: &Deployment, assigned: &Assigned) -> ServedModel {
    let base_model = deployment.info.get("base_model").and_then(Value::as_str);
    ServedModel {
        region: REGION,
        provider: assigned.provider.clone(),
        api_schema: assigned.api_schema.clone(),
        upstream_model: assigned.upstream_model.clone(),
        base_model: base_model.map(str::to_owned),
    }
}

fn imported(deployment: &Deployment, served: ServedModel) -> ImportedModel {
    let mut decisions =
        deadlines(deployment.params.get("timeout"), deployment.params.get("stream_timeout"));
    decisions.extend(price(deployment));
    let mut endpoints = ImportedEndpoints::default();
    endpoints.add(served.clone(), deployment);
    ImportedModel {
        name: deployment.group.clone(),
        group: deployment.group.clone(),
        served,
        endpoints,
        description: deployment.info.clone(),
        decisions,
        fallbacks: Vec::new(),
    }
}

/// Returns the price of a deployment's tokens, in USD per million.
fn price(deployment: &Deployment) -> Map<String, Value> {
    let keys = [
        ("input_cost_per_token", "input"),
        ("output_cost_per_token", "output"),
        ("cache_read_input_token_cost", "cached_input"),
        ("cache_creation_input_token_cost", "cache_write"),
    ];
    let mut price = Map::new();
    for (key, own) in keys {
        let found =
            [&deployment.params, &deployment.info].into_iter().find_map(|part| part.get(key));
        if let Some(per_token) = found.and_then(Value::as_f64).filter(|price| *price >= 0.0) {
            // Six decimals, which the configuration accepts at most.
            price.insert(own.to_owned(), json!((per_token * 1e12).round() / 1e6));
        }
    }
    if price.is_empty() {
        return price;
    }
    for key in ["input", "output"] {
        price.entry(key).or_insert(json!(0));
    }
    Map::from_iter([("price".to_owned(), Value::Object(price))])
}

/// Kinds of input by the flag in `model_info`.
const INPUTS: [(&str, &str); 3] = [
    ("supports_vision", "image"),
    ("supports_pdf_input", "file"),
    ("supports_audio_input", "audio"),
];

/// Parameters by the flag in `model_info`, with the fields that describe the parameter.
const PARAMETERS: [(&str, &str); 6] = [
    ("supports_function_calling", "tools"),
    ("supports_function_calling", "tool_choice"),
    ("supports_tool_choice", "tool_choice"),
    ("supports_parallel_function_calling", "parallel_tool_calls"),
    ("supports_response_schema", "response_format"),
    ("supports_reasoning", "reasoning_effort"),
];

/// Puts the facts of `model_info` over assumptions about a model.
fn describe(entry: &mut Map<String, Value>, info: &Map<String, Value>) {
    let number = |keys: [&str; 2]| keys.into_iter().find_map(|key| whole_number(info.get(key)?));
    let output = number(["max_output_tokens", "max_tokens"]);
    let context = number(["max_input_tokens", "max_input_tokens"]);
    for (key, value) in [("max_output_tokens", output), ("context_length", context)] {
        if let Some(value) = value {
            entry.insert(key.to_owned(), json!(value));
        }
    }
    fit_output(entry);
    for (flag, kind) in INPUTS {
        let input = entry.entry("input").or_insert_with(|| json!(["text"]));
        set_word(input, kind, info.get(flag));
    }
    for (flag, parameter) in PARAMETERS {
        let parameters = entry.entry("supported_parameters").or_insert_with(|| json!([]));
        set_word(parameters, parameter, info.get(flag));
    }
    describe_parameters(entry);
}

/// Lowers the output of a model to its context.
fn fit_output(entry: &mut Map<String, Value>) {
    let number = |key: &str| entry.get(key).and_then(Value::as_u64).unwrap_or_default();
    let most = number("max_output_tokens").min(number("context_length"));
    entry.insert("max_output_tokens".to_owned(), json!(most));
}

/// Adds the fields that the supported parameters require, and removes those of others.
fn describe_parameters(entry: &mut Map<String, Value>) {
    let fields = [
        ("response_format", "response_formats", json!(["json_object", "json_schema"])),
        ("reasoning_effort", "reasoning_efforts", json!(["low", "medium", "high"])),
        ("reasoning_effort", "default_reasoning_effort", json!("medium")),
    ];
    for (parameter, field, value) in fields {
        let supported = entry.get("supported_parameters").and_then(Value::as_array);
        if supported.is_some_and(|words| words.iter().any(|word| word == parameter)) {
            entry.entry(field).or_insert(value);
        } else {
            entry.shift_remove(field);
        }
    }
}

/// Adds a word to a list, or removes it, by a flag. An absent flag changes nothing.
fn set_word(list: &mut Value, word: &str, flag: Option<&Value>) {
    let (Some(words), Some(flag)) = (list.as_array_mut(), flag.and_then(Value::as_bool)) else {
        return;
    };
    words.retain(|own| own != word);
    if flag {
        words.push(json!(word));
    }
}
