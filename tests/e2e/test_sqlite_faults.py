# SPDX-License-Identifier: MIT
"""The embedded store without access to its file. The promises are the same as with Redis."""

import concurrent.futures
import sqlite3

import pytest

from harness import SqliteStore, wait_until
from harness.faults import LONG, PATIENT, SHORT, check_is_away, check_refused


@pytest.fixture
def path(directory):
    return directory / "data" / "visits.db"


def settings(path):
    return {"store.backend": "sqlite", "sqlite.path": str(path), **PATIENT}


def test_its_directory_is_made(new_daemon, directory):
    path = directory / "a" / "b" / "visits.db"
    assert new_daemon(settings(path)).count() == 1
    assert SqliteStore(path).total() == 1


def test_a_directory_that_cannot_be_made(new_daemon, directory, path):
    """A file has the directory's name (permissions do not stop root). Visits get 503, the log has one line, and the daemon recovers by itself."""
    (directory / "data").write_text("in the way")
    daemon = new_daemon({**settings(path), "count.max_wait": SHORT})
    daemon.wait_for_log(r"warning sqlite .*/data/visits.db: .*; retrying in \d+ ms")
    wait_until(lambda: daemon.fetch("/count").status == 503, "503")
    check_is_away(daemon)
    assert daemon.status()["store"]["last_error"]
    assert daemon.log().count("retrying in") == 1, "said once, not at each attempt"
    daemon.set_patience(LONG)
    (directory / "data").unlink()
    daemon.wait_for_store()
    assert daemon.count() == 1


@pytest.mark.parametrize("content", [b"this is a text, not a database" * 100, b"\0" * 8192, b"SQLite format 3\0" + b"\xff" * 4096],
                         ids=["text", "zeros", "broken"])
def test_a_file_that_is_no_database_is_left_alone(new_daemon, path, content):
    path.parent.mkdir()
    path.write_bytes(content)
    daemon = new_daemon({**settings(path), "count.max_wait": SHORT})
    daemon.wait_for_log("warning sqlite .*(not a database|malformed|is no|encrypted).*; retrying in")
    wait_until(lambda: daemon.fetch("/count").status == 503, "503")
    check_is_away(daemon)
    daemon.stop()
    assert path.read_bytes() == content


def test_a_database_of_somebody_else_is_left_alone(new_daemon, path):
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
    connection.close()
    before = path.read_bytes()
    daemon = new_daemon({**settings(path), "count.max_wait": SHORT})
    daemon.wait_for_log("warning sqlite .*; retrying in")
    check_refused(daemon.fetch("/count"))
    daemon.stop()
    assert path.read_bytes() == before


def test_a_database_that_another_process_holds(new_daemon, path):
    """Another process locks the database. Visits wait until their timeout and then get 503. Afterwards the daemon counts on without a gap."""
    daemon = new_daemon(settings(path)).wait_for_store()
    assert daemon.count() == 1
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    daemon.set_patience(SHORT)
    wait_until(lambda: daemon.fetch("/count").status == 503, "503")
    assert daemon.fetch("/livez", timeout=5).status == 200
    daemon.set_patience(LONG)
    other.execute("ROLLBACK")
    other.close()
    number = wait_until(lambda: daemon.fetch("/count").status == 200 and daemon.count(), "it counts again")
    status = daemon.status()["visits"]
    assert number == SqliteStore(path).total() <= status["applied"] + status["unknown"]


def test_a_database_that_is_held_for_a_moment(new_daemon, path):
    daemon = new_daemon({**settings(path)}).wait_for_store()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        number = pool.submit(daemon.count)
        wait_until(lambda: daemon.status()["visits"]["waiting"] == 1, "the visit waits")
        other.execute("ROLLBACK")
        assert number.result() == 1
    other.close()


def test_instances_with_a_file_each(new_daemon, directory):
    """The path has %i."""
    for name in ("one", "two"):
        daemon = new_daemon({"sqlite.path": f"{directory}/%i/visits.db"}, name=name)
        assert daemon.count() == 1
        assert SqliteStore(directory / name / "visits.db").total() == 1
