# SPDX-License-Identifier: MIT
"""Compares the measurements with the goals."""

import statistics

import hostile
from compare import GOAL_CONNECTIONS as CONNECTIONS
from measure import medians, ratio
from scaling import SPREADS, flatness
from tables import table

OURS = "count on Redis"


def at_most(value, bound):
    return value <= bound


def at_least(value, bound):
    return value >= bound


def below(value, bound):
    return value < bound


SIGNS = {at_most: "<=", at_least: ">=", below: "<"}


def compared(results, part, name, base, key):
    rounds = results.get(part, {}).get(CONNECTIONS)
    return ratio(rounds, name, base, key) if rounds else None


def figure(results, part, connections, name, key):
    rounds = results.get(part, {}).get(connections)
    return medians(rounds).get(name, {}).get(key) if rounds else None


def beyond_constant_us(results):
    """The time that counting adds to a lone request, without the round trips of HTTP and of the store."""
    beyond = [measured[OURS]["beyond_us"] - measured["constant"]["p50_us"]
              for measured in results.get("direct", {}).get(1, [])
              if "beyond_us" in measured.get(OURS, {}) and "constant" in measured]
    return statistics.median(beyond) if beyond else None


def tokens_add_us(results, role):
    """The additional CPU time of a role for a visit with a token."""
    with_them, without = (figure(results, "direct", CONNECTIONS, name, f"{role}_us") for name in ("with tokens", OURS))
    return None if with_them is None or without is None else with_them - without


def beside_attackers(worst):
    """Of the worst attack each."""
    return [*((f"beside the worst attacker of {strength}: p99 of an honest visit, x alone", worst.get(f"p99 {strength}"),
               at_most, bound) for strength, bound in hostile.P99_MAX.items()),
            ("beside the worst attacker with a whole core: rate of honest visits, x alone", worst.get("rate"), at_least,
             hostile.RATE_MIN),
            ("the same: honest visits that were not answered", worst.get("failed"), at_most, 0),
            ("most memory of the daemon beside an attacker, MiB", worst.get("memory_mib"), at_most, hostile.MEMORY_MAX_MIB)]


def goals(results):
    """(goal, measured value, comparison, bound)"""
    def direct(name, base, key):
        return compared(results, "direct", name, base, key)

    def system(name, base, key):
        return compared(results, "systems", name, base, key)

    def core(name, base, key):
        return compared(results, "core", name, base, key)

    ours, without, toys = "nginx + 3 visitcountd", "nginx + 3 visitcountd without tokens", "nginx + 3 Flask"
    return [
        ("CPU per visit on Redis, x constant", direct(OURS, "constant", "cpu_us"), at_most, 1.25),
        ("requests/s on Redis, x constant", direct(OURS, "constant", "rate"), at_least, 0.9),
        ("on one core: CPU per visit on Redis, x constant", core(OURS, "constant", "cpu_us"), at_most, 1.25),
        ("on one core: requests/s, x Flask", core(OURS, "Flask", "rate"), at_least, 25),
        ("on one core: requests/s, x webdis", core(OURS, "webdis", "rate"), at_least, 2),
        ("on one core: requests/s, x nginx + Lua", core(OURS, "nginx + Lua", "rate"), at_least, 2),
        ("CPU per visit of Flask, x ours", direct("Flask", OURS, "cpu_us"), at_least, 25),
        ("CPU per visit of webdis, x ours", direct("webdis", OURS, "cpu_us"), at_least, 2),
        ("CPU per visit of nginx + Lua, x ours", direct("nginx + Lua", OURS, "cpu_us"), at_least, 2),
        ("on one core, whole system: requests/s, x the toy's", core(ours, toys, "rate"), at_least, 8),
        ("whole system: CPU per visit of the toy, x ours", system(toys, ours, "cpu_us"), at_least, 8),
        ("on one core: requests/s on SQLite, x Redis", core("count on SQLite", OURS, "rate"), at_least, 0.8),
        ("CPU per visit with tokens, x without", direct("with tokens", OURS, "cpu_us"), at_most, 1.15),
        ("CPU per visit with tokens, x the same requests when they are not used",
         direct("with tokens", "tokens not used", "cpu_us"), at_most, 1.15),
        ("behind nginx, which makes tokens: CPU per visit, x without", system(ours, without, "cpu_us"), at_most, 1.15),
        ("store commands per visit",
         figure(results, "direct", CONNECTIONS, OURS, "commands"), below, 0.05),
        ("a lone visit's p50 less a store round trip, us",
         figure(results, "direct", 1, OURS, "beyond_us"), at_most, 30),
        ("the same, less the constant's p50, us", beyond_constant_us(results), at_most, 30),
        ("a lone visit's p50 less a store round trip, us, with busy polling",
         figure(results, "direct", 1, "busy polling", "beyond_us"), at_most, 30),
        ("start to ready with SQLite, ms", results.get("sizes", {}).get("ready_ms"), below, 50),
        *((f"CPU per visit of one page beside {spread}, x alone",
           flatness(results.get("pages", {}), spread), at_most, 1.1)
          for spread in list(SPREADS)[1:]),
        *beside_attackers(results.get("hostile", {})),
    ]


def remarks(results):
    """Remarks that explain the verdicts."""
    lines = ["\"On one core\" is from [What one core serves](#what-one-core-serves), the rest from the parts "
             f"of their own, at {CONNECTIONS} connections. A lone visit contains HTTP's own round trip, which takes "
             "the constant alone longer than the 30 us that were wanted, since client and server sleep between requests: "
             "so it is also compared with the constant, and measured where the server does not sleep before the store "
             "and the client have come back (count.busy_poll_us)."]
    random = {spread: flatness(results.get("pages", {}), spread, "random") for spread in list(SPREADS)[1:]}
    known = [f"{spread} x{value:.2f}" for spread, value in random.items() if value is not None]
    if known:
        lines.append("Visits of pages at random cost more than those of one page, since each page of a batch is a line "
                     "for the store: " + ", ".join(known) + ".")
    added = [tokens_add_us(results, role) for role in ("redis", "server")]
    if None not in added:
        lines.append(f"A token adds {added[0]:.2f} us of Redis, which looks each one up among those of its time and "
                     f"keeps it, and {added[1]:.2f} us of the server, which reads one more header. What libh2o takes for it, and "
                     "the smaller batches of a client that takes longer for each request, show in \"tokens not used\": "
                     "the same requests of a client that is not trusted.")
    return "\n".join(f"- {line}" for line in lines)


def verdicts(results):
    """The table of the goals that were measured; None if there is none."""
    rows = [["goal", "wanted", "measured", "verdict"]]
    for what, measured, compare, bound in goals(results):
        if measured is not None:
            rows.append([what, f"{SIGNS[compare]} {bound:g}", f"{measured:.3g}",
                         "pass" if compare(measured, bound) else "miss"])
    return f"{table(rows)}\n\n{remarks(results)}" if len(rows) > 1 else None
