# SPDX-License-Identifier: MIT
"""Adding a row to a table needs only the places that ARCHITECTURE.md names. The test adds each row in a copy of the tree and builds it."""

import re
import shutil
import subprocess

import pytest

from harness import BUILD, ROOT

# for each kind: the file, the text before which the row is inserted, and the row
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
    ("src/http/admin/metrics.def", "FAMILY(visitcountd_build_info,", 'NUMBER(visitcountd_hellos, gauge, 42, "Hellos.")\n'),
    ("src/http/request/visit_outcomes.def", "OUTCOME(READONLY,", 'OUTCOME(TEAPOT, "refused; reason=teapot", false)\n'),
    ("src/http/request/http_errors.def", "HTTP_ERROR(RATE,", 'HTTP_ERROR(TEAPOT, 418, "teapot", TEAPOT)\n'),
    ("src/http/routes/health.c", "void health_handle_livez(", """void health_handle_brew(struct request *request)
{
    http_error_respond(request, HTTP_ERROR_TEAPOT, "no coffee");
}

"""),
    ("src/http/routes/health.c", '#include "http/request/response.h"', '#include "http/request/http_error.h"\n'),
    ("src/http/routes/health.h", "/** Liveness:", "/** A probe. */\nvoid health_handle_brew(struct request *request);\n\n"),
    ("src/http/routes/routes.c", '    {METHOD_GET, H2O_STRLIT("/livez")', '    {HIT_GET, H2O_STRLIT("/brew"), health_handle_brew, &format_json.base},\n'),
    ("src/config/store_backends.def", "STORE_BACKEND(SQLITE,", "STORE_BACKEND(MEMORY, memory)\n"),
    ("src/daemon/daemon.c", "static bool create_store(", """static struct store *create_memory(struct daemon *daemon)
{
    log_info("a store of its own");
    return create_sqlite(daemon);
}

"""),
]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of the tree with the rows. It is built without optimisation, which does not affect the rows."""
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
    for name in ("docs/http-api.md", "etc/visitcountd.conf", "docs/configure.md", "docs/operations.md", "docs/embed.md", "docs/openapi.yaml", "man/visitcountctl.1",
                 "man/visitcountd.conf.5", "packaging/completion/visitcountctl.bash"):
        assert f"{name}: stale" in stale.stdout
    subprocess.run(["packaging/generate-docs", "build"], cwd=tree, check=True, capture_output=True)
    assert check_generated(tree).returncode == 0
    for name, words in {"docs/embed.md": ["`tall`", "`wide` 1 2 3 4 5"], "docs/openapi.yaml": ["flat-square, tall, plastic", "grouped, wide, compact", "- teapot\n"],
                        "docs/configure.md": ["redis.probe", "memory"], "docs/http-api.md": ["| `teapot` | 418 | `refused; reason=teapot` |"],
                        "man/visitcountd.conf.5": ["redis.probe"], "docs/operations.md": ["| `hello` |", "| `visitcountd_hellos` | gauge | Hellos. |"],
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
    """It takes four places: its row, its field, the line that sets the field, and its use."""
    monkeypatch.setattr("harness.daemon.BUILD", tree / "build")
    daemon = new_daemon({**redis_store.settings, "redis.probe": "8s"}).wait_for_store()
    assert "probe 8000" in daemon.log()


def test_a_route_and_an_error_answer(tree, new_daemon, monkeypatch):
    monkeypatch.setattr("harness.daemon.BUILD", tree / "build")
    answer = new_daemon().wait_for_store().fetch("/brew")
    assert (answer.status, answer.headers["visitcount-status"]) == (418, "refused; reason=teapot")
    assert answer.json() == {"error": {"code": "teapot", "message": "no coffee"}}


def test_a_store_is_chosen_by_its_name(tree, new_daemon, monkeypatch):
    """It takes two places: its row, and the function that creates the store. The store itself is a separate file."""
    monkeypatch.setattr("harness.daemon.BUILD", tree / "build")
    daemon = new_daemon({"store.backend": "memory"}).wait_for_store()
    assert daemon.count() == 1
    assert "a store of its own" in daemon.log() and 'store.backend = "memory"' in daemon.log()


def test_the_tree_itself_has_none_of_them():
    assert "hello" not in subprocess.run([BUILD / "visitcountctl", "help"], check=True, capture_output=True, text=True).stdout
