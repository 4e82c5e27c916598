"""Connections by the hundred."""

import select
import socket
import time

from wire import connect

GONE = select.EPOLLHUP | select.EPOLLERR | select.EPOLLRDHUP


class Member:
    """One connection, and what is still to be sent on it."""

    def __init__(self, client: socket.socket, reads: bool, first: bytes):
        self.client, self.reads, self.number = client, reads, client.fileno()
        self.rest = memoryview(first)
        # For whoever counts something of each.
        self.count = 0

    def push(self) -> bool:
        """Sends what the system takes; whether that was anything. OSError where the connection is gone."""
        if not self.rest:
            return False
        try:
            sent = self.client.send(self.rest[: 1 << 18])
        except BlockingIOError:
            return False
        self.rest = self.rest[sent:]
        return True


class Crowd:
    """So many connections at a time, each begun with what `begin` returns; one that is closed is replaced at once.

    What comes is read and thrown away where `reads` is set, and stays where it is where it is not; None: every second
    connection reads. `takes` bounds what the system takes for one that does not.
    """

    def __init__(self, port: int, size: int, begin, reads: bool | None = False, takes: int | None = None):
        self.port, self.size, self.begin, self.reads, self.takes = port, size, begin, reads, takes
        self.members: dict[int, Member] = {}
        self.opened = self.closed = self.refused = self.most = 0
        self.ends = select.epoll()

    def fill(self):
        """Opens what is missing, a batch at a time; what the gateway does not take is tried again later."""
        for _ in range(min(64, self.size - len(self.members))):
            try:
                client = connect(self.port, 1.0, self.takes)
            except OSError:
                self.refused += 1
                return
            client.setblocking(False)
            reads = self.opened % 2 == 1 if self.reads is None else self.reads
            member = Member(client, reads, self.begin())
            self.opened += 1
            self.members[member.number] = member
            self.ends.register(client, select.EPOLLRDHUP | (select.EPOLLIN if reads else 0))
        self.most = max(self.most, len(self.members))

    def drop(self, member: Member):
        if self.members.pop(member.number, None):
            self.closed += 1
            self.ends.unregister(member.number)
            member.client.close()

    def tend(self, seconds: float):
        """Sees who was closed, for so long at most, and puts others in their place."""
        for number, event in self.ends.poll(seconds, 512):
            member = self.members.get(number)
            gone = bool(event & GONE)
            if member and member.reads and event & select.EPOLLIN:
                try:
                    gone = not member.client.recv(1 << 18)
                except OSError:
                    gone = True
            if member and gone:
                self.drop(member)
        self.fill()

    def push(self, each=None) -> bool:
        """Sends on every connection what is left of before, or what `each` says where nothing is."""
        moved = False
        for member in list(self.members.values()):
            if each and not member.rest:
                member.rest = memoryview(each(member))
            try:
                moved |= member.push()
            except OSError:
                self.drop(member)
        return moved

    def keep(self, deadline: float, each=None, every: float = 0.0):
        """Goes on until `deadline`; `each` says what every connection sends next, at most so often."""
        self.fill()
        due = 0.0
        while (now := time.monotonic()) < deadline:
            is_due = now >= due
            moved = self.push(each if is_due else None)
            if is_due:
                due = now + every
            # Where everything is stuck, there is no hurry.
            self.tend(0.0 if moved and not every else min(0.05, deadline - now))

    def leave(self):
        for member in self.members.values():
            member.client.close()
        self.members.clear()
        self.ends.close()

    def told(self) -> str:
        text = f"{self.opened} connections opened, {self.most} at a time, {self.closed} closed by the gateway"
        return text + (f", {self.refused} not taken" if self.refused else "")
