"""Two configurations of Envoy that differ in nothing but the module, and how the second is made."""

import re
import shutil
import string
import subprocess
from pathlib import Path

from .processes import Envoy, Failed, free_ports

# The providers in `gateway.yaml` beside this file. `attache render` names the cluster of each after
# it and its region.
PROVIDERS = ["openai", "anthropic", "gemini"]

# What a client sends, and what the provider is sent.
CLIENT_KEY, PROVIDER_KEY = "client-key", "provider-key"

# What clients send whose requests are counted, or whose tokens.
COUNTED_KEY, METERED_KEY = "counted-key", "metered-key"

# A second is long enough for any load: what is slower is counted by the Envoy itself.
SERVICE = '\nrate_limit: {{service: "{}", timeout: 1s}}\n'

# The filter of `filter` in this folder.
IDLE = r"""\1- name: bench.filter
\1  typed_config:
\1    "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
\1    config:
\1      vm_config: {{runtime: envoy.wasm.runtime.v8, code: {{local: {{filename: "{}"}}}}}}
\1"""

# A list whose items begin where the key does.
ACCESS_LOG = re.compile(r"^( *)access_log:\n(?:\1[- ] .*\n)*", re.MULTILINE)

# Metrics of modules have this name in Envoy. One that is rejected is not kept.
NO_METRICS = """stats_config:
  stats_matcher: {exclusion_list: {patterns: [{prefix: wasmcustom.}]}}
"""

# Envoy's own filter, asking the same of the same service as the module.
ROUTER = re.compile(r"^( *)(?=- name: envoy.filters.http.router\n)", re.MULTILINE)
ASKING = r"""\1- name: envoy.filters.http.ratelimit
\1  typed_config:
\1    "@type": type.googleapis.com/envoy.extensions.filters.http.ratelimit.v3.RateLimit
\1    domain: attache
\1    timeout: 1s
\1    failure_mode_deny: true
\1    enable_x_ratelimit_headers: DRAFT_VERSION_03
\1    rate_limit_service:
\1      transport_api_version: V3
\1      grpc_service: {envoy_grpc: {cluster_name: rate-limit}}
\1    rate_limits:
\1    - actions:
\1      - generic_key: {descriptor_key: account, descriptor_value: asking}
\1      - generic_key: {descriptor_key: model, descriptor_value: openai}
\1"""


class Setting:
    """Where programs, module and configurations are. Holds `ours` and `baseline`."""

    # What is rendered, once ports are filled in.
    template = Path(__file__).parent / "gateway.yaml"

    def __init__(self, directory, envoy, attache, module, provider_port, service=None,
                 idle_filter=None):
        self.directory, self.envoy, self.attache = directory, envoy, attache
        # The module of `filter` in this folder, for what measures it.
        self.idle_filter = idle_filter
        # A build that ends during the run must not change what is measured.
        self.module = Path(shutil.copy(module, directory / "attache.wasm"))
        self.provider_port = provider_port
        # The URL of a rate limit service, for what asks one.
        self.service = service
        for name, key in (
            ("account", CLIENT_KEY), ("counted", COUNTED_KEY), ("metered", METERED_KEY),
            ("provider", PROVIDER_KEY),
        ):
            (directory / f"{name}.key").write_text(key)

    def ours(self, name="ours", workers=1, service=False):
        """An Envoy as the operator would run it, with the service that counts for it or without."""
        gateway, admin = free_ports(2)
        directory = self.render(name, gateway, admin, service)
        return Envoy(self.envoy, directory, gateway, admin, workers)

    def baseline(self, provider=PROVIDERS[0], name="baseline"):
        """The same without the module, all for one provider."""
        gateway, admin = free_ports(2)
        return Envoy(self.envoy, self.plain(name, gateway, admin, provider), gateway, admin)

    def asking(self, name="asking"):
        """The baseline, where a filter of Envoy's asks the service about each request."""
        gateway, admin = free_ports(2)
        directory = self.plain(name, gateway, admin, PROVIDERS[0], service=True)
        before_router(directory, ASKING)
        return Envoy(self.envoy, directory, gateway, admin)

    def idle(self, name="idle"):
        """The baseline, with a filter in WebAssembly that does nothing."""
        gateway, admin = free_ports(2)
        directory = self.plain(name, gateway, admin, PROVIDERS[0])
        before_router(directory, IDLE.format(self.idle_filter))
        return Envoy(self.envoy, directory, gateway, admin)

    def without_log(self, name="no-log"):
        """Ours without an access log."""
        return self.changed(name, "listeners", lambda text: ACCESS_LOG.sub("", text))

    def without_metrics(self, name="no-metrics"):
        """Ours in an Envoy that keeps no metric of a module's."""
        reject = lambda text: text.replace("stats_config:\n", NO_METRICS)
        return self.changed(name, "envoy", reject)

    def changed(self, name, file, change):
        """Ours with another text in a rendered file."""
        gateway, admin = free_ports(2)
        directory = self.render(name, gateway, admin)
        path = directory / f"{file}.yaml"
        before = path.read_text()
        after = change(before)
        if after == before:
            raise Failed(f"the rendered configuration has another {file}.yaml than this program knows")
        path.write_text(after)
        return Envoy(self.envoy, directory, gateway, admin)

    def plain(self, name, gateway, admin, provider, service=False):
        """The directory of a configuration from which the module was taken."""
        directory = self.render(name, gateway, admin, service)
        for name, plain in (
            ("listeners", plain_listeners),
            ("routes-us", lambda text: plain_routes(text, f"{provider}-us")),
            ("clusters", plain_clusters),
        ):
            file = directory / f"{name}.yaml"
            file.write_text(without_module(plain(file.read_text())))
        return directory

    def render(self, name, gateway, admin, service=False):
        """The directory of a rendered configuration."""
        template = string.Template(self.template.read_text())
        more = SERVICE.format(self.service) if service else ""
        file = self.directory / f"{name}.yaml"
        file.write_text(
            template.substitute(gateway=gateway, admin=admin, provider=self.provider_port) + more)
        out = self.directory / name
        command = [self.attache, "render", file, "--out", out, "--module", self.module]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise Failed(f"`attache render` refused the configuration:\n{done.stderr}")
        return out


# A route that only requests with a ticket of the module's take.
BLOCK_OF_TICKETS = re.compile(r"^( *)- match:\n(?:\1 .*\n)*", re.MULTILINE)


def before_router(directory, block):
    """Puts a filter in front of Envoy's router. `block` begins and ends with the indentation `\\1`."""
    file = directory / "listeners.yaml"
    text, count = ROUTER.subn(block, file.read_text())
    if count != 1:
        raise Failed(f"the rendered configuration has {count} routers")
    file.write_text(text)


def plain_listeners(text):
    """The listener without the gateway role."""
    return replace_blocks(text, "- name: attache.gateway", "")


def plain_routes(text, cluster):
    """The routes without the gateway role: they name the cluster that the role would."""
    text = replace_blocks(text, "cluster_specifier_plugins:", "")
    text = BLOCK_OF_TICKETS.sub("", text)
    chosen = "route: {cluster_specifier_plugin: cluster}"
    plain = text.replace(chosen, f"route: {{cluster: {cluster}}}")
    if plain == text or "cluster_specifier" in plain:
        raise Failed("the rendered configuration has other routes than this program knows")
    return plain


def plain_clusters(text):
    """The clusters without the provider role."""
    return replace_blocks(text, "- name: attache.provider", "", len(PROVIDERS))


def replace_blocks(text, head, instead, expected=1):
    """Puts one line, or none, in the place of every block that begins with the line `head`: that
    line and the deeper ones after it, as YAML's indentation has it."""
    pattern = rf"^( *){re.escape(head)}\n(?:\1 .*(?:\n|\Z))*"
    line = (lambda found: f"{found[1]}{instead}\n") if instead else ""
    text, count = re.subn(pattern, line, text, flags=re.MULTILINE)
    if count != expected:
        raise Failed(f"the rendered configuration has {count} blocks `{head}`, not {expected}")
    return text


def without_module(text):
    if "extensions.filters.http.wasm" in text:
        raise Failed("the baseline still names the module")
    return text
