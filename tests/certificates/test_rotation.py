"""The certificate of a gateway, which is replaced while clients are connected."""

import http.client
import os
import pathlib
import shutil
import ssl
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from bench.processes import Envoy, Failed, free_ports
from gateways import ROOT, TARGET

CERTIFICATES = pathlib.Path(__file__).parent

# Two gateways: the one without TLS says when Envoy is ready.
CONFIG = """
listeners:
  us: {{port: {us}}}
  eu: {{port: {eu}, tls: {{certificate_file: tls/gateway.pem, private_key_file: tls/gateway.key}}}}
admin: {{port: {admin}}}
plans: {{paid: {{requests_per_minute: 5}}}}
accounts: {{acme: {{plan: paid, key_files: [acme.key]}}}}
providers:
  openai: {{api_schema: openai, base_url: {{us: "https://us.example/v1", eu: "https://eu.example/v1"}}}}
models:
  m:
    name: A model
    regions:
      us: {{provider: openai, upstream_model: m}}
      eu: {{provider: openai, upstream_model: m}}
    context_length: 1000
    max_output_tokens: 100
"""

# How long Envoy may take to read new files, in seconds.
PATIENCE = 60


def test_a_new_certificate_is_served_without_a_new_rendering(tmp_path):
    us, eu, admin = free_ports(3)
    directory = tmp_path / "tls"
    directory.mkdir()
    (tmp_path / "acme.key").write_text("key-of-acme")
    install("first", directory)
    with rendered(tmp_path, us, eu, admin):
        assert served(eu) == certificate("first")
        context = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection("127.0.0.1", eu, context=context, timeout=PATIENCE)
        assert status(connection) == 200
        install("second", directory)
        await_certificate(eu, certificate("second"))
        # A connection with the old certificate lives on.
        assert status(connection) == 200
        connection.close()


def rendered(directory, us, eu, admin):
    """An Envoy with the configuration of this file."""
    file = directory / "gateway.yaml"
    file.write_text(CONFIG.format(us=us, eu=eu, admin=admin))
    module = os.environ.get("ATTACHE_MODULE", TARGET / "wasm32-wasip1/filter/attache.wasm")
    out = directory / "out"
    command = [TARGET / "debug/attache", "render", file, "--out", out, "--module", module]
    subprocess.run(command, check=True)
    envoy = os.environ.get("ATTACHE_ENVOY", ROOT / ".build/bin/envoy")
    return Envoy(envoy, out, us, admin)


def install(name, directory):
    """Moves the files of a certificate into a directory, as tools that renew certificates do."""
    for end in "key", "pem":
        new = shutil.copy(CERTIFICATES / f"{name}.{end}", directory / f"new.{end}")
        os.replace(new, directory / f"gateway.{end}")


def certificate(name):
    return (CERTIFICATES / f"{name}.pem").read_text()


def served(port):
    """The certificate that a new connection gets."""
    return ssl.get_server_certificate(("127.0.0.1", port))


def await_certificate(port, expected):
    end = time.monotonic() + PATIENCE
    while served(port) != expected:
        if time.monotonic() > end:
            raise Failed("Envoy serves the old certificate")
        time.sleep(0.1)


def status(connection):
    connection.request("GET", "/healthz")
    answer = connection.getresponse()
    answer.read()
    return answer.status
