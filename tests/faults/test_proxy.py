# SPDX-License-Identifier: MIT
"""Tests of the proxy itself: without them, the tests that use it would prove nothing."""

import socket
import threading
import time

import pytest

from harness import wait_until


class Echo:
    """Returns all bytes that it receives, and records them."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        self.pieces = []
        self.ends = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        end = "end"
        try:
            while data := connection.recv(65536):
                self.pieces.append(data)
                connection.sendall(data)
        except ConnectionResetError:
            end = "reset"
        self.ends.append(end)
        connection.close()

    def finish(self):
        if self.listener.fileno() >= 0:
            self.listener.shutdown(socket.SHUT_RDWR)  # close() alone would wait for accept()
            self.listener.close()

    @property
    def received(self):
        return b"".join(self.pieces)


@pytest.fixture
def echo():
    made = Echo()
    yield made
    made.finish()


@pytest.fixture
def proxy(new_proxy, echo):
    return new_proxy(echo.address, seed=1)


@pytest.fixture
def connection(proxy):
    with socket.create_connection(proxy.address, 10) as made:
        made.sendall(b"!")
        assert made.recv(1) == b"!"
        yield made


def receive(connection, count):
    data = b""
    while len(data) < count:
        piece = connection.recv(count - len(data))
        if not piece:
            break
        data += piece
    return data


def test_passes_everything(connection, proxy):
    sent = bytes(range(256)) * 4000
    sender = threading.Thread(target=connection.sendall, args=(sent,))
    sender.start()
    assert receive(connection, len(sent)) == sent
    sender.join()
    assert proxy.passed("up") == proxy.passed("down") == len(sent) + 1


def test_an_end_is_passed_on(connection, echo, proxy):
    connection.shutdown(socket.SHUT_WR)
    assert connection.recv(1) == b""
    assert echo.ends == ["end"]
    wait_until(lambda: proxy.open_connections() == 0, "the proxy has let go")


@pytest.mark.parametrize("direction", ["up", "down"])
def test_latency(connection, proxy, direction):
    proxy.set(direction, delay=0.2, jitter=0.01)
    start = time.monotonic()
    connection.sendall(b"ab")
    assert receive(connection, 2) == b"ab"
    assert time.monotonic() - start >= 0.2


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("after", [0, 1, 7, 10])
def test_cut_on_the_way_there(connection, echo, proxy, after, how):
    proxy.set("up", cut_after=after, cut_how=how)
    if after:
        connection.sendall(b"0123456789")
    try:
        rest = connection.recv(100)
        assert rest == b"0123456789"[:after][:len(rest)]
        assert rest == b"" or connection.recv(100) == b""
        assert how == "close"
    except ConnectionResetError:
        assert how == "reset"
    wait_until(lambda: echo.ends, "the server saw the end")
    assert echo.received in (b"!" + b"0123456789"[:after], b"!") if how == "reset" else \
        echo.received == b"!" + b"0123456789"[:after]


@pytest.mark.parametrize("after", [1, 7, 10])
def test_cut_on_the_way_back(connection, echo, proxy, after):
    proxy.set("down", cut_after=after)
    connection.sendall(b"0123456789")
    assert receive(connection, 11) == b"0123456789"[:after]
    assert echo.received == b"!0123456789"


def test_a_cut_is_for_once(connection, proxy):
    proxy.set("up", "present", cut_after=0)
    assert connection.recv(1) == b""
    with socket.create_connection(proxy.address, 10) as other:
        other.sendall(b"x")
        assert other.recv(1) == b"x"


def test_single_bytes(connection, echo, proxy):
    proxy.set("both", slice=1)
    connection.sendall(b"x" * 100)
    assert receive(connection, 100) == b"x" * 100
    assert len(echo.pieces) > 10, "some may be merged by the kernel, not all"


def test_throttling(connection, proxy):
    proxy.set("up", rate=1000)
    start = time.monotonic()
    connection.sendall(b"x" * 200)
    assert receive(connection, 200) == b"x" * 200
    assert 0.15 < time.monotonic() - start < 5


@pytest.mark.parametrize("direction, arrived", [("up", b"!"), ("down", b"!abc"), ("both", b"!")])
def test_black_hole(connection, echo, proxy, direction, arrived):
    proxy.set(direction, hole=True)
    connection.settimeout(0.3)
    connection.sendall(b"abc")
    with pytest.raises(TimeoutError):
        connection.recv(1)
    assert echo.received == arrived
    proxy.clear()
    connection.settimeout(10)
    connection.sendall(b"d")
    assert connection.recv(1) == b"d"


@pytest.mark.parametrize("direction, arrived", [("up", b"!"), ("down", b"!abc")])
def test_held_back_and_delivered(connection, echo, proxy, direction, arrived):
    """Held bytes arrive even after their sender has gone. The end of the connection comes after them."""
    proxy.set(direction, hold=True)
    connection.sendall(b"abc")
    wait_until(lambda: proxy.taken("up") == 4 and (direction == "up" or proxy.taken("down") == 4), "it is in the proxy")
    assert echo.received == arrived
    connection.shutdown(socket.SHUT_WR)
    proxy.clear()
    assert receive(connection, 4) == b"abc"
    assert echo.ends == ["end"]


def test_reset(connection, echo, proxy):
    proxy.cut("reset")
    with pytest.raises(ConnectionResetError):
        connection.recv(1)
    wait_until(lambda: echo.ends == ["reset"], "the server was reset as well")


def test_refused(proxy):
    proxy.refuse()
    with pytest.raises(ConnectionResetError), socket.create_connection(proxy.address, 10) as refused:
        refused.recv(1)
    assert [connect.was_refused for connect in proxy.connects] == [True]
    proxy.refuse("close")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(proxy.address, 10)
    proxy.accept()
    with socket.create_connection(proxy.address, 10) as accepted:
        accepted.sendall(b"x")
        assert accepted.recv(1) == b"x"


def test_another_target(connection, proxy):
    other = Echo()
    proxy.switch(other.address)
    connection.sendall(b"a")
    assert connection.recv(1) == b"a"
    assert other.received == b""
    with socket.create_connection(proxy.address, 10) as second:
        second.sendall(b"b")
        assert second.recv(1) == b"b"
    assert other.received == b"b"
    other.finish()


def test_a_target_that_is_not_there(proxy, echo):
    echo.finish()
    with pytest.raises(ConnectionResetError), socket.create_connection(proxy.address, 10) as connection:
        connection.recv(1)
