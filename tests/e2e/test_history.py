# SPDX-License-Identifier: MIT
"""Top lists, series, periods and many numbers at once, on both stores; and who may see them."""

import base64
import datetime
import json

import pytest

from harness import wait_until


@pytest.fixture
def daemon(new_daemon, store):
    return new_daemon({"dashboard.public": True, **store.settings}).wait_for_store()


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def visit(daemon, page, times=1, agent="Mozilla/5.0"):
    for _ in range(times):
        assert daemon.fetch(f"/v1/hit/default{page}", headers={"User-Agent": agent}).status == 200


def test_top(daemon):
    for page, times in (("/a", 3), ("/b", 5), ("/c", 1)):
        visit(daemon, page, times)
    assert daemon.fetch("/v1/top/default?n=2").json() == {
        "site": "default", "pages": [{"page": "/b", "count": 5}, {"page": "/a", "count": 3}]}
    assert len(daemon.fetch("/v1/top/default").json()["pages"]) == 3, "the site itself is none of them"
    for n in ("00010", "010", "1000"):
        assert daemon.fetch(f"/v1/top/default?n={n}").status == 200
    for n in ("0", "1001", "x", "-1", "", "1e1", "99999999999999999999", "00010zzzz", "10%00", "10%00zz", "1%200", "+1", "0010z", "99999", "100000"):
        assert daemon.fetch(f"/v1/top/default?n={n}").error == "bad_parameter"


def test_series_by_day_has_no_gaps(daemon):
    visit(daemon, "/a", 2)
    visit(daemon, "/b")
    today = now().date()
    for path, count in (("/v1/series/default/a", 2), ("/v1/series/default", 3), ("/v1/series/default/nothing", 0)):
        answer = daemon.fetch(path).json()
        days = [entry["at"] for entry in answer["values"]]
        assert days == [str(today - datetime.timedelta(days=ago)) for ago in range(29, -1, -1)]
        assert [entry["count"] for entry in answer["values"]] == [0] * 29 + [count]
    answer = daemon.fetch(f"/v1/series/default/a?from={today - datetime.timedelta(days=1)}&to={today}").json()
    assert [entry["count"] for entry in answer["values"]] == [0, 2]
    assert (answer["by"], answer["unique"], answer["page"]) == ("day", False, "/a")


def test_series_by_hour(daemon):
    visit(daemon, "/a", 2)
    values = daemon.fetch("/v1/series/default/a?by=hour").json()["values"]
    assert len(values) == 48 and values[-1] == {"at": now().strftime("%Y-%m-%dT%HZ"), "count": 2}


@pytest.mark.parametrize("query", ["by=week", "from=2026-02-30", "from=yesterday", "from=2026-01-02&to=2026-01-01", "from=1990-01-01",
                                   "by=hour&from=2026-01-01", "by=hour&unique=1", "to=1970-01-05", "from=2026-11-27T10"])
def test_wrong_spans_are_refused(daemon, query):
    assert daemon.fetch("/v1/series/default/a?" + query).error == "bad_parameter"


def test_periods(daemon):
    visit(daemon, "/a", 3)
    for period in ("total", "today", "7d", "366d"):
        answer = daemon.fetch(f"/v1/get/default/a?period={period}").json()
        assert answer == {"site": "default", "page": "/a", "count": 3, "period": period}
    answer = daemon.fetch("/v1/hit/default/a?period=today")
    assert answer.json() == {"site": "default", "page": "/a", "count": 4, "period": "today", "status": "counted"}
    assert daemon.fetch("/v1/text/default/a?period=7d&readonly=1").text == "4\n"
    assert "<title>visits today: 4</title>" in daemon.fetch("/badge/default/a.svg?period=today&readonly=1").text
    assert "<title>visitors today: " in daemon.fetch("/badge/default/a.svg?period=unique&readonly=1").text
    for period in ("", "week", "0d", "367d", "unique-"):
        assert daemon.fetch(f"/v1/get/default/a?period={period}").error == "bad_parameter"
        assert daemon.fetch(f"/badge/default/a.svg?period={period}").headers["visitcount-status"] == "refused; reason=bad-parameter"
    assert daemon.fetch("/v1/get/default/a").json()["count"] == 4


def test_many_at_once(daemon):
    visit(daemon, "/a", 3)
    visit(daemon, "/b%20c")
    body = json.dumps(["/a", "b%20c/", "/none", ""]).encode()
    assert daemon.fetch("/v1/get/default", method="POST", body=body).json() == {"site": "default", "pages": [
        {"page": "/a", "count": 3}, {"page": "/b c", "count": 1}, {"page": "/none", "count": 0}, {"page": "", "count": 4}]}
    assert daemon.fetch("/v1/get/default?period=today", method="POST", body=b'["/a"]').json()["pages"] == [{"page": "/a", "count": 3}]
    for body in (b"", b"[]", b"{}", b"[1]", b'["%00"]', b'["/a"', json.dumps(["/a"] * 101).encode()):
        assert daemon.fetch("/v1/get/default", method="POST", body=body).error == "bad_body"


def test_private_unless_public_or_with_the_password(new_daemon, store):
    daemon = new_daemon({"sites": ("default", {"name": "open", "dashboard": "public"}), **store.settings}).wait_for_store()
    paths = ("/v1/top/%s", "/v1/series/%s", "/v1/series/%s/a", "/v1/live/%s", "/site/%s", "/site/%s/a")
    for path in paths:
        answer = daemon.fetch(path % "default")
        assert (answer.status, "www-authenticate" in answer.headers) == (403, False), path
        if "live" not in path:
            assert daemon.fetch(path % "open").status == 200, path
    assert daemon.fetch("/v1/get/default", method="POST", body=b'["/a", ""]').error == "private"
    assert daemon.fetch("/v1/get/default", method="POST", body=b'["/a"]').status == 200
    daemon.stop()
    daemon = new_daemon({"dashboard.password": "s3cret", **store.settings}, name="two").wait_for_store()
    for credentials, status in (("x:s3cret", 200), (":s3cret", 200), ("x:", 401), ("s3cret", 401), ("x:s3cret ", 401), ("x:S3cret", 401)):
        token = base64.b64encode(credentials.encode()).decode()
        assert daemon.fetch("/v1/top/default", headers={"Authorization": f"Basic {token}"}).status == status, credentials
    for header in ("Basic", "Basic ", "Basic ====", "Basic x", "Bearer s3cret", "Basic " + "A" * 4000, "s3cret"):
        answer = daemon.fetch("/v1/top/default", headers={"Authorization": header})
        assert (answer.status, answer.error) == (401, "password_wanted")
        assert answer.headers["www-authenticate"] == 'Basic realm="visitcountd", charset="UTF-8"'


def test_days_of_a_site_are_those_of_its_zone(new_daemon, store):
    """These two zones are 26 hours apart, so they always have different days."""
    daemon = new_daemon({"sites": ({"name": "early", "timezone": "Pacific/Kiritimati"}, {"name": "late", "timezone": "Etc/GMT+12"}),
                         "dashboard.public": True, **store.settings}).wait_for_store()
    last = {}
    for site in ("early", "late"):
        daemon.fetch(f"/v1/hit/{site}/a")
        last[site] = daemon.fetch(f"/v1/series/{site}/a").json()["values"][-1]
        assert last[site]["count"] == 1
    assert last["early"]["at"] > last["late"]["at"]


def test_json_tells_the_visitors_of_today(daemon):
    wait_until(lambda: daemon.status()["visitors"]["told_apart"], "the salt")
    for agent, unique in (("one", 1), ("one", 1), ("two", 2)):
        assert daemon.fetch("/v1/hit/default/u", headers={"User-Agent": agent}).json()["unique_today"] == unique
    assert daemon.fetch("/v1/get/default/u?period=unique").json()["count"] == 2
    assert "<title>visitors today: 2</title>" in daemon.fetch("/badge/default/u.svg?period=unique&readonly=1").text
    assert daemon.fetch("/v1/series/default/u?unique=1").json()["values"][-1]["count"] == 2
