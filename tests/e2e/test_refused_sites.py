# SPDX-License-Identifier: MIT
"""A store that is there and refuses one site, because of the site's own keys, or all sites.

A refusal of one site does not affect the others. In a refusal of all sites, one visit at a time tests whether it is over. Answered batches are
retained during a refusal, because a replica without them may become the master.
"""

import concurrent.futures
import re
import sqlite3

import pytest

from harness import RedisStore, SqliteStore, free_port, visit, wait_until
from harness.faults import HASTY, check_refused, refusal

A = "/v1/hit/a/"
B = "/v1/hit/b/"


@pytest.fixture
def store(redis_store):
    return redis_store


@pytest.fixture
def journal(directory):
    return {"journal.directory": f"{directory}/journal/%i"}


def count(daemon, target):
    answer = daemon.fetch(target)
    assert answer.status == 200, answer
    return answer.json()["count"]


def metric(daemon, name):
    return float(re.search(rf"^{name} (\S+)$", daemon.ctl("metrics").output, re.M).group(1))


class Keys:
    """Makes each batch of site b fail in Redis, and later succeed again."""

    def __init__(self, store):
        self.store = store

    def settings(self):
        return self.store.settings

    def spoil(self):
        client = self.store.client()
        if client.exists("vc:{b}:ledger"):
            client.rename("vc:{b}:ledger", "vc:{b}:aside")
        client.set("vc:{b}:ledger", "xyz")

    def mend(self):
        client = self.store.client()
        client.delete("vc:{b}:ledger")
        if client.exists("vc:{b}:aside"):
            client.rename("vc:{b}:aside", "vc:{b}:ledger")


class Tables:
    """The same in SQLite, by a trigger."""

    def __init__(self, path):
        self.store = SqliteStore(path)

    def settings(self):
        return self.store.settings

    def execute(self, sql):
        with sqlite3.connect(self.store.path, timeout=20) as connection:
            connection.execute(sql)
        connection.close()

    def spoil(self):
        self.execute("CREATE TRIGGER spoilt BEFORE INSERT ON ledger WHEN NEW.site = 'b' BEGIN SELECT RAISE(ABORT, 'spoilt'); END")

    def mend(self):
        self.execute("DROP TRIGGER spoilt")


@pytest.fixture(params=["redis", "sqlite"])
def site_b(request, directory):
    return Keys(request.getfixturevalue("redis_store")) if request.param == "redis" else Tables(directory / "b.db")


def wait_for_hopeless(daemon):
    """Waits until the store has refused visits of b for so long that all but one are refused at once."""
    wait_until(lambda: daemon.fetch(B).status != 200 and daemon.status()["store"].get("failing_for_s", 0) >= 1, "b is given up")


# --- one site ---

@pytest.mark.parametrize("with_journal", [False, True], ids=["alone", "journal"])
def test_others_notice_nothing_of_a_refused_site(new_daemon, site_b, journal, with_journal):
    """Five visitors of b wait or are refused all the time. All 14 visits of a are counted."""
    daemon = new_daemon({**site_b.settings(), **HASTY, **(journal if with_journal else {}), "sites": ["a", "b"]}).wait_for_store()
    assert (count(daemon, A), count(daemon, B)) == (1, 1)
    site_b.spoil()
    answers = []
    with concurrent.futures.ThreadPoolExecutor() as pool:
        is_over = []

        def insist():
            while not is_over:
                answers.append(daemon.fetch(B))

        insisting = [pool.submit(insist) for _ in range(5)]
        try:
            wait_until(lambda: daemon.status()["store"].get("failing_for_s", 0) >= 1 and len(answers) > 10, "b is refused for a while")
            assert [count(daemon, A) for _ in range(14)] == list(range(2, 16))
            answer = daemon.fetch("/readyz")
            assert (answer.status, answer.json()["failing_sites"]) == (200, 1)
        finally:
            is_over.append(True)
        for thread in insisting:
            thread.result()
    assert {answer.status for answer in answers} <= ({202} if with_journal else {503, 504}), answers
    site_b.mend()
    wait_until(lambda: answers.append(daemon.fetch(B)) or answers[-1].status == 200, "b counts again")
    if with_journal:
        wait_until(lambda: daemon.status()["journal"]["visits"] == 0, "the journal is replayed")
    promised = 1 + sum(answer.status in (200, 202) for answer in answers)
    unknown = sum(answer.status == 504 for answer in answers)
    assert promised <= site_b.store.total("b", "/") <= promised + unknown
    assert site_b.store.total("a", "/") == 15


def spoil_hits(client):
    client.rename("vc:{b}:hits", "vc:{b}:aside")
    client.set("vc:{b}:hits", "xyz")
    return lambda: client.rename("vc:{b}:aside", "vc:{b}:hits")


def epochs(client):
    """{epoch: entry} of the ledger of b"""
    return {field: entry for field, entry in client.hgetall("vc:{b}:ledger").items() if len(field) == 32}


def spoil_entries(client):
    entries = epochs(client)
    client.hset("vc:{b}:ledger", mapping={epoch: "x" for epoch in entries})
    return lambda: client.hset("vc:{b}:ledger", mapping=entries)


def spoil_answers(client):
    """Makes the script answer with a nonsensical duplicate, although the batch was not applied."""
    entries = epochs(client)
    client.hset("vc:{b}:ledger", mapping={epoch: "9 9 " + entry.split(" ", 2)[2] + " x" for epoch, entry in entries.items()})
    return lambda: client.hset("vc:{b}:ledger", mapping=entries)


def forbid(client):
    client.execute_command("ACL", "SETUSER", "default", "resetkeys", "~vc:{a}:*", "~vc:salt:*", "~vc:sites")
    return lambda: client.execute_command("ACL", "SETUSER", "default", "allkeys")


@pytest.mark.parametrize("spoil", [spoil_hits, spoil_entries, spoil_answers, forbid])
def test_whatever_refuses_a_site_is_the_sites_own(new_daemon, store, spoil):
    daemon = new_daemon({**store.settings, **HASTY, "sites": ["a", "b"]}).wait_for_store()
    assert (count(daemon, A), count(daemon, B)) == (1, 1)
    mend = spoil(store.client())
    wait_for_hopeless(daemon)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        insisting = [pool.submit(daemon.fetch, B) for _ in range(5)]
        assert [count(daemon, A) for _ in range(14)] == list(range(2, 16))
        assert all(thread.result().status != 200 for thread in insisting)
    status = daemon.status()["store"]
    assert (status["failing_sites"], status["failing_site"], status["refuses_all_sites"]) == (1, "b", False)
    mend()
    wait_until(lambda: daemon.fetch(B).status == 200, "b counts again")


def test_a_refused_site_leaves_places(new_daemon, store):
    """40 visitors of b would fill all places for waiting visits. Two places stay free for a while b waits."""
    daemon = new_daemon({**store.settings, "sites": ["a", "b"], "count.max_waiting": 16, "count.max_wait": "25s"}).wait_for_store()
    keys = Keys(store)
    keys.spoil()
    with concurrent.futures.ThreadPoolExecutor(max_workers=40) as pool:
        waiting = [pool.submit(daemon.fetch, B) for _ in range(40)]
        wait_until(lambda: daemon.status()["visits"]["waiting"] == 14, "b has its share")
        wait_until(lambda: sum(each.done() for each in waiting) == 26, "the others are refused")
        assert [count(daemon, A) for _ in range(14)] == list(range(1, 15))
        keys.mend()
        answers = [each.result() for each in waiting]
    assert sum(answer.status == 503 and answer.error == "overloaded" for answer in answers) == 26
    assert sorted(answer.json()["count"] for answer in answers if answer.status == 200) == list(range(1, 15))


def test_what_is_said_of_failing_sites(new_daemon, store):
    """Visitors see only the number of failing sites. The operator sees their names."""
    daemon = new_daemon({**store.settings, **HASTY, "sites": ["a", "b"]}).wait_for_store()
    assert daemon.fetch("/readyz").json() == {"ready": True, "state": "ready"}
    assert (daemon.status()["store"]["failing_sites"], daemon.status()["store"]["torn_sites"]) == (0, 0)
    keys = Keys(store)
    keys.spoil()
    check_refused(refusal(daemon, B))
    answer = daemon.fetch("/readyz")
    assert (answer.status, answer.json()) == (200, {"ready": True, "state": "ready", "failing_sites": 1})
    status = daemon.status()["store"]
    assert (status["failing_sites"], status["failing_site"], status["refuses_all_sites"]) == (1, "b", False)
    assert "WRONGTYPE" in status["failing_reason"]
    assert metric(daemon, "visitcountd_store_failing_sites") == 1
    assert metric(daemon, "visitcountd_torn_sites") == 0
    keys.mend()
    wait_until(lambda: daemon.fetch(B).status == 200, "b counts again")
    assert daemon.fetch("/readyz").json() == {"ready": True, "state": "ready"}
    assert metric(daemon, "visitcountd_store_failing_sites") == 0


@pytest.mark.parametrize("sites, with_journal, is_ready", [(["b"], False, False), (["b"], True, True), (["b", "*"], False, True)])
def test_ready_where_all_sites_are_refused(new_daemon, store, journal, sites, with_journal, is_ready):
    """The daemon is not ready, unless visits go to the journal or there may be further sites."""
    daemon = new_daemon({**store.settings, **HASTY, **(journal if with_journal else {}), "sites": sites}).wait_for_store()
    keys = Keys(store)
    keys.spoil()
    answer = wait_until(lambda: daemon.fetch(B).status != 200 and daemon.fetch("/readyz"), "b is refused")
    assert (answer.status, answer.json()["ready"], answer.json()["failing_sites"]) == (200 if is_ready else 503, is_ready, 1)
    assert '"b"' not in answer.text
    keys.mend()
    wait_until(lambda: daemon.fetch("/readyz").status == 200, "somebody may find out that it is over")


# --- all sites ---

def refuse_all(store):
    client = store.client()
    client.config_set("maxmemory-policy", "noeviction")
    client.config_set("maxmemory", 1)


def accept_all(store):
    store.client().config_set("maxmemory", 0)


@pytest.mark.parametrize("with_journal", [False, True], ids=["alone", "journal"])
def test_ready_while_the_store_refuses_all(new_daemon, store, journal, with_journal):
    daemon = new_daemon({**store.settings, **HASTY, **(journal if with_journal else {})}).wait_for_store()
    assert daemon.count() == 1
    refuse_all(store)
    answer = wait_until(lambda: daemon.fetch("/count").status != 200 and daemon.fetch("/readyz"), "it is refused")
    assert (answer.status, answer.json()["state"]) == ((200, "journaling") if with_journal else (503, "store_refuses"))
    assert "OOM" not in answer.text
    assert daemon.status()["store"]["refuses_all_sites"] is True
    accept_all(store)
    wait_until(lambda: daemon.fetch("/readyz").status == 200 and daemon.fetch("/count").status == 200, "it counts again")
    assert daemon.fetch("/readyz").json()["state"] == "ready"


def test_a_store_that_refuses_all_is_asked_by_one(new_daemon, store):
    """With twenty sites, few visits wait and few batches are sent after count.max_wait. Then all sites count again."""
    sites = [f"site-{i}" for i in range(20)]
    targets = [f"/v1/hit/{site}/" for site in sites]
    daemon = new_daemon({**store.settings, **HASTY, "sites": sites}).wait_for_store()
    assert [daemon.fetch(target).json()["count"] for target in targets] == [1] * 20
    refuse_all(store)
    visit([daemon.address], 40, connections=20, targets=targets)
    wait_until(lambda: daemon.fetch(targets[0]).status == 503 and daemon.status()["store"].get("failing_for_s", 0) >= 1, "it refuses")
    before = store.client().info("commandstats")["cmdstat_evalsha"]
    refused = visit([daemon.address], 2000, connections=40, targets=targets)
    after = store.client().info("commandstats")["cmdstat_evalsha"]
    assert refused.answered == 0
    sent = sum(after[name] - before[name] for name in ("calls", "rejected_calls", "failed_calls"))
    assert sent < 200, "one probe at a time, with backoff"
    accept_all(store)
    wait_until(lambda: daemon.fetch(targets[7]).status == 200, "it counts again")
    assert all(daemon.fetch(target).status == 200 for target in targets)


def test_a_site_that_is_refused_while_all_are(new_daemon, store):
    """The store recovers. Site a counts at once, whatever b does. Site b counts once its keys are repaired."""
    daemon = new_daemon({**store.settings, **HASTY, "sites": ["a", "b"]}).wait_for_store()
    keys = Keys(store)
    keys.spoil()
    wait_for_hopeless(daemon)
    refuse_all(store)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        is_over = []

        def insist():
            while not is_over:
                daemon.fetch(B)

        insisting = [pool.submit(insist) for _ in range(5)]
        try:
            wait_until(lambda: daemon.fetch(A).status == 503 and daemon.status()["store"]["refuses_all_sites"], "all are refused")
            accept_all(store)
            wait_until(lambda: daemon.fetch(A).status == 200, "a counts again")
            first = count(daemon, A)
            assert [count(daemon, A) for _ in range(14)] == list(range(first + 1, first + 15))
        finally:
            is_over.append(True)
        for thread in insisting:
            thread.result()
    keys.mend()
    wait_until(lambda: daemon.fetch(B).status == 200, "b counts again")


def test_a_busy_database_refuses_all(new_daemon, directory):
    """On SQLite, another process locks the file. All sites are refused together, and count again together."""
    path = directory / "visits.db"
    daemon = new_daemon({"store.backend": "sqlite", "sqlite.path": str(path), **HASTY, "sites": ["a", "b"]}).wait_for_store()
    assert (count(daemon, A), count(daemon, B)) == (1, 1)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    wait_until(lambda: daemon.fetch(A).status != 200 and daemon.status()["store"].get("refuses_all_sites"), "it is busy")
    answer = daemon.fetch("/readyz")
    assert (answer.status, answer.json()["state"]) == (503, "store_refuses")
    other.execute("ROLLBACK")
    other.close()
    wait_until(lambda: daemon.fetch(A).status == 200 and daemon.fetch(B).status == 200, "both count again")
    status = daemon.status()["visits"]
    assert 4 <= SqliteStore(path).total("a") + SqliteStore(path).total("b") <= status["applied"] + status["unknown"]


# --- batches retained meanwhile ---

@pytest.fixture
def master(new_redis):
    return new_redis(aof=True, port=free_port(), config={"repl-diskless-sync-delay": 0})


@pytest.fixture
def replica(new_redis, master):
    made = new_redis(name="replica", port=free_port(), config={"replicaof": f"127.0.0.1 {master.port}"})
    wait_until(lambda: made.client().info("replication")["master_link_status"] == "up", "the replica is in step")
    client = master.client()
    client.set("first", "")
    assert client.wait(1, 10000) == 1, "the master thinks so too"
    return made


@pytest.mark.parametrize("with_journal", [False, True], ids=["alone", "journal"])
def test_what_a_cut_off_master_counted_survives_its_refusals(new_daemon, master, replica, directory, journal, with_journal):
    """The replica is cut off. The master counts more visits, and then answers NOREPLICAS for longer than ledger.retain. Then the replica is promoted.
    The store has all visits that were answered as counted."""
    address = directory / "the-master.sock"
    address.symlink_to(master.socket)
    daemon = new_daemon({"store.backend": "redis", "redis.socket": str(address), **HASTY, "ledger.retain": "1s",
                         **(journal if with_journal else {})}).wait_for_store()
    assert [daemon.count() for _ in range(5)] == [1, 2, 3, 4, 5]
    wait_until(lambda: replica.client().zscore("vc:{default}:hits", "/") == 5, "the replica has them")
    replica.client().replicaof("127.0.0.1", free_port())  # an address without a server
    wait_until(lambda: master.client().info("replication")["connected_slaves"] == 0, "it is cut off")
    assert [daemon.count() for _ in range(7)] == [6, 7, 8, 9, 10, 11, 12]
    master.client().config_set("min-replicas-to-write", 1)
    answers = []
    wait_until(lambda: answers.append(daemon.fetch("/count")) or daemon.status()["store"].get("failing_for_s", 0) >= 3,
               "it refuses for longer than ledger.retain")
    assert daemon.status()["batches"]["retained_bytes"] > 0
    assert daemon.status()["store"]["failing_reason"].startswith("NOREPLICAS")
    master.kill()
    replica.client().replicaof("NO", "ONE")
    address.unlink()
    address.symlink_to(replica.socket)
    daemon.wait_for_store()
    assert wait_until(lambda: daemon.fetch("/count").status == 200, "it counts again")
    if with_journal:
        wait_until(lambda: daemon.status()["journal"]["visits"] == 0, "the journal is replayed")
    status = daemon.status()
    promised = 12 + 1 + sum(answer.status in (200, 202) for answer in answers)
    unknown = sum(answer.status == 504 for answer in answers)
    assert promised <= RedisStore(replica).total() <= promised + unknown
    assert (status["batches"]["lost_visits"], status["batches"]["healed_visits"]) == (0, 7)
    assert status["batches"]["unprotected_visits"] == 0


def test_visits_that_are_no_longer_protected_are_said(new_daemon, store):
    daemon = new_daemon({**store.settings, "ledger.retain_max": "1KiB"}).wait_for_store()
    for i in range(20):
        assert daemon.fetch(f"/v1/hit/default/{i}-{'x' * 200}").json()["count"] == 1
    daemon.wait_for_log(r"warning store: site default: ledger.retain_max, 1KiB, is reached: \d+ visits")
    wait_until(lambda: daemon.status()["batches"]["unprotected_visits"] >= 10, "status has it")
    assert metric(daemon, "visitcountd_visits_unprotected_total") == daemon.status()["batches"]["unprotected_visits"]


def test_a_slot_of_a_cluster_that_nobody_serves(new_daemon, new_redis):
    """CLUSTERDOWN is an error of all sites, but here only b gets it. Visitors of b keep coming. The other sites count."""
    server = new_redis(config={"cluster-enabled": "yes", "cluster-require-full-coverage": "no", "cluster-port": free_port()}, port=free_port())
    client = server.client()
    missing = client.execute_command("CLUSTER", "KEYSLOT", "{b}")
    client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, missing - 1, missing + 1, 16383)
    wait_until(lambda: "cluster_state:ok" in str(client.execute_command("CLUSTER", "INFO", NEVER_DECODE=True)), "the cluster serves the other slots")
    daemon = new_daemon({**RedisStore(server).settings, **HASTY, "sites": ["a", "b"]}).wait_for_store()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        is_over = []

        def insist():
            while not is_over:
                daemon.fetch(B)

        insisting = [pool.submit(insist) for _ in range(5)]
        try:
            wait_until(lambda: "CLUSTERDOWN" in (daemon.status()["store"].get("failing_reason") or ""), "b is refused")
            wait_until(lambda: daemon.status()["store"].get("failing_for_s", 0) >= 1, "for a while")
            first = wait_until(lambda: (lambda answer: answer.status == 200 and answer)(daemon.fetch(A)), "a is tried").json()["count"]
            assert [count(daemon, A) for _ in range(14)] == list(range(first + 1, first + 15))
        finally:
            is_over.append(True)
        for thread in insisting:
            thread.result()
    status = daemon.status()["store"]
    assert (status.get("failing_site"), status.get("refuses_all_sites")) == ("b", False)
