# SPDX-License-Identifier: MIT
"""A server answers each write with an error. Instances retain all answered batches during the refusal, however long it lasts, because the next master
may lack them."""

import pytest

from harness import RedisStore, wait_until

from parts import PATIENT, link_settings, pass_seconds

#: Errors of a whole server, as servers.py makes them.
REFUSALS = ["noreplicas", "readonly", "out_of_memory", "misconf"]


@pytest.fixture
def front(new_proxy, servers):
    return new_proxy(servers.address)


def has_refused(daemon):
    """Makes a visit and returns whether the store refuses it."""
    return daemon.fetch("/v1/hit/default/probe").status == 503


@pytest.mark.parametrize("name", REFUSALS)
def test_refused_for_longer_than_is_retained_then_failed_over(new_daemon, servers, front, name):
    """The replica lacks answered visits. When it becomes the master, the instance resends them."""
    daemon = new_daemon({**link_settings(front), "count.max_wait": "100ms", "ledger.retain": "1s"}).wait_for_store()
    for _ in range(10):
        daemon.count()
    wait_until(servers.is_in_step, "the replica has ten")
    servers.hold_back()
    for _ in range(15):
        daemon.count()
    getattr(servers, f"refuse_{name}")(servers.master)
    wait_until(lambda: has_refused(daemon), "the server refuses")
    pass_seconds(3, lambda: daemon.fetch("/v1/hit/default/probe"))
    assert has_refused(daemon)
    servers.promote()
    front.switch(servers.address)
    front.cut()
    store = RedisStore(servers.master)
    wait_until(lambda: store.total() == 25, lambda: f"healed; it has {store.total()}; {daemon.status()['batches']}")
    wait_until(lambda: daemon.fetch().status == 200, "it counts")
    batches = daemon.status()["batches"]
    assert (batches["healed_visits"] >= 15, batches["lost_visits"]) == (True, 0)


@pytest.mark.parametrize("name", [*REFUSALS, "busy"])
def test_refused_for_a_while_under_load(new_daemon, servers, front, visitors, name):
    """Waiting visits are counted once when the refusal is over."""
    daemon = new_daemon({**link_settings(front), **PATIENT}).wait_for_store()
    crowd = visitors([daemon.address], connections=16, targets=["/count", "/v1/hit/default/a"])
    for _ in range(2):
        crowd.wait_for_more(100)
        if name == "noreplicas":
            servers.hold_back()
        getattr(servers, f"refuse_{name}")(servers.master)
        wait_until(lambda: daemon.status()["visits"]["waiting"] >= 16, "all of them wait")
        getattr(servers, f"accept_{name}")(servers.master)
        servers.join()
    crowd.wait_for_more(100)
    crowd.stop()
    crowd.finish()
    store = RedisStore(servers.master)
    crowd.check_exact({"/count": store.total(), "/v1/hit/default/a": store.total(page="/a")})
    assert daemon.status()["visits"]["refused"] == 0
