# SPDX-License-Identifier: MIT
"""What all end-to-end tests share is in harness/fixtures.py."""

import pytest

pytest.register_assert_rewrite("harness")

from harness.fixtures import *  # noqa: E402,F401,F403
