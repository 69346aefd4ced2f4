"""The measurements: what a request costs, what memory and start-up do, whether anything grows."""

import sys
import time
from dataclasses import dataclass
from statistics import median

from .load import ask, burst, chat
from .processes import Failed
from .report import Figure

# The longest module that may be, in KiB. Our own number: Envoy compiles every byte at its start.
LONGEST_MODULE = 1536

# Requests of the growth run, and how long each of its chunks is: ten chunks or so.
GROWTH_REQUESTS, GROWTH_SECONDS = 200_000, 3

# How far the last chunk's RSS may be from the second one's: the first still warms caches up. The
# allocator of Envoy keeps what it may need again, so equal to the byte it never is.
GROWTH_SHARE, GROWTH_KIB = 0.02, 1024

# How much the VMs may grow after the second chunk, in KiB: a page for each of the worker's two.
GROWTH_VMS = 128


@dataclass(frozen=True)
class Case:
    """A request that is sent over and over, and how much more CPU it may cost with the module."""

    name: str
    body: str
    limit: float | None
    connections: int = 16
    events: int = 0


CASES = [
    Case("1 KB request, 1 KB answer", chat("size=500"), limit=2.0),
    # No model streams like this: Envoy reads all events at once and pays nothing for each. What is
    # left is the module's own work, so there is no limit, and the ratio shows that work best.
    Case("50 events, all at once", chat("events=50", stream=True), limit=None, events=50),
    # As models stream: whatever the event, Envoy wakes up for it alone. Each answer takes a tenth
    # of a second, so there are more of them at a time.
    Case("50 events, one at a time", chat("events=50 delay=1", stream=True), limit=1.6,
         connections=64, events=50),
]


def say(text):
    """Progress goes where the table does not."""
    print(text, file=sys.stderr, flush=True)


def costs(setting, cases, rounds, seconds):
    """CPU per request and all that wrk sees, then the memory of the two Envoys it was seen at."""
    figures = []
    with setting.baseline() as baseline, setting.ours() as ours:
        idle = Figure("RSS, idle", "KiB", baseline.rss(), ours.rss())
        for case in cases:
            check(case, baseline, ours)
            figures += cost(case, baseline, ours, rounds, seconds)
        figures += [idle, Figure("RSS, after the load", "KiB", baseline.rss(), ours.rss())]
        healthy(ours)
    return figures


def check(case, baseline, ours):
    """Sees that both Envoys answer what the case means, before anybody counts."""
    for envoy in baseline, ours:
        text = ask(envoy, case.body)
        events = text.count("data: {")
        if events < case.events or (not case.events and '"choices"' not in text):
            raise Failed(f"{case.name}: {events} events in the answer:\n{text[:2000]}")


def cost(case, baseline, ours, rounds, seconds):
    """Rounds that take turns, so that whatever else runs on the machine is in both. The first one
    only warms up: V8 compiles what is called often a second time."""
    pairs = []
    for turn in range(rounds + 1):
        order = (baseline, ours) if turn % 2 else (ours, baseline)
        found = {e: burst(e, [case.body], case.connections, seconds) for e in order}
        pairs.append((found[baseline], found[ours]))
        costs = " / ".join(f"{each.cpu_per_request:.1f}" for each in pairs[-1])
        say(f"{case.name}: {'round ' + str(turn) if turn else 'warm-up'}: {costs} µs")
    return cost_figures(case, pairs[1:])


def cost_figures(case, pairs):
    """Medians of the rounds. The spread is that of the rounds' own ratios."""
    def row(what, unit, value, **more):
        without, with_it = (median(map(value, side)) for side in zip(*pairs))
        return Figure(f"{case.name}: {what}", unit, without, with_it, **more)

    cpu = row("CPU per request", "µs", lambda burst: burst.cpu_per_request, limit=case.limit)
    cpu.judged = cpu.ours / cpu.baseline
    ratios = sorted(ours.cpu_per_request / plain.cpu_per_request for plain, ours in pairs)
    cpu.note = f"{ratios[0]:.2f} to {ratios[-1]:.2f}× in {len(pairs)} rounds"
    return [
        cpu,
        row("requests", "1/s", lambda burst: burst.requests / burst.seconds),
        row("p50", "ms", lambda burst: burst.p50 / 1000),
        row("p99", "ms", lambda burst: burst.p99 / 1000),
    ]


def startup(setting, rounds):
    """From the start of the program to the first answer of the listener, again and again."""
    starts = []
    for turn in range(rounds):
        with setting.baseline() as envoy:
            plain = envoy.start
        with setting.ours() as envoy:
            if envoy.status != 200:
                raise Failed(f"/healthz was answered with {envoy.status}")
            starts.append((plain, envoy.start))
        say(f"start-up {turn + 1}: {plain[0]:.3f} / {starts[-1][1][0]:.3f} s")
    rows = ("start-up, clock", 0), ("start-up, CPU", 1)
    return [
        Figure(name, "ms", *(median(start[at] * 1000 for start in side) for side in zip(*starts)),
               note=f"{rounds} rounds")
        for name, at in rows
    ]


def size(setting):
    """The module as it lies on the disk."""
    kib = setting.module.stat().st_size / 1024
    return [Figure("module", "KiB", None, kib, judged=kib, limit=LONGEST_MODULE)]


@dataclass
class Memory:
    """What an Envoy holds after so many requests. In KiB."""

    requests: int
    rss: int
    linear: int
    allocated: int


def growth(setting):
    """Plain requests and streams in turn at a fresh Envoy, and its memory after each chunk."""
    bodies = [case.body for case in CASES[:2]]
    found, total = [], 0
    with setting.ours("growth") as envoy:
        while total < GROWTH_REQUESTS or len(found) < 3:
            total += burst(envoy, bodies, 16, GROWTH_SECONDS).requests
            time.sleep(0.5)  # Envoy gives back what it need not keep.
            memory = Memory(total, envoy.rss(), envoy.linear_memory(), envoy.allocated())
            found.append(memory)
            say(f"growth: after {total} requests RSS {memory.rss} KiB, "
                f"VMs {memory.linear} KiB, allocated {memory.allocated} KiB")
        healthy(envoy)
    return growth_figures(found)


def growth_figures(found):
    """The last chunk's memory, and the most it may be: little more than the second one's."""
    def row(name, of, limit=None):
        first, second, last = of(found[0]), of(found[1]), of(found[-1])
        slope = (last - second) / (found[-1].requests - found[1].requests) * 1000
        note = f"first {first:,}, second {second:,}, {slope:+.1f} per 1,000 requests"
        return Figure(f"growth: {name}", "KiB", None, last, judged=last,
                      limit=limit and round(limit(second)), note=note)

    return [
        row(f"RSS after {found[-1].requests:,} requests", lambda memory: memory.rss,
            lambda second: second * (1 + GROWTH_SHARE) + GROWTH_KIB),
        row("memory of the VMs", lambda memory: memory.linear,
            lambda second: second + GROWTH_VMS),
        row("allocated, by Envoy's count", lambda memory: memory.allocated),
    ]


def healthy(envoy):
    """No figure counts if a VM crashed on the way to it."""
    if envoy.reloads():
        raise Failed(f"{envoy.reloads()} VMs crashed:\n{envoy.complaint()}")
