"""Questions that take long to read."""

import json
import random
import threading
import time
from string import ascii_lowercase

from attack import Attack
from wire import PATIENCE, chat, header, post, status, talk

PATH = "/v1/chat/completions"
MEGABYTE = 1_000_000
POEM = "write a poem about the sea"
# Who asks for the poem is told apart in the upstream's memory by this.
MARK = "x-attack"
# Says nothing, and is repeated until it is so long.
PADDED = 150_000
PADDING = {
    "spaces": " ",
    "newlines": "\n",
    "full stops": ".",
    "ideographic spaces": "\u3000",
    "zero-width spaces": "\u200b",
    "combining accents": "\u0301",
    "marks": "!?",
    "syllables": " la",
    "lines": "\n-\n",
    "numbers": "1,",
}


def varied(size: int, draw: random.Random) -> str:
    """Han characters, each drawn anew: what a tokenizer reads slowest, and no cache has."""
    return "".join(map(chr, draw.choices(range(0x4E00, 0x9FA0), k=size // 3)))


def cancelled(size: int, draw: random.Random) -> str:
    """Clauses that all begin like a wish for the opposite, and go on differently."""
    clauses = (f"取消{varied(12, draw)}，" for _ in range(size // 21))
    return "".join(clauses)


class Long(Attack):
    """Questions of megabytes, each of a kind that some step of reading takes more than its share of time for.

    A question is read on the processor: normalized, cut into tokens and clauses, looked through for words that
    turn it about. A step whose time grows faster than the text, or that runs where connections are served, holds up
    everyone else; then a question of a single stranger is an outage.
    """

    name = "questions.long"
    seconds = (12, 90)

    def prepare(self):
        draw = random.Random(1)
        texts = [(f"8 MB of Han characters ({at})", varied(8 * MEGABYTE, draw)) for at in (1, 2)]
        texts += [(f"300 KB of Han characters ({at})", varied(300_000, draw)) for at in (1, 2, 3, 4)]
        self.waves = [texts, [("8 MB of U+FDFA", "\ufdfa" * (8 * MEGABYTE // 3))]]
        self.waves.append([("1 MB of 取消…", cancelled(MEGABYTE, draw))])
        if self.whole:
            self.waves.append([("30 MB of Han characters", varied(30 * MEGABYTE, draw))])
        self.waves = [[(name, post(PATH, chat(text), "connection: close")) for name, text in wave] for wave in self.waves]

    def run(self, deadline: float):
        for wave in self.waves:
            threads = [threading.Thread(target=self.ask, args=(*one, deadline)) for one in wave]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    def ask(self, name: str, sent: bytes, deadline: float):
        begun = time.monotonic()
        try:
            reply, _ = talk(self.port, sent, timeout=max(PATIENCE, deadline - begun))
            found = f"status {status(reply)}" if reply else "no reply"
            decision = header(reply, "x-intentgate-decision") or "none"
        except OSError as error:
            found, decision = type(error).__name__, "none"
        self.notes[name] = f"{found}, decision {decision}, {time.monotonic() - begun:.1f} s"

    @classmethod
    def judge(cls, notes, upstream):
        return [f"{name}: {found}" for name, found in notes.items()], []


class Padded(Attack):
    """A wish for a poem with 150 KB behind it that say nothing.

    A question that takes too long to judge is forwarded unjudged. If padding makes it take long, or pushes the words
    out of what is read, then padding opens the gate for any question.
    """

    name = "questions.padded"
    seconds = (4, 10)

    def prepare(self):
        self.sent, draw = {}, random.Random(1)
        texts = {name: padding * (PADDED // len(padding.encode())) for name, padding in PADDING.items()}
        texts["varied Han characters"] = varied(PADDED, draw)
        texts["varied words"] = "".join(" " + "".join(draw.choices(ascii_lowercase, k=5)) for _ in range(PADDED // 6))
        for name, padding in texts.items():
            text = POEM + padding
            body = json.dumps(chat(text), ensure_ascii=False).encode()
            self.sent[name] = post(PATH, body, f"{MARK}: {name}", "connection: close")

    def run(self, deadline: float):
        for name, sent in self.sent.items():
            begun = time.monotonic()
            reply, _ = talk(self.port, sent)
            found = (status(reply), header(reply, "x-intentgate-decision"), time.monotonic() - begun)
            self.notes[name] = found

    @classmethod
    def judge(cls, notes, upstream):
        forwarded = {seen.header(MARK) for seen in upstream}
        told, missed = [], []
        for name, (code, decision, took) in notes.items():
            line = f"{name}: status {code}, decision {decision}, {took * 1000:.0f} ms"
            passed = name in forwarded or decision == "forward" or not code
            (missed if passed else told).append(line)
        return told, missed


ALL = [Long, Padded]
