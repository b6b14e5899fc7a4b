# SPDX-License-Identifier: MIT
"""Which users may read the files of the daemon, with any umask; and its warnings about files that all users may read."""

import os
import stat
import subprocess

import pytest

from harness import BUILD, ROOT, run_daemon, wait_until

UMASKS = ["0", "022", "077", "0277"]
EVERYBODY = "every user of this machine may read it"


def with_umask(mask):
    return ["sh", "-c", f'umask {mask}; exec "$@"', "sh"]


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("mask", UMASKS)
def test_the_database_is_for_its_owner(new_daemon, directory, mask):
    daemon = new_daemon(wrapper=with_umask(mask)).wait_for_store()
    assert daemon.count() == 1
    files = {path.name: mode_of(path) for path in directory.glob("visits.db*")}
    assert files == {"visits.db": 0o600, "visits.db-wal": 0o600, "visits.db-shm": 0o600}


@pytest.mark.parametrize("mode", [0o640, 0o660, 0o644])
def test_a_database_of_the_operator_keeps_its_mode(new_daemon, directory, mode):
    path = directory / "visits.db"
    path.touch()
    path.chmod(mode)
    daemon = new_daemon(wrapper=with_umask("077")).wait_for_store()
    assert daemon.count() == 1
    assert {mode_of(path) for path in directory.glob("visits.db*")} == {mode}
    if mode & 0o004:
        daemon.stop()
        daemon.start()
        assert f"{path}: {EVERYBODY}, and it holds the salt" in daemon.log()


def test_a_database_behind_a_link(new_daemon, directory):
    (directory / "visits.db").symlink_to(directory / "elsewhere.db")
    daemon = new_daemon(wrapper=with_umask("0")).wait_for_store()
    assert daemon.count() == 1
    assert {mode_of(path) for path in directory.glob("elsewhere.db*")} == {0o600}


@pytest.mark.parametrize("mask", ["0", "022", "077"])
def test_the_journal_is_for_owner_and_group(new_daemon, new_redis, directory, mask):
    server = new_redis()
    daemon = new_daemon({"redis.socket": str(server.socket), "journal.directory": f"{directory}/a/b", "count.max_wait": "100ms"},
                        wrapper=with_umask(mask)).wait_for_store()
    server.kill()
    wait_until(lambda: daemon.fetch("/count").status == 202, "visits go to the journal")
    segments = list((directory / "a" / "b").iterdir())
    assert segments and {mode_of(path) for path in segments} == {0o640}
    assert mode_of(directory / "a") == mode_of(directory / "a" / "b") == 0o750


def test_a_directory_of_the_operator_keeps_its_mode(new_daemon, directory):
    (directory / "journal").mkdir(mode=0o700)
    new_daemon({"journal.directory": f"{directory}/journal"}, wrapper=with_umask("0"))
    assert mode_of(directory / "journal") == 0o700


def check(path, *arguments):
    result = run_daemon("--config", path, "--check-config", *arguments)
    assert result.status == 0, result
    return [line for line in result.errors.splitlines() if EVERYBODY in line]


def write(path, text, mode):
    path.write_text(text)
    path.chmod(mode)
    return path


SECRET = 'dashboard: { password = "a password of twelve"; }; redis: { host = "127.0.0.1"; password = "x"; };\n'


def test_secrets_that_everybody_may_read(directory):
    config = write(directory / "a.conf", SECRET, 0o644)
    line, = check(config)
    assert line.startswith(f"warning: {config}: ") and "password" in line and "twelve" not in line, "one line for each file"
    config.chmod(0o640)
    assert check(config) == []
    for mode, count in ((0o604, 1), (0o600, 0), (0o440, 0)):
        secret = write(directory / "p", "a password of twelve", 0o600)
        secret.chmod(mode)
        for text in (f'dashboard: {{ password_file = "{secret}"; }};', 'sites = ({ name = "a"; dashboard_password_file = "p"; });'):
            found = check(write(directory / "b.conf", text, 0o644))
            assert len(found) == count and all(line.startswith(f"warning: {secret}: ") for line in found), (mode, found)


def test_secrets_in_included_files_and_of_sites(directory):
    secret = write(directory / "secret.conf", SECRET, 0o644)
    config = write(directory / "a.conf", '@include "secret.conf"\n', 0o644)
    line, = check(config)
    assert line.startswith(f"warning: {secret}: ")
    config = write(directory / "b.conf", 'sites = ({ name = "a"; dashboard_password = "a password of twelve"; });', 0o644)
    line, = check(config)
    assert line.startswith(f"warning: {config}: ")


def test_without_a_secret_everybody_may_read_the_configuration(directory):
    assert check(write(directory / "a.conf", 'redis: { host = "127.0.0.1"; };\nsites = ["a"];\n', 0o644)) == []


def test_the_daemon_warns_at_its_start_and_at_a_reload(new_daemon, directory):
    daemon = new_daemon({"dashboard.password": "a password of twelve"}, start=False)
    write(daemon.config_path, "", 0o644)  # start() keeps the mode
    daemon.start()
    assert daemon.log().count(f"{daemon.config_path}: {EVERYBODY}") == 1
    assert daemon.ctl("reload").output.count(EVERYBODY) == 1
    daemon.config_path.chmod(0o600)
    assert EVERYBODY not in daemon.ctl("check").output


def test_root_is_warned_of(new_daemon):
    log = new_daemon().log()
    lines = [line for line in log.splitlines() if "runs as root" in line]
    assert len(lines) == (1 if os.geteuid() == 0 else 0)


def test_what_make_install_lays_down(directory):
    subprocess.run([ROOT / "packaging/install", BUILD, directory, "/usr"], cwd=ROOT, check=True)
    assert mode_of(directory / "etc/visitcountd/visitcountd.conf") == 0o640
    tmpfiles = (directory / "usr/lib/tmpfiles.d/visitcountd.conf").read_text().splitlines()
    assert "z /etc/visitcountd/visitcountd.conf 0640 root visitcountd-config -" in tmpfiles
    sysusers = (directory / "usr/lib/sysusers.d/visitcountd.conf").read_text().splitlines()
    assert {"g visitcountd-config - -", "m visitcountd visitcountd-config"} <= set(sysusers)
