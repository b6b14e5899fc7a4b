# SPDX-License-Identifier: MIT
"""Measures how the cost of a visit grows with the number of pages, sites and instances."""

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
    """Visits of many pages and sites, all of which were visited before."""

    def __init__(self, places, sites, pages):
        super().__init__(places, "/v1/hit/site0/page/0", settings={
            "sites": "*", "limits.sites": sites + 1, "limits.pages": pages + 1, "ledger.retain": f"{RETAIN_S}s"})
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
        self.rewrite_redis_file(self.processes["redis"][0])
        self.visit_one()

    def visit_one(self):
        self.load = ()

    def visit_any(self):
        self.load = ("pages", str(self.sites), str(self.pages), "random")

    def rewrite_redis_file(self, process):
        """Rewrites the append-only file before the measurement. After so many writes Redis would do it during the measurement."""
        self.redis.command("BGREWRITEAOF")
        process.wait_until(lambda: "aof_rewrite_in_progress:0" in self.redis.command("INFO", "persistence"))


def memory_at_rest(target):
    """Memory of the daemon in MiB once it no longer retains batches (ledger.retain)."""
    daemon = target.processes["server"][0]
    daemon.wait_until(lambda: target.status()["batches"]["retained_bytes"] == 0)
    return daemon.memory_bytes() / (1 << 20)


def measure_pages(running, settings, problems):
    """Returns the results and their table."""
    results = measure_all(running, settings, problems, [CONNECTIONS])
    result = medians(results[CONNECTIONS])
    for name, figures in result.items():
        figures["resting_mib"] = memory_at_rest(running[name])
    columns = [column for column in COLUMNS if column[0] != "server_mib"]
    columns += [("redis_mib", "Redis MiB", "{:.1f}"), ("resting_mib", "server MiB at rest", "{:.1f}")]
    return results, "\n\n".join([
        figures_table(result, columns, "there are"), *failures_of(result),
        machine.line_of(settings, others_of(result)) if result else ""])


def run_pages(settings, problems):
    factories = {name: (lambda places, spread=spread: Spread(places, *spread)) for name, spread in SPREADS.items()}
    with started(factories, settings["directory"], problems) as running:
        one, one_text = measure_pages(running, settings | {"rounds": 2 * settings["rounds"]}, problems)
        for target in running.values():
            target.visit_any()
        random, random_text = measure_pages(running, settings, problems)
    return {CONNECTIONS: one[CONNECTIONS], "random": random[CONNECTIONS]}, "\n\n".join([
        "## Pages and sites",
        f"On Redis, which has every page already; at {CONNECTIONS} connections. Memory at rest is without what is "
        f"retained for healing (here for {RETAIN_S} s).",
        "### One page is visited",
        "What it costs to have pages and sites.", one_text,
        "### Pages are visited at random",
        "What it costs to visit many: visits of one page share one line of a batch, and a batch of sixty different "
        "pages has sixty lines, each of which costs the store the same; a site has batches of its own.",
        random_text])


def flatness(results, name, kind=CONNECTIONS):
    """The cost of a visit with many pages, as a ratio to that with a single page."""
    rounds = results.get(kind)
    return ratio(rounds, name, "1 page", "cpu_us") if rounds else None


# --- instances ---

def measure_instances(create, settings, problems):
    factories = {f"{n} instance{'s' if n > 1 else ''}": (lambda places, n=n: create(places, n)) for n in INSTANCES}
    with started(factories, settings["directory"], problems) as running:
        return measure_all(running, settings, problems, [CONNECTIONS])[CONNECTIONS]


def run_instances(settings, problems):
    columns = COLUMNS[:2] + [PROXY_COLUMN] + COLUMNS[2:]
    rounds = {"behind nginx": measure_instances(targets.System, settings, problems),
              "asked directly": measure_instances(targets.Instances, settings, problems)}
    parts = [
        "## Instances",
        f"Behind nginx with two workers, and without it, where each thread of the client asks an instance of its own; "
        f"at {CONNECTIONS} connections. The client, nginx, the instances and Redis share the machine's cores, so "
        "throughput can grow only until these are full; what a visit costs, and where, is what a larger machine can "
        "be reckoned from."]
    for way, measured in rounds.items():
        result = medians(measured)
        parts += [figures_table(result, columns, way), *failures_of(result),
                  machine.line_of(settings, others_of(result)) if result else ""]
    return {CONNECTIONS: rounds["behind nginx"], "directly": rounds["asked directly"]}, "\n\n".join(parts)
