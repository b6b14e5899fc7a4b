# SPDX-License-Identifier: MIT
"""Redis is absent, suspended, killed, loading, full or a replica. A visit gets its real number or a 503, never an invented number.

In all tests: answered as counted <= total in the store <= sent - answered as not counted. After the fault, the daemon counts again by itself.
"""

import concurrent.futures
import re

import pytest

from harness import FakeRedis, RedisStore, fetch, visit, wait_until
from harness.faults import HASTY, LONG, PATIENT, SHORT, check_is_away, check_refused, error_to_apply, refusal


@pytest.fixture
def store(redis_store):
    return redis_store


@pytest.fixture
def daemon(new_daemon, store):
    return new_daemon({**store.settings, **PATIENT}).wait_for_store()


@pytest.fixture
def brisk(new_daemon, store):
    """A daemon that soon closes a connection to a suspended server, while its visits wait long."""
    return new_daemon({**store.settings, **HASTY, "count.max_wait": LONG}).wait_for_store()


# --- absent, stopped, killed ---

def test_without_redis_at_start(new_daemon, new_redis):
    """The daemon starts, is alive but not ready, and answers 503. When Redis comes, it counts from 1."""
    server = new_redis(start=False)
    store = RedisStore(server)
    daemon = new_daemon({**store.settings, **HASTY})
    daemon.wait_for_log("redis unix:.*: connect: .*; retrying in")
    wait_until(lambda: daemon.fetch("/count").status == 503, "the patience for the start is over")
    check_is_away(daemon)
    status = daemon.status()
    assert status["store"]["available"] is False
    assert status["store"]["last_error"].startswith("connect: ")
    assert status["visits"]["applied"] == 0
    daemon.set_patience(LONG)
    server.start()
    daemon.wait_for_store()
    assert daemon.count() == 1
    assert daemon.fetch("/readyz").status == 200
    assert store.total() == 1
    assert daemon.status()["visits"]["refused"] >= 5


def test_a_visit_waits_a_moment_for_redis(new_daemon, new_redis):
    """No visit is refused within count.max_wait of a restart of Redis."""
    server = new_redis(start=False)
    daemon = new_daemon({**RedisStore(server).settings, "count.max_wait": "20s"})
    with concurrent.futures.ThreadPoolExecutor() as pool:
        number = pool.submit(daemon.count)
        wait_until(lambda: daemon.status()["visits"]["waiting"] == 1, "the visit waits")
        server.start()
        assert number.result() == 1


def test_redis_stops_and_comes_back(daemon, store):
    assert [daemon.count() for _ in range(3)] == [1, 2, 3]
    store.server.stop()
    daemon.wait_for_store(False)
    daemon.set_patience(SHORT)
    wait_until(lambda: daemon.fetch("/count").status == 503, "the patience is over")
    check_is_away(daemon)
    daemon.set_patience(LONG)
    store.server.start()
    daemon.wait_for_store()
    assert daemon.count() == 4
    assert daemon.status()["store"]["connects"] == 2
    assert daemon.log().count("connection closed by server") == 1, "said once, not at each attempt"


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_redis_restarts_under_load(new_daemon, store, visitors, how):
    """Redis is back before any visit times out. The ledger resolves the batches in flight, so visitors get exactly the numbers 1 … N."""
    daemon = new_daemon({**store.settings, "count.max_wait": "30s"})
    crowd = visitors([daemon.address], connections=32)
    for _ in range(3):
        crowd.wait_for_more(500)
        getattr(store.server, how)()
        store.server.start()
    crowd.wait_for_more(500)
    crowd.stop()
    crowd.finish().check_exact({"/count": store.total()})
    assert daemon.status()["store"]["connects"] == 4


def test_connections_that_break_under_load(new_daemon, store, visitors):
    """A batch whose reply was lost is resent under its number. No visit is refused, and none counts twice."""
    daemon = new_daemon({**store.settings, "count.max_wait": "30s"})
    crowd = visitors([daemon.address], connections=64)
    client = store.client()
    rounds = 0
    while rounds < 20 or daemon.status()["batches"]["resent"] == 0:
        rounds += 1
        assert rounds < 200, "no connection broke with a batch in flight: the test shows nothing"
        crowd.wait_for_more(100)
        client.client_kill_filter(_type="normal", skipme=True)
    crowd.wait_for_more(100)
    crowd.stop()
    crowd.finish().check_exact({"/count": store.total()})
    assert daemon.status()["store"]["connects"] > 5


# --- suspended ---

def test_a_frozen_redis_is_an_unknown_outcome(brisk, store):
    """Visits that were sent may have been counted, and the answer says so. Later visits were not counted."""
    daemon = brisk
    daemon.count()
    store.server.pause()
    daemon.set_patience(SHORT)
    answer = daemon.fetch("/count")
    assert (answer.status, answer.error) == (504, "outcome_unknown")
    assert "retry-after" in answer.headers
    assert answer.headers["visitcount-status"] == "unknown; reason=store-did-not-answer"
    assert "may have been counted" in answer.json()["error"]["message"]
    daemon.wait_for_store(False)
    wait_until(lambda: daemon.fetch("/count").error == "store_unavailable", "what is not sent is refused")
    assert daemon.fetch("/livez").text == "ok\n"
    assert daemon.status()["visits"]["unknown"] >= 1
    daemon.set_patience(LONG)
    store.server.resume()
    daemon.wait_for_store()
    number = daemon.count()
    assert store.total() == number
    assert 2 <= number <= 2 + daemon.status()["visits"]["unknown"]


def test_redis_frozen_again_and_again_under_load(brisk, store, visitors):
    daemon = brisk
    daemon.set_patience(SHORT)
    crowd = visitors([daemon.address], connections=32)
    for _ in range(3):
        crowd.wait_for_more(200)
        store.server.pause()
        before = crowd.unknown + crowd.refused
        wait_until(lambda: crowd.unknown + crowd.refused > before, lambda: f"503; {crowd}")
        store.server.resume()
    crowd.wait_for_more(200)
    crowd.stop()
    crowd.finish()
    assert crowd.unknown > 0, crowd
    daemon.set_patience(LONG)
    # a batch without waiting visits is resolved too
    wait_until(lambda: daemon.count() == store.total(), "everything is applied")
    crowd.check_bounds(store.total() - 1)


def test_a_short_freeze_is_only_a_delay(new_daemon, store, visitors):
    daemon = new_daemon({**store.settings, "count.max_wait": "30s", "redis.command_timeout": "300ms"})
    crowd = visitors([daemon.address], connections=16)
    crowd.wait_for_more(200)
    store.server.pause()
    daemon.wait_for_store(False)
    store.server.resume()
    crowd.wait_for_more(200)
    crowd.stop()
    crowd.finish().check_exact({"/count": store.total()})


def test_the_loop_does_not_wait_for_a_frozen_redis(daemon, store):
    daemon.set_patience(SHORT)
    store.server.pause()
    for _ in range(20):
        assert daemon.fetch("/livez", timeout=5).status == 200
    assert daemon.fetch("/", timeout=10).status == 200, "the welcome page comes without a number"
    store.server.resume()


def test_a_server_that_accepts_and_is_silent(new_daemon, directory):
    """Each state of the link has a timeout, here redis.connect_timeout."""
    fake = FakeRedis(directory / "silent.sock", lambda words: None)
    daemon = new_daemon({"store.backend": "redis", "redis.socket": fake.path, **HASTY})
    daemon.wait_for_log(r"redis unix:.*silent.sock: handshake: no answer within 400ms; retrying")
    wait_until(lambda: daemon.fetch("/count").status == 503, "503")
    check_is_away(daemon)
    fake.finish()


@pytest.mark.parametrize("reply", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00\xff" * 100, b"*-7\r\n", b"$99999999999\r\n", b":1\r\n",
                                   b"*1\r\n" * 100, b"+OK\r\n" * 100],
                         ids=["http", "bytes", "length", "huge", "number", "nested", "too many"])
def test_a_server_that_is_no_redis(new_daemon, directory, reply):
    fake = FakeRedis(directory / "fake.sock", lambda words: reply)
    daemon = new_daemon({"store.backend": "redis", "redis.socket": fake.path, **HASTY})
    wait_until(lambda: daemon.status()["store"]["last_error"], "it says what is wrong")
    wait_until(lambda: daemon.fetch("/count").status == 503, "503")
    check_is_away(daemon)
    fake.finish()


def test_a_host_that_has_no_address(new_daemon):
    """The resolver does not block the loop."""
    daemon = new_daemon({"redis.host": "no-such-host.invalid", **HASTY})
    assert daemon.fetch("/livez", timeout=5).status == 200
    daemon.wait_for_log(r"redis no-such-host.invalid:6379: resolv.*; retrying")
    check_refused(refusal(daemon))


# --- refused by the server ---

def test_loading(new_daemon, store):
    """A real Redis that loads slowly. It answers LOADING until it has all its data."""
    daemon = new_daemon({**store.settings, **PATIENT}).wait_for_store()
    for _ in range(5):
        daemon.count()
    daemon.set_patience(SHORT)
    store.client().execute_command("DEBUG", "POPULATE", "1500", "filling", "100")
    store.client().bgrewriteaof()
    wait_until(lambda: store.client().info("persistence")["aof_rewrite_in_progress"] == 0, "the data is in the file")
    store.server.kill()
    store.server.config.update({"key-load-delay": 1000, "loading-process-events-interval-bytes": 1024})
    store.server.start(is_ready=False)
    wait_until(lambda: "LOADING" in (daemon.status()["store"]["last_error"] or ""), "status says LOADING")
    wait_until(lambda: daemon.fetch("/count").status == 503, "503")
    check_is_away(daemon)
    daemon.set_patience(LONG)
    wait_until(store.server.answers, "Redis is there")
    daemon.wait_for_store()
    assert daemon.count() == 6


@pytest.mark.parametrize("error", ["LOADING Redis is loading", "BUSY Redis is busy", "READONLY You can't write", "OOM command not allowed",
                                   "NOREPLICAS Not enough", "MISCONF Redis is configured", "MASTERDOWN Link with MASTER",
                                   "CLUSTERDOWN The cluster is down", "TRYAGAIN Multiple keys", "NOAUTH Authentication required.",
                                   "NOPERM this user has no permissions", "ERR Error running script", "WRONGTYPE Operation"])
def test_an_error_means_not_executed(new_daemon, directory, error):
    """The visit was not counted, and gets no number."""
    fake = FakeRedis(directory / "fake.sock", error_to_apply(error.encode()))
    daemon = new_daemon({"store.backend": "redis", "redis.socket": fake.path, **HASTY})
    check_refused(refusal(daemon))
    status = daemon.status()["visits"]
    assert (status["applied"], status["waiting"]) == (0, 0)
    fake.finish()


@pytest.mark.parametrize("reply", ["OK", "OK ", "OK x", "OK -1", "DUP", "GAP", "nonsense", "", "OK 1 2", "OK 1\0", "GAP x",
                                   "GAP 7", "GAP 7 80 9", "OK 18446744073709551616"])
def test_an_answer_that_is_not_understood_is_no_number(new_daemon, directory, reply):
    def answer(words):
        if words[0] == "EVALSHA":
            return b"$%d\r\n%s\r\n" % (len(reply), reply.encode())
        return error_to_apply(None)(words)

    fake = FakeRedis(directory / "fake.sock", answer)
    daemon = new_daemon({"store.backend": "redis", "redis.socket": fake.path, **HASTY})
    assert daemon.fetch("/count").status == 504
    fake.finish()


class Ledger:
    """apply.lua in a few lines, for a server that misbehaves. `mood` is "silent" (applies the batch and does not answer), "forgetful" (omits one
    answer, once), "busy" (refuses the batch) or "well"."""

    def __init__(self, mood):
        self.mood = mood
        self.totals = {}
        self.entries = {}

    def __call__(self, words):
        if words[0] != "EVALSHA":
            return error_to_apply(None)(words)
        if self.mood == "busy":
            return b"-BUSY Redis is busy running a script.\r\n"
        argv = ["", *words[3 + int(words[2]):]]  # indices from 1, as in apply.lua
        epoch, sequence, follows = argv[1], int(argv[2]), int(argv[3])
        count = int(argv[9])  # number of pages, with the site
        first = 13  # index of the site, among pages and among hits
        hits = dict(zip(argv[first + 1:first + count], map(int, argv[first + count + 1:first + 2 * count])))
        reply = self.apply(epoch, sequence, follows, hits).encode()
        if self.mood == "forgetful":
            self.mood = "well"
            return b""
        return None if self.mood == "silent" else b"$%d\r\n%s\r\n" % (len(reply), reply)

    def apply(self, epoch, sequence, follows, hits):
        last, answer = self.entries.get(epoch, (0, ""))
        if last == sequence:
            return "DUP" + answer
        assert follows == last, (last, sequence)
        for page, count in hits.items():
            self.totals[page] = self.totals.get(page, 0) + count
        answer = "".join(f" {self.totals[page]}" for page in hits)
        self.entries[epoch] = (sequence, answer)
        return "OK" + answer


def test_a_batch_that_may_be_applied_is_not_changed(new_daemon, directory):
    """The answer of a batch is lost, then the batch is refused for a while, and its visits time out. It must be resent unchanged. If it had another
    visit, that visit would get the number of the first one and would not count."""
    ledger = Ledger("silent")
    fake = FakeRedis(directory / "fake.sock", ledger)
    daemon = new_daemon({"store.backend": "redis", "redis.socket": fake.path, **HASTY, "count.max_wait": "5s"}).wait_for_store()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        first = pool.submit(daemon.fetch)
        wait_until(lambda: ledger.totals == {"/": 1}, "the first visit is applied")
        ledger.mood = "busy"
        assert first.result().error == "outcome_unknown"
        second = pool.submit(daemon.fetch)
        wait_until(lambda: daemon.status()["visits"]["waiting"] == 1, "the second visit waits")
        ledger.mood = "well"
        assert second.result().number == 2
    assert ledger.totals == {"/": 2}
    assert daemon.status()["batches"]["duplicates"] == 1
    fake.finish()


def test_answers_that_moved_up_are_left_behind(new_daemon, directory):
    """An answer is missing, and the next command's answer (of the repeated read of the salt) comes in its place. All later answers on this connection
    would be shifted too, each in time. The daemon closes the connection."""
    ledger = Ledger("forgetful")
    fake = FakeRedis(directory / "fake.sock", ledger)
    daemon = new_daemon({"store.backend": "redis", "redis.socket": fake.path, "redis.command_timeout": "60s",
                         "count.max_wait": "30s"}).wait_for_store()
    assert [daemon.count() for _ in range(3)] == [1, 2, 3]
    daemon.wait_for_log("redis unix:.*fake.sock: a reply that is not understood; retrying")
    status = daemon.status()
    assert (status["store"]["connects"], status["batches"]["duplicates"]) == (2, 1)
    fake.finish()


def test_out_of_memory(daemon, store):
    """With maxmemory and noeviction visits get 503. Totals are exact when there is room again."""
    client = store.client()
    client.config_set("maxmemory-policy", "noeviction")
    assert daemon.count() == 1
    client.config_set("maxmemory", 1)
    daemon.set_patience(SHORT)
    check_refused(refusal(daemon))
    assert daemon.fetch("/v1/get/default/").json()["count"] == 1, "reading still works"
    crowd = visit([daemon.address], 20, connections=4)
    assert (crowd.answered, crowd.refused + crowd.unknown) == (0, 20), "unknown: whose patience ended while the store was being asked"
    daemon.set_patience(LONG)
    client.config_set("maxmemory", 0)
    wait_until(lambda: daemon.fetch("/count").status == 200, "it counts again")
    last = daemon.count()
    assert 3 <= last <= 3 + daemon.status()["visits"]["unknown"], "whose patience ended while the store was being asked"
    assert store.total() == last


def test_a_store_that_takes_nothing_is_said(daemon, store):
    """Log, status and metrics report it while it lasts. The log reports the end too, at the default level."""
    def failing_s():
        return float(re.search(r"^visitcountd_store_failing_seconds (\S+)$", daemon.ctl("metrics").output, re.M).group(1))

    client = store.client()
    client.config_set("maxmemory-policy", "noeviction")
    assert daemon.count() == 1
    assert "failing_for_s" not in daemon.status()["store"]
    assert failing_s() == 0
    client.config_set("maxmemory", 1)
    daemon.set_patience(SHORT)
    wait_until(lambda: daemon.fetch("/count").status != 200 and "takes no batches" in daemon.log(), "a warning")
    daemon.wait_for_log(r"warning store: site default: takes no batches for \d+s: OOM .*; trying again, \d+ visits wait")
    failing = daemon.status()["store"]
    assert failing["available"] and failing["failing_for_s"] >= 1
    assert failing["failing_site"] == "default"
    assert failing["failing_reason"].startswith("OOM ")
    assert failing_s() >= 1
    assert re.search(r"failing for +\d+s\n +failing site +default\n +failing reason +OOM ", daemon.ctl("status").output)
    line = fetch(daemon.admin_socket, "/status?format=line").text.split("\n")[1].split("\t")
    assert line[3] == "failing" and line[-1].startswith("OOM ")
    daemon.set_patience(LONG)
    client.config_set("maxmemory", 0)
    wait_until(lambda: daemon.fetch("/count").status == 200, "it counts again")
    daemon.wait_for_log(r"info    store: site default: takes batches again, after \d+s")
    assert "failing_for_s" not in daemon.status()["store"]
    assert failing_s() == 0
    assert daemon.log().count("takes no batches") == 1


def test_writes_switched_off_after_a_failed_save(daemon, store):
    """MISCONF: Redis refuses writes because it cannot save."""
    client = store.client()
    assert daemon.count() == 1
    client.config_set("save", "3600 1")
    (store.server.directory / "dump.rdb").mkdir()  # a directory in place of the file
    client.bgsave()
    wait_until(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err", "the save failed")
    daemon.set_patience(SHORT)
    check_refused(refusal(daemon))
    daemon.set_patience(LONG)
    client.config_set("stop-writes-on-bgsave-error", "no")
    wait_until(lambda: daemon.fetch("/count").status == 200, "it counts again")
    assert store.total() == 2


def test_redis_busy_with_a_script(daemon, store):
    """Redis answers BUSY until an operator ends the script."""
    client = store.client()
    assert daemon.count() == 1
    client.config_set("busy-reply-threshold", 50)
    stuck = store.client()
    stuck.connection_pool.get_connection("x").send_command("EVAL", "while true do end", 0)
    daemon.set_patience(SHORT)
    wait_until(lambda: daemon.fetch("/count").status == 503, "503")
    daemon.set_patience(LONG)
    client.script_kill()
    daemon.wait_for_store()
    number = wait_until(lambda: daemon.fetch("/count").status == 200 and daemon.count(), "it counts again")
    assert store.total() == number


def test_too_many_clients(new_daemon, store):
    client = store.client()
    client.ping()
    client.config_set("maxclients", 1)
    daemon = new_daemon({**store.settings, **HASTY})
    wait_until(lambda: daemon.status()["store"]["last_error"], "it says what is wrong")
    assert "max number of clients" in daemon.log()


# --- lost data ---

def test_script_flush(daemon, store):
    """The daemon sends the script with the next batch, which loads it again."""
    for number in range(1, 4):
        assert daemon.count() == number
        store.client().script_flush()
    assert daemon.count() == 4
    assert daemon.status()["store"]["connects"] == 1


def test_script_flush_under_load(daemon, store, visitors):
    crowd = visitors([daemon.address], connections=32)
    client = store.client()
    for _ in range(10):
        crowd.wait_for_more(100)
        client.script_flush()
    crowd.stop()
    crowd.finish().check_exact({"/count": store.total()})


def test_what_flushall_took_is_healed_and_said(daemon, store):
    """The ledger shows that the store went back in time. The daemon resends the batches of the last minute."""
    for _ in range(5):
        daemon.count()
    store.client().flushall()
    assert daemon.count() == 6
    assert daemon.count() == 7
    assert store.total() == 7
    daemon.wait_for_log("warning store: site default went back in time; sending 5 visits in 5 batches again")
    daemon.wait_for_log("info    store: site default: healed; 5 visits were sent again since the start")
    batches = daemon.status()["batches"]
    assert (batches["gaps"], batches["healed_visits"], batches["lost_visits"]) == (1, 5, 0)


def test_a_snapshot_from_before_is_healed_and_said(daemon, store):
    """Redis is restored to the state after the third visit, with the ledger of that time."""
    client = store.client(decode_responses=False)
    for _ in range(3):
        daemon.count()
    dumps = {key: client.dump(key) for key in client.keys()}
    for _ in range(3):
        daemon.count()
    for key, dump in dumps.items():
        client.restore(key, 0, dump, replace=True)
    assert daemon.count() == 7
    daemon.wait_for_log("site default went back in time; sending 3 visits in 3 batches again")
    assert daemon.count() == 8
    assert store.total() == 8


def test_what_is_not_kept_is_lost_and_said(new_daemon, store):
    """No batches are retained. Log and status report exactly how many visits are lost."""
    daemon = new_daemon({**store.settings, **PATIENT, "ledger.retain": "0s"}).wait_for_store()
    for _ in range(5):
        daemon.count()
    wait_until(lambda: daemon.status()["batches"]["retained_bytes"] == 0, "they are no longer kept")
    store.client().flushall()
    assert daemon.count() == 1
    batches = daemon.status()["batches"]
    assert (batches["gaps"], batches["healed_visits"], batches["lost_visits"]) == (1, 0, 5)
    daemon.wait_for_log("error .*site default went back in time by more than is kept here to send again; 5 visits in 5 batches are lost")


def test_a_series_that_cannot_be_written_leaves_the_totals_exact(daemon, store):
    """The key for the numbers of the day has another type. The daemon logs one warning, not one per visit."""
    store.client().set(store.day_key(), "not a hash")
    visits = visit([daemon.address], 500, connections=16)
    visits.check_exact({"/count": store.total()})
    daemon.wait_for_log("warning .*site default: numbers by day or hour or of visitors: WRONGTYPE.*totals are not affected")
    assert daemon.log().count("WRONGTYPE") == 1
    assert store.client().get(store.day_key()) == "not a hash"


@pytest.mark.parametrize("key", ["hits", "ledger"])
def test_a_key_of_another_type_is_a_refusal(daemon, store, key):
    store.client().set("vc:{default}:%s" % key, "not ours")
    daemon.set_patience(SHORT)
    check_refused(refusal(daemon))
    daemon.set_patience(LONG)
    store.client().delete("vc:{default}:%s" % key)
    wait_until(lambda: daemon.fetch("/count").status == 200, "it counts again")
    assert store.total() == 1


def test_old_entries_of_the_ledger_are_swept(new_daemon, store):
    client = store.client()
    client.hset("vc:{default}:ledger", mapping={"a" * 32: "5 17 1000000000 17", "b" * 32: "9 30 99999999999 3"})
    daemon = new_daemon(store.settings)
    daemon.count()
    entries = client.hkeys("vc:{default}:ledger")
    assert "a" * 32 not in entries
    assert "b" * 32 in entries
    assert "proof" in entries and len(entries) == 3
