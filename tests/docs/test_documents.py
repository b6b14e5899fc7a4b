# SPDX-License-Identifier: MIT
"""README and docs are correct: their commands run, their configurations are accepted, their links have targets.

The test runs the blocks of a document in the languages `sh` and `console`, in their order, in a directory that looks like a checkout. A comment in
the line before a block says which servers run during it, or why it is not run:

    <!-- run with: stack -->
    <!-- not run: needs systemd -->

Without a comment the block runs with a daemon that was started as by `make run`. The output in a `console` block is compared with the real one.
Numbers may differ.
"""

import os
import re
import shlex
import subprocess

import pytest

from harness import BUILD, Daemon, Redis, run_ctl, run_daemon, wait_until
from harness.basics import DEADLINE, ROOT, free_port, need_program
from harness.client import fetch
from harness.process import Process, clean_environment

import markdown

DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
NAMES = [str(path.relative_to(ROOT)) for path in DOCUMENTS]

each_document = pytest.mark.parametrize("path", DOCUMENTS, ids=NAMES)


# --- servers that run during the blocks ---

def recipe_of_make_run():
    """The daemon's command line in the Makefile, as words."""
    found = re.search(r"^run: .*\n(?:\t.*\n)*?\t@exec ((?:.*\\\n)*.*)\n", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return shlex.split(found[1].replace("$(BUILD)", "build").replace("\\\n", " "))


class Checkout:
    """A directory with the files of a checkout that a document's commands use, and the servers that run during them."""

    def __init__(self, directory):
        self.directory = directory
        self.process = None  # the process whose log a failure shows
        self.parts = []
        self.replaced = {}   # addresses in the documents, and the free ones that replace them in commands
        self.environment = {}
        for name in ("etc", "packaging", "docs", "Makefile"):
            (directory / name).symlink_to(ROOT / name)
        (directory / "build").symlink_to(BUILD)
        self.bin = directory / "bin"
        self.bin.mkdir()
        (self.bin / "visitcountd").symlink_to(BUILD / "visitcountd")

    def start_daemon(self):
        """Starts the same as `make run`."""
        port = free_port()
        words = [word.replace("127.0.0.1:8080", f"127.0.0.1:{port}") for word in recipe_of_make_run()]
        assert f"http.listen=127.0.0.1:{port}" in words
        (self.directory / "var/run").mkdir(parents=True, exist_ok=True)
        self.spawn("daemon", words)
        self.replaced["127.0.0.1:8080"] = f"127.0.0.1:{port}"
        # an installed visitcountctl finds the only instance by itself
        self.put_program("visitcountctl", f"{BUILD}/visitcountctl --socket {self.directory}/var/run/admin.sock")
        wait_until(lambda: self.is_ready(port), lambda: f"the daemon is ready:\n{self.process.log()}")

    def start_stack(self):
        """Starts the same as `make stack`."""
        port = free_port()
        need_program("nginx", "nginx-light")
        need_program("redis-server", "redis-server")
        self.spawn("stack", [ROOT / "packaging/stack/stack"], STACK_DIR=self.directory / "var", STACK_PORT=port, STACK_BUILD=BUILD)
        self.replaced["127.0.0.1:5002"] = f"127.0.0.1:{port}"
        wait_until(lambda: "Ctrl-C" in self.process.log(), lambda: f"the stack is there:\n{self.process.log()}")

    def start_redis(self):
        server = Redis(self.directory).start()
        self.parts.append(server)
        self.put_program("redis-cli", f"{need_program('redis-cli', 'redis-tools')} -e -s {server.socket}")
        return server

    def start_torn(self):
        """Starts a daemon on a Redis that has lost the ledger of the site blog."""
        server = self.start_redis()
        settings = {"redis.socket": str(server.socket), "sites": ["blog"], "count.max_wait": "200ms"}
        daemon = Daemon(self.directory, settings).start()
        self.parts.append(daemon)
        daemon.wait_for_store()
        assert daemon.fetch("/v1/hit/blog/a").status == 200
        server.client().delete("vc:{blog}:ledger")
        assert daemon.fetch("/v1/hit/blog/a").status in (503, 504)
        wait_until(lambda: daemon.status()["store"]["torn_sites"] == 1, "the site is torn")
        self.put_program("visitcountctl", f"{BUILD}/visitcountctl --socket {daemon.admin_socket}")

    def start_ending(self):
        """Starts a daemon that a block may end."""
        self.start_daemon()

    def start_journal(self):
        """Starts instance 1, with the journal of an instance 4 that was killed while Redis was away."""
        server = self.start_redis()
        journals = self.directory / "journal"
        settings = {"redis.socket": str(server.socket), "journal.directory": f"{journals}/%i", "count.max_wait": "200ms"}
        gone = Daemon(self.directory, settings, name="4").start().wait_for_store()
        server.kill()
        gone.wait_for_store(False)
        wait_until(lambda: gone.fetch("/count").status == 202, "a visit is in the journal")
        gone.kill()
        gone.finish()
        server.start()
        self.parts.append(Daemon(self.directory, settings, name="1").start().wait_for_store())
        self.replaced["/var/lib/visitcountd/journal"] = str(journals)
        self.put_program("visitcountctl", f"env VISITCOUNTCTL_RUN_DIR={self.directory}/run {BUILD}/visitcountctl")

    def put_program(self, name, command):
        (self.bin / name).write_text(f"#!/bin/sh\nexec {command} \"$@\"\n")
        (self.bin / name).chmod(0o755)

    def spawn(self, name, words, **environment):
        self.process = Process(name, ["env", "-C", self.directory, *words], self.directory, environment=environment)
        self.parts.append(self)

    def is_ready(self, port):
        assert self.process.is_running(), self.process.log()
        try:
            return fetch(("127.0.0.1", port), "/readyz").status == 200
        except OSError:
            return False

    def finish(self):
        self.process.end()

    def run(self, command):
        """Runs a command in a shell in this directory. Returns its output."""
        for old, new in self.replaced.items():
            command = command.replace(old, new)
        path = f"{self.bin}:{os.environ['PATH']}"
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", command], cwd=self.directory, timeout=DEADLINE, check=False,
                              env=clean_environment({"PATH": path, "HOME": self.directory}), stdin=subprocess.DEVNULL,
                              capture_output=True, text=True)
        assert done.returncode == 0, f"exit status {done.returncode}: {command}\n{done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture
def new_checkout(directory):
    """new_checkout("stack") returns a Checkout with these servers."""
    made = []

    def make(beside):
        place = directory / beside
        place.mkdir()
        made.append(Checkout(place))
        getattr(made[-1], f"start_{beside}")()
        return made[-1]

    yield make
    for checkout in made:
        for part in reversed(checkout.parts):
            part.finish()


# --- blocks ---

def run_block(checkout, block, where):
    if block.language == "sh":
        checkout.run(block.text)
        return
    for step in markdown.parse_steps(block):
        output = checkout.run(step.command)
        assert step.matches(output), f"{where}: $ {step.command}\nshown:\n{step.output}\nprinted:\n{output}"


@each_document
def test_commands_run_and_print_what_is_shown(path, new_checkout):
    checkouts = {}
    for block in markdown.parse_blocks(path.read_text()):
        if block.language not in markdown.COMMANDS or block.why_not_run:
            continue
        beside = block.environment
        if beside not in checkouts:
            assert hasattr(Checkout, f"start_{beside}"), f"{path.name}:{block.line}: there is no start_{beside}()"
            checkouts[beside] = new_checkout(beside)
        run_block(checkouts[beside], block, f"{path.name}:{block.line}")


@each_document
def test_configuration_is_accepted(path, directory):
    for block in markdown.parse_blocks(path.read_text()):
        if block.language not in markdown.CONFIGURATION:
            continue
        # the administrator would create the files that it names
        (directory / "secret").write_text("a secret\n")
        (directory / "visitcountd.conf").write_text(re.sub(r'(\w+_file = )"[^"]*"', rf'\1"{directory}/secret"', block.text))
        done = run_daemon("--config", directory / "visitcountd.conf", "--check-config")
        assert done.status == 0, f"{path.name}:{block.line}: {done.errors}"


# --- names and links ---

@each_document
def test_links_lead_somewhere(path):
    for line, target in markdown.find_links(path.read_text()):
        if "://" in target or target.startswith("mailto:"):
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        assert file.exists(), f"{path.name}:{line}: {target}: there is no such file"
        assert file.is_relative_to(ROOT), f"{path.name}:{line}: {target}: outside of the repository"
        if anchor:
            assert anchor in markdown.find_anchors(file.read_text()), f"{path.name}:{line}: {target}: no such heading"


def option_names():
    lines = run_daemon("--print-config", "--config", "/dev/null").output.splitlines()
    return {line.split(" = ")[0] for line in lines}


def command_names():
    text = run_ctl("--print-reference", "markdown").output
    return set(re.findall(r"^\| `([\w-]+)", text, re.MULTILINE))


@each_document
def test_options_and_commands_exist(path):
    """Every option and every command of visitcountctl in a document exists."""
    options = option_names()
    groups = {name.partition(".")[0] for name in options if "." in name}
    commands = command_names()
    assert "redis.host" in options and "status" in commands
    for span in re.findall(r"`([^`\n]+)`", markdown.without_blocks(path.read_text())):
        if (found := re.fullmatch(r"(\w+)(\.\w+)(?: = .*)?", span)) and found[1] in groups and not re.search(r"\.[ch]$", span):
            assert found[1] + found[2] in options | {"redis.password_file", "redis.conf"}, f"{path.name}: {span}"
        if found := re.match(r"visitcountctl (?:--\w+(?:[ =][A-Z]+)? )*([a-z][\w-]*)", span):
            assert found[1] in commands, f"{path.name}: {span}"


@each_document
def test_metrics_exist(path):
    sources = (ROOT / "src/http/admin/metrics.def").read_text()
    for name in set(re.findall(r"\bvisitcountd_[a-z]\w*", path.read_text())):
        assert name in sources, f"{path.name}: {name} is no metric"


def test_each_page_is_linked_from_the_readme():
    linked = {target.partition("#")[0] for _, target in markdown.find_links((ROOT / "README.md").read_text())}
    for page in ROOT.glob("docs/*.*"):
        assert f"docs/{page.name}" in linked, f"{page.name}: README.md does not lead there"


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_bytes()) <= 8192
    assert len((ROOT / "ARCHITECTURE.md").read_bytes()) <= 16384


# --- the test itself ---

@pytest.mark.parametrize("text, wrong", [
    ("```sh\ntrue\n", "no end"),
    ("```\ntrue\n```\n", "language"),
    ("```bash\ntrue\n```\n", "language"),
    ("text\n\n    indented\n", "indented"),
    ("- item\n\n  ```sh\n  true\n  ```\n", "inside of a list"),
    ("<!-- not run -->\n```sh\ntrue\n```\n", "neither"),
    ("<!-- not run: -->\n```sh\ntrue\n```\n", "neither"),
    ("<!-- not run: why -->\n\n```sh\ntrue\n```\n", "before its block"),
], ids=str)
def test_blocks_that_would_be_passed_over_are_errors(text, wrong):
    with pytest.raises(markdown.Malformed, match=wrong):
        markdown.parse_blocks(text)


def test_what_is_shown_is_compared():
    first, second = markdown.parse_steps(markdown.Block(1, "console", "$ one\n{\"count\":1,…}\n$ two\na  b\n", ""))
    assert (first.command, second.command) == ("one", "two")
    assert first.matches('{"count":27,"status":"counted"}\n') and second.matches("a b\n")
    assert not first.matches('{"number":27,"status":"counted"}\n') and not second.matches("a b c\n")


def test_a_block_that_fails_is_a_failure(new_checkout):
    checkout = new_checkout("daemon")
    with pytest.raises(AssertionError, match="exit status 1"):
        checkout.run("false | true\n")
    with pytest.raises(AssertionError, match="printed"):
        run_block(checkout, markdown.Block(1, "console", "$ curl -s http://127.0.0.1:8080/count\ncounted\n", ""), "here")
