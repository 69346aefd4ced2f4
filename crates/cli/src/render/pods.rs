//! Envoy's configuration for Envoys in pods: rendered as for any other Envoy, with the files of a pod,
//! and read again as values, of which Kubernetes objects are made.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{RenderError, RenderOptions, RenderedFile, keys, playground, secret_name};
use attache::config::{Address, Config, Guard, Listener, TranscriptKey, Transcripts};

/// The directory in the pods for files that are not objects: `accounts/keys.yaml`, which maps keys to
/// accounts, and `secrets/NAME.key` of each provider, with `secrets/NAME.yaml` that points Envoy to it.
pub(super) const POD_DIR: &str = "/etc/attache";

/// The directory in the pods for tokens, `NAME.key` of each provider.
const TOKEN_DIR: &str = "/etc/attache/tokens";

/// The directory of the module in the pods.
pub(super) const MODULE_DIR: &str = "/etc/attache/module";

/// The default of the module's file in the pods.
pub const MODULE_IN_POD: &str = "/etc/attache/module/plugin.wasm";

/// The connection manager in a listener.
pub(super) const CONNECTION_MANAGER_AT: &str = "/filter_chains/0/filters/0";

/// The HTTP filters of a listener.
pub(super) const LISTENER_FILTERS: &str = "/filter_chains/0/filters/0/typed_config/http_filters";

/// Renders the configuration of an Envoy in a pod, without reading any key.
pub(super) fn envoy(
    config: &Config,
    document: &Value,
    options: &RenderOptions,
) -> Result<EnvoyResources, RenderError> {
    EnvoyResources::parse(super::render(config, document, options)?)
}

/// Returns the configuration with the files and addresses of a pod, and without accounts, whose keys
/// are in a Secret. `tokens` names the providers whose keys are tokens: their files change every hour,
/// and a container of the pod writes them.
pub(super) fn config_in_pods(config: &Config, tokens: &[String]) -> Config {
    let mut pods = config.clone();
    pods.accounts.clear();
    for (region, listener) in config.listeners.iter() {
        let socket = Address { address: "127.0.0.1".to_owned(), port: listener.socket.port };
        pods.listeners.set(region, Listener { socket, tls: None });
    }
    let key_file = |name: &str| format!("{POD_DIR}/secrets/{name}.key");
    for (name, provider) in &mut pods.providers {
        let is_token = tokens.contains(name);
        let own = provider.pool().map(|key| secret_name(name, key));
        let in_pod = own.zip(provider.secret_files_mut());
        for (name, file) in in_pod {
            *file = if is_token { format!("{TOKEN_DIR}/{name}.key") } else { key_file(&name) };
        }
    }
    if let Some(Transcripts { key: TranscriptKey::File(file), .. }) = &mut pods.transcripts {
        *file = key_file(Transcripts::CLUSTER);
    }
    if let Some(Guard { key_file: Some(file), .. }) = &mut pods.guard {
        *file = key_file(Guard::CLUSTER);
    }
    pods
}

/// Envoy's rendered configuration as values.
#[derive(Default)]
pub(super) struct EnvoyResources {
    pub(super) listeners: Vec<Value>,
    pub(super) clusters: Vec<Value>,
    /// The text of each secret's file, by the file's name.
    pub(super) secrets: Map<String, Value>,
    /// The bootstrap configuration that the pods need.
    pub(super) bootstrap: Value,
}

impl EnvoyResources {
    fn parse(files: Vec<RenderedFile>) -> Result<Self, RenderError> {
        let mut envoy = Self::default();
        let mut watched = Map::new();
        for RenderedFile { path, text, .. } in files {
            match path.as_str() {
                "listeners.yaml" => envoy.listeners = resources(&text)?,
                "clusters.yaml" => envoy.clusters = resources(&text)?,
                "envoy.yaml" => envoy.bootstrap = bootstrap(&parse(&text)?),
                keys::FILE => {}
                playground::FILE => drop(watched.insert(path, text.into())),
                _ => match path.strip_prefix("secrets/") {
                    Some(name) => drop(envoy.secrets.insert(name.to_owned(), text.into())),
                    None => drop(watched.insert(path, resources(&text)?.pop().into())),
                },
            }
        }
        let resources = envoy.listeners.iter_mut().chain(&mut envoy.clusters);
        for resource in resources {
            inline(resource, &watched)?;
        }
        Ok(envoy)
    }
}

/// Replaces references to files that Envoy would watch by the files' contents.
fn inline(value: &mut Value, files: &Map<String, Value>) -> Result<(), RenderError> {
    let file = |pointer: &str| {
        let path = text_at(value, pointer).strip_prefix(POD_DIR)?;
        files.get(path.trim_start_matches('/'))
    };
    let source = "/config_discovery/config_source/path_config_source/path";
    if let Some(filter) = file(source).and_then(|filter| filter.get("typed_config")) {
        *value = json!({"name": text_at(value, "/name"), "typed_config": filter});
    } else if let Some(page) = file("/body/filename") {
        replace_at(value, "/body", json!({"inline_string": page}))?;
    } else if let Some(routes) = file("/rds/config_source/path_config_source/path").cloned()
        && let Some(manager) = value.as_object_mut()
    {
        manager.shift_remove("rds");
        manager.insert("route_config".to_owned(), routes);
    }
    match value {
        Value::Array(list) => list.iter_mut().try_for_each(|one| inline(one, files)),
        Value::Object(object) => object.values_mut().try_for_each(|one| inline(one, files)),
        _ => Ok(()),
    }
}

/// Returns the string at a JSON pointer, empty if there is none.
pub(super) fn text_at<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Returns the value at a JSON pointer. If there is none, the templates have changed, and the patches
/// would be wrong.
pub(super) fn value_at<'v>(
    value: &'v mut Value,
    pointer: &str,
) -> Result<&'v mut Value, RenderError> {
    let missing = || RenderError::Yaml(format!("no value at `{pointer}`"));
    value.pointer_mut(pointer).ok_or_else(missing)
}

/// Returns the list at a JSON pointer.
pub(super) fn list_at<'v>(
    value: &'v mut Value,
    pointer: &str,
) -> Result<&'v mut Vec<Value>, RenderError> {
    let wrong = || RenderError::Yaml(format!("no list at `{pointer}`"));
    value_at(value, pointer)?.as_array_mut().ok_or_else(wrong)
}

/// Takes the value at a JSON pointer and leaves `null` there.
pub(super) fn take_at(value: &mut Value, pointer: &str) -> Result<Value, RenderError> {
    value_at(value, pointer).map(Value::take)
}

/// Replaces the value at a JSON pointer.
pub(super) fn replace_at(value: &mut Value, pointer: &str, new: Value) -> Result<(), RenderError> {
    value_at(value, pointer).map(|old| *old = new)
}

/// Returns the bootstrap configuration of the module's metrics. The rest is Istio's.
fn bootstrap(whole: &Value) -> Value {
    json!({"stats_config": whole["stats_config"]})
}

#[derive(Deserialize)]
struct Resources {
    resources: Vec<Value>,
}

/// Parses the resources of a file that Envoy watches, without their types, which a patch implies.
fn resources(text: &str) -> Result<Vec<Value>, RenderError> {
    let mut resources = parse::<Resources>(text)?.resources;
    for resource in resources.iter_mut().filter_map(Value::as_object_mut) {
        resource.shift_remove("@type");
    }
    Ok(resources)
}

/// Parses rendered YAML.
fn parse<'t, T: Deserialize<'t>>(text: &'t str) -> Result<T, RenderError> {
    serde_saphyr::from_str(text).map_err(|error| RenderError::Yaml(error.to_string()))
}

/// Changes a filter's reference to the file of the accounts' keys into one that Envoy reads again when
/// Kubernetes updates a Secret, which changes a symbolic link beside the file.
pub(super) fn watch_accounts(filter: &mut Value) -> Result<(), RenderError> {
    if text_at(filter, "/name") != "envoy.filters.http.api_key_auth" {
        return Ok(());
    }
    let source = json!({
        "path": format!("{POD_DIR}/accounts/keys.yaml"),
        "watched_directory": {"path": format!("{POD_DIR}/accounts")},
    });
    replace_at(filter, "/config_discovery/config_source/path_config_source", source)
}
