# SPDX-License-Identifier: MIT
"""A storm: faults of all parts at once, under the load of visitors who record every answer. Then the count.

    replica <- proxy <- Redis <- proxy <- instance <- nginx <- visitors
                              <- proxy <- instance <-          visitors
                              <- proxy <- instance <-
                              <- proxy <-  (by a name with several addresses)

The invariant: the store has each visit that was answered as counted, once. It has no visit that was answered as refused. It has every other visit
at most once.
"""

import collections
import os
import pathlib
import signal
import time

import redis

from harness import Daemon, Nginx, WallClock, fetch, free_ports, run_ctl, wait_until
from harness.client import Closed

from addresses import Addresses
from books import Books
from crowd import Crowd
from faults import faults_of
from parts import link_settings
from plan import ADDRESSES, FORGETFUL, HEALTHY, INSTANCES, NAMED, REFUSED, RETAIN_S, SET_BACK, SITES, TORN, draw_plan
from proxy import Proxy
from servers import Servers

#: Short timeouts, so that a fault of a second is a long one.
HASTY = {"count.max_wait": "500ms", "redis.command_timeout": "400ms", "redis.connect_timeout": "300ms",
         "ledger.retain": f"{RETAIN_S}s", "ledger.retain_max": "512MiB", "limits.idempotency_keys_total": ""}

#: The most faults at a time.
AT_ONCE = 5

#: A fault begins at most so many seconds after the last one, however few visits were counted meanwhile.
PAUSE_MAX = 1.0

#: Seconds after which the condition that a fault waits for counts as failed.
STUCK_MAX_S = 240

#: The size at which the append-only file is rewritten. It is small, because the file is often copied and loaded.
AOF_BYTES_MAX = 8 << 20

#: The longest time that a visitor may wait for an answer: the longest fault, twice, and time for a busy machine.
WAIT_MAX_MS = 15000


class Storm:
    def __init__(self, directory, *, seed, faults, visits, connections=340, has_nginx=True, has_journal=False,
                 only=(), say=lambda text: None):
        self.directory = pathlib.Path(directory)
        self.seed = seed
        self.visits = visits
        self.plan = draw_plan(seed, faults, has_nginx=has_nginx, only=only)
        self.fault_count = faults
        self.connections = connections
        self.only = only
        self.say = say
        self.under_way = {}            # lane: [fault, generator, time or condition to go on, since when]
        self.kinds = collections.Counter()
        self.trace = open(self.directory / "trace", "w", encoding="utf-8")
        self.started_at = time.monotonic()
        self.rolling_back = False      # no instance may end
        self.wants_calm = False        # no fault begins
        self.judged = 0                # number of checks of the other sites while one was refused
        self.problems = []
        self.books = Books(self.problems)
        self.faults = faults_of(self)
        self.fsync = ["always", "everysec"][seed % 2]
        self.servers = Servers(self.directory, fsync=self.fsync, seed=seed * 10 + 9)
        self.proxies = [Proxy(self.redis.socket, seed=seed * 10 + index) for index in range(INSTANCES) if index != NAMED]
        self.addresses = Addresses(self.directory, self.servers, ADDRESSES, seed=seed * 10 + INSTANCES)
        self.clocks = [WallClock(self.directory, f"i{index}") for index in range(INSTANCES)]
        self.instances = []
        self.ports = free_ports(INSTANCES)
        self.nginx = None
        self.has_nginx = has_nginx
        self.has_journal = has_journal
        self.crowd = None

    # --- the parts ---

    @property
    def redis(self):
        """The master."""
        return self.servers.master

    def proxy(self, index):
        """The proxy through which an instance reaches the master now."""
        return self.addresses.good if index == NAMED else self.proxies[index]

    def start(self):
        self.servers.start()
        for part in [*self.proxies, self.addresses]:
            part.start()
        for index in range(INSTANCES):
            self.instances.append(self.make_instance(index).start().wait_for_store())
        if self.has_nginx:
            self.nginx = Nginx(self.directory, [daemon.addresses("visitors")[1] for daemon in self.instances])
            self.nginx.start()
        wait_until(self.all_looked, "each instance counts each site")
        self.crowd = Crowd(self.groups(), self.directory, self.note)

    def make_instance(self, index):
        has_name = index == NAMED
        link = self.addresses.settings if has_name else link_settings(self.proxies[index])
        return Daemon(self.directory, {**link, **HASTY, **self.journal_settings(), "sites": list(SITES),
                                       "http.listen": [f"127.0.0.1:{self.ports[index]}", f"unix:{self.directory}/%i.sock"]},
                      name=f"i{index}", environment=self.clocks[index].environment,
                      wrapper=Addresses.wrapper(self.addresses.hosts) if has_name else ())

    def journal_settings(self):
        return {"journal.directory": f"{self.directory}/journal-%i"} if self.has_journal else {}

    def lead(self, index, how):
        """Leads an instance to the present master and ends its connections."""
        if index == NAMED:
            self.addresses.lead()
        else:
            self.proxies[index].switch(self.redis.socket)
        self.proxy(index).cut(how)

    def groups(self):
        """Half of the visitors connect through nginx, half directly to an instance. Some send a key, a few visit shared pages. Half of them visit the
        site that keeps its keys."""
        groups = []

        def add(name, port, parts, site=HEALTHY, **settings):
            groups.append({"name": name, "site": site, "port": port, "parts": parts, **settings})

        for index, port in enumerate(self.ports):
            add(f"direct{index}", port, 6)
            add(f"direct{index}-key", port, 4, key=1)
            add(f"direct{index}-shared", port, 2, shared=1)
            add(f"direct{index}-twin-key", port, 2, key=1, twin=1)
            add(f"direct{index}-twin-stamp", port, 2, stamp=1, twin=1)
            add(f"direct{index}-forgetful-key", port, 3, FORGETFUL, key=1)
            for site in (REFUSED, TORN, SET_BACK):
                add(f"direct{index}-{site}", port, 3, site)
                add(f"direct{index}-{site}-key", port, 1, site, key=1)
        if self.has_nginx:
            port = self.nginx.address[1]
            add("nginx", port, 16)
            add("nginx-key", port, 12, key=1)
            add("nginx-post", port, 4, method="POST")
            add("nginx-shared", port, 4, shared=2)
            add("nginx-shared-key", port, 4, shared=3, key=1)
            for site in (REFUSED, TORN, SET_BACK):
                add(f"nginx-{site}", port, 4, site)
        share = self.connections / sum(group["parts"] for group in groups)
        return [{"connections": max(1, round(share * group.pop("parts"))), **group} for group in groups]

    def finish(self):
        """Ends all processes of the storm."""
        if self.crowd is not None:
            self.crowd.kill()
        for part in [self.nginx, *self.instances]:
            if part is not None and part.process is not None and part.process.is_running():
                os.killpg(part.process.pid, signal.SIGKILL)
                part.process.was_killed = True
        for part in [self.nginx, *self.instances, self.servers, *self.proxies, self.addresses]:
            if part is not None:
                part.finish()
        self.trace.close()

    # --- questions of faults ---

    def flush_page(self, index, site=HEALTHY):
        """A page that only the storm visits, and that is not in the books."""
        return f"/v1/hit/{site}/flush/{index}"

    def ask(self, index, target):
        """The status of an instance's answer; None if it is suspended or does not answer."""
        process = self.instances[index].process
        if process.is_paused or not process.is_running():
            return None
        try:
            return fetch(("127.0.0.1", self.ports[index]), target, timeout=2).status
        except (OSError, Closed):
            return None

    def answers(self, index, target):
        """Whether the answer is 200. A visit that went to the journal proves nothing."""
        return self.ask(index, target) == 200

    def all_looked(self):
        """Whether each instance has counted a visit of each site in the present store, and has resent all that it lacked."""
        return all(all(self.answers(index, self.flush_page(index, site)) for site in SITES) and not self.is_healing(index)
                   for index in range(INSTANCES))

    def is_healing(self, index):
        try:
            return self.instances[index].status()["batches"]["healing"]
        except (OSError, Closed):
            return True

    def refuses_torn(self, index):
        """Whether an instance refuses a visit of the torn site."""
        return self.ask(index, self.flush_page(index, TORN)) == 503

    def has_repaired(self, site, trust):
        """Repairs a torn site with the key that the operator trusts. Returns whether it worked; the link may break meanwhile."""
        result = self.instances[0].ctl("repair", site, "--trust", trust)
        self.note(f"repair {site} --trust {trust}: {result.output.strip()} {result.errors.strip()}")
        return result.status == 0 or self.answers(0, self.flush_page(0, site))

    def rewrite(self):
        """Rewrites the append-only file while everything else goes on. If a fault prevents it, the next call does it."""
        client = self.redis.client()
        try:
            if client.info("persistence")["aof_rewrite_in_progress"] == 0:
                client.bgrewriteaof()
        except redis.RedisError as error:
            self.note(f"no rewrite: {error}")

    # --- the storm ---

    def run(self):
        begun_at = 0
        next_counted = 0
        said_at = 0
        while self.plan or self.under_way or self.crowd.counted < self.visits:
            now = time.monotonic()
            self.step_all(now)
            self.check_parts()
            is_time = self.crowd.counted >= next_counted or now - begun_at >= PAUSE_MAX
            fault = self.next_fault() if is_time else None
            if fault is not None:
                begun_at = now
                next_counted = self.crowd.counted + self.visits // (2 * self.fault_count)
                self.begin(fault)
            if now - said_at > 5:
                said_at = now
                self.say(f"{now - self.started_at:5.0f} s: {self.fault_count - len(self.plan)} faults, "
                         f"{self.crowd.counted} visits counted")
            time.sleep(0.002)

    def next_fault(self):
        """The first fault of the plan that can begin now."""
        if len(self.under_way) < AT_ONCE and not self.wants_calm:
            for fault in self.plan:
                if fault.lane not in self.under_way and not (self.rolling_back and fault.lane.startswith("instance")):
                    self.plan.remove(fault)
                    return fault
        return None

    def begin(self, fault):
        self.kinds[fault.name] += 1
        self.note(f"begins: {fault}")
        self.under_way[fault.lane] = [fault, self.faults[fault.family].begin(fault), 0, time.monotonic()]

    def step_all(self, now):
        for lane, entry in list(self.under_way.items()):
            fault, steps, until, since = entry
            if callable(until):
                if not self.holds(until, lane):
                    if now - since > STUCK_MAX_S:
                        raise RuntimeError(f"{fault}: does not go on for {STUCK_MAX_S} s; problems: {self.problems}")
                    continue
            elif now < until:
                continue
            try:
                wait = next(steps)
                entry[2:] = wait if callable(wait) else now + wait, now
            except StopIteration:
                del self.under_way[lane]
                self.note(f"ends:   {lane}: {fault.name}")

    def holds(self, condition, lane):
        try:
            return condition()
        except AssertionError as failure:
            raise RuntimeError(f"{lane}: {failure}") from failure

    def check_parts(self):
        """Checks that no part has ended by itself, and keeps the files small."""
        if self.crowd.child.poll() is not None:
            raise RuntimeError(f"the visitors have gone: {(self.directory / 'crowd.log').read_text()}")
        for index, daemon in enumerate(self.instances):
            if f"instance {index}" not in self.under_way and not daemon.process.is_running():
                raise RuntimeError(f"{daemon.name} ended by itself with {daemon.process.returncode}:\n{daemon.log()[-3000:]}")
        if "redis" not in self.under_way and self.aof_bytes() > AOF_BYTES_MAX:
            self.rewrite()

    def aof_bytes(self):
        """The bytes added since the last rewrite."""
        newest = max(self.redis.data.glob("*.incr.aof"), key=lambda path: int(path.name.split(".")[-3]), default=None)
        return newest.stat().st_size if newest is not None else 0

    def note(self, text):
        counted = self.crowd.counted if self.crowd is not None else 0
        self.trace.write(f"{time.monotonic() - self.started_at:9.3f} {counted:8d} {text}\n")
        self.trace.flush()

    # --- the count ---

    def settle(self):
        """Ends all faults and visitors, and waits until all work is done."""
        for index in range(INSTANCES):
            self.proxy(index).clear()
        self.crowd.stop()
        if not self.crowd.finish(60):
            self.problems.append("visitors still wait a minute after the last fault")
        wait_until(self.all_looked, "each instance counts", deadline=60)
        for daemon in self.instances:
            wait_until(lambda d=daemon: d.status()["visits"]["waiting"] == 0, f"nobody waits at {daemon.name}")
            self.wait_for_replay(daemon)
        wait_until(lambda: all(proxy.open_connections() == len(proxy.connections) for proxy in map(self.proxy, range(INSTANCES))),
                   "nothing is left in the proxies")

    def wait_for_replay(self, daemon):
        """Waits for the replay of the journal. Tens of thousands of records may be left, so it only checks that they become fewer."""
        def left():
            return daemon.status().get("journal", {"records": 0})["records"]

        records = left()
        while records != 0:
            wait_until(lambda before=records: left() < before, f"the journal of {daemon.name} is replayed: {records} records are left")
            records = left()

    def count(self):
        """Compares the answers of the visitors with the store."""
        for daemon in self.instances if self.has_journal else []:
            result = run_ctl("--json", "journal", "aside", self.directory / f"journal-{daemon.name}")
            self.books.set_aside(result.json())
        self.books.compare(self.redis, self.crowd.pages)
        self.judge_answers()
        self.judge_instances()
        self.judge_numbers()

    def judge_answers(self):
        crowd = self.crowd
        if crowd.others:
            self.problems += [f"answer: {text}" for text in crowd.others]
        if crowd.hung:
            self.problems.append(f"{crowd.hung} visits were never answered")
        if crowd.longest_wait_ms > WAIT_MAX_MS:
            self.problems.append(f"somebody waited {crowd.longest_wait_ms} ms for an answer")
        if crowd.counted < self.visits:
            self.problems.append(f"only {crowd.counted} visits were counted")

    def judge_instances(self):
        lost = sum(daemon.status()["batches"].get("lost_visits", 0) for daemon in self.instances)
        if lost:
            self.problems.append(f"instances say that {lost} visits are lost")

    def judge_numbers(self):
        """Checks the order of numbers. Until an instance has resent what the store lost, another instance may give out numbers a second time. So
        after a rollback only numbers from one instance are in order. After lost totals, numbers start again. A visit whose token was lost may
        count twice."""
        crowd = self.crowd
        was_rolled_back = any("roll back" in kind or "fail over" in kind for kind in self.kinds)
        if crowd.twice and not was_rolled_back:
            self.problems.append(f"{crowd.twice} numbers of pages of all were given twice")
        for name, text in crowd.disordered.items():
            if crowd.sites[name] not in (TORN, FORGETFUL) and (name.startswith("direct") or not was_rolled_back):
                self.problems.append(f"{crowd.groups[name]['disordered']} numbers are not those that follow: {text}")

    # --- the report ---

    def options(self):
        """The options of tests/faults/chaos that repeat this storm, without the seed."""
        return (f"--faults {self.fault_count} --visits {self.visits} --connections {self.connections}"
                f"{'' if self.has_nginx else ' --direct'}{' --journal yes' if self.has_journal else ' --journal no'}"
                f"{''.join(f' --only {words!r}' for words in self.only)}")

    def rows(self):
        crowd, books = self.crowd, self.books
        return [
            ("visits answered as counted", books.counted),
            ("visits in the store", books.stored),
            ("doubles", books.doubles),
            ("losses", books.losses),
            ("answered as not known, or not at all", books.doubtful),
            ("refused", crowd.sum("refused")),
            ("of these, of the site with keys of a wrong type", crowd.sum("refused", REFUSED)),
            ("of these, of the site that was torn", crowd.sum("refused", TORN)),
            ("of these, for their keys while Redis was full", crowd.sum("key_refusals")),
            ("set aside in journals when it was repaired", sum(books.aside.values())),
            ("looks at the other sites meanwhile", self.judged),
            ("longest refusal", f"{crowd.longest_refusal_ms} ms"),
            ("which said", crowd.longest_refused_with or "-"),
            ("longest wait for an answer", f"{crowd.longest_wait_ms} ms"),
            ("requests sent", crowd.sent),
            ("asked again under the same key", sum(group["doubtful"] for name, group in crowd.groups.items() if "key" in name)),
            ("found to be counted already", crowd.sum("repeated")),
            ("answered from the journal", crowd.sum("journaled")),
            ("faults", sum(self.kinds.values())),
        ]

    def table(self):
        rows = self.rows()
        width = max(len(name) for name, _ in rows)
        return "\n".join(f"{name:{width}}  {value:>10}" for name, value in rows)

    def is_good(self):
        return not self.problems and self.books.doubles == 0 and self.books.losses == 0
