# SPDX-License-Identifier: MIT
"""The memory of Idempotency-Keys in Redis: how much, for how long, and which data are dropped if memory is short."""

import re
import time

import pytest

from harness import RedisStore, fetch, wait_until
from harness.client import Connection

#: Settings without budgets: only the store limits the number of keys.
NO_BUDGETS = {"limits.idempotency_keys": "", "limits.idempotency_keys_total": ""}
KEY_MAX = 128
MIB = 1 << 20


class Flood:
    """Visits of one client on many connections at once, each with a key of its own of the greatest length."""

    def __init__(self, daemon, connections=48):
        self.connections = [Connection(daemon.address) for _ in range(connections)]
        self.sent = 0
        self.counted = 0
        self.statuses = {}

    def wave(self, site="s"):
        for connection in self.connections:
            key = f"{self.sent:x}".rjust(KEY_MAX, "k")
            connection.send(f"GET /v1/hit/{site}/flood HTTP/1.1\r\nHost: x\r\nIdempotency-Key: {key}\r\n\r\n")
            self.sent += 1
        for connection in self.connections:
            answer = connection.answer()
            self.statuses[answer.status] = self.statuses.get(answer.status, 0) + 1
            self.counted += answer.status == 200

    def finish(self):
        for connection in self.connections:
            connection.socket.close()


@pytest.fixture
def server(new_redis):
    return new_redis(config={"maxmemory-policy": "noeviction", "maxmemory": 3 * MIB})


@pytest.fixture
def daemon(new_daemon, server):
    return new_daemon({"sites": ["s", "other"], "metrics.listen": ["127.0.0.1:0"], **NO_BUDGETS,
                       **RedisStore(server).settings}).wait_for_store()


def window_of(daemon):
    return daemon.status()["store"]["idempotency_key_window_s"]


def metric(daemon, name):
    return float(re.search(rf"^{name} (\S+)$", fetch(daemon.addresses("metrics")[0], "/metrics").text, re.M)[1])


def keys_of(client):
    return client.keys("vc:{*}:seen:client:*")


def test_the_room_of_a_key(daemon, server):
    """A key takes sixteen bytes, however long it is. It is kept for at most 1 h and one bucket of half an hour."""
    flood = Flood(daemon)
    client = server.client(decode_responses=False)
    for _ in range(100):
        flood.wave()
    keys = keys_of(client)
    members = sum(client.scard(key) for key in keys)
    used = sum(client.memory_usage(key, samples=0) for key in keys)
    flood.finish()
    assert flood.statuses == {200: flood.sent} and members == flood.sent
    assert used / members < 90
    assert all(len(client.srandmember(key)) == 16 for key in keys)
    assert all(3590 <= client.ttl(key) <= 5400 for key in keys)
    assert window_of(daemon) == 3600 and metric(daemon, "visitcountd_idempotency_key_window_seconds") == 3600


def test_keys_of_one_client_do_not_stop_the_counting(daemon, server):
    """The keys would fill the memory of Redis several times over. Visits without a key still count. No visit counts twice or is lost."""
    client = server.client()
    flood = Flood(daemon)
    honest = fetch(daemon.address, "/v1/hit/other/honest")
    statuses = [honest.status]
    for _ in range(2000):
        flood.wave()
        statuses.append(fetch(daemon.address, "/v1/hit/other/honest").status)
        if flood.statuses.get(429):
            break
    assert flood.statuses.get(429), "the memory was full, so keys are refused"
    for _ in range(20):
        flood.wave()
        statuses.append(fetch(daemon.address, "/v1/hit/other/honest").status)
    assert statuses[-20:] == 20 * [200], "all others count"
    assert statuses.count(200) >= 0.95 * len(statuses), statuses
    assert client.info("memory")["used_memory"] < client.info("memory")["maxmemory"]
    log = daemon.log()
    assert re.search(r"memory is (short|full): an? .*Idempotency-Key", log) or "all Idempotency-Keys are forgotten" in log, log
    answer = fetch(daemon.address, "/v1/hit/s/p", headers={"Idempotency-Key": "x"})
    assert (answer.status, answer.error) == (429, "too_many_idempotency_keys") and "memory" in answer.text
    assert int(answer.headers["retry-after"]) >= 1
    assert window_of(daemon) == 0 and metric(daemon, "visitcountd_idempotency_key_window_seconds") == 0
    assert int(client.zscore("vc:{s}:hits", "") or 0) == flood.counted
    assert int(client.zscore("vc:{other}:hits", "")) == statuses.count(200)
    # with more memory all is as before
    client.config_set("maxmemory", 100 * MIB)
    wait_until(lambda: window_of(daemon) == 3600, "the window grows")
    assert "memory is free again" in daemon.log()
    for expected in ("counted", "duplicate"):
        assert fetch(daemon.address, "/v1/hit/s/p", headers={"Idempotency-Key": "x"}).json()["status"] == expected
    flood.finish()


def test_a_bucket_that_is_older_than_a_shorter_window(daemon, server):
    """Memory is nearly full. Buckets of all sites that are older than half an hour are dropped. Totals and newer keys stay."""
    client = server.client()
    now_s = int(time.time())
    for site in ("s", "other"):
        fetch(daemon.address, f"/v1/hit/{site}/p", headers={"Idempotency-Key": "now"})
        for age in (1, 2, 3):
            client.sadd(f"vc:{{{site}}}:seen:client:{now_s // 1800 - age}", "0123456789abcdef")
        client.sadd(f"vc:{{{site}}}:seen:3600:{now_s // 3600 - 2}", "01234567key")
    wait_until(lambda: client.smembers("vc:sites") == {"s", "other"}, "the sites are known to the store")
    client.config_set("maxmemory", 100 * MIB)
    client.setrange("other data", 20 * MIB, "x")  # so that the rest has room for a few connections
    used = client.info("memory")["used_memory"]
    client.config_set("maxmemory", used * 100 // 95)
    # redis_look notices it within a minute, the first refused visit at once
    client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    wait_until(lambda: window_of(daemon) < 3600, "the window shrinks")
    wait_until(lambda: not [key for key in keys_of(client) if int(key.rsplit(":", 1)[1]) < now_s // 1800 - 1], "old buckets are gone")
    assert not client.keys("vc:{*}:seen:3600:*")
    if int(time.time()) // 1800 != now_s // 1800:
        return  # the next bucket has begun, and the window may have become a minute
    for site in ("s", "other"):
        assert client.zscore(f"vc:{{{site}}}:hits", "/p") == 1
        assert fetch(daemon.address, f"/v1/hit/{site}/p", headers={"Idempotency-Key": "now"}).json()["status"] == "duplicate"
