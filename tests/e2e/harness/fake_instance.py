# SPDX-License-Identifier: MIT
"""A fake instance that answers visitcountctl."""

import contextlib
import socket
import threading

from harness.basics import DEADLINE


@contextlib.contextmanager
def answering(path, bodies):
    """A fake instance on this admin socket. It answers one request with each body."""
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
