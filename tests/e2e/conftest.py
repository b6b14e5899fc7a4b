# SPDX-License-Identifier: MIT
"""Fixtures of the end-to-end tests; harness/fixtures.py defines them."""

import pytest

pytest.register_assert_rewrite("harness")

from harness.fixtures import *  # noqa: E402,F401,F403
