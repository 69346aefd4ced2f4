//! Entries of `models` in files that the command writes.

use serde_json::{Map, Value, json};

use crate::{catalogue::Catalogue, known_providers::KnownProviders};

/// A model at a provider, to be named in `models`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServedModel {
    /// Region of the endpoint.
    pub(crate) region: &'static str,
    /// Name of the provider's entry.
    pub(crate) provider: String,
    /// API schema of the provider.
    pub(crate) api_schema: String,
    /// Name in the provider's API.
    pub(crate) upstream_model: String,
    /// Name under which the catalogue may have the model, if it is not that in the provider's API.
    pub(crate) base_model: Option<String>,
}

/// Origin of the fields of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldOrigin {
    /// The model catalogue.
    Catalogue,
    /// Assumptions about a model that the catalogue does not have.
    Assumed,
}

impl ServedModel {
    /// Returns the entry under a name. It has only `regions` if the catalogue has the model under that
    /// name, and all required fields otherwise.
    pub(crate) fn entry(
        &self,
        name: &str,
        catalogue: &Catalogue,
        known: &KnownProviders,
    ) -> (Map<String, Value>, FieldOrigin) {
        let mut entry = Map::new();
        let endpoint = json!({"provider": self.provider, "upstream_model": self.upstream_model});
        entry.insert("regions".to_owned(), json!({self.region: endpoint}));
        let mut names = self.base_model.iter().chain([&self.upstream_model]);
        let found = names.find_map(|name| catalogue.find(name));
        match found {
            Some((own, _)) if own == name => {}
            Some((_, fields)) => entry.extend(fields.clone()),
            None => {
                entry.insert("name".to_owned(), json!(name));
                entry.extend(known.assumptions(&self.api_schema));
            }
        }
        (entry, if found.is_some() { FieldOrigin::Catalogue } else { FieldOrigin::Assumed })
    }
}

/// Longest name of an entry.
pub(crate) const MAX_NAME: usize = 64;

/// Returns a text as the name of an entry: with `-` for characters that names do not have.
pub(crate) fn valid_name(text: &str) -> String {
    let is_valid = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let parts = text.split(|c| !is_valid(c)).filter(|part| !part.is_empty());
    let name = parts.collect::<Vec<_>>().join("-");
    let name = name.trim_start_matches(['-', '_', '.']);
    let name = name.get(..MAX_NAME.min(name.len())).unwrap_or_default();
    if name.is_empty() { "model".to_owned() } else { name.to_owned() }
}
