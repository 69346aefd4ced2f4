//! The keys of accounts, read from their files.

use std::{fs, io, path::Path};

use serde::Serialize;

use super::{RenderError, RenderOptions};
use attache::config::Config;

/// The file that maps keys to accounts.
pub const FILE: &str = "keys.yaml";

/// A key of an account.
#[derive(Serialize)]
pub(super) struct AccountKey<'c> {
    account: &'c str,
    key: String,
}

/// Reads every key of every account.
pub(super) fn account_keys<'c>(
    config: &'c Config,
    options: &RenderOptions,
) -> Result<Vec<AccountKey<'c>>, RenderError> {
    let mut keys: Vec<AccountKey<'c>> = Vec::new();
    for (account, entry) in &config.accounts {
        for file in &entry.key_files {
            let path = options.base.join(file);
            let key = read_key(&path).map_err(|error| RenderError::Key(path.clone(), error))?;
            // Envoy refuses the whole list if it has a key twice.
            if let Some(known) = keys.iter().find(|known| known.key == key) {
                return Err(RenderError::SameKey(path, known.account.to_owned()));
            }
            keys.push(AccountKey { account, key });
        }
    }
    Ok(keys)
}

/// Reads the key of an account. A key that is empty is an error.
pub(crate) fn read_key(path: &Path) -> io::Result<String> {
    let key = fs::read_to_string(path)?.trim().to_owned();
    if key.is_empty() { Err(io::Error::other("it is empty")) } else { Ok(key) }
}
