"""Debian's Prometheus on loopback, with the shipped configuration made quick."""

import json
import math
import os
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from pathlib import Path

import yaml
from grafana import ROOT, SCRAPE

SHIPPED = ROOT / "deploy" / "prometheus"
PROMETHEUS, PROMTOOL = os.environ["PROMETHEUS"], os.environ["PROMTOOL"]
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def promtool(*arguments, **more) -> subprocess.CompletedProcess:
    return subprocess.run([PROMTOOL, *map(str, arguments)], capture_output=True, text=True, **more)


def config(target: str) -> dict:
    """The shipped configuration: another target, whole paths, and an evaluation every second."""
    shipped = yaml.safe_load((SHIPPED / "prometheus.yml").read_text())
    shipped["global"] = {"scrape_interval": f"{SCRAPE}s", "evaluation_interval": "1s"}
    shipped["rule_files"] = [str(SHIPPED / name) for name in shipped["rule_files"]]
    shipped["scrape_configs"][0]["static_configs"] = [{"targets": [target]}]
    return shipped


def rules() -> list[dict]:
    """Every recording rule and alert."""
    files = yaml.safe_load((SHIPPED / "prometheus.yml").read_text())["rule_files"]
    groups = [group for name in files for group in yaml.safe_load((SHIPPED / name).read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"]]


class Prometheus:
    def __init__(self, folder: Path, target: str):
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config(target)))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.log = folder / "prometheus.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    PROMETHEUS,
                    f"--config.file={folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={folder / 'data'}",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                    "--log.level=warn",
                ],
                stdout=log,
                stderr=log,
            )

    def ask(self, path: str, **parameters):
        body = urllib.parse.urlencode(parameters).encode() or None
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/api/v1/{path}", body)
        with OPENER.open(request, timeout=20) as reply:
            return json.load(reply)["data"]

    def query(self, text: str, at: float | None = None) -> list:
        found = self.ask("query", query=text, **({} if at is None else {"time": at}))["result"]
        return known((series["metric"], [series["value"]]) for series in found)

    def query_range(self, text: str, start: float, end: float, step: int) -> list:
        found = self.ask("query_range", query=text, start=start, end=end, step=step)["result"]
        return known((series["metric"], series["values"]) for series in found)

    def rules(self) -> dict[str, dict]:
        """Every rule by its name, with its health and last error."""
        groups = self.ask("rules")["groups"]
        return {rule["name"]: rule for group in groups for rule in group["rules"]}

    def wait(self, text: str, seconds: float = 20):
        """Until the query finds something."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                if self.query(text):
                    return
            except OSError:
                if self.process.poll() is not None:
                    raise SystemExit(f"Prometheus ended:\n{self.log.read_text()[-2000:]}") from None
            if time.monotonic() > deadline:
                raise SystemExit(f"Prometheus found nothing for {text} within {seconds:.0f} s")
            time.sleep(0.1)

    def wait_scrapes(self, count: int):
        """Until the gateway was scraped so often from now on, by whole seconds."""
        self.wait(f"timestamp(up == 1) > {int(time.time()) + 1 + count * SCRAPE}")

    def stop(self):
        self.process.terminate()
        self.process.wait()


def known(series) -> list:
    """Without what is no number: a series of NaN is a panel without data."""
    numbers = ((labels, [float(value) for _, value in values]) for labels, values in series)
    finite = ((labels, [value for value in values if math.isfinite(value)]) for labels, values in numbers)
    return [(labels, values) for labels, values in finite if values]
