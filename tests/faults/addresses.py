# SPDX-License-Identifier: MIT
"""A name with several addresses, one of them the master's. Only the process that wrapper() runs knows the name."""

import contextlib
import os
import socket

from harness import free_port, need_program

from proxy import Proxy

NAME = "store.test"

SCRIPT = 'mount --bind "$1" /etc/hosts; shift; exec "$@"'


class Drop:
    """An address where packets are dropped: its queue of connections is full, and no connection is accepted."""

    def __init__(self, address):
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(address)
        self.listener.listen(0)
        self.fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filler.connect(address)
            self.fillers.append(filler)

    def finish(self):
        for filler in self.fillers:
            filler.close()
        self.listener.close()


class Addresses:
    """`count` addresses with a proxy each. States are "master", "replica", "refuses", "hangs" (no answers), "drops" (no connections)."""

    def __init__(self, directory, servers, count, *, seed):
        self.servers = servers
        self.port = free_port()
        self.hosts = directory / "hosts"
        addresses = [f"127.0.0.{10 + index}" for index in range(count)]
        self.hosts.write_text("".join(f"{address} {name}\n" for address, name in
                                      [("127.0.0.1", "localhost"), *((address, NAME) for address in addresses)]))
        self.proxies = [Proxy(servers.master.socket, address=(address, self.port), seed=seed + index)
                        for index, address in enumerate(addresses)]
        self.drops = {}
        self.states = ["master"] + ["refuses"] * (count - 1)

    @property
    def settings(self):
        return {"store.backend": "redis", "redis.host": NAME, "redis.port": self.port}

    @staticmethod
    def wrapper(hosts):
        """The command before a program that gets its own view of /etc/hosts. Without root this needs a user namespace."""
        flags = "-m" if os.getuid() == 0 else "-rm"
        return [need_program("unshare", "util-linux"), flags, "sh", "-c", SCRIPT, "sh", hosts]

    @property
    def good(self):
        """The proxy that leads to the master."""
        return self.proxies[self.states.index("master")]

    def start(self):
        for proxy in self.proxies:
            proxy.start()
        self.set(self.states)

    def finish(self):
        for drop in self.drops.values():
            drop.finish()
        for proxy in self.proxies:
            proxy.finish()

    def set(self, states):
        """Sets the states of all addresses and ends all connections."""
        self.states = list(states)
        for proxy in self.proxies:
            proxy.refuse("close")
            proxy.cut()
            if proxy in self.drops:
                self.drops.pop(proxy).finish()
        for proxy, state in zip(self.proxies, states):
            if state == "drops":
                self.drops[proxy] = Drop(proxy.address)
            elif state != "refuses":
                proxy.clear()
        self.lead()

    def lead(self):
        """New connections go to the present master and replica."""
        for proxy, state in zip(self.proxies, self.states):
            if state == "hangs":
                proxy.set("both", hole=True)
            proxy.switch((self.servers.replica if state == "replica" else self.servers.master).socket)
