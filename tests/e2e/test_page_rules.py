# SPDX-License-Identifier: MIT
"""Which pages of a site may be counted (`page_rules`). Visits of other pages are refused, like visits from a foreign origin."""

import pytest

RULES = ["/", "/about", "/a%20b", "/blog/**", "/*/comments"]


@pytest.fixture
def daemon(new_daemon, store):
    return new_daemon({"sites": [{"name": "s", "aliases": ["www.s"], "page_rules": RULES}, "free"], **store.settings}).wait_for_store()


def test_pages_that_count(daemon, store):
    paths = ["", "/", "/about", "/about/", "/about?x=1", "//about/index.html", "/%61bout", "/a%20b", "/blog", "/blog/2026/11", "/x/comments"]
    for path in paths:
        for site in ("s", "www.s"):
            answer = daemon.fetch(f"/v1/hit/{site}{path}")
            assert (answer.status, answer.headers["visitcount-status"]) == (200, "counted"), path
    assert daemon.fetch("/count").status == 200
    assert store.total("s", "/about") == 10 and store.total("s", "/") == 5


def test_pages_that_do_not(daemon, store):
    paths = ["/About", "/about/us", "/aboutx", "/a", "/blogs", "/x/y/comments", "/comments", "/x/comments/1", "/*/comments/x", "/a%2Fb/comments"]
    for path in paths:
        for target, method in ((f"/v1/hit/s{path}", "GET"), (f"/v1/hit/s{path}", "POST"), (f"/v1/hit/www.s{path}", "GET")):
            answer = daemon.fetch(target, method)
            assert (answer.status, answer.error) == (403, "page_not_counted"), path
            assert answer.headers["visitcount-status"] == "refused; reason=page"
    assert daemon.fetch("/v1/hit/free/About").status == 200
    assert store.totals() == {("free", "/About"): 1}


def test_each_format_says_it_as_it_says_other_refusals(daemon):
    for name, target in {"json": "/v1/hit/s/no", "text": "/v1/text/s/no", "badge": "/badge/s/no.svg", "pixel": "/pixel/s/no.gif",
                         "shields": "/v1/shields/s/no", "jsonp": "/v1/hit/s/no?callback=show"}.items():
        answer, other = daemon.fetch(target), daemon.fetch(target.replace("/s/no", "/nowhere/no"))
        assert answer.headers["visitcount-status"] == "refused; reason=page", name
        assert answer.headers["content-type"] == other.headers["content-type"], name
        assert answer.status == (other.status if other.status == 200 else 403), name
        if name == "jsonp":
            assert answer.text.startswith('/**/show({"error":{"code":"page_not_counted"')
        elif name == "badge":
            assert "<svg" in answer.text and "page not counted" in answer.text.replace("_", " ")


def test_reading_is_not_refused(daemon):
    assert daemon.fetch("/v1/get/s/no").json()["count"] == 0
    assert daemon.fetch("/v1/hit/s/no?readonly=1").headers["visitcount-status"] == "ignored; reason=readonly"
    assert daemon.fetch("/v1/hit/s/no", "HEAD").status == 200


def test_sites_that_are_not_listed(new_daemon, store):
    """A visit of a page that is not allowed does not create a site either."""
    daemon = new_daemon({"sites": ["s", {"name": "*", "page_rules": ["/p/**"], "pages": 2}], **store.settings}).wait_for_store()
    assert daemon.fetch("/v1/hit/other/no").error == "page_not_counted"
    assert "other" not in daemon.ctl("sites").output.split()
    for page in ("p", "p/1"):
        assert daemon.fetch(f"/v1/hit/other/{page}").status == 200
    assert daemon.fetch("/v1/hit/other/p/2").error == "too_many_pages"
    assert daemon.fetch("/v1/hit/other/no").error == "page_not_counted"
    assert daemon.fetch("/v1/hit/s/no").status == 200
    assert "other" in daemon.ctl("sites").output.split()


def test_a_reload_takes_over_other_rules(daemon, store):
    assert daemon.fetch("/v1/hit/s/new").status == 403
    daemon.settings["sites"][0]["page_rules"] = ["/new"]
    daemon.write_config()
    assert daemon.ctl("reload").status == 0
    assert daemon.fetch("/v1/hit/s/new").status == 200
    assert daemon.fetch("/v1/hit/s/about").status == 403
    assert store.totals() == {("s", "/new"): 1}


def test_check_names_the_line_of_a_rule_that_no_page_can_match(daemon):
    daemon.settings["sites"][0]["page_rules"] = ["/blog/"]
    daemon.write_config()
    done = daemon.ctl("check")
    assert done.status != 0 and f"{daemon.config_path}:" in done.errors and "sites.page_rules" in done.errors
