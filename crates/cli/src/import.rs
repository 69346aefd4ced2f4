//! Files that the command writes from the configurations of other gateways.

mod litellm;

use std::{env, fs, path::Path};

use self::litellm::Imported;
use crate::{at_path, generated_file, new_file::Existing};

/// Writes a `gateway.yaml` from the configuration of a LiteLLM proxy, and prints a line for each item
/// that is not carried over.
pub(crate) fn litellm(source: &Path, out: &Path, existing: Existing) -> Result<(), String> {
    let text = fs::read_to_string(source).map_err(|error| at_path(source, &error))?;
    let imported = litellm::import(&text, &|variable| env::var(variable).ok());
    let Imported { document, remarks } = imported.map_err(|error| at_path(source, &error))?;
    let origin = format!("from {} by `attache import litellm`", source.display());
    let file = generated_file::write(out, &document, &origin, existing);
    for remark in &remarks {
        eprintln!("{}: {remark}", source.display());
    }
    let file = file?;
    let (models, providers) = (file.config.models.len(), file.config.providers.len());
    file.report(&format!("{models} models of {providers} providers, remarks: {}", remarks.len()));
    Ok(())
}
