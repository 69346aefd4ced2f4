//! Istio's objects. Envoy's configuration is rendered as for an Envoy outside of a mesh and cut into
//! patches of Istio's; providers become services of the mesh.

mod filters;
mod services;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    RenderError, RenderOptions, RenderedFile,
    objects::{self, CONFIG_MAP, ObjectKind, ObjectNames},
    pods::{self, POD_DIR},
};
use attache::config::Config;

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
    /// The names of the objects.
    pub names: ObjectNames,
    /// The module: a file in the pods, or a URL such as `oci://…` that Istio's agent fetches it from.
    pub module: String,
    /// The CA certificates to verify providers with, a file in the pods. `None`: the system's.
    pub ca_file: Option<String>,
}

/// Renders the files of objects, without reading any key.
pub fn render(
    config: &Config,
    document: &Value,
    options: &RenderOptions,
    mesh: &Mesh,
) -> Result<Vec<RenderedFile>, RenderError> {
    let pods = pods::config_in_pods(config, &options.token_providers);
    let module = mesh.module.clone().into();
    let options = RenderOptions { dir: POD_DIR.into(), module, ..options.clone() };
    let envoy = pods::envoy(&pods, document, &options)?;
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
    objects::files(clusters, listeners)
}

impl Mesh {
    /// Returns whether Istio's agent fetches the module.
    fn fetches_module(&self) -> bool {
        self.module.contains("://")
    }

    fn object(&self, kind: &ObjectKind, name: &str, body: Value) -> Value {
        self.names.object(kind, name, body)
    }
}
