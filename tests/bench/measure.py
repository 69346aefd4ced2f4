"""The measurements: what a request costs, what memory and start-up do, whether anything grows."""

import json
import sys
import time
from dataclasses import dataclass
from statistics import median, quantiles

from .load import Line, Request, about, answered, ask, broken, burst, chat, translated
from .processes import Failed
from .report import Figure
from .setting import PROVIDERS

# The longest module that may be, in KiB: 1.4 MiB. Envoy compiles every byte at its start.
LONGEST_MODULE = 1433

# Requests of the growth run, and how long each of its chunks is: ten chunks or so.
GROWTH_REQUESTS, GROWTH_SECONDS = 200_000, 3

# How far the last chunk's RSS may be from the second one's: the first still warms caches up. The
# allocator of Envoy keeps what it may need again, so equal to the byte it never is.
GROWTH_SHARE, GROWTH_KIB = 0.02, 1024

# How much the VMs may grow after the second chunk, in KiB: a page for each of the worker's two.
GROWTH_VMS = 128


# How much later the first content may come through the module, in ms. Our own numbers: of a short
# conversation, and of a phone call of forty messages with six tools.
FIRST_CONTENT, FIRST_WORD = 0.3, 0.4

# How often the first content is waited for, with the module and without.
WAITS = 500


# How many bytes of text a transcript has, and how much CPU it may cost to put it into a request, in
# ms, without what it costs to fetch it.
TRANSCRIPT, INJECTION = 100_000, 1.0


# How much longer an exchange may take that needs a second attempt, that attempt's own time with the
# provider included, in ms.
NEXT_ATTEMPT = 1.0


# How large a broken answer is, in bytes, how many of them are under way, and how much more it may
# cost to repair one than to see that nothing is to be repaired, in µs: of a megabyte 100 MB/s, of a
# short one what the new body, header and metric cost besides.
BROKEN = [("2 KB", 2 << 10, 16, 60.0), ("1 MB", 1 << 20, 2, (1 << 20) / 100)]

STEPS = [{"type": "json-repair"}]


@dataclass(frozen=True)
class Case:
    """A request that is sent over and over, and how much more CPU it may cost with the module: so
    many times as much, or so many more milliseconds."""

    name: str
    directive: str
    provider: str = "openai"
    limit: float | None = None
    most: float | None = None
    stream: bool = False
    connections: int = 16
    events: int = 0
    more: int = 0
    call: bool = False

    def ours(self):
        """What a client sends."""
        return chat(self.directive, self.stream, self.provider, self.more, call=self.call)

    def plain(self):
        """What an Envoy without the module is sent: what its provider speaks."""
        return translated(self.provider, self.directive, self.stream, self.more, self.call)


def cases(provider, whole, streamed):
    """The cases of an API schema, with the limits of a plain request and of a stream."""
    return [
        Case(f"{provider}: 1 KB request, 1 KB answer", "size=500", provider, limit=whole),
        # As models stream: whatever the event, Envoy wakes up for it alone. Each answer takes a
        # tenth of a second, so there are more of them at a time.
        Case(f"{provider}: 50 events, one at a time", "events=50 delay=1", provider, limit=streamed,
             stream=True, connections=64, events=50),
        Case(f"{provider}: 1 MB request", "size=500", provider, most=25.0, connections=2,
             more=1 << 20),
    ]


# No model streams like this: Envoy reads all events at once and pays nothing for each. What is left
# is the module's own work, so there is no limit, and the ratio shows that work best.
AT_ONCE = Case("openai: 50 events, all at once", "events=50", stream=True, events=50)

CASES = [
    *cases("openai", 2.0, 1.6),
    AT_ONCE,
    *cases("anthropic", 2.3, 1.8),
    *cases("gemini", 2.3, 1.8),
]


def say(text):
    """Progress goes where the table does not."""
    print(text, file=sys.stderr, flush=True)


def costs(setting, cases, rounds, seconds):
    """CPU per request and all that wrk sees, then the memory of the two Envoys it was seen at."""
    figures = []
    for provider in PROVIDERS:
        own = [case for case in cases if case.provider == provider]
        if not own:
            continue
        with setting.baseline(provider) as baseline, setting.ours() as ours:
            idle = Figure(f"{provider}: RSS, idle", "KiB", baseline.rss(), ours.rss())
            for case in own:
                check(case, baseline, ours)
                figures += cost(case, baseline, ours, rounds, seconds)
            loaded = Figure(f"{provider}: RSS, after the load", "KiB", baseline.rss(), ours.rss())
            figures += [idle, loaded]
            healthy(ours)
    return figures


def check(case, baseline, ours):
    """Sees that both Envoys answer what the case means, before anybody counts."""
    for envoy, request in (baseline, case.plain()), (ours, case.ours()):
        text = ask(envoy, request)
        events = text.count("data: {")
        answered = any(key in text for key in ('"choices"', '"stop_reason"', '"candidates"'))
        if events < case.events or not answered:
            raise Failed(f"{case.name}: {events} events in the answer:\n{text[:2000]}")


def cost(case, baseline, ours, rounds, seconds):
    """The same request with the module and without."""
    sides = [(baseline, case.plain()), (ours, case.ours())]
    return cost_figures(case, in_turn(case.name, sides, rounds, seconds, case.connections))


def in_turn(name, sides, rounds, seconds, connections):
    """What the sides found in each round: an Envoy, a request, and whose it is if that matters. Every
    other round has the sides in the other order, so that whatever else runs on the machine is in all.
    The first one only warms up: V8 compiles what is called often a second time."""
    found = []
    for turn in range(rounds + 1):
        once = {}
        for place, (envoy, request, *key) in list(enumerate(sides))[::1 if turn % 2 else -1]:
            once[place] = burst(envoy, [request], connections, seconds, *key)
        found.append([once[place] for place in range(len(sides))])
        told = " / ".join(f"{each.cpu_per_request:.1f}" for each in found[-1])
        say(f"{name}: {'round ' + str(turn) if turn else 'warm-up'}: {told} µs")
    return found[1:]


def cpu(found):
    """CPU per request of each side, round by round."""
    return zip(*([each.cpu_per_request for each in once] for once in found))


def cost_figures(case, pairs):
    """Medians of the rounds. The spread is that of the rounds' own ratios."""
    def row(what, unit, value, **more):
        without, with_it = (median(map(value, side)) for side in zip(*pairs))
        return Figure(f"{case.name}: {what}", unit, without, with_it, **more)

    cpu = row("CPU per request", "µs", lambda burst: burst.cpu_per_request, limit=case.limit)
    cpu.judged = cpu.ours / cpu.baseline
    ratios = sorted(ours.cpu_per_request / plain.cpu_per_request for plain, ours in pairs)
    cpu.note = f"{ratios[0]:.2f} to {ratios[-1]:.2f}× in {len(pairs)} rounds"
    added = []
    if case.most is not None:
        more = (cpu.ours - cpu.baseline) / 1000
        added = [Figure(f"{case.name}: CPU added", "ms", None, more, judged=more, limit=case.most)]
    return [
        cpu,
        *added,
        row("requests", "1/s", lambda burst: burst.requests / burst.seconds),
        row("p50", "ms", lambda burst: burst.p50 / 1000),
        row("p99", "ms", lambda burst: burst.p99 / 1000),
    ]


def first_content(setting, waits=WAITS):
    """How much later a stream's first content comes: one request at a time, on an idle machine."""
    signs = {"openai": b'"content":"a', "anthropic": b"text_delta", "gemini": b'"parts":[{'}
    figures = []
    short = [(Case(f"{provider}: first content", "text=aaa_bbb_ccc", provider, stream=True),
              FIRST_CONTENT) for provider in PROVIDERS]
    calls = [(Case(f"{provider}: first content of a call", "text=aaa_bbb_ccc", provider,
                   stream=True, call=True), FIRST_WORD) for provider in PROVIDERS]
    for case, most in short + calls:
        provider = case.provider
        with setting.baseline(provider) as baseline, setting.ours() as ours:
            check(case, baseline, ours)
            lines = [(Line(baseline, case.plain()), signs[provider]),
                     (Line(ours, case.ours()), signs["openai"])]
            times = [[line.first(sign) * 1000 for line, sign in lines] for _ in range(waits)]
            for line, _ in lines:
                line.close()
            healthy(ours)
        # The first tenth only warms up.
        plain, ours = zip(*times[waits // 10:])
        for name, of, limit in ("p50", median, most), ("p90", decile, None):
            without, with_it = of(plain), of(ours)
            figures.append(Figure(f"{case.name}: {name}", "ms", without, with_it,
                                  judged=with_it - without, limit=limit,
                                  note=f"{with_it - without:+.3f} ms, {len(plain)} each"))
        say(f"{case.name}: {figures[-2].note}")
    return figures


def injection(setting, rounds, seconds):
    """What it costs to put a transcript into a request: the same request with one and without one,
    less what a plain Envoy needs to fetch that transcript."""
    transcript = f"spoken-{TRANSCRIPT}-a"
    fetch = Request(f"/v2/transcript/{transcript}", "", "GET")
    with setting.baseline() as baseline, setting.ours() as ours:
        usage = json.loads(ask(ours, about(transcript)))["usage"]
        if usage["prompt_tokens"] < TRANSCRIPT // len("word "):
            raise Failed("the transcript did not reach the provider")
        sides = [(ours, about(None)), (ours, about(transcript)), (baseline, fetch)]
        plain, whole, fetched = cpu(in_turn("transcript", sides, rounds, seconds, 16))
        healthy(ours)
    added = sorted((two - one - three) / 1000 for one, two, three in zip(plain, whole, fetched))
    return [
        Figure("transcript of 100 KB: CPU per request", "µs", median(plain), median(whole),
               note=f"{median(fetched):.0f} µs more for a plain Envoy to fetch it"),
        Figure("transcript of 100 KB: CPU added without the fetch", "ms", None, median(added),
               judged=median(added), limit=INJECTION,
               note=f"{added[0]:.2f} to {added[-1]:.2f} in {rounds} rounds"),
    ]


def repair(setting, rounds, seconds):
    """What it costs to repair an answer, at one Envoy: the same answer as it is, one with nothing
    to repair, and one that is repaired."""
    figures = []
    for name, size, connections, limit in BROKEN:
        text = broken(size)
        whole = text.replace(",}", "}")
        requests = [answered(text, None), answered(whole, STEPS), answered(text, STEPS)]
        with setting.ours() as ours:
            check_repair(ask(ours, requests[2]), whole)
            sides = [(ours, request) for request in requests]
            found = cpu(in_turn(f"repair of {name}", sides, rounds, seconds, connections))
            healthy(ours)
        figures += repair_figures(name, limit, len(text), *found)
    return figures


def check_repair(answer, expected):
    """Sees that the answer was repaired."""
    content = json.loads(answer)["choices"][0]["message"]["content"]
    if content != expected:
        raise Failed(f"this was not repaired:\n{content[:2000]}")


def repair_figures(name, limit, size, plain, checked, repaired):
    """What is judged is the difference to an answer with nothing to repair. A byte in a microsecond
    is a megabyte in a second."""
    added = sorted(mended - whole for whole, mended in zip(checked, repaired))
    return [
        Figure(f"repair of {name}: CPU per request", "µs", median(plain), median(repaired),
               note=f"{median(checked):,.0f} µs with the step and nothing to repair"),
        Figure(f"repair of {name}: CPU added", "µs", None, median(added), judged=median(added),
               limit=limit, note=f"{size / median(added):.0f} MB/s"),
    ]


def next_attempt(setting, waits=WAITS):
    """What a failed attempt costs when the next one needs no back-off: the first content after
    one attempt more against that of the same gateway after one alone."""
    figures = []
    for lane, stream in ("answer", False), ("stream", True):
        alone = chat("text=aaa", stream, fallback="large")
        failed = chat("status=429 | text=aaa", stream, fallback="large")
        with setting.ours() as ours:
            lines = [Line(ours, request) for request in (alone, failed)]
            times = [[line.first(b"aaa") * 1000 for line in lines] for _ in range(waits)]
            for line in lines:
                line.close()
            healthy(ours)
        one, two = (median(side) for side in zip(*times[waits // 10:]))
        figures.append(Figure(f"one attempt more, {lane}: p50", "ms", one, two, judged=two - one,
                              limit=NEXT_ATTEMPT, note=f"{two - one:+.3f} ms"))
        say(f"one attempt more, {lane}: {figures[-1].note}")
    return figures


def decile(values):
    """What nine of ten values are below."""
    return quantiles(values, n=10)[-1]


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

    @classmethod
    def of(cls, envoy, requests):
        """What it holds now, after so many."""
        time.sleep(0.5)  # Envoy gives back what it need not keep.
        memory = cls(requests, envoy.rss(), envoy.linear_memory(), envoy.allocated())
        say(f"after {requests} requests RSS {memory.rss} KiB, "
            f"VMs {memory.linear} KiB, allocated {memory.allocated} KiB")
        return memory


def growth(setting):
    """Plain requests and streams in turn at a fresh Envoy, and its memory after each chunk."""
    requests = [CASES[0].ours(), AT_ONCE.ours()]
    found, total = [], 0
    with setting.ours("growth") as envoy:
        while total < GROWTH_REQUESTS or len(found) < 3:
            total += burst(envoy, requests, 16, GROWTH_SECONDS).requests
            found.append(Memory.of(envoy, total))
        healthy(envoy)
    return growth_figures(found)


def growth_figures(found, vms=GROWTH_VMS):
    """The last chunk's memory, and the most it may be: little more than the second one's. `vms` is how
    much the VMs may grow, in KiB."""
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
            lambda second: second + vms),
        row("allocated, by Envoy's count", lambda memory: memory.allocated,
            lambda second: second + GROWTH_KIB),
    ]


def healthy(envoy):
    """No figure counts if a VM crashed on the way to it."""
    if envoy.reloads():
        raise Failed(f"{envoy.reloads()} VMs crashed:\n{envoy.complaint()}")
