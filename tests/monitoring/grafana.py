"""The shipped dashboards, and their queries as Grafana sends them."""

import json
import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy" / "grafana" / "dashboards"
DASHBOARDS = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
# The scrape interval of the test, and the time range that is looked at.
SCRAPE, RANGE = 1, 900
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
SELECTOR = re.compile(r"\b(?:(?:intentgate|process)_\w+|up\b|job\w*:[\w:]+)(?:{[^}]*})?")


class Query(NamedTuple):
    """One target of one panel."""

    name: str
    text: str
    instant: bool
    step: int

    def filled(self, job: str, instance: str) -> str:
        rate = max(self.step + SCRAPE, 4 * SCRAPE)
        variables = {"job": job, "instance": instance, "__range": f"{RANGE}s", "__rate_interval": f"{rate}s"}
        variables["__interval"] = f"{self.step}s"
        return re.sub(r"\$(\w+)", lambda match: variables[match[1]], self.text)

    def run(self, prometheus, now: float, job: str, instance: str) -> list:
        """Series as pairs of labels and values."""
        text = self.filled(job, instance)
        if self.instant:
            return prometheus.query(text, now)
        # Grafana puts both ends of the range on multiples of the step.
        start, end = (time // self.step * self.step for time in (now - RANGE, now))
        return prometheus.query_range(text, start, end, self.step)


def panels(dashboard: dict) -> list[dict]:
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def queries() -> list[Query]:
    """Those of the English dashboards; the Chinese ones ask the same, which is tested."""
    found = []
    for name, dashboard in ((name, d) for name, d in DASHBOARDS.items() if not name.endswith(".zh")):
        for panel in panels(dashboard):
            interval = panel.get("interval", "1s")
            step = max(int(interval[:-1]) * SECONDS[interval[-1]], RANGE // 1000, SCRAPE)
            for target in panel["targets"]:
                name_ = f"{name}: {panel['title']} ({target['refId']})"
                found.append(Query(name_, target["expr"], target["instant"], step))
    return found


def selectors(query: str) -> set[str]:
    """Every metric that a query reads, with the labels that it asks for."""
    return set(SELECTOR.findall(query))


def value_of_variable(value: str) -> str:
    """A chosen value of a variable with several, as Grafana puts it into a regular expression inside a string."""
    return re.sub(r"([.*+?^${}()|[\]\\/])", r"\\\\\1", value)
