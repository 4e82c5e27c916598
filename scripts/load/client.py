"""A client of HTTP/1.1 that sees how a reply ends, and that may behave badly."""

import asyncio
import socket
import time
from dataclasses import dataclass, field

from . import upstream

# Longer than any reply of the soak takes.
PATIENCE = 60
# Seconds of silence that the gateway bears of a client that it has refused, and less.
LISTENED_TO = 0.2


@dataclass(slots=True)
class Seen:
    """What a client saw of one exchange."""

    sent: bool = False  # every byte of the request
    status: int = 0
    headers: dict = field(default_factory=dict)
    body: bytes = b""
    end: str = "cut"  # `complete`, `cut` by the other side, `left` by this one, `stuck`
    paused: float = 0  # the longest silence inside a request, in seconds
    before: str = ""  # what this connection was used for before


class Left(Exception):
    """The client leaves, as it was told to."""


class Client:
    """One connection at a time, kept while both sides want to."""

    def __init__(self, port: int):
        self.port, self.reader, self.writer, self.used = port, None, None, ""

    async def ask(self, plan) -> Seen:
        seen = Seen()
        try:
            async with asyncio.timeout(PATIENCE):
                await self.connect(plan)
                seen.before, self.used = self.used, f"{plan.id} {plan.kind} {plan.manner}"
                await self.send(plan, seen)
                await self.receive(plan, seen)
        except Left:
            seen.end = "left"
        except TimeoutError:
            seen.end = "stuck"
        except (asyncio.IncompleteReadError, ConnectionError):
            # On a busy machine a slow sender may be silent for longer than whoever refuses it listens.
            if seen.paused > LISTENED_TO:
                seen.end = "left"
        self.used += f" {seen.status}"
        if seen.end != "complete" or not seen.sent or not plan.keep or seen.headers.get("connection") == "close":
            self.close(reset="abort" in plan.manner and seen.end == "left")
        return seen

    async def connect(self, plan):
        if self.writer:
            return
        sock = socket.socket()
        sock.setblocking(False)
        if plan.manner == "slow_reader":
            # What the system takes in the client's place would hide that it is slow.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.port))
        self.reader, self.writer = await asyncio.open_connection(sock=sock, limit=1 << 17)

    async def send(self, plan, seen: Seen):
        head, body = plan.head(), plan.body
        if plan.manner in ("leave_sending", "stall_sending"):
            self.writer.write(head + plan.framed(body[: len(body) // 2]))
            await self.writer.drain()
            if plan.manner == "stall_sending":
                return
            await asyncio.sleep(plan.pause)
            raise Left
        if plan.manner == "slow_sender":
            self.writer.write(head)
            for at in range(0, len(body), step := max(1, len(body) // 8)):
                self.writer.write(plan.framed(body[at : at + step]))
                await self.writer.drain()
                begun = time.monotonic()
                await asyncio.sleep(0.02)
                seen.paused = max(seen.paused, time.monotonic() - begun)
        else:
            self.writer.write(head + plan.framed(body))
        self.writer.write(plan.framed(b""))
        try:
            await self.writer.drain()
        except ConnectionError:
            pass  # whoever refuses a body may have said so before
        seen.sent = True
        if "before_headers" in plan.manner:
            await asyncio.sleep(plan.pause)
            raise Left

    async def receive(self, plan, seen: Seen):
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        seen.status = int(head[0].split()[1])
        seen.headers = {name.lower(): value.strip() for name, value in (f.split(":", 1) for f in head[1:] if f)}
        body = bytearray()
        try:
            async for piece in self.body(seen.headers):
                body += piece
                if "inside" in plan.manner and len(body) > plan.leave_after:
                    raise Left
                if plan.manner == "slow_reader" and len(body) < 1 << 20:
                    await asyncio.sleep(0.02)
        finally:
            seen.body = bytes(body)
        seen.end = "complete"

    async def body(self, headers: dict):
        if headers.get("transfer-encoding") == "chunked":
            while size := int((await self.reader.readuntil(b"\r\n")).split(b";")[0], 16):
                async for piece in self.take(size):
                    yield piece
                await self.reader.readexactly(2)
            await self.reader.readexactly(2)
        elif "content-length" in headers:
            async for piece in self.take(int(headers["content-length"])):
                yield piece
        else:
            while piece := await self.reader.read(1 << 16):
                yield piece

    async def take(self, size: int):
        while size:
            piece = await self.reader.read(min(size, 1 << 14))
            if not piece:
                raise asyncio.IncompleteReadError(b"", size)
            size -= len(piece)
            yield piece

    def close(self, reset: bool = False):
        if self.writer:
            upstream.reset(self.writer) if reset else self.writer.close()
        self.reader = self.writer = None
        self.used = ""
