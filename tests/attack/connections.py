"""Connections that are held, and give nothing for it."""

import hashlib
import time

from attack import SLACK, Attack, Running, Target
from crowd import Crowd
from gateway import GRACE
from wire import INITIAL_WINDOW_SIZE, PREFACE, head, request, settings

PATH = "/v1/chat/completions"
KEY = "an honest key"
KEYS = f'[{{ name = "honest", sha256 = "{hashlib.sha256(KEY.encode()).hexdigest()}" }}]'
# Of the grace, SIGTERM may take so much where all that runs are replies that nobody reads.
SHARE_OF_GRACE = 0.5


class ClosedWindows(Attack):
    """Requests without a key over HTTP/2, from clients that allow no byte of a reply: their windows are 0.

    Each is answered 401, and the reply can never be sent. If such a reply holds one of the places that requests have,
    strangers without a key take them all, and nobody with a key is served. If the gateway waits for these clients when
    it is told to end, it uses up its grace, and what is restarted is away for as long.
    """

    name = "connections.windows"
    keys = {"access.keys": KEYS, "limits.requests": "512"}
    key = KEY
    seconds = (5, 30)

    def prepare(self):
        block = head("POST", PATH)
        sent = PREFACE + settings({INITIAL_WINDOW_SIZE: 0}) + b"".join(request(1 + 2 * at, block) for at in range(98))
        self.crowd = Crowd(self.port, self.some(12, 50), lambda: sent)

    def run(self, deadline: float):
        self.crowd.keep(deadline)
        self.notes["told"] = self.crowd.told()

    def leave(self):
        self.crowd.leave()

    @classmethod
    def afterwards(cls, bench):
        """SIGTERM while the same attack goes on."""
        gateway = bench.gateway
        running = Running(cls, Target(gateway.port, bench.whole))
        running.go(time.monotonic() + 1)
        running.hear(SLACK)
        code, took = gateway.stop(GRACE + 5)
        running.leave()
        bench.close()
        line = f"SIGTERM beside it: exit code {code} after {took:.1f} s, the grace is {GRACE} s"
        return ([line], []) if code == 0 and took <= GRACE * SHARE_OF_GRACE else ([], [line])


class Idle(Attack):
    """As many connections as there may be, all from one address; each says that it speaks HTTP/2, and nothing more.

    They cost the attacker next to nothing. If places for connections go to whoever comes first and stays, one
    machine shuts everyone else out.
    """

    name = "connections.idle"
    PLACES = 200
    keys = {"limits.connections": str(PLACES)}
    seconds = (5, 30)

    def prepare(self):
        # A few more than there are places: one that becomes free is taken at once.
        self.crowd = Crowd(self.port, self.PLACES * 5 // 4, self.first, reads=True)

    def first(self) -> bytes:
        # In a whole run, every second one is asked something once, so that it is no longer one that never was.
        asks = self.whole and self.crowd.opened % 2
        return PREFACE + settings() + (request(1, head("GET", "/nothing/is/here")) if asks else b"")

    def run(self, deadline: float):
        self.crowd.keep(deadline)
        self.notes["told"] = self.crowd.told()

    def leave(self):
        self.crowd.leave()


ALL = [ClosedWindows, Idle]
