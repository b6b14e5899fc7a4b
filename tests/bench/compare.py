# SPDX-License-Identifier: MIT
"""The comparisons: visitcountd with its peers, and whole systems."""

import machine
import targets
from measure import measure_all, medians, started
from tables import figures_table

# columns of a measurement: key, title, format
COLUMNS = [
    ("cpu_us", "CPU us/request", "{:.2f}"),
    ("server_us", "of it server", "{:.2f}"),
    ("redis_us", "of it Redis", "{:.2f}"),
    ("cpu_us_ratio", "CPU, x first row", "{:.2f}"),
    ("rate", "requests/s", "{:,.0f}"),
    ("rate_ratio", "requests/s, x first row", "{:.2f}"),
    ("client", "client % of a core", "{:.0f}"),
    ("p50_us", "p50 us", "{:,.0f}"),
    ("p99_us", "p99 us", "{:,.0f}"),
    ("p999_us", "p99.9 us", "{:,.0f}"),
    ("round_trip_us", "store round trip us", "{:,.0f}"),
    ("server_mib", "server MiB", "{:.1f}"),
    ("commands", "store commands/visit", "{:.3f}"),
]
PROXY_COLUMN = ("proxy_us", "of it nginx", "{:.2f}")


#: columns of the visits that one core serves
CORE_COLUMNS = [
    ("rate", "requests/s", "{:,.0f}"),
    ("rate_ratio", "requests/s, x first row", "{:.2f}"),
    ("cpu_us", "CPU us/request", "{:.2f}"),
    ("servers", "servers % of their core", "{:.0f}"),
    ("client", "client % of its core", "{:.0f}"),
    ("limit", "limited by", "{}"),
    ("p50_us", "p50 us", "{:,.0f}"),
    ("p99_us", "p99 us", "{:,.0f}"),
]
GOAL_CONNECTIONS = 128  # the goals are for this number, so it is measured twice as often
FULL = 95  # a core is full from this % on


def others_of(result):
    """The CPU time that other programs than the targets and wrk used, in % of the machine."""
    return max(0, max(figures["others"] for figures in result.values()))


def failures_of(result):
    """A line for each target with requests that were not answered, or answered but not counted."""
    return [f"- {name}: {figures[key]:.0f} of {figures['requests']:.0f} requests {what}"
            for key, what in (("failed", "were not answered well"), ("missing", "of one round were answered and not counted"))
            for name, figures in result.items() if figures.get(key, 0) > 0]


def show(results, settings, columns):
    """The text of a section: one table per number of connections."""
    parts = []
    for connections, rounds in results.items():
        result = medians(rounds)
        if not result:
            continue
        parts += [f"### {connections:,} connection{'s' if connections != 1 else ''}",
                  figures_table(result, columns), *failures_of(result),
                  machine.line_of({**settings, "rounds": len(rounds)}, others_of(result))]
    return "\n\n".join(parts)


def chosen(factories, settings):
    wanted = settings["targets"]
    return {name: create for name, create in factories.items() if wanted is None or name in wanted}


def run_direct(settings, problems):
    with started(chosen(targets.DIRECT, settings), settings["directory"], problems) as running:
        results = measure_all(running, settings, problems, twice_at=GOAL_CONNECTIONS)
    return results, "## Directly\n\n" + show(results, settings, COLUMNS)


def run_systems(settings, problems):
    with started(chosen(targets.SYSTEMS, settings), settings["directory"], problems) as running:
        results = measure_all(running, settings, problems, twice_at=GOAL_CONNECTIONS)
    columns = COLUMNS[:2] + [PROXY_COLUMN] + COLUMNS[2:]
    return results, ("## Whole systems\n\nnginx with [the configuration that is shipped]"
                     "(../../etc/nginx/visitcountd.conf), three servers, and Redis. nginx asks the servers over unix sockets; "
                     "on TCP: over loopback.\n\n"
                     + show(results, settings, columns))


# --- visits that one core serves ---

def add_limits(result):
    """Adds the limit of each target: the core that was full."""
    for figures in result.values():
        figures["servers"] = figures["cpu_us"] * figures["rate"] / 1e4
        figures["limit"] = ("client" if figures["client"] >= FULL else
                            "servers" if figures["servers"] >= FULL else "waiting")


def run_core(settings, problems):
    servers_core, client_core = machine.two_cores()
    with (machine.on_core(servers_core),
          started(chosen(targets.DIRECT | targets.SYSTEMS, settings), settings["directory"], problems) as running,
          machine.on_core(client_core)):
        results = measure_all(running, settings, problems, [GOAL_CONNECTIONS], twice_at=GOAL_CONNECTIONS)
    result = medians(results[GOAL_CONNECTIONS])
    add_limits(result)
    return results, "\n\n".join([
        "## What one core serves",
        f"All processes of a target, Redis and nginx among them, share one core, and the client, with "
        f"{GOAL_CONNECTIONS} connections, has another one. Limited by: the core that was {FULL} % full or more. "
        "Where it is the client's, the target could serve more than is shown; where neither is, requests waited: "
        "for the disk, for each other, or for what else the machine did.",
        figures_table(result, CORE_COLUMNS), *failures_of(result),
        machine.line_of({**settings, "rounds": 2 * settings["rounds"]}, others_of(result)) if result else ""])
