# SPDX-License-Identifier: MIT
"""A short storm in each test run; `make chaos` is the long one. See storm.py for what is checked."""

import pathlib

import pytest

from storm import Storm


def check(directory, seed, **arguments):
    storm = Storm(directory, seed=seed, **arguments)
    try:
        storm.start()
        storm.run()
        storm.settle()
        storm.count()
        print(storm.table())
        if not storm.is_good():
            trace = (pathlib.Path(directory) / "trace").read_text()
            pytest.fail("\n".join([f"tests/faults/chaos --seed {seed} {storm.options()}", *storm.problems, storm.table(),
                                   "the faults:", trace[-6000:]]))
    finally:
        storm.finish()


@pytest.mark.parametrize("seed", [2, 4])
def test_a_storm(directory, seed):
    """Behind nginx and straight to the instances; with AOF `always` and `everysec`."""
    check(directory, seed, faults=70, visits=70000)


def test_a_storm_without_nginx(directory):
    check(directory, 5, faults=50, visits=50000, has_nginx=False)
