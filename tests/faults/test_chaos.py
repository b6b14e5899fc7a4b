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
        if not storm.is_good():
            trace = (pathlib.Path(directory) / "trace").read_text()
            pytest.fail("\n".join([f"tests/faults/chaos --seed {seed} {storm.options()}", *storm.problems, storm.table(),
                                   "the faults:", trace[-6000:]]))
        return storm
    finally:
        storm.finish()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 3])
def test_a_storm(directory, seed):
    """Behind nginx and straight to the instances; with AOF `always` and `everysec`."""
    check(directory, seed, faults=60, visits=60000)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [4, 7])
def test_a_storm_with_journals(directory, seed):
    """Nobody is refused; instances that are killed are started again on their journal."""
    storm = check(directory, seed, faults=60, visits=60000, has_journal=True)
    assert storm.crowd.sum("journaled") > 0
    assert storm.crowd.sum("refused") == 0


@pytest.mark.slow
def test_a_storm_without_nginx(directory):
    check(directory, 5, faults=40, visits=40000, has_nginx=False)
