# SPDX-License-Identifier: MIT
"""Faults of single keys of a site in Redis. Each is one step, so that no batch comes in between."""

BREAK = """
redis.call('RENAME', KEYS[1], KEYS[2])
redis.call('SET', KEYS[1], 'xyz')
"""

MEND = """
redis.call('DEL', KEYS[1])
redis.call('RENAME', KEYS[2], KEYS[1])
"""

LOSE = """
local kept = redis.call('DUMP', KEYS[1])
local content = {}
local kind = redis.call('TYPE', KEYS[1]).ok
if kind == 'zset' then
    content = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
elseif kind == 'hash' then
    content = redis.call('HGETALL', KEYS[1])
end
redis.call('DEL', KEYS[1])
return {kept, content}
"""

def site_key(site, rest):
    return "vc:{%s}:%s" % (site, rest)


def aside(key):
    return f"aside:{key}"


def break_key(server, key):
    """Gives the key a wrong type until mend_key()."""
    server.client().eval(BREAK, 2, key, aside(key))


def mend_key(server, key):
    server.client().eval(MEND, 2, key, aside(key))


def lose_key(server, key):
    """Deletes the key. Returns the argument for put_back(), and the key's content: numbers by page, or fields of a hash."""
    kept, content = server.client(decode_responses=False).eval(LOSE, 1, key)
    return kept, {name.decode(): value.decode(errors="replace") for name, value in zip(content[::2], content[1::2])}


def put_back(server, key, kept):
    server.client(decode_responses=False).restore(key, 0, kept, replace=True)


def keys_of(server, site, *kinds):
    """The sorted names of a site's keys of some kinds."""
    return sorted(key for kind in kinds for key in server.client().keys(site_key(site, f"{kind}:*")))
