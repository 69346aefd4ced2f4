"""The cost of each layer: the same request at Envoys that differ in one of them."""

from statistics import median

from .measure import CASES, cpu, healthy, in_turn
from .report import Figure
from .setting import CLIENT_KEY, COUNTED_KEY

REQUEST = CASES[0]


def layers(setting, rounds, seconds):
    """Runs all Envoys side by side, and loads them in turn. The last side has every layer, the first
    has none."""
    with (
        setting.baseline(name="layer-plain") as plain, setting.idle() as idle,
        setting.ours("layer-whole") as whole, setting.without_log() as no_log,
        setting.without_metrics() as no_metrics,
    ):
        sides = [
            ("plain Envoy", (plain, REQUEST.plain(), COUNTED_KEY)),
            ("a filter that does nothing", (idle, REQUEST.plain(), COUNTED_KEY)),
            ("ours without access log", (no_log, REQUEST.ours(), COUNTED_KEY)),
            ("ours without metrics", (no_metrics, REQUEST.ours(), COUNTED_KEY)),
            ("ours without limits", (whole, REQUEST.ours(), CLIENT_KEY)),
            ("ours, whole", (whole, REQUEST.ours(), COUNTED_KEY)),
        ]
        found = list(cpu(in_turn("layers", [side for _, side in sides], rounds, seconds, 16)))
        for envoy in idle, whole, no_log, no_metrics:
            healthy(envoy)
    return [figure(name, found[0], costs) for (name, _), costs in zip(sides, found)]


def figure(name, plain, costs):
    """Returns the row of a side, beside the plain Envoy."""
    added = sorted(cost - without for without, cost in zip(plain, costs))
    return Figure(f"where the time goes, {name}: CPU per request", "µs", median(plain), median(costs),
                  note=f"{median(added):+.1f} µs, {added[0]:+.1f} to {added[-1]:+.1f}")
