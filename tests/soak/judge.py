# SPDX-License-Identifier: MIT
"""Finds growth in a long run: of memory, of descriptors, and of the time of an answer.

A run is divided into windows of equal length. The needs of a part go up and down, so the judge uses the least number of each window: only a leak
raises it. The first windows are not judged, because caches and tables fill up. The judge compares the windows of the second third with those of
the last third. It compares their medians. For waits, which depend on other load of the machine, it compares the least ones.
"""

import dataclasses
import statistics

WINDOWS = 12

#: What the last third may have more than the second one, as a share and as an amount.
MEMORY_SHARE, MEMORY_BYTES = 0.05, 2 << 20
DESCRIPTORS = 8
MEDIAN_SHARE, MEDIAN_MS = 0.5, 3
TAIL_SHARE, TAIL_MS = 0.5, 30


@dataclasses.dataclass
class Sample:
    """Of one process at one time. `part` stays the same when it is started again."""

    at_s: float
    part: str
    memory_bytes: int | None  #: None: it grows with what is counted
    descriptors: int


@dataclasses.dataclass
class Growth:
    """Of one number of one part."""

    name: str
    before: float    #: of the windows of the second third
    after: float     #: of the last third
    allowed: float

    @property
    def is_too_much(self):
        return self.after > self.allowed

    def __str__(self):
        return f"{self.name} grew from {self.before:,.1f} to {self.after:,.1f}; at most {self.allowed:,.1f} was allowed"


def cut(timed, seconds, pick):
    """`timed` are (at_s, number); one number for each window that has any."""
    windows = [[] for _ in range(WINDOWS)]
    for at_s, number in timed:
        windows[min(WINDOWS - 1, int(at_s * WINDOWS / seconds))].append(number)
    return [pick(window) if window else None for window in windows]


def compare(name, windows, share, amount, pick=statistics.median):
    """None if there is too little to compare."""
    third = WINDOWS // 3
    before = [number for number in windows[third:2 * third] if number is not None]
    after = [number for number in windows[2 * third:] if number is not None]
    if not before or not after:
        return None
    return Growth(name, pick(before), pick(after), pick(before) * (1 + share) + amount)


def percentile(numbers, percent):
    ordered = sorted(numbers)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def judge_parts(samples, seconds):
    """Growth of memory and descriptors of each part."""
    found = []
    for part in sorted({sample.part for sample in samples}):
        own = [sample for sample in samples if sample.part == part]
        memory = [(sample.at_s, sample.memory_bytes) for sample in own if sample.memory_bytes is not None]
        found.append(compare(f"memory of {part}, in bytes", cut(memory, seconds, min), MEMORY_SHARE, MEMORY_BYTES))
        found.append(compare(f"descriptors of {part}",
                             cut([(sample.at_s, sample.descriptors) for sample in own], seconds, min), 0, DESCRIPTORS))
    return [growth for growth in found if growth is not None]


def judge_latency(waits, seconds):
    """`waits` are (at_s, ms) of the answers to an honest visitor."""
    found = [compare("p50 of an honest visit, in ms", cut(waits, seconds, lambda window: percentile(window, 50)),
                     MEDIAN_SHARE, MEDIAN_MS, min),
             compare("p99 of an honest visit, in ms", cut(waits, seconds, lambda window: percentile(window, 99)),
                     TAIL_SHARE, TAIL_MS, min)]
    return [growth for growth in found if growth is not None]
