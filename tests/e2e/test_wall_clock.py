# SPDX-License-Identifier: MIT
"""An instance while the machine's wall clock is set forwards or back. No duration may depend on it."""

from datetime import datetime, timezone

import pytest

from harness import Connection, fetch, free_port, wait_until
from harness.wall_clock import DAY, HOUR

#: What a client has sent before it falls silent.
HALVES = {
    "nothing": b"",
    "half a line": b"GET /cou",
    "half a header": b"GET /count HTTP/1.1\r\nHost: loc",
    "half a body": b"POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc",
    "half of a chunked body": b"POST /count HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
}

VISIT = b"GET /count HTTP/1.1\r\nHost: x\r\nAccept: text/plain\r\n\r\n"

STEPS = pytest.mark.parametrize("step_s", [-HOUR, -400 * DAY, HOUR, 400 * DAY], ids=["hour-back", "year-back", "hour-ahead", "year-ahead"])


@pytest.fixture
def daemon(new_daemon, store, wall_clock):
    """A daemon with the shortest idle timeout, also for metrics and the admin socket."""
    return new_daemon({"http.idle_timeout": "1s", "dashboard.public": True, "metrics.listen": [f"127.0.0.1:{free_port()}"],
                       **store.settings}, environment=wall_clock.environment).wait_for_store()


def today(wall_clock):
    return datetime.fromtimestamp(wall_clock.time(), timezone.utc).date().isoformat()


def test_the_daemon_has_the_clock_of_the_test(daemon, wall_clock):
    """The other tests depend on this: the shim is loaded, and a change takes effect at once."""
    for ahead_s in (0, 500 * DAY, -30 * DAY - 0.25):
        wall_clock.set_ahead(ahead_s)
        before = today(wall_clock)
        latest = daemon.fetch("/v1/series/default/x").json()["values"][-1]["at"]
        assert latest in (before, today(wall_clock))


@STEPS
def test_silent_connections_are_closed_all_the_same(daemon, store, wall_clock, step_s):
    """libh2o's own timers would wait until the clock has reached the old time again."""
    addresses = [daemon.address, str(daemon.admin_socket), daemon.addresses("metrics")[0]]
    silent = [Connection(address) for address in addresses for _ in HALVES]
    for connection, half in zip(silent, list(HALVES.values()) * len(addresses)):
        connection.send(half)
    answered = Connection(daemon.address)
    answered.send(VISIT)
    assert answered.answer().number == 1
    wall_clock.set_ahead(step_s)
    for connection in [*silent, answered]:
        assert connection.is_closed_by_peer()
        connection.socket.close()
    assert store.total() == 1, "none of the halves was a visit"


def test_half_requests_keep_nobody_out(new_daemon, store, wall_clock):
    """http.max_connections half requests are open. The next visitor waits only until they time out."""
    daemon = new_daemon({"http.idle_timeout": "1s", "http.max_connections": 100, **store.settings},
                        environment=wall_clock.environment).wait_for_store()
    halves = [Connection(daemon.address) for _ in range(100)]
    for half in halves:
        half.send(HALVES["half a header"])
    wait_until(lambda: daemon.status()["connections"]["open"] == 100, "all are open")
    wall_clock.set_ahead(-HOUR)
    assert daemon.count() == 1
    for half in halves:
        half.socket.close()


def test_a_client_that_takes_no_answers_is_dropped(daemon, wall_clock):
    with Connection(daemon.address, timeout=0.2) as connection:
        with pytest.raises((TimeoutError, ConnectionError)):
            for _ in range(20000):
                connection.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 50)
        wall_clock.set_ahead(-HOUR)
        wait_until(lambda: daemon.status()["connections"]["open"] == 0, "the connection is dropped")


@STEPS
def test_who_is_served_notices_nothing(new_daemon, redis_store, wall_clock, step_s):
    """A half request that continues, a visit that waits for its number, a kept connection, and a stream are not affected."""
    daemon = new_daemon({"http.idle_timeout": "30s", "count.max_wait": "20s", "redis.command_timeout": "20s", **redis_store.settings},
                        environment=wall_clock.environment).wait_for_store()
    half, waiting, kept, stream = [Connection(daemon.address) for _ in range(4)]
    kept.send(VISIT)
    assert kept.answer().number == 1
    stream.send(b"GET /v1/live/default/ HTTP/1.1\r\nHost: x\r\n\r\n")
    wait_until(lambda: stream.receive() or b'"count":1' in stream.received, "the present number")
    half.send(VISIT[:30])
    redis_store.server.pause()
    waiting.send(VISIT)
    wait_until(lambda: daemon.status()["visits"]["waiting"] == 1, "a visit waits")
    wall_clock.set_ahead(step_s)
    assert daemon.status()["connections"]["open"] == 4
    redis_store.server.resume()
    half.send(VISIT[30:])
    assert sorted([waiting.answer().number, half.answer().number]) == [2, 3]
    kept.send(VISIT)
    assert kept.answer().number == 4
    wait_until(lambda: stream.receive() or b'"count":4' in stream.received, "the last number")
    for connection in (half, waiting, kept, stream):
        connection.socket.close()


@STEPS
def test_long_answers_are_whole(daemon, wall_clock, step_s):
    """The clock is set while the daemon sends them."""
    with Connection(daemon.address) as connection:
        for i in range(20):
            connection.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 20)
            wall_clock.set_ahead(step_s * (i % 2))
            assert {connection.answer().text[-8:] for _ in range(20)} == {"</html>\n"}


@STEPS
def test_a_drain_ends_in_time(daemon, wall_clock, step_s):
    idle = [Connection(daemon.address) for _ in range(3)]
    idle[1].send(HALVES["half a header"])
    wait_until(lambda: daemon.status()["connections"]["open"] == 3, "they are open")
    daemon.admin("/drain", "POST")
    wall_clock.set_ahead(step_s)
    for connection in idle:
        assert connection.is_closed_by_peer()
        connection.socket.close()
    assert daemon.process.wait() == 0


@STEPS
def test_the_rate_of_a_client_is_by_time_that_passes(new_daemon, store, wall_clock, step_s):
    """Setting the clock neither ends nor restarts a limit of one visit an hour."""
    daemon = new_daemon({"limits.rate": "1/1h", **store.settings}, environment=wall_clock.environment).wait_for_store()
    assert daemon.count() == 1
    wall_clock.set_ahead(step_s)
    answer = daemon.fetch("/count")
    assert (answer.status, answer.error) == (429, "too_many_visits")
    assert 0 < int(answer.headers["retry-after"]) <= HOUR
    assert fetch(daemon.address, "/v1/hit/default/other").status == 200
