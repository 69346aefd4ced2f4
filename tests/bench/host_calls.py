"""The cost of a host call, measured with a filter that repeats one call."""

import string
from pathlib import Path
from statistics import median

from .load import Request
from .measure import cpu, healthy, in_turn
from .processes import Envoy, free_ports
from .report import Figure

# Number of calls that a request causes.
CALLS = 200

# The calls of `filter/src/lib.rs`. One that reads returns bytes, for which the host has the module
# allocate memory.
READS, WRITES, OTHER = " that reads", " that writes", ""
KINDS = [
    ("header", READS, "a header, 16 bytes"),
    ("header_absent", OTHER, "a header that is not there"),
    ("header_map", READS, "all headers"),
    ("property", READS, "a property, 3 bytes"),
    ("property_absent", OTHER, "a property that is not there"),
    ("shared_data", READS, "shared data, 10 bytes"),
    ("shared_data_absent", OTHER, "shared data that is not there"),
    ("current_time", OTHER, "the time"),
    ("set_header", WRITES, "a header"),
    ("set_header_map", WRITES, "all headers, ten"),
    ("set_property", WRITES, "a property"),
    ("set_shared_data", WRITES, "shared data"),
    ("increment_metric", WRITES, "a counter"),
]

TEMPLATE = Path(__file__).parent / "filter/envoy.yaml"


def host_calls(setting, rounds, seconds):
    """Loads one Envoy, which answers by itself, with requests that cause no call and with requests
    that cause calls of one kind, in turn."""
    paths = ["/none/0"] + [f"/{name}/{CALLS}" for name, *_ in KINDS]
    with calling(setting) as envoy:
        sides = [(envoy, Request(path, "", "GET")) for path in paths]
        none, *found = cpu(in_turn("host calls", sides, rounds, seconds, 16))
        healthy(envoy)
    return [figure(kind, none, costs) for kind, costs in zip(KINDS, found)]


def figure(kind, none, costs):
    """Returns the row of a call: the share of one call in the difference."""
    _, does, subject = kind
    each = sorted((cost - without) / CALLS for without, cost in zip(none, costs))
    return Figure(f"host call{does}: {subject}", "µs", None, median(each),
                  note=f"{each[0]:.2f} to {each[-1]:.2f} in {len(each)} rounds")


def calling(setting):
    """Returns an Envoy with the filter and no provider."""
    listener, admin = free_ports(2)
    directory = setting.directory / "calling"
    directory.mkdir()
    template = string.Template(TEMPLATE.read_text())
    text = template.substitute(listener=listener, admin=admin, module=setting.idle_filter)
    (directory / "envoy.yaml").write_text(text)
    return Envoy(setting.envoy, directory, listener, admin)
