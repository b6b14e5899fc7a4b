# SPDX-License-Identifier: MIT
"""Instances that end and are replaced under load."""

import concurrent.futures
import signal
import time

import pytest

from harness import RedisStore, free_ports, wait_until

from parts import link_settings


@pytest.fixture
def store(redis):
    return RedisStore(redis)


@pytest.fixture
def fleet(new_daemon, store, directory):
    """Three instances on fixed ports and on unix sockets."""
    return [new_daemon({**store.settings, "http.listen": [f"127.0.0.1:{port}", f"unix:{directory}/%i.sock"]},
                       name=f"i{number}").wait_for_store()
            for number, port in enumerate(free_ports(3))]


@pytest.fixture(params=["TCP", "unix"])
def nginx(request, new_nginx, fleet):
    return new_nginx([daemon.addresses("visitors")[request.param == "unix"] for daemon in fleet])


def restart_each(fleet, crowd, rounds):
    for _ in range(rounds):
        for daemon in fleet:
            crowd.wait_for_more(500)
            daemon.stop()
            crowd.wait_for_more(200)  # the other instances go on
            daemon.start()


def test_rolling_restart_behind_nginx(fleet, nginx, store, visitors):
    """No request fails. Each number is given once and none is missing."""
    crowd = visitors([nginx.address], connections=48)
    restart_each(fleet, crowd, 2)
    crowd.wait_for_more(500)
    crowd.stop()
    crowd.finish()
    assert (crowd.refused, crowd.unknown, crowd.broken, crowd.others) == (0, 0, 0, []), crowd
    crowd.check_exact({"/count": store.total()})


def test_rolling_restart_of_instances_themselves(fleet, store, visitors):
    """Without a proxy, visitors see connections end, and for a moment no instance listens. But each number is given once. None is missing among the
    visits that were answered or broke off."""
    crowd = visitors([daemon.address for daemon in fleet], connections=48)
    restart_each(fleet, crowd, 2)
    crowd.wait_for_more(500)
    crowd.stop()
    crowd.finish().check_bounds(store.total())
    assert crowd.unknown == 0


def test_kill_each_behind_nginx(fleet, nginx, store, visitors):
    """With kill -9, nginx repeats requests without an answer under the same X-Request-Id. They count once."""
    crowd = visitors([nginx.address], connections=48)
    for daemon in fleet * 2:
        crowd.wait_for_more(500)
        daemon.kill()
        crowd.wait_for_more(200)
        daemon.start()
    crowd.wait_for_more(500)
    crowd.stop()
    crowd.finish()
    assert (crowd.unknown, crowd.broken, crowd.others) == (0, 0, []), crowd
    assert crowd.refused == 0, crowd
    assert store.total() == crowd.answered


# --- the end while the store is away ---

def end_in_time(daemon):
    """Sends SIGTERM. The daemon has to end by itself with status 0, within drain.timeout (5 s) and some time for a busy machine. That is less than
    half of count.max_wait, which visitors would wait otherwise."""
    start = time.monotonic()
    daemon.signal(signal.SIGTERM)
    assert daemon.process.wait() == 0
    assert time.monotonic() - start < 10


@pytest.mark.parametrize("how", ["killed", "frozen", "black hole"])
def test_end_while_the_store_is_away(new_daemon, new_proxy, redis, store, visitors, how):
    """It ends within five seconds. Every visitor gets an answer, and no visit that was answered as counted is lost."""
    proxy = new_proxy(redis.socket)
    daemon = new_daemon({**link_settings(proxy), "count.max_wait": "20s"}).wait_for_store()
    crowd = visitors([daemon.address], connections=32)
    crowd.wait_for_more(500)
    if how == "killed":
        redis.kill()
    elif how == "frozen":
        redis.pause()
    else:
        proxy.set("both", hole=True)
    wait_until(lambda: daemon.status()["visits"]["waiting"] > 0, "visitors wait")
    crowd.stop()
    end_in_time(daemon)
    crowd.finish()
    proxy.cut()
    if how == "killed":
        redis.start()
    elif how == "frozen":
        redis.resume()
    assert crowd.broken == 0, crowd
    assert crowd.unknown + crowd.refused > 0, crowd
    check_after_the_end(crowd, store)


def check_after_the_end(crowd, store):
    # a store that was suspended may apply received commands a moment later
    client = store.client()
    wait_until(lambda: len(client.client_list(_type="normal")) <= 1, "the last command was read")
    crowd.check_bounds(store.total())


def test_end_while_the_store_comes_back(new_daemon, redis, store, visitors):
    """Visits that wait when the drain begins are counted if the store is back in time."""
    daemon = new_daemon({**store.settings, "count.max_wait": "20s"}).wait_for_store()
    crowd = visitors([daemon.address], connections=32)
    crowd.wait_for_more(500)
    redis.kill()
    wait_until(lambda: daemon.status()["visits"]["waiting"] == 32, "all visitors wait")
    crowd.stop()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        ended = pool.submit(end_in_time, daemon)
        daemon.wait_for_log("drain: begins")
        redis.start()
        ended.result()
    crowd.finish()
    assert (crowd.refused, crowd.unknown, crowd.broken) == (0, 0, 0), crowd
    crowd.check_exact({"/count": store.total()})
    daemon.wait_for_log("drain: done: every visit was answered")


def test_end_while_it_heals(new_daemon, new_rollback_redis, new_proxy):
    """The daemon resends all that the store lacks before it ends."""
    redis = new_rollback_redis(name="forgetful")
    proxy = new_proxy(redis.socket)
    daemon = new_daemon(link_settings(proxy)).wait_for_store()
    daemon.count()
    redis.take_copy()
    for _ in range(20):
        daemon.count()
    redis.lose_since_copy()
    proxy.set("both", delay=0.02)
    redis.start()
    wait_until(lambda: RedisStore(redis).total() > 3, "it heals")
    end_in_time(daemon)
    assert RedisStore(redis).total() == 21
