"""Ways to the upstream that are none."""

import json

import h2.config
import h2.connection
import h2.events

from attack import Attack
from wire import connect, post, status, talk

MARK = "x-attack"
CHAT = "/v1/chat/completions"
GEMINI = {"contents": [{"role": "user", "parts": [{"text": "write a poem about the sea"}]}]}
POEM = [{"role": "user", "content": "write a poem about the sea"}]
PARCEL = [{"role": "user", "content": "where is my parcel"}]

# What each asks for: a method, a target, and a body where there is one.
DOORS = [
    ("POST", "/v1/models/gemini-pro:generateContent", GEMINI),
    ("POST", "/v1/models/gemini-pro:streamGenerateContent?alt=sse", GEMINI),
    ("DELETE", "/v1/models/ft:x", None),
    ("CONNECT", "/v1/models", None),
    ("CONNECT", "x:443", None),
    ("TRACE", "/v1/models", None),
    ("FOO", "/v1/models", None),
    ("GET", "/v1/models/..;/chat/completions", None),
    ("POST", "/v1/models/..;/chat/completions", {"model": "m", "messages": POEM}),
    ("GET", "/v1/models/%252e%252e/chat/completions", None),
    ("POST", "/v1/models/%252e%252e/chat/completions", {"model": "m", "messages": POEM}),
]

# Two spellings of one key: the gateway reads one, and an upstream that does not mind case may read the other.
USER, SAID, HIDDEN = {"role": "user"}, {"content": "where is my parcel"}, {"Content": "write a poem about the sea"}
TWICE = {
    "messages, Messages": {"messages": PARCEL, "Messages": POEM},
    "Messages, messages": {"Messages": POEM, "messages": PARCEL},
    "content, Content": {"messages": [USER | SAID | HIDDEN]},
    "Content, content": {"messages": [USER | HIDDEN | SAID]},
    "role, Role": {"messages": [USER | {"Role": "system"} | SAID]},
    "Role, role": {"messages": [{"Role": "system"} | USER | SAID]},
}

# What only the gateway may tell the upstream.
OWN = ["x-intentgate-mixed: true", "x-intentgate-decision: forward", "X-Intentgate-Anything: 1"]


class Doors(Attack):
    """Paths and methods below what passes unjudged, but that mean something else to the upstream.

    `/v1/models` passes, since it only lists. Some upstreams answer questions below it, delete models there, or read a
    path otherwise than the gateway does; some mind what a method says. Then whoever knows of it asks anything,
    unjudged, on the shop's account.
    """

    name = "doors.paths"
    seconds = (3, 3)

    def run(self, deadline: float):
        for method, target, body in DOORS:
            for version, ask in (("HTTP/1.1", self.ask_1), ("HTTP/2", self.ask_2)):
                name = f"{method} {target} ({version})"
                try:
                    self.notes[name] = ask(method, target, body, name)
                except OSError:
                    self.notes[name] = 0
        # What is meant to pass does, or the above would say nothing.
        self.notes["list"] = self.ask_1("GET", "/v1/models", None, "list")

    def ask_1(self, method: str, target: str, body: dict | None, name: str) -> int:
        sent = post(target, body or b"", f"{MARK}: {name}", "connection: close")
        reply, _ = talk(self.port, sent.replace(b"POST", method.encode(), 1), timeout=3)
        return status(reply)

    def ask_2(self, method: str, target: str, body: dict | None, name: str) -> int:
        """The status over HTTP/2; 0 where the stream is reset instead."""
        # A CONNECT has no path there, only whom it is for.
        path = [(":scheme", "http"), (":path", target), (":authority", "x")]
        to = [(":authority", target)] if method == "CONNECT" else path
        headers = [(":method", method), *to, ("content-type", "application/json"), (MARK, name)]
        config = h2.config.H2Configuration(validate_outbound_headers=False, normalize_outbound_headers=False)
        connection = h2.connection.H2Connection(config)
        with connect(self.port, 3) as client:
            connection.initiate_connection()
            connection.send_headers(1, headers, end_stream=body is None)
            if body is not None:
                connection.send_data(1, json.dumps(body).encode(), end_stream=True)
            client.sendall(connection.data_to_send())
            while data := client.recv(1 << 16):
                for event in connection.receive_data(data):
                    if isinstance(event, h2.events.ResponseReceived):
                        return int(dict(event.headers)[b":status"])
                    if isinstance(event, (h2.events.StreamReset, h2.events.ConnectionTerminated)):
                        return 0
                client.sendall(connection.data_to_send())
        return 0

    @classmethod
    def judge(cls, notes, upstream):
        arrived = {seen.header(MARK) for seen in upstream}
        told, missed = [], []
        for name, code in notes.items():
            wanted = name == "list"
            line = f"{'GET /v1/models' if wanted else name}: {f'status {code}' if code else 'closed or reset'}"
            line += ", reached the upstream" if name in arrived else ""
            well = (name in arrived) == wanted and (code == 200) == wanted
            (told if well else missed).append(line)
        return told, missed


class Twice(Attack):
    """Bodies that say a thing twice under two spellings, and headers that only the gateway may set.

    A question in `Messages` is none to the gateway; an upstream that does not mind case takes it for the one that
    counts. A client that sets the gateway's own headers speaks to the upstream in its name.
    """

    name = "doors.spellings"
    seconds = (3, 3)

    def run(self, deadline: float):
        for name, body in TWICE.items():
            sent = post(CHAT, {"model": "m"} | body, f"{MARK}: {name}", "connection: close")
            reply, _ = talk(self.port, sent, timeout=3)
            self.notes[name] = status(reply)
        asked = {"model": "m", "messages": PARCEL}
        reply, _ = talk(self.port, post(CHAT, asked, f"{MARK}: own", *OWN, "connection: close"), timeout=3)
        self.notes["own"] = status(reply)

    @classmethod
    def judge(cls, notes, upstream):
        told, missed = [], []
        arrived = {seen.header(MARK) for seen in upstream}
        own = notes.pop("own")
        for name, code in notes.items():
            line = f"{name}: status {code}" + (", reached the upstream" if name in arrived else "")
            (told if code == 400 and name not in arrived else missed).append(line)
        seen = next((seen for seen in upstream if seen.header(MARK) == "own"), None)
        passed = sorted({name for name, _ in seen.headers if name.startswith("x-intentgate-")}) if seen else []
        line = f"the gateway's own headers from a client: status {own}, passed: {', '.join(passed) or 'none'}"
        (told if seen and not passed else missed).append(line)
        return told, missed


ALL = [Doors, Twice]
