# SPDX-License-Identifier: MIT
"""docs/threat-model.md: each limit that it names is an option, and each test that it names exists."""

import re

import pytest

from harness.basics import ROOT

TEXT = (ROOT / "docs/threat-model.md").read_text()
HEAD = ["what they do", "what it costs", "what holds", "shown by"]


def cells_of(line):
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def rows_of(text):
    """Of all tables with these columns."""
    rows, is_ours = [], False
    for line in text.splitlines():
        if not line.startswith("|"):
            is_ours = False
        elif cells_of(line) == HEAD:
            is_ours = True
        elif is_ours and not re.fullmatch(r"[|\s:-]+", line):
            rows.append(cells_of(line))
    return rows


def options():
    text = (ROOT / "src/config/options.def").read_text()
    return set(re.findall(r'^(?:OPTION|CHOICE)\(\w+, "([\w.]+)"', text, re.MULTILINE))


def spans(cell):
    return re.findall(r"`([^`]+)`", cell)


def problem_of(test):
    """What is wrong with the name of a test; None if it is one."""
    path, _, name = test.partition("::")
    file = ROOT / "tests" / path
    if not file.is_file():
        return f"there is no file tests/{path}"
    if name and not re.search(rf"^(?:def|static void) {re.escape(name)}\(", file.read_text(), re.MULTILINE):
        return f"there is no {name} in tests/{path}"
    return None


ROWS = rows_of(TEXT)


def test_the_tables_are_read():
    assert len(ROWS) > 30
    assert all(len(row) == len(HEAD) for row in ROWS)
    assert {"limits.new_pages", "trusted_proxies"} <= options()


@pytest.mark.parametrize("row", ROWS, ids=[row[0][:40] for row in ROWS])
def test_each_limit_is_an_option_and_each_test_exists(row):
    what, _, holds, shown = row
    named = spans(holds)
    assert named or "fixed" in holds or re.search(r"\d", holds), f"{what}: nothing holds"
    assert [name for name in named if name not in options()] == [], what
    assert spans(shown), f"{what}: no test shows it"
    assert [problem for problem in map(problem_of, spans(shown)) if problem] == [], what


def test_each_budget_and_limit_of_the_options_is_in_it():
    """A limit that was added belongs there as well."""
    named = {name for row in ROWS for name in spans(row[2])}
    limits = {name for name in options() if name.startswith("limits.")}
    assert limits - named == set()


@pytest.mark.parametrize("test, problem", [
    ("e2e/test_budgets.py::test_new_pages_by_default", None), ("unit/test_client.c", None),
    ("e2e/test_budgets.py::test_that_nobody_wrote", "there is no test_that_nobody_wrote"), ("e2e/nothing.py", "there is no file")])
def test_a_name_that_is_wrong_is_found(test, problem):
    found = problem_of(test)
    assert (found is None) if problem is None else problem in found


def test_both_documents_are_linked():
    for document in ("README.md", "docs/http-api.md"):
        assert "threat-model.md" in (ROOT / document).read_text(), document
    assert "SECURITY.md" in (ROOT / "README.md").read_text()
