# SPDX-License-Identifier: MIT
"""nginx with etc/nginx/visitcountd.conf. The test changes only the port and the list of instances."""

import os
import pathlib
import re
import signal
import socket

from harness.basics import ROOT, free_port, need_program, wait_until
from harness.process import Guard, Process

SITE = ROOT / "etc" / "nginx" / "visitcountd.conf"
LISTEN = "listen 5002;"


def name_of(address):
    """The name of an instance in nginx's list."""
    return "%s:%d" % address if isinstance(address, tuple) else f"unix:{address}"


class Nginx:
    def __init__(self, directory, instance_addresses, *, workers=2, environment=None):
        """`instance_addresses`: for each instance, ("127.0.0.1", port) or the path of its unix socket. The instances need not run yet."""
        self.directory = pathlib.Path(directory) / "nginx"
        (self.directory / "conf.d").mkdir(parents=True)
        self.address = ("127.0.0.1", free_port())
        self.workers = workers
        self.environment = environment
        self.instance_addresses = instance_addresses
        self.process = None
        self.guard = None

    def write_config(self):
        """Writes the files in Debian's layout: conf.d/*.conf is in the http context, the list is next to nginx.conf."""
        site = SITE.read_text()
        assert site.count(LISTEN) == 1
        (self.directory / "conf.d" / "visitcountd.conf").write_text(
            site.replace(LISTEN, "listen %s:%d;" % self.address))
        # the parameters of an instance in the repository's list
        example = (SITE.parent / "visitcountd-upstream.conf").read_text()
        parameters = re.search(r"^server \S+(.*);$", example, re.MULTILINE)[1]
        (self.directory / "visitcountd-upstream.conf").write_text(
            "".join(f"server {name_of(address)}{parameters};\n" for address in self.instance_addresses))
        places = "".join(f"{kind}_temp_path {kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        user = "user root;\n" if os.geteuid() == 0 else ""  # the user that may enter the directory
        (self.directory / "nginx.conf").write_text(
            f"{user}worker_processes {self.workers};\npid nginx.pid;\nerror_log stderr notice;\ndaemon off;\n"
            f"events {{ worker_connections 2048; }}\nhttp {{\n{places}include conf.d/*.conf;\n}}\n")

    def start(self):
        self.end_workers()
        self.write_config()
        nginx = need_program("nginx", "nginx-light")
        self.process = Process("nginx", [nginx, "-e", "stderr", "-p", self.directory, "-c", self.directory / "nginx.conf"],
                               self.directory, environment=self.environment)
        self.guard = Guard(self.process.pid)
        wait_until(self.listens, lambda: f"nginx listens:\n{self.process.log()}")
        return self

    def listens(self):
        assert self.process.is_running(), self.process.log()
        with socket.socket() as probe:
            return probe.connect_ex(self.address) == 0

    def reload(self):
        """Applies a changed list of instances."""
        self.write_config()
        self.process.signal(signal.SIGHUP)

    def end_workers(self):
        """Ends the workers of a master that was killed."""
        if self.guard is not None:
            self.guard.end_session()

    def finish(self):
        if self.process is not None:
            self.process.end()
        self.end_workers()
