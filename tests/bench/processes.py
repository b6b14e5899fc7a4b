# SPDX-License-Identifier: MIT
"""The measured processes: starts, watches, measures and ends them."""

import collections
import contextlib
import http.client
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

#: The directories of a target: its files on a disk, and its sockets under a short path.
Places = collections.namedtuple("Places", "disk run")

ROOT = pathlib.Path(__file__).resolve().parents[2]

sys.path.append(str(ROOT / "tests"))

from ports import free_port  # noqa: E402,F401

BUILD = ROOT / os.environ.get("BUILD", "build")
PATIENCE_S = 20
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    """A measurement that failed, with its reason in one line."""


#: Errors of one target that do not stop the measurement of the others.
TROUBLE = (Failed, OSError, subprocess.SubprocessError, ValueError, KeyError)


def address_text(address):
    """The address of a local port or of a unix socket, in the form of our options, nginx and gunicorn."""
    return f"127.0.0.1:{address}" if isinstance(address, int) else f"unix:{address}"


def http_get(address, path):
    """(status, body) from a local port or a unix socket. The status is 0 if there is no answer."""
    is_port = isinstance(address, int)
    connection = http.client.HTTPConnection("127.0.0.1", address if is_port else None, timeout=2)
    try:
        if not is_port:
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.settimeout(2)
            connection.sock.connect(str(address))
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode(errors="replace")
    except (OSError, http.client.HTTPException):
        return 0, ""
    finally:
        connection.close()


def read_of_all(pid, name):
    """A file of /proc/PID for a process and its descendants (proc(5)). Descendants that end meanwhile are left out, such as a child of Redis that has
    written its file."""
    directory = pathlib.Path(f"/proc/{pid}")
    texts = [(directory / name).read_text()]
    for task in (directory / "task").iterdir():
        for child in (task / "children").read_text().split():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                texts += read_of_all(int(child), name)
    return texts


class Process:
    """A program with its own log. It ends with `stack`."""

    def __init__(self, stack, places, arguments, environment=None, directory=None):
        self.name = pathlib.Path(arguments[0]).name
        self.log = places.disk / f"{self.name}.log"
        with open(self.log, "ab") as log:
            try:
                self.child = subprocess.Popen([str(word) for word in arguments], stdin=subprocess.DEVNULL,
                                              stdout=log, stderr=log, cwd=directory,
                                              env=dict(os.environ, **(environment or {})))
            except OSError as error:
                raise Failed(f"{arguments[0]}: {error.strerror}; was it installed, or built?") from error
        stack.callback(self.end)

    def wait_until(self, condition):
        end = time.monotonic() + PATIENCE_S
        while not condition():
            if self.child.poll() is not None:
                raise Failed(f"{self.name} ended with status {self.child.returncode}: {self.last_words()}")
            if time.monotonic() > end:
                raise Failed(f"{self.name} is not ready after {PATIENCE_S} s: {self.last_words()}")
            time.sleep(0.01)

    def last_words(self):
        lines = self.log.read_text(errors="replace").strip().split("\n")
        return lines[-1] or "it wrote nothing"

    def end(self):
        self.child.send_signal(signal.SIGTERM)
        try:
            self.child.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()

    def cpu_s(self):
        """utime + stime with all threads and descendants (proc(5))."""
        ticks = 0
        for stat in read_of_all(self.child.pid, "stat"):
            fields = stat.rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / TICKS_PER_S

    def memory_bytes(self):
        """Resident memory with all descendants. Shared pages are split among their processes."""
        kib = 0
        for rollup in read_of_all(self.child.pid, "smaps_rollup"):
            kib += int(rollup.partition("\nPss:")[2].split()[0])
        return kib * 1024


class Redis:
    """The Redis server of one target, on a unix socket, with an append-only file as in production."""

    def __init__(self, places):
        self.places = places
        self.socket = places.run / "redis.sock"

    def start(self, stack):
        directory = self.places.disk / "redis"
        directory.mkdir()
        self.process = Process(stack, self.places, [
            "redis-server", "--port", "0", "--unixsocket", self.socket, "--dir", directory,
            "--appendonly", "yes", "--appendfsync", "everysec", "--save", ""])
        self.process.wait_until(self.answers)
        return self.process

    def answers(self):
        try:
            return self.command("PING") == "PONG"
        except OSError:
            return False

    def command(self, *words):
        """The answer as text: a status, a number, or a string."""
        request = f"*{len(words)}\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(self.socket))
            client.sendall(request.encode())
            with client.makefile("rb") as answer:
                first = answer.readline().decode().strip()
                if not first.startswith("$"):
                    return first[1:]
                return answer.read(max(0, int(first[1:]))).decode()

    def number(self, key):
        return int(self.command("GET", key) or 0)

    def commands(self):
        """The number of commands since its start."""
        stats = self.command("INFO", "stats")
        return int(stats.partition("total_commands_processed:")[2].split()[0])

    def script_calls(self):
        """(calls, microseconds) of EVALSHA since its start."""
        stats = self.command("INFO", "commandstats")
        found = re.search(r"cmdstat_evalsha:calls=(\d+),usec=(\d+)", stats)
        return (int(found[1]), int(found[2])) if found else (0, 0)

    def round_trip_us(self):
        """The median round trip of a C client that sends one INCR at a time. Redis writes each one to its file."""
        output = subprocess.check_output(
            ["redis-benchmark", "-s", self.socket, "-c", "1", "-n", "5000", "-t", "incr", "--csv"], text=True)
        titles, figures = ([word.strip('"') for word in line.split(",")] for line in output.splitlines()[-2:])
        return float(dict(zip(titles, figures))["p50_latency_ms"]) * 1000
