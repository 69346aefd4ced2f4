"""What an Envoy that nobody asks anything still holds and still does."""

import re
import time
from pathlib import Path

from bench.processes import Failed, get

# How long an Envoy has to come to rest, in seconds. What a client that left has asked for runs on
# until `deadlines.total` at most.
REST = 30

# How long the threads are watched, in seconds.
WATCHED = 5


# Gauges of whatever may be open, and of that without the connections to providers, which are kept
# for the next request.
ANY, REQUESTS = "(cx|rq|rq_pending)_active$", "(downstream_cx|rq|rq_pending)_active$"


def rest(envoy, of=REQUESTS):
    """Waits until nothing of this is open."""
    begun = time.monotonic()
    while left := still_open(envoy, of):
        if time.monotonic() > begun + REST:
            raise Failed("still open: " + ", ".join(left))
        time.sleep(0.1)


def still_open(envoy, of):
    """The administration's own requests and connections are left out."""
    lines = get(envoy.admin, f"/stats?filter={of}")[1].splitlines()
    if not lines:
        raise Failed(f"Envoy has no gauge `{of}` any more")
    return [line for line in lines if ".admin." not in line and not line.endswith(": 0")]


def errors(envoy):
    """What the module has logged as gone wrong."""
    lines = envoy.log.read_text(errors="replace").splitlines()
    return [line for line in lines
            if "[critical]" in line or "panicked" in line
            or ("[error]" in line and "[wasm]" in line)]


def names(envoy):
    """How many counters, gauges and histograms there are."""
    return len(get(envoy.admin, "/stats")[1].splitlines())


def handles(envoy):
    """How many files and sockets are open."""
    return len(list(Path(f"/proc/{envoy.pid}/fd").iterdir()))


def wake_ups(envoy):
    """How often a second its workers wake up by themselves. Envoy's own timers are the same at any
    time; a timer of the module's that nobody stopped comes on top."""
    before, begun = switches(envoy), time.monotonic()
    time.sleep(WATCHED)
    return (switches(envoy) - before) / (time.monotonic() - begun)


def switches(envoy):
    """How often its workers have gone to sleep so far."""
    tasks = Path(f"/proc/{envoy.pid}/task").iterdir()
    workers = [task for task in tasks if (task / "comm").read_text().startswith("wrk:")]
    counts = (re.search(r"^voluntary_ctxt_switches:\s+(\d+)", (task / "status").read_text(), re.M)
              for task in workers)
    return sum(int(count[1]) for count in counts)
