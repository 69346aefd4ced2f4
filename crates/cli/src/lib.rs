//! The command `attache` as a library, for tests:
//!
//! - [`command`]: the command line
//! - [`gateway_file`]: the operator's file, read and checked
//! - `catalogue`: the properties of well-known models, which complete the file
//! - `import`, `init`: a new file, from the configuration of another gateway or from answers
//! - `generated_file`, `known_providers`, `served_model`, `new_file`: the parts of a new file
//! - `dns_check`, `warnings`, `retirement`, `inotify`: problems beyond the file itself
//! - [`render`]: the configuration of Envoy or Istio
//! - `output_dir`: the directory that Envoy watches
//! - `token`: access tokens of Google Cloud in key files
//! - `yaml`: YAML as people write it

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)
)]

mod catalogue;
pub mod command;
mod dns_check;
mod drain;
pub mod gateway_file;
mod generated_file;
mod import;
mod init;
mod inotify;
mod known_providers;
mod new_file;
mod output_dir;
pub mod render;
mod retirement;
pub mod schema;
mod served_model;
mod token;
mod warnings;
mod yaml;

use std::{fmt::Display, path::Path};

/// Returns an error message that begins with the path it is about.
fn at_path(path: &Path, error: &dyn Display) -> String {
    format!("{}: {error}", path.display())
}
