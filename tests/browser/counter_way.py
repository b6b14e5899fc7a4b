# SPDX-License-Identifier: MIT
"""What stands between a page and the counter: it passes requests on, notes them, and loses answers when it is told to."""

import http.client
import http.server
import threading


class CounterWay:
    """`asked` has (method, path with query, body) of each request. `loses(method, path)` is true if the answer is to be lost."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.asked = []
        self.loses = lambda method, path: False
        way = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def pass_on(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                way.asked.append((self.command, self.path, body.decode()))
                connection = http.client.HTTPConnection(*way.daemon.address)
                connection.request(self.command, self.path, body or None, {name: value for name, value in self.headers.items() if name != "Connection"})
                answer = connection.getresponse()
                text = answer.read()
                connection.close()
                if way.loses(self.command, self.path):
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in ("connection", "date", "server", "transfer-encoding", "content-length"):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_OPTIONS = pass_on

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = self.server.server_address
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def count(self, method, start):
        """How many requests of a method begin with this path."""
        return sum(asked[0] == method and asked[1].startswith(start) for asked in self.asked)

    def finish(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
