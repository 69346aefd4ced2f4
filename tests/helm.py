#!/usr/bin/env python3
"""Checks the Helm chart `envoy/helm` with the objects of both targets. `just helm` builds first.

The objects of `attache render` must pass through the chart unchanged, apart from labels and values.
Everything that the chart makes is checked against the schemas of Istio, Kubernetes, the Gateway API and
Envoy Gateway, in which no unknown field is allowed. Envoy Gateway's own translation (`egctl`) turns its
objects into listeners and clusters, with which an Envoy must answer requests.
"""

import argparse
import contextlib
import copy
import json
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.request import Request

import jsonschema
from bench.processes import Process, get, send
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parent.parent
CHART = ROOT / "envoy/helm"
GATEWAY = ROOT / "envoy/gateway.yaml"
MODULE = "registry.example.com/attache:1"

TARGETS = {
    "istio-gateway": ["--workload", "app=attache"],
    "envoy-gateway": [],
}

# Every value of the chart, each other than its default.
VALUES = {
    "replicas": 3,
    "minAvailable": 2,
    "terminationGracePeriodSeconds": 60,
    "image": "registry.example.com/envoy:1.41",
    "secrets": {"accounts": "our-accounts", "providers": "our-providers"},
    "serviceAccountName": "models",
    "service": {"type": "LoadBalancer", "annotations": {"example.com/scheme": "internal"}},
    "resources": {"limits": {"cpu": "2", "memory": "2Gi"}, "requests": {"cpu": "1", "memory": "1Gi"}},
    "podAnnotations": {"example.com/team": "models"},
    "podLabels": {"team": "models"},
    "nodeSelector": {"kubernetes.io/arch": "arm64"},
    "tolerations": [{"key": "dedicated", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
        {"weight": 1, "preference": {"matchExpressions": [{"key": "zone", "operator": "Exists"}]}}]}},
    "topologySpreadConstraints": [
        {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway",
         "labelSelector": {"matchLabels": {"app": "attache"}}}],
}


def main():
    options = arguments()
    schemas = Schemas(options.tools / "crds")
    with tempfile.TemporaryDirectory() as directory:
        for target, flags in TARGETS.items():
            rendered = Rendered(options, Path(directory) / target, target, flags)
            check_chart(options, rendered, schemas)
            with_tokens = [*flags, "--token-provider", "vertex"]
            rendered = Rendered(options, Path(directory) / f"{target}-tokens", target, with_tokens)
            check_tokens(options, rendered, schemas)
            print(f"helm: {target}: objects, values and schemas are right", flush=True)
        check_refusals(options, Path(directory))
        check_gateway(options, Path(directory))
    print("helm: Envoy answers with the listeners and clusters that Envoy Gateway makes")


def arguments():
    parser = argparse.ArgumentParser(description="Checks the Helm chart.")
    parser.add_argument("--tools", type=Path, default=ROOT / ".build/helm", help="helm, egctl, crds")
    parser.add_argument("--istio", type=Path, default=ROOT / ".build/istio", help="schemas for Node")
    parser.add_argument("--command", type=Path, default=ROOT / "target/debug/attache")
    parser.add_argument("--envoy", type=Path, default=ROOT / ".build/bin/envoy")
    parser.add_argument("--module", type=Path,
                        default=ROOT / "target/wasm32-wasip1/filter/attache.wasm")
    return parser.parse_args()


class Rendered:
    """What `attache render` writes for a target."""

    def __init__(self, options, directory, target, flags, gateway=GATEWAY):
        self.directory, self.target = directory, target
        command = [options.command, "render", gateway, "--out", directory, "--target", target,
                   "--module", f"oci://{MODULE}", *flags]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        self.objects = [each for name in ("clusters", "listeners")
                        for each in load(directory / f"{name}.yaml")]

    def files(self):
        return [part for name in ("clusters", "listeners")
                for part in ("--set-file", f"objects.{name}={self.directory / name}.yaml")]


def load(source):
    return [each for each in YAML(typ="safe").load_all(source) if each]


def helm(options, command, files=(), values=None, namespace="attache"):
    """The output of helm, and whether it succeeds."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(values or {}, file)
        file.flush()
        done = subprocess.run(
            [options.tools / "helm", *command, "--namespace", namespace, "--values", file.name,
             *files], capture_output=True, text=True)
    return (done.stdout if done.returncode == 0 else done.stderr), done.returncode == 0


def template(options, rendered, values=None):
    text, succeeded = helm(options, ["template", "attache", CHART], rendered.files(), values)
    if not succeeded:
        fail(text)
    return load(text)


def check_chart(options, rendered, schemas):
    text, succeeded = helm(options, ["lint", "--strict", CHART], rendered.files())
    if not succeeded:
        fail(text)
    made = template(options, rendered)
    own = [each for each in made if name_of(each) not in map(name_of, rendered.objects)]
    kinds = {"Deployment", "Service", "PodDisruptionBudget"}
    expect({each["kind"] for each in own}, kinds if rendered.target == "istio-gateway" else set())
    for each in rendered.objects:
        found = next(one for one in made if name_of(one) == name_of(each))
        if each["kind"] != "EnvoyProxy":
            expect(without_labels(found), without_labels(each))
    is_istio = rendered.target == "istio-gateway"
    values = VALUES | ({"moduleImage": MODULE} if is_istio else {})
    changed = template(options, rendered, values)
    scaled = template(options, rendered, {"autoscaling": {"enabled": True, "maxReplicas": 5}})
    (check_istio if is_istio else check_proxy)(changed, scaled)
    for objects in (made, changed, scaled):
        schemas.check(objects, options)
    notes = notes_of(options, rendered)
    for part in ("http://127.0.0.1:8080/v1/chat/completions", "8081 (http-eu)"):
        if part not in notes:
            fail(f"the notes lack {part}: {notes}")


def notes_of(options, rendered):
    """The notes. `helm template` leaves them out, so they become an object here."""
    with tempfile.TemporaryDirectory() as directory:
        chart = Path(directory) / "attache"
        shutil.copytree(CHART, chart)
        (chart / "templates/NOTES.txt").rename(chart / "notes")
        (chart / "templates/notes.yaml").write_text(
            '{apiVersion: v1, kind: Notes, text: {{ tpl (.Files.Get "notes") . | quote }}}\n')
        only = ["--show-only", "templates/notes.yaml"]
        text, succeeded = helm(options, ["template", "attache", chart, *only], rendered.files())
    return load(text)[0]["text"] if succeeded else fail(text)


def check_istio(changed, scaled):
    """The pods and the Service of an Istio gateway."""
    deployment, service = the(changed, "Deployment")["spec"], the(changed, "Service")
    pod = deployment["template"]["spec"]
    container = pod["containers"][0]
    expect(deployment["replicas"], 3)
    expect(pod["serviceAccountName"], "models")
    expect(container["image"], VALUES["image"])
    expect(container["resources"], VALUES["resources"])
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    expect(mounts, {name: f"/etc/attache/{name}" for name in ("accounts", "secrets", "module")})
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    expect(volumes["accounts"]["secret"]["secretName"], "our-accounts")
    expect(volumes["secrets"]["projected"]["sources"],
           [{"secret": {"name": "our-providers"}}, {"configMap": {"name": "attache-secrets"}}])
    expect(volumes["module"]["image"], {"reference": MODULE})
    for key in ("nodeSelector", "tolerations", "affinity", "topologySpreadConstraints"):
        expect(pod[key], VALUES[key])
    labels = deployment["template"]["metadata"]["labels"]
    expect(labels, {"app": "attache", "sidecar.istio.io/inject": "true", "team": "models"})
    expect(service["spec"]["type"], "LoadBalancer")
    expect(service["metadata"]["annotations"], VALUES["service"]["annotations"])
    expect([port["port"] for port in service["spec"]["ports"]], [8080, 8081])
    expect("replicas" in the(scaled, "Deployment")["spec"], False)
    expect(the(scaled, "HorizontalPodAutoscaler")["spec"]["maxReplicas"], 5)


def check_proxy(changed, scaled):
    """The settings of Envoy Gateway's pods."""
    spec = the(changed, "EnvoyProxy")["spec"]
    kubernetes = spec["provider"]["kubernetes"]
    deployment = kubernetes["envoyDeployment"]
    expect(deployment["replicas"], 3)
    expect(deployment["container"]["image"], VALUES["image"])
    expect(len(deployment["container"]["volumeMounts"]), 3)
    volumes = {volume["name"]: volume for volume in deployment["pod"]["volumes"]}
    expect(volumes["accounts"]["secret"]["secretName"], "our-accounts")
    expect(volumes["secrets"]["projected"]["sources"],
           [{"secret": {"name": "our-providers"}}, {"configMap": {"name": "attache-secrets"}}])
    for key in ("nodeSelector", "tolerations", "affinity", "topologySpreadConstraints"):
        expect(deployment["pod"][key], VALUES[key])
    expect(deployment["pod"]["labels"], VALUES["podLabels"])
    expect(kubernetes["envoyService"], VALUES["service"])
    expect(kubernetes["envoyServiceAccount"], {"name": "models"})
    expect(spec["shutdown"], {"drainTimeout": "60s"})
    kubernetes = the(scaled, "EnvoyProxy")["spec"]["provider"]["kubernetes"]
    expect(kubernetes["envoyHpa"]["maxReplicas"], 5)
    expect("replicas" in kubernetes["envoyDeployment"], False)
    dockerfile = (ROOT / "envoy/Dockerfile").read_text()
    image = deployment_of(scaled)["container"]["image"]
    if f"FROM {image.removeprefix('docker.io/')} AS gateway" not in dockerfile:
        fail(f"{image} is not the image of envoy/Dockerfile")


def check_tokens(options, rendered, schemas):
    """The container that writes tokens."""
    text, succeeded = helm(options, ["template", "attache", CHART], rendered.files())
    if succeeded or "the keys of these providers are tokens: vertex" not in text:
        fail(text[-1000:])
    for credentials in ("", "google"):
        tokens = {"image": "registry.example.com/attache:2", "credentials": credentials}
        made = template(options, rendered, {"tokens": tokens})
        schemas.check(made, options)
        if rendered.target == "istio-gateway":
            pod = the(made, "Deployment")["spec"]["template"]["spec"]
            envoy, user = pod["containers"][0], 1337
            init, volumes = pod["initContainers"], pod["volumes"]
        else:
            deployment = deployment_of(made)
            envoy, user = deployment["container"], 65532
            init, volumes = deployment["initContainers"], deployment["pod"]["volumes"]
        mounts = {mount["name"]: mount for mount in envoy["volumeMounts"]}
        expect(mounts["tokens"], {"name": "tokens", "mountPath": "/etc/attache/tokens", "readOnly": True})
        expect([one["name"] for one in volumes if one["name"] in ("tokens", "credentials")],
               ["tokens", "credentials"] if credentials else ["tokens"])
        expect(init[0]["args"], ["token", "--watch", "--out=/etc/attache/tokens/vertex.key"])
        expect((init[0]["restartPolicy"], init[0]["securityContext"]["runAsUser"]), ("Always", user))
        expect("env" in init[0], bool(credentials))
        expect(len(init[0]["volumeMounts"]), 2 if credentials else 1)


def deployment_of(objects):
    return the(objects, "EnvoyProxy")["spec"]["provider"]["kubernetes"]["envoyDeployment"]


def check_refusals(options, directory):
    """Mistakes that the chart finds before anything is installed."""
    rendered = Rendered(options, directory / "again", "istio-gateway", TARGETS["istio-gateway"])
    sidecar = Rendered(options, directory / "sidecar", "istio-sidecar", ["--workload", "app=x"])
    cases = [
        ([], {}, "attache", "objects.clusters is empty: render the objects with `attache render"),
        (rendered.files(), {}, "other", "the objects are for the namespace `attache`"),
        (sidecar.files(), {}, "attache", "the objects have no Gateway"),
        (rendered.files(), {"replica": 1}, "attache", "additional properties 'replica' not allowed"),
        (rendered.files(), {"service": {"type": "None"}}, "attache", "/service/type"),
    ]
    for files, values, namespace, message in cases:
        text, succeeded = helm(options, ["template", "attache", CHART], files, values, namespace)
        if succeeded or message not in text:
            fail(f"`{message}` is not in: {text[-1000:]}")
    print("helm: wrong values are refused", flush=True)


# --- Schemas ---


class Schemas:
    """The schemas of the CustomResourceDefinitions in a directory, without unknown fields."""

    def __init__(self, directory):
        self.schemas = {}
        for file in sorted(directory.rglob("*.yaml")):
            for definition in load(file):
                if definition["kind"] == "CustomResourceDefinition":
                    self.add(definition["spec"])

    def add(self, spec):
        for version in spec["versions"]:
            schema = strict(version["schema"]["openAPIV3Schema"])
            schema["properties"]["metadata"] = {"type": "object"}
            key = (f"{spec['group']}/{version['name']}", spec["names"]["kind"])
            self.schemas[key] = jsonschema.Draft202012Validator(schema)

    def check(self, objects, options):
        others = []
        for each in objects:
            schema = self.schemas.get((each["apiVersion"], each["kind"]))
            if not schema:
                others.append(each)
                continue
            for error in schema.iter_errors(each):
                fail(f"{name_of(each)}: {list(error.absolute_path)}: {error.message[:500]}")
        known = [each for each in others if is_known_to_node(each)]
        expect([name_of(each) for each in others if each not in known], [])
        check_with_node(known, options)


def is_known_to_node(each):
    group = each["apiVersion"].rpartition("/")[0]
    return group in ("", "apps", "policy", "autoscaling", "networking.istio.io")


def check_with_node(objects, options):
    """The schemas of Istio and Kubernetes are packages of Node's."""
    script = (ROOT / "tests/istio/check.mjs").read_text()
    done = subprocess.run(["node", "--input-type=module", "--eval", script], cwd=options.istio,
                          input=json.dumps(objects), capture_output=True, text=True)
    if done.returncode:
        fail(done.stdout + done.stderr)


def strict(schema):
    """The same schema, in which an object has no other fields than those it names."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: strict(value) for key, value in schema.items()}
    is_open = schema.get("x-kubernetes-preserve-unknown-fields")
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object" and not is_open:
        schema.setdefault("additionalProperties", False)
    if schema.pop("x-kubernetes-int-or-string", None):
        return {"type": ["integer", "string"]}
    if schema.pop("nullable", None):
        return {"anyOf": [schema, {"type": "null"}]}
    return schema


# --- Envoy Gateway's own translation ---


class Translation:
    """What Envoy Gateway makes of the chart's objects."""

    def __init__(self, options, objects):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            # JSON is YAML.
            file.write("".join(f"---\n{json.dumps(each)}\n" for each in [GATEWAY_CLASS, *objects]))
            file.flush()
            done = subprocess.run(
                [options.tools / "egctl", "x", "translate", "--from", "gateway-api", "--to",
                 "gateway-api,xds", "--type", "all", "--output", "json", "--file", file.name],
                capture_output=True, text=True)
        if done.returncode:
            fail(done.stderr[-3000:])
        self.result = json.loads(done.stdout)
        [envoy] = self.result["xds"].values()
        dumps = {dump["@type"].rpartition(".")[2]: dump for dump in envoy["configs"]}
        self.bootstrap = dumps["BootstrapConfigDump"]["bootstrap"]
        clusters = dumps["ClustersConfigDump"]["dynamicActiveClusters"]
        self.clusters = {each["cluster"]["name"]: each["cluster"] for each in clusters}
        listeners = dumps["ListenersConfigDump"]["dynamicListeners"]
        listeners = (each["activeState"]["listener"] for each in listeners)
        self.listeners = {each["name"]: each for each in listeners
                          if not each["name"].startswith("envoy-gateway-proxy-ready")}


GATEWAY_CLASS = {
    "apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass", "metadata": {"name": "eg"},
    "spec": {"controllerName": "gateway.envoyproxy.io/gatewayclass-controller"},
}


def check_gateway(options, directory):
    """Envoy with what Envoy Gateway makes of the chart's objects answers requests."""
    files = directory / "operator"
    (files / "secrets").mkdir(parents=True)
    text = GATEWAY.read_text()
    (files / "gateway.yaml").write_text(text)
    for name in set(re.findall(r"secrets/([\w.-]+)", text)):
        (files / "secrets" / name).write_text(f"key-of-{name}")
    with Provider(options, directory) as provider:
        flags = ["--upstream", f"*=127.0.0.1:{provider.port}"]
        rendered = Rendered(options, directory / "eg", "envoy-gateway", flags, files / "gateway.yaml")
        objects = template(options, rendered)
        translation = Translation(options, objects)
        patched = {patch["name"] for each in objects if each["kind"] == "EnvoyPatchPolicy"
                   for patch in each["spec"]["jsonPatches"]}
        expect(set(translation.clusters) | set(translation.listeners), patched)
        tags = [tag["tagName"] for tag in translation.bootstrap["statsConfig"]["statsTags"]]
        expect({"region", "model", "gen_ai.token.type"} - set(tags), set())
        pod = mounted(options, directory / "pod", files, objects)
        with Envoy(options, directory, translation, pod) as envoy:
            for listener, model in [("http-us", "gpt-4.1"), ("http-eu", "claude-sonnet-4-6")]:
                ask(envoy, listener, model)


def mounted(options, pod, files, objects):
    """The volumes of a pod."""
    for name in ("accounts", "secrets", "module"):
        (pod / name).mkdir(parents=True)
    keys = subprocess.run([options.command, "keys", files / "gateway.yaml"], check=True,
                          capture_output=True, text=True)
    (pod / "accounts/keys.yaml").write_text(keys.stdout)
    for name, secret in the(objects, "ConfigMap")["data"].items():
        (pod / "secrets" / name).write_text(secret.replace("/etc/attache", str(pod)))
    for key in (files / "secrets").iterdir():
        shutil.copy(key, pod / "secrets")
    shutil.copy(options.module, pod / "module/plugin.wasm")
    return pod


def ask(envoy, listener, model):
    """A plain request and a stream, with the demo's key and without."""
    port = envoy.ports[listener]
    for stream in (False, True):
        body = {"model": model, "stream": stream,
                "messages": [{"role": "user", "content": "#script text=fine"}]}
        for key, wanted in [("key-of-demo.key", 200), ("another", 401)]:
            status, text = send(Request(
                f"http://127.0.0.1:{port}/v1/chat/completions", json.dumps(body).encode(),
                {"authorization": f"Bearer {key}", "content-type": "application/json"}))
            if status != wanted or ("fine" in text) != (wanted == 200):
                fail(f"{model} at {listener} answers {status} {text}\n{envoy.complaint()}")


class Provider(Process):
    """The scripted provider."""

    stdout = stdin = subprocess.PIPE

    def __init__(self, options, directory):
        testkit = options.command.with_name("testkit")
        super().__init__([testkit, "provider"], directory / "provider.log")

    def wait(self):
        self.port = json.loads(self.popen.stdout.readline())["provider"]


class Envoy(Process):
    """Envoy with the listeners and clusters of a translation, as a pod's Envoy would have them."""

    def __init__(self, options, directory, translation, pod):
        self.ports = {}
        for name, listener in translation.listeners.items():
            address = listener["address"]["socketAddress"]
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                address["address"], address["portValue"] = free.getsockname()
            self.ports[name.rpartition("/")[2]] = address["portValue"]
        parts = {"listeners": translation.listeners, "clusters": translation.clusters}
        resources = {name: [untyped(each) for each in part.values()] for name, part in parts.items()}
        config = {"static_resources": resources, "node": {"id": "pod", "cluster": "pods"}}
        (directory / "envoy.json").write_text(json.dumps(config).replace("/etc/attache", str(pod)))
        super().__init__([options.envoy, "--config-path", directory / "envoy.json",
                          "--disable-hot-restart", "--concurrency", 1], directory / "envoy.log")

    def wait(self):
        for _ in range(600):
            if self.popen.poll() is not None:
                break
            with contextlib.suppress(OSError):
                if all(get(port, "/healthz")[0] == 200 for port in self.ports.values()):
                    return
            time.sleep(0.1)
        fail(f"Envoy is not ready:\n{self.complaint()}")


# --- Helpers ---


def untyped(each):
    """A resource without the type that a dump adds."""
    return {key: value for key, value in each.items() if key != "@type"}


def name_of(each):
    return each["kind"], each["metadata"]["name"]


def the(objects, kind):
    return next(each for each in objects if each["kind"] == kind)


def without_labels(each):
    each = copy.deepcopy(each)
    del each["metadata"]["labels"]
    return each


def expect(found, wanted):
    if found != wanted:
        fail(f"found {json.dumps(found)[:1500]}\nand not {json.dumps(wanted)[:1500]}")


def fail(problem):
    sys.exit(f"helm: {problem}")


if __name__ == "__main__":
    main()
