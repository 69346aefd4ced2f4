//! Well-known providers, for files that the command writes. The data are in
//! `crates/cli/providers.yaml`, compiled into the command.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::yaml;

/// All well-known providers, in the order of the file.
#[derive(Debug)]
pub(crate) struct KnownProviders {
    providers: Vec<(String, KnownProvider)>,
    assumptions: Map<String, Value>,
}

/// One API of a well-known provider.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KnownProvider {
    /// Words before the `/` in LiteLLM's names.
    prefixes: Vec<String>,
    /// Words that may follow the prefix and are no part of the model's name.
    #[serde(default)]
    pub(crate) routes: Vec<String>,
    /// Texts of which the model's name must contain one. Empty: any name.
    #[serde(default)]
    models: Vec<String>,
    /// Ends of the provider's own hosts. A server at another host only resembles it.
    #[serde(default)]
    hosts: Vec<String>,
    /// Family of the model catalogue that the provider's own models belong to.
    pub(crate) family: Option<String>,
    /// Environment variable that holds the key by custom.
    pub(crate) key_variable: Option<String>,
    /// Base URL; `{…}` is a parameter of the deployment.
    pub(crate) base_url: Option<String>,
    /// Base URL in the EU.
    pub(crate) eu_base_url: Option<String>,
    /// End of every base URL.
    pub(crate) api_path: Option<String>,
    /// Other fields of an entry of `providers`.
    pub(crate) fields: Map<String, Value>,
}

/// The file of the providers.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProvidersFile {
    providers: Map<String, Value>,
    assumptions: Map<String, Value>,
}

/// Name of the provider of servers that are compatible with OpenAI.
const COMPATIBLE: &str = "compatible";

impl KnownProviders {
    /// Returns the providers that are compiled into the command.
    pub(crate) fn built_in() -> Result<Self, String> {
        Self::parse(include_str!("../providers.yaml"))
            .map_err(|error| format!("the providers: {error}"))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let file = serde_json::from_value(yaml::parse(text)?);
        let file: ProvidersFile = file.map_err(|error| error.to_string())?;
        let read = |(name, entry): (String, Value)| match serde_json::from_value(entry) {
            Ok(provider) => Ok((name, provider)),
            Err(error) => Err(format!("{name}: {error}")),
        };
        let providers = file.providers.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self { providers, assumptions: file.assumptions })
    }

    /// Returns the first provider with a prefix of LiteLLM's and a model of that name.
    pub(crate) fn serving(&self, prefix: &str, model: &str) -> Option<(&str, &KnownProvider)> {
        let mut providers = self.iter();
        providers.find(|(_, provider)| provider.has_prefix(prefix) && provider.serves(model))
    }

    /// Returns whether a word is a prefix of LiteLLM's.
    pub(crate) fn has_prefix(&self, word: &str) -> bool {
        self.iter().any(|(_, provider)| provider.has_prefix(word))
    }

    /// Returns a provider by its name.
    pub(crate) fn named(&self, name: &str) -> Option<&KnownProvider> {
        self.iter().find(|(own, _)| *own == name).map(|(_, provider)| provider)
    }

    /// Returns the provider of servers that are compatible with OpenAI, with its name.
    pub(crate) fn compatible(&self) -> Option<(&str, &KnownProvider)> {
        self.iter().find(|(name, _)| *name == COMPATIBLE)
    }

    /// Returns all providers with their names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &KnownProvider)> {
        self.providers.iter().map(|(name, provider)| (name.as_str(), provider))
    }

    /// Returns the fields of a model that the catalogue does not have.
    pub(crate) fn assumptions(&self, api_schema: &str) -> Map<String, Value> {
        let fields = self.assumptions.get(api_schema).and_then(Value::as_object);
        fields.cloned().unwrap_or_default()
    }
}

impl KnownProvider {
    fn has_prefix(&self, word: &str) -> bool {
        self.prefixes.iter().any(|prefix| prefix == word)
    }

    fn serves(&self, model: &str) -> bool {
        self.models.is_empty() || self.models.iter().any(|part| model.contains(part))
    }

    /// Returns whether a URL is that of the provider itself.
    pub(crate) fn owns(&self, url: &str) -> bool {
        let (_, rest) = url.split_once("://").unwrap_or(("", url));
        let host = rest.split(['/', ':']).next().unwrap_or_default();
        self.hosts.is_empty() || self.hosts.iter().any(|end| host.ends_with(end))
    }

    /// Returns the API schema.
    pub(crate) fn api_schema(&self) -> &str {
        self.fields.get("api_schema").and_then(Value::as_str).unwrap_or("openai")
    }

    /// Returns the entry of `providers` with a base URL in one region.
    pub(crate) fn entry(
        &self,
        region: &str,
        base_url: &str,
        key_file: Option<&str>,
    ) -> Map<String, Value> {
        let mut entry = Map::new();
        entry.insert("api_schema".to_owned(), json!(self.api_schema()));
        entry.insert("base_url".to_owned(), json!({region: base_url}));
        if let Some(file) = key_file {
            entry.insert("key_file".to_owned(), json!(file));
        }
        entry.extend(self.fields.clone());
        entry
    }
}
