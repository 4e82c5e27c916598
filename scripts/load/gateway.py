"""The gateway as a real process, in a folder of its own."""

import json
import os
import pathlib
import re
import resource
import signal
import subprocess
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]


def raise_descriptors(wanted: int) -> int:
    """How many descriptors this process and its children may have; fewer than `wanted` where only root may raise."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(wanted, hard), max(wanted, hard)))
    except (ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


class Gateway:
    """Runs `binary` with `folder/config.toml` and `folder/intents`; its log is `folder/gateway.log`."""

    def __init__(self, binary: str, folder: pathlib.Path):
        self.folder, self.log = folder, folder / "gateway.log"
        # No setting of whoever runs this, but where the model is.
        outside = {k: v for k, v in os.environ.items() if not k.startswith("INTENTGATE_") or "MODEL__" in k}
        command = [
            os.path.abspath(binary),
            "--config",
            folder / "config.toml",
            "--intents",
            folder / "intents",
            "serve",
        ]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                stderr=log,
                stdout=log,
                cwd=ROOT,
                env=outside | {"INTENTGATE_LANG": "en", "XDG_STATE_HOME": str(folder)},
            )
        self.pid = self.process.pid

    def wait_ready(self):
        """The first start embeds every example: half a minute on two idle cores, more on busy ones."""
        text, deadline = "", time.monotonic() + 300
        while not re.search(r"admin +http", text):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"the gateway did not start:\n{text[-2000:]}")
            time.sleep(0.1)
            text = self.log.read_text()
        self.port = int(re.search(r"base URL +http://[\d.]+:(\d+)", text)[1])
        self.admin_port = int(re.search(r"admin +http://[\d.]+:(\d+)", text)[1])
        self.wait_until(lambda: "intentgate_intents_in_sync 1" in self.metrics(), 300)
        # The first judge may rest on static vectors alone.
        if "judging by static vectors" in text:
            self.wait_until(lambda: "intents published" in self.log.read_text(), 300)

    @staticmethod
    def wait_until(condition, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not (met := condition()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return bool(met)

    def metrics(self) -> str:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{self.admin_port}/metrics", timeout=10) as reply:
            return reply.read().decode()

    def series(self, name: str) -> dict[frozenset, float]:
        """Every series of a metric by its labels."""
        found = re.findall(rf"^{name}(?:{{(.*)}})? (\S+)$", self.metrics(), re.M)
        return {frozenset(re.findall(r'(\w+)="([^"]*)"', labels)): float(value) for labels, value in found}

    def gauge(self, name: str) -> float | None:
        return self.series(name).get(frozenset())

    def events(self) -> tuple[list[dict], list[str]]:
        """The log's events, and the lines that are none."""
        events, strays = [], []
        for line in self.log.read_text(errors="replace").splitlines():
            try:
                events.append(json.loads(line))
            except ValueError:
                strays.append(line)
        return events, strays

    def rss(self) -> float:
        """Resident memory in MiB."""
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024

    def stop(self, seconds: float) -> tuple[int | None, float]:
        """SIGTERM; the exit code, none where it has not ended in time, and the seconds that it took."""
        begun = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            code = None
        return code, time.monotonic() - begun

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
