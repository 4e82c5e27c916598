#!/usr/bin/env python3
"""A soak: mixed load with faults, edits and restarts, for as long as it is told to.

    scripts/soak.py [--minutes 20] [--clients 32] [--seed 1] [--binary target/release/intentgate] [--keep]

It starts the gateway in a folder of its own with the shipped intents, an upstream that fails in every way that is
known of (`load/upstream.py`), and a second one where the gateway can use it. Clients ask over every protocol that
the gateway speaks; some leave, some are slow. Meanwhile intents and configuration are edited, well and badly,
SIGHUP is sent, and the upstream is killed, frozen and started anew.

At the end every request has exactly one recorded outcome, which is what its client saw; what was forwarded reached
the upstream once and unchanged; the counters add up; nothing is in flight; memory has not grown since the second
quarter; SIGTERM lets streams finish and the gateway exits with 0. Exit code 1 with the list of what did not hold.
Python 3.11 or later, nothing else; Linux.
"""

import argparse
import asyncio
import random
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

sys.dont_write_bytecode = True

from load import audit
from load.client import Client
from load.edits import BROKEN_CONFIG, SPELLS, Intents, Settings
from load.gateway import ROOT, Gateway, raise_descriptors
from load.outages import SLACK, Upstream
from load.traffic import PROTOCOLS, Plan, Traffic

GRACE = 20
SAMPLE_EVERY = 5
# Allowed above the second quarter's median: a share of it, and what one reload or one long reply takes.
GROWTH, GROWTH_MIB = 0.05, 8


class Soak:
    def __init__(self, options, folder: Path):
        self.options, self.folder = options, folder
        self.seconds = options.minutes * 60
        self.violations, self.records, self.memory = audit.Violations(), [], []
        self.primary, self.backup = Upstream("primary", folder), Upstream("backup", folder)
        self.settings = Settings(folder / "config.toml", self.primary.port, self.backup.port, GRACE)
        self.intents = Intents(folder / "intents")
        self.edits, self.faults, self.edited = Counter(), Counter(), [(0.0, 0.0)]
        self.grown, self.stopped = "too short to judge", "not sent"
        self.draw = random.Random(options.seed)

    def start_gateway(self):
        shutil.copytree(ROOT / "intents", self.folder / "intents")
        while True:
            self.settings.write()
            self.gateway = Gateway(self.options.binary, self.folder)
            try:
                return self.gateway.wait_ready()
            except SystemExit:
                if not self.settings.drop_unknown(self.gateway.log.read_text()):
                    raise

    async def probe(self) -> list[str]:
        """The protocols that this gateway speaks."""
        speaks = []
        for name, path in PROTOCOLS.items():
            plan = Plan(
                f"probe-{name}", "bad_json", name, "POST", path, b"{", False, False, False, "plain", "plain", 0, 0
            )
            if (await Client(self.gateway.port).ask(plan)).status == 400:
                speaks.append(name)
        return speaks

    async def run(self):
        self.primary.start()
        self.backup.start()
        await asyncio.gather(self.primary.listening(), self.backup.listening())
        await asyncio.to_thread(self.start_gateway)
        # What this gateway has is seen by its metrics.
        self.reloads_config = self.gateway.gauge("intentgate_config_in_sync") is not None
        self.traffic = Traffic(await self.probe(), self.options.seed)
        await asyncio.sleep(0.2)
        self.before, self.published = self.counted(), self.gateway.series("intentgate_intents")
        say(
            f"protocols: {', '.join(self.traffic.protocols)}; configuration reloads: {yes(self.reloads_config)}; "
            f"fallback: {yes('upstream.fallback' in self.settings.keys)}; memory {self.gateway.rss():.0f} MiB"
        )
        self.begun = time.monotonic()
        beside = [asyncio.create_task(t) for t in (self.watch_memory(), self.fail(), self.edit(), self.tell())]
        clients = [asyncio.create_task(self.ask()) for _ in range(self.options.clients)]
        await asyncio.gather(*clients)
        for task in beside:
            task.cancel()
            # What ended before its time ended by a fault of the soak itself.
            with suppress(asyncio.CancelledError):
                await task
        await self.calm_down()
        await self.settle()

    def left(self) -> float:
        return self.begun + self.seconds - time.monotonic()

    # --- What goes on meanwhile -------------------------------------------------------------------------------

    async def ask(self):
        client = Client(self.gateway.port)
        while self.left() > 0 and self.gateway.process.poll() is None:
            plan, begun = self.traffic.next(), time.monotonic()
            seen = await client.ask(plan)
            mild = self.edited[-1][1] + SLACK < begun
            self.records.append(audit.look(plan, seen, self.primary.calm(begun), mild, self.violations))
        client.close()

    async def watch_memory(self):
        while True:
            with suppress(OSError, TypeError):
                self.memory.append(self.gateway.rss())
            await asyncio.sleep(SAMPLE_EVERY)

    def pause(self, seconds: float):
        """Seconds in a run of the usual length, less in a shorter one, and never the same."""
        return asyncio.sleep(max(2.0, min(seconds, self.seconds / 10)) * self.draw.uniform(0.7, 1.3))

    async def fail(self):
        while True:
            await self.pause(30)
            await self.primary.restart(self.draw.choice([0, 0.5, 2.5]))
            self.faults["restarts"] += 1
            await self.pause(30)
            await self.primary.freeze(self.draw.choice([0.5, 3.0]))
            self.faults["freezes"] += 1

    async def edit(self):
        turn = 0
        while True:
            await self.pause(20)
            self.edits[f"{self.intents.edit(turn)} intents"] += 1
            if self.reloads_config:
                await self.pause(6)
                await self.edit_config(turn)
                self.gateway.process.send_signal(signal.SIGHUP)
                self.edits["SIGHUP"] += 1
            turn += 1

    async def edit_config(self, turn: int):
        if turn % 2:
            self.settings.write(tail=self.draw.choice(BROKEN_CONFIG))
            self.edits["bad configurations"] += 1
            await self.pause(6)
        else:
            # Requests that are asked now may meet either.
            self.edited.append((time.monotonic(), float("inf")))
            self.settings.write(SPELLS[turn // 2 % len(SPELLS)])
            self.edits["good configurations"] += 1
            await self.pause(10)
        self.settings.write()
        if not turn % 2:
            await self.until(lambda: self.gateway.gauge("intentgate_config_in_sync") == 1, 10)
            # In sync may still mean with the edit; the watcher needs a moment.
            await asyncio.sleep(3)
            self.edited[-1] = (self.edited[-1][0], time.monotonic())

    async def until(self, condition, seconds: float) -> bool:
        return await asyncio.to_thread(self.gateway.wait_until, condition, seconds)

    async def tell(self):
        minute = 0
        while True:
            await asyncio.sleep(min(60, self.seconds / 2))
            minute += min(60, self.seconds / 2) / 60
            say(
                f"{minute:4.1f} min  {len(self.records):7} requests  {self.memory[-1]:5.0f} MiB  "
                f"{sum(self.faults.values())} outages  {sum(self.edits.values())} edits  "
                f"{sum(map(len, self.violations.found.values()))} violations"
            )

    # --- At the end -------------------------------------------------------------------------------------------

    async def calm_down(self):
        """Everything as at the start, and nobody asks."""
        check = self.violations.check
        check(self.gateway.process.poll() is None, "the gateway ended by itself", self.gateway.process.returncode)
        if self.gateway.process.poll() is not None:
            return
        if self.primary.process.poll() is not None:
            self.primary.start()
            await self.primary.listening()
        self.primary.process.send_signal(signal.SIGCONT)
        self.settings.write()
        self.intents.remove()
        in_flight = lambda: self.gateway.gauge("intentgate_requests_in_flight") == 0
        check(
            await self.until(in_flight, 30),
            "in flight after everyone has left",
            self.gateway.gauge("intentgate_requests_in_flight"),
        )
        # An edit that is half prepared would hold up the end.
        published = await self.until(lambda: self.gateway.series("intentgate_intents") == self.published, 60)
        check(published, "the last edit of the intents is not published")
        gauges = ["intentgate_intents_in_sync", *["intentgate_config_in_sync"] * self.reloads_config]
        for gauge in gauges:
            check(
                await self.until(lambda gauge=gauge: self.gateway.gauge(gauge) == 1, 60),
                "out of sync with files that are well",
                gauge,
            )

    def counted(self) -> Counter:
        return Counter(
            {labels: int(value) for labels, value in self.gateway.series("intentgate_requests_total").items()}
        )

    def logged(self) -> Counter:
        """The same counts by the log."""
        events = [
            e for e in self.gateway.events()[0] if e.get("message") == "request" and e["request_id"].startswith("soak-")
        ]
        return Counter(
            frozenset({"decision": decided(e), "intent": e.get("intent", "none"), "protocol": e["protocol"]}.items())
            for e in events
            if e["protocol"] != "none"
        )

    async def settle(self):
        running = self.gateway.process.poll() is None
        if running:
            adds_up = lambda: self.counted() - self.before == self.logged()
            if not await self.until(adds_up, 5):
                counted, logged = self.counted() - self.before, self.logged()
                difference = {
                    str(sorted(k)): (counted[k], logged[k]) for k in counted | logged if counted[k] != logged[k]
                }
                self.violations.check(False, "intentgate_requests_total and the log differ", difference)
            await self.stop()
        events, strays = self.gateway.events()
        journal = [
            line
            for up in (self.primary, self.backup)
            if up.journal.exists()
            for line in up.journal.read_text().splitlines()
        ]
        journal = [line for line in journal if line.startswith("soak-")]
        self.outcomes = audit.settle(self.records, events, strays, journal, self.violations)
        self.judge_memory()

    async def stop(self):
        """SIGTERM while streams run: they finish, and the gateway exits."""
        streams = []
        for _ in range(8):
            plan = self.traffic.next_stream()
            streams.append((plan, asyncio.create_task(Client(self.gateway.port).ask(plan))))
        running = await self.until(lambda: self.gateway.gauge("intentgate_requests_in_flight") == len(streams), 2)
        self.violations.check(running, "the streams for SIGTERM did not begin")
        code, took = await asyncio.to_thread(self.gateway.stop, GRACE + 5)
        self.violations.check(
            code == 0, "SIGTERM did not end in exit code 0 within the grace period", f"{code} after {took:.1f} s"
        )
        for plan, stream in streams:
            seen = await stream
            self.violations.check(
                seen.end == "complete", "a stream was cut by SIGTERM within the grace period", f"{plan.id} {seen}"[:300]
            )
            self.records.append(audit.look(plan, seen, True, True, self.violations))
        self.stopped = f"exit code {code} after {took:.1f} s, {len(streams)} streams running"

    def judge_memory(self):
        quarter = len(self.memory) // 4
        if quarter * SAMPLE_EVERY < 60:
            return  # a reload, which takes memory for a while, would decide
        second, last = (statistics.median(self.memory[at : at + quarter]) for at in (quarter, 3 * quarter))
        allowed = second * (1 + GROWTH) + GROWTH_MIB
        self.violations.check(
            last <= allowed,
            "memory has grown",
            f"median {second:.1f} MiB in the second quarter, {last:.1f} MiB in the last",
        )
        self.grown = f"second quarter {second:.1f} MiB, last quarter {last:.1f} MiB (medians)"

    def report(self):
        print("\nrequests by kind, and what clients saw")
        kinds = Counter((r.kind, (r.decision or "-") if r.status else "-", r.status, r.end) for r in self.records)
        for (kind, decision, status, end), count in sorted(kinds.items()):
            print(f"  {count:7}  {kind:13} {decision:8} {status or '-':>4} {end}")
        print("outcomes as recorded")
        for outcome, count in self.outcomes.most_common():
            print(f"  {count:7}  {outcome}")
        every = max(1, len(self.memory) // 20)
        print(f"requests  {len(self.records)}, {len(self.records) / self.seconds:.0f} a second")
        print(f"faults    {dict(self.faults)}")
        print(f"edits     {dict(self.edits)}")
        print(f"memory    {' '.join(f'{m:.0f}' for m in self.memory[::every])} MiB; {self.grown}")
        print(f"SIGTERM   {self.stopped}")
        print("\n".join(["violations:", *self.violations.lines()] if self.violations else ["nothing was lost"]))


def decided(event: dict) -> str:
    """The label of a request's decision; who left before there was one was not refused."""
    return event.get("decision") or ("none" if event["outcome"] == "cut" else "refused")


def say(text: str):
    print(text, flush=True)


def yes(it: bool) -> str:
    return "yes" if it else "no"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--binary", default=str(ROOT / "target/release/intentgate"))
    parser.add_argument("--keep", action="store_true", help="the folder with log, journals and every violation")
    options = parser.parse_args()
    raise_descriptors(4096)
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    soak = Soak(options, folder)
    try:
        asyncio.run(soak.run())
        soak.report()
        return 1 if soak.violations else 0
    finally:
        if hasattr(soak, "gateway"):
            soak.gateway.kill()
        for upstream in (soak.primary, soak.backup):
            if upstream.process:
                upstream.process.kill()
        if options.keep:
            (folder / "violations.txt").write_text("\n".join(soak.violations.lines(examples=None)))
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
