# SPDX-License-Identifier: MIT
"""Redis: a real one, and a fake one whose answers the test decides."""

import pathlib
import signal
import socketserver
import subprocess
import threading

import redis as client_library

from harness.basics import need_program, wait_until
from harness.process import Process


class Redis:
    """redis-server on a unix socket, and on `port` unless that is 0. The directory has its data.

    `config` has lines of redis.conf by name; a list repeats the line. With `aof`, each answered write is on the disk (appendfsync always). Without
    it, Redis keeps nothing unless the config has save points.
    """

    def __init__(self, directory, *, name="redis", port=0, aof=False, password=None, config=None,
                 environment=None):
        self.directory = pathlib.Path(directory) / name
        self.directory.mkdir()
        self.name = name
        self.port = port
        self.password = password
        self.environment = environment
        self.socket = self.directory / "redis.sock"
        self.config = {
            "port": port, "bind": "127.0.0.1", "unixsocket": self.socket, "unixsocketperm": 700, "dir": self.directory,
            "save": '""', "daemonize": "no", "appendonly": "yes" if aof else "no", "appendfsync": "always",
            "aof-use-rdb-preamble": "yes", "enable-debug-command": "yes", **(config or {}),
        }
        if password:
            self.config["requirepass"] = password
        self.process = None

    def mend(self):
        """Cuts an append-only file that ends inside a transaction before that transaction, as packaging/stack and the pods do before each start.
        Otherwise Redis would keep half of the transaction, and apply that at the start after the next one."""
        for manifest in self.directory.glob("appendonlydir/*.manifest"):
            done = subprocess.run([need_program("redis-check-aof", "redis-tools"), "--fix", manifest], input="y\n",
                                  capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr

    def start(self, *, is_ready=True):
        self.mend()
        path = self.directory / "redis.conf"
        lines = [(name, value) for name, values in self.config.items()
                 for value in (values if isinstance(values, list) else [values])]
        path.write_text("".join(f"{name} {value}\n" for name, value in lines))
        self.process = Process(self.name, [need_program("redis-server", "redis-server"), path], self.directory,
                               environment=self.environment)
        if is_ready:
            wait_until(self.answers, lambda: f"{self.name} answers:\n{self.process.log()[-2000:]}")
        return self

    def answers(self):
        assert self.process.is_running(), self.process.log()[-2000:]
        try:
            return self.client().ping()
        except (client_library.ConnectionError, client_library.BusyLoadingError):
            return False

    def client(self, **arguments):
        """A connection for the test itself."""
        arguments.setdefault("password", self.password)
        arguments.setdefault("decode_responses", True)
        return client_library.Redis(unix_socket_path=str(self.socket), **arguments)

    def stop(self):
        """Sends SIGTERM. Redis saves its data if it is configured to."""
        self.process.signal(signal.SIGTERM)
        self.process.wait()

    def kill(self):
        self.process.kill()

    def pause(self):
        self.process.pause()

    def resume(self):
        self.process.resume()

    def finish(self):
        if self.process is not None:
            if self.process.is_paused:
                self.process.resume()
            if self.process.is_running():
                self.process.kill()


class FakeRedis:
    """Listens on a unix socket and answers each command with the bytes of `answer(words)`. None means no answer to this command and all later ones on
    the connection, because answers have the order of the commands."""

    def __init__(self, path, answer):
        self.path = str(path)
        self.commands = []
        fake = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                is_silent = False
                while True:
                    words = read_command(self.rfile)
                    if words is None:
                        return
                    fake.commands.append(words)
                    reply = answer(words)
                    is_silent = is_silent or reply is None
                    if not is_silent:
                        self.wfile.write(reply)

        class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True

        self.server = Server(self.path, Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def finish(self):
        self.server.shutdown()
        self.server.server_close()


def read_command(stream):
    """The words of one command in RESP, or None at the end."""
    try:
        line = stream.readline()
        if not line:
            return None
        assert line[:1] == b"*", line
        words = []
        for _ in range(int(line[1:])):
            length = int(stream.readline()[1:])
            words.append(stream.read(length + 2)[:-2].decode())
        return words
    except ConnectionError:
        return None


def make_certificates(directory, names="DNS:localhost,IP:127.0.0.1"):
    """A CA and a server's certificate signed by it, for `names`; {"ca": …, "cert": …, "key": …}."""
    openssl = need_program("openssl", "openssl")
    directory = pathlib.Path(directory)
    directory.mkdir(exist_ok=True)
    paths = {"ca": directory / "ca.pem", "cert": directory / "server.pem", "key": directory / "server.key"}
    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    extensions = directory / "extensions"
    extensions.write_text(f"subjectAltName={names}\n")

    def run(*arguments):
        subprocess.run([openssl, *map(str, arguments)], check=True, capture_output=True)

    run("req", "-x509", *new_key, "-subj", "/CN=test CA", "-days", 2, "-keyout", directory / "ca.key", "-out", paths["ca"])
    run("req", *new_key, "-subj", "/CN=test server", "-keyout", paths["key"], "-out", directory / "server.csr")
    run("x509", "-req", "-in", directory / "server.csr", "-CA", paths["ca"], "-CAkey", directory / "ca.key",
        "-CAcreateserial", "-days", 2, "-extfile", extensions, "-out", paths["cert"])
    return paths
