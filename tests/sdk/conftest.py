"""Gateways for the official SDK: a real Envoy with the module, and behind one a scripted provider,
behind the other an independent one. `testkit` starts and stops them."""

import pathlib
import sys
import time
import urllib.request

import openai
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from bench.processes import Process, free_ports, needed
from gateways import ROOT, Gateway

AIMOCK = ROOT / ".build/aimock/node_modules/@copilotkit/aimock/dist/cli.js"


class Aimock(Process):
    """A provider that others wrote."""

    def __init__(self, directory):
        [self.port] = free_ports(1)
        script = needed(AIMOCK, "aimock")
        fixtures = ROOT / "tests/sdk/aimock/fixtures.json"
        super().__init__(
            ["node", script, "--port", self.port, "--strict", "--fixtures", fixtures,
             "--validate-on-load", "--chunk-size", "5"],
            directory / "aimock.log")

    def wait(self):
        while self.popen.poll() is None:
            try:
                return urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health").close()
            except OSError:
                time.sleep(0.05)
        raise AssertionError(f"aimock does not start:\n{self.complaint()}")


@pytest.fixture(scope="session")
def gateway(tmp_path_factory):
    """A gateway in front of the scripted provider."""
    with Gateway(tmp_path_factory.mktemp("gateway")) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def independent(tmp_path_factory):
    """A gateway in front of aimock."""
    directory = tmp_path_factory.mktemp("independent")
    with Aimock(directory) as provider:
        with Gateway(directory, "--upstream", f"*=127.0.0.1:{provider.port}") as gateway:
            yield gateway


@pytest.fixture
def client(gateway):
    """The SDK as everybody starts it, but without its own retries."""
    with openai.OpenAI(base_url=gateway.us, api_key=gateway.key, max_retries=0) as client:
        yield client
