"""An upstream whose replies break off as the request's model says: `WHAT-FRAMING`, such as `half-close`.

`broken_upstream.py FILE` listens on a free port and writes its number to FILE.
"""

import json
import os
import socketserver
import sys

# By path: an event of the middle of a stream, and the one that says that it is whole.
DELTA = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "m"}
DELTA |= {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "您好"}, "finish_reason": None}]}
TEXT = {"id": "1", "object": "text_completion", "created": 0, "model": "m"}
TEXT |= {"choices": [{"index": 0, "text": "您好", "finish_reason": None, "logprobs": None}]}
OUTPUT = {"type": "response.output_text.delta", "item_id": "1", "output_index": 0, "content_index": 0, "delta": "您好"}
OUTPUT |= {"sequence_number": 1, "logprobs": []}
FAILED = {"type": "response.failed", "sequence_number": 2, "response": {"id": "1", "output": [], "status": "failed"}}
BLOCK = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "您好"}}
EVENTS = {
    "/v1/chat/completions": (("", DELTA), ("", "[DONE]")),
    "/v1/completions": (("", TEXT), ("", "[DONE]")),
    "/v1/responses": (("response.output_text.delta", OUTPUT), ("response.failed", FAILED)),
    "/v1/messages": (("content_block_delta", BLOCK), ("message_stop", {"type": "message_stop"})),
}


def event(name: str, data: object) -> bytes:
    data = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    return (f"event: {name}\n" if name else "").encode() + f"data: {data}\n\n".encode()


class Broken(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        path = self.rfile.readline().split()[1].decode()
        length = 0
        while line := self.rfile.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        what, framing = json.loads(self.rfile.read(length))["model"].split("-")
        delta, end = (event(*each) for each in EVENTS[path])
        body = {
            "half": delta + delta[:-20],
            "unmarked": delta,
            "marked": delta + end,
            "json": b'{"id": "1", "object": "chat.completion", "choices": [{"index": 0, "mess',
        }[what]
        self.reply(body, framing, kind="application/json" if what == "json" else "text/event-stream")
        is_whole = what in ("unmarked", "marked")
        if framing == "chunked" and is_whole:
            self.wfile.write(b"0\r\n\r\n")

    def reply(self, body: bytes, framing: str, kind: str) -> None:
        head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\nconnection: close\r\n"
        if framing == "chunked":
            head += "transfer-encoding: chunked\r\n"
            body = b"%x\r\n%b\r\n" % (len(body), body)
        elif framing == "length":
            head += f"content-length: {len(body) + 1}\r\n"
        self.wfile.write(f"{head}\r\n".encode() + body)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True


with Server(("127.0.0.1", 0), Broken) as server:
    written = f"{sys.argv[1]}.new"
    with open(written, "w") as file:
        file.write(str(server.server_address[1]))
    os.rename(written, sys.argv[1])
    server.serve_forever()
