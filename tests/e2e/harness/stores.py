# SPDX-License-Identifier: MIT
"""The two stores for tests: the settings with which the daemon uses them, and their content, read without the daemon."""

import sqlite3
import time


class SqliteStore:
    name = "sqlite"

    def __init__(self, path):
        self.path = path
        self.settings = {"store.backend": "sqlite", "sqlite.path": str(path)}

    def connect(self):
        return sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=10)

    def totals(self):
        """{(site, page): total}, without the sites themselves"""
        connection = self.connect()
        try:
            return {(site, page): total for site, page, total in connection.execute("SELECT site, page, total FROM hits WHERE page <> ''")}
        finally:
            connection.close()

    def total(self, site="default", page="/"):
        """The total of a page. The page "" is the site."""
        connection = self.connect()
        try:
            row = connection.execute("SELECT total FROM hits WHERE site = ? AND page = ?", [site, page]).fetchone()
            return row[0] if row else 0
        finally:
            connection.close()

    def set_total(self, total, site="default", page="/"):
        """Changes the total of an existing page."""
        with sqlite3.connect(self.path) as connection:
            changed = connection.execute("UPDATE hits SET total = ? WHERE site = ? AND page = ?", [total, site, page]).rowcount
        connection.close()
        assert changed == 1

    def series_totals(self):
        """The sums of all pages' numbers by day and by hour."""
        connection = self.connect()
        try:
            return tuple(connection.execute(f"SELECT total(hits) FROM {table} JOIN hits ON page_id = id WHERE page <> ''").fetchone()[0]
                         for table in ("day", "hour"))
        finally:
            connection.close()


class RedisStore:
    name = "redis"

    def __init__(self, server, **settings):
        self.server = server
        self.settings = {"store.backend": "redis", "redis.socket": str(server.socket), **settings}

    def client(self, **arguments):
        return self.server.client(**arguments)

    def totals(self):
        client = self.client()
        found = {}
        for key in client.scan_iter("vc:{*}:hits", _type="zset"):
            for page, total in client.zrange(key, 0, -1, withscores=True):
                if page.startswith("/"):  # skips the site itself and the mark of its generation
                    found[key[len("vc:{"):-len("}:hits")], page] = int(total)
        return found

    def total(self, site="default", page="/"):
        return int(self.client().zscore("vc:{%s}:hits" % site, page) or 0)

    def set_total(self, total, site="default", page="/"):
        self.client().zadd("vc:{%s}:hits" % site, {page: total})

    def series_totals(self, site="*"):
        """The sums of all pages' numbers by day and by hour, over all sites or one site."""
        client = self.client()
        return tuple(sum(int(hits) for key in client.scan_iter("vc:{%s}:%s:*" % (site, kind)) for page, hits in client.hgetall(key).items() if page)
                     for kind in ("day", "hour"))

    def day_key(self, site="default"):
        return "vc:{%s}:day:%s" % (site, time.strftime("%Y%m%d", time.gmtime()))
