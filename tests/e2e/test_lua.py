# SPDX-License-Identifier: MIT
"""The scripts with Lua 5.4, as on Dragonfly. There a quotient is a float, which would be written as "4.0".

Redis itself has Lua 5.1, which all other tests use.
"""

import subprocess

import pytest

from harness import ROOT, need_program

#: A store of one site in Lua. Sorted sets, hashes, strings and sets are tables. It prints each reply on a line.
STUB = r"""
unpack = table.unpack
local keys = {}
local function table_at(key) keys[key] = keys[key] or {} return keys[key] end
local function text(value)
    assert(type(value) == 'string' or type(value) == 'number', type(value))
    assert(math.type(value) ~= 'float', 'a float: ' .. tostring(value))
    return tostring(value)
end
local commands = {
    HGET = function(key, field) return table_at(key)[field] or false end,
    HSET = function(key, ...) local pairs_given = {...} for i = 1, #pairs_given, 2 do table_at(key)[pairs_given[i]] = pairs_given[i + 1] end return 1 end,
    HDEL = function(key, field) table_at(key)[field] = nil return 1 end,
    HMGET = function(key, ...) local found = {} for i, field in ipairs({...}) do found[i] = table_at(key)[field] or false end return found end,
    HINCRBY = function(key, field, by) local at = table_at(key) at[field] = tostring(math.tointeger((at[field] or 0) + by)) return math.tointeger(at[field]) end,
    ZINCRBY = function(key, by, member) local at = table_at(key) at[member] = tostring(math.tointeger((at[member] or 0) + by)) return at[member] end,
    ZADD = function(key, score, member) table_at(key)[member] = score return 1 end,
    ZREM = function(key, member) table_at(key)[member] = nil return 1 end,
    ZSCORE = function(key, member) return table_at(key)[member] or false end,
    ZMSCORE = function(key, ...) local found = {} for i, member in ipairs({...}) do found[i] = table_at(key)[member] or false end return found end,
    ZCARD = function(key) local count = 0 for _ in pairs(table_at(key)) do count = count + 1 end return count end,
    GET = function(key) return keys[key] or false end,
    APPEND = function(key, bytes) keys[key] = (keys[key] or '') .. bytes return #keys[key] end,
    SADD = function(key, ...) for _, member in ipairs({...}) do table_at(key)[member] = true end return 1 end,
    SMISMEMBER = function(key, ...) local found = {} for i, member in ipairs({...}) do found[i] = table_at(key)[member] and 1 or 0 end return found end,
    TTL = function(key) return keys[key] and 100 or -2 end,
    EXPIRE = function() return 1 end, PUBLISH = function() return 0 end, UNLINK = function(key) keys[key] = nil return 1 end,
    TIME = function() return {'1700000000', '0'} end, PFADD = function() return 1 end, PFCOUNT = function() return 5 end, PFMERGE = function() return 'OK' end,
    HRANDFIELD = function(key) return {} end,
}
redis = {error_reply = function(message) return {err = message} end}
function redis.call(name, key, ...)
    local arguments = {}
    for i, value in ipairs({...}) do arguments[i] = text(value) end
    if key and type(keys[key]) == 'table' and string.find(key, 'ledger', 1, true) and not string.find(name, '^H') and name ~= 'EXPIRE' and name ~= 'TTL' then
        return {err = 'WRONGTYPE'}
    end
    return commands[name](key, table.unpack(arguments))
end
redis.pcall = redis.call
-- proof.lua stands in front of those that trust a key
local scripts = {['apply.lua'] = {'proof.lua', 'apply.lua'}, ['edit.lua'] = {'proof.lua', 'edit.lua'}, ['read.lua'] = {'read.lua'}}
local function run(path, keys_given, arguments)
    KEYS, ARGV = keys_given, arguments
    local joined = ''
    for _, part in ipairs(scripts[path]) do
        local file = assert(io.open('src/store/redis/' .. part))
        joined = joined .. file:read('a')
        file:close()
    end
    local answer = assert(load(joined, path))()
    print(type(answer) == 'table' and '-' .. answer.err or text(answer))
end
"""


def run_lua(calls):
    """Runs calls, which are Lua code, and returns their answers."""
    program = need_program("lua5.4", "lua5.4")
    done = subprocess.run([program, "-"], input=STUB + calls, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def apply(sequence, stamps, groups, count, *, pages_max=0):
    """A call of apply.lua with one page, and stamps in buckets as text."""
    buckets = ", ".join(f"'row:{group}', 'more:{group}'" for group in range(groups))
    arguments = ", ".join(f"'{stamp}'" for stamp in stamps)
    pages = "2 " * (sum(len(stamp) for stamp in stamps) // 8)
    return f"""run('apply.lua', {{'hits', 'day', 'hour', 'ledger', {buckets}}},
        {{'g0000000{'0' * 24}', '{sequence}', '{sequence - 1}', '{sequence * count}', '1700000000', '60 60 60 ', '{pages_max}', 'channel', '2', '',
          '20 {"1" * groups}', '0', '', '/', '{count}', '{count}', '{pages}', {arguments}}})
    """


@pytest.mark.parametrize("pages_max", [0, 100])
def test_visits_with_stamps(pages_max):
    """Repeated stamps too: the answer reports them, and the totals do not include them."""
    first = ["a" * 8 + "b" * 8 + "c" * 8 + "d" * 8, "e" * 8]
    answers = run_lua(apply(1, first, 2, 5, pages_max=pages_max) + apply(2, first, 2, 5, pages_max=pages_max))
    assert answers == ["OK 5", "OK 5 ~ 1 2 3 4 5"]


def test_a_row_that_is_full():
    rows = "".join(apply(i + 1, ["".join(f"{i:04d}{j:04d}" for j in range(100))], 1, 100) for i in range(12))
    answers = run_lua(rows + apply(13, ["".join(f"{11:04d}{j:04d}" for j in range(100))], 1, 100))
    assert answers[:12] == [f"OK {100 * (i + 1)}" for i in range(12)]
    assert answers[12] == "OK 1200 ~ " + " ".join(str(i + 1) for i in range(100))


def apply_views(sequence, stamps, keys, flags):
    """A call of apply.lua with page views; `keys` are the rows to search, and `flags` has a digit for each group."""
    arguments = ", ".join(f"'{stamp}'" for stamp in stamps)
    buckets = ", ".join(f"'{key}', '{key}:more'" for key in keys)
    count = sum(len(stamp) for stamp in stamps) // 8
    return f"""run('apply.lua', {{'hits', 'day', 'hour', 'ledger', {buckets}}},
        {{'g0000000{'0' * 24}', '{sequence}', '{sequence - 1}', '{sequence * count}', '1700000000', '60 60 60 ', '0', 'channel', '2', '',
          '20 {flags} 360 510 ', '0', '', '/', '{count}', '{count}', '{"2 " * count}', {arguments}}})
    """


def test_visits_with_page_views():
    """They are looked up in the row of their time, which gets them, and in its neighbours."""
    answers = run_lua(apply_views(1, ["a" * 8 + "b" * 8, "c" * 8], ["one", "zero", "two", "before"], "55")
                      + apply_views(2, ["a" * 8 + "x" * 8, "c" * 8], ["next", "one", "other", "two"], "55")
                      + apply_views(3, ["a" * 8 + "a" * 8, "c" * 8], ["far", "zero", "away", "before"], "45"))
    assert answers == ["OK 3", "OK 4 ~ 1 3", "OK 6 ~ 2"]


def test_edits_and_numbers():
    answers = run_lua("""
        local function edit(...) run('edit.lua', {'hits', 'ledger', 'day', 'hour', 'uv', 'uv2'}, {...}) end
        edit('SET', '/a', '7', '0', '0', '60', '9007199254740991', 'channel', '0')
        edit('ADD', '/a', '3', '0', '0', '60', '9007199254740991', 'channel', '0')
        redis.call('HINCRBY', 'day', '/a', '4')
        edit('RENAME', '/a', '/b', '1', '1', '60', '9007199254740991', 'channel', '0')
        run('read.lua', {'day'}, {'DAYS', '/b', '/c'})
        run('read.lua', {'day'}, {'SERIES', '/b'})
        run('read.lua', {'uv', 'uv2'}, {'VISITORS', '1'})
        edit('DELETE', '/b', '0', '1', '1', '60', '9007199254740991', 'channel', '0')
    """)
    assert answers == [" - 7", " 7 10", " 10 10", " 4 0", " 4", " 5 5", " 10 -"]
