//! The operator's file, `gateway.yaml`: read, checked, and named in every message about it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use attache::config::{Config, Invalid};
use serde_json::Value;

use crate::at_path;

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
    /// Reads a file. The error lists every mistake in it.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(path).map_err(|error| at_path(path, &error))?;
        let document = parse_yaml(&text).map_err(|error| at_path(path, &error))?;
        match Config::parse(&document) {
            Ok(config) => Ok(Self { path: path.to_owned(), config, document }),
            Err(mistakes) => Err(mistake_report(path, &mistakes)),
        }
    }

    /// Returns the directory that relative paths in the file start from.
    pub(crate) fn base_dir(&self) -> Result<PathBuf, String> {
        let path = self.path.canonicalize().map_err(|error| at_path(&self.path, &error))?;
        Ok(path.parent().unwrap_or(Path::new("/")).to_owned())
    }

    /// Returns an error that lists the mistakes, if there are any.
    pub(crate) fn refuse(&self, mistakes: &[Invalid]) -> Result<(), String> {
        if mistakes.is_empty() { Ok(()) } else { Err(mistake_report(&self.path, mistakes)) }
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

/// Parses YAML 1.2, where `n` and `no` are strings.
fn parse_yaml(text: &str) -> Result<Value, String> {
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| format!("not YAML: {error}"))
}

/// Returns one line for every mistake, and a last line with their number.
fn mistake_report(path: &Path, mistakes: &[Invalid]) -> String {
    let shown = path.display();
    let lines = mistakes.iter().map(|mistake| format!("{shown}: {mistake}\n"));
    format!("{}{shown}: mistakes: {}", lines.collect::<String>(), mistakes.len())
}
