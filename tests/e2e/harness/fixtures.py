# SPDX-License-Identifier: MIT
"""Fixtures and hooks, for tests/e2e and other suites: a conftest.py imports all of them.

Each test has a directory, processes and ports of its own.
"""

import os
import pathlib
import shutil
import tempfile

import pytest

from harness import BUILD, DEADLINE, Daemon, Nginx, Redis, RedisStore, SqliteStore, Visitors, WallClock

BENCH = pytest.StashKey()


def is_sanitized():
    return b"__asan_init" in (BUILD / "visitcountd").read_bytes()


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes more than a few seconds")
    config.addinivalue_line("markers", "plain_build: makes no sense with sanitizers, which do the same by other means")


def pytest_collection_modifyitems(config, items):
    if not (BUILD / "visitcountd").exists():
        pytest.exit(f"{BUILD}/visitcountd is missing: build it (make), or set BUILD", returncode=2)
    if is_sanitized():
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("plain_build")])
        items[:] = [item for item in items if not item.get_closest_marker("plain_build")]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """In CI a skipped test fails. A failure shows the logs of the test's processes."""
    outcome = yield
    report = outcome.get_result()
    if report.skipped and os.environ.get("CI") == "true" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"may not be skipped in CI: {report.longrepr[2]}"
    if report.failed:
        for process in item.stash[BENCH].processes() if BENCH in item.stash else []:
            report.sections.append((f"log of {process.name}", process.log()[-4000:]))


class Bench:
    """The processes of a test. They end after it in reverse order."""

    def __init__(self, directory):
        self.directory = directory
        self.parts = []

    def add(self, part):
        self.parts.append(part)
        return part

    def processes(self):
        return [part.process for part in self.parts if part.process is not None and part.process.log_path.exists()]

    def finish(self):
        failures = []
        for part in reversed(self.parts):
            try:
                part.finish()
            except (Exception, pytest.fail.Exception) as failure:
                failures.append(failure)
        if failures:
            raise failures[0]


@pytest.fixture
def directory():
    """An empty directory with a short path, because the path of a unix socket has at most 107 bytes."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="vc-"))
    path.chmod(0o755)  # nginx's workers run as another user
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def bench(request, directory):
    made = request.node.stash[BENCH] = Bench(directory)
    yield made
    made.finish()


@pytest.fixture
def new_daemon(bench):
    """new_daemon(settings) returns a running Daemon; with start=False it is not started."""
    def make(settings=None, *, start=True, **arguments):
        daemon = bench.add(Daemon(bench.directory, settings, **arguments))
        return daemon.start() if start else daemon
    return make


@pytest.fixture
def new_redis(bench):
    def make(*, start=True, **arguments):
        server = bench.add(Redis(bench.directory, **arguments))
        return server.start() if start else server
    return make


@pytest.fixture
def redis(new_redis):
    """A Redis that never loses an answered command."""
    return new_redis(aof=True)


@pytest.fixture
def redis_store(redis):
    return RedisStore(redis)


@pytest.fixture(params=["sqlite", "redis"])
def store(request, directory):
    """Runs the test on both stores, one after the other."""
    if request.param == "sqlite":
        return SqliteStore(directory / "visits.db")
    return RedisStore(request.getfixturevalue("redis"))


@pytest.fixture
def daemon(new_daemon, store):
    """A daemon on each store, once it has opened the store."""
    return new_daemon(store.settings).wait_for_store()


@pytest.fixture
def wall_clock(directory):
    """A wall clock that the test sets: see harness/wall_clock.py."""
    return WallClock(directory)


@pytest.fixture
def new_nginx(bench):
    def make(addresses, **arguments):
        return bench.add(Nginx(bench.directory, addresses, **arguments)).start()
    return make


@pytest.fixture
def visitors(bench):  # bench: visitors end before the daemons
    """visitors(addresses, …) returns running Visitors. They stop at the end of the test at the latest."""
    made = []

    def make(addresses, **arguments):
        made.append(Visitors(addresses, **arguments))
        made[-1].start()
        return made[-1]

    yield make
    for one in made:
        one.stop()
        one.join(DEADLINE)
