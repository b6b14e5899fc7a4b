# SPDX-License-Identifier: MIT
"""targets: what is measured. One class per kind of server; TARGETS has one row per target.

A target is started once, with start(stack), and answers requests at `url` until `stack`, a
contextlib.ExitStack, ends its processes. `processes` are the pids whose CPU time is the price of a
request, by name; their descendants count as well. A peer joins by adding a class with these, and a
row.

Each target has two directories of its own: one on the disk for what it keeps, and a short one for
sockets, whose paths must not be long.
"""

import collections
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

# where a target keeps its files, and where its sockets are
Places = collections.namedtuple("Places", "disk run")

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("BUILD", "build")
PATIENCE_S = 20


class Failed(Exception):
    """A server that did not come up."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition, process, what):
    """Waits for condition(), as long as the process lives."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        if process.poll() is not None:
            raise Failed(f"{what} ended with status {process.returncode}")
        if time.monotonic() > end:
            raise Failed(f"{what} is not ready after {PATIENCE_S} s")
        time.sleep(0.01)


def stop_process(process):
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def start_process(stack, arguments):
    try:
        process = subprocess.Popen(arguments)
    except OSError as error:
        raise Failed(f"{arguments[0]}: {error.strerror}; was it built?") from error
    stack.callback(stop_process, process)
    return process


class Redis:
    """A Redis server of the benchmark's own, on a unix socket, with the AOF of a real one."""

    def __init__(self, places):
        self.directory = places.disk / "redis"
        self.socket = places.run / "redis.sock"

    def start(self, stack):
        self.directory.mkdir()
        self.process = start_process(stack, [
            "redis-server", "--port", "0", "--unixsocket", self.socket, "--dir", self.directory,
            "--appendonly", "yes", "--appendfsync", "everysec", "--save", "",
            "--logfile", self.directory / "log"])
        wait_until(self.answers, self.process, "redis-server")

    def answers(self):
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(self.socket))
                client.sendall(b"PING\r\n")
                return client.recv(16).startswith(b"+PONG")
        except OSError:
            return False


class Visitcountd:
    """Our daemon, asked for one path; with a store of its own, "redis" or "sqlite"."""

    def __init__(self, places, path, backend):
        self.places = places
        self.path = path
        self.backend = backend

    def start(self, stack):
        self.processes = {}
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}{self.path}"
        settings = {"http.listen": f"127.0.0.1:{self.port}", "log.level": "warning",
                    "admin.socket": self.places.run / "admin", "store.backend": self.backend,
                    "sqlite.path": self.places.disk / "visits.db"}
        if self.backend == "redis":
            redis = Redis(self.places)
            redis.start(stack)
            self.processes["redis"] = redis.process.pid
            settings["redis.socket"] = redis.socket
        arguments = [BUILD / "visitcountd", "--config", "/dev/null"]
        for option, value in settings.items():
            arguments += ["--set", f"{option}={value}"]
        process = start_process(stack, arguments)
        wait_until(self.is_ready, process, "visitcountd")
        self.processes["visitcountd"] = process.pid

    def is_ready(self):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=1)
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except OSError:
            return False

    def counters(self):
        """(visits counted, commands sent to the store) since the start; None where none counts."""
        if self.path != "/count":
            return None
        status = json.loads(subprocess.check_output(
            [BUILD / "visitcountctl", "--socket", self.places.run / "admin", "status", "--json"]))
        return status["visits"]["applied"], status["store"]["commands"]


# The first one is what the others are compared with.
TARGETS = [
    ("constant", lambda places: Visitcountd(places, "/livez", "sqlite")),
    ("count on Redis", lambda places: Visitcountd(places, "/count", "redis")),
    ("count on SQLite", lambda places: Visitcountd(places, "/count", "sqlite")),
]


def versions():
    """What was measured, and with what, by name."""
    found = {}
    for line in subprocess.check_output([BUILD / "visitcountd", "--version"], text=True).split("\n"):
        if line.strip():
            name, version = line.split()
            found[name] = version
    redis = subprocess.check_output(["redis-server", "--version"], text=True)
    found["redis-server"] = redis.split("v=")[1].split()[0]
    wrk = subprocess.run(["wrk", "--version"], text=True, capture_output=True, check=False).stdout
    found["wrk"] = wrk.split()[1].removeprefix("debian/") if wrk else "?"
    found["Linux"] = os.uname().release
    return found


def missing_programs():
    return [name for name in ("redis-server", "wrk") if shutil.which(name) is None]
