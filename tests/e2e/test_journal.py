# SPDX-License-Identifier: MIT
"""The journal: no visit is refused while the store is away. Afterwards the store has each answered visit exactly once.

A visit that was answered as journaled is on this machine's disk. So it survives kill -9 at any time. A record counts once, even if it is replayed
several times.
"""

import signal
import sqlite3
import time

import pytest

from harness import DEADLINE, SqliteStore, answering, need_program, run_ctl, visit, wait_until
from harness.faults import LONG, PATIENT, SHORT


@pytest.fixture
def path(directory):
    return directory / "journal" / "default"


@pytest.fixture
def settings(redis_store, directory):
    return {**redis_store.settings, **PATIENT, "journal.directory": f"{directory}/journal/%i", "sites": ["*"]}


@pytest.fixture
def daemon(new_daemon, settings):
    return new_daemon(settings).wait_for_store()


def segments(path):
    return sorted(path.glob("*.journal"))


def take_away(daemon, store):
    store.server.kill()
    daemon.wait_for_store(False)


def check_journaled(answer):
    assert answer.status == 202, answer
    assert answer.headers["visitcount-status"] == "journaled"
    assert answer.headers["cache-control"] == "no-store, max-age=0"


def journal(daemon, *args):
    return daemon.ctl("journal", *args)


def wait_for_replay(daemon):
    wait_until(lambda: daemon.status()["journal"]["visits"] == 0, lambda: f"all is replayed: {daemon.status()['journal']}")


# --- answers to visitors ---

def test_an_outage_is_answered_with_estimates_and_counted_afterwards(daemon, redis_store):
    assert [daemon.count() for _ in range(5)] == [1, 2, 3, 4, 5]
    take_away(daemon, redis_store)
    answer = daemon.fetch("/count.json")
    check_journaled(answer)
    assert answer.json() == {"site": "default", "page": "/", "count": 6, "status": "journaled", "estimate": True}
    answer = daemon.fetch("/count")
    check_journaled(answer)
    assert answer.text == "~7\n"
    answer = daemon.fetch("/count", headers={"Accept": "text/html"})
    check_journaled(answer)
    assert "~8" in answer.text
    answer = daemon.fetch("/v1/hit/default/never/seen")
    check_journaled(answer)
    assert answer.json()["count"] is None and answer.json()["estimate"] is True
    redis_store.server.start()
    daemon.wait_for_store()
    wait_for_replay(daemon)
    assert daemon.count() == 9
    assert redis_store.totals() == {("default", "/"): 9, ("default", "/never/seen"): 1}
    visits = daemon.status()["visits"]
    assert (visits["journaled"], visits["refused"], visits["unknown"]) == (4, 0, 0)
    metrics = daemon.ctl("metrics").output.splitlines()
    for line in ("visitcountd_visits_replayed_total 4", "visitcountd_journal_visits 0", "visitcountd_journal_records 0",
                 "visitcountd_journal_records_written_total 4", "visitcountd_journal_failed 0"):
        assert line in metrics
    assert daemon.status()["journal"]["replayed_visits"] == 4


def test_ready_while_the_journal_has_room(daemon, redis_store):
    answer = daemon.fetch("/readyz")
    assert (answer.status, answer.json()["state"]) == (200, "ready")
    take_away(daemon, redis_store)
    answer = daemon.fetch("/readyz")
    assert (answer.status, answer.json()) == (200, {"ready": True, "state": "journaling"})


def test_a_moment_is_waited_for(daemon, redis_store):
    """A broken connection, or the first one after a start, is not an outage: visits wait a moment for their numbers."""
    for number in range(1, 6):
        assert daemon.count() == number
        redis_store.client().client_kill_filter(_type="normal", skipme=True)
    daemon.stop()
    assert daemon.start().count() == 6, "not yet connected"
    assert daemon.status()["visits"]["journaled"] == 0


def test_a_reload_forgets_no_site_that_was_admitted(daemon, redis_store):
    """During an outage the store could not be asked again whether there is room for the site."""
    assert daemon.fetch("/v1/hit/not-listed/x").json()["count"] == 1
    take_away(daemon, redis_store)
    assert daemon.ctl("reload").status == 0
    check_journaled(daemon.fetch("/v1/hit/not-listed/x"))


def test_a_visit_in_flight_goes_to_the_journal(new_daemon, settings, redis_store):
    """Redis is suspended. The visit was sent, and it is unknown whether it was applied. It counts once."""
    daemon = new_daemon({**settings, "redis.command_timeout": "2s"}).wait_for_store()
    assert daemon.count() == 1
    redis_store.server.pause()
    check_journaled(daemon.fetch("/count"))
    redis_store.server.resume()
    daemon.wait_for_store()
    wait_for_replay(daemon)
    assert daemon.count() == 3
    assert redis_store.total() == 3


def test_new_visits_go_on_while_it_is_replayed(daemon, redis_store, visitors):
    targets = [f"/v1/hit/site-{i}/page" for i in range(20)]
    visit([daemon.address], 200, targets=targets).check_exact(by_target(redis_store, targets))
    take_away(daemon, redis_store)
    crowd = visitors([daemon.address], connections=40, targets=targets)
    wait_until(lambda: daemon.status()["visits"]["journaled"] >= 2000, "visits are journaled")
    redis_store.server.start()
    daemon.wait_for_store()
    crowd.wait_for_more(2000)
    crowd.stop()
    crowd.finish()
    wait_for_replay(daemon)
    assert not [answer for answer in crowd.others if answer[0] != 202] and not crowd.unknown, str(crowd)
    journaled = len(crowd.others)
    assert sum(by_target(redis_store, targets).values()) == 200 + crowd.answered + journaled
    assert daemon.status()["visits"]["journaled"] == journaled


def by_target(store, targets):
    return {target: store.total(*target[len("/v1/hit/"):].split("/page")[:1], "/page") for target in targets}


def test_visits_of_one_turn_share_one_sync(daemon, redis_store):
    take_away(daemon, redis_store)
    crowd = visit([daemon.address], 2000, connections=100)
    assert len(crowd.others) == 2000 and {status for status, _ in crowd.others} == {202}, str(crowd)
    status = daemon.status()["journal"]
    assert status["visits"] == 2000
    assert status["syncs"] < 500
    redis_store.server.start()
    wait_for_replay(daemon)
    assert redis_store.total() == 2000


def test_with_the_embedded_store(new_daemon, directory, path):
    """Another process locks the database. Visits that cannot be counted go to the journal."""
    store = SqliteStore(directory / "visits.db")
    daemon = new_daemon({**store.settings, **PATIENT, "journal.directory": str(path)}).wait_for_store()
    assert daemon.count() == 1
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    daemon.set_patience(SHORT)
    for _ in range(5):
        check_journaled(daemon.fetch("/count"))
    other.execute("ROLLBACK")
    other.close()
    daemon.set_patience(LONG)
    wait_for_replay(daemon)
    assert daemon.count() == 7
    assert store.total() == 7


# --- kill -9 ---

def test_kill_before_the_replay(daemon, redis_store, path):
    take_away(daemon, redis_store)
    for _ in range(3):
        check_journaled(daemon.fetch("/count"))
    daemon.kill()
    assert segments(path)
    redis_store.server.start()
    daemon.start()
    daemon.wait_for_log("journal .*: open, with 3 visits for the store")
    wait_for_replay(daemon)
    assert redis_store.total() == 3
    assert daemon.count() == 4


def test_kill_during_the_replay_and_again(new_daemon, settings, redis_store, path):
    """Again and again until the replay is done. The store has each record once."""
    targets = [f"/v1/hit/site-{i}/page" for i in range(100)]
    daemon = new_daemon({**settings, "ledger.retain": "1h"}).wait_for_store()
    visit([daemon.address], 100, connections=100, targets=targets)  # because only the store can admit a new site
    take_away(daemon, redis_store)
    crowd = visit([daemon.address], 5000, connections=100, targets=targets)
    assert len(crowd.others) == 5000, str(crowd)
    daemon.kill()
    redis_store.server.start()
    total = 100 + 5000
    killed_during = 0
    for _ in range(20):
        daemon.start().wait_for_store()
        wait_until(lambda: daemon.status()["journal"]["replayed_visits"], "it replays")
        total += daemon.fetch("/v1/hit/site-0/page").status == 200
        left = daemon.status()["journal"]["visits"]
        daemon.kill()
        killed_during += left != 0
        if left == 0:
            break
    assert killed_during >= 1
    daemon.start().wait_for_store()
    wait_for_replay(daemon)
    assert sum(redis_store.totals().values()) == total


def test_kill_after_the_replay(daemon, redis_store, path):
    """The file does not show that a record is done. The store knows it."""
    take_away(daemon, redis_store)
    check_journaled(daemon.fetch("/count"))
    redis_store.server.start()
    daemon.wait_for_store()
    wait_for_replay(daemon)
    daemon.kill()
    for _ in range(3):
        daemon.start().wait_for_store()
        wait_for_replay(daemon)
        daemon.kill()
    assert redis_store.total() == 1


# --- damage ---

def leave_records(daemon, store, count):
    """Journals `count` visits, a record each, and kills the daemon."""
    take_away(daemon, store)
    for _ in range(count):
        check_journaled(daemon.fetch("/count"))
    daemon.kill()


def records(path):
    result = run_ctl("journal", "show", path, "--json")
    return result.json()["records"]


def test_a_torn_record_is_cut_and_said(daemon, redis_store, path):
    leave_records(daemon, redis_store, 3)
    segment, = segments(path)
    last = records(path)[-1]
    segment.write_bytes(segment.read_bytes()[:last["offset"] + 20])
    verified = run_ctl("journal", "verify", path)
    assert verified.status == 1
    assert f"{segment}:{last['offset']}: a record is cut short; nothing good is behind it: an interrupted write" in verified.output
    redis_store.server.start()
    daemon.start()
    daemon.wait_for_log(rf"warning journal {segment}: offset {last['offset']}: torn, as a crash leaves it; the last 20 bytes are cut off")
    wait_for_replay(daemon)
    assert redis_store.total() == 2


def test_a_flipped_bit_is_refused_with_file_and_offset(new_daemon, daemon, redis_store, path):
    leave_records(daemon, redis_store, 3)
    segment, = segments(path)
    second = records(path)[1]
    content = bytearray(segment.read_bytes())
    content[second["offset"] + 30] ^= 4
    segment.write_bytes(content)
    daemon.start_in_vain()
    assert f"journal {segment}: offset {second['offset']}: a record does not match its checksum" in daemon.log()
    assert f"visitcountctl journal verify {path}" in daemon.log()
    assert segment.read_bytes() == content, "nothing was changed"
    shown = run_ctl("journal", "show", path)
    assert shown.status == 1
    assert f"{segment}:{second['offset']}: a record does not match its checksum" in shown.errors
    assert len(shown.output.splitlines()) == 3, "the head and two good records"
    verified = run_ctl("--json", "journal", "verify", path)
    assert verified.status == 1
    assert (verified.json()["records"], len(verified.json()["damages"])) == (2, 1)
    segment.rename(path / "away")
    redis_store.server.start()
    assert daemon.start().wait_for_store().count() == 1


def test_a_file_that_is_not_ours_is_refused(new_daemon, settings, path):
    path.mkdir(parents=True)
    (path / "00000001.journal").write_text("this is a diary, dear reader")
    daemon = new_daemon(settings, start=False)
    daemon.start_in_vain()
    assert "00000001.journal: offset 0: this is no segment of a journal" in daemon.log()
    assert (path / "00000001.journal").read_text() == "this is a diary, dear reader"


def test_a_second_daemon_is_refused_by_name(new_daemon, daemon, settings, path):
    other = new_daemon({**settings, "journal.directory": str(path)}, name="other", start=False)
    other.start_in_vain()
    assert f"error   journal {path}: another process has it; each instance needs its own" in other.log()
    assert daemon.count() == 1


# --- full ---

def test_a_full_journal_refuses(new_daemon, settings, redis_store):
    daemon = new_daemon({**settings, "journal.max_size": "64KiB"}).wait_for_store()
    take_away(daemon, redis_store)

    def fill():
        answer = daemon.fetch(f"/v1/hit/default/{'x' * 500}")
        return answer.status != 202 and answer

    refused = wait_until(fill, "the journal is full")
    assert (refused.status, refused.error) == (503, "journal_full")
    assert refused.headers["visitcount-status"] == "refused; reason=journal-full"
    assert int(refused.headers["retry-after"]) >= 1
    answer = daemon.fetch("/readyz")
    assert (answer.status, answer.json()["ready"]) == (503, False)
    assert daemon.log().count("visits that need the journal are refused") <= 1, "said once"
    journaled = daemon.status()["visits"]["journaled"]
    redis_store.server.start()
    daemon.wait_for_store()
    wait_for_replay(daemon)
    assert sum(redis_store.totals().values()) == journaled
    assert daemon.fetch("/readyz").status == 200


def test_a_full_disk_refuses_and_says_so(new_daemon, settings, redis_store, directory):
    """The journal is on a full file system of its own. Once there is room again, it is used."""
    disk = directory / "disk"
    disk.mkdir()
    script = 'mount -t tmpfs -o size=256k none "$1" && head -c 300000 /dev/zero >"$1/fill" 2>/dev/null; shift; exec "$@"'
    daemon = new_daemon({**settings, "journal.directory": f"{disk}/j"}, start=False,
                        wrapper=[need_program("unshare", "util-linux"), "-rm", "sh", "-c", script, "sh", disk])
    daemon.start().wait_for_store()
    take_away(daemon, redis_store)
    refused = daemon.fetch("/count")
    assert (refused.status, refused.headers["visitcount-status"]) == (503, "refused; reason=store-unavailable")
    assert "no space left on device" in daemon.status()["journal"]["error"]
    daemon.wait_for_log("error   journal .*: no space left on device; visits that need the journal are refused")
    (daemon.process.root / disk.relative_to("/") / "fill").unlink()
    check_journaled(daemon.fetch("/count"))
    assert not daemon.status()["journal"]["error"]
    redis_store.server.start()
    wait_for_replay(daemon)
    assert redis_store.total() == 1


# --- the end of the process ---

def test_sigterm_with_the_store_down(daemon, redis_store, path):
    """Visits that wait for the store go to the journal, and the process ends in time."""
    assert daemon.count() == 1
    take_away(daemon, redis_store)
    for _ in range(3):
        check_journaled(daemon.fetch("/count"))
    start = time.monotonic()
    daemon.stop()
    assert time.monotonic() - start < 5
    assert segments(path)
    redis_store.server.start()
    daemon.start()
    wait_for_replay(daemon)
    assert redis_store.total() == 4


def test_sigterm_with_visits_on_their_way(new_daemon, settings, redis_store, visitors, path):
    """Redis is suspended under load, and the daemon gets SIGTERM. Every visitor is answered, and every promise holds."""
    daemon = new_daemon({**settings, "drain.timeout": "5s", "count.max_wait": "1s", "redis.command_timeout": "400ms"}).wait_for_store()
    crowd = visitors([daemon.address], connections=32)
    crowd.wait_for_more(100)
    redis_store.server.pause()
    wait_until(lambda: daemon.status()["visits"]["waiting"] > 0, "visits wait")
    start = time.monotonic()
    daemon.signal(signal.SIGTERM)
    assert daemon.process.wait(DEADLINE) == 0
    assert time.monotonic() - start < 8
    crowd.stop()
    crowd.finish()
    redis_store.server.resume()
    daemon.start().wait_for_store()
    wait_for_replay(daemon)
    journaled = sum(status == 202 for status, _ in crowd.others)
    assert not crowd.unknown and not [answer for answer in crowd.others if answer[0] != 202], str(crowd)
    total = redis_store.total()
    assert crowd.answered + journaled <= total <= crowd.answered + journaled + crowd.broken, f"{total} in the store; {crowd}"


# --- visitcountctl journal ---

def test_show_and_verify(daemon, redis_store, path):
    leave_records(daemon, redis_store, 2)
    shown = run_ctl("journal", "show", path)
    assert shown.status == 0
    head, *lines = shown.output.splitlines()
    assert head.split() == ["FILE", "OFFSET", "SITE", "EPOCH", "SEQUENCE", "HOUR", "PAGES", "VISITS"]
    assert [line.split()[0:3] for line in lines] == [["00000001.journal", str(record["offset"]), "default"] for record in records(path)]
    one, two = records(path)
    assert one["epoch"] == two["epoch"] and len(one["epoch"]) == 32
    assert (one["sequence"], two["sequence"]) == (1, 2)
    assert one["hour"].startswith(time.strftime("%Y-%m-%dT", time.gmtime()))
    assert (one["pages"], one["visits"]) == (1, 1)
    verified = run_ctl("journal", "verify", path)
    assert (verified.status, verified.output) == (0, f"{path}: 2 records with 2 visits are good; damages: 0\n")
    missing = run_ctl("journal", "verify", path / "nothing")
    assert missing.status == 2 and "No such file or directory" in missing.errors
    wrong = run_ctl("journal", "sing", path)
    assert wrong.status == 64 and "expected show, aside, verify or replay" in wrong.errors


@pytest.fixture
def heir(new_daemon, daemon, redis_store):
    """An instance without a journal of its own, after one with records was killed."""
    leave_records(daemon, redis_store, 5)
    return new_daemon({**redis_store.settings, **PATIENT}, name="heir")


def test_replay_by_another_instance(heir, redis_store, path):
    redis_store.server.start()
    heir.wait_for_store()
    done = journal(heir, "replay", path)
    assert done.status == 0, done
    assert {tuple(line.split()) for line in done.output.splitlines()} == {("directory", str(path)), ("state", "done"), ("visits", "5"), ("left", "0")}
    assert redis_store.total() == 5
    assert segments(path) == []
    again = journal(heir, "replay", path)
    assert again.status == 0, again
    assert redis_store.total() == 5
    assert heir.count() == 6
    assert f"journal {path}: replayed: all 5 visits in it are in the store" in heir.log()
    assert heir.status()["replays"][0] == {"directory": str(path), "visits": 5, "left": 0, "is_done": True}


def test_replay_waits_for_the_store(heir, redis_store, path):
    early = heir.ctl("--timeout", "300ms", "journal", "replay", path)
    assert early.status == 2
    assert "not all of it is in the store yet; the instance goes on" in early.errors
    assert segments(path), "nothing goes before it is in the store"
    assert heir.status()["replays"][0]["left"] == 5
    redis_store.server.start()
    assert journal(heir, "replay", path).status == 0
    assert redis_store.total() == 5


@pytest.mark.parametrize("second", [b"rubbish", b'{"state":"almost \\"done\\""}', b'{"note":"done"}', b'{"state":1}', b'["done"]', b""])
def test_a_replay_is_done_when_its_state_says_so(directory, path, second):
    """The state must say so; the word elsewhere in the answer does not count."""
    path.mkdir(parents=True)
    started = b'{"directory":"x","state":"replaying","visits":1,"left":1}'
    with answering(directory / "other.sock", [started, second]):
        result = run_ctl("--timeout", "1s", "--socket", directory / "other.sock", "journal", "replay", path)
    assert (result.status, result.output) == (2, "")
    assert len(result.errors.splitlines()) == 1 and "expected" in result.errors, result.errors


def test_a_replay_that_is_cut_short_is_taken_up(heir, daemon, redis_store, path):
    """The heir dies, and the owner comes back. The remaining records count once."""
    heir.ctl("--timeout", "200ms", "journal", "replay", path)
    heir.kill()
    redis_store.server.start()
    daemon.start()
    wait_for_replay(daemon)
    assert redis_store.total() == 5


def test_replay_of_a_journal_in_use(new_daemon, daemon, redis_store, path):
    other = new_daemon({**redis_store.settings, **PATIENT}, name="other")
    refused = journal(other, "replay", path)
    assert refused.status == 1
    assert f"journal {path}: another process has it" in refused.errors
    own = journal(daemon, "replay", path)
    assert own.status == 1
    assert "this is the instance's own" in own.errors


def test_replay_of_a_damaged_journal(heir, redis_store, path):
    segment, = segments(path)
    content = bytearray(segment.read_bytes())
    content[40] ^= 1
    segment.write_bytes(content)
    refused = journal(heir, "replay", path)
    assert refused.status == 1
    assert f"journal {segment}: offset 16: a record does not match its checksum" in refused.errors
    redis_store.server.start()
    heir.wait_for_store()
    assert heir.count() == 1, "nothing of it was taken"
