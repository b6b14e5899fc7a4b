# SPDX-License-Identifier: MIT
"""A store that is there but refuses one kind of request: the admission of a site, or the salt of the day."""

import re
import time
from datetime import datetime, timezone

import pytest

from harness import Connection, FakeRedis, wait_until
from harness.faults import HASTY, LONG, PATIENT, SHORT, check_refused

ANY_SITE = {"sites": ["*"], **HASTY}
MAX_WAIT_S = 0.3  #: as in HASTY


def salt_key():
    return datetime.now(timezone.utc).strftime("vc:salt:%Y%m%d")


def metric(daemon, name):
    text = daemon.admin("/metrics").text
    return float(re.search(rf"^{name} (\S+)$", text, re.MULTILINE)[1])


#: How to make Redis refuse only vc:sites, how to undo that, and the error of Redis.
REFUSALS = {
    "wrong type": (lambda client: client.set("vc:sites", "x"), lambda client: client.delete("vc:sites"), "WRONGTYPE"),
    "no permission": (lambda client: client.execute_command("ACL", "SETUSER", "default", "resetkeys", "~vc:{*", "~vc:salt:*"),
                      lambda client: client.execute_command("ACL", "SETUSER", "default", "allkeys"), "NOPERM|No permissions|no permissions"),
    "no memory": (lambda client: client.config_set("maxmemory", 1), lambda client: client.config_set("maxmemory", 0), "OOM"),
}


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_store_that_admits_no_site(new_daemon, redis_store, kind):
    """Visits of new sites are refused, and the statistics count the refusals. The reason is in the log, the status and the metrics."""
    refuse, undo, reason = REFUSALS[kind]
    daemon = new_daemon({"sites": ["*"], **PATIENT, **redis_store.settings}).wait_for_store()
    client = redis_store.client()
    assert daemon.fetch("/v1/hit/known/x").json()["count"] == 1
    refuse(client)
    daemon.set_patience(SHORT)
    refused = 0
    while not re.search(rf"warning store: sites that are not listed: refused for \d+s: .*(?:{reason}).*; asking again", daemon.log()):
        check_refused(daemon.fetch("/v1/hit/new/x"))
        refused += 1
        assert refused < 100000
    status = daemon.status()
    assert re.search(reason, status["sites"]["failing_reason"])
    assert status["visits"]["refused"] == refused
    assert metric(daemon, "visitcountd_sites_failing_seconds") >= 1
    assert metric(daemon, r'visitcountd_visits_total\{result="refused"\}') == refused
    assert re.search(reason, daemon.ctl("status").output)
    daemon.set_patience(LONG)
    undo(client)
    wait_until(lambda: daemon.fetch("/v1/hit/new/x").status == 200, "the site is admitted")
    assert daemon.fetch("/v1/hit/known/x").json()["count"] == 2
    daemon.wait_for_log("info +store: sites that are not listed: answered again, after")
    assert "sites" not in daemon.status()
    assert metric(daemon, "visitcountd_sites_failing_seconds") == 0


def test_a_store_that_sends_us_elsewhere(new_daemon, directory):
    """A node of a Redis Cluster that does not have the key."""
    def answer(words):
        if words[0] == "ROLE":
            return b"*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"
        if words[0] == "SCRIPT":
            return b"$40\r\n" + b"a" * 40 + b"\r\n"
        return b"-MOVED 1234 192.0.2.1:6379\r\n" if words[0] == "EVAL" else b"+OK\r\n"

    server = FakeRedis(directory / "moved.sock", answer)
    try:
        daemon = new_daemon({**ANY_SITE, "redis.socket": server.path})
        wait_until(lambda: daemon.status()["store"]["available"], "connected")
        check_refused(daemon.fetch("/v1/hit/new/x"))
        status = daemon.status()
        assert "MOVED 1234" in status["sites"]["failing_reason"]
        assert "MOVED 1234" in status["visitors"]["failing_reason"]
    finally:
        server.finish()


def test_one_visit_at_a_time_waits_for_a_store_that_refuses(new_daemon, redis_store, visitors):
    """The others are refused at once. The store gets one request per timeout of a visit, however many visits come."""
    daemon = new_daemon({**ANY_SITE, "redis.command_timeout": "20s", **redis_store.settings}).wait_for_store()
    redis_store.client().set("vc:sites", "x")
    check_refused(daemon.fetch("/v1/hit/new/x"))
    before = daemon.status()["store"]["commands"]
    redis_store.server.pause()
    begin_s = time.monotonic()
    load = visitors([daemon.address], connections=64, total=2000, targets=("/v1/hit/new/x",)).finish()
    lasted_s = time.monotonic() - begin_s
    questions = daemon.status()["store"]["commands"] - before
    redis_store.server.resume()
    assert load.refused == 2000, load
    assert questions <= lasted_s / MAX_WAIT_S + 5


def test_a_salt_that_cannot_be_read(new_daemon, redis_store):
    """Visits count, but visitors are not told apart. The reason is in the log, the status and the metrics."""
    redis_store.client().rpush(salt_key(), "x")
    daemon = new_daemon({**PATIENT, **redis_store.settings})
    wait_until(lambda: daemon.status()["store"]["available"], "connected")
    daemon.wait_for_log(r"warning store: salt of the day: refused for \d+s: .*WRONGTYPE.*; asking again, until then visitors are not told apart")
    assert daemon.count() == 1
    status = daemon.status()
    assert not status["visitors"]["told_apart"] and "WRONGTYPE" in status["visitors"]["failing_reason"]
    assert metric(daemon, "visitcountd_salt_failing_seconds") >= 1
    redis_store.client().delete(salt_key())
    daemon.wait_for_log("info +store: salt of the day: answered again, after")
    assert daemon.status()["visitors"] == {"told_apart": True, "ignored": 0}
    assert metric(daemon, "visitcountd_salt_failing_seconds") == 0


def test_a_salt_that_is_there_is_told_by_a_store_that_takes_nothing(new_daemon, redis_store):
    """The daemon restarts while Redis is out of memory. Reading the salt needs no write."""
    daemon = new_daemon({**PATIENT, **redis_store.settings}).wait_for_store()
    daemon.stop()
    redis_store.client().config_set("maxmemory", 1)
    daemon.start().wait_for_store()
    assert daemon.status()["visitors"]["told_apart"]


@pytest.mark.parametrize("sites", [["listed"], ["*"]], ids=["listed", "any"])
def test_a_restart_refuses_nobody(new_daemon, redis_store, visitors, sites):
    """While the daemon connects to the store, the request for a site waits like a visit."""
    daemon = new_daemon({"sites": sites, "count.max_wait": "20s", "redis.connect_timeout": "20s", **redis_store.settings})
    daemon.keep_port().wait_for_store()
    load = visitors([daemon.address], connections=32, targets=("/v1/hit/listed/a",))
    for _ in range(8):
        load.wait_for_more(100)
        daemon.stop()
        redis_store.server.pause()
        daemon.start()
        wait_until(lambda: daemon.status()["connections"]["requests"] > 0, "visits come before the store")
        redis_store.server.resume()
    load.wait_for_more(100)
    load.stop()
    load.finish()
    assert load.refused == load.unknown == 0 and not load.others, load
    load.check_bounds(redis_store.total("listed", "/a"))


def test_a_new_site_waits_for_a_store_that_comes_late(new_daemon, new_redis):
    server = new_redis(aof=True, start=False)
    daemon = new_daemon({"sites": ["*"], "count.max_wait": "60s", "redis.socket": server.socket})
    with Connection(daemon.address) as visitor:
        visitor.send("GET /v1/hit/new/x HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(lambda: daemon.status()["connections"]["requests"] == 1, "it waits")
        server.start()
        assert visitor.answer().json()["count"] == 1


@pytest.mark.parametrize("has_journal", [False, True], ids=["plain", "journal"])
def test_a_new_site_is_refused_while_the_store_is_away(new_daemon, directory, has_journal):
    """With a journal too: only the store knows whether there is room for the site."""
    journal = {"journal.directory": f"{directory}/journal"} if has_journal else {}
    daemon = new_daemon({**ANY_SITE, "redis.socket": f"{directory}/nobody.sock", **journal})
    for count in range(1, 4):
        check_refused(daemon.fetch("/v1/hit/new/x"))
        assert daemon.status()["visits"]["refused"] == count
