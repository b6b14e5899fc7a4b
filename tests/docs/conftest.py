# SPDX-License-Identifier: MIT
"""Fixtures of the tests of the documents. The harness and its fixtures come from tests/e2e."""

import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "e2e"), str(HERE)]
pytest.register_assert_rewrite("harness")

from harness.fixtures import *  # noqa: E402,F401,F403
