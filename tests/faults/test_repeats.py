# SPDX-License-Identifier: MIT
"""A proxy or a client repeats a request that got no answer. It counts once, and the client gets its number. The instances here count a visit and then
fail before they answer."""

import concurrent.futures
import time

import pytest

from harness import RedisStore, fetch, free_ports, wait_until

from parts import PATIENT, link_settings


@pytest.fixture
def store(redis):
    return RedisStore(redis)


@pytest.fixture
def links(new_proxy, redis):
    return [new_proxy(redis.socket) for _ in range(3)]


@pytest.fixture
def settings():
    return PATIENT


@pytest.fixture
def fleet(new_daemon, links, settings):
    return [new_daemon({**link_settings(link), **settings, "http.listen": [f"127.0.0.1:{port}"]}, name=f"i{index}").wait_for_store()
            for index, (link, port) in enumerate(zip(links, free_ports(3)))]


@pytest.fixture
def nginx(new_nginx, fleet):
    return new_nginx([daemon.address for daemon in fleet])


@pytest.fixture
def ask():
    """ask(address, …) starts a request; result() returns its answer."""
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        yield lambda *arguments, **named: pool.submit(fetch, *arguments, **named)


def the_one_that_waits(fleet):
    """The instance with the visit that the store has applied but not answered."""
    def find():
        running = [daemon for daemon in fleet if daemon.process.is_running()]
        return [daemon for daemon in running if daemon.status()["visits"]["waiting"] == 1]
    return wait_until(find, "an instance has the visit")[0]


def wait_for_batches(store, count):
    wait_until(lambda: store.client().info("commandstats").get("cmdstat_evalsha", {}).get("calls") == count,
               f"{count} batches reached the store")


def test_two_instances_count_and_die(fleet, links, nginx, store, ask):
    """nginx repeats a GET at the second and at the third instance. Without tokens this would count three times."""
    for link in links:
        link.set("down", hold=True)
    visit = ask(nginx.address, "/count.json")
    for attempt in (1, 2):
        daemon = the_one_that_waits(fleet)
        wait_for_batches(store, attempt)
        assert store.total() == 1
        daemon.kill()
    last = the_one_that_waits(fleet)
    links[fleet.index(last)].clear()
    answer = visit.result(30)
    assert (answer.status, answer.json()["count"]) == (200, 1), answer
    assert answer.headers["visitcount-status"] == "duplicate"
    assert store.total() == 1
    assert store.series_totals() == (1, 1)


def test_a_repetition_of_nginx_and_another_page_under_one_key(fleet, links, nginx, store, ask):
    """The instance that counted a page dies before it answers. nginx asks another one, which finds the page's own token."""
    key = {"headers": {"Idempotency-Key": "order-17"}}
    other = fetch(fleet[1].address, "/v1/hit/default/other", **key)
    assert (other.json()["count"], other.headers["visitcount-status"]) == (1, "counted")
    batches = store.client().info("commandstats")["cmdstat_evalsha"]["calls"]
    for link in links:
        link.set("down", hold=True)
    visit = ask(nginx.address, "/count.json", **key)
    first = the_one_that_waits(fleet)
    wait_for_batches(store, batches + 1)
    for daemon, link in zip(fleet, links):
        if daemon is not first:
            link.clear()
    first.kill()
    answer = visit.result(30)
    assert (answer.status, answer.json()["count"], answer.headers["visitcount-status"]) == (200, 1, "duplicate"), answer
    assert store.totals() == {("default", "/"): 1, ("default", "/other"): 1}


def test_a_post_is_not_repeated_by_nginx_but_by_who_sent_it(fleet, links, nginx, store, ask):
    for link in links:
        link.set("down", hold=True)
    visit = ask(nginx.address, "/count.json", "POST", headers={"Idempotency-Key": "order-17"})
    the_one_that_waits(fleet)
    wait_for_batches(store, 1)
    the_one_that_waits(fleet).kill()
    assert visit.result(30).status == 502
    for link in links:
        link.clear()
    again = fetch(nginx.address, "/count.json", "POST", headers={"Idempotency-Key": "order-17"})
    assert (again.status, again.json()["count"], again.headers["visitcount-status"]) == (200, 1, "duplicate")
    other = fetch(nginx.address, "/count.json", "POST", headers={"Idempotency-Key": "order-18"})
    assert (other.status, other.json()["count"], other.headers["visitcount-status"]) == (200, 2, "counted")
    assert store.total() == 2


def test_a_client_asks_again_elsewhere_before_the_first_attempt_is_settled(fleet, links, store, ask):
    """The first attempt is on its way to the store, not lost. Whichever attempt arrives first counts, the other one does not."""
    links[0].set("up", "present", hold=True)
    first = ask(fleet[0].address, "/count.json", headers={"Idempotency-Key": "abc"})
    wait_until(lambda: fleet[0].status()["visits"]["waiting"] == 1, "the first attempt waits")
    second = fetch(fleet[1].address, "/count.json", headers={"Idempotency-Key": "abc"})
    assert (second.json()["count"], second.headers["visitcount-status"]) == (1, "counted")
    links[0].clear()
    answer = first.result(30)
    assert (answer.json()["count"], answer.headers["visitcount-status"]) == (1, "duplicate")
    assert store.total() == 1


@pytest.mark.parametrize("header, value, least_s, most_s", [
    ("X-Request-Id", "0123456789abcdef", 105, 105), ("X-Request-Id", "{:.3f}-{:032x}", 61, 61), ("Idempotency-Key", "order-17", 3600, 5400)])
def test_an_attempt_waits_in_a_journal(new_daemon, links, store, directory, header, value, least_s, most_s):
    """Its instance dies before it answers, or its answer is lost, and another instance counts the next attempt. The first attempt is replayed much
    later than the window, and must not count too. A visit of another page under the same token is a visit of its own."""
    settings = {**PATIENT, "journal.directory": f"{directory}/%i"}
    first, second = (new_daemon({**link_settings(link), **settings}, name=name).wait_for_store()
                     for name, link in zip("ab", links))
    links[0].refuse()
    links[0].cut()
    first.wait_for_store(False)
    attempt = {"headers": {header: value.format(time.time(), 7)}}
    for page in ("/count.json", "/v1/hit/default/journaled", "/v1/hit/default/a"):
        answer = first.fetch(page, **attempt)
        assert (answer.status, answer.headers["visitcount-status"]) == (202, "journaled")
    first.kill()
    for page in ("/count.json", "/v1/hit/default/a", "/v1/hit/default/b"):
        answer = second.fetch(page, **attempt)
        assert (answer.json()["count"], answer.headers["visitcount-status"]) == (1, "counted"), page
    (bucket,) = store.client().keys("vc:{default}:seen:*") + store.client().keys("vc:{default}:stamps:*")
    assert least_s - 5 <= store.client().ttl(bucket) - 600 <= most_s, "journal.keep_tokens is ten minutes"
    links[0].clear()
    first.start().wait_for_store()
    wait_until(lambda: first.status()["journal"]["visits"] == 0, "it is replayed")
    assert store.totals() == {("default", page): 1 for page in ("/", "/a", "/b", "/journaled")}
    assert second.count() == 2


@pytest.mark.parametrize("settings", [{"count.max_wait": "500ms", "redis.command_timeout": "400ms", "redis.connect_timeout": "400ms"}])
def test_who_is_told_not_counted_was_not_counted(fleet, links, nginx, store, ask):
    """Also through nginx: one instance sends the visit and never learns that it was counted."""
    for link in links:
        link.set("down", hold=True)
    visit = ask(nginx.address, "/count.json")
    first = the_one_that_waits(fleet)
    wait_for_batches(store, 1)
    for daemon, link in zip(fleet, links):
        if daemon is not first:
            link.refuse()
            link.cut()
    answer = visit.result(30)
    assert store.total() == 1, "it was counted"
    assert (answer.status, answer.error) == (504, "outcome_unknown"), answer


@pytest.mark.parametrize("settings", [{"count.max_wait": "500ms", "redis.command_timeout": "400ms", "redis.connect_timeout": "400ms"}])
def test_who_is_told_not_counted_was_not_counted_when_an_instance_dies(fleet, links, nginx, store, ask):
    """The first instance dies. nginx asks the next one, which refuses. The answer of nginx must not promise that the visit was not counted."""
    for link in links:
        link.set("down", hold=True)
    visit = ask(nginx.address, "/count.json")
    first = the_one_that_waits(fleet)
    wait_for_batches(store, 1)
    for daemon, link in zip(fleet, links):
        if daemon is not first:
            link.refuse()
            link.cut()
    first.kill()
    answer = visit.result(30)
    assert store.total() == 1, "it was counted"
    assert answer.status == 503, answer
    assert answer.headers["visitcount-status"] == "unknown; reason=broken-off"
    assert answer.error == "store_unavailable"
    assert answer.json()["error"]["message"].endswith("this visit may be counted, by an instance that broke off")
    assert "retry-after" in answer.headers
