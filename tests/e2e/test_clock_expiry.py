# SPDX-License-Identifier: MIT
"""Expiry of data while the wall clock of an instance or of Redis jumps."""

import pytest

from harness import RedisStore
from harness.wall_clock import DAY, HOUR


@pytest.mark.parametrize("ahead_s", [500 * DAY, 20 * DAY, -500 * DAY], ids=["500d", "20d", "-500d"])
def test_one_visit_under_another_clock_deletes_no_history(new_daemon, store, wall_clock, ahead_s):
    """Guards: one visit with the clock 500 days ahead made SQLite lose all numbers by day and hour."""
    daemon = new_daemon({"dashboard.public": True, **store.settings}, environment=wall_clock.environment).wait_for_store()
    for _ in range(5):
        daemon.count()
    before = store.series_totals()
    assert before == (5, 5)
    wall_clock.set_ahead(ahead_s)
    assert daemon.count() == 6
    wall_clock.set_ahead(0)
    assert daemon.count() == 7
    assert store.series_totals() == (7, 7)
    assert daemon.fetch("/v1/series/default/").json()["values"][-1]["count"] + daemon.fetch("/v1/series/default/").json()["values"][-2]["count"] == 6


def test_an_instance_that_starts_under_another_clock_deletes_no_history(new_daemon, store, wall_clock):
    """The instance sees no jump then. The newest day in the store shows the error."""
    daemon = new_daemon(store.settings, start=False, environment=wall_clock.environment)
    for ahead_s in (0, 500 * DAY, 0):
        wall_clock.set_ahead(ahead_s)
        daemon.start().wait_for_store().count()
        daemon.stop()
    assert store.series_totals() == (3, 3)
    assert store.total() == 3


def test_a_client_is_known_again_after_another_clock(new_daemon, store, wall_clock):
    """Guards: with a clock that was ahead, the sweep of old tokens deleted tokens in use, and a repetition was counted."""
    daemon = new_daemon(store.settings, environment=wall_clock.environment).wait_for_store()
    assert daemon.fetch("/count", headers={"Idempotency-Key": "one"}).number == 1
    wall_clock.set_ahead(500 * DAY)
    assert daemon.count() == 2
    wall_clock.set_ahead(0)
    assert daemon.fetch("/count", headers={"Idempotency-Key": "one"}).number == 2


@pytest.mark.parametrize("whose", ["redis", "both", "instance"])
def test_no_epoch_in_use_is_forgotten(new_daemon, new_redis, wall_clock, whose):
    """Guards: while Redis' clock was ahead, a new epoch dropped those of other instances. Batches that these had retained would count twice."""
    store = RedisStore(new_redis(environment=wall_clock.environment if whose != "instance" else None))
    first = new_daemon(store.settings).wait_for_store()
    assert first.count() == 1
    wall_clock.set_ahead(500 * DAY)
    second = new_daemon(store.settings, name="second", environment=wall_clock.environment if whose != "redis" else None).wait_for_store()
    assert second.count() == 2
    assert len([field for field in store.client().hkeys("vc:{default}:ledger") if field.startswith("g")]) == 2, "the epochs"
    wall_clock.set_ahead(0)
    assert [first.count(), second.count()] == [3, 4]
    assert store.total() == 4


def test_an_epoch_that_is_long_gone_is_forgotten(new_daemon, redis_store):
    client = redis_store.client()
    now_s = client.time()[0]
    ages = {"a" * 32: 8 * DAY, "b" * 32: 6 * DAY, "c" * 32: HOUR}
    client.hset("vc:{default}:ledger", mapping={epoch: f"1 1 {now_s - age_s} 1" for epoch, age_s in ages.items()})
    new_daemon(redis_store.settings).wait_for_store().count()
    assert {"b" * 32, "c" * 32} < set(client.hgetall("vc:{default}:ledger")) and not client.hexists("vc:{default}:ledger", "a" * 32)
