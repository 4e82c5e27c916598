"""Runs the rounds and prints the figures; bench-proxy.sh has started everything.

The parts of a round follow each other at once and are compared within it, so that a machine that is busy for a
while is busy for all of them. A figure is the median of the rounds.
"""

import contextlib
import os
import pathlib
import socket
import statistics
import subprocess
import time
import urllib.request

ROUNDS = int(os.environ.get("ROUNDS", "5"))
SECONDS = os.environ.get("SECONDS_EACH", "2")
STREAMS = 500  # a round

BUSINESS = "我要退款"
OFF_TOPIC = "写一首关于春天的诗"
CHAT = pathlib.Path(__file__).with_name("chat.lua")


def port(name):
    return int(os.environ[name])


def wrk(name, connections, question=BUSINESS):
    """p50 and p99 in milliseconds, and replies a second."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{SECONDS}s", "-s", CHAT]
    command += [f"http://127.0.0.1:{port(name)}/v1/chat/completions", "--", question]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    figures = next(line.split()[1:] for line in output.splitlines() if line.startswith("figures"))
    p50, p99, rate, failed = map(float, figures)
    if failed:
        raise SystemExit(f"{name}: {failed:.0f} requests failed")
    return p50 / 1e3, p99 / 1e3, rate


def wait_for(name):
    """Until a gateway judges by its full judge; the first start ever embeds every example before that."""
    for _ in range(1200):
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port(name)}/metrics") as metrics:
            if b'intentgate_intents_reloads_total{result="ok"} 1' in metrics.read():
                return
        time.sleep(0.1)
    raise SystemExit(f"{name}: not ready after two minutes")


class Client:
    """One kept connection, on which replies are asked for one after the other."""

    def __init__(self, name, question=BUSINESS, stream="false"):
        body = f'{{"model":"m","stream":{stream},"messages":[{{"role":"user","content":"{question}"}}]}}'.encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        self.request = head.encode() + body
        self.name = name
        self.socket = socket.create_connection(("127.0.0.1", port(name)), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def first_byte(self):
        """Milliseconds from the request to the first byte of the streamed body."""
        begun = time.perf_counter()
        self.socket.sendall(self.request)
        data = self.more(b"")
        while not data.partition(b"\r\n\r\n")[2]:
            data = self.more(data)
        took = time.perf_counter() - begun
        while not data.endswith(b"\r\n0\r\n\r\n"):
            data = self.more(data)
        return took * 1e3

    def more(self, data):
        piece = self.socket.recv(65536)
        if not piece:
            raise SystemExit(f"{self.name}: closed after {data}")
        return data + piece

    def decision(self):
        self.socket.sendall(self.request)
        head = self.more(b"").partition(b"\r\n\r\n")[0].decode().lower()
        return dict(line.split(": ", 1) for line in head.split("\r\n")[1:]).get("x-intentgate-decision")


def warm():
    """Every question is judged before anything is measured, and as the figures are named."""
    for name in ["ADMIN", "ADMIN_SILENT", "ADMIN_FORGETFUL", "ADMIN_STREAM"]:
        wait_for(name)
    for name in ["GATEWAY", "GATEWAY_SILENT", "GATEWAY_FORGETFUL"]:
        for question, expected in [(BUSINESS, "forward"), (OFF_TOPIC, "reject")]:
            decision = Client(name, question).decision()
            if decision != expected:
                raise SystemExit(f"{name}: {question} is met with {decision}, not {expected}")
    for name in ["DIRECT", "PROXY", "GATEWAY", "GATEWAY_SILENT", "GATEWAY_FORGETFUL"]:
        wrk(name, 64)


def first_bytes():
    """The median of each in milliseconds; the requests take turns."""
    clients = [Client(name, stream="true") for name in ["STREAM", "PROXY_STREAM", "GATEWAY_STREAM"]]
    times = [[client.first_byte() for client in clients] for _ in range(STREAMS)]
    return map(statistics.median, zip(*times))


def one_round():
    one = {name: wrk(name, 1) for name in ["DIRECT", "PROXY", "GATEWAY", "GATEWAY_SILENT"]}
    # Neighbours are compared with each other.
    many = {name: wrk(name, 64)[2] for name in ["DIRECT", "PROXY", "GATEWAY", "GATEWAY_SILENT", "GATEWAY_FORGETFUL"]}
    rejected = {name: wrk(name, 64, OFF_TOPIC)[2] for name in ["GATEWAY", "GATEWAY_SILENT", "GATEWAY_FORGETFUL"]}
    stream, stream_nginx, stream_gateway = first_bytes()
    nginx = one["PROXY"], many["PROXY"]
    figures = {
        "direct, p50": one["DIRECT"][0],
        "nginx adds, p50": nginx[0][0] - one["DIRECT"][0],
        "nginx, 64": nginx[1],
        "first byte, nginx adds": stream_nginx - stream,
        "first byte": stream_gateway - stream_nginx,
        "journal, forwarded": many["GATEWAY_SILENT"] / many["GATEWAY_FORGETFUL"] * 100,
        "journal, rejected": rejected["GATEWAY_SILENT"] / rejected["GATEWAY_FORGETFUL"] * 100,
    }
    for name in ["GATEWAY", "GATEWAY_SILENT"]:
        figures[name, "p50"] = one[name][0] - nginx[0][0]
        figures[name, "p99"] = one[name][1] - nginx[0][1]
        figures[name, "forwarded"] = many[name] / nginx[1] * 100
        figures[name, "rejected"] = rejected[name] / nginx[1] * 100
    return figures


def main():
    warm()
    first_bytes()
    rounds = []
    for number in range(ROUNDS):
        rounds.append(one_round())
        print(f"round {number + 1} of {ROUNDS}", flush=True)

    def found(key):
        return statistics.median(figures[key] for figures in rounds)

    print()
    print(f"upstream alone {found('direct, p50'):.3f} ms p50; nginx adds {found('nginx adds, p50'):.3f} ms, to a stream's first byte "
          f"{found('first byte, nginx adds'):.3f} ms; nginx at 64 connections {found('nginx, 64'):.0f}/s")
    print()
    print(f"{'':52}{'asked':>10}{'measured':>12}{'log off':>12}")
    for text, key, asked, unit in [
        ("forwarded, 1 connection, over nginx: p50", "p50", "≤ 0.08", "ms"),
        ("forwarded, 1 connection, over nginx: p99", "p99", "≤ 0.2", "ms"),
        ("forwarded, 64 connections, share of nginx's rate", "forwarded", "≥ 50", "%"),
        ("rejected, 64 connections, share of nginx's rate", "rejected", "≥ 100", "%"),
    ]:
        digits = 3 if unit == "ms" else 0
        measured = [f"{found((name, key)):.{digits}f} {unit}" for name in ["GATEWAY", "GATEWAY_SILENT"]]
        print(f"{text:52}{asked + ' ' + unit:>10}{measured[0]:>12}{measured[1]:>12}")
    print(f"{'first streamed byte, 1 connection, over nginx: p50':52}{'≤ 0.15 ms':>10}{found('first byte'):>9.3f} ms")
    for kind in ["forwarded", "rejected"]:
        text = f"{kind}, 64 connections, log off, rate with the journal, of that without"
        print(f"{text:52}{'≥ 97 %':>10}{found(f'journal, {kind}'):>10.1f} %")


main()
