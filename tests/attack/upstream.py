"""An LLM that answers at once, and remembers what it was asked."""

import asyncio
import threading
from typing import NamedTuple

REPLY = (
    b'{"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [{"index": 0, '
    b'"message": {"role": "assistant", "content": "It is on its way."}, "finish_reason": "stop"}], '
    b'"usage": {"prompt_tokens": 9, "completion_tokens": 6, "total_tokens": 15}}'
)
# What is kept of a body: enough to tell whose it is.
BEGINNING = 256


class Seen(NamedTuple):
    """A request as it arrived here."""

    line: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)


class Upstream:
    """Serves on a thread of its own; `seen` grows with each request."""

    def __init__(self):
        self.seen: list[Seen] = []
        self.loop = asyncio.new_event_loop()
        listening = threading.Event()
        threading.Thread(target=self.serve, args=(listening,), daemon=True).start()
        listening.wait()

    def serve(self, listening: threading.Event):
        async def start():
            server = await asyncio.start_server(self.talk, "127.0.0.1", 0, limit=1 << 20, backlog=1024)
            self.port = server.sockets[0].getsockname()[1]
            listening.set()
            await server.serve_forever()

        self.loop.run_until_complete(start())

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                line, *rest = head.decode("latin-1").rstrip("\r\n").split("\r\n")
                headers = [(name.strip().lower(), value.strip()) for name, _, value in (h.partition(":") for h in rest)]
                length = int(dict(headers).get("content-length", 0))
                body = await self.beginning(reader, length)
                self.seen.append(Seen(line, headers, body))
                # A body without a length is not read, so nothing can follow it.
                last = any(name == "transfer-encoding" for name, _ in headers)
                more = b"connection: close\r\n" if last else b""
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n%b" % more)
                writer.write(b"content-length: %d\r\n\r\n%b" % (len(REPLY), REPLY))
                await writer.drain()
                if last:
                    break
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, ValueError):
            pass  # the gateway left
        finally:
            writer.close()

    @staticmethod
    async def beginning(reader: asyncio.StreamReader, length: int) -> bytes:
        kept = b""
        while length:
            piece = await reader.read(min(length, 64 << 10))
            if not piece:
                raise ConnectionError
            length -= len(piece)
            kept += piece[: BEGINNING - len(kept)]
        return kept
