# SPDX-License-Identifier: MIT
"""The machine and the programs of the measurements."""

import contextlib
import datetime
import os
import pathlib
import re
import shutil
import subprocess

import nginx
from processes import BUILD, Failed


def cpu_model():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return os.uname().machine


def siblings_of(core):
    """The logical CPUs that share a core with this one, with itself: "0,2" or "0-1"."""
    path = pathlib.Path(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list")
    bounds = [part.split("-") for part in path.read_text().strip().split(",")] if path.exists() else []
    return {core}.union(*(range(int(part[0]), int(part[-1]) + 1) for part in bounds))


def two_cores():
    """Two cores: one for the servers and another one for the client."""
    allowed = sorted(os.sched_getaffinity(0))
    others = [core for core in allowed if core not in siblings_of(allowed[0])]
    if not others:
        raise Failed("this takes two cores, one for the servers and one for the client")
    return allowed[0], others[0]


@contextlib.contextmanager
def on_core(core):
    """Binds this process to one core. Processes that it starts meanwhile stay bound."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def at_nice(value):
    """Whatever this process starts meanwhile has this nice value for good, where that is allowed."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    try:
        os.setpriority(os.PRIO_PROCESS, 0, value)
    except PermissionError:
        pass  # what else the machine does shows in the figures
    try:
        yield
    finally:
        with contextlib.suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, 0, before)


@contextlib.contextmanager
def before_others():
    """The session of this process goes before all others of the machine, where that is allowed (sched(7): autogroup)."""
    path = pathlib.Path("/proc/self/autogroup")
    try:
        before = path.read_text().rpartition(" ")[2]
        path.write_text("-20")
    except (OSError, ValueError):
        before = None
    try:
        yield
    finally:
        if before is not None:
            path.write_text(before)


def disk_of(directory):
    """Device and file system from findmnt(8)."""
    words = subprocess.check_output(
        ["findmnt", "-n", "-o", "SOURCE,FSTYPE", "--target", directory], text=True).split()
    return " ".join(words[-2:])  # the last one of several mounts on the same place


def said_by(pattern, *arguments):
    """The match of `pattern` in the output of a program; None if the program does not run."""
    try:
        done = subprocess.run(arguments, text=True, capture_output=True, check=False)
    except OSError:
        return None
    found = re.search(pattern, done.stdout + done.stderr)
    return found[1] if found else None


def package_version(name):
    return said_by(r"^([\w.:+~-]+)", "dpkg-query", "-W", "-f=${Version}", name)


def versions():
    """{name: version} of all installed programs that take part."""
    own = subprocess.check_output([BUILD / "visitcountd", "--version"], text=True)
    found = dict(line.split() for line in own.splitlines() if line.strip())
    found |= {
        "redis-server": said_by(r"v=(\S+)", "redis-server", "--version"),
        "wrk": said_by(r"wrk (?:debian/)?(\S+)", "wrk", "--version"),
        "nginx": said_by(r"nginx/(\S+)", nginx.program(), "-v") if shutil.which("nginx") else None,
        "lua-nginx-redis": package_version("lua-nginx-redis"),
        "webdis": package_version("webdis"),
        "Node.js": said_by(r"v(\S+)", "node", "--version"),
        "Go": said_by(r"go(\d\S+)", "go", "version"),
        "redigo": package_version("golang-github-gomodule-redigo-dev"),
        "Flask": package_version("python3-flask"),
        "gunicorn": package_version("gunicorn"),
        "Linux": os.uname().release,
    }
    return {name: version for name, version in found.items() if version}


def today():
    return f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d}"


def describe(settings):
    """The section at the top of the results."""
    return "\n".join([
        "# What counting costs",
        "",
        "Written by `make bench`; how it is measured stands at the top of [measure.py](measure.py), what "
        "the targets are in [targets.py](targets.py) and [peers.py](peers.py).",
        "",
        f"- Machine: {cpu_model()}, {os.cpu_count()} cores, shared by the clients, the servers and Redis. "
        "Where they share them, requests per second show what the client leaves over, so the figure to compare "
        "is the CPU time per request, of servers and Redis together. Requests per second are compared in "
        "[What one core serves](#what-one-core-serves), where the client has a core of its own",
        f"- Stores on: {settings['disk']}; Redis with `appendfsync everysec`, SQLite and the journal "
        "with a durable write per batch",
        "- Versions: " + ", ".join(f"{name} {version}" for name, version in versions().items()),
    ])


def line_of(settings, others):
    """The last line of each section: date, rounds, and the load of other programs."""
    return (f"{today()}; medians of {settings['rounds']} rounds of {settings['seconds']} s; everything else on "
            f"the machine used {others:.0f} % of its CPU time.")


def check(settings):
    missing = [name for name in ("redis-server", "wrk", "findmnt") if shutil.which(name) is None]
    if missing:
        raise Failed(f"not installed: {', '.join(missing)}")
    settings["directory"].mkdir(parents=True, exist_ok=True)
    settings["disk"] = disk_of(settings["directory"])
    if settings["disk"].endswith(("tmpfs", "ramfs")):
        raise Failed(f"{settings['directory']} is no disk ({settings['disk']}): set BENCH_DIRECTORY to one")
