# SPDX-License-Identifier: MIT
"""The visitors of a storm: crowd.c as a child, and what it found."""

import subprocess
import threading

from harness import BUILD
from harness.process import clean_environment

PROGRAM = BUILD / "tests" / "faults" / "crowd"


class Crowd:
    """The visitors: crowd.c as a child, and what it found."""

    def __init__(self, groups, directory, note):
        self.note = note
        words = [",".join(f"{name}={value}" for name, value in group.items()) for group in groups]
        self.child = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "--", str(PROGRAM), *words], text=True,
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=clean_environment(), bufsize=1,
                                      stderr=open(directory / "crowd.log", "w", encoding="utf-8"))
        self.counted = 0
        self.sent = 0
        self.pages = {}     # page: [counted, doubtful]
        self.groups = {}    # name: counted, refused, doubtful, journaled, repeated, disordered
        self.disordered = {}  # group: the first that was seen
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
            elif word == "page":
                _, _, page, counted, doubtful = rest.split()
                self.pages[page] = (int(counted), int(doubtful))
            elif word == "group":
                name, *numbers = rest.split()
                self.groups[name] = dict(zip(("counted", "refused", "doubtful", "journaled", "repeated", "disordered"),
                                             map(int, numbers)))
            elif word == "all":
                self.sent, self.twice, self.hung, self.longest_refusal_ms, self.longest_wait_ms = map(int, rest.split())
            elif word == "refusal":
                self.longest_refused_with, _, text = rest.partition(" ")
                self.note(f"{text}: {self.longest_refused_with}")
            elif word == "disordered":
                name, _, text = rest.partition(" ")
                self.disordered[name] = text
                self.note(text)
            else:
                self.others.append(rest)

    def stop(self):
        self.child.stdin.write("stop\n")
        self.child.stdin.flush()

    def finish(self, deadline):
        """Waits until every visit has come to an end."""
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

    def sum(self, name):
        return sum(group[name] for group in self.groups.values())
