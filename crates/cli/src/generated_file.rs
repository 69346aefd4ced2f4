//! A `gateway.yaml` that the command writes: its text, and the fields that follow from the others.

use std::path::Path;

use attache::config::{Config, Problem};
use serde_json::{Value, json};

use crate::{
    catalogue::Catalogue,
    gateway_file::GatewayFile,
    new_file::{self, Existing},
    yaml,
};

/// Writes a document and reads it again. `origin` says where it comes from.
pub(crate) fn write(
    path: &Path,
    document: &Value,
    origin: &str,
    existing: Existing,
) -> Result<GatewayFile, String> {
    let head = format!(
        "# Configuration of the gateway, {origin}.\n# docs/configuration.md describes every field.\n\n"
    );
    new_file::write(path, &(head + &yaml::text(document)?), existing)?;
    GatewayFile::read(path)
}

/// Sets `allow_private` of each provider with a URL that needs it.
pub(crate) fn allow_private_hosts(document: &mut Value, catalogue: &Catalogue) {
    let mut complete = document.clone();
    catalogue.complete(&mut complete);
    let mistakes = Config::parse(&complete).err().unwrap_or_default();
    let providers = document.get_mut("providers").and_then(Value::as_object_mut);
    for (name, entry) in providers.into_iter().flatten() {
        let urls = format!("providers.{name}.base_url.");
        let needs_it = mistakes.iter().any(|mistake| match &mistake.problem {
            Problem::Wrong { allowed, .. } => {
                mistake.path.starts_with(&urls) && allowed.contains("`allow_private: true`")
            }
            _ => false,
        });
        if let Some(fields) = entry.as_object_mut().filter(|_| needs_it) {
            fields.insert("allow_private".to_owned(), json!(true));
        }
    }
}
