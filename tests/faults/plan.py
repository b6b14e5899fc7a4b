# SPDX-License-Identifier: MIT
"""Which faults a storm consists of: all of it follows from the seed."""

import dataclasses
import random

INSTANCES = 3


@dataclasses.dataclass
class Fault:
    kind: str
    lane: str            #: what it happens to; of faults of one lane only one is under way at a time
    index: int = 0       #: which link or instance
    seconds: float = 0   #: how long it lasts
    arguments: dict = dataclasses.field(default_factory=dict)

    def __str__(self):
        details = ", ".join(f"{name}={value}" for name, value in self.arguments.items())
        return f"{self.lane} {self.kind}{' (' + details + ')' if details else ''}, {self.seconds:.2f} s"


def draw_direction(draw):
    return draw.choice(["up", "down", "both"])


def draw_position(draw):
    """A byte of a command or answer: most are short, and both ends matter."""
    return draw.choice([draw.randrange(30), draw.randrange(600), draw.randrange(8000)])


def link_fault(draw):
    direction = draw_direction(draw)
    scope = draw.choice(["present", "all"])
    how = draw.choice(["close", "reset"])
    return draw.choice([
        ("latency", 0.8, {"direction": direction, "delay": draw.uniform(0.005, 0.3), "jitter": draw.uniform(0, 0.1)}),
        ("cut", 0.3, {"direction": draw.choice(["up", "down"]), "scope": "present", "cut_after": draw_position(draw), "cut_how": how}),
        ("cut", 0.3, {"direction": draw.choice(["up", "down"]), "scope": "present", "cut_after": draw_position(draw), "cut_how": how}),
        ("cut in greeting", 0.3, {"direction": draw.choice(["up", "down"]), "cut_after": draw.randrange(6000), "cut_how": how}),
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
        ("end connections", 0.0, {}),
        ("forget scripts", 0.0, {}),
        ("rewrite", 0.0, {}),
    ])


def instance_fault(draw):
    return draw.choice([("kill", 0.2, {}), ("kill", 0.2, {}), ("stop", 1.2, {}), ("restart", 0.1, {})])


def nginx_fault(draw):
    return draw.choice([("kill", 0.1, {}), ("stop", 0.8, {}), ("reload", 0.0, {})])


def draw_plan(seed, count, *, has_nginx=True):
    """`count` faults: most happen to links, since that is where there are most kinds and most moments."""
    draw = random.Random(seed)
    plan = []
    for _ in range(count):
        lane, fault = draw.choices([("link", link_fault), ("redis", redis_fault), ("instance", instance_fault),
                                    ("nginx", nginx_fault)], weights=[60, 18, 17, 5 if has_nginx else 0])[0]
        kind, longest, arguments = fault(draw)
        index = draw.randrange(INSTANCES) if lane in ("link", "instance") else 0
        if lane in ("link", "instance"):
            lane = f"{lane} {index}"
        plan.append(Fault(kind, lane, index, draw.uniform(0, longest), arguments))
    return plan
