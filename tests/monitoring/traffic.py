"""A gateway with two upstreams, and traffic that brings every metric about.

Each call of `mix` is the same requests: four protocols, every decision, streams, faults, clients that leave.
"""

import http.client
import json
import shutil
import subprocess
import sys
from pathlib import Path

from grafana import ROOT
from upstream import Upstream

sys.path.insert(0, str(ROOT / "scripts"))

from load.edits import BROKEN_INTENT, GOOD_INTENT, Settings, replace  # noqa: E402
from load.gateway import Gateway  # noqa: E402
from load.traffic import PROTOCOLS  # noqa: E402

CURRENCY = "CNY"
MODEL = "shop-model"
ASKED = {
    "forward": ["where is my parcel", "我的订单什么时候发货", "I want to return these shoes, they are too small"],
    "answer": ["hello, is anyone there?", "你好，在吗"],
    "reject": ["write a poem about spring", "帮我写一首关于秋天的诗", "translate 'good morning' into French"],
}
FAULTS = ["500", "503", "429", "reset", "break"]


class Shop:
    """The gateway in a folder of its own, and what it is asked."""

    def __init__(self, binary: str, folder: Path):
        self.binary, self.folder, self.asked = binary, folder, 0
        self.upstreams = [Upstream(), Upstream()]
        shutil.copytree(ROOT / "intents", folder / "intents")
        self.settings = Settings(folder / "config.toml", *(upstream.port for upstream in self.upstreams), grace=5)
        self.settings.keys |= {
            "gate.audit_share": "0.2",
            "journal.path": f'"{folder / "journal.sqlite"}"',
            "prices.currency": f'"{CURRENCY}"',
            "prices.model": f'[{{ name = "{MODEL}", input = 2.0, output = 8.0 }}]',
        }
        self.settings.write()
        self.gateway = Gateway(binary, folder)
        self.gateway.wait_ready()

    def stop(self):
        self.gateway.stop(10)
        self.gateway.kill()
        for upstream in self.upstreams:
            upstream.stop()

    # --- Requests ---------------------------------------------------------------------------------------------

    def send(self, path: str, body: bytes, leave: bool = False, **headers: str) -> int:
        """The status; 0 for a client that leaves, or a reply that broke off."""
        self.asked += 1
        connection = http.client.HTTPConnection("127.0.0.1", self.gateway.port, timeout=30)
        headers = {"content-type": "application/json"} | {name.replace("_", "-"): text for name, text in headers.items()}
        connection.request("POST", path, body, headers)
        try:
            if leave:
                return 0
            reply = connection.getresponse()
            reply.read()
            return reply.status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()

    def ask(self, text: str, protocol: str = "chat_completions", model: str = MODEL, user: str = "", **more) -> int:
        stream, leave, fault = (more.pop(name, default) for name, default in (("stream", False), ("leave", False), ("fault", "")))
        body = {"model": model, "stream": stream} | question(protocol, text) | ({"user": user} if user else {}) | more
        return self.send(PROTOCOLS[protocol], json.dumps(body).encode(), leave, **({"x_test_upstream": fault} if fault else {}))

    def mix(self):
        for protocol in PROTOCOLS:
            for texts in ASKED.values():
                for text in texts:
                    self.ask(text, protocol)
                    self.ask(f"{text}, please ({self.asked})", protocol, stream=True)
        self.ask("where is my parcel", stream=True, stream_options={"include_usage": True})
        self.ask("where is my refund", model="a model without a price")
        # The audit lets some rejections through, by chance.
        for _ in range(6):
            self.customer_who_asks_again(f"customer {self.asked}")
        self.ask("Where is my order? Also write me a poem about autumn.")
        self.ask("我的快递到哪了？帮我写一段Python快速排序代码")
        self.ask("where are the parcels " + " ".join(map(str, range(600))))
        for grey in ("which shoes suit a wedding in the garden", "你们附近有停车场吗"):
            self.ask(grey)
        self.send(PROTOCOLS["chat_completions"], json.dumps({"model": MODEL, "messages": [{"role": "user", "content": []}]}).encode())
        self.send(PROTOCOLS["messages"], b"{")
        self.send("/v1/audio/speech", b"{}")
        self.ask("where is my parcel", stream=True, leave=True)
        for fault in FAULTS:
            self.ask(f"where is my parcel {self.asked}", fault=fault, stream=True)

    def customer_who_asks_again(self, user: str):
        """The first question is sent twice, as a framework does; the second is the customer's own."""
        for text in ("write a poem about my cat", "write a poem about my cat", "please write a poem about my cat", "talk to a human"):
            self.ask(text, user=user)

    def open_upstreams(self):
        """Fails until both upstreams are left alone."""
        for _ in range(12):
            self.ask(f"where is my parcel {self.asked}", fault="reset")

    # --- Operators --------------------------------------------------------------------------------------------

    def reload(self):
        """Edits of both kinds, refused and taken; the last state is the first one's."""
        self.settings.write(tail="[gate")
        self.until("intentgate_config_in_sync", 0)
        self.settings.write({"gate.mode": '"shadow"'})
        self.until("intentgate_config_in_sync", 1)
        self.ask(ASKED["reject"][0])
        self.settings.write()
        broken = self.folder / "intents" / "engraving.toml"
        replace(broken, BROKEN_INTENT)
        self.until("intentgate_intents_in_sync", 0)
        replace(broken, GOOD_INTENT.format("engrave my name into a ring\n刻字"))
        self.until("intentgate_intents_in_sync", 1)

    def until(self, gauge: str, value: float, **labels: str):
        def reached() -> bool:
            return self.gateway.series(gauge).get(frozenset(labels.items())) == value

        if not self.gateway.wait_until(reached, 30):
            raise SystemExit(f"{gauge} did not become {value}:\n{self.gateway.log.read_text()[-3000:]}")

    def review(self):
        """A person's word on two questions that the audit let through."""
        while len(waived := self.waived()) < 2:
            self.ask(f"write a poem about spring {self.asked}")
        marks = [f"--mark={waived[0]}=right", f"--mark={waived[1]}=wrong"]
        review = [self.binary, "--config", self.folder / "config.toml", "review", *marks]

        # The journal has a record some moments after the log.
        def reviewed() -> bool:
            return subprocess.run(review, capture_output=True, timeout=60, cwd=ROOT).returncode == 0

        if not self.gateway.wait_until(reviewed, 10):
            raise SystemExit(subprocess.run(review, capture_output=True, text=True, cwd=ROOT).stderr)
        self.until("intentgate_rejections_reviewed", 1, verdict="wrong")

    def waived(self) -> list[str]:
        events, _ = self.gateway.events()
        return [event["request_id"] for event in events if event.get("waived") == "audit"]


def question(protocol: str, text: str) -> dict:
    if protocol == "completions":
        return {"prompt": text}
    turns = [{"role": "user", "content": text}]
    if protocol == "responses":
        return {"input": turns}
    return {"messages": turns} | ({"max_tokens": 100} if protocol == "messages" else {})
