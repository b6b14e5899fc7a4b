# SPDX-License-Identifier: MIT
"""The pages as a visitor sees them. The pictures are in build/tests/browser, for manual review."""

import pytest

from harness import SqliteStore

SCREENS = {"phone": {"width": 360, "height": 740, "is_phone": True}, "desktop": {"width": 1280, "height": 800}}


@pytest.fixture
def store(directory):
    return SqliteStore(directory / "visits.db")


@pytest.fixture
def daemon(new_daemon, store):
    return new_daemon(store.settings).wait_for_store()


def test_the_welcome_page_shows_the_number_and_does_not_count(browser, daemon):
    for _ in range(41):
        daemon.count()
    for _ in range(2):
        browser.look(daemon, "/")
        assert browser.run("return document.querySelector('.count strong').innerText") == "41"
    assert daemon.ctl("--json", "get").json()["count"] == 41
    assert browser.complaints() == []


def test_count_says_the_number_and_counts_once(browser, daemon):
    """It counts once: other requests that a browser makes by itself (an icon) are not visits."""
    for number in (1, 2):
        browser.look(daemon, "/count")
        assert f"Visitor count: {number}" in browser.text()
        assert browser.run("return document.title") == f"Visitor count: {number}"
    assert daemon.ctl("--json", "get").json()["count"] == 2
    assert browser.complaints() == []


def test_going_back_counts_no_more_than_looking_again(browser, daemon):
    """A number must not come from a cache: the page shows the counted number."""
    browser.look(daemon, "/count")
    browser.look(daemon, "/")
    browser.driver.back()
    shown = int(browser.run("return document.title").rpartition(" ")[2])
    assert shown == daemon.ctl("--json", "get").json()["count"]


def test_the_links_lead_somewhere(browser, daemon):
    browser.look(daemon, "/")
    links = browser.run("return [...document.querySelectorAll('a')].map(a => a.getAttribute('href'))")
    assert "/count" in links
    for link in links:
        assert daemon.fetch(link).status == 200, link


@pytest.mark.parametrize("path", ["/", "/count"])
def test_nothing_is_wider_than_a_phone(browser, new_daemon, store, path):
    """No part of the page is wider, even with a number of sixteen digits and the longest name of a site."""
    site = "a-site-with-a-rather-long-name-of-exactly-sixty-four-characters."
    daemon = new_daemon({"sites": [site], **store.settings})
    daemon.count()
    store.set_total(9007199254740000, site)
    for width in (320, 360):
        browser.look(daemon, path, width=width, height=740, is_phone=True)
        assert "900719925474000" in browser.text().replace(",", "")
        assert browser.run("return innerWidth") == width
        assert browser.run("return document.documentElement.scrollWidth") <= width
        assert browser.run("return [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1)"
                           ".map(e => e.outerHTML)") == []
    browser.screenshot(f"{'count' if path == '/count' else 'welcome'}-long")


def contrast(first, second):
    """The contrast of two colours "rgb(r, g, b)", as WCAG 2 defines it."""
    def luminance(colour):
        parts = [int(part) / 255 for part in colour[colour.index("(") + 1:-1].split(",")[:3]]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


COLOURS = """
    const background = e => { for (; e; e = e.parentElement) {
        const colour = getComputedStyle(e).backgroundColor;
        if (colour != 'rgba(0, 0, 0, 0)') return colour;
    } };
    return [...document.querySelectorAll('body *')].filter(e => [...e.childNodes].some(n => n.nodeType == 3 && n.textContent.trim()))
        .map(e => [e.outerHTML.slice(0, 80), getComputedStyle(e).color, background(e)]);
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/", "/count"])
def test_everything_can_be_read(browser, daemon, path, scheme):
    """Texts have a contrast of at least 4.5:1 in both colour schemes, which have to differ."""
    browser.look(daemon, path, scheme=scheme)
    texts = browser.run(COLOURS)
    assert texts
    for element, colour, background in texts:
        assert contrast(colour, background) >= 4.5, (element, colour, background)
    is_dark = contrast(browser.run("return getComputedStyle(document.body).backgroundColor"), "rgb(0, 0, 0)") < 4
    assert is_dark == (scheme == "dark")


def test_without_the_store_the_page_says_so(browser, new_daemon, directory):
    daemon = new_daemon({"redis.socket": f"{directory}/nobody.sock", "count.max_wait": "50ms", "drain.timeout": "100ms"})
    daemon.wait_for_log("retrying")
    browser.look(daemon, "/")
    assert "The store is away" in browser.text()
    assert browser.run("return document.querySelector('.count strong').innerText") == "\u2013"
    browser.screenshot("welcome-without-store")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("path, name", [("/", "welcome"), ("/count", "count")])
def test_pictures(browser, daemon, store, path, name, screen, scheme):
    """Pictures for manual review. The test only checks that they are not empty."""
    daemon.count()
    store.set_total(12345)
    browser.look(daemon, path, scheme=scheme, **SCREENS[screen])
    assert browser.screenshot(f"{name}-{screen}-{scheme}").stat().st_size > 5000
