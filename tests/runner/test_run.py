# SPDX-License-Identifier: MIT
"""tests/run with small suites: order, counts, failures, limits. No process stays behind."""

import os
import pathlib
import re
import signal
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path += [str(ROOT / "tests"), str(ROOT / "tests/e2e")]

import ports  # noqa: E402
from harness import wait_until  # noqa: E402

HEADER = f"""
import sys
sys.path.insert(0, {str(ROOT / 'tests')!r})
from suites import FUNCTIONS, Suite
GROUPS = {{"both": ("one", "two")}}
SUITES = [
"""

DEADLINE = 60


class Runner:
    def __init__(self, directory):
        self.directory = directory
        self.process = None

    def start(self, suites, *arguments, **environment):
        """Starts tests/run. `suites` are the lines of a list. `$D` in a command is the test's directory."""
        (self.directory / "list.py").write_text(HEADER + suites + "\n]\n")
        self.process = subprocess.Popen(
            [ROOT / "tests/run", "--suites", self.directory / "list.py", "--log", self.directory / "log", *arguments],
            env={**os.environ, "CI": "", "D": str(self.directory), **environment}, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True)
        return self

    def finish(self):
        """Waits for the end. Returns the exit status and the lines of output."""
        output, _ = self.process.communicate(timeout=DEADLINE)
        return self.process.returncode, output.splitlines()

    def run(self, *arguments, **environment):
        return self.start(*arguments, **environment).finish()

    def wait_for(self, name):
        """Waits until a suite has created this file. Returns its content."""
        path = self.directory / name
        wait_until(lambda: path.exists() and path.read_text().strip(), f"{name} is there")
        return path.read_text().strip()


def is_alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def runner(tmp_path):
    made = Runner(tmp_path)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.process.kill()
        made.process.communicate()


def test_suites_run_side_by_side(runner):
    """Each suite waits for the other one's file, so neither could end alone."""
    status, lines = runner.run(
        'Suite("one", 1, "touch $D/one; until [ -e $D/two ]; do sleep 0.01; done"),'
        'Suite("two", 1, "touch $D/two; until [ -e $D/one ]; do sleep 0.01; done"),', "--lanes", "2")
    assert (status, lines[-1]) == (0, "2 passed, 0 failed, 0 skipped")


def test_one_lane_runs_one_at_a_time_longest_first(runner):
    suites = "".join(f'Suite("{name}", {seconds}, "mkdir $D/busy; echo {name} >>$D/order; rmdir $D/busy"),'
                     for name, seconds in (("short", 1), ("long", 9), ("middle", 5)))
    status, lines = runner.run(suites, "--lanes", "1")
    assert status == 0, lines
    assert (runner.directory / "order").read_text().split() == ["long", "middle", "short"]


def test_a_suite_waits_for_what_it_needs(runner):
    """The chain takes longer than the longest suite, so it begins first."""
    status, lines = runner.run(
        'Suite("use", 8, "test -e $D/built", needs=("make",)), Suite("make", 3, "touch $D/built; echo make >>$D/order"),'
        'Suite("other", 10, "echo other >>$D/order"),', "--lanes", "1")
    assert (status, lines[-1]) == (0, "3 passed, 0 failed, 0 skipped")
    assert (runner.directory / "order").read_text().split() == ["make", "other"]


def test_what_needs_a_failed_suite_is_not_run_and_has_failed(runner):
    status, lines = runner.run('Suite("make", 1, "false"), Suite("use", 1, "touch $D/used", needs=("make",)),'
                               'Suite("other", 1, "true"),')
    assert (status, lines[-1]) == (1, "1 passed, 2 failed, 0 skipped")
    assert any(re.fullmatch(r"use +not run, make failed", line) for line in lines)
    assert not (runner.directory / "used").exists()


def test_suites_that_hold_the_same_are_apart(runner):
    suites = "".join(f'Suite("{name}", 1, "mkdir $D/busy; sleep 0.1; rmdir $D/busy", holds="thing"),' for name in "abcd")
    assert runner.run(suites, "--lanes", "4")[0] == 0


def test_two_builds_in_one_directory_are_apart(runner):
    """Tests build() of tests/suites.py with a make that notices another make."""
    (runner.directory / "bin").mkdir()
    make = runner.directory / "bin/make"
    make.write_text('#!/bin/sh\nmkdir $D/busy && sleep 0.1 && rmdir $D/busy\n')
    make.chmod(0o755)
    suites = "".join(f'Suite("{name}", 1, "build $D/built gcc all"),' for name in "abcd")
    status, lines = runner.run(suites, "--lanes", "4", PATH=f"{runner.directory}/bin:{os.environ['PATH']}")
    assert status == 0, lines


PYTEST_SUITE = "/usr/bin/python3 -m pytest -q -rs -p no:cacheprovider $D/test_some.py"


def test_tests_are_counted_and_a_failure_is_shown(runner):
    (runner.directory / "test_some.py").write_text(
        "import pytest\ndef test_good(): print('7 passed in 3s, they say')\ndef test_bad(): assert 'this' == 'that'\n"
        "def test_missing(): pytest.skip('no such tool')\n")
    status, lines = runner.run(f'Suite("some", 1, "{PYTEST_SUITE}"), Suite("plain", 1, "true"),')
    assert (status, lines[-1]) == (1, "2 passed, 1 failed, 1 skipped")
    assert any(re.fullmatch(r"some +1 passed, 1 failed, 1 skipped in \d+ s", line) for line in lines)
    assert any(line.startswith("SKIPPED") and line.endswith("no such tool") for line in lines)
    assert any("'this' == 'that'" in line for line in lines)
    assert "'this' == 'that'" in (runner.directory / "log/some.log").read_text()


def test_a_skipped_test_is_a_failure_in_ci(runner):
    (runner.directory / "test_some.py").write_text("import pytest\ndef test_missing(): pytest.skip('no such tool')\n")
    suites = f'Suite("some", 1, "{PYTEST_SUITE}"),'
    status, lines = runner.run(suites)
    assert (status, lines[-1]) == (0, "0 passed, 0 failed, 1 skipped")
    status, lines = runner.run(suites, CI="true")
    assert (status, lines[-2:]) == (1, ["in CI nothing may be skipped", "0 passed, 1 failed, 0 skipped"])


def test_what_cmocka_and_the_mutants_count(runner):
    said = r"[  PASSED  ] 5 test(s).\n[  SKIPPED ] 1 test(s), listed below:\n[  FAILED  ] 2 test(s), listed below:\n[  FAILED  ] test_x\n"
    status, lines = runner.run(f'Suite("unit", 1, r"printf \'{said}\'; false"), Suite("mutants", 1, "echo mutants: 4 passed, 0 failed"),')
    assert (status, lines[-1]) == (1, "9 passed, 2 failed, 1 skipped")


def test_a_suite_that_is_killed_has_failed(runner):
    """It has failed even if all tests that it counted have passed."""
    status, lines = runner.run('Suite("some", 1, "echo 3 passed in 1.0s; kill -KILL $$"),')
    assert (status, lines[-1]) == (1, "3 passed, 1 failed, 0 skipped")
    assert any("some was ended by SIGKILL" in line for line in lines)


def test_what_runs_at_the_limit_is_ended_and_the_rest_has_failed(runner):
    status, lines = runner.run('Suite("hangs", 9, "setsid sleep 1000 & echo $! >$D/pid; exec sleep 1000"), Suite("later", 1, "true"),',
                               "--lanes", "1", "--limit", "0.5")
    assert (status, lines[-1]) == (1, "0 passed, 2 failed, 0 skipped")
    assert any("later" in line and "not run, not done within" in line for line in lines)
    assert not is_alive(runner.wait_for("pid")), "a process with a session of its own is left"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_an_interrupt_ends_all_processes(runner, number):
    """The tests end first, so that they can clean up, here with a trap."""
    suite = "trap 'touch $D/tidy-{0}; exit 1' INT; setsid sleep 1000 & echo $! >$D/pid-{0}; while true; do sleep 0.05; done"
    runner.start("".join(f'Suite("{name}", 1, "{suite.format(name)}"),' for name in "ab"), "--lanes", "2")
    pids = [runner.wait_for(f"pid-{name}") for name in "ab"]
    runner.process.send_signal(number)
    status, lines = runner.finish()
    assert (status, lines[-1]) == (130, "0 passed, 2 failed, 0 skipped")
    assert all((runner.directory / f"tidy-{name}").exists() for name in "ab")
    assert not any(map(is_alive, pids))


def test_names_choose(runner):
    suites = 'Suite("one", 1, "true"), Suite("two", 1, "true"), Suite("part-a", 1, "true"), Suite("part-b", 1, "true"),' \
             'Suite("extra", 1, "true", is_default=False),'
    for names, count in [((), 4), (("both",), 2), (("part",), 2), (("extra", "one", "one"), 2)]:
        assert runner.run(suites, *names)[1][-1] == f"{count} passed, 0 failed, 0 skipped", names
    status, lines = runner.run(suites, "none")
    assert status == 64
    assert lines == ['run: no suite "none"; there are: both one two part-a part-b extra']


def test_each_suite_of_the_repository_has_what_it_needs():
    from suites import GROUPS, SUITES
    names = [suite.name for suite in SUITES]
    assert len(set(names)) == len(names)
    assert {need for suite in SUITES for need in suite.needs} <= set(names)
    assert {name for group in GROUPS.values() for name in group} <= set(names)


def test_processes_do_not_share_ports(tmp_path):
    """Each process that chooses ports has a block of its own while it runs."""
    script = (f"import sys; sys.path.append({str(ROOT / 'tests')!r}); import ports\n"
              "print(*ports.free_ports(3), *[ports.free_port() for _ in range(300)], flush=True); sys.stdin.read()")
    children = [subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(12)]
    chosen = [set(map(int, child.stdout.readline().split())) for child in children]
    for child in children:
        child.communicate()
    assert all(chosen) and len(set.union(*chosen)) == sum(map(len, chosen))
    assert all(ports.FIRST <= port < 32768 for each in chosen for port in each)
