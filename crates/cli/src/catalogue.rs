//! The model catalogue: the fields of well-known models' entries in `gateway.yaml`, apart from those
//! that an operator decides. Its data are in `crates/cli/models.yaml`, compiled into the command.

mod listing;
#[cfg(test)]
mod tests;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::yaml;

/// The required fields of an entry of `models`, apart from `regions`. An entry that has them all is
/// complete, and the catalogue adds nothing to it: a file from before the catalogue keeps its meaning.
const REQUIRED_FIELDS: [&str; 3] = ["name", "context_length", "max_output_tokens"];

/// The fields that describe a parameter, each with the parameter. They are not added to an entry whose
/// own `supported_parameters` lack the parameter.
const PARAMETER_FIELDS: [(&str, &str); 5] = [
    ("tool_choices", "tool_choice"),
    ("response_formats", "response_format"),
    ("reasoning_efforts", "reasoning_effort"),
    ("default_reasoning_effort", "reasoning_effort"),
    ("effort_with_tools", "reasoning_effort"),
];

/// All models of the catalogue, in the order of the file.
#[derive(Debug)]
pub(crate) struct Catalogue {
    models: Vec<CatalogueModel>,
}

/// A model of the catalogue.
#[derive(Debug)]
struct CatalogueModel {
    /// The name that entries of `models` are matched by.
    name: String,
    /// The name of its family.
    family: String,
    /// The public pages that the fields come from.
    sources: Vec<String>,
    /// Fields of an entry of `models`.
    fields: Map<String, Value>,
}

/// The catalogue's file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CatalogueFile {
    families: Map<String, Value>,
    models: Map<String, Value>,
}

/// A family of the catalogue's file.
#[derive(Clone, Deserialize)]
struct FamilyRecord {
    source: Vec<String>,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

/// A model of the catalogue's file.
#[derive(Deserialize)]
struct ModelRecord {
    family: String,
    #[serde(default)]
    source: Vec<String>,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

impl Catalogue {
    /// Returns the catalogue that is compiled into the command.
    pub(crate) fn built_in() -> Result<Self, String> {
        Self::parse(include_str!("../models.yaml"))
            .map_err(|error| format!("the model catalogue: {error}"))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let file: CatalogueFile = from_value(yaml::parse(text)?)?;
        let models = file.models.into_iter();
        let models = models.map(|(name, record)| {
            CatalogueModel::new(&name, record, &file.families)
                .map_err(|error| format!("models.{name}: {error}"))
        });
        Ok(Self { models: models.collect::<Result<_, _>>()? })
    }

    /// Completes the entries of `models` in an operator's document. Returns the paths of the fields
    /// that were added, such as `models.gpt-4.1.name`.
    pub(crate) fn complete(&self, document: &mut Value) -> Vec<String> {
        let entries = document.get_mut("models").and_then(Value::as_object_mut);
        let mut added = Vec::new();
        for (name, entry) in entries.into_iter().flatten() {
            let (Some(model), Value::Object(own)) = (self.model(name), entry) else { continue };
            let fields = model.missing_fields(own);
            added.extend(fields.keys().map(|field| format!("models.{name}.{field}")));
            own.extend(fields);
        }
        added
    }

    /// Returns the name and the fields of the model that a provider serves under a name, such as
    /// `us.anthropic.claude-sonnet-4-6` or `gpt-5-2025-08-07`.
    pub(crate) fn find(&self, upstream_model: &str) -> Option<(&str, &Map<String, Value>)> {
        let bare = bare_name(upstream_model);
        let matches = |model: &&CatalogueModel| {
            model.name.eq_ignore_ascii_case(bare) || undated(&model.name, &[8]) == bare
        };
        let found = self.model(upstream_model).or_else(|| self.models.iter().find(matches))?;
        Some((&found.name, &found.fields))
    }

    /// Returns the names of the models of a family.
    pub(crate) fn family<'c>(&'c self, family: &'c str) -> impl Iterator<Item = &'c str> {
        let models = self.models.iter().filter(move |model| model.family == family);
        models.map(|model| model.name.as_str())
    }

    fn model(&self, name: &str) -> Option<&CatalogueModel> {
        self.models.iter().find(|model| model.name == name)
    }
}

impl CatalogueModel {
    fn new(name: &str, record: Value, families: &Map<String, Value>) -> Result<Self, String> {
        let ModelRecord { family, source, fields } = from_value(record)?;
        let shared = families.get(&family).ok_or_else(|| format!("no family `{family}`"))?;
        let shared: FamilyRecord = from_value(shared.clone())?;
        Ok(Self {
            name: name.to_owned(),
            sources: source.into_iter().chain(shared.source).collect(),
            fields: merged(shared.fields, fields),
            family,
        })
    }

    /// Returns the fields that the catalogue adds to an operator's own. A field that is `null` there
    /// is not added.
    fn missing_fields(&self, own: &Map<String, Value>) -> Map<String, Value> {
        if REQUIRED_FIELDS.iter().all(|field| own.get(*field).is_some_and(|own| !own.is_null())) {
            return Map::new();
        }
        let fields = self.fields.iter();
        let fields = fields.filter(|(field, _)| !own.contains_key(*field) && applies(field, own));
        fields.map(|(field, value)| (field.clone(), value.clone())).collect()
    }
}

/// Returns a name in a provider's API without the words that providers put around it: a path and
/// regions in front, a version or a date behind.
fn bare_name(upstream_model: &str) -> &str {
    let (_, mut name) = upstream_model.rsplit_once('/').unwrap_or(("", upstream_model));
    let is_word = |word: &str| word.bytes().all(|byte| byte.is_ascii_alphabetic());
    while let Some((_, rest)) = name.split_once('.').filter(|(word, _)| is_word(word)) {
        name = rest;
    }
    let (name, version) = name.split_once([':', '@']).unwrap_or((name, ""));
    let version = if version.is_empty() { "" } else { "-1" };
    let name = name.strip_suffix(version).unwrap_or(name);
    let name = name.strip_suffix("-v1").unwrap_or(name);
    undated(name, &[2, 2, 4])
}

/// Returns a name without the date behind it, whose groups of digits have these lengths, from the end.
fn undated<'n>(name: &'n str, lengths: &[usize]) -> &'n str {
    let mut rest = name;
    for length in lengths {
        match rest.rsplit_once('-') {
            Some((front, group)) if group.len() == *length && is_number(group) => rest = front,
            _ => return name,
        }
    }
    rest
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns whether a field goes with the `supported_parameters` of an operator's entry.
fn applies(field: &str, own: &Map<String, Value>) -> bool {
    let Some(supported) = own.get("supported_parameters") else { return true };
    let mut supported = supported.as_array().into_iter().flatten();
    let described = PARAMETER_FIELDS.iter().find(|(of_parameter, _)| *of_parameter == field);
    described.is_none_or(|(_, parameter)| supported.any(|own| own == parameter))
}

/// Returns a family's fields with a model's own put over them. `null` removes a field.
fn merged(mut fields: Map<String, Value>, own: Map<String, Value>) -> Map<String, Value> {
    fields.extend(own);
    fields.retain(|_, value| !value.is_null());
    fields
}

fn from_value<T: for<'de> Deserialize<'de>>(value: Value) -> Result<T, String> {
    serde_json::from_value(value).map_err(|error| error.to_string())
}
