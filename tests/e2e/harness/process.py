# SPDX-License-Identifier: MIT
"""A child process that writes its output to a file and never outlives the test."""

import os
import pathlib
import signal
import subprocess

import pytest

from harness.basics import DEADLINE, wait_until

#: Variables that must not leak from the environment of the test run into the processes.
FOREIGN = ("VISITCOUNTD_", "VISITCOUNTCTL_", "REDIS_", "NOTIFY_SOCKET", "WATCHDOG_", "LISTEN_", "CREDENTIALS_DIRECTORY", "JOURNAL_STREAM")


def clean_environment(extra=None):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    environment.update({name: str(value) for name, value in (extra or {}).items()})
    return environment


class Guard:
    """Ends a session with SIGKILL on end_session(), or when the test run ends in any way. It is for programs with children of their own, which
    setpriv does not reach."""

    def __init__(self, session):
        self.child = subprocess.Popen(["sh", "-c", 'read -r _; kill -s KILL -- "-$0"', str(session)],
                                      stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)

    def end_session(self):
        self.child.communicate()


class Process:
    """Runs `argv` as a child in a session of its own. Standard output and error go to DIRECTORY/NAME.log."""

    def __init__(self, name, argv, directory, *, environment=None, pass_fds=()):
        self.name = name
        self.log_path = pathlib.Path(directory) / f"{name}.log"
        self.was_killed = False
        self.is_paused = False
        with open(self.log_path, "ab") as log:
            self.child = subprocess.Popen(
                # setpriv: if the test run is killed, the child ends too; the pid stays the same
                ["setpriv", "--pdeathsig", "KILL", "--", *map(str, argv)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=clean_environment(environment),
                pass_fds=pass_fds, start_new_session=True)

    @property
    def pid(self):
        return self.child.pid

    @property
    def root(self):
        """The root directory of the process, which may differ from ours."""
        return pathlib.Path(f"/proc/{self.pid}/root")

    @property
    def returncode(self):
        """None while it runs; -9 after SIGKILL."""
        return self.child.poll()

    def is_running(self):
        return self.returncode is None

    def log(self):
        return self.log_path.read_text(errors="replace")

    def signal(self, number):
        self.child.send_signal(number)

    def wait(self, deadline=DEADLINE):
        """Waits until it ends by itself. Returns its exit status."""
        try:
            return self.child.wait(deadline)
        except subprocess.TimeoutExpired:
            return pytest.fail(f"{self.name} (pid {self.pid}) did not end within {deadline} s:\n{self.log()[-3000:]}")

    def pause(self):
        """Sends SIGSTOP. Returns when the process has stopped."""
        self.signal(signal.SIGSTOP)
        self.is_paused = True
        wait_until(lambda: self.state() in "Tt", f"{self.name} is stopped")

    def resume(self):
        self.signal(signal.SIGCONT)
        self.is_paused = False

    def state(self):
        """The letter of proc(5): R, S, T, Z …"""
        return pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(") ")[2][0]

    def cpu_us(self):
        """CPU time of its first thread (Documentation/scheduler/sched-stats.rst of Linux: schedstat's first number, in ns)."""
        return int(pathlib.Path(f"/proc/{self.pid}/task/{self.pid}/schedstat").read_text().split()[0]) // 1000

    def kill(self):
        """Sends SIGKILL, so that the process cannot clean up."""
        self.was_killed = True
        self.signal(signal.SIGKILL)
        return self.wait()

    def end(self):
        """Ends it if it runs, first with SIGTERM. Returns the exit status."""
        if self.is_running():
            if self.is_paused:
                self.resume()
            self.signal(signal.SIGTERM)
            try:
                self.child.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                os.killpg(self.pid, signal.SIGKILL)
                self.child.wait()
        return self.returncode
