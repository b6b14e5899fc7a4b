# SPDX-License-Identifier: MIT
"""Starting, stopping, and the messages to the service manager."""

import concurrent.futures
import re
import signal
import socket
import time

import pytest

from harness import ROOT, Connection, fetch, need_program, visit, wait_until
from harness.client import Closed

COUNT = "GET /count HTTP/1.1\r\nHost: x\r\n\r\n"

#: A stop ends within 5 s. The rest is for a busy machine.
STOP_SECONDS = 8


def stop_and_measure(daemon):
    start = time.monotonic()
    daemon.signal(signal.SIGTERM)
    assert daemon.process.wait() == 0, daemon.log()
    return time.monotonic() - start


# --- stopping ---

def test_an_idle_daemon_stops_at_once(daemon):
    daemon.count()
    assert stop_and_measure(daemon) < STOP_SECONDS
    assert "drain: done: every visit was answered" in daemon.log()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_both_signals_stop(daemon, number):
    daemon.signal(number)
    assert daemon.process.wait() == 0


def test_idle_connections_are_closed(daemon):
    """At once, not only after http.idle_timeout as in libh2o."""
    idle = [Connection(daemon.address) for _ in range(10)]
    for connection in idle[5:]:
        connection.send(COUNT)
        connection.answer()
    assert stop_and_measure(daemon) < STOP_SECONDS
    for connection in idle:
        assert connection.is_closed_by_peer()
        connection.socket.close()


def test_a_visit_in_flight_is_answered(new_daemon, redis_store):
    """Redis is suspended when the visit arrives, and continues before the timeout. The visit counts, and its answer announces the end of the
    connection."""
    daemon = new_daemon({**redis_store.settings, "redis.command_timeout": "20s", "count.max_wait": "20s", "drain.timeout": "20s"})
    daemon.wait_for_store()
    redis_store.server.pause()
    with Connection(daemon.address) as connection:
        connection.send(COUNT)
        wait_until(lambda: daemon.status()["visits"]["waiting"] == 1, "the visit waits")
        daemon.signal(signal.SIGTERM)
        daemon.wait_for_log("drain: begins")
        assert daemon.status()["state"] == "draining"
        redis_store.server.resume()
        answer = connection.answer()
        assert answer.number == 1
        assert answer.headers["connection"] == "close"
        assert connection.is_closed_by_peer()
    assert daemon.process.wait() == 0
    assert redis_store.total() == 1
    assert "drain: done: every visit was answered" in daemon.log()


def test_under_load_every_visit_ends_in_an_answer(daemon, store, visitors):
    """Every accepted request is answered. A request that comes too late is answered as not counted, or its connection is refused."""
    crowd = visitors([daemon.address], connections=64)
    crowd.wait_for_more(500)
    assert stop_and_measure(daemon) < STOP_SECONDS
    crowd.stop()
    crowd.finish()
    assert not crowd.others and not crowd.unknown, str(crowd)
    crowd.check_distinct()
    assert crowd.answered == store.total(), f"{store.total()} in the store; {crowd}"


def test_while_it_drains_it_takes_no_new_connections_and_is_not_ready(new_daemon, redis_store):
    daemon = new_daemon({**redis_store.settings, "redis.command_timeout": "20s", "count.max_wait": "20s", "drain.timeout": "20s"})
    daemon.wait_for_store()
    with Connection(daemon.address) as waiting, Connection(daemon.address) as probe:
        for connection in (waiting, probe):
            connection.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            connection.answer()
        redis_store.server.pause()
        waiting.send(COUNT)
        wait_until(lambda: daemon.status()["visits"]["waiting"] == 1, "the visit waits")
        probe.send("GET /readyz HTTP/1.1\r\nHost: x\r\n")  # half a request: the connection is not idle
        wait_until(lambda: daemon.status()["connections"]["requests"] == 3, "both were read")
        daemon.signal(signal.SIGTERM)
        daemon.wait_for_log("drain: begins")
        with pytest.raises(ConnectionError):
            Connection(daemon.address)
        probe.send("\r\n")
        answer = probe.answer()
        assert (answer.status, answer.json()["state"]) == (503, "draining")
        assert answer.headers["connection"] == "close"
        redis_store.server.resume()
        assert waiting.answer().number == 1
    assert daemon.process.wait() == 0


def test_with_the_store_frozen_it_stops_in_time(new_daemon, redis_store):
    """Waiting visits get 503, and the process ends within drain.timeout."""
    daemon = new_daemon({**redis_store.settings, "redis.command_timeout": "60s", "count.max_wait": "60s", "drain.timeout": "1s"})
    daemon.wait_for_store()
    redis_store.server.pause()
    connections = [Connection(daemon.address) for _ in range(5)]
    for connection in connections:
        connection.send(COUNT)
    wait_until(lambda: daemon.status()["visits"]["waiting"] == 5, "the visits wait")
    assert stop_and_measure(daemon) < 1 + STOP_SECONDS
    for connection in connections:
        answer = connection.answer()
        assert (answer.status, answer.error) in [(504, "outcome_unknown"), (503, "store_unavailable")]
        connection.socket.close()
    assert re.search(r"warning drain: drain.timeout is over: 5 visits wait for the store", daemon.log())


def test_the_default_of_five_seconds(new_daemon, redis_store):
    """The default drain.timeout, with a suspended Redis and a waiting visit."""
    daemon = new_daemon(redis_store.settings).wait_for_store()
    redis_store.server.pause()
    with Connection(daemon.address) as connection:
        connection.send(COUNT)
        wait_until(lambda: daemon.status()["visits"]["waiting"] == 1, "the visit waits")
        assert stop_and_measure(daemon) < STOP_SECONDS
        assert connection.answer().status == 504


def test_with_the_store_absent_it_stops_in_time(new_daemon, directory):
    daemon = new_daemon({"redis.socket": f"{directory}/nobody.sock"})
    with concurrent.futures.ThreadPoolExecutor() as pool:
        visit_to_be = pool.submit(daemon.fetch)
        wait_until(lambda: daemon.status()["visits"]["waiting"] == 1, "a visit waits")
        assert stop_and_measure(daemon) < STOP_SECONDS
        assert visit_to_be.result().error == "store_unavailable"


def test_a_client_that_never_ends_its_request_does_not_hold_it(daemon):
    with Connection(daemon.address) as connection:
        connection.send("POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
        wait_until(lambda: daemon.status()["connections"]["open"] == 1, "it is there")
        assert stop_and_measure(daemon) < STOP_SECONDS


def test_a_second_sigterm_ends_it_now(new_daemon, redis_store):
    daemon = new_daemon({**redis_store.settings, "redis.command_timeout": "60s", "count.max_wait": "60s", "drain.timeout": "60s"})
    daemon.wait_for_store()
    redis_store.server.pause()
    with Connection(daemon.address) as connection:
        connection.send(COUNT)
        wait_until(lambda: daemon.status()["visits"]["waiting"] == 1, "the visit waits")
        daemon.signal(signal.SIGTERM)
        daemon.wait_for_log("drain: begins")
        daemon.signal(signal.SIGTERM)
        assert daemon.process.wait() == 0
        assert connection.answer().status == 504
    assert "drain: cut short by a second SIGTERM" in daemon.log()


def test_the_sqlite_file_is_whole_after_a_stop(new_daemon, directory):
    """The database is closed and includes the write-ahead log, so the file can be copied alone."""
    daemon = new_daemon()
    visit([daemon.address], 100, connections=8)
    daemon.stop()
    assert sorted(path.name for path in directory.glob("visits.db*")) == ["visits.db"]


# --- reload ---

def test_sighup_reloads(daemon):
    daemon.write_config(sites=["default", "new"])
    daemon.signal(signal.SIGHUP)
    daemon.wait_for_log("reload: done")
    assert daemon.fetch("/v1/hit/new/").status == 200


def test_sighup_with_an_error_changes_nothing(daemon):
    daemon.write_config(sites=["default", "new"], log_level="loud")
    daemon.signal(signal.SIGHUP)
    daemon.wait_for_log(rf"error +reload refused, nothing was changed: {daemon.config_path}:\d+: log.level: ")
    assert daemon.fetch("/v1/hit/new/").status == 404
    assert daemon.count() == 1


def test_busy_polling_begins_with_a_reload_and_ends_when_nothing_comes(daemon):
    visits = 50

    def cpu_us_of_visit():
        """CPU time of the loop per visit, if visits come so far apart that the loop always sleeps before the next one."""
        before = daemon.process.cpu_us()
        for _ in range(visits):
            daemon.count()
            time.sleep(0.005)
        return (daemon.process.cpu_us() - before) / visits

    asleep_us = cpu_us_of_visit()
    daemon.write_config(count_busy_poll_us=1000)
    daemon.signal(signal.SIGHUP)
    daemon.wait_for_log("reload: done")
    # it stays awake for 1000 us after each visit; on a busy machine other processes use a part of that time
    wait_until(lambda: cpu_us_of_visit() > asleep_us + 300, "it is awake after a visit")
    wait_until(lambda: daemon.process.state() == "S", "it sleeps")
    daemon.write_config(count_busy_poll_us=1001)
    daemon.signal(signal.SIGHUP)
    daemon.wait_for_log(r"reload refused, nothing was changed: .*: count.busy_poll_us: ")


# --- the service manager ---

def test_what_the_service_manager_is_told(daemon):
    daemon.count()
    daemon.signal(signal.SIGHUP)
    daemon.wait_for_notification("READY=1", count=2)
    daemon.stop()
    told = [line for line in daemon.notify.lines if not line.startswith("STATUS=")]
    reload_at = told.index("RELOADING=1")
    assert told[0] == "READY=1"
    assert re.fullmatch(r"MONOTONIC_USEC=\d+", told[reload_at + 1])
    assert told[reload_at + 2] == "READY=1"
    wait_until(lambda: "STOPPING=1" in daemon.notify.lines, "STOPPING=1")
    statuses = [line for line in daemon.notify.lines if line.startswith("STATUS=")]
    assert statuses[-1] == "STATUS=draining"


def test_the_status_line_names_the_store(new_daemon, directory):
    daemon = new_daemon({"redis.socket": f"{directory}/nobody.sock", "drain.timeout": "100ms"})
    wait_until(lambda: any(re.fullmatch(r"STATUS=0 visits counted, 0/s; redis unix:.*nobody\.sock: down: connect: .*", line)
                           for line in daemon.notify.lines), lambda: f"its status; {daemon.notify.lines}")


def test_the_watchdog_is_fed_by_the_loop(new_daemon):
    """Only the loop feeds it: a loop that does not turn sends no message."""
    daemon = new_daemon(environment={"WATCHDOG_USEC": "200000"})
    daemon.wait_for_notification("WATCHDOG=1", count=5)
    daemon.process.pause()
    before = daemon.notify.lines.count("WATCHDOG=1")
    with pytest.raises(TimeoutError):
        Connection(daemon.address, timeout=1).answer()
    assert daemon.notify.lines.count("WATCHDOG=1") <= before + 1
    daemon.process.resume()
    daemon.wait_for_notification("WATCHDOG=1", count=before + 3)


def test_the_watchdog_is_fed_while_redis_is_frozen(new_daemon, redis_store):
    """A restart would not help, so the watchdog must not cause one."""
    daemon = new_daemon({**redis_store.settings, "drain.timeout": "100ms"}, environment={"WATCHDOG_USEC": "200000"}).wait_for_store()
    redis_store.server.pause()
    with Connection(daemon.address) as connection:
        connection.send(COUNT)
        before = daemon.notify.lines.count("WATCHDOG=1")
        daemon.wait_for_notification("WATCHDOG=1", count=before + 5)


def test_without_a_service_manager(new_daemon):
    daemon = new_daemon(start=False, environment={"NOTIFY_SOCKET": ""})
    daemon.start(is_ready=False)
    wait_until(daemon.admin_socket.exists, "it runs")
    daemon.find_address()
    assert daemon.count() == 1


def test_a_service_manager_that_is_gone(new_daemon, directory):
    daemon = new_daemon(start=False, environment={"NOTIFY_SOCKET": f"{directory}/nobody.sock", "WATCHDOG_USEC": "100000"})
    daemon.start(is_ready=False)
    wait_until(daemon.admin_socket.exists, "it runs")
    daemon.find_address()
    assert daemon.count() == 1


# --- sockets of systemd ---

@pytest.fixture
def inherited(new_daemon):
    """A daemon that inherits two listening sockets from us, as from a .socket unit, on descriptors 3 and 4."""
    sockets = []
    for _ in range(2):
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(100)
        sockets.append(listener)
    first, second = (listener.fileno() for listener in sockets)
    # as systemd does: descriptors from 3 on, and the variables that announce them
    script = f'exec 3<&{first} 4<&{second}; LISTEN_PID=$$ LISTEN_FDS=2 exec "$@"'
    if {first, second} & {3, 4}:
        pytest.fail("descriptors 3 and 4 are in use here")
    daemon = new_daemon({"http.listen": ["127.0.0.1:1"]}, wrapper=["bash", "-c", script, "bash"], pass_fds=(first, second))
    yield daemon, [listener.getsockname() for listener in sockets]
    for listener in sockets:
        listener.close()


def test_sockets_that_are_handed_over_are_used(inherited):
    """They replace http.listen, which could not be opened here."""
    daemon, addresses = inherited
    listeners = [listener for listener in daemon.status()["listeners"] if listener["kind"] == "visitors"]
    assert [listener["address"] for listener in listeners] == ["%s:%d" % address for address in addresses]
    assert all(listener["inherited"] for listener in listeners)
    assert [fetch(address).number for address in addresses] == [1, 2]


def test_a_visit_during_a_restart_waits_in_the_socket(inherited):
    """systemd holds the socket's queue, so no connection is refused between stop and start."""
    daemon, addresses = inherited
    with Connection(addresses[0]) as before:
        before.send(COUNT)
        assert before.answer().number == 1
    daemon.stop()
    with Connection(addresses[0]) as during:
        during.send(COUNT)
        daemon.start()
        assert during.answer().number == 2


def test_restarts_under_load_with_a_socket_of_systemd(inherited, visitors):
    daemon, addresses = inherited
    crowd = visitors(addresses, connections=32)
    for _ in range(3):
        crowd.wait_for_more(300)
        daemon.stop()
        daemon.start()
    crowd.wait_for_more(300)
    crowd.stop()
    crowd.finish()
    assert (crowd.refused, crowd.unknown, crowd.others) == (0, 0, []), str(crowd)
    crowd.check_bounds(daemon.ctl("--json", "get").json()["count"])


def test_a_descriptor_that_does_not_listen_is_refused(directory, new_daemon):
    script = 'exec 3</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"'
    daemon = new_daemon(start=False, wrapper=["bash", "-c", script, "bash"])
    daemon.start_in_vain()
    assert "inherited socket 3: is not a stream socket that listens" in daemon.log()


# --- memory ---

def valgrind():
    kinds = "definite,indirect,possible"
    return [need_program("valgrind", "valgrind"), "--quiet", "--leak-check=full", f"--show-leak-kinds={kinds}",
            f"--errors-for-leak-kinds={kinds}", "--error-exitcode=99", f"--suppressions={ROOT}/tests/valgrind.supp"]


@pytest.mark.slow
@pytest.mark.plain_build
def test_start_serve_stop_is_clean_under_valgrind(new_daemon, store, directory):
    """Requests of all kinds cause no error and no leak."""
    daemon = new_daemon({"metrics.listen": ["127.0.0.1:0"], "sites": ["default", "other"], **store.settings}, wrapper=valgrind())
    daemon.wait_for_store()
    visit([daemon.address], 500, connections=20, targets=["/count", "/v1/hit/other/x", "/v1/hit/default/y"])
    for target in ("/", "/count.json", "/v1/get/default/y", "/livez", "/readyz", "/nope", "/v1/hit/default/..", "/v1/hit/default/" + "x" * 600):
        for method in ("GET", "HEAD", "POST", "OPTIONS", "PUT"):
            daemon.fetch(target, method, headers={"Accept": "text/html"})
    for command in (["status"], ["status", "--json"], ["config"], ["metrics"], ["get"], ["version"], ["check"], ["reload"], ["log-level", "debug"]):
        assert daemon.ctl(*command).status == 0
    with Connection(daemon.address) as connection:
        connection.send("GET /count HTTP/1.1\r\nHost:")
        daemon.signal(signal.SIGHUP)
        daemon.wait_for_log("(?s)reload: done.*reload: done")
        daemon.signal(signal.SIGTERM)
        assert daemon.process.wait() == 0, daemon.log()
        with pytest.raises(Closed):
            connection.answer()
    assert "==" not in daemon.log(), daemon.log()


@pytest.mark.slow
@pytest.mark.plain_build
def test_a_start_that_fails_is_clean_under_valgrind(new_daemon):
    """Every failed start frees all that it created."""
    daemon = new_daemon({"http.listen": ["192.0.2.1:1"], "metrics.listen": ["192.0.2.1:2"]}, start=False, wrapper=valgrind())
    daemon.start_in_vain()
    assert "==" not in daemon.log(), daemon.log()
