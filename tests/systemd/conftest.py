# SPDX-License-Identifier: MIT
"""A failure shows the machine's journal, which has the reason."""

import pytest


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    machine = getattr(item, "funcargs", {}).get("machine")
    if report.failed and call.when == "call" and machine:
        journal = machine.run("journalctl --no-pager --output=short-precise --lines=80", check=False).stdout
        report.sections.append(("journal of the machine", journal))
