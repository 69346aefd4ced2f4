//! Telemetry of exchanges: access log, metrics and traces.

use super::{
    BaseUrl,
    read::ObjectReader,
    table::{
        ValueType::{Decimal, Flag, Origin, Text},
        defaults_to, object_table, required,
    },
};

object_table! {
    /// Access log.
    pub(super) static ACCESS_LOG = "access_log" {
        /// Gives each fact of an exchange a key of its own in the access log and in filter state.
        "separate_fields": Flag, defaults_to("false");
    }
}

object_table! {
    /// Metrics.
    pub(super) static METRICS = "metrics" {
        /// Counts tokens, cost and refusals separately for each account: one series for each
        /// combination of account, model and provider that occurs.
        "per_account": Flag, defaults_to("true");
    }
}

object_table! {
    /// Traces of requests, sent to an OpenTelemetry collector.
    pub(super) static TRACING = "tracing" {
        /// URL of an OpenTelemetry collector that accepts OTLP over HTTP.
        "collector": Origin, required("the URL of an OpenTelemetry collector");
        /// Percentage of requests that are traced if the client's request does not decide it.
        "sampling": Decimal { least: 0.0, most: 100.0 }, defaults_to("1");
        /// Service name of the gateway in traces.
        "service_name": Text, defaults_to("attache");
        /// Sends `traceparent` to providers.
        "to_providers": Flag, defaults_to("false");
    }
}

/// Settings of access log, metrics and traces.
#[derive(Clone, Debug, PartialEq)]
pub struct Telemetry {
    /// Whether each fact of an exchange has a field of its own in the access log.
    pub separate_fields: bool,
    /// Whether tokens, cost and refusals are counted separately for each account.
    pub per_account: bool,
    /// Traces. `None` disables them.
    pub tracing: Option<Tracing>,
}

/// Settings of traces, for a collector that accepts OTLP over HTTP.
#[derive(Clone, Debug, PartialEq)]
pub struct Tracing {
    /// Address of the collector.
    pub collector: BaseUrl,
    /// Percentage of requests that are traced if the client's request does not decide it. The default
    /// shows what is typical and costs little.
    pub sampling: f64,
    /// Service name of the gateway in traces.
    pub service_name: String,
    /// Whether `traceparent` is sent to providers.
    pub to_providers: bool,
}

impl Telemetry {
    /// Reads `access_log`, `metrics` and `tracing`.
    pub(super) fn read(top: &ObjectReader<'_>) -> Self {
        Self {
            separate_fields: read_flag(top.section("access_log"), "separate_fields"),
            per_account: read_flag(top.section("metrics"), "per_account"),
            tracing: top.get("tracing").map(|value| Tracing::read(value.object())),
        }
    }

    /// Whether each fact of an exchange needs a filter-state key of its own: the access log asks for
    /// it, and a span's attribute has no other source.
    pub fn needs_separate_fields(&self) -> bool {
        self.separate_fields || self.tracing.is_some()
    }

    /// Whether requests to providers carry the trace they belong to.
    pub fn propagates_traces(&self) -> bool {
        self.tracing.as_ref().is_some_and(|tracing| tracing.to_providers)
    }
}

/// Reads a section that has a single field.
fn read_flag(entry: ObjectReader<'_>, key: &'static str) -> bool {
    let flag = entry.flag(key);
    entry.finish();
    flag
}

/// Example of a collector's URL. The port is the default of OTLP over HTTP. OTLP specification,
/// *OTLP/HTTP Default Port*.
const COLLECTOR_EXAMPLE: &str = "http://127.0.0.1:4318";

impl Tracing {
    /// Name of Envoy's cluster for the collector. Names of providers' clusters end in a region, so
    /// none is equal.
    pub const CLUSTER: &'static str = "trace-collector";

    fn read(entry: ObjectReader<'_>) -> Self {
        let collector = entry.get("collector");
        let collector = collector.map(|url| BaseUrl::read_origin(&url, COLLECTOR_EXAMPLE));
        let tracing = Self {
            collector: collector.unwrap_or(BaseUrl::PLACEHOLDER),
            sampling: entry.decimal("sampling"),
            service_name: entry.string("service_name"),
            to_providers: entry.flag("to_providers"),
        };
        entry.finish();
        tracing
    }
}
