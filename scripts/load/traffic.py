"""The requests of the soak: what is asked, how the client behaves, and what the upstream is told to do."""

import json
import random
from dataclasses import dataclass

from .upstream import BEHAVIOURS

# Paths by the word that logs and metrics have for their protocol.
PROTOCOLS = {
    "chat_completions": "/v1/chat/completions",
    "responses": "/v1/responses",
    "completions": "/v1/completions",
    "messages": "/v1/messages",
}
# The gateway's `limits.body` in the soak.
BODY_LIMIT = 256 << 10

# What may be decided on each kind of request; all but the first only while the gate's mode is another.
QUESTIONS = {
    "forward": [
        "where is my parcel {n}",
        "我的订单{n}什么时候发货",
        "I want to return the shoes of order {n}",
        "订单{n}退款怎么还没到账",
    ],
    "answer": ["hello, is anyone there?", "你好，在吗", "talk to a human", "转人工"],
    "reject": ["write a poem about spring {n}", "帮我写一首关于秋天的诗", "translate 'good morning {n}' into French"],
    "mixed": ["I want a refund for my order, and tell me a joke", "我的快递到哪了？再给我讲个笑话"],
}
DECISIONS = {
    "forward": "forward",
    "mixed": "forward",
    "no_text": "forward",
    "long": "forward",
    "answer": "answer",
    "reject": "reject",
}
KINDS = {
    "forward": 40,
    "answer": 10,
    "reject": 12,
    "mixed": 5,
    "no_text": 4,
    "long": 4,
    "bad_json": 3,
    "too_large": 2,
    "unknown_path": 2,
    "wrong_method": 1,
    "pass_through": 3,
}
MANNERS = {
    "plain": 60,
    "slow_reader": 5,
    "slow_sender": 5,
    "leave_before_headers": 4,
    "abort_before_headers": 3,
    "leave_inside": 6,
    "abort_inside": 4,
    "leave_sending": 3,
    "stall_sending": 1,
}
FAULTS = {name: 12 if name in ("plain", "paced") else 1 for name in BEHAVIOURS}


@dataclass(slots=True)
class Plan:
    """A request, before it is sent."""

    id: str
    kind: str
    protocol: str  # `none` where the path is not judged
    method: str
    path: str
    body: bytes
    stream: bool
    chunked: bool
    keep: bool  # the connection, for the next request
    manner: str
    behaviour: str
    pause: float
    leave_after: int

    def head(self) -> bytes:
        framing = "transfer-encoding: chunked" if self.chunked else f"content-length: {len(self.body)}"
        lines = [
            f"{self.method} {self.path} HTTP/1.1",
            "host: soak",
            "content-type: application/json",
            framing,
            f"x-request-id: {self.id}",
            f"x-soak-upstream: {self.behaviour}",
            f"x-soak-stream: {self.stream:d}",
        ]
        if not self.keep:
            lines.append("connection: close")
        return "\r\n".join([*lines, "", ""]).encode()

    def framed(self, piece: bytes) -> bytes:
        """A piece of the body as it is sent; an empty one is its end."""
        return b"%x\r\n%b\r\n" % (len(piece), piece) if self.chunked else piece


class Traffic:
    """Draws requests, over the protocols that the gateway speaks."""

    def __init__(self, protocols: list[str], seed: int):
        self.protocols, self.draw, self.count = protocols, random.Random(seed), 0

    def next(self) -> Plan:
        draw, self.count = self.draw, self.count + 1
        kind, manner, behaviour = (draw.choices(list(of), of.values())[0] for of in (KINDS, MANNERS, FAULTS))
        protocol, stream = draw.choice(self.protocols), draw.random() < 0.6
        method, path, body = "POST", PROTOCOLS[protocol], self.body(kind, protocol, stream)
        if kind == "wrong_method":
            method, body = "GET", b""
        elif kind in ("unknown_path", "pass_through"):
            protocol = "none"
            path = "/v1/embeddings" if kind == "pass_through" else draw.choice(["/v1/audio/speech", "/", "/v1/chat"])
        if not body:
            manner = "plain"
        # While a slow client still reads, the gateway may have waited too long for its next request.
        keep = draw.random() < 0.8 and manner != "slow_reader"
        return Plan(
            id=f"soak-{self.count:07}",
            kind=kind,
            protocol=protocol,
            method=method,
            path=path,
            body=body,
            stream=stream,
            chunked=bool(body) and draw.random() < 0.2,
            keep=keep,
            manner=manner,
            behaviour=behaviour,
            pause=draw.choice([0, 0.001, 0.01, 0.1, 0.5]),
            leave_after=draw.randrange(600),
        )

    def next_stream(self) -> Plan:
        """One whose reply is a stream of some seconds, and whose client stays to its end."""
        while True:
            plan = self.next()
            if (plan.kind, plan.manner, plan.stream) == ("forward", "plain", True):
                plan.behaviour, plan.keep = "unhurried", False
                return plan

    def body(self, kind: str, protocol: str, stream: bool) -> bytes:
        draw = self.draw
        if kind == "bad_json":
            return draw.choice(
                [b"{", b"[]", b"not json", b'{"messages": 1}', b'{"messages": [{"role": "user", "content": "\xff"}]}']
            )
        words = draw.choice(QUESTIONS.get(kind, QUESTIONS["forward"])).format(n=draw.randrange(10_000, 100_000))
        body = {"model": "soak", "stream": stream} | self.question(kind, protocol, words)
        if kind == "too_large":
            body["padding"] = "x" * (BODY_LIMIT + draw.randrange(1 << 18))
        # Spaces and order are the client's: what is forwarded must be these bytes and no others of their meaning.
        return json.dumps(body, ensure_ascii=draw.random() < 0.5, indent=draw.choice([None, None, 1])).encode()

    def question(self, kind: str, protocol: str, words: str) -> dict:
        picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
        if protocol == "responses":
            picture = {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}
        elif protocol == "messages":
            picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
        if protocol == "completions":
            return {"prompt": "" if kind == "no_text" else words}
        turns = [{"role": "user", "content": [picture] if kind == "no_text" else words}]
        if kind == "long":
            talk = [("user", "which size fits me?"), ("assistant", "Please tell me your height. " * 20)]
            turns[:0] = [{"role": role, "content": text} for role, text in talk * self.draw.randint(20, 80)]
        if protocol == "responses":
            return {"input": turns}
        return {"messages": turns} | ({"max_tokens": 100} if protocol == "messages" else {})
