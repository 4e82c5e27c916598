"""A log that nobody reads."""

import time

from attack import Attack
from wire import END_STREAM, HEADERS, PREFACE, WINDOW_UPDATE, connect, frame, head, request, settings

# Refused by its path: quick to answer, and with as many lines in the log as any.
PATH = "/nothing/is/here"
BATCH = 50


class Deaf(Attack):
    """The gateway's standard error is a pipe that nobody reads, the log tells everything, and requests come quickly.

    Whoever reads the log may hang: a full disk behind a collector, a terminal that was stopped. A pipe is full after
    64 KiB. If requests wait for their lines, the gateway stops with its log; if lines are kept until they are
    written, memory grows for as long.
    """

    name = "unread.log"
    keys = {"server.log": '"debug"'}
    deaf = True
    seconds = (7, 60)

    def prepare(self):
        self.block, self.clients, self.answered = head("GET", PATH), [], 0

    def run(self, deadline: float):
        try:
            while time.monotonic() < deadline:
                self.ask_on_one(deadline)
        except OSError as error:
            # It hangs, which the honest client sees as well; whoever attacks goes on trying.
            self.notes["hung"] = type(error).__name__
            time.sleep(max(0.0, deadline - time.monotonic()))
        self.notes["told"] = f"{self.answered} quick requests answered" + (
            f", then none any more ({self.notes['hung']})" if "hung" in self.notes else ""
        )

    def ask_on_one(self, deadline: float):
        """Requests on one connection, batch after batch, each once the one before it is answered."""
        client = connect(self.port, 3.0)
        self.clients.append(client)
        client.sendall(PREFACE + settings() + frame(WINDOW_UPDATE, 0, 0, (2**31 - 65536).to_bytes(4)))
        stream, received = 1, b""
        while stream < 20_000 and time.monotonic() < deadline:
            streams = range(stream, stream + 2 * BATCH, 2)
            client.sendall(b"".join(request(at, self.block) for at in streams))
            stream, open_ones = streams.stop, BATCH
            while open_ones:
                piece = client.recv(1 << 18)
                if not piece:
                    raise ConnectionError
                ends, received = count_ends(received + piece)
                open_ones -= ends
                self.answered += ends

    def leave(self):
        for client in self.clients:
            client.close()


def count_ends(received: bytes) -> tuple[int, bytes]:
    """How many replies end in these frames, and what is left of the last one."""
    at, ends = 0, 0
    while at + 9 <= len(received):
        length, kind, flags = int.from_bytes(received[at : at + 3]), received[at + 3], received[at + 4]
        if at + 9 + length > len(received):
            break
        ends += kind <= HEADERS and bool(flags & END_STREAM)
        at += 9 + length
    return ends, received[at:]


ALL = [Deaf]
