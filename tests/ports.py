# SPDX-License-Identifier: MIT
"""TCP ports for servers under test. No two processes that use this module get the same port at the same time.

A probe alone would be a race: between the probe and the server's bind(), another test could choose the same port. So each
process first reserves a block of ports. It binds the block's name as an abstract unix socket (unix(7)), which the kernel
releases when the process ends. The ports lie below those that the kernel chooses itself (32768 and above), so an outgoing
connection cannot take one while a server restarts.
"""

import random
import socket

FIRST, BLOCKS, BLOCK_SIZE = 20000, 120, 100

_block = None  # the socket that holds the name
_start = 0     # first port of the block
_next = 0      # offset of the port to try next


def _reserve_block():
    """Holds the first block that no other process holds; the search begins at a random one."""
    global _block, _start
    first = random.randrange(BLOCKS)
    for number in [*range(first, BLOCKS), *range(first)]:
        name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            name.bind(f"\0visitcountd-test-ports-{number}")
        except OSError:
            name.close()
            continue
        _block, _start = name, FIRST + number * BLOCK_SIZE
        return
    raise RuntimeError(f"all {BLOCKS} blocks of ports are in use")


def is_free(port):
    """Whether no program listens on the port, at any address."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))
        except OSError:
            return False
        return True


def free_ports(count):
    """Consecutive ports without a listener. A port is given again only after all others of the block."""
    global _next
    if _block is None:
        _reserve_block()
    for _ in range(BLOCK_SIZE):
        if _next + count > BLOCK_SIZE:
            _next = 0
        ports = list(range(_start + _next, _start + _next + count))
        _next += count
        if all(map(is_free, ports)):
            return ports
    raise RuntimeError(f"no {count} free ports from {_start} to {_start + BLOCK_SIZE - 1}")


def free_port():
    return free_ports(1)[0]
