//! Istio's objects. Envoy's configuration is rendered as for an Envoy outside of a mesh and cut into
//! patches of Istio's; providers become services of the mesh.

mod filters;
mod services;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{RenderError, RenderOptions, RenderedFile, WritePhase, keys, playground};
use attache::config::{Address, Config, Listener, TranscriptKey, Transcripts};

/// The kinds of Istio's proxies that can be gateways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// Ingress gateways.
    Gateway,
    /// Sidecars: each is a gateway for its application alone, on its loopback address.
    Sidecar,
}

/// The part of a mesh that is configured, from the command line.
#[derive(Clone, Debug)]
pub struct Mesh {
    /// The kind of its proxies.
    pub workload: Workload,
    /// The labels of the proxies' pods.
    pub labels: BTreeMap<String, String>,
    /// The namespace of the pods and of the objects.
    pub namespace: String,
    /// The prefix of the objects' names.
    pub name: String,
    /// The module: a file in the pods, or a URL such as `oci://…` that Istio's agent fetches it from.
    pub module: String,
    /// The CA certificates to verify providers with, a file in the pods. `None`: the system's.
    pub ca_file: Option<String>,
}

/// The directory in the pods for files that are not objects: `accounts/keys.yaml`, which maps keys to
/// accounts, and `secrets/NAME.key` of each provider, with `secrets/NAME.yaml` that points Envoy to it.
const POD_DIR: &str = "/etc/attache";

/// The default of the module's file in the pods.
pub const MODULE_IN_POD: &str = "/etc/attache/module/plugin.wasm";

/// Renders the files of objects, without reading any key.
pub fn render(
    config: &Config,
    document: &Value,
    options: &RenderOptions,
    mesh: &Mesh,
) -> Result<Vec<RenderedFile>, RenderError> {
    let pods = config_in_pods(config);
    let module = mesh.module.clone().into();
    let options = RenderOptions { dir: POD_DIR.into(), module, ..options.clone() };
    let envoy = EnvoyResources::parse(super::render(&pods, document, &options)?)?;
    let views = super::clusters::clusters(&pods, &options)?;
    let bootstrap = json!({"custom_bootstrap.json": format!("{:#}", envoy.bootstrap)});
    let mut clusters = vec![
        mesh.object(&CONFIG_MAP, "bootstrap", bootstrap),
        mesh.object(&CONFIG_MAP, "secrets", envoy.secrets.into()),
    ];
    clusters.extend(views.iter().flat_map(|view| services::of_provider(view, mesh)));
    clusters.extend(filters::clusters(envoy.clusters, &views, mesh)?);
    let mut listeners = filters::listeners(envoy.listeners, mesh)?;
    if mesh.workload == Workload::Gateway {
        listeners.push(services::gateway(config, mesh));
    }
    // A listener needs its clusters, and `kubectl` applies files in alphabetical order.
    let files = [("clusters", clusters), ("listeners", listeners)];
    files.into_iter().map(|(name, objects)| file(name, &objects)).collect()
}

/// A kind of Kubernetes object.
struct ObjectKind {
    api_version: &'static str,
    name: &'static str,
    /// The key of its content.
    body: &'static str,
}

const CONFIG_MAP: ObjectKind = ObjectKind { api_version: "v1", name: "ConfigMap", body: "data" };

impl ObjectKind {
    const fn of_istio(api_version: &'static str, name: &'static str) -> Self {
        Self { api_version, name, body: "spec" }
    }
}

impl Mesh {
    /// Returns whether Istio's agent fetches the module.
    fn fetches_module(&self) -> bool {
        self.module.contains("://")
    }

    fn object(&self, kind: &ObjectKind, name: &str, body: Value) -> Value {
        let labels = json!({
            "app.kubernetes.io/managed-by": "attache",
            "app.kubernetes.io/instance": self.name,
        });
        let name = format!("{}-{name}", self.name);
        json!({
            "apiVersion": kind.api_version,
            "kind": kind.name,
            "metadata": {"name": name, "namespace": self.namespace, "labels": labels},
            kind.body: body,
        })
    }
}

/// Returns the configuration with the files and addresses of a pod, and without accounts, whose keys
/// are in a Secret.
fn config_in_pods(config: &Config) -> Config {
    let mut pods = config.clone();
    pods.accounts.clear();
    for (region, listener) in config.listeners.iter() {
        let socket = Address { address: "127.0.0.1".to_owned(), port: listener.socket.port };
        pods.listeners.set(region, Listener { socket, tls: None });
    }
    let key_file = |name: &str| format!("{POD_DIR}/secrets/{name}.key");
    for (name, provider) in &mut pods.providers {
        provider.key_file = provider.key_file.as_ref().map(|_| key_file(name));
    }
    if let Some(Transcripts { key: TranscriptKey::File(file), .. }) = &mut pods.transcripts {
        *file = key_file(Transcripts::CLUSTER);
    }
    pods
}

/// Envoy's rendered configuration as values.
#[derive(Default)]
struct EnvoyResources {
    listeners: Vec<Value>,
    clusters: Vec<Value>,
    /// The text of each secret's file, by the file's name.
    secrets: Map<String, Value>,
    /// The bootstrap configuration that the pods need.
    bootstrap: Value,
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
fn text_at<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Returns the value at a JSON pointer. If there is none, the templates have changed, and the patches
/// would be wrong.
fn value_at<'v>(value: &'v mut Value, pointer: &str) -> Result<&'v mut Value, RenderError> {
    let missing = || RenderError::Yaml(format!("no value at `{pointer}`"));
    value.pointer_mut(pointer).ok_or_else(missing)
}

/// Returns the list at a JSON pointer.
fn list_at<'v>(value: &'v mut Value, pointer: &str) -> Result<&'v mut Vec<Value>, RenderError> {
    let wrong = || RenderError::Yaml(format!("no list at `{pointer}`"));
    value_at(value, pointer)?.as_array_mut().ok_or_else(wrong)
}

/// Takes the value at a JSON pointer and leaves `null` there.
fn take_at(value: &mut Value, pointer: &str) -> Result<Value, RenderError> {
    value_at(value, pointer).map(Value::take)
}

/// Replaces the value at a JSON pointer.
fn replace_at(value: &mut Value, pointer: &str, new: Value) -> Result<(), RenderError> {
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

/// Returns a file with a YAML document for each object.
fn file(name: &str, objects: &[Value]) -> Result<RenderedFile, RenderError> {
    let mut text = "# Rendered from gateway.yaml by `attache render`.\n".to_owned();
    for object in objects {
        let options = serde_saphyr::ser_options! { folded_wrap_chars: usize::MAX };
        text.push_str("---\n");
        serde_saphyr::to_fmt_writer_with_options(&mut text, object, options)
            .map_err(|error| RenderError::Yaml(error.to_string()))?;
    }
    Ok(RenderedFile { path: format!("{name}.yaml"), text, phase: WritePhase::Targets })
}
