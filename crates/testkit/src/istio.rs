//! What Istio makes of its objects, as far as ours need it: listeners of `Gateway`s, clusters of
//! services, and patches. `tests/envoy/istio.rs` compares it with what Istio itself made.

use serde_json::{Value, json};
use std::net::Ipv4Addr;

/// What Istio made of `objects.yaml`, before and after its patches.
pub const UNPATCHED: &str = include_str!("../../../tests/envoy/istio/unpatched.json");

/// What a proxy is given.
#[derive(Debug, Default)]
pub struct Given {
    pub listeners: Vec<Value>,
    pub clusters: Vec<Value>,
    /// By themselves, for filters that name them.
    pub extensions: Vec<Value>,
}

/// Which pods a proxy is in: Istio's word for their patches, and a label.
pub struct Proxy {
    pub context: &'static str,
    pub label: (&'static str, &'static str),
}

impl Proxy {
    /// What the proxy is given for these objects.
    pub fn given(&self, objects: &[Value]) -> Given {
        let mut given = Given::default();
        for object in objects {
            match object["kind"].as_str().expect("a kind") {
                "Gateway" if self.is_for(&object["spec"]["selector"]) => {
                    given.listeners.extend(listeners(object));
                }
                "ServiceEntry" => given.clusters.push(cluster(object, objects)),
                _ => {}
            }
        }
        for object in objects.iter().filter(|object| object["kind"] == "EnvoyFilter") {
            if self.is_for(&object["spec"]["workloadSelector"]["labels"]) {
                let patches = object["spec"]["configPatches"].as_array().expect("patches");
                patches.iter().for_each(|patch| self.apply(patch, &mut given));
            }
        }
        given
    }

    fn is_for(&self, labels: &Value) -> bool {
        let (name, value) = self.label;
        *labels == json!({name: value})
    }

    fn apply(&self, patch: &Value, given: &mut Given) {
        let (at, value) = (&patch["match"], &patch["patch"]["value"]);
        assert_eq!(at["context"], self.context, "{patch}");
        let operation = patch["patch"]["operation"].as_str().expect("an operation");
        match (patch["applyTo"].as_str().expect("a kind of patch"), operation) {
            ("LISTENER", "ADD") => given.listeners.push(value.clone()),
            ("CLUSTER", "ADD") => given.clusters.push(value.clone()),
            ("EXTENSION_CONFIG", "ADD") => given.extensions.push(value.clone()),
            ("CLUSTER", "MERGE") => {
                let name = &at["cluster"]["name"];
                let mut clusters = given.clusters.iter_mut();
                let cluster = clusters.find(|cluster| cluster["name"] == *name);
                merge(cluster.unwrap_or_else(|| panic!("no cluster {name}")), value);
            }
            ("NETWORK_FILTER", "MERGE") => {
                managers(given, &at["listener"]).for_each(|manager| merge_any(manager, value));
            }
            ("HTTP_FILTER", _) => {
                managers(given, &at["listener"])
                    .for_each(|manager| change_filters(manager, at, operation, value));
            }
            other => panic!("not known to the tests: {other:?}"),
        }
    }
}

/// Reads objects out of YAML.
pub fn objects(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text).expect("YAML")
}

/// One for each server of a gateway, on the loopback interface.
fn listeners(gateway: &Value) -> Vec<Value> {
    let servers = gateway["spec"]["servers"].as_array().expect("servers");
    let listener = |server: &Value| {
        let made: Value = serde_json::from_str(UNPATCHED).expect("JSON");
        let mut listener = made["listeners"][0].clone();
        let port = &server["port"]["number"];
        listener["name"] = format!("0.0.0.0_{port}").into();
        listener["address"]["socket_address"] =
            json!({"address": Ipv4Addr::LOCALHOST.to_string(), "port_value": port});
        listener
    };
    servers.iter().map(listener).collect()
}

/// The cluster of a service, with the rule for it.
fn cluster(service: &Value, objects: &[Value]) -> Value {
    let host = &service["spec"]["hosts"][0];
    let is_rule =
        |object: &&Value| object["kind"] == "DestinationRule" && object["spec"]["host"] == *host;
    let rule = objects.iter().find(is_rule).unwrap_or_else(|| panic!("no rule for {host}"));
    let policy = &rule["spec"]["trafficPolicy"];
    assert_eq!(policy["tls"]["mode"], "DISABLE", "no certificates here: {rule}");
    assert_eq!(service["spec"]["resolution"], "DNS_ROUND_ROBIN", "{service}");
    let made: Value = serde_json::from_str(UNPATCHED).expect("JSON");
    let mut cluster = made["clusters"].as_array().expect("clusters").last().expect("one").clone();
    let name = format!("outbound|80||{}", host.as_str().expect("a host"));
    let endpoint = &service["spec"]["endpoints"][0];
    for place in ["/name", "/load_assignment/cluster_name"] {
        *cluster.pointer_mut(place).expect(place) = name.as_str().into();
    }
    let address = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address";
    *cluster.pointer_mut(address).expect("an address") =
        json!({"address": endpoint["address"], "port_value": endpoint["ports"]["http"]});
    let (tcp, http) = (&policy["connectionPool"]["tcp"], &policy["connectionPool"]["http"]);
    cluster["connect_timeout"] = tcp["connectTimeout"].clone();
    cluster["circuit_breakers"]["thresholds"][0] = json!({
        "max_connections": tcp["maxConnections"],
        "max_pending_requests": http["http1MaxPendingRequests"],
        "max_requests": http["http2MaxRequests"],
        "max_retries": http["maxRetries"],
    });
    let outliers = &policy["outlierDetection"];
    merge(
        &mut cluster["outlier_detection"],
        &json!({
            "consecutive_5xx": outliers["consecutive5xxErrors"],
            "interval": outliers["interval"],
            "base_ejection_time": outliers["baseEjectionTime"],
            "max_ejection_percent": outliers["maxEjectionPercent"],
        }),
    );
    cluster
}

/// The connection managers that a match means.
fn managers<'g>(given: &'g mut Given, at: &Value) -> impl Iterator<Item = &'g mut Value> {
    let port = at["portNumber"].clone();
    let name = at["filterChain"]["filter"]["name"].clone();
    let listeners = given.listeners.iter_mut();
    let here = listeners
        .filter(move |listener| listener["address"]["socket_address"]["port_value"] == port);
    let chains =
        here.flat_map(|listener| listener["filter_chains"].as_array_mut().expect("chains"));
    let filters = chains.flat_map(|chain| chain["filters"].as_array_mut().expect("filters"));
    filters.filter(move |filter| filter["name"] == name)
}

fn change_filters(manager: &mut Value, at: &Value, operation: &str, value: &Value) {
    let before = &at["listener"]["filterChain"]["filter"]["subFilter"]["name"];
    let filters = manager["typed_config"]["http_filters"].as_array_mut().expect("filters");
    let index = filters.iter().position(|filter| filter["name"] == *before).expect("that filter");
    match operation {
        "INSERT_BEFORE" => filters.insert(index, value.clone()),
        "MERGE" => merge_any(&mut filters[index], value),
        other => panic!("not known to the tests: {other}"),
    }
}

/// Merges a filter into another: what is inside of both is one message each.
fn merge_any(into: &mut Value, from: &Value) {
    for (key, value) in from["typed_config"].as_object().expect("a message") {
        merge_field(&mut into["typed_config"], key, value);
    }
    into["name"] = from["name"].clone();
}

/// Merges a message into another: lists grow, messages are merged, all else is replaced.
fn merge(into: &mut Value, from: &Value) {
    for (key, value) in from.as_object().expect("a message") {
        merge_field(into, key, value);
    }
}

fn merge_field(into: &mut Value, key: &str, value: &Value) {
    // One of a few may be set.
    if key == "route_config" {
        into.as_object_mut().expect("a message").shift_remove("rds");
    }
    match (&mut into[key], value) {
        (Value::Array(list), Value::Array(more)) => list.extend(more.iter().cloned()),
        // What `Any` holds, Istio does not look into.
        (Value::Object(_), Value::Object(new)) if !new.contains_key("@type") => {
            merge(&mut into[key], value);
        }
        (old, new) => *old = new.clone(),
    }
}
