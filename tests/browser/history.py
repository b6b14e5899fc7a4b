# SPDX-License-Identifier: MIT
"""A site with a month of history, written into the embedded store."""

import datetime
import sqlite3

PAGES = {"/": 4127, "/blog/hello-world": 2210, "/docs/install": 1534, "/blog/why-counting-is-hard": 987, "/about": 402, "/caf\u00e9/\u00e9t\u00e9": 231,
         "/blog/2026/a-post-with-a-rather-long-name-that-has-to-wrap-somewhere": 118, "/docs/faq": 64, "/blog/tags": 12, "/legal": 3}


def today():
    return (datetime.datetime.now(datetime.timezone.utc) - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)).days


def visits_of(days_ago):
    """Numbers of visits with weekends, and one day with very many visits."""
    base = 260 + 40 * ((days_ago * 7) % 5) + 4 * (30 - days_ago)
    weekend = (today() - days_ago + 3) % 7 >= 5
    return base * 3 if days_ago == 11 else base // 2 if weekend else base


def write_history(daemon, path, site="default"):
    """Lets the daemon create the pages, then writes totals and days. The site's own row is the page ""."""
    from urllib.parse import quote
    for page in PAGES:
        assert daemon.fetch(f"/v1/hit/{site}{quote(page)}").status == 200
    connection = sqlite3.connect(path, timeout=10)
    with connection:
        for page, total in {**PAGES, "": sum(PAGES.values())}.items():
            (number,) = connection.execute("UPDATE hits SET total = ? WHERE site = ? AND page = ? RETURNING id", [total, site, page]).fetchone()
        for days_ago in range(30):
            connection.execute("INSERT OR REPLACE INTO day VALUES (?, ?, ?)", [today() - days_ago, number, visits_of(days_ago)])
            connection.execute("INSERT OR REPLACE INTO uniques VALUES (?, ?, ?)", [today() - days_ago, number, visits_of(days_ago) * 5 // 8])
    connection.close()
