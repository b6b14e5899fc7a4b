# SPDX-License-Identifier: MIT
"""Clients that stay: what they take up, and what others cost beside them."""

import collections
import contextlib

import targets
from measure import measure_all, medians, started

#: Of the others.
CONNECTIONS = 128

#: `memory_bytes` is the daemon's for each client; `costs` are the others' figures, without the clients and beside them.
Beside = collections.namedtuple("Beside", "target clients memory_bytes costs")


@contextlib.contextmanager
def measured_beside(options, count, join, settings, problems):
    """Visitcountd on Redis with these options, when others were measured beside what join(target, stack) returned: `count`
    clients, who stay as long as this."""
    def cost():
        measured = medians(measure_all(running, settings, problems, [CONNECTIONS])[CONNECTIONS])
        if not measured:
            raise targets.Failed(problems.pop())
        return measured["daemon"]

    create = {"daemon": lambda places: targets.Visitcountd(places, settings=options)}
    with contextlib.ExitStack() as stack, started(create, settings["directory"], problems) as running:
        if not running:
            raise targets.Failed("there is nobody to connect to")
        target = running["daemon"]
        daemon = target.processes["server"][0]
        alone, before = cost(), daemon.memory_bytes()
        clients = join(target, stack)
        memory_bytes = (daemon.memory_bytes() - before) / count
        yield Beside(target, clients, memory_bytes, [alone, cost()])
