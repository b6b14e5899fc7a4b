# SPDX-License-Identifier: MIT
"""A short version of `make soak-server`, which runs for hours; and tests of its judge."""

import dataclasses

import pytest

from judge import Sample, judge_latency, judge_parts
from stack import DAYS, INSTANCES, Soak

SECONDS = 600


def series(memory=lambda at_s: 20 << 20, descriptors=lambda at_s: 40):
    return [Sample(at_s, "instance 0", int(memory(at_s)), int(descriptors(at_s))) for at_s in range(SECONDS)]


def names(growths):
    return [growth.name for growth in growths if growth.is_too_much]


def test_what_stays_the_same_is_no_growth():
    assert names(judge_parts(series(), SECONDS)) == []


@pytest.mark.parametrize("rate", [20e3, 100e3], ids=["20 KB/s", "100 KB/s"])
def test_memory_that_is_never_given_back_is_found(rate):
    assert names(judge_parts(series(memory=lambda at_s: (20 << 20) + rate * at_s), SECONDS)) == ["memory of instance 0, in bytes"]


def test_one_descriptor_a_minute_too_many_is_found():
    found = judge_parts(series(descriptors=lambda at_s: 40 + at_s / 20), SECONDS)
    assert names(found) == ["descriptors of instance 0"]
    assert "grew from 5" in str(next(growth for growth in found if growth.is_too_much))


def test_what_goes_up_and_down_is_no_growth():
    """As streams come and go, and as memory is given back after a peak."""
    samples = series(memory=lambda at_s: (20 << 20) + (30 << 20) * (at_s % 40 < 30), descriptors=lambda at_s: 40 + at_s % 30)
    assert names(judge_parts(samples, SECONDS)) == []


def test_what_fills_up_in_the_first_third_is_no_growth():
    samples = series(memory=lambda at_s: (10 << 20) + min(at_s, 180) * (200 << 10))
    assert names(judge_parts(samples, SECONDS)) == []


def test_a_leak_that_a_restart_hides_is_found_where_nothing_is_restarted():
    """The first instance is the one that is never restarted."""
    leak = [dataclasses.replace(sample, memory_bytes=sample.memory_bytes + int(sample.at_s * 50e3)) for sample in series()]
    restarted = [dataclasses.replace(sample, part="instance 1", memory_bytes=(20 << 20) + int(sample.at_s % 45 * 50e3))
                 for sample in leak]
    assert names(judge_parts(leak + restarted, SECONDS)) == ["memory of instance 0, in bytes"]


def test_waits_that_become_longer_are_found():
    growing = [(at_s, 2 + at_s / 10) for at_s in range(SECONDS)]
    assert "p50 of an honest visit, in ms" in names(judge_latency(growing, SECONDS))
    rare = [(at_s, 500 if at_s % 20 == 0 and at_s > SECONDS / 2 else 2) for at_s in range(SECONDS)]
    assert names(judge_latency(rare, SECONDS)) == ["p99 of an honest visit, in ms"]
    assert names(judge_latency([(at_s, 2 + at_s % 7) for at_s in range(SECONDS)], SECONDS)) == []


@pytest.mark.slow
def test_a_short_run(directory):
    """Two days in 25 seconds: no double, no loss, no error; and a leak in its figures would be found."""
    soak = Soak(directory, seconds=25)
    try:
        soak.start()
        soak.run()
        soak.settle()
        soak.count()
    except BaseException:
        soak.kill()
        raise
    finally:
        soak.finish()
    assert soak.problems == [] and soak.traffic.failures == []
    assert (soak.losses, soak.doubles) == (0, 0) and soak.counted > 1000
    assert soak.events["reloads"] >= INSTANCES and soak.events["restarts"] >= 2
    assert soak.days >= DAYS
    assert {"instance 0", "instance 2", "nginx", "Redis"} <= {sample.part for sample in soak.samples}
    assert soak.traffic.answers["make_pages", 429] > 0, "strangers meet their budgets"
    soak.samples = [dataclasses.replace(sample, descriptors=sample.descriptors + int(10 * sample.at_s))
                    for sample in soak.samples]
    assert "descriptors of instance 0" in "\n".join(soak.judge())
