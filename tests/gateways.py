"""The gateway that clients of others are tested with: a real Envoy with the module."""

import json
import os
import pathlib
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[1]
TARGET = ROOT / os.environ.get("CARGO_TARGET_DIR", "target")
os.environ.setdefault("ATTACHE_TESTKIT", str(TARGET / "debug/testkit"))

from bench.processes import Testkit


class Gateway(Testkit):
    """A gateway with the configuration of the tests: its URLs `us` and `eu`, and two keys."""

    def __init__(self, directory, *upstream):
        config = ROOT / "tests/envoy/gateway.yaml"
        super().__init__(directory / "testkit.log", "up", "--config", config, *upstream)

    def wait(self):
        super().wait()
        self.root = f"http://127.0.0.1:{self.ready['us']}"
        self.us = f"{self.root}/v1"
        self.eu = f"http://127.0.0.1:{self.ready['eu']}/v1"
        self.key, self.visitor = (self.ready["keys"][name] for name in ("acme", "visitor"))
        self.journal = f"http://127.0.0.1:{self.ready['provider']}/__journal"

    def journal_about(self, marker):
        """The requests that the provider got about a marker, in their order."""
        with urllib.request.urlopen(self.journal) as page:
            return [entry for entry in json.load(page) if marker in entry["body"]]

    def end(self):
        """Stops it. `testkit` fails if the module broke or a key leaked."""
        super().end()
        assert self.popen.returncode == 0, self.complaint()
