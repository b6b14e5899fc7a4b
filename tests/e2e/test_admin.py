# SPDX-License-Identifier: MIT
"""visitcountctl, and the admin socket behind it."""

import contextlib
import json
import os
import re
import socket
import stat
import subprocess
import threading

import pytest

from harness import BUILD, ROOT, fetch, run_ctl, talk, wait_until

DONE, REFUSED, UNREACHABLE, USAGE = 0, 1, 2, 64


@pytest.fixture
def daemon(new_daemon):
    return new_daemon().wait_for_store()


# --- each command, as text and as JSON ---

def test_status_in_text(daemon):
    daemon.count()
    result = daemon.ctl("status")
    assert (result.status, result.errors) == (DONE, "")
    for line in (r"^instance +default$", r"^version +\d", r"^uptime +\d+s$", r"^state +running$", r"^  applied +1$", r"^  backend +sqlite$",
                 r"^  latency p99 +", r"^  visitors +127\.0\.0\.1:\d+$", r"^  round trip +"):
        assert re.search(line, result.output, re.MULTILINE), line
    # aligned: in each section all values begin in the same column
    section = re.search(r"^visits\n((?:  .*\n)+)", result.output, re.MULTILINE)[1]
    assert len({re.match(r"  .*?\S  +(?=\S)", line).end() for line in section.splitlines()}) == 1


def test_status_in_json(daemon, directory):
    for _ in range(3):
        daemon.count()
    daemon.fetch("/count", "HEAD")
    result = daemon.ctl("status", "--json")
    status = result.json()
    assert result.output.count("\n") <= 1, "one line, for programs that read lines"
    assert status["instance"] == "default"
    assert status["pid"] == daemon.process.pid
    assert status["state"] == "running"
    assert status["uptime_s"] < 60
    assert status["visits"].items() >= {"accepted": 3, "applied": 3, "refused": 0, "unknown": 0, "waiting": 0}.items()
    assert 0 < status["visits"]["latency_p50_us"] <= status["visits"]["latency_p99_us"]
    assert status["visits"]["rate_per_s"] >= 0
    assert status["batches"].items() >= {"applied": 3, "resent": 0, "duplicates": 0, "gaps": 0}.items()
    assert status["store"].items() >= {"backend": "sqlite", "address": f"{directory}/visits.db", "state": "ready", "available": True,
                                       "last_error": None, "connects": 1}.items()
    assert status["connections"]["requests"] == 4
    assert {listener["kind"] for listener in status["listeners"]} == {"visitors", "admin"}


@pytest.mark.parametrize("arguments", [["status"], ["ping"], ["get"], ["config"], ["check"], ["version"], ["log-level"], ["reload"], ["metrics"],
                                       ["get", "/x"], ["get", "default", "/x"], ["log-level", "info"]], ids=" ".join)
def test_each_command_in_both_forms(daemon, arguments):
    text, data = daemon.ctl(*arguments), daemon.ctl("--json", *arguments)
    assert (text.status, text.errors, data.status, data.errors) == (DONE, "", DONE, "")
    if arguments[0] == "metrics":
        return
    json.loads(data.output)
    assert text.output == "" if arguments[0] == "ping" else not text.output.startswith("{")


def test_get_reads_without_counting(new_daemon):
    daemon = new_daemon({"sites": ["first", "second"]})
    for target in ("/count", "/v1/hit/first/a%20b%25", "/v1/hit/second/x"):
        daemon.fetch(target)
    assert daemon.ctl("get", "--json").json() == {"site": "first", "page": "/", "count": 1}
    assert daemon.ctl("--json", "get", "/a b%25").json() == {"site": "first", "page": "/a b%", "count": 1}
    assert daemon.ctl("--json", "get", "second", "x").json() == {"site": "second", "page": "/x", "count": 1}
    assert daemon.ctl("--json", "get", "second", "/never").json()["count"] == 0
    assert daemon.ctl("--json", "get", "first", "/%3f%23&=+").json() == {"site": "first", "page": "/?#&=+", "count": 0}
    assert re.search(r"^count +1$", daemon.ctl("get").output, re.MULTILINE)


def test_get_without_the_store(new_daemon, directory):
    daemon = new_daemon({"redis.socket": f"{directory}/nobody.sock", "drain.timeout": "100ms"})
    daemon.wait_for_log("retrying")
    result = daemon.ctl("get")
    assert (result.status, result.output) == (REFUSED, "")
    assert re.search("redis .*nobody.sock did not answer .*connect", result.errors)


def test_version_names_daemon_and_libraries(daemon):
    versions = daemon.ctl("version", "--json").json()
    assert set(versions) >= {"visitcountd", "libh2o", "hiredis", "libconfig", "sqlite", "openssl", "store"}
    assert versions["store"]["backend"] == "sqlite"
    assert run_ctl("--version").output == f"visitcountctl {versions['visitcountd']}\n"


def test_config_shows_values_and_sources(daemon):
    assert f'sqlite.path = "{daemon.settings["sqlite.path"]}"   # {daemon.config_path}:' in daemon.ctl("config").output
    options = {option["path"]: option for option in daemon.ctl("config", "--json").json()}
    rows = re.findall(r'^(?:OPTION|CHOICE)\(\w+, "([\w.]+)"', (ROOT / "src/config/options.def").read_text(), re.MULTILINE)
    assert list(options) == rows
    assert options["log.level"]["source"] == "default"


def test_help():
    listing = run_ctl("help")
    assert (listing.status, listing.errors) == (DONE, "")
    assert listing.output == run_ctl("--help").output
    commands = re.findall(r'^(?:LOCAL_)?COMMAND\((?:\w+, )?"([\w-]+)"', (ROOT / "src/http/admin/commands.def").read_text(), re.MULTILINE)
    assert len(commands) >= 10
    for command in commands:
        assert re.search(rf"^  {command}\b", listing.output, re.MULTILINE)
        one = run_ctl("help", command)
        assert one.status == DONE and command in one.output
        assert one.output == run_ctl(command, "--help").output


# --- refused, unreachable, usage ---

@pytest.mark.parametrize("arguments, message", [(["get", "BAD SITE", "/x"], "the name of a site"), (["get", "default", "/a/../b"], '".."'),
                                                (["get", "default", "/\n"], "control"), (["log-level", "loud"], "error, warning, info or debug"),
                                                (["get", "default", "/" + "x" * 9000], "8192")])
def test_what_the_daemon_refuses(daemon, arguments, message):
    result = daemon.ctl(*arguments)
    assert (result.status, result.output) == (REFUSED, "")
    assert re.match(r"visitcountctl: [^\n]+\n$", result.errors)
    assert message in result.errors
    error = daemon.ctl("--json", *arguments)
    assert error.status == REFUSED
    assert set(error.json()["error"]) == {"code", "message"}


@pytest.mark.parametrize("arguments", [[], ["nope"], ["status", "extra"], ["get", "a", "b", "c"], ["--nope"], ["--timeout", "5", "ping"],
                                       ["--timeout", "0s", "ping"], ["--socket", "/a", "--instance", "b", "ping"], ["help", "nope"],
                                       ["reload", "--watch"], ["--instance", "a/b", "ping"], ["--instance", ".", "ping"],
                                       ["--socket", "", "ping"], ["--socket", "/" + "x" * 200, "ping"], ["log-level", "a", "b"]],
                         ids=lambda arguments: " ".join(arguments)[:30] or "nothing")
def test_wrong_usage(arguments):
    result = run_ctl(*arguments)
    assert (result.status, result.output) == (USAGE, "")
    assert result.errors


@pytest.mark.parametrize("arguments, message", [
    (["ping", "--force"], "ping has no option --force; visitcountctl help ping shows its options"),
    (["set", "--trust", "hits", "a", "/", "1"], "set has no option --trust; visitcountctl help set shows its options"),
    (["import", "--watch"], "import has no option --watch; visitcountctl help import shows its options"),
    (["log-level", "--watch", "debug"], "log-level with an argument changes something, so it cannot be repeated by --watch"),
    (["journal", "burn", "/x"], 'journal: expected show, aside, verify or replay, got "burn"'),
    (["set", "/"], "set: too few arguments, got 1"), (["ping", "me"], "ping: too many arguments, got 1")])
def test_wrong_usage_names_what_is_right(arguments, message):
    result = run_ctl(*arguments)
    assert (result.status, result.output) == (USAGE, "")
    assert message in result.errors


def test_help_of_a_command_shows_its_options():
    """The help comes from the row in commands.def, which also decides which options are accepted."""
    rows = re.findall(r'^COMMAND\(\w+, "([\w-]+)", \w+, \w+, ([\w| ]+),', (ROOT / "src/http/admin/commands.def").read_text(), re.MULTILINE)
    assert len(rows) > 20
    for name, options in rows:
        shown = set(re.findall(r"--(watch|force|trust)\b", run_ctl("help", name).output.split("Options:")[-1]))
        assert shown == {option.lower() for option in re.findall(r"CTL_(WATCH|FORCE|TRUST)", options)}, name
        for option in {"watch", "force"} - shown:
            assert "has no option" in run_ctl(name, f"--{option}").errors


def test_a_command_that_is_nearly_right():
    assert "did you mean status?" in run_ctl("statsu").errors


def test_nobody_there(directory):
    result = run_ctl("--socket", directory / "none.sock", "status")
    assert (result.status, result.output) == (UNREACHABLE, "")
    assert "does the instance run?" in result.errors
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(directory / "dead.sock"))
    assert "nobody listens" in run_ctl("--socket", directory / "dead.sock", "status").errors
    (directory / "file").write_text("")
    assert run_ctl("--socket", directory / "file", "status").status == UNREACHABLE


def test_an_instance_that_does_not_answer(daemon):
    """The instance is suspended. --timeout ends the wait."""
    daemon.process.pause()
    result = daemon.ctl("--timeout", "300ms", "ping")
    daemon.process.resume()
    assert result.status == UNREACHABLE
    assert "no answer within 300ms" in result.errors
    assert daemon.ctl("ping").status == DONE


@contextlib.contextmanager
def somebody_else(path, reply):
    """Another program that answers one request on this socket."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def answer():
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(reply)

        thread = threading.Thread(target=answer)
        thread.start()
        yield
        thread.join()


@pytest.mark.parametrize("reply", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", b"SSH-2.0-OpenSSH\r\n", b"x" * 100000,
                                   b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n"],
                         ids=["nothing", "cut off", "ssh", "endless", "too long"])
def test_something_else_answers(directory, reply):
    with somebody_else(directory / "other.sock", reply):
        result = run_ctl("--socket", directory / "other.sock", "status")
    assert (result.status, result.output) == (UNREACHABLE, "")
    assert result.errors.startswith("visitcountctl: ")


def http(status, body):
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


def asks(directory, reply, *arguments):
    with somebody_else(directory / "other.sock", reply):
        return run_ctl("--socket", directory / "other.sock", *arguments)


@pytest.mark.parametrize("body, message", [
    (rb'{"error": {"code": "x", "message": "with \"blanks\" around"}}', 'with "blanks" around'),
    (rb'{"error":{"message":"before","code":"x"}}', "before"),
    (rb'{"note":"\"message\":\"wrong\"","error":{"code":"x","message":"the right one"}}', "the right one"),
    (rb'{"message":"outer","error":{"code":"x","message":"inner"}}', "inner"),
    (rb'{"error":{"code":"x","message":"smile \ud83d\ude00"}}', "smile \U0001f600"),
    (rb'{"error":{"code":"x","message":"bell\u0007 and \u001b[31mred"}}', "bell? and ?[31mred"),
    (rb'{"error":{"code":"x","message":"nul \u0000 in it"}}', "nul ? in it"),
    ('{"error":{"code":"x","message":"csi \u009b31m"}}'.encode(), "csi \\u009b31m")])
def test_the_message_of_a_refusal_is_read_as_json(directory, body, message):
    result = asks(directory, http(422, body), "status")
    assert (result.status, result.errors) == (REFUSED, f"visitcountctl: {message}\n")


BAD_ERRORS = [b"", b"rubbish", b"<html>502</html>", b'{"error":{"code":"x","message":"cut', b'{"error":{"code":"x","message":""}}',
              b'{"error":{"message":5}}', b'{"error":"message"}', b'{"message":"outer"}', b"[]", b'"message":"x"', b"\xff\xfe", b"[" * 100000,
              b'{"error":{"message":"a"}} trailing', b'{"error":{"message":"a"},"error":{"message":"b"}}']


@pytest.mark.parametrize("body", BAD_ERRORS)
@pytest.mark.parametrize("arguments", [["status"], ["--json", "status"], ["--json", "backup", "x.db"]])
def test_a_refusal_that_is_not_understood_is_one_line(directory, body, arguments, monkeypatch):
    monkeypatch.chdir(directory)
    result = asks(directory, http(500, body), *arguments)
    assert (result.status, result.output) == (REFUSED, ""), "nothing that is no JSON reaches a program"
    assert re.fullmatch(r"visitcountctl: .*other\.sock: .*500.*expected .*\n", result.errors), result.errors


@pytest.mark.parametrize("body", [b"rubbish", b'{"a":1', b"<html></html>", b"\xff", b"{} {}", b"[" * 100000])
def test_an_answer_that_is_no_json_is_one_line(directory, body):
    result = asks(directory, http(200, body), "--json", "status")
    assert (result.status, result.output) == (UNREACHABLE, "")
    assert re.fullmatch(r"visitcountctl: .*other\.sock: .*expected JSON.*\n", result.errors), result.errors


@pytest.mark.parametrize("body", [b"", b"one line\n", b"no\ttable\n"])
def test_a_status_that_is_no_line_of_the_table(new_daemon, directory, body):
    new_daemon(name="1").wait_for_store()
    (directory / "run" / "other").mkdir()
    with somebody_else(directory / "run" / "other" / "admin.sock", http(200, body)):
        result = fleet(directory)
    assert (result.status, result.errors) == (UNREACHABLE, "")
    assert re.fullmatch(r"other +no answer: .*expected .*", result.output.splitlines()[2])


def test_an_answer_that_cannot_be_written(daemon):
    with open("/dev/full", "w") as full:
        done = subprocess.run([BUILD / "visitcountctl", "--socket", daemon.admin_socket, "status"], stdout=full, stderr=subprocess.PIPE,
                              text=True, check=False)
    assert done.returncode not in (DONE, REFUSED, UNREACHABLE, USAGE)
    assert "No space left on device" in done.stderr


# --- which instance ---

def test_the_only_instance_in_the_run_directory(daemon, directory):
    result = run_ctl("--json", "status", environment={"VISITCOUNTCTL_RUN_DIR": directory / "run"})
    assert result.json()["instance"] == "default"


def test_several_instances_have_to_be_named(new_daemon, directory):
    run_dir = {"VISITCOUNTCTL_RUN_DIR": directory / "run"}
    for name in ("one", "two"):
        new_daemon(name=name)
    result = run_ctl("ping", environment=run_dir)
    assert result.status == USAGE
    assert result.errors == (f"visitcountctl: {directory}/run has the sockets of 2 instances: one, two; name one, for example with --instance one\n")
    for name in ("one", "two"):
        assert run_ctl("--instance", name, "status", "--json", environment=run_dir).json()["instance"] == name
    assert run_ctl("--instance", "three", "status", environment=run_dir).status == UNREACHABLE


def test_no_instance_in_the_run_directory(directory):
    result = run_ctl("status", environment={"VISITCOUNTCTL_RUN_DIR": directory})
    assert result.status == UNREACHABLE
    assert f"found no {directory}/*/admin.sock" in result.errors


def test_the_daemons_own_variable_names_the_socket(daemon, directory):
    """As in a container, where the probe has the daemon's environment."""
    environment = {"VISITCOUNTD_ADMIN_SOCKET": f"{directory}/run/%i/admin.sock"}
    assert run_ctl("ping", environment=environment).status == DONE
    assert run_ctl("ping", environment={**environment, "VISITCOUNTD_INSTANCE": "other"}).status == UNREACHABLE


# --- the status of several instances ---

def fleet(directory, *arguments):
    return run_ctl(*arguments, "status", environment={"VISITCOUNTCTL_RUN_DIR": directory / "run"})


def rows(output):
    """The cells of the table, by instance and column. Columns begin where their names do."""
    names, *lines = output.splitlines()
    starts = [match.start() for match in re.finditer(r"(?<!\S)\S", names)]
    cells = [[line[start:end].strip() for start, end in zip(starts, [*starts[1:], None], strict=True)] for line in lines]
    return {cell[0]: dict(zip(names.split(), cell, strict=True)) for cell in cells}


def test_several_instances_are_lines_of_a_table(new_daemon, directory):
    daemons = {name: new_daemon(name=name).wait_for_store() for name in ("9", "10", "with-a-long-name")}
    daemons["10"].count()
    result = fleet(directory)
    assert (result.status, result.errors) == (DONE, "")
    table = rows(result.output)
    assert list(table) == ["9", "10", "with-a-long-name"], "10 comes after 9"
    assert all(row.items() >= {"state": "running", "store": "ready", "waiting": "0", "journal": "0", "refused": "0", "unknown": "0",
                               "trouble": "-"}.items() for row in table.values())
    assert all(re.fullmatch(r"\d+s", row["uptime"]) and re.fullmatch(r"[0-9.]+/s", row["rate"]) for row in table.values())
    assert [row["p99"] == "0 us" for row in table.values()] == [True, False, True]


def test_several_instances_in_json_are_an_object_in_a_line_each(new_daemon, directory):
    daemons = {name: new_daemon(name=name).wait_for_store() for name in ("1", "2", "3")}
    daemons["2"].process.kill()
    result = fleet(directory, "--json")
    assert [json.loads(line)["instance"] for line in result.output.splitlines()] == ["1", "3"]
    assert result.status == UNREACHABLE
    assert re.fullmatch(r"visitcountctl: .*/2/admin\.sock: nobody listens; the instance has ended\n", result.errors)


def test_instances_that_do_not_answer_have_a_line_too(new_daemon, directory):
    daemons = {name: new_daemon(name=name).wait_for_store() for name in ("alive", "dead", "frozen")}
    daemons["dead"].process.kill()
    daemons["frozen"].process.pause()
    result = fleet(directory, "--timeout", "300ms")
    daemons["frozen"].process.resume()
    assert (result.status, result.errors) == (UNREACHABLE, "")
    lines = result.output.splitlines()
    assert re.match(r"alive +running ", lines[1])
    assert re.fullmatch(r"dead +no answer: .*/dead/admin\.sock: nobody listens; the instance has ended", lines[2])
    assert re.fullmatch(r"frozen +no answer: .*/frozen/admin\.sock: no answer within 300ms; --timeout waits longer", lines[3])
    assert len(lines) == 4
    assert fleet(directory).output.splitlines()[3].split()[1] == "running"


def test_an_instance_that_refuses_has_a_line_too(new_daemon, directory):
    """An instance of another version, which does not know the request."""
    new_daemon(name="1").wait_for_store()
    (directory / "run" / "other").mkdir()
    with somebody_else(directory / "run" / "other" / "admin.sock", b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"):
        result = fleet(directory)
    assert (result.status, result.errors) == (REFUSED, "")
    assert re.fullmatch(r"other +refused: .*other/admin\.sock: HTTP status 404 without a readable reason: expected .*", result.output.splitlines()[2])


def test_trouble_of_one_instance_is_in_its_line(new_daemon, directory):
    new_daemon(name="good").wait_for_store()
    bad = new_daemon({"store.backend": "redis", "redis.socket": f"{directory}/nowhere.sock", "count.max_wait": "100ms"}, name="bad")
    assert bad.fetch("/count").status == 503
    result = fleet(directory)
    table = rows(result.output)
    assert result.status == DONE, "all have answered"
    assert table["good"].items() >= {"store": "ready", "refused": "0", "trouble": "-"}.items()
    assert table["bad"]["store"] != "ready"
    assert table["bad"]["refused"] == "1"
    assert "No such file" in table["bad"]["trouble"]


def test_watching_several_instances(new_daemon, directory):
    """The watch goes on if an instance ends."""
    daemons = {name: new_daemon(name=name).wait_for_store() for name in ("one", "two")}
    watch = subprocess.Popen([BUILD / "visitcountctl", "--watch", "status"], stdout=subprocess.PIPE, text=True,
                             env={**os.environ, "VISITCOUNTCTL_RUN_DIR": str(directory / "run")})

    def look():
        return [watch.stdout.readline().split()[:2] for _ in range(3)]

    try:
        assert look() == [["instance", "state"], ["one", "running"], ["two", "running"]]
        daemons["two"].process.kill()
        wait_until(lambda: look()[1:] == [["one", "running"], ["two", "no"]], "the next look shows it")
    finally:
        watch.terminate()
        watch.wait()
        watch.stdout.close()


# --- reload ---

def test_reload_takes_over_what_may_change(daemon):
    daemon.write_config(log_level="debug", sites=["default", "new"], count_max_waiting=5)
    assert daemon.fetch("/v1/hit/new/").status == 404
    assert daemon.ctl("check").status == DONE
    assert daemon.fetch("/v1/hit/new/").status == 404, "check changes nothing"
    assert daemon.ctl("reload").status == DONE
    assert daemon.fetch("/v1/hit/new/").json()["count"] == 1
    assert daemon.ctl("--json", "log-level").json() == {"level": "debug"}
    assert "reload: done" in daemon.log()
    daemon.write_config(sites=["new"])
    assert daemon.ctl("reload").status == DONE
    assert daemon.fetch("/v1/hit/default/").status == 404
    assert daemon.fetch("/count.json").json()["site"] == "new"


def test_reload_refuses_what_needs_a_restart_by_name(daemon):
    """It also refuses all other changes in the file: all or nothing."""
    daemon.write_config(sites=["default", "new"], http_idle_timeout="7s", sqlite_path="/elsewhere.db")
    for command in ("check", "reload"):
        result = daemon.ctl(command)
        assert result.status == REFUSED
        assert "http.idle_timeout" in result.errors and "sqlite.path" in result.errors
        assert "restart" in result.errors
        assert "sites" not in result.errors
    assert daemon.fetch("/v1/hit/new/").status == 404
    assert daemon.count() == 1
    assert "reload refused, nothing was changed: " in daemon.log()
    assert daemon.ctl("--json", "config").json()[2]["value"] == "10s"


def test_reload_refuses_what_is_wrong(daemon):
    daemon.config_path.write_text('sites = ["default", "new"];\nlog: { level = "loud"; };\nnonsense = 1;\n')
    result = daemon.ctl("reload")
    assert result.status == REFUSED
    assert f"{daemon.config_path}:2: log.level: expected" in result.errors
    assert f"{daemon.config_path}:3: nonsense: unknown option" in result.errors
    assert daemon.fetch("/v1/hit/new/").status == 404
    daemon.config_path.unlink()
    assert daemon.ctl("reload").status == REFUSED
    daemon.write_config()
    assert daemon.ctl("reload").status == DONE


def test_reload_under_load(daemon, visitors):
    """Sites are added and removed under load."""
    crowd = visitors([daemon.address], connections=32)
    for number in range(20):
        crowd.wait_for_more(50)
        daemon.write_config(sites=["default", f"site-{number}"])
        assert daemon.ctl("reload").status == DONE
    crowd.stop()
    crowd.finish().check_exact({"/count": daemon.ctl("--json", "get").json()["count"]})


# --- log-level, drain, watch ---

def test_log_level_until_the_next_reload(daemon):
    mark = len(daemon.log())
    assert daemon.ctl("--json", "log-level", "debug").json() == {"level": "debug"}
    assert daemon.ctl("--json", "log-level").json() == {"level": "debug"}
    daemon.ctl("reload")
    assert daemon.ctl("--json", "log-level").json() == {"level": "info"}
    assert "reload: done" in daemon.log_since(mark)
    daemon.ctl("log-level", "error")
    mark = len(daemon.log())
    daemon.ctl("log-level", "error")
    assert daemon.log_since(mark) == ""


def test_drain_ends_the_instance(daemon):
    daemon.count()
    result = daemon.ctl("--json", "drain")
    assert result.status == DONE
    assert result.json()["result"] == "draining"
    assert daemon.process.wait() == 0
    assert daemon.ctl("ping").status == UNREACHABLE


def test_watch_asks_again(daemon):
    watch = subprocess.Popen([BUILD / "visitcountctl", "--socket", daemon.admin_socket, "--json", "--watch", "status"],
                             stdout=subprocess.PIPE, text=True)
    try:
        assert json.loads(watch.stdout.readline())["visits"]["applied"] == 0
        daemon.count()
        wait_until(lambda: json.loads(watch.stdout.readline())["visits"]["applied"] == 1, "the next look shows the visit")
    finally:
        watch.terminate()
        watch.wait()
        watch.stdout.close()


# --- who may ---

def test_the_socket_is_for_its_owner_and_group(daemon):
    mode = daemon.admin_socket.stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o660


def test_the_mode_does_not_depend_on_the_umask(new_daemon, directory):
    daemon = new_daemon({"http.listen": [f"unix:{directory}/visits.sock"]}, wrapper=["sh", "-c", 'umask 0; exec "$@"', "sh"])
    assert stat.S_IMODE(daemon.admin_socket.stat().st_mode) == 0o660
    daemon.stop()
    daemon.wrapper = ["sh", "-c", 'umask 077; exec "$@"', "sh"]
    daemon.start()
    assert stat.S_IMODE(daemon.admin_socket.stat().st_mode) == 0o660
    assert stat.S_IMODE((directory / "visits.sock").stat().st_mode) == 0o666


def test_others_are_refused_even_if_they_reach_the_socket(daemon):
    """The daemon checks the peer's credentials: a wrong mode of the file does not give access."""
    daemon.admin_socket.chmod(0o666)
    for directory in list(daemon.admin_socket.parents)[:3]:
        directory.chmod(0o755)
    command = [BUILD / "visitcountctl", "--socket", daemon.admin_socket, "drain"]
    if not os.access(BUILD, os.X_OK) or os.getuid() != 0:
        pytest.skip("only root can become somebody else")
    done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *map(str, command)], capture_output=True, text=True,
                          check=False)
    assert done.returncode == UNREACHABLE, done
    assert "does not admit you" in done.stderr
    daemon.wait_for_log(r"admin.socket: uid 65534 \(pid \d+\) is not root, the daemon's user or in the socket's group; closed")
    assert daemon.count() == 1


ADMIN_ROUTES = ["/status", "/ping", "/get", "/config", "/check", "/reload", "/drain", "/log-level", "/log-level?level=debug", "/version",
                "/metrics"]


@pytest.mark.parametrize("host", ["admin", "localhost", "admin:65535", "metrics", "visitors", ""])
def test_the_admin_routes_are_not_on_the_visitors_listener(daemon, host):
    """libh2o finds routes by the Host header, so each listener has its own table."""
    for target in ADMIN_ROUTES:
        for method in ("GET", "POST"):
            for form in (target, f"http://{host or 'x'}{target}"):
                answer = talk(daemon.address, f"{method} {form} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n")
                assert answer.startswith(b"HTTP/1.1 404 "), (host, method, form, answer[:200])
    assert daemon.count() == 1


def test_visits_do_not_count_on_the_admin_socket(daemon):
    for target in ("/count", "/", "/v1/hit/default/x", "/livez"):
        assert fetch(daemon.admin_socket, target, headers={"Host": "visitors"}).status == 404
    assert daemon.count() == 1


def test_what_changes_something_is_a_post(daemon):
    """Following a link changes nothing."""
    for target in ("/reload", "/drain", "/check"):
        assert daemon.admin(target).status == 405
    assert daemon.admin("/status", "POST").status == 405
    assert daemon.count() == 1


def test_rubbish_on_the_admin_socket(daemon):
    for data in (b"GET /get?site=%00&page=%ff HTTP/1.1\r\n\r\n", b"GET /get?" + b"a=b&" * 5000 + b" HTTP/1.1\r\n\r\n", b"\0" * 5000,
                 b"POST /log-level?level=%64%65%62%75%67%00 HTTP/1.1\r\nContent-Length: 0\r\n\r\n", b"GET /get?page=%zz%2 HTTP/1.1\r\n\r\n",
                 b"POST /reload HTTP/1.1\r\nContent-Length: 100000\r\n\r\n", b"GET /status?format=xml&&==& HTTP/1.1\r\n\r\n"):
        assert talk(daemon.admin_socket, data).startswith(b"HTTP/1.1 ")
    assert daemon.ctl("--json", "log-level").json() == {"level": "info"}
    assert daemon.count() == 1


def test_many_connections_to_the_admin_socket_do_not_lock_it(daemon):
    idle = []
    for _ in range(200):
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(daemon.admin_socket))
        idle.append(connection)
    assert daemon.count() == 1
    for connection in idle:
        connection.close()
    assert daemon.ctl("ping").status == DONE
