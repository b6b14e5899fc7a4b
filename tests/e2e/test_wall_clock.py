# SPDX-License-Identifier: MIT
"""An instance while the machine's wall clock is set, forwards or back."""

from datetime import datetime, timezone

from harness.wall_clock import DAY


def test_the_daemon_has_the_clock_of_the_test(new_daemon, store, wall_clock):
    """The other tests rest on this: the shim is loaded, and a change counts at once."""
    daemon = new_daemon({"dashboard.public": True, **store.settings}, environment=wall_clock.environment).wait_for_store()
    for ahead_s in (0, 500 * DAY, -30 * DAY - 0.25):
        wall_clock.set_ahead(ahead_s)
        before = today(wall_clock)
        latest = daemon.fetch("/v1/series/default/x").json()["values"][-1]["at"]
        assert latest in (before, today(wall_clock))


def today(wall_clock):
    return datetime.fromtimestamp(wall_clock.time(), timezone.utc).date().isoformat()
