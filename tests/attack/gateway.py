"""The gateway that is attacked: the release binary as a process, in a folder of its own, on ports of its own."""

import http.client
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from load.gateway import ROOT, Gateway, raise_descriptors  # noqa: E402

__all__ = ["ROOT", "GRACE", "STALL", "Attacked", "raise_descriptors"]

# Seconds. Small, so that a short run sees each of them pass more than once.
GRACE, STALL = 10, 3

# A start takes two seconds; a machine that is busy with other work needs more.
PATIENCE = 90

KEYS = {
    "server.grace": f'"{GRACE}s"',
    "server.log": '"warn"',
    "limits.header_timeout": '"2s"',
    "limits.body_timeout": '"3s"',
    "limits.stall_timeout": f'"{STALL}s"',
}


class Attacked(Gateway):
    """Runs with `keys` over the small configuration above. With `deaf`, nobody ever reads its standard error."""

    def __init__(self, binary: str, folder: Path, upstream: int, keys: dict[str, str], deaf: bool = False):
        self.folder, self.log = folder, folder / "gateway.log"
        self.port, self.admin_port = free_ports(2)
        shutil.copytree(ROOT / "intents", folder / "intents")
        settings = KEYS | {
            # Ports are named here, since the line that tells them is one that nobody may read.
            "server.listen": f'"127.0.0.1:{self.port}"',
            "admin.listen": f'"127.0.0.1:{self.admin_port}"',
            "upstream.url": f'"http://127.0.0.1:{upstream}/v1"',
        }
        lines = [f"{key} = {value}" for key, value in (settings | keys).items()]
        (folder / "config.toml").write_text("\n".join([*lines, ""]))
        # No setting of whoever runs this, but where the model is.
        outside = {k: v for k, v in os.environ.items() if not k.startswith("INTENTGATE_") or "MODEL__" in k}
        outside.pop("STATE_DIRECTORY", None)
        command = [binary, "--config", folder / "config.toml", "--intents", folder / "intents", "serve"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.PIPE if deaf else log,
                cwd=ROOT,
                env=outside | {"INTENTGATE_LANG": "en", "XDG_STATE_HOME": str(folder), "NO_COLOR": "1"},
            )
        self.pid = self.process.pid

    def wait_ready(self) -> bool:
        """Whether it takes requests; otherwise its last words say why not."""
        return self.wait_until(lambda: self.ended() or self.is_ready(), PATIENCE) and not self.ended()

    def ended(self) -> bool:
        return self.process.poll() is not None

    def is_ready(self) -> bool:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=2)
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except OSError:
            return False

    def rss(self, field: str = "VmRSS") -> float:
        """Resident memory in MiB, or a part of it."""
        return int(re.search(rf"{field}:\s+(\d+)", Path(f"/proc/{self.pid}/status").read_text())[1]) / 1024

    def last_words(self) -> str:
        if self.process.stderr and self.ended():
            return self.process.stderr.read().decode(errors="replace")[-2000:]
        return self.log.read_text(errors="replace")[-2000:]

    def kill(self):
        super().kill()
        if self.process.stderr:
            self.process.stderr.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago; all are held until the last one is found, so that no two are the same."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in held]
    for listener in held:
        listener.close()
    return ports


def wait(seconds: float, meanwhile) -> None:
    """Waits, and calls `meanwhile` ten times a second."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        meanwhile()
        time.sleep(min(0.1, left))
