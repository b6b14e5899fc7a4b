# SPDX-License-Identifier: MIT
"""What visitcountctl shows and changes of pages, on both stores: set, add, delete, rename, top, series, sites, export, import."""

import json
import re
import subprocess

from harness import BUILD, wait_until

DONE, REFUSED, USAGE = 0, 1, 64
LARGEST = 2**53 - 1


def test_set_and_add(daemon, store):
    assert daemon.count() == 1
    result = daemon.ctl("set", "/", "1000")
    assert (result.status, result.errors) == (DONE, "")
    assert re.search(r"^before +1$", result.output, re.MULTILINE) and re.search(r"^count +1000$", result.output, re.MULTILINE)
    assert daemon.count() == 1001
    assert daemon.ctl("add", "default", "/", "9", "--json").json() == {"site": "default", "page": "/", "before": 1001, "count": 1010}
    assert daemon.ctl("set", "/new page?a=1", "5", "--json").json() == {"site": "default", "page": "/new page?a=1", "before": None, "count": 5}
    assert store.total(page="/new page?a=1") == 5
    assert store.total(page="") == 1015, "the site follows"
    assert store.series_totals() == (2, 2), "these are visits"


def test_numbers_that_cannot_be(daemon, store):
    for number in ("-1", "x", "1.5", "", str(LARGEST + 1), "1" * 30):
        result = daemon.ctl("set", "--", "/", number)
        assert result.status == REFUSED and "number" in result.errors, number
    assert daemon.ctl("set", "/", str(LARGEST)).status == DONE
    result = daemon.ctl("add", "/", "1")
    assert result.status == REFUSED and "nothing was changed" in result.errors
    assert store.total() == LARGEST
    assert daemon.ctl("set", "/").status == USAGE


def test_delete(daemon, store):
    for _ in range(3):
        daemon.fetch("/v1/hit/default/a")
    daemon.count()
    assert daemon.ctl("delete", "/a", "--json").json() == {"site": "default", "page": "/a", "before": 3, "count": None}
    assert store.totals() == {("default", "/"): 1}
    assert store.total(page="") == 1
    assert store.series_totals() == (1, 1)
    result = daemon.ctl("delete", "/a")
    assert (result.status, result.errors) == (REFUSED, "visitcountctl: site default has no page /a\n")
    assert daemon.fetch("/v1/hit/default/a").json()["count"] == 1


def test_rename(daemon, store):
    for _ in range(3):
        daemon.fetch("/v1/hit/default/old")
    assert daemon.ctl("rename", "/old", "/new", "--json").json() == {"site": "default", "page": "/old", "to": "/new", "before": 3, "count": 3}
    daemon.fetch("/v1/hit/default/old")
    assert daemon.ctl("rename", "/old", "/new", "--json").json()["count"] == 4
    assert store.totals() == {("default", "/new"): 4}
    assert store.series_totals() == (4, 4)
    assert daemon.ctl("rename", "/old", "/new").status == REFUSED
    assert "same page" in daemon.ctl("rename", "/new", "/new/").errors


def test_top(daemon):
    for page, visits in (("a", 3), ("b", 5), ("c", 1)):
        daemon.ctl("set", f"/{page}", str(visits))
    assert re.findall(r"^  (/\w) +.*?(\d+)$", daemon.ctl("top").output, re.MULTILINE) == [("/b", "5"), ("/a", "3"), ("/c", "1")]
    assert daemon.ctl("top", "default", "2", "--json").json() == {"site": "default", "pages": [{"page": "/b", "count": 5},
                                                                                               {"page": "/a", "count": 3}]}
    assert daemon.ctl("top", "nobody", "--json").json()["pages"] == []
    assert daemon.ctl("top", "default", "1001").status == REFUSED


def test_series(daemon):
    for _ in range(3):
        daemon.count()
    days = daemon.ctl("series", "default", "/", "--json").json()["series"]
    assert len(days) == 30 and days[-1]["visits"] + days[-2]["visits"] == 3 and days[0]["visits"] == 0
    hours = daemon.ctl("series", "default", "", "hour", "5", "--json").json()["series"]
    assert len(hours) == 5 and hours[-1]["visits"] + hours[-2]["visits"] == 3, "the whole site"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\dZ", hours[-1]["hour"])
    uniques = daemon.ctl("series", "default", "/", "unique", "2", "--json").json()["series"]
    assert [set(day) for day in uniques] == [{"day", "visitors"}] * 2
    assert re.search(r"^  \d{4}-\d\d-\d\d +.*3$", daemon.ctl("series", "default", "/", "day", "1").output, re.MULTILINE)
    assert daemon.ctl("series", "default", "/", "week").status == REFUSED
    assert daemon.ctl("series", "default", "/", "day", "0").status == REFUSED


def test_sites(daemon):
    assert daemon.ctl("sites", "--json").json() == {"sites": []}
    assert daemon.ctl("export").output == ""
    daemon.ctl("set", "blog", "/", "7")
    daemon.ctl("set", "blog", "/b", "1")
    daemon.ctl("set", "another", "/", "2")
    assert daemon.ctl("sites", "--json").json() == {"sites": [{"site": "another", "count": 2}, {"site": "blog", "count": 8}]}


def import_lines(daemon, text, *options):
    return subprocess.run([BUILD / "visitcountctl", "--socket", daemon.admin_socket, *options, "import"], input=text, capture_output=True,
                          text=True, timeout=120)


def test_export_and_import(new_daemon, store, daemon, directory):
    pages = {("default", "/"): 1} | {("default", f"/{i}"): i for i in range(1, 60)} | {("blog", "/grüße %41?"): 5}
    for (site, page), number in pages.items():
        assert daemon.ctl("set", site, page, str(number)).status == DONE
    exported = daemon.ctl("export").output
    lines = [line.split("\t") for line in exported.splitlines()]
    assert {(site, page): int(number) for site, page, number in lines} == pages
    assert [json.loads(line) for line in daemon.ctl("export", "blog", "--json").output.splitlines()] == [
        {"site": "blog", "page": "/grüße %41?", "count": 5}]
    for site, page in pages:
        daemon.ctl("delete", site, page)
    assert not any(store.totals().values())
    result = import_lines(daemon, exported)
    assert (result.returncode, result.stdout, result.stderr) == (DONE, f"imported     {len(pages)}\n", "")
    assert store.totals() == pages
    assert import_lines(daemon, exported, "--json").stdout == f'{{"imported":{len(pages)}}}\n'
    assert store.totals() == pages, "it may be repeated"


def test_an_import_stops_at_what_is_wrong(daemon, store):
    for text, why in (("default\t/a\t1\n\ndefault\t/b\n", "line 3: expected site, page and number"), ("default\t/a\tx\n", "line 1: expected a number"),
                      ("No Site\t/a\t1\n", "line 1: the name of a site"), ("default\t/a\t1\t2\n", "line 1: expected site"),
                      ("default\t/a\t3\nd\t\t1", "line 2: expected site")):
        result = import_lines(daemon, text)
        assert result.returncode == REFUSED and why in result.stderr, (text, result.stderr)
    assert store.totals() == {("default", "/a"): 3}


def test_an_export_of_many_pages(daemon, store):
    """In as many pieces as it takes: each page once at least."""
    assert import_lines(daemon, "".join(f"default\t/page/{i}\t{i + 1}\n" for i in range(2500))).returncode == DONE
    found = {}
    for line in daemon.ctl("export", "default").output.splitlines():
        _, page, number = line.split("\t")
        found[page] = int(number)
    assert found == {f"/page/{i}": i + 1 for i in range(2500)}


def test_a_store_that_is_away_is_said(new_daemon, redis):
    daemon = new_daemon({"redis.socket": str(redis.socket)}).wait_for_store()
    redis.kill()
    wait_until(lambda: not daemon.status()["store"]["available"], "Redis is missed")
    result = daemon.ctl("set", "/", "5")
    assert result.status == REFUSED and "nothing was changed" in result.errors
    for command in (["top"], ["sites"], ["export"], ["series", "default", "/"]):
        result = daemon.ctl(*command)
        assert result.status == REFUSED and "did not answer" in result.errors, command
    assert import_lines(daemon, "default\t/\t1\n").returncode == REFUSED
