# SPDX-License-Identifier: MIT
"""Tools of the tests in this directory."""

import os
import pathlib
import shutil
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]

sys.path.append(str(ROOT / "tests"))

from ports import free_ports  # noqa: E402,F401

NGINX_FILES = ROOT / "etc" / "nginx"
SBIN = os.environ["PATH"] + ":/usr/local/sbin:/usr/sbin:/sbin"


def skip(reason):
    """A skip names its reason; in CI it is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"may not be skipped in CI: {reason}", pytrace=False)
    pytest.skip(reason)


def program(name, package):
    found = shutil.which(name, path=SBIN)
    return found or skip(f"{name} is missing (apt-get install {package})")


def wait_for(condition, what, seconds=60):
    """The only function that waits. Returns the first true value of `condition` or fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds} s: {what}")
        time.sleep(0.02)
