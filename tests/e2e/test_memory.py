# SPDX-License-Identifier: MIT
"""The daemon returns memory after a peak."""

import pathlib

import pytest

from harness import ROOT, Connection, wait_until

MIB = 1 << 20


def resident(daemon):
    """The private memory of the process (proc(5): statm)."""
    _, total, shared, *_ = pathlib.Path(f"/proc/{daemon.process.pid}/statm").read_text().split()
    return (int(total) - int(shared)) * 4096


@pytest.mark.plain_build
def test_memory_comes_back_after_a_peak(new_daemon):
    """Sends half a head of 60 KB on each of many connections. The last one stays open, so that the memory of the others lies below its own."""
    daemon = new_daemon({"http.idle_timeout": "1h", "log.level": "debug"}).wait_for_store()
    before = resident(daemon)
    connections = [Connection(daemon.address) for _ in range(500)]
    for connection in connections:
        connection.send(b"GET /count HTTP/1.1\r\nHost: x\r\nA: " + 60000 * b"b")
    wait_until(lambda: resident(daemon) > before + 24 * MIB, lambda: f"a peak: {before}, {resident(daemon)}")
    for connection in connections[:-1]:
        connection.socket.close()
    wait_until(lambda: daemon.status()["connections"]["open"] == 1, "they are closed")
    wait_until(lambda: resident(daemon) < before + 8 * MIB, lambda: f"it came back: {before}, {resident(daemon)}")
    daemon.wait_for_log(r"debug   memory: \d+ KiB were free; \d+ KiB are left")
    connections[-1].send("\r\n\r\n")
    assert connections[-1].answer().status == 200 and daemon.count() == 2


def test_the_unit_limits_memory():
    assert "\nMemoryMax=256M\n" in (ROOT / "systemd/visitcountd@.service").read_text()
