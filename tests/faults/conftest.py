# SPDX-License-Identifier: MIT
"""Fixtures of this directory. The harness and its fixtures come from tests/e2e."""

import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "e2e"), str(HERE)]
pytest.register_assert_rewrite("harness", "parts", "servers", "storm")

from harness.fixtures import *  # noqa: E402,F401,F403
from parts import Pair, RollbackRedis  # noqa: E402
from proxy import Proxy  # noqa: E402
from servers import Servers  # noqa: E402


@pytest.fixture
def new_proxy():
    """new_proxy(target) returns a running Proxy, which ends with the test."""
    made = []

    def make(target, **arguments):
        made.append(Proxy(target, **arguments).start())
        return made[-1]

    yield make
    for proxy in made:
        proxy.finish()


@pytest.fixture
def new_rollback_redis(bench):
    def make(**arguments):
        return bench.add(RollbackRedis(bench.directory, **arguments)).start()
    return make


@pytest.fixture
def pair(new_redis, new_proxy):
    return Pair(new_redis, new_proxy)


@pytest.fixture
def servers(directory):
    """A master, and a replica with all its data."""
    made = Servers(directory, fsync="everysec", seed=1)
    made.start()
    yield made
    made.finish()
