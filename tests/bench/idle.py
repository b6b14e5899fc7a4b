# SPDX-License-Identifier: MIT
"""Measures the cost of open connections that are idle or listen."""

import resource
import socket

import live
import machine
import targets
from clients import CONNECTIONS, measured_beside
from tables import table

IDLE = 10_000
REQUEST = b"GET /count HTTP/1.1\r\nHost: localhost\r\n\r\n"


def raise_file_limit(wanted):
    """Raises the limit to one descriptor per connection on both sides. The daemon inherits it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(hard, wanted), max(hard, wanted)))
    except (ValueError, OSError) as error:
        raise targets.Failed(f"{wanted} open files are needed, {hard} are allowed (ulimit -Hn)") from error


def ask(client):
    client.sendall(REQUEST)
    if not client.recv(4096).startswith(b"HTTP/1.1 200"):
        raise targets.Failed("a connection was not answered with 200")


def open_connection(port):
    """Opens a connection, gets one answer and keeps it open."""
    client = socket.create_connection(("127.0.0.1", port), timeout=5)
    ask(client)
    return client


def measure_idle(settings, problems):
    """Returns the figures, and rows of a table."""
    def join(target, stack):
        return [stack.enter_context(open_connection(target.port)) for _ in range(IDLE)]

    with measured_beside({"http.idle_timeout": "10m"}, IDLE, join, settings, problems) as idle:
        still_open = idle.target.status()["connections"]["open"]
        if still_open < IDLE:
            raise targets.Failed(f"{IDLE} connections were opened, {still_open} are open")
        for client in idle.clients:
            ask(client)
    alone, beside = idle.costs
    return {"idle_bytes": idle.memory_bytes, "others": max(alone["others"], beside["others"])}, [
        ["idle keep-alive connections, each answered once", f"{IDLE:,}"],
        ["of them open and answered again, after all that was measured", f"{IDLE:,}"],
        ["memory of the daemon for each, without the kernel's buffers, KiB", f"{idle.memory_bytes / 1024:.2f}"],
        [f"CPU us/visit of {CONNECTIONS} others without them", f"{alone['cpu_us']:.2f}"],
        [f"CPU us/visit of {CONNECTIONS} others beside them", f"{beside['cpu_us']:.2f}"]]


def run_idle(settings, problems):
    raise_file_limit(IDLE + 1000)
    idle, idle_rows = measure_idle(settings, problems)
    listening, listening_rows = live.measure_listeners(settings, problems)
    return idle | listening, "\n\n".join([
        "## Idle connections", table([["", "measured"], *idle_rows]),
        "### Listeners",
        "Clients of `GET /v1/live/`, with `limits.live` raised. The cost of an event is measured with a visit every "
        f"{live.EVENT_INTERVAL_S * 1000:.0f} ms, each of which all of them are told of; beside visits without pause "
        "each is told ten numbers a second.",
        table([["", "measured"], *listening_rows]),
        machine.line_of(settings, max(0, idle["others"]))])
