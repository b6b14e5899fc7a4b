# SPDX-License-Identifier: MIT
"""The faults of a storm. All of them follow from the seed."""

import dataclasses
import random

INSTANCES = 3

#: The sites of a storm. The first one keeps all its keys; each of the others loses some, or has keys of a wrong type.
SITES = HEALTHY, REFUSED, TORN, SET_BACK, FORGETFUL = ("default", "refused", "torn", "set-back", "forgetful")

#: The instance that reaches Redis by a name with several addresses, and the number of addresses.
NAMED = 2
ADDRESSES = 3

#: `ledger.retain` of the instances, in seconds. It is longer than any rollback, and shorter than a long refusal.
RETAIN_S = 6


@dataclasses.dataclass
class Fault:
    kind: str
    family: str          #: which class of faults handles it
    lane: str            #: what it strikes; each lane has at most one fault at a time
    index: int = 0       #: the number of the link or instance
    seconds: float = 0   #: its duration
    arguments: dict = dataclasses.field(default_factory=dict)

    @property
    def name(self):
        return f"{self.family} {self.kind}{', then fail over' if self.arguments.get('is_long') else ''}"

    def __str__(self):
        details = ", ".join(f"{name}={value}" for name, value in self.arguments.items())
        return f"{self.lane}: {self.name}{' (' + details + ')' if details else ''}, {self.seconds:.2f} s"


def draw_direction(draw):
    return draw.choice(["up", "down", "both"])


def draw_position(draw):
    """Draws a position in a command or answer. Most of these are short, and both ends matter."""
    return draw.choice([draw.randrange(30), draw.randrange(600), draw.randrange(8000)])


def link_fault(draw):
    direction = draw_direction(draw)
    scope = draw.choice(["present", "all"])
    how = draw.choice(["close", "reset"])
    return draw.choice([
        ("latency", 0.8, {"direction": direction, "delay": draw.uniform(0.005, 0.3), "jitter": draw.uniform(0, 0.1)}),
        ("cut", 0.3, {"direction": draw.choice(["up", "down"]), "scope": "present", "cut_after": draw_position(draw), "cut_how": how}),
        ("cut", 0.3, {"direction": draw.choice(["up", "down"]), "scope": "present", "cut_after": draw_position(draw), "cut_how": how}),
        ("cut in handshake", 0.3, {"direction": draw.choice(["up", "down"]), "cut_after": draw.randrange(6000), "cut_how": how}),
        ("slices", 0.5, {"direction": direction, "slice": draw.randrange(1, 40)}),
        ("end", 0.0, {"how": how}),
        ("black hole", 0.9, {"direction": "both", "scope": scope, "hole": True}),
        ("half open", 0.9, {"direction": draw.choice(["up", "down"]), "scope": scope, "hole": True}),
        ("held back", 1.2, {"direction": direction, "scope": scope, "hold": True}),
        ("throttle", 0.6, {"direction": direction, "rate": draw.randrange(3000, 200000)}),
        ("refuse", 0.5, {"how": how}),
    ])


def redis_fault(draw):
    return draw.choice([
        ("kill", 0.5, {}),
        ("stop", 1.2, {}),
        ("roll back", 1.2, {}),
        ("roll back unnoticed", 0.8, {}),
        ("fail over", 1.2, draw_failover(draw)),
        ("end connections", 0.0, {}),
        ("forget scripts", 0.0, {}),
        ("rewrite", 0.0, {}),
    ])


def draw_failover(draw):
    """Draws when the old master becomes a replica: before, while or after the instances move to the new one. And how the links to it end."""
    return {"demotion": draw.choice(["before", "while", "after"]), "how": draw.choice(["close", "reset"])}


def refusal_fault(draw):
    """Errors of the whole server. A long one outlasts `ledger.retain`, and then the replica becomes the master."""
    kind = draw.choice(["noreplicas", "readonly", "out of memory", "misconf", "busy"])
    is_long = kind != "busy" and draw.random() < 0.06
    return kind, 1.5, {"is_long": is_long, **(draw_failover(draw) if is_long else {})}


def site_fault(draw):
    """Keys of one site get lost or have a wrong type. Some of these faults strike alone; then the other sites have to be counted all the time."""
    is_alone = draw.random() < 0.4
    mending = draw.choice(["repair", "put back"])
    return draw.choice([
        ("wrong type of ledger", 1.2, {"is_alone": is_alone}),
        ("wrong type of totals", 1.2, {"is_alone": is_alone}),
        ("lost ledger", 0.8, {"is_alone": is_alone, "mending": mending}),
        ("lost totals", 0.8, {"is_alone": is_alone, "mending": mending}),
        ("roll back", 0.8, {}),
        ("lost tokens", 0.0, {"share": draw.choice([0.0, 0.3, 1.0])}),
        ("lost day", 0.0, {"kind": draw.choice(["day", "hour"])}),
        ("lost salts", 0.0, {}),
    ])


def address_fault(draw):
    """Draws which address is the master's, and how the others fail."""
    good = draw.randrange(ADDRESSES)
    return "list", 0.5, {"states": [
        "master" if index == good else draw.choice(["refuses", "hangs", "drops", "replica"]) for index in range(ADDRESSES)]}


def instance_fault(draw):
    return draw.choice([("kill", 0.2, {}), ("kill", 0.2, {}), ("stop", 1.2, {}), ("restart", 0.1, {})])


def clock_fault(draw):
    """Sets the wall clock of an instance, and sets it back. Tokens tolerate clocks that differ by less than half an hour."""
    return "jump", 1.0, {"ahead": round(draw.choice([-1, 1]) * draw.choice([3, 60, 1700]) * draw.uniform(0.5, 1))}


def nginx_fault(draw):
    return draw.choice([("kill", 0.1, {}), ("stop", 0.8, {}), ("reload", 0.0, {})])


#: family: (how many of a hundred, the function that draws a fault, lane). Faults that change the state of the store share a lane.
FAMILIES = {
    "link": (45, link_fault, "link"),
    "redis": (14, redis_fault, "redis"),
    "refusal": (7, refusal_fault, "redis"),
    "site": (9, site_fault, "redis"),
    "address": (3, address_fault, "link"),
    "instance": (14, instance_fault, "instance"),
    "clock": (3, clock_fault, "clock"),
    "nginx": (5, nginx_fault, "nginx"),
}


def draw_fault(draw, families):
    family = draw.choices(families, weights=[FAMILIES[name][0] for name in families])[0]
    _, draw_kind, lane = FAMILIES[family]
    kind, longest, arguments = draw_kind(draw)
    index = NAMED if family == "address" else draw.randrange(INSTANCES)
    seconds = RETAIN_S + draw.uniform(1, 2) if arguments.get("is_long") else draw.uniform(0, longest)
    if lane in ("link", "instance", "clock"):
        lane = f"{lane} {index}"
    return Fault(kind, family, lane, index, seconds, arguments)


def draw_plan(seed, count, *, has_nginx=True, only=()):
    """Draws `count` faults. Most strike links, because links have most kinds of faults. With `only`, the plan has only faults whose name contains one
    of these words."""
    draw = random.Random(seed)
    families = [family for family in FAMILIES if family != "nginx" or has_nginx]
    plan = []
    while len(plan) < count:
        fault = draw_fault(draw, families)
        if not only or any(words in fault.name for words in only):
            plan.append(fault)
    return plan
