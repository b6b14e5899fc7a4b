# SPDX-License-Identifier: MIT
"""A short storm in each test run. `make chaos` runs the long one. storm.py lists the checks."""

import os
import pathlib
import signal
import subprocess

import pytest

from harness import wait_until
from plan import TORN
from storm import Storm

CHAOS = pathlib.Path(__file__).resolve().parent / "chaos"


def check(directory, seed, **arguments):
    storm = Storm(directory, seed=seed, **arguments)
    try:
        storm.start()
        storm.run()
        storm.settle()
        storm.count()
        if not storm.is_good():
            trace = (pathlib.Path(directory) / "trace").read_text()
            pytest.fail("\n".join([f"tests/faults/chaos --seed {seed} {storm.options()}", *storm.problems, storm.table(),
                                   "the faults:", trace[-6000:]]))
        return storm
    finally:
        storm.finish()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [30, 71])
def test_a_storm(directory, seed):
    """Visitors come through nginx and directly; the AOF has `always` and `everysec`. The plans of these seeds have most kinds of faults, but none
    that takes long. Those have tests of their own."""
    check(directory, seed, faults=50, visits=50000)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [48, 59])
def test_a_storm_with_journals(directory, seed):
    """Only visits of a torn site are refused, and keys of clients while Redis is full. Killed instances start again with their journal."""
    storm = check(directory, seed, faults=50, visits=50000, has_journal=True)
    assert storm.crowd.sum("journaled") > 0
    refused, refused_torn = (storm.crowd.sum("refused", site) - storm.crowd.sum("key_refusals", site) for site in (None, TORN))
    assert refused == refused_torn
    assert storm.crowd.sum("key_refusals") == 0 or any("out of memory" in kind for kind in storm.kinds)


@pytest.mark.slow
def test_a_storm_without_nginx(directory):
    check(directory, 5, faults=30, visits=30000, has_nginx=False)


def stat_of(pid):
    """(name, state) by proc(5); None if there is no such process."""
    try:
        name, _, rest = pathlib.Path(f"/proc/{pid}/stat").read_text().partition("(")[2].rpartition(") ")
        return name, rest[0]
    except OSError:
        return None


def processes_below(pid):
    """All descendants, with their names."""
    found = {}
    for children in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            found |= {child: stat_of(child), **processes_below(child)}
    return {pid: stat[0] if isinstance(stat, tuple) else stat for pid, stat in found.items() if stat}


def is_running(pid):
    return (stat_of(pid) or " Z")[1] != "Z"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_storm_that_is_cut_short_leaves_no_process_behind(directory, number):
    """No workers of nginx either, whose master is killed with the storm."""
    def all_parts():
        found = processes_below(storm.pid)
        names = list(found.values())
        return found if "crowd" in names and names.count("nginx") == 3 else None

    storm = subprocess.Popen([CHAOS, "--seed", "1", "--faults", "1"], env={**os.environ, "TMPDIR": str(directory)},
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    parts = wait_until(all_parts, "visitors come")
    storm.send_signal(number)
    storm.wait()
    wait_until(lambda: not any(map(is_running, parts)),
               lambda: f"all of them end: {[name for pid, name in parts.items() if is_running(pid)]}")
