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
        let found = self.found_in(catalogue);
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

impl ServedModel {
    /// Whether both are the same model, in the catalogue or in the APIs of their providers.
    pub(crate) fn is_same_model(&self, other: &Self, catalogue: &Catalogue) -> bool {
        let names = [self, other].map(|own| own.found_in(catalogue).map(|(name, _)| name));
        match names {
            [None, None] => self.upstream_model == other.upstream_model,
            [own, of_other] => own == of_other,
        }
    }

    /// Returns the name and the fields of the model in the catalogue.
    fn found_in<'c>(&self, catalogue: &'c Catalogue) -> Option<(&'c str, &'c Map<String, Value>)> {
        let mut names = self.base_model.iter().chain([&self.upstream_model]);
        names.find_map(|name| catalogue.find(name))
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
