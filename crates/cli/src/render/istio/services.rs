//! Istio's own objects: `ServiceEntry` and `DestinationRule` for each provider, and the `Gateway` of
//! clients.

use serde_json::{Value, json};

use super::{Mesh, ObjectKind};
use crate::render::{clusters::ClusterView, objects::dns_label};
use attache::{
    config::{Config, Listener},
    region::Region,
};

const SERVICE_ENTRY: ObjectKind = ObjectKind::with_spec("networking.istio.io/v1", "ServiceEntry");
const DESTINATION_RULE: ObjectKind =
    ObjectKind::with_spec("networking.istio.io/v1", "DestinationRule");
const GATEWAY: ObjectKind = ObjectKind::with_spec("networking.istio.io/v1", "Gateway");

/// The port of a service. Services have names of their own, so that other traffic of the pods to a
/// provider's host is not affected.
const PORT: u16 = 80;

/// Returns the host name of a service in the mesh.
fn service_host(cluster: &str, mesh: &Mesh) -> String {
    format!("{}.{}.internal", dns_label(cluster), mesh.names.prefix)
}

/// Returns Istio's name of a service's cluster.
pub(super) fn istio_cluster(name: &str, mesh: &Mesh) -> String {
    format!("outbound|{PORT}||{}", service_host(name, mesh))
}

/// Returns the service of a provider in a region.
pub(super) fn of_provider(view: &ClusterView, mesh: &Mesh) -> [Value; 2] {
    let (host, name) = (service_host(&view.name, mesh), dns_label(&view.name));
    let entry = json!({
        "hosts": [host],
        "exportTo": ["."],
        "location": "MESH_EXTERNAL",
        // Envoy sees one host with all addresses, which is ejected as a whole.
        "resolution": "DNS_ROUND_ROBIN",
        "ports": [{"number": PORT, "name": "http", "protocol": "HTTP"}],
        "endpoints": [{"address": view.upstream.host, "ports": {"http": view.upstream.port}}],
    });
    let rule = json!({
        "host": host,
        "exportTo": ["."],
        "trafficPolicy": {
            "connectionPool": connection_pool(view),
            "outlierDetection": outlier_detection(view),
            "tls": tls(view, mesh),
        },
    });
    [mesh.object(&SERVICE_ENTRY, &name, entry), mesh.object(&DESTINATION_RULE, &name, rule)]
}

fn connection_pool(view: &ClusterView) -> Value {
    // Istio's numbers are signed.
    let signed = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
    json!({
        "tcp": {"maxConnections": signed(view.max_connections), "connectTimeout": view.connect},
        "http": {
            "http1MaxPendingRequests": signed(view.max_pending_requests),
            "http2MaxRequests": signed(view.max_requests),
            "maxRetries": i32::MAX,
        },
    })
}

fn outlier_detection(view: &ClusterView) -> Value {
    json!({
        "consecutive5xxErrors": view.consecutive_5xx,
        "consecutiveGatewayErrors": 0,
        "interval": "1s",
        "baseEjectionTime": view.base_ejection_time,
        "maxEjectionPercent": 100,
    })
}

fn tls(view: &ClusterView, mesh: &Mesh) -> Value {
    let host = &view.upstream.host;
    match &mesh.ca_file {
        _ if !view.upstream.tls => json!({"mode": "DISABLE"}),
        None => json!({"mode": "SIMPLE", "sni": host, "subjectAltNames": [host]}),
        Some(file) => json!({
            "mode": "SIMPLE", "sni": host, "subjectAltNames": [host], "caCertificates": file,
        }),
    }
}

/// Returns the gateway of clients. The certificate of a listener with TLS is the Secret
/// `NAME-tls-REGION`.
pub(super) fn gateway(config: &Config, mesh: &Mesh) -> Value {
    let server = |(region, listener): (Region, &Listener)| {
        let region = region.name();
        let protocol = if listener.tls.is_some() { "HTTPS" } else { "HTTP" };
        let name = format!("{}-{region}", protocol.to_lowercase());
        let port = json!({"number": listener.socket.port, "name": name, "protocol": protocol});
        if listener.tls.is_none() {
            return json!({"port": port, "hosts": ["*"]});
        }
        let secret = mesh.names.name(&format!("tls-{region}"));
        let tls = json!({"mode": "SIMPLE", "credentialName": secret});
        json!({"port": port, "hosts": ["*"], "tls": tls})
    };
    let servers: Vec<Value> = config.listeners.iter().map(server).collect();
    let spec = json!({"selector": mesh.labels, "servers": servers});
    mesh.object(&GATEWAY, "clients", spec)
}
