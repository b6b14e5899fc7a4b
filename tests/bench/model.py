# SPDX-License-Identifier: MIT
"""Extrapolates the measured costs to a larger system: the tables of docs/scaling.md."""

import math

import machine
from measure import medians
from tables import table

CONNECTIONS = 128
FLEET = 1_000_000  # visits/s
BUSY = 0.6  # the load of a core that leaves room for a peak and for the loss of another instance

#: the source of each cost: part, rounds in its results, row of its table, key, and section of RESULTS.md
COSTS = {
    "nginx in front": ("systems", CONNECTIONS, "nginx + 3 visitcountd", "proxy_us", "Whole systems"),
    "nginx in front, on TCP": ("systems", CONNECTIONS, "nginx + 3 visitcountd on TCP", "proxy_us", "Whole systems"),
    "instance, asked directly": ("direct", CONNECTIONS, "count on Redis", "server_us", "Directly"),
    "instance, asked directly, with tokens": ("direct", CONNECTIONS, "with tokens", "server_us", "Directly"),
    "instance, asked directly, new visitors": ("direct", CONNECTIONS, "hit with visitors", "server_us", "Directly"),
    "instance, one of three asked directly": ("instances", "directly", "3 instances", "server_us", "Instances"),
    "instance behind nginx, one of three":
        ("systems", CONNECTIONS, "nginx + 3 visitcountd", "server_us", "Whole systems"),
    "instance behind nginx, on TCP":
        ("systems", CONNECTIONS, "nginx + 3 visitcountd on TCP", "server_us", "Whole systems"),
    "Redis, all visits of one page": ("direct", CONNECTIONS, "count on Redis", "redis_us", "Directly"),
    "Redis, the same with tokens": ("direct", CONNECTIONS, "with tokens", "redis_us", "Directly"),
    "Redis, the same with new visitors": ("direct", CONNECTIONS, "hit with visitors", "redis_us", "Directly"),
    "Redis behind three instances, one page": ("instances", "directly", "3 instances", "redis_us", "Instances"),
    "Redis behind nginx and three, one page, tokens":
        ("systems", CONNECTIONS, "nginx + 3 visitcountd", "redis_us", "Whole systems"),
    "Redis, one page of 1,000,000": ("pages", CONNECTIONS, "1,000,000 pages", "redis_us", "Pages and sites"),
    "Redis, random pages of 1,000,000": ("pages", "random", "1,000,000 pages", "redis_us", "Pages and sites"),
    "Redis, random sites of 10,000": ("pages", "random", "10,000 sites", "redis_us", "Pages and sites"),
}

#: part of a large fleet: the cost on which it is based
FLEET_PARTS = {
    "nginx": "nginx in front",
    "instances": "instance behind nginx, one of three",
    "instances, asked directly instead": "instance, one of three asked directly",
    "Redis masters, popular pages": "Redis, the same with tokens",
    "Redis masters, pages at random": "Redis, random pages of 1,000,000",
}


def costs_of(results):
    """{part of the system: us per visit}, or None if one of them was not measured."""
    found = {}
    for name, (part, which, row, key, _) in COSTS.items():
        rounds = results.get(part, {}).get(which)
        value = medians(rounds).get(row, {}).get(key) if rounds else None
        if not value:
            return None
        found[name] = value
    return found


def redis_bytes_per_page(results):
    result = medians(results["pages"][CONNECTIONS])
    grown_mib = result["1,000,000 pages"]["redis_mib"] - result["1 page"]["redis_mib"]
    return grown_mib * (1 << 20) / 1_000_000


def describe(results):
    """The text of the section; None if too little was measured."""
    costs = costs_of(results)
    if costs is None or not {"1 page", "1,000,000 pages"} <= medians(results["pages"][CONNECTIONS]).keys():
        return None
    model = [["of each visit", "CPU us", "visits/s of a full core", f"of a core {BUSY:.0%} busy", "section"]]
    for name, cost in costs.items():
        model.append([name, f"{cost:.2f}", f"{1e6 / cost:,.0f}", f"{1e6 * BUSY / cost:,.0f}", COSTS[name][4]])
    fleet = [[f"for {FLEET:,} visits/s", "CPU us/visit", "cores, full", f"cores {BUSY:.0%} busy"]]
    for name, source in FLEET_PARTS.items():
        cores = costs[source] * FLEET / 1e6
        fleet.append([name, f"{costs[source]:.2f}", f"{math.ceil(cores)}", f"{math.ceil(cores / BUSY)}"])
    return "\n\n".join([
        f"At {CONNECTIONS} connections, from [RESULTS.md](../tests/bench/RESULTS.md); {machine.cpu_model()}, "
        f"{machine.today()}.", table(model), table(fleet),
        f"A page takes {redis_bytes_per_page(results):,.0f} bytes of Redis' memory (total, day, "
        "hour, and a visitor of the day)."])
