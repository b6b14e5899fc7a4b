# SPDX-License-Identifier: MIT
"""The formats of a number: badge, pixel, JSONP, shields.io's JSON, text; and the snippet. On SQLite only, because the store does not matter here."""

import json
import re
import xml.etree.ElementTree

import pytest

from harness import SqliteStore

SVG = "{http://www.w3.org/2000/svg}"
NEVER_KEEP = "no-cache, no-store, must-revalidate, max-age=0"
PICTURES = ["/badge/default/a.svg", "/pixel/default/a.gif"]
#: One of each format; all count the page "/a".
ROUTES = ["/v1/hit/default/a", "/v1/hit/default/a?callback=f", "/v1/text/default/a", "/v1/shields/default/a", *PICTURES]


@pytest.fixture
def store(directory):
    return SqliteStore(directory / "visits.db")


@pytest.fixture
def daemon(new_daemon, store):
    return new_daemon(store.settings).wait_for_store()


def counted(store):
    """The totals of the default site."""
    return {page: total for (site, page), total in store.totals().items() if site == "default"}


def texts(answer):
    """The texts on a badge, each once."""
    assert answer.headers["content-type"] == "image/svg+xml; charset=utf-8"
    root = xml.etree.ElementTree.fromstring(answer.body)
    assert root.tag == SVG + "svg"
    return [element.text for element in root.iter(SVG + "text") if element.get("aria-hidden") is None]


def test_every_format_counts_once(daemon, store):
    for number, path in enumerate(ROUTES, 1):
        answer = daemon.fetch(path)
        assert (answer.status, answer.headers["visitcount-status"]) == (200, "counted"), path
        assert counted(store) == {"/a": number}


def test_readonly_counts_nothing(daemon, store):
    daemon.fetch("/v1/hit/default/a")
    for path in [*ROUTES, "/count", "/count.json"]:
        answer = daemon.fetch(path + ("&" if "?" in path else "?") + "readonly=1")
        assert (answer.status, answer.headers["visitcount-status"]) == (200, "ignored; reason=readonly"), path
    assert counted(store) == {"/a": 1}
    assert daemon.fetch("/v1/hit/default/a?readonly=0").headers["visitcount-status"] == "counted"


def test_the_suffix_is_not_part_of_the_page(daemon, store):
    for path in ("/badge/default.svg", "/badge/default/.svg", "/badge/default", "/pixel/default.gif"):
        daemon.fetch(path)
    daemon.fetch("/badge/default/x.svg.svg")
    daemon.fetch("/pixel/default/x.svg")
    assert counted(store) == {"/": 4, "/x.svg": 2}


def test_a_badge_shows_the_number(daemon):
    assert texts(daemon.fetch("/badge/default/a.svg")) == ["visits", "1"]
    assert texts(daemon.fetch("/badge/default/a.svg?label=r%C3%A9sum%C3%A9&format=grouped&digits=7")) == ["r\u00e9sum\u00e9", "0,000,002"]
    assert texts(daemon.fetch("/badge/default/a.svg?label=&style=flat-square")) == ["3"]
    assert texts(daemon.fetch("/badge/default/a.svg?style=for-the-badge&label=so+far")) == ["SO FAR", "4"]


def test_large_numbers(daemon, store):
    daemon.fetch("/v1/hit/default/a")
    store.set_total(12345678, page="/a")
    for form, text in (("plain", "12345678"), ("grouped", "12,345,678"), ("compact", "12.3M")):
        assert texts(daemon.fetch(f"/badge/default/a.svg?readonly=1&format={form}")) == ["visits", text]
        assert daemon.fetch(f"/v1/text/default/a?readonly=1&format={form}").text == text + "\n"


@pytest.mark.parametrize("label", ["<script>alert(1)</script>", "\"><svg onload=alert(1)>", "' onload='x", "&lt;b&gt;", "]]><!--",
                                   "\u202eevil", "\U0001f600\u4e2d\u6587"])
def test_labels_are_text(daemon, label):
    from urllib.parse import quote
    assert texts(daemon.fetch("/badge/default/a.svg?label=" + quote(label))) == [label.lstrip("\u202e"), "1"]


@pytest.mark.parametrize("query", ["style=round", "color=%22", "labelColor=x", "format=x", "digits=0", "label=" + "x" * 65])
def test_wrong_parameters_are_refused_by_name(daemon, store, query):
    name = query.partition("=")[0]
    for path, names in (("/badge/default/a.svg", None), ("/v1/text/default/a", name)):
        answer = daemon.fetch(f"{path}?{query}")
        assert (answer.status, answer.headers["visitcount-status"]) == (400, "refused; reason=bad-parameter")
        if names is not None:
            assert answer.error == "bad_parameter" and answer.json()["error"]["message"].startswith(name)
        else:
            assert texts(answer) == ["visits", "bad parameter"]
    assert counted(store) == {}


def test_errors_of_pictures_are_pictures(daemon, store):
    for path, status, text in (("/badge/nobody/a.svg", 404, "unknown site"), ("/badge/A/a.svg", 400, "bad site"),
                               ("/badge/default/a%0a.svg", 400, "bad page"), ("/badge/default/" + "x" * 8200 + ".svg", 414, "page too long")):
        answer = daemon.fetch(path + "?label=views")
        assert (answer.status, texts(answer)) == (status, ["views", text])
        answer = daemon.fetch(path.replace("/badge/", "/pixel/"))
        assert answer.status == status and answer.body.startswith(b"GIF89a")
        assert answer.headers["visitcount-status"].startswith("refused; reason=")
    answer = daemon.fetch("/badge/default/a.svg", method="POST")
    assert (answer.status, answer.headers["allow"], texts(answer)) == (405, "GET, HEAD, OPTIONS", ["visits", "method not allowed"])
    assert counted(store) == {}


def test_without_the_store_there_is_a_badge(new_daemon, directory):
    daemon = new_daemon({"redis.socket": f"{directory}/nobody.sock", "count.max_wait": "50ms", "drain.timeout": "100ms"})
    daemon.wait_for_log("retrying")
    answer = daemon.fetch("/badge/default/a.svg")
    assert (answer.status, texts(answer)) == (503, ["visits", "store unavailable"])
    assert answer.headers["cache-control"] == NEVER_KEEP and answer.headers["retry-after"] == "1"
    answer = daemon.fetch("/pixel/default/a.gif")
    assert (answer.status, answer.body[:6]) == (503, b"GIF89a")
    answer = daemon.fetch("/v1/shields/default/a")
    assert (answer.status, answer.json()["message"], answer.json()["isError"]) == (200, "store unavailable", True)


def test_pictures_are_never_kept(daemon):
    """Image proxies such as GitHub's must not cache pictures, neither counted ones nor errors."""
    for path in PICTURES:
        for answer in (daemon.fetch(path), daemon.fetch(path.replace("default", "nobody"))):
            assert answer.headers["cache-control"] == NEVER_KEEP
            assert answer.headers["pragma"] == "no-cache"
            assert answer.headers["expires"] == "Thu, 01 Jan 1970 00:00:00 GMT"
            assert "etag" not in answer.headers and "last-modified" not in answer.headers
            assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
            assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"


def test_what_is_only_read_may_be_asked_about_again(daemon):
    for path in ("/badge/default/a.svg?readonly=1", "/v1/text/default/a?readonly=1", "/v1/hit/default/a?readonly=1", "/pixel/default/a.gif?readonly=1"):
        first = daemon.fetch(path)
        assert first.headers["cache-control"] == "no-cache"
        tag = first.headers["etag"]
        for header in (tag, f'"other", {tag}', f"W/{tag}", "*"):
            again = daemon.fetch(path, headers={"If-None-Match": header})
            assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag)
        assert daemon.fetch(path, headers={"If-None-Match": '"other"'}).status == 200
    tag = daemon.fetch("/badge/default/a.svg?readonly=1").headers["etag"]
    assert daemon.fetch("/badge/default/a.svg?readonly=1&color=red").headers["etag"] != tag
    daemon.fetch("/v1/hit/default/a")
    answer = daemon.fetch("/badge/default/a.svg?readonly=1", headers={"If-None-Match": tag})
    assert (answer.status, texts(answer)) == (200, ["visits", "1"])
    assert "etag" not in daemon.fetch("/badge/default/a.svg", headers={"If-None-Match": "*"}).headers


def test_jsonp(daemon):
    answer = daemon.fetch("/v1/hit/default/a?callback=my.call_1")
    assert answer.headers["content-type"] == "application/javascript; charset=utf-8"
    call = re.fullmatch(r"/\*\*/my\.call_1\((.*)\);\n", answer.text)
    assert json.loads(call[1]).items() >= {"site": "default", "page": "/a", "count": 1, "status": "counted"}.items()
    assert daemon.fetch("/v1/get/default/a?callback=f").text.startswith('/**/f({"site":')
    assert daemon.fetch("/count?callback=f", headers={"Accept": "application/json"}).text.startswith("/**/f(")
    wrong = daemon.fetch("/v1/hit/nobody/a?callback=f")
    assert (wrong.status, wrong.headers["visitcount-status"]) == (200, "refused; reason=unknown-site")
    assert json.loads(re.fullmatch(r"/\*\*/f\((.*)\);\n", wrong.text)[1])["error"]["code"] == "unknown_site"


@pytest.mark.parametrize("name", ["", "1a", ".a", "a(b", "a+b", "a;b", "%3Cscript%3E", "a%0Ab", "a-b", "%C3%A9", "x" * 65, "a%00"])
def test_what_is_no_function_is_refused(daemon, store, name):
    answer = daemon.fetch("/v1/hit/default/a?callback=" + name)
    assert (answer.status, answer.error) == (400, "bad_parameter")
    assert counted(store) == {}


def test_shields_endpoint(daemon):
    assert daemon.fetch("/v1/shields/default/a?label=readers&color=red&style=plastic&format=grouped").json() == {
        "schemaVersion": 1, "label": "readers", "message": "1", "color": "#e05d44", "labelColor": "#555555", "style": "plastic"}
    answer = daemon.fetch("/v1/shields/nobody/a")
    assert (answer.status, answer.headers["visitcount-status"]) == (200, "refused; reason=unknown-site")
    assert answer.json() == {"schemaVersion": 1, "label": "visits", "message": "unknown site", "color": "#e05d44",
                             "labelColor": "#555555", "style": "flat", "isError": True}


def test_the_pixel_is_a_transparent_gif(daemon):
    body = daemon.fetch("/pixel/default/a.gif").body
    assert body[:10] == b"GIF89a\x01\x00\x01\x00" and body[-1:] == b";"
    assert body[19:23] == b"\x21\xf9\x04\x01", "a graphic control extension with a transparent colour"


def test_the_snippet_is_small_and_may_be_kept_for_a_while(daemon):
    answer = daemon.fetch("/count.js")
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=3600"
    assert len(answer.body) <= 4500 and b"cookie" not in answer.body.replace(b"no cookies", b"")
    assert daemon.fetch("/count.js", headers={"If-None-Match": answer.headers["etag"]}).status == 304
    assert daemon.fetch("/count.js", method="POST").status == 405


def test_head_of_every_format(daemon, store):
    for path in [*ROUTES, "/count.js"]:
        answer = daemon.fetch(path, method="HEAD")
        assert (answer.status, answer.body) == (200, b"")
        assert answer.headers["content-type"] == daemon.fetch(path + ("&" if "?" in path else "?") + "readonly=1").headers["content-type"]
    assert counted(store) == {}
