# SPDX-License-Identifier: MIT
"""The errors that a storm finds in its books, and the plan of its faults."""

import pytest

from books import Books
from plan import FAMILIES, FORGETFUL, HEALTHY, SITES, TORN, draw_plan
from site_keys import site_key


@pytest.fixture
def books():
    return Books([])


@pytest.fixture
def put(redis):
    """put(site, page, total) writes a page whose days and hours agree with its total."""
    client = redis.client()

    def make(site, page, total):
        for rest in ("hits", "day:20260101", "hour:2026010100"):
            if rest == "hits":
                client.zadd(site_key(site, rest), {page: total})
            else:
                client.hset(site_key(site, rest), page, total)
    return make


@pytest.mark.parametrize("counted, doubtful, stored, losses, doubles", [
    (3, 0, 3, 0, 0), (3, 1, 3, 0, 0), (3, 1, 4, 0, 0), (3, 1, 5, 0, 1), (3, 0, 4, 0, 1), (3, 0, 2, 1, 0), (3, 2, 2, 1, 0),
    (0, 0, 1, 0, 1),
])
def test_a_page(books, redis, put, counted, doubtful, stored, losses, doubles):
    put(HEALTHY, "/own/a/1/1", stored)
    put(HEALTHY, "/flush/1", 7)  # a page of the storm itself
    books.compare(redis, {(HEALTHY, "/own/a/1/1"): (counted, doubtful)} if counted else {})
    assert (books.losses, books.doubles, len(books.problems)) == (losses, doubles, losses + doubles)


def test_the_same_page_of_two_sites(books, redis, put):
    """An extra visit of one site does not cancel out a missing one of another."""
    put(HEALTHY, "/own/a/1/1", 4)
    put(TORN, "/own/a/1/1", 2)
    books.compare(redis, {(HEALTHY, "/own/a/1/1"): (3, 0), (TORN, "/own/a/1/1"): (3, 0)})
    assert (books.losses, books.doubles) == (1, 1)


def test_what_was_lost_with_a_key_is_added(books, redis, put):
    put(TORN, "/own/a/1/1", 2)
    redis.client().hincrby(site_key(TORN, "day:20260101"), "/own/a/1/1", 5)
    redis.client().hset(site_key(TORN, "hour:2026010100"), "/own/a/1/1", 7)
    books.lose(TORN, {"": "5", "/own/a/1/1": "5"})
    books.compare(redis, {(TORN, "/own/a/1/1"): (7, 0)})
    assert (books.losses, books.doubles, books.problems) == (0, 0, [])


def test_a_day_that_was_lost_is_added(books, redis, put):
    put(FORGETFUL, "/own/a/1/1", 2)
    redis.client().delete(site_key(FORGETFUL, "day:20260101"))
    books.lose_history(FORGETFUL, "day", {"": "2", "/own/a/1/1": "2"})
    books.compare(redis, {(FORGETFUL, "/own/a/1/1"): (2, 0)})
    assert books.problems == []


def test_days_that_differ_from_the_total(books, redis, put):
    put(HEALTHY, "/own/a/1/1", 2)
    redis.client().hset(site_key(HEALTHY, "day:20260101"), "/own/a/1/1", 3)
    books.compare(redis, {(HEALTHY, "/own/a/1/1"): (2, 0)})
    assert len(books.problems) == 1


@pytest.mark.parametrize("stored, losses", [(5, 0), (3, 0), (2, 1)])
def test_what_is_set_aside_may_be_in_the_store(books, redis, put, stored, losses):
    put(TORN, "/own/a/1/1", stored)
    books.set_aside({"records": [{"site": TORN, "page": "/own/a/1/1", "visits": 2}]})
    books.compare(redis, {(TORN, "/own/a/1/1"): (5, 0)})
    assert (books.losses, books.doubles) == (losses, 0)


def test_only_a_site_that_was_repaired_has_visits_aside(books, redis):
    books.set_aside({"records": [{"site": HEALTHY, "page": "/own/a/1/1", "visits": 2}]})
    books.compare(redis, {})
    assert len(books.problems) == 1


def test_a_plan_follows_from_its_seed():
    assert [str(fault) for fault in draw_plan(7, 100)] == [str(fault) for fault in draw_plan(7, 100)]
    assert [str(fault) for fault in draw_plan(7, 100)] != [str(fault) for fault in draw_plan(8, 100)]


def test_a_long_plan_has_all_kinds():
    """In a plan of a thousand faults each kind occurs several times; kinds that take long occur a few times."""
    for seed in (1, 2, 3):
        names = [fault.name for fault in draw_plan(seed, 1000)]
        assert {name.split()[0] for name in names} == set(FAMILIES)
        for kind in ("site lost ledger", "site lost totals", "site wrong type of ledger", "site lost tokens", "address list",
                     "redis fail over", "refusal noreplicas", "refusal readonly", "refusal out of memory", "refusal misconf"):
            assert names.count(kind) >= 3, kind
        assert 1 <= sum("then fail over" in name for name in names) <= 15
    assert len(SITES) == len(set(SITES))


def test_some_kinds_only():
    names = {fault.name for fault in draw_plan(7, 50, only=["site lost ledger", "noreplicas"])}
    assert names <= {"site lost ledger", "refusal noreplicas", "refusal noreplicas, then fail over"} and len(names) >= 2
