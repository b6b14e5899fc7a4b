# SPDX-License-Identifier: MIT
"""Measures the cost of clients of the live stream, and checks that each of them gets the events."""

import json
import subprocess
import time

import targets
from clients import CONNECTIONS, measured_beside
from measure import HERE, cpu_of
from processes import PATIENCE_S, http_get

LISTENERS = 10_000
PATH = "/v1/live/default/"
EVENT_INTERVAL_S = 0.12  # a client gets at most ten numbers a second


class Listeners:
    """Runs the program listeners in this directory."""

    def __init__(self, stack, port, count):
        self.count = count
        self.child = subprocess.Popen([HERE / "listeners", str(port), PATH, str(count)], text=True,
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        stack.callback(self.end)

    def end(self):
        self.child.stdin.close()
        self.child.wait()
        self.child.stdout.close()

    def ask(self):
        """The report of all clients."""
        self.child.stdin.write("\n")
        self.child.stdin.flush()
        answer = self.child.stdout.readline()
        if not answer:
            raise targets.Failed("the listeners could not connect")
        return json.loads(answer)

    def events_after(self, target):
        """Waits until each client has the present number. Returns the number of events of all clients."""
        end = time.monotonic() + PATIENCE_S
        while True:
            total, told = http_get(target.port, "/count?readonly=1")[1].strip(), self.ask()
            if told["last"].get(total) == self.count:
                return told["events"]
            if time.monotonic() > end:
                raise targets.Failed(f"{told['last'].get(total, 0)} of {self.count} listeners were told the last "
                                     f"number, {total}; {told['connected']} are connected")
            time.sleep(0.1)


def us_per_event(target, listeners, seconds):
    """CPU time of the daemon per event, with regular visits that all clients get an event of."""
    events, used_s = listeners.events_after(target), cpu_of(target)["server"]
    for _ in range(round(seconds / EVENT_INTERVAL_S)):
        http_get(target.port, "/count")
        time.sleep(EVENT_INTERVAL_S)
    events = listeners.events_after(target) - events
    return (cpu_of(target)["server"] - used_s) * 1e6 / events


def measure_listeners(settings, problems):
    """Returns the figures, and rows of a table."""
    def join(target, stack):
        listeners = Listeners(stack, target.port, LISTENERS)
        listeners.events_after(target)
        return listeners

    with measured_beside({"limits.live": LISTENERS}, LISTENERS, join, settings, problems) as live:
        event_us = us_per_event(live.target, live.clients, settings["rounds"] * settings["seconds"])
    alone, beside = live.costs
    return {"listener_bytes": live.memory_bytes, "event_us": event_us, "listening": beside}, [
        ["clients of the live stream of one page", f"{LISTENERS:,}"],
        ["of them told the last number, after all that was measured", f"{LISTENERS:,}"],
        ["memory of the daemon for each, without the kernel's buffers, KiB", f"{live.memory_bytes / 1024:.2f}"],
        ["CPU us of the daemon for each event that a client was told", f"{event_us:.2f}"],
        [f"CPU us/visit of {CONNECTIONS} others, who visit that page, without them", f"{alone['cpu_us']:.2f}"],
        [f"CPU us/visit of {CONNECTIONS} others beside them, telling included", f"{beside['cpu_us']:.2f}"],
        ["requests/s of these others without them", f"{alone['rate']:,.0f}"],
        ["requests/s of these others beside them", f"{beside['rate']:,.0f}"]]
