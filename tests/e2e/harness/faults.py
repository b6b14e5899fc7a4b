# SPDX-License-Identifier: MIT
"""Answers to visitors during faults of the store."""

from harness.basics import wait_until

#: Timeouts for a store that works, even with a slow disk: one fsync may take a second if others write too. A test that needs quick refusals calls
#: daemon.set_patience(SHORT) during the fault, and restores LONG after it.
LONG, SHORT = "30s", "300ms"
PATIENT = {"count.max_wait": LONG, "redis.command_timeout": LONG, "redis.connect_timeout": LONG}

#: Timeouts for a store that never works: shorter than the defaults, so that the tests are quick. Not for visits that have to be counted, because 300
#: ms may be too short.
HASTY = {"count.max_wait": "300ms", "redis.command_timeout": "400ms", "redis.connect_timeout": "400ms", "drain.timeout": "500ms"}


def check_refused(answer):
    """Checks the answer to a visit that was not counted."""
    assert (answer.status, answer.error) == (503, "store_unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.headers["cache-control"] == "no-store, max-age=0"
    assert answer.headers["visitcount-status"] == "refused; reason=store-unavailable"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "not counted" in answer.json()["error"]["message"]


def refusal(daemon, target="/count"):
    """Repeats the visit until it times out while no batch is in flight. Returns that refusal."""
    return wait_until(lambda: (lambda answer: answer.error != "outcome_unknown" and answer)(daemon.fetch(target)), "a refusal")


def check_is_away(daemon):
    for target in ("/count", "/count.json", "/v1/hit/default/x"):
        check_refused(daemon.fetch(target))
    check_refused(daemon.fetch("/count", headers={"Accept": "text/html"}))
    answer = daemon.fetch("/readyz")
    assert (answer.status, answer.json()["ready"]) == (503, False)
    assert daemon.fetch("/v1/get/default/").status == 503
    assert daemon.fetch("/livez").status == 200, "a restart would not bring the store back"
    welcome = daemon.fetch("/")
    assert welcome.status == 200
    assert "The store is away" in welcome.text
    assert "<strong data-count>\u2013</strong>" in welcome.text


def error_to_apply(error):
    """Answers the handshake like a master, and each batch with `error`. None means OK with the total 7."""
    def answer(words):
        if words[0] == "ROLE":
            return b"*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"
        if words[0] == "SCRIPT":
            return b"$40\r\n" + b"a" * 40 + b"\r\n"
        if words[0] == "EVALSHA":
            return b"$4\r\nOK 7\r\n" if error is None else b"-" + error + b"\r\n"
        return b"+OK\r\n"
    return answer
