# SPDX-License-Identifier: MIT
"""Keys of one site get lost one by one. The site is refused until an operator repairs it, and no visit counts twice."""

import json

import pytest

from harness import run_ctl, wait_until
from harness.faults import HASTY

HITS, LEDGER = "vc:{default}:hits", "vc:{default}:ledger"
MARK = "\1generation"

#: An epoch as versions before 0.2 have it.
OLD_EPOCH = "0123456789abcdef" * 2


@pytest.fixture
def settings(redis_store):
    return {**redis_store.settings, **HASTY, "sites": ["default", "other"]}


@pytest.fixture
def journaled(settings, directory):
    return {**settings, "journal.directory": f"{directory}/journal/%i"}


@pytest.fixture
def client(redis_store):
    return redis_store.client()


@pytest.fixture(params=["without", "with a journal"])
def daemon(request, new_daemon, settings, directory):
    if request.param != "without":
        settings = {**settings, "journal.directory": f"{directory}/journal/%i"}
    daemon = new_daemon(settings).wait_for_store()
    assert [daemon.count() for _ in range(10)] == list(range(1, 11))
    return daemon


def dump(client, key):
    """The key's present content, for restore()."""
    return key, client.execute_command("DUMP", key, NEVER_DECODE=True)


def restore(client, dumped):
    key, value = dumped
    client.delete(key)
    client.execute_command("RESTORE", key, 0, value)


def check_torn(daemon, redis_store, total):
    """Checks that no visit counts and that the log tells the operator what to do."""
    for _ in range(3):
        answer = daemon.fetch("/count")
        assert answer.status == 503, answer
    assert redis_store.total() == total
    daemon.wait_for_log("site default: the keys of the site contradict each other: .*visitcountctl repair default --trust hits|NUMBER")
    store = daemon.status()["store"]
    assert store["torn_sites"] == 1 and "visitcountctl repair" in store["torn_remedy"]
    assert "contradict each other" in store["failing_reason"]
    assert "visitcountd_torn_sites 1" in daemon.ctl("metrics").output.splitlines()
    assert daemon.fetch("/v1/hit/other/").status == 200, "the other site notices nothing"
    changed = daemon.ctl("set", "default", "/", "7")
    assert changed.status == 1 and "visitcountctl repair default" in changed.errors


def repair(daemon, *arguments):
    done = daemon.ctl("repair", "default", *arguments, "--json")
    assert done.status == 0, done
    return json.loads(done.output)


# --- lost and restored keys ---

def test_a_lost_ledger(daemon, redis_store, client):
    client.delete(LEDGER)
    check_torn(daemon, redis_store, 10)


def test_a_lost_ledger_and_a_lost_mark(daemon, redis_store, client):
    """The rest looks like data of a version before 0.2, but not to an instance that has counted on the site."""
    client.delete(LEDGER)
    client.zrem(HITS, MARK)
    check_torn(daemon, redis_store, 10)
    repaired = repair(daemon, "--trust", "hits")
    assert (repaired["state"], repaired["count"], repaired["new_generation"]) == ("repaired", 10, 1)
    assert daemon.count() == 11 == redis_store.total()


def test_lost_totals(daemon, redis_store, client):
    client.delete(HITS)
    check_torn(daemon, redis_store, 0)


def test_both_lost_are_healed(daemon, redis_store, client):
    client.delete(HITS, LEDGER)
    wait_until(lambda: daemon.fetch("/count").status == 200, "it counts")
    wait_until(lambda: not daemon.status()["batches"]["healing"], "all is healed")
    assert daemon.count() == redis_store.total() == daemon.status()["visits"]["applied"]
    assert daemon.status()["batches"]["healed_visits"] == 10


@pytest.mark.parametrize("key, total", [(LEDGER, 12), (HITS, 10)])
def test_an_older_one_of_the_two(daemon, redis_store, client, key, total):
    older = dump(client, key)
    assert [daemon.count(), daemon.count()] == [11, 12]
    restore(client, older)
    check_torn(daemon, redis_store, total)


def test_a_part_of_the_proof_is_lost(daemon, redis_store, client):
    proof = client.hget(LEDGER, "proof")
    client.hdel(LEDGER, "proof")
    check_torn(daemon, redis_store, 10)
    client.hset(LEDGER, "proof", proof)
    assert daemon.count() == 11, "what was restored as it was counts on"
    client.zrem(HITS, MARK)
    check_torn(daemon, redis_store, 11)


def test_the_sites_total_changed_by_hand(daemon, redis_store, client):
    client.zincrby(HITS, 1, "")
    check_torn(daemon, redis_store, 10)


def test_a_page_changed_by_hand_is_no_contradiction(daemon, client):
    """The proof covers only the site's total."""
    client.zincrby(HITS, 5, "/")
    assert daemon.count() == 16


def test_eviction(new_daemon, redis_store, client):
    """An eviction policy removes keys of all sites one by one. No site counts twice, and none silently starts from zero."""
    sites = [f"s{number}" for number in range(8)]
    daemon = new_daemon({**redis_store.settings, **HASTY, "sites": sites}).wait_for_store()
    for site in sites:
        for number in range(10):
            assert daemon.fetch(f"/v1/hit/{site}/").json()["count"] == number + 1
    client.config_set("maxmemory-policy", "allkeys-random")
    client.config_set("maxmemory", 1)
    wait_until(lambda: sum(client.exists(f"vc:{{{site}}}:hits", f"vc:{{{site}}}:ledger") == 1 for site in sites) or not _evict(client), "a key is evicted")
    client.config_set("maxmemory", 0)
    for site in sites:
        left = client.exists(f"vc:{{{site}}}:hits", f"vc:{{{site}}}:ledger")
        answer = daemon.fetch(f"/v1/hit/{site}/")
        if left == 1:
            assert answer.status == 503, site
        else:
            wait_until(lambda site=site: daemon.fetch(f"/v1/hit/{site}/").status == 200, f"{site} counts")


def _evict(client):
    """Runs a command that needs memory, so that Redis evicts keys."""
    try:
        client.set("needs", "memory")
    except Exception:  # noqa: BLE001: all is evicted
        pass
    return False


# --- repair ---

def test_repair_shows_what_is_wrong(daemon, redis_store, client):
    client.delete(LEDGER)
    check_torn(daemon, redis_store, 10)
    shown = repair(daemon)
    assert (shown["state"], shown["hits_total"], shown["ledger_total"], shown["pages"], shown["generation"]) == ("torn", 10, None, 1, 0)
    assert "the ledger was lost or is older" in shown["contradiction"]
    assert shown["in_doubt"] == {"unconfirmed_visits": 0, "retained_visits": 10, "journal_visits": 0}
    check_torn(daemon, redis_store, 10)


def test_repair_trusts_the_totals(daemon, redis_store, client):
    older = dump(client, LEDGER)
    assert daemon.count() == 11
    restore(client, older)
    check_torn(daemon, redis_store, 11)
    done = repair(daemon, "--trust", "hits")
    assert (done["state"], done["count"], done["new_generation"], done["ledger_total"]) == ("repaired", 11, 1, 10)
    assert [daemon.count() for _ in range(3)] == [12, 13, 14]
    assert redis_store.total(page="") == redis_store.total() == 14
    status = daemon.status()
    assert (status["batches"]["outdated_visits"], status["store"]["torn_sites"]) == (11, 0)
    daemon.wait_for_log("site default was repaired, and is of generation 1 now; 11 visits that were sent before are not sent again")
    daemon.stop()
    assert daemon.start().wait_for_store().count() == 15, "a new process learns the generation and refuses nobody"
    assert daemon.status()["visits"]["refused"] == 0


def test_repair_takes_a_number(daemon, redis_store, client):
    client.delete(HITS)
    check_torn(daemon, redis_store, 0)
    assert repair(daemon, "--trust", "500")["count"] == 500
    assert daemon.ctl("set", "default", "/", "480").status == 0
    assert daemon.count() == 481
    assert redis_store.total(page="") == 981


def test_repair_refuses_what_makes_no_sense(daemon):
    for arguments, reason in ((("--trust", "ledger"), "expected hits, or the site's total"), (("--trust", "-1"), "expected hits"),
                              (("--trust", "hits"), "do not contradict each other")):
        refused = daemon.ctl("repair", "default", *arguments)
        assert refused.status == 1 and reason in refused.errors, refused
    assert repair(daemon)["state"] == "sound"
    assert daemon.ctl("status", "--trust", "hits").status == 64
    assert daemon.count() == 11
    assert repair(daemon, "--trust", "hits", "--force")["new_generation"] == 1
    assert daemon.count() == 12


def test_sqlite_needs_no_repair(new_daemon):
    daemon = new_daemon()
    assert daemon.count() == 1
    refused = daemon.ctl("repair", "default", "--trust", "hits")
    assert refused.status == 1 and "nothing to repair" in refused.errors


# --- other instances, and journals ---

def test_every_instance_finds_out_by_itself(new_daemon, journaled, redis_store, client):
    """One instance has retained batches and records from before the repair. The records were never replayed."""
    one = new_daemon(journaled, name="one").wait_for_store()
    two = new_daemon(journaled, name="two").wait_for_store()
    assert [one.count(), two.count(), one.count(), two.count()] == [1, 2, 3, 4]
    path = two.directory / "journal" / "two"
    redis_store.server.kill()
    two.wait_for_store(False)
    for page in ("", "a", "a"):
        assert two.fetch(f"/v1/hit/default/{page}").status == 202
    assert two.fetch("/v1/hit/other/").status == 202
    two.kill()
    redis_store.server.start()
    one.wait_for_store()
    client.delete(LEDGER)
    assert repair(one, "--trust", "hits")["state"] == "repaired"
    before = redis_store.total()
    assert one.count() == before + 1

    two.start().wait_for_store()
    wait_until(lambda: two.status()["journal"]["visits"] == 0, lambda: f"the journal is empty: {two.status()['journal']}")
    status = two.status()["journal"]
    assert (status["aside_visits"], status["replayed_visits"]) == (3, 1)
    assert redis_store.total() == before + 1 and redis_store.total(page="/a") == 0 and redis_store.total("other") == 1
    assert two.count() == before + 2
    check_set_aside(path)
    two.wait_for_log("3 visits of the journal are set aside")
    assert "visitcountd_journal_aside_visits 3" in two.ctl("metrics").output.splitlines()
    two.stop()
    two.start().wait_for_store()
    assert two.status()["journal"]["aside_visits"] == 3, "what is set aside stays"
    assert two.count() == before + 3
    check_set_aside(path)


def check_set_aside(path):
    """Checks that only records of the repaired site were set aside, by page."""
    shown = run_ctl("journal", "aside", path, "--json")
    assert shown.status == 0, shown
    pages = {}
    for record in json.loads(shown.output)["records"]:
        assert record["site"] == "default"
        pages[record["page"]] = pages.get(record["page"], 0) + record["visits"]
    assert pages == {"/": 1, "/a": 2}
    assert run_ctl("journal", "aside", path).output.splitlines()[0].split() == ["FILE", "SITE", "HOUR", "VISITS", "PAGE"]
    assert run_ctl("journal", "verify", path).status == 0


def test_a_journal_that_is_adopted(new_daemon, journaled, settings, redis_store, client):
    dead = new_daemon(journaled, name="dead").wait_for_store()
    heir = new_daemon(settings, name="heir").wait_for_store()
    assert [dead.count(), heir.count()] == [1, 2]
    redis_store.server.kill()
    dead.wait_for_store(False)
    assert dead.fetch("/v1/hit/default/").status == 202
    dead.kill()
    redis_store.server.start()
    heir.wait_for_store()
    assert heir.fetch("/count").status == 200
    before = redis_store.total()
    client.zincrby(HITS, 1, "")
    repair(heir, "--trust", "hits")
    done = heir.ctl("journal", "replay", dead.directory / "journal" / "dead")
    assert done.status == 0 and {"aside", "1"} in [set(line.split()) for line in done.output.splitlines()], done
    assert redis_store.total() == before
    assert heir.count() == before + 1


def test_visits_of_a_process_that_never_saw_the_store_count_after_an_old_repair(new_daemon, journaled, redis_store):
    """The process could not know the generation when it journaled them, but it has sent none of them."""
    daemon = new_daemon(journaled).wait_for_store()
    assert daemon.count() == 1
    repair(daemon, "--trust", "hits", "--force")
    assert daemon.count() == 2
    daemon.stop()
    redis_store.server.kill()
    daemon.start()
    wait_until(lambda: daemon.fetch("/count").status == 202, "visits are journaled")
    journaled_visits = daemon.status()["visits"]["journaled"]
    redis_store.server.start()
    daemon.wait_for_store()
    wait_until(lambda: daemon.status()["journal"]["visits"] == 0, lambda: f"all is replayed: {daemon.status()['journal']}")
    assert daemon.status()["journal"]["aside_visits"] == 0
    before = redis_store.total()
    assert daemon.count() == before + 1
    assert before >= journaled_visits


# --- versions before 0.2 ---

def visit_by_old_version(client, sequence, used_at=None):
    """Does the same as the script of that version: writes no mark, and an entry under an epoch in the old form."""
    client.eval("redis.call('ZINCRBY', KEYS[1], 1, '') redis.call('ZINCRBY', KEYS[1], 1, '/') redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])",
                2, HITS, LEDGER, OLD_EPOCH, f"{sequence} {sequence} {used_at or client.time()[0]} {sequence}")


def test_data_of_an_older_version_is_adopted(new_daemon, settings, redis_store, client):
    for number in range(1, 4):
        visit_by_old_version(client, number)
    daemon = new_daemon(settings).wait_for_store()
    assert daemon.count() == 4
    store = daemon.status()["store"]
    assert (store["unproven_sites"], store["unproven_site_names"]) == (1, ["default"])
    assert "visitcountd_unproven_sites 1" in daemon.ctl("metrics").output.splitlines()
    assert redis_store.total(page="") == 4
    client.delete(LEDGER)
    check_torn(daemon, redis_store, 4)


def test_an_older_version_beside_is_unproven_and_not_torn(new_daemon, settings, redis_store, client):
    daemon = new_daemon(settings).wait_for_store()
    assert daemon.count() == 1
    assert daemon.status()["store"]["unproven_sites"] == 0
    for number in range(1, 6):
        visit_by_old_version(client, number)
        assert daemon.count() == 1 + 2 * number
    assert daemon.status()["store"]["unproven_sites"] == 1
    assert redis_store.total() == redis_store.total(page="") == 11


def test_the_mark_is_no_page(daemon, client):
    assert client.zscore(HITS, MARK) == 0
    for command in (("top", "default"), ("export",), ("sites",)):
        assert "generation" not in daemon.ctl(*command).output, command
    assert daemon.ctl("export").output == "default\t/\t10\n"


def test_limits_count_pages_only(new_daemon, settings, redis_store):
    daemon = new_daemon({**settings, "limits.pages": 3}).wait_for_store()
    answers = [daemon.fetch(f"/v1/hit/default/{page}") for page in ("a", "b", "c", "d", "a")]
    assert [answer.status for answer in answers][:3] == [200, 200, 200] and answers[4].status == 200
    assert answers[3].status != 200
    assert set(redis_store.totals()) == {("default", "/a"), ("default", "/b"), ("default", "/c")}
