# SPDX-License-Identifier: MIT
"""Many visitors at once, who record their answers.

They use one thread and one epoll, so that a test spends little time on them. Each connection is kept alive: it sends a request, reads the answer,
and goes on. After a break it connects again. Each request that was sent ends in exactly one of these:

    numbers   answered with a number of its own
    repeated  answered that an earlier attempt of a proxy had been counted, with the page's number
    refused   answered 503, "certainly not counted"
    unknown   answered "may have been counted"
    broken    the connection ended before the answer: may have been counted
    others    any other answer
"""

import collections
import errno
import json
import re
import select
import socket
import threading
import time
import traceback

import pytest

from harness.basics import DEADLINE, wait_until

#: Error codes which promise that a visit was not counted.
NOT_COUNTED = ("store_unavailable", "overloaded", "shutting_down")

LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding: chunked", re.IGNORECASE)
REPEATED = re.compile(rb"\r\nvisitcount-status: duplicate", re.IGNORECASE)
UNKNOWN = re.compile(rb"\r\nvisitcount-status: unknown", re.IGNORECASE)
CLOSES = re.compile(rb"\r\nconnection: close", re.IGNORECASE)
COUNT = re.compile(rb'"count":(\d+)')

RECONNECT_SECONDS = 0.02


class Visitor:
    """One connection."""

    def __init__(self, address, target):
        self.address = address
        self.target = target
        self.request = f"GET {target} HTTP/1.1\r\nHost: localhost\r\nAccept: text/plain\r\n\r\n".encode()
        self.socket = None
        self.received = b""
        self.is_waiting = False  # waits for an answer


class Visitors(threading.Thread):
    """Makes `total` visits on `connections` connections, or visits until stop(). Call start(), then finish().

    The connections are distributed over `addresses` and over `targets`, which are counting routes.
    """

    def __init__(self, addresses, *, connections=32, total=None, targets=("/count",)):
        super().__init__(daemon=True)
        self.total = total
        self.sent = 0
        self.numbers = collections.defaultdict(list)  # by target
        self.repeated = 0
        self.refused = 0
        self.unknown = 0
        self.broken = 0
        self.others = []
        self.seconds = 0
        self.failure = None
        self.trace = ""
        self.is_stopping = False
        self.epoll = select.epoll()
        self.by_fd = {}
        self.waiting_to_connect = collections.deque()
        self.visitors = [Visitor(addresses[i % len(addresses)], targets[i % len(targets)]) for i in range(connections)]

    # --- for the test ---

    def stop(self):
        """Sends no more requests, but still reads the answers that are due."""
        self.is_stopping = True

    def finish(self, deadline=120):
        """Waits until every request that was sent has ended in one of the ways above."""
        self.join(deadline)
        if self.is_alive():
            pytest.fail(f"visitors are not done within {deadline} s: {self}")
        if self.failure is not None:
            pytest.fail(f"the visitors' thread ended by {self.failure!r}: {self}\n{self.trace}")
        assert self.sent == self.answered + self.refused + self.unknown + self.broken + len(self.others), self
        return self

    def wait_for_more(self, count):
        """Waits until `count` further visits were answered with a number."""
        goal = self.answered + count
        wait_until(lambda: self.answered >= goal or not self.is_alive(), lambda: f"{count} further answers; {self}")
        if self.answered < goal:
            pytest.fail(f"the visitors ended before {count} further answers: {self}\n{self.trace}")

    @property
    def answered(self):
        """Visits that were answered with a number."""
        return sum(map(len, self.numbers.values())) + self.repeated

    def __str__(self):
        return (f"{self.sent} sent, {self.answered} answered, {self.refused} refused, {self.unknown} unknown, "
                f"{self.broken} broken, {len(self.others)} others {self.others[:3]}, {self.seconds:.1f} s")

    __repr__ = __str__  # a failed assertion shows this

    def check_distinct(self):
        """Checks that no number was given twice."""
        for target, numbers in self.numbers.items():
            twice = [number for number, times in collections.Counter(numbers).items() if times > 1]
            assert not twice, f"{target}: given twice: {twice[:10]}; {self}"

    def check_exact(self, totals):
        """Checks that every visit was answered, with exactly the numbers 1 … N, each once. N is the total in the store (`totals` by target)."""
        assert self.sent == self.answered, self
        for target, numbers in self.numbers.items():
            assert sorted(numbers) == list(range(1, len(numbers) + 1)), f"{target}: {self}"
            assert totals[target] == len(numbers), f"{target}: the store has {totals[target]}; {self}"

    def check_bounds(self, total, before=0):
        """Checks the invariant: answered as counted <= increase of the total <= sent - answered as not counted."""
        self.check_distinct()
        assert not self.others, self
        gained = total - before
        assert self.answered <= gained <= self.answered + self.unknown + self.broken, f"the store gained {gained}; {self}"
        for numbers in self.numbers.values():
            assert before < min(numbers) and max(numbers) <= total, f"{min(numbers)} … {max(numbers)}, store {total}"

    # --- the thread ---

    def run(self):
        start = time.monotonic()
        try:
            for visitor in self.visitors:
                self.connect(visitor)
            while not self.is_done():
                self.turn()
        except Exception as failure:  # finish() raises it in the test's own thread
            self.failure = failure
            self.trace = traceback.format_exc()
        self.seconds = time.monotonic() - start
        for visitor in self.visitors:
            self.close(visitor)
        self.epoll.close()

    def may_send(self):
        return not self.is_stopping and (self.total is None or self.sent < self.total)

    def is_done(self):
        return not self.may_send() and not any(visitor.is_waiting for visitor in self.visitors)

    def turn(self):
        while self.waiting_to_connect and self.waiting_to_connect[0][0] <= time.monotonic():
            self.connect(self.waiting_to_connect.popleft()[1])
        for fd, event in self.epoll.poll(RECONNECT_SECONDS):
            visitor = self.by_fd.get(fd)
            if visitor is None:
                continue
            if event & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
                self.take(visitor)
            elif event & select.EPOLLOUT:
                self.epoll.modify(fd, select.EPOLLIN)
                self.send(visitor)

    def connect(self, visitor):
        if not self.may_send():
            return
        family = socket.AF_INET if isinstance(visitor.address, tuple) else socket.AF_UNIX
        visitor.socket = socket.socket(family)
        visitor.socket.setblocking(False)
        error = visitor.socket.connect_ex(visitor.address)
        if error not in (0, errno.EINPROGRESS):
            self.reconnect(visitor)
            return
        self.by_fd[visitor.socket.fileno()] = visitor
        self.epoll.register(visitor.socket.fileno(), select.EPOLLOUT)

    def close(self, visitor):
        if visitor.socket is not None:
            self.by_fd.pop(visitor.socket.fileno(), None)
            visitor.socket.close()
            visitor.socket = None

    def reconnect(self, visitor):
        """The daemon is not there or has closed: connects again a moment later."""
        if visitor.is_waiting:
            visitor.is_waiting = False
            self.broken += 1
        visitor.received = b""
        self.close(visitor)
        self.waiting_to_connect.append((time.monotonic() + RECONNECT_SECONDS, visitor))

    def send(self, visitor):
        if not self.may_send():
            return
        try:
            written = visitor.socket.send(visitor.request)
        except (BrokenPipeError, ConnectionResetError, ConnectionRefusedError):
            self.reconnect(visitor)  # no byte of the request was sent
            return
        assert written == len(visitor.request)
        self.sent += 1
        visitor.is_waiting = True

    def take(self, visitor):
        try:
            data = visitor.socket.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.reconnect(visitor)
            return
        received = visitor.received + data if visitor.received else data
        head_end = received.find(b"\r\n\r\n")
        if head_end < 0 or not is_whole(received, head_end):
            visitor.received = received
            return
        visitor.received = b""
        visitor.is_waiting = False
        if REPEATED.search(received, 0, head_end + 2):
            self.repeated += 1
        elif UNKNOWN.search(received, 0, head_end + 2):
            self.unknown += 1
        else:
            self.note(visitor, int(received[9:12]), received[head_end + 4:])
        if CLOSES.search(received, 0, head_end + 2):
            self.close(visitor)
            self.connect(visitor)
        else:
            self.send(visitor)

    def note(self, visitor, status, body):
        if status == 200:
            count = COUNT.search(body)
            self.numbers[visitor.target].append(int(count[1] if count else body))
            return
        code = error_code(body)
        if status == 503 and code in NOT_COUNTED:
            self.refused += 1
        else:
            self.others.append((status, body.decode(errors="replace")))


def is_whole(received, head_end):
    if CHUNKED.search(received, 0, head_end + 2):
        return received.endswith(b"\r\n0\r\n\r\n")
    length = LENGTH.search(received, 0, head_end + 2)
    return length is not None and len(received) >= head_end + 4 + int(length[1])


def error_code(body):
    try:
        return json.loads(body)["error"]["code"]
    except (ValueError, KeyError, TypeError):
        return None


def visit(addresses, total, **arguments):
    """Makes all visits and waits for their end."""
    visitors = Visitors(addresses, total=total, **arguments)
    visitors.start()
    return visitors.finish(DEADLINE * 4)
