"""An honest client, a process of its own: short questions one after the other, and a look at the gateway's health.

    honest.py PORT ADMIN_PORT [KEY]

It asks until its standard input ends, and prints what it has seen as JSON. Each request has a connection of its
own, so that whoever cannot get in is seen as well. Half of the questions are always the same, and their verdicts
come from a cache; the other half are new ones, which the model has to read.
"""

import http.client
import json
import sys
import threading
import time

FIXED = ["我的快递到哪了", "where is my parcel"]
FRESH = ["我的快递{}到哪了", "where is my parcel {}"]
# A customer who has waited for so long has left: the request is lost.
PATIENCE = 5
# Between two requests, so that the honest client is no attack of its own.
PAUSE = 0.01
HEALTH_EVERY, HEALTH_WITHIN = 0.2, 1.0


class Honest:
    def __init__(self, port: int, admin_port: int, key: str | None):
        self.port, self.admin_port, self.key = port, admin_port, key
        self.stopped = threading.Event()
        self.seen = {"times": [], "lost": [], "health": [], "sick": []}

    def run(self) -> dict:
        threads = [threading.Thread(target=t, daemon=True) for t in (self.watch, self.listen)]
        for thread in threads:
            thread.start()
        asked = 0
        while not self.stopped.is_set():
            self.ask(asked)
            asked += 1
            time.sleep(PAUSE)
        # A look at its health that hangs is one to tell of.
        threads[0].join()
        return self.seen

    def listen(self):
        sys.stdin.read()
        self.stopped.set()

    def ask(self, number: int):
        text = FIXED[number % 2] if number % 4 < 2 else FRESH[number % 2].format(time.time_ns() % 10**9)
        body = json.dumps({"model": "m", "messages": [{"role": "user", "content": text}]}).encode()
        headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {self.key}"} if self.key else {})
        begun = time.monotonic()
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
            connection.request("POST", "/v1/chat/completions", body, headers)
            reply = connection.getresponse()
            whole = reply.read()
            if reply.status != 200 or b"choices" not in whole:
                self.seen["lost"].append(f"status {reply.status}")
        except (OSError, http.client.HTTPException) as error:
            self.seen["lost"].append(type(error).__name__)
        finally:
            connection.close()
        self.seen["times"].append(time.monotonic() - begun)

    def watch(self):
        while not self.stopped.is_set():
            begun = time.monotonic()
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=2 * HEALTH_WITHIN)
                connection.request("GET", "/healthz")
                status = connection.getresponse().status
                well = status == 200
            except (OSError, http.client.HTTPException) as error:
                well, status = False, type(error).__name__
            finally:
                connection.close()
            took = time.monotonic() - begun
            self.seen["health"].append(took)
            if not well or took > HEALTH_WITHIN:
                self.seen["sick"].append(f"{status} after {took:.2f} s")
            self.stopped.wait(HEALTH_EVERY)


if __name__ == "__main__":
    port, admin_port, *key = sys.argv[1:]
    print(json.dumps(Honest(int(port), int(admin_port), key[0] if key else None).run()))
