# SPDX-License-Identifier: MIT
"""Visitors: which ones the daemon tells apart, and for how long. It stores neither their addresses nor their user agents."""

import json
import os
import pathlib
import re

import pytest

from harness import Visitors, fetch, wait_until

CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:121.0) Gecko/20100101 Firefox/121.0"

UNIQUE = {"sites": ["default", {"name": "s", "count": "unique"}]}


def wait_for_salt(daemon):
    wait_until(lambda: daemon.ctl("status", "--json").json()["visitors"]["told_apart"], "visitors are told apart")


def start(new_daemon, store, settings, **arguments):
    """Starts a daemon and waits until it has the salt of the day."""
    daemon = new_daemon({**store.settings, **settings}, **arguments)
    wait_for_salt(daemon)
    return daemon


def visit(daemon, address="192.0.2.1", agent=FIREFOX, page="p", **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return fetch(daemon.address, f"/v1/hit/s/{page}", headers={"X-Real-IP": address, "User-Agent": agent, **headers})


def status_of(answer):
    assert answer.status == 200, answer
    return answer.headers["visitcount-status"]


def test_a_refresh_does_not_count_again(new_daemon, store):
    daemon = start(new_daemon, store, UNIQUE)
    assert status_of(visit(daemon)) == "counted"
    for _ in range(3):
        answer = visit(daemon)
        assert status_of(answer) == "ignored; reason=returning-visitor"
        assert answer.json()["count"] == 1
    assert visit(daemon, agent=CHROME).json()["count"] == 2
    assert visit(daemon, "192.0.2.2").json()["count"] == 3
    assert visit(daemon, "2001:db8::1").json()["count"] == 4
    assert visit(daemon, page="q").json()["count"] == 1  # another page
    assert status_of(visit(daemon)) == "ignored; reason=returning-visitor"
    assert store.total("s", "/p") == 4


def test_a_refresh_counts_where_visits_are_counted(new_daemon, store):
    daemon = start(new_daemon, store, {"sites": ["s"]})
    assert [visit(daemon).json()["count"] for _ in range(3)] == [1, 2, 3]


def test_who_does_not_want_to_be_told_apart(new_daemon, store):
    daemon = start(new_daemon, store, UNIQUE)
    for number, headers in enumerate(({"DNT": "1"}, {"DNT": "1"}, {"Sec_GPC": "1"}, {"Sec_GPC": "1"}), 1):
        answer = visit(daemon, **headers)
        assert status_of(answer) == "counted" and answer.json()["count"] == number
    assert status_of(visit(daemon, DNT="0")) == "counted"
    assert status_of(visit(daemon, DNT="0")) == "ignored; reason=returning-visitor"


def test_instances_agree(new_daemon, redis_store):
    one = start(new_daemon, redis_store, UNIQUE, name="one")
    other = start(new_daemon, redis_store, UNIQUE, name="other")
    assert status_of(visit(one)) == "counted"
    assert status_of(visit(other)) == "ignored; reason=returning-visitor"
    assert status_of(visit(other, "192.0.2.9")) == "counted"
    assert status_of(visit(one, "192.0.2.9")) == "ignored; reason=returning-visitor"
    one.stop()
    one.start()  # its own memory is lost, but the store knows the visitor
    wait_for_salt(one)
    assert status_of(visit(one)) == "ignored; reason=returning-visitor"
    assert redis_store.total("s", "/p") == 2


def test_visitors_are_told_apart_once_the_store_is_there(new_daemon, new_redis):
    server = new_redis(start=False)
    daemon = new_daemon({"redis.socket": str(server.socket), "count.max_wait": "20s", **UNIQUE})
    assert daemon.ctl("status", "--json").json()["visitors"]["told_apart"] is False
    server.start()
    wait_for_salt(daemon)
    assert status_of(visit(daemon)) == "counted"
    assert status_of(visit(daemon)) == "ignored; reason=returning-visitor"


def test_who_comes_to_an_instance_that_is_ready_is_told_apart(new_daemon, store):
    daemon = new_daemon({**store.settings, **UNIQUE})
    wait_until(lambda: fetch(daemon.address, "/readyz").status == 200, "the instance is ready")
    assert status_of(visit(daemon)) == "counted"
    assert status_of(visit(daemon)) == "ignored; reason=returning-visitor"


# --- stored data ---

ADDRESSES = ["203.0.113.201", "198.51.100.202", "2001:db8:aaaa:bbbb::203"]
AGENTS = ["Firefox-Unmistakable/204", "Chrome-Unmistakable/205"]

#: Forms in which an address or a user agent could be stored.
TRACES = [text.encode() for text in ADDRESSES + AGENTS + ["Unmistakable"]] + [
    bytes([203, 0, 113, 201]), bytes([198, 51, 100, 202]), b"2001:0db8:aaaa:bbbb",
    bytes.fromhex("20010db8aaaabbbb"), b"cb0071c9", b"c63364ca", b"20010db8aaaabbbb"]


def traces_in(data):
    return [trace for trace in TRACES if trace.lower() in data.lower()]


def everything_in(value):
    """All bytes in the answer of a Redis command."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, (list, tuple, set)):
        return b"\n".join(everything_in(item) for item in value)
    if isinstance(value, dict):
        return everything_in([*value.keys(), *value.values()])
    return str(value).encode()


def dump_redis(server):
    """Each key with its value, from the commands of its type and from DUMP, which has the raw bytes of a HyperLogLog."""
    client = server.client(decode_responses=False)
    readers = {b"string": client.get, b"hash": client.hgetall, b"set": client.smembers,
               b"zset": lambda key: client.zrange(key, 0, -1, withscores=True), b"list": lambda key: client.lrange(key, 0, -1)}
    return {key: everything_in([readers[client.type(key)](key), client.dump(key)]) for key in client.scan_iter()}


def visit_in_all_ways(daemon):
    for address in ADDRESSES:
        for agent in AGENTS:
            for header in ("X-Real-IP", "X-Forwarded-For"):
                for target in ("/v1/hit/s/p", "/v1/hit/v/p", "/badge/v/p.svg", "/pixel/s/q.gif", "/v1/hit/unknown/p"):
                    fetch(daemon.address, target, headers={header: address, "User-Agent": agent})


def check_files(directory):
    """Checks that no file of the daemon has a trace: log, journal, database and all others."""
    files = [path for path in directory.rglob("*") if path.is_file()]
    assert any(path.name.endswith(".log") or "log" in path.name for path in files), files
    for path in files:
        assert not traces_in(path.read_bytes()), f"{path}: {traces_in(path.read_bytes())}"
    return [path.name for path in files]


PRIVATE = {"sites": ["default", {"name": "s", "count": "unique", "rate": "3/1h"}, "v"], "log.level": "info"}


def test_nothing_of_visitors_is_kept_with_redis(new_daemon, new_redis, bench):
    server = new_redis(aof=True)
    settings = {"redis.socket": str(server.socket), "journal.directory": f"{bench.directory}/journal", **PRIVATE}
    daemon = new_daemon(settings)
    wait_for_salt(daemon)
    visit_in_all_ways(daemon)
    found = dump_redis(server)
    assert any(b":seen:" in key or b":uv:" in key for key in found), sorted(found)
    assert any(key.startswith(b"vc:salt:") for key in found), sorted(found)
    for key, value in found.items():
        assert not traces_in(key + b"\n" + value), key
    server.stop()
    wait_until(lambda: not daemon.ctl("status", "--json").json()["store"]["available"], "the store is away")
    visit_in_all_ways(daemon)  # now into the journal
    names = check_files(bench.directory)
    assert [name for name in names if "journal" in name or name.endswith((".seg", ".j"))] or any(
        path.stat().st_size for path in (bench.directory / "journal").rglob("*")), names


def test_nothing_of_visitors_is_kept_with_sqlite(new_daemon, bench):
    daemon = new_daemon({"store.backend": "sqlite", **PRIVATE})
    wait_for_salt(daemon)
    visit_in_all_ways(daemon)
    assert "visits.db" in check_files(bench.directory)
    daemon.stop()
    check_files(bench.directory)


def test_the_salt_is_not_shown(new_daemon, redis_store):
    """No command of the admin socket and no level of the log shows it."""
    daemon = start(new_daemon, redis_store, {**UNIQUE, "log.level": "debug"})
    visit(daemon)
    client = redis_store.client()
    salts = [client.get(key) for key in client.scan_iter("vc:salt:*")]
    assert salts and all(re.fullmatch("[0-9a-f]{64}", salt) for salt in salts)
    for key in client.scan_iter("vc:salt:*"):
        assert 0 < client.ttl(key) <= 4 * 86400
    shown = daemon.log() + "".join(daemon.ctl(*command).output for command in (
        ["status", "--json"], ["config", "--json"], ["metrics"], ["version"]))
    for salt in salts:
        assert salt not in shown and salt[:16] not in shown


# --- invented sites ---

def known_sites(store):
    if store.name == "redis":
        return store.client().smembers("vc:sites")
    connection = store.connect()
    try:
        return {name for name, in connection.execute("SELECT name FROM site")}
    finally:
        connection.close()


def test_sites_are_admitted_up_to_the_limit(new_daemon, store):
    daemon = new_daemon({**store.settings, "sites": ["*", "listed"], "limits.sites": 5}).wait_for_store()
    assert visit(daemon).status == 200
    answers = [fetch(daemon.address, f"/v1/hit/made-up-{i}/p") for i in range(20)]
    admitted = [answer.json()["site"] for answer in answers if answer.status == 200]
    assert admitted == [f"made-up-{i}" for i in range(4)]  # with the earlier one
    for answer in answers[4:]:
        assert answer.status == 403 and answer.error == "too_many_sites"
        assert answer.headers["visitcount-status"] == "refused; reason=too-many-sites"
    assert fetch(daemon.address, "/v1/hit/listed/p").status == 200  # even in the flood
    assert fetch(daemon.address, "/v1/hit/made-up-2/p").json()["count"] == 2
    wait_until(lambda: "listed" in known_sites(store), "the listed site is on the list")
    assert known_sites(store) == {"s", "listed", *admitted}


def test_instances_share_the_limit(new_daemon, redis_store):
    settings = {**redis_store.settings, "sites": ["*"], "limits.sites": 3}
    one, other = (new_daemon(settings, name=name) for name in ("one", "other"))
    assert fetch(one.address, "/v1/hit/a/p").status == 200
    assert fetch(other.address, "/v1/hit/b/p").status == 200
    assert fetch(one.address, "/v1/hit/c/p").status == 200
    assert fetch(other.address, "/v1/hit/d/p").status == 403
    assert fetch(other.address, "/v1/hit/c/p").json()["count"] == 2
    one.stop()
    one.start()
    assert fetch(one.address, "/v1/hit/e/p").status == 403
    assert fetch(one.address, "/v1/hit/a/p").json()["count"] == 2


def test_reading_makes_no_site(new_daemon, store):
    daemon = new_daemon({**store.settings, "sites": ["*"], "limits.sites": 1}).wait_for_store()
    for i in range(5):
        assert fetch(daemon.address, f"/v1/get/read-{i}/p").json()["count"] == 0
        assert fetch(daemon.address, f"/v1/hit/read-{i}/p?readonly=1").json()["count"] == 0
    assert fetch(daemon.address, "/v1/hit/first/p").status == 200


def test_pages_are_limited(new_daemon, store):
    daemon = new_daemon({**store.settings, "sites": ["default", {"name": "s", "pages": 3}]}).wait_for_store()
    answers = [visit(daemon, page=f"page-{i}") for i in range(6)]
    assert [answer.status for answer in answers] == [200, 200, 200, 403, 403, 403]
    assert answers[5].error == "too_many_pages"
    assert answers[5].headers["visitcount-status"] == "refused; reason=too-many-pages"
    assert visit(daemon, page="page-1").json()["count"] == 2
    assert sorted(page for site, page in store.totals() if site == "s" and page) == ["/page-0", "/page-1", "/page-2"]


class MadeUp(Visitors):
    """Visitors who invent a new target for each visit."""

    def __init__(self, addresses, make_target, **arguments):
        super().__init__(addresses, **arguments)
        self.make_target = make_target
        self.refused_as = {}

    def send(self, visitor):
        visitor.request = f"GET {self.make_target(self.sent)} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        super().send(visitor)

    def note(self, visitor, status, body):
        if status == 403:
            code = json.loads(body)["error"]["code"]
            self.refused_as[code] = self.refused_as.get(code, 0) + 1
            self.refused += 1
        else:
            super().note(visitor, status, body)


def memory_of(daemon):
    status = pathlib.Path(f"/proc/{daemon.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024


def size_of(store):
    """The size of its data in bytes, without the free space of a database."""
    if store.name == "redis":
        return store.client().info("memory")["used_memory_dataset"]
    return sum(path.stat().st_size for path in pathlib.Path(store.path).parent.glob("visits.db*"))


#: The number of invented names in the flood; FLOOD=1000000 for more.
FLOOD = int(os.environ.get("FLOOD", "100000"))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sites", "pages"])
def test_a_flood_of_made_up_names_cannot_fill_the_store(new_daemon, store, kind):
    """Only `limit` of many names are admitted. The others make neither the store nor the daemon grow."""
    limit = 100
    daemon = new_daemon({**store.settings, "sites": ["*", "s"], "limits.sites": limit, "limits.pages": limit,
                         "ledger.retain_max": "1MiB"}).wait_for_store()
    make_target = {"sites": "/v1/hit/site-{}/p".format, "pages": "/v1/hit/s/page-{}".format}[kind]
    warm_up = MadeUp([daemon.address], make_target, total=2000, connections=64)
    warm_up.start()
    warm_up.finish()
    names, size, memory = len(store.totals()), size_of(store), memory_of(daemon)
    assert limit - 1 <= names <= limit
    flood = MadeUp([daemon.address], lambda i: make_target(i + 2000), total=FLOOD, connections=64)
    flood.start()
    flood.finish(1200)
    assert flood.refused_as == {f"too_many_{kind}": FLOOD}, flood
    assert len(store.totals()) == names
    assert size_of(store) < size + 4 * 1024 * 1024
    assert memory_of(daemon) < memory + 16 * 1024 * 1024
    assert len(known_sites(store)) <= limit


def uniques_of(store, page="/p"):
    if store.name == "redis":
        client = store.client()
        return sum(client.pfcount(key) for key in client.scan_iter("vc:{s}:uv:*:%s" % page))
    connection = store.connect()
    try:
        return connection.execute("SELECT count(*) FROM visitor JOIN hits ON page_id = id WHERE site = 's' AND page = ?", [page]).fetchone()[0]
    finally:
        connection.close()


def test_unique_visitors_are_counted_beside_the_visits(new_daemon, store):
    one = start(new_daemon, store, {"sites": ["s"]}, name="one")
    other = start(new_daemon, store, {"sites": ["s"]}, name="other")
    for daemon in (one, other):
        for address in ("192.0.2.1", "192.0.2.2", "192.0.2.3"):
            for _ in range(2):
                assert status_of(visit(daemon, address)) == "counted"
    visit(one, "192.0.2.4", DNT="1")
    visit(other, "192.0.2.1", page="q")
    assert store.total("s", "/p") == 13
    assert uniques_of(store) == 3
    assert uniques_of(store, "/q") == 1


def test_visitors_of_a_page_that_was_deleted_or_renamed_count_anew(new_daemon, store):
    daemon = start(new_daemon, store, {"sites": ["s"]})
    for command in (["delete", "s", "/p"], ["rename", "s", "/p", "/old"]):
        assert visit(daemon).json()["unique_today"] == 1
        assert daemon.ctl(*command).status == 0
        assert visit(daemon).json()["unique_today"] == 1
        assert uniques_of(store) == 1
    assert uniques_of(store, "/old") == 1
