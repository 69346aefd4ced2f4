//! What is told of exchanges besides their answers: access log, metrics, traces.

use super::{
    BaseUrl,
    read::{ObjectReader, ValueReader},
};

/// What the operator wants to know.
#[derive(Clone, Debug, PartialEq)]
pub struct Telemetry {
    /// Whether each fact of an exchange has a field of its own in the access log.
    pub separate_fields: bool,
    /// Whether tokens, cost and refusals are counted for each account by itself.
    pub per_account: bool,
    /// Where traces go. `None`: there are none.
    pub tracing: Option<Tracing>,
}

/// Traces of requests, for a collector that speaks OTLP over HTTP.
#[derive(Clone, Debug, PartialEq)]
pub struct Tracing {
    /// Where the collector listens.
    pub collector: BaseUrl,
    /// Of a hundred requests whose client says nothing of traces, how many are traced.
    pub sampling: f64,
    /// What the gateway is called in traces.
    pub service_name: String,
    /// Whether providers are told of the trace.
    pub to_providers: bool,
}

impl Telemetry {
    /// Reads `access_log`, `metrics` and `tracing`.
    pub(super) fn read(top: &mut ObjectReader<'_>) -> Self {
        Self {
            separate_fields: flag(top, "access_log", "separate_fields").unwrap_or(false),
            per_account: flag(top, "metrics", "per_account").unwrap_or(true),
            tracing: top.optional("tracing").map(|node| Tracing::read(&node)),
        }
    }

    /// Whether each fact of an exchange is wanted under a key of its own: a span's attribute has no
    /// other way to it.
    pub fn needs_separate_fields(&self) -> bool {
        self.separate_fields || self.tracing.is_some()
    }

    /// Whether providers are told of which trace a request is a part.
    pub fn propagates_traces(&self) -> bool {
        self.tracing.as_ref().is_some_and(|tracing| tracing.to_providers)
    }
}

/// The one thing that can be said in a section.
fn flag(top: &mut ObjectReader<'_>, section: &'static str, key: &'static str) -> Option<bool> {
    let node = top.optional(section)?;
    let mut entry = node.object();
    let flag = entry.optional(key).map(|node| node.bool());
    entry.finish();
    flag
}

/// What a collector of OpenTelemetry's listens to. OTLP specification, *OTLP/HTTP Default Port*.
const COLLECTOR: &str = "http://127.0.0.1:4318";

/// Enough to see what is usual, and little work.
const SAMPLING: f64 = 1.0;

impl Tracing {
    /// The name of Envoy's cluster for the collector. No provider's ends like this: theirs end in a
    /// region.
    pub const CLUSTER: &'static str = "trace-collector";

    fn read(node: &ValueReader<'_>) -> Self {
        let mut entry = node.object();
        let collector = entry.required("collector", "the URL of an OpenTelemetry collector");
        let collector = collector.map(|node| BaseUrl::read_origin(&node, COLLECTOR));
        let sampling = entry.optional("sampling").map(|node| node.decimal(0.0, 100.0));
        let service_name = entry.optional("service_name").map(|node| node.string());
        let to_providers = entry.optional("to_providers").is_some_and(|node| node.bool());
        entry.finish();
        Self {
            collector: collector.unwrap_or(BaseUrl::PLACEHOLDER),
            sampling: sampling.unwrap_or(SAMPLING),
            service_name: service_name.unwrap_or_else(|| "attache".to_owned()),
            to_providers,
        }
    }
}
