# SPDX-License-Identifier: MIT
"""Visits and their numbers, on both stores."""

import pathlib
import threading

import pytest

from harness import fetch, visit

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


# --- the forms of an answer ---

def test_a_visit_is_answered_with_its_number(daemon, store):
    answers = [daemon.fetch("/count") for _ in range(3)]
    assert [answer.text for answer in answers] == ["1\n", "2\n", "3\n"]
    assert answers[0].headers["content-type"] == "text/plain; charset=utf-8"
    assert answers[0].headers["visitcount-status"] == "counted"
    assert store.total() == 3


def test_a_browser_gets_a_page_that_says_it(daemon):
    daemon.count()
    answer = daemon.fetch("/count", headers={"Accept": BROWSER})
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "Visitor count: 2" in answer.text
    assert answer.text.startswith("<!doctype html>")


@pytest.mark.parametrize("target, headers", [("/count.json", {}), ("/count", {"Accept": "application/json"}),
                                             ("/count.json", {"Accept": BROWSER})])
def test_programs_get_json(daemon, target, headers):
    daemon.count()
    answer = daemon.fetch(target, headers=headers)
    assert answer.headers["content-type"] == "application/json"
    assert answer.json().items() >= {"site": "default", "page": "/", "count": 2, "status": "counted"}.items()


def test_accept_chooses_the_form(new_daemon):
    daemon = new_daemon()
    for accept, kind in [("*/*", "text/plain"), ("", "text/plain"), ("image/png", "text/plain"), ("x" * 5000, "text/plain"),
                         ("application/json, text/html", "application/json"), ("text/html;q=0.9", "text/html"),
                         ("TEXT/HTML", "text/html"), (",,;, text/html", "text/html")]:
        answer = daemon.fetch("/count", headers={"Accept": accept})
        assert (answer.status, answer.headers["content-type"].partition(";")[0]) == (200, kind), accept[:50]


def test_get_and_post_count_on_each_route(new_daemon):
    daemon = new_daemon()
    number = 0
    for target in ["/count", "/count.json", "/v1/hit/default/", "/v1/hit/default"]:
        for method, body in [("GET", b""), ("POST", b""), ("POST", b"x=1"), ("POST", b"x" * 60000)]:
            assert daemon.fetch(target, method, body=body).status == 200
            number += 1
            assert daemon.fetch("/v1/get/default/").json()["count"] == number, (method, target)


# --- sites and pages ---

def test_hit_counts_a_page_and_answers_json(daemon, store):
    answer = daemon.fetch("/v1/hit/default/blog/first?utm=1#top")
    assert answer.json().items() >= {"site": "default", "page": "/blog/first", "count": 1, "status": "counted"}.items()
    assert answer.headers["visitcount-status"] == "counted"
    assert store.totals() == {("default", "/blog/first"): 1}


def test_sites_and_pages_count_for_themselves(new_daemon, store):
    daemon = new_daemon({"sites": ["a", "b.example"], **store.settings})
    for _ in range(3):
        daemon.fetch("/v1/hit/a/x")
    daemon.fetch("/v1/hit/a/y")
    daemon.fetch("/v1/hit/b.example/x")
    assert store.totals() == {("a", "/x"): 3, ("a", "/y"): 1, ("b.example", "/x"): 1}
    assert daemon.fetch("/v1/get/a/x").json()["count"] == 3
    assert daemon.fetch("/v1/get/b.example/x").json()["count"] == 1


def test_count_is_the_root_page_of_the_first_site(new_daemon, store):
    daemon = new_daemon({"sites": ["first", "second"], **store.settings})
    assert daemon.count() == 1
    assert daemon.fetch("/v1/hit/first/").json()["count"] == 2
    assert store.totals() == {("first", "/"): 2}


def test_spellings_of_one_page_are_one_page(daemon, store):
    spellings = ["/v1/hit/default/a/b", "/v1/hit/default//a///b/", "/v1/hit/default/a%2Fb", "/v1/hit/default/a/b#x",
                 "/v1/hit/default/a/b/index.html", "/v1/hit/default/%61/b?q=/../"]
    for number, target in enumerate(spellings, 1):
        assert daemon.fetch(target).json().items() >= {"site": "default", "page": "/a/b", "count": number, "status": "counted"}.items(), target
    assert store.totals() == {("default", "/a/b"): len(spellings)}


def test_a_page_is_any_text(daemon, store):
    pages = {"/%C3%BCber": "/über", "/%E4%BD%A0%E5%A5%BD": "/你好", "/a%20b": "/a b", "/A": "/A", "/%2541": "/%41",
             "/%22%5C%3C": '/"\\<', "/%F0%9F%98%80": "/😀", "/a+b": "/a+b", "/" + "x" * 511: "/" + "x" * 511,
             "/$(id);'--": "/$(id);'--", "/%25s%25n": "/%s%n", "/{default}:hits": "/{default}:hits"}
    for path, page in pages.items():
        assert daemon.fetch("/v1/hit/default" + path).json()["page"] == page
        assert daemon.fetch("/v1/get/default" + path).json() == {"site": "default", "page": page, "count": 1}
    assert store.totals() == {("default", page): 1 for page in pages.values()}


def test_any_site_up_to_the_limit(new_daemon, store):
    daemon = new_daemon({"sites": ["home", "*"], "limits.sites": 2, **store.settings})
    assert daemon.fetch("/v1/hit/one/").json()["count"] == 1
    assert daemon.fetch("/v1/hit/two/").json()["count"] == 1
    answer = daemon.fetch("/v1/hit/three/")
    assert (answer.status, answer.error) == (403, "too_many_sites")
    assert daemon.fetch("/v1/hit/two/").json()["count"] == 2
    assert daemon.fetch("/v1/hit/home/").json()["count"] == 1, "a listed site always counts"
    assert ("three", "/") not in store.totals()


def test_a_site_that_is_not_listed_is_not_counted(daemon, store):
    answer = daemon.fetch("/v1/hit/other/x")
    assert (answer.status, answer.error) == (404, "unknown_site")
    assert answer.headers["visitcount-status"] == "refused; reason=unknown-site"
    assert daemon.fetch("/v1/get/other/x").status == 404
    assert store.totals() == {}


# --- what does not count ---

def test_reading_does_not_count(daemon, store):
    daemon.count()
    for _ in range(3):
        assert daemon.fetch("/v1/get/default/").json() == {"site": "default", "page": "/", "count": 1}
        assert "Looking here does not count." in daemon.fetch("/").text
    assert daemon.fetch("/v1/get/default/never").json()["count"] == 0
    assert daemon.ctl("get").status == 0
    assert store.totals() == {("default", "/"): 1}


def test_the_welcome_page_shows_the_number(daemon):
    for _ in range(7):
        daemon.count()
    answer = daemon.fetch("/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "<strong data-count>7</strong>" in answer.text


@pytest.mark.parametrize("target", ["/count", "/count.json", "/v1/hit/default/x"])
def test_head_does_not_count(daemon, store, target):
    answer = daemon.fetch(target, "HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["visitcount-status"] == "ignored; reason=head"
    assert store.totals() == {}


@pytest.mark.parametrize("target", ["/count", "/count.json", "/v1/hit/default/x"])
def test_options_does_not_count(daemon, store, target):
    answer = daemon.fetch(target, "OPTIONS", headers={"Origin": "https://x.example", "Access-Control-Request-Method": "POST"})
    assert answer.status == 204
    assert answer.headers["visitcount-status"] == "ignored; reason=options"
    assert store.totals() == {}


def test_livez_and_readyz_do_not_count(daemon, store):
    daemon.wait_for_store()
    assert daemon.fetch("/livez").text == "ok\n"
    assert daemon.fetch("/readyz").json() == {"ready": True, "state": "ready"}
    assert store.totals() == {}


# --- every number exactly once ---

def test_visits_at_once_get_each_number_once(daemon, store):
    visits = visit([daemon.address], 20000, connections=64)
    visits.check_exact({"/count": store.total()})


def test_many_pages_and_sites_at_once(new_daemon, store):
    """A batch has visits of several pages, and batches of several sites are in flight at the same time."""
    daemon = new_daemon({"sites": ["a", "b", "c"], **store.settings})
    targets = [f"/v1/hit/{site}/{page}" for site in "abc" for page in range(5)]
    visits = visit([daemon.address], 15000, connections=60, targets=targets)
    totals = store.totals()
    visits.check_exact({target: totals[target[8], target[9:]] for target in targets})


def test_more_pages_than_one_batch_takes(new_daemon, store):
    """A batch has at most 500 pages. 600 visits of 600 pages arrive at once."""
    daemon = new_daemon(store.settings)
    targets = [f"/v1/hit/default/page-{i}" for i in range(600)]
    visits = visit([daemon.address], 3000, connections=600, targets=targets)
    totals = store.totals()
    visits.check_exact({target: totals["default", target[len("/v1/hit/default"):]] for target in visits.numbers})
    assert sum(totals.values()) == 3000


def test_instances_that_share_a_store(new_daemon, store):
    """Two of them have the same name: the ledger does not identify instances by name."""
    instances = [new_daemon(store.settings, name=name) for name in ("one", "two", "three")]
    visits = visit([instance.address for instance in instances], 9000, connections=48)
    visits.check_exact({"/count": store.total()})
    assert sum(instance.status()["visits"]["applied"] for instance in instances) == 9000


def test_the_series_add_up_to_the_total(daemon, store):
    visit([daemon.address], 500, connections=16, targets=["/count", "/v1/hit/default/x"])
    assert store.series_totals() == (500, 500)


def test_numbers_go_on_where_the_store_is(new_daemon, store):
    """Beyond 2^31 and 2^32, up to the limit of exact numbers in Redis (2^53)."""
    daemon = new_daemon(store.settings)
    daemon.count()
    start = 2 ** 53 - 10
    store.set_total(start)
    assert [daemon.count() for _ in range(5)] == [start + i for i in range(1, 6)]
    assert daemon.fetch("/v1/get/default/").json()["count"] == start + 5
    assert store.total() == start + 5


# --- counted visits stay ---

def test_counts_survive_a_restart(daemon):
    assert [daemon.count() for _ in range(5)] == [1, 2, 3, 4, 5]
    daemon.stop()
    daemon.start()
    assert daemon.count() == 6


def test_every_number_that_was_answered_survives_kill_9(daemon, store, visitors):
    """The daemon is killed again and again, at least once with visits in flight."""
    daemon.keep_port().wait_for_store()
    crowd = visitors([daemon.address], connections=48)
    rounds = 0
    while rounds < 6 or crowd.broken == 0:
        rounds += 1
        assert rounds < 50, "no kill hit anybody: the test shows nothing"
        crowd.wait_for_more(200 * (rounds % 3 + 1))
        daemon.kill()
        answered = max(list(crowd.numbers["/count"]))
        assert answered <= store.total(), "an answered number is not in the store"
        daemon.start()
    crowd.wait_for_more(300)
    crowd.stop()
    crowd.finish().check_bounds(store.total())
    assert daemon.count() == store.total()


def test_redis_killed_and_restarted_keeps_what_was_answered(new_daemon, redis_store, visitors):
    daemon = new_daemon(redis_store.settings)
    crowd = visitors([daemon.address], connections=48)
    crowd.wait_for_more(2000)
    redis_store.server.kill()
    redis_store.server.start()
    crowd.wait_for_more(2000)
    crowd.stop()
    crowd.finish().check_bounds(redis_store.total())


# --- the engine ---

def test_visits_share_commands(daemon, store):
    """There is less than 1 store command per 10 visits, because the engine gathers visits while a batch is in flight."""
    daemon.wait_for_store()
    before = daemon.status()["store"]["commands"]
    visits = visit([daemon.address], 20000, connections=128)
    visits.check_exact({"/count": store.total()})
    status = daemon.status()
    commands = status["store"]["commands"] - before
    assert 0 < commands < 2000, commands
    assert 0 < status["batches"]["applied"] < 2000
    assert status["visits"]["applied"] == 20000


def test_a_lone_visit_is_one_command(new_daemon, redis_store):
    daemon = new_daemon(redis_store.settings).wait_for_store()
    before = redis_store.client().info("commandstats").get("cmdstat_evalsha", {"calls": 0})["calls"]
    for _ in range(10):
        daemon.count()
    assert redis_store.client().info("commandstats")["cmdstat_evalsha"]["calls"] - before == 10


def test_the_series_in_redis_expire(new_daemon, redis_store):
    daemon = new_daemon({"series.days": "2d", "series.hours": "3h", **redis_store.settings})
    daemon.count()
    client = redis_store.client()
    (hour_key,) = client.scan_iter("vc:{default}:hour:*")
    assert 2 * 86400 - 60 <= client.ttl(redis_store.day_key()) <= 2 * 86400
    assert 3 * 3600 - 60 <= client.ttl(hour_key) <= 3 * 3600
    assert client.ttl("vc:{default}:hits") == -1
    assert client.ttl("vc:{default}:ledger") == -1


@pytest.mark.parametrize("off_by", [-3600, -90, 90, 3600])
def test_a_ledger_entry_says_when_it_was_used(new_daemon, redis_store, off_by):
    """Guards the sweep: the entry of an epoch in use never looks old, although not every batch writes its time."""
    daemon = new_daemon(redis_store.settings)
    daemon.count()
    client = redis_store.client()
    ((epoch, entry),) = ((field, value) for field, value in client.hgetall("vc:{default}:ledger").items() if field != "proof")
    sequence, visits, used_at, total = entry.split()
    client.hset("vc:{default}:ledger", epoch, f"{sequence} {visits} {int(used_at) + off_by} {total}")
    assert daemon.count() == 2
    assert abs(int(client.hget("vc:{default}:ledger", epoch).split()[2]) - client.time()[0]) < 60


def test_all_keys_of_a_site_are_in_one_slot(new_daemon, redis_store):
    new_daemon(redis_store.settings).wait_for_store().count()
    keys = redis_store.client().keys()
    shared = [key for key in keys if key == "vc:sites" or key.startswith("vc:salt:")]  # shared by all sites
    assert len(keys) - len(shared) == 6
    assert all(key.startswith("vc:{default}:") for key in keys if key not in shared)


def test_visits_over_a_unix_socket(new_daemon, directory, store):
    daemon = new_daemon({"http.listen": [f"unix:{directory}/visits.sock"], **store.settings})
    assert daemon.address == f"{directory}/visits.sock"
    assert [daemon.count(), daemon.count()] == [1, 2]
    visit([daemon.address], 1000, connections=20)
    assert store.total() == 1002


def test_several_listeners(new_daemon, directory):
    has_ipv6 = pathlib.Path("/proc/net/if_inet6").exists()
    daemon = new_daemon({"http.listen": ["127.0.0.1:0", f"unix:{directory}/%i.sock", "[::1]:0" if has_ipv6 else "127.0.0.2:0"]})
    addresses = daemon.addresses("visitors")
    assert [fetch(address).number for address in addresses] == [1, 2, 3]
    assert addresses[1] == f"{directory}/default.sock"


def test_threads_of_one_client(daemon):
    """Like a simple program, with a connection per visit."""
    numbers = []
    threads = [threading.Thread(target=lambda: numbers.extend(daemon.count() for _ in range(25))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == list(range(1, 201))
