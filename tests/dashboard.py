#!/usr/bin/env python3
"""Holds the dashboard against a gateway under load. Run by `just dashboard`, which builds first.

A mixed load goes through an Envoy with the module, Prometheus scrapes it, and every query of every
panel of `envoy/grafana/attache.json` is asked as Grafana would ask it. A query that fails, or that
finds nothing, ends the run with exit code 1. The answers are drawn into a page in the dashboard's
own layout, without Grafana; Chromium takes a picture of it where there is one.
"""

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.dont_write_bytecode = True

from bench.processes import Failed, Provider, send
from bench.setting import CLIENT_KEY, COUNTED_KEY, Setting
from dashboard import page
from dashboard.prometheus import Prometheus
from urllib.request import Request

ROOT = Path(__file__).resolve().parent.parent
DASHBOARD = ROOT / "envoy/grafana/attache.json"

# Nothing is found there: this load has no rate limit service.
MAY_BE_EMPTY = {"attache_rate_limit_service_failures"}


def main():
    options = arguments()
    try:
        with tempfile.TemporaryDirectory() as directory:
            empty = run(options, Path(directory))
    except Failed as failed:
        sys.exit(f"dashboard: {failed}")
    for title, query in empty:
        print(f"dashboard: {title}: nothing found by {query}")
    sys.exit(1 if empty else 0)


def arguments():
    parser = argparse.ArgumentParser(description="Holds the dashboard against a gateway.")
    parser.add_argument("--seconds", type=int, default=60, help="how long the load lasts")
    parser.add_argument("--out", type=Path, default=ROOT / ".build/dashboard", help="the page")
    parser.add_argument("--envoy", type=Path, default=ROOT / ".build/bin/envoy")
    parser.add_argument("--target", type=Path, default=ROOT / "target")
    return parser.parse_args()


def run(options, directory):
    release = options.target / "release"
    module = options.target / "wasm32-wasip1/filter/attache.wasm"
    with Provider(directory) as provider:
        setting = Ours(directory, options.envoy, release / "attache", module, provider.port)
        with setting.ours() as envoy, Prometheus(directory, envoy.admin) as prometheus:
            load(envoy.port, options.seconds)
            # What was scraped last has to be there.
            time.sleep(3)
            return look(options, prometheus)


class Ours(Setting):
    """The setting of the benchmark, with the configuration of this folder."""

    template = Path(__file__).parent / "dashboard/gateway.yaml"


# What clients ask for, how often, and what becomes of it.
KINDS = [
    (50, {"stream": True}, "events=20 delay=15 head-delay=200"),
    (20, {}, "size=600 head-delay=150"),
    (8, {"fallbacks": [{"model": "claude-sonnet-4-6"}]}, "status=503"),
    (4, {"stream": True, "fallbacks": [{"model": "gemini-3-flash"}]}, "status=429"),
    (3, {"fallbacks": [{"model": "gemini-3-flash"}], "fallback_config": {"hedge_ms": 100}},
     "head-delay=600"),
    (5, {"post_processing_steps": [{"type": "json-repair"}]}, "text={'a':_1,}"),
    (2, {"temperature": 9}, ""),
]
MODELS = ["gpt-4.1", "gpt-4.1", "claude-sonnet-4-6", "gemini-3-flash"]


def load(port, seconds):
    """Eight clients, one of whom has a limit."""
    end = time.monotonic() + seconds
    ask = lambda seed: client(port, end, random.Random(seed))
    clients = [threading.Thread(target=ask, args=(seed,)) for seed in range(8)]
    for each in clients:
        each.start()
    for each in clients:
        each.join()


def client(port, end, chance):
    key = COUNTED_KEY if chance.random() < 0.2 else CLIENT_KEY
    while time.monotonic() < end:
        _, more, script = chance.choices(KINDS, [often for often, _, _ in KINDS])[0]
        text = f"Tell me about the weather. #script {script}"
        body = {"model": chance.choice(MODELS), "messages": [{"role": "user", "content": text}]}
        headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
        status, _ = send(Request(f"http://127.0.0.1:{port}/v1/chat/completions",
                                 json.dumps(body | more).encode(), headers))
        # Who is refused comes back later.
        time.sleep(0 if status == 200 else 0.5)


def look(options, prometheus):
    """Asks every query, draws the page, and returns those that found nothing."""
    dashboard, empty, drawn = json.loads(DASHBOARD.read_text()), [], []
    for panel in dashboard["panels"]:
        found = []
        for target in panel.get("targets", []):
            query = target["expr"].replace("$__rate_interval", "5s")
            query = query.replace("$region", ".*").replace("$model", ".*")
            series = prometheus.ask(query, options.seconds)
            if not series and not any(name in query for name in MAY_BE_EMPTY):
                empty.append((panel["title"], query))
            found += [(target["legendFormat"], one) for one in series]
        drawn.append((panel, found))
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "index.html").write_text(page.draw(dashboard["title"], drawn))
    picture(options.out)
    return empty


def picture(out):
    program = shutil.which("chromium")
    if not program:
        print("dashboard: no Chromium here, no picture")
        return
    subprocess.run(
        [program, "--headless", "--no-sandbox", "--hide-scrollbars", "--window-size=1372,1720",
         f"--screenshot={out / 'dashboard.png'}", (out / "index.html").as_uri()],
        check=True, capture_output=True, timeout=120,
    )
    print(f"dashboard: {out / 'dashboard.png'}")


if __name__ == "__main__":
    main()
