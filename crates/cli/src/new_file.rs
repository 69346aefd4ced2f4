//! Files that the command writes for an operator to edit: only new ones, unless told otherwise.

use std::{
    fs::{self, OpenOptions},
    io::{ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use crate::at_path;

/// Treatment of a file that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existing {
    /// The file stays, and the command fails.
    Kept,
    /// The file is replaced.
    Replaced,
}

impl Existing {
    /// Returns the treatment that the option `--force` selects.
    pub(crate) fn with_force(force: bool) -> Self {
        if force { Self::Replaced } else { Self::Kept }
    }
}

/// Writes a file that everyone may read.
pub(crate) fn write(path: &Path, text: &str, existing: Existing) -> Result<(), String> {
    let mut options = OpenOptions::new();
    options.write(true);
    match existing {
        Existing::Kept => options.create_new(true),
        Existing::Replaced => options.create(true).truncate(true),
    };
    let written = options.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => at_path(path, &"exists, `--force` replaces it"),
        _ => at_path(path, &error),
    })
}

/// Writes a file that only its owner may read, with its directory, unless the file exists. Returns
/// whether it was written.
pub(crate) fn write_secret(path: &Path, text: &str) -> Result<bool, String> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).map_err(|error| at_path(dir, &error))?;
    }
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    match file.and_then(|mut file| file.write_all(text.as_bytes())) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(at_path(path, &error)),
    }
}
