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
