# SPDX-License-Identifier: MIT
"""Clients that stay connected: their memory, and the cost of other clients meanwhile."""

import collections
import contextlib

import targets
from measure import measure_all, medians, started

#: Number of connections of the other clients.
CONNECTIONS = 128

#: `memory_bytes` is the daemon's memory per client. `costs` are the figures of the other clients, without and with the staying clients.
Beside = collections.namedtuple("Beside", "target clients memory_bytes costs")


@contextlib.contextmanager
def measured_beside(options, count, join, settings, problems):
    """Measures visitcountd on Redis with these options. join(target, stack) connects `count` clients, which stay while other clients are measured."""
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
