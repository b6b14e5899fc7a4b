# SPDX-License-Identifier: MIT
"""The measured targets: visitcountd in several configurations, its peers, and whole systems behind nginx.

A target has `url`, `load` (arguments of load.lua), `client_threads` (threads of wrk), `processes` (role -> processes; those of measure.ROLES are
its cost), and counters(), which returns (visits counted, commands sent to the store). The checks of our own targets are stricter.
"""

import json
import subprocess

import nginx
import peers
from processes import BUILD, Failed, Process, Redis, address_text, free_port, http_get


#: longer than the time in which a lone client and Redis respond
BUSY_POLL_US = 100


class Visitcountd:
    """Our daemon with a store of its own: "redis", "sqlite", or "journal", with a store that is away."""

    is_ours = True
    client_threads = 1

    def __init__(self, places, path="/count", store="redis", load=(), settings=None):
        self.places = places
        self.path = path
        self.store = store
        self.load = load
        self.settings = settings or {}

    def start(self, stack):
        self.processes = {}
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}{self.path}"
        settings = {"log.level": "warning", "admin.socket": self.places.run / "admin", "store.backend": "redis"}
        if self.store == "redis":
            self.redis = Redis(self.places)
            self.processes["redis"] = [self.redis.start(stack)]
            settings["redis.socket"] = self.redis.socket
        elif self.store == "sqlite":
            settings |= {"store.backend": "sqlite", "sqlite.path": self.places.disk / "visits.db"}
        else:
            settings |= {"redis.socket": self.places.run / "nowhere", "journal.max_size": "8GiB",
                         "journal.directory": self.places.disk / "journal"}
        self.processes["server"] = [start_daemon(stack, self.places, self.port, settings | self.settings)]

    def status(self):
        return read_status(self.places.run / "admin")

    def counters(self):
        """The counters; None if the path counts no visits."""
        if self.path == "/livez":
            return None
        status = self.status()
        return status["visits"]["applied"] + status["visits"]["journaled"], status["store"]["commands"]


def read_status(admin_socket):
    """The status of an instance."""
    try:
        return json.loads(subprocess.check_output(
            [BUILD / "visitcountctl", "--socket", admin_socket, "status", "--json"]))
    except (OSError, subprocess.CalledProcessError) as error:
        raise Failed(f"visitcountctl status: {error}") from error


def start_daemon(stack, places, address, settings):
    """Starts visitcountd on `address` with only these settings, and waits until it is ready."""
    arguments = [BUILD / "visitcountd", "--config", "/dev/null", "--set", f"http.listen={address_text(address)}"]
    for option, value in settings.items():
        arguments += ["--set", f"{option}={value}"]
    process = Process(stack, places, arguments)
    process.wait_until(lambda: http_get(address, "/readyz")[0] == 200)
    return process


class System:
    """Redis, instances of visitcountd, and nginx with etc/nginx/visitcountd.conf, which reaches them over unix sockets."""

    is_ours = True
    has_tokens = True
    stands_by = False  # whether all instances but the first one stand by
    load = ()
    client_threads = 1

    def __init__(self, places, instances=3):
        self.places = places
        self.instances = instances

    def start(self, stack):
        self.redis = Redis(self.places)
        self.processes = {"redis": [self.redis.start(stack)], "server": []}
        self.open(stack, [self.start_instance(stack, number) for number in range(self.instances)])

    def open(self, stack, addresses):
        """Starts nginx for the client."""
        port = free_port()
        self.processes["proxy"] = [nginx.start_front(stack, self.places, port, addresses, self.has_tokens, self.stands_by)]
        self.url = f"http://127.0.0.1:{port}/count"

    def address(self, number):
        return self.places.run / f"http{number}"

    def start_instance(self, stack, number):
        address = self.address(number)
        self.processes["server"].append(start_daemon(stack, self.places, address, {
            "instance": number, "log.level": "warning", "admin.socket": self.places.run / f"admin{number}",
            "store.backend": "redis", "redis.socket": self.redis.socket}))
        return address

    def counters(self):
        statuses = [read_status(self.places.run / f"admin{number}") for number in range(self.instances)]
        return (sum(status["visits"]["applied"] for status in statuses),
                sum(status["store"]["commands"] for status in statuses))


class SystemWithoutTokens(System):
    """The same with an nginx that sends no X-Request-Id."""

    has_tokens = False


class SystemStandingBy(System):
    """The same, but one instance serves and the others stand by."""

    stands_by = True


class SystemOverTcp(System):
    """The same, but nginx reaches the instances over TCP, as on other machines."""

    def address(self, number):
        return free_port()


class Instances(SystemOverTcp):
    """The same without nginx: each thread of the client uses an instance of its own."""

    def open(self, _stack, ports):
        self.url = f"http://127.0.0.1:{ports[0]}/count"
        self.load = ("instances", *(str(port) for port in ports))
        self.client_threads = self.instances


class ToySystem(peers.Peer):
    """The same with Flask replicas instead of instances: three with one worker each, on unix sockets too."""

    REPLICAS = 3

    def start_server(self, stack):
        addresses = [self.places.run / f"http{number}" for number in range(self.REPLICAS)]
        self.processes["server"] = [peers.start_flask(stack, self.places, address, 1, self.environment())
                                    for address in addresses]
        self.processes["proxy"] = [nginx.start_front(stack, self.places, self.port, addresses)]


#: The others are compared with the first one.
DIRECT = {
    "constant": lambda places: Visitcountd(places, "/livez", "sqlite"),
    "count on Redis": Visitcountd,
    "busy polling": lambda places: Visitcountd(places, settings={"count.busy_poll_us": BUSY_POLL_US}),
    "with tokens": lambda places: Visitcountd(places, load=("tokens",)),
    "tokens not used": lambda places: Visitcountd(places, load=("tokens",), settings={"trusted_proxies": "192.0.2.1"}),
    "hit with visitors": lambda places: Visitcountd(places, "/v1/hit/default/page", load=("visitors",)),
    "count on SQLite": lambda places: Visitcountd(places, store="sqlite"),
    "journal only": lambda places: Visitcountd(places, store="journal"),
    "Go": peers.Go,
    "webdis": peers.Webdis,
    "nginx + Lua": peers.NginxLua,
    "Node": peers.Node,
    "Flask": peers.Flask,
}

SYSTEMS = {
    "nginx + 3 visitcountd": System,
    "nginx + 3 visitcountd without tokens": SystemWithoutTokens,
    "nginx + 1 visitcountd + 2 standing by": SystemStandingBy,
    "nginx + 3 visitcountd on TCP": SystemOverTcp,
    "nginx + 3 Flask": ToySystem,
}
