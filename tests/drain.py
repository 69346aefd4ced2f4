#!/usr/bin/env python3
"""Restarts two gateways behind a plain Envoy, one after the other, while clients ask. Run by `just drain`,
which builds everything first.

Each gateway is drained with `attache drain`, ended and started again, twice. The exit code is 1 if one
stream was cut off or one request lost.
"""

import argparse
import http.client
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from string import Template

sys.dont_write_bytecode = True

from bench.processes import Envoy, Failed, Provider, free_ports, get, needed, run_to_end
from bench.setting import CLIENT_KEY, Setting

ROOT = Path(__file__).resolve().parent.parent

# Restarts of each gateway.
ROUNDS = 2

# Clients of each kind.
CLIENTS = 6

# Every stream takes 4 s, which is longer than a drain waits without one.
SCRIPTS = {"stream": "events=40 delay=100", "answer": "head-delay=300"}

# The longest time that a client waits for a piece of its answer, in seconds, and that this program waits
# for a gateway to be found healthy.
PATIENCE = 30

# Does not ask again by itself: what one gateway loses is lost.
FRONT = Template("""
admin: {address: {socket_address: {address: 127.0.0.1, port_value: $admin}}}
static_resources:
  listeners:
  - address: {socket_address: {address: 127.0.0.1, port_value: $port}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: front
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes: [{match: {prefix: /}, route: {cluster: gateways, timeout: 0s}}]
          http_filters:
          - name: envoy.filters.http.router
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
  clusters:
  - name: gateways
    connect_timeout: 5s
    health_checks:
    - {timeout: 5s, interval: 0.2s, no_traffic_interval: 0.2s, unhealthy_threshold: 1, healthy_threshold: 1, http_health_check: {path: /healthz}}
    common_lb_config: {healthy_panic_threshold: {value: 0}}
    load_assignment:
      cluster_name: gateways
      endpoints:
      - lb_endpoints:
        - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: $first}}}
        - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: $second}}}
""")


class Clients:
    """Clients that ask until they are told to stop, and the ends of their requests."""

    def __init__(self, port):
        self.port, self.is_over, self.ends = port, threading.Event(), Counter()
        self.threads = [threading.Thread(target=self.run, args=[kind])
                        for kind in SCRIPTS for _ in range(CLIENTS)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        for thread in self.threads:
            thread.join()

    def run(self, kind):
        while not self.is_over.is_set():
            self.ends[kind, self.ask(kind)] += 1

    def ask(self, kind):
        """The end of one request."""
        body = {"model": "openai", "stream": kind == "stream", "messages": [
            {"role": "user", "content": f"#script {SCRIPTS[kind]} text=fine"}]}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("POST", "/v1/chat/completions", json.dumps(body), {
                "authorization": CLIENT_KEY, "content-type": "application/json"})
            answer = connection.getresponse()
            text = answer.read().decode()
        except (OSError, http.client.HTTPException) as error:
            return repr(error)
        finally:
            connection.close()
        is_whole = text.endswith("data: [DONE]\n\n") if kind == "stream" else '"fine"' in text
        return "whole" if answer.status == 200 and is_whole else f"{answer.status}: {text[-200:]}"


def main():
    options = arguments()
    ends = run_to_end("drain", run, options)
    for (kind, end), count in sorted(ends.items()):
        print(f"{kind}: {count} × {end}")
    if {end for _, end in ends} != {"whole"}:
        sys.exit("drain: requests were lost")


def arguments():
    parser = argparse.ArgumentParser(description="Restarts two gateways while clients ask.")
    parser.add_argument("--envoy", type=Path, default=ROOT / ".build/bin/envoy")
    parser.add_argument("--target", type=Path, default=ROOT / "target")
    return parser.parse_args()


def run(options):
    release = options.target / "release"
    with tempfile.TemporaryDirectory(prefix="attache-drain-") as name:
        directory = Path(name)
        with Provider(directory) as provider:
            setting = Setting(
                directory, needed(options.envoy, "Envoy"), needed(release / "attache", "attache"),
                needed(options.target / "wasm32-wasip1/filter/attache.wasm", "the module"),
                provider.port)
            with setting.ours("first") as first, setting.ours("second") as second:
                with front(setting, first, second) as plain:
                    return restarted(setting, plain, [first, second])


def front(setting, first, second):
    """A plain Envoy in front of both."""
    port, admin = free_ports(2)
    directory = setting.directory / "front"
    directory.mkdir()
    (directory / "envoy.yaml").write_text(FRONT.substitute(
        port=port, admin=admin, first=first.port, second=second.port))
    return Envoy(setting.envoy, directory, port, admin)


def restarted(setting, plain, gateways):
    """The ends of all requests while each gateway is restarted."""
    wait_for_both(plain)
    with Clients(plain.port) as clients:
        for gateway in gateways * ROUNDS:
            served = clients.ends.total()
            drain = subprocess.run([
                setting.attache, "drain", "--admin", f"127.0.0.1:{gateway.admin}",
                "--at-least", "1s", "--at-most", "60s"], capture_output=True, text=True)
            if drain.returncode:
                raise Failed(f"`attache drain`: {drain.stderr}")
            gateway.end()
            gateway.__enter__()
            wait_for_both(plain)
            if clients.ends.total() == served:
                raise Failed("nothing was answered meanwhile")
    return clients.ends


def wait_for_both(plain):
    """Waits until both gateways are found healthy."""
    page = "/stats?filter=cluster.gateways.membership_healthy"
    begun = time.monotonic()
    while not get(plain.admin, page)[1].strip().endswith(": 2"):
        if time.monotonic() > begun + PATIENCE:
            raise Failed("a gateway is not found healthy")
        time.sleep(0.1)


if __name__ == "__main__":
    main()
