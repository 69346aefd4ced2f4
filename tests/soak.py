#!/usr/bin/env python3
"""Wears an Envoy with the module out, and looks whether anything of it stays. Run by `just soak`,
which builds everything first.

Sixteen clients ask for whatever `tests/soak/kinds.py` lists, by chance: answers and streams in
every API schema and every API, several endpoints, retries, fallbacks, hedges, repairs, limits,
budgets, transcripts, decisions of a guard, deadlines that expire, streams that break off, clients that
leave, mistakes, and names that nobody has. Each kind has ends that it may come to; if it came to
another one, or never to one of them, the exit code is 1.

The load pauses now and then. In each pause every request has to come to its end, and memory is read
while nothing is under way. What is judged:

* Memory: as in `tests/bench.py`, that of the last pause against that of the second one. Before the
  first one every kind has been asked by every client, and the longest by all of them at once.
  Shared data, and so the slots of the accounts' counts, are in what Envoy has allocated.
  What leaks inside a VM shows when it has filled what the longest requests left free, so a minute
  sees less than an hour; the growth of `tests/bench.py`, which has no long ones, sees it sooner.
* Names: how many counters, gauges and histograms there are. Names that clients make up must not
  come to be among them.
* Timers: how often Envoy's worker wakes up when nobody asks anything, before the load and after it.
  A stream that is still watched, or a timer that is still set, wakes it up more often.
* What is open: requests after each pause, connections and files after the provider has gone.
* Crashes of the module, and errors that it logged.
"""

import argparse
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True

from bench import measure, report
from bench.processes import Provider, needed, run_to_end
from bench.report import Figure
from bench.setting import Setting
from gateways import ROOT
from soak import witness
from soak.clients import Clients
from soak.kinds import KINDS, SPENDING_KEY


# Credentials that Envoy signs requests to Bedrock with.
AWS = "[default]\naws_access_key_id = AKSOAK\naws_secret_access_key = soak/secret\n"

# How often the load pauses.
PAUSES = 10

# How much the VMs may grow after the second pause, in KiB: room for the longest requests, of which more
# may meet than had met before. VMs never give memory back.
VM_PEAK = 8 * 1024

# How many names may still come up after the second pause: a rare end at a provider it had not met.
NEW_NAMES = 50

# How much more often a worker may wake up, a second: Envoy's own timers make it one or two. A stream
# that is watched makes it four times.
NEW_WAKE_UPS = 3

# How many more files and sockets there may be.
NEW_HANDLES = 4


class Ours(Setting):
    """The setting of the benchmark, with the configuration of this folder."""

    template = Path(__file__).parent / "soak/gateway.yaml"

    def __init__(self, directory, *arguments):
        super().__init__(directory, *arguments)
        (directory / "spending.key").write_text(SPENDING_KEY)
        (directory / "second.key").write_text("second-provider-key")
        (directory / "aws.ini").write_text(AWS)


def main():
    options = arguments()
    clients, figures = run_to_end("soak", run, options)
    print(exchanges(clients), "", report.table(figures, ("before", "after")), sep="\n")
    for surprise in clients.surprises():
        print(f"soak: {surprise}")
    sys.exit(0 if all(figure.ok for figure in figures) and not clients.surprises() else 1)


def arguments():
    parser = argparse.ArgumentParser(description="Wears an Envoy with the module out.")
    parser.add_argument("--minutes", type=float, default=60, help="how long the load lasts")
    parser.add_argument("--seed", type=int, default=1, help="what comes by chance")
    parser.add_argument("--envoy", type=Path, default=ROOT / ".build/bin/envoy")
    parser.add_argument("--target", type=Path, default=ROOT / "target")
    return parser.parse_args()


def run(options):
    """The clients, and what was found of the Envoy they wore out."""
    programs = options.target / "debug"
    with tempfile.TemporaryDirectory(prefix="attache-soak-") as name:
        directory = Path(name)
        with Provider(directory) as provider:
            setting = Ours(
                directory, needed(options.envoy, "Envoy"), needed(programs / "attache", "attache"),
                needed(options.target / "wasm32-wasip1/filter/attache.wasm", "the module"),
                provider.port)
            with setting.ours() as envoy:
                clients = Clients(envoy.port, options.seed)
                return clients, worn_out(envoy, provider, clients, options.minutes * 60 / PAUSES)


def worn_out(envoy, provider, clients, seconds):
    """What is found before, during and after the load, and how much of it there may be."""
    before = idle(envoy)
    clients.warm_up()
    pauses = []
    for _ in range(PAUSES):
        clients.load(seconds)
        witness.rest(envoy)
        pauses.append((measure.Memory.of(envoy, clients.sent), witness.names(envoy)))
    provider.end()
    after = idle(envoy)
    memory, names = zip(*pauses)
    return [
        *measure.growth_figures(memory, VM_PEAK),
        figure("counters, gauges and histograms", "", names[1], names[-1], NEW_NAMES),
        figure("wake-ups of an idle worker", "1/s", before[0], after[0], NEW_WAKE_UPS),
        figure("open requests and connections", "", before[1], after[1]),
        figure("open files and sockets", "", before[2], after[2], NEW_HANDLES),
        figure("crashes of the module", "", 0, envoy.reloads()),
        figure("errors that the module logged", "", 0, len(witness.errors(envoy))),
    ]


def idle(envoy):
    """Wake-ups, and how much is open, once it has come to rest."""
    witness.rest(envoy, witness.ANY)
    still_open = witness.still_open(envoy, witness.ANY)
    return witness.wake_ups(envoy), len(still_open), witness.handles(envoy)


def figure(name, unit, before, after, more=0):
    """What there was and is, and how much more of it there may be."""
    return Figure(name, unit, before, after, judged=after, limit=before + more)


def exchanges(clients):
    """A table of what was sent, and what it came to."""
    rows = [[kind.name, f"{sum(met.values()):,}", ", ".join(
        f"{count:,} × {end}" for end, count in met.most_common())]
        for kind in KINDS for met in [clients.ends[kind.name]]]
    rows.append(["**all**", f"{clients.sent:,}", ""])
    return "\n".join(map(report.line, [["", "sent", "came to"], ["---", "---:", "---"], *rows]))


if __name__ == "__main__":
    main()
