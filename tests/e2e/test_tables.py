# SPDX-License-Identifier: MIT
"""How to add a row: the places that ARCHITECTURE.md names suffice. Each row is added in a copy of the tree, which is then built."""

import re
import shutil
import subprocess

import pytest

from harness import BUILD, ROOT

# by kind: the file and the text that gets a row in front of it, and the row
ROWS = [
    ("src/http/render/badge_styles.def", "STYLE(PLASTIC,", 'STYLE(TALL, "tall", 40, 0, 5, 1, 11, 0, 24, false, false, NULL)\n'),
    ("src/http/render/number_forms.def", "FORM(COMPACT,", 'FORM(WIDE, "wide", put_wide, "1 2 3 4 5")\n'),
    ("src/http/render/number.c", "static const struct {\n    const char *name;", """static void put_wide(struct buf *out, uint64_t value, unsigned digits)
{
    put_digits(out, value, digits, 1);
}

"""),
    ("src/config/options.def", "OPTION(redis_db,", 'OPTION(redis_probe_ms, "redis.probe", DURATION, "7s", 10, 60000, RESTART,\n       "A probe.")\n'),
    ("src/store/redis/redis_link_options.h", "    uint64_t replica_grace_ms;", "    uint64_t probe_ms;\n"),
    ("src/daemon/daemon.c", "                 .replica_grace_ms = config", "                 .probe_ms = config->redis_probe_ms,\n"),
    ("src/store/redis/redis_link_log.c", "    if (link->options.db != 0) {", '    log_info("probe %d", (int)link->options.probe_ms);\n'),
    ("src/http/admin/commands.def", "LOCAL_COMMAND(help,", 'COMMAND(hello, "hello", ASK, request, CTL_WATCH, "", 0, "",\n        "Say hello.", "")\n'),
    ("src/http/admin/admin.c", "/* Routes */", """static void admin_handle_hello(struct request *request)
{
    struct report report;

    report_init(&report, admin_answer_form(request));
    report_text(&report, "hello", request->app->config->instance);
    admin_answer_respond_report(request, 200, &report);
}

"""),
    ("src/http/admin/metrics.c", '    put_u64(out, "visitcountd_draining"', '    put_u64(out, "visitcountd_hellos", "gauge", 42, "Hellos.");\n'),
]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy with the rows. It is not optimised: what the rows do does not depend on it."""
    tree = tmp_path_factory.mktemp("tables") / "tree"
    names = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\n")
    for name in filter(None, names):
        if (ROOT / name).is_file() and not name.startswith("tests/"):
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tree / name)
    for name, before, row in ROWS:
        text = (tree / name).read_text()
        assert text.count(before) == 1, f"{name}: {before}"
        (tree / name).write_text(text.replace(before, row + before))
    built = subprocess.run(["make", "-j2", "all", "OPTIMIZE=-O0", "LTO=", "HARDEN=-fPIE"], cwd=tree, check=False, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    return tree


def check_generated(tree):
    return subprocess.run(["packaging/generate-docs", "--check", "build"], cwd=tree, check=False, capture_output=True, text=True)


def output(tree, program, *arguments):
    return subprocess.run([tree / "build" / program, *arguments], check=True, capture_output=True, text=True).stdout


def test_references_are_stale_until_they_are_renewed(tree):
    stale = check_generated(tree)
    assert stale.returncode == 1
    for name in ("etc/visitcountd.conf", "docs/configure.md", "docs/operations.md", "docs/embed.md", "docs/openapi.yaml", "man/visitcountctl.1",
                 "man/visitcountd.conf.5", "packaging/completion/visitcountctl.bash"):
        assert f"{name}: stale" in stale.stdout
    subprocess.run(["packaging/generate-docs", "build"], cwd=tree, check=True, capture_output=True)
    assert check_generated(tree).returncode == 0
    for name, words in {"docs/embed.md": ["`tall`", "`wide` 1 2 3 4 5"], "docs/openapi.yaml": ["flat-square, tall, plastic", "grouped, wide, compact"],
                        "docs/configure.md": ["redis.probe"], "man/visitcountd.conf.5": ["redis.probe"], "docs/operations.md": ["| `hello` |"],
                        "man/visitcountctl.1": [".It Cm hello"], "packaging/completion/visitcountctl.bash": ["hello"]}.items():
        for word in words:
            assert word in (tree / name).read_text(), name


def test_the_programs_have_the_rows(tree, new_daemon, monkeypatch):
    assert re.search(r"^redis.probe = .*7s", output(tree, "visitcountd", "--print-config"), re.MULTILINE)
    assert "--watch" in output(tree, "visitcountctl", "help", "hello")
    monkeypatch.setattr("harness.daemon.BUILD", tree / "build")
    daemon = new_daemon().wait_for_store()
    assert daemon.ctl("hello").output.split() == ["hello", "default"]
    assert "visitcountd_hellos 42" in daemon.ctl("metrics").output
    assert [daemon.count() for _ in range(12)][-1] == 12
    badge = daemon.fetch("/badge/default/a.svg?style=tall&format=wide&digits=3&readonly=1").text
    assert 'height="40"' in badge and ">0,0,0<" in badge
    assert "plain, grouped, wide, compact" in daemon.fetch("/v1/text/default/a?format=roman&readonly=1").text


def test_an_option_of_redis_reaches_the_link(tree, new_daemon, redis_store, monkeypatch):
    """By four places: its row, its field, the line that fills it, and its use."""
    monkeypatch.setattr("harness.daemon.BUILD", tree / "build")
    daemon = new_daemon({**redis_store.settings, "redis.probe": "8s"}).wait_for_store()
    assert "probe 8000" in daemon.log()


def test_the_tree_itself_has_none_of_them():
    assert "hello" not in subprocess.run([BUILD / "visitcountctl", "help"], check=True, capture_output=True, text=True).stdout
