"""What an attack is, and the process that it runs in."""

import multiprocessing
import os
from typing import NamedTuple

from gateway import raise_descriptors

# Attackers have machines of their own. Here they share the gateway's, so they give way: what an honest client waits
# for is the gateway, not a busy attacker.
NICE = 10
# For an attack to get ready, and to come back after its time.
SLACK = 30


class Target(NamedTuple):
    """What an attacker knows."""

    port: int
    whole: bool


class Attack:
    """One attack. `prepare`, `run` and `leave` are called in a process of their own, `judge` and `afterwards` here.

    Its docstring says what it does and why that hurts.
    """

    # As the table and the command line call it.
    name = ""
    # Of the configuration, over the small one of gateway.py.
    keys: dict[str, str] = {}
    # Whether the gateway's standard error is a pipe that nobody reads.
    deaf = False
    # What honest clients present.
    key: str | None = None
    # Seconds that it goes on for, in a short run and in a whole one.
    seconds = (4, 20)

    def __init__(self, target: Target):
        self.target, self.port, self.whole = target, target.port, target.whole
        # What it found out: plain values only, since they come from another process.
        self.notes: dict = {}

    def some(self, short: int, whole: int) -> int:
        return whole if self.whole else short

    def prepare(self):
        """Whatever takes the attacker's own time, before the clock starts."""

    def run(self, deadline: float):
        """Attacks until `deadline`, a time of `time.monotonic`."""
        raise NotImplementedError

    def leave(self):
        """Closes what is still open; until then it stays as the attack has left it."""

    @classmethod
    def judge(cls, notes: dict, upstream: list) -> tuple[list[str], list[str]]:
        """What is to be told of the attack, and what was missed besides what holds for all.

        `upstream` is what reached the upstream while it went on.
        """
        return [notes["told"]] if "told" in notes else [], []

    @classmethod
    def afterwards(cls, bench) -> tuple[list[str], list[str]]:
        """The same of what is tried once the attack is over."""
        return [], []


class Running:
    """An attack in its process: prepared, let go, and told to leave."""

    def __init__(self, kind: type[Attack], target: Target):
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=work, args=(kind, target, theirs), daemon=True)
        self.process.start()
        theirs.close()
        self.hear(SLACK)

    def hear(self, seconds: float):
        """What the process says next; none where it says nothing in time."""
        try:
            return self.pipe.recv() if self.pipe.poll(seconds) else None
        except EOFError:
            raise SystemExit("an attacker ended by an error of its own, see above") from None

    def go(self, deadline: float):
        self.pipe.send(deadline)

    def heard(self) -> dict | None:
        """Its notes, once it has come back."""
        return self.hear(0)

    def leave(self):
        try:
            self.pipe.send(None)
            self.process.join(5)
        except OSError:
            pass  # it has ended
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


def work(kind: type[Attack], target: Target, pipe):
    os.nice(NICE)
    raise_descriptors(8192)
    attack = kind(target)
    attack.prepare()
    pipe.send("ready")
    attack.run(pipe.recv())
    pipe.send(attack.notes)
    pipe.recv()
    attack.leave()
