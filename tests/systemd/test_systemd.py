# SPDX-License-Identifier: MIT
"""The units of systemd/ under a real systemd, which is PID 1 of a container made from Debian packages. visitcountd is installed with `make install`.
Redis and nginx are Debian's, with the configuration of docs/deploy-systemd.md."""

import json
import os
import pathlib
import re
import secrets
import shutil
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONTAINER_DIRECTORY = ROOT / "packaging" / "container"
BASE = "visitcountd-test-systemd:base"
PACKAGES = ("systemd systemd-sysv dbus procps python3 redis-server nginx-light "
            "libconfig9 libglib2.0-0 libh2o-evloop0.13 libhiredis0.14 libjansson4 libsodium23 libsqlite3-0 libssl3 libsystemd0 tzdata").split()
CONFIG = "/etc/visitcountd/visitcountd.conf"
HTTP_SOCKET = "/run/visitcountd/http-{}.sock"
ON_REDIS = 'redis: { host = "127.0.0.1"; };\n'
WATCHDOG_SECONDS = 10


def skip(reason):
    """A skip names its reason; in CI it is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"may not be skipped in CI: {reason}", pytrace=False)
    pytest.skip(reason)


def wait_for(condition, what, seconds=60):
    """The only function that waits. Returns the first true value of `condition` or fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds} s: {what}")
        time.sleep(0.05)


def run(*command, check=True, timeout=300, **options):
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=timeout,
                            check=False, **options)
    if check and result.returncode != 0:
        pytest.fail(f"{' '.join(map(str, command))}: exit {result.returncode}\n{result.stdout}{result.stderr}")
    return result


def podman(*arguments, **options):
    return run(CONTAINER_DIRECTORY / "env", "podman", *arguments, **options)


class Machine:
    """A Debian container with systemd."""

    def __init__(self):
        self.name = f"visitcountd-test-systemd-{secrets.token_hex(3)}"

    def boot(self):
        # All servers use only the loopback interface of the machine.
        podman("run", "--detach", "--systemd=always", "--network=none", "--name", self.name, f"localhost/{BASE}",
               "/lib/systemd/systemd")
        self.wait_for_boot()

    def reboot(self):
        podman("restart", "--time=20", self.name)
        self.wait_for_boot()

    def wait_for_boot(self):
        states = ("running", "degraded")
        wait_for(lambda: self.run("systemctl is-system-running", check=False).stdout.strip() in states, "booted", 180)

    def remove(self):
        podman("rm", "--force", "--time=0", self.name, check=False)

    def install(self, directory):
        podman("cp", f"{directory}/.", f"{self.name}:/")
        podman("cp", pathlib.Path(__file__).with_name("load.py"), f"{self.name}:/root/load.py")
        self.run("systemd-sysusers && systemd-tmpfiles --create && systemctl daemon-reload")

    def run(self, script, check=True, **options):
        return podman("exec", "--interactive", self.name, "bash", "-c", script, check=check, **options)

    def write(self, path, text):
        self.run(f"mkdir -p $(dirname {path}) && cat > {path}", input=text)

    def has_file(self, path):
        return self.run(f"test -e {path}", check=False).returncode == 0

    def state(self, unit):
        return self.run(f"systemctl is-active {unit}", check=False).stdout.strip()

    def show(self, unit, name):
        return self.run(f"systemctl show --property={name} --value {unit}").stdout.strip()

    def status(self, instance):
        return json.loads(self.run(f"visitcountctl --instance {instance} status --json").stdout)

    def fetch(self, path, port=5002, check=True, unix=None):
        """Returns status, headers and body of one request, sent from inside, to a port or to the path of a unix socket."""
        script = ("import http.client, json, socket\n"
                  f"connection = http.client.HTTPConnection('127.0.0.1', {port}, timeout=30)\n"
                  f"if {unix!r}:\n"
                  "    connection.sock = socket.socket(socket.AF_UNIX)\n"
                  f"    connection.sock.connect({unix!r})\n"
                  f"connection.request('GET', {path!r})\n"
                  "response = connection.getresponse()\n"
                  "print(json.dumps([response.status, {name.lower(): value for name, value in response.headers.items()}, response.read().decode()]))\n")
        result = podman("exec", "--interactive", self.name, "python3", "-", input=script, check=check)
        return json.loads(result.stdout) if result.stdout else None

    def count(self, port=5002):
        status, _, body = self.fetch("/count.json", port)
        assert status == 200, body
        return json.loads(body)["count"]

    def journal(self, unit):
        return self.run(f"journalctl --no-pager --output=cat --unit={unit}").stdout

    def connections(self):
        """The number of connections of an instance: over its unix socket, and over its port (proc(5))."""
        script = ("awk '$6 == \"03\" && $8 ~ /^\\/run\\/visitcountd\\/http-/' /proc/net/unix | wc -l; "
                  "awk '$4 == \"01\" && $3 ~ /:1F9[1-9]$/' /proc/net/tcp | wc -l")
        return [int(count) for count in self.run(script).stdout.split()]

    def total(self):
        """The total in the store, read without the daemon."""
        keys = self.run("redis-cli zscore 'vc:{default}:hits' /").stdout.strip()
        return int(float(keys or 0))


class Load:
    """Makes visits through nginx until the block ends."""

    def __init__(self, machine, connections=24):
        self.machine = machine
        self.connections = connections
        self.numbers = []
        self.failures = {}

    def __enter__(self):
        self.process = subprocess.Popen(
            [CONTAINER_DIRECTORY / "env", "podman", "exec", "--interactive", self.machine.name, "python3", "/root/load.py",
             str(self.connections)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "going\n"
        return self

    def __exit__(self, *_):
        output, _ = self.process.communicate(timeout=60)
        result = json.loads(output)
        self.numbers, self.failures = result["numbers"], result["failures"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    for tool in ("podman", "mmdebstrap"):
        if shutil.which(tool) is None:
            skip(f"{tool} is missing (apt-get install {tool})")
    directory = tmp_path_factory.mktemp("installed")
    run("make", "--no-print-directory", "-C", ROOT, "install", f"DESTDIR={directory}", "PREFIX=/usr")
    return directory


@pytest.fixture(scope="module")
def booted(installed):
    run(CONTAINER_DIRECTORY / "base-image", BASE, *PACKAGES, timeout=540)
    made = Machine()
    try:
        made.boot()
        made.install(installed)
        made.run("cp /usr/share/visitcountd/nginx/visitcountd.conf /etc/nginx/conf.d/ && "
                 "cp /usr/share/visitcountd/nginx/visitcountd-upstream.conf /etc/nginx/")
        made.run("echo 'appendonly yes' >> /etc/redis/redis.conf && systemctl enable redis-server nginx && "
                 "systemctl restart redis-server nginx")
        yield made
    finally:
        made.remove()


@pytest.fixture
def machine(booted):
    """Three instances on an empty Redis. Undoes the changes of earlier tests."""
    booted.run("systemctl start redis-server nginx && redis-cli flushall >/dev/null")
    booted.write(CONFIG, ON_REDIS)
    booted.run("systemctl start visitcountd.target")
    yield booted
    booted.run("systemctl stop visitcountd.target; systemctl disable visitcountd.target visitcountd@4; "
               "rm -rf /etc/systemd/system/visitcountd@.service.d /etc/visitcountd/*.env /var/lib/visitcountd/*; "
               "systemctl daemon-reload; systemctl reset-failed", check=False)


def test_systemd_finds_nothing_wrong_with_the_units(machine):
    units = "visitcountd.target visitcountd@1.service visitcountd@1.socket visitcountd-stop@1.target"
    result = machine.run(f"systemd-analyze verify --man=no {units}")
    assert (result.stdout, result.stderr) == ("", "")


def test_nginx_finds_nothing_wrong_with_its_files(machine):
    assert "test is successful" in machine.run("nginx -t 2>&1").stdout


def test_the_exposure_is_at_most_one(machine):
    output = machine.run("systemd-analyze security visitcountd@1.service --no-pager").stdout
    assert float(re.search(r"Overall exposure level for \S+: ([0-9.]+)", output)[1]) <= 1.0


def test_the_target_starts_three_instances_that_count_in_one_store(machine):
    assert [machine.state(f"visitcountd@{i}") for i in (1, 2, 3, 4)] == ["active"] * 3 + ["inactive"]
    assert [machine.count() for _ in range(3)] == [1, 2, 3]
    assert [machine.count(8080 + i) for i in (1, 2, 3)] == [4, 5, 6]
    for instance in (1, 2, 3):
        status = machine.status(instance)
        assert status["instance"] == str(instance)
        assert status["store"]["backend"] == "redis"
        assert machine.run(f"visitcountctl --instance {instance} ping").stdout == ""
    assert re.findall(r"^(\d+) +running .* ready ", machine.run("visitcountctl status").stdout, re.M) == ["1", "2", "3"]
    assert "redis" in machine.show("visitcountd@1", "StatusText")


def test_nginx_asks_over_unix_sockets_beside_which_the_ports_answer(machine):
    machine.run("systemctl restart nginx")
    with Load(machine) as load:
        connections = machine.connections()
        assert machine.count(8081) > 0
    assert connections[0] > 0 and connections[1] == 0, "unix, TCP"
    assert load.failures == {}
    assert all(machine.status(instance)["visits"]["applied"] > 0 for instance in (1, 2, 3))
    listed = machine.run("grep -o '^server unix:[^ ]*' /etc/nginx/visitcountd-upstream.conf").stdout.split()[1::2]
    assert listed == ["unix:" + HTTP_SOCKET.format(instance) for instance in (1, 2, 3)]


def test_whoever_may_use_the_port_may_use_the_socket(machine):
    assert machine.run(f"stat --format=%U:%a {HTTP_SOCKET.format(1)}").stdout == "root:666\n"
    assert machine.run("stat --format=%U:%a /run/visitcountd").stdout == "root:755\n"
    assert "failed" not in machine.journal("visitcountd@1.socket"), "each option suits both kinds of socket"


def test_the_process_is_as_confined_as_the_unit_says(machine):
    pid = machine.show("visitcountd@1", "MainPID")
    status = machine.run(f"cat /proc/{pid}/status").stdout
    uid = machine.run("id --user visitcountd").stdout.strip()
    assert re.search(r"^Uid:\s+(\d+)", status, re.M)[1] == uid
    assert re.search(r"^CapBnd:\s+(\w+)", status, re.M)[1] == "0" * 16
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.M)
    assert re.search(r"^Seccomp:\s+2$", status, re.M)
    assert "127.0.0.1:8081" not in machine.run(f"cat /proc/{pid}/environ | tr '\\0' '\\n'").stdout


def test_members_of_the_group_may_use_visitcountctl_and_others_not(machine):
    machine.run("id member 2>/dev/null || useradd --groups visitcountd member; id other 2>/dev/null || useradd other")
    assert machine.run("runuser -u member -- visitcountctl --instance 1 ping", check=False).returncode == 0
    refused = machine.run("runuser -u other -- visitcountctl --instance 1 ping", check=False)
    assert refused.returncode == 2
    assert "visitcountd" in refused.stderr


def test_members_of_the_group_cannot_read_the_configuration(machine):
    """It may hold passwords. The daemon reads it by a group that has no other members."""
    machine.write(CONFIG, ON_REDIS + 'dashboard: { password = "a password of the operator"; };\n')
    machine.run("systemctl restart visitcountd@1 && systemctl reload visitcountd@1")
    assert machine.run(f"stat --format=%U:%G:%a {CONFIG}").stdout == "root:visitcountd-config:640\n"
    machine.run("id member 2>/dev/null || useradd --groups visitcountd member")
    assert machine.run(f"runuser -u member -- cat {CONFIG}", check=False).returncode != 0
    assert "operator" not in machine.run("runuser -u member -- visitcountctl --instance 1 config").stdout
    assert machine.run("getent group visitcountd-config").stdout.strip().rpartition(":")[2] == "visitcountd"
    assert "every user of this machine" not in machine.journal("visitcountd@1")


def test_the_files_of_the_state_directory(machine):
    """Only the daemon may read the database. Members of its group may also read the journal."""
    machine.write(CONFIG, 'journal: { directory = "/var/lib/visitcountd/journal/%i"; };\n')
    machine.run("systemctl restart visitcountd.target")
    assert machine.count(8081) == 1
    modes = dict(line.split() for line in machine.run(
        "find /var/lib/visitcountd -mindepth 1 -printf '%P %m:%g\n'").stdout.splitlines())
    assert modes.pop("journal") == modes.pop("journal/1") == modes.pop("journal/2") == modes.pop("journal/3") == "750:visitcountd"
    assert {"visitcountd.db", "visitcountd.db-wal", "visitcountd.db-shm"} <= set(modes)
    assert set(modes.values()) == {"600:visitcountd"}
    machine.run("id member 2>/dev/null || useradd --groups visitcountd member")
    assert machine.run("runuser -u member -- visitcountctl journal verify /var/lib/visitcountd/journal/1", check=False).returncode == 0


def test_a_reload_takes_over_the_new_configuration(machine):
    pid = machine.show("visitcountd@1", "MainPID")
    for site in ("first", "second"):  # the second reload runs in a sandbox that the first one has entered already
        machine.write(CONFIG, ON_REDIS + f'sites = ["{site}"];\n')
        machine.run("systemctl reload visitcountd@1")
        assert machine.fetch(f"/v1/hit/{site}/page", port=8081)[0] == 200
    assert machine.state("visitcountd@1") == "active"
    assert machine.show("visitcountd@1", "MainPID") == pid


def test_a_wrong_configuration_is_refused_by_reload_and_changes_nothing(machine):
    machine.write(CONFIG, ON_REDIS + 'log: { level = "loud"; };\n')
    result = machine.run("systemctl reload visitcountd@1", check=False)
    assert result.returncode != 0
    assert f"{CONFIG}:2: log.level" in machine.journal("visitcountd@1")
    assert machine.state("visitcountd@1") == "active"
    assert machine.count(8081) == 1


def test_with_a_wrong_configuration_it_does_not_start_and_is_not_tried_again(machine):
    machine.run("systemctl stop visitcountd@1")
    machine.write(CONFIG, ON_REDIS + 'log: { level = "loud"; };\n')
    result = machine.run("systemctl start visitcountd@1", check=False)
    assert result.returncode != 0
    assert machine.state("visitcountd@1") == "failed"
    assert machine.show("visitcountd@1", "ExecMainStatus") == "78"
    assert machine.show("visitcountd@1", "NRestarts") == "0"
    # Visitors still reach the other instances, and the listener without an instance closes.
    assert [machine.count() for _ in range(5)] == [1, 2, 3, 4, 5]
    with Load(machine) as load:
        wait_for(lambda: machine.state("visitcountd@1.socket") == "failed", "the listener gave up")
        assert not machine.has_file(HTTP_SOCKET.format(1))
    assert load.failures == {}
    machine.write(CONFIG, ON_REDIS)
    machine.run("systemctl restart visitcountd@1")
    assert machine.count(8081) > 5


@pytest.mark.parametrize("unit", ["visitcountd@2.service", "visitcountd.target"])
def test_a_restart_under_load_loses_no_visit(machine, unit):
    with Load(machine) as load:
        for _ in range(3):
            before = machine.show("visitcountd@2", "MainPID")
            machine.run(f"systemctl restart {unit}")
            assert machine.show("visitcountd@2", "MainPID") != before
    assert load.failures == {}
    assert len(load.numbers) > 100
    assert sorted(load.numbers) == list(range(1, len(load.numbers) + 1))
    assert machine.total() == len(load.numbers)


def test_stopping_under_load_takes_less_than_five_seconds_and_the_last_number_is_kept(machine):
    with Load(machine) as load:
        # measured inside the container, without the start of podman
        script = "began=$(date +%s%N); systemctl stop visitcountd.target; echo $(($(date +%s%N) - began))"
        seconds = int(machine.run(script).stdout) / 1e9
        states = [machine.state(f"visitcountd@{i}.{kind}") for i in (1, 2, 3) for kind in ("service", "socket")]
    assert states == ["inactive"] * 6
    assert not any(machine.has_file(HTTP_SOCKET.format(instance)) for instance in (1, 2, 3))
    assert seconds < 5
    assert len(set(load.numbers)) == len(load.numbers) > 100
    total = machine.total()
    assert len(load.numbers) <= total <= len(load.numbers) + sum(load.failures.values())
    assert max(load.numbers) <= total
    assert machine.journal("visitcountd@1").count("every visit was answered") >= 1
    machine.run("systemctl start visitcountd.target")
    assert machine.count() == total + 1


def test_one_instance_that_was_stopped_stays_stopped_while_visitors_come(machine):
    with Load(machine) as load:
        machine.run("systemctl stop visitcountd@2")
        assert not machine.has_file(HTTP_SOCKET.format(2))
        before = machine.total()
        wait_for(lambda: machine.total() > before + 100, "nginx goes on with the others")
        assert machine.state("visitcountd@2") == machine.state("visitcountd@2.socket") == "inactive"
        machine.run("systemctl start visitcountd@2")
        wait_for(lambda: machine.status(2)["visits"]["applied"] > 100, "nginx asks it again")
    assert load.failures == {}
    assert sorted(load.numbers) == list(range(1, len(load.numbers) + 1))
    assert machine.count(8082) == len(load.numbers) + 1


def test_kill_9_under_load_loses_and_doubles_no_visit(machine):
    """nginx repeats the requests in flight at another instance under the same id. New requests wait or go to the others."""
    with Load(machine) as load:
        for restarts in ("1", "2", "3"):
            machine.run("systemctl kill --signal=KILL visitcountd@2")
            before = machine.total()
            wait_for(lambda: machine.total() > before + 100, "nginx goes on with the others")
            wait_for(lambda: machine.show("visitcountd@2", "NRestarts") == restarts, "started again")
            wait_for(lambda: machine.run("visitcountctl --instance 2 ping", check=False).returncode == 0, "answers")
    assert load.failures == {}
    assert machine.total() == len(load.numbers) > 300


def test_after_kill_9_it_is_started_again_and_visitors_wait(machine):
    machine.run("kill -KILL $(systemctl show --property=MainPID --value visitcountd@1)")
    assert machine.count(8081) == 1
    assert machine.show("visitcountd@1", "NRestarts") == "1"
    assert machine.state("visitcountd@1.socket") == "active"


def test_a_loop_that_hangs_is_found_by_the_watchdog(machine):
    pid = machine.show("visitcountd@1", "MainPID")
    machine.run(f"kill -STOP {pid}")
    wait_for(lambda: machine.show("visitcountd@1", "NRestarts") == "1", "restarted", WATCHDOG_SECONDS + 60)
    assert "Watchdog timeout" in machine.journal("visitcountd@1")
    assert machine.count(8081) == 1
    assert machine.show("visitcountd@1", "MainPID") != pid


def test_it_runs_without_redis_says_so_and_recovers(machine):
    assert machine.count() == 1
    machine.run("systemctl stop redis-server")
    machine.run("systemctl restart visitcountd.target")
    assert [machine.state(f"visitcountd@{i}") for i in (1, 2, 3)] == ["active"] * 3
    status, headers, body = machine.fetch("/count.json")
    assert status == 503
    assert int(headers["retry-after"]) >= 1
    assert set(json.loads(body)["error"]) == {"code", "message"}
    machine.run("systemctl start redis-server")
    wait_for(lambda: machine.fetch("/readyz")[0] == 200, "ready again")
    assert machine.count() == 2


def test_the_journal_carries_an_outage_of_redis(machine):
    """The journal is in the state directory, inside the sandbox. No visit is refused, even with kill -9. Afterwards the store has all visits."""
    machine.write(CONFIG, ON_REDIS + 'journal: { directory = "/var/lib/visitcountd/journal/%i"; };\n')
    machine.run("systemctl restart visitcountd.target")
    assert machine.count(8081) == 1
    machine.run("systemctl stop redis-server")
    wait_for(lambda: not machine.status(1)["store"]["available"], "it is noticed")
    for _ in range(3):
        status, headers, _ = machine.fetch("/count", port=8081)
        assert (status, headers["visitcount-status"]) == (202, "journaled")
    assert machine.fetch("/readyz", port=8081)[0] == 200
    machine.run("systemctl kill --signal=KILL visitcountd@1")
    wait_for(lambda: machine.state("visitcountd@1") == "active", "it is started again")
    assert machine.status(1)["journal"]["visits"] == 3
    machine.run("systemctl start redis-server")
    wait_for(lambda: machine.status(1)["journal"]["visits"] == 0, "all is in the store")
    assert machine.count(8081) == 5


def test_one_more_instance(machine):
    machine.run("systemctl enable --now visitcountd@4")
    assert machine.count(8084) == 1
    machine.run("systemctl restart visitcountd.target")
    assert machine.count(8084) == 2
    machine.run("systemctl stop visitcountd.target")
    assert machine.state("visitcountd@4") == machine.state("visitcountd@4.socket") == "inactive"
    machine.run("systemctl start visitcountd.target")
    assert machine.state("visitcountd@4") == "active"


def test_an_instance_beyond_nine_has_no_port(machine):
    machine.run("systemctl start visitcountd@10")
    status, _, body = machine.fetch("/count", unix=HTTP_SOCKET.format(10))
    machine.run("systemctl stop visitcountd@10")
    assert (status, body.strip()) == (200, "1")


def test_settings_of_one_instance(machine):
    machine.write("/etc/visitcountd/2.env", "VISITCOUNTD_METRICS_LISTEN=127.0.0.1:9182\n")
    machine.run("systemctl restart visitcountd@2")
    status, headers, body = machine.fetch("/metrics", port=9182)
    assert status == 200
    assert headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "visitcountd_" in body


def test_the_password_of_redis_as_a_credential(machine):
    machine.write("/etc/visitcountd/redis.password", "of the store\n")
    machine.write("/etc/systemd/system/visitcountd@.service.d/redis-password.conf",
                  (ROOT / "systemd" / "examples" / "redis-password.conf").read_text())
    machine.run("redis-cli config set requirepass 'of the store' && systemctl daemon-reload && "
                "systemctl restart visitcountd.target")
    try:
        assert machine.count() == 1
        shown = machine.run("visitcountctl --instance 1 config").stdout
        assert re.search(r"^redis\.password\b.*credential", shown, re.M), shown
        assert "of the store" not in shown
        machine.run("systemctl reload visitcountd@1")
    finally:
        machine.run("redis-cli -a 'of the store' config set requirepass ''")


def test_without_any_setting_the_instances_share_the_embedded_store(machine):
    machine.write(CONFIG, "")
    machine.run("systemctl restart visitcountd.target")
    assert [machine.count(8080 + i) for i in (1, 2, 3)] == [1, 2, 3]
    machine.run("kill -KILL $(systemctl show --property=MainPID --value visitcountd@1)")
    assert machine.count(8081) == 4
    assert machine.run("stat --format=%U:%a /var/lib/visitcountd").stdout == "visitcountd:750\n"


def test_what_is_enabled_comes_back_after_a_reboot(machine):
    assert [machine.count() for _ in range(3)] == [1, 2, 3]
    machine.run("systemctl enable visitcountd.target")
    machine.reboot()
    wait_for(lambda: machine.state("visitcountd.target") == "active", "started at boot")
    wait_for(lambda: machine.fetch("/readyz", check=False), "nginx started at boot")
    assert machine.count() == 4
    assert machine.state("visitcountd@3") == "active"
