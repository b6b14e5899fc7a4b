# SPDX-License-Identifier: MIT
"""Stores that lose data: a Redis that goes back to an earlier state, and a master with a replica that lags."""

import shutil
import time
import uuid

from harness import Redis, RedisStore, free_port, wait_until


def pass_seconds(seconds, meanwhile=lambda: None):
    """Waits for a time. Only for tests of time itself, which have no event to wait for."""
    end = time.monotonic() + seconds
    wait_until(lambda: (meanwhile(), time.monotonic() > end)[1], f"{seconds} s are over")


def content_of(path):
    """The bytes of a file; b"" if a rewrite has just replaced it."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


class RollbackRedis(Redis):
    """A Redis whose last seconds can be lost on command.

    With `appendfsync everysec`, Redis may lose what it answered in the last second if the machine stops. A test cannot stop the machine. So it
    copies the data directory and later restores the copy, which has the same content as the disk would have.
    """

    def __init__(self, directory, *, name="redis", config=None, **arguments):
        super().__init__(directory, name=name, aof=True,
                         config={"appendfsync": "everysec", "auto-aof-rewrite-percentage": 0, **(config or {})},
                         **arguments)
        self.data = self.directory / "appendonlydir"
        self.copy = self.directory / "copy"

    def mark(self):
        """Writes a mark to the file after all earlier answers, and returns it. With everysec, Redis may answer up to two seconds before it writes,
        because it does not wait for a running fsync."""
        mark = uuid.uuid4().hex
        self.client().set("mark", mark)
        return mark

    def has_written(self, mark, data=None):
        """Whether the file has the mark, and so all earlier writes."""
        return any(mark.encode() in content_of(path) for path in (data or self.data).glob("*.aof"))

    def take_copy(self):
        """Copies the state at one moment, with all earlier answers."""
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
        """Kills Redis with -9 and restores the copy of take_copy(), as if later writes had never reached the disk. Redis does not run afterwards."""
        self.kill()
        shutil.rmtree(self.data)
        shutil.copytree(self.copy, self.data)


class Pair:
    """A master and a replica with a proxy on the replication link. Another proxy leads the daemon to one of them, like a name or an address that
    moves at a failover."""

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
        """Makes the server `to` a master and leads the daemon to it. The other server does not notice."""
        self.active = to
        self.servers[to].client().replicaof("NO", "ONE")
        self.front.switch(("127.0.0.1", self.servers[to].port))
        self.front.cut(how)


def link_settings(proxy, **settings):
    """Settings with which a daemon reaches its store through the proxy."""
    return {"store.backend": "redis", "redis.host": proxy.address[0], "redis.port": proxy.address[1], **settings}


#: Timeouts so long that no visit is refused while a test plays with the store.
PATIENT = {"count.max_wait": "60s", "redis.command_timeout": "20s", "redis.connect_timeout": "20s"}
