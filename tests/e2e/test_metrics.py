# SPDX-License-Identifier: MIT
"""The metrics, read by Prometheus' own parser."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from harness import fetch, talk, visit, wait_until


@pytest.fixture
def daemon(new_daemon, store):
    """A daemon that, on Redis, has checked the settings: the check adds series a moment after the start."""
    daemon = new_daemon({"metrics.listen": ["127.0.0.1:0"], "sites": ["*"], **store.settings}).wait_for_store()
    if daemon.status()["store"]["backend"] == "redis":
        wait_until(lambda: any(name == "visitcountd_store_warning" for name, _ in metrics(daemon)), "the settings are known")
    return daemon


def parse(answer):
    """Returns {(name, labels): value}. Checks that each family has a help text and a type."""
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.text.endswith("\n")
    samples = {}
    for family in text_string_to_metric_families(answer.text):
        assert family.documentation.endswith("."), family.name
        assert family.type in ("counter", "gauge", "histogram"), family.name
        assert family.samples, family.name
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in samples, f"twice: {key}"
            samples[key] = sample.value
    return samples


def metrics(daemon):
    return parse(fetch(daemon.addresses("metrics")[0], "/metrics"))


def total(samples, name, **labels):
    return samples[name, tuple(sorted(labels.items()))]


def test_counters_move(daemon, store):
    before = metrics(daemon)
    assert total(before, "visitcountd_visits_total", result="applied") == 0
    visit([daemon.address], 300, connections=10)
    daemon.fetch("/nope")
    after = metrics(daemon)
    assert total(after, "visitcountd_visits_total", result="applied") == 300
    assert total(after, "visitcountd_visits_total", result="refused") == 0
    assert 0 < total(after, "visitcountd_batches_total") <= 300
    assert total(after, "visitcountd_http_requests_total") == 301
    assert total(after, "visitcountd_connections_accepted_total") == 11
    assert total(after, "visitcountd_store_commands_total") > total(before, "visitcountd_store_commands_total")
    assert total(after, "visitcountd_store_up", backend=store.name) == 1
    assert total(after, "visitcountd_draining") == 0
    assert set(before) == set(after), "no series comes or goes"
    for (name, labels), value in before.items():
        if name.endswith(("_total", "_count", "_sum", "_bucket")):
            assert after[name, labels] >= value, name


def test_the_histogram_of_latencies(daemon):
    visit([daemon.address], 200, connections=5)
    samples = metrics(daemon)
    name = "visitcountd_visit_duration_seconds"
    buckets = sorted((float(dict(labels)["le"]), value) for (sample, labels), value in samples.items() if sample == f"{name}_bucket")
    assert len(buckets) > 10
    assert buckets[-1] == (float("inf"), 200)
    assert [value for _, value in buckets] == sorted(value for _, value in buckets)
    assert total(samples, f"{name}_count") == 200
    assert 0 < total(samples, f"{name}_sum") < 200 * 30


def test_the_process(daemon):
    samples = metrics(daemon)
    assert total(samples, "process_open_fds") > 5
    assert total(samples, "process_max_fds") >= 1024
    assert 1e6 < total(samples, "process_resident_memory_bytes") < 1e10
    first, second = (total(metrics(daemon), "process_start_time_seconds") for _ in range(2))
    assert first == second


def test_on_the_admin_socket_as_well(daemon):
    daemon.count()
    samples = parse(daemon.admin("/metrics"))
    assert total(samples, "visitcountd_visits_total", result="applied") == 1
    assert set(samples) == set(metrics(daemon))
    assert "visitcountd_visits_total" in daemon.ctl("metrics").output


def test_not_on_the_visitors_listener(daemon):
    for host in ("x", "metrics", "admin"):
        assert fetch(daemon.address, "/metrics", headers={"Host": host}).status == 404


def test_nothing_else_on_the_metrics_listener(daemon):
    address = daemon.addresses("metrics")[0]
    for target in ("/", "/count", "/status", "/drain", "/reload", "/v1/hit/a/b"):
        for method in ("GET", "POST"):
            answer = talk(address, f"{method} {target} HTTP/1.1\r\nHost: visitors\r\nContent-Length: 0\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 404 "), (method, target)
    assert fetch(address, "/metrics", "POST").status == 405
    assert fetch(address, "/metrics", "HEAD").status == 200


def test_what_clients_choose_is_no_label(daemon):
    """Sites and pages may have any number, so they must not become labels."""
    before = set(metrics(daemon))
    for i in range(20):
        daemon.fetch(f"/v1/hit/site-{i}/page-{i}")
    assert set(metrics(daemon)) == before


def test_without_the_store(new_daemon, directory):
    daemon = new_daemon({"redis.socket": f"{directory}/nobody.sock", "metrics.listen": ["127.0.0.1:0"], "count.max_wait": "50ms",
                         "drain.timeout": "100ms"})
    daemon.wait_for_log("retrying")
    assert daemon.fetch("/count").status == 503
    samples = metrics(daemon)
    assert total(samples, "visitcountd_store_up", backend="redis") == 0
    assert total(samples, "visitcountd_visits_total", result="refused") == 1
