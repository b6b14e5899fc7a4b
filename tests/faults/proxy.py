# SPDX-License-Identifier: MIT
"""A proxy between the daemon and Redis that treats their bytes like a bad network.

    proxy = Proxy("/run/redis.sock", seed=7).start()     # listens on proxy.address, a TCP port
    proxy.set("up", cut_after=17)                        # what goes to Redis; "down": what comes back; "both"
    proxy.clear()                                        # a good network again

It runs a thread with its own event loop. The test's thread may call every method, which has taken effect when it returns. All random numbers come
from the seed.
"""

import asyncio
import collections
import contextlib
import dataclasses
import random
import socket
import struct
import threading
import time

CHUNK = 65536

#: The pause between two slices, so that the kernel does not join them.
SLICE_PAUSE = 0.0002

#: How a connection ends: in order, or with RST (SO_LINGER 0).
CLOSE, RESET = "close", "reset"

#: The timeout of a call to the proxy's thread. Only a defect of the proxy can exceed it.
PATIENCE = 30


@dataclasses.dataclass
class Faults:
    """The faults of one direction of one connection."""

    delay: float = 0        #: latency of bytes in seconds; their order is kept
    jitter: float = 0       #: additional latency up to this, drawn for each chunk
    slice: int = 0          #: bytes written at a time; 0: as they arrive
    rate: float = 0         #: bytes per second; 0: no limit
    hole: bool = False      #: bytes, and the end of the connection, are swallowed
    hold: bool = False      #: bytes are held until clear(), which delivers them, or until the connection is cut
    cut_after: int = -1     #: the connection ends after so many bytes; -1: never
    cut_how: str = CLOSE

    def is_none(self):
        return self == NONE


NONE = Faults()


@dataclasses.dataclass
class Connect:
    """An attempt of the daemon to connect."""

    at: float                  # time.monotonic()
    was_refused: bool = False
    ended_at: float = None     # when the daemon's side ended


class Pipe:
    """One direction of a connection: passes bytes from `source` to `sink`, with `faults`."""

    def __init__(self, connection, source, sink, faults):
        self.connection = connection
        self.source = source
        self.sink = sink
        self.faults = faults
        self.queue = collections.deque()  # (when it is due, bytes); b"" is the end
        self.changed = asyncio.Event()
        self.taken = 0                    # bytes that arrived
        self.passed = 0                   # bytes that were passed on
        self.is_idle = True               # no bytes are queued or being written
        self.is_over = False
        self.end_was_swallowed = False

    def set(self, faults):
        self.faults = faults
        if self.end_was_swallowed and not faults.hole:
            self.end_was_swallowed = False
            self.queue.append((0, b""))
        if faults.delay == 0:
            self.queue = collections.deque((0, data) for _, data in self.queue)
        self.changed.set()
        if faults.cut_after == 0:
            self.connection.end(faults.cut_how)

    async def read(self):
        loop = asyncio.get_running_loop()
        data = True
        while data:
            try:
                data = await loop.sock_recv(self.source, CHUNK)
            except OSError:
                data = b""
            if not data:
                self.connection.note_end(self)
            self.taken += len(data)
            if data and self.is_idle and self.faults.is_none():
                await self.send(data)
            elif not self.faults.hole:
                due = time.monotonic() + self.faults.delay + self.connection.proxy.draw(self.faults.jitter)
                self.queue.append((due, data))
                self.is_idle = False
                self.changed.set()
            elif not data:
                self.end_was_swallowed = True

    async def write(self):
        while not self.is_over:
            if not self.queue or self.faults.hold or self.faults.hole:
                self.is_idle = not self.queue
                self.changed.clear()
                await self.changed.wait()
                continue
            due, data = self.queue[0]
            wait = due - time.monotonic()
            if wait > 0:
                self.changed.clear()
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self.changed.wait(), wait)
                continue
            self.queue.popleft()
            await self.send(data)

    async def send(self, data):
        if not data:
            self.is_over = True
            with contextlib.suppress(OSError):
                self.sink.shutdown(socket.SHUT_WR)
            self.connection.note_over()
            return
        while data:
            piece, data = self.next_piece(data)
            await self.send_piece(piece)
            self.count(piece)
            if data:
                await asyncio.sleep(len(piece) / self.faults.rate if self.faults.rate else SLICE_PAUSE)

    def next_piece(self, data):
        size = len(data)
        if self.faults.slice:
            size = min(size, self.faults.slice)
        elif self.faults.rate:
            size = min(size, max(1, int(self.faults.rate / 50)))
        if self.faults.cut_after >= 0:
            size = min(size, self.faults.cut_after)
        return data[:size], data[size:]

    async def send_piece(self, piece):
        with contextlib.suppress(OSError):  # the other side is gone, and its end arrives soon
            await asyncio.get_running_loop().sock_sendall(self.sink, piece)

    def count(self, piece):
        self.passed += len(piece)
        if self.faults.cut_after >= 0:
            self.faults.cut_after -= len(piece)
            if self.faults.cut_after == 0:
                self.connection.end(self.faults.cut_how)
                raise asyncio.CancelledError


class Connection:
    def __init__(self, proxy, daemon, connect):
        self.proxy = proxy
        self.daemon = daemon
        self.server = None
        self.connect = connect
        self.pipes = {}
        self.tasks = []

    async def open(self):
        loop = asyncio.get_running_loop()
        self.server = open_socket(self.proxy.target)
        try:
            await loop.sock_connect(self.server, self.proxy.target)
        except OSError:
            self.end(RESET)
            return
        self.pipes = {"up": Pipe(self, self.daemon, self.server, dataclasses.replace(self.proxy.faults["up"])),
                      "down": Pipe(self, self.server, self.daemon, dataclasses.replace(self.proxy.faults["down"]))}
        for pipe in self.pipes.values():
            self.tasks += [loop.create_task(pipe.read()), loop.create_task(pipe.write())]
            if pipe.faults.cut_after == 0:
                self.end(pipe.faults.cut_how)

    def note_end(self, pipe):
        """The daemon has ended its side."""
        if pipe.source is self.daemon and self.connect.ended_at is None:
            self.connect.ended_at = time.monotonic()

    def note_over(self):
        if all(pipe.is_over for pipe in self.pipes.values()):
            self.end(CLOSE)

    def end(self, how):
        """Ends both sides now; bytes under way are lost."""
        if self not in self.proxy.connections:
            return
        self.proxy.connections.remove(self)
        if self.connect.ended_at is None:
            self.connect.ended_at = time.monotonic()
        for task in self.tasks:
            task.cancel()
        for side in (self.daemon, self.server):
            if side is not None:
                if how == RESET:
                    side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.proxy.close_later(side)


class Proxy:
    """Listens on `address` (by default a TCP port of its own) and passes connections on to `target`."""

    def __init__(self, target, *, address=("127.0.0.1", 0), seed=0):
        self.target = normal(target)
        self.address = address
        self.random = random.Random(seed)
        self.faults = {"up": Faults(), "down": Faults()}  # of new connections
        self.connections = []
        self.connects = []
        self.refusing = None
        self.listener = None
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    # --- for the test ---

    def start(self):
        self.listen()
        self.address = self.listener.getsockname()
        self.thread.start()
        self.call(self.begin_accepting)
        return self

    def finish(self):
        if not self.thread.is_alive():
            return
        self.call(self.stop_accepting)
        self.call(self.end_all, RESET)
        self.call(lambda: None)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(PATIENCE)
        self.loop.close()

    def set(self, direction, scope="all", **faults):
        """Replaces the faults of a direction ("up" to Redis, "down" from it, "both").

        `scope`: existing connections ("present"), new ones ("future"), or "all".
        """
        self.call(self.set_now, direction, scope, faults)

    def clear(self):
        """Ends all faults, and delivers bytes that were held."""
        self.set("both")
        self.call(self.accept_now)

    def cut(self, how=CLOSE):
        """Ends all connections."""
        self.call(self.end_all, how)

    def refuse(self, how=RESET):
        """Refuses connections from now on: accepts and resets them, or with CLOSE stops listening."""
        self.call(self.refuse_now, how)

    def accept(self):
        self.call(self.accept_now)

    def switch(self, target):
        """New connections go to another server. Existing ones stay."""
        self.call(setattr, self, "target", normal(target))

    def passed(self, direction):
        """Bytes that the present connections passed on."""
        return self.call(lambda: sum(connection.pipes[direction].passed for connection in self.connections
                                     if connection.pipes))

    def taken(self, direction):
        """Bytes that arrived, whether they were passed on or not."""
        return self.call(lambda: sum(connection.pipes[direction].taken for connection in self.connections
                                     if connection.pipes))

    def open_connections(self):
        """Connections that the daemon has not ended."""
        return self.call(lambda: sum(connection.connect.ended_at is None for connection in self.connections))

    # --- in the proxy's thread ---

    def call(self, function, *arguments):
        async def run():
            result = function(*arguments)
            for _ in range(4):  # after these turns, new tasks have begun, and cancelled ones have ended and closed
                await asyncio.sleep(0)
            return result
        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(PATIENCE)

    def draw(self, limit):
        return self.random.uniform(0, limit) if limit else 0

    def listen(self):
        self.listener = open_socket(self.address)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(self.address)
        self.listener.listen(128)

    def begin_accepting(self):
        self.loop.add_reader(self.listener, self.on_connect)

    def stop_accepting(self):
        if self.listener is not None:
            self.loop.remove_reader(self.listener)
            self.listener.close()
            self.listener = None

    def on_connect(self):
        try:
            daemon, _ = self.listener.accept()
        except OSError:
            return
        daemon.setblocking(False)
        if daemon.family != socket.AF_UNIX:
            daemon.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connect = Connect(time.monotonic(), was_refused=self.refusing is not None)
        self.connects.append(connect)
        connection = Connection(self, daemon, connect)
        self.connections.append(connection)
        if self.refusing is not None:
            connection.end(RESET)
            return
        connection.tasks.append(self.loop.create_task(connection.open()))

    def set_now(self, direction, scope, faults):
        for name in ("up", "down") if direction == "both" else (direction,):
            if scope != "present":
                self.faults[name] = Faults(**faults)
            if scope != "future":
                for connection in list(self.connections):
                    if connection.pipes:
                        pipe = connection.pipes[name]
                        pipe.set(Faults(**faults))

    def end_all(self, how):
        for connection in list(self.connections):
            connection.end(how)

    def refuse_now(self, how):
        self.refusing = how
        if how == CLOSE:
            self.stop_accepting()

    def accept_now(self):
        self.refusing = None
        if self.listener is None:
            self.listen()
            self.begin_accepting()

    def close_later(self, side):
        """Closes a side once the tasks that wait for it have released it."""
        self.loop.call_soon(self.loop.call_soon, side.close)


def normal(address):
    return address if isinstance(address, tuple) else str(address)


def open_socket(address):
    opened = socket.socket(socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX)
    opened.setblocking(False)
    if isinstance(address, tuple):
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return opened
