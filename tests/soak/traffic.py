# SPDX-License-Identifier: MIT
"""The traffic of a long run besides counted visits: reads, streams, and hostile clients.

Each kind is a thread that repeats one action at its pace until the run ends. Answers to honest clients are checked. Answers to hostile ones are
only counted, by status.
"""

import base64
import collections
import itertools
import json
import random
import threading
import time

from harness import fetch
from harness.client import Closed, Connection

ANSWER_S = 20

#: Heads on which two servers may disagree, and pieces of ones that never end.
HEADS = [
    b"GET /count HTTP/1.1\nHost: x\n\n",
    b"GET /count HTTP/1.1\r\n\r\n",
    b"POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    b"POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GET /count HTTP/1.1\r\nHost: x\r\nX-A: a\r\n b\r\n\r\n",
    b"GET /count HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: x\r\n" % i for i in range(101)) + b"\r\n",
    b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET /v1/hit/default/%E2%80%AE%00 HTTP/1.1\r\nHost: x\r\n\r\n",
]


class Traffic:
    """All threads of a run. `front` is nginx; `instances()` are the instances' own addresses, as they are now."""

    def __init__(self, front, instances, admin_sockets, seed):
        self.front = front
        self.instances = instances
        self.admin_sockets = admin_sockets
        self.started_at = time.monotonic()
        self.waits = []                              # (at_s, ms) of an honest visitor
        self.answers = collections.Counter()         # (kind, status or what happened instead)
        self.failures = []                           # what an honest client was not answered as it has to be
        self.end = threading.Event()
        self.random = random.Random(seed)
        self.numbers = itertools.count()
        self.threads = [threading.Thread(target=self.repeat, args=(kind, every_s), daemon=True) for kind, every_s in (
            (self.visit, 0.05), (self.read, 0.1), (self.read_many, 0.5), (self.look, 0.5), (self.listen, 0.05),
            (self.make_pages, 0.02), (self.make_keys, 0.02), (self.make_visitors, 0.02), (self.send_heads, 0.1),
            (self.guess_password, 0.1), (self.leave_open, 0.5), (self.hold_admin, 0.5), (self.ask_much, 0.2))]
        self.streams = []
        self.held = []

    def start(self):
        for thread in self.threads:
            thread.start()

    def finish(self):
        self.end.set()
        for thread in self.threads:
            thread.join(2 * ANSWER_S)
        for connection in self.streams + self.held:
            connection.socket.close()

    def repeat(self, action, every_s):
        while not self.end.wait(every_s):
            try:
                action()
            except (OSError, Closed) as error:  # an instance was restarted, or ended the connection
                self.answers[action.__name__, type(error).__name__] += 1

    def note(self, kind, answer):
        self.answers[kind, answer.status] += 1

    def network(self):
        """One of few networks of strangers, as a proxy would report it."""
        return {"X-Real-IP": f"203.0.113.{self.random.randrange(256)}" if self.random.random() < 0.5
                else f"2001:db8:{self.random.randrange(4)}::{self.random.randrange(65536):x}"}

    # --- honest clients ---

    def visit(self):
        """An honest visitor, of whom the time is taken."""
        before = time.monotonic()
        answer = fetch(self.front, "/v1/hit/probe/page", timeout=ANSWER_S)
        self.waits.append((before - self.started_at, (time.monotonic() - before) * 1000))
        self.note("visit", answer)
        if answer.status != 200:
            self.failures.append(f"an honest visit was answered with {answer.status}: {answer.body[:200]!r}")

    def read(self):
        target = self.random.choice(["/v1/get/probe/page", "/v1/get/probe/page?period=7d", "/v1/series/probe/page?by=hour",
                                     "/v1/series/probe/page", "/v1/top/probe", "/badge/probe/page.svg?readonly=1",
                                     "/v1/get/probe?period=unique"])
        answer = fetch(self.front, target, timeout=ANSWER_S)
        self.note("read", answer)
        if answer.status not in (200, 503):  # further reads are refused while many wait
            self.failures.append(f"{target} was answered with {answer.status}")

    def read_many(self):
        pages = json.dumps([f"/own/page/{i}" for i in range(100)]).encode()
        self.note("read_many", fetch(self.front, "/v1/get/probe?period=30d", "POST", body=pages, timeout=ANSWER_S))

    def look(self):
        self.note("look", fetch(self.front, self.random.choice(["/", "/site/probe", "/livez", "/readyz", "/assets/live.js"]),
                                timeout=ANSWER_S))

    def listen(self):
        """Some streams are open all the time; the oldest one leaves."""
        connection = Connection(self.front, timeout=ANSWER_S)
        connection.send(b"GET /v1/live/probe/page HTTP/1.1\r\nHost: x\r\n\r\n")
        while b"data:" not in connection.received:
            connection.receive()
            if b" 200 " not in connection.received:
                self.failures.append(f"a stream was answered with {connection.received[:100]!r}")
                break
        self.answers["listen", 200] += 1
        self.streams.append(connection)
        if len(self.streams) > 40:
            self.streams.pop(0).socket.close()

    # --- hostile clients ---

    def stranger(self, kind, target, method="GET", headers=None):
        answer = fetch(self.random.choice(self.instances()), target, method, headers={**self.network(), **(headers or {})},
                       timeout=ANSWER_S)
        self.note(kind, answer)

    def make_pages(self):
        self.stranger("make_pages", f"/v1/hit/hostile/made/up/{next(self.numbers)}")

    def make_keys(self):
        self.stranger("make_keys", "/v1/hit/hostile/page", "POST", {"Idempotency-Key": f"made-up-{next(self.numbers)}"})

    def make_visitors(self):
        self.stranger("make_visitors", "/v1/hit/hostile/page", headers={"User-Agent": f"Mozilla/5.0 {next(self.numbers)}"})

    def ask_much(self):
        self.stranger("ask_much", "/v1/series/hostile/page?by=day&n=1000")

    def send_heads(self):
        """Each in pieces, and without waiting for what comes back."""
        head = self.random.choice(HEADS)
        at = self.random.randrange(len(head))
        with Connection(self.random.choice(self.instances()), timeout=ANSWER_S) as connection:
            connection.send(head[:at])
            connection.send(head[at:])
            if self.random.random() < 0.5:
                connection.end_input()
                connection.rest()
        self.answers["send_heads", "sent"] += 1

    def guess_password(self):
        secret = base64.b64encode(f"x:{next(self.numbers)}".encode()).decode()
        self.stranger("guess_password", "/site/hostile", headers={"Authorization": f"Basic {secret}"})

    def leave_open(self):
        """Half a request that never ends, and an answer that nobody takes; some are given up."""
        connection = Connection(self.random.choice(self.instances()), timeout=ANSWER_S)
        connection.send(self.random.choice([b"", b"GET /cou", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 50]))
        self.hold(connection)

    def hold_admin(self):
        """Connections that ask for nothing."""
        connection = Connection(self.random.choice(self.admin_sockets), timeout=ANSWER_S)
        self.hold(connection)

    def hold(self, connection):
        self.held.append(connection)
        self.answers["held", "opened"] += 1
        if len(self.held) > 100:
            self.held.pop(0).socket.close()
