//! `EnvoyFilter`s: Istio's objects that patch Envoy's configuration.

use serde_json::{Map, Value, json};

use super::{Mesh, ObjectKind, Workload, services};
use crate::render::{
    RenderError,
    clusters::ClusterView,
    objects::dns_label,
    pods::{
        CONNECTION_MANAGER_AT, LISTENER_FILTERS, list_at, replace_at, take_at, text_at, value_at,
        watch_accounts,
    },
};

const ENVOY_FILTER: ObjectKind =
    ObjectKind::with_spec("networking.istio.io/v1alpha3", "EnvoyFilter");

const CONNECTION_MANAGER: &str = "envoy.filters.network.http_connection_manager";
const ROUTER: &str = "envoy.filters.http.router";
const LISTENER_ROUTES: &str =
    "/filter_chains/0/filters/0/typed_config/route_config/virtual_hosts/0/routes";
const CLUSTER_FILTERS: &str = "/typed_extension_protocol_options/\
    envoy.extensions.upstreams.http.v3.HttpProtocolOptions/http_filters";

/// The patches of one `EnvoyFilter`.
struct Patches<'m> {
    mesh: &'m Mesh,
    list: Vec<Value>,
}

impl<'m> Patches<'m> {
    fn new(mesh: &'m Mesh) -> Self {
        Self { mesh, list: Vec::new() }
    }

    /// Adds a patch of the configuration that `at` selects.
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

/// Returns an object for each listener. An ingress gateway has listeners already, which are changed; a
/// sidecar gets further ones.
pub(super) fn listeners(listeners: Vec<Value>, mesh: &Mesh) -> Result<Vec<Value>, RenderError> {
    let object = |mut listener: Value| {
        let mut patches = Patches::new(mesh);
        let name = text_at(&listener, "/name").to_owned();
        for filter in list_at(&mut listener, LISTENER_FILTERS)? {
            prepare_filter(filter, &name, &mut patches)?;
        }
        let routes = list_at(&mut listener, LISTENER_ROUTES)?;
        routes.iter_mut().for_each(|route| prepare_route(route, &name, mesh));
        match mesh.workload {
            Workload::Gateway => patch_gateway_listener(listener, &mut patches)?,
            Workload::Sidecar => patches.push("LISTENER", Value::Null, "ADD", listener),
        }
        Ok(patches.object(&name))
    };
    listeners.into_iter().map(object).collect()
}

/// Patches a listener of Istio's: everything but its address and its certificate.
fn patch_gateway_listener(
    mut listener: Value,
    patches: &mut Patches<'_>,
) -> Result<(), RenderError> {
    let port = take_at(&mut listener, "/address/socket_address/port_value")?;
    let at = |below: Value| {
        let mut manager = json!({"name": CONNECTION_MANAGER});
        if let (Some(manager), Value::Object(below)) = (manager.as_object_mut(), below) {
            manager.extend(below);
        }
        json!({"listener": {"portNumber": port, "filterChain": {"filter": manager}}})
    };
    let manager = value_at(&mut listener, CONNECTION_MANAGER_AT)?;
    let config = manager.pointer_mut("/typed_config").and_then(Value::as_object_mut);
    let filters = config.and_then(|config| config.shift_remove("http_filters"));
    patches.push("NETWORK_FILTER", at(Value::Null), "MERGE", manager.take());
    let router = at(json!({"subFilter": {"name": ROUTER}}));
    for filter in filters.as_ref().and_then(Value::as_array).into_iter().flatten() {
        let operation = if text_at(filter, "/name") == ROUTER { "MERGE" } else { "INSERT_BEFORE" };
        patches.push("HTTP_FILTER", router.clone(), operation, filter.clone());
    }
    Ok(())
}

/// Returns an object for each provider in a region, and one for all other clusters.
pub(super) fn clusters(
    clusters: Vec<Value>,
    views: &[ClusterView],
    mesh: &Mesh,
) -> Result<Vec<Value>, RenderError> {
    let mut others = Patches::new(mesh);
    let mut by_name: Map<String, Value> = clusters
        .into_iter()
        .map(|cluster| (text_at(&cluster, "/name").to_owned(), cluster))
        .collect();
    let mut objects = Vec::new();
    for ClusterView { name, entrances, .. } in views {
        let hosts = by_name.shift_remove(&format!("{name}-hosts"));
        let own = entrances.iter().flat_map(|own| [&own.name, &own.direct]);
        let own = own.filter_map(|own| by_name.shift_remove(own)).collect();
        if let Some(hosts) = hosts {
            objects.push(provider_object(name, hosts, own, mesh)?);
        }
    }
    for cluster in by_name.into_iter().map(|(_, cluster)| cluster) {
        others.push("CLUSTER", Value::Null, "ADD", cluster);
    }
    objects.push(others.object("others"));
    Ok(objects)
}

/// Returns the object of a provider in a region: its clusters with the filters, on top of Istio's
/// cluster with the hosts.
fn provider_object(
    name: &str,
    mut hosts: Value,
    own: Vec<Value>,
    mesh: &Mesh,
) -> Result<Value, RenderError> {
    let mut patches = Patches::new(mesh);
    let of_istio = services::istio_cluster(name, mesh);
    let options = json!({
        "per_connection_buffer_limit_bytes": take_at(&mut hosts, "/per_connection_buffer_limit_bytes")?,
        "typed_extension_protocol_options": take_at(&mut hosts, "/typed_extension_protocol_options")?,
    });
    patches.push("CLUSTER", json!({"cluster": {"name": of_istio}}), "MERGE", options);
    for mut cluster in own {
        let first = "/cluster_type/typed_config/clusters/0";
        replace_at(&mut cluster, first, of_istio.as_str().into())?;
        let own_name = text_at(&cluster, "/name").to_owned();
        for filter in list_at(&mut cluster, CLUSTER_FILTERS)? {
            prepare_filter(filter, &own_name, &mut patches)?;
        }
        patches.push("CLUSTER", Value::Null, "ADD", cluster);
    }
    Ok(patches.object(&dns_label(name)))
}

/// Changes a filter's references to files into those of a pod. `at` is the name of its listener or
/// cluster.
fn prepare_filter(
    filter: &mut Value,
    at: &str,
    patches: &mut Patches<'_>,
) -> Result<(), RenderError> {
    match text_at(filter, "/name") {
        "attache.gateway" | "attache.provider" if patches.mesh.fetches_module() => {
            fetch_module(filter, at, patches)
        }
        _ => watch_accounts(filter),
    }
}

/// Forbids WebSockets, which Istio allows by default, and refers to a filter by the name it has here.
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

/// Returns the name of a filter whose module Istio's agent fetches.
fn fetched_name(at: &str) -> String {
    format!("attache.{at}")
}

/// Moves a filter into an extension configuration, as Istio's agent fetches modules of those only.
fn fetch_module(
    filter: &mut Value,
    at: &str,
    patches: &mut Patches<'_>,
) -> Result<(), RenderError> {
    let name = fetched_name(at);
    let mut config = take_at(filter, "/typed_config")?;
    let code = json!({
        "remote": {"http_uri": {"uri": patches.mesh.module, "cluster": "_", "timeout": "30s"}},
    });
    replace_at(&mut config, "/config/vm_config/code", code)?;
    *filter = json!({
        "name": name,
        "config_discovery": {
            "config_source": {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"},
            "type_urls": [text_at(&config, "/@type")],
        },
    });
    let value = json!({"name": name, "typed_config": config});
    patches.push("EXTENSION_CONFIG", Value::Null, "ADD", value);
    Ok(())
}
