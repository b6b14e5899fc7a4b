# SPDX-License-Identifier: MIT
"""The name of the store has several addresses, one of them the master's. The daemon finds it in any position."""

import pytest

from harness import wait_until

from addresses import Addresses
from parts import PATIENT

#: States of an address that is not the master's.
NO_USE = ["refuses", "hangs", "drops", "replica"]

#: Short timeouts of an attempt.
QUICK = {**PATIENT, "redis.connect_timeout": "200ms", "redis.command_timeout": "300ms"}


@pytest.fixture
def addresses(directory, servers):
    made = Addresses(directory, servers, 3, seed=1)
    made.start()
    yield made
    made.finish()


@pytest.fixture
def make_daemon(new_daemon, addresses):
    def make():
        return new_daemon({**addresses.settings, **QUICK}, wrapper=Addresses.wrapper(addresses.hosts))
    return make


@pytest.mark.parametrize("state", NO_USE)
def test_the_last_address_is_the_masters(make_daemon, addresses, state):
    """The daemon finds it at the start; log and status name it."""
    addresses.set([state, state, "master"])
    daemon = make_daemon()
    daemon.wait_for_store()
    assert daemon.count() == 1
    host = addresses.good.address[0]
    assert daemon.status()["store"]["peer"] == "%s:%d" % addresses.good.address
    daemon.wait_for_log(f"ready.*{host}")


@pytest.mark.parametrize("state", NO_USE)
def test_another_address_becomes_the_masters(make_daemon, addresses, state):
    """The master's address changes again and again while the daemon runs."""
    daemon = make_daemon().wait_for_store()
    visits = 0
    for good in (1, 0, 2, 1):
        addresses.set(["master" if index == good else state for index in range(3)])
        visits += 1
        assert daemon.count() == visits
    wait_until(lambda: addresses.good.open_connections() == 1, "one connection, to the master")
