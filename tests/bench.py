#!/usr/bin/env python3
"""Measures what the module costs Envoy. Run by `just bench`, which builds everything first.

Two Envoys run side by side, one worker each, in front of one scripted provider. One is configured
as `attache render` says. The other, the baseline, has the same configuration with three blocks
taken out: the gateway role, the provider role, and the route's choice of a cluster, in whose place
the cluster's name is written. Keys, header mutation, access log, limits and buffers stay. It is
sent what its provider speaks: the same request as a client of the gateway sends, in OpenAI's,
Anthropic's or Gemini's own API, so the provider does the same work for both.

* CPU per request is the time on the CPU of all of an Envoy's threads during a run of `wrk`, as the
  scheduler counts it, divided by the requests that wrk saw completed. The clock has no part in it,
  so somebody else's work on the machine disturbs it only by way of caches. Runs with and without
  the module take turns; the first pair is not counted; a row shows medians, and the ratio is that
  of the medians. Its spread over the pairs says how far to trust it.
* First content is what a client waits for in a stream: the clock from the request to the first
  bytes with text in them, of one request at a time, with and without the module in turn.
* A transcript costs what a request with one takes more than the same without one; what a plain Envoy
  needs to fetch that transcript is not counted.
* A repair costs what an answer with broken JSON takes more if it is repaired, at one Envoy.
* One attempt more is the same clock for an exchange whose first attempt fails, against one whose
  first does not: both through the module, so the first column is not the baseline's there.
* What a rate limit costs is the difference between two accounts at one Envoy that take turns; one of
  them has no limit. It includes what the client is told of it. Where a service counts, what a filter
  of Envoy's needs to ask the same service is not counted.
* The rows "where the time goes" repeat the first case at Envoys that take turns and differ in one
  layer: a plain one, one with a filter in WebAssembly that does nothing, ours without access log,
  without metrics (the module makes its host calls, Envoy keeps no metric), without limits, and ours
  with all layers, for an account whose requests are counted.
* The rows "beside chat" are of one Envoy, which is sent the same exchange in each API that clients
  may use, in turn: the first column is the chat API's.
* Instructions are counted by Valgrind, which takes a minute and needs no quiet machine: a change of
  one percent can be seen.
* The cost of a host call is a two-hundredth of the difference between a request for which a filter
  makes 200 calls and a request for which it makes none, at an Envoy that answers by itself.
* Requests per second and percentiles are wrk's own. wrk, the provider and Envoy share the machine,
  so they say little about another one.
* The memory of a waiting request is what an Envoy allocates and its VMs grow by while 400 of them wait at the provider,
  divided by them.
* Start-up is from the start of the program to the first answer of its listener.
* Growth is judged at a fresh Envoy with plain requests and streams in turn: the resident memory
  after the last chunk against that after the second one, and so the memory of the VMs. That never
  shrinks, so it shows a leak which the allocator of Envoy would hide.

An answer that is no success, a broken connection or a crashed VM ends the run. The exit code is 1
then, and if a limit is missed.
"""

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True

from bench import measure, report
from bench.counting import counting
from bench.host_calls import host_calls
from bench.inlets import inlets
from bench.instructions import instructions
from bench.layers import layers
from bench.processes import Failed, Limiter, Provider, needed, run_to_end
from bench.setting import Setting
from bench.waiting import waiting

ROOT = Path(__file__).resolve().parent.parent


def main():
    options = arguments()
    figures, setup = run_to_end("bench", run, options)
    print(report.table(figures))
    if options.json:
        options.json.write_text(json.dumps(report.document(figures, setup), indent=2) + "\n")
    sys.exit(0 if all(figure.ok for figure in figures) else 1)


def arguments():
    parser = argparse.ArgumentParser(description="Measures what the module costs Envoy.")
    parser.add_argument("--quick", action="store_true",
                        help="three rounds of a second, no growth: to see that it runs")
    parser.add_argument("--growth", action="store_true", help="only whether memory grows")
    parser.add_argument("--counting", action="store_true", help="only what rate limits cost")
    parser.add_argument("--calls", action="store_true",
                        help="only first contents and transcripts")
    parser.add_argument("--layers", action="store_true", help="only where the time goes")
    parser.add_argument("--inlets", action="store_true",
                        help="only what the other APIs cost beside chat")
    parser.add_argument("--host-calls", action="store_true", help="only what host calls cost")
    parser.add_argument("--waiting", action="store_true",
                        help="only the memory of requests that wait for their answer")
    parser.add_argument("--instructions", action="store_true",
                        help="only the instructions of a request; needs valgrind")
    parser.add_argument("--repair", action="store_true", help="only what repairs cost")
    parser.add_argument("--case", metavar="TEXT", default="",
                        help="only what requests with TEXT in their name cost")
    parser.add_argument("--json", metavar="FILE", type=Path, help="the figures, for programs")
    return parser.parse_args()


def run(options):
    """All figures asked for, and what they were measured with."""
    target = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").absolute()
    module = os.environ.get("ATTACHE_MODULE") or target / "wasm32-wasip1/filter/attache.wasm"
    envoy = os.environ.get("ATTACHE_ENVOY") or ROOT / ".build/bin/envoy"
    if not shutil.which("wrk"):
        raise Failed("wrk is missing: apt-get install -y wrk")
    limiter = os.environ.get("ATTACHE_LIMITER") or target / "limiter/debug/rate-limiter"
    limiter = needed(limiter, "the rate limit service")
    idle_filter = os.environ.get("ATTACHE_BENCH_FILTER") or (
        target / "bench-filter/wasm32-wasip1/filter/bench_filter.wasm")
    with tempfile.TemporaryDirectory(prefix="attache-bench-") as name:
        directory = Path(name)
        with Provider(directory) as provider, Limiter(limiter, directory) as service:
            setting = Setting(
                directory, needed(envoy, "Envoy"), needed(target / "release/attache", "attache"),
                needed(module, "the module"), provider.port, service.url,
                needed(idle_filter, "the filter of the benchmark"))
            figures = measured(setting, options)
            return figures, described(setting, options)


def measured(setting, options):
    """One part after the other; a part that was asked for alone is alone."""
    rounds, seconds = (3, 1) if options.quick else (6, 4)
    if options.growth:
        return measure.growth(setting)
    cases = [case for case in measure.CASES if options.case in case.name]
    if options.counting:
        return counting(setting, rounds, seconds)
    if options.layers:
        return layers(setting, rounds, seconds)
    if options.inlets:
        return inlets(setting, rounds, seconds)
    if options.host_calls:
        return host_calls(setting, rounds, min(seconds, 2))
    if options.waiting:
        return waiting(setting)
    if options.instructions:
        return instructions(setting)
    if options.repair:
        return measure.repair(setting, rounds, seconds)
    if options.calls:
        return (measure.first_content(setting, 100 if options.quick else measure.WAITS)
                + measure.injection(setting, rounds, seconds))
    figures = measure.costs(setting, cases, rounds, seconds)
    if options.case:
        return figures
    figures += layers(setting, rounds, seconds) + inlets(setting, rounds, seconds)
    figures += host_calls(setting, rounds, min(seconds, 2))
    figures += counting(setting, rounds, seconds)
    figures += measure.first_content(setting, 100 if options.quick else measure.WAITS)
    figures += measure.injection(setting, rounds, seconds)
    figures += measure.repair(setting, rounds, seconds)
    figures += measure.next_attempt(setting, 100 if options.quick else measure.WAITS)
    figures += waiting(setting) + measure.size(setting) + measure.startup(setting, rounds)
    return figures if options.quick else figures + measure.growth(setting)


def described(setting, options):
    """What a figure has to be read with."""
    return {
        "quick": options.quick,
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "envoy": str(setting.envoy),
        "module_bytes": setting.module.stat().st_size,
    }


if __name__ == "__main__":
    main()
