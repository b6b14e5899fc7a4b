# SPDX-License-Identifier: MIT
"""Commands of visitcountctl for pages, on both stores: set, add, delete, rename, top, series, sites, export, import."""

import json
import re
import subprocess
from urllib.parse import quote

import pytest

from harness import BUILD, answering, run_ctl, wait_until

DONE, REFUSED, USAGE = 0, 1, 64
LARGEST = 2**53 - 1


def test_set_and_add(daemon, store):
    assert daemon.count() == 1
    result = daemon.ctl("set", "/", "1000")
    assert (result.status, result.errors) == (DONE, "")
    assert re.search(r"^before +1$", result.output, re.MULTILINE) and re.search(r"^count +1000$", result.output, re.MULTILINE)
    assert daemon.count() == 1001
    assert daemon.ctl("add", "default", "/", "9", "--json").json() == {"site": "default", "page": "/", "before": 1001, "count": 1010}
    assert daemon.ctl("set", "/new page", "5", "--json").json() == {"site": "default", "page": "/new page", "before": None, "count": 5}
    assert store.total(page="/new page") == 5
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


def test_the_number_of_a_site_stays_exact(daemon, store):
    # beyond 2^53 Redis would silently lose visits of the site
    assert daemon.ctl("set", "/a", "5").status == DONE
    for command in ("set", "add"):
        result = daemon.ctl(command, "/b", str(LARGEST - 4))
        assert result.status == REFUSED and "nothing was changed" in result.errors, result
        assert store.total(page="") == 5
    assert daemon.ctl("set", "/b", str(LARGEST - 5)).status == DONE
    assert daemon.ctl("set", "/a", "6").status == REFUSED
    assert store.total(page="") == LARGEST
    assert daemon.ctl("set", "/a", "4").status == DONE
    assert daemon.ctl("add", "/c", "1").status == DONE
    assert store.total(page="") == LARGEST


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
    assert daemon.ctl("top", "nobody", "--json", "--force").json()["pages"] == []
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
    daemon.ctl("--force", "set", "blog", "/", "7")
    daemon.ctl("--force", "set", "blog", "/b", "1")
    daemon.ctl("--force", "set", "another", "/", "2")
    assert daemon.ctl("sites", "--json").json() == {"sites": [{"site": "another", "count": 2}, {"site": "blog", "count": 8}]}


def import_lines(daemon, text, *options):
    data = text if isinstance(text, bytes) else text.encode()
    result = subprocess.run([BUILD / "visitcountctl", "--socket", daemon.admin_socket, *options, "import"], input=data, capture_output=True,
                            timeout=120)
    return subprocess.CompletedProcess(result.args, result.returncode, result.stdout.decode(), result.stderr.decode())


def test_export_and_import(new_daemon, store):
    daemon = new_daemon({"sites": ["default", "blog"], **store.settings}).wait_for_store()
    pages = {("default", "/"): 1} | {("default", f"/{i}"): i for i in range(1, 60)} | {("blog", "/grüße %41?#"): 5, ("blog", "/100%"): 7}
    for (site, page), number in pages.items():
        assert daemon.ctl("set", site, page.replace("%", "%25").replace("?", "%3f").replace("#", "%23"), str(number)).status == DONE
    assert store.totals() == pages
    exported = daemon.ctl("export").output
    assert "blog\t/grüße %2541%3F%23\t5\n" in exported and "blog\t/100%25\t7\n" in exported
    lines = [line.split("\t") for line in exported.splitlines()]
    assert sorted(json.loads(line)["page"] for line in daemon.ctl("export", "blog", "--json").output.splitlines()) == ["/100%", "/grüße %41?#"]
    for site, page, _ in lines:
        assert daemon.ctl("delete", site, page).status == DONE
    assert not any(store.totals().values())
    result = import_lines(daemon, exported)
    assert (result.returncode, result.stdout, result.stderr) == (DONE, f"imported     {len(pages)}\n", "")
    assert store.totals() == pages
    assert import_lines(daemon, exported, "--json").stdout == f'{{"imported":{len(pages)}}}\n'
    assert store.totals() == pages, "it may be repeated"


# --- how sites and pages are named ---

def test_pages_are_named_as_visits_name_them(new_daemon, store):
    """Guards: /a and /a/ were set as two pages, and a name with "?ref=x" was not the page that visits count."""
    daemon = new_daemon({"sites": ["default", {"name": "blog", "aliases": ["www.blog"]}], **store.settings}).wait_for_store()
    for name, key in (("/a/", "/a"), ("a", "/a"), ("//a///b/", "/a/b"), ("/a/b/index.html", "/a/b"), ("/caf%C3%A9", "/café"), ("/a%20b", "/a b"),
                      ("/a b", "/a b"), ("/x?ref=y", "/x"), ("/x#part", "/x"), ("/%2541", "/%41"), ("", "/"), ("?x", "/")):
        visited = daemon.fetch("/v1/hit/blog/" + quote(name, safe="/%?#")).json() if name else None
        assert visited is None or visited["page"] == key
        assert daemon.ctl("set", "www.blog", name, "40", "--json").json().items() >= {"site": "blog", "page": key, "count": 40}.items()
        assert daemon.ctl("add", "blog", name, "2", "--json").json()["count"] == 42
        assert daemon.ctl("get", "www.blog", name, "--json").json() == {"site": "blog", "page": key, "count": 42}
        assert daemon.ctl("rename", "www.blog", name, "/moved%21?", "--json").json().items() >= {"page": key, "to": "/moved!", "count": 42}.items()
        assert store.totals() == {("blog", "/moved!"): 42}
        assert daemon.ctl("delete", "www.blog", "moved!/", "--json").json()["page"] == "/moved!"
    daemon.ctl("set", "www.blog", "/a/", "5")
    assert daemon.ctl("top", "www.blog", "--json").json() == {"site": "blog", "pages": [{"page": "/a", "count": 5}]}
    assert daemon.ctl("series", "www.blog", "/a/index.html", "--json").json().items() >= {"site": "blog", "page": "/a"}.items()
    assert daemon.ctl("export", "www.blog").output == "blog\t/a\t5\n"


@pytest.mark.parametrize("page, why", [("/a/../b", '".."'), ("/.", '"."'), ("/%2e%2e", '".."'), ("/%0a", "control"), ("/a\x7f", "control"),
                                       ("/" + "x" * 8192, "8192")])
def test_pages_that_no_visit_has_are_refused(daemon, store, page, why):
    for command in (["set", page, "1"], ["add", page, "1"], ["get", page], ["delete", page], ["rename", page, "/x"], ["rename", "/x", page],
                    ["series", "default", page]):
        result = daemon.ctl(*command)
        assert result.status == REFUSED and why in result.errors, command
    assert store.totals() == {}


def test_sites_that_are_not_counted_need_force(daemon, store):
    commands = (["set", "nobody", "/", "5"], ["add", "nobody", "/", "1"], ["get", "nobody", "/"], ["top", "nobody"], ["series", "nobody", "/"],
                ["rename", "nobody", "/", "/x"], ["delete", "nobody", "/x"], ["export", "nobody"])
    for command in commands:
        result = daemon.ctl(*command)
        assert (result.status, result.output) == (REFUSED, ""), command
        assert "site nobody is not counted here" in result.errors and "--force" in result.errors
        assert json.loads(daemon.ctl(*command, "--json").output)["error"]["code"] == "unknown_site"
    assert store.totals() == {}
    for command in commands:
        assert daemon.ctl("--force", *command).status == DONE, command
    assert daemon.ctl("--force", "set", "Bad Site", "/", "5").status == REFUSED
    assert daemon.ctl("status", "--force").status == USAGE


def test_any_site_is_counted_where_the_option_says_so(new_daemon, store):
    daemon = new_daemon({"sites": ["default", "*"], **store.settings}).wait_for_store()
    assert daemon.ctl("set", "anybody", "/", "5").status == DONE
    assert daemon.fetch("/v1/hit/anybody/").json()["count"] == 6


# --- import ---

def test_lines_of_one_page_add_up(new_daemon, store):
    """Guards: import reported 2 lines, but the page ended at 5."""
    daemon = new_daemon({"sites": ["default", {"name": "blog", "aliases": ["b"]}], **store.settings}).wait_for_store()
    daemon.ctl("set", "/a", "1")
    result = import_lines(daemon, "default\t/a\t100\ndefault\t/a/\t5\nblog\t/x?q\t1\nb\t/%78\t2\nblog\tx/index.html\t4\ndefault\t/A\t9\n")
    assert (result.returncode, result.stdout, result.stderr) == (DONE, "imported     3\n", "")
    expected = {("default", "/a"): 105, ("blog", "/x"): 7, ("default", "/A"): 9}
    assert store.totals() == expected
    assert store.total(page="") == 114 and store.total("blog", "") == 7


@pytest.mark.parametrize("text", [b"\xef\xbb\xbfdefault\t/a\t3\n", b"default\t/a\t3", b"default\t/a\t3\r\n\r\n\n", b"\n\ndefault\t/a\t3\n",
                                  b"default\t/a\t0003\n", b"default\t/a\t2\r\ndefault\t/a/\t1"])
def test_what_editors_make_of_a_list(daemon, store, text):
    result = import_lines(daemon, text)
    assert (result.returncode, result.stdout) == (DONE, "imported     1\n"), result.stderr
    assert store.totals() == {("default", "/a"): 3}


def test_an_empty_list(daemon, store):
    for text in (b"", b"\n", b"\xef\xbb\xbf"):
        assert import_lines(daemon, text).stdout == "imported     0\n"
    assert store.totals() == {}


@pytest.mark.parametrize("text, why", [
    ("default\t/b\n", "line 2: expected site, page and number"), ("default\t/b\t1\t2\n", "line 2: expected site"), ("d\t\t1", "line 2: expected site"),
    ("# a comment\n", "line 2: expected site"), ("default /b 1\n", "line 2: expected site"),
    ("default\t/b\tx\n", "line 2: expected a number"), ("default\t/b\t-1\n", "line 2: expected a number"),
    ("default\t/b\t" + "9" * 30 + "\n", "line 2: expected a number"), (f"default\t/b\t{LARGEST + 1}\n", "line 2: expected a number"),
    ("default\t/b\t1 \n", "line 2: expected a number"), ("default\t/b\t1e3\n", "line 2: expected a number"),
    (f"default\t/a/\t{LARGEST}\n", "line 2: the numbers of site default add up to more than"),
    ("No Site\t/b\t1\n", "line 2: the name of a site"), ("nobody\t/b\t1\n", "line 2: site nobody is not counted here"),
    ("default\t/../b\t1\n", 'line 2: the page has "." or ".."'), ("default\t/a\rb\t1\n", "line 2: the page contains a control character"),
    ("default\t/b\0c\t1\n", "line 2: it contains a NUL byte"), ("default\t/%00\t1\n", "line 2: the page contains a control character"),
    ("default\t/" + "x" * 9000 + "\t1\n", "line 2: it is longer than 8192 bytes"), 
])
def test_nothing_is_imported_when_a_line_is_wrong(daemon, store, text, why):
    result = import_lines(daemon, "default\t/a\t3\n" + text + ("" if text.endswith("\n") else "\n") + "default\t/c\t1\n")
    assert (result.returncode, result.stdout) == (REFUSED, "")
    assert f"visitcountctl: import: {why}" in result.stderr and result.stderr.endswith("import: nothing was changed\n")
    assert store.totals() == {}


def test_all_wrong_lines_are_named_up_to_ten(daemon, store):
    result = import_lines(daemon, "default\t/a\t1\n" + "wrong\n" * 12)
    assert result.returncode == REFUSED
    assert re.findall(r"line (\d+):", result.stderr) == [str(line) for line in range(2, 12)]
    assert "and 2 more lines are wrong" in result.stderr
    assert store.totals() == {}


def test_force_imports_sites_that_are_not_counted(daemon, store):
    assert import_lines(daemon, "nobody\t/b\t1\n", "--force").returncode == DONE
    assert store.totals() == {("nobody", "/b"): 1}
    assert "nobody\t/b\t1\n" in daemon.ctl("export").output, "all that the store has"


def test_a_page_that_the_store_tells_twice_is_exported_once(directory):
    """Guards: Redis may return a page twice while its table changes, and import adds up lines of one page."""
    pieces = [b"next\tx\ns\t/a\t1\ns\t/b\t2\n", b"next\t\ns\t/a\t3\ns\t/c\t4\n"]
    with answering(directory / "admin.sock", pieces):
        result = run_ctl("--socket", directory / "admin.sock", "export", "s")
    assert (result.status, result.output) == (DONE, "s\t/a\t1\ns\t/b\t2\ns\t/c\t4\n")


def test_an_export_of_many_pages(daemon, store):
    """The export needs several pieces. It has each page at least once."""
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
