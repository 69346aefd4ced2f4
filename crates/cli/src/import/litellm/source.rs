//! A LiteLLM configuration as it is written: sections, deployments, and values from the environment.

use serde_json::{Map, Value};

use super::{
    Environment,
    advice::{Advice, Remark, joined},
};
use crate::{known_providers::KnownProviders, yaml};

/// Configuration of a LiteLLM proxy.
pub(super) struct Source<'e> {
    document: Map<String, Value>,
    environment: Environment<'e>,
}

/// Value of a field that may be in the environment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Setting {
    /// A text in the file.
    Text(String),
    /// A variable that the file names, `os.environ/NAME`.
    Variable(String),
}

/// One entry of `model_list`.
#[derive(Debug)]
pub(super) struct Deployment {
    /// Path of the entry.
    pub(super) path: String,
    /// Name that clients use, which several deployments may share.
    pub(super) group: String,
    /// Prefix of `litellm_params.model`, which selects the provider.
    pub(super) prefix: String,
    /// Rest of `litellm_params.model`.
    pub(super) model: String,
    /// `litellm_params`, with the credentials that they name.
    pub(super) params: Map<String, Value>,
    /// `model_info`.
    pub(super) info: Map<String, Value>,
}

/// Prefixes of providers by the beginning of a model's name without a prefix.
const INFERRED: [(&str, &str); 3] =
    [("claude", "anthropic"), ("gemini", "vertex_ai"), ("command", "cohere")];

/// Mode of a model for embeddings.
const EMBEDDING: &str = "embedding";

/// Sections whose fields are settings.
const SECTIONS: [&str; 3] = ["litellm_settings", "router_settings", "general_settings"];

impl<'e> Source<'e> {
    /// Parses a configuration.
    pub(super) fn parse(text: &str, environment: Environment<'e>) -> Result<Self, String> {
        match yaml::parse(text)? {
            Value::Object(document) if document.get("model_list").is_some_and(Value::is_array) => {
                Ok(Self { document, environment })
            }
            _ => Err("not a configuration of LiteLLM: there is no list `model_list`".to_owned()),
        }
    }

    /// Returns remarks about the sections other than `model_list`.
    pub(super) fn remarks(&self, advice: &Advice) -> Vec<Remark> {
        let mut remarks = Vec::new();
        advice.report("document", "", &self.document, &mut remarks);
        for section in SECTIONS {
            advice.report(section, section, &self.section(section), &mut remarks);
        }
        remarks
    }

    /// Returns the fields of a section, none if it is absent.
    pub(super) fn section(&self, name: &str) -> Map<String, Value> {
        object(self.document.get(name))
    }

    /// Returns a setting with its path. The router's own section precedes that of the library.
    pub(super) fn router_setting(&self, key: &str) -> Option<(String, Value)> {
        ["router_settings", "litellm_settings"].into_iter().find_map(|section| {
            let value = self.section(section).remove(key).filter(|value| !value.is_null())?;
            Some((joined(section, key), value))
        })
    }

    /// Returns the deployments of chat models, and adds remarks about the others.
    pub(super) fn deployments(
        &self,
        known: &KnownProviders,
        remarks: &mut Vec<Remark>,
    ) -> Vec<Deployment> {
        let entries = self.document.get("model_list").and_then(Value::as_array);
        let entries = entries.into_iter().flatten().enumerate();
        let mut found = Vec::new();
        for (index, entry) in entries {
            let path = format!("model_list[{index}]");
            match self.deployment(&path, entry, known) {
                Ok(deployment) => found.push(deployment),
                Err(remark) => remarks.push(remark),
            }
        }
        found
    }

    fn deployment(
        &self,
        path: &str,
        entry: &Value,
        known: &KnownProviders,
    ) -> Result<Deployment, Remark> {
        let mut params = object(entry.get("litellm_params"));
        self.add_credentials(&mut params);
        let info = object(entry.get("model_info"));
        let (Some(group), Some(model)) = (text(entry.get("model_name")), text(params.get("model")))
        else {
            return Err(Remark::new(
                path,
                "left out: it needs `model_name` and `litellm_params.model`",
            ));
        };
        let mode = text(info.get("mode")).unwrap_or("chat");
        if !["chat", "completion", "responses", EMBEDDING].contains(&mode) {
            let advice = "left out: the gateway serves models for chat and for embeddings";
            return Err(Remark::new(format!("{path}.model_info.mode"), advice));
        }
        let prefix = text(params.get("custom_llm_provider"));
        let (prefix, model) = split_model(model, prefix, known);
        let (group, prefix, model) = (group.to_owned(), prefix.to_owned(), model.to_owned());
        Ok(Deployment { path: path.to_owned(), group, prefix, model, params, info })
    }

    /// Adds the values of `credential_list` that the parameters name.
    fn add_credentials(&self, params: &mut Map<String, Value>) {
        let name = params.get("litellm_credential_name").cloned();
        let list = self.document.get("credential_list").and_then(Value::as_array);
        let mut list = list.into_iter().flatten();
        let named =
            list.find(|entry| name.is_some() && entry.get("credential_name") == name.as_ref());
        for (key, value) in object(named.and_then(|entry| entry.get("credential_values"))) {
            params.entry(key).or_insert(value);
        }
    }

    /// Returns the value of an environment variable: that in the file, or that of this process.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        let own = self.section("environment_variables");
        let own = text(own.get(name)).filter(|text| !text.starts_with(VARIABLE));
        let value = own.map(str::to_owned).or_else(|| (self.environment)(name));
        value.filter(|value| !value.is_empty())
    }
}

/// Beginning of a value that is in an environment variable.
const VARIABLE: &str = "os.environ/";

impl Deployment {
    /// Returns whether the model is for embeddings.
    pub(super) fn is_for_embeddings(&self) -> bool {
        text(self.info.get("mode")) == Some(EMBEDDING)
    }
}

impl Setting {
    /// Returns a text or a number. `None` for other values.
    pub(super) fn read(value: &Value) -> Option<Self> {
        let text = match value {
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        let variable = text.strip_prefix(VARIABLE).map(str::to_owned);
        Some(variable.map_or(Self::Text(text), Self::Variable))
    }
}

/// Returns the fields of an object, none for any other value.
pub(super) fn object(value: Option<&Value>) -> Map<String, Value> {
    value.and_then(Value::as_object).cloned().unwrap_or_default()
}

fn text(value: Option<&Value>) -> Option<&str> {
    value.and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty())
}

/// Returns the prefix and the rest of LiteLLM's name of a model.
fn split_model<'m>(
    model: &'m str,
    provider: Option<&'m str>,
    known: &KnownProviders,
) -> (&'m str, &'m str) {
    match (provider, model.split_once('/')) {
        (Some(provider), Some((prefix, rest))) if prefix == provider => (provider, rest),
        (Some(provider), _) => (provider, model),
        (None, Some((prefix, rest))) if known.has_prefix(prefix) => (prefix, rest),
        (None, Some((prefix, _))) => (prefix, model),
        (None, None) => {
            let mut inferred = INFERRED.iter();
            let inferred = inferred.find(|(start, _)| model.starts_with(start));
            (inferred.map_or("openai", |(_, prefix)| prefix), model)
        }
    }
}
