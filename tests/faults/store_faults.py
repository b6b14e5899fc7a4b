# SPDX-License-Identifier: MIT
"""What happens to the store of a storm: it ends, stands still, goes back in time, refuses, or is another server."""

import time

from plan import RETAIN_S
from servers import keep_state, restore_state


#: How often it is tried to go back by little enough.
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
    """What sets the store back, or changes which server it is."""

    def leave_instances_alone(self):
        """No instance ends until all have healed: one that is gone cannot send again what it had been answered, which is
        where the promise ends."""
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
        """What `keep` remembers is there again `seconds` later. On a machine that is too busy for that it is left out: more
        would be lost than is retained."""
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
        """While it runs: no connection ends."""
        def restore():
            restore_state(self.storm.redis, pattern)
            yield 0
        return self.roll_back_to(fault, lambda: keep_state(self.storm.redis, pattern), restore)

    def fail_over(self, fault):
        """To a replica that lacks the visits of `seconds`."""
        yield from self.leave_instances_alone()
        yield self.storm.servers.is_in_step
        self.storm.servers.hold_back()
        yield fault.seconds
        yield from self.promote(fault)

    def promote(self, fault):
        """Before all instances are led to the new master, some may go on with the old one."""
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
        """With `always` this loses nothing that was answered; with `everysec` it may."""
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
        """Somebody puts an earlier state into its place."""
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

    def other(self, fault):
        storm, name = self.storm, fault.kind.replace(" ", "_")
        server, is_long = storm.redis, fault.arguments["is_long"]
        is_held_back = is_long or fault.kind == "noreplicas"
        if is_held_back:
            yield from self.leave_instances_alone()
            yield storm.servers.is_in_step
            storm.servers.hold_back()
            yield fault.seconds / 20  # so much the replica lacks
        getattr(storm.servers, f"refuse_{name}")(server)
        yield fault.seconds
        if is_long:
            yield from self.promote(fault)
        if not is_long or fault.kind != "readonly":  # what was the master is a replica now
            getattr(storm.servers, f"accept_{name}")(server)
        if is_held_back and not is_long:
            storm.servers.join()
            yield from self.wait_until_all_looked()
