# SPDX-License-Identifier: MIT
"""Where things are, and the one way to wait."""

import os
import pathlib
import random
import shutil
import socket
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]

#: The directory of the binaries under test: BUILD=build-sanitize pytest tests/e2e
BUILD = ROOT / os.environ.get("BUILD", "build")

#: Seconds after which something that was waited for is taken as not happening: far beyond what it
#: takes on a busy machine under valgrind.
DEADLINE = 30

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


def free_ports(count):
    """Ports that nobody listens on, below those that the kernel hands out by itself."""
    for _ in range(1000):
        start = random.randrange(20000, 32000 - count)
        probes = []
        try:
            for port in range(start, start + count):
                probes.append(socket.socket())
                probes[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probes[-1].bind(("0.0.0.0", port))
            return list(range(start, start + count))
        except OSError:
            continue
        finally:
            for probe in probes:
                probe.close()
    return pytest.fail("no free ports")


def free_port():
    return free_ports(1)[0]
