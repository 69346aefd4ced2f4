"""Prometheus, as the tests start it and ask it."""

import json
import shutil
import time
import urllib.parse

from bench.processes import Failed, Process, free_ports, get


class Prometheus(Process):
    """Prometheus, which scrapes an Envoy every second."""

    def __init__(self, directory, admin):
        program = shutil.which("prometheus")
        if not program:
            raise Failed("there is no `prometheus` here: apt-get install prometheus")
        (self.port,) = free_ports(1)
        file = directory / "prometheus.yaml"
        file.write_text(json.dumps({
            "global": {"scrape_interval": "1s"},
            "scrape_configs": [{
                "job_name": "attache", "metrics_path": "/stats/prometheus",
                "static_configs": [{"targets": [f"127.0.0.1:{admin}"]}],
            }],
        }))
        super().__init__(
            [program, f"--config.file={file}", f"--storage.tsdb.path={directory / 'tsdb'}",
             f"--web.listen-address=127.0.0.1:{self.port}"],
            directory / "prometheus.log",
        )

    def wait(self):
        self.await_page(self.port, "/-/ready")

    def ask(self, query, seconds):
        """The series that a query gives for the last seconds."""
        now = time.time()
        return self.call("query_range", query=query, start=now - seconds, end=now, step=1)

    def ask_now(self, query):
        """The values that a query gives now."""
        return [float(one["value"][1]) for one in self.call("query", query=query)]

    def call(self, page, **asked):
        """What a page of its API finds."""
        status, text = get(self.port, f"/api/v1/{page}?{urllib.parse.urlencode(asked)}")
        answer = json.loads(text)
        if status != 200:
            raise Failed(f"Prometheus refuses {asked['query']}: {answer['error']}")
        return answer["data"]["result"]
