#!/usr/bin/env python3
"""What streams cost that say nothing: 10,000 at once, within 1 GiB.

    scripts/idle-streams.py [--streams 10000] [--binary target/release/intentgate]

Each is a question that the gateway forwards and whose reply has begun: headers, a first event, then silence. The
gateway's resident memory is measured before, while all of them are silent, and after they have ended. While they
are silent a new question must be answered at once; at the end each gets one more event and its end. Exit code 1
where anything else happens.

A stream takes two descriptors in the gateway, one to either side. Where the system gives it fewer, clients share
connections by HTTP/2, up to 100 streams on each; the upstream's side is HTTP/1.1 always.
Python 3.11 or later, nothing else; Linux.
"""

import argparse
import asyncio
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True

from load.gateway import ROOT, Gateway, raise_descriptors

ALLOWED_MIB = 1024
ALLOWED_ANSWER = 1.0
# Descriptors of the gateway that are no stream's: the model, the log, operators, connections just closed.
SPARE = 200
PER_CONNECTION = 100
AT_ONCE = 100
PATIENCE = 120

PATH = "/v1/chat/completions"
QUESTION = b'{"model": "idle", "stream": true, "messages": [{"role": "user", "content": "where is my parcel%b"}]}'
FIRST = b'data: {"choices": [{"index": 0, "delta": {"content": "one moment"}}]}\n\n'
LAST = b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'

CONFIG = """
server.listen = "127.0.0.1:0"
server.log = "warn,intentgate=info"
admin.listen = "127.0.0.1:0"
upstream.url = "http://127.0.0.1:{port}/v1"
upstream.idle_timeout = "10m"
limits.requests = {limit}
limits.connections = {limit}
"""


# --- The upstream, a process of its own ---------------------------------------------------------------------------


class SilentUpstream(asyncio.Protocol):
    """Begins to reply, and goes on when the process is told to; at once where a request says `x-idle: no`."""

    waiting = set()

    def connection_made(self, transport):
        self.transport, self.received = transport, b""

    def data_received(self, data):
        self.received += data
        head, found, body = self.received.partition(b"\r\n\r\n")
        if not found or len(body) < len(QUESTION % b""):
            return
        self.received = b""
        self.transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n" + chunk(FIRST)
        )
        self.waiting.add(self)
        if b"x-idle: no" in head:
            self.go_on()

    def connection_lost(self, _):
        self.waiting.discard(self)

    def go_on(self):
        self.waiting.discard(self)
        self.transport.write(chunk(LAST) + chunk(b""))

    @classmethod
    def all_go_on(cls):
        for stream in list(cls.waiting):
            stream.go_on()

    @classmethod
    async def serve(cls):
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, cls.all_go_on)
        server = await loop.create_server(cls, "127.0.0.1", 0, backlog=4096)
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


# --- Clients ------------------------------------------------------------------------------------------------------


class Stream:
    """One reply as it comes."""

    def __init__(self):
        loop = asyncio.get_running_loop()
        self.received, self.begun, self.ended = b"", loop.create_future(), loop.create_future()

    def take(self, data: bytes):
        self.received += data
        if FIRST in self.received and not self.begun.done():
            self.begun.set_result(None)

    def end(self, well: bool):
        # A reply that ends before it has begun has not begun.
        for future in (self.begun, self.ended):
            if not future.done():
                future.set_result(well and LAST in self.received)


class OverHttp1(asyncio.Protocol):
    """A connection with one stream."""

    def __init__(self, body: bytes, idle: bool = True):
        self.stream, self.body, self.idle = Stream(), body, idle

    def connection_made(self, transport):
        self.transport = transport
        head = f"POST {PATH} HTTP/1.1\r\nhost: idle\r\ncontent-type: application/json\r\ncontent-length: {len(self.body)}\r\n"
        transport.write(f"{head}x-idle: {'yes' if self.idle else 'no'}\r\n\r\n".encode() + self.body)

    def data_received(self, data):
        self.stream.take(data)
        if self.stream.received.endswith(b"\r\n0\r\n\r\n"):
            self.stream.end(self.stream.received.startswith(b"HTTP/1.1 200 "))

    def connection_lost(self, _):
        self.stream.end(False)


class OverHttp2(asyncio.Protocol):
    """A connection with many streams: as much of RFC 9113 as they need."""

    def __init__(self, count: int, body: bytes):
        self.streams = {1 + 2 * number: Stream() for number in range(count)}
        self.body, self.received = body, b""

    @staticmethod
    def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
        return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload

    def connection_made(self, transport):
        self.transport = transport
        # RFC 7541: POST and http of the static table, the others as literals.
        text = lambda words: bytes([len(words)]) + words.encode()
        headers = (
            b"\x83\x86\x04"
            + text(PATH)
            + b"\x01"
            + text("idle")
            + b"\x00"
            + text("content-type")
            + text("application/json")
        )
        out = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", self.frame(4, 0, 0, b"")]
        for number in self.streams:
            out += [self.frame(1, 4, number, headers), self.frame(0, 1, number, self.body)]
        transport.write(b"".join(out))

    def data_received(self, data):
        self.received += data
        while (
            len(self.received) >= (end := 9 + int.from_bytes(self.received[:3], "big")) > 0 and len(self.received) >= 9
        ):
            kind, flags, number = self.received[3], self.received[4], int.from_bytes(self.received[5:9], "big")
            payload, self.received = self.received[9:end], self.received[end:]
            if kind == 0:
                self.streams[number].take(payload)
            if kind in (0, 1) and flags & 1:
                self.streams[number].end(True)
            elif kind == 3:
                self.streams[number].end(False)
            elif kind in (4, 6) and not flags & 1:  # settings and pings are acknowledged
                self.transport.write(self.frame(kind, 1, 0, payload if kind == 6 else b""))

    def connection_lost(self, _):
        for stream in self.streams.values():
            stream.end(False)


class Clients:
    def __init__(self, port: int):
        self.port, self.streams, self.transports = port, [], []

    async def open(self, count: int, over_http2: int):
        """`count` streams, `over_http2` of them on shared connections."""
        connections = [lambda: OverHttp1(QUESTION % b"")] * (count - over_http2)
        for at in range(0, over_http2, PER_CONNECTION):
            connections.append(lambda n=min(PER_CONNECTION, over_http2 - at): OverHttp2(n, QUESTION % b""))
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(make):
            async with gate:
                transport, protocol = await self.connect(make)
                streams = list(protocol.streams.values()) if isinstance(protocol, OverHttp2) else [protocol.stream]
                self.transports.append(transport)
                self.streams += streams
                await asyncio.gather(*(stream.begun for stream in streams))

        await asyncio.gather(*(one(make) for make in connections))

    async def connect(self, make):
        return await asyncio.get_running_loop().create_connection(make, "127.0.0.1", self.port)

    async def ask(self, words: bytes) -> float:
        """Seconds to the end of a reply that does not wait."""
        begun = time.monotonic()
        transport, asked = await self.connect(lambda: OverHttp1(QUESTION % words, idle=False))
        if not await asyncio.wait_for(asked.stream.ended, PATIENCE):
            raise SystemExit(f"a question beside the streams was not answered: {asked.stream.received[:300]}")
        transport.close()
        return time.monotonic() - begun

    def silent(self) -> int:
        return sum(stream.begun.done() and not stream.ended.done() for stream in self.streams)

    async def ends(self) -> int:
        """How many streams come to their end, whole."""
        await asyncio.wait([stream.ended for stream in self.streams], timeout=PATIENCE)
        return sum(stream.ended.done() and stream.ended.result() for stream in self.streams)

    def close(self):
        for transport in self.transports:
            transport.close()


# --- The measurement ----------------------------------------------------------------------------------------------


async def measure(options, gateway: Gateway, upstream: subprocess.Popen, limit: int) -> list[str]:
    """What did not hold."""
    wrong, clients = [], Clients(gateway.port)
    over_http1 = max(0, min(options.streams, limit - SPARE - options.streams))
    over_http2 = options.streams - over_http1
    for number in range(50):
        await clients.ask(b" %d" % number)
    before = gateway.rss()

    begun = time.monotonic()
    await asyncio.wait_for(clients.open(options.streams, over_http2), PATIENCE + options.streams / 50)
    took = time.monotonic() - begun
    peak = gateway.rss()
    for _ in range(options.hold):
        await asyncio.sleep(1)
        peak = max(peak, gateway.rss())
    silent, in_flight = clients.silent(), gateway.gauge("intentgate_requests_in_flight")
    answers = [await clients.ask(b", number %d please" % number) for number in range(20)]
    peak = max(peak, gateway.rss())

    upstream.send_signal(signal.SIGUSR1)
    whole = await clients.ends()
    clients.close()
    drained = await asyncio.to_thread(
        gateway.wait_until, lambda: gateway.gauge("intentgate_requests_in_flight") == 0, 10
    )
    await asyncio.sleep(2)
    after = gateway.rss()

    print(f"descriptors  {limit}: {over_http1} streams over HTTP/1.1, {over_http2} over HTTP/2")
    print(f"streams      {silent} silent at once ({in_flight:.0f} in flight), begun within {took:.1f} s")
    print(
        f"memory       {before:.0f} MiB before, {peak:.0f} MiB at the peak, {after:.0f} MiB after; "
        f"{(peak - before) * 1024 / options.streams:.1f} KiB a stream"
    )
    print(
        f"beside them  20 new questions answered in {statistics.median(answers) * 1000:.0f} ms (median), {max(answers) * 1000:.0f} ms (longest)"
    )
    print(f"at the end   {whole} streams whole")
    for holds, what in [
        (silent == in_flight == options.streams, "not all streams were silent at once"),
        (peak <= ALLOWED_MIB, f"more than {ALLOWED_MIB} MiB"),
        (max(answers) <= ALLOWED_ANSWER, f"a question beside the streams took more than {ALLOWED_ANSWER} s"),
        (whole == options.streams, "not all streams came to their end"),
        (drained, "in flight after the streams have ended"),
    ]:
        if not holds:
            wrong.append(what)
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=10_000)
    parser.add_argument("--hold", type=int, default=10, help="seconds of silence")
    parser.add_argument("--binary", default=str(ROOT / "target/release/intentgate"))
    parser.add_argument("--upstream", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    limit = raise_descriptors(2 * options.streams + 2 * SPARE)
    if options.upstream:
        asyncio.run(SilentUpstream.serve())
    if limit < options.streams + 2 * SPARE:
        raise SystemExit(
            f"{options.streams} streams need {options.streams + 2 * SPARE} descriptors, "
            f"the system gives {limit} (ulimit -Hn)"
        )
    folder = Path(tempfile.mkdtemp(prefix="idle-streams-"))
    upstream = subprocess.Popen([sys.executable, __file__, "--upstream"], stdout=subprocess.PIPE, text=True)
    gateway = None
    try:
        port = int(upstream.stdout.readline())
        shutil.copytree(ROOT / "intents", folder / "intents")
        (folder / "config.toml").write_text(CONFIG.format(port=port, limit=options.streams + SPARE))
        gateway = Gateway(options.binary, folder)
        gateway.wait_ready()
        wrong = asyncio.run(measure(options, gateway, upstream, limit))
        code, took = gateway.stop(35)
        print(f"SIGTERM      exit code {code} after {took:.1f} s")
        wrong += ["SIGTERM did not end in exit code 0"] * (code != 0)
        print("\n".join(["violations:", *wrong] if wrong else ["all held"]))
        return 1 if wrong else 0
    finally:
        upstream.kill()
        if gateway:
            gateway.kill()
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
