# SPDX-License-Identifier: MIT
"""Server-sent events: from any instance to any client, at most ten a second, through nginx, for thousands of clients."""

import json
import select
import socket
import statistics
import threading
import time

import pytest

from harness import SqliteStore, wait_until
from harness.basics import DEADLINE


class Stream:
    """A client of the stream. `events` are (id, data) in the order of arrival."""

    def __init__(self, address, path, headers=""):
        self.socket = socket.create_connection(address, DEADLINE)
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n{headers}\r\n".encode())
        self.bytes = b""
        self.head = b""
        self.is_closed = False

    def read(self, timeout=0.05):
        """Reads the bytes that have arrived. Returns False at the end of the stream."""
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        if not self.is_closed and poll.poll(timeout * 1000):
            data = self.socket.recv(65536)
            self.is_closed = not data
            self.bytes += data
            if not self.head and b"\r\n\r\n" in self.bytes:
                self.head, _, self.bytes = self.bytes.partition(b"\r\n\r\n")
        return self

    def text(self):
        """The body so far, without the sizes of chunks."""
        if b"chunked" not in self.head.lower():
            return self.bytes.decode()
        body, rest = b"", self.bytes
        while b"\r\n" in rest:
            size, _, rest = rest.partition(b"\r\n")
            length = int(size, 16)
            body, rest = body + rest[:length], rest[length + 2:]
        return body.decode()

    @property
    def events(self):
        found = []
        for block in self.text().split("\n\n"):
            fields = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line)
            if "data" in fields:
                found.append((int(fields["id"]), json.loads(fields["data"])))
        return found

    def wait_for(self, number):
        wait_until(lambda: self.read().events[-1:] and self.events[-1][0] == number, lambda: f"event {number}; there are {self.text()[-300:]}")
        return self

    def close(self):
        self.socket.close()


@pytest.fixture
def daemon(new_daemon, store):
    return new_daemon({"dashboard.public": True, **store.settings}).wait_for_store()


def listeners(daemon):
    return daemon.status()["connections"]["live"]


def test_a_stream_tells_the_number_and_each_change(daemon):
    daemon.fetch("/v1/hit/default/a")
    stream = Stream(daemon.address, "/v1/live/default/a").wait_for(1)
    head = stream.head.decode().lower()
    assert head.startswith("http/1.1 200 ") and "content-type: text/event-stream; charset=utf-8" in head
    assert "cache-control: no-store" in head and "x-accel-buffering: no" in head and "access-control-allow-origin: *" in head
    assert "retry: " in stream.text()
    daemon.fetch("/v1/hit/default/b")
    daemon.fetch("/v1/hit/default/a")
    stream.wait_for(2)
    assert stream.events == [(1, {"page": "/a", "count": 1}), (2, {"page": "/a", "count": 2})]


def test_a_page_nobody_has_visited_is_zero(daemon):
    Stream(daemon.address, "/v1/live/default/new").wait_for(0)


def test_the_site_as_a_whole(daemon):
    stream = Stream(daemon.address, "/v1/live/default").wait_for(0)
    daemon.fetch("/v1/hit/default/a")
    daemon.fetch("/v1/hit/default/b")
    assert stream.wait_for(2).events[-1][1] == {"page": "", "count": 2}


def test_last_event_id(daemon):
    """A client that comes back gets the number at once if it has changed, otherwise the next change."""
    for _ in range(3):
        daemon.fetch("/v1/hit/default/a")
    assert Stream(daemon.address, "/v1/live/default/a", "Last-Event-ID: 2\r\n").wait_for(3).events == [(3, {"page": "/a", "count": 3})]
    same = Stream(daemon.address, "/v1/live/default/a", "Last-Event-ID: 3\r\n")
    Stream(daemon.address, "/v1/live/default/a").wait_for(3)
    wait_until(lambda: "retry" in same.read().text(), "the handshake")
    daemon.fetch("/v1/hit/default/a")
    assert same.wait_for(4).events == [(4, {"page": "/a", "count": 4})]
    Stream(daemon.address, "/v1/live/default/a", "Last-Event-ID: nonsense\r\n").wait_for(4)


def test_at_most_ten_events_a_second_and_the_last_is_right(daemon):
    stream = Stream(daemon.address, "/v1/live/default/a").wait_for(0)
    began = time.monotonic()
    stop = threading.Event()

    def listen():
        while not stop.is_set():
            stream.read()
    thread = threading.Thread(target=listen)
    thread.start()
    for _ in range(300):
        daemon.fetch("/v1/hit/default/a")
    wait_until(lambda: stream.events[-1][0] == 300, "the last number")
    stop.set()
    thread.join()
    assert len(stream.events) <= 2 + 10 * (time.monotonic() - began)
    numbers = [number for number, _ in stream.events]
    assert numbers == sorted(set(numbers))


def test_visits_on_one_instance_reach_the_clients_of_another(new_daemon, store):
    one, two = (new_daemon(store.settings, name=name).wait_for_store() for name in ("one", "two"))
    streams = [Stream(one.address, "/v1/live/default/a").wait_for(0), Stream(two.address, "/v1/live/default/a").wait_for(0)]
    one.fetch("/v1/hit/default/a")
    for stream in streams:
        stream.wait_for(1)
    two.fetch("/v1/hit/default/a")
    for stream in streams:
        stream.wait_for(2)


def test_through_nginx(new_daemon, redis_store, new_nginx):
    daemons = [new_daemon(redis_store.settings, name=name).wait_for_store() for name in ("one", "two")]
    nginx = new_nginx([daemon.address for daemon in daemons])
    streams = [Stream(nginx.address, "/v1/live/default/a").wait_for(0) for _ in range(4)]
    for number in range(1, 6):
        daemons[number % 2].fetch("/v1/hit/default/a")
        for stream in streams:
            stream.wait_for(number)


def test_a_client_that_leaves_is_noticed(daemon):
    streams = [Stream(daemon.address, "/v1/live/default/a").wait_for(0) for _ in range(5)]
    assert listeners(daemon) == 5
    for stream in streams[1:]:
        stream.close()
    wait_until(lambda: listeners(daemon) == 1, "four to be gone")
    streams[0].socket.shutdown(socket.SHUT_WR)
    wait_until(lambda: listeners(daemon) == 0, "the last one to be gone")


def test_the_limit(new_daemon, store):
    daemon = new_daemon({"limits.live": 2, **store.settings}).wait_for_store()
    streams = [Stream(daemon.address, "/v1/live/default/a").wait_for(0) for _ in range(2)]
    answer = daemon.fetch("/v1/live/default/a")
    assert (answer.status, answer.error, answer.headers["retry-after"]) == (503, "too_many_listeners", "1")
    streams[0].close()
    wait_until(lambda: listeners(daemon) == 1, "a place")
    Stream(daemon.address, "/v1/live/default/b").wait_for(0)


def test_the_end_of_the_server_ends_the_streams(daemon):
    stream = Stream(daemon.address, "/v1/live/default/a").wait_for(0)
    daemon.stop()
    wait_until(lambda: stream.read().is_closed, "the end")
    assert stream.bytes.endswith(b"0\r\n\r\n"), "an end, not a break"


def test_a_slow_client_is_dropped(new_daemon, directory):
    """The client reads no byte. The daemon does not store events for it, and closes its connection in the end."""
    store = SqliteStore(directory / "visits.db")
    page = "/" + "x" * 500
    daemon = new_daemon({"http.idle_timeout": "1s", **store.settings}).wait_for_store()
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
    slow.connect(daemon.address)
    slow.sendall(f"GET /v1/live/default{page} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    stream = Stream(daemon.address, f"/v1/live/default{page}").wait_for(0)
    assert listeners(daemon) == 2
    number = 0

    def is_gone():
        nonlocal number
        number += 1
        daemon.fetch(f"/v1/hit/default{page}")
        stream.wait_for(number)
        return listeners(daemon) == 1
    wait_until(is_gone, "the slow one to be gone")


def test_head_and_wrong_sites(daemon):
    answer = daemon.fetch("/v1/live/default/a", method="HEAD")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert daemon.fetch("/v1/live/nobody/a").error == "unknown_site"
    assert daemon.fetch("/v1/live/default/a", method="POST").status == 405


@pytest.mark.plain_build
def test_two_thousand_clients(new_daemon, redis_store):
    """All clients get the same last number. Visits are answered meanwhile."""
    daemon = new_daemon({"dashboard.public": True, **redis_store.settings}).wait_for_store()
    streams = [Stream(daemon.address, f"/v1/live/default/{'ab'[n % 2]}") for n in range(2000)]
    wait_until(lambda: listeners(daemon) == 2000, "all to listen")
    took = []
    for _ in range(100):
        for page in "ab":
            began = time.monotonic()
            assert daemon.fetch(f"/v1/hit/default/{page}").status == 200
            took.append(time.monotonic() - began)
    late = time.monotonic() + DEADLINE
    waiting = list(streams)
    while waiting and time.monotonic() < late:
        waiting = [stream for stream in waiting if b'"count":100}' not in stream.read(0).bytes]
    assert not waiting, f"{len(waiting)} were not told"
    # a busy machine may delay a single visit; slow listeners would delay every visit
    assert statistics.median(took) < 1, "visits waited for the listeners"
    for stream in streams:
        stream.close()
    wait_until(lambda: listeners(daemon) == 0, "all to be gone")
