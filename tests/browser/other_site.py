# SPDX-License-Identifier: MIT
"""A foreign web site: another origin whose pages use the counter."""

import http.server
import threading
import urllib.parse


class OtherSite:
    """Serves `pages`, which is HTML by path. Other paths get the page "*" if there is one. `asked` has the requested paths.

    `npm` is a folder of packages that is served below /npm/. `headers` go with each page. With `is_kept` a browser may keep pages as
    they are when their reader leaves (bfcache). `answers` are functions by path that get the handler and answer themselves.
    """

    def __init__(self, pages, npm=None):
        self.pages = pages
        self.npm = npm
        self.headers = {}
        self.is_kept = False
        self.answers = {}
        self.asked = []
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                path = urllib.parse.urlsplit(self.path).path
                site.asked.append(path)
                if path in site.answers:
                    site.answers[path](self)
                elif path.startswith("/npm/"):
                    self.answer((site.npm / path[5:]).read_bytes(), "text/javascript; charset=utf-8", "max-age=3600")
                else:
                    page = site.pages.get(path, site.pages.get("*"))
                    self.answer((page if page is not None else "not found").encode(), "text/html; charset=utf-8",
                                "no-cache" if site.is_kept else "no-store", 200 if page is not None else 404, site.headers)

            def answer(self, body, content_type, cache_control, status=200, headers=()):
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Cache-Control", cache_control)
                for name, value in dict(headers).items():
                    self.send_header(name, value)
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
