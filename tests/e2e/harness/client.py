# SPDX-License-Identifier: MIT
"""The HTTP client of the tests: fetch() sends whole requests, Connection sends any bytes.

An address is ("127.0.0.1", 8080) or the path of a unix socket.
"""

import errno
import dataclasses
import json
import socket

from harness.basics import DEADLINE


@dataclasses.dataclass
class Answer:
    status: int
    headers: dict  # names in lower case
    body: bytes

    @property
    def text(self):
        return self.body.decode()

    def json(self):
        return json.loads(self.body)

    @property
    def number(self):
        """The number of a visit that was answered in text."""
        assert self.status == 200, self
        return int(self.body)

    @property
    def error(self):
        """The code of an error in JSON. Checks the form of the error too."""
        assert self.status >= 400, self
        assert self.headers["content-type"] == "application/json", self
        content = self.json()
        assert list(content) == ["error"] and set(content["error"]) == {"code", "message"}, self
        assert content["error"]["message"], self
        return content["error"]["code"]


class Closed(Exception):
    """The other side closed before the answer was complete."""


class Connection:
    """One connection that sends bytes and reads answers."""

    def __init__(self, address, timeout=DEADLINE):
        if isinstance(address, tuple):
            self.socket = socket.create_connection(address, timeout)
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(timeout)
            self.socket.connect(str(address))
        self.received = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def end_input(self):
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError as error:
            if error.errno != errno.ENOTCONN:  # the daemon has already closed
                raise

    def answer(self, *, is_head=False):
        """The next answer. Raises Closed if there is none."""
        while b"\r\n\r\n" not in self.received:
            self.receive()
        head, _, self.received = self.received.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        version, status = first.split(" ")[:2]
        assert version in ("HTTP/1.1", "HTTP/1.0"), first
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        assert len(headers) == len(lines), f"a header twice: {lines}"
        if "transfer-encoding" in headers:
            assert headers["visitcount-status"] == "unknown; reason=broken-off", "only what nginx corrects has chunks"
            return Answer(int(status), headers, b"".join(iter(self.chunk, b"")))
        length = 0
        if not is_head and status not in ("204", "304", "100"):
            length = int(headers.get("content-length", -1))
        if length < 0:
            return Answer(int(status), headers, self.rest())
        return Answer(int(status), headers, self.take(length))

    def take(self, length):
        while len(self.received) < length:
            self.receive()
        data, self.received = self.received[:length], self.received[length:]
        return data

    def chunk(self):
        """The next piece of a chunked body, empty at its end."""
        while b"\r\n" not in self.received:
            self.receive()
        size, _, self.received = self.received.partition(b"\r\n")
        return self.take(int(size, 16) + 2)[:-2]

    def receive(self):
        data = self.socket.recv(65536)
        if not data:
            raise Closed(f"closed after {self.received!r}")
        self.received += data

    def rest(self):
        """All bytes until the other side closes or resets the connection."""
        try:
            while True:
                self.receive()
        except (Closed, ConnectionResetError):
            rest, self.received = self.received, b""
            return rest

    def is_closed_by_peer(self):
        """Waits until the other side closes. Returns whether it sent no more bytes."""
        return self.rest() == b""


def fetch(address, target="/count", method="GET", headers=None, body=b"", timeout=DEADLINE):
    """One request on a connection of its own."""
    lines = {"Host": "localhost", "Connection": "close"}
    if body:
        lines["Content-Length"] = len(body)
    lines.update(headers or {})
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    with Connection(address, timeout) as connection:
        connection.send(f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode() + body)
        return connection.answer(is_head=method == "HEAD")


def talk(address, data, timeout=DEADLINE):
    """Sends bytes and the end of input. Returns all bytes that arrive until the other side closes."""
    with Connection(address, timeout) as connection:
        try:
            connection.send(data)
            connection.end_input()
        except (BrokenPipeError, ConnectionResetError):
            pass  # the daemon closed before it read all bytes
        return connection.rest()


def parse_answers(data):
    """The answers in bytes that talk() returned."""
    connection = Connection.__new__(Connection)
    connection.received = data
    connection.receive = connection.rest = lambda: (_ for _ in ()).throw(Closed(repr(connection.received)))
    answers = []
    while connection.received:
        answers.append(connection.answer())
    return answers
