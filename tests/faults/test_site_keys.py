# SPDX-License-Identifier: MIT
"""Keys of one site in Redis are lost, or have a wrong type. The site is refused and no visit counts twice. The other sites are not affected."""

import pytest

from harness import RedisStore, wait_until

from parts import PATIENT, pass_seconds
from site_keys import break_key, lose_key, mend_key, put_back, site_key

#: The keys of a site that prove each other.
PROVEN = ["ledger", "hits"]


@pytest.fixture
def store(redis):
    return RedisStore(redis)


@pytest.fixture
def new_instance(new_daemon, store):
    def make(name="default", **settings):
        return new_daemon({**store.settings, "sites": ["a", "b"], **settings}, name=name).wait_for_store()
    return make


def count(daemon, site):
    return daemon.fetch(f"/v1/hit/{site}/page")


@pytest.mark.parametrize("rest", PROVEN)
def test_a_site_that_is_refused_takes_no_other_down(new_instance, redis, store, visitors, rest):
    """Five visitors of b wait all the time. A visitor of a comes now and then, after a pause longer than the timeout of a visit. By then no recent
    answer has shown the instance that the store applies batches."""
    daemon = new_instance(**{"count.max_wait": "300ms"})
    assert [count(daemon, site).json()["count"] for site in "ab"] == [1, 1]
    break_key(redis, site_key("b", rest))
    crowd = visitors([daemon.address], connections=5, targets=["/v1/hit/b/other"])
    wait_until(lambda: crowd.refused >= 5, "visitors of b are refused")
    for number in range(2, 8):
        pass_seconds(0.5)
        answer = count(daemon, "a")
        assert (answer.status, answer.json().get("count")) == (200, number), answer
    mend_key(redis, site_key("b", rest))
    wait_until(lambda: count(daemon, "b").status == 200, "b is counted again")
    crowd.stop()
    crowd.finish()
    assert crowd.answered + crowd.unknown >= store.total("b", "/other") >= crowd.answered
    assert daemon.status()["batches"]["gaps"] == 0


@pytest.mark.parametrize("rest", PROVEN)
def test_one_of_two_keys_is_lost_and_put_back(new_instance, redis, store, rest):
    """No instance counts a visit while a key is missing. Once the key is back, each answered visit counts."""
    daemons = [new_instance(name, **{"count.max_wait": "200ms"}) for name in "xy"]
    for number in range(1, 11):
        assert count(daemons[number % 2], "b").json()["count"] == number
    kept, _ = lose_key(redis, site_key("b", rest))
    for daemon in daemons:
        answer = count(daemon, "b")
        assert (answer.status, answer.error) == (503, "store_unavailable"), answer
        assert count(daemon, "a").status == 200
    put_back(redis, site_key("b", rest), kept)
    answer = wait_until(lambda: (found := count(daemons[0], "b")).status == 200 and found, "b is counted again")
    assert answer.json()["count"] == 11
    assert store.total("b", "/page") == 11
    assert store.total("a", "/page") == 2


@pytest.mark.parametrize("rest, trust, expected", [("ledger", "hits", 11), ("hits", "0", 1)])
def test_one_of_two_keys_is_lost_and_the_site_repaired(new_instance, redis, store, rest, trust, expected):
    """Retained batches are not resent: either the key that the operator trusts has them, or the operator does not want them."""
    daemons = [new_instance(name, **{"count.max_wait": "200ms"}) for name in "xy"]
    for number in range(1, 11):
        assert count(daemons[number % 2], "b").json()["count"] == number
    lose_key(redis, site_key("b", rest))
    assert [count(daemon, "b").status for daemon in daemons] == [503, 503]
    result = daemons[0].ctl("repair", "b", "--trust", trust)
    assert result.status == 0, result
    for number, daemon in enumerate([*daemons, *daemons], expected):
        answer = wait_until(lambda d=daemon: (found := count(d, "b")).status == 200 and found, "b is counted again")
        assert answer.json()["count"] == number
    assert store.total("b", "/page") == expected + 3
    assert sum(daemon.status()["batches"]["healed_visits"] for daemon in daemons) == 0


def test_both_keys_are_lost(new_instance, redis, store):
    """The site went back to its beginning. The retained batches restore all of it."""
    daemon = new_instance(**PATIENT)
    for number in range(1, 11):
        assert count(daemon, "b").json()["count"] == number
    redis.client().delete(*(site_key("b", rest) for rest in PROVEN))
    assert count(daemon, "b").json()["count"] == 11
    assert store.total("b", "/page") == 11
    batches = daemon.status()["batches"]
    assert (batches["healed_visits"], batches["lost_visits"]) == (10, 0)
