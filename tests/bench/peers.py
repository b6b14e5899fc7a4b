# SPDX-License-Identifier: MIT
"""Other counters: the same page with one INCR in Redis, each in its usual way.

Each has a Redis of its own on a unix socket, keeps its connections on both sides, and runs with production settings. Code and configuration are in
peers/.
"""

import os
import pathlib
import shutil
import subprocess

import nginx
from processes import ROOT, Failed, Process, Redis, address_text, free_port, http_get

HERE = pathlib.Path(__file__).resolve().parent / "peers"
#: The directory of built and installed programs of peers. It stays between runs, outside the repository.
CACHE = ROOT / "var" / "bench-peers"


class Peer:
    """A server on `port` that counts in a Redis of its own, under the key "visits"."""

    is_ours = False
    load = ()
    client_threads = 1

    def __init__(self, places):
        self.places = places

    def start(self, stack):
        self.redis = Redis(self.places)
        self.processes = {"redis": [self.redis.start(stack)]}
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}{self.path()}"
        self.start_server(stack)
        number = self.redis.number("visits")
        status, body = http_get(self.port, self.path())
        if status != 200 or str(number + 1) not in body:
            raise Failed(f"expected the number {number + 1}, got {status} {body!r}")

    def path(self):
        return "/count"

    def environment(self):
        return {"REDIS_SOCKET": str(self.redis.socket), "PORT": str(self.port)}

    def run_server(self, stack, arguments, **options):
        process = Process(stack, self.places, arguments, environment=self.environment(), **options)
        self.processes["server"] = [process]
        process.wait_until(lambda: http_get(self.port, self.path())[0] == 200)

    def counters(self):
        return self.redis.number("visits"), self.redis.commands()


def start_flask(stack, places, address, workers, environment):
    """gunicorn with threads, because its default does not keep connections alive."""
    process = Process(stack, places, [
        "/usr/bin/gunicorn", "--workers", workers, "--worker-class", "gthread", "--threads", 4,
        "--worker-connections", 2048, "--keep-alive", 60, "--bind", address_text(address), "app:app"],
        environment=environment, directory=HERE / "flask")
    process.wait_until(lambda: http_get(address, "/count")[0] == 200)
    return process


class Flask(Peer):
    def start_server(self, stack):
        self.processes["server"] = [start_flask(stack, self.places, self.port, 3, self.environment())]


class Webdis(Peer):
    """Redis over HTTP: the command is the path."""

    def path(self):
        return "/INCR/visits.txt"

    def start_server(self, stack):
        text = (HERE / "webdis" / "webdis.json").read_text()
        for name, value in self.environment().items():
            text = text.replace(f"@{name}@", value)
        config = self.places.disk / "webdis.json"
        config.write_text(text.replace("@LOG@", str(self.places.disk / "webdis.log")))
        self.run_server(stack, ["webdis", config])


class NginxLua(Peer):
    def start_server(self, stack):
        text = (HERE / "nginx" / "count.conf").read_text()
        for name, value in self.environment().items():
            text = text.replace(f"@{name}@", value)
        self.processes["server"] = [nginx.start(stack, self.places, text, self.port, (
            "ndk_http_module.so", "ngx_http_lua_module.so"))]


def build(arguments, directory, **environment):
    """Runs a build tool. Shows its output only if it fails."""
    done = subprocess.run(arguments, cwd=directory, env=dict(os.environ, **environment), text=True,
                          capture_output=True, check=False)
    if done.returncode != 0:
        lines = (done.stderr + done.stdout).strip().split("\n")
        raise Failed(f"{' '.join(map(str, arguments))}: {lines[-1]}")


class Node(Peer):
    def start_server(self, stack):
        directory = CACHE / "node"
        directory.mkdir(parents=True, exist_ok=True)
        for program in ("node", "npm"):
            if shutil.which(program) is None:
                raise Failed(f"{program} is not installed")
        wanted, installed = HERE / "node" / "package-lock.json", directory / "installed-lock.json"
        for name in ("package.json", "package-lock.json", "server.js"):
            shutil.copy(HERE / "node" / name, directory)
        if not installed.exists() or installed.read_text() != wanted.read_text():
            build(["npm", "ci", "--no-audit", "--no-fund"], directory)
            shutil.copy(wanted, installed)
        self.run_server(stack, ["node", "server.js"], directory=directory)

    def environment(self):
        return super().environment() | {"NODE_ENV": "production"}


class Go(Peer):
    def start_server(self, stack):
        CACHE.mkdir(parents=True, exist_ok=True)
        program = CACHE / "go-count"
        if shutil.which("go") is None:
            raise Failed("go is not installed")
        # Debian's packages of libraries are below /usr/share/gocode, without modules.
        build(["go", "build", "-o", program, "main.go"], HERE / "go", GO111MODULE="off",
              GOPATH="/usr/share/gocode", GOCACHE=str(CACHE / "go-cache"))
        self.run_server(stack, [program])
