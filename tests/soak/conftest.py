# SPDX-License-Identifier: MIT
"""What the tests of this directory share. The parts and their fixtures are those of tests/e2e."""

import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "e2e"), str(HERE.parent / "faults"), str(HERE)]
pytest.register_assert_rewrite("harness")

from harness.fixtures import *  # noqa: E402,F401,F403
