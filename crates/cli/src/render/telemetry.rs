//! Values of the access log and of traces.

use serde::Serialize;

use super::UpstreamView;
use attache::{
    config::{Telemetry, Tracing},
    summary,
};

/// The values of the access log and of traces.
#[derive(Serialize)]
pub(super) struct TelemetryView<'c> {
    /// `true` if each fact of an exchange is a field of the access log.
    separate_fields: bool,
    /// The names of the facts.
    facts: Vec<&'static str>,
    tracing: Option<TracingView<'c>>,
    /// The span attributes, each with its fact.
    attributes: [(&'static str, &'static str); ATTRIBUTES.len()],
}

#[derive(Serialize)]
struct TracingView<'c> {
    name: &'static str,
    #[serde(flatten)]
    upstream: UpstreamView,
    uri: String,
    /// The sampled requests of a million.
    sampling: f64,
    service_name: &'c str,
    to_providers: bool,
}

impl<'c> From<&'c Telemetry> for TelemetryView<'c> {
    fn from(telemetry: &'c Telemetry) -> Self {
        Self {
            separate_fields: telemetry.separate_fields,
            facts: summary::names().collect(),
            tracing: telemetry.tracing.as_ref().map(TracingView::from),
            attributes: ATTRIBUTES,
        }
    }
}

impl<'c> From<&'c Tracing> for TracingView<'c> {
    fn from(tracing: &'c Tracing) -> Self {
        let scheme = if tracing.collector.tls { "https" } else { "http" };
        Self {
            name: Tracing::CLUSTER,
            upstream: UpstreamView::new(&tracing.collector),
            // OTLP specification, "OTLP/HTTP request".
            uri: format!("{scheme}://{}/v1/traces", tracing.collector.authority()),
            sampling: (tracing.sampling * 10_000.0).round(),
            service_name: &tracing.service_name,
            to_providers: tracing.to_providers,
        }
    }
}

/// The attributes of a span. OpenTelemetry, *Semantic conventions for generative client AI spans*;
/// attributes that are not in it begin with `attache`.
const ATTRIBUTES: [(&str, &str); 12] = [
    ("gen_ai.request.model", "request_model"),
    ("gen_ai.response.model", "response_model"),
    ("gen_ai.provider.name", "provider"),
    ("gen_ai.usage.input_tokens", "input_tokens"),
    ("gen_ai.usage.output_tokens", "output_tokens"),
    ("gen_ai.usage.cache_read.input_tokens", "cached_tokens"),
    ("gen_ai.usage.reasoning.output_tokens", "reasoning_tokens"),
    ("gen_ai.response.finish_reasons", "finish_reason"),
    ("error.type", "error"),
    ("attache.region", "region"),
    ("attache.cost_pico_usd", "cost_pico_usd"),
    ("attache.provider_ms", "provider_ms"),
];
