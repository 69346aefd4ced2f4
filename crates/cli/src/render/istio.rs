//! Istio's objects. What Envoy is told stands in its own configuration: here that is cut into
//! patches of Istio's, and providers become services of the mesh.

mod filters;
mod services;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{RenderError, RenderOptions, RenderedFile, WritePhase, keys, playground};
use attache::config::{Address, Config, Listener, TranscriptKey, Transcripts};

/// Which of Istio's proxies are gateways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// Those that let clients in.
    Gateway,
    /// Those beside an application: each is a gateway for it alone, on its loopback address.
    Sidecar,
}

/// What the operator says of the mesh.
#[derive(Clone, Debug)]
pub struct Mesh {
    /// Which proxies.
    pub workload: Workload,
    /// The labels of their pods.
    pub labels: BTreeMap<String, String>,
    /// Where their pods are, and so the objects.
    pub namespace: String,
    /// What the names of the objects begin with.
    pub name: String,
    /// The module: a file in the pods, or a URL such as `oci://…` that Istio's agent fetches.
    pub module: String,
    /// The certificates that providers' own are checked against, in the pods. None: the system's.
    pub ca_file: Option<String>,
}

/// Where pods find what is not in an object: `accounts/keys.yaml`, whose key is whose, and
/// `secrets/NAME.key` of a provider, with `secrets/NAME.yaml` that leads Envoy there.
const POD_DIR: &str = "/etc/attache";

/// Where they find the module, if it is not said.
pub const MODULE_IN_POD: &str = "/etc/attache/module/plugin.wasm";

/// Renders the files of objects. No key is in them, and none is read.
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
    clusters.extend(filters::clusters(envoy.clusters, &views, mesh));
    let mut listeners = filters::listeners(envoy.listeners, mesh);
    if mesh.workload == Workload::Gateway {
        listeners.push(services::gateway(config, mesh));
    }
    // A listener needs its clusters, and `kubectl` goes by the alphabet.
    let files = [("clusters", clusters), ("listeners", listeners)];
    files.into_iter().map(|(name, objects)| file(name, &objects)).collect()
}

/// A kind of object.
struct ObjectKind {
    api_version: &'static str,
    name: &'static str,
    /// What it says stands here.
    body: &'static str,
}

const CONFIG_MAP: ObjectKind = ObjectKind { api_version: "v1", name: "ConfigMap", body: "data" };

impl ObjectKind {
    const fn of_istio(api_version: &'static str, name: &'static str) -> Self {
        Self { api_version, name, body: "spec" }
    }
}

impl Mesh {
    /// Whether Istio's agent fetches the module.
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

/// The configuration as it holds in a pod. Its accounts are left out: their keys are a Secret's.
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

/// What was rendered for Envoy, as values.
#[derive(Default)]
struct EnvoyResources {
    listeners: Vec<Value>,
    clusters: Vec<Value>,
    /// By the name of the file.
    secrets: Map<String, Value>,
    /// What Envoy has to know at start.
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
        resources.for_each(|resource| inline(resource, &watched));
        Ok(envoy)
    }
}

/// Puts what Envoy would read from a file of its own where the file is named.
fn inline(value: &mut Value, files: &Map<String, Value>) {
    let file = |pointer: &str| {
        let path = text_at(value, pointer).strip_prefix(POD_DIR)?;
        files.get(path.trim_start_matches('/'))
    };
    let source = "/config_discovery/config_source/path_config_source/path";
    if let Some(filter) = file(source).and_then(|filter| filter.get("typed_config")) {
        *value = json!({"name": text_at(value, "/name"), "typed_config": filter});
    } else if let Some(page) = file("/body/filename") {
        replace_at(value, "/body", json!({"inline_string": page}));
    } else if let Some(routes) = file("/rds/config_source/path_config_source/path").cloned()
        && let Some(manager) = value.as_object_mut()
    {
        manager.shift_remove("rds");
        manager.insert("route_config".to_owned(), routes);
    }
    match value {
        Value::Array(list) => list.iter_mut().for_each(|one| inline(one, files)),
        Value::Object(object) => object.values_mut().for_each(|one| inline(one, files)),
        _ => {}
    }
}

/// The text that a JSON pointer leads to. Empty where it leads to none.
fn text_at<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Takes out what a JSON pointer leads to. Null where it leads nowhere.
fn take_at(value: &mut Value, pointer: &str) -> Value {
    value.pointer_mut(pointer).map(Value::take).unwrap_or_default()
}

/// Puts something in the place of what a JSON pointer leads to.
fn replace_at(value: &mut Value, pointer: &str, new: Value) {
    if let Some(old) = value.pointer_mut(pointer) {
        *old = new;
    }
}

/// How the module's numbers are called. Everything else at start is Istio's.
fn bootstrap(whole: &Value) -> Value {
    json!({"stats_config": whole["stats_config"]})
}

#[derive(Deserialize)]
struct Resources {
    resources: Vec<Value>,
}

/// What stands in a file that Envoy watches. Its types are where it is used.
fn resources(text: &str) -> Result<Vec<Value>, RenderError> {
    let mut resources = parse::<Resources>(text)?.resources;
    for resource in resources.iter_mut().filter_map(Value::as_object_mut) {
        resource.shift_remove("@type");
    }
    Ok(resources)
}

fn parse<'t, T: Deserialize<'t>>(text: &'t str) -> Result<T, RenderError> {
    serde_saphyr::from_str(text).map_err(|error| RenderError::Yaml(error.to_string()))
}

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
