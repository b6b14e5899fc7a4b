# SPDX-License-Identifier: MIT
"""The command line of visitcountd, its configuration, and its error messages."""

import re
import socket
import subprocess
import sys

import pytest

from harness import BUILD, ROOT, free_port, run_ctl, run_daemon

EX_USAGE = 64
EX_CONFIG = 78

#: Converts a printed value to its form on the command line.
UNQUOTED = str.maketrans("", "", '[]" ')


@pytest.fixture
def check(directory):
    """check("text of a file", …) returns the result of --check-config."""
    def run(text="", *arguments, environment=None, action="--check-config"):
        path = directory / "visitcountd.conf"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return run_daemon("--config", path, action, *arguments, environment=environment)
    return run


def check_is_refused(result, *lines):
    """Checks for exit status 78, no standard output, and exactly these error lines (patterns) in this order."""
    assert (result.status, result.output) == (EX_CONFIG, "")
    assert len(result.errors.splitlines()) == len(lines), result.errors
    for line, pattern in zip(result.errors.splitlines(), lines):
        assert re.search(pattern, line), f"{pattern!r} in {line!r}"


# --- arguments ---

def test_help_names_every_option():
    result = run_daemon("--help")
    assert result.status == 0
    assert result.output.startswith("usage: visitcountd ")
    for row in re.findall(r'^(?:OPTION|CHOICE)\(\w+, "([\w.]+)"', (ROOT / "src/config/options.def").read_text(), re.MULTILINE):
        assert re.search(rf"^  {re.escape(row)} +VISITCOUNTD_{row.upper().replace('.', '_')}, default ", result.output, re.MULTILINE), row
    assert max(map(len, result.output.splitlines())) <= 100


def test_version_names_the_libraries():
    result = run_daemon("--version")
    versions = dict(line.split() for line in result.output.splitlines())
    assert set(versions) == {"visitcountd", "libh2o", "hiredis", "libconfig", "sqlite", "openssl"}
    assert all(re.fullmatch(r"\d+\.\d+.*", version) for version in versions.values()), versions
    assert versions["visitcountd"] == re.search(r"^VERSION *= *(\S+)", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]


@pytest.mark.parametrize("arguments", [["x"], ["--nope"], ["--config"], ["--set"], ["--check-config=yes"], ["-x"],
                                       ["--print-reference", "nope"], ["--instance"]], ids=" ".join)
def test_wrong_usage(arguments):
    result = run_daemon(*arguments)
    assert (result.status, result.output) == (EX_USAGE, "")
    assert result.errors


# --- errors ---

def test_all_errors_are_listed_with_file_and_line(check, directory):
    result = check('# everything wrong\nhttp: { liten = ["127.0.0.1:1"]; idle_timeout = "10"; };\n'
                   'redis: {\n  hots = "x";\n  port = 70000;\n  command_timeout = 5;\n  db = "a";\n};\nsites = ["A B"];\n'
                   'trusted_proxies = ["10.0.0.1/8"];\nnonsense = 1;\nlog: { level = "loud"; };\n',
                   "--set", "drain.timeout=5", "--set", "no-equals", environment={"VISITCOUNTD_COUNT_MAX_WAIT": "10", "VISITCOUNTD_NO": "1"})
    path = directory / "visitcountd.conf"
    check_is_refused(
        result,
        rf'^{path}:2: http.liten: unknown option; did you mean http.listen\?$',
        rf'^{path}:2: http.idle_timeout: expected a duration with a unit, such as "250ms" or "5s", got "10"$',
        rf'^{path}:4: redis.hots: unknown option; did you mean redis.host\?$',
        rf'^{path}:5: redis.port: expected a whole number from 1 to 65535, got 70000$',
        rf'^{path}:6: redis.command_timeout: expected a duration with a unit.*, got 5$',
        rf'^{path}:7: redis.db: expected a whole number .*got "a"$',
        rf'^{path}:9: sites: expected .*, got "A B"$',
        rf'^{path}:10: trusted_proxies: expected a network.*, got "10.0.0.1/8"$',
        rf'^{path}:11: nonsense: unknown option$',
        rf'^{path}:12: log.level: expected "error", "warning", "info" or "debug", got "loud"$',
        r'^VISITCOUNTD_COUNT_MAX_WAIT: count.max_wait: expected a duration with a unit.*, got "10"$',
        r'^VISITCOUNTD_NO: unknown option',
        r'^--set: drain.timeout: expected a duration with a unit.*, got "5"$',
        r'^--set: number 2 is not of the form PATH=VALUE$')


@pytest.mark.parametrize("text, pattern", [
    ('redis: { host = "a"', r":1: syntax error"),
    ('redis: { host = "a"; host = "b"; };', r":1: duplicate setting name"),
    ('redis = 5;', r":1: redis: expected a group"),
    ('redis.host = "x";', r":1: syntax error"),
    ('http: { listen = "8080"; };', r":1: http.listen: expected \"HOST:PORT\", \"\[IPV6\]:PORT\" or \"unix:PATH\", got \"8080\""),
    ('http: { listen = ["127.0.0.1:80", "x:99999"]; };', r":1: http.listen: .*\"x:99999\""),
    ('\n\nadmin: { socket = "/tmp/%x"; };', r":3: admin.socket: "),
    ('redis: { password = "a"; password_file = "/b"; };', r":1: redis.password_file: redis.password is given as well"),
    ('redis: { password_file = "/no/such/file"; };', r":1: redis.password_file: .*[Nn]o such file"),
    ('redis: { host = "a"; socket = "/b"; };', r":1: redis.socket: redis.host is given as well"),
    ('redis: { host = "a:6379"; };', r":1: redis.host: expected a host name or an address without port"),
    ('redis: { port = 6379.5; };', r":1: redis.port: "),
    ('redis: { port = 4294973675; };', r":1: redis.port: "),
    ('http: { idle_timeout = "1ms"; };', r":1: http.idle_timeout: expected a duration from \"1s\" to \"1h\", got \"1ms\""),
    ('store: { backend = "mysql"; };', r":1: store.backend: expected \"auto\", \"redis\" or \"sqlite\", got \"mysql\""),
    ('@include "not-there.conf"\n', r":1: .*not-there.conf.*[Nn]o such file"),
    ('sites = [];', r":1: sites: "),
    ('instance = "../x";', r":1: instance: "),
    ('a = 1; /* never ends', r":1: "),
    (b'log: { level = "\xff\xfe"; };', r":1: log.level: "),
    (b'log: \0', r":1: there is a NUL byte"),
], ids=lambda value: repr(value[:30]) if isinstance(value, bytes) else value[:40])
def test_an_error_in_the_file(check, directory, text, pattern):
    result = check(text)
    assert (result.status, result.output) == (EX_CONFIG, "")
    assert re.search(f"^{directory}/visitcountd.conf{pattern}", result.errors), result.errors


@pytest.mark.parametrize("path, pattern", [("/no/such/file", "^/no/such/file: No such file or directory$"), ("/tmp", "^/tmp: Is a directory$")])
def test_a_file_that_cannot_be_read(path, pattern):
    result = run_daemon("--config", path)
    assert result.status == EX_CONFIG
    assert re.match(pattern, result.errors)


@pytest.mark.parametrize("name, value, pattern", [
    ("REDIS_HOST", "tcp://10.0.0.1", "^REDIS_HOST: redis.host: expected a host name or an address without port"),
    ("REDIS_PORT", "tcp://10.0.0.1", "^REDIS_PORT: redis.port: expected a whole number"),
    ("REDIS_PORT", "no", "^REDIS_PORT: redis.port: expected a whole number"),
    ("REDIS_URL", "http://h/", "^REDIS_URL: .*expected redis://"),
    ("VISITCOUNTD_REDIS_PROT", "1", "^VISITCOUNTD_REDIS_PROT: unknown option; did you mean VISITCOUNTD_REDIS_PORT"),
    ("VISITCOUNTD_LOG_LEVEL", "loud", "^VISITCOUNTD_LOG_LEVEL: log.level: expected"),
])
def test_an_error_in_the_environment(check, name, value, pattern):
    check_is_refused(check(environment={name: value}), pattern)


def test_secrets_are_not_quoted_in_errors(check):
    for name, value in [("REDIS_URL", "http://user:hunter2@h/"), ("VISITCOUNTD_REDIS_PASSWORD", "hunter2" * 200),
                        ("REDIS_PASSWORD_FILE", "/no/such/hunter1")]:
        result = check(environment={name: value})
        assert result.status == EX_CONFIG
        assert "hunter2" not in result.errors


# --- where values come from ---

def printed(check, *arguments, **keywords):
    """--print-config as {path: (value, source)}."""
    result = check(*arguments, action="--print-config", **keywords)
    assert (result.status, result.errors) == (0, "")
    return {path: (value, source) for path, value, source in re.findall(r"^([\w.]+) = (.*)   # (.*)$", result.output, re.MULTILINE)}


def test_a_valid_configuration(check):
    result = check('redis: { host = "redis.example"; port = 6380; };\nsites = ["a", "b"];\n')
    assert (result.status, result.errors) == (0, "")


def test_every_value_has_a_source(check, directory):
    values = printed(check, 'redis: { host = "from-file"; port = 1; db = 1; };\nlog: { level = "debug"; };\n',
                     "--set", "redis.port=4", "--instance", "five",
                     environment={"REDIS_HOST": "from-environment", "VISITCOUNTD_REDIS_DB": "3", "REDIS_DB": "2"})
    assert values["log.level"] == ('"debug"', f"{directory}/visitcountd.conf:2")
    assert values["redis.host"] == ('"from-environment"', "REDIS_HOST")
    assert values["redis.db"] == ("3", "VISITCOUNTD_REDIS_DB")
    assert values["redis.port"] == ("4", "--set")
    assert values["instance"] == ('"five"', "--set")
    assert values["drain.timeout"] == ('"5s"', "default")


@pytest.mark.parametrize("environment, host, port", [
    ({}, '"from-file"', "1111"),
    ({"REDIS_HOST": "h"}, '"h"', "1111"),
    ({"REDIS_HOST": "h", "REDIS_PORT": "2222"}, '"h"', "2222"),
    ({"REDIS_URL": "redis://u:p@h:3333/5"}, '"h"', "3333"),
    ({"VISITCOUNTD_REDIS_HOST": "v", "REDIS_HOST": "h"}, '"v"', "1111"),
    ({"REDIS_PORT": "tcp://10.0.0.1:6380"}, '"from-file"', "1111"),
    ({"REDIS_HOST": ""}, '"from-file"', "1111"),
])
def test_redis_from_file_and_environment(check, environment, host, port):
    """REDIS_HOST and REDIS_PORT as in earlier versions. A tcp:// value, which Kubernetes sets by itself, is ignored."""
    values = printed(check, 'redis: { host = "from-file"; port = 1111; };\n', environment=environment)
    assert (values["redis.host"][0], values["redis.port"][0]) == (host, port)


def test_the_port_of_kubernetes_is_taken_where_nothing_else_gives_one(check):
    assert printed(check, environment={"REDIS_PORT": "tcp://10.0.0.1:6380"})["redis.port"] == ("6380", "REDIS_PORT")


@pytest.mark.parametrize("environment, backend", [({}, "sqlite"), ({"REDIS_HOST": "127.0.0.1", "REDIS_PORT": "1"}, "redis"),
                                                  ({"REDIS_URL": "redis://127.0.0.1:1"}, "redis"),
                                                  ({"REDIS_PORT": "tcp://127.0.0.1:1"}, "sqlite"),
                                                  ({"REDIS_HOST": "127.0.0.1", "VISITCOUNTD_STORE_BACKEND": "sqlite"}, "sqlite")])
def test_auto_is_redis_where_redis_is_configured(new_daemon, environment, backend):
    """The choice is logged and in the status."""
    daemon = new_daemon({"drain.timeout": "100ms"}, environment=environment)
    assert daemon.status()["store"]["backend"] == backend
    daemon.wait_for_log(f"info +store: {backend} .*store.backend = ")


def test_printed_secrets_are_masked(check):
    values = printed(check, 'redis: { host = "h"; password = "hunter2"; };\n')
    assert values["redis.password"][0] == '"********"'


def test_what_is_printed_can_be_read_again(directory, check):
    """The printed form is that of the file, and works as arguments of --set."""
    first = printed(check, 'redis: { host = "h"; };\nsites = ["a", "b"];\n')
    sets = [f"--set={path}={value.translate(UNQUOTED)}" for path, (value, _) in first.items() if path != "redis.password"]
    again = printed(check, "", *sets)
    assert {path: value for path, (value, _) in again.items()} == {path: value for path, (value, _) in first.items()}


def test_include(check, directory):
    (directory / "more.conf").write_text('redis: { hots = "x"; };\n')
    result = check('\n@include "more.conf"\n')
    check_is_refused(result, f"^{directory}/more.conf:1: redis.hots: unknown option")


# --- obstacles at the start ---

def run_into_the_wall(directory, *sets, instance="second"):
    """The result of a start that fails: its exit status and error lines."""
    arguments = ["--config", "/dev/null", "--instance", instance]
    for text in (f"sqlite.path={directory}/{instance}.db", f"admin.socket={directory}/{instance}.sock", "http.listen=127.0.0.1:0", *sets):
        arguments += ["--set", text]
    result = run_daemon(*arguments)
    return result.status, [line for line in result.errors.splitlines() if " info " not in line]


def check_one_line(outcome, pattern):
    status, lines = outcome
    assert status == EX_CONFIG
    assert len(lines) == 1, lines
    assert re.search(pattern, lines[0]), lines[0]


@pytest.mark.parametrize("option", ["http.listen", "metrics.listen"])
def test_a_port_that_is_taken(directory, option):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = "127.0.0.1:%d" % other.getsockname()[1]
        check_one_line(run_into_the_wall(directory, f"{option}={address}"), rf"error +{option} {address}: address already in use$")


def test_all_that_is_in_the_way_is_said_at_once(directory):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = "127.0.0.1:%d" % other.getsockname()[1]
        status, lines = run_into_the_wall(directory, f"http.listen={address}", f"metrics.listen={address}", "admin.socket=/proc/x/a.sock")
    assert status == EX_CONFIG
    assert len(lines) == 3, lines


def test_a_port_of_the_daemon_itself(new_daemon, directory):
    first = new_daemon()
    address = "%s:%d" % first.address
    check_one_line(run_into_the_wall(directory, f"http.listen={address}"), rf"{address}: address already in use")
    assert first.count() == 1


def test_a_host_that_is_not_ours(directory):
    check_one_line(run_into_the_wall(directory, "http.listen=192.0.2.1:8080"), r"http.listen 192.0.2.1:8080: cannot assign requested address")
    check_one_line(run_into_the_wall(directory, "http.listen=no-such-host.invalid:8080"), r"http.listen no-such-host.invalid:8080: ")


@pytest.mark.parametrize("option", ["http.listen=unix:", "admin.socket=", "metrics.listen=unix:"])
def test_a_socket_path_that_is_too_long(directory, option):
    """The path of a unix socket has at most 107 bytes. The daemon checks that before it opens anything."""
    check_one_line(run_into_the_wall(directory, f"{option}{directory}/{'x' * 107}"), r"^--set: \S+: expected .* at most 107 bytes, got")


def test_the_longest_socket_path_works(new_daemon, directory):
    path = f"{directory}/" + "x" * (107 - len(str(directory)) - 1)
    daemon = new_daemon({"http.listen": [f"unix:{path}"]})
    assert daemon.address == path
    assert daemon.count() == 1


@pytest.mark.parametrize("option", ["http.listen=unix:", "admin.socket="])
def test_a_directory_that_cannot_be_made(directory, option):
    (directory / "file").write_text("in the way")
    path = f"{directory}/file/sub/x.sock"
    check_one_line(run_into_the_wall(directory, option + path), rf"error +\S+ .*{path}: .*not a directory")


@pytest.mark.parametrize("option", ["http.listen=unix:", "admin.socket="])
def test_a_file_in_the_place_of_a_socket_is_left_alone(directory, option):
    (directory / "precious").write_text("not a socket")
    check_one_line(run_into_the_wall(directory, f"{option}{directory}/precious"), r"precious: exists and is not a socket$")
    assert (directory / "precious").read_text() == "not a socket"


def test_directories_that_may_not_be_written(directory):
    """The daemon runs as another user than root."""
    directory.chmod(0o755)
    for option in (f"http.listen=unix:{directory}/x.sock", f"admin.socket={directory}/sub/x.sock"):
        words = [BUILD / "visitcountd", "--config", "/dev/null", "--set", "http.listen=127.0.0.1:0", "--set", f"sqlite.path={directory}/x.db",
                 "--set", "admin.socket=", "--set", option]
        done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *map(str, words)], capture_output=True,
                              text=True, timeout=30, check=False)
        if "setpriv" in done.stderr:
            pytest.skip(f"cannot become somebody else: {done.stderr}")
        assert done.returncode == EX_CONFIG
        lines = [line for line in done.stderr.splitlines() if " error " in line]
        assert len(lines) == 1 and "permission denied" in lines[0], done.stderr


def test_two_instances_on_one_admin_socket(new_daemon, directory):
    """The second one is refused with one line. The first one goes on and keeps its socket."""
    first = new_daemon()
    check_one_line(run_into_the_wall(directory, f"admin.socket={first.admin_socket}"),
                   rf"error +admin.socket {first.admin_socket}: is served by another process$")
    assert first.ctl("ping").status == 0
    assert first.count() == 1


def test_two_instances_on_one_visitors_socket(new_daemon, directory):
    first = new_daemon({"http.listen": [f"unix:{directory}/visits.sock"]})
    check_one_line(run_into_the_wall(directory, f"http.listen=unix:{directory}/visits.sock"), "is served by another process")
    assert first.count() == 1


def test_the_socket_of_a_dead_instance_is_taken_over(new_daemon, directory):
    """After kill -9 both sockets stay in the file system."""
    daemon = new_daemon({"http.listen": [f"unix:{directory}/visits.sock"]})
    assert daemon.count() == 1
    daemon.kill()
    assert daemon.admin_socket.exists() and (directory / "visits.sock").exists()
    daemon.start()
    assert daemon.count() == 2
    daemon.stop()
    assert not daemon.admin_socket.exists() and not (directory / "visits.sock").exists()
    assert list(directory.glob("**/*.lock")) == []


def test_without_an_admin_socket(new_daemon):
    daemon = new_daemon({"admin.socket": "", "http.listen": [f"127.0.0.1:{free_port()}"]})
    assert daemon.count() == 1


# --- generated files ---

def test_the_example_configuration_is_what_the_table_says():
    """etc/visitcountd.conf is `visitcountd --print-reference conf`; renew it with: make generated"""
    assert (ROOT / "etc/visitcountd.conf").read_text() == run_daemon("--print-reference", "conf").output


def test_the_example_configuration_is_valid_and_changes_nothing(check):
    values = printed(check, (ROOT / "etc/visitcountd.conf").read_text())
    assert {source for _, source in values.values()} == {"default"}
    uncommented = re.sub(r"^( *)#(?=\w+ = )", r"\1", (ROOT / "etc/visitcountd.conf").read_text(), flags=re.MULTILINE)
    result = check(uncommented)
    assert result.status == 0, result.errors


def test_the_documents_are_what_the_tables_say():
    """The tables of options and commands in docs, the man pages and the completion; renew: make generated"""
    done = subprocess.run([sys.executable, ROOT / "packaging/generate-docs", "--check", BUILD], cwd=ROOT, capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("form", ["conf", "markdown", "man"])
def test_each_reference_names_every_option(form):
    result = run_daemon("--print-reference", form)
    assert result.status == 0
    for path in ("http.listen", "redis.password", "sites", "drain.timeout"):
        assert path.rpartition(".")[2] in result.output


@pytest.mark.parametrize("form", ["man", "markdown", "bash"])
def test_each_reference_names_every_command(form):
    result = run_ctl("--print-reference", form)
    assert result.status == 0
    for command in re.findall(r'^(?:LOCAL_)?COMMAND\((?:\w+, )?"([\w-]+)"', (ROOT / "src/http/admin/commands.def").read_text(), re.MULTILINE):
        assert command in result.output


