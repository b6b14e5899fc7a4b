# SPDX-License-Identifier: MIT
"""The books of a storm: compares the answers that visitors got with the totals in the store, page by page of each site."""

import collections

from harness import RedisStore

from plan import SITES, TORN

#: At most so many pages of one group of visitors are reported.
TOLD_MAX = 3


def is_visitors(page):
    """Whether a page is one of the visitors: not a mark of the store, and not a page that the storm itself visits."""
    return page.startswith("/") and not page.startswith("/flush/")


class Books:
    """If a key was lost and not restored, its content is added to the final content of the store."""

    def __init__(self, problems):
        self.problems = problems
        self.lost_totals = collections.Counter()    # (site, page): visits
        self.lost_history = collections.Counter()   # (site, "day" or "hour"): visits
        self.aside = collections.Counter()          # (site, page): journaled visits that were set aside
        self.told = collections.Counter()           # reported pages, by group of visitors
        self.counted = self.doubtful = self.stored = self.losses = self.doubles = 0

    def lose(self, site, totals):
        """The totals of all pages of a site were lost."""
        for page, total in totals.items():
            if page.startswith("/"):
                self.lost_totals[site, page] += int(total)

    def lose_history(self, site, kind, numbers):
        """A day or an hour of a site was lost."""
        self.lost_history[site, kind] += sum(int(number) for page, number in numbers.items() if page.startswith("/"))

    def set_aside(self, journal):
        """Adds the output of `visitcountctl journal aside --json` of an instance. Records from before the repair of their site are not replayed; an
        operator decides about them."""
        for record in journal["records"]:
            self.aside[record["site"], record["page"]] += record["visits"]

    def compare(self, server, pages):
        """`pages`: the answers that visitors got, as (counted, doubtful) by (site, page)."""
        totals = collections.Counter(RedisStore(server).totals())
        totals.update(self.lost_totals)
        for site, page in set(totals) | set(pages):
            if is_visitors(page):
                self.judge(site, page, *pages.get((site, page), (0, 0)), totals[site, page])
        self.judge_aside()
        for site in SITES:
            self.judge_history(server, site, sum(total for (of, page), total in totals.items() if of == site and page[0] == "/"))

    def judge(self, site, page, counted, doubtful, stored):
        lost = max(0, counted - self.aside[site, page] - stored)
        double = max(0, stored - counted - doubtful)
        self.counted += counted
        self.doubtful += doubtful
        self.stored += stored
        self.losses += lost
        self.doubles += double
        group = page.rpartition("/")[0].split("/")[1:3]
        self.told[site, *group] += lost != 0 or double != 0
        if (lost or double) and self.told[site, *group] <= TOLD_MAX:
            self.problems.append(f"{site} {page}: {counted} answered as counted, {doubtful} not known, {stored} in the store, "
                                 f"{self.aside[site, page]} set aside")

    def judge_aside(self):
        """Only the repaired site may have records that were set aside."""
        others = {site for site, _ in self.aside} - {TORN}
        if others:
            self.problems.append(f"visits of {others} are set aside, though these sites were not repaired")

    def judge_history(self, server, site, total):
        """The sums by day and by hour must equal the total."""
        day, hour = (number + self.lost_history[site, kind]
                     for kind, number in zip(("day", "hour"), RedisStore(server).series_totals(site)))
        if not day == hour == total:
            self.problems.append(f"{site}: by day {day}, by hour {hour}, in total {total}")
