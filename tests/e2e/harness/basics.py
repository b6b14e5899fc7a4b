# SPDX-License-Identifier: MIT
"""Where things are, and the one way to wait."""

import os
import pathlib
import shutil
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]

sys.path.append(str(ROOT / "tests"))

from ports import free_port, free_ports  # noqa: E402,F401

#: The directory of the binaries under test: BUILD=build-sanitize pytest tests/e2e
BUILD = ROOT / os.environ.get("BUILD", "build")

#: Seconds after which something that was waited for is taken as not happening: far beyond what it
#: takes on a busy machine under valgrind.
DEADLINE = 60

SBIN = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin"


def wait_until(condition, what, deadline=DEADLINE):
    """Returns the first true value of `condition()`; fails when there is none within `deadline` seconds.

    `what` is the condition in words, for the failure: a text, or a function that makes one by then.
    """
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            pytest.fail(f"not within {deadline} s: {what() if callable(what) else what}")
        time.sleep(0.005)


def need_program(name, package):
    """The path of a program of the machine; the test is skipped, for this reason, where it is missing."""
    found = shutil.which(name, path=SBIN)
    if found is None:
        pytest.skip(f"{name} is missing (apt-get install {package})")
    return found
