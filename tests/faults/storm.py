# SPDX-License-Identifier: MIT
"""A storm: faults of all parts at once, under the load of visitors who write down every answer; then the count.

    Redis <- proxy <- instance <- nginx <- visitors
          <- proxy <- instance <-          visitors
          <- proxy <- instance <-

The invariant: what was answered as counted is in the store, once; what was answered as refused is not; and of the
rest each visit is there at most once.
"""

import collections
import os
import pathlib
import signal
import time

import redis as client_library

from harness import Daemon, Nginx, RedisStore, fetch, free_ports, wait_until
from harness.client import Closed

from crowd import Crowd
from parts import RollbackRedis, link_settings
from plan import INSTANCES, draw_plan
from proxy import Proxy

SITE = "default"

#: Little patience, so that a fault of a second is a long one.
HASTY = {"count.max_wait": "500ms", "redis.command_timeout": "400ms", "redis.connect_timeout": "300ms",
         "ledger.retain": "10m", "ledger.retain_max": "512MiB"}

#: Faults that are under way at once, at most.
AT_ONCE = 5

#: A fault begins at the latest so many seconds after the one before, however few visits were counted meanwhile.
PAUSE_MAX = 1.0

#: What the append-only file may grow to before it is rewritten: it is copied and loaded all the time.
AOF_BYTES_MAX = 8 << 20

#: Longest that a visitor may wait for an answer: the longest fault, twice, and what a busy machine takes.
WAIT_MAX_MS = 15000


TAKE = """
local state = {}
for _, key in ipairs(redis.call('KEYS', 'vc:*')) do
    state[#state + 1] = key
    state[#state + 1] = redis.call('DUMP', key)
    state[#state + 1] = redis.call('PTTL', key)
end
return state
"""

PUT = """
for _, key in ipairs(redis.call('KEYS', 'vc:*')) do
    redis.call('DEL', key)
end
for i = 1, #ARGV, 3 do
    if ARGV[i + 2] ~= '0' then -- else it ends just now
        redis.call('RESTORE', ARGV[i], math.max(ARGV[i + 2], 0), ARGV[i + 1])
    end
end
"""


def take_state(server):
    """All that it has, of one moment."""
    return client_library.Redis(unix_socket_path=str(server.socket)).eval(TAKE, 0)


def put_state(server, state):
    client_library.Redis(unix_socket_path=str(server.socket)).eval(PUT, 0, *state)


class Storm:
    def __init__(self, directory, *, seed, faults, visits, connections=340, has_nginx=True, has_journal=False,
                 say=lambda text: None):
        self.directory = pathlib.Path(directory)
        self.seed = seed
        self.visits = visits
        self.plan = draw_plan(seed, faults, has_nginx=has_nginx)
        self.fault_count = faults
        self.connections = connections
        self.say = say
        self.under_way = {}            # lane: (generator, when or on what it goes on)
        self.kinds = collections.Counter()
        self.trace = open(self.directory / "trace", "w", encoding="utf-8")
        self.started_at = time.monotonic()
        self.rolling_back = False      # instances are left alone
        self.problems = []
        self.lines = []
        self.fsync = ["always", "everysec"][seed % 2]
        self.redis = RollbackRedis(self.directory, config={"appendfsync": self.fsync})
        self.proxies = [Proxy(self.redis.socket, seed=seed * 10 + index) for index in range(INSTANCES)]
        self.instances = []
        self.ports = free_ports(INSTANCES)
        self.nginx = None
        self.has_nginx = has_nginx
        self.has_journal = has_journal
        self.crowd = None

    # --- the parts ---

    def start(self):
        self.redis.start()
        for index, proxy in enumerate(self.proxies):
            proxy.start()
            daemon = Daemon(self.directory, {**link_settings(proxy), **HASTY, **self.journal_settings(), "sites": [SITE],
                                             "http.listen": [f"127.0.0.1:{self.ports[index]}", f"unix:{self.directory}/%i.sock"]},
                            name=f"i{index}")
            self.instances.append(daemon.start().wait_for_store())
        if self.has_nginx:
            self.nginx = Nginx(self.directory, [daemon.addresses("visitors")[1] for daemon in self.instances])
            self.nginx.start()
        self.crowd = Crowd(self.groups(), self.directory, self.note)

    def journal_settings(self):
        return {"journal.directory": f"{self.directory}/journal-%i"} if self.has_journal else {}

    def groups(self):
        """Half of the visitors by nginx, half straight to an instance; some with a key, a few on pages of all."""
        share = self.connections / (20 if self.has_nginx else 10)
        groups = []

        def add(name, port, parts, **settings):
            groups.append({"name": name, "port": port, "connections": max(1, round(share * parts)), **settings})

        for index, port in enumerate(self.ports):
            add(f"direct{index}", port, 5 / 3)
            add(f"direct{index}-key", port, 3 / 3, key=1)
            add(f"direct{index}-shared", port, 2 / 3, shared=1)
        if self.has_nginx:
            port = self.nginx.address[1]
            add("nginx", port, 4)
            add("nginx-key", port, 3, key=1)
            add("nginx-post", port, 1, method="POST")
            add("nginx-shared", port, 1, shared=2)
            add("nginx-shared-key", port, 1, shared=3, key=1)
        return groups

    def finish(self):
        """Ends all that was started."""
        if self.crowd is not None:
            self.crowd.kill()
        for part in [self.nginx, *self.instances]:
            if part is not None and part.process is not None and part.process.is_running():
                os.killpg(part.process.pid, signal.SIGKILL)
                part.process.was_killed = True
        for part in [self.nginx, *self.instances, self.redis, *self.proxies]:
            if part is not None:
                part.finish()
        self.trace.close()

    # --- the faults: each is a generator, which says how long it wants to wait, or for what ---

    def begin(self, fault):
        name = f"{fault.lane.split()[0]}_{fault.kind.replace(' ', '_')}"
        kind = getattr(self, name, None) or getattr(self, f"{fault.lane.split()[0]}_faults")
        self.kinds[f"{fault.lane.split()[0]} {fault.kind}"] += 1
        self.note(f"begins: {fault}")
        return kind(fault)

    def link_faults(self, fault):
        arguments = dict(fault.arguments)
        proxy = self.proxies[fault.index]
        proxy.set(arguments.pop("direction"), arguments.pop("scope", "all"), **arguments)
        yield fault.seconds
        proxy.clear()

    def link_cut_in_greeting(self, fault):
        arguments = dict(fault.arguments)
        proxy = self.proxies[fault.index]
        proxy.set(arguments.pop("direction"), "future", **arguments)
        proxy.cut()
        yield fault.seconds
        proxy.clear()

    def link_end(self, fault):
        self.proxies[fault.index].cut(fault.arguments["how"])
        yield 0

    def link_refuse(self, fault):
        proxy = self.proxies[fault.index]
        proxy.refuse(fault.arguments["how"])
        proxy.cut(fault.arguments["how"])
        yield fault.seconds
        proxy.clear()

    def redis_kill(self, fault):
        """With `always` this loses nothing that was answered; with `everysec` it may."""
        if self.fsync == "everysec":
            yield from self.leave_instances_alone()
        self.redis.kill()
        yield fault.seconds
        yield from self.start_redis()
        if self.fsync == "everysec":
            yield from self.wait_until_all_looked()

    def start_redis(self):
        self.redis.start(is_ready=False)
        yield self.redis.answers

    def redis_stop(self, fault):
        self.redis.pause()
        yield fault.seconds
        self.redis.resume()

    def redis_roll_back(self, fault):
        """The visits of `seconds` were never on the disk."""
        yield from self.leave_instances_alone()
        self.redis.take_copy()
        yield fault.seconds
        self.redis.lose_since_copy()
        yield from self.start_redis()
        yield from self.wait_until_all_looked()

    def redis_roll_back_unnoticed(self, fault):
        """Somebody puts an earlier state into its place while it runs: no connection ends."""
        yield from self.leave_instances_alone()
        state = take_state(self.redis)
        yield fault.seconds
        put_state(self.redis, state)
        yield from self.wait_until_all_looked()

    def leave_instances_alone(self):
        """No instance ends until all have healed: one that is gone cannot send again what it had been answered, which is
        where the promise ends."""
        self.rolling_back = True
        yield lambda: not any(lane.startswith("instance") for lane in self.under_way)
        mark = self.redis.mark()
        yield lambda: self.redis.has_written(mark)

    def wait_until_all_looked(self):
        yield self.all_looked
        self.rolling_back = False

    def all_looked(self):
        """Whether each instance has counted a visit in the store of now, and sent again what that lacked."""
        return all(self.answers(index, f"/v1/hit/{SITE}/flush/{index}") and not self.is_healing(index)
                   for index in range(INSTANCES))

    def is_healing(self, index):
        try:
            return self.instances[index].status()["batches"]["healing"]
        except (OSError, Closed):
            return True

    def answers(self, index, target):
        """With 200: a visit that went to the journal shows nothing."""
        try:
            return fetch(("127.0.0.1", self.ports[index]), target, timeout=2).status == 200
        except (OSError, Closed):
            return False

    def redis_end_connections(self, _fault):
        self.redis.client().client_kill_filter(_type="normal", skipme=True)
        yield 0

    def redis_forget_scripts(self, _fault):
        self.redis.client().script_flush()
        yield 0

    def redis_rewrite(self, _fault):
        self.rewrite()
        yield 0

    def rewrite(self):
        """The append-only file becomes short again, while everything else goes on."""
        client = self.redis.client()
        if client.info("persistence")["aof_rewrite_in_progress"] == 0:
            client.bgrewriteaof()

    def instance_kill(self, fault):
        daemon = self.instances[fault.index]
        daemon.kill()
        yield fault.seconds
        yield from self.start_instance(fault.index)

    def instance_restart(self, fault):
        daemon = self.instances[fault.index]
        daemon.signal(signal.SIGTERM)
        yield lambda: not daemon.process.is_running()
        if daemon.process.returncode != 0:
            self.problems.append(f"{daemon.name} ended with {daemon.process.returncode} after SIGTERM")
        yield fault.seconds
        yield from self.start_instance(fault.index)

    def start_instance(self, index):
        self.instances[index].start(is_ready=False)
        yield lambda: self.answers(index, "/livez")

    def instance_stop(self, fault):
        daemon = self.instances[fault.index]
        daemon.process.pause()
        yield fault.seconds
        daemon.process.resume()

    def nginx_kill(self, fault):
        self.nginx.process.was_killed = True
        os.killpg(self.nginx.process.pid, signal.SIGKILL)
        self.nginx.process.wait()
        yield fault.seconds
        self.nginx.start()

    def nginx_stop(self, fault):
        os.killpg(self.nginx.process.pid, signal.SIGSTOP)
        yield fault.seconds
        os.killpg(self.nginx.process.pid, signal.SIGCONT)

    def nginx_reload(self, _fault):
        self.nginx.reload()
        yield 0

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
                self.under_way[fault.lane] = [fault, self.begin(fault), 0]
            if now - said_at > 5:
                said_at = now
                self.say(f"{now - self.started_at:5.0f} s: {self.fault_count - len(self.plan)} faults, "
                         f"{self.crowd.counted} visits counted")
            time.sleep(0.002)

    def next_fault(self):
        """The first of the plan that can begin now."""
        if len(self.under_way) < AT_ONCE:
            for fault in self.plan:
                if fault.lane not in self.under_way and not (self.rolling_back and fault.lane.startswith("instance")):
                    self.plan.remove(fault)
                    return fault
        return None

    def step_all(self, now):
        for lane, entry in list(self.under_way.items()):
            fault, steps, until = entry
            if callable(until):
                if not self.holds(until, lane):
                    continue
            elif now < until:
                continue
            try:
                wait = next(steps)
                entry[2] = wait if callable(wait) else now + wait
            except StopIteration:
                del self.under_way[lane]
                self.note(f"ends:   {fault.lane} {fault.kind}")

    def holds(self, condition, lane):
        try:
            return condition()
        except AssertionError as failure:
            raise RuntimeError(f"{lane}: {failure}") from failure

    def check_parts(self):
        """Nothing ends that was not ended here, and the files stay small."""
        if self.crowd.child.poll() is not None:
            raise RuntimeError(f"the visitors have gone: {(self.directory / 'crowd.log').read_text()}")
        for index, daemon in enumerate(self.instances):
            if f"instance {index}" not in self.under_way and not daemon.process.is_running():
                raise RuntimeError(f"{daemon.name} ended by itself with {daemon.process.returncode}:\n{daemon.log()[-3000:]}")
        if "redis" not in self.under_way and self.aof_bytes() > AOF_BYTES_MAX:
            self.rewrite()

    def aof_bytes(self):
        """Of what was added since the last time it was rewritten."""
        newest = max(self.redis.data.glob("*.incr.aof"), key=lambda path: int(path.name.split(".")[-3]), default=None)
        return newest.stat().st_size if newest is not None else 0

    def note(self, text):
        self.trace.write(f"{time.monotonic() - self.started_at:9.3f} {self.crowd.counted:8d} {text}\n")
        self.trace.flush()

    # --- the count ---

    def settle(self):
        """No faults, no visitors: all that is under way comes to its end."""
        for proxy in self.proxies:
            proxy.clear()
        self.crowd.stop()
        if not self.crowd.finish(60):
            self.problems.append("visitors still wait a minute after the last fault")
        wait_until(self.all_looked, "each instance counts", deadline=60)
        for daemon in self.instances:
            wait_until(lambda d=daemon: d.status()["visits"]["waiting"] == 0, f"nobody waits at {daemon.name}")
            wait_until(lambda d=daemon: d.status().get("journal", {"records": 0})["records"] == 0,
                       f"the journal of {daemon.name} is replayed", deadline=120)
        wait_until(lambda: all(proxy.open_connections() == len(proxy.connections) for proxy in self.proxies),
                   "nothing is left in the proxies")

    def count(self):
        """Compares what the visitors were told with what the store has, page by page."""
        self.counted = self.doubtful = self.stored = self.losses = self.doubles = 0
        totals = {page: total for (_, page), total in RedisStore(self.redis).totals().items() if not page.startswith("/flush/")}
        for page, (counted, doubtful) in self.crowd.pages.items():
            stored = totals.pop(page, 0)
            self.counted += counted
            self.doubtful += doubtful
            self.stored += stored
            self.judge(page, counted, doubtful, stored)
        for page, stored in totals.items():  # nobody was told that a visit of it was counted
            self.stored += stored
            self.judge(page, 0, 0, stored)
        self.judge_rest()

    def judge(self, page, counted, doubtful, stored):
        lost = max(0, counted - stored)
        double = max(0, stored - counted - doubtful)
        self.losses += lost
        self.doubles += double
        if (lost or double) and len(self.problems) < 20:
            self.problems.append(f"{page}: {counted} answered as counted, {doubtful} not known, {stored} in the store")

    def judge_rest(self):
        crowd = self.crowd
        if crowd.others:
            self.problems += [f"answer: {text}" for text in crowd.others]
        if crowd.hung:
            self.problems.append(f"{crowd.hung} visits were never answered")
        if crowd.longest_wait_ms > WAIT_MAX_MS:
            self.problems.append(f"somebody waited {crowd.longest_wait_ms} ms for an answer")
        if crowd.counted < self.visits:
            self.problems.append(f"only {crowd.counted} visits were counted")
        day, hour = RedisStore(self.redis).series_totals()
        total = sum(RedisStore(self.redis).totals().values())
        if not day == hour == total:
            self.problems.append(f"by day {day}, by hour {hour}, in total {total}")
        lost = sum(daemon.status()["batches"].get("lost_visits", 0) for daemon in self.instances)
        if lost:
            self.problems.append(f"instances say that {lost} visits are lost")
        # while one instance has not yet healed what the store lost, another gives numbers out that were given before:
        # the numbers of a page are in order as far as they come from one instance
        was_rolled_back = any(kind.startswith("redis roll back") for kind in self.kinds)
        if crowd.twice and not was_rolled_back:
            self.problems.append(f"{crowd.twice} numbers of pages of all were given twice")
        for name, text in crowd.disordered.items():
            if name.startswith("direct") or not was_rolled_back:
                self.problems.append(f"{crowd.groups[name]['disordered']} numbers are not those that follow: {text}")

    def options(self):
        """What makes tests/faults/chaos do the same, besides the seed."""
        return (f"--faults {self.fault_count} --visits {self.visits} --connections {self.connections}"
                f"{'' if self.has_nginx else ' --direct'}{' --journal yes' if self.has_journal else ' --journal no'}")

    def rows(self):
        crowd = self.crowd
        return [
            ("visits answered as counted", self.counted),
            ("visits in the store", self.stored),
            ("doubles", self.doubles),
            ("losses", self.losses),
            ("answered as not known, or not at all", self.doubtful),
            ("refused", crowd.sum("refused")),
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
        return not self.problems and self.doubles == 0 and self.losses == 0
