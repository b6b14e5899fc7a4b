# SPDX-License-Identifier: MIT
"""The servers of a storm: a master that can go back to an earlier state, and a replica that can lag and become the master."""

import contextlib
import threading

import redis as client_library

from harness import free_ports, wait_until

from parts import RollbackRedis
from proxy import Proxy

#: Copies keys to another database of the server. That takes a fraction of the time of reading them here.
KEEP = """
redis.call('SELECT', 1)
redis.call('FLUSHDB')
redis.call('SELECT', 0)
for _, key in ipairs(redis.call('KEYS', KEYS[1])) do
    redis.call('COPY', key, key, 'DB', 1)
end
"""

RESTORE = """
for _, key in ipairs(redis.call('KEYS', KEYS[1])) do
    redis.call('UNLINK', key)
end
redis.call('SELECT', 1)
for _, key in ipairs(redis.call('KEYS', KEYS[1])) do
    redis.call('COPY', key, key, 'DB', 0)
end
redis.call('FLUSHDB')
"""

#: A file that cannot be replaced by a snapshot, since it is a directory.
NO_FILE = "not-a-file"


def keep_state(server, pattern):
    """Saves the keys that match a pattern, all at one moment."""
    server.client().eval(KEEP, 1, pattern)


def restore_state(server, pattern):
    """Restores the saved keys, and deletes other keys that match the pattern."""
    server.client().eval(RESTORE, 1, pattern)


class Servers:
    """Two servers. The replica's link to its master is a proxy."""

    def __init__(self, directory, *, fsync, seed):
        # a replica that lags on a busy machine is not cut off: otherwise it would start again and never catch up
        config = {"appendfsync": fsync, "repl-diskless-sync-delay": 0, "min-replicas-max-lag": 1,
                  "client-output-buffer-limit": "replica 0 0 0", "repl-backlog-size": "64mb",
                  "enable-protected-configs": "yes", "busy-reply-threshold": 50}
        self.servers = [RollbackRedis(directory, name=name, port=port, config=config)
                        for name, port in zip(("first", "second"), free_ports(2))]
        self.active = 0
        self.replication = Proxy(self.address, seed=seed)

    @property
    def master(self):
        return self.servers[self.active]

    @property
    def replica(self):
        return self.servers[1 - self.active]

    @property
    def address(self):
        """The address of the master."""
        return ("127.0.0.1", self.master.port)

    def start(self):
        for server in self.servers:
            (server.directory / NO_FILE).mkdir()
            server.start()
        self.replication.start()
        self.follow()
        wait_until(self.is_in_step, "the replica has all of its master")

    def finish(self):
        self.replication.finish()
        for server in self.servers:
            server.finish()

    def follow(self):
        self.replica.client().replicaof(*self.replication.address)

    def is_in_step(self):
        """Whether the replica has all that the master had at the time of the call."""
        before = self.master.client().info("replication")["master_repl_offset"]
        replica = self.replica.client().info("replication")
        return replica.get("master_link_status") == "up" and replica["slave_repl_offset"] >= before

    def hold_back(self):
        """Blocks the replication link in both directions."""
        self.replication.set("both", "present", hold=True)

    def join(self):
        """Opens the replication link, so that the replica catches up."""
        self.replication.clear()

    def promote(self):
        """Makes the replica a master. The old master does not notice."""
        self.replica.client().replicaof("NO", "ONE")
        self.active = 1 - self.active
        self.replication.switch(self.address)
        self.replication.cut()

    def demote(self):
        """Makes the old master a replica of the new one."""
        self.follow()

    # --- errors of a whole server ---

    def refuse_noreplicas(self, server):
        server.client().config_set("min-replicas-to-write", 1)

    def accept_noreplicas(self, server):
        server.client().config_set("min-replicas-to-write", 0)

    def refuse_readonly(self, server):
        """Makes the server a replica of an address that does not answer."""
        server.client().replicaof("127.0.0.1", 1)

    def accept_readonly(self, server):
        server.client().replicaof("NO", "ONE")

    def refuse_out_of_memory(self, server):
        server.client().config_set("maxmemory", 1 << 20)

    def accept_out_of_memory(self, server):
        server.client().config_set("maxmemory", 0)

    def refuse_misconf(self, server):
        """Makes snapshots fail."""
        server.client().config_set("dbfilename", NO_FILE)
        server.client().config_set("save", "3600 1")
        wait_until(lambda: self.begins_snapshot(server), "a snapshot begins")

    @staticmethod
    def begins_snapshot(server):
        """Starts a snapshot, or schedules it after the running one, as one for a replica."""
        with contextlib.suppress(client_library.ResponseError):
            return server.client().bgsave(schedule=True)

    def accept_misconf(self, server):
        server.client().config_set("dbfilename", "dump.rdb")
        server.client().config_set("save", "")

    def refuse_busy(self, server):
        """Runs a script that does not end by itself."""
        def run():
            with contextlib.suppress(client_library.RedisError):
                server.client().eval("while true do end", 0)
        self.endless = threading.Thread(target=run, daemon=True)
        self.endless.start()

    def accept_busy(self, server):
        """Ends the script, also if it has not begun yet."""
        while self.endless.is_alive():
            with contextlib.suppress(client_library.RedisError):
                server.client().script_kill()
            self.endless.join(0.01)
