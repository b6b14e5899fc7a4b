# SPDX-License-Identifier: MIT
"""Writes the pictures of the documents to docs/gallery, for `make gallery`. It is not a test, but pytest runs it for the fixtures."""

import pathlib

import pytest

from harness import SqliteStore, wait_until
from history import write_history
from test_badges import STYLES

GALLERY = pathlib.Path(__file__).resolve().parents[2] / "docs" / "gallery"
BADGES = {**{style: f"style={style}" for style in STYLES}, "grouped": "format=grouped&color=brightgreen", "compact": "format=compact&color=orange",
          "digits": "digits=9&labelColor=navy&color=gold", "no-label": "label=&color=tomato", "today": "period=today&color=blueviolet"}


@pytest.fixture
def store(directory):
    return SqliteStore(directory / "visits.db")


@pytest.fixture
def daemon(new_daemon, store):
    daemon = new_daemon({"dashboard.public": True, "bots": "count", **store.settings}).wait_for_store()
    write_history(daemon, store.path)
    return daemon


def test_badges(daemon, store):
    GALLERY.mkdir(parents=True, exist_ok=True)
    store.set_total(1234567, page="/about")
    for name, query in BADGES.items():
        (GALLERY / f"badge-{name}.svg").write_bytes(daemon.fetch(f"/badge/default/about.svg?readonly=1&{query}").body)
    (GALLERY / "badge-error.svg").write_bytes(daemon.fetch("/badge/nobody/about.svg").body)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_dashboard(browser, daemon, scheme):
    browser.look(daemon, "/", width=1080, height=1080, scheme=scheme)
    wait_until(lambda: browser.run("return document.getElementById('state').textContent") == "live", "the stream")
    assert browser.driver.save_screenshot(str(GALLERY / f"dashboard-{scheme}.png"))
