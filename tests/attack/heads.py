"""Heads that two readers could read differently."""

from concurrent.futures import ThreadPoolExecutor

from attack import Attack
from wire import chat, post, status, talk

PATH = "/v1/chat/completions"
MARK = "x-attack"
QUESTION = b'{"model": "m", "messages": [{"role": "user", "content": "where is my parcel"}]}'
LENGTH = f"content-length: {len(QUESTION)}"
CHUNKED = b"%x\r\n%b\r\n0\r\n\r\n" % (len(QUESTION), QUESTION)
# What would be a request of its own, if the body before it ended early.
HIDDEN = post(PATH, chat("write a poem about the sea"), f"{MARK}: hidden")


def lines(*more: str, host: str | None = "host: x", end: str = "\r\n") -> bytes:
    first = [f"POST {PATH} HTTP/1.1", *([host] if host else []), f"{MARK}: NAME", "content-type: application/json"]
    return end.join([*first, *more, "", ""]).encode()


CASES = {
    "two Hosts, the same": lines(LENGTH, "host: x") + QUESTION,
    "two Hosts that differ": lines(LENGTH, "host: y") + QUESTION,
    "no Host": lines(LENGTH, host=None) + QUESTION,
    "Content-Length, then Transfer-Encoding": lines(LENGTH, "transfer-encoding: chunked") + CHUNKED + HIDDEN,
    "Transfer-Encoding, then Content-Length": lines("transfer-encoding: chunked", LENGTH) + CHUNKED + HIDDEN,
    "Content-Length of 0 beside Transfer-Encoding": lines("content-length: 0", "transfer-encoding: chunked") + CHUNKED,
    "two Content-Lengths that differ": lines(LENGTH, f"content-length: {len(QUESTION) + len(HIDDEN)}") + QUESTION + HIDDEN,
    "line ends are bare LF": lines(LENGTH, end="\n") + QUESTION,
    "one line ends with a bare LF": lines(LENGTH).replace(b"host: x\r\n", b"host: x\n") + QUESTION,
    "a bare LF ends the head": lines(LENGTH).replace(b"\r\n\r\n", b"\r\n\n") + QUESTION,
    "a folded line, by a space": lines(LENGTH, "x-more: a\r\n b") + QUESTION,
    "a folded line, by a tab": lines(LENGTH, "x-more: a\r\n\tb") + QUESTION,
    "a folded Transfer-Encoding": lines(LENGTH, "transfer-encoding:\r\n chunked") + CHUNKED,
    "a space before the colon of Content-Length": lines(LENGTH.replace(":", " :")) + QUESTION,
    "a space before the colon of Transfer-Encoding": lines(LENGTH, "transfer-encoding : chunked") + CHUNKED,
    "a tab before the colon of Host": lines(LENGTH, host="host\t: x") + QUESTION,
}


class Odd(Attack):
    """Requests whose heads break the rules, each as a reader between client and gateway might have let it pass.

    Where two readers disagree on where a request ends or whom it is for, one hides a request from the other: behind
    a proxy, a stranger puts words into the next customer's connection. What is odd is therefore refused with 400, or
    the connection closed, and never mended.
    """

    name = "heads.odd"
    seconds = (4, 4)

    def run(self, deadline: float):
        # All at once: each waits for what else may come.
        with ThreadPoolExecutor(len(CASES)) as pool:
            self.notes = dict(zip(CASES, pool.map(self.ask, CASES)))

    def ask(self, name: str) -> tuple[int, int, bool]:
        reply, closed = talk(self.port, CASES[name].replace(b"NAME", name.encode(), 1), timeout=3)
        return status(reply), reply.count(b"HTTP/1.1 "), closed

    @classmethod
    def judge(cls, notes, upstream):
        arrived = [seen.header(MARK) for seen in upstream]
        told, missed = [], []
        for name, (code, replies, closed) in notes.items():
            line = f"{name}: " + (f"status {code}" if code else "closed" if closed else "no reply, still open")
            line += f", {replies} replies" if replies > 1 else ""
            line += ", reached the upstream" if name in arrived else ""
            well = code == 400 or (not code and closed)
            (told if well and replies <= 1 and name not in arrived else missed).append(line)
        missed += ["the hidden request reached the upstream"] * ("hidden" in arrived)
        return told, missed


ALL = [Odd]
