# SPDX-License-Identifier: MIT
"""The whole system: nginx with the repository's own file, three instances on unix sockets, one Redis."""

import pytest

from harness import Connection, RedisStore, fetch, wait_until


@pytest.fixture
def redis(new_redis):
    return new_redis(aof=True, config={"appendfsync": "everysec"})  # as in `make stack`


@pytest.fixture
def new_instance(new_daemon, directory):
    def make(name, settings):
        return new_daemon({"http.listen": [f"unix:{directory}/%i.sock"], **settings}, name=name)
    return make


@pytest.fixture
def instances(new_instance, redis_store):
    return [new_instance(f"web-{number}", redis_store.settings).wait_for_store() for number in (1, 2, 3)]


@pytest.fixture
def nginx(new_nginx, instances):
    return new_nginx([instance.address for instance in instances])


def applied(instances):
    return [instance.status()["visits"]["applied"] for instance in instances]


@pytest.mark.slow
def test_200000_visits_are_the_numbers_1_to_200000(nginx, instances, redis_store, visitors):
    """The promise: 200 connections, three instances, and every number exactly once."""
    total = 200_000
    crowd = visitors([nginx.address], connections=200, total=total)
    crowd.finish(deadline=180)
    crowd.check_exact({"/count": redis_store.total()})
    assert redis_store.total() == total
    assert redis_store.series_totals() == (total, total)
    shares = applied(instances)
    assert sum(shares) == total
    assert min(shares) > total / 10, f"nginx left an instance out: {shares}"
    assert sum(instance.status()["store"]["commands"] for instance in instances) < total / 2
    print(f"{crowd}: {total / crowd.seconds:.0f}/s")


def test_each_form_through_nginx(nginx, redis_store):
    assert fetch(nginx.address, "/count").number == 1
    assert "Visitor count: 2" in fetch(nginx.address, "/count", headers={"Accept": "text/html"}).text
    assert fetch(nginx.address, "/count.json").json()["count"] == 3
    assert fetch(nginx.address, "/v1/hit/default/a%2Fb/%C3%BC", "POST").json()["page"] == "/a/b/ü"
    assert fetch(nginx.address, "/v1/get/default/a/b/%C3%BC").json()["count"] == 1
    assert fetch(nginx.address, "/count", "HEAD").headers["visitcount-status"] == "ignored; reason=head"
    assert "<strong data-count>3</strong>" in fetch(nginx.address, "/").text
    assert fetch(nginx.address, "/count").headers["cache-control"] == "no-store, max-age=0"
    assert redis_store.total() == 4


def test_errors_through_nginx_are_json_too(nginx):
    assert fetch(nginx.address, "/nope").error == "not_found"
    for data, status in [(b"GET /v1/hit/default/" + b"x" * 20000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
                         (b"POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 71680\r\n\r\n", 413),
                         (b"GET /count HTTP/1.1\r\n\r\n", 400),  # no Host
                         (b"POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400),
                         (b"POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400)]:
        with Connection(nginx.address) as connection:
            connection.send(data)
            answer = connection.answer()
        assert answer.status == status, data[:60]
        assert answer.error
        assert answer.headers["cache-control"] == "no-store, max-age=0"
    assert fetch(nginx.address, "/count").number == 1, "nothing of it was counted"


def test_the_admin_routes_are_not_reachable(nginx, instances):
    for target in ("/status", "/drain", "/reload", "/metrics", "/config"):
        for host in ("x", "admin", "metrics"):
            for method in ("GET", "POST"):
                assert fetch(nginx.address, target, method, headers={"Host": host}).status == 404
    assert all(instance.process.is_running() for instance in instances)


def test_the_client_is_who_nginx_says(new_nginx, new_instance, redis_store):
    """A unix socket has no client address, so nginx's header decides."""
    instance = new_instance("web-1", {"log.level": "debug", **redis_store.settings}).wait_for_store()
    nginx = new_nginx([instance.address])
    assert fetch(nginx.address, "/count", headers={"X-Real-IP": "192.0.2.9", "X-Forwarded-For": "192.0.2.9"}).number == 1
    instance.wait_for_log("client 127.0.0.1: X-Real-IP, since the peer is in trusted_proxies or on a unix socket")


def test_pipelined_through_nginx(nginx):
    with Connection(nginx.address) as connection:
        connection.send(b"GET /count HTTP/1.1\r\nHost: x\r\n\r\n" * 30)
        assert [connection.answer().number for _ in range(30)] == list(range(1, 31))


def test_rolling_restart_under_load(nginx, instances, redis_store, visitors):
    """Each instance stops and starts under load. No request fails, and every number is given exactly once."""
    crowd = visitors([nginx.address], connections=64)
    for instance in instances:
        crowd.wait_for_more(1000)
        instance.stop()
        crowd.wait_for_more(300)
        instance.start()
    crowd.wait_for_more(1000)
    crowd.stop()
    crowd.finish()
    crowd.check_exact({"/count": redis_store.total()})


def test_an_instance_that_is_killed_under_load(nginx, instances, redis_store, visitors):
    """With kill -9, visits in flight may have been counted, and nginx repeats them at another instance, which recognises the repetition. No number is
    given twice. No visit fails that nginx could repeat."""
    crowd = visitors([nginx.address], connections=64)
    crowd.wait_for_more(1000)
    instances[0].kill()
    crowd.wait_for_more(1000)
    instances[0].start()
    crowd.wait_for_more(1000)
    crowd.stop()
    crowd.finish()
    crowd.check_distinct()
    assert (crowd.broken, crowd.others, crowd.refused, crowd.unknown) == (0, [], 0, 0), str(crowd)
    assert crowd.answered == redis_store.total(), "what was repeated counts once"
    assert max(crowd.numbers["/count"]) <= redis_store.total()


def test_instances_come_and_go(nginx, instances, new_instance, redis_store, visitors):
    """The list of instances grows to five and shrinks to one, with reloads of nginx. A reload closes kept connections while a client uses them."""
    crowd = visitors([nginx.address], connections=32)
    crowd.wait_for_more(300)
    more = [new_instance(f"more-{number}", redis_store.settings).wait_for_store() for number in (1, 2)]
    nginx.instance_addresses = [instance.address for instance in instances + more]
    nginx.reload()
    wait_until(lambda: all(applied(more)), "the new ones get their share")
    nginx.instance_addresses = [more[0].address]
    nginx.reload()
    before = applied(more)[0]
    wait_until(lambda: applied(more)[0] > before + 500, "the one that is left takes all")
    crowd.stop()
    crowd.finish()
    assert (crowd.refused, crowd.unknown) == (0, 0), str(crowd)
    crowd.check_bounds(redis_store.total())


def test_without_redis_visitors_get_the_daemons_own_503(new_nginx, new_instance, new_redis):
    server = new_redis(start=False)
    instances = [new_instance(f"web-{number}", {"count.max_wait": "200ms", "redis.socket": str(server.socket)})
                 for number in (1, 2, 3)]
    nginx = new_nginx([instance.address for instance in instances])
    for _ in range(10):
        answer = fetch(nginx.address, "/count")
        assert (answer.status, answer.error) == (503, "store_unavailable")
        assert "retry-after" in answer.headers
        assert answer.headers["visitcount-status"] == "refused; reason=store-unavailable"
    for instance in instances:
        instance.set_patience("30s")
    server.start()
    for instance in instances:
        instance.wait_for_store()
    assert fetch(nginx.address, "/count").number == 1, "no instance was put aside for its 503"
    assert RedisStore(server).total() == 1


def test_redis_restarts_behind_it_all(nginx, instances, redis_store, visitors):
    crowd = visitors([nginx.address], connections=32)
    crowd.wait_for_more(500)
    redis_store.server.stop()
    redis_store.server.start()
    crowd.wait_for_more(500)
    crowd.stop()
    crowd.finish()
    assert not crowd.others, str(crowd)
    crowd.check_bounds(redis_store.total())
