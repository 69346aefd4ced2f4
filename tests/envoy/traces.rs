//! Traces: what a collector is sent of a request, and what providers are told of it.

use super::access_log::{planted, scripts};
use super::attempts::request;
use super::claims::*;
use super::metrics::{priced, setup};
use crate::support::access_log::Line;
use crate::support::collector::{Collector, Span};
use crate::support::shared::Shared;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use testkit::client::{Answer, Request};
use testkit::envoy::{Gateway, marker};
use testkit::provider::Entry;

/// Has Envoy send each span by itself, where it waits for five of them or five seconds.
const AT_ONCE: &str = "layered_runtime: {layers: [{name: tests, static_layer: \
    {tracing.opentelemetry.min_flush_spans: 1}}]}\nstats_config:";

/// A gateway with a collector. It has one worker, so that spans come in the order of requests.
struct Traced {
    gateway: Gateway,
    collector: Collector,
}

impl Traced {
    fn start(yaml: &str, more: &str) -> Self {
        let collector = Collector::start();
        let tracing = format!("tracing: {{collector: {}, {more}}}", collector.url());
        let setup = setup(&format!("{yaml}\n{tracing}\n")).workers(1);
        let setup = setup.edited("envoy.yaml", "stats_config:", AT_ONCE);
        Self { gateway: setup.start(), collector }
    }

    /// The spans of a request, once there are so many.
    fn spans(&self, answer: &Answer, spans: usize) -> Vec<Span> {
        let id = answer.header("x-request-id").expect("an id");
        self.collector.trace("guid:x-request-id", id, spans)
    }

    fn is_traced(&self, answer: &Answer) -> bool {
        let id = answer.header("x-request-id");
        self.collector.all().iter().any(|span| span.get("guid:x-request-id") == id)
    }
}

/// Traces only what a client wants to have traced, and tells providers nothing of it.
fn silent() -> Arc<Traced> {
    static TRACED: Shared<Traced> = Shared::new();
    TRACED.get(|| Traced::start(&keyless(&priced()), "sampling: 0, service_name: our-gateway"))
}

/// Traces everything that no client does not want to have traced, and tells providers of it.
fn telling() -> Arc<Traced> {
    static TRACED: Shared<Traced> = Shared::new();
    TRACED.get(|| Traced::start(&priced(), "sampling: 100, to_providers: true"))
}

/// A trace of a client's, and its own part in it.
struct Parent {
    trace: String,
    span: String,
}

impl Parent {
    fn new() -> Self {
        let number =
            marker().bytes().filter(u8::is_ascii_digit).map(char::from).collect::<String>();
        Self { trace: format!("{number:a>32}"), span: format!("{number:b>16}") }
    }

    /// W3C, *Trace Context*, section 3.2.
    fn header(&self, flags: &str) -> String {
        format!("00-{}-{}-{flags}", self.trace, self.span)
    }

    fn sampled(&self, body: &Value) -> Request {
        self.with_flags(body, "01")
    }

    fn with_flags(&self, body: &Value, flags: &str) -> Request {
        let request = Request::chat(body.to_string()).header("traceparent", self.header(flags));
        request.header("tracestate", "theirs=1")
    }
}

/// What a span says in words of OpenTelemetry's for models, and in ours.
fn ours(span: &Span) -> BTreeMap<&str, &str> {
    let is_ours =
        |name: &str| ["gen_ai.", "attache.", "error."].iter().any(|own| name.starts_with(own));
    let all = span.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    all.filter(|(name, _)| is_ours(name)).collect()
}

/// The span of the request itself.
fn root<'s>(spans: &'s [Span], parent: &str) -> &'s Span {
    let mut roots = spans.iter().filter(|span| span.parent == parent);
    let root = roots.next().unwrap_or_else(|| panic!("no child of {parent}: {spans:#?}"));
    assert_eq!(roots.next(), None, "{spans:#?}");
    root
}

#[test]
fn a_request_of_a_clients_trace_is_a_span_with_what_it_came_to() {
    let traced = silent();
    let gateway = &traced.gateway;
    for is_stream in [false, true] {
        let parent = Parent::new();
        let script = "reasoning=one_two text=three_four";
        let answer = gateway.us().send(parent.sampled(&request("second", script, is_stream, &[])));
        let spans = traced.spans(&answer, 2);
        let span = root(&spans, &parent.span);
        assert_eq!((&span.trace_id, span.service.as_str()), (&parent.trace, "our-gateway"));
        let told = ours(span);
        let expected = [
            ("attache.account", "acme"),
            ("attache.attempts", answer.header("x-attache-attempts").expect("attempts")),
            ("attache.cost_pico_usd", "43750000"),
            ("attache.provider_ms", told["attache.provider_ms"]),
            ("attache.region", "us"),
            ("gen_ai.operation.name", "chat"),
            ("gen_ai.provider.name", "two"),
            ("gen_ai.request.model", "second"),
            ("gen_ai.response.finish_reasons", "stop"),
            ("gen_ai.response.model", "second"),
            ("gen_ai.usage.cache_read.input_tokens", "0"),
            ("gen_ai.usage.input_tokens", "3"),
            ("gen_ai.usage.output_tokens", "4"),
            ("gen_ai.usage.reasoning.output_tokens", "0"),
        ];
        assert_eq!(told, expected.into(), "{is_stream}");
        assert!(told["attache.provider_ms"].parse::<u64>().is_ok(), "{told:?}");
        assert_eq!(spans.len(), 2, "one for the request, one for its attempt: {spans:#?}");
        assert_eq!(root(&spans, &span.id).trace_id, parent.trace);
        let line = Line::of(gateway, &answer);
        assert_eq!(line.get("trace_id"), parent.trace.as_str(), "{line:?}");
    }
}

#[test]
fn an_error_is_told_with_its_type() {
    let traced = silent();
    let gateway = &traced.gateway;
    let cases = [
        (request("nobody", "text=x", false, &[]), 1, "invalid_value", None),
        (request("first", "status=422", false, &[]), 2, "invalid_value", Some("one")),
        (request("first", "status=422", true, &[]), 2, "invalid_value", Some("one")),
        (request("first", "text=a_b_c_d_e cut=5", true, &[]), 2, "upstream_error", Some("one")),
    ];
    for (body, count, reason, provider) in cases {
        let parent = Parent::new();
        let answer = gateway.us().send(parent.sampled(&body));
        let spans = traced.spans(&answer, count);
        let told = ours(root(&spans, &parent.span));
        assert_eq!(told.get("error.type"), Some(&reason), "{body}: {told:?}");
        assert_eq!(told.get("gen_ai.provider.name").copied(), provider, "{body}: {told:?}");
    }
}

#[test]
fn each_attempt_of_the_router_is_a_span_below_the_requests() {
    let traced = silent();
    let gateway = &traced.gateway;
    for (is_stream, count) in [(false, 2), (true, 3)] {
        let parent = Parent::new();
        let body = request("first", "status=429 | text=saved", is_stream, &["second"]);
        let answer = gateway.us().send(parent.sampled(&body));
        let spans = traced.spans(&answer, count);
        assert_eq!(spans.len(), count, "{is_stream}: {spans:#?}");
        let span = root(&spans, &parent.span);
        assert_eq!(spans.iter().filter(|own| own.parent == span.id).count(), count - 1);
        assert_eq!(span.get("gen_ai.request.model"), Some("first"), "{span:?}");
        assert_eq!(span.get("gen_ai.response.model"), Some("second"), "{span:?}");
        assert_eq!(span.get("gen_ai.provider.name"), Some("two"), "{span:?}");
    }
}

#[test]
fn what_nobody_wants_to_have_traced_is_not() {
    let traced = silent();
    let (us, body) = (traced.gateway.us(), chat("first", "#script text=x"));
    let parent = Parent::new();
    let mut untraced = vec![us.chat(&body), us.send(parent.with_flags(&body, "00"))];
    for path in ["/healthz", "/v1/models", "/models"] {
        untraced.push(us.send(Request::get(path).header("traceparent", parent.header("01"))));
    }
    // It comes after the others, and so do its spans.
    let last = us.send(Parent::new().sampled(&body));
    traced.spans(&last, 2);
    for answer in &untraced {
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(!traced.is_traced(answer), "{answer:?}");
    }
    let of_it = traced.collector.all().into_iter().find(|span| span.trace_id == parent.trace);
    assert_eq!(of_it, None);
}

#[test]
fn as_many_of_all_others_are_traced_as_the_operator_says() {
    let all = telling();
    let answer = all.gateway.us().chat(&chat("first", "#script text=x"));
    let spans = all.spans(&answer, 2);
    let span = root(&spans, "");
    assert_eq!(span.service, "attache");
    let line = Line::of(&all.gateway, &answer);
    assert_eq!(line.get("trace_id"), span.trace_id.as_str(), "{line:?}");
    let unwanted = Parent::new().with_flags(&chat("first", "#script text=x"), "00");
    let unwanted = all.gateway.us().send(unwanted);
    all.spans(&all.gateway.us().chat(&chat("first", "#script text=x")), 2);
    assert!(!all.is_traced(&unwanted), "a client has said that this one is not traced");
}

/// Attempts of all kinds: in both lanes, the first, one made again, one at another provider.
fn attempts(traced: &Traced, flags: Option<&str>) -> Vec<(Parent, Vec<Entry>)> {
    let scripts = ["text=x", "status=503 | text=x", "status=429 | text=x"];
    let cases = [false, true].into_iter().flat_map(|lane| scripts.map(|script| (lane, script)));
    let attempts = cases.map(|(is_stream, script)| {
        let (marker, parent) = (marker(), Parent::new());
        let script = format!("header=x-marker:{marker} {script}");
        let body = request("first", &script, is_stream, &["second"]);
        let request = match flags {
            Some(flags) => parent.with_flags(&body, flags),
            None => Request::chat(body.to_string()),
        };
        let answer = traced.gateway.us().send(request);
        assert_eq!(answer.status, 200, "{answer:?}");
        let reached = traced.gateway.reached(&marker);
        assert_eq!(reached.len(), if script.contains('|') { 2 } else { 1 }, "{script}");
        (parent, reached)
    });
    attempts.collect()
}

#[test]
fn providers_are_told_nothing_of_a_trace() {
    let silent = silent();
    for flags in [Some("01"), Some("00"), None] {
        for entry in attempts(&silent, flags).into_iter().flat_map(|(_, entries)| entries) {
            for (name, value) in &entry.headers {
                assert!(!name.contains("trace"), "{flags:?}: {name}: {value:?}");
            }
        }
    }
}

#[test]
fn providers_are_told_of_a_trace_where_that_is_wanted() {
    let telling = telling();
    for flags in ["01", "00"] {
        for (parent, entries) in attempts(&telling, Some(flags)) {
            for entry in entries {
                let text = |name| entry.header(name).map(String::from_utf8_lossy);
                let told = text("traceparent").unwrap_or_else(|| panic!("{flags}: {entry:?}"));
                let parts: Vec<&str> = told.split('-').collect();
                assert_eq!(parts[..2], ["00", &parent.trace], "{told}");
                assert_eq!(parts[3], flags, "{told}");
                assert_ne!(parts[2], parent.span, "the gateway's own part, not the client's");
                assert_eq!(text("tracestate").as_deref(), Some("theirs=1"), "{entry:?}");
            }
        }
    }
    telling.gateway.assert_unharmed();
}

#[test]
fn no_span_holds_a_word_of_what_was_said_nor_a_key() {
    let traced = telling();
    let (word, us) = (marker(), traced.gateway.us());
    for is_stream in [false, true] {
        for script in scripts(&word) {
            let answer = us.send(planted(&word, &script, is_stream));
            traced.spans(&answer, 2);
        }
    }
    let unknown = us.chat(&chat(&word, "x"));
    let stranger = us.with_key(&word).chat(&chat("first", "x"));
    for answer in [&unknown, &stranger] {
        traced.spans(answer, 1);
    }
    assert!(traced.gateway.reached(&word).len() > 10, "providers have the word");
    assert!(traced.collector.holds("gen_ai.request.model"), "what came is searched");
    assert!(!traced.collector.holds(&word), "{:#?}", traced.collector.all());
    for (name, key) in traced.gateway.secrets() {
        assert!(!traced.collector.holds(key), "{name}'s key");
    }
}
