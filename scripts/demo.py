#!/usr/bin/env python3
"""Plays a day of a shop's traffic in a minute, so that dashboards and the report have something to show.

    scripts/demo.py --binary target/release/intentgate    starts a gateway with the demo LLM, and reports at the end
    scripts/demo.py --url http://127.0.0.1:8080           plays to a gateway that runs already
    scripts/demo.py --off-topic 0.7                       with more off-topic questions than usual

The questions are those of docs/questions.jsonl. The prices in the demo's configuration are made up.
"""

import argparse
import concurrent.futures
import http.client
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time
import tomllib
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[1]
FOLDER = ROOT / "target" / "demo"
# Requests an hour, from midnight: a lull at night, a rise to noon, the peak after dinner.
HOURS = [6, 3, 2, 1, 1, 2, 5, 12, 22, 34, 42, 46, 44, 40, 38, 36, 38, 44, 52, 66, 72, 60, 36, 16]
# Off-topic questions among those that open a conversation.
OFF_TOPIC = 0.45
CONFIG = """\
# Written by scripts/demo.py. The prices are made up: see [prices] in the project's config.toml for your own.
[server]
listen = "127.0.0.1:{port}"
[admin]
listen = "127.0.0.1:{admin_port}"
[gate]
audit_share = 0.1
[prices]
currency = "CNY"
[[prices.model]]
name = "demo-mini"
input = 1.0
cached_input = 0.5
output = 4.0
[[prices.model]]
name = "demo-large"
input = 15.0
output = 60.0
[journal]
path = "journal.sqlite"
questions = true
"""
SYSTEM = "你是一家网店的客服。回答要简短、礼貌，只谈订单、配送、退换货和商品。Reply in the customer's language."
# How a customer goes on who was turned away.
PERSON = {"zh": "转人工", "en": "I want to talk to a person"}
SOFTENERS = {"zh": ["请问", "麻烦问下，", "帮我看看，"], "en": ["please, ", "hi, ", "could you tell me, "]}


def language(text):
    return "zh" if any(c > "\u2e80" for c in text) else "en"


class Questions:
    def __init__(self, seed, off_topic):
        self.random, self.share = random.Random(seed), off_topic
        lines = (ROOT / "docs" / "questions.jsonl").read_text(encoding="utf-8").splitlines()
        files = {path.stem: tomllib.loads(path.read_text(encoding="utf-8")) for path in (ROOT / "intents").glob("*.toml")}
        rejects = {name for name, file in files.items() if file.get("action") == "reject"}
        self.business, self.off_topic = [], []
        for line in map(json.loads, lines):
            text = line.get("text") or line["messages"][-1]["content"]
            off_topic = line.get("on_topic") is False or line.get("intent") in rejects
            (self.off_topic if off_topic else self.business).append(text)

    def draw(self):
        kind = self.off_topic if self.random.random() < self.share else self.business
        # Some are asked far more often than others.
        return kind[min(int(self.random.expovariate(4 / len(kind))), len(kind) - 1)]


class Conversation:
    """One customer: a question, and what comes after it."""

    def __init__(self, questions, number):
        self.random = random.Random(number)
        self.user = f"customer-{number}"
        self.first = questions.draw()
        self.protocol = self.random.choices(["chat", "responses", "messages"], [7, 2, 1])[0]
        self.stream = self.random.random() < 0.6
        self.model = self.random.choices(["demo-mini", "demo-large"], [4, 1])[0]

    def run(self, address):
        history = [{"role": "user", "content": self.first}]
        decision, text = self.ask(address, history)
        for _ in range(2):
            question = self.goes_on(decision)
            if question is None:
                return
            history += [{"role": "assistant", "content": text}, {"role": "user", "content": question}]
            decision, text = self.ask(address, history)

    def goes_on(self, decision):
        kind, draw = language(self.first), self.random.random()
        if decision == "reject":
            if draw < 0.12:
                return self.random.choice(SOFTENERS[kind]) + self.first
            return PERSON[kind] if draw < 0.2 else None
        return {"zh": "好的，大概要多久", "en": "ok, and how long will that take"}[kind] if draw < 0.15 else None

    def ask(self, address, history):
        path, body = getattr(self, self.protocol)(history)
        connection = http.client.HTTPConnection(*address, timeout=60)
        try:
            headers = {"content-type": "application/json", "x-api-key": "demo"}
            connection.request("POST", path, json.dumps(body | {"model": self.model, "stream": self.stream}), headers)
            reply = connection.getresponse()
            data = reply.read().decode()
            return reply.headers.get("x-intentgate-decision", "none"), said(data)
        finally:
            connection.close()

    def chat(self, history):
        messages = [{"role": "system", "content": SYSTEM}, *history]
        body = {"messages": messages, "user": self.user}
        return "/v1/chat/completions", body | ({"stream_options": {"include_usage": True}} if self.stream else {})

    def responses(self, history):
        return "/v1/responses", {"instructions": SYSTEM, "input": history, "user": self.user}

    def messages(self, history):
        body = {"system": SYSTEM, "messages": history, "max_tokens": 500, "metadata": {"user_id": self.user}}
        return "/v1/messages", body


def said(data):
    """The words of a reply, whole or streamed, in any of the protocols."""
    events = [line[5:] for line in data.splitlines() if line.startswith("data:") and "[DONE]" not in line]
    words = []
    for event in map(json.loads, events or [data]):
        choice = (event.get("choices") or [{}])[0]
        delta = event.get("delta")
        words.append((choice.get("message") or choice.get("delta") or {}).get("content") or "")
        words.append(delta if isinstance(delta, str) else (delta or {}).get("text") or "")
        if not events:
            parts = event.get("content") or [part for item in event.get("output", []) for part in item.get("content", [])]
            words += [part.get("text") or "" for part in parts]
    return "".join(words) or "…"


def play(address, seconds, seed, off_topic):
    """Conversations begin as the day goes; they take the time that replies take."""
    questions, total = Questions(seed, off_topic), sum(HOURS)
    begun, failed, number = time.monotonic(), 0, 0
    with concurrent.futures.ThreadPoolExecutor(128) as pool:
        running = []
        for hour, count in enumerate(HOURS):
            for index in range(count):
                due = begun + (hour + index / count) * seconds / len(HOURS)
                time.sleep(max(0.0, due - time.monotonic()))
                running.append(pool.submit(Conversation(questions, seed * total + number).run, address))
                number += 1
            print(f"\r{hour + 1:02}:00  {number} of {total} conversations", end="", file=sys.stderr, flush=True)
        for conversation in running:
            try:
                conversation.result()
            except (OSError, http.client.HTTPException, ValueError) as error:
                failed += 1
                print(f"\n{type(error).__name__}: {error}", file=sys.stderr)
    print(file=sys.stderr)
    return failed


def start(binary, port, admin_port):
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.glob("journal.sqlite*"):
        old.unlink()
    config = FOLDER / "config.toml"
    config.write_text(CONFIG.format(port=port, admin_port=admin_port), encoding="utf-8")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("INTENTGATE_") or k == "INTENTGATE_LANG"}
    log = (FOLDER / "gateway.log").open("wb")
    process = subprocess.Popen([binary, "--config", config, "serve"], cwd=ROOT, env=environment, stdout=log, stderr=log)
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SystemExit(f"the gateway did not start, see {FOLDER / 'gateway.log'}:\n{(FOLDER / 'gateway.log').read_text()}")
        if ready(admin_port):
            return process, config, environment
        time.sleep(0.2)
    raise SystemExit(f"the gateway is not ready after five minutes, see {FOLDER / 'gateway.log'}")


def ready(admin_port):
    """The first judge may rest on static vectors alone; the demo waits for the full one."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://127.0.0.1:{admin_port}/metrics", timeout=5) as reply:
            metrics = reply.read().decode()
    except OSError:
        return False
    log = (FOLDER / "gateway.log").read_text(errors="replace")
    static = "judging by static vectors" in log or "先用静态向量" in log
    return "intentgate_intents_in_sync 1" in metrics and (not static or 'reloads_total{result="ok"} 1' in metrics)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default="target/release/intentgate")
    parser.add_argument("--url", help="a gateway that runs already; none is started, and no report is written")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--admin-port", type=int, default=8081)
    parser.add_argument("--off-topic", type=float, default=OFF_TOPIC, metavar="SHARE", help="of the conversations")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--exit", action="store_true", help="do not wait for Ctrl-C at the end")
    options = parser.parse_args()
    if options.url:
        url = urllib.parse.urlsplit(options.url)
        raise SystemExit(play((url.hostname, url.port or 80), options.seconds, options.seed, options.off_topic) > 0)
    binary = str(pathlib.Path(options.binary).resolve())
    gateway, config, environment = start(binary, options.port, options.admin_port)
    try:
        failed = play(("127.0.0.1", options.port), options.seconds, options.seed, options.off_topic)
        time.sleep(1.5)  # until the journal has the last of them
        page = FOLDER / "report.html"
        report = [binary, "--config", config, "report", "--since", "1h", "--html", page]
        subprocess.run(report, cwd=ROOT, env=environment, check=True)
        print(f"\nreport     {page}\nmetrics    http://127.0.0.1:{options.admin_port}/metrics\njournal    {FOLDER / 'journal.sqlite'}")
        if not options.exit and sys.stdin.isatty():
            print("The gateway goes on; Ctrl-C stops it.")
            signal.sigwait({signal.SIGINT, signal.SIGTERM})
    finally:
        gateway.terminate()
        gateway.wait(60)
    raise SystemExit(failed > 0)


if __name__ == "__main__":
    main()
