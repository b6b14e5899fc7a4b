# SPDX-License-Identifier: MIT
"""A long run: nginx, three instances and Redis under mixed traffic, with a clock that passes two days.

    Redis <- instance (only reloaded)  <- nginx <- visitors, readers, streams
          <- instance (also restarted) <-          strangers, straight to the instances
          <- instance (also restarted) <-

Every answer to a visit is recorded. Afterwards each page is compared with the store, and judge.py judges the samples of memory, descriptors and
waits.
"""

import collections
import os
import pathlib
import signal
import threading
import time

from harness import Daemon, Nginx, Redis, RedisStore, WallClock, free_ports, wait_until

from crowd import Crowd
from judge import Sample, judge_latency, judge_parts
from traffic import Traffic

INSTANCES = 3
DAYS = 2
DAY_S = 86400

#: Seconds between two of each.
SAMPLE_S, RELOAD_S, RESTART_S, TELL_S = 1, 10, 45, 60

#: Strangers fill this site up to its limit of pages, and their networks have the default budgets.
SITES = [{"name": "default"}, {"name": "probe", "dashboard": "public"}, {"name": "hostile", "pages": 3000}]
SETTINGS = {"sites": SITES, "dashboard.password": "a long password that nobody guesses", "http.idle_timeout": "10s"}


def status_number(pid, name):
    """A line of /proc/PID/status, in bytes if it has kB."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0


def children_of(pid):
    return [int(child) for tasks in pathlib.Path(f"/proc/{pid}/task").glob("*/children") for child in tasks.read_text().split()]


def measure(pids):
    """Memory and descriptors of some processes together."""
    return (sum(status_number(pid, "VmRSS") for pid in pids), sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids))


class Soak:
    def __init__(self, directory, *, seconds, seed=1, say=lambda text: None):
        self.directory = pathlib.Path(directory)
        self.seconds = seconds
        self.seed = seed
        self.say = say
        self.clock = WallClock(self.directory)
        self.redis = Redis(self.directory, aof=True, config={"appendfsync": "everysec"}, environment=self.clock.environment)
        self.ports = free_ports(INSTANCES)
        self.daemons = []
        self.nginx = None
        self.crowd = None
        self.traffic = None
        self.samples = []
        self.peaks = collections.Counter()   # part: most memory at once
        self.events = collections.Counter()  # reloads and restarts
        self.problems = []
        self.counted = self.doubtful = self.stored = self.losses = self.doubles = 0
        self.days = 0                        # that have visits
        self.started_at = 0
        self.ended = threading.Event()
        self.starting = set()  # instances that are being restarted

    # --- the parts ---

    def start(self):
        self.redis.start()
        for index, port in enumerate(self.ports):
            settings = {**SETTINGS, "store.backend": "redis", "redis.socket": str(self.redis.socket),
                        "http.listen": [f"127.0.0.1:{port}", f"unix:{self.directory}/%i.sock"]}
            self.daemons.append(Daemon(self.directory, settings, name=f"i{index}", environment=self.clock.environment)
                                .start().wait_for_store())
        self.nginx = Nginx(self.directory, [f"{self.directory}/{daemon.name}.sock" for daemon in self.daemons],
                           environment=self.clock.environment).start()
        self.started_at = time.monotonic()
        threading.Thread(target=self.turn_clock, daemon=True).start()
        self.crowd = Crowd(self.groups(), self.directory, lambda text: None, pace_ms=100)
        self.traffic = Traffic(self.nginx.address, lambda: [("127.0.0.1", port) for port in self.ports],
                               [daemon.admin_socket for daemon in self.daemons], self.seed)
        self.traffic.start()

    def groups(self):
        port = self.nginx.address[1]
        groups = [{"name": "nginx", "port": port, "connections": 14}, {"name": "nginx-key", "port": port, "connections": 8, "key": 1},
                  {"name": "nginx-post", "port": port, "connections": 4, "method": "POST"},
                  {"name": "nginx-shared", "port": port, "connections": 4, "shared": 1}]
        groups += [{"name": f"direct{index}", "port": own, "connections": 3} for index, own in enumerate(self.ports)]
        groups += [{"name": f"direct{index}-key", "port": own, "connections": 2, "key": 1} for index, own in enumerate(self.ports)]
        return [{"site": "default", **group} for group in groups]

    def passed_s(self):
        return time.monotonic() - self.started_at

    def turn_clock(self):
        """The wall clock of all parts passes two days while the run lasts, in small steps."""
        ahead = DAYS * DAY_S / self.seconds - 1
        while not self.ended.wait(0.05):
            self.clock.set_ahead(ahead * self.passed_s())

    def finish(self):
        self.ended.set()
        if self.traffic is not None:
            self.traffic.finish()
        if self.crowd is not None:
            self.crowd.kill()
        for part in [self.nginx, *self.daemons, self.redis]:
            if part is not None and part.process is not None:
                part.finish() if hasattr(part, "finish") else part.process.end()

    # --- the run ---

    def run(self):
        every_s = {self.sample: SAMPLE_S, self.reload: min(RELOAD_S, self.seconds / 8),
                   self.restart: min(RESTART_S, self.seconds / 4), self.tell: TELL_S}
        due = dict(every_s)
        while self.passed_s() < self.seconds:
            for action, at_s in due.items():
                if self.passed_s() >= at_s:
                    due[action] = self.passed_s() + every_s[action]
                    action()
            self.check_parts()
            time.sleep(0.1)

    def sample(self):
        at_s = self.passed_s()
        for index, daemon in enumerate(self.daemons):
            if daemon.process.is_running():
                self.add_sample(at_s, f"instance {index}", [daemon.process.pid])
        self.add_sample(at_s, "nginx", [self.nginx.process.pid, *children_of(self.nginx.process.pid)])
        memory = self.redis.client().info("memory")["used_memory"]
        self.peaks["Redis"] = max(self.peaks["Redis"], memory)
        self.samples.append(Sample(at_s, "Redis", None, measure([self.redis.process.pid])[1]))

    def add_sample(self, at_s, part, pids):
        try:
            memory, descriptors = measure(pids)
        except FileNotFoundError:  # a worker of nginx has just ended
            return
        self.peaks[part] = max(self.peaks[part], memory)
        self.samples.append(Sample(at_s, part, memory, descriptors))

    def reload(self):
        """One instance after the other, with an option that changes each time; and nginx."""
        count = self.events["reloads"]
        daemon = self.daemons[count % INSTANCES]
        daemon.write_config(count_max_wait=f"{2000 + count % 2}ms")
        done = daemon.ctl("reload")
        if done.status != 0:
            self.problems.append(f"reload of {daemon.name}: {done}")
        self.events["reloads"] += 1
        if count % 6 == 5:
            self.nginx.reload()
            self.events["reloads of nginx"] += 1

    def restart(self):
        """The first instance is never restarted: its memory is that of the whole run."""
        daemon = self.daemons[1 + self.events["restarts"] % (INSTANCES - 1)]
        daemon.stop()
        daemon.start().wait_for_store()
        self.events["restarts"] += 1

    def tell(self):
        memory = next(sample.memory_bytes for sample in reversed(self.samples) if sample.part == "instance 0")
        self.say(f"{self.passed_s():5.0f} s: {self.crowd.counted} visits counted, {sum(self.traffic.answers.values())} other "
                 f"requests; instance 0 has {memory / 2**20:.1f} MiB")

    def check_parts(self):
        for daemon in self.daemons:
            if not daemon.process.is_running():
                raise RuntimeError(f"{daemon.name} ended by itself with {daemon.process.returncode}:\n{daemon.log()[-3000:]}")
        if self.crowd.child.poll() is not None:
            raise RuntimeError(f"the visitors have gone: {(self.directory / 'crowd.log').read_text()}")

    # --- the end ---

    def settle(self):
        self.traffic.finish()
        self.crowd.stop()
        if not self.crowd.finish(60):
            self.problems.append("visitors still wait a minute after the end")
        for daemon in self.daemons:
            wait_until(lambda d=daemon: d.status()["visits"]["waiting"] == 0, f"nobody waits at {daemon.name}")
            log = daemon.log()
            self.problems += [f"{daemon.name}: {line}" for line in log.splitlines() if " error " in line[:40]]

    def count(self):
        """Compares the answers of visitors with the store, page by page."""
        totals = RedisStore(self.redis).totals()
        for (site, page), (counted, doubtful) in self.crowd.pages.items():
            self.compare(site, page, counted, doubtful, totals.pop((site, page), 0))
        probes = self.traffic.answers["visit", 200]
        others = sum(count for (kind, _), count in self.traffic.answers.items() if kind == "visit") - probes
        self.compare("probe", "/page", probes, others, totals.pop(("probe", "/page"), 0))
        for (site, page), total in totals.items():
            if site != "hostile":
                self.compare(site, page, 0, 0, total)
        self.days = len(list(self.redis.client().scan_iter("vc:{default}:day:*", count=1000)))
        if self.days < DAYS:
            self.problems.append(f"the visits are of {self.days} days, and the clock passed {DAYS}")

    def compare(self, site, page, counted, doubtful, stored):
        lost, double = max(0, counted - stored), max(0, stored - counted - doubtful)
        self.counted += counted
        self.doubtful += doubtful
        self.stored += stored
        self.losses += lost
        self.doubles += double
        if lost or double:
            self.problems.append(f"{site} {page}: {counted} answered as counted, {doubtful} not known, {stored} in the store")

    def growths(self):
        return judge_parts(self.samples, self.seconds) + judge_latency(self.traffic.waits, self.seconds)

    def judge(self):
        """All problems of the run; none if all is well."""
        found = self.problems + self.traffic.failures[:10]
        found += [str(growth) for growth in self.growths() if growth.is_too_much]
        return found

    def kill(self):
        for part in [self.nginx, *self.daemons]:
            if part is not None and part.process is not None and part.process.is_running():
                os.killpg(part.process.pid, signal.SIGKILL)
                part.process.was_killed = True
