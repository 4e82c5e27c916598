"""The upstream's process, which is killed, started anew and frozen."""

import asyncio
import random
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

# A request that meets an outage may have been sent shortly before, and fail shortly after.
SLACK = 1.0


def free_port() -> int:
    """A port for a listener that comes and goes, outside of those that the system gives to connections."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Upstream:
    """An upstream's process, and when it was not there."""

    def __init__(self, name: str, folder: Path):
        self.name, self.port, self.journal = name, free_port(), folder / f"{name}.journal"
        self.process, self.outages = None, []

    def start(self):
        command = [sys.executable, "-m", "load.upstream", str(self.port), self.name, self.journal]
        self.process = subprocess.Popen(command, cwd=Path(__file__).parents[1])

    async def listening(self):
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                return writer.close()
            await asyncio.sleep(0.05)

    @contextmanager
    def outage(self):
        self.outages.append([time.monotonic(), float("inf")])
        try:
            yield
        finally:
            self.outages[-1][1] = time.monotonic()

    def calm(self, begun: float) -> bool:
        """Whether it was there since then."""
        return all(end + SLACK < begun for _, end in self.outages)

    async def restart(self, seconds: float):
        with self.outage():
            self.process.kill()
            self.process.wait()
            await asyncio.sleep(seconds)
            self.start()
            await self.listening()

    async def freeze(self, seconds: float):
        with self.outage():
            self.process.send_signal(signal.SIGSTOP)
            await asyncio.sleep(seconds)
            self.process.send_signal(signal.SIGCONT)
