# SPDX-License-Identifier: MIT
"""limits.pages and limits.sites that are nearly full: a line in the log for each crossing, status and metrics, on both stores."""

from harness import fetch, wait_until


def limits_of(daemon):
    return daemon.status()["limits"]


def metric(daemon, name):
    lines = fetch(daemon.addresses("metrics")[0], "/metrics").text.splitlines()
    return float(dict(line.split(" ") for line in lines if not line.startswith("#") and "{" not in line)[name])


def make_pages(daemon, site, numbers):
    for number in numbers:
        assert daemon.fetch(f"/v1/hit/{site}/{number}").status == 200


def wait_for_pages(daemon, number):
    wait_until(lambda: limits_of(daemon).get("fullest_site_pages") == number, lambda: f"{number} pages: {limits_of(daemon)}")


def warnings(daemon, option):
    return [line for line in daemon.log().splitlines() if f" warning {option}: " in line]


def test_pages_of_a_site(new_daemon, store):
    settings = {"sites": ["small", {"name": "large", "pages": 1000}], "limits.pages": 10, "metrics.listen": ["127.0.0.1:0"], **store.settings}
    daemon = new_daemon(settings).wait_for_store()
    make_pages(daemon, "large", range(9))
    make_pages(daemon, "small", range(7))
    make_pages(daemon, "small", [1, 2, 3])
    wait_for_pages(daemon, 7)
    assert limits_of(daemon) == {"fullest_site": "small", "fullest_site_pages": 7, "fullest_site_pages_max": 10, "nearly_full_sites": 0}
    assert warnings(daemon, "limits.pages") == []
    make_pages(daemon, "small", [7])
    wait_for_pages(daemon, 8)
    assert limits_of(daemon)["nearly_full_sites"] == 1 and limits_of(daemon)["nearly_full_site_names"] == ["small"]
    line, = warnings(daemon, "limits.pages")
    assert "site small has 8 of 10 pages" in line
    assert metric(daemon, "visitcountd_nearly_full_sites") == 1 and metric(daemon, "visitcountd_fullest_site_ratio") == 0.8
    make_pages(daemon, "small", [8, 9])
    assert daemon.fetch("/v1/hit/small/more").error == "too_many_pages"
    wait_for_pages(daemon, 10)
    assert len(warnings(daemon, "limits.pages")) == 1, "once per crossing"
    assert "small" in daemon.ctl("status").output
    # room is made, and taken again
    for number in range(5):
        assert daemon.ctl("--force", "delete", "small", f"/{number}").status == 0
    make_pages(daemon, "small", [20])
    wait_for_pages(daemon, 6)
    assert limits_of(daemon)["nearly_full_sites"] == 0
    make_pages(daemon, "small", [21, 22])
    wait_until(lambda: len(warnings(daemon, "limits.pages")) == 2, "the second crossing")


def test_a_site_that_is_full_at_the_start(new_daemon, store):
    daemon = new_daemon({"sites": ["s"], **store.settings}).wait_for_store()
    make_pages(daemon, "s", range(9))
    wait_for_pages(daemon, 9)
    assert warnings(daemon, "limits.pages") == []
    daemon.write_config(limits_pages=10)
    assert daemon.ctl("reload").status == 0
    wait_until(lambda: warnings(daemon, "limits.pages"), "a reload lowered the limit")
    daemon.stop()
    mark = len(daemon.log())
    daemon.start()
    daemon.wait_for_log(r"warning limits.pages: site s has 9 of 10 pages", mark)


def test_sites(new_daemon, store):
    settings = {"sites": ["*"], "limits.sites": 5, "metrics.listen": ["127.0.0.1:0"], **store.settings}
    daemon = new_daemon(settings).wait_for_store()
    for site in ("a", "b", "c"):
        make_pages(daemon, site, [1])
    wait_until(lambda: limits_of(daemon)["sites"] == 3, lambda: limits_of(daemon))
    assert warnings(daemon, "limits.sites") == []
    make_pages(daemon, "d", [1, 2])
    wait_until(lambda: limits_of(daemon)["sites"] == 4, lambda: limits_of(daemon))
    line, = warnings(daemon, "limits.sites")
    assert "4 of 5 sites" in line and metric(daemon, "visitcountd_sites_ratio") == 0.8
    make_pages(daemon, "e", [1])
    assert daemon.fetch("/v1/hit/f/1").error == "too_many_sites"
    wait_until(lambda: limits_of(daemon)["sites"] == 5, lambda: limits_of(daemon))
    assert len(warnings(daemon, "limits.sites")) == 1


def test_without_any_site_there_is_no_limit_of_sites(new_daemon):
    daemon = new_daemon({"sites": ["a", "b"], "limits.sites": 1}).wait_for_store()
    make_pages(daemon, "a", [1])
    wait_for_pages(daemon, 1)
    assert "sites" not in limits_of(daemon) and warnings(daemon, "limits.sites") == []


def test_a_store_that_was_away_is_asked_again(new_daemon, redis):
    daemon = new_daemon({"sites": ["s"], "limits.pages": 5, "redis.socket": str(redis.socket)}).wait_for_store()
    make_pages(daemon, "s", range(4))
    redis.kill()
    daemon.wait_for_store(False)
    redis.start()
    daemon.wait_for_store()
    wait_until(lambda: warnings(daemon, "limits.pages"), "it was asked")
