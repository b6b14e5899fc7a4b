# SPDX-License-Identifier: MIT
"""Fixtures of this directory."""

import pathlib
import shutil
import tempfile

import pytest


@pytest.fixture
def directory():
    """A directory with a short path, because the path of a unix socket has at most 107 bytes."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="stack-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)
