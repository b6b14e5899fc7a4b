# SPDX-License-Identifier: MIT
"""The daemon is suspended for longer than the timeout of a visit (a paused machine, SIGSTOP), with a healthy store."""

import pathlib
import shutil
import tempfile
import time

import pytest

from harness import Connection

FROZEN_SECONDS = 0.35
MAX_WAIT = {"count.max_wait": "300ms", "redis.command_timeout": "300ms"}


@pytest.fixture
def directory():
    """A directory in memory. On a disk one fsync may take longer than the timeout of a visit here, which would not be a freeze."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="vc-", dir="/dev/shm"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


def freeze(process):
    """Suspends a process for FROZEN_SECONDS. The duration is the fault, so this test has to sleep."""
    process.pause()
    time.sleep(FROZEN_SECONDS)
    process.resume()


def freeze_under_load(daemon, visitors, total, between):
    """Makes `total` visits with a freeze after every `between` of them. Returns the visitors and the number of freezes."""
    load = visitors([daemon.address], connections=64, total=total)
    freezes = 0
    while load.is_alive() and load.sent + between + 64 < total:
        load.wait_for_more(between)
        freeze(daemon.process)
        freezes += 1
    return load.finish(), freezes


@pytest.mark.parametrize("sites", [["default"], ["*"]], ids=["listed", "any"])
def test_a_freeze_while_the_store_restarts_refuses_nobody(new_daemon, redis, redis_store, sites):
    """The store was away for a moment. The freeze of the daemon must not make that time longer."""
    daemon = new_daemon({**redis_store.settings, **MAX_WAIT, "sites": sites}).wait_for_store()
    for number in range(1, 6):
        mark = len(daemon.log())
        redis.kill()
        daemon.wait_for_log("retrying in", since=mark)
        daemon.process.pause()
        redis.start()
        time.sleep(FROZEN_SECONDS)
        with Connection(daemon.address) as connection:
            connection.send("GET /v1/hit/default/a HTTP/1.1\r\nHost: x\r\n\r\n")
            daemon.process.resume()
            answer = connection.answer()
        assert (answer.status, answer.headers["visitcount-status"]) == (200, "counted"), (number, daemon.log_since(mark))
    assert redis_store.total(page="/a") == 5


@pytest.mark.parametrize("has_journal", [False, True], ids=["plain", "journal"])
def test_a_freeze_refuses_nobody(new_daemon, store, visitors, directory, has_journal):
    """Visits from before the freeze wait as long as they would without it."""
    journal = {"journal.directory": f"{directory}/journal"} if has_journal else {}
    daemon = new_daemon({**store.settings, **MAX_WAIT, **journal}).wait_for_store()
    load, freezes = freeze_under_load(daemon, visitors, 6000, between=600)
    assert freezes >= 4, load
    load.check_exact({"/count": store.total()})
