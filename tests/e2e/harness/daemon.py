# SPDX-License-Identifier: MIT
"""visitcountd and visitcountctl."""

import dataclasses
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

from harness.basics import BUILD, DEADLINE, ROOT, free_port, need_program, wait_until
from harness.client import fetch
from harness.process import Process, clean_environment

#: Messages of sanitizers, valgrind and the daemon itself about a defect.
DEFECT = re.compile(r"ERROR: \w+Sanitizer|runtime error:|this is a bug|Assertion .* failed|ERROR SUMMARY: [1-9]|"
                    r"(?:definitely|indirectly|possibly) lost: [1-9]|"
                    r"==\d+== (?:Conditional jump|Use of uninitialised|Syscall param|Invalid (?:read|write|free)|Mismatched free|"
                    r"Source and destination overlap|Process terminating with default action of signal (?!9 ))")

#: With VALGRIND=1 every daemon runs under valgrind, which reports memory that is read before it is written.
#: The build must not fill such memory with zeros: make INITIALIZE= (tests/run has the suite "valgrind").
VALGRIND = os.environ.get("VALGRIND") == "1"


def valgrind_wrapper():
    if not VALGRIND:
        return []
    return [need_program("valgrind", "valgrind"), "--quiet", "--error-exitcode=99", f"--suppressions={ROOT}/tests/valgrind.supp"]


def check_for_defects(name, text):
    found = DEFECT.search(text)
    if found:
        pytest.fail(f"{name}: {found[0]}\n{text[max(0, found.start() - 2000):found.start() + 6000]}")


@dataclasses.dataclass
class Result:
    """The result of a program that ended by itself."""

    status: int
    output: str
    errors: str

    def json(self):
        return json.loads(self.output)


def run_program(argv, environment=None, deadline=DEADLINE):
    done = subprocess.run([str(word) for word in argv], env=clean_environment(environment), timeout=deadline,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    check_for_defects(pathlib.Path(argv[0]).name, done.stderr)
    return Result(done.returncode, done.stdout, done.stderr)


def run_daemon(*arguments, environment=None):
    """Runs visitcountd with arguments that make it end by itself."""
    return run_program([BUILD / "visitcountd", *arguments], environment)


def run_ctl(*arguments, environment=None):
    return run_program([BUILD / "visitcountctl", *arguments], environment)


def render_value(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, dict):
        return "{ %s }" % "".join(f"{name} = {render_value(member)}; " for name, member in value.items())
    if isinstance(value, (list, tuple)):
        first, last = "()" if any(isinstance(item, dict) for item in value) else "[]"
        return first + ", ".join(map(render_value, value)) + last
    return json.dumps(str(value))


def render_config(settings):
    """{"redis.port": 6379, "sites": ["a"]} as the text of a config file."""
    groups = {}
    for path, value in settings.items():
        group, _, name = path.rpartition(".")
        groups.setdefault(group, []).append(f"{name} = {render_value(value)};\n")
    return "".join(groups.pop("", [])) + "".join(
        f"{group}: {{\n{''.join('    ' + line for line in lines)}}};\n" for group, lines in groups.items())


class NotifySocket:
    """The socket for the daemon's messages to its service manager (sd_notify(3)).

    A thread reads the messages, as systemd does: a sender blocks while ten messages wait.
    """

    def __init__(self, path):
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.lines = []
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while data := self.socket.recv(4096):
            self.lines += data.decode().splitlines()

    def close(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"", str(self.path))
        self.thread.join()
        self.socket.close()
        self.path.unlink()


class Daemon:
    """visitcountd with a config file of its own, on a port that the kernel chose; start() it.

    `settings` are options by path. write_config() writes `self.settings` to DIRECTORY/NAME.conf. The same object can be started again after its
    end.
    """

    def __init__(self, directory, settings=None, *, name="default", environment=None, arguments=(), wrapper=(),
                 pass_fds=()):
        self.directory = pathlib.Path(directory)
        self.name = name
        self.environment = environment or {}
        self.arguments = list(arguments)
        self.wrapper = list(wrapper)
        self.pass_fds = pass_fds
        self.config_path = self.directory / f"{name}.conf"
        self.admin_socket = self.directory / "run" / name / "admin.sock"
        self.settings = {
            "instance": name,
            "http.listen": ["127.0.0.1:0"],
            "admin.socket": f"{self.directory}/run/%i/admin.sock",
            "sqlite.path": f"{self.directory}/visits.db",
            **(settings or {}),
        }
        self.process = None
        self.notify = None
        self.address = None  # address of the first listener for visitors
        self.log_start = 0

    def write_config(self, **changes):
        """write_config(log_level="debug") changes log.level; the first "_" stands for the dot."""
        for name, value in changes.items():
            self.settings[name.replace("_", ".", 1)] = value
        self.config_path.write_text(render_config(self.settings))

    def start(self, *, is_ready=True):
        """Starts it. If `is_ready` is set, waits for READY=1 and for its addresses."""
        assert self.process is None or not self.process.is_running()
        self.write_config()
        self.close_notify()
        self.notify = NotifySocket(self.directory / f"{self.name}.notify")
        self.process = Process(f"visitcountd-{self.name}",
                               [*self.wrapper, *valgrind_wrapper(), BUILD / "visitcountd", "--config", self.config_path, *self.arguments],
                               self.directory, environment={"NOTIFY_SOCKET": self.notify.path, **self.environment},
                               pass_fds=self.pass_fds)
        if is_ready:
            self.wait_for_notification("READY=1")
            self.find_address()
        return self

    def start_in_vain(self):
        """Starts it with an error that only an operator can fix, so that it has to end by itself."""
        self.start(is_ready=False)
        assert self.process.wait() == 78, self.log()[-3000:]
        self.process.was_killed = True  # this end is expected

    def wait_for_notification(self, line, count=1):
        """Waits until the daemon has sent `line` this often since its start."""
        wait_until(lambda: self.notify.lines.count(line) >= count or not self.process.is_running(),
                   lambda: f"{self.name} says {line}; it said {self.notify.lines}\n{self.log()[-3000:]}")
        if self.notify.lines.count(line) < count:
            pytest.fail(f"visitcountd ended with {self.process.returncode} before {line}:\n{self.log()[-3000:]}")

    def find_address(self):
        if self.settings["admin.socket"]:
            self.address = self.addresses("visitors")[0]
        else:
            host, _, port = self.settings["http.listen"][0].rpartition(":")
            self.address = (host, int(port))

    def addresses(self, kind):
        """The addresses of the listeners of a kind: visitors, admin, metrics."""
        found = []
        for listener in self.status()["listeners"]:
            host, _, port = listener["address"].rpartition(":")
            if listener["kind"] == kind:
                found.append(port if host == "unix" else (host.strip("[]"), int(port)))
        return found

    def keep_port(self):
        """Restarts it on a reserved port, which further starts use too. Another program could use a port that the kernel chose by the next start."""
        self.stop()
        self.settings["http.listen"] = [f"127.0.0.1:{free_port()}"]
        return self.start()

    def set_patience(self, max_wait):
        """Changes count.max_wait while it runs."""
        self.write_config(count_max_wait=max_wait)
        done = self.ctl("reload")
        assert done.status == 0, done

    # --- asking it ---

    def fetch(self, target="/count", method="GET", **arguments):
        return fetch(self.address, target, method, **arguments)

    def count(self):
        """One visit of the default page; its number."""
        return self.fetch("/count").number

    def admin(self, target, method="GET", **arguments):
        return fetch(self.admin_socket, target, method, **arguments)

    def status(self):
        return self.admin("/status?format=json").json()

    def ctl(self, *arguments):
        return run_ctl("--socket", self.admin_socket, *arguments)

    def log(self):
        """What it wrote since its last start() and before."""
        return self.process.log() if self.process else ""

    def log_since(self, mark):
        """What it wrote after len(self.log()) was `mark`."""
        return self.log()[mark:]

    def wait_for_log(self, pattern, since=0):
        """Waits until a line matches. Returns the match."""
        return wait_until(lambda: re.search(pattern, self.log_since(since)),
                          lambda: f"{pattern!r} in the log of {self.name}:\n{self.log()[-3000:]}")

    def wait_for_store(self, available=True):
        wait_until(lambda: self.status()["store"]["available"] == available,
                   lambda: f"store available: {available}; {self.status()['store']}\n{self.log()[-3000:]}")
        if available:
            self.wait_for_salt()
        return self

    def wait_for_salt(self):
        """Waits until it has the salt, but at most a second, because a store may refuse the salt."""
        end = time.monotonic() + 1
        while not self.status()["visitors"]["told_apart"] and time.monotonic() < end:
            time.sleep(0.005)

    # --- ending it ---

    def signal(self, number):
        self.process.signal(number)

    def stop(self, deadline=DEADLINE):
        """Sends SIGTERM. The daemon has to end by itself with status 0."""
        self.signal(signal.SIGTERM)
        status = self.process.wait(deadline)
        assert status == 0, f"exit status {status}\n{self.log()[-3000:]}"

    def kill(self):
        self.process.kill()

    def close_notify(self):
        if self.notify is not None:
            self.notify.close()
            self.notify = None

    def finish(self):
        """Ends it after the test if it runs. Fails if it crashed or reported a defect."""
        if self.process is None:
            return
        was_running = self.process.is_running()
        status = self.process.end()
        self.close_notify()
        check_for_defects(f"visitcountd {self.name}", self.log())
        if status != 0 and not self.process.was_killed:
            pytest.fail(f"visitcountd {self.name} ended with {status} ({'after SIGTERM' if was_running else 'by itself'})"
                        f":\n{self.log()[-3000:]}")
