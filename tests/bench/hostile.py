# SPDX-License-Identifier: MIT
"""What an attacker costs an honest client beside it, and how much memory the daemon needs meanwhile.

The daemon and its store have a core of their own; the attacker and the honest client share another one, which the honest
client gets first. What else the machine does comes last. Each attack is measured right after the same without it, in turn, round after round. A ratio is the
median of the ratios within a round.
"""

import contextlib
import json
import pathlib
import secrets
import statistics
import subprocess
import sys
import time

import machine
import targets
from measure import HERE, MIB, started
from processes import TROUBLE, Failed
from tables import table

STORES = {"Redis": "redis", "SQLite": "sqlite"}

#: What attack.lua, or the program attacker, does; and the same in words.
ATTACKS = {
    "reads": "questions for 100 pages of 37 days",
    "pages": "a new page each time",
    "streams": "streams that are given up at once",
    "keys": "a new Idempotency-Key each time",
    "visitors": "a new user agent each time",
    "idle": "admin connections that ask for nothing",
    "heads": "malformed heads",
    "passwords": "wrong passwords",
}

#: How strong the attacker is: connections, addresses; and the honest client: connections, pause of each in ms.
STRENGTHS = {
    "one connection": (1, 1, 1, 0),
    "one address, 64 connections": (64, 1, 1, 0),
    "a whole core": (256, 1 << 16, 16, 8),
}

#: What is wanted at each strength: the p99 of the honest client, x without an attacker; or its rate, with nothing refused.
P99_MAX = {"one connection": 1.5, "one address, 64 connections": 3}
RATE_MIN = 0.5
MEMORY_MAX_MIB = 110

WARM_UP_S = 0.3

REMARK = (
    "Visits with new keys or of new visitors from 65,536 addresses are within their budgets, so they count. On SQLite each is a row of "
    "the same commit as the honest visit, and the disk's thread shares its core with the event loop here: the commit takes longer, and an "
    "honest client waits for it.")

#: Nice values of the daemon, its store and the honest client, and of the attacker: before all else that the machine does.
FIRST, SECOND = -20, -10
PASSWORD = "a long password that nobody guesses"


def wrk(target, connections, seconds, *load):
    return ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(HERE / "attack.lua"), target.url, "--", *map(str, load)]


def parse(output):
    _, found, figures = output.partition("JSON ")
    if not found:
        raise Failed(f"wrk: {output.strip() or 'no result'}")
    return json.loads(figures)


def measure_honest(target, strength, seconds):
    _, _, connections, pause_ms = STRENGTHS[strength]
    with machine.at_nice(FIRST):
        done = subprocess.run(wrk(target, connections, seconds, "honest", pause_ms), text=True, capture_output=True, check=False)
    figures = parse(done.stdout + done.stderr)
    figures["failed"] = figures["refused"] + figures["broken"]
    figures["rate"] = (figures["requests"] - figures["refused"]) * 1e6 / figures["duration_us"]
    return figures


@contextlib.contextmanager
def attacked(target, attack, strength, seconds):
    """While the attack goes on; gives what says how many requests it made, or None."""
    connections, addresses, _, _ = STRENGTHS[strength]
    if attack in ("streams", "idle"):
        address = target.places.run / "admin" if attack == "idle" else target.port
        words = [HERE / "attacker", attack, address, connections, addresses]
    else:
        words = wrk(target, connections, seconds + 2, attack, secrets.token_hex(4), addresses)
    with machine.at_nice(SECOND):
        child = subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        time.sleep(WARM_UP_S)
        if child.poll() is not None:
            raise Failed(f"{attack}: {child.communicate()[1].strip()}")
        yield child
    finally:
        child.terminate()
        child.communicate()


def reset_peak(pid):
    """Of its resident memory (Documentation/filesystems/proc.rst of Linux: clear_refs)."""
    pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5\n")


def read_peak_mib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / MIB
    raise Failed(f"no VmHWM of process {pid}")


def measure_pair(target, attack, strength, seconds):
    """The honest client without the attack, and beside it."""
    pid = target.processes["server"][0].child.pid
    without = measure_honest(target, strength, seconds)
    reset_peak(pid)
    with attacked(target, attack, strength, seconds) as _:
        beside = measure_honest(target, strength, seconds)
    return {"p50_us": without["p50_us"], "p99_us": without["p99_us"], "beside_p50_us": beside["p50_us"],
            "beside_p99_us": beside["p99_us"], "p50_ratio": beside["p50_us"] / without["p50_us"],
            "p99_ratio": beside["p99_us"] / without["p99_us"], "rate_ratio": beside["rate"] / without["rate"],
            "requests": without["requests"] + beside["requests"], "failed": beside["failed"], "memory_mib": read_peak_mib(pid)}


def measure_rounds(target, settings, problems, name):
    """{(attack, strength): figures}, medians over the rounds; of memory and of what failed, the most."""
    measured = {}
    for i in range(settings["rounds"]):
        for attack in ATTACKS:
            for strength in STRENGTHS:
                print(f"\r{name}: round {i + 1} of {settings['rounds']}: {attack}, {strength}".ljust(79), end="",
                      file=sys.stderr, flush=True)
                try:
                    figures = measure_pair(target, attack, strength, settings["seconds"])
                    measured.setdefault((attack, strength), []).append(figures)
                except TROUBLE as error:
                    problems.append(f"{name}, {attack}, {strength}: {error}")
    print(file=sys.stderr)
    return {key: {figure: (max if figure in ("failed", "memory_mib") else statistics.median)(one[figure] for one in rounds)
                  for figure in rounds[0]} for key, rounds in measured.items()}


def verdict(strength, figures):
    if figures["memory_mib"] > MEMORY_MAX_MIB:
        return "miss"
    if strength in P99_MAX:
        return "pass" if figures["p99_ratio"] <= P99_MAX[strength] else "miss"
    return "pass" if figures["failed"] == 0 and figures["rate_ratio"] >= RATE_MIN else "miss"


def show(measured):
    rows = [["attack", "attacker", "p50 us", "beside it", "p99 us", "beside it", "p99, x", "rate, x", "not answered",
             "daemon's most MiB", "goal"]]
    for (attack, strength), figures in measured.items():
        rows.append([ATTACKS[attack], strength, f"{figures['p50_us']:,.0f}", f"{figures['beside_p50_us']:,.0f}",
                     f"{figures['p99_us']:,.0f}", f"{figures['beside_p99_us']:,.0f}", f"{figures['p99_ratio']:.2f}",
                     f"{figures['rate_ratio']:.2f}", f"{figures['failed']:.0f}", f"{figures['memory_mib']:.0f}",
                     verdict(strength, figures)])
    return table(rows)


def summarise(all_measured):
    """The worst of each goal over attacks and stores."""
    cells = [(strength, figures) for measured in all_measured for (_, strength), figures in measured.items()]
    found = {f"p99 {strength}": max(figures["p99_ratio"] for of, figures in cells if of == strength) for strength in P99_MAX
             if any(of == strength for of, _ in cells)}
    core = [figures for of, figures in cells if of not in P99_MAX]
    if core:
        found |= {"rate": min(figures["rate_ratio"] for figures in core), "failed": max(figures["failed"] for figures in core)}
    return found | {"memory_mib": max(figures["memory_mib"] for _, figures in cells)}


def run_hostile(settings, problems):
    with machine.before_others():
        return run_stores(settings, problems)


def run_stores(settings, problems):
    server_core, client_core = machine.two_cores()
    wanted = settings["targets"] or list(STORES)
    results, sections = {}, []
    for name, store in STORES.items():
        if name not in wanted:
            continue
        create = {name: lambda places, of=store: targets.Visitcountd(
            places, "/count", of, settings={"dashboard.password": PASSWORD})}
        with contextlib.ExitStack() as stack:
            with machine.on_core(server_core), machine.at_nice(FIRST):
                running = stack.enter_context(started(create, settings["directory"], problems))
            if name in running:
                with machine.on_core(client_core):
                    results[name] = measure_rounds(running[name], settings, problems, name)
                sections += [f"### {name}", show(results[name])]
    if not results:
        raise Failed("no store was measured")
    return summarise(results.values()), "\n\n".join([
        "## Attackers", describe(), *sections, REMARK,
        f"{machine.today()}; medians of {settings['rounds']} rounds of {settings['seconds']} s."])


def describe():
    return (
        "An honest client visits one page during an attack. The daemon runs with its default limits, on one core together with "
        "its store. The client's times and rate are compared with its own times and rate right before the attack. The attacker "
        "names one address, or 65,536 addresses. It sends the next request at once after each answer. "
        "Beside an attacker with a whole core the honest client has 16 connections that each pause for 8 ms after "
        "an answer; else it has one, without a pause.\n\n"
        f"Wanted is a p99 of at most {P99_MAX['one connection']:g} times that without an attacker of one connection, and of at "
        f"most {P99_MAX['one address, 64 connections']:g} times beside 64 connections of one address. Beside a whole core "
        f"every request of the honest client has to be answered with its number, at half the rate or more. The daemon's memory may be at most "
        f"{MEMORY_MAX_MIB} MiB.")
