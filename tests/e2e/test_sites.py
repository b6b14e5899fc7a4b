# SPDX-License-Identifier: MIT
"""Sites with rules of their own: aliases, allowed origins, and ignored visits, in each format."""

import base64
import json
import re

import pytest

from harness import fetch

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:121.0) Gecko/20100101 Firefox/121.0"
BOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"

#: Each counting route of page /p of site s, and the pattern of the number in its answer; None: no number.
FORMATS = {
    "json": ("/v1/hit/{site}/p", r'"count":(\d+)'),
    "jsonp": ("/v1/hit/{site}/p?callback=f", r'"count":(\d+)'),
    "text": ("/v1/text/{site}/p", r"(\d+)"),
    "badge": ("/badge/{site}/p.svg", r"<title>\D*(\d+)</title>"),
    "pixel": ("/pixel/{site}/p.gif", None),
    "shields": ("/v1/shields/{site}/p", r'"message":"(\d+)"'),
}

def visit(daemon, route, site="s", **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return fetch(daemon.address, FORMATS[route][0].format(site=site), headers={"User-Agent": BROWSER, **headers})


def number_in(route, answer):
    found = re.search(FORMATS[route][1], answer.text)
    assert found, answer
    return int(found[1])


def count_of(daemon, site="s", page="p"):
    return fetch(daemon.address, f"/v1/get/{site}/{page}").json()["count"]


@pytest.mark.parametrize("route", FORMATS)
@pytest.mark.parametrize("reason,headers", [
    ("prefetch", {"Sec-Purpose": "prefetch;prerender"}),
    ("prefetch", {"Purpose": "prefetch"}),
    ("prefetch", {"X-Moz": "prefetch"}),
    ("bot", {"User-Agent": BOT}),
    ("network", {"X-Real-IP": "203.0.113.7"}),
])
def test_ignored_visits_are_told_the_present_number(new_daemon, route, reason, headers):
    daemon = new_daemon({"sites": ["s"], "ignore.networks": ["203.0.113.0/24"]}).wait_for_store()
    for number in (1, 2, 3):
        assert visit(daemon, "json").json()["count"] == number
    answer = visit(daemon, route, **headers)
    assert answer.status == 200
    assert answer.headers["visitcount-status"] == f"ignored; reason={reason}"
    assert "no-store" in answer.headers["cache-control"]
    if FORMATS[route][1] is not None:
        assert number_in(route, answer) == 3
    assert count_of(daemon) == 3


def test_ignored_visits_of_count(new_daemon):
    daemon = new_daemon({"sites": ["s"]}).wait_for_store()
    assert fetch(daemon.address, "/count").number == 1
    for accept in ("text/plain", "text/html", "application/json"):
        answer = fetch(daemon.address, "/count", headers={"User-Agent": BOT, "Accept": accept})
        assert answer.status == 200 and answer.headers["content-type"].startswith(accept)
        assert answer.headers["visitcount-status"] == "ignored; reason=bot"
        assert re.search(r"\b1\b", answer.text)
    assert fetch(daemon.address, "/count").number == 2


@pytest.mark.parametrize("route", FORMATS)
def test_origins_outside_the_list_are_refused(new_daemon, route):
    daemon = new_daemon({"sites": ["default", {"name": "s", "origins": ["https://a.example"]}]}).wait_for_store()
    for headers in ({}, {"Origin": "https://b.example"}, {"Referer": "https://b.example/https://a.example"}):
        answer = visit(daemon, route, **headers)
        assert answer.headers["visitcount-status"] == "refused; reason=origin"
        assert answer.status == (200 if route in ("jsonp", "shields") else 403)
        assert answer.headers.get("access-control-allow-origin") == ("*" if "Origin" in headers and route != "jsonp" else None)
        assert "retry-after" not in answer.headers, "no later try would count"
        assert "origin" in answer.headers["vary"].lower()
    assert count_of(daemon) == 0
    answer = visit(daemon, route, Origin="https://a.example")
    assert answer.headers["visitcount-status"] == "counted"
    assert answer.headers["access-control-allow-origin"] == "https://a.example"
    assert visit(daemon, route, Referer="https://a.example/post/1").headers["visitcount-status"] == "counted"
    assert count_of(daemon) == 2


def test_scripts_of_other_origins_may_not_read_a_site_with_origins(new_daemon):
    daemon = new_daemon({"sites": ["open", {"name": "s", "origins": ["https://a.example"], "aliases": ["www.s"]}]}).wait_for_store()
    for target, method in (("/v1/get/s/p", "GET"), ("/v1/get/www.s/p", "GET"), ("/v1/hit/s/p", "OPTIONS")):
        own = fetch(daemon.address, target, method, headers={"Origin": "https://a.example"})
        other = fetch(daemon.address, target, method, headers={"Origin": "https://b.example"})
        assert own.headers["access-control-allow-origin"] == "https://a.example"
        assert "access-control-allow-origin" not in other.headers
        assert own.headers["vary"] == other.headers["vary"] == "origin"
    anybody = fetch(daemon.address, "/v1/get/open/p", headers={"Origin": "https://b.example"})
    assert anybody.headers["access-control-allow-origin"] == "*" and "vary" not in anybody.headers


JSONP_TARGETS = ("/count?callback=f", "/count.json?callback=f", "/v1/get/s/?callback=f", "/v1/get/s?callback=f", "/v1/get/www.s/?callback=f",
                 "/v1/get/s/?callback=f&period=7d", "/v1/hit/s/?callback=f", "/v1/hit/s/?callback=f&readonly=1")


@pytest.mark.parametrize("target", JSONP_TARGETS)
def test_no_callback_tells_a_number_to_a_page_that_is_not_admitted(new_daemon, target):
    """Guards: a script tag on any page could read the numbers of a site with origins, because CORS does not apply to scripts."""
    daemon = new_daemon({"sites": [{"name": "s", "origins": ["https://a.example"], "aliases": ["www.s"]}, "open"]}).wait_for_store()
    json = {"Accept": "application/json"}
    for _ in range(7):
        assert fetch(daemon.address, "/v1/hit/s/", headers={"Origin": "https://a.example"}).status == 200
    for user_agent in ("Firefox", BOT):
        for sender in ({}, {"Referer": "https://b.example/"}, {"Origin": "https://b.example", "Referer": "https://a.example/"},
                       {"Origin": "null"}, {"Referer": "https://a.example.b.example/"}):
            answer = fetch(daemon.address, target, headers={"User-Agent": user_agent, **json, **sender})
            assert "origin_not_allowed" in answer.text and not any(word in answer.text for word in ("7", "count\"", "total"))
            assert "hit" in target or "count" in target or (answer.status, answer.error) == (403, "origin_not_allowed")
            assert answer.headers["vary"] == "origin"
    for sender in ({"Referer": "https://a.example/post"}, {"Origin": "https://a.example"}):
        answer = fetch(daemon.address, target, headers={"User-Agent": "Firefox", **json, **sender})
        assert answer.status == 200 and answer.text.startswith("/**/f({") and re.search(r":([789]|10)\b", answer.text), answer
    assert fetch(daemon.address, "/v1/get/open/?callback=f").text.startswith("/**/f({"), "a site without origins answers all"


def test_other_pages_embed_nothing_private(new_daemon):
    """Cross-Origin-Resource-Policy keeps answers that a browser fetches with its stored password out of other sites' processes."""
    daemon = new_daemon({"sites": [{"name": "s", "dashboard": "private"}, {"name": "open", "dashboard": "public"}], "dashboard.password": "a long password",
                         "metrics.listen": ["127.0.0.1:0"]}).wait_for_store()
    password = {"Authorization": "Basic " + base64.b64encode(b"x:a long password").decode()}
    for target in ("/site/{}", "/v1/top/{}", "/v1/series/{}/a", "/v1/series/{}"):
        for headers, status in ((password, 200), ({}, 401)):
            answer = fetch(daemon.address, target.format("s"), headers=headers)
            assert (answer.status, answer.headers["cross-origin-resource-policy"]) == (status, "same-origin"), target
        answer = fetch(daemon.address, target.format("open"))
        assert answer.status == 200 and "cross-origin-resource-policy" not in answer.headers
    assert fetch(daemon.address, "/", headers=password).headers["cross-origin-resource-policy"] == "same-origin"
    assert "cross-origin-resource-policy" not in fetch(daemon.address, "/v1/hit/s/").headers
    assert daemon.admin("/status").headers["cross-origin-resource-policy"] == "same-origin"
    assert fetch(daemon.addresses("metrics")[0], "/metrics").headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize("route", FORMATS)
def test_rates(new_daemon, route):
    daemon = new_daemon({"sites": [{"name": "s", "rate": "2/1h"}, "unlimited"]}).wait_for_store()
    client = {"X-Real-IP": "198.51.100.1"}
    for _ in range(2):
        assert visit(daemon, route, **client).headers["visitcount-status"] == "counted"
    answer = visit(daemon, route, **client)
    assert answer.headers["visitcount-status"] == "refused; reason=rate"
    assert answer.status == (200 if route in ("jsonp", "shields") else 429)
    assert 1700 < int(answer.headers["retry-after"]) <= 1801
    assert visit(daemon, route, **{"X-Real-IP": "198.51.100.2"}).headers["visitcount-status"] == "counted"
    assert count_of(daemon) == 3
    for _ in range(5):
        assert visit(daemon, route, "unlimited", **client).headers["visitcount-status"] == "counted"


def test_a_rate_cannot_be_escaped_by_headers_that_nobody_trusts(new_daemon):
    daemon = new_daemon({"sites": ["s"], "limits.rate": "1/1h", "trusted_proxies": ["10.0.0.0/8"]}).wait_for_store()
    answers = [visit(daemon, "json", X_Real_IP=f"198.51.100.{i}", X_Forwarded_For=f"198.51.100.{i}") for i in range(3)]
    assert [answer.status for answer in answers] == [200, 429, 429]
    assert answers[1].error == "too_many_visits"


def test_aliases_are_the_site(new_daemon):
    daemon = new_daemon({"sites": ["default", {"name": "blog", "aliases": ["www.blog", "b"]}]}).wait_for_store()
    for number, site in enumerate(("blog", "www.blog", "b", "blog"), 1):
        answer = visit(daemon, "json", site)
        assert answer.json().items() >= {"site": "blog", "page": "/p", "count": number, "status": "counted"}.items()
        assert answer.json()["site"] == "blog" and answer.json()["count"] == number
    for site in ("blog", "www.blog", "b"):
        assert count_of(daemon, site) == 4
    assert visit(daemon, "json", "c").error == "unknown_site"


def test_options_of_sites_are_taken_over_by_a_reload(new_daemon):
    daemon = new_daemon({"sites": ["s"]}).wait_for_store()
    assert visit(daemon, "json", User_Agent=BOT).headers["visitcount-status"] == "ignored; reason=bot"
    daemon.write_config(sites=[{"name": "s", "bots": "count", "aliases": ["alias"], "rate": "2/1h"}])
    daemon.ctl("reload")
    assert visit(daemon, "json", "alias", User_Agent=BOT).headers["visitcount-status"] == "counted"
    assert visit(daemon, "json").headers["visitcount-status"] == "counted"
    assert visit(daemon, "json").headers["visitcount-status"] == "refused; reason=rate"
    daemon.write_config(sites=[{"name": "s", "tmezone": "Europe/Berlin"}])
    result = daemon.ctl("reload")
    assert result.status == 1 and "sites.tmezone: unknown option of a site; did you mean timezone?" in result.errors
    assert visit(daemon, "json", "alias", User_Agent=BOT).status == 429  # as before
    shown = json.loads(daemon.ctl("config", "--json").output)
    assert next(option["value"] for option in shown if option["path"] == "sites").startswith("{ name = \"s\"; ")


@pytest.mark.parametrize("arguments,client,reason", [
    (["192.0.2.1"], "192.0.2.1", "the peer, which is not in trusted_proxies"),
    (["192.0.2.1", "198.51.100.1"], "192.0.2.1", "the peer, which is not in trusted_proxies"),
    (["127.0.0.1", "198.51.100.1"], "198.51.100.1", "X-Real-IP"),
    (["unix", "", "6.6.6.6, 198.51.100.1, 127.0.0.1"], "198.51.100.1", "the last address in X-Forwarded-For"),
    (["unix"], None, "the peer is on a unix socket"),
    (["::1"], "::1", "the peer, which is in trusted_proxies"),
])
def test_whoami(new_daemon, arguments, client, reason):
    daemon = new_daemon({"ignore.networks": ["198.51.100.0/24"]}).wait_for_store()
    found = daemon.ctl("whoami", "--json", *arguments).json()
    assert found["client"] == client
    assert found["from"].startswith(reason)
    assert found["peer"] == arguments[0]
    assert found["in_ignore_networks"] == (client == "198.51.100.1")
    assert found["peer_is_trusted"] == (arguments[0] != "192.0.2.1")
    assert f"client              {client or '-'}\n" in daemon.ctl("whoami", *arguments).output


def test_whoami_takes_what_is_a_peer(new_daemon):
    daemon = new_daemon()
    result = daemon.ctl("whoami", "192.0.2.1:80")
    assert result.status == 1 and "the peer is an IP address without port, or unix" in result.errors
    assert daemon.ctl("whoami").status == 64
    assert daemon.ctl("whoami", "unix", "a", "b", "c").status == 64
    assert "whoami PEER [REAL_IP [FORWARDED_FOR]]" in daemon.ctl("help").output


def test_the_log_tells_clients_at_the_level_debug_only(new_daemon):
    daemon = new_daemon({"sites": ["s"]}).wait_for_store()
    visit(daemon, "json", X_Real_IP="198.51.100.77")
    assert "198.51.100.77" not in daemon.log()
    daemon.ctl("log-level", "debug")
    visit(daemon, "json", X_Real_IP="198.51.100.78")
    daemon.wait_for_log(r"client 198\.51\.100\.78: X-Real-IP, since")
