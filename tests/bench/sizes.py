# SPDX-License-Identifier: MIT
"""Measures how soon a daemon is ready, and the size of its files."""

import contextlib
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import tempfile
import time

import machine
from processes import BUILD, PATIENCE_S, ROOT, Failed, Places, Process, Redis, free_port
from tables import table

STARTS = 20
IMAGE = "localhost/visitcountd:latest"


def start_to_ready_ms(places, settings):
    """The time from fork to READY=1 (sd_notify(3)). Ends the daemon."""
    address = places.run / "notify"
    with contextlib.ExitStack() as stack:
        notify = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        notify.bind(str(address))
        stack.callback(address.unlink)
        notify.settimeout(PATIENCE_S)
        arguments = [BUILD / "visitcountd", "--config", "/dev/null"]
        for option, value in settings.items():
            arguments += ["--set", f"{option}={value}"]
        began = time.monotonic()
        process = Process(stack, places, arguments, environment={"NOTIFY_SOCKET": str(address)})
        try:
            while b"READY=1" not in notify.recv(4096).split(b"\n"):
                pass
        except TimeoutError as error:
            raise Failed(f"no READY=1 after {PATIENCE_S} s: {process.last_words()}") from error
        return (time.monotonic() - began) * 1000


def measure_starts(directory):
    """{store: [ms]}. With SQLite each start has a new file."""
    with contextlib.ExitStack() as stack:
        places = Places(pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(dir=directory))),
                        pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="visitcountd-bench-"))))
        redis = Redis(places)
        redis.start(stack)
        common = {"admin.socket": places.run / "admin", "http.listen": f"127.0.0.1:{free_port()}"}
        return {
            "SQLite": [start_to_ready_ms(places, common | {
                "store.backend": "sqlite", "sqlite.path": places.disk / f"{i}.db"}) for i in range(STARTS)],
            "Redis": [start_to_ready_ms(places, common | {
                "store.backend": "redis", "redis.socket": redis.socket}) for i in range(STARTS)],
        }


def stripped_bytes(program, directory):
    """The size of a program as in the image: without debug information."""
    copy = directory / f"{program}.stripped"
    shutil.copy(BUILD / program, copy)
    try:
        subprocess.run(["strip", copy], check=True)
        return copy.stat().st_size
    except (OSError, subprocess.CalledProcessError) as error:
        raise Failed(f"strip {program}: {error}") from error
    finally:
        copy.unlink()


def image_text():
    try:
        done = subprocess.run([ROOT / "packaging" / "container" / "env", "podman", "image", "inspect", "--format",
                               "{{.Size}}", IMAGE], text=True, capture_output=True, check=False)
    except OSError as error:
        return f"not known: {error.strerror}"
    if done.returncode != 0:
        return "not built here (make images)"
    return f"{int(done.stdout) / 1e6:.1f} MB"


def run_sizes(settings, _problems):
    starts = measure_starts(settings["directory"])
    rows = [["", "measured"]]
    for store, times in starts.items():
        rows.append([f"start to ready with {store}, median and longest of {STARTS}",
                     f"{statistics.median(times):.1f} ms, {max(times):.1f} ms"])
    for program in ("visitcountd", "visitcountctl"):
        rows.append([f"{program}, stripped",
                     f"{stripped_bytes(program, settings['directory']) / 1024:,.0f} KiB"])
    rows.append([f"image {IMAGE} with all its libraries", image_text()])
    return {"ready_ms": statistics.median(starts["SQLite"])}, "\n\n".join([
        "## Start and sizes", table(rows), f"{machine.today()}, built for {os.uname().machine}."])
