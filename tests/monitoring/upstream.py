"""An LLM in the shapes of four APIs, streams included, that tells its usage and fails as a request asks for.

A request's header `x-test-upstream` names a fault: a status, `reset` before a reply, `break` inside of it.
"""

import json
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WORDS = ["Your ", "parcel ", "is ", "on ", "its ", "way."]
PROMPT, CACHED = 320, 128


def completion(asked: dict) -> int:
    """Tokens of a reply; not all are of one length."""
    return 40 + len(json.dumps(asked)) % 17


def whole(path: str, asked: dict) -> dict:
    text, model, out = "".join(WORDS), asked.get("model", ""), completion(asked)
    if path.endswith("/responses"):
        content = [{"type": "output_text", "text": text, "annotations": []}]
        message = {"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": content}
        usage = {"input_tokens": PROMPT, "output_tokens": out, "total_tokens": PROMPT + out}
        usage |= {"input_tokens_details": {"cached_tokens": CACHED}}
        return {"id": "r", "object": "response", "status": "completed", "model": model, "output": [message], "usage": usage}
    if path.endswith("/messages"):
        usage = {"input_tokens": PROMPT - CACHED, "cache_read_input_tokens": CACHED, "output_tokens": out}
        message = {"id": "m", "type": "message", "role": "assistant", "model": model, "stop_reason": "end_turn"}
        return message | {"content": [{"type": "text", "text": text}], "usage": usage}
    usage = {"prompt_tokens": PROMPT, "completion_tokens": out, "total_tokens": PROMPT + out}
    usage |= {"prompt_tokens_details": {"cached_tokens": CACHED}}
    choice = {"index": 0, "finish_reason": "stop"}
    if path.endswith("/chat/completions"):
        choice["message"] = {"role": "assistant", "content": text}
        return {"id": "c", "object": "chat.completion", "model": model, "choices": [choice], "usage": usage}
    choice["text"] = text
    return {"id": "c", "object": "text_completion", "model": model, "choices": [choice], "usage": usage}


def events(path: str, asked: dict) -> list[tuple[str, dict | str]]:
    """The events of a stream: each a name, empty where the API has none, and its data."""
    done = whole(path, asked)
    if path.endswith("/responses"):
        deltas = [{"type": "response.output_text.delta", "delta": word} for word in WORDS]
        made = [{"type": "response.created", "response": done | {"status": "in_progress", "usage": None}}]
        return [(event["type"], event) for event in [*made, *deltas, {"type": "response.completed", "response": done}]]
    if path.endswith("/messages"):
        start = {"type": "message_start", "message": done | {"content": [], "usage": done["usage"] | {"output_tokens": 1}}}
        block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
        kind = "content_block_delta"
        deltas = [{"type": kind, "index": 0, "delta": {"type": "text_delta", "text": word}} for word in WORDS]
        end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": completion(asked)}}
        stop = [{"type": "content_block_stop", "index": 0}, end, {"type": "message_stop"}]
        return [(event["type"], event) for event in [start, block, *deltas, *stop]]
    usage = done.pop("usage")
    chunks = [done | {"object": "chat.completion.chunk", "choices": [piece(path, word)]} for word in WORDS]
    if asked.get("stream_options", {}).get("include_usage"):
        chunks.append(done | {"choices": [], "usage": usage})
    return [("", chunk) for chunk in chunks] + [("", "[DONE]")]


def piece(path: str, word: str) -> dict:
    choice = {"index": 0, "finish_reason": None}
    return choice | ({"delta": {"content": word}} if path.endswith("/chat/completions") else {"text": word})


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or b"{}")
        fault = self.headers.get("x-test-upstream", "")
        if fault == "reset":
            return self.reset()
        if fault.isdigit():
            return self.reply(int(fault), "application/json", b'{"error": {"message": "as asked for"}}')
        if not asked.get("stream"):
            return self.reply(200, "application/json", json.dumps(whole(self.path, asked)).encode())
        text = ""
        for name, data in events(self.path, asked):
            data = data if isinstance(data, str) else json.dumps(data)
            text += (f"event: {name}\n" if name else "") + f"data: {data}\n\n"
        self.reply(200, "text/event-stream", text.encode(), broken=fault == "break")

    def reply(self, status: int, kind: str, body: bytes, broken: bool = False):
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if broken else body)
        if broken:
            self.wfile.flush()
            self.reset()

    def reset(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def finish(self):
        try:
            super().finish()
        except (ConnectionError, ValueError):
            pass  # it was reset

    def log_message(self, *_):
        pass


class Upstream:
    def __init__(self):
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *_: None
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
