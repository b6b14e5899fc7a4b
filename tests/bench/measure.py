# SPDX-License-Identifier: MIT
"""One measurement, one round over all targets, and the medians over rounds.

All targets run at once and are measured in turn, round after round, so that other load of the machine affects all of them. The result shows the
median of each figure over the rounds. A ratio is the median of the ratios within a round. The CPU time of a target's processes comes from
/proc/PID/stat. It is divided by the number of answered requests.
"""

import contextlib
import json
import os
import pathlib
import resource
import secrets
import statistics
import subprocess
import sys
import tempfile
import time

from processes import TICKS_PER_S, TROUBLE, Failed, Places

HERE = pathlib.Path(__file__).resolve().parent
WARM_UP_S = 1
SETTLED_S = 0.05  # a target is settled after this time without counting
ROLES = ("server", "redis", "proxy")
MIB = 1 << 20


# --- accounts ---

def machine_busy_s():
    """The CPU time of all programs on all cores (proc(5))."""
    fields = pathlib.Path("/proc/stat").read_text().split("\n")[0].split()[1:9]
    user, nice, system, _idle, _iowait, irq, softirq, steal = (int(field) for field in fields)
    return (user + nice + system + irq + softirq + steal) / TICKS_PER_S


def own_children_s():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def cpu_of(target):
    return {role: sum(process.cpu_s() for process in processes)
            for role, processes in target.processes.items()}


def memory_of(target, role):
    return sum(process.memory_bytes() for process in target.processes.get(role, [])) / MIB


# --- measuring ---

def run_wrk(target, connections, seconds):
    """Runs wrk and returns the result of load.lua."""
    load = list(target.load)
    if load in (["tokens"], ["visitors"]):
        load.append(secrets.token_hex(8))
    done = subprocess.run(["wrk", f"-t{target.client_threads}", f"-c{connections}", f"-d{seconds}s",
                           "-s", HERE / "load.lua", target.url, "--", *load], text=True, capture_output=True, check=False)
    _, found, figures = done.stdout.partition("JSON ")
    if not found:
        raise Failed(f"wrk {target.url}: {(done.stdout + done.stderr).strip() or 'no result'}")
    return json.loads(figures)


def settled_counters(target):
    """Waits until the target has counted the abandoned requests of earlier clients. Returns its counters; None if it does not count."""
    now = target.counters()
    while now is not None:
        before = now
        time.sleep(SETTLED_S)
        now = target.counters()
        if now[0] == before[0]:
            break
    return now


def measure(target, connections, seconds):
    counters = settled_counters(target)
    before, busy_s = cpu_of(target), machine_busy_s() - own_children_s()
    client_s = own_children_s()
    figures = run_wrk(target, connections, seconds)
    client_s = own_children_s() - client_s
    used_us = {role: (used_s - before[role]) * 1e6 for role, used_s in cpu_of(target).items()}
    busy_s = machine_busy_s() - own_children_s() - busy_s - sum(used_us.values()) / 1e6
    answered = figures["requests"] - figures["refused"]
    if answered <= 0:
        raise Failed(f"{target.url}: {figures['requests']} requests, none answered")
    figures["client"] = 1e8 * client_s / figures["duration_us"]
    figures["others"] = 1e8 * busy_s / figures["duration_us"] / os.cpu_count()
    figures["failed"] = figures["refused"] + figures["broken"]
    figures["rate"] = answered * 1e6 / figures["duration_us"]
    figures["cpu_us"] = sum(used_us.get(role, 0) for role in ROLES) / answered
    for role in ROLES:
        figures[f"{role}_us"] = used_us.get(role, 0) / answered
        figures[f"{role}_mib"] = memory_of(target, role)
    if counters is not None:
        figures |= check_counts(target, counters, answered, connections)
    return figures


def check_counts(target, before, answered, connections):
    """Checks that a target has counted each visit that it answered. It may have counted more, because wrk breaks off requests at its end. A peer that
    counted a few less is reported. A peer that counted much less did something else and fails."""
    visits, commands = (now - then for now, then in zip(target.counters(), before))
    missing = max(0, answered - visits)
    if missing > (0 if target.is_ours else answered / 1000) or (target.is_ours and visits > answered + connections):
        raise Failed(f"{target.url}: {answered} answers, but {visits} visits counted")
    return {"visits": visits, "commands": commands / visits, "missing": missing}


def measure_alone(target, connections, seconds):
    """Measures one target. With a lone client on Redis it also measures the round trip to Redis: an INCR, and the time of the script."""
    redis = getattr(target, "redis", None)
    if connections != 1 or redis is None or not target.is_ours:
        return measure(target, connections, seconds)
    calls, used_us = redis.script_calls()
    figures = measure(target, connections, seconds)
    calls, used_us = (now - then for now, then in zip(redis.script_calls(), (calls, used_us)))
    figures["round_trip_us"] = redis.round_trip_us() + used_us / max(1, calls)
    figures["beyond_us"] = figures["p50_us"] - figures["round_trip_us"]
    return figures


def measure_round(running, connections, seconds, problems):
    """Measures each target once. A target that fails is left out; its reason is added to `problems`."""
    measured = {}
    for name, target in running.items():
        try:
            measured[name] = measure_alone(target, connections, seconds)
        except TROUBLE as error:
            problems.append(f"{name} at {connections} connections: {error}")
    return measured


def ratio(rounds, name, base, key):
    """The ratio of a target's figure to that of `base`; None if it is not known."""
    ratios = [measured[name][key] / measured[base][key] for measured in rounds
              if key in measured.get(name, {}) and measured.get(base, {}).get(key)]
    return statistics.median(ratios) if ratios else None


def medians(rounds):
    """{target: {figure: median over the rounds}}, with the ratio of each target to the first one."""
    names = list(dict.fromkeys(name for measured in rounds for name in measured))
    result = {}
    for name in names:
        of_it = [measured[name] for measured in rounds if name in measured]
        figures = {key: statistics.median(one[key] for one in of_it) for key in of_it[0]}
        if "missing" in figures:
            figures["missing"] = max(one["missing"] for one in of_it)
        for key in ("rate", "cpu_us"):
            compared = ratio(rounds, name, names[0], key)
            if compared is not None:
                figures[f"{key}_ratio"] = compared
        result[name] = figures
    return result


# --- running ---

@contextlib.contextmanager
def started(factories, directory, problems):
    """{name: running target}. Targets that did not start are added to `problems`."""
    with contextlib.ExitStack() as stack:
        disk = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(dir=directory)))
        run = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="visitcountd-bench-")))
        running = {}
        for number, (name, create) in enumerate(factories.items()):
            places = Places(disk / str(number), run / str(number))
            places.disk.mkdir()
            places.run.mkdir()
            target = create(places)
            own = contextlib.ExitStack()
            try:
                target.start(own)
                run_wrk(target, 16, WARM_UP_S)
            except TROUBLE as error:
                own.close()
                problems.append(f"{name}: {error}")
                continue
            stack.push(own)
            running[name] = target
        yield running


def measure_all(running, settings, problems, connections_list=None, twice_at=None):
    """{connections: rounds}, with twice as many rounds at `twice_at` connections."""
    results = {}
    for connections in connections_list or settings["connections"]:
        rounds = []
        count = settings["rounds"] * (2 if connections == twice_at else 1)
        for i in range(count):
            print(f"\r{connections} connections: round {i + 1} of {count} ",
                  end="", file=sys.stderr, flush=True)
            rounds.append(measure_round(running, connections, settings["seconds"], problems))
        print(file=sys.stderr)
        results[connections] = rounds
    return results
