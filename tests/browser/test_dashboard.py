# SPDX-License-Identifier: MIT
"""The dashboard as readers see it. The pictures are in build/tests/browser, for manual review."""

import base64

import pytest

from harness import SqliteStore, wait_until
from history import PAGES, visits_of, write_history
from test_pages import COLOURS, SCREENS, contrast


@pytest.fixture
def store(directory):
    return SqliteStore(directory / "visits.db")


@pytest.fixture
def daemon(new_daemon, store):
    return new_daemon({"dashboard.public": True, "bots": "count", **store.settings}).wait_for_store()


@pytest.fixture
def full(daemon, store):
    write_history(daemon, store.path)
    return daemon


def number(browser, name):
    return browser.run(f"return document.getElementById('{name}').textContent")


def test_the_numbers(browser, full):
    for path in ("/", "/site/default"):
        browser.look(full, path)
        assert number(browser, "total") == f"{sum(PAGES.values()):,}"
        assert number(browser, "today") == f"{visits_of(0):,}"
        assert number(browser, "visitors") == f"{visits_of(0) * 5 // 8:,}"
        rows = browser.run("return [...document.querySelectorAll('#days tr')].map(row => [...row.cells].map(cell => cell.textContent))")
        assert len(rows) == 30 and [row[1] for row in rows] == [f"{visits_of(day):,}" for day in range(30)]
        top = browser.run("return [...document.querySelectorAll('#toplist tr')].map(row => [...row.cells].map(cell => cell.textContent))")
        assert top == [[page, f"{total:,}"] for page, total in PAGES.items()]
        assert browser.complaints() == []


def test_everything_is_live(browser, full):
    """The total changes at once; today, chart, days and top list follow within moments. The document is never reloaded."""
    browser.look(full, "/")
    browser.run("window.mark = 1")
    wait_until(lambda: number(browser, "state") == "live", "the stream")
    full.fetch("/v1/hit/default/about")
    full.fetch("/v1/hit/default/new")
    wait_until(lambda: number(browser, "total") == f"{sum(PAGES.values()) + 2:,}", "the total")
    wait_until(lambda: number(browser, "today") == f"{visits_of(0) + 2:,}", "today")
    wait_until(lambda: "403" in number(browser, "toplist"), "the top list")
    assert browser.run("return document.querySelector('#days td.number').textContent") == f"{visits_of(0) + 2:,}"
    assert browser.run("return window.mark") == 1
    assert browser.complaints() == []


def test_a_page_of_its_own(browser, full):
    browser.look(full, "/")
    browser.run("document.querySelector('#toplist a[href*=\"caf\"]').click()")
    wait_until(lambda: browser.run("return location.pathname") == "/site/default/caf%C3%A9/%C3%A9t%C3%A9", "the page")
    assert browser.run("return document.querySelector('h1').textContent") == "/caf\u00e9/\u00e9t\u00e9"
    assert number(browser, "total") == "231"
    wait_until(lambda: number(browser, "state") == "live", "the stream")
    full.fetch("/v1/hit/default/caf%C3%A9/%C3%A9t%C3%A9")
    wait_until(lambda: number(browser, "total") == "232", "the total")
    assert browser.run("return document.getElementById('toplist')") is None


def test_without_script_the_numbers_are_there(browser, full):
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.look(full, "/")
        text = browser.driver.find_element("tag name", "main").text
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    assert f"{sum(PAGES.values()):,}" in text and "/docs/install" in text


def test_nothing_is_asked_of_others_and_nothing_inline_runs(browser, full):
    browser.look(full, "/")
    wait_until(lambda: number(browser, "state") == "live", "the stream")
    origin = "http://%s:%d/" % full.address
    assert all(name.startswith(origin) for name in browser.run("return performance.getEntriesByType('resource').map(e => e.name)"))
    browser.run("const s = document.createElement('script'); s.textContent = 'window.owned = 1'; document.body.append(s);"
                "const d = document.createElement('div'); d.setAttribute('style', 'color: red'); document.body.append(d)")
    assert browser.run("return window.owned") is None
    assert len([line for line in browser.complaints() if "Content Security Policy" in line]) == 2


def test_hostile_names_of_pages(browser, daemon):
    page = "/<script>document.title='owned'</script>\"'&amp;"
    from urllib.parse import quote
    daemon.fetch("/v1/hit/default" + quote(page))
    for path in ("/", "/site/default" + quote(page)):
        browser.look(daemon, path)
        assert browser.driver.title != "owned"
        assert page in browser.text()
    assert browser.complaints() == []


def test_by_keyboard(browser, full):
    """Tab reaches every control, in the order of the page, and the focus is visible."""
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys
    browser.look(full, "/")
    seen = []
    for _ in range(1 + 1 + len(PAGES) + 1 + 2):
        ActionChains(browser.driver).send_keys(Keys.TAB).perform()
        seen.append(browser.run("const e = document.activeElement, s = getComputedStyle(e); return [e.tagName, e.textContent.slice(0, 20),"
                                "e.getBoundingClientRect().top + scrollY, s.outlineStyle != 'none' && parseFloat(s.outlineWidth) > 0]"))
    assert seen[0][:2] == ["A", "Skip to the numbers "]
    assert {entry[0] for entry in seen} >= {"A", "DIV", "PRE"}
    assert all(entry[3] for entry in seen), seen


def test_for_those_who_listen(browser, full):
    """For screen readers: all roles have names, there is one main heading, tables have headers, the chart has a text, and the language is set."""
    browser.look(full, "/")
    assert browser.run("return document.documentElement.lang") == "en"
    assert browser.run("return [...document.querySelectorAll('h1, h2')].map(e => e.tagName)") == ["H1"] + ["H2"] * 4
    assert "in all, at most" in browser.run("return document.querySelector('#chart svg').getAttribute('aria-label')")
    assert browser.run("return [...document.querySelectorAll('table')].every(t => [...t.querySelectorAll('th')].every(h => h.scope == 'col'))")
    nodes = browser.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    for node in nodes:
        if not node.get("ignored") and node["role"]["value"] in ("link", "img", "image", "region", "group", "heading"):
            assert node.get("name", {}).get("value"), node
    assert browser.run("return [...document.querySelectorAll('[aria-labelledby]')].every(e => document.getElementById(e.getAttribute('aria-labelledby')))")


def test_what_is_not_counted_appears(browser, full):
    """The table is not there before the first ignored visit; then it comes with the next visit that counts."""
    browser.look(full, "/")
    wait_until(lambda: number(browser, "state") == "live", "the stream")
    assert number(browser, "uncounted") == ""
    full.fetch("/v1/hit/default/about", headers={"Sec-Purpose": "prefetch"})
    full.fetch("/v1/hit/default/about")
    wait_until(lambda: number(browser, "uncounted") != "", "the table")
    rows = browser.run("return [...document.querySelectorAll('#uncounted tbody tr')].map(row => [...row.cells].map(cell => cell.textContent))")
    assert rows == [["prefetch", "1"]]
    assert browser.complaints() == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_can_be_read(browser, full, scheme):
    browser.look(full, "/", scheme=scheme)
    texts = browser.run(COLOURS)
    assert len(texts) > 50
    for element, colour, background in texts:
        assert contrast(colour, background) >= 4.5, (element, colour, background)


def test_nothing_moves(browser, full):
    """The layout does not shift while the page loads and goes live, or when numbers change (Cumulative Layout Shift)."""
    browser.look(full, "/")
    browser.run("window.shift = 0; new PerformanceObserver(list => list.getEntries().forEach(e => shift += e.value))"
                ".observe({type: 'layout-shift', buffered: true})")
    wait_until(lambda: number(browser, "state") == "live", "the stream")
    full.fetch("/v1/hit/default/about")
    wait_until(lambda: number(browser, "today") == f"{visits_of(0) + 1:,}", "today")
    assert browser.run("return window.shift") < 0.01


def test_on_a_phone(browser, full):
    browser.look(full, "/", **SCREENS["phone"])
    assert browser.run("return document.documentElement.scrollWidth") <= 360
    assert browser.run("return [...document.querySelectorAll('body *:not(pre *, .scroll *, .skip)')].filter(e => e.getBoundingClientRect().right > innerWidth + 1)"
                       ".map(e => e.outerHTML)") == []


def test_private_unless_it_is_public(browser, new_daemon, store):
    daemon = new_daemon({"sites": ("a", {"name": "b", "dashboard": "public"}), "dashboard.password": "s3cret:x", **store.settings}).wait_for_store()
    browser.look(daemon, "/")
    assert "Try it" in browser.text(), "the welcome page in place of a private dashboard"
    browser.look(daemon, "/site/b")
    assert "The last 30 days" in browser.text()
    answer = daemon.fetch("/site/a")
    assert answer.status == 401 and answer.headers["www-authenticate"].startswith("Basic ")
    assert "password" in answer.text and answer.headers["content-type"].startswith("text/html")
    token = base64.b64encode("anyone:s3cret:x".encode()).decode()
    for path in ("/site/a", "/v1/top/a", "/v1/series/a", "/v1/series/a/x", "/"):
        assert daemon.fetch(path, headers={"Authorization": f"Basic {token}"}).status == 200


def test_the_welcome_page_is_live(browser, new_daemon, store):
    daemon = new_daemon(store.settings).wait_for_store()
    browser.look(daemon, "/")
    daemon.count()
    wait_until(lambda: browser.run("return document.querySelector('[data-count]').textContent") == "1", "the number")
    assert browser.complaints() == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", SCREENS)
def test_pictures(browser, full, screen, scheme):
    browser.look(full, "/", scheme=scheme, **{**SCREENS[screen], "height": 1500})
    wait_until(lambda: number(browser, "state") == "live", "the stream")
    assert browser.screenshot(f"dashboard-{screen}-{scheme}").stat().st_size > 5000


def test_pictures_of_nothing(browser, daemon):
    browser.look(daemon, "/", width=1280, height=1400)
    assert browser.screenshot("dashboard-empty").stat().st_size > 5000
    browser.look(daemon, "/site/nobody")
    assert "unknown site" in browser.text()
    assert browser.screenshot("error").stat().st_size > 3000
