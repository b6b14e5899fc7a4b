# SPDX-License-Identifier: MIT
"""Stores that forget: a Redis that is set back to an earlier state, and a pair of which one lags."""

import shutil
import time
import uuid

from harness import Redis, RedisStore, free_port, wait_until


def pass_seconds(seconds, meanwhile=lambda: None):
    """Where time itself is what is tested: there is nothing else to wait for."""
    end = time.monotonic() + seconds
    wait_until(lambda: (meanwhile(), time.monotonic() > end)[1], f"{seconds} s are over")


def content_of(path):
    """b"" of a file that a rewrite has just replaced."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


class RollbackRedis(Redis):
    """Its last seconds can be made to be lost, for certain.

    With `appendfsync everysec`, what Redis answered in the last second may be lost when the machine stops. A test
    cannot stop the machine, so it copies the data directory and later puts the copy in its place: that is what the
    disk would have had.
    """

    def __init__(self, directory, *, name="redis", config=None, **arguments):
        super().__init__(directory, name=name, aof=True,
                         config={"appendfsync": "everysec", "auto-aof-rewrite-percentage": 0, **(config or {})},
                         **arguments)
        self.data = self.directory / "appendonlydir"
        self.copy = self.directory / "copy"

    def mark(self):
        """A mark in the file, behind all that was answered until now. With everysec Redis may answer up to two seconds
        before it writes: while an fsync is under way it does not wait for it."""
        mark = uuid.uuid4().hex
        self.client().set("mark", mark)
        return mark

    def has_written(self, mark, data=None):
        """Whether the mark, and so all before it, is in the file."""
        return any(mark.encode() in content_of(path) for path in (data or self.data).glob("*.aof"))

    def take_copy(self):
        """Remembers what it has answered until now, of one moment."""
        mark = self.mark()
        wait_until(lambda: self.copy_if_written(mark), "what was answered is in the file")

    def copy_if_written(self, mark):
        self.pause()  # so that the copy is of one moment
        try:
            shutil.rmtree(self.copy, ignore_errors=True)
            shutil.copytree(self.data, self.copy)
        finally:
            self.resume()
        return self.has_written(mark, self.copy)

    def lose_since_copy(self):
        """kill -9, and all that was written since take_copy() never reached the disk. It does not run afterwards."""
        self.kill()
        shutil.rmtree(self.data)
        shutil.copytree(self.copy, self.data)


class Pair:
    """A master and a replica of it, whose replication link is a proxy; and a proxy by which the daemon reaches one of
    them, as a name or an address that moves at a failover."""

    def __init__(self, new_redis, new_proxy):
        self.servers = [new_redis(name=name, port=free_port(), config={"repl-diskless-sync-delay": 0, "repl-timeout": 3600})
                        for name in ("first", "second")]
        self.replication = new_proxy(("127.0.0.1", self.servers[0].port))
        self.front = new_proxy(("127.0.0.1", self.servers[0].port))
        self.active = 0
        self.servers[1].client().replicaof(*self.replication.address)
        self.wait_until_in_step()

    @property
    def settings(self):
        return link_settings(self.front)

    def store(self, index=None):
        return RedisStore(self.servers[self.active if index is None else index])

    def wait_until_in_step(self):
        first, second = (server.client() for server in self.servers)
        wait_until(lambda: second.info("replication").get("master_link_status") == "up"
                   and second.info("replication")["slave_repl_offset"] == first.info("replication")["master_repl_offset"],
                   "the replica has all of its master")

    def hold_back_the_replica(self):
        self.wait_until_in_step()
        self.replication.set("down", hole=True)

    def fail_over(self, *, to, how="close"):
        """The daemon is led to the other server, which is a master from now on; the other one does not notice."""
        self.active = to
        self.servers[to].client().replicaof("NO", "ONE")
        self.front.switch(("127.0.0.1", self.servers[to].port))
        self.front.cut(how)


def link_settings(proxy, **settings):
    """What makes a daemon reach its store by the proxy."""
    return {"store.backend": "redis", "redis.host": proxy.address[0], "redis.port": proxy.address[1], **settings}


#: Nobody is refused while a test plays with the store.
PATIENT = {"count.max_wait": "60s", "redis.command_timeout": "20s", "redis.connect_timeout": "20s"}
