# SPDX-License-Identifier: MIT
"""visitcountctl backup: a copy of the SQLite database while visits are counted."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import threading

import pytest

from harness import BUILD, Connection, SqliteStore, run_ctl, wait_until

DONE, REFUSED, UNREACHABLE, USAGE, OUTPUT = 0, 1, 2, 64, 74


@pytest.fixture
def sqlite_store(directory):
    return SqliteStore(directory / "data" / "visits.db")


def fill(store, pages):
    """Adds pages of another site, so that a copy takes many steps."""
    with contextlib.closing(sqlite3.connect(store.path, timeout=10)) as connection, connection:
        connection.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
                           "INSERT INTO hits (site, page, total) SELECT 'large', printf('/%0400d', i), 1 FROM n", [pages])


def check_file(path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_backup_has_every_visit_that_was_answered_before(new_daemon, sqlite_store, visitors, directory):
    daemon = new_daemon(sqlite_store.settings).wait_for_store()
    fill(sqlite_store, 100_000)
    crowd = visitors([daemon.address], targets=["/count", "/v1/hit/default/a", "/v1/hit/default/b"])
    wait_until(lambda: len(crowd.numbers["/count"]) > 200, "visits are counted")
    for i in range(3):
        answered = {target: len(numbers) for target, numbers in crowd.numbers.copy().items()}
        path = directory / f"backup-{i}.db"
        result = daemon.ctl("backup", path, "--json")
        assert (result.status, result.errors) == (DONE, "")
        assert result.json() == {"file": str(path), "bytes": path.stat().st_size}
        assert path.stat().st_mode & 0o7777 == 0o600
        check_file(path)
        copy = SqliteStore(path)
        for target, page in (("/count", "/"), ("/v1/hit/default/a", "/a"), ("/v1/hit/default/b", "/b")):
            assert copy.total(page=page) >= answered[target]
        assert copy.total(page="") == copy.total(page="/") + copy.total(page="/a") + copy.total(page="/b"), "one moment"
        assert copy.series_totals() == (copy.total(page=""),) * 2
    crowd.stop()
    result = crowd.finish()
    assert (result.refused, result.unknown, result.broken, result.others) == (0, 0, 0, [])
    assert sorted(os.listdir(sqlite_store.path.parent)) == ["visits.db", "visits.db-shm", "visits.db-wal"]
    assert not list(directory.glob("*.part-*"))


def test_a_backup_is_restored(new_daemon, sqlite_store, directory):
    """A plain copy of the file lacks the data in the write-ahead log."""
    daemon = new_daemon(sqlite_store.settings).wait_for_store()
    for number in range(1, 21):
        assert daemon.count() == number
    assert daemon.fetch("/count", headers={"Idempotency-Key": "k"}).number == 21
    assert daemon.ctl("backup", directory / "backup.db").output == f"file         {directory}/backup.db\nbytes        {(directory / 'backup.db').stat().st_size}\n"
    daemon.count()
    daemon.kill()
    shutil.copy(directory / "backup.db", directory / "restored.db")
    restored = new_daemon({"sqlite.path": str(directory / "restored.db"), "store.backend": "sqlite"}, name="restored").wait_for_store()
    assert restored.fetch("/count", headers={"Idempotency-Key": "k"}).number == 21, "tokens are in it"
    assert restored.count() == 22
    assert SqliteStore(directory / "restored.db").series_totals() == (22, 22)


def test_a_file_that_is_there_is_not_replaced(new_daemon, sqlite_store, directory):
    daemon = new_daemon(sqlite_store.settings).wait_for_store()
    path = directory / "backup.db"
    path.write_text("precious")
    result = daemon.ctl("backup", path)
    assert (result.status, result.output) == (OUTPUT, "")
    assert f"{path} is there already; --force replaces it" in result.errors
    assert path.read_text() == "precious"
    assert daemon.ctl("--force", "backup", path).status == DONE
    check_file(path)
    (directory / "somewhere").mkdir()
    assert "is a directory" in daemon.ctl("--force", "backup", directory / "somewhere").errors
    assert "No such file or directory" in daemon.ctl("backup", directory / "none" / "backup.db").errors
    assert daemon.ctl("backup").status == USAGE
    assert daemon.ctl("backup", directory / "x", "--watch").status == USAGE


@pytest.mark.parametrize("through_link", [False, True])
def test_a_database_in_use_is_not_replaced(new_daemon, sqlite_store, directory, through_link):
    """Otherwise the instance would go on with a deleted file, and all its visits would be lost at a restart."""
    daemon = new_daemon(sqlite_store.settings).wait_for_store()
    assert daemon.count() == 1
    target = sqlite_store.path
    if through_link:
        (directory / "link").symlink_to(target.parent)
        target = directory / "link" / target.name
    result = daemon.ctl("--force", "backup", target)
    assert result.status == OUTPUT and f"{target}-wal is there" in result.errors, result
    assert daemon.count() == 2
    daemon.stop()
    assert os.listdir(sqlite_store.path.parent) == ["visits.db"], "nothing is left"
    assert sqlite_store.total() == 2


def test_only_files_are_replaced(new_daemon, sqlite_store, directory):
    daemon = new_daemon(sqlite_store.settings).wait_for_store()
    os.mkfifo(directory / "pipe")
    (directory / "out").symlink_to("/dev/null")
    for name in ("pipe", "out"):
        result = daemon.ctl("--force", "backup", directory / name)
        assert result.status == OUTPUT and f"{directory / name} is no regular file" in result.errors, result
    assert (directory / "pipe").is_fifo() and (directory / "out").is_symlink()
    (directory / "dangling").symlink_to(directory / "none")
    assert daemon.ctl("--force", "backup", directory / "dangling").status == DONE
    check_file(directory / "dangling")


def test_a_relative_file_is_where_the_command_runs(new_daemon, sqlite_store, directory):
    daemon = new_daemon(sqlite_store.settings).wait_for_store()
    done = subprocess.run([(BUILD / "visitcountctl").resolve(), "--socket", daemon.admin_socket, "backup", "here.db"], cwd=directory, check=False)
    assert done.returncode == DONE
    check_file(directory / "here.db")


def test_redis_is_backed_up_where_it_runs(new_daemon, redis_store, directory):
    daemon = new_daemon(redis_store.settings).wait_for_store()
    result = daemon.ctl("backup", directory / "backup.db")
    assert result.status == REFUSED
    assert re.fullmatch(r"visitcountctl: the store is Redis, .*BGSAVE.*\n", result.errors)
    assert not list(directory.glob("backup*"))


def test_a_store_that_cannot_be_copied_is_said(new_daemon, sqlite_store, directory):
    daemon = new_daemon(sqlite_store.settings).wait_for_store()
    sqlite_store.path.unlink()
    result = daemon.ctl("backup", directory / "backup.db")
    assert result.status == REFUSED and "unable to open database file" in result.errors
    assert not list(directory.glob("backup*"))


def ask_for_backup(daemon):
    """A client that reads the first bytes of a copy and no more."""
    client = Connection(daemon.admin_socket)
    client.send(b"POST /backup HTTP/1.0\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
    while b"\nbytes " not in client.received:
        client.receive()
    return client


def test_one_that_was_interrupted_makes_room(new_daemon, sqlite_store, directory):
    """After an interrupted backup another one may begin."""
    daemon = new_daemon(sqlite_store.settings).wait_for_store()
    fill(sqlite_store, 100_000)
    command = subprocess.Popen([BUILD / "visitcountctl", "--socket", daemon.admin_socket, "backup", directory / "first.db"])
    wait_until(lambda: list(directory.glob("first.db.part-*")), "it has begun")
    command.send_signal(signal.SIGINT)
    assert command.wait(30) == -signal.SIGINT
    wait_until(lambda: daemon.ctl("backup", directory / "second.db").status == DONE, "there is room")
    check_file(directory / "second.db")


def test_nothing_is_left_beside_the_database(new_daemon, sqlite_store):
    """No file stays if the client or the daemon (kill -9) ends during the copy."""
    daemon = new_daemon(sqlite_store.settings).wait_for_store()
    fill(sqlite_store, 20_000)
    with ask_for_backup(daemon):
        assert daemon.count() == 1
    assert daemon.count() == 2
    with ask_for_backup(daemon):
        assert set(os.listdir(sqlite_store.path.parent)) == {"visits.db", "visits.db-shm", "visits.db-wal"}
        daemon.kill()
    assert set(os.listdir(sqlite_store.path.parent)) <= {"visits.db", "visits.db-shm", "visits.db-wal"}
    daemon.start().wait_for_store()
    assert daemon.count() == 3


def test_a_daemon_that_drains_ends_the_backup(new_daemon, sqlite_store):
    daemon = new_daemon({"drain.timeout": "100ms", **sqlite_store.settings}).wait_for_store()
    fill(sqlite_store, 20_000)
    with ask_for_backup(daemon):
        daemon.stop()


@contextlib.contextmanager
def somebody_else(path, reply, is_done):
    """Another program that answers one request on this socket, and closes it when `is_done` is set."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def answer():
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + reply)
                is_done.wait(30)

        thread = threading.Thread(target=answer)
        thread.start()
        yield
        is_done.set()
        thread.join()


@pytest.mark.parametrize("reply, status, why", [
    (b"copying\nbytes 100\nabc", UNREACHABLE, "cut off"), (b"copying\n", UNREACHABLE, "cut off"), (b"", UNREACHABLE, "cut off"),
    (b"copying\nerror no room\n", REFUSED, "no room"), (b"nonsense\n", UNREACHABLE, "not understood"), (b"bytes 2\nabc", UNREACHABLE, "more than it said"),
    (b"x" * 2000, UNREACHABLE, "not understood")])
def test_a_copy_that_is_not_whole_gets_no_name(directory, reply, status, why):
    is_done = threading.Event()
    is_done.set()
    with somebody_else(directory / "admin.sock", reply, is_done):
        result = run_ctl("--socket", directory / "admin.sock", "backup", directory / "backup.db")
    assert result.status == status and why in result.errors, result.errors
    assert not list(directory.glob("backup*"))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_command_that_is_ended_leaves_no_half_file(directory, number):
    is_done = threading.Event()
    with somebody_else(directory / "admin.sock", b"bytes 100000\n" + b"x" * 5000, is_done):
        command = subprocess.Popen([BUILD / "visitcountctl", "--socket", directory / "admin.sock", "backup", directory / "backup.db"])
        wait_until(lambda: any(path.stat().st_size == 5000 for path in directory.glob("backup.db.part-*")), "a part is there")
        command.send_signal(number)
        assert command.wait(30) == -number
    assert not (directory / "backup.db").exists()
    assert number == signal.SIGKILL or not list(directory.glob("backup*"))


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT])
def test_a_signal_that_is_ignored_stays_so(directory, number):
    """nohup ignores SIGHUP, and a shell ignores signals for programs in the background."""
    is_done = threading.Event()
    with somebody_else(directory / "admin.sock", b"bytes 100000\n" + b"x" * 5000, is_done):
        command = subprocess.Popen([BUILD / "visitcountctl", "--socket", directory / "admin.sock", "backup", directory / "backup.db"],
                                   preexec_fn=lambda: signal.signal(number, signal.SIG_IGN), stderr=subprocess.DEVNULL)
        wait_until(lambda: any(path.stat().st_size == 5000 for path in directory.glob("backup.db.part-*")), "a part is there")
        command.send_signal(number)
        is_done.set()
        assert command.wait(30) == UNREACHABLE, "the answer was cut off"
    assert not list(directory.glob("backup*"))


def test_silence_ends_the_wait(directory):
    is_done = threading.Event()
    with somebody_else(directory / "admin.sock", b"copying\nbytes 100\nabc", is_done):
        result = run_ctl("--socket", directory / "admin.sock", "--timeout", "300ms", "backup", directory / "backup.db")
    assert result.status == UNREACHABLE and "no answer within 300ms" in result.errors
    assert not list(directory.glob("backup*"))


def test_a_refusal_in_json(new_daemon, redis_store, directory):
    daemon = new_daemon(redis_store.settings).wait_for_store()
    assert json.loads(daemon.ctl("--json", "backup", directory / "x").output)["error"]["code"] == "no_backup"
