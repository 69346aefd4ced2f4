//! Warnings about a configuration without mistakes: requests that will fail all the same, answers that
//! no budget counts, and an administration interface that strangers can reach.

use std::{fs, net::IpAddr, path::Path};

use attache::config::Config;

/// Returns the warnings about key files below `base`, about prices and about the administration
/// interface, each with the path of its field.
pub(crate) fn warnings(config: &Config, base: &Path) -> Vec<String> {
    let warning = |(field, file): (String, &String)| {
        let problem = key_problem(&base.join(file))?;
        Some(format!("{field}: `{file}` {problem}"))
    };
    let of_keys = key_files(config).into_iter().filter_map(warning);
    of_keys.chain(price_warning(config)).chain(admin_warning(config)).collect()
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
        Err(error) => Some(format!("cannot be read, what needs it fails until it can: {error}")),
        Ok(key) if key.trim() != key => {
            Some("has blanks around the key, which Envoy would send".to_owned())
        }
        Ok(key) if key.is_empty() => Some("is empty".to_owned()),
        Ok(_) => None,
    }
}
