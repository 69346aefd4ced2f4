"""Gateways for the official SDK: the built command renders the configuration, a real Envoy runs it,
and behind one stands a scripted provider, behind the other an independent one. All of it stops when
the tests are over."""

import contextlib
import os
import pathlib
import re
import subprocess
import sys
import time
import types
import urllib.request

import openai
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from ports import free_ports

TARGET = ROOT / os.environ.get("CARGO_TARGET_DIR", "target")
ENVOY = pathlib.Path(os.environ.get("ATTACHE_ENVOY", ROOT / ".build/bin/envoy"))
MODULE = pathlib.Path(
    os.environ.get("ATTACHE_MODULE", ROOT / "target/wasm32-wasip1/filter/attache.wasm")
)
AIMOCK = ROOT / ".build/aimock/node_modules/@copilotkit/aimock/dist/cli.js"


def found(path, recipe):
    assert path.is_file(), f"no {path}, `{recipe}` makes it"
    return str(path)


@pytest.fixture(scope="session")
def gateway(tmp_path_factory):
    """Where the gateway listens (`us`, `eu`), its keys (`key`, `visitor`), and what its provider
    heard."""
    program = found(TARGET / "debug/testkit", "just command")
    provider = subprocess.Popen([program, "provider"], stdout=subprocess.PIPE, text=True)
    with stopping(provider):
        upstream = provider.stdout.readline().strip().rpartition("/")[2]
        with running(tmp_path_factory.mktemp("gateway"), upstream) as gateway:
            gateway.journal = f"http://{upstream}/__journal"
            yield gateway


@pytest.fixture(scope="session")
def independent(tmp_path_factory):
    """The same in front of aimock."""
    [port] = free_ports(1)
    fixtures = ROOT / "tests/sdk/aimock/fixtures.json"
    command = ["node", found(AIMOCK, ".ci/setup aimock"), "--port", str(port), "--strict"]
    command += ["--fixtures", fixtures, "--validate-on-load", "--chunk-size", "5"]
    directory = tmp_path_factory.mktemp("independent")
    log = directory / "aimock.log"
    with open(log, "wb") as out:
        provider = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
    with stopping(provider):
        wait(provider, f"http://127.0.0.1:{port}/health", log)
        with running(directory, f"127.0.0.1:{port}") as gateway:
            yield gateway


@contextlib.contextmanager
def stopping(process):
    """Stops a process at last."""
    try:
        yield
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def running(directory, upstream):
    """A gateway whose providers are all at one address."""
    us, eu, admin = free_ports(3)
    text = (ROOT / "tests/envoy/gateway.yaml").read_text()
    for written, port in (("8080", us), ("8081", eu), ("9901", admin)):
        text = text.replace(f"port: {written}", f"port: {port}")
    (directory / "gateway.yaml").write_text(text)
    (directory / "secrets").mkdir()
    for name in set(re.findall(r"secrets/([\w-]+)\.key", text)):
        (directory / f"secrets/{name}.key").write_text(f"sk-planted-{name}")

    attache = found(TARGET / "debug/attache", "cargo test")
    render = [attache, "render", directory / "gateway.yaml", "--out", directory / "envoy"]
    render += ["--module", found(MODULE, "just filter"), "--upstream", f"*={upstream}"]
    subprocess.run(render, check=True, stdout=subprocess.DEVNULL)
    log = directory / "envoy.log"
    command = [found(ENVOY, "just setup"), "--disable-hot-restart", "--concurrency", "2"]
    command += ["--config-path", directory / "envoy/envoy.yaml", "--log-path", log]
    with open(directory / "access.log", "wb") as access:
        envoy = subprocess.Popen(command, stdout=access, stderr=subprocess.STDOUT)
    with stopping(envoy):
        for port in (us, eu):
            wait(envoy, f"http://127.0.0.1:{port}/healthz", log)
        yield types.SimpleNamespace(
            us=f"http://127.0.0.1:{us}/v1",
            eu=f"http://127.0.0.1:{eu}/v1",
            key="sk-planted-acme",
            visitor="sk-planted-visitor",
        )
        harm = [line for line in log.read_text().splitlines() if "[critical]" in line]
        assert not harm, "the module broke"
        assert envoy.poll() is None, "Envoy is gone"


def wait(process, url, log):
    end = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            late = process.poll() is not None or time.monotonic() > end
            assert not late, f"{process.args[0]} does not start:\n{log.read_text()[-3000:]}"
            time.sleep(0.05)


@pytest.fixture
def client(gateway):
    """The SDK as everybody starts it, but without its own retries."""
    with openai.OpenAI(base_url=gateway.us, api_key=gateway.key, max_retries=0) as client:
        yield client
