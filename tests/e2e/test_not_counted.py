# SPDX-License-Identifier: MIT
"""What was ignored or refused, by reason and site: in status, metrics and on the dashboard."""

import re

import pytest

from harness import fetch
from test_metrics import metrics

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:121.0) Gecko/20100101 Firefox/121.0"
BOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
NAME = "visitcountd_visits_not_counted_total"


def by_metrics(daemon):
    """{(site, reason): requests}"""
    return {(dict(labels)["site"], dict(labels)["reason"]): value for (name, labels), value in metrics(daemon).items() if name == NAME}


def by_status(daemon):
    return {(row["site"], row["reason"]): row["visits"] for row in daemon.status()["not_counted"]}


def by_dashboard(daemon, site):
    page = fetch(daemon.address, f"/site/{site}").text
    body = re.search(r'<div id="uncounted">(.*?)</div>', page, re.DOTALL)[1]
    return {reason: int(number.replace(",", "")) for reason, number in re.findall(r'<tr><td>([\w-]+)</td><td class="number">([\d,]+)</td></tr>', body)}


@pytest.fixture
def daemon(new_daemon):
    return new_daemon({
        "metrics.listen": ["127.0.0.1:0"], "dashboard.public": True, "ignore.networks": ["203.0.113.0/24"],
        "sites": [{"name": "first"}, {"name": "s", "aliases": ["alias"], "origins": ["https://s.example"]}, {"name": "quiet"}, "*"],
    })


def ask(daemon, path, status, **headers):
    headers = {"User-Agent": BROWSER, "Origin": "https://s.example", **{name.replace("_", "-"): value for name, value in headers.items()}}
    answer = fetch(daemon.address, path, headers=headers)
    assert answer.headers["visitcount-status"] == status, answer
    return answer


def test_each_reason_is_told_by_site(daemon):
    assert by_metrics(daemon) == by_status(daemon) == {}
    for path in ("/v1/hit/s/p", "/v1/hit/alias", "/badge/s/p.svg", "/badge/s.svg", "/pixel/s/p.gif", "/v1/text/s", "/v1/hit/s/p?callback=f"):
        ask(daemon, path, "ignored; reason=bot", User_Agent=BOT)
    for path in ("/count", "/count.json"):
        ask(daemon, path, "ignored; reason=bot", User_Agent=BOT)
    ask(daemon, "/v1/hit/s/p", "ignored; reason=prefetch", X_Purpose="preview")
    ask(daemon, "/v1/hit/s/p", "ignored; reason=network", X_Real_IP="203.0.113.7")
    ask(daemon, "/v1/hit/s/p?readonly=1", "ignored; reason=readonly")
    ask(daemon, "/v1/hit/s/p", "refused; reason=origin", Origin="https://elsewhere.example")
    ask(daemon, "/v1/hit/s/%00", "refused; reason=bad-page")
    ask(daemon, "/v1/hit/s/p", "refused; reason=bad-idempotency-key", Idempotency_Key="x" * 300)
    ask(daemon, "/v1/hit/s/p", "counted")
    fetch(daemon.address, "/v1/get/s/p")
    expected = {("s", "bot"): 7, ("first", "bot"): 2, ("s", "prefetch"): 1, ("s", "network"): 1, ("s", "readonly"): 1, ("s", "origin"): 1,
                ("s", "bad-page"): 1, ("s", "bad-idempotency-key"): 1}
    assert by_metrics(daemon) == by_status(daemon) == expected
    assert by_dashboard(daemon, "s") == {reason: count for (site, reason), count in expected.items() if site == "s"}
    assert by_dashboard(daemon, "first") == {"bot": 2}
    assert by_dashboard(daemon, "quiet") == {}
    for path in ("/site/quiet", "/site/s/p"):
        assert "Not counted" not in fetch(daemon.address, path).text


def test_clients_choose_no_name(daemon):
    """Sites that are not listed share one row, whether they exist or not."""
    for number in range(30):
        ask(daemon, f"/v1/hit/new{number}/p", "ignored; reason=bot", User_Agent=BOT)
        ask(daemon, f"/v1/hit/made{number % 2}/p", "counted")
        ask(daemon, f"/v1/hit/made{number % 2}/p", "ignored; reason=prefetch", Purpose="prefetch")
        ask(daemon, f"/v1/hit/NO{number}", "refused; reason=bad-site")
    assert by_metrics(daemon) == by_status(daemon) == {("*", "bot"): 30, ("*", "prefetch"): 30, ("*", "bad-site"): 30}


def test_a_site_that_is_not_counted_here(new_daemon):
    daemon = new_daemon({"metrics.listen": ["127.0.0.1:0"], "sites": ["s"]})
    ask(daemon, "/v1/hit/other/p", "refused; reason=unknown-site")
    assert fetch(daemon.address, "/v1/hit/other/p", method="OPTIONS").status == 204
    assert fetch(daemon.address, "/v1/hit/s/p", method="OPTIONS").status == 204
    assert fetch(daemon.address, "/v1/hit/s/p", method="DELETE").status == 405
    assert by_metrics(daemon) == {("*", "unknown-site"): 1, ("*", "options"): 1, ("s", "options"): 1, ("s", "method"): 1}


def test_a_reload_keeps_the_numbers(daemon):
    ask(daemon, "/v1/hit/s/p", "ignored; reason=bot", User_Agent=BOT)
    daemon.settings["bots_add"] = ["Firefox"]
    daemon.write_config()
    daemon.ctl("reload")
    ask(daemon, "/v1/hit/s/p", "ignored; reason=bot")
    assert by_metrics(daemon) == {("s", "bot"): 2}


def test_the_words_of_a_site(new_daemon):
    daemon = new_daemon({"sites": [{"name": "own", "bots_add": ["Firefox/121"], "bots_except": ["googlebot"]}, {"name": "s"}]})
    ask(daemon, "/v1/hit/own/p", "ignored; reason=bot")
    ask(daemon, "/v1/hit/s/p", "counted")
    ask(daemon, "/v1/hit/own/p", "counted", User_Agent=BOT)
    ask(daemon, "/v1/hit/s/p", "ignored; reason=bot", User_Agent=BOT)
