# SPDX-License-Identifier: MIT
"""Warnings about settings and states of Redis that may lose visits later."""

import time

import pytest

from harness import FakeRedis, wait_until
from harness.faults import HASTY, error_to_apply


def settings_of(server):
    return {"store.backend": "redis", "redis.socket": str(server.socket), **HASTY}


def warnings_of(daemon):
    return {warning["check"]: warning["text"] for warning in daemon.status()["store"]["warnings"]}


def metric(daemon, check):
    """0 or 1; None if it is not known."""
    for line in daemon.ctl("metrics").output.splitlines():
        if line.startswith(f'visitcountd_store_warning{{check="{check}"}} '):
            return int(line.split()[-1])
    return None


@pytest.mark.parametrize("check, config, line", [
    ("eviction", {"maxmemory": "100mb", "maxmemory-policy": "allkeys-lru"}, "maxmemory-policy is allkeys-lru: .*; set it to noeviction"),
    ("eviction", {"maxmemory": "100mb", "maxmemory-policy": "volatile-ttl"}, "maxmemory-policy is volatile-ttl: .*tokens.*noeviction"),
    ("persistence", {"appendonly": "no", "save": '""'}, "neither an append-only file nor save points: .*; set appendonly to yes"),
    ("memory", {"maxmemory": "1mb", "maxmemory-policy": "noeviction"}, "[0-9]+ % of maxmemory are used: .*; raise maxmemory"),
    ("idle_timeout", {"timeout": "3"}, "timeout is 3 s: .*; set it to 0"),
])
def test_a_setting_that_costs_numbers(new_daemon, new_redis, check, config, line):
    server = new_redis(config={"appendonly": "yes", **config})
    daemon = new_daemon(settings_of(server))
    daemon.wait_for_store() if check != "memory" else wait_until(lambda: daemon.status()["store"]["available"], "available")
    daemon.wait_for_log(f"warning redis unix:.*: {line}")
    assert set(warnings_of(daemon)) == {check}
    assert metric(daemon, check) == 1
    assert {metric(daemon, other) for other in ("eviction", "persistence", "memory", "bgsave", "aof") if other != check} == {0}
    assert check in daemon.ctl("status").output


def test_nothing_to_say(new_daemon, redis):
    daemon = new_daemon(settings_of(redis)).wait_for_store()
    wait_until(lambda: metric(daemon, "persistence") == 0, "looked at")
    assert warnings_of(daemon) == {}
    assert [line for line in daemon.log().splitlines() if " warning " in line and "as root" not in line] == []


def test_a_save_that_failed(new_daemon, new_redis):
    server = new_redis(aof=True, start=False, config={"dbfilename": "directory"})
    (server.directory / "directory").mkdir()
    server.start()
    server.client().bgsave()
    wait_until(lambda: server.client().info("persistence")["rdb_last_bgsave_status"] == "err", "it failed")
    daemon = new_daemon(settings_of(server))
    daemon.wait_for_log("the last background save failed")
    assert "bgsave" in warnings_of(daemon)


def test_one_line_per_connect(new_daemon, new_redis):
    server = new_redis()
    daemon = new_daemon(settings_of(server)).wait_for_store()
    daemon.wait_for_log("neither an append-only file")
    for connects in (2, 3):
        server.client().client_kill_filter(skipme=True)
        wait_until(lambda: daemon.status()["store"]["connects"] == connects, "connected again")
        wait_until(lambda: daemon.log().count("neither an append-only file") == connects, "said again")
    assert daemon.count() == 1


def test_a_user_who_may_not_look(new_daemon, new_redis):
    """No warning, and no repeated questions."""
    server = new_redis(config={"user": ["counter on nopass ~* &* +@all -config -info"], "maxmemory": "100mb", "maxmemory-policy": "allkeys-lru"})
    daemon = new_daemon({**settings_of(server), "redis.username": "counter"}).wait_for_store()
    assert [daemon.count() for _ in range(3)] == [1, 2, 3]
    assert "NOPERM" not in daemon.log()
    assert warnings_of(daemon) == {}
    assert metric(daemon, "eviction") is None


@pytest.mark.parametrize("reply", [b"*0\r\n", b"$-1\r\n", b"*-1\r\n", b":7\r\n", b"-ERR no\r\n", b"*3\r\n:1\r\n*0\r\n$1\r\nx\r\n"])
def test_replies_in_any_shape(new_daemon, directory, reply):
    fake = FakeRedis(directory / "fake.sock", lambda words: reply if words[0] in ("CONFIG", "INFO") else error_to_apply(None)(words))
    daemon = new_daemon({"store.backend": "redis", "redis.socket": fake.path, **HASTY})
    wait_until(lambda: daemon.status()["store"]["available"], "available")
    wait_until(lambda: sum(words[0] == "CONFIG" for words in fake.commands) >= 5, "asked")
    assert daemon.count() == 7
    assert (daemon.status()["store"]["connects"], warnings_of(daemon)) == (1, {})
    fake.finish()


def test_a_proxy_that_hangs_up_at_config(new_daemon, directory):
    """Some proxies hang up at unknown commands. The daemon stops asking."""
    def answer(words):
        if words[0] == "CONFIG":
            raise ConnectionError("hang up")
        return error_to_apply(None)(words)

    fake = FakeRedis(directory / "fake.sock", answer)
    daemon = new_daemon({"store.backend": "redis", "redis.socket": fake.path, **HASTY})
    daemon.wait_for_log("they are not asked any more")
    wait_until(lambda: daemon.status()["store"]["available"], "available")
    connects = daemon.status()["store"]["connects"]
    assert [daemon.count() for _ in range(5)] == [7] * 5
    assert daemon.status()["store"]["connects"] == connects
    fake.finish()


@pytest.mark.slow
def test_idle_connections_that_redis_closes(new_daemon, new_redis):
    """With `timeout 1` in redis.conf, the daemon logs one line and keeps the connection alive."""
    server = new_redis(aof=True, config={"timeout": "1"})
    daemon = new_daemon(settings_of(server)).wait_for_store()
    daemon.wait_for_log("timeout is 1 s")
    lines = daemon.log().count("\n")
    end = time.monotonic() + 5
    wait_until(lambda: time.monotonic() > end, "some times as long as that")
    assert daemon.log().count("\n") == lines
    assert daemon.status()["store"]["connects"] == 1


@pytest.mark.slow
def test_idle_connections_that_redis_closes_unseen(new_daemon, new_redis):
    """A user that may not read the timeout still learns it: after the second loss the daemon keeps the connection alive."""
    server = new_redis(aof=True, config={"timeout": "1", "user": ["counter on nopass ~* &* +@all -config"]})
    daemon = new_daemon({**settings_of(server), "redis.username": "counter"}).wait_for_store()
    wait_until(lambda: "idle connections are closed after about" in daemon.log(), "learnt", 20)
    connects = daemon.wait_for_store().status()["store"]["connects"]
    lines = daemon.log().count("\n")
    end = time.monotonic() + 5
    wait_until(lambda: time.monotonic() > end, "some times as long as that")
    assert (daemon.log().count("\n"), daemon.status()["store"]["connects"]) == (lines, connects)
