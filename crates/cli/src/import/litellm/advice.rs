//! The remarks of an import. The advice for each key of LiteLLM's configuration is in
//! `crates/cli/litellm.yaml`, compiled into the command.

use std::{collections::BTreeMap, fmt};

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::yaml;

/// Remark about one item of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::import) struct Remark {
    /// Keys from the top, as in `model_list[0].litellm_params.api_key`.
    path: String,
    /// Treatment of the item, and the operator's next step.
    advice: String,
}

impl Remark {
    pub(super) fn new(path: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { path: path.into(), advice: advice.into() }
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.advice)
    }
}

/// Advice for keys that are not carried over.
#[derive(Debug, Deserialize)]
pub(super) struct Advice {
    /// Advice for keys that are not listed.
    other: String,
    /// Advice by section and key. An empty text: nothing to report.
    #[serde(flatten)]
    sections: BTreeMap<String, BTreeMap<String, String>>,
}

impl Advice {
    /// Returns the advice that is compiled into the command.
    pub(super) fn built_in() -> Result<Self, String> {
        let document = yaml::parse(include_str!("../../../litellm.yaml"))?;
        serde_json::from_value(document).map_err(|error| format!("the advice: {error}"))
    }

    /// Adds a remark for each field of a section that is not carried over. `path` leads to the
    /// section.
    pub(super) fn report(
        &self,
        section: &str,
        path: &str,
        fields: &Map<String, Value>,
        remarks: &mut Vec<Remark>,
    ) {
        let listed = self.sections.get(section);
        for (key, value) in fields {
            let advice = listed.and_then(|listed| listed.get(key)).unwrap_or(&self.other);
            if !advice.is_empty() && is_set(value) {
                remarks.push(Remark::new(joined(path, key), advice));
            }
        }
    }
}

/// Returns whether a value differs from an absent one.
fn is_set(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        _ => true,
    }
}

/// Returns the path of a key.
pub(super) fn joined(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
