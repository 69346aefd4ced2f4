//! YAML as people write it: the operator's file and the model catalogue.

use serde_json::Value;

/// Parses YAML 1.2, where `n` and `no` are strings.
pub(crate) fn parse(text: &str) -> Result<Value, String> {
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| format!("not YAML: {error}"))
}
