//! Envoy's own words in Istio's `EnvoyFilter`s.

use serde_json::{Map, Value, json};

use super::{Mesh, ObjectKind, POD_DIR, Workload, replace_at, services, take_at, text_at};
use crate::render::clusters::ClusterView;

const ENVOY_FILTER: ObjectKind =
    ObjectKind::of_istio("networking.istio.io/v1alpha3", "EnvoyFilter");

const CONNECTION_MANAGER: &str = "envoy.filters.network.http_connection_manager";
const ROUTER: &str = "envoy.filters.http.router";
const HTTP_FILTERS: &str = "/typed_extension_protocol_options/\
    envoy.extensions.upstreams.http.v3.HttpProtocolOptions/http_filters";

/// The patches of one object.
struct Patches<'m> {
    mesh: &'m Mesh,
    list: Vec<Value>,
}

impl<'m> Patches<'m> {
    fn new(mesh: &'m Mesh) -> Self {
        Self { mesh, list: Vec::new() }
    }

    fn push(&mut self, apply_to: &str, at: Value, operation: &str, value: Value) {
        let context = match self.mesh.workload {
            Workload::Gateway => "GATEWAY",
            Workload::Sidecar => "SIDECAR_OUTBOUND",
        };
        let mut matched = json!({"context": context});
        if let (Some(matched), Value::Object(at)) = (matched.as_object_mut(), at) {
            matched.extend(at);
        }
        let patch = json!({"operation": operation, "value": value});
        self.list.push(json!({"applyTo": apply_to, "match": matched, "patch": patch}));
    }

    fn object(self, name: &str) -> Value {
        let spec = json!({
            "workloadSelector": {"labels": self.mesh.labels},
            "configPatches": self.list,
        });
        self.mesh.object(&ENVOY_FILTER, name, spec)
    }
}

/// The listeners, one object for each. A gateway's are Istio's own, which become ours; a sidecar
/// gets others beside those it has.
pub(super) fn listeners(listeners: Vec<Value>, mesh: &Mesh) -> Vec<Value> {
    let object = |mut listener: Value| {
        let mut patches = Patches::new(mesh);
        let name = text_at(&listener, "/name").to_owned();
        let http = listener.pointer_mut("/filter_chains/0/filters/0/typed_config/http_filters");
        let filters = http.and_then(Value::as_array_mut);
        for filter in filters.into_iter().flatten() {
            prepare_filter(filter, &name, &mut patches);
        }
        let routes = "/filter_chains/0/filters/0/typed_config/route_config/virtual_hosts/0/routes";
        let routes = listener.pointer_mut(routes).and_then(Value::as_array_mut);
        routes.into_iter().flatten().for_each(|route| prepare_route(route, &name, mesh));
        match mesh.workload {
            Workload::Gateway => patch_gateway_listener(listener, &mut patches),
            Workload::Sidecar => patches.push("LISTENER", Value::Null, "ADD", listener),
        }
        patches.object(&name)
    };
    listeners.into_iter().map(object).collect()
}

/// Makes a listener of Istio's ours: all but where it listens, and its certificate.
fn patch_gateway_listener(mut listener: Value, patches: &mut Patches<'_>) {
    let port = take_at(&mut listener, "/address/socket_address/port_value");
    let at = |below: Value| {
        let mut manager = json!({"name": CONNECTION_MANAGER});
        if let (Some(manager), Value::Object(below)) = (manager.as_object_mut(), below) {
            manager.extend(below);
        }
        json!({"listener": {"portNumber": port, "filterChain": {"filter": manager}}})
    };
    let Some(manager) = listener.pointer_mut("/filter_chains/0/filters/0") else { return };
    let config = manager.pointer_mut("/typed_config").and_then(Value::as_object_mut);
    let filters = config.and_then(|config| config.shift_remove("http_filters"));
    patches.push("NETWORK_FILTER", at(Value::Null), "MERGE", manager.take());
    let router = at(json!({"subFilter": {"name": ROUTER}}));
    for filter in filters.as_ref().and_then(Value::as_array).into_iter().flatten() {
        let operation = if text_at(filter, "/name") == ROUTER { "MERGE" } else { "INSERT_BEFORE" };
        patches.push("HTTP_FILTER", router.clone(), operation, filter.clone());
    }
}

/// The clusters: an object for each provider_object in a region, and one for the others.
pub(super) fn clusters(clusters: Vec<Value>, views: &[ClusterView<'_>], mesh: &Mesh) -> Vec<Value> {
    let mut others = Patches::new(mesh);
    let mut by_name: Map<String, Value> = clusters
        .into_iter()
        .map(|cluster| (text_at(&cluster, "/name").to_owned(), cluster))
        .collect();
    let mut objects = Vec::new();
    for ClusterView { name, .. } in views {
        let hosts = by_name.shift_remove(&format!("{name}-hosts"));
        let cluster = by_name.shift_remove(name);
        if let (Some(hosts), Some(cluster)) = (hosts, cluster) {
            objects.push(provider_object(name, hosts, cluster, mesh));
        }
    }
    for cluster in by_name.into_iter().map(|(_, cluster)| cluster) {
        others.push("CLUSTER", Value::Null, "ADD", cluster);
    }
    objects.push(others.object("others"));
    objects
}

/// A provider_object in a region: the cluster with the filters, and over that of Istio's with the hosts.
fn provider_object(name: &str, mut hosts: Value, mut cluster: Value, mesh: &Mesh) -> Value {
    let mut patches = Patches::new(mesh);
    let of_istio = services::istio_cluster(name, mesh);
    let options = json!({
        "per_connection_buffer_limit_bytes": take_at(&mut hosts, "/per_connection_buffer_limit_bytes"),
        "typed_extension_protocol_options": take_at(&mut hosts, "/typed_extension_protocol_options"),
    });
    patches.push("CLUSTER", json!({"cluster": {"name": of_istio}}), "MERGE", options);
    if let Some(first) = cluster.pointer_mut("/cluster_type/typed_config/clusters/0") {
        *first = of_istio.into();
    }
    let filters = cluster.pointer_mut(HTTP_FILTERS).and_then(Value::as_array_mut);
    for filter in filters.into_iter().flatten() {
        prepare_filter(filter, name, &mut patches);
    }
    patches.push("CLUSTER", Value::Null, "ADD", cluster);
    patches.object(&services::dns_label(name))
}

/// What a filter has outside of the configuration, from where pods have it.
fn prepare_filter(filter: &mut Value, at: &str, patches: &mut Patches<'_>) {
    match text_at(filter, "/name") {
        // Kubernetes changes a Secret by a link beside the file.
        "envoy.filters.http.api_key_auth" => {
            let source = json!({
                "path": format!("{POD_DIR}/accounts/keys.yaml"),
                "watched_directory": {"path": format!("{POD_DIR}/accounts")},
            });
            replace_at(filter, "/config_discovery/config_source/path_config_source", source);
        }
        "attache.gateway" | "attache.provider" if patches.mesh.fetches_module() => {
            fetch_module(filter, at, patches);
        }
        _ => {}
    }
}

/// Lets no connection become a WebSocket, which Istio does by itself, and tells a filter by its name.
fn prepare_route(route: &mut Value, at: &str, mesh: &Mesh) {
    if let Some(action) = route.get_mut("route").and_then(Value::as_object_mut) {
        let none = json!([{"upgrade_type": "websocket", "enabled": false}]);
        action.insert("upgrade_configs".to_owned(), none);
    }
    let own = route.get_mut("typed_per_filter_config").and_then(Value::as_object_mut);
    if let Some(own) = own.filter(|_| mesh.fetches_module())
        && let Some(config) = own.shift_remove("attache.gateway")
    {
        own.insert(fetched_name(at), config);
    }
}

/// What a filter is called whose module Istio's agent fetches_module.
fn fetched_name(at: &str) -> String {
    format!("attache.{at}")
}

/// Leaves the module to Istio's agent, which looks for it in extension configurations only.
fn fetch_module(filter: &mut Value, at: &str, patches: &mut Patches<'_>) {
    let name = fetched_name(at);
    let mut config = take_at(filter, "/typed_config");
    let code = json!({
        "remote": {"http_uri": {"uri": patches.mesh.module, "cluster": "_", "timeout": "30s"}},
    });
    replace_at(&mut config, "/config/vm_config/code", code);
    *filter = json!({
        "name": name,
        "config_discovery": {
            "config_source": {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"},
            "type_urls": [text_at(&config, "/@type")],
        },
    });
    let value = json!({"name": name, "typed_config": config});
    patches.push("EXTENSION_CONFIG", Value::Null, "ADD", value);
}
