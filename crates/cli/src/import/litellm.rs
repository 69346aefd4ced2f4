//! The translation of a LiteLLM proxy's configuration (`config.yaml`) to `gateway.yaml`.
//! <https://docs.litellm.ai/docs/proxy/config_settings>

mod advice;
mod endpoints;
mod models;
mod providers;
mod settings;
mod source;
#[cfg(test)]
mod tests;
mod values;

use serde_json::{Map, Value, json};

use self::{
    advice::{Advice, Remark},
    models::ImportedModels,
    providers::ProviderEntries,
    source::Source,
};
use crate::{catalogue::Catalogue, generated_file, known_providers::KnownProviders};

/// Result of an import.
#[derive(Debug)]
pub(super) struct Imported {
    /// Document of a `gateway.yaml`.
    pub(super) document: Value,
    /// Remarks about items that are not carried over, or that the operator must complete.
    pub(super) remarks: Vec<Remark>,
}

/// Function from the name of an environment variable to its value.
type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

/// Data that the translation looks up.
struct Lookup {
    catalogue: Catalogue,
    known: KnownProviders,
    advice: Advice,
}

/// Region of the imported gateway. LiteLLM has no regions, and the US gateway may use any host.
const REGION: &str = "us";

/// Name of the account that has the master key.
const ACCOUNT: &str = "default";

/// Name of the account's plan.
const PLAN: &str = "default";

/// Translates a configuration.
pub(super) fn import(text: &str, environment: Environment<'_>) -> Result<Imported, String> {
    let lookup = Lookup {
        catalogue: Catalogue::built_in()?,
        known: KnownProviders::built_in()?,
        advice: Advice::built_in()?,
    };
    let source = Source::parse(text, environment)?;
    let mut remarks = source.remarks(&lookup.advice);
    let mut providers = ProviderEntries::default();
    let mut models = ImportedModels::default();
    let mut deployments = source.deployments(&lookup.known, &mut remarks);
    // A wildcard stands for the models that have no entry of their own.
    deployments.sort_by_key(models::is_wildcard);
    for deployment in deployments {
        models.add(deployment, &source, &lookup, &mut providers, &mut remarks);
    }
    if models.is_empty() {
        return Err(no_model(&remarks));
    }
    settings::apply(&source, &mut models, &mut remarks);
    let mut document = json!({"listeners": {REGION: {"address": "0.0.0.0", "port": 4000}}});
    let parts = [
        settings::top_level(&source, &mut remarks),
        access(&models),
        providers.section(),
        models.sections(&lookup),
    ];
    if let Value::Object(fields) = &mut document {
        fields.extend(parts.into_iter().flatten());
    }
    generated_file::allow_private_hosts(&mut document, &lookup.catalogue);
    Ok(Imported { document, remarks })
}

/// Returns the error of a file without a model that can be imported, with the reasons.
fn no_model(remarks: &[Remark]) -> String {
    let reasons: String = remarks.iter().map(|remark| format!("\n  {remark}")).collect();
    format!("model_list has no model that the gateway can serve{reasons}")
}

/// Returns the plan, with the limits of the models, and the account.
fn access(models: &ImportedModels) -> Map<String, Value> {
    let mut plan = Map::from_iter([("requests_per_minute".to_owned(), json!("unlimited"))]);
    let limits = models.limits();
    if !limits.is_empty() {
        plan.insert("models".to_owned(), Value::Object(limits));
    }
    let key_files = [format!("secrets/{ACCOUNT}.key")];
    Map::from_iter([
        ("plans".to_owned(), json!({PLAN: plan})),
        ("accounts".to_owned(), json!({ACCOUNT: {"plan": PLAN, "key_files": key_files}})),
    ])
}
