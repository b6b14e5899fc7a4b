# SPDX-License-Identifier: MIT
"""A foreign web site: another origin whose pages use the counter."""

import http.server
import threading
import urllib.parse


class OtherSite:
    """Serves `pages`, which is HTML by path. Other paths get the page "*" if there is one. `asked` has the requested paths."""

    def __init__(self, pages):
        self.pages = pages
        self.asked = []
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                path = urllib.parse.urlsplit(self.path).path
                site.asked.append(path)
                page = site.pages.get(path, site.pages.get("*"))
                body = (page if page is not None else "not found").encode()
                self.send_response(200 if page is not None else 404)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Cache-Control", "no-store")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = self.server.server_address
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def finish(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
