# SPDX-License-Identifier: MIT
"""The tools of the benchmark: they count, compare and write correctly. No test checks a time."""

import importlib.machinery
import importlib.util
import json
import os
import pathlib
import shutil
import subprocess
import sys
import xml.etree.ElementTree

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import chart  # noqa: E402
import compare  # noqa: E402
import goals  # noqa: E402
import hostile  # noqa: E402
import idle  # noqa: E402
import live  # noqa: E402
import machine  # noqa: E402
import measure  # noqa: E402
import model  # noqa: E402
import nginx  # noqa: E402
import scaling  # noqa: E402
import tables  # noqa: E402
import targets  # noqa: E402
from processes import ROOT, Failed, http_get  # noqa: E402



def load_script(name):
    """Loads a command of this directory as a module, without running it."""
    loader = importlib.machinery.SourceFileLoader(name.replace("-", "_"), str(HERE / name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


instructions = load_script("bench-instructions")

OURS = ("constant", "count on Redis", "busy polling", "with tokens", "tokens not used", "hit with visitors", "count on SQLite", "journal only")
SYSTEMS = ("nginx + 3 visitcountd", "nginx + 3 visitcountd without tokens", "nginx + 1 visitcountd + 2 standing by",
           "nginx + 3 visitcountd on TCP")
FIGURES = {"cpu_us": 10.0, "server_us": 6.0, "redis_us": 4.0, "proxy_us": 0.0, "rate": 1000.0, "others": 0.0,
           "failed": 0, "requests": 1000, "commands": 0.02, "redis_mib": 4.0}


def run_bench(directory, *parts, **environment):
    """Runs one round of a second. The results are in `directory`."""
    stores = ROOT / os.environ.get("BUILD", "build") / "tests" / "bench"
    return subprocess.run(
        [sys.executable, HERE / "bench", *parts], text=True, capture_output=True, timeout=120, check=False,
        env=dict(os.environ, BENCH_ROUNDS="1", BENCH_SECONDS="1", BENCH_CONNECTIONS="128",
                 BENCH_RESULTS=str(directory / "RESULTS.md"), BENCH_DIRECTORY=str(stores), **environment))


def test_our_own_targets_count_what_they_answer(tmp_path):
    """The run itself fails if the visits and answers of one of our targets disagree."""
    results = tmp_path / "RESULTS.md"
    results.write_text("<!-- BEGIN instructions -->\nkept\n<!-- END instructions -->\n")
    done = run_bench(tmp_path, "direct", "sizes", BENCH_TARGETS=",".join(OURS))
    assert done.returncode == 0, done.stdout + done.stderr
    text = results.read_text()
    for name in OURS:
        assert f"\n| {name} " in text
    assert "kept" in text
    assert "start to ready with SQLite" in text
    assert "CPU per visit on Redis, x constant" in done.stdout
    assert "<!-- BEGIN goals -->" not in text, "verdicts of a partial run do not replace those of a whole one"


def visits_and_visitors(target):
    return target.counters()[0], json.loads(http_get(target.port, target.path)[1])["unique_today"]


def test_visitors_are_told_apart(tmp_path):
    """Once the daemon has the day's salt, each visit has a visitor of its own. Redis estimates their number."""
    with measure.started({"visited": targets.DIRECT["hit with visitors"]}, tmp_path, []) as running:
        before = visits_and_visitors(running["visited"])
        measure.run_wrk(running["visited"], 16, 1)
        visits, visitors = (now - then for now, then in zip(visits_and_visitors(running["visited"]), before))
    assert visits > 1000
    assert 0.8 * visits < visitors < 1.2 * visits


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="takes two cores")
def test_one_core_is_compared(tmp_path):
    done = run_bench(tmp_path, "core", BENCH_TARGETS=f"constant,count on Redis,{','.join(SYSTEMS)}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "limited by" in done.stdout
    text = (tmp_path / "RESULTS.md").read_text()
    for name in SYSTEMS:
        assert f"\n| {name} " in text


def test_one_serves_while_two_stand_by():
    first, *others = nginx.parameters_of(3, stands_by=True)
    assert first.startswith("max_fails=0 max_conns=") and others == ["max_fails=0 backup"] * 2
    assert nginx.parameters_of(3, stands_by=False) == ["max_fails=0"] * 3


def test_an_unknown_part_is_refused(tmp_path):
    done = run_bench(tmp_path, "nonsense")
    assert done.returncode == 64
    assert 'no part "nonsense"' in done.stderr


class Counted:
    """A target that counted `visits` with half as many commands."""

    url = "http://test"
    is_ours = True

    def __init__(self, visits):
        self.visits = visits

    def counters(self):
        return self.visits, self.visits // 2


def test_what_an_earlier_client_left_is_counted_before(monkeypatch):
    class Late(Counted):
        def counters(self):
            self.visits = min(108, self.visits + 4)
            return super().counters()

    monkeypatch.setattr(measure, "SETTLED_S", 0)
    assert measure.settled_counters(Late(100)) == (108, 54)


@pytest.mark.parametrize("visits", [100, 108])
def test_visits_may_exceed_answers_by_what_was_broken_off(visits):
    assert measure.check_counts(Counted(visits), (0, 0), 100, 8)["commands"] == 0.5


@pytest.mark.parametrize("visits", [99, 109])
def test_visits_that_do_not_fit_the_answers_are_an_error(visits):
    with pytest.raises(Failed):
        measure.check_counts(Counted(visits), (0, 0), 100, 8)


def test_a_peer_that_counts_less_than_it_answers_is_told_of():
    peer = Counted(9999)
    peer.is_ours = False
    figures = FIGURES | measure.check_counts(peer, (0, 0), 10000, 8)
    result = measure.medians([{"peer": figures}, {"peer": figures | {"missing": 0}}, {"peer": figures | {"missing": 0}}])
    assert compare.failures_of(result) == ["- peer: 1 of 1000 requests of one round were answered and not counted"]
    with pytest.raises(Failed):
        measure.check_counts(peer, (0, 0), 10010, 8)


class Absent:
    def __init__(self, _places):
        pass

    def start(self, _stack):
        raise Failed("not installed")


def test_a_target_that_does_not_start_is_named(tmp_path):
    problems = []
    with measure.started({"absent": Absent}, tmp_path, problems) as running:
        assert running == {}
    assert problems == ["absent: not installed"]


def test_a_ratio_is_the_median_of_those_within_a_round():
    rounds = [{"a": {"rate": 1}, "b": {"rate": 2}}, {"a": {"rate": 10}, "b": {"rate": 10}}, {"a": {"rate": 9}},
              {"a": {"rate": 3}, "b": {"rate": 1}}]
    assert measure.ratio(rounds, "a", "b", "rate") == 1
    assert measure.ratio(rounds, "a", "c", "rate") is None


def test_a_section_is_replaced_alone(tmp_path):
    path = tmp_path / "text.md"
    path.write_text("before\n<!-- BEGIN a -->\nold\n<!-- END a -->\nbetween\n")
    tables.write_section(path, "a", r"new \1")
    tables.write_section(path, "b", "more")
    assert path.read_text() == ("before\n<!-- BEGIN a -->\nnew \\1\n<!-- END a -->\nbetween\n\n"
                                "<!-- BEGIN b -->\nmore\n<!-- END b -->\n")


def results_of(constant_us):
    """Results of one round, in which counting costs 10 us and the constant `constant_us`."""
    at = {128: [{"constant": FIGURES | {"cpu_us": constant_us}, "count on Redis": FIGURES,
                 "with tokens": FIGURES, "hit with visitors": FIGURES}]}
    system = {128: [{"nginx + 3 visitcountd": FIGURES | {"proxy_us": 20.0},
                     "nginx + 3 visitcountd on TCP": FIGURES | {"proxy_us": 30.0}}]}
    pages = {128: [{"1 page": FIGURES, "1,000,000 pages": FIGURES | {"redis_mib": 104.0},
                    "10,000 sites": FIGURES}],
             "random": [{"1 page": FIGURES, "1,000,000 pages": FIGURES | {"cpu_us": 30.0}, "10,000 sites": FIGURES}]}
    return {"direct": at, "systems": system, "pages": pages, "core": {128: [{
        "count on Redis": FIGURES | {"rate": 30_000.0}, "Flask": FIGURES}]},
        "instances": {"directly": [{"3 instances": FIGURES}]}}


@pytest.mark.parametrize("constant_us, verdict", [(8.0, "pass"), (7.9, "miss")])
def test_a_verdict_follows_from_the_figures(constant_us, verdict):
    lines = goals.verdicts(results_of(constant_us)).splitlines()
    line = next(line for line in lines if "CPU per visit on Redis, x constant" in line)
    assert line.split("|")[4].strip() == verdict
    assert not any("webdis" in line for line in lines), "what was not measured has no verdict"


def verdict_of(text, goal):
    return next(line for line in text.splitlines() if goal in line).split("|")[4].strip()


def test_requests_per_second_are_compared_on_one_core():
    text = goals.verdicts(results_of(8.0))
    assert verdict_of(text, "on one core: requests/s, x Flask") == "pass"
    assert verdict_of(text, "requests/s on Redis, x constant") == "pass"


def test_pages_at_random_are_told_beside_the_goals_of_one_page():
    text = goals.verdicts(results_of(8.0))
    assert verdict_of(text, "beside 1,000,000 pages, x alone") == "pass"
    assert "1,000,000 pages x3.00" in text


def test_what_a_token_adds_is_told():
    results = results_of(8.0)
    tokens = results["direct"][128][0]["with tokens"]
    results["direct"][128][0]["with tokens"] = tokens | {"redis_us": tokens["redis_us"] + 1.25, "server_us": tokens["server_us"] + 0.5}
    assert "A token adds 1.25 us of Redis" in goals.verdicts(results)
    assert "and 0.50 us of the server" in goals.verdicts(results)
    del results["direct"][128][0]["with tokens"]
    assert "A token adds" not in goals.verdicts(results)


@pytest.mark.parametrize("base_us, verdict", [(8.7, "pass"), (8.6, "miss")])
def test_tokens_are_compared_with_the_same_requests_and_behind_nginx(base_us, verdict):
    results = results_of(8.0)
    results["direct"][128][0]["tokens not used"] = FIGURES | {"cpu_us": base_us}
    results["systems"][128][0]["nginx + 3 visitcountd without tokens"] = FIGURES | {"cpu_us": base_us}
    text = goals.verdicts(results)
    assert verdict_of(text, "x the same requests when they are not used") == verdict
    assert verdict_of(text, "behind nginx, which makes tokens: CPU per visit, x without") == verdict


@pytest.mark.parametrize("client, cpu_us, limit", [(99, 9.0, "client"), (90, 10.0, "servers"), (90, 9.0, "waiting")])
def test_a_core_that_was_full_is_named(client, cpu_us, limit):
    result = {"a": {"rate": 1e5, "cpu_us": cpu_us, "client": client}}
    compare.add_limits(result)
    assert result["a"]["limit"] == limit


def test_what_is_started_on_a_core_stays_there():
    before = os.sched_getaffinity(0)
    core = min(before)
    with machine.on_core(core):
        child = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    assert os.sched_getaffinity(0) == before
    assert os.sched_getaffinity(child.pid) == {core}
    child.communicate()


def test_all_listeners_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(live, "LISTENERS", 50)
    settings = {"rounds": 1, "seconds": 1, "directory": tmp_path}
    problems = []
    figures, rows = live.measure_listeners(settings, problems)
    assert problems == []
    assert figures["listening"]["visits"] > 0
    assert ["of them told the last number, after all that was measured", "50"] in rows


def test_idle_connections_stay_open(tmp_path, monkeypatch):
    monkeypatch.setattr(idle, "IDLE", 50)
    problems = []
    figures, rows = idle.measure_idle({"rounds": 1, "seconds": 1, "directory": tmp_path}, problems)
    assert problems == []
    assert "idle_bytes" in figures, "so few may fit into memory that others left free"
    assert ["of them open and answered again, after all that was measured", "50"] in rows


def test_a_daemon_at_rest_retains_nothing(tmp_path):
    problems = []
    create = {"it": lambda places: targets.Visitcountd(places, settings={"ledger.retain": "1s"})}
    with measure.started(create, tmp_path, problems) as running:
        assert running["it"].status()["batches"]["retained_bytes"] > 0
        assert 1 < scaling.memory_at_rest(running["it"]) < 100
        assert running["it"].status()["batches"]["retained_bytes"] == 0
    assert problems == []


def test_the_model_reckons_with_what_was_measured():
    text = model.describe(results_of(8.0))
    assert "| nginx in front " in text and "| nginx in front, on TCP " in text
    row = next(line for line in text.splitlines() if line.startswith("| nginx  "))
    assert [cell.strip() for cell in row.split("|")[2:5]] == ["20.00", "20", "34"]
    assert "105 bytes" in text
    assert model.describe({"direct": results_of(8.0)["direct"]}) is None


def test_the_chart_is_an_image_with_every_target():
    medians = measure.medians(results_of(8.0)["direct"][128])
    image = xml.etree.ElementTree.fromstring(chart.draw(medians, {}, "note"))
    texts = [element.text for element in image.iter("{http://www.w3.org/2000/svg}text")]
    assert {"constant", "count on Redis", "with tokens", "note"} <= set(texts)


# --- attackers ---

FLOOD = {"p50_us": 100, "p99_us": 300, "beside_p50_us": 150, "beside_p99_us": 420, "p50_ratio": 1.5, "p99_ratio": 1.4,
         "rate_ratio": 0.9, "failed": 0, "memory_mib": 20}


@pytest.mark.parametrize("strength, changes, verdict", [
    ("one connection", {}, "pass"), ("one connection", {"p99_ratio": 1.6}, "miss"),
    ("one address, 64 connections", {"p99_ratio": 2.9}, "pass"), ("one address, 64 connections", {"p99_ratio": 3.1}, "miss"),
    ("a whole core", {"p99_ratio": 50}, "pass"), ("a whole core", {"rate_ratio": 0.4}, "miss"),
    ("a whole core", {"failed": 1}, "miss"), ("one connection", {"memory_mib": 111}, "miss")])
def test_an_attack_is_judged_by_what_it_costs_the_honest_client(strength, changes, verdict):
    assert hostile.verdict(strength, {**FLOOD, **changes}) == verdict


def test_the_goals_are_judged_by_the_worst_attack():
    worst = hostile.summarise([{("reads", "one connection"): FLOOD, ("keys", "one connection"): {**FLOOD, "p99_ratio": 1.7}},
                               {("reads", "a whole core"): {**FLOOD, "rate_ratio": 0.6, "memory_mib": 99}}])
    assert worst == {"p99 one connection": 1.7, "rate": 0.6, "failed": 0, "memory_mib": 99}
    rows = [line for line in goals.verdicts({"hostile": worst}).splitlines() if line.startswith("|")]
    assert [line.split("|")[-2].strip() for line in rows[2:]] == ["miss", "pass", "pass", "pass"]


@pytest.fixture(scope="module")
def attacked_target(tmp_path_factory):
    directory = tmp_path_factory.mktemp("attacked")
    create = {"daemon": lambda places: targets.Visitcountd(places, settings={"dashboard.password": hostile.PASSWORD})}
    with measure.started(create, directory, []) as running:
        yield running["daemon"]


def metric(target, name):
    """The sum of all rows of a metric."""
    text = subprocess.check_output([targets.BUILD / "visitcountctl", "--socket", target.places.run / "admin", "metrics"], text=True)
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name))


@pytest.mark.parametrize("attack", [attack for attack in hostile.ATTACKS if attack != "idle"])
def test_each_attack_reaches_the_daemon(attacked_target, attack):
    """And the honest client is answered beside it."""
    def taken():
        return sum(metric(attacked_target, f"visitcountd_{name}_total") for name in ("http_requests", "connections_accepted"))

    before = taken()
    figures = hostile.measure_pair(attacked_target, attack, "one address, 64 connections", 1)
    assert taken() - before > figures["requests"] + 20, "the rest is the attacker's"
    assert figures["failed"] == 0 and 0 < figures["memory_mib"] < hostile.MEMORY_MAX_MIB


def test_idle_admin_connections_are_opened(attacked_target):
    with hostile.attacked(attacked_target, "idle", "one address, 64 connections", 1):
        assert attacked_target.status()["state"] == "running", "and an operator is answered beside them"
    assert hostile.measure_pair(attacked_target, "idle", "one connection", 1)["failed"] == 0


def test_an_attack_from_many_addresses_meets_many_budgets(attacked_target):
    def new_pages(strength):
        def pages():
            return len(subprocess.check_output([targets.BUILD / "visitcountctl", "--socket", attacked_target.places.run / "admin",
                                                "export", "default"], text=True).splitlines())

        before = pages()
        assert hostile.measure_pair(attacked_target, "pages", strength, 1)["failed"] == 0
        return pages() - before

    assert new_pages("one address, 64 connections") <= 30, "the budget of one network for a minute"
    assert new_pages("a whole core") > 100


# --- instructions ---

@pytest.mark.parametrize("above", ["/home/me/visitcountd", "/home/src/x", "/src", "/src/http", "/a b/src/count/c", "."])
def test_instructions_count_where_their_file_is_wherever_the_checkout_is(above):
    for room in instructions.OWN:
        assert instructions.category_of("/x/build/visitcountd", f"{above}/src/{room}/file.c") == room
    assert instructions.category_of("/x/build/visitcountd", f"{above}/src/web/web.c") == "other"
    assert instructions.category_of("/x/build/visitcountd", f"{above}/cmd/visitcountd.c") == "other"
    assert instructions.category_of("/x/build/visitcountd", "/usr/include/h2o/memory.h") == "other"
    assert instructions.category_of("/usr/lib/libc.so.6", "/build/glibc/src/base/memcpy.S") == "libc"
    assert instructions.category_of("/usr/lib/libsqlite3.so.0", "???") == "SQLite"


SPIN = """
__attribute__((noinline)) static int {name}(int n)
{{
    volatile int sum = 0;
    for (int i = 0; i < n; i++) {{
        sum += i;
    }}
    return sum;
}}
"""


@pytest.mark.skipif(not shutil.which("valgrind"), reason="valgrind is not installed")
@pytest.mark.parametrize("above", ["plain", "src/x", "src", "a b/src/http"])
def test_a_profile_is_split_by_directory_wherever_the_checkout_is(tmp_path, above):
    """With the paths that the compiler and callgrind really write, and also through a symlink."""
    checkout = tmp_path / above
    for room in ("http", "count"):
        (checkout / "src" / room).mkdir(parents=True)
    (checkout / "src/count/inlined.h").write_text(SPIN.format(name="spin_count"))
    (checkout / "src/http/main.c").write_text('#include "count/inlined.h"\n' + SPIN.format(name="spin_http") +
                                              "int main(void) { return (spin_http(20000) + spin_count(40000)) & 0; }\n")
    link = tmp_path / "link"
    link.symlink_to(checkout, target_is_directory=True)
    for directory in (checkout, link):
        subprocess.run(["gcc", "-g", "-O1", "-Isrc", "-o", "program", "src/http/main.c"], check=True, cwd=directory,
                       env=dict(os.environ, PWD=str(directory)))
        subprocess.run(["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={tmp_path}/out", directory / "program"],
                       check=True, cwd=tmp_path)
        costs = instructions.Profile(tmp_path / "out").costs
        assert costs["http"] > 20000, costs
        assert 1.5 < costs["count"] / costs["http"] < 2.5, costs
