# SPDX-License-Identifier: MIT
"""Badges as Chromium draws them. The pictures are in build/tests/browser, for manual review."""

import re
from urllib.parse import quote

import pytest

from harness import ROOT, SqliteStore
from other_site import OtherSite

STYLES = re.findall(r'^STYLE\(\w+, "([^"]+)"', (ROOT / "src/http/render/badge_styles.def").read_text(), re.MULTILINE)
LABELS = ["visits", "i", "WWWWWWWWWWWW", "ill-fitting lilli", "r\u00e9sum\u00e9 \u00c5\u00df", "\u041f\u043e\u0441\u0435\u0449\u0435\u043d\u0438\u044f",
          "\u8a2a\u554f\u8005\u6570", "\U0001f600 smile", "\u0639\u062f\u062f \u0627\u0644\u0632\u0648\u0627\u0631", "x" * 64, "a & b < c > d \"e\" 'f'"]
HOSTILE = ["<script>document.title='owned'</script>", "\"><script>document.title='owned'</script>", "</text></svg><img src=x onerror=\"document.title='owned'\">",
           "' onload='document.title=1", "<a href=\"javascript:alert(1)\">x</a>", "<foreignObject><iframe srcdoc=x></iframe></foreignObject>",
           "]]><svg onload=\"document.title=1\">", "<![CDATA[<script>", "&#60;script&#62;document.title=1&#60;/script&#62;", "\u202e\u2066<b>"]


@pytest.fixture
def store(directory):
    return SqliteStore(directory / "visits.db")


@pytest.fixture
def daemon(new_daemon, store):
    return new_daemon({"bots": "count", **store.settings}).wait_for_store()


def badge(label="visits", style="flat", more=""):
    return f"/badge/default/a.svg?readonly=1&style={style}&label={quote(label)}{more}"


#: For each text: whether its box lies in its own half of the badge, and how much it is stretched compared with its natural width.
MEASURE = """
    const svg = document.documentElement, width = svg.width.baseVal.value, height = svg.height.baseVal.value;
    const halves = [...svg.querySelectorAll('g > rect[fill^="#"]')].map(r => [r.x.baseVal.value, r.x.baseVal.value + r.width.baseVal.value]);
    return [...svg.querySelectorAll('text:not([aria-hidden])')].map((text, i) => {
        const box = text.getBBox(), left = box.x / 10, right = (box.x + box.width) / 10, length = text.textLength.baseVal.value;
        text.removeAttribute('textLength');
        return {left, right, top: box.y / 10, bottom: (box.y + box.height) / 10, half: halves[halves.length == 1 ? 0 : i], width, height,
                stretch: length / text.getComputedTextLength(), text: text.textContent};
    });
"""


@pytest.mark.parametrize("style", STYLES)
def test_nothing_is_cut(browser, daemon, style):
    """Each text lies within its half of the badge, with some room at its sides, in the installed font."""
    for label in ["", *LABELS]:
        browser.look(daemon, badge(label, style, "&format=grouped&digits=12"))
        texts = browser.run(MEASURE)
        assert len(texts) == (2 if label else 1)
        for text in texts:
            assert text["half"][0] + 2 <= text["left"] and text["right"] <= text["half"][1] - 2, text
            assert 0 <= text["top"] and text["bottom"] <= text["height"], text


def test_widths_are_those_of_the_font_in_use(browser, daemon):
    """A badge falls back to DejaVu Sans here, so its letters are hardly stretched."""
    for label in ("visits", "WWWWWWWWWWWW", "ill-fitting lilli", "r\u00e9sum\u00e9 \u00c5\u00df", "x" * 64):
        browser.look(daemon, badge(label))
        for text in browser.run(MEASURE):
            assert 0.95 <= text["stretch"] <= 1.2 or len(text["text"]) < 3, text


@pytest.mark.parametrize("style", STYLES)
def test_hostile_labels_stay_text(browser, daemon, style):
    """The badge is opened by itself, where a script in it would run, and inside a page that embeds the badge's markup."""
    for label in HOSTILE:
        browser.look(daemon, badge(label, style))
        assert browser.run("return document.documentElement.tagName") == "svg", label
        assert browser.run("return [...document.querySelectorAll('*')].filter(e => !['svg', 'title', 'linearGradient', 'stop', 'clipPath', "
                           "'rect', 'g', 'text'].includes(e.tagName) || [...e.attributes].some(a => a.name.startsWith('on'))).length") == 0, label
        assert browser.driver.title not in ("owned", "1")
        shown = browser.run("return [...document.querySelectorAll('title')].map(e => e.textContent)")
        assert shown == [label.lstrip("\u202e\u2066") + ": 0"]
        inside = browser.run("const page = new DOMParser().parseFromString('<p>' + new XMLSerializer().serializeToString(document) + '</p>', 'text/html');"
                             "return page.querySelectorAll('script, img, iframe, a, [onload], [onerror]').length")
        assert inside == 0, label
        assert browser.complaints() == []


def test_the_policy_allows_no_script(browser, daemon):
    """Even with an injected script, a document with the badge's headers runs no code."""
    browser.look(daemon, badge())
    browser.run("const s = document.createElementNS('http://www.w3.org/2000/svg', 'script'); s.textContent = 'document.documentElement.id = 1';"
                "document.documentElement.append(s)")
    assert browser.run("return document.documentElement.id") == ""
    assert any("Content Security Policy" in line or "sandboxed" in line for line in browser.complaints())


def test_pictures_show_up_also_when_they_are_errors(browser, daemon):
    site = OtherSite({"/": "<!doctype html><html lang=en><link rel=icon href='data:,'>" + "".join(
        '<img alt="" src="http://%s:%d%s">' % (*daemon.address, path)
        for path in ("/badge/default/a.svg", "/badge/nobody/a.svg", "/badge/default/a.svg?style=x", "/pixel/nobody/a.gif"))})
    try:
        browser.look(site, "/")
        browser.run("return Promise.allSettled([...document.images].map(image => image.decode()))")
        assert [width > 0 for width in browser.run("return [...document.images].map(image => image.naturalWidth)")] == [True] * 4
    finally:
        site.finish()


def test_pictures(browser, daemon, store):
    """Pictures for manual review: all styles, labels and colours next to each other."""
    daemon.fetch("/v1/hit/default/a")
    store.set_total(1234567, page="/a")
    origin = "http://%s:%d" % daemon.address
    rows = ["".join(f'<img alt="" src="{origin}{badge(label, style, more)}"> '
                    for label, more in (("visits", ""), ("page views", "&color=brightgreen&format=grouped"), ("visitors", "&color=orange&format=compact"),
                                        ("", "&color=gold"), ("caf\u00e9 \u8a2a\u554f", "&color=white&labelColor=navy&digits=9"), ("readers", "&color=red&labelColor=white")))
            for style in STYLES]
    site = OtherSite({"/": "<!doctype html><html lang=en><link rel=icon href='data:,'><body style='zoom:2'>" + "<p>".join(rows)})
    try:
        browser.look(site, "/", width=1700, height=460)
        browser.run("return Promise.all([...document.images].map(image => image.decode()))")
        assert browser.screenshot("badges").stat().st_size > 5000
    finally:
        site.finish()
