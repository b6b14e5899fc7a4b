# SPDX-License-Identifier: MIT
"""The nginx of a target: in front of instances, or as a peer that counts in Lua."""

import os
import pathlib
import re
import shutil

from processes import ROOT, Failed, Process, address_text, http_get

CONF = ROOT / "etc" / "nginx" / "visitcountd.conf"
UPSTREAM = ROOT / "etc" / "nginx" / "visitcountd-upstream.conf"
CONF_LISTEN = "listen 5002;"
CONF_TOKEN = "proxy_set_header X-Request-Id $msec-$request_id;"
MODULES = pathlib.Path("/usr/lib/nginx/modules")

# Two workers, as many as the machine of the published figures has cores.
MAIN = """
{user}
worker_processes 2;
worker_rlimit_nofile 16384;
daemon off;
pid {directory}/pid;
error_log stderr;
events {{ worker_connections 8192; }}
http {{
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    include {site};
}}
"""


def program():
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/sbin")
    if found is None:
        raise Failed("nginx is not installed")
    return found


def start(stack, places, site, port, modules=()):
    """nginx with the text `site` within http {}; ready when /count answers."""
    directory = places.disk / "nginx"
    directory.mkdir()
    (directory / "site.conf").write_text(site)
    loads = "".join(f"load_module {MODULES / module};\n" for module in modules)
    main = directory / "nginx.conf"
    # As root it would run its workers as a user that cannot reach the sockets.
    user = "user root;" if os.geteuid() == 0 else ""
    main.write_text(loads + MAIN.format(user=user, directory=directory, site=directory / "site.conf"))
    process = Process(stack, places, [program(), "-p", directory, "-e", "stderr", "-c", main])
    process.wait_until(lambda: http_get(port, "/count")[0] == 200)
    return process


def parameters_of(count, stands_by):
    """The parameters of each instance in the shipped list of instances. The list has two variants; in the second one, one instance serves and the
    others stand by."""
    start = "#server" if stands_by else "server"
    found = re.findall(rf"^{start} \S+ (.*);$", UPSTREAM.read_text(), re.MULTILINE)
    if not found:
        raise Failed(f"{UPSTREAM} has no line \"{start} ...;\"")
    return found[:1] + found[-1:] * (count - 1)


def start_front(stack, places, port, addresses, has_tokens=True, stands_by=False):
    """Starts nginx with the shipped configuration in front of the servers on `addresses`."""
    text = CONF.read_text()
    for line in (CONF_LISTEN, CONF_TOKEN):
        if text.count(line) != 1:
            raise Failed(f"{CONF} has no single line \"{line}\"")
    upstream = places.disk / "upstream.conf"
    parameters = parameters_of(len(addresses), stands_by)
    upstream.write_text("".join(f"server {address_text(address)} {said};\n" for address, said in zip(addresses, parameters)))
    site = text.replace(CONF_LISTEN, f"listen 127.0.0.1:{port};")
    if not has_tokens:
        site = site.replace(CONF_TOKEN, 'proxy_set_header X-Request-Id "";')
    return start(stack, places, site.replace("visitcountd-upstream.conf", str(upstream)), port)
