# SPDX-License-Identifier: MIT
"""Faults of the store of a storm: it ends, is suspended, goes back in time, refuses, or fails over."""

import time

from plan import RETAIN_S, SITES
from servers import keep_state, restore_state


#: How often a rollback is tried until it loses little enough.
TRIES = 3


class Faults:
    def __init__(self, storm):
        self.storm = storm

    def begin(self, fault):
        kind = getattr(self, fault.kind.replace(" ", "_"), None) or self.other
        return kind(fault)

    def other(self, fault):
        raise NotImplementedError(fault.name)


class StoreFaults(Faults):
    """Faults that set the store back or change the master."""

    def leave_instances_alone(self):
        """No instance may end until all have resent. An instance that is gone cannot resend its answered batches, so the promise ends there."""
        storm = self.storm
        storm.rolling_back = True
        yield lambda: not any(lane.startswith("instance") for lane in storm.under_way)
        mark = storm.redis.mark()
        yield lambda: storm.redis.has_written(mark)

    def wait_until_all_looked(self):
        yield self.storm.all_looked
        self.storm.rolling_back = False

    def start_redis(self):
        self.storm.redis.start(is_ready=False)
        yield self.storm.redis.answers

    def roll_back_to(self, fault, keep, restore):
        """Saves the state with `keep` and restores it `seconds` later. If the machine is too busy, the fault is left out, because the store would
        lose more than instances retain."""
        yield from self.leave_instances_alone()
        for _ in range(TRIES):
            kept_at = time.monotonic()
            keep()
            yield fault.seconds
            if time.monotonic() - kept_at < RETAIN_S / 2:
                yield from restore()
                break
            self.storm.note(f"{fault.name}: it took {time.monotonic() - kept_at:.1f} s")
        yield from self.wait_until_all_looked()

    def roll_back_keys(self, fault, pattern):
        """Restores keys while Redis runs, so that no connection ends."""
        def restore():
            restore_state(self.storm.redis, pattern)
            yield 0
        return self.roll_back_to(fault, lambda: keep_state(self.storm.redis, pattern), restore)

    def fail_over(self, fault):
        """Fails over to a replica that lacks the visits of `seconds`."""
        yield from self.leave_instances_alone()
        yield self.storm.servers.is_in_step
        self.storm.servers.hold_back()
        yield fault.seconds
        yield from self.promote(fault)

    def promote(self, fault):
        """Promotes the replica. Until all instances are led to the new master, some may go on with the old one."""
        storm, demotion = self.storm, fault.arguments["demotion"]
        storm.servers.promote()
        if demotion == "before":
            storm.servers.demote()
        for index in range(len(storm.instances)):
            storm.lead(index, fault.arguments["how"])
            yield 0.1
            if demotion == "while" and index == 0:
                storm.servers.demote()
        if demotion == "after":
            storm.servers.demote()
        yield from self.wait_until_all_looked()


class RedisFaults(StoreFaults):
    def kill(self, fault):
        """Kills Redis. With `everysec` it may lose answered visits, with `always` it loses none."""
        if self.storm.fsync == "everysec":
            yield from self.leave_instances_alone()
        self.storm.redis.kill()
        yield fault.seconds
        yield from self.start_redis()
        if self.storm.fsync == "everysec":
            yield from self.wait_until_all_looked()

    def stop(self, fault):
        self.storm.redis.pause()
        yield fault.seconds
        self.storm.redis.resume()

    def roll_back(self, fault):
        """The visits of `seconds` were never on the disk."""
        def restore():
            self.storm.redis.lose_since_copy()
            yield from self.start_redis()
        return self.roll_back_to(fault, self.storm.redis.take_copy, restore)

    def roll_back_unnoticed(self, fault):
        """Restores an earlier state without a sign of it."""
        return self.roll_back_keys(fault, "vc:*")

    def end_connections(self, _fault):
        self.storm.redis.client().client_kill_filter(_type="normal", skipme=True)
        yield 0

    def forget_scripts(self, _fault):
        self.storm.redis.client().script_flush()
        yield 0

    def rewrite(self, _fault):
        self.storm.rewrite()
        yield 0


class RefusalFaults(StoreFaults):
    """The server answers each write with an error."""

    def forget_keys(self):
        """A full Redis forgets all keys of clients. The deletion may still be under way."""
        for _ in range(2):
            for site in SITES:
                self.storm.crowd.forget_keys(site)
            yield 0.5

    def other(self, fault):
        storm, name = self.storm, fault.kind.replace(" ", "_")
        server, is_long = storm.redis, fault.arguments["is_long"]
        is_held_back = is_long or fault.kind == "noreplicas"
        if is_held_back:
            yield from self.leave_instances_alone()
            yield storm.servers.is_in_step
            storm.servers.hold_back()
            yield fault.seconds / 20  # the replica lacks the writes of this time
        getattr(storm.servers, f"refuse_{name}")(server)
        yield fault.seconds
        if is_long:
            yield from self.promote(fault)
        if not is_long or fault.kind != "readonly":  # the old master is a replica now
            getattr(storm.servers, f"accept_{name}")(server)
        if fault.kind == "out of memory":
            yield from self.forget_keys()
        if is_held_back and not is_long:
            storm.servers.join()
            yield from self.wait_until_all_looked()
