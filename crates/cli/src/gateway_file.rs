//! The operator's file, `gateway.yaml`: read, checked, and named in every message about it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use attache::config::{Config, Invalid};
use serde_json::Value;

use crate::{at_path, catalogue::Catalogue, yaml};

/// The operator's file after a reading without mistakes.
#[derive(Debug)]
pub(crate) struct GatewayFile {
    path: PathBuf,
    /// The configuration it holds.
    pub(crate) config: Config,
    /// The document the configuration was parsed from, which Envoy hands to the module.
    pub(crate) document: Value,
}

impl GatewayFile {
    /// Reads a file and completes its models from the catalogue. The error lists every mistake.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(path).map_err(|error| at_path(path, &error))?;
        let mut document = yaml::parse(&text).map_err(|error| at_path(path, &error))?;
        let added = Catalogue::built_in()?.complete(&mut document);
        match Config::parse(&document) {
            Ok(config) => Ok(Self { path: path.to_owned(), config, document }),
            Err(mistakes) => Err(mistake_report(path, &mistakes, &added)),
        }
    }

    /// Returns the directory that relative paths in the file start from.
    pub(crate) fn base_dir(&self) -> Result<PathBuf, String> {
        let path = self.path.canonicalize().map_err(|error| at_path(&self.path, &error))?;
        Ok(path.parent().unwrap_or(Path::new("/")).to_owned())
    }

    /// Returns an error that lists the mistakes, if there are any.
    pub(crate) fn refuse(&self, mistakes: &[Invalid]) -> Result<(), String> {
        if mistakes.is_empty() { Ok(()) } else { Err(mistake_report(&self.path, mistakes, &[])) }
    }

    /// Prints a warning about the file.
    pub(crate) fn warn(&self, warning: &str) {
        eprintln!("{}: warning: {warning}", self.path.display());
    }

    /// Prints a result about the file.
    pub(crate) fn report(&self, result: &str) {
        println!("{}: {result}", self.path.display());
    }
}

/// Returns the document of an operator's file, its models completed from the catalogue.
pub fn document(text: &str) -> Result<Value, String> {
    let mut document = yaml::parse(text)?;
    Catalogue::built_in()?.complete(&mut document);
    Ok(document)
}

/// Returns one line for every mistake, and a last line with their number. `added` has the paths of
/// the fields that are the catalogue's, and not in the file.
fn mistake_report(path: &Path, mistakes: &[Invalid], added: &[String]) -> String {
    let shown = path.display();
    let line = |mistake: &Invalid| {
        let is_added = added.iter().any(|field| is_within(&mistake.path, field));
        let note = if is_added { " (a field of the model catalogue)" } else { "" };
        format!("{shown}: {mistake}{note}\n")
    };
    let lines: String = mistakes.iter().map(line).collect();
    format!("{lines}{shown}: mistakes: {}", mistakes.len())
}

/// Returns whether a path is that of a field, or leads into its value.
fn is_within(path: &str, field: &str) -> bool {
    let rest = path.strip_prefix(field);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the messages about a file with one model, whose entry has these further lines.
    fn mistakes(fields: &str) -> String {
        let yaml = format!(
            "
listeners: {{us: {{port: 8080}}}}
plans: {{paid: {{requests_per_minute: 30}}}}
accounts: {{acme: {{plan: paid, key_files: [acme.key]}}}}
providers: {{p: {{api_schema: openai, base_url: {{us: https://example.com}}}}}}
models:
  gpt-4.1:
    {fields}
"
        );
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gateway.yaml");
        fs::write(&path, yaml).unwrap();
        let report = GatewayFile::read(&path).err().unwrap_or_default();
        report.replace(&format!("{}: ", path.display()), "")
    }

    #[test]
    fn a_mistake_names_the_field_in_the_file_and_whether_the_catalogue_has_it() {
        let regions = "regions: {us: {provider: p, upstream_model: m}}";
        let cases = [
            (regions.to_owned(), ""),
            (
                format!("{regions}\n    context_length: 16000"),
                "models.gpt-4.1.max_output_tokens: found `32768`, allowed: at most the \
                 context_length, `16000` (a field of the model catalogue)\nmistakes: 1",
            ),
            (
                format!("{regions}\n    max_output_tokens: 2000000"),
                "models.gpt-4.1.max_output_tokens: found `2000000`, allowed: at most the \
                 context_length, `1047576`\nmistakes: 1",
            ),
            (
                "name: Own".to_owned(),
                "models.gpt-4.1.regions: missing, allowed: an object, `us`, `eu` or `global` to \
                 provider and upstream_model\nmistakes: 1",
            ),
        ];
        for (fields, expected) in cases {
            assert_eq!(mistakes(&fields), expected, "{fields}");
        }
    }

    #[test]
    fn a_file_that_is_missing_or_no_yaml_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gateway.yaml");
        let shown = path.display().to_string();
        assert!(GatewayFile::read(&path).unwrap_err().starts_with(&format!("{shown}: ")));
        fs::write(&path, "models: {").unwrap();
        let error = GatewayFile::read(&path).unwrap_err();
        assert!(error.starts_with(&format!("{shown}: not YAML: ")), "{error}");
    }
}
