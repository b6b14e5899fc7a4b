# SPDX-License-Identifier: MIT
"""A Redis that is a replica, becomes one, or is one no longer."""

import pytest

from harness import RedisStore, free_port, wait_until
from harness.faults import HASTY, check_is_away, check_refused, refusal


@pytest.fixture
def redis(new_redis):
    return new_redis(aof=True, port=free_port(), config={"repl-diskless-sync-delay": 0})  # replication goes over TCP


@pytest.fixture
def store(redis_store):
    return redis_store


@pytest.fixture
def replica(new_redis, redis):
    made = new_redis(name="replica", port=free_port(), config={"replicaof": f"127.0.0.1 {redis.port}"})
    wait_until(lambda: made.client().info("replication")["master_link_status"] == "up", "the replica is in step")
    return made


def wait_for_copy(replica, count):
    wait_until(lambda: replica.client().zscore("vc:{default}:hits", "/") == count, f"the replica has {count}")


def test_a_replica_is_not_ready_until_promoted(new_daemon, replica, store):
    daemon = new_daemon({**RedisStore(replica).settings, **HASTY})
    daemon.wait_for_log("the server is a replica: it takes no writes; retrying")
    wait_until(lambda: daemon.fetch("/count").status == 503, "503")
    check_is_away(daemon)
    status = daemon.status()["store"]
    assert status["role"] in ("slave", "replica")
    assert "replica" in status["last_error"]
    replica.client().replicaof("NO", "ONE")
    daemon.wait_for_store()
    assert daemon.count() == 1
    assert daemon.status()["store"]["role"] == "master"


def test_a_master_that_becomes_a_replica(new_daemon, replica, store):
    """As after a failover: READONLY is a refusal, and nothing is lost when it is the master again."""
    daemon = new_daemon({**store.settings, **HASTY}).wait_for_store()
    assert [daemon.count(), daemon.count()] == [1, 2]
    wait_for_copy(replica, 2)
    replica.client().replicaof("NO", "ONE")
    store.client().replicaof("127.0.0.1", replica.port)
    check_refused(refusal(daemon))
    daemon.wait_for_store(False)
    daemon.wait_for_log("replica|READONLY")
    store.client().replicaof("NO", "ONE")
    daemon.wait_for_store()
    assert daemon.count() == 3


def test_an_idle_link_notices_that_the_master_was_demoted(new_daemon, replica, store):
    """Before a visit has to find out: the role is asked for every few seconds."""
    daemon = new_daemon({**store.settings, **HASTY}).wait_for_store()
    store.client().replicaof("127.0.0.1", replica.port)
    daemon.wait_for_store(False)
    assert daemon.status()["visits"]["accepted"] == 0


def test_failover_to_the_replica(new_daemon, replica, store, directory):
    """The address leads to another server afterwards. The ledger has come along: nothing is counted twice or from 1."""
    address = directory / "the-master.sock"
    address.symlink_to(store.server.socket)
    daemon = new_daemon({"store.backend": "redis", "redis.socket": str(address), **HASTY}).wait_for_store()
    assert [daemon.count(), daemon.count()] == [1, 2]
    wait_for_copy(replica, 2)
    store.server.kill()
    replica.client().replicaof("NO", "ONE")
    address.unlink()
    address.symlink_to(replica.socket)
    daemon.wait_for_store()
    assert daemon.count() == 3
    assert daemon.status()["batches"]["gaps"] == 0


def test_failover_to_a_replica_that_lagged(new_daemon, replica, store, directory):
    """It does not have the last three visits: the ledger shows it, they are sent again, and the log says so."""
    address = directory / "the-master.sock"
    address.symlink_to(store.server.socket)
    daemon = new_daemon({"store.backend": "redis", "redis.socket": str(address), **HASTY}).wait_for_store()
    assert daemon.count() == 1
    wait_for_copy(replica, 1)
    replica.client().replicaof("NO", "ONE")
    assert [daemon.count(), daemon.count(), daemon.count()] == [2, 3, 4]
    store.server.kill()
    address.unlink()
    address.symlink_to(replica.socket)
    daemon.wait_for_store()
    assert [daemon.count(), daemon.count()] == [5, 6]
    assert RedisStore(replica).total() == 6
    batches = daemon.status()["batches"]
    assert (batches["gaps"], batches["healed_visits"], batches["lost_visits"]) == (1, 3, 0)
    daemon.wait_for_log("warning store: site default went back in time; sending 3 visits in 3 batches again")
