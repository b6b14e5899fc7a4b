# SPDX-License-Identifier: MIT
"""Paths, and wait_until()."""

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

#: Seconds after which a wait fails. This is much longer than any step takes on a busy machine under valgrind.
DEADLINE = 60

SBIN = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin"


def wait_until(condition, what, deadline=DEADLINE):
    """Returns the first true value of `condition()`. Fails if there is none within `deadline` seconds.

    `what` describes the condition in a failure. It is a text, or a function that returns one at that time.
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
    """The path of a program of the machine. If it is missing, the test is skipped with this reason."""
    found = shutil.which(name, path=SBIN)
    if found is None:
        pytest.skip(f"{name} is missing (apt-get install {package})")
    return found
