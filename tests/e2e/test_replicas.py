# SPDX-License-Identifier: MIT
"""A Redis that is a replica, becomes one, or stops being one."""

import pytest

from harness import FakeRedis, RedisStore, free_port, need_program, visit, wait_until
from harness.faults import LONG, PATIENT, SHORT, check_is_away, check_refused, error_to_apply, refusal


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
    # the master reports "online" before the replica's first message, up to a second before it sends any data
    client = redis.client()
    client.set("first", "")
    assert client.wait(1, 10000) == 1, "the master thinks so too"
    client.delete("first")
    return made


def wait_for_copy(replica, count):
    wait_until(lambda: replica.client().zscore("vc:{default}:hits", "/") == count, f"the replica has {count}")


def test_a_replica_is_not_ready_until_promoted(new_daemon, replica, store):
    daemon = new_daemon({**RedisStore(replica).settings, **PATIENT})
    daemon.wait_for_log("the server is a replica: it takes no writes; retrying")
    daemon.set_patience(SHORT)
    wait_until(lambda: daemon.fetch("/count").status == 503, "503")
    check_is_away(daemon)
    status = daemon.status()["store"]
    assert status["role"] in ("slave", "replica")
    assert "replica" in status["last_error"]
    daemon.set_patience(LONG)
    replica.client().replicaof("NO", "ONE")
    daemon.wait_for_store()
    assert daemon.count() == 1
    assert daemon.status()["store"]["role"] == "master"


def test_a_master_that_becomes_a_replica(new_daemon, replica, store):
    """As after a failover. READONLY is a refusal, and no visit is lost when the server is the master again."""
    daemon = new_daemon({**store.settings, **PATIENT}).wait_for_store()
    assert [daemon.count(), daemon.count()] == [1, 2]
    wait_for_copy(replica, 2)
    replica.client().replicaof("NO", "ONE")
    store.client().replicaof("127.0.0.1", replica.port)
    daemon.set_patience(SHORT)
    check_refused(refusal(daemon))
    daemon.set_patience(LONG)
    daemon.wait_for_store(False)
    daemon.wait_for_log("replica|READONLY")
    store.client().replicaof("NO", "ONE")
    daemon.wait_for_store()
    assert daemon.count() == 3


def test_an_idle_link_notices_that_the_master_was_demoted(new_daemon, replica, store):
    """The link asks for the role every few seconds, so it notices before a visit fails."""
    daemon = new_daemon({**store.settings, **PATIENT}).wait_for_store()
    store.client().replicaof("127.0.0.1", replica.port)
    daemon.wait_for_store(False)
    assert daemon.status()["visits"]["accepted"] == 0


def test_failover_to_the_replica(new_daemon, replica, store, directory):
    """The address leads to another server afterwards. The replica has the ledger, so no visit counts twice and numbers go on."""
    address = directory / "the-master.sock"
    address.symlink_to(store.server.socket)
    daemon = new_daemon({"store.backend": "redis", "redis.socket": str(address), **PATIENT}).wait_for_store()
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
    """The replica lacks the last three visits. The ledger shows that, the daemon resends them, and the log reports it."""
    address = directory / "the-master.sock"
    address.symlink_to(store.server.socket)
    daemon = new_daemon({"store.backend": "redis", "redis.socket": str(address), **PATIENT}).wait_for_store()
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


# --- redis.wait_replicas ---

def check_unconfirmed(answer, have, wanted):
    """Checks that the answer reports the visit as counted and the number of replicas."""
    assert answer.status == 200
    assert answer.headers["visitcount-status"] == f"counted; replicas={have}/{wanted}"
    body = answer.json()
    assert (body["status"], body["replicas"], body["replicas_wanted"]) == ("counted", have, wanted)


def test_a_visit_that_a_replica_has_is_just_counted(new_daemon, replica, store):
    daemon = new_daemon({**store.settings, "redis.wait_replicas": 1, "redis.wait_timeout": "1s"}).wait_for_store()
    for number in range(1, 20):
        answer = daemon.fetch("/count.json")
        assert answer.headers["visitcount-status"] == "counted"
        assert answer.json().items() >= {"site": "default", "page": "/", "count": number, "status": "counted"}.items()
        assert replica.client().zscore("vc:{default}:hits", "/") == number, "when it was answered, it was there"
    assert daemon.status()["visits"]["unconfirmed"] == 0


def test_too_few_replicas(new_daemon, replica, store):
    daemon = new_daemon({**store.settings, "redis.wait_replicas": 2, "redis.wait_timeout": "500ms"}).wait_for_store()
    check_unconfirmed(daemon.fetch("/count.json"), 1, 2)
    assert daemon.fetch("/count").text == "2\n"
    assert daemon.status()["visits"]["unconfirmed"] == 2
    assert "visitcountd_visits_unconfirmed_total 2\n" in daemon.ctl("metrics").output
    assert store.total() == 2


def test_a_replica_that_hangs_and_comes_back(new_daemon, replica, store):
    daemon = new_daemon({**store.settings, "redis.wait_replicas": 1, "redis.wait_timeout": "300ms"}).wait_for_store()
    assert daemon.fetch("/count").headers["visitcount-status"] == "counted"
    replica.pause()
    check_unconfirmed(daemon.fetch("/count.json"), 0, 1)
    visits = visit([daemon.address], 300, connections=30, targets=[f"/v1/hit/default/page-{i}" for i in range(10)])
    assert visits.answered == 300, str(visits)
    replica.resume()
    wait_until(lambda: daemon.fetch("/count").headers["visitcount-status"] == "counted", "it confirms again")
    assert daemon.status()["store"]["connects"] == 1


def test_many_sites_share_a_wait(new_daemon, replica, store):
    """While the replica is slow, sites do not wait for each other's timeouts."""
    targets = [f"/v1/hit/site-{i}/" for i in range(30)]
    daemon = new_daemon({**store.settings, "sites": ["*"], "redis.wait_replicas": 1, "redis.wait_timeout": "200ms"}).wait_for_store()
    visit([daemon.address], 600, connections=30, targets=targets).check_exact(
        {target: store.total(target[len("/v1/hit/"):-1], "/") for target in targets})
    replica.pause()
    slow = visit([daemon.address], 90, connections=30, targets=targets)
    replica.resume()
    assert (slow.answered, slow.unknown) == (90, 0), str(slow)
    assert slow.seconds < 5


@pytest.mark.plain_build
def test_the_wait_goes_out_with_the_batch(new_daemon, directory):
    """Both go out in one write, without a further round trip. Without the option there is no WAIT."""
    chunks = []

    def answer(words):
        chunks.append(words[0])
        return b":1\r\n" if words[0] == "WAIT" else error_to_apply(None)(words)

    for replicas in (1, 0):
        fake = FakeRedis(directory / f"fake-{replicas}.sock", answer)
        daemon = new_daemon({"store.backend": "redis", "redis.socket": fake.path, "redis.wait_replicas": replicas},
                            name=f"with-{replicas}", wrapper=[need_program("strace", "strace"), "-D", "-f", "-e", "trace=write,writev,sendmsg",
                                                              "-s", "2000", "-o", directory / f"trace-{replicas}"]).wait_for_store()
        assert daemon.count() == 7
        daemon.stop()
        fake.finish()
    trace = directory / "trace-1"
    wait_until(lambda: "+++ exited" in trace.read_text(), "the trace is whole")
    writes = [line for line in trace.read_text().splitlines() if "EVALSHA" in line]
    assert len(writes) == 1 and "WAIT" in writes[0], writes
    assert chunks.count("WAIT") == 1 and chunks.count("EVALSHA") == 2


# --- known positions of replicas ---

def known_replicas(daemon):
    """The replicas in the status as {address: …}, after a ROLE that followed the last change."""
    return {replica["address"]: replica for replica in daemon.status()["store"].get("replicas", [])}


@pytest.mark.slow
def test_the_status_knows_the_replicas(new_daemon, replica, store):
    """The link asks for ROLE every 15 s, also under load. A replica that hangs is behind. A replica that is gone stays listed."""
    address = f"127.0.0.1:{replica.port}"
    daemon = new_daemon(store.settings).wait_for_store()
    assert daemon.count() == 1
    assert set(known_replicas(daemon)) == {address}
    wait_until(lambda: daemon.status()["store"].get("replicated_ago_s") is not None and known_replicas(daemon)[address]["lag_bytes"] == 0,
               "the replica has what was answered", 40)
    replica.pause()
    assert daemon.count() == 2
    wait_until(lambda: daemon.count() and known_replicas(daemon)[address]["lag_bytes"] > 0, "the replica is behind, says a busy link", 40)
    assert known_replicas(daemon)[address]["connected"] is True
    replica.finish()
    wait_until(lambda: known_replicas(daemon)[address]["connected"] is False, "the replica is gone, and known", 40)
    replicated = daemon.status()["store"]["replicated_ago_s"]
    wait_until(lambda: daemon.status()["store"]["replicated_ago_s"] > replicated + 16, "nothing is proven any more", 40)


@pytest.mark.slow
def test_a_replica_is_forgotten_after_the_grace(new_daemon, replica, store):
    daemon = new_daemon({**store.settings, "ledger.replica_grace": "1s"}).wait_for_store()
    assert len(known_replicas(daemon)) == 1
    replica.finish()
    line = f"replica 127.0.0.1:{replica.port}: not seen for 1s; answered batches no longer wait for it"
    wait_until(lambda: line in daemon.log(), line, 60)
    assert known_replicas(daemon) == {}
    assert daemon.status()["store"].get("replicated_ago_s") is None
