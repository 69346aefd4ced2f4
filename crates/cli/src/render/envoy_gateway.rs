//! Objects of the Gateway API for Envoy Gateway. Envoy Gateway makes the pods, the Service and the
//! listeners; patches (`EnvoyPatchPolicy`) add the clusters and replace the filters of the listeners.
//! An `EnvoyExtensionPolicy` would not do: it has neither the filters of a cluster, where the provider
//! role runs, nor the id of the VM, by which both roles share one table.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    RenderError, RenderOptions, RenderedFile,
    objects::{self, CONFIG_MAP, ObjectKind, ObjectNames, dns_label},
    pods::{
        self, CONNECTION_MANAGER_AT, LISTENER_FILTERS, MODULE_DIR, MODULE_IN_POD, POD_DIR, list_at,
        take_at, text_at, watch_accounts,
    },
};
use attache::{
    config::{Config, Listener},
    region::Region,
};

const PATCH_POLICY: ObjectKind =
    ObjectKind::with_spec("gateway.envoyproxy.io/v1alpha1", "EnvoyPatchPolicy");
const PROXY: ObjectKind = ObjectKind::with_spec("gateway.envoyproxy.io/v1alpha1", "EnvoyProxy");
const GATEWAY: ObjectKind = ObjectKind::with_spec("gateway.networking.k8s.io/v1", "Gateway");
const ROUTE: ObjectKind = ObjectKind::with_spec("gateway.networking.k8s.io/v1", "HTTPRoute");

const CLUSTER: &str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
const LISTENER: &str = "type.googleapis.com/envoy.config.listener.v3.Listener";

/// The name of the `Gateway`.
const CLIENTS: &str = "clients";

/// The name of the `EnvoyProxy`.
const PODS: &str = "pods";

/// A gateway of Envoy Gateway, from the command line.
#[derive(Clone, Debug)]
pub struct ManagedGateway {
    /// The names of the objects.
    pub names: ObjectNames,
    /// The class of the `Gateway`.
    pub class: String,
    /// The module: a file in the pods, or `oci://IMAGE`, which becomes a volume of the pods.
    pub module: String,
}

/// The image of Envoy. That of Envoy Gateway itself may be older than the module needs.
pub const ENVOY: &str = "docker.io/envoyproxy/envoy:distroless-v1.40.0";

/// The scheme of an image with the module.
const IMAGE: &str = "oci://";

/// Renders the files of objects, without reading any key.
pub fn render(
    config: &Config,
    document: &Value,
    options: &RenderOptions,
    gateway: &ManagedGateway,
) -> Result<Vec<RenderedFile>, RenderError> {
    let pods = pods::config_in_pods(config, &options.token_providers);
    let module = if gateway.image().is_some() { MODULE_IN_POD } else { gateway.module.as_str() };
    let options = RenderOptions { dir: POD_DIR.into(), module: module.into(), ..options.clone() };
    let mut envoy = pods::envoy(&pods, document, &options)?;
    let secrets = std::mem::take(&mut envoy.secrets);
    let mut clusters = vec![gateway.object(&CONFIG_MAP, "secrets", secrets.into())];
    clusters.extend(gateway.cluster_patches(envoy.clusters));
    let mut listeners = vec![
        gateway.object(&PROXY, PODS, gateway.proxy(&envoy.bootstrap)?),
        gateway.object(&GATEWAY, CLIENTS, gateway.clients(config)),
        gateway.object(&ROUTE, CLIENTS, gateway.route()),
    ];
    let own = config.listeners.iter().zip(envoy.listeners);
    for ((region, listener), rendered) in own {
        listeners.push(gateway.listener_patch(region, listener, rendered)?);
    }
    objects::files(clusters, listeners)
}

impl ManagedGateway {
    /// Returns the image of the module, if it is one.
    fn image(&self) -> Option<&str> {
        self.module.strip_prefix(IMAGE)
    }

    fn object(&self, kind: &ObjectKind, name: &str, body: Value) -> Value {
        self.names.object(kind, name, body)
    }

    /// Returns an object with patches of Envoy's configuration.
    fn patches(&self, name: &str, patches: Vec<Value>) -> Value {
        let target = json!({
            "group": "gateway.networking.k8s.io", "kind": "Gateway", "name": self.names.name(CLIENTS),
        });
        let spec = json!({"targetRef": target, "type": "JSONPatch", "jsonPatches": patches});
        self.object(&PATCH_POLICY, name, spec)
    }

    /// Returns an object for each provider in a region, and one for each other cluster.
    fn cluster_patches(&self, clusters: Vec<Value>) -> Vec<Value> {
        let mut objects: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for cluster in clusters {
            let name = text_at(&cluster, "/name").to_owned();
            let shared = shared_name(&name).to_owned();
            let patch = patch(CLUSTER, &name, json!({"op": "add", "path": "", "value": cluster}));
            objects.entry(dns_label(&shared)).or_default().push(patch);
        }
        objects.into_iter().map(|(name, patches)| self.patches(&name, patches)).collect()
    }

    /// Returns the object that replaces the filters of a listener.
    fn listener_patch(
        &self,
        region: Region,
        listener: &Listener,
        mut rendered: Value,
    ) -> Result<Value, RenderError> {
        for filter in list_at(&mut rendered, LISTENER_FILTERS)? {
            watch_accounts(filter)?;
        }
        let manager = take_at(&mut rendered, CONNECTION_MANAGER_AT)?;
        // Envoy Gateway has a chain for each certificate, and a default one without.
        let chain =
            if listener.tls.is_some() { "/filter_chains/0" } else { "/default_filter_chain" };
        let limit = take_at(&mut rendered, "/per_connection_buffer_limit_bytes")?;
        let operations = [
            json!({"op": "replace", "path": format!("{chain}/filters"), "value": [manager]}),
            json!({"op": "add", "path": "/per_connection_buffer_limit_bytes", "value": limit}),
        ];
        let name = format!(
            "{}/{}/{}",
            self.names.namespace,
            self.names.name(CLIENTS),
            listener_name(region, listener)
        );
        let patches = operations.map(|operation| patch(LISTENER, &name, operation));
        Ok(self.patches(&format!("gateway-{}", region.name()), patches.into()))
    }

    /// Returns the gateway of clients. The certificate of a listener with TLS is the Secret
    /// `NAME-tls-REGION`.
    fn clients(&self, config: &Config) -> Value {
        let listener = |(region, listener): (Region, &Listener)| {
            let mut own = json!({
                "name": listener_name(region, listener),
                "port": listener.socket.port,
                "protocol": protocol(listener),
                "allowedRoutes": {"namespaces": {"from": "Same"}},
            });
            if let (Some(_), Some(own)) = (&listener.tls, own.as_object_mut()) {
                let secret = self.names.name(&format!("tls-{}", region.name()));
                let tls = json!({"mode": "Terminate", "certificateRefs": [{"name": secret}]});
                own.insert("tls".to_owned(), tls);
            }
            own
        };
        let pods = json!({
            "group": "gateway.envoyproxy.io", "kind": "EnvoyProxy", "name": self.names.name(PODS),
        });
        json!({
            "gatewayClassName": self.class,
            "infrastructure": {"parametersRef": pods},
            "listeners": config.listeners.iter().map(listener).collect::<Vec<_>>(),
        })
    }

    /// Returns a route without a backend, because Envoy Gateway has no listener without a route. Until
    /// the patches apply, every request gets an error.
    fn route(&self) -> Value {
        json!({
            "parentRefs": [{"name": self.names.name(CLIENTS)}],
            "rules": [{"matches": [{"path": {"type": "PathPrefix", "value": "/"}}]}],
        })
    }

    /// Returns the settings of the pods.
    fn proxy(&self, bootstrap: &Value) -> Result<Value, RenderError> {
        let bootstrap = serde_json::to_string(bootstrap)
            .map_err(|error| RenderError::Yaml(error.to_string()))?;
        let mut volumes = vec![
            json!({"name": "accounts", "secret": {"secretName": self.names.name("accounts")}}),
            json!({"name": "secrets", "projected": {"sources": [
                {"secret": {"name": self.names.name("providers")}},
                {"configMap": {"name": self.names.name("secrets")}},
            ]}}),
        ];
        let mut mounts = vec![
            json!({"name": "accounts", "mountPath": format!("{POD_DIR}/accounts"), "readOnly": true}),
            json!({"name": "secrets", "mountPath": format!("{POD_DIR}/secrets"), "readOnly": true}),
        ];
        if let Some(image) = self.image() {
            volumes.push(json!({"name": "module", "image": {"reference": image}}));
            mounts.push(json!({"name": "module", "mountPath": MODULE_DIR, "readOnly": true}));
        }
        Ok(json!({
            "bootstrap": {"type": "Merge", "value": bootstrap},
            "provider": {"type": "Kubernetes", "kubernetes": {"envoyDeployment": {
                "pod": {"volumes": volumes},
                "container": {"image": ENVOY, "volumeMounts": mounts},
            }}},
        }))
    }
}

/// The ends of the names of a provider's clusters, besides the one without an end.
const SUFFIXES: [&str; 2] = ["-hosts", "-direct"];

/// Returns the name that all clusters of a provider in a region begin with.
fn shared_name(cluster: &str) -> &str {
    let name = SUFFIXES.iter().find_map(|suffix| cluster.strip_suffix(suffix)).unwrap_or(cluster);
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    name.rsplit_once("-key").filter(|(_, key)| is_number(key)).map_or(name, |(front, _)| front)
}

fn patch(kind: &str, name: &str, operation: Value) -> Value {
    json!({"type": kind, "name": name, "operation": operation})
}

fn protocol(listener: &Listener) -> &'static str {
    if listener.tls.is_some() { "HTTPS" } else { "HTTP" }
}

fn listener_name(region: Region, listener: &Listener) -> String {
    format!("{}-{}", protocol(listener).to_lowercase(), region.name())
}
