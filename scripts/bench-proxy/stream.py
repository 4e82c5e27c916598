"""The fake LLM that streams: the first event with the headers, the rest a moment later.

stream.py PORT
"""

import re
import socket
import socketserver
import sys
import time

PAUSE = 0.002  # seconds; a proxy that waits for the whole reply shows

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


FIRST = HEAD + chunk(b'data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"Your"}}]}\n\n')
REST = chunk(b"data: [DONE]\n\n") + chunk(b"")


class Connection(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while self.read_request():
            self.request.sendall(FIRST)
            time.sleep(PAUSE)
            self.request.sendall(REST)

    def read_request(self):
        data = b""
        while b"\r\n\r\n" not in data:
            piece = self.request.recv(65536)
            if not piece:
                return False
            data += piece
        head, body = data.split(b"\r\n\r\n", 1)
        left = int(LENGTH.search(head).group(1)) - len(body)
        while left > 0:
            left -= len(self.request.recv(left))
        return True


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


Server(("127.0.0.1", int(sys.argv[1])), Connection).serve_forever()
