# SPDX-License-Identifier: MIT
"""The snippet and the pixel on pages of another origin."""

import pytest

from harness import SqliteStore, wait_until
from other_site import OtherSite

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><link rel="icon" href="data:,"><title>a page</title>{head}</head>
<body>{body}</body></html>"""


@pytest.fixture
def store(directory):
    return SqliteStore(directory / "visits.db")


@pytest.fixture
def daemon(new_daemon, store):
    return new_daemon({"sites": ["blog"], "bots": "count", **store.settings}).wait_for_store()


@pytest.fixture
def site():
    made = OtherSite({})
    yield made
    made.finish()


def snippet(daemon, attributes='data-site="blog"'):
    return '<script async src="http://%s:%d/count.js" %s></script>' % (*daemon.address, attributes)


def totals(store):
    return {page: total for (_, page), total in store.totals().items() if page}


def fills(browser, selector, text):
    """Waits until the element shows the text."""
    wait_until(lambda: browser.run(f"return document.querySelector('{selector}').textContent") == text, f"{selector} to show {text}")


def test_a_visit_is_counted_and_shown(browser, daemon, store, site):
    site.pages["*"] = PAGE.format(head=snippet(daemon), body="<p>Visits: <b data-visitcount>\u2026</b></p>")
    for number in (1, 2):
        browser.look(site, f"/blog/hello/?utm_source={number}#part")
        fills(browser, "b", str(number))
    assert totals(store) == {"/blog/hello": 2}
    assert browser.complaints() == []
    assert browser.run("return document.cookie + localStorage.length + sessionStorage.length") == "00"
    assert browser.driver.get_cookies() == []


def test_numbers_of_other_pages_are_only_read(browser, daemon, store, site):
    for _ in range(3):
        daemon.fetch("/v1/hit/blog/about")
    site.pages["*"] = PAGE.format(head=snippet(daemon), body='<b data-visitcount></b> <i data-visitcount="/about"></i> <u data-visitcount="/about"></u>')
    browser.look(site, "/")
    fills(browser, "b", "1")
    fills(browser, "i", "3")
    fills(browser, "u", "3")
    assert totals(store) == {"/about": 3, "/": 1}


def test_without_elements_nothing_is_read(browser, daemon, store, site):
    """One request: a POST in CORS mode that outlives the page, so that its origin is known and no answer keeps the page."""
    site.pages["*"] = PAGE.format(head="<script>const real = window.fetch; window.asked = []; window.fetch = (url, how) => "
                                       "{ asked.push([url.replace(/=.*/, ''), how.method, how.keepalive, how.mode, how.headers]); return real(url, how); }"
                                       "</script>" + snippet(daemon), body="hello")
    browser.look(site, "/quiet")
    wait_until(lambda: totals(store) == {"/quiet": 1}, "the visit in the store")
    assert browser.run("return asked") == [["http://%s:%d/v1/hit/blog/quiet?view" % daemon.address, "POST", True, None, None]]
    assert browser.complaints() == []


def test_a_single_page_application(browser, daemon, store, site):
    """Each page that the reader opens counts once, by pushState, replaceState and going back. The same page does not count again."""
    site.pages["*"] = PAGE.format(head=snippet(daemon), body="<b data-visitcount></b>")
    browser.look(site, "/one")
    fills(browser, "b", "1")
    browser.run("document.querySelector('b').textContent = ''; history.pushState({}, '', '/two')")
    fills(browser, "b", "1")
    browser.run("history.pushState({}, '', '/two?tab=2#x'); history.replaceState({}, '', '/two')")
    browser.run("document.querySelector('b').textContent = ''; history.replaceState({}, '', '/three')")
    fills(browser, "b", "1")
    browser.run("document.querySelector('b').textContent = ''; history.go(-2)")
    fills(browser, "b", "2")
    assert totals(store) == {"/one": 2, "/two": 1, "/three": 1}
    assert site.asked.count("/two") == 0, "the page was never loaded"


def test_a_name_of_its_own(browser, daemon, store, site):
    site.pages["*"] = PAGE.format(head=snippet(daemon, 'data-site="blog" data-page="/fixed"'), body="<b data-visitcount></b>")
    browser.look(site, "/a")
    fills(browser, "b", "1")
    assert totals(store) == {"/fixed": 1}


def test_names_that_are_not_ascii(browser, daemon, store, site):
    site.pages["*"] = PAGE.format(head=snippet(daemon), body="<b data-visitcount></b>")
    browser.look(site, "/caf%C3%A9/%E4%B8%AD%20%23x")
    fills(browser, "b", "1")
    assert totals(store) == {"/caf\u00e9/\u4e2d #x": 1}


def test_the_referrer_is_not_needed(browser, daemon, store, site):
    """The referrer has only the origin or is missing. The page's name comes from its location."""
    for policy in ("no-referrer", "strict-origin-when-cross-origin"):
        site.pages["*"] = PAGE.format(head=f'<meta name="referrer" content="{policy}">' + snippet(daemon), body="<b data-visitcount></b>")
        browser.look(site, f"/{policy}")
        fills(browser, "b", "1")
    assert totals(store) == {"/no-referrer": 1, "/strict-origin-when-cross-origin": 1}


def test_a_counter_that_is_away_disturbs_nothing(browser, daemon, site):
    site.pages["*"] = PAGE.format(head=snippet(daemon, 'data-site="nobody"') + "<script>window.errors = []; onerror = onunhandledrejection = "
                                       "e => errors.push(String(e))</script>", body="<b data-visitcount>\u2013</b>")
    browser.look(site, "/a")
    wait_until(lambda: any("404" in line for line in browser.complaints()), "the refusal in the console")
    assert browser.run("return [errors.length, document.querySelector('b').textContent]") == [0, "\u2013"]


def test_without_script_the_pixel_counts(browser, daemon, store, site):
    image = '<img src="http://%s:%d/pixel/blog/mail.gif" alt="">' % daemon.address
    site.pages["*"] = PAGE.format(head="", body=image)
    browser.look(site, "/")
    wait_until(lambda: browser.run("return document.images[0].complete"), "the picture")
    assert browser.run("return [document.images[0].naturalWidth, document.images[0].naturalHeight]") == [1, 1]
    assert totals(store) == {"/mail": 1}


def test_jsonp_calls_the_function(browser, daemon, store, site):
    script = '<script>window.told = []; const tell = answer => told.push(answer)</script>' + "".join(
        '<script src="http://%s:%d/v1/hit/%s/a?callback=tell"></script>' % (*daemon.address, name) for name in ("blog", "nobody"))
    site.pages["*"] = PAGE.format(head=script, body="")
    browser.look(site, "/")
    counted, refused = browser.run("return told")
    assert counted["count"] == 1 and refused["error"]["code"] == "unknown_site"
    assert totals(store) == {"/a": 1}
