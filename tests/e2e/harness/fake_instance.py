# SPDX-License-Identifier: MIT
"""A stand-in for an instance, whose answers visitcountctl gets."""

import contextlib
import socket
import threading

from harness.basics import DEADLINE


@contextlib.contextmanager
def answering(path, bodies):
    """A stand-in for an instance on this admin socket: it answers as many requests, one with each body."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        listener.settimeout(DEADLINE)

        def answer():
            for body in bodies:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(4096)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

        thread = threading.Thread(target=answer)
        thread.start()
        yield
        thread.join()
