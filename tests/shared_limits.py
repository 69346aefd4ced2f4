#!/usr/bin/env python3
"""Counts limits with envoyproxy/ratelimit and Redis, and takes each part away in between. Run by
`just shared-limits`, which builds everything first.

Two gateways with `unreachable: local` share the limits of accounts, and a third one has `unreachable:
refuse`. Redis, the service and a gateway are killed one after the other, and started again. The exit code
is 1 if one request too many or too few is admitted.
"""

import argparse
import http.client
import json
import os
import signal
import string
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

sys.dont_write_bytecode = True

from bench.processes import Envoy, Failed, Process, Provider, free_ports, needed, run_to_end

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / "tests/shared_limits"

# Requests of an account in a minute, as in `gateway.yaml`.
LIMIT = 200

# Requests that each gateway is sent for an account, and the clients that send them.
ASKED, CLIENTS = 300, 16

# The service counts in minutes of the clock. A step that begins later than this waits for the next one.
LATEST_START = 30

# The longest time that a part may take to recover, in seconds.
PATIENCE = 60

ADMITTED, REFUSED, UNCOUNTED = 200, 429, 503


class Redis(Process):
    def __init__(self, directory, port):
        super().__init__(["redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "",
                          "--dir", directory], directory / "redis.log")


class Service(Process):
    """The rate limit service, whose configuration names the domain only."""

    def __init__(self, program, directory, port, redis):
        super().__init__([program], directory / "ratelimit.log")
        config = directory / "runtime/ratelimit/config"
        config.mkdir(parents=True)
        (config / "attache.yaml").write_text("domain: attache\n")
        http_port, debug_port = free_ports(2)
        self.environment = {
            "RUNTIME_ROOT": directory / "runtime", "RUNTIME_SUBDIRECTORY": "ratelimit",
            "RUNTIME_WATCH_ROOT": "false", "USE_STATSD": "false",
            "REDIS_SOCKET_TYPE": "tcp", "REDIS_URL": f"127.0.0.1:{redis}",
            "HOST": "127.0.0.1", "PORT": http_port, "GRPC_HOST": "127.0.0.1", "GRPC_PORT": port,
            "DEBUG_HOST": "127.0.0.1", "DEBUG_PORT": debug_port,
        }

    def __enter__(self):
        os.environ.update({name: str(value) for name, value in self.environment.items()})
        return super().__enter__()


class Gateways:
    """The gateways, rendered with the ports of the other parts."""

    def __init__(self, options, directory, provider, service):
        self.options, self.directory = options, directory
        self.ports = {"provider": provider, "service": service}
        (directory / "provider.key").write_text("provider-key")
        for account in ("together", "without-redis", "after-redis", "without-service",
                        "after-service", "envoy", "probe"):
            (directory / f"{account}.key").write_text(f"key-of-{account}")

    def render(self, name, unreachable):
        gateway, admin = free_ports(2)
        file, out = self.directory / f"{name}.yaml", self.directory / name
        template = string.Template((HERE / "gateway.yaml").read_text())
        file.write_text(template.substitute(
            self.ports, gateway=gateway, admin=admin, unreachable=unreachable))
        target = self.options.target
        command = [needed(target / "release/attache", "attache"), "render", file, "--out", out,
                   "--module", needed(target / "wasm32-wasip1/filter/attache.wasm", "the module")]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise Failed(f"`attache render` refused the configuration:\n{done.stderr}")
        return Envoy(self.options.envoy, out, gateway, admin, workers=2)


def main():
    parser = argparse.ArgumentParser(description="Counts limits with a real service and Redis.")
    parser.add_argument("--envoy", type=Path, default=ROOT / ".build/bin/envoy")
    parser.add_argument("--target", type=Path, default=ROOT / "target")
    parser.add_argument("--service", type=Path, default=ROOT / ".build/ratelimit/service_cmd")
    options = parser.parse_args()
    run_to_end("shared-limits", run, options)


def run(options):
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="attache-shared-")))
        start = stack.enter_context
        redis_port, service_port = free_ports(2)
        redis = start(Redis(directory, redis_port))
        program = needed(options.service, "the rate limit service")
        service = start(Service(program, directory, service_port, redis_port))
        provider = start(Provider(directory))
        gateways = Gateways(options, directory, provider.port, service_port)
        local = [start(gateways.render(name, "local")) for name in ("first", "second")]
        refusing = start(gateways.render("refusing", "refuse"))
        everyone = [*local, refusing]
        recover(everyone)
        step("all parts are up", local, "together", {ADMITTED: LIMIT})
        without(redis, everyone, local, refusing, "redis")
        without(service, everyone, local, refusing, "service")
        kill_a_gateway(local)


def without(part, everyone, local, refusing, name):
    """Takes Redis or the service away, and brings it back."""
    kill(part)
    step(f"{name} is gone, unreachable: local", local, f"without-{name}", {ADMITTED: 2 * LIMIT})
    step(f"{name} is gone, unreachable: refuse", [refusing], f"without-{name}", {UNCOUNTED: ASKED})
    part.__enter__()
    recover(everyone)
    step(f"{name} is back", local, f"after-{name}", {ADMITTED: LIMIT})


def kill_a_gateway(local):
    """Kills a gateway in the middle of a window, which goes on counting."""
    await_window()
    first, second = local
    ends = crowd([first, second], "envoy", LIMIT // 4)
    kill(second)
    second.__enter__()
    # A new Envoy has no connection to the service yet.
    recover([second])
    ends += crowd([first, second], "envoy", ASKED)
    judge("a gateway was killed in between", ends, {ADMITTED: LIMIT})


def kill(process):
    """Ends a process without a chance to tidy up. An Envoy is a child of the program that watches it."""
    os.kill(getattr(process, "ready", {}).get("pid", process.pid), signal.SIGKILL)
    process.end()


def step(name, gateways, account, expected):
    await_window()
    judge(name, crowd(gateways, account, ASKED), expected)


def judge(name, ends, expected):
    """Compares the numbers of statuses. All requests that are not expected must be refused."""
    expected = Counter(expected)
    if rest := ends.total() - expected.total():
        expected[REFUSED] = rest
    print(f"{name}: " + ", ".join(f"{count} × {status}" for status, count in sorted(ends.items())))
    if ends != expected:
        raise Failed(f"{name}: expected {dict(expected)}, found {dict(ends)}")


def crowd(gateways, account, number):
    """The statuses of requests that all gateways are sent at once."""
    with ThreadPoolExecutor(CLIENTS * len(gateways)) as pool:
        asks = [pool.submit(ask, gateway, account)
                for _ in range(number) for gateway in gateways]
        return Counter(each.result() for each in asks)


def ask(gateway, account):
    body = {"model": "openai", "messages": [{"role": "user", "content": "#script text=fine"}]}
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=PATIENCE)
    connection.request("POST", "/v1/chat/completions", json.dumps(body), {
        "authorization": f"key-of-{account}", "content-type": "application/json"})
    status = connection.getresponse().status
    connection.close()
    return status


def await_window():
    """Waits until a minute has begun that a whole step fits into."""
    second = time.time() % 60
    if second > LATEST_START:
        time.sleep(60.1 - second)


def recover(gateways):
    """Waits until the service counts for every worker of these gateways: many requests, and none that
    the service did not answer."""
    begun = time.monotonic()
    for gateway in gateways:
        while not counts(gateway):
            if time.monotonic() > begun + PATIENCE:
                raise Failed("the service is not asked again")
            time.sleep(0.5)


def counts(gateway):
    """Whether the service answers for a gateway."""
    failures = lambda: gateway.counted("attache_rate_limit_service_failures")
    before = failures()
    for _ in range(8):
        ask(gateway, "probe")
    return failures() == before


if __name__ == "__main__":
    main()
