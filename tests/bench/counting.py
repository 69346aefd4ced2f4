"""What the limits of accounts cost."""

from statistics import median

from .measure import CASES, cpu, healthy, in_turn
from .processes import Failed
from .report import Figure
from .setting import CLIENT_KEY, COUNTED_KEY, METERED_KEY

REQUEST = CASES[0]

# What a limit may cost, in µs of Envoy's CPU. Tokens are looked up, then looked up again and charged,
# and nobody is told: that is the decision about a request and a little more, with one worker and with
# two on one slot. Requests are counted and the client is told in five headers, which cost as much
# again: there is no limit for that.
COUNTED = [
    ("decision, alone", METERED_KEY, 1, 3.0),
    ("decision, contended", METERED_KEY, 2, 6.0),
    ("counted and told", COUNTED_KEY, 1, None),
]

# The same where a service counts for all Envoys, without what it costs to ask one.
BY_SERVICE = 60.0


def counting(setting, rounds, seconds):
    """One Envoy, and two accounts that take turns, one of them without a limit. All requests of the
    other come to one slot."""
    figures = []
    for index, (name, counted, workers, limit) in enumerate(COUNTED):
        with setting.ours(f"limit-{index}", workers) as envoy:
            sides = [(envoy, REQUEST.ours(), key) for key in (CLIENT_KEY, counted)]
            plain, with_it = costs(name, sides, 2 * rounds, seconds, 16 * workers)
            healthy(envoy)
        figures.append(counting_figure(name, limit, plain, with_it))
    return figures + by_service(setting, rounds, seconds)


def by_service(setting, rounds, seconds):
    """The same where a service is asked, less what Envoy's own filter needs to ask it."""
    name = "counted by a service and told"
    with (
        setting.ours("service", service=True) as ours,
        setting.baseline() as plain, setting.asking() as asking,
    ):
        sides = [(ours, REQUEST.ours(), CLIENT_KEY), (ours, REQUEST.ours(), COUNTED_KEY),
                 (plain, REQUEST.plain(), CLIENT_KEY), (asking, REQUEST.plain(), CLIENT_KEY)]
        alone, counted, silent, asked = costs(name, sides, 2 * rounds, seconds, 16)
        healthy(ours)
        if not asking.counted("cluster.rate-limit.upstream_rq_200$"):
            raise Failed("Envoy's own filter asked nobody")
    trips = [two - one for one, two in zip(silent, asked)]
    added = sorted(two - one - trip for one, two, trip in zip(alone, counted, trips))
    return [
        Figure(f"rate limit, {name}: CPU per request", "µs", median(alone), median(counted),
               note=f"{median(trips):.1f} µs more for Envoy's own filter to ask it"),
        Figure(f"rate limit, {name}: CPU added without asking", "µs", None, median(added),
               judged=median(added), limit=BY_SERVICE, note=spread(added)),
    ]


def costs(name, sides, rounds, seconds, connections):
    return cpu(in_turn(f"limit, {name}", sides, rounds, seconds, connections))


def counting_figure(name, limit, plain, counted):
    """What is judged is the difference of the medians."""
    added = sorted(ours - without for without, ours in zip(plain, counted))
    return Figure(
        f"rate limit, {name}: CPU per request", "µs", median(plain), median(counted),
        judged=median(added), limit=limit, note=f"{median(added):+.1f} µs, {spread(added)}")


def spread(differences):
    """From the least to the most."""
    return f"{differences[0]:+.1f} to {differences[-1]:+.1f} in {len(differences)} rounds"
