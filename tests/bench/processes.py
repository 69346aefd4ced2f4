"""Programs that a measurement starts, and what the kernel says of them.

Everything here ends what it started, by its process id, however the measurement ends.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

# What stays on this machine takes no proxy.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))

class Failed(Exception):
    """Why there are no figures."""


class Process:
    """A program that runs until the `with` block it is used in ends."""

    def __init__(self, command, log):
        self.command, self.log = [str(word) for word in command], Path(log)

    def __enter__(self):
        """Starts it and waits until it is ready. A Ctrl-C in the terminal does not reach it: it has
        a session of its own, and is ended in order."""
        with self.log.open("wb") as log:
            self.popen = subprocess.Popen(
                self.command, stdin=self.stdin, stdout=self.stdout, stderr=log,
                start_new_session=True,
            )
        self.pid = self.popen.pid
        try:
            self.wait()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        """Once or more than once."""
        self.popen.terminate()
        try:
            self.popen.wait(30)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
        for pipe in (self.popen.stdin, self.popen.stdout):
            if pipe:
                pipe.close()

    stdin = stdout = subprocess.DEVNULL

    def wait(self):
        """Returns when it is ready, or fails."""

    def cpu(self):
        """CPU seconds of all its threads, user and system: `schedstat` of each, in nanoseconds.
        `stat` would count in clock ticks of 10 ms."""
        tasks = Path(f"/proc/{self.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9

    def rss(self):
        """Resident memory in KiB."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1])

    def linear_memory(self):
        """The wasm VMs' own memory in KiB. V8 reserves 4 GiB and more for each and opens as much of
        it as the module has grown to: a writable mapping right in front of a huge closed one."""
        total, before = 0, (0, 0, "")
        for line in Path(f"/proc/{self.pid}/maps").read_text().splitlines():
            span, mode, *_ = line.split()
            start, end = (int(bound, 16) for bound in span.split("-"))
            huge = mode == "---p" and end - start > 3 << 30
            if huge and before[1] == start and before[2] == "rw-p":
                total += before[1] - before[0]
            before = (start, end, mode)
        return total // 1024

    def await_page(self, port, path, status=200):
        """Returns when a page of its own has this status, or fails."""
        for _ in range(300):
            try:
                if get(port, path)[0] == status:
                    return
            except OSError:
                pass
            time.sleep(0.1)
        raise Failed(f"`{self.command[0]}` did not start:\n{self.complaint()}")

    def complaint(self):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])


class Testkit(Process):
    """A subcommand of `testkit`, which prints a line of JSON once it is ready."""

    stdout = subprocess.PIPE

    # Some subcommands end when it closes.
    stdin = subprocess.PIPE

    def __init__(self, log, *words):
        super().__init__([testkit(), *words], log)

    def wait(self):
        line = self.popen.stdout.readline()
        if not line:
            raise Failed(f"`{' '.join(self.command)}` did not start:\n{self.complaint()}")
        self.ready = json.loads(line)


class Provider(Testkit):
    """The scripted provider, on one thread and without a memory of what it was asked."""

    def __init__(self, directory):
        log = directory / "provider.log"
        super().__init__(log, "provider", "--threads", "1", "--journal", "0")

    def wait(self):
        super().wait()
        self.port = self.ready["provider"]


class Limiter(Process):
    """The rate limit service, which admits everybody."""

    def __init__(self, program, directory):
        super().__init__([program, "statuses", 2**32 - 1], directory / "limiter.log")

    # It says where it listens, and runs until it is ended.
    stdout = subprocess.PIPE

    def wait(self):
        self.url = self.popen.stdout.readline().decode().strip()
        if not self.url.startswith("http://"):
            raise Failed(f"the rate limit service did not start: {self.url}{self.complaint()}")


class Envoy(Testkit):
    """Envoy with one worker, or as many as are asked for, answering at `port`."""

    def __init__(self, program, directory, port, admin, workers=1):
        os.environ["ATTACHE_ENVOY"] = str(program)
        super().__init__(
            directory / "testkit.log", "envoy", "--config", directory / "envoy.yaml", "--logs",
            directory, "--listener", port, "--admin", admin, "--workers", workers,
        )
        self.directory, self.port, self.admin = directory, port, admin

    def wait(self):
        """Waits for its first answer. `status` is that answer's, `start` how long it took to come:
        seconds of the clock and of the CPU."""
        super().wait()
        self.pid = self.ready["pid"]
        self.start = (self.ready["started_in"], self.cpu())
        self.status = get(self.port, "/healthz")[0]
        self.log = self.directory / "envoy.log"

    def allocated(self):
        """What its allocator has given out, in KiB."""
        page = get(self.admin, "/memory")[1]
        return int(re.search(r'"allocated": "(\d+)"', page)[1]) // 1024

    def reloads(self):
        """How many VMs crashed and were made anew."""
        return self.counted("wasm.*(reload|crash)")

    def counted(self, name):
        """The sum of the counters with such a name."""
        page = get(self.admin, f"/stats?filter={name}")[1]
        return sum(int(count) for count in re.findall(r": (\d+)$", page, re.MULTILINE))


def get(port, path):
    """Status and body of a page on this machine."""
    return send(urllib.request.Request(f"http://127.0.0.1:{port}{path}"))


def send(request):
    """Status and body of an answer, whatever it says."""
    status, _, text = exchange(request)
    return status, text


def exchange(request):
    """Status, headers and body of an answer, whatever it says."""
    try:
        answer = DIRECT.open(request, timeout=10)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        return answer.status, answer.headers, answer.read().decode()


def run_to_end(name, run, options):
    """Runs a test. All that it has started ends when its `with` blocks do, also on SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return run(options)
    except Failed as failed:
        sys.exit(f"{name}: {failed}")
    except KeyboardInterrupt:
        sys.exit(130)


def testkit():
    """The program that starts Envoy and the scripted provider."""
    target = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
    return needed(os.environ.get("ATTACHE_TESTKIT") or target / "release/testkit", "`testkit`")


def free_ports(count):
    """Ports nobody listens on."""
    printed = subprocess.check_output([testkit(), "ports", str(count)], text=True)
    return list(map(int, printed.split()))


def needed(path, what):
    """The path, if there is such a file."""
    if not path or not os.path.isfile(path):
        raise Failed(f"{what} is missing at `{path}`: its recipe of `just` builds it first")
    return Path(path).resolve()
