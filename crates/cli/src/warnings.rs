//! Warnings about a configuration without mistakes: files that `attache render` or Envoy will not find,
//! requests that will fail, answers that no budget counts, and an administration interface that
//! strangers can reach.

use std::{collections::BTreeMap, fs, net::IpAddr, path::Path};

use attache::config::{Config, auth::Auth};

use crate::render::keys::read_key;

/// Returns the warnings about files below `base`, about prices and about the administration
/// interface, each with the path of its field.
pub(crate) fn warnings(config: &Config, base: &Path) -> Vec<String> {
    let warning = |(field, file): (String, &String)| {
        let problem = key_problem(&base.join(file))?;
        Some(format!("{field}: `{file}` {problem}"))
    };
    let of_keys = key_files(config).into_iter().filter_map(warning);
    let of_files = account_key_warnings(config, base).into_iter().chain(of_keys);
    let of_files = of_files.chain(other_file_warnings(config, base));
    of_files.chain(price_warning(config)).chain(admin_warning(config)).collect()
}

/// Returns the warnings about the keys of accounts, with which `attache render` would fail.
fn account_key_warnings(config: &Config, base: &Path) -> Vec<String> {
    let mut accounts = BTreeMap::new();
    let mut warnings = Vec::new();
    for (account, own) in &config.accounts {
        for (index, file) in own.key_files.iter().enumerate() {
            let problem = match read_key(&base.join(file)) {
                Err(error) => format!("cannot be read: {error}"),
                Ok(key) => match accounts.insert(key, account) {
                    None => continue,
                    Some(other) => format!("has a key that account `{other}` has already"),
                },
            };
            let field = format!("accounts.{account}.key_files[{index}]");
            warnings.push(format!("{field}: `{file}` {problem}; `attache render` will fail"));
        }
    }
    warnings
}

/// Returns the warnings about files that Envoy reads besides keys.
fn other_file_warnings(config: &Config, base: &Path) -> Vec<String> {
    let of_listeners = config.listeners.iter().flat_map(|(region, listener)| {
        let field = move |name: &str| format!("listeners.{}.tls.{name}", region.name());
        let files = listener.tls.iter().flat_map(|tls| {
            [
                ("certificate_file", &tls.certificate_file),
                ("private_key_file", &tls.private_key_file),
            ]
        });
        files.map(move |(name, file)| (field(name), file, "Envoy accepts no connection without it"))
    });
    let of_providers =
        config.providers.iter().filter_map(|(name, provider)| match &provider.auth {
            Some(Auth::Aws(aws)) => {
                let field = format!("providers.{name}.auth.aws.credentials_file");
                Some((field, aws.credentials_file.as_ref()?, "requests that need it fail"))
            }
            _ => None,
        });
    let warning = |(field, file, effect): (String, &String, &str)| {
        let error = fs::File::open(base.join(file)).err()?;
        Some(format!("{field}: `{file}` cannot be read: {error}; {effect}"))
    };
    of_listeners.chain(of_providers).filter_map(warning).collect()
}

/// Returns the key files, each with the path of its field.
fn key_files(config: &Config) -> Vec<(String, &String)> {
    let mut files: Vec<(String, &String)> = Vec::new();
    for (name, own) in &config.providers {
        for (index, file) in own.secret_files().iter().enumerate() {
            let field = match own.key_files.len() {
                0 => "auth.azure.client_secret_file".to_owned(),
                1 => "key_file".to_owned(),
                _ => format!("key_files[{index}]"),
            };
            files.push((format!("providers.{name}.{field}"), file));
        }
    }
    let of_services = config.services();
    files.extend(
        of_services.filter_map(|own| Some((format!("{}.key_file", own.name), own.key_file?))),
    );
    files
}

/// Returns a warning if an account has a budget, and a model no price.
fn price_warning(config: &Config) -> Option<String> {
    config.accounts.keys().find(|account| config.budget(account).is_some())?;
    let unknown = config.models.iter().filter(|(_, model)| model.price.is_none());
    let unknown: Vec<&str> = unknown.map(|(name, _)| name.as_str()).collect();
    (!unknown.is_empty()).then(|| {
        let names = unknown.join("`, `");
        format!("models: without a `price`, no budget counts the answers of `{names}`")
    })
}

/// Returns a warning if Envoy's administration interface, which takes commands without a key, is not
/// on loopback.
fn admin_warning(config: &Config) -> Option<String> {
    let address = &config.admin.address;
    let is_loopback = address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    (!is_loopback).then(|| {
        format!("admin.address: whoever reaches `{address}` can stop Envoy: keep it on loopback")
    })
}

/// Returns the reason why a key file is unusable.
fn key_problem(path: &Path) -> Option<String> {
    match fs::read_to_string(path) {
        Err(error) => Some(format!("cannot be read: {error}; requests that need it fail")),
        Ok(key) if key.trim() != key => {
            Some("has blanks around the key, which Envoy would send".to_owned())
        }
        Ok(key) if key.is_empty() => Some("is empty".to_owned()),
        Ok(_) => None,
    }
}
