"""Memory of requests that wait for their answer, beside that of a plain Envoy."""

import http.client
import time
from contextlib import ExitStack, closing

from .load import ask, chat, headers
from .measure import healthy, say
from .processes import Failed
from .report import Figure
from .setting import CLIENT_KEY

# Requests that wait at the same time, how long the provider lets them wait, in ms, and the bytes that
# each has besides its 1 KB.
WAITING, DELAY = 400, 10_000
CASES = [("1 KB request, answer", 0, False), ("1 KB request, stream", 0, True),
         ("100 KB request, answer", 100_000, False)]

# How much longer the gateway may take to pass all of them on, in seconds.
PATIENCE = 60


def waiting(setting):
    """One fresh Envoy for each case and side, since VMs never give memory back."""
    return [figure(setting, *case) for case in CASES]


def figure(setting, name, more, stream):
    request = chat(f"size=500 head-delay={DELAY}", stream, more=more)
    with setting.baseline(name=f"waits-plain-{more}-{stream}") as plain:
        without = each(plain, request)[0]
    with setting.ours(f"waits-{more}-{stream}") as ours:
        whole, linear = each(ours, request)
        healthy(ours)
    return Figure(f"memory of a waiting request: {name}", "KiB", without, whole,
                  note=f"{linear:.2f} KiB of it in the VMs")


def each(envoy, request):
    """The memory that a waiting request takes, and that in the VMs, in KiB. Resident memory would not
    show what Envoy takes of the memory that it has kept since its start."""
    ask(envoy, chat("size=500"))
    before = held(envoy)
    with ExitStack() as stack:
        clients = [stack.enter_context(closing(sent(envoy, request))) for _ in range(WAITING)]
        await_requests(envoy)
        after = held(envoy)
        for one in clients:
            status = one.getresponse().status
            if status != 200:
                raise Failed(f"a request that waited was answered {status}")
    total, linear = ((late - early) / WAITING for early, late in zip(before, after))
    say(f"{WAITING} waiting: {total:.1f} KiB each, {linear:.1f} of it in the VMs")
    return total, linear


def held(envoy):
    """What Envoy has allocated together with the memory of the VMs, and the latter, in KiB."""
    linear = envoy.linear_memory()
    return envoy.allocated() + linear, linear


def sent(envoy, request):
    """A connection on which the request was sent."""
    connection = http.client.HTTPConnection("127.0.0.1", envoy.port, timeout=PATIENCE)
    connection.request(request.method, request.path, request.body, headers(CLIENT_KEY))
    return connection


def await_requests(envoy):
    """Waits until the provider has all requests."""
    end = time.monotonic() + PATIENCE
    while (active := envoy.counted("cluster.openai-us-hosts.upstream_rq_active")) < WAITING:
        if time.monotonic() > end:
            raise Failed(f"only {active} of {WAITING} requests were passed on")
        time.sleep(0.1)
