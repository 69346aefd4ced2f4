#!/usr/bin/env python3
"""Asks an Envoy with the module for more than it can carry, and checks that it stays what it was. Run by
`just overload`, which builds everything first.

Two thousand clients at once, of the kinds in `tests/overload/flood.py`: bodies of 10 MiB, clients that
write or read slowly, providers that never end. The exit code is 1 unless

* resident memory stays below the bound,
* neither Envoy nor a VM of it crashes,
* every request comes to one end that is right for its kind: an answer, an error in the gateway's shape,
  or a closed connection where Envoy says that it has refused one,
* five seconds after the flood, every request is answered again, and nothing of the flood is open.
"""

import argparse
import asyncio
import resource
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.dont_write_bytecode = True

from bench import report
from bench.processes import Failed, Provider, needed, run_to_end
from bench.setting import CLIENT_KEY, Setting
from overload.flood import CLOSED, KINDS, SERVED, Flood, Kind
from soak import witness

ROOT = Path(__file__).resolve().parent.parent

# The bound on resident memory, in MiB.
BOUND = 512

# Worker threads of Envoy.
WORKERS = 2

# Files that the clients need: a socket each, and some.
FILES = 8192

# Time between the flood and normal service, in seconds.
RECOVERY = 5

# Requests that have to be answered after the flood.
PROBES = 50

# Counters of connections that Envoy has refused: by the heap, and by their number.
REFUSED_CONNECTIONS = "listener.*(downstream_cx_overload_reject|downstream_global_cx_overflow)$"

# A minute is too long for clients that let a body trickle in: half of it shows the same.
REQUEST_TIMEOUT = ("request_timeout: 60s", "request_timeout: 20s")


class Flooded(Setting):
    """The setting of the benchmark, with the configuration of this folder."""

    template = Path(__file__).parent / "overload/gateway.yaml"

    def envoy_of(self):
        directory = self.directory
        envoy = self.ours(workers=WORKERS)
        file = directory / "ours/listeners.yaml"
        before = file.read_text()
        file.write_text(before.replace(*REQUEST_TIMEOUT))
        if file.read_text() == before:
            raise Failed("the rendered listener has another request_timeout")
        return envoy


class Memory(threading.Thread):
    """Looks at the resident memory of a process ten times a second."""

    def __init__(self, process):
        super().__init__(daemon=True)
        self.process, self.peak, self.ended = process, 0, threading.Event()

    def run(self):
        while not self.ended.wait(0.1):
            self.peak = max(self.peak, self.process.rss())


def main():
    options = arguments()
    raise_files()
    mistakes = run_to_end("overload", run, options)
    for mistake in mistakes:
        print(f"overload: {mistake}")
    sys.exit(1 if mistakes else 0)


def arguments():
    parser = argparse.ArgumentParser(description="Asks an Envoy for more than it can carry.")
    parser.add_argument("--seconds", type=float, default=30, help="how long the flood lasts")
    parser.add_argument("--envoy", type=Path, default=ROOT / ".build/bin/envoy")
    parser.add_argument("--target", type=Path, default=ROOT / "target")
    return parser.parse_args()


def raise_files():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


def run(options):
    """Floods an Envoy, prints the tables, and returns all that went wrong."""
    release = options.target / "release"
    with tempfile.TemporaryDirectory(prefix="attache-overload-") as name:
        directory = Path(name)
        with Provider(directory) as provider:
            setting = Flooded(
                directory, needed(options.envoy, "Envoy"), needed(release / "attache", "attache"),
                needed(options.target / "wasm32-wasip1/filter/attache.wasm", "the module"),
                provider.port)
            with setting.envoy_of() as envoy:
                return flooded(envoy, options.seconds)


def flooded(envoy, seconds):
    before, memory = envoy.rss(), Memory(envoy)
    memory.start()
    flood = asyncio.run(flooding(envoy, seconds))
    time.sleep(RECOVERY)
    probes = asyncio.run(probed(envoy))
    memory.ended.set()
    memory.join()
    print(table(flood), "", sizes(envoy, before, memory.peak), "", refusals(envoy), sep="\n")
    return [*wrong_ends(flood, envoy), *after(envoy, probes, memory.peak)]


async def flooding(envoy, seconds):
    """The flood, once it is over."""
    flood = Flood(envoy.port, CLIENT_KEY)
    await flood.run(seconds)
    return flood


async def probed(envoy):
    """The ends of ordinary requests, one after the other."""
    calm, kind = Flood(envoy.port, CLIENT_KEY), Kind("ordinary", 1)
    return [await calm.ask(kind, kind.body("openai")) for _ in range(PROBES)]


def wrong_ends(flood, envoy):
    refused = envoy.counted(REFUSED_CONNECTIONS)
    closed = sum(ends[CLOSED] for ends in flood.ends.values())
    if closed > refused:
        yield f"{closed} connections were closed without an answer, and Envoy has refused {refused}"
    for kind in KINDS:
        for end, count in flood.ends[kind.name].items():
            if end not in kind.ends | {CLOSED}:
                yield f"{kind.name}: {count} × {end}"


def after(envoy, probes, peak):
    if peak > BOUND * 1024:
        yield f"{peak // 1024} MiB of resident memory, more than {BOUND}"
    if any(probe != SERVED for probe in probes):
        yield f"after the flood: {sorted(set(probes))}"
    if crashes := envoy.reloads():
        yield f"the module has crashed {crashes} times"
    yield from witness.errors(envoy)
    if left := witness.still_open(envoy, witness.REQUESTS):
        yield "still open after the flood: " + ", ".join(left)


def table(flood):
    """A table of what was asked, and the ends of it."""
    rows = [[kind.name, str(kind.clients), f"{sum(ends.values()):,}", ", ".join(
        f"{count:,} × {end}" for end, count in ends.most_common())]
        for kind in KINDS for ends in [flood.ends[kind.name]]]
    heads = [["clients", "number", "requests", "ends"], ["---", "---:", "---:", "---"]]
    return "\n".join(map(report.line, heads + rows))


def refusals(envoy):
    """A table of what Envoy and the module have counted as refused."""
    counters = [
        ("requests, by the bound on held bodies", "attache_errors_reason_=_gateway_overloaded"),
        ("requests, by the heap", "gateway.*downstream_rq_overload_close$"),
        ("connections", REFUSED_CONNECTIONS),
    ]
    rows = [[name, f"{envoy.counted(counter):,}"] for name, counter in counters]
    return "\n".join(map(report.line, [["refused", ""], ["---", "---:"], *rows]))


def sizes(envoy, before, peak):
    rows = [["before the flood", before], ["at most", peak], ["after it", envoy.rss()]]
    rows = [[name, f"{size // 1024:,} MiB"] for name, size in rows]
    return "\n".join(map(report.line, [["resident memory", ""], ["---", "---:"], *rows]))


if __name__ == "__main__":
    main()
