# SPDX-License-Identifier: MIT
"""The link is lost after a batch was sent and before its answer. The batch is sent again and counts once.

With a long timeout every visitor gets the next number. No number is given twice or skipped.
"""

import random
import time

import pytest

from harness import Connection, RedisStore, Visitors, wait_until

from parts import PATIENT, link_settings

REQUEST = "GET /count HTTP/1.1\r\nHost: x\r\nAccept: text/plain\r\n\r\n"


@pytest.fixture
def store(redis):
    return RedisStore(redis)


@pytest.fixture
def proxy(new_proxy, redis):
    return new_proxy(redis.socket, seed=3)


@pytest.fixture
def daemon(new_daemon, proxy):
    return new_daemon({**link_settings(proxy), **PATIENT}).wait_for_store()


class Group:
    """A few visitors who send their visits at the same moment."""

    def __init__(self, daemon, size=4):
        self.connections = [Connection(daemon.address) for _ in range(size)]
        self.total = 0

    def send(self):
        for connection in self.connections:
            connection.send(REQUEST)

    def take(self):
        """Checks that their numbers are the next ones, each given once."""
        numbers = sorted(connection.answer().number for connection in self.connections)
        expected = list(range(self.total + 1, self.total + len(numbers) + 1))
        assert numbers == expected
        self.total += len(numbers)

    def visit(self):
        self.send()
        self.take()


def length_of_one(proxy, group, direction):
    """The length of a command or of its answer, in bytes."""
    group.visit()
    lengths = []
    for _ in range(5):
        before = proxy.passed(direction)
        group.connections[0].send(REQUEST)
        group.total += 1
        assert group.connections[0].answer().number == group.total
        lengths.append(proxy.passed(direction) - before)
    return max(lengths)


# --- cut ---

@pytest.mark.parametrize("direction", ["up", "down"])
def test_cut_at_every_byte(daemon, store, proxy, direction):
    """Cuts the command ("up") or its answer ("down")."""
    draw = random.Random(direction)
    group = Group(daemon)
    length = length_of_one(proxy, group, direction)
    connects = len(proxy.connects)
    for position in range(length + 1):
        proxy.set(direction, "present", cut_after=position, cut_how=draw.choice(["close", "reset"]))
        group.visit()
    assert store.total() == group.total
    assert len(proxy.connects) - connects >= length, "a cut that did not happen shows nothing"
    batches = daemon.status()["batches"]
    least = length - 3  # a cut may strike a command of the link itself
    assert batches["resent"] >= least
    # if the answer was cut, the batch was applied; if the command was cut, only at its very end
    assert batches["duplicates"] >= (least if direction == "down" else 0)
    assert batches["gaps"] == 0


def test_cut_in_the_handshake(daemon, store, proxy):
    """The link is cut again and again before it is ready. The visit waits."""
    draw = random.Random(5)
    group = Group(daemon)
    group.visit()
    length = proxy.passed("up") - 400
    for _ in range(25):
        proxy.set(draw.choice(["up", "down"]), "future", cut_after=draw.randrange(length), cut_how=draw.choice(["close", "reset"]))
        seen = len(proxy.connects)
        proxy.cut()
        group.send()
        wait_until(lambda: len(proxy.connects) > seen, "it tries again")
        proxy.clear()
        group.take()
    assert store.total() == group.total
    assert daemon.status()["batches"]["gaps"] == 0


def test_cut_anywhere_under_load(daemon, store, proxy, visitors):
    """With batches of any size and with many pages."""
    draw = random.Random(11)
    targets = ["/count", *(f"/v1/hit/default/{page}" for page in range(12))]
    crowd = visitors([daemon.address], connections=64, targets=targets)
    for _ in range(150):
        crowd.wait_for_more(50)
        connects = len(proxy.connects)
        proxy.set(draw.choice(["up", "down"]), "present", cut_after=draw.randrange(3000), cut_how=draw.choice(["close", "reset"]))
        wait_until(lambda: len(proxy.connects) > connects, "the link was cut")
    crowd.stop()
    crowd.finish()
    totals = store.totals()
    crowd.check_exact({target: totals["default", "/" if target == "/count" else target[len("/v1/hit/default"):]]
                       for target in targets})
    batches = daemon.status()["batches"]
    assert batches["resent"] > 50
    assert batches["duplicates"] > 10
    assert batches["gaps"] == 0


# --- silence ---

@pytest.mark.parametrize("direction", ["up", "down", "both"])
def test_silence(new_daemon, store, proxy, direction):
    """A black hole in one direction or both: no answer arrives, so the daemon closes the link and sends the batch again."""
    daemon = new_daemon({**link_settings(proxy), **PATIENT, "redis.command_timeout": "200ms"}).wait_for_store()
    group = Group(daemon)
    for _ in range(5):
        group.visit()
        proxy.set(direction, "present", hole=True)
        group.visit()
    assert store.total() == group.total
    batches = daemon.status()["batches"]
    assert batches["resent"] == 5
    assert batches["duplicates"] == (5 if direction == "down" else 0), "whether it had arrived"
    daemon.wait_for_log("command: no answer within 200ms; retrying")


@pytest.mark.parametrize("direction", ["up", "both"])
def test_a_command_that_arrives_late(new_daemon, store, proxy, direction):
    """It arrives after another connection has sent the same batch again, and many later ones. It is not applied."""
    daemon = new_daemon({**link_settings(proxy), **PATIENT, "redis.command_timeout": "200ms"}).wait_for_store()
    group = Group(daemon)
    for following in (0, 1, 5):
        group.visit()
        proxy.set(direction, "present", hold=True)
        group.visit()  # over the next connection
        for _ in range(following):
            group.visit()
        commands = store.client().info("commandstats")["cmdstat_evalsha"]["calls"]
        proxy.clear()
        wait_until(lambda: store.client().info("commandstats")["cmdstat_evalsha"]["calls"] > commands, "the late one arrives")
        assert store.total() == group.total
        group.visit()
    assert store.total() == group.total


def test_silence_for_longer_than_anybody_waits(new_daemon, store, proxy, visitors):
    """Each visitor gets the true outcome of its visit: counted, not counted, or unknown."""
    daemon = new_daemon({**link_settings(proxy), "count.max_wait": "300ms", "redis.command_timeout": "200ms",
                         "redis.connect_timeout": "200ms"}).wait_for_store()
    crowd = visitors([daemon.address], connections=32)
    for direction in ("up", "down", "both"):
        crowd.wait_for_more(300)
        before = crowd.unknown
        proxy.set(direction, hole=True)
        wait_until(lambda: crowd.unknown > before, lambda: f"an outcome that is not known; {crowd}")
        proxy.clear()
    crowd.wait_for_more(300)
    crowd.stop()
    crowd.finish()
    last = wait_until(lambda: (answer := daemon.fetch()).status == 200 and answer.number, "it counts again")
    assert last == store.total()
    crowd.check_bounds(last - 1)
    assert crowd.broken == 0
    visits = daemon.status()["visits"]
    assert (visits["unknown"], visits["waiting"]) == (crowd.unknown, 0)
    assert daemon.status()["batches"]["gaps"] == 0


# --- slow ---

@pytest.mark.parametrize("total, faults", [(200, {"slice": 1}), (1000, {"slice": 7}), (500, {"delay": 0.03, "jitter": 0.03}),
                                           (1000, {"rate": 20000})],
                         ids=["single bytes", "slices", "latency", "throttled"])
def test_slow_links_only_delay(daemon, store, proxy, total, faults):
    proxy.set("both", **faults)
    crowd = Visitors([daemon.address], connections=32, total=total)
    crowd.start()
    crowd.finish().check_exact({"/count": store.total()})
    batches = daemon.status()["batches"]
    assert (batches["resent"], batches["gaps"]) == (0, 0)


# --- trying again ---

def gaps_between(connects):
    return [later.at - (earlier.ended_at or earlier.at) for earlier, later in zip(connects, connects[1:])]


def test_one_attempt_at_a_time_with_growing_pauses(daemon, proxy):
    """The back-off before an attempt is at most 50 ms, 100 ms, 200 ms … It is random, so that instances do not connect at the same time."""
    first = len(proxy.connects)
    proxy.refuse()
    proxy.cut()
    wait_until(lambda: len(proxy.connects) >= first + 8, "eight attempts", deadline=60)
    attempts = proxy.connects[first - 1:]
    pauses = gaps_between(attempts)
    for earlier, later in zip(attempts, attempts[1:]):
        assert earlier.ended_at <= later.at, "never two at once"
    for failures, pause in enumerate(pauses):
        assert pause <= 0.05 * 2 ** failures + 1.0, f"pause {failures} of {pauses}"
    assert sum(pauses[4:]) > 0.2, f"it does not hammer: {pauses}"
    proxy.clear()
    daemon.wait_for_store()


def test_pauses_are_drawn_evenly(daemon, proxy):
    """Full jitter: the first pause is any time up to 50 ms, also almost none."""
    group = Group(daemon, 1)
    group.visit()
    first = len(proxy.connects)
    for _ in range(60):
        proxy.cut()
        group.visit()
    pauses = sorted(gaps_between(proxy.connects[first - 1:]))
    assert len(pauses) == 60
    # this machine may make a pause longer, but never shorter
    assert pauses[6] < 0.025 and pauses[30] > 0.010, pauses
    assert pauses[6] < pauses[53] / 1.5, pauses


def test_a_hundred_quick_losses_do_not_leak(daemon, store, proxy):
    """Each abandoned connection is closed."""
    group = Group(daemon, 2)
    for _ in range(100):
        proxy.cut("reset")
        group.visit()
    assert store.total() == group.total
    wait_until(lambda: proxy.open_connections() == 1, "one connection is left")
    assert daemon.status()["store"]["connects"] == len(proxy.connects)
    start = time.monotonic()
    group.visit()
    assert time.monotonic() - start < 5
