# SPDX-License-Identifier: MIT
"""A request that arrives again counts once. One token on two pages means two requests. On both stores."""

import collections
import concurrent.futures
import sqlite3
import time

import pytest

from harness import SqliteStore, fetch

STAMP = "{:.3f}-{:032x}"

# headers with the token of a request, and values that a client or a proxy may send
TOKENS = [("X-Request-Id", "7f3c"), ("X-Request-Id", "0123456789abcdef0123456789abcdef"), ("X-Request-Id", "stamp"),
          ("Idempotency-Key", "7f3c")]


@pytest.fixture(params=TOKENS, ids="-".join)
def token(request):
    name, value = request.param
    return {name: STAMP.format(time.time(), 0x7f3c) if value == "stamp" else value}


def ask(daemon, target, token, method="GET"):
    answer = fetch(daemon.address, target, method, headers=token)
    assert answer.status == 200, answer
    return answer.json()["status"], answer.json()["count"]


def hit(daemon, page, token, site="default", method="GET"):
    return ask(daemon, f"/v1/hit/{site}{page}", token, method)


# --- pages ---

def test_each_page_counts_once(daemon, store, token):
    for expected in ("counted", "duplicate", "duplicate"):
        for page in ("/a", "/b", "/a/b", "/"):
            assert hit(daemon, page, token) == (expected, 1), page
    assert store.totals() == {("default", page): 1 for page in ("/a", "/b", "/a/b", "/")}
    assert store.total(page="") == 4
    assert store.series_totals() == (4, 4)
    assert daemon.status()["visits"]["repeated"] == 8


def test_another_form_of_a_page_is_that_page(daemon, store, token):
    assert hit(daemon, "/a/b%C3%BC", token) == ("counted", 1)
    for form in ("/a/b%C3%BC/", "/a//b%C3%BC", "/a/b%c3%bc/index.html", "/%61/b%C3%BC?x=1", "/a/b%C3%BC"):
        assert hit(daemon, form, token) == ("duplicate", 1), form
    assert hit(daemon, "/a/B%C3%BC", token) == ("counted", 1), "case matters"
    assert len(store.totals()) == 2


def test_other_routes_and_methods_are_the_same_request(daemon, token):
    assert ask(daemon, "/count.json", token) == ("counted", 1)
    assert hit(daemon, "/", token) == ("duplicate", 1)
    assert hit(daemon, "", token, method="POST") == ("duplicate", 1)
    assert ask(daemon, "/count.json", token, "POST") == ("duplicate", 1)


def test_pages_of_other_sites_and_aliases(new_daemon, store, token):
    daemon = new_daemon({**store.settings, "sites": ["default", {"name": "blog", "aliases": ["www.blog"]}]}).wait_for_store()
    assert hit(daemon, "/a", token) == ("counted", 1)
    assert hit(daemon, "/a", token, "blog") == ("counted", 1)
    assert hit(daemon, "/a", token, "www.blog") == ("duplicate", 1)
    assert hit(daemon, "/b", token, "www.blog") == ("counted", 1)
    assert hit(daemon, "/b", token, "blog") == ("duplicate", 1)
    assert store.totals() == {("default", "/a"): 1, ("blog", "/a"): 1, ("blog", "/b"): 1}


def test_a_page_has_the_tokens_of_its_own_visits_alone(daemon):
    """Other tokens and other visits of a page do not change whether a visit is a repetition."""
    for number, key in enumerate(["x", "y", "z"], 1):
        assert hit(daemon, "/a", {"Idempotency-Key": key}) == ("counted", number)
    assert hit(daemon, "/b", {"Idempotency-Key": "y"}) == ("counted", 1)
    assert hit(daemon, "/a", {"Idempotency-Key": "y"}) == ("duplicate", 3)
    assert hit(daemon, "/b", {"Idempotency-Key": "x"}) == ("counted", 2)
    assert hit(daemon, "/b", {"X-Request-Id": "x"}) == ("counted", 3)
    assert hit(daemon, "/a", {}) == ("counted", 4)


def test_a_stranger_used_the_key_before(new_daemon, store):
    """A client at another address, behind a trusted proxy, has used the key. A later client with the same key counts on another page."""
    daemon = new_daemon(store.settings).wait_for_store()
    stranger = {"Idempotency-Key": "1", "X-Real-IP": "198.51.100.7"}
    visitor = {"Idempotency-Key": "1", "X-Real-IP": "203.0.113.9"}
    assert hit(daemon, "/a", stranger) == ("counted", 1)
    assert hit(daemon, "/b", visitor) == ("counted", 1)
    assert hit(daemon, "/b", visitor) == ("duplicate", 1)


def test_many_pages_at_once_under_one_key(daemon, store):
    """Several clients visit the pages, so that batches have visits of many pages. Each page counts once, whichever client is first."""
    pages = [f"/page-{number % 40}" for number in range(200)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda page: hit(daemon, page, {"Idempotency-Key": "same"}), pages))
    assert collections.Counter(answers) == {("counted", 1): 40, ("duplicate", 1): 160}
    assert store.totals() == {("default", page): 1 for page in set(pages)}


def test_a_page_that_is_refused_is_not_remembered(new_daemon, store, token):
    daemon = new_daemon({**store.settings, "limits.pages": 1}).wait_for_store()
    assert hit(daemon, "/a", token) == ("counted", 1)
    for _ in range(2):
        answer = fetch(daemon.address, "/v1/hit/default/b", headers=token)
        assert answer.headers["visitcount-status"].startswith("refused"), answer
    assert hit(daemon, "/a", token) == ("duplicate", 1)
    assert daemon.ctl("delete", "/a").status == 0
    assert hit(daemon, "/b", token) == ("counted", 1), "its own attempts were refused"
    assert hit(daemon, "/b", token) == ("duplicate", 1)


# --- instances and versions ---

def test_instances_share_what_they_have_seen(new_daemon, store, token):
    first, second = (new_daemon(store.settings, name=name).wait_for_store() for name in "ab")
    assert hit(first, "/a", token) == ("counted", 1)
    assert hit(second, "/b", token) == ("counted", 1)
    assert hit(second, "/a", token) == ("duplicate", 1)
    assert hit(first, "/b", token) == ("duplicate", 1)


def test_a_file_of_the_version_before(new_daemon, directory):
    """The file has tokens without their pages. The new version finds them on every page, because the page of an old visit is not known."""
    store = SqliteStore(directory / "visits.db")
    daemon = new_daemon(store.settings).wait_for_store()
    assert hit(daemon, "/a", {}) == ("counted", 1)
    daemon.stop()
    now_s = int(time.time())
    bits = bytes.fromhex("000102030405060708090a0b0c0d0e0f")
    with sqlite3.connect(store.path) as connection:
        connection.executemany("INSERT INTO seen VALUES ('default', ?, ?, ?, ?)", [
            (window_s, token, now_s, now_s + 3600) for window_s, token in ((15, b"7f3c"), (3600, b"order-17"), (20, bits))])
        connection.execute("DROP INDEX old_tokens")  # that version did not create this index
    connection.close()
    daemon.start().wait_for_store()
    for page in ("/a", "/b"):
        assert hit(daemon, page, {"Idempotency-Key": "order-17"})[0] == "duplicate", page
        assert hit(daemon, page, {"Idempotency-Key": "order-18"})[0] == "counted", page
        assert hit(daemon, page, {"X-Request-Id": "order-17"})[0] == "counted", page
    assert store.totals() == {("default", "/a"): 3, ("default", "/b"): 2}
    assert hit(daemon, "/b", {"X-Request-Id": "7f3c"})[0] == "duplicate"


# --- page views ---

VIEW = "5f3c1a0b-e2d9-4c77-9d3e-0123456789ab"


def test_a_view_counts_once(daemon, store):
    """In the query or in a body of any type; by any method."""
    assert ask(daemon, f"/v1/hit/default/a?view={VIEW}", {}, "POST") == ("counted", 1)
    assert ask(daemon, f"/v1/hit/default/a?x=1&view={VIEW}", {}) == ("duplicate", 1)
    for content_type in ("text/plain;charset=UTF-8", "application/x-www-form-urlencoded", "application/octet-stream"):
        answer = daemon.fetch("/v1/hit/default/a", "POST", body=f"view={VIEW}".encode(), headers={"Content-Type": content_type})
        assert answer.json()["status"] == "duplicate"
    assert ask(daemon, f"/v1/hit/default/a?view={VIEW}x", {}) == ("counted", 2), "another view"
    assert ask(daemon, f"/v1/hit/default/b?view={VIEW}", {}) == ("counted", 1), "another page"
    assert daemon.fetch(f"/pixel/default/b.gif?view={VIEW}").headers["visitcount-status"] == "duplicate"
    assert ask(daemon, f"/count.json?view={VIEW}", {}) == ("counted", 1)
    assert daemon.fetch(f"/badge/default.svg?view={VIEW}").headers["visitcount-status"] == "duplicate"
    assert store.totals() == {("default", "/a"): 2, ("default", "/b"): 1, ("default", "/"): 1}


def test_a_view_replaces_the_token_of_a_proxy(daemon):
    """A browser that asks again is another request for the proxy."""
    stamp = STAMP.format(time.time(), 1)
    assert ask(daemon, f"/v1/hit/default/a?view={VIEW}", {"X-Request-Id": stamp}) == ("counted", 1)
    assert ask(daemon, f"/v1/hit/default/a?view={VIEW}", {"X-Request-Id": STAMP.format(time.time(), 2)}) == ("duplicate", 1)
    assert ask(daemon, f"/v1/hit/default/a?view={VIEW}2", {"X-Request-Id": stamp}) == ("counted", 2)
    assert ask(daemon, "/v1/hit/default/a", {"X-Request-Id": stamp}) == ("counted", 3)


def test_a_key_goes_before_a_view(daemon):
    assert ask(daemon, f"/v1/hit/default/a?view={VIEW}", {"Idempotency-Key": "one"}) == ("counted", 1)
    assert ask(daemon, f"/v1/hit/default/a?view={VIEW}", {"Idempotency-Key": "two"}) == ("counted", 2)
    assert ask(daemon, f"/v1/hit/default/a?view={VIEW}", {}) == ("counted", 3)


@pytest.mark.parametrize("view", ["", "short", "x" * 15, "x" * 65, "x" * 15 + "/", "x" * 15 + "%20", "x" * 15 + "%C3%BC"])
def test_a_view_that_is_refused(daemon, store, view):
    for answer in (daemon.fetch(f"/v1/hit/default/a?view={view}"), daemon.fetch("/v1/hit/default/a", "POST", body=f"view={view}".encode())):
        assert (answer.status, answer.error, answer.headers["visitcount-status"]) == (400, "bad_parameter", "refused; reason=bad-parameter")
    assert store.totals() == {}


def test_views_are_not_under_the_cap_of_keys(new_daemon, store):
    daemon = new_daemon({"limits.idempotency_keys": "2/1h", "limits.idempotency_keys_total": "2/1h", **store.settings}).wait_for_store()
    headers = {"X-Real-IP": "203.0.113.7"}
    for number in range(1, 11):
        assert ask(daemon, f"/v1/hit/default/a?view={VIEW}{number}", headers) == ("counted", number)
    assert ask(daemon, f"/v1/hit/default/a?view={VIEW}1", headers) == ("duplicate", 10)


def test_the_same_view_by_two_instances(new_daemon, store):
    one = new_daemon(store.settings, name="one").wait_for_store()
    other = new_daemon(store.settings, name="other").wait_for_store()
    assert ask(one, f"/v1/hit/default/a?view={VIEW}", {}) == ("counted", 1)
    assert ask(other, f"/v1/hit/default/a?view={VIEW}", {}) == ("duplicate", 1)
