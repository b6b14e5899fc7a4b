# SPDX-License-Identifier: MIT
"""packaging/stack/stack, the script of `make stack`: real Redis, instances and nginx, in the test's own directory and on its own ports."""

import collections
import concurrent.futures
import http.client
import importlib.machinery
import importlib.util
import json
import os
import pathlib
import shutil
import re
import signal
import socket
import subprocess

import pytest

from stack_tools import NGINX_FILES, ROOT, free_ports, program, wait_for

SCRIPT = ROOT / "packaging" / "stack" / "stack"
BUILD = pathlib.Path(os.environ.get("STACK_BUILD") or ROOT / "build")
NOBODY = 65534


@pytest.fixture(autouse=True, scope="module")
def tools():
    program("redis-server", "redis-server")
    program("nginx", "nginx-light")
    assert os.access(BUILD / "visitcountd", os.X_OK), f"{BUILD}/visitcountd is missing (run make)"


class Stack:
    def __init__(self, directory, instances=3, uid=None, script=SCRIPT, **environment):
        self.script = script
        self.directory = directory
        self.instances = instances
        self.port = 0
        self.environment = environment
        self.uid = uid
        self.process = None

    def launch(self):
        self.port, = free_ports(1)
        environment = {**os.environ, "STACK_DIR": str(self.directory), "STACK_INSTANCES": str(self.instances),
                       "STACK_PORT": str(self.port), "STACK_BUILD": str(BUILD), **self.environment}
        self.process = subprocess.Popen(
            [self.script], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            start_new_session=True, user=self.uid, group=self.uid, extra_groups=[] if self.uid else None)
        return self

    def start(self):
        """Starts the stack and returns its output. Once it prints how to end it, all servers answer."""
        self.launch()
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if line.startswith("Ctrl-C"):
                return "".join(lines)
        return pytest.fail(f"exit {self.process.wait()}: {self.process.stderr.read()}")

    def end(self, number=signal.SIGINT):
        self.process.send_signal(number)
        return self.wait()

    def wait(self):
        output, errors = self.process.communicate(timeout=30)
        return self.process.returncode, output, errors

    def get(self, path, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        body = response.read().decode()
        connection.close()
        assert response.status == 200, body
        return body

    def count(self):
        return json.loads(self.get("/count.json"))["count"]

    def status(self, instance):
        command = [BUILD / "visitcountctl", "--socket", self.directory / "run" / str(instance) / "admin.sock", "status", "--json"]
        return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    def processes(self):
        """All processes that run in this directory or have it on the command line."""
        found = {}
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit():
                command = command_line(entry)
                if str(self.directory) in command and int(entry.name) != os.getpid():
                    found[int(entry.name)] = command
        return found

    def process_of(self, pattern):
        (pid,) = [pid for pid, command in self.processes().items() if re.search(pattern, command)]
        return pid


def command_line(entry):
    try:
        return (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


@pytest.fixture
def new_stack(directory):
    """Creates stacks, and ends those that still run."""
    made = []

    def make(path=directory, **arguments):
        made.append(Stack(path, **arguments))
        return made[-1]

    yield make
    for stack in made:
        if stack.process and stack.process.poll() is None:
            stack.end(signal.SIGTERM)


@pytest.fixture
def stack(new_stack):
    return new_stack()


def load_script():
    loader = importlib.machinery.SourceFileLoader("stack_script", str(SCRIPT))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("stack_script", loader))
    loader.exec_module(module)
    return module


def test_counts_survive_ctrl_c_and_nothing_is_left_running(stack):
    output = stack.start()
    assert f"http://127.0.0.1:{stack.port}/count" in output
    assert [stack.count() for _ in range(5)] == [1, 2, 3, 4, 5]
    assert stack.processes()
    code, output, errors = stack.end(signal.SIGINT)
    assert (code, errors) == (0, "")
    assert "the counts are kept" in output
    assert stack.processes() == {}
    stack.start()
    assert stack.count() == 6


def test_sigterm_ends_it_as_ctrl_c_does(stack):
    stack.start()
    code, _, errors = stack.end(signal.SIGTERM)
    assert (code, errors, stack.processes()) == (0, "", {})


def test_the_command_it_prints_shows_the_status(stack):
    output = stack.start()
    command = re.search(r"status +(.+ status)$", output, re.M)[1]
    result = subprocess.run(command, shell=True, capture_output=True, text=True, cwd=os.getcwd(), check=False)
    assert result.returncode == 0, result.stderr
    assert re.findall(r"^(\d+) +running .* ready ", result.stdout, re.M) == ["1", "2", "3"]


def test_each_visit_gets_a_number_of_its_own(stack):
    stack.start()
    visits = 3000

    def visit(_):
        return int(stack.get("/count", Accept="text/plain").split()[-1])

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        numbers = collections.Counter(pool.map(visit, range(visits)))
    assert set(numbers) == set(range(1, visits + 1))
    assert max(numbers.values()) == 1
    assert [stack.status(i)["instance"] for i in (1, 2, 3)] == ["1", "2", "3"]


def test_nginx_asks_over_unix_sockets(stack):
    """Also as root, whose nginx could otherwise not enter the directory."""
    stack.start()
    stack.directory.chmod(0o700)
    assert [stack.count() for _ in range(6)] == [1, 2, 3, 4, 5, 6]
    for number in (1, 2, 3):
        status = stack.status(number)
        assert status["visits"]["applied"] > 0
        listens = [listener["address"] for listener in status["listeners"] if listener["kind"] == "visitors"]
        assert listens == [f"unix:{stack.directory}/run/http-{number}.sock"]


def test_five_instances(new_stack):
    stack = new_stack(instances=5)
    stack.start()
    assert stack.count() == 1
    assert [stack.status(i)["instance"] for i in range(1, 6)] == ["1", "2", "3", "4", "5"]
    assert stack.end()[0] == 0


def test_an_instance_that_dies_ends_the_stack_with_an_error(stack):
    stack.start()
    os.kill(stack.process_of("--instance 2 "), signal.SIGKILL)
    code, _, errors = stack.wait()
    assert code == 1
    assert re.match(r"stack: visitcountd-2 was killed by SIGKILL; ending the others\. .*visitcountd-2\.log ends with:", errors)
    assert stack.processes() == {}


def test_killed_itself_it_leaves_nothing_running(stack):
    stack.start()
    assert stack.count() == 1
    stack.process.kill()
    stack.wait()
    wait_for(lambda: not stack.processes(), "all parts ended by themselves")
    stack.start()
    assert stack.count() == 2


def test_the_environment_of_a_container_does_not_lead_it_astray(new_stack):
    stack = new_stack(REDIS_HOST="192.0.2.1", REDIS_PORT="1", VISITCOUNTD_HTTP_LISTEN="127.0.0.1:1",
                      VISITCOUNTD_STORE_BACKEND="sqlite")
    stack.start()
    assert stack.count() == 1
    assert stack.end()[0] == 0


def test_it_needs_no_root(new_stack, directory):
    """As root, this is the only test that runs as another user. It uses a copy, because this tree may be in a directory of root."""
    uid = NOBODY if os.getuid() == 0 else None
    tree = directory / "tree"
    for part in ("packaging/stack", "etc/nginx"):
        shutil.copytree(ROOT / part, tree / part)
    for name in ("visitcountd", "visitcountctl"):
        shutil.copy2(BUILD / name, tree)
    if uid:
        os.chown(directory, uid, uid)
    stack = new_stack(uid=uid, script=tree / "packaging" / "stack" / "stack", STACK_BUILD=str(tree))
    stack.start()
    assert stack.count() == 1
    assert stack.end()[0] == 0


def test_a_port_that_is_taken_is_one_clear_line(new_stack):
    port, = free_ports(1)
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of earlier tests may linger
        other.bind(("127.0.0.1", port))
        other.listen()
        code, output, errors = new_stack(STACK_PORT=str(port)).launch().wait()
    assert (code, output) == (1, "")
    assert errors == f"stack: port {port} for nginx: address already in use; set STACK_PORT to use another\n"


def test_two_stacks_in_one_directory_are_refused(stack, new_stack):
    stack.start()
    code, _, errors = new_stack().launch().wait()
    assert code == 1
    assert errors.startswith("stack: another stack is running in ")
    assert stack.count() == 1


@pytest.mark.parametrize("name, value", [("STACK_INSTANCES", "0"), ("STACK_INSTANCES", "many"), ("STACK_PORT", "70000")])
def test_a_wrong_number_is_refused(new_stack, name, value):
    code, _, errors = new_stack(**{name: value}).launch().wait()
    assert code == 64
    assert errors.startswith(f"stack: {name}={value}: expected a number from ")


def test_a_path_too_long_for_a_socket_is_refused(new_stack, directory):
    code, _, errors = new_stack(directory / ("d" * 100)).launch().wait()
    assert code == 1
    assert "longer than the 107 bytes" in errors


def test_a_configuration_that_is_refused_is_shown(new_stack):
    code, _, errors = new_stack(VISITCOUNTD_LOG_LEVEL="loud").launch().wait()
    assert code == 1
    assert re.search(r"visitcountd-\d ended with exit status 78", errors), "whichever was first"
    assert "log.level" in errors


def test_on_its_own_port_nginx_gets_the_file_of_the_repository_itself(directory, monkeypatch):
    script = load_script()
    monkeypatch.setenv("STACK_DIR", str(directory))
    for name in ("STACK_PORT", "STACK_INSTANCES"):
        monkeypatch.delenv(name, raising=False)
    assert pathlib.Path(script.site_config(script.Settings())) == NGINX_FILES / "visitcountd.conf"


def test_on_another_port_only_that_line_differs(directory, monkeypatch):
    script = load_script()
    monkeypatch.setenv("STACK_DIR", str(directory))
    monkeypatch.setenv("STACK_PORT", "5999")
    settings = script.Settings()
    script.make_directories(settings)
    original = (NGINX_FILES / "visitcountd.conf").read_text().splitlines()
    copy = pathlib.Path(script.site_config(settings)).read_text().splitlines()
    assert [pair for pair in zip(original, copy) if pair[0] != pair[1]] == [("    listen 5002;", "    listen 5999;")]
    assert len(original) == len(copy)


def test_the_list_says_of_an_instance_what_the_example_does(directory, monkeypatch):
    script = load_script()
    monkeypatch.setenv("STACK_DIR", str(directory))
    monkeypatch.delenv("STACK_INSTANCES", raising=False)
    example = (NGINX_FILES / "visitcountd-upstream.conf").read_text()
    servers = re.findall(r"^(server) unix:/run/visitcountd/(\S+)(.*)$", example, re.MULTILINE)
    assert script.upstream_config(script.Settings()) == "".join(
        f'{server} "unix:{directory}/run/{name}"{parameters}\n' for server, name, parameters in servers)
