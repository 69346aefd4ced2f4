"""The instructions of a request, counted by Valgrind. Other work on the machine does not change the
counts, so that a change of one percent can be seen. The kernel's instructions are not among them, and
caches have no part in them."""

import collections
import re
import shutil
import subprocess

from .load import burst
from .measure import CASES
from .processes import Failed, Process, free_ports
from .report import Figure
from .setting import COUNTED_KEY

# An answer in one piece, and a stream.
COUNTED_CASES = CASES[:2]

# Seconds of load before the count and during it. A request takes some 15 ms under Valgrind, a stream
# some 100.
WARM_UP, COUNTED = 2, 5

# Code that V8 has made is at higher addresses than that of programs.
V8_CODE = 1 << 32


def instructions(setting):
    """Counts the instructions of requests with the module and without."""
    for program in "valgrind", "callgrind_control":
        if not shutil.which(program):
            raise Failed(f"{program} is missing: apt-get install -y valgrind")
    return [figure for case in COUNTED_CASES for figure in compared(setting, case)]


def compared(setting, case):
    """Counts the instructions of one request with the module and without."""
    name = f"{case.name}: instructions"
    plain = counted(setting, lambda *ports: setting.plain("counted-plain", *ports, case.provider),
                    case.plain())
    ours = counted(setting, lambda *ports: setting.render("counted", *ports), case.ours())
    rest = ours.total - ours.module - ours.calls
    return [
        Figure(name, "", plain.total, ours.total),
        Figure(f"{name} in the module", "", None, ours.module),
        Figure(f"{name} in what the module calls", "", None, ours.calls,
               note=f"host calls and copies: {ours.exits:.0f} calls"),
        Figure(f"{name} in the rest of Envoy", "", plain.total, rest),
    ]


def counted(setting, render, request):
    """Loads an Envoy by one connection, and returns the profile of one request."""
    gateway, admin = free_ports(2)
    directory = render(gateway, admin)
    with ProfiledEnvoy(setting.envoy, directory, gateway, admin) as envoy:
        burst(envoy, [request], 1, WARM_UP, COUNTED_KEY)
        envoy.control("--instr=on")
        burst(envoy, [request], 1, WARM_UP, COUNTED_KEY)
        envoy.control("--zero")
        requests = burst(envoy, [request], 1, COUNTED, COUNTED_KEY).requests
        envoy.control("--dump")
        return Profile((directory / "profile.1").read_text(), requests)


class ProfiledEnvoy(Process):
    """Envoy with one worker under Valgrind, which counts when it is told to."""

    def __init__(self, program, directory, port, admin):
        profile = directory / "profile"
        super().__init__([
            "valgrind", "--tool=callgrind", "--smc-check=all-non-file", "--instr-atstart=no",
            f"--callgrind-out-file={profile}", program, "--disable-hot-restart",
            "--concurrency", 1, "--log-level", "warn", "--config-path", directory / "envoy.yaml",
        ], directory / "envoy.log")
        self.port, self.admin = port, admin

    def wait(self):
        self.await_page(self.admin, "/ready")

    def control(self, command):
        subprocess.run(["callgrind_control", command, str(self.pid)], check=True,
                       stdout=subprocess.DEVNULL)


class Profile:
    """Instructions per request: in all, in code that V8 has made of the module, and in what that code
    calls."""

    def __init__(self, text, requests):
        own, called, exits = count(text)
        self.total = sum(own.values()) / requests
        self.module = sum(n for name, n in own.items() if is_module(name)) / requests
        out = [(caller, callee) for caller, callee in called
               if is_module(caller) and not is_module(callee)]
        self.calls = sum(called[edge] for edge in out) / requests
        self.exits = sum(exits[edge] for edge in out) / requests


def count(text):
    """Reads a profile of Callgrind: instructions by function, and instructions and number of calls by
    caller and callee. Names have numbers, and are written out where they come first."""
    own, called, calls = collections.Counter(), collections.Counter(), collections.Counter()
    names, function, callee, is_call = {}, None, None, False

    def named(word):
        number, name = re.match(r"(\(\d+\))? ?(.*)", word).groups()
        return names.setdefault(number, name) if number else name

    for line in text.splitlines():
        if line.startswith("fn="):
            function = named(line[3:])
        elif line.startswith("cfn="):
            callee = named(line[4:])
        elif line.startswith("calls="):
            calls[function, callee] += int(line[6:].split()[0])
            is_call = True
        elif line[:1].isdigit() or line[:1] in ("+", "-", "*"):
            cost = int(line.split()[1])
            if is_call:
                called[function, callee] += cost
            else:
                own[function] += cost
            is_call = False
    return own, called, calls


def is_module(function):
    """Whether V8 has made this function, which then has no name but its address."""
    address = re.match(r"0x([0-9a-f]+)", function)
    return bool(address) and int(address[1], 16) > V8_CODE
