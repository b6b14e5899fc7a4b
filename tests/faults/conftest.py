# SPDX-License-Identifier: MIT
"""What the tests of this directory share. The parts and their fixtures are those of tests/e2e."""

import importlib.util
import os
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
E2E = pathlib.Path(os.environ.get("FAULTS_HARNESS", ROOT / "tests" / "e2e"))
sys.path[:0] = [str(E2E), str(pathlib.Path(__file__).parent)]


def load_fixtures():
    """tests/e2e/conftest.py under another name: two modules cannot both be called conftest."""
    spec = importlib.util.spec_from_file_location("e2e_conftest", E2E / "conftest.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["e2e_conftest"] = module
    spec.loader.exec_module(module)
    return module


e2e = load_fixtures()
pytest_configure = e2e.pytest_configure
pytest_collection_modifyitems = e2e.pytest_collection_modifyitems
pytest_runtest_makereport = e2e.pytest_runtest_makereport
directory, bench, new_daemon, new_redis, redis, new_nginx, visitors = (
    e2e.directory, e2e.bench, e2e.new_daemon, e2e.new_redis, e2e.redis, e2e.new_nginx, e2e.visitors)

from parts import Pair, RollbackRedis  # noqa: E402
from proxy import Proxy  # noqa: E402


@pytest.fixture
def new_proxy():
    """new_proxy(target) is a Proxy that runs; it ends with the test."""
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
