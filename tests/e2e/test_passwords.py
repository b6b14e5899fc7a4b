# SPDX-License-Identifier: MIT
"""The passwords of the dashboards: which dashboards each one opens, and how guesses are counted and slowed down."""

import base64
import concurrent.futures
import re
import socket

import pytest

from harness import DEADLINE, fetch, wait_until
from harness.client import Connection

PASSWORD = "a long enough password"
PRIVATE = "/v1/top/default"


def credentials(password):
    return "Basic " + base64.b64encode(f"x:{password}".encode()).decode()


def ask(daemon, password, network, path=PRIVATE):
    return fetch(daemon.address, path, headers={"Authorization": credentials(password), "X-Real-IP": network})


def begin(daemon, password, network, path=PRIVATE):
    """Sends a request. Its answer may take a while."""
    connection = Connection(daemon.address)
    connection.send(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {credentials(password)}\r\nX-Real-IP: {network}\r\n\r\n")
    return connection


def is_answered(connection):
    connection.socket.setblocking(False)
    try:
        return connection.socket.recv(1, socket.MSG_PEEK) != b""
    except BlockingIOError:
        return False
    finally:
        connection.socket.settimeout(DEADLINE)


@pytest.fixture
def daemon(new_daemon):
    return new_daemon({"sites": ["default"], "dashboard.password": PASSWORD, "metrics.listen": ["127.0.0.1:0"]}).wait_for_store()


def exhaust(daemon, network, path=PRIVATE):
    """Uses up the budget of wrong passwords of a network, even while it refills."""
    for number in range(100):
        connection = begin(daemon, "wrong", network, path)
        wait_until(lambda: sum(daemon.status()["dashboard"].values()) > number, "it was looked at")
        if daemon.status()["dashboard"]["delayed_attempts"]:
            return connection
        connection.socket.close()
    return pytest.fail("no attempt had to wait")


def test_wrong_passwords_are_counted_and_logged(daemon):
    for number in range(5):
        answer = ask(daemon, "wrong", "203.0.113.7")
        assert (answer.status, answer.error) == (401, "password_wanted")
    assert ask(daemon, PASSWORD, "203.0.113.7").status == 200
    assert daemon.status()["dashboard"] == {"wrong_passwords": 5, "delayed_attempts": 0, "refused_attempts": 0}
    assert "visitcountd_dashboard_wrong_passwords_total 5" in fetch(daemon.addresses("metrics")[0], "/metrics").text.splitlines()
    lines = [line for line in daemon.log().splitlines() if "wrong password" in line]
    assert len(lines) == 1 and "for site default" in lines[0], "one line a minute"
    assert "203.0.113" not in daemon.log()


def test_no_password_and_a_right_one_cost_nothing(daemon):
    for _ in range(30):
        assert fetch(daemon.address, PRIVATE, headers={"X-Real-IP": "203.0.113.7"}).status == 401
        assert ask(daemon, PASSWORD, "203.0.113.7").status == 200
    assert set(daemon.status()["dashboard"].values()) == {0}


@pytest.mark.parametrize("path", [PRIVATE, "/", "/v1/live/default"])
def test_a_network_that_guesses_waits_and_others_do_not(daemon, path):
    waiting = exhaust(daemon, "203.0.113.7", path)
    assert ask(daemon, PASSWORD, "203.0.114.1").status == 200
    assert ask(daemon, "wrong", "203.0.114.1").status == 401
    assert not is_answered(waiting), "it still waits, after others were answered"
    assert waiting.answer().status == (200 if path == "/" else 401), "a delay, and no lock-out"


def test_a_right_password_waits_as_well(daemon):
    exhaust(daemon, "2001:db8:1:2::1").answer()
    delayed = 0
    while delayed < 2:  # in the same minute, unless the machine is very slow
        answer = ask(daemon, PASSWORD, "2001:db8:1:2:ffff::1")
        assert answer.status == 200
        delayed = daemon.status()["dashboard"]["delayed_attempts"]
        ask(daemon, "wrong", "2001:db8:1:2::2")


def test_one_attempt_of_a_network_waits(daemon):
    waiting = exhaust(daemon, "203.0.113.7")
    answer = ask(daemon, PASSWORD, "203.0.113.99")
    assert (answer.status, answer.error) == (429, "too_many_passwords")
    assert int(answer.headers["retry-after"]) >= 1
    assert daemon.status()["dashboard"]["refused_attempts"] == 1
    assert waiting.answer().status == 401


def test_guesses_from_everywhere_are_bounded(daemon):
    """There are more wrong passwords than the budget of all networks. At most 64 answers wait. A correct password does not wait."""
    connections = [begin(daemon, "wrong", f"198.51.{number}.1") for number in range(200)]
    wait_until(lambda: daemon.status()["dashboard"]["refused_attempts"] > 0, "there are too many")
    seen = daemon.status()["dashboard"]
    assert ask(daemon, PASSWORD, "203.0.113.7").status == 200
    assert seen["delayed_attempts"] <= 64 + 200 // 4 and seen["wrong_passwords"] >= 164
    statuses = [connection.answer().status for connection in connections]
    assert set(statuses) == {401, 429} and statuses.count(401) >= 164


def test_attempts_that_wait_at_the_end_are_answered(daemon):
    waiting = exhaust(daemon, "203.0.113.7")
    daemon.stop()
    assert waiting.answer().status in (401, 503)


def test_a_client_that_leaves_while_it_waits(daemon):
    exhaust(daemon, "203.0.113.7").socket.close()
    wait_until(lambda: daemon.status()["connections"]["open"] == 0, "its connection is closed")
    assert daemon.count() == 1


def test_the_password_of_a_site(new_daemon, directory):
    secret = directory / "b.password"
    secret.write_text("the password of b\n")
    daemon = new_daemon({"sites": [{"name": "a", "dashboard_password": "the password of a"}, {"name": "b", "dashboard_password_file": "b.password"}, "c"],
                         "dashboard.password": PASSWORD}).wait_for_store()
    opens = {"the password of a": "a", "the password of b": "b", PASSWORD: "abc"}
    for number, (password, sites) in enumerate(opens.items()):
        for site in "abc":
            assert ask(daemon, password, f"203.0.{number}.7", f"/site/{site}").status == (200 if site in sites else 401), (password, site)
    shown = daemon.ctl("config").output
    assert "the password of" not in shown and shown.count("********") == 3
    secret.write_text("another for b\n")
    assert daemon.ctl("reload").status == 0
    assert ask(daemon, "another for b", "203.0.9.7", "/site/b").status == 200
    assert ask(daemon, "the password of b", "203.0.9.7", "/site/b").status == 401
    secret.unlink()
    assert daemon.ctl("reload").status == 0
    assert ask(daemon, "another for b", "203.0.9.7", "/site/b").status == 200
    assert "b.password: No such file or directory; the secret that was read before is kept" in daemon.log()


def test_a_site_with_a_password_needs_no_other(new_daemon):
    daemon = new_daemon({"sites": [{"name": "a", "dashboard_password": "the password of a"}, "b"]}).wait_for_store()
    assert ask(daemon, "the password of a", "203.0.113.7", "/site/a").status == 200
    assert ask(daemon, "wrong", "203.0.113.7", "/site/a").status == 401
    assert ask(daemon, "the password of a", "203.0.113.7", "/v1/top/b").error == "private"


def test_short_passwords_are_warned_of(new_daemon):
    daemon = new_daemon({"sites": [{"name": "a", "dashboard_password": "short"}], "dashboard.password": "too short"})
    warning = "the password is shorter than 12 characters"
    assert daemon.log().count(warning) == 2
    done = daemon.ctl("check")
    assert done.status == 0 and done.output.count(warning) == 2
    daemon.write_config(dashboard_password=PASSWORD)
    done = daemon.ctl("reload", "--json")
    assert done.status == 0 and re.search(warning, str(done.json()["warnings"]))
    assert daemon.log().count(warning) == 3


def test_many_guesses_at_once(daemon):
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: ask(daemon, "wrong", "203.0.113.7"), range(60)))
    assert {answer.status for answer in answers} == {401, 429}
    looked_at = daemon.status()["dashboard"]["wrong_passwords"]
    assert looked_at == sum(answer.status == 401 for answer in answers) and looked_at < 60
