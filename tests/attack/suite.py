"""Runs the attacks one after the other, each beside honest clients, and says what these have noticed.

Of each attack must hold: the honest client's 99th percentile stays within three times what it is without the attack,
measured just before; none of its requests is lost; the gateway's health answers within a second; the gateway goes on
running; and its memory is back to what it was a minute after the attack has ended, ten seconds in a short run.
"""

import argparse
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import connections
import doors
import floods
import heads
import questions
import replies
import unread
from attack import SLACK, Attack, Running, Target
from gateway import ROOT, Attacked, raise_descriptors, wait
from upstream import Seen, Upstream
from wire import chat, post, talk

# Those that want the same configuration stand together, so that one gateway serves them.
ATTACKS = [*replies.ALL, *questions.ALL, *heads.ALL, *doors.ALL, *floods.FLOODS]
ATTACKS += [*floods.SLOW, *connections.ALL, *unread.ALL]

# Beside an attack, against what the honest client waits without it; less than FLOOR is noise whatever it was. Where the
# machine does other work as well, ATTACK_FLOOR_MS says what is noise there.
TIMES, FLOOR = 3, float(os.environ.get("ATTACK_FLOOR_MS", "50")) / 1000
# What the gateway may keep of an attack.
GROWTH, GROWTH_MIB = 0.10, int(os.environ.get("ATTACK_GROWTH_MIB", "16"))
# A gateway that has taken so much has failed, and is ended before the machine suffers.
MOST_MIB = 3072
# Seconds without an attack, and until memory is to be back: in a short run and in a whole one.
ALONE, BACK = (2, 10), (10, 60)

COLUMNS = ["attack", "p99 alone", "p99 beside", "allowed", "asked", "lost", "health", "MiB before", "peak", "after", ""]


class Row(NamedTuple):
    """What came of one attack."""

    name: str
    cells: list[str]
    told: list[str]
    missed: list[str]


class Client:
    """The honest client's process."""

    def __init__(self, gateway: Attacked, key: str | None):
        honest = Path(__file__).with_name("honest.py")
        command = [sys.executable, honest, gateway.port, gateway.admin_port, *([key] if key else [])]
        self.process = subprocess.Popen([*map(str, command)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def stop(self) -> dict:
        return json.loads(self.process.communicate()[0])


class Bench:
    """The gateway of now, and the upstream behind it."""

    def __init__(self, binary: str, whole: bool):
        self.binary, self.whole = binary, whole
        self.upstream = Upstream()
        self.gateway, self.setting = None, None

    def serve(self, kind: type[Attack]):
        """A gateway as the attack needs it: the one that is there, if it is such a one and has stood all so far."""
        if self.gateway and self.setting == (kind.keys, kind.deaf):
            return
        self.close()
        keys = kind.keys
        while True:
            folder = Path(tempfile.mkdtemp(prefix="attack-"))
            self.gateway = Attacked(self.binary, folder, self.upstream.port, keys, kind.deaf)
            if self.gateway.wait_ready():
                break
            words = self.gateway.last_words()
            known = {key: value for key, value in keys.items() if f"{key}: there is no such key" not in words}
            self.close()
            if known == keys:
                raise SystemExit(f"the gateway did not start:\n{words}")
            # It is older than what is asked of it, and is attacked as it is.
            say(f"  no such key: {', '.join(sorted(keys.keys() - known.keys()))}")
            keys = known
        self.setting = (kind.keys, kind.deaf)
        self.warm_up(kind)

    def warm_up(self, kind: type[Attack]):
        """What texts touch of the mapped vocabulary stays in memory, and is no leak: some of every kind is touched."""
        lines = [f"authorization: Bearer {kind.key}"] if kind.key else []
        for first in range(0x4E00, 0x9FA0, 400):
            text = "".join(map(chr, range(first, first + 400)))
            talk(self.gateway.port, post("/v1/chat/completions", chat(text), "connection: close", *lines))

    def close(self):
        if self.gateway:
            self.gateway.kill()
        self.gateway = self.setting = None

    def ask_alone(self, kind: type[Attack]) -> dict:
        client = Client(self.gateway, kind.key)
        wait(ALONE[self.whole], lambda: None)
        return client.stop()

    def hold(self, kind: type[Attack]) -> Row:
        self.serve(kind)
        gateway = self.gateway
        running = Running(kind, Target(gateway.port, self.whole))
        alone = self.ask_alone(kind)
        before = peak = gateway.rss()
        mark = len(self.upstream.seen)
        client, begun = Client(gateway, kind.key), time.monotonic()
        deadline = begun + kind.seconds[self.whole]
        running.go(deadline)
        notes = None
        while notes is None and time.monotonic() < deadline + SLACK and not gateway.ended():
            time.sleep(0.05)
            peak, notes = max(peak, self.rss()), running.heard()
            if peak > MOST_MIB:
                gateway.kill()
        # An attack that is over in a moment has the honest client go on for as long as it was alone.
        wait(begun + ALONE[self.whole] - time.monotonic(), lambda: None)
        beside = client.stop()
        # Its replies may still be under way when the attacker has come back.
        peak = max(peak, self.rss())
        running.leave()
        after = self.rss_at_rest(before)
        told, missed = self.judge(alone, beside, before, peak, after)
        if notes is None:
            missed.append("the attacker did not come back")
        else:
            more = kind.judge(notes, self.upstream.seen[mark:])
            told, missed = told + more[0], missed + more[1]
        if not gateway.ended():
            more = kind.afterwards(self)
            told, missed = told + more[0], missed + more[1]
        row = Row(kind.name, self.cells(kind, alone, beside, before, peak, after), told, missed)
        if missed:
            self.close()  # the next one is not to suffer from this one
        return row

    def rss(self) -> float:
        try:
            return self.gateway.rss()
        except (OSError, TypeError):
            return 0.0  # it has ended

    def allowed(self, before: float) -> float:
        return before * (1 + GROWTH) + GROWTH_MIB

    def rss_at_rest(self, before: float) -> float:
        """As soon as it is back, or where it is after the time for that."""
        back = lambda: self.gateway.ended() or self.rss() <= self.allowed(before)
        Attacked.wait_until(back, BACK[self.whole])
        return self.rss()

    def judge(self, alone: dict, beside: dict, before: float, peak: float, after: float) -> tuple[list[str], list[str]]:
        told, missed = [], []
        if peak > MOST_MIB:
            missed.append(f"the gateway took {peak:.0f} MiB, and was ended")
        elif self.gateway.ended():
            missed.append(f"the gateway ended, exit code {self.gateway.process.returncode}")
        if alone["lost"] or alone["sick"]:
            missed.append(f"lost without any attack: {counted(alone['lost'] + alone['sick'])}")
        if (p99 := percentile(beside["times"])) > (most := limit(alone)):
            missed.append(f"the honest p99 was {ms(p99)}, more than {ms(most)}")
        if beside["lost"]:
            count = f"{len(beside['lost'])} of {len(beside['times'])}"
            missed.append(f"{count} honest requests lost: {counted(beside['lost'])}")
        if beside["sick"]:
            missed.append(f"/healthz failed or was late: {counted(beside['sick'])}")
        if after > (most := self.allowed(before)):
            mapped = self.gateway.rss("RssFile")
            missed.append(
                f"memory was {after:.0f} MiB {BACK[self.whole]} s after the attack ({mapped:.0f} of them mapped files), "
                f"more than {most:.0f}"
            )
        return told, missed

    def cells(self, kind, alone, beside, before, peak, after) -> list[str]:
        times = [percentile(alone["times"]), percentile(beside["times"]), limit(alone)]
        health = max(beside["health"], default=0.0)
        counts = [str(len(beside["times"])), str(len(beside["lost"])), ms(health)]
        return [kind.name, *map(ms, times), *counts, *(f"{mib:.0f}" for mib in (before, peak, after))]


def say(text: str):
    print(f"attack: {text}", file=sys.stderr, flush=True)


def limit(alone: dict) -> float:
    return max(TIMES * percentile(alone["times"]), FLOOR)


def percentile(times: list[float]) -> float:
    """The 99th, as one of the values; without any, there is no end of waiting."""
    return sorted(times)[math.ceil(0.99 * len(times)) - 1] if times else math.inf


def ms(seconds: float) -> str:
    return "-" if math.isinf(seconds) else f"{seconds * 1000:.1f} ms"


def counted(reasons: list[str]) -> str:
    """The first few, and how many more there are."""
    kinds = list(dict.fromkeys(reasons))
    return "; ".join(f"{kind} ({reasons.count(kind)})" for kind in kinds[:4]) + (" …" if len(kinds) > 4 else "")


def table(rows: list[Row]) -> str:
    lines = [COLUMNS, *([*row.cells, "missed" if row.missed else "held"] for row in rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(COLUMNS))]
    pad = lambda at, cell: cell.ljust(widths[at]) if at in (0, len(COLUMNS) - 1) else cell.rjust(widths[at])
    return "\n".join("  ".join(pad(at, cell) for at, cell in enumerate(line)).rstrip() for line in lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mode", choices=["short", "whole"])
    parser.add_argument("names", nargs="*", help="only attacks whose names begin so")
    parser.add_argument("--binary", default=str(ROOT / "target/release/intentgate"))
    options = parser.parse_args()
    chosen = [kind for kind in ATTACKS if not options.names or kind.name.startswith(tuple(options.names))]
    if not chosen:
        raise SystemExit(f"no such attack; there are: {', '.join(kind.name for kind in ATTACKS)}")
    raise_descriptors(8192)
    # The gateway is ended as well, whatever ends this.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    bench, rows, begun = Bench(options.binary, options.mode == "whole"), [], time.monotonic()
    try:
        for kind in chosen:
            say(f"{kind.name} …")
            rows.append(bench.hold(kind))
            for line in rows[-1].missed:
                say(f"  missed: {line}")
    finally:
        bench.close()
    print(table(rows))
    for row in rows:
        if row.told or row.missed:
            print(f"\n{row.name}")
            print("\n".join([f"  {line}" for line in row.told] + [f"  missed: {line}" for line in row.missed]))
    missed = sum(bool(row.missed) for row in rows)
    print(f"\n{len(rows)} attacks in {time.monotonic() - begun:.0f} s, {missed} missed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
