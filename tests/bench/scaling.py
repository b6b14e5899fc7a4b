# SPDX-License-Identifier: MIT
"""How the cost of a visit grows: with the number of pages and sites, and with the instances."""

import time

import machine
import targets
from compare import COLUMNS, PROXY_COLUMN, failures_of, others_of
from measure import measure_all, medians, ratio, run_wrk, started
from tables import figures_table

CONNECTIONS = 128
PRELOAD_CONNECTIONS = 512
PRELOAD_S = 5
PRELOAD_RUNS = 100
RETAIN_S = 2

#: name: (sites, pages of each)
SPREADS = {
    "1 page": (1, 1),
    "10,000 pages": (1, 10_000),
    "1,000,000 pages": (1, 1_000_000),
    "10,000 sites": (10_000, 1),
}
INSTANCES = (1, 2, 3, 4)


# --- pages and sites ---

class Spread(targets.Visitcountd):
    """Visits of random pages; each of them has been visited before."""

    def __init__(self, places, sites, pages):
        super().__init__(places, settings={"sites": "*", "limits.sites": sites + 1,
                                           "ledger.retain": f"{RETAIN_S}s"})
        self.sites, self.pages = sites, pages

    def start(self, stack):
        super().start(stack)
        for _ in range(PRELOAD_RUNS):
            visited, _ = self.counters()
            if visited >= self.sites * self.pages:
                break
            self.load = ("pages", str(self.sites), str(self.pages), str(visited))
            run_wrk(self, PRELOAD_CONNECTIONS, PRELOAD_S if self.sites * self.pages > 100_000 else 1)
        else:
            raise targets.Failed(f"only {visited} of {self.sites * self.pages} pages could be visited")
        self.load = ("pages", str(self.sites), str(self.pages), "random")
        self.rewrite_redis_file(self.processes["redis"][0])

    def rewrite_redis_file(self, process):
        """It would be due after so many writes, and is not to be measured."""
        self.redis.command("BGREWRITEAOF")
        process.wait_until(lambda: "aof_rewrite_in_progress:0" in self.redis.command("INFO", "persistence"))


def memory_at_rest(running):
    """MiB of each daemon when it no longer retains what it served (ledger.retain)."""
    time.sleep(RETAIN_S + 1)
    return {name: target.processes["server"][0].memory_bytes() / (1 << 20) for name, target in running.items()}


def run_pages(settings, problems):
    factories = {name: (lambda places, spread=spread: Spread(places, *spread)) for name, spread in SPREADS.items()}
    with started(factories, settings["directory"], problems) as running:
        results = measure_all(running, settings, problems, [CONNECTIONS])
        resting = memory_at_rest(running)
    result = medians(results[CONNECTIONS])
    for name, figures in result.items():
        figures["resting_mib"] = resting[name]
    columns = [column for column in COLUMNS if column[0] != "server_mib"]
    columns += [("redis_mib", "Redis MiB", "{:.1f}"), ("resting_mib", "server MiB at rest", "{:.1f}")]
    return results, "\n\n".join([
        "## Pages and sites",
        f"Visits of random pages at {CONNECTIONS} connections, on Redis, which has every page already. Visits of "
        "one page share one line of a batch, visits of one site share a batch; a site has batches of its own. "
        f"Memory at rest is without what is retained for healing (here for {RETAIN_S} s).",
        figures_table(result, columns, "visits of"), *failures_of(result),
        machine.line_of(settings, others_of(result)) if result else ""])


def flatness(results, name):
    """What a visit costs in a spread, compared with visits of a single page."""
    rounds = results.get(CONNECTIONS)
    return ratio(rounds, name, "1 page", "cpu_us") if rounds else None


# --- instances ---

def run_instances(settings, problems):
    factories = {f"{n} instance{'s' if n > 1 else ''}": (lambda places, n=n: targets.System(places, n))
                 for n in INSTANCES}
    with started(factories, settings["directory"], problems) as running:
        results = measure_all(running, settings, problems, [CONNECTIONS])
    result = medians(results[CONNECTIONS])
    return results, "\n\n".join([
        "## Instances",
        f"Behind nginx with two workers, at {CONNECTIONS} connections. The client, nginx, the instances and Redis "
        "share the machine's cores, so throughput can grow only until these are full; what a visit costs, and "
        "where, is what a larger machine can be reckoned from.",
        figures_table(result, COLUMNS[:2] + [PROXY_COLUMN] + COLUMNS[2:], "behind nginx"), *failures_of(result),
        machine.line_of(settings, others_of(result)) if result else ""])
