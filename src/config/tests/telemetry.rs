//! Access log, metrics and traces.

use super::*;

#[test]
fn traces_have_defaults() {
    let document = with("/tracing", json!({"collector": "https://otel.internal"}));
    let tracing = Config::parse(&document).unwrap().telemetry.tracing.unwrap();
    assert_eq!((tracing.sampling, tracing.service_name.as_str()), (1.0, "attache"));
    assert!(!tracing.to_providers && tracing.collector.tls);
    assert_eq!(tracing.collector.port, 443);
}

#[test]
fn every_field_of_telemetry_is_checked() {
    assert_messages(
        r#"
/access_log = {"separate_fields": true}
/access_log = {"separate_fields": "yes", "format": "json"}
  access_log.separate_fields: found `yes`, allowed: `true` or `false`
  access_log.format: unknown key, allowed: `separate_fields`
/metrics = {"per_account": false}
/metrics = true
  metrics: found `true`, allowed: an object
/metrics = {"per_account": 1, "per_model": true}
  metrics.per_account: found `1`, allowed: `true` or `false`
  metrics.per_model: unknown key, allowed: `per_account`
/tracing = {"collector": "http://127.0.0.1:4318"}
/tracing = {"collector": "https://otel.internal", "sampling": 0.5, "service_name": "llm"}
/tracing = {}
  tracing.collector: missing, allowed: the URL of an OpenTelemetry collector
/tracing = {"collector": "http://otel.internal:4318/v1/traces", "sampling": 101}
  tracing.collector: found `http://otel.internal:4318/v1/traces`, allowed: a URL without a path,
    such as `http://127.0.0.1:4318`
  tracing.sampling: found `101`, allowed: a number from 0 to 100
/tracing = {"collector": "http://user:hunter2@otel.internal", "to_providers": "all"}
  tracing.collector: found a URL with `@`, `?` or `#`, allowed: a URL without a path, such as
    `http://127.0.0.1:4318`
  tracing.to_providers: found `all`, allowed: `true` or `false`
"#,
    );
}
