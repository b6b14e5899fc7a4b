# SPDX-License-Identifier: MIT
"""ARCHITECTURE.md is a correct map: all names in it exist, and it lists the files that a visit passes."""

import pathlib
import re
import signal
import subprocess

import pytest

from harness import ROOT, need_program

#: Modules that timers run during visits: checks of the server's role, registration of the site, expiry of retained batches, how full a site is.
BY_TIMERS = {"stall", "retention", "breaker", "lane", "redis_handshake", "redis_replicas", "redis_link_log", "redis_look", "redis_checks",
             "redis_rewrite", "site_registration", "redis_edit", "trouble", "fullness", "redis_list"}

TEXT = (ROOT / "ARCHITECTURE.md").read_text()


def section(title):
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert found, f"no section {title!r}"
    return found[1]


def test_files_and_folders_exist():
    for name in re.findall(r"`((?:src|tests|cmd|packaging|etc|systemd|man|docs)/[\w./*-]*)`", TEXT):
        assert list(ROOT.glob(name.rstrip("/"))), f"{name}: there is no such file"


def test_each_folder_of_the_sources_is_on_the_map():
    folders = {str(path.parent.relative_to(ROOT)) + "/" for path in ROOT.glob("src/**/*.c")}
    named = set(re.findall(r"`(src/[\w/]+/)`", section("The rooms")))
    assert folders <= named, f"missing: {sorted(folders - named)}"


def includes_of_count(module):
    """Modules of src/count that a module of src/count includes, without itself."""
    texts = [path.read_text() for path in (ROOT / "src/count").glob(f"{module}.[ch]")]
    return set(re.findall(r'#include "count/(\w+)\.h"', "".join(texts))) - {module}


def test_the_parts_of_the_engine_stand_on_each_other_as_listed():
    table = re.search(r"^\| part \|.*?\n\n", section("The rooms"), re.MULTILINE | re.DOTALL)[0]
    rows = [re.findall(r"`(\w+)`", line.split("|")[1]) for line in table.strip().splitlines()[2:]]
    floors = {module: floor for floor, row in enumerate(rows) for module in row}
    modules = {path.stem for path in (ROOT / "src/count").glob("*.[ch]")}
    assert set(floors) == modules - {"engine_inside", "journal_takeover"}
    for module, floor in floors.items():
        for other in includes_of_count(module) - {"engine_inside"}:
            assert floors[other] >= floor, f"{module} includes {other}.h, which is not below it"


def test_only_the_engine_knows_the_engine_as_a_whole():
    modules = {path.stem for path in (ROOT / "src/count").glob("*.[ch]")}
    users = {module for module in modules if "engine_inside" in includes_of_count(module)}
    assert users == {"engine", "engine_reports"}


def test_the_glossary_is_short():
    assert 5 <= len(re.findall(r"^\| \*\*", section("Glossary"), re.MULTILINE)) <= 20


def control(pid, *words):
    subprocess.run(["callgrind_control", *words, str(pid)], check=True, capture_output=True)


def files_of_visits(daemon, directory, count):
    """Sources whose code runs while `count` visits are counted, without src/base."""
    pid = daemon.process.pid
    control(pid, "-i", "on")
    for number in range(count):
        assert daemon.fetch("/v1/hit/default/a", headers={"X-Request-Id": f"176426581{number}.123-{'0123456789abcdef' * 2}"}).status == 200
    control(pid, "-i", "off")
    control(pid, "-d")
    text = "".join(path.read_text(errors="replace") for path in directory.glob("callgrind.*"))
    return {name for name in re.findall(r"\b(src/[\w/]+\.c)\b", text) if not name.startswith("src/base/")}


@pytest.mark.plain_build
def test_a_visit_passes_the_files_that_are_listed(new_daemon, redis_store, directory):
    """valgrind measures the files of a visit on Redis with a token."""
    wrapper = [need_program("valgrind", "valgrind"), "--tool=callgrind", "--instr-atstart=no", "--quiet",
               f"--callgrind-out-file={directory}/callgrind.%p"]
    daemon = new_daemon({**redis_store.settings, "count.max_wait": "20s"}, wrapper=wrapper).wait_for_store()
    assert daemon.fetch("/v1/hit/default/a").status == 200
    passed = files_of_visits(daemon, directory, 3)
    daemon.signal(signal.SIGTERM)
    listed = set(re.findall(r"`(src/[\w/]+\.c)`", section("The life of a visit")))
    sometimes = {name for name in passed if pathlib.Path(name).stem in BY_TIMERS}
    assert len(listed) <= 32, f"a visit passes {len(listed)} files"
    assert not listed - passed, f"listed, and not passed: {' '.join(sorted(listed - passed))}"
    assert not passed - listed - sometimes, f"passed, and not listed: {' '.join(sorted(passed - listed - sometimes))}"
