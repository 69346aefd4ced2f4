#!/usr/bin/env python3
"""Compares the spans and metrics of a gateway with the answers that its clients received. Run by
`just telemetry`, which builds everything first.

Exchanges of both lanes go through an Envoy with the module. Envoy sends its spans to a real OpenTelemetry
Collector, which passes them on to this program, and a real Prometheus scrapes the metrics. The exit code is
1 if a span is missing or superfluous, if a span or a sum differs from the answers, or if a span has content
or a key.
"""

import argparse
import fnmatch
import json
import re
import secrets
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import Request

sys.dont_write_bytecode = True

from bench.processes import Failed, Process, Provider, exchange, free_ports, needed, run_to_end
from bench.setting import CLIENT_KEY, Setting
from dashboard.prometheus import Prometheus
from gateways import ROOT, TARGET

# The requested model and its fallback, and the provider of each.
MODEL, FALLBACK = "gpt-4.1", "claude-sonnet-4-6"
PROVIDERS = {MODEL: "openai", FALLBACK: "anthropic"}

# A word that is in every prompt and in every answer.
CONTENT = "confidential"

# The client's user agent.
AGENT = "client-of-telemetry"

# Kinds of spans.
SERVER, CLIENT = 2, 3

# The longest time that spans may take to arrive and a scrape to be done, in seconds.
PATIENCE = 60

# Attributes of Envoy's own, as far as `docs/operations.md` promises them.
OF_ENVOY = {"http.url", "http.method", "http.status_code", "request_size", "response_size",
            "upstream_cluster.name", "guid:x-request-id", "peer.address", "user_agent"}


@dataclass
class Case:
    """A request, and its expected end."""

    name: str
    script: str
    fields: dict = field(default_factory=dict)
    # The flags of the client's `traceparent`, if it sends one.
    flags: str = None
    status: int = 200
    # The model of the last attempt.
    answered_by: str = MODEL
    # Attempts of Envoy's router. An answer's later attempts are calls of the module.
    routed: int = 1
    # The value of `error.type`.
    error: str = None


FINE, FALLS_BACK = f"text={CONTENT}", f"status=429 | text={CONTENT}"
STREAM = {"stream": True, "stream_options": {"include_usage": True}}
FALLBACKS = {"fallbacks": [{"model": FALLBACK}]}
CASES = [
    Case("an answer", FINE),
    Case("a stream", FINE, STREAM),
    Case("an answer of a fallback", FALLS_BACK, FALLBACKS, answered_by=FALLBACK),
    Case("a stream of a fallback", FALLS_BACK, STREAM | FALLBACKS, answered_by=FALLBACK, routed=2),
    Case("a mistake of the client", FINE, {"temperature": CONTENT}, status=400, answered_by=None,
         routed=0, error="invalid_value"),
    Case("an error of the provider", "status=422", status=400, error="invalid_value"),
    Case("an answer in a client's trace", FINE, flags="01"),
    Case("a stream in a client's trace", FINE, STREAM, flags="01"),
    Case("an answer that the client has not traced", FINE, flags="00"),
    # Its spans come after all others.
    Case("the last answer", FINE),
]


@dataclass
class Exchange:
    """A request that was answered, as the client knows it."""

    case: Case
    trace: str
    parent: str
    status: int
    headers: dict
    answer: dict

    @property
    def is_traced(self):
        return self.case.flags != "00"

    @property
    def tokens(self):
        """The tokens that it was charged for, input and output."""
        usage = self.answer.get("usage") or {}
        return usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0)

    def cost(self, prices):
        """The cost in units of 10⁻¹² US dollars, by prices in US dollars per million tokens."""
        price = prices.get(self.case.answered_by, (0, 0))
        return round(sum(tokens * usd * 1e6 for tokens, usd in zip(self.tokens, price)))


class SpanServer:
    """A server on 127.0.0.1, to which the collector passes the spans on."""

    def __enter__(self):
        self.bodies = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def handler(self):
        bodies = self.bodies

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                bodies.append(self.rfile.read(int(self.headers["content-length"])).decode())
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                """Says nothing."""

        return Handler

    def spans(self):
        """All spans so far. Each body is an `ExportTraceServiceRequest` in JSON."""
        return [Span(span, resource["resource"])
                for body in list(self.bodies)
                for resource in json.loads(body)["resourceSpans"]
                for scope in resource["scopeSpans"]
                for span in scope["spans"]]


class Span:
    """A part of a trace. OpenTelemetry, `opentelemetry/proto/trace/v1/trace.proto`."""

    def __init__(self, span, resource):
        self.id, self.trace, self.kind = span["spanId"], span["traceId"], span["kind"]
        self.parent = span.get("parentSpanId", "")
        self.attributes = attributes(span)
        self.service = attributes(resource)["service.name"]

    def ours(self):
        """Attributes that Envoy does not have by itself."""
        return {name: value for name, value in self.attributes.items()
                if name.startswith(("gen_ai.", "attache.", "error."))}


def attributes(owner):
    """The attributes of a span or of a resource, as text."""
    return {one["key"]: str(next(iter(one["value"].values()), "")) for one in owner["attributes"]}


class Collector(Process):
    """The OpenTelemetry Collector, which passes on each span before it confirms it."""

    def __init__(self, program, directory, server_port):
        (self.port,) = free_ports(1)
        file = directory / "collector.json"
        file.write_text(json.dumps({
            "receivers": {"otlp": {"protocols": {"http": {"endpoint": f"127.0.0.1:{self.port}"}}}},
            "exporters": {"otlp_http": {
                "endpoint": f"http://127.0.0.1:{server_port}", "encoding": "json",
                "compression": "none", "sending_queue": {"enabled": False},
            }},
            "service": {
                "telemetry": {"metrics": {"level": "none"}},
                "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["otlp_http"]}},
            },
        }))
        super().__init__([program, "--config", file], directory / "collector.log")

    def wait(self):
        # A page for POST only.
        self.await_page(self.port, "/v1/traces", 405)


class Traced(Setting):
    """The setting of the benchmark, with the configuration of the dashboard and with traces."""

    def __init__(self, directory, envoy, provider, collector):
        super().__init__(
            directory, needed(envoy, "Envoy"), needed(TARGET / "debug/attache", "`attache`"),
            needed(TARGET / "wasm32-wasip1/filter/attache.wasm", "the module"), provider)
        tracing = f'\ntracing: {{collector: "http://127.0.0.1:{collector}", sampling: 100}}\n'
        self.template = directory / "traced.yaml"
        self.template.write_text((ROOT / "tests/dashboard/gateway.yaml").read_text() + tracing)


def main():
    parser = argparse.ArgumentParser(description="Compares spans and metrics with answers.")
    parser.add_argument("--envoy", type=Path, default=ROOT / ".build/bin/envoy")
    parser.add_argument("--collector", type=Path, default=ROOT / ".build/collector/collector")
    options = parser.parse_args()
    run_to_end("telemetry", run, options)


def run(options):
    with ExitStack() as stack:
        start = stack.enter_context
        directory = Path(start(tempfile.TemporaryDirectory(prefix="attache-telemetry-")))
        server = start(SpanServer())
        collector = start(Collector(
            needed(options.collector, "the collector"), directory, server.port))
        provider = start(Provider(directory))
        envoy = start(Traced(directory, options.envoy, provider.port, collector.port).ours())
        prometheus = start(Prometheus(directory, envoy.admin))
        prices = prices_of(envoy.port)
        exchanges = [ask(envoy.port, case) for case in CASES]
        spans = await_spans(server, exchanges)
        compare_spans(exchanges, spans, prices)
        compare_documents(spans)
        search(server.bodies)
        compare_sums(exchanges, prometheus, prices)


def ask(port, case):
    """The exchange of a case."""
    trace, parent = (secrets.token_hex(16), secrets.token_hex(8)) if case.flags else ("", "")
    more = {"traceparent": f"00-{trace}-{parent}-{case.flags}"} if case.flags else {}
    prompt = f"The word is {CONTENT}. #script {case.script}"
    body = {"model": MODEL, "messages": [{"role": "user", "content": prompt}]} | case.fields
    status, headers, text = client(port, "/v1/chat/completions", json.dumps(body).encode(), more)
    if status != case.status:
        raise Failed(f"{case.name}: {status}: {text}")
    if (status == 200) != (CONTENT in text):
        raise Failed(f"{case.name} has other content: {text}")
    lines = text.splitlines() if "stream" in case.fields else [f"data: {text}"]
    chunks = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    return Exchange(case, trace, parent, status, headers, chunks[-1])


def client(port, path, body=None, headers=None):
    """Status, headers and body of the answer to a client with a key."""
    own = {"authorization": f"Bearer {CLIENT_KEY}", "content-type": "application/json",
           "user-agent": AGENT}
    return exchange(Request(f"http://127.0.0.1:{port}{path}", body, own | (headers or {})))


def prices_of(port):
    """The prices of input and of output that the list of models has, by model."""
    models = json.loads(client(port, "/v1/models")[2])["data"]
    prices = {model["id"]: model["pricing"]["global"] for model in models}
    return {name: (price["prompt"], price["completions"]) for name, price in prices.items()}


def await_spans(server, exchanges):
    """All spans, once those of the last exchange are there and no others are missing."""
    expected = sum(1 + one.case.routed for one in exchanges if one.is_traced)
    last = exchanges[-1].headers["x-request-id"]
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        spans = server.spans()
        if len(spans) >= expected and any(is_of(span, last) for span in spans):
            return spans
        time.sleep(0.1)
    raise Failed(f"{len(spans)} spans came, not {expected}")


def is_of(span, request_id):
    """True for the span of the request itself."""
    return span.kind == SERVER and span.attributes.get("guid:x-request-id") == request_id


def compare_spans(exchanges, spans, prices):
    """The spans are those of the exchanges, and no others."""
    left = list(spans)
    for one in exchanges:
        roots = [span for span in left if is_of(span, one.headers["x-request-id"])]
        expect(f"{one.case.name}: spans", len(roots), int(one.is_traced))
        for root in roots:
            attempts = [span for span in left if span.parent == root.id]
            compare_span(one, root, attempts, prices)
            left = [span for span in left if span is not root and span not in attempts]
        print(f"telemetry: {one.case.name}: {'compared' if roots else 'not traced'}")
    expect("superfluous spans", [span.attributes for span in left], [])


def compare_span(one, root, attempts, prices):
    """The span of an exchange, and those of its attempts."""
    name, case, ours = one.case.name, one.case, root.ours()
    expect(f"{name}: service", root.service, "attache")
    expect(f"{name}: parent", root.parent, one.parent)
    if one.trace:
        expect(f"{name}: trace", root.trace, one.trace)
    expect(f"{name}: attempts", [(span.kind, span.trace) for span in attempts],
           [(CLIENT, root.trace)] * case.routed)
    expect(f"{name}: attributes of attempts that the request has not",
           [value for span in attempts for value in span.ours().items() - ours.items()], [])
    expect(f"{name}: attributes of Envoy's that are missing", OF_ENVOY - set(root.attributes),
           set() if case.routed else {"upstream_cluster.name"})
    expect(f"{name}: status", root.attributes["http.status_code"], str(one.status))
    expect(f"{name}: user agent", root.attributes["user_agent"].split("/")[0],
           "attache" if case.routed else AGENT)
    took = ours.pop("attache.provider_ms", "none")
    expect(f"{name}: attache.provider_ms is a number", took.isdigit(), bool(case.routed))
    expect(f"{name}: attributes", ours, expected_attributes(one, prices))


def expected_attributes(one, prices):
    """The attributes of a span, by what the client was told."""
    case = one.case
    expected = {"gen_ai.operation.name": "chat", "attache.account": "acme"}
    if case.answered_by:
        expected |= {"gen_ai.request.model": MODEL, "attache.region": "us",
                     "gen_ai.provider.name": PROVIDERS[case.answered_by],
                     "attache.attempts": one.headers["x-attache-attempts"]}
    if case.error:
        expected |= {"error.type": case.error}
    else:
        expected |= {
            "gen_ai.response.model": one.answer["model"],
            "gen_ai.usage.input_tokens": str(one.tokens[0]),
            "gen_ai.usage.output_tokens": str(one.tokens[1]),
            "gen_ai.usage.cache_read.input_tokens": "0",
            "gen_ai.usage.reasoning.output_tokens": "0",
            "gen_ai.response.finish_reasons": "stop",
            "attache.cost_pico_usd": str(one.cost(prices)),
        }
    return expected


def compare_documents(spans):
    """`docs/operations.md` names the attributes that the spans have, and no others."""
    page = (ROOT / "docs/operations.md").read_text()
    section = page[page.index("## Traces\n"):page.index("## Resource limits\n")]
    named = set(re.findall(r"`((?:gen_ai|attache|error)\.[a-z_.*]+)`", section))
    found = {name for span in spans for name in span.ours()}
    covered = {pattern: fnmatch.filter(found, pattern) for pattern in named}
    expect("attributes without a document", found.difference(*covered.values()), set())
    expect("attributes in documents only", {name for name, names in covered.items() if not names}, set())


def search(bodies):
    """No body has a word of content, nor the key."""
    for secret in (CONTENT, CLIENT_KEY):
        expect(f"bodies with `{secret}`", sum(secret in body for body in bodies), 0)


def compare_sums(exchanges, prometheus, prices):
    """Sums in Prometheus are those of the exchanges."""
    await_scrape(prometheus)
    input_tokens, output_tokens = map(sum, zip(*(one.tokens for one in exchanges)))
    attempts = [one.headers.get("x-attache-attempts", "").split() for one in exchanges]
    for query, expected in [
        ('sum(attache_tokens{type="input"})', input_tokens),
        ('sum(attache_tokens{type="output"})', output_tokens),
        ("sum(attache_cost_pico_usd)", sum(one.cost(prices) for one in exchanges)),
        ("sum(attache_attempts)", sum(map(len, attempts))),
        ("sum(attache_fallbacks)", sum("fallbacks" in one.case.fields for one in exchanges)),
        ("sum(attache_errors)", sum(one.case.error is not None for one in exchanges)),
        ('sum(attache_requests{model!="none"})', sum(bool(one.case.routed) for one in exchanges)),
        ('sum(attache_requests{status="400"})', sum(one.status == 400 for one in exchanges)),
    ]:
        expect(query, prometheus.ask_now(query), [expected])
        print(f"telemetry: {query} = {expected}")


def await_scrape(prometheus):
    """Returns once everything up to now is scraped."""
    now = time.time()
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if any(scraped > now for scraped in prometheus.ask_now("timestamp(up)")):
            return
        time.sleep(0.1)
    raise Failed("Prometheus does not scrape")


def expect(what, found, expected):
    if found != expected:
        raise Failed(f"{what}: {found}, not {expected}")


if __name__ == "__main__":
    main()
