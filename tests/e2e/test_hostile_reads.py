# SPDX-License-Identifier: MIT
"""Limits of clients' reads: how much one request reads, how much memory waits, and whether others are served meanwhile."""

import http.client
import json
import random
import selectors
import socket
import sqlite3
import threading
import time

import pytest

from harness import DEADLINE, SqliteStore, wait_until

MEMORY_MAX_KIB = 110 * 1024
YEAR = "unique-366d"


@pytest.fixture
def daemon(new_daemon, store):
    return new_daemon({"dashboard.public": True, "limits.pages": 10000000, **store.settings}).wait_for_store()


def ask(daemon, pages, period=None):
    query = f"?period={period}" if period else ""
    return daemon.fetch(f"/v1/get/default{query}", "POST", body=json.dumps(pages).encode())


def names(count):
    return [f"/p{i}" for i in range(count)]


def visit(daemon, page="/p1"):
    return daemon.fetch(f"/v1/hit/default{page}", headers={"User-Agent": "Mozilla/5.0"})


# How much one request reads

@pytest.mark.parametrize("kind", ["", "unique-"])
def test_a_question_reads_at_most_3700_pages_times_days(daemon, kind):
    for pages, days, status in ((100, 37, 200), (100, 38, 400), (10, 366, 200), (11, 366, 400), (11, 336, 200), (11, 337, 400),
                                (100, 366, 400), (1, 366, 200), (100, 1, 200)):
        answer = ask(daemon, names(pages), f"{kind}{days}d")
        assert answer.status == status, (pages, days)
        if status == 400:
            assert answer.error == "bad_parameter"
            assert "3700" in answer.text and str(pages) in answer.text and str(days) in answer.text
    assert ask(daemon, names(100)).status == 200, "totals are no days"
    assert ask(daemon, names(100), "total").status == 200


@pytest.mark.parametrize("period", [None, "7d", "unique-7d"])
def test_repeated_names_are_read_once_and_each_is_answered(daemon, period):
    for page, times in (("/a", 3), ("/b", 1)):
        for _ in range(times):
            assert visit(daemon, page).status == 200
    pages = ["/a", "/b", "/a", "", "/%61", "/b", "/none", "", "/a"]
    counts = {"/a": 3, "/b": 1, "": 4, "/none": 0}
    if period == "unique-7d":
        counts = {"/a": 1, "/b": 1, "": 1, "/none": 0}
    answer = ask(daemon, pages, period)
    assert [(page["page"], page["count"]) for page in answer.json()["pages"]] == \
        [(page.replace("%61", "a"), counts[page.replace("%61", "a")]) for page in pages]
    assert ask(daemon, ["/a"] * 100, YEAR).status == 200, "the limit is of distinct pages"
    assert ask(daemon, names(10) * 10, YEAR).status == 200
    assert ask(daemon, names(11) * 9, YEAR).status == 400


def test_visitors_of_a_period_are_the_sum_of_its_days(daemon):
    """Each visitor counts once per day, so a period is the sum of its series; on both stores."""
    for agent in ("A", "B", "C"):
        for _ in range(2):
            assert daemon.fetch("/v1/hit/default/a", headers={"User-Agent": f"Mozilla/5.0 {agent}"}).status == 200
    answer = daemon.fetch(f"/v1/get/default/a?period={YEAR}").json()
    series = daemon.fetch("/v1/series/default/a?unique=1").json()["values"]
    assert answer["count"] == sum(value["count"] for value in series) == 3


def test_visitors_of_several_days_in_redis_are_added(new_daemon, redis_store, redis):
    """Visitors of different days cannot be matched, even if two keys have the same members."""
    daemon = new_daemon(redis_store.settings).wait_for_store()
    today = int(time.time()) // 86400
    for ago in range(40):
        day = time.strftime("%Y%m%d", time.gmtime((today - ago) * 86400))
        redis.client().execute_command("PFADD", f"vc:{{default}}:uv:{day}:/a", "same", "members")
    assert daemon.fetch("/v1/get/default/a?period=unique-40d").json()["count"] == 80
    assert daemon.fetch("/v1/get/default/a?period=unique-3d").json()["count"] == 6


def test_one_script_reads_few_keys(new_daemon, redis_store, redis):
    """The unit tests check each script. Here Redis itself counts the scripts and the keys that they read."""
    daemon = new_daemon({"dashboard.public": True, **redis_store.settings}).wait_for_store()
    client = redis.client()
    client.config_resetstat()
    assert ask(daemon, names(10), YEAR).status == 200
    assert ask(daemon, names(100), "37d").status == 200
    assert daemon.fetch("/v1/series/default/a?by=hour&from=2026-01-01T00Z&to=2026-02-10T00Z").status == 200
    calls = client.info("commandstats")
    assert calls["cmdstat_pfcount"]["calls"] == 3660, "one key each"
    assert calls["cmdstat_eval"]["calls"] >= 3660 / 32 + 3700 / 64
    assert calls["cmdstat_hget"]["calls"] == 961
    assert calls["cmdstat_hmget"]["calls"] <= 3700


# Who is served meanwhile

class Crowd:
    """Threads that repeat a request until the end, and the statuses that they got."""

    def __init__(self, daemon, count, *request):
        self.daemon = daemon
        self.request = request
        self.statuses = []
        self.is_ending = False
        self.threads = [threading.Thread(target=self.run, args=(i,), daemon=True) for i in range(count)]

    def run(self, i):
        while not self.is_ending:
            method, path, body = self.request
            try:
                connection = http.client.HTTPConnection(*self.daemon.address, timeout=DEADLINE)
                connection.request(method, path.replace("#", str(1 + (i + len(self.statuses)) % 1000)), body)
                answer = connection.getresponse()
                answer.read()
                self.statuses.append(answer.status)
                connection.close()
            except (OSError, http.client.HTTPException):
                self.statuses.append(0)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        wait_until(lambda: len(self.statuses) >= len(self.threads), lambda: f"the crowd is served: {self.statuses}")
        return self

    def __exit__(self, *_):
        self.is_ending = True
        for thread in self.threads:
            thread.join(DEADLINE)


def fill_sqlite(path, pages=100000):
    database = sqlite3.connect(path)
    database.executemany("INSERT INTO hits (site, page, total) VALUES ('default', ?, ?)",
                         (("/some/page/%06d" % i, random.randrange(10**6)) for i in range(pages)))
    database.commit()
    database.close()


def count_beside(daemon, crowd, visits=60):
    """Makes visits one after the other while the crowd reads. Returns how many answers the crowd got meanwhile."""
    before = len(crowd.statuses)
    for _ in range(visits):
        answer = visit(daemon)
        assert answer.status == 200, answer.text
        assert answer.headers["visitcount-status"] == "counted"
    return len(crowd.statuses) - before


def test_visits_count_beside_readers_of_years(new_daemon, redis_store, redis):
    """A crowd keeps 24 large requests open. A visit waits for some of their parts, not for all of them."""
    daemon = new_daemon(redis_store.settings).wait_for_store()
    with Crowd(daemon, 24, "POST", f"/v1/get/default?period={YEAR}", json.dumps(names(10))) as crowd:
        finished = count_beside(daemon, crowd)
        assert "/p1" in daemon.ctl("top").output, "operators are served as well"
    # before the fix, each visit waited for all 24 requests
    assert finished < 24 * 60 / 2, finished
    assert set(crowd.statuses) <= {200, 503}


def test_visits_count_beside_readers_of_top_lists(new_daemon, directory):
    store = SqliteStore(directory / "visits.db")
    daemon = new_daemon({"dashboard.public": True, "limits.pages": 10000000, **store.settings}).wait_for_store()
    fill_sqlite(directory / "visits.db")
    with Crowd(daemon, 16, "GET", "/v1/top/default?n=#", None) as crowd:
        finished = count_beside(daemon, crowd)
        assert daemon.ctl("top").status == 0
    # before the fix, each visit waited for all 16 lists
    assert finished < 16 * 60 / 2, finished
    assert set(crowd.statuses) <= {200, 503}


# Memory of waiting requests

def test_bytes_that_wait_for_the_store_are_capped(new_daemon, redis_store, redis):
    """The store hangs. Reads are refused with Retry-After, visits are not, and the memory is bounded."""
    daemon = new_daemon({"count.max_wait": "30s", **redis_store.settings}).wait_for_store()
    body = json.dumps(["/" + "x" * 480 + str(i) for i in range(100)])
    assert visit(daemon).status == 200
    redis.pause()
    waiting = []
    answered = []
    with selectors.DefaultSelector() as selector:
        while len(waiting) < 600 and not answered:
            connection = http.client.HTTPConnection(*daemon.address, timeout=DEADLINE)
            connection.request("POST", "/v1/get/default", body)
            selector.register(connection.sock, selectors.EVENT_READ, len(waiting))
            waiting.append(connection)
            answered = selector.select(0.002)
        answered = answered or selector.select(DEADLINE)
    assert answered, "600 questions of 50 KB wait, and none was refused"
    first = min(key.data for key, _ in answered)
    refused = waiting[first].getresponse()
    assert refused.status == 503 and int(refused.getheader("retry-after")) >= 1
    assert json.loads(refused.read())["error"]["code"] == "overloaded"
    assert 100 <= first <= 400
    counted = []
    visitors = [threading.Thread(target=lambda page=page: counted.append(visit(daemon, page))) for page in ("/p1", "/p1?period=7d")]
    for visitor in visitors:
        visitor.start()
    redis.resume()
    for visitor in visitors:
        visitor.join(DEADLINE)
    assert [(answer.status, answer.headers["visitcount-status"]) for answer in counted] == [(200, "counted")] * 2
    for connection in waiting:
        connection.close()
    wait_until(lambda: ask(daemon, names(100)).status == 200, "reads are served again")


def memory_kib(daemon, field="VmHWM"):
    with open(f"/proc/{daemon.process.child.pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(field))


@pytest.mark.plain_build
def test_clients_that_take_no_answer_hold_little_memory(new_daemon, directory):
    """Clients request top lists of long names and do not read them. The kernel takes the first answer, of 2.9 MB, and not the second one."""
    store = SqliteStore(directory / "visits.db")
    daemon = new_daemon({"dashboard.public": True, "limits.pages": 10000000, **store.settings}).wait_for_store()
    database = sqlite3.connect(directory / "visits.db")
    database.executemany("INSERT INTO hits (site, page, total) VALUES ('default', ?, ?)",
                         (("/" + "\x01" * 480 + "%06d" % i, i) for i in range(2000)))
    database.commit()
    database.close()
    clients = []
    for _ in range(40):
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(daemon.address)
        client.sendall(b"GET /v1/top/default?n=1000 HTTP/1.1\r\nHost: a\r\n\r\n" * 3)
        clients.append(client)
    wait_until(lambda: daemon.fetch("/v1/top/default?n=1000").status == 503, "there is a bound")
    assert visit(daemon).status == 200
    assert memory_kib(daemon) < MEMORY_MAX_KIB, memory_kib(daemon)
    for client in clients:
        client.close()
    wait_until(lambda: daemon.fetch("/v1/top/default?n=1000").status == 200, "the memory is free again")


@pytest.mark.plain_build
def test_memory_beside_large_questions(new_daemon, redis_store, redis):
    daemon = new_daemon(redis_store.settings).wait_for_store()
    pages = ["/" + "x" * 480 + str(i) for i in range(100)]
    with Crowd(daemon, 64, "POST", "/v1/get/default?period=unique-37d", json.dumps(pages)) as crowd:
        count_beside(daemon, crowd)
    assert memory_kib(daemon) < MEMORY_MAX_KIB, memory_kib(daemon)
    assert set(crowd.statuses) <= {200, 503}
