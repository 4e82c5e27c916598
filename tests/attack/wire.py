"""Bytes as attackers send them: HTTP/1.1 as text and HTTP/2 as frames, with no library that would refuse to."""

import contextlib
import json
import socket
import struct
import time

from hpack import Encoder

# Attackers have an address of their own, so that a gateway may tell them from honest clients.
ATTACKER = "127.0.0.2"
PATIENCE = 5.0

# Linux: a port is chosen at the connect, and may be one that another address uses as well.
IP_BIND_ADDRESS_NO_PORT = 24


def connect(port: int, timeout: float = PATIENCE, takes: int | None = None) -> socket.socket:
    """A connection from the attackers' address; `takes` bounds what the system takes for a client that never reads."""
    client = socket.socket()
    try:
        client.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        if takes:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, takes)
        client.settimeout(timeout)
        client.bind((ATTACKER, 0))
        client.connect(("127.0.0.1", port))
    except OSError:
        client.close()
        raise
    return client


# --- HTTP/1.1 -----------------------------------------------------------------------------------------------------


def post(path: str, body: object, *lines: str) -> bytes:
    """A request with a JSON body, or with the very bytes."""
    if not isinstance(body, bytes):
        body = json.dumps(body, ensure_ascii=False).encode()
    head = [f"POST {path} HTTP/1.1", "host: x", "content-type: application/json", f"content-length: {len(body)}", *lines]
    return "\r\n".join([*head, "", ""]).encode() + body


def chat(text: str) -> dict:
    return {"model": "m", "messages": [{"role": "user", "content": text}]}


def talk(port: int, sent: bytes, timeout: float = PATIENCE) -> tuple[bytes, bool]:
    """What comes back, and whether the gateway closed; it has `timeout` for all of it."""
    received, deadline = b"", time.monotonic() + timeout
    with connect(port, timeout) as client:
        # A gateway that refuses need not take the rest.
        with contextlib.suppress(ConnectionError):
            client.sendall(sent)
        while (left := deadline - time.monotonic()) > 0:
            client.settimeout(left)
            try:
                piece = client.recv(1 << 18)
            except TimeoutError:
                break
            except ConnectionError:
                return received, True
            if not piece:
                return received, True
            received += piece
    return received, False


def status(reply: bytes) -> int:
    """Of the first reply in these bytes; 0 where there is none."""
    return int(reply[9:12]) if reply.startswith(b"HTTP/1.") else 0


def header(reply: bytes, name: str) -> str | None:
    for line in reply.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]:
        key, _, value = line.partition(":")
        if key.lower() == name:
            return value.strip()
    return None


# --- HTTP/2 -------------------------------------------------------------------------------------------------------

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 8, 9
END_STREAM, END_HEADERS, ACK = 1, 4, 1
INITIAL_WINDOW_SIZE = 4
# The largest frame that may be sent unasked.
FRAME = 16384


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def settings(values: dict[int, int] | None = None) -> bytes:
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", *pair) for pair in (values or {}).items()))


def head(method: str, path: str, *more: tuple[str, str]) -> bytes:
    """A block of headers that can be sent again and again: it refers to nothing that was sent before it."""
    fixed = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "x")]
    return Encoder().encode([*fixed, ("content-type", "application/json"), *more])


def request(stream: int, block: bytes, body: bytes = b"") -> bytes:
    """A whole request on a stream."""
    if not body:
        return frame(HEADERS, END_HEADERS | END_STREAM, stream, block)
    pieces = [body[at : at + FRAME] for at in range(0, len(body), FRAME)]
    frames = [frame(DATA, END_STREAM * (piece is pieces[-1]), stream, piece) for piece in pieces]
    return frame(HEADERS, END_HEADERS, stream, block) + b"".join(frames)
