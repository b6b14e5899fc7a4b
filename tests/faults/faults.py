# SPDX-License-Identifier: MIT
"""The faults of a storm, by family. Each fault is a generator. It yields the seconds or the condition that it wants to wait for.

    faults_of(storm)["redis"].begin(fault)
"""

import os
import signal
import time

from plan import NAMED
from site_faults import SiteFaults
from store_faults import Faults, RedisFaults, RefusalFaults

#: Seconds within which an instance has to find the master's address.
FIND_MAX_S = 15


class LinkFaults(Faults):
    def other(self, fault):
        arguments = dict(fault.arguments)
        proxy = self.storm.proxy(fault.index)
        proxy.set(arguments.pop("direction"), arguments.pop("scope", "all"), **arguments)
        yield fault.seconds
        proxy.clear()

    def cut_in_handshake(self, fault):
        arguments = dict(fault.arguments)
        proxy = self.storm.proxy(fault.index)
        proxy.set(arguments.pop("direction"), "future", **arguments)
        proxy.cut()
        yield fault.seconds
        proxy.clear()

    def end(self, fault):
        self.storm.proxy(fault.index).cut(fault.arguments["how"])
        yield 0

    def refuse(self, fault):
        proxy = self.storm.proxy(fault.index)
        proxy.refuse(fault.arguments["how"])
        proxy.cut(fault.arguments["how"])
        yield fault.seconds
        proxy.clear()


class AddressFaults(Faults):
    def list(self, fault):
        """Another address of the name becomes the master's. The instance has to find it."""
        storm = self.storm
        storm.addresses.set(fault.arguments["states"])
        yield fault.seconds
        since = time.monotonic()
        is_found = False

        def has_ended():
            nonlocal since, is_found
            is_found = storm.answers(NAMED, storm.flush_page(NAMED))
            if f"instance {NAMED}" in storm.under_way or not storm.answers(0, storm.flush_page(0)):
                since = time.monotonic()  # the instance does not run, or no address is the master's
            return is_found or time.monotonic() - since > FIND_MAX_S

        yield has_ended
        if not is_found:
            storm.problems.append(f"instance {NAMED} did not find the master within {FIND_MAX_S} s among addresses that are: "
                                  f"{', '.join(fault.arguments['states'])}")
            storm.addresses.set(["master", "refuses", "refuses"])


class InstanceFaults(Faults):
    def kill(self, fault):
        daemon = self.storm.instances[fault.index]
        daemon.kill()
        yield fault.seconds
        yield from self.start_instance(fault.index)

    def restart(self, fault):
        daemon = self.storm.instances[fault.index]
        daemon.signal(signal.SIGTERM)
        yield lambda: not daemon.process.is_running()
        if daemon.process.returncode != 0:
            self.storm.problems.append(f"{daemon.name} ended with {daemon.process.returncode} after SIGTERM")
        yield fault.seconds
        yield from self.start_instance(fault.index)

    def start_instance(self, index):
        self.storm.instances[index].start(is_ready=False)
        yield lambda: self.storm.answers(index, "/livez")

    def stop(self, fault):
        daemon = self.storm.instances[fault.index]
        daemon.process.pause()
        yield fault.seconds
        daemon.process.resume()


class ClockFaults(Faults):
    def jump(self, fault):
        clock = self.storm.clocks[fault.index]
        clock.set_ahead(fault.arguments["ahead"])
        yield fault.seconds
        clock.set_ahead(0)


class NginxFaults(Faults):
    def kill(self, fault):
        process = self.storm.nginx.process
        process.was_killed = True
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        yield fault.seconds
        self.storm.nginx.start()

    def stop(self, fault):
        process = self.storm.nginx.process
        os.killpg(process.pid, signal.SIGSTOP)
        yield fault.seconds
        os.killpg(process.pid, signal.SIGCONT)

    def reload(self, _fault):
        self.storm.nginx.reload()
        yield 0


def faults_of(storm):
    """The faults by family: see plan.py."""
    return {"link": LinkFaults(storm), "address": AddressFaults(storm), "redis": RedisFaults(storm),
            "refusal": RefusalFaults(storm), "site": SiteFaults(storm), "instance": InstanceFaults(storm),
            "clock": ClockFaults(storm), "nginx": NginxFaults(storm)}
