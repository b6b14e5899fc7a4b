# SPDX-License-Identifier: MIT
"""Keys and arguments of the scripts: each position has the same meaning for the sender and the script.

redis_scripts.h has the names in order. The C code names each key and argument that it adds, and stops if it is not in its place. These tests
compare the names with the header of each script, and with the lines that bind KEYS and ARGV. They also check real commands by name. So a test
fails if an argument is added in only one place.
"""

import re
import time

import pytest

from harness import ROOT, RedisStore, fetch, wait_until

FOLDER = ROOT / "src/store/redis"
SCRIPTS = sorted(path.stem for path in FOLDER.glob("*.lua") if path.stem != "proof")
TABLE = (FOLDER / "redis_scripts.h").read_text()


def names_in_table(script, kind, table=TABLE):
    """The names of a script in redis_scripts.h; `kind` is KEYS or ARGUMENTS."""
    found = re.search(rf"^#define REDIS_{script.upper()}_{kind}\(X\)((?:.*\\\n)*.*)$", table, re.M)
    assert found, f"redis_scripts.h lacks REDIS_{script.upper()}_{kind}"
    rows = re.findall(r"X\((\w+), (\w+)\)", found[1])
    assert all(row[0] == script for row in rows), rows
    return [name for _, name in rows]


def names_in_header(source, kind):
    """The numbered lines below "-- KEYS" or "-- ARGV"."""
    section = re.search(rf"^-- {kind}\b.*\n((?:--(?!  ?(?:KEYS|ARGV|Returns)\b).+\n)*)", source, re.M)
    rows = re.findall(r"^-- {3,4}(\d+)  (\w+)", section[1], re.M) if section else []
    assert [int(number) for number, _ in rows] == list(range(1, len(rows) + 1)), rows
    return [name for _, name in rows]


def bound_names(source, word):
    """Names by position, of lines such as `local a, b = KEYS[1], tonumber(ARGV[2])`."""
    names = {}
    for line in re.findall(r"^local (.+ = .*\b(?:KEYS|ARGV)\[.*)$", source, re.M):
        left, right = line.split(" = ", 1)
        for name, value in zip(left.split(", "), right.split(", ")):
            for position in re.findall(rf"\b{word}\[(\d+)\]", value):
                assert int(position) not in names, f"{word}[{position}] twice"
                names[int(position)] = name
    return names


def problems_of(script, source, table):
    """The differences between the table and the script."""
    problems = []
    for kind, word in (("KEYS", "KEYS"), ("ARGUMENTS", "ARGV")):
        names = names_in_table(script, kind, table)
        header = names_in_header(source, word)
        bound = bound_names(source, word)
        if header != names:
            problems.append(f"{word}: the header has {header}, the table {names}")
        if [bound.get(i + 1) for i in range(len(names))] != names or len(bound) != len(names):
            problems.append(f"{word}: `local` has {bound}, the table {names}")
        beyond = {int(i) for i in re.findall(rf"\b{word}\[(\d+)\]", source)} - set(range(1, len(names) + 1))
        if beyond - ({2} if script == "read" else set()):  # the meaning of the next arguments depends on this one
            problems.append(f"{word}: positions {beyond} have no name")
    return problems


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_script_and_the_table_agree(script):
    assert not problems_of(script, (FOLDER / f"{script}.lua").read_text(), TABLE)


def test_constants_of_positions():
    """The position of the first key or argument without a name."""
    constants = {"apply": {"BEFORE_PAGES": ("ARGUMENTS", 0), "FIRST_BUCKET": ("KEYS", 1)}, "edit": {"FIRST_DAY": ("KEYS", 1)}}
    for script, rows in constants.items():
        source = (FOLDER / f"{script}.lua").read_text()
        for name, (kind, more) in rows.items():
            assert int(re.search(rf"local {name} = (\d+)$", source, re.M)[1]) == len(names_in_table(script, kind)) + more, name


@pytest.mark.parametrize("script", [script for script in SCRIPTS if script not in ("read", "lock")])
def test_a_change_in_one_place_is_noticed(script):
    """A change only in the table, the header, or the lines that bind positions is a problem."""
    source = (FOLDER / f"{script}.lua").read_text()
    names = names_in_table(script, "ARGUMENTS")
    first, last = names[0], names[-1]
    longer = TABLE.replace(f"X({script}, {last})", f"X({script}, {last}) X({script}, one_more)")
    swapped = TABLE.replace(f"X({script}, {first})", f"X({script}, {last}_)") if len(names) == 1 else \
        TABLE.replace(f"X({script}, {first})", "@").replace(f"X({script}, {last})", f"X({script}, {first})").replace("@", f"X({script}, {last})")
    number = len(names) + 1
    described = re.sub(rf"^(-- +{len(names)}  {last}.*(?:\n-- {{6,}}.*)*)$", rf"\1\n--   {number:2}  one_more", source, flags=re.M)
    bound = source + f"\nlocal one_more = ARGV[{number}]\n"
    used = source + f"\nredis.call('GET', ARGV[{number}])\n"
    moved = source.replace(f"ARGV[{len(names)}]", f"ARGV[{number}]")
    assert described != source and moved != source and longer != TABLE and swapped != TABLE
    for table, text in ((longer, source), (swapped, source), (TABLE, described), (TABLE, bound), (TABLE, used), (TABLE, moved)):
        assert problems_of(script, text, table)


# --- real commands ---

class Monitor:
    """Commands of the daemon, from MONITOR."""

    def __init__(self, server):
        self.monitor = server.client(decode_responses=False).monitor().__enter__()
        self.commands = []

    def next_script(self, fits):
        """The keys and arguments of the next EVAL or EVALSHA for whose words `fits` is true."""
        while True:
            line = self.monitor.connection.read_response(disable_decoding=True).decode("latin-1")
            if not re.match(r"[\d.]+ \[\d+ (?!lua)", line):
                continue
            words = [re.sub(r"\\(.)", r"\1", word) for word in re.findall(r'"((?:[^"\\]|\\.)*)"', line)]
            if words[0].lower() in ("eval", "evalsha") and fits(words):
                count = int(words[2])
                return words[3:3 + count], words[3 + count:]


def named(script, keys, arguments):
    """Keys and arguments by name. Those without a name are in lists."""
    names, key_names = names_in_table(script, "ARGUMENTS"), names_in_table(script, "KEYS")
    assert len(arguments) >= len(names) and len(keys) >= len(key_names), (keys, arguments)
    return ({**dict(zip(key_names, keys)), **dict(zip(names, arguments))}, keys[len(key_names):], arguments[len(names):])


@pytest.fixture
def daemon(new_daemon, redis):
    return new_daemon({"sites": ["s"], "limits.pages": 77777, **RedisStore(redis).settings}).wait_for_store()


def test_an_applied_batch(daemon, redis):
    fetch(daemon.address, "/v1/hit/s/first")
    monitor = Monitor(redis)
    fetch(daemon.address, "/v1/hit/s/p", headers={"Idempotency-Key": "key", "X-Real-IP": "203.0.113.7", "User-Agent": "Mozilla/5.0 Firefox/1"})
    values, keys, more = named("apply", *monitor.next_script(lambda words: "vc:{s}:hits" in words and "vc:live:{s}" in words))
    assert values["hits_key"] == "vc:{s}:hits" and values["ledger_key"] == "vc:{s}:ledger"
    assert re.fullmatch(r"vc:\{s\}:day:\d{8}", values["day_key"]) and re.fullmatch(r"vc:\{s\}:hour:\d{10}", values["hour_key"])
    assert re.fullmatch(r"g0000000[0-9a-f]{24}", values["epoch"])
    assert (values["sequence"], values["follows"], values["visits"]) == ("2", "1", "2")
    assert abs(int(values["made_at"]) - time.time()) < 600
    assert values["lifetimes"] == f"{400 * 86400} {14 * 86400} {7 * 86400} 1 "
    assert (values["pages_max"], values["channel"], values["page_count"]) == ("77777", "vc:live:{s}", "2")
    assert re.fullmatch(r"1 \d 1 \d+ \d+ 3 ", values["token_groups"]) and values["stamp_groups"] == ""
    assert values["visited_count"] == "1"
    assert any(key.startswith("vc:{s}:seen:client:") for key in keys) and any(":uv:" in key for key in keys)
    assert more[:4] == ["", "/p", "1", "1"]


def test_edits_and_a_repair(daemon, redis):
    fetch(daemon.address, "/v1/hit/s/a")
    monitor = Monitor(redis)
    for words, operation, page, operand in ((["set", "s", "/a", "41"], "SET", "/a", "41"), (["add", "s", "/a", "2"], "ADD", "/a", "2"),
                                            (["rename", "s", "/a", "/b"], "RENAME", "/a", "/b"), (["delete", "s", "/b"], "DELETE", "/b", "0")):
        assert daemon.ctl(*words).status == 0
        values, keys, _ = named("edit", *monitor.next_script(lambda words, operation=operation: operation in words))
        assert (values["operation"], values["page"], values["operand"]) == (operation, page, operand)
        assert (values["largest"], values["channel"], values["is_part"]) == (str(2**53 - 1), "vc:live:{s}", "0")
        assert values["day_ttl"] == str(400 * 86400) and values["expects_mark"] == "1"
        groups = {"RENAME": 3, "DELETE": 2}.get(operation, 0)
        assert len(keys) == groups * int(values["day_count"]) + int(values["hour_count"])
        assert values["hits_key"] == "vc:{s}:hits" and values["ledger_key"] == "vc:{s}:ledger"
    assert daemon.ctl("repair", "s").status == 0
    values, _, _ = named("repair", *monitor.next_script(lambda words: "LOOK" in words))
    assert (values["trust"], values["is_forced"], values["expects_mark"], values["channel"]) == ("LOOK", "0", "1", "vc:live:{s}")
    assert values["hits_key"] == "vc:{s}:hits" and values["ledger_key"] == "vc:{s}:ledger"


def test_the_small_scripts(new_daemon, redis):
    monitor = Monitor(redis)
    daemon = new_daemon({"sites": ["*"], "limits.sites": 55, **RedisStore(redis).settings}).wait_for_store()
    fetch(daemon.address, "/v1/hit/one/p", headers={"X-Real-IP": "203.0.113.7", "User-Agent": "Mozilla/5.0 Firefox/1"})
    values, _, _ = named("salt", *monitor.next_script(lambda words: any(word.startswith("vc:salt:") for word in words[3:])))
    assert re.fullmatch(r"[0-9a-f]{64}", values["new_salt"]) and 86400 < int(values["lifetime"]) < 5 * 86400
    monitor = Monitor(redis)
    fetch(daemon.address, "/v1/hit/two/p")
    values, _, _ = named("admit", *monitor.next_script(lambda words: "vc:sites" in words[3:]))
    assert (values["sites_key"], values["site"], values["limit"]) == ("vc:sites", "two", "55")
    wait_until(lambda: fetch(daemon.address, "/v1/get/two/p").json()["count"] == 1, "it is counted")
    fetch(daemon.address, "/v1/get/two/p?period=today")
    values, keys, more = named("read", *monitor.next_script(lambda words: "DAYS" in words))
    assert (values["kind"], more) == ("DAYS", ["/p"]) and len(keys) == 1
    redis.client().execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    monitor = Monitor(redis)
    daemon.wait_for_store()
    values, _, more = named("ledger", *monitor.next_script(lambda words: any(word.startswith("g0000000") for word in words[3:]) and len(words) == 6))
    assert re.fullmatch(r"g0000000[0-9a-f]{24}", values["epoch"]) and more == []
