# SPDX-License-Identifier: MIT
"""The budgets of a client network: new pages, new sites, keys and visitors."""

import pytest

from harness import fetch, wait_until
from harness.client import Connection

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:121.0) Gecko/20100101 Firefox/121.0"


def visit(daemon, path, address, **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return fetch(daemon.address, f"/v1/hit/{path}", headers={"User-Agent": BROWSER, "X-Real-IP": address, **headers})


def statuses(daemon, paths, address, **headers):
    return [visit(daemon, path, address, **headers).headers["visitcount-status"] for path in paths]


def metrics_of(daemon):
    return fetch(daemon.addresses("metrics")[0], "/metrics").text.splitlines()


#: The budget of a minute, and the part that refills while a busy machine makes the visits.
def expect_about(number, expected, total):
    assert expected <= number <= expected + total // 4, number


def test_new_pages_of_a_network(new_daemon, store):
    daemon = new_daemon({"sites": ["s"], "limits.new_pages": "30/1h", "metrics.listen": ["127.0.0.1:0"], **store.settings}).wait_for_store()
    seen = statuses(daemon, [f"s/{number}" for number in range(60)], "203.0.113.7")
    assert seen == 30 * ["counted"] + 30 * ["refused; reason=new-pages"]
    answer = visit(daemon, "s/more", "203.0.113.200")
    assert (answer.status, answer.error) == (429, "too_many_new_pages"), "the same /24"
    assert 1 <= int(answer.headers["retry-after"]) <= 120
    assert visit(daemon, "s/1", "203.0.113.7").json()["count"] == 2, "a page that exists"
    assert visit(daemon, "s/more", "203.0.114.1").status == 200, "another network"
    assert visit(daemon, "s/local", "").status == 200, "the machine itself"
    assert 'visitcountd_budget_refusals_total{budget="pages"} 31' in metrics_of(daemon)


def test_pages_that_another_instance_made_cost_nothing(new_daemon, store):
    settings = {"sites": ["s"], "limits.new_pages": "5/1h", **store.settings}
    one = new_daemon(settings, name="one").wait_for_store()
    for number in range(40):
        assert visit(one, f"s/{number}", f"10.0.{number}.1").json()["count"] == 1
    other = new_daemon(settings, name="other").wait_for_store()
    assert set(statuses(other, [f"s/{number}" for number in range(40)], "203.0.113.7")) == {"counted"}


def test_new_pages_by_default(new_daemon):
    daemon = new_daemon({"sites": ["s"]}).wait_for_store()
    seen = statuses(daemon, [f"s/{number}" for number in range(200)], "2001:db8::1")
    expect_about(seen.count("counted"), 30, 200)


def test_new_pages_go_to_the_journal_within_the_budget(new_daemon, new_redis, directory):
    server = new_redis()
    daemon = new_daemon({"sites": ["s"], "limits.new_pages": "5/1h", "redis.socket": str(server.socket), "count.max_wait": "100ms",
                         "journal.directory": f"{directory}/journal"}).wait_for_store()
    server.kill()
    daemon.wait_for_store(False)
    seen = statuses(daemon, [f"s/{number}" for number in range(20)] + 20 * ["s/0"], "203.0.113.7")
    assert seen[:20].count("journaled") == 5 and seen[20:] == 20 * ["journaled"]


def test_new_sites_of_a_network(new_daemon, store):
    daemon = new_daemon({"sites": ["*"], "limits.new_sites": "3/1h", **store.settings}).wait_for_store()
    seen = statuses(daemon, [f"s{number}/p" for number in range(6)], "203.0.113.7")
    assert seen == 3 * ["counted"] + 3 * ["refused; reason=new-sites"]
    assert visit(daemon, "s9/p", "203.0.113.9").error == "too_many_new_sites"
    assert visit(daemon, "s1/p", "203.0.113.9").json()["count"] == 2
    again = new_daemon({"sites": ["*"], "limits.new_sites": "1/1h", **store.settings}, name="again").wait_for_store()
    assert statuses(again, ["s0/p", "s1/p", "s2/p"], "203.0.113.7") == 3 * ["counted"], "the store has them"


def test_idempotency_keys_of_a_network(new_daemon, store):
    daemon = new_daemon({"sites": ["s"], "limits.idempotency_keys": "3/1h", **store.settings}).wait_for_store()
    answers = [visit(daemon, "s/p", "203.0.113.7", Idempotency_Key=f"key-{number}") for number in range(5)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429, 429]
    assert answers[4].error == "too_many_idempotency_keys"
    assert visit(daemon, "s/p", "203.0.113.7").json()["count"] == 4


def test_idempotency_keys_of_a_site(new_daemon, store):
    """A client with many networks uses up the share of its site, but not those of other sites."""
    daemon = new_daemon({"sites": ["s", "other"], "limits.idempotency_keys_total": "20/1h", "metrics.listen": ["127.0.0.1:0"],
                         **store.settings}).wait_for_store()
    answers = [visit(daemon, "s/p", f"10.0.{number}.1", Idempotency_Key=f"key-{number}") for number in range(14)]
    assert [answer.status for answer in answers] == 10 * [200] + 4 * [429]
    assert answers[13].error == "too_many_idempotency_keys" and "one site" in answers[13].text
    assert 1 <= int(answers[13].headers["retry-after"]) <= 360
    assert answers[13].headers["visitcount-status"] == "refused; reason=idempotency-keys"
    assert visit(daemon, "s/p", "10.0.1.1", Idempotency_Key="key-1").error == "too_many_idempotency_keys"
    assert visit(daemon, "s/p", "10.0.99.1").json()["count"] == 11, "without a key"
    others = [visit(daemon, "other/p", f"10.0.{number}.1", Idempotency_Key=f"key-{number}").status for number in range(10)]
    assert others == 10 * [200]
    assert 'visitcountd_budget_refusals_total{budget="idempotency_keys_total"} 5' in metrics_of(daemon)
    assert daemon.status()["budgets"]["refused_idempotency_key_shares"] == 5


@pytest.mark.parametrize("mode,total", [("visits", 6), ("unique", 2)])
def test_visitors_that_are_made_up(new_daemon, store, mode, total):
    daemon = new_daemon({"sites": ["s"], "visitors.new_daily": 2, "count.mode": mode,
                         "metrics.listen": ["127.0.0.1:0"], **store.settings}).wait_for_store()
    seen = [visit(daemon, "s/p", "203.0.113.7", User_Agent=f"{BROWSER} {number}").headers["visitcount-status"] for number in range(6)]
    assert seen == 2 * ["counted"] + 4 * ["counted" if mode == "visits" else "ignored; reason=too-many-visitors"]
    assert fetch(daemon.address, "/v1/get/s/p").json()["count"] == total
    assert fetch(daemon.address, "/v1/get/s/p?period=unique").json()["count"] == 2
    assert "visitcountd_visitors_ignored_total 4" in metrics_of(daemon)


def test_ipv6_visitors_are_told_apart_by_network(new_daemon, store):
    daemon = new_daemon({"sites": ["s"], **store.settings}).wait_for_store()
    for address in ("2001:db8:1:2::1", "2001:db8:1:2:ffff::5", "2001:db8:1:3::1"):
        visit(daemon, "s/p", address)
    assert fetch(daemon.address, "/v1/get/s/p?period=unique").json()["count"] == 2


@pytest.mark.parametrize("sent", ["", "GET /ping HT"], ids=["idle", "half a request"])
@pytest.mark.parametrize("kind", ["admin", "metrics"])
def test_idle_connections_leave_room_for_others(new_daemon, kind, sent):
    daemon = new_daemon({"metrics.listen": ["127.0.0.1:0"], "http.idle_timeout": "1h"}).wait_for_store()
    address = daemon.admin_socket if kind == "admin" else daemon.addresses("metrics")[0]
    target = "/ping" if kind == "admin" else "/metrics"
    idle = []
    for _ in range(200):
        idle.append(Connection(address, timeout=10))
        idle[-1].send(sent)
    assert fetch(address, target).status == 200
    if kind == "admin":
        assert daemon.ctl("ping").status == 0
    for connection in idle:
        connection.socket.close()


def open_stream(daemon, address):
    stream = Connection(daemon.address)
    stream.send(f"GET /v1/live/s/p HTTP/1.1\r\nHost: x\r\nX-Real-IP: {address}\r\n\r\n")
    while b"retry: " not in stream.received:
        stream.receive()
    return stream


def test_streams_of_a_network(new_daemon):
    daemon = new_daemon({"sites": ["s"], "limits.live_per_network": 2}).wait_for_store()
    streams = [open_stream(daemon, "203.0.113.7") for _ in range(2)]
    answer = fetch(daemon.address, "/v1/live/s/p", headers={"X-Real-IP": "203.0.113.8"})
    assert (answer.status, answer.error) == (503, "too_many_listeners") and "network" in answer.text
    streams += [open_stream(daemon, address) for address in ("203.0.114.1", "2001:db8::1", "127.0.0.1", "127.0.0.1", "127.0.0.1")]
    streams.pop(0).socket.close()
    wait_until(lambda: daemon.status()["connections"]["live"] == 6, "the daemon has noticed")
    streams.append(open_stream(daemon, "203.0.113.8"))
    for stream in streams:
        stream.socket.close()


def test_streams_of_a_wide_network(new_daemon):
    daemon = new_daemon({"sites": ["s"], "limits.live_per_network": 1}).wait_for_store()
    streams = [open_stream(daemon, f"2001:db8:1:{number}::1") for number in range(4)]
    assert fetch(daemon.address, "/v1/live/s/p", headers={"X-Real-IP": "2001:db8:1:9::1"}).error == "too_many_listeners"
    streams.append(open_stream(daemon, "2001:db8:2:9::1"))
    for stream in streams:
        stream.socket.close()
