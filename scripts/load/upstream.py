"""An upstream that fails in every way that is known of, as the request's `x-soak-upstream` header asks.

    python3 scripts/load/upstream.py PORT NAME JOURNAL

A reply follows from the request's id alone, so that whoever asked knows every byte of it. Each request that
arrived whole is a line of the journal: its id, the SHA-256 of its body, its `x-intentgate-mixed`. A kill loses
no line.
"""

import asyncio
import hashlib
import json
import os
import random
import socket
import struct
import sys
from contextlib import suppress
from typing import NamedTuple


class Behaviour(NamedTuple):
    """What a request meets upstream."""

    status: int  # 0: no reply's head
    ends: str  # `whole`, `broken` inside the reply, `none` before it
    retry_after: bool = False


BEHAVIOURS = {
    "plain": Behaviour(200, "whole"),
    "paced": Behaviour(200, "whole"),
    "unhurried": Behaviour(200, "whole"),
    "close_delimited": Behaviour(200, "whole"),
    "trickle": Behaviour(200, "whole"),
    "utf8_split": Behaviour(200, "whole"),
    "long_line": Behaviour(200, "whole"),
    "broken_sse": Behaviour(200, "whole"),
    "more_than_announced": Behaviour(200, "whole"),
    "error_429": Behaviour(429, "whole"),
    "error_429_later": Behaviour(429, "whole", retry_after=True),
    "error_500": Behaviour(500, "whole"),
    "error_503": Behaviour(503, "whole"),
    "error_503_later": Behaviour(503, "whole", retry_after=True),
    "hang_before": Behaviour(0, "none"),
    "reset_before": Behaviour(0, "none"),
    "close_before": Behaviour(0, "none"),
    "garbage_before": Behaviour(0, "none"),
    "hang_inside": Behaviour(200, "broken"),
    "reset_inside": Behaviour(200, "broken"),
    "close_inside": Behaviour(200, "broken"),
    "less_than_announced": Behaviour(200, "broken"),
    "bad_chunk": Behaviour(200, "broken"),
}

WORDS = "您好 包裹 已经 发出 order shipped tomorrow 🙂 👩‍👩‍👧 naïve \u2028 é 退款 ".split(" ")


def reply(behaviour: str, request_id: str, stream: bool) -> bytes:
    """Every byte of a reply, had it not broken off."""
    draw = random.Random(request_id)
    if BEHAVIOURS[behaviour].status != 200:
        error = {"message": f"for {request_id}", "type": "soak", "param": None, "code": behaviour}
        return json.dumps({"error": error}).encode()
    pieces = [draw.choice(WORDS) for _ in range(draw.randint(5, 12 if behaviour == "trickle" else 40))]
    if behaviour == "long_line":
        pieces.append(draw.choice(WORDS[:4]) * 400_000)
    if not stream:
        return json.dumps(completion(request_id, "".join(pieces)), ensure_ascii=False).encode()
    events = [f"data: {json.dumps(chunk(request_id, piece), ensure_ascii=False)}\n\n" for piece in pieces]
    if behaviour == "broken_sse":
        events[2:2] = ['data: {"choices": [\n\n', ": a comment\r\n\r\n", "no field\n", "data:\n\ndata: \udcff\n\n"]
        return "".join(events).encode(errors="surrogateescape")  # neither UTF-8 nor an end
    return "".join([*events, "data: [DONE]\n\n"]).encode()


def completion(request_id: str, text: str) -> dict:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {"id": request_id, "object": "chat.completion", "created": 0, "model": "soak", "choices": [choice]}


def chunk(request_id: str, text: str) -> dict:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    return {"id": request_id, "object": "chat.completion.chunk", "created": 0, "model": "soak", "choices": [choice]}


class Asked(NamedTuple):
    headers: dict
    body: bytes

    @property
    def stream(self) -> bool:
        return self.headers.get("x-soak-stream") == "1"


async def read_request(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    fields = [line.split(":", 1) for line in head.split("\r\n")[1:] if line]
    headers = {name.lower(): value.strip() for name, value in fields}
    if headers.get("transfer-encoding") != "chunked":
        return Asked(headers, await reader.readexactly(int(headers.get("content-length", 0))))
    body = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readuntil(b"\r\n")
    return Asked(headers, body)


class Upstream:
    def __init__(self, name: str, journal: str):
        self.name = name
        self.journal = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        try:
            while await self.answer(await read_request(reader), reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the gateway is gone, as its client may be
        finally:
            writer.close()

    async def answer(self, asked: Asked, reader, writer) -> bool:
        """Whether the connection may be used again."""
        request_id, behaviour = asked.headers["x-request-id"], asked.headers.get("x-soak-upstream", "plain")
        digest = hashlib.sha256(asked.body).hexdigest()
        os.write(self.journal, f"{request_id} {digest}\n".encode())
        if BEHAVIOURS[behaviour].ends == "none":
            await self.answer_nothing(behaviour, reader, writer)
            return False
        body = reply(behaviour, request_id, asked.stream)
        if behaviour in ("plain", "more_than_announced", "less_than_announced") or BEHAVIOURS[behaviour].status != 200:
            return await self.plain(behaviour, asked, body, writer)
        return await self.pieces(behaviour, asked, body, reader, writer)

    async def answer_nothing(self, behaviour, reader, writer):
        if behaviour == "hang_before":
            await reader.read()  # until the gateway gives up
        elif behaviour == "reset_before":
            reset(writer)
        elif behaviour == "garbage_before":
            writer.write(b"HTTP/1.1 two hundred\r\nfoo\r\n\r\n")
            await writer.drain()

    def head(self, behaviour: str, asked: Asked, framing: str) -> bytes:
        status, _, retry_after = BEHAVIOURS[behaviour]
        kind = "text/event-stream" if asked.stream and status == 200 else "application/json"
        lines = [f"HTTP/1.1 {status} Soak", f"content-type: {kind}", f"x-soak-from: {self.name}", framing]
        if retry_after:
            lines.append("retry-after: 1")
        return "\r\n".join([*lines, "", ""]).encode()

    async def plain(self, behaviour, asked, body, writer) -> bool:
        announced = len(body) + (100 if behaviour == "less_than_announced" else 0)
        extra = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwrong" if behaviour == "more_than_announced" else b""
        writer.write(self.head(behaviour, asked, f"content-length: {announced}") + body + extra)
        await writer.drain()
        return announced == len(body) and not extra

    async def pieces(self, behaviour, asked, body, reader, writer) -> bool:
        """A reply in pieces: framed as chunks, or by the connection's end."""
        draw = random.Random(asked.headers["x-request-id"])
        chunked = behaviour != "close_delimited"
        writer.write(self.head(behaviour, asked, "transfer-encoding: chunked" if chunked else "connection: close"))
        size, pause = {
            "trickle": (1, 0.0005),
            "utf8_split": (draw.choice([1, 2, 5, 7]) * 7 + 1, 0.001),
            "long_line": (65536, 0),
            "unhurried": (max(40, len(body) // 12), 0.25),
        }.get(behaviour, (max(40, len(body) // 12), 0.03))
        cuts = range(0, len(body), size)
        breaks_at = draw.randrange(1, len(cuts)) if BEHAVIOURS[behaviour].ends == "broken" and len(cuts) > 1 else None
        for number, at in enumerate(cuts):
            if number == breaks_at:
                return await self.break_off(behaviour, reader, writer)
            piece = body[at : at + size]
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
            await writer.drain()
            if pause:
                await asyncio.sleep(pause)
        if chunked:
            writer.write(b"0\r\n\r\n")
            await writer.drain()
        return chunked

    async def break_off(self, behaviour, reader, writer) -> bool:
        if behaviour == "hang_inside":
            await reader.read()
        elif behaviour == "reset_inside":
            reset(writer)
        elif behaviour == "bad_chunk":
            writer.write(b"zz\r\nno chunk\r\n")
            await writer.drain()
        return False


def reset(writer: asyncio.StreamWriter):
    """Ends a connection by RST: what lingers for no time is thrown away."""
    with suppress(OSError):  # the other side may have ended it
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def main(port: str, name: str, journal: str):
    upstream = Upstream(name, journal)
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", int(port), limit=1 << 20, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
