# SPDX-License-Identifier: MIT
"""What the tests of this directory share."""

import contextlib
import os
import pathlib
import random
import shutil
import socket
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
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


def wait_for(condition, what, seconds=20):
    """The one place that waits: returns the first true value of `condition`, fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds} s: {what}")
        time.sleep(0.02)


def free_ports(count):
    """Consecutive ports that nobody listens on now, below the range the kernel hands out itself."""
    for start in range(random.randrange(20000, 30000), 32000 - count, count):
        with contextlib.ExitStack() as probes:
            try:
                for port in range(start, start + count):
                    probe = probes.enter_context(socket.socket())
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind(("0.0.0.0", port))
            except OSError:
                continue
        return list(range(start, start + count))
    return pytest.fail("no free ports")
