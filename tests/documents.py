#!/usr/bin/env python3
"""Runs the commands of the documents. Run by `just documents`, which builds everything first.

Every `sh` fence of `README.md` and of `docs/*.md` is run, in the order of its page, one shell for a
page, from the top of a copy of the repository. What a page starts is ended with it. A command that
fails ends its page, and the run with exit code 1.

A `text` fence right after one is what it prints: `…` stands for anything within a line, and for any
number of lines where it is alone. Both of a command's outputs count, as in a terminal.

A `console` fence is not run, for it needs what is not here: a cloud, a cluster, a key, or hours.
They are listed.

Ports are moved to where they are free, in the commands, and back again in what is printed.
"""

import argparse
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# How long a page may take, in seconds.
PATIENCE = 120

# The ports of the demo, and of `docs/own-model.md`, `docs/guard.md` and `docs/endpoints.md`.
PORTS = (8080, 8081, 8090, 9901, 8180, 9981, 8190, 8280, 9982)

# The keys with which the demo would ask real providers.
REAL_KEYS = re.compile(r"(_API_KEY|^AWS_BEARER_TOKEN_BEDROCK)$")

FENCE = re.compile(r"^```(sh|console)\n(.*?)^```$(?:\n+```text\n(.*?)^```$)?", re.M | re.S)


@dataclass
class Fence:
    """Commands, where they begin, and what they are said to print."""

    line: int
    kind: str
    commands: str
    shown: str | None

    @property
    def title(self):
        return self.commands.splitlines()[0]


def main():
    options = arguments()
    # What a page has started ends when its `finally` has run.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    problems = []
    with tempfile.TemporaryDirectory(prefix="attache-documents-") as directory:
        copy = copied(Path(directory), options)
        for page in [copy / "README.md", *sorted(copy.glob("docs/*.md"))]:
            problems += check(page, copy, options)
    for problem in problems:
        print(f"documents: {problem}")
    sys.exit(1 if problems else 0)


def arguments():
    parser = argparse.ArgumentParser(description="Runs the commands of the documents.")
    parser.add_argument("--just", type=Path, default=shutil.which("just"), help="the program")
    parser.add_argument("--target", type=Path, default=ROOT / "target")
    parser.add_argument("--only", default="", help="part of a page's name")
    parser.add_argument("--print", action="store_true", help="all that the commands print")
    return parser.parse_args()


def copied(directory, options):
    """A copy of the repository, and programs that stand before all others."""
    copy, programs = directory / "attache", directory / "bin"
    left_out = shutil.ignore_patterns(".git", ".build", "target", "secrets")
    shutil.copytree(ROOT, copy, ignore=left_out)
    target = copy / "target"
    target.mkdir()
    (target / "wasm32-wasip1").symlink_to(options.target.resolve() / "wasm32-wasip1")
    # The commands as the tests have them, in the place of those that `just up` builds.
    (target / "release").symlink_to(options.target.resolve() / "debug")
    (copy / ".build").mkdir()
    for part in (ROOT / ".build").iterdir():
        if part.is_dir() and part.name != "demo":
            (copy / ".build" / part.name).symlink_to(part)
    programs.mkdir()
    (programs / "just").symlink_to(options.just.resolve())
    # What it would build is in `target` already, built from the same sources elsewhere.
    (programs / "cargo").write_text("#!/bin/sh\n")
    (programs / "cargo").chmod(0o755)
    return copy


def check(page, copy, options):
    """Runs the commands of a page, and says what is wrong with them."""
    name = page.relative_to(copy)
    found = fences(page.read_text())
    for fence in found:
        if fence.kind == "console":
            print(f"{name}:{fence.line}: not run: {fence.title}")
    commands = [fence for fence in found if fence.kind == "sh"]
    if not commands or options.only not in str(name):
        return []
    begun = time.monotonic()
    printed, code = played(commands, copy)
    took = time.monotonic() - begun
    print(f"{name}: {len(printed)} of {len(commands)}, {took:.0f} s", flush=True)
    if options.print:
        print(*(f"$ {fence.commands}{text}" for fence, text in zip(commands, printed)), sep="\n")
    problems = [f"{name}:{fence.line}: prints something else:\n{text}"
                for fence, text in zip(commands, printed)
                if fence.shown is not None and not is_shown(fence.shown, text)]
    if code or len(printed) < len(commands):
        fence = commands[len(printed) - 1]
        problems.append(f"{name}:{fence.line}: exit code {code}: {fence.title}\n{printed[-1]}")
    return problems


def fences(text):
    return [Fence(text.count("\n", 0, found.start()) + 1, *found.groups())
            for found in FENCE.finditer(text)]


def played(commands, copy):
    """What each printed, up to the first that failed, and the exit code of the page."""
    offset = free_offset()
    with tempfile.TemporaryDirectory() as directory:
        script = "".join(f'exec >"{directory}/{place:03}" 2>&1\n{moved(fence.commands, offset)}\n'
                         for place, fence in enumerate(commands))
        try:
            code = run("set -euo pipefail\n" + script, copy, offset)
        finally:
            run("bash envoy/demo/down", copy, offset)
        outputs = sorted(Path(directory).iterdir())
        return [moved(output.read_text(), -offset) for output in outputs], code


def run(script, copy, offset):
    """Runs a script, and ends whatever it leaves in its session. The exit code."""
    inherited = {name: value for name, value in os.environ.items() if not REAL_KEYS.search(name)}
    environment = inherited | {
        "PATH": f"{copy.parent / 'bin'}:{os.environ['PATH']}",
        "PORT_OFFSET": str(offset),
        "no_proxy": "127.0.0.1",
    }
    shell = subprocess.Popen(["bash", "-c", script], cwd=copy, env=environment,
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             start_new_session=True)
    late = threading.Timer(PATIENCE, os.killpg, (shell.pid, signal.SIGKILL))
    late.start()
    try:
        # Its id, which is its group's too, is nobody else's until it has been waited for.
        os.waitid(os.P_PID, shell.pid, os.WEXITED | os.WNOWAIT)
    finally:
        late.cancel()
        os.killpg(shell.pid, signal.SIGTERM)
    return shell.wait()


def moved(text, offset):
    """The same with its ports moved."""
    known = "|".join(str(port if offset > 0 else port - offset) for port in PORTS)
    return re.sub(rf"\b({known})\b", lambda found: str(int(found[1]) + offset), text)


def free_offset():
    """By how much all ports can be moved without meeting somebody else's."""
    for offset in range(20_000, 50_000, 1000):
        if not any(is_taken(port + offset) for port in PORTS):
            return offset
    sys.exit("documents: no free ports")


def is_taken(port):
    with socket.socket() as own:
        return own.connect_ex(("127.0.0.1", port)) == 0


def is_shown(shown, printed):
    """Whether a page shows what is printed."""
    known = lambda line: ".*?".join(map(re.escape, line.split("…"))) + r"\n"
    lines = [r"(?:.*\n)*?" if line == "…" else known(line) for line in tidy(shown).splitlines()]
    return re.fullmatch("".join(lines), tidy(printed)) is not None


def tidy(text):
    """Without blanks at the ends of lines, and with an end of the last one."""
    return "".join(f"{line.rstrip()}\n" for line in text.strip("\n").splitlines())


if __name__ == "__main__":
    main()
