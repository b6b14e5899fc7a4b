# SPDX-License-Identifier: MIT
"""A wall clock that a test sets, for processes that it starts: tests/clock/wall.c, built by `make wall`.

    wall_clock.set_ahead(500 * DAY)                                  # before the start
    daemon = new_daemon(settings, environment=wall_clock.environment)
    wall_clock.set_ahead(-3600)                                      # while it runs: counts at once

Processes that share a WallClock share its time. For another time create a WallClock(directory, "name"). Daemon and Redis take `environment`. Only
the wall clock changes. Files and the kernel keep the real time. If a process passes a wall-clock deadline to the kernel (pthread_cond_timedwait),
the deadline is wrong by the difference.
"""

import os
import pathlib
import struct
import time

import pytest

from harness.basics import BUILD

HOUR = 3600
DAY = 24 * HOUR


class WallClock:
    def __init__(self, directory, name="wall"):
        self.path = pathlib.Path(directory) / f"{name}.clock"
        self.path.write_bytes(bytes(8))
        self.ahead_ms = 0

    @property
    def environment(self):
        """The environment of each process that uses this clock."""
        library = BUILD / "tests/clock/wall.so"
        if not library.exists():
            pytest.fail(f"{library} is missing: make wall")
        # otherwise a build with sanitizers insists on its own library as the first one
        sanitizer = f"{os.environ.get('ASAN_OPTIONS', '')}:verify_asan_link_order=0".lstrip(":")
        return {"LD_PRELOAD": library, "TEST_WALL_CLOCK": self.path, "ASAN_OPTIONS": sanitizer}

    def set_ahead(self, seconds):
        """Sets by how many seconds it is ahead of the real time. A negative number means behind."""
        self.ahead_ms = int(seconds * 1000)
        with open(self.path, "r+b", buffering=0) as file:
            file.write(struct.pack("=q", self.ahead_ms))  # one write of eight bytes, so that no process reads half of it

    def time(self):
        """Seconds since 1970 by this clock."""
        return time.time() + self.ahead_ms / 1000
