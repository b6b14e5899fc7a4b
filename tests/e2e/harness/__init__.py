# SPDX-License-Identifier: MIT
"""Processes of the end-to-end tests: the daemon, its stores, nginx, and visitors. Other suites use them too:

    sys.path.insert(0, "tests/e2e")
    from harness import Daemon, Redis, Visitors, wait_until

Processes run in the caller's directory, on their own ports and sockets. They end with the test: by pid, or with the test's process if that is
killed. No test sleeps: only wait_until() waits. It waits for a condition, with a deadline that only a defect can reach.
"""

from harness.basics import BUILD, DEADLINE, ROOT, free_port, free_ports, need_program, wait_until
from harness.client import Answer, Connection, fetch, parse_answers, talk
from harness.daemon import Daemon, Result, render_config, run_ctl, run_daemon
from harness.fake_instance import answering
from harness.nginx import Nginx
from harness.process import Process
from harness.redis import FakeRedis, Redis, make_certificates
from harness.stores import RedisStore, SqliteStore
from harness.visitors import Visitors, visit
from harness.wall_clock import WallClock

__all__ = ["BUILD", "DEADLINE", "ROOT", "Answer", "Connection", "Daemon", "FakeRedis", "Nginx", "Process", "Redis",
           "RedisStore", "Result", "SqliteStore", "Visitors", "WallClock", "answering", "fetch", "free_port", "free_ports",
           "make_certificates", "need_program", "parse_answers", "render_config", "run_ctl", "run_daemon", "talk", "visit",
           "wait_until"]
