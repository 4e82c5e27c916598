"""Replies larger than requests, for clients that do not take them."""

from attack import Attack
from crowd import Crowd, Member
from wire import PREFACE, head, post, request, settings, status, talk

PATH = "/v1/completions"
# The most bytes that one reply made here may have.
LARGEST = 1 << 20
# A model's name that each chunk of a reply repeats, in JSON six times as long as it is.
NAME = "\x01" * 256
PROMPT = "write a poem about the sea"

BODY = {"model": NAME, "prompt": [PROMPT] * 8, "n": 128, "stream": True}
CHAT = {"model": NAME, "messages": [{"role": "user", "content": PROMPT}], "n": 128, "stream": True}
ASKED = {
    "completions": (PATH, BODY),
    "completions, whole": (PATH, BODY | {"stream": False}),
    "chat completions": ("/v1/chat/completions", CHAT),
    "responses": ("/v1/responses", {"model": NAME, "input": PROMPT, "stream": True}),
    "messages": ("/v1/messages", CHAT | {"max_tokens": 10}),
}


class LargestReply(Attack):
    """One small request for as large a reply as the gateway makes by itself, of each API.

    A reply that the gateway writes is free of charge for the attacker, and is memory and time here. It may be many
    times the request, but not without bound: a mebibyte is far beyond what any shop's reply needs.
    """

    name = "replies.largest"
    seconds = (3, 3)

    def run(self, deadline: float):
        for name, (path, body) in ASKED.items():
            sent = post(path, body, "connection: close")
            reply, whole = talk(self.port, sent, timeout=10)
            self.notes[name] = (len(sent), len(reply), status(reply), whole)

    @classmethod
    def judge(cls, notes, upstream):
        told, missed = [], []
        for name, (sent, reply, code, whole) in notes.items():
            line = f"{name}: {sent} bytes asked for, {reply} replied ({reply / sent:.0f} times), status {code}"
            (told if whole and reply <= LARGEST else missed).append(line)
        return told, missed


class UnreadHttp2(Attack):
    """Connections of HTTP/2 with 98 requests for the largest reply on each, whose client reads nothing.

    What is written to such a client fits into what the system keeps for a connection, so that no write ever stalls;
    the rest of every reply waits in the gateway for as long as the connection stays.
    """

    name = "replies.http2"
    seconds = (5, 30)

    def prepare(self):
        block = head("POST", PATH)
        body = post(PATH, BODY).partition(b"\r\n\r\n")[2]
        requests = [request(1 + 2 * at, block, body) for at in range(98)]
        # What may be sent before the gateway has raised its window, and the rest.
        fits = 65535 // len(requests[0])
        first, self.rest = PREFACE + settings() + b"".join(requests[:fits]), b"".join(requests[fits:])
        self.crowd = Crowd(self.port, self.some(4, 16), lambda: first)

    def run(self, deadline: float):
        self.crowd.keep(deadline, self.more, every=0.5)
        self.notes["told"] = self.crowd.told()

    def more(self, member: Member) -> bytes:
        member.count += 1
        return self.rest if member.count == 1 else b""

    def leave(self):
        self.crowd.leave()


class UnreadHttp1(Attack):
    """Clients of HTTP/1.1 that send eight requests for the largest reply at once, and read nothing.

    A connection of HTTP/1.1 has one reply at a time, but whoever has many connections has many of them, and each
    waits whole in the gateway until it is taken or the client is given up.
    """

    name = "replies.http1"
    seconds = (5, 30)

    def prepare(self):
        sent = post(PATH, BODY) * 8
        self.crowd = Crowd(self.port, self.some(64, 512), lambda: sent, takes=4096)

    def run(self, deadline: float):
        self.crowd.keep(deadline)
        self.notes["told"] = self.crowd.told()

    def leave(self):
        self.crowd.leave()


ALL = [LargestReply, UnreadHttp2, UnreadHttp1]
