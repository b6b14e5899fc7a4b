# SPDX-License-Identifier: MIT
"""The tests of this directory are steps of one story. After a failed step, the later ones report that instead of failing too."""

import pytest


def pytest_runtest_makereport(item, call):
    if "story" in item.keywords and call.excinfo is not None and not call.excinfo.errisinstance(pytest.skip.Exception):
        item.parent.broken_step = item.name


def pytest_runtest_setup(item):
    broken = getattr(item.parent, "broken_step", None)
    if "story" in item.keywords and broken is not None:
        pytest.xfail(f"an earlier step failed: {broken}")


def pytest_configure(config):
    config.addinivalue_line("markers", "story: steps that need the ones before them")
