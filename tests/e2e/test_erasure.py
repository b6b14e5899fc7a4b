# SPDX-License-Identifier: MIT
"""After two days visitors cannot be identified any more: the files of the store have neither salts nor hashes of visitors.

The wall clock jumps. Then the test searches every file below the store's directory, also without a further visit.
"""

import re
import sqlite3

import pytest

from harness import RedisStore, SqliteStore, wait_until
from harness.wall_clock import DAY

VISITORS = 40
SETTINGS = {"sites": ["default", {"name": "u", "count": "unique"}], "http.max_connections": 200}


def visit_as_many(daemon):
    for number in range(VISITORS):
        for target in ("/count", "/v1/hit/u/a"):
            answer = daemon.fetch(target, headers={"X-Real-IP": f"198.51.100.{number}", "User-Agent": "Firefox"})
            assert answer.status == 200, answer


class Files:
    """The files below a directory, and the secrets that must vanish from them."""

    def __init__(self, directory):
        self.directory = directory
        self.secrets = {}

    def find(self):
        """{secret: the files that have it}"""
        found = {}
        for path in sorted(self.directory.rglob("*")):
            try:
                content = path.read_bytes() if path.is_file() and not path.is_socket() else b""
            except FileNotFoundError:
                continue  # Redis has deleted the file meanwhile
            for name, secret in self.secrets.items():
                if secret in content:
                    found.setdefault(name, []).append(path.name)
        return found

    def wait_until_erased(self):
        wait_until(lambda: not self.find(), lambda: f"{self.find()}", deadline=90)


def secrets_in_sqlite(path):
    """The salts, and the hashes as SQLite writes integers: eight bytes, big-endian."""
    with sqlite3.connect(path) as connection:
        secrets = {f"salt {day}": salt.encode() for day, salt in connection.execute("SELECT day, salt FROM salt")}
        for (number,) in connection.execute("SELECT hash FROM visitor"):
            if abs(number) >= 1 << 47:  # SQLite writes smaller ones in fewer bytes
                secrets[f"hash {number}"] = number.to_bytes(8, "big", signed=True)
    connection.close()
    return secrets


@pytest.fixture
def sqlite_files(directory):
    (directory / "store").mkdir()
    return Files(directory / "store")


def start_on_sqlite(new_daemon, files, wall_clock, **arguments):
    store = SqliteStore(files.directory / "visits.db")
    daemon = new_daemon({**SETTINGS, **store.settings}, environment=wall_clock.environment, **arguments).wait_for_store()
    visit_as_many(daemon)
    files.secrets = secrets_in_sqlite(store.path)
    assert len(files.secrets) > VISITORS and files.find().keys() == files.secrets.keys(), "the test can find them"
    return daemon


@pytest.mark.parametrize("visits", ["without a visit", "with visits"])
def test_the_files_of_sqlite_forget(new_daemon, sqlite_files, wall_clock, visits):
    daemon = start_on_sqlite(new_daemon, sqlite_files, wall_clock)
    wall_clock.set_ahead(5 * DAY)
    if visits == "with visits":
        visit_as_many(daemon)
    sqlite_files.wait_until_erased()
    assert daemon.process.is_running()
    daemon.stop()
    assert not sqlite_files.find()


def test_the_files_of_sqlite_forget_after_a_reader_has_ended(new_daemon, sqlite_files, wall_clock):
    """A reader in another process prevents the truncation of the log. Visits count meanwhile. After the reader ends, the log is truncated."""
    daemon = start_on_sqlite(new_daemon, sqlite_files, wall_clock)
    reader = sqlite3.connect(sqlite_files.directory / "visits.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM hits").fetchall()
    wall_clock.set_ahead(5 * DAY)
    for _ in range(5):
        assert daemon.count() > VISITORS
    assert sqlite_files.find(), "the log has them still"
    reader.close()
    sqlite_files.wait_until_erased()


def test_the_files_of_sqlite_forget_when_an_instance_comes_back(new_daemon, sqlite_files, wall_clock):
    daemon = start_on_sqlite(new_daemon, sqlite_files, wall_clock)
    daemon.kill()
    wall_clock.set_ahead(5 * DAY)
    assert sqlite_files.find()
    daemon.start().wait_for_store()
    sqlite_files.wait_until_erased()


# --- Redis ---

def hashes_in(content):
    """Hashes of visitors in an append-only file: arguments of PFADD, and tokens of the day."""
    return set(re.findall(rb"\$\d+\r\n([0-9a-f]{16}|\d{17,20})\r\n", content))


def start_on_redis(new_daemon, new_redis, wall_clock, settings=None, daemons=1, **arguments):
    server = new_redis(aof=True, environment=wall_clock.environment, **arguments)
    store = RedisStore(server)
    made = [new_daemon({**SETTINGS, **store.settings, **(settings or {})}, name=f"d{number}", environment=wall_clock.environment).wait_for_store()
            for number in range(daemons)]
    client = server.client()
    wait_until(lambda: (settings or {}) or client.exists("vc:rewrite"), "the lock")
    wait_until(lambda: client.info("persistence")["aof_rewrite_in_progress"] == 0, "no rewrite runs")
    visit_as_many(made[0])
    files = Files(server.directory)
    files.secrets = {key: client.get(key).encode() for key in client.keys("vc:salt:*")}
    assert files.secrets
    for path in server.directory.glob("appendonlydir/*.incr.aof"):
        files.secrets.update({value.decode(): value for value in hashes_in(path.read_bytes())})
    assert len(files.secrets) > VISITORS and files.find().keys() == files.secrets.keys(), "the test can find them"
    return server, made, files


def rewrites(server):
    return server.client().info("commandstats").get("cmdstat_bgrewriteaof", {"calls": 0})["calls"]


def test_the_files_of_redis_forget(new_daemon, new_redis, wall_clock):
    """Guards: the append-only file kept hashes and the day's salt long after the day, so that an address could be found from its hash."""
    server, daemons, files = start_on_redis(new_daemon, new_redis, wall_clock, daemons=3)
    before = rewrites(server)
    wall_clock.set_ahead(5 * DAY)
    files.wait_until_erased()
    assert rewrites(server) == before + 1, "one of the instances asked"
    assert all(daemon.process.is_running() for daemon in daemons)


def test_a_salt_that_redis_has_not_deleted_yet_goes_as_well(new_daemon, new_redis, wall_clock):
    """Guards: Redis writes an expired key that it has not deleted yet into the rewritten file."""
    server, _, files = start_on_redis(new_daemon, new_redis, wall_clock)
    server.client().execute_command("DEBUG", "SET-ACTIVE-EXPIRE", "0")
    files.secrets = {name: secret for name, secret in files.secrets.items() if name.startswith("vc:salt:")}
    wall_clock.set_ahead(5 * DAY)
    files.wait_until_erased()


@pytest.mark.parametrize("settings, config", [({"redis.rewrite": "off"}, {}), ({}, {"appendonly": "no"})], ids=["off", "no file"])
def test_no_rewrite_is_asked_for(new_daemon, new_redis, wall_clock, settings, config):
    server = new_redis(environment=wall_clock.environment, config={"appendonly": "yes", **config})
    daemon = new_daemon({**RedisStore(server).settings, **settings}, environment=wall_clock.environment).wait_for_store()
    other = new_redis(name="other", aof=True, environment=wall_clock.environment)  # it had as much time, and its file was rewritten
    new_daemon(RedisStore(other).settings, name="other", environment=wall_clock.environment).wait_for_store()
    wait_until(lambda: rewrites(other) == 1, "the first rewrite of the other server")
    wall_clock.set_ahead(5 * DAY)
    wait_until(lambda: rewrites(other) == 2, "the second one")
    assert rewrites(server) == 0 and not server.client().exists("vc:rewrite")
    assert daemon.process.is_running()


def test_a_user_that_may_not_ask_is_warned(new_daemon, new_redis):
    server = new_redis(aof=True)
    server.client().execute_command("ACL", "SETUSER", "default", "-bgrewriteaof")
    daemon = new_daemon(RedisStore(server).settings).wait_for_store()
    daemon.wait_for_log(r"warning .*BGREWRITEAOF: NOPERM .*salts and visitors of bygone days stay in the append-only file; allow \+bgrewriteaof")
    wait_until(lambda: any(warning["check"] == "rewrite" for warning in daemon.status()["store"]["warnings"]),
               lambda: f"the status: {daemon.status()['store']}")
    assert daemon.count() == 1


def failed_scripts(server):
    statistics = server.client().info("commandstats").get("cmdstat_eval", {})
    return statistics.get("failed_calls", 0) + statistics.get("rejected_calls", 0)


def test_a_server_that_refuses_writes_for_now_is_asked_again(new_daemon, new_redis):
    """This is not a matter of permissions, and the store has already logged it."""
    server = new_redis(aof=True, config={"min-replicas-to-write": "1"})
    daemon = new_daemon(RedisStore(server).settings).wait_for_store()
    wait_until(lambda: failed_scripts(server) > 0, "the lock is refused")
    server.client().config_set("min-replicas-to-write", "0")
    wait_until(lambda: rewrites(server) == 1, "it was rewritten")
    assert "BGREWRITEAOF" not in daemon.log()
    assert not any(warning["check"] == "rewrite" for warning in daemon.status()["store"]["warnings"])
