# SPDX-License-Identifier: MIT
"""Pages with names that could mislead a reader. They count, and their names are shown escaped."""

import urllib.parse

import pytest

from harness import run_ctl

#: Control characters that override, embed or isolate the direction of text.
BIDI = [chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))]
#: Joiners and direction marks, which are normal in Persian and Hebrew.
ORDINARY = ["\u200c", "\u200d", "\u200e", "\u200f"]


def count(daemon, page):
    assert daemon.fetch("/v1/hit/default/" + urllib.parse.quote(page)).status == 200


@pytest.mark.parametrize("character", BIDI, ids=lambda character: f"U+{ord(character):04X}")
def test_what_turns_the_text_is_escaped(new_daemon, store, character):
    daemon = new_daemon({"dashboard.public": True, "log.level": "debug", **store.settings}).wait_for_store()
    page = f"a{character}b"
    count(daemon, page)
    shown = {" ".join(words): daemon.ctl(*words) for words in (
        ["top"], ["top", "--json"], ["get", "default", f"/{page}"], ["export"], ["export", "--json"], ["set", f"bad{character}site", "/x", "1"],
        ["get", "nobody" + character, "/x"])}
    for name, result in shown.items():
        assert character not in result.output + result.errors, name
    for name in ("top", "top --json"):
        assert f"a\\u{ord(character):04x}b" in shown[name].output, name
    dashboard = daemon.fetch("/site/default").text
    assert character not in dashboard and f"a\\u{ord(character):04x}b" in dashboard
    assert character not in daemon.log()
    assert store.total(page=f"/{page}") == 1, "it counts under its own name"
    assert f"default\t/a{urllib.parse.quote(character)}b\t1" in shown["export"].output, "an import understands that"


@pytest.mark.parametrize("character", [*BIDI, "\x1b", "\x9b"], ids=lambda character: f"U+{ord(character):04X}")
def test_errors_of_visitcountctl_show_nothing_misleading(character):
    for words in ([f"st{character}atus"], ["journal", f"sh{character}ow", "/"], ["journal", "show", f"/no{character}where"]):
        result = run_ctl(*words)
        assert result.status != 0 and character not in result.errors, words
        assert ("?" if character == "\x1b" else f"\\u{ord(character):04x}") in result.errors, words


@pytest.mark.parametrize("character", ORDINARY, ids=lambda character: f"U+{ord(character):04X}")
def test_ordinary_characters_stay(new_daemon, store, character):
    daemon = new_daemon({"dashboard.public": True, **store.settings}).wait_for_store()
    count(daemon, f"a{character}b")
    assert f"a{character}b" in daemon.ctl("top").output and f"a{character}b" in daemon.ctl("export").output
    assert f"a{character}b" in daemon.fetch("/site/default").text
    assert run_ctl("--version").status == 0
