# SPDX-License-Identifier: MIT
"""Faults of the keys of one site in a storm. They must not affect the other sites."""

import random
import time

from crowd import Calm
from plan import FORGETFUL, INSTANCES, REFUSED, SET_BACK, SITES, TORN
from site_keys import break_key, keys_of, lose_key, mend_key, put_back, site_key
from store_faults import StoreFaults

#: Seconds within which visits of the other sites have to be counted without a refusal.
OTHERS_MAX_S = 5

#: Seconds between visits of the other sites while these are few: longer than the timeout of a visit.
A_FEW_S = 0.7

#: Seconds within which every instance has to notice that a site is torn.
NOTICE_MAX_S = 60


class SiteFaults(StoreFaults):
    # --- the other sites ---

    def wait_for(self, condition, seconds):
        """Waits for a condition, at most `seconds`."""
        end = time.monotonic() + seconds
        yield lambda: condition() or time.monotonic() > end

    def begin_alone(self, fault):
        """Waits until no other fault is active and all sites are counted."""
        if fault.arguments["is_alone"]:
            self.storm.wants_calm = True
            yield lambda: len(self.storm.under_way) == 1
            yield self.storm.all_looked
            calm = Calm(self.storm.crowd, SITES)
            yield from self.wait_for(calm, 30)
            fault.arguments["is_alone"] = calm()  # otherwise this machine is too busy to judge refusals

    def check_others(self, fault, site):
        """While a site is refused, the others have to be counted: with few visits next to many of the refused site, and with as many as usual."""
        if fault.arguments["is_alone"]:
            self.storm.judged += 1
            yield from self.check_a_few(fault, site)
            yield from self.check_many(fault, site)

    def check_a_few(self, fault, site):
        storm = self.storm
        others = [(index, other) for index in range(len(storm.instances)) for other in SITES if other != site]
        end = time.monotonic() + OTHERS_MAX_S
        refused = others
        storm.crowd.only(site)
        while refused and time.monotonic() < end:
            yield A_FEW_S
            refused = [(index, other) for index, other in others if not storm.answers(index, storm.flush_page(index, other))]
        unready = [index for index in range(len(storm.instances)) if storm.ask(index, "/readyz") != 200]
        storm.crowd.all()
        if unready:
            storm.problems.append(f"{fault.name}: only {site} is refused, but instances {unready} say that they are not ready")
        if refused:
            storm.problems.append(f"{fault.name}: only {site} has to be refused, but for {OTHERS_MAX_S} s a visit now and then "
                                  f"was so, too: by (instance, site) {refused}")

    def check_many(self, fault, site):
        calm = Calm(self.storm.crowd, [other for other in SITES if other != site])
        yield from self.wait_for(calm, OTHERS_MAX_S)
        if not calm():
            self.storm.problems.append(f"{fault.name}: only {site} has to be refused, but for {OTHERS_MAX_S} s "
                                       f"{calm.worst or 'some group'} was so, too, or was not counted")

    def end_alone(self):
        self.storm.wants_calm = False

    # --- keys of a wrong type ---

    def wrong_type(self, fault, rest):
        key = site_key(REFUSED, rest)
        yield from self.begin_alone(fault)
        break_key(self.storm.redis, key)
        yield fault.seconds
        yield from self.check_others(fault, REFUSED)
        mend_key(self.storm.redis, key)
        self.end_alone()

    def wrong_type_of_ledger(self, fault):
        return self.wrong_type(fault, "ledger")

    def wrong_type_of_totals(self, fault):
        return self.wrong_type(fault, "hits")

    # --- one of two keys that prove each other ---

    def tear(self, fault, rest):
        """A key is lost. All instances refuse the site until the site is repaired or the key is restored.

        Each instance has to refuse it once, not all at the same time: another fault may end one before the last one notices.
        """
        storm, key = self.storm, site_key(TORN, rest)
        yield from self.begin_alone(fault)
        kept, content = lose_key(storm.redis, key)
        yield fault.seconds
        refusing = set()

        def have_all_refused():
            refusing.update(index for index in range(INSTANCES) if index not in refusing and storm.refuses_torn(index))
            return len(refusing) == INSTANCES

        yield from self.wait_for(have_all_refused, NOTICE_MAX_S)
        if len(refusing) != INSTANCES:
            storm.problems.append(f"{fault.name}: within {NOTICE_MAX_S} s not every instance refuses the site")
        yield from self.check_others(fault, TORN)
        self.end_alone()
        if fault.arguments["mending"] == "put back":
            put_back(storm.redis, key, kept)
        else:
            if rest == "hits":
                storm.books.lose(TORN, content)
            yield lambda: not any(lane.startswith("instance") for lane in storm.under_way)
            yield lambda: storm.has_repaired(TORN, "hits" if rest == "ledger" else "0")
        yield storm.all_looked

    def lost_ledger(self, fault):
        return self.tear(fault, "ledger")

    def lost_totals(self, fault):
        return self.tear(fault, "hits")

    # --- losses that look like a rollback, and keys without a proof ---

    def roll_back(self, fault):
        """All keys of one site go back together, and no other key."""
        yield from self.roll_back_keys(fault, site_key(SET_BACK, "*"))

    def lost_tokens(self, fault):
        """Some or all tokens are lost. Then an attempt without an answer and its repetition may both count."""
        keys = keys_of(self.storm.redis, FORGETFUL, "seen", "stamps")
        draw = random.Random(fault.arguments["share"])
        lost = [key for key in keys if draw.random() < fault.arguments["share"]] or keys[-1:]
        if lost:
            self.storm.redis.client().delete(*lost)
        self.storm.crowd.forget_keys(FORGETFUL)
        yield 0

    def lost_day(self, fault):
        """Numbers of a day or an hour are lost. Totals stay."""
        for key in keys_of(self.storm.redis, FORGETFUL, fault.arguments["kind"]):
            _, content = lose_key(self.storm.redis, key)
            self.storm.books.lose_history(FORGETFUL, fault.arguments["kind"], content)
        yield 0

    def lost_salts(self, _fault):
        client = self.storm.redis.client()
        client.delete("vc:salt:none", *client.keys("vc:salt:*"))
        yield 0
