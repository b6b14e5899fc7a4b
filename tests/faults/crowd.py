# SPDX-License-Identifier: MIT
"""The visitors of a storm: runs crowd.c as a child process and reads its results."""

import subprocess
import threading

from harness import BUILD
from harness.process import clean_environment

PROGRAM = BUILD / "tests" / "faults" / "crowd"

#: The numbers of each group.
NUMBERS = ("counted", "refused", "doubtful", "journaled", "repeated", "disordered", "key_refusals")


class Crowd:
    """The visitors: crowd.c as a child process, and its results."""

    def __init__(self, groups, directory, note, pace_ms=0):
        self.note = note
        words = [f"pace={pace_ms}"] + [",".join(f"{name}={value}" for name, value in group.items()) for group in groups]
        self.sites = {group["name"]: group["site"] for group in groups}
        self.child = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "--", str(PROGRAM), *words], text=True,
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=clean_environment(), bufsize=1,
                                      stderr=open(directory / "crowd.log", "w", encoding="utf-8"))
        self.counted = 0
        self.sent = 0
        self.reports = 0    # number of reports of all groups
        self.pages = {}     # (site, page): [counted, doubtful]
        self.groups = {name: dict.fromkeys(NUMBERS, 0) for name in self.sites}
        self.disordered = {}  # group: the first wrong number
        self.others = []
        self.twice = self.hung = self.longest_refusal_ms = self.longest_wait_ms = 0
        self.longest_refused_with = None
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        for line in self.child.stdout:
            word, _, rest = line.rstrip("\n").partition(" ")
            if word == "at":
                self.counted, self.sent = map(int, rest.split())
                self.reports += 1
            elif word == "page":
                _, site, page, counted, doubtful = rest.split()
                self.pages[site, page] = (int(counted), int(doubtful))
            elif word == "group":
                name, *numbers = rest.split()
                self.groups[name] = dict(zip(NUMBERS, map(int, numbers)))
            elif word == "all":
                self.sent, self.twice, self.hung, self.longest_refusal_ms, self.longest_wait_ms = map(int, rest.split())
            elif word == "refusal":
                self.longest_refused_with, _, text = rest.partition(" ")
                self.note(f"{text}: {self.longest_refused_with}")
            elif word == "wait":
                self.note(rest)
            elif word == "disordered":
                name, _, text = rest.partition(" ")
                self.disordered[name] = text
                self.note(text)
            else:
                self.others.append(rest)

    def order(self, text):
        self.child.stdin.write(text + "\n")
        self.child.stdin.flush()

    def stop(self):
        self.order("stop")

    def forget_keys(self, site):
        """The store has lost tokens of requests of a site."""
        self.order(f"forgot {site}")

    def only(self, site):
        """Pauses the visitors of the other sites until all()."""
        self.order(f"only {site}")

    def all(self):
        self.order("all")

    def finish(self, deadline):
        """Waits until every visit has ended."""
        try:
            self.child.wait(deadline)
        except subprocess.TimeoutExpired:
            return False
        self.thread.join(10)
        return self.child.returncode == 0

    def kill(self):
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()

    def sum(self, name, site=None):
        """A number's sum over all groups, or over those of a site."""
        return sum(group[name] for key, group in self.groups.items() if site in (None, self.sites[key]))


class Calm:
    """True once, for half a second, each group of some sites had counted visits, and none that was refused or journaled."""

    REPORTS = 5

    def __init__(self, crowd, sites):
        self.crowd = crowd
        self.names = [name for name, site in crowd.sites.items() if site in sites]
        self.worst = None  # the group that made the half second start again
        self.begin()

    def begin(self):
        self.reports = self.crowd.reports
        self.before = dict(self.crowd.groups)

    def increase(self, name, number):
        return self.crowd.groups[name][number] - self.before[name][number]

    def __call__(self):
        for name in self.names:
            if self.increase(name, "refused") or self.increase(name, "journaled"):
                self.worst = name
                self.begin()
                return False
        return (self.crowd.reports - self.reports > self.REPORTS
                and all(self.increase(name, "counted") for name in self.names))
