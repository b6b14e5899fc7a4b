-- SPDX-License-Identifier: MIT
-- Applies an operator's edit to a page. Also adjusts the site's own numbers, those of the page "".
--
-- KEYS:
--    1  hits_key: zset
--    2  ledger_key: hash
--   then the site's days and hours (hashes); then the page's visitors of each day (HyperLogLogs); for RENAME,
--   then the visitors of the target page of each day
-- ARGV:
--    1  operation: SET, ADD, DELETE or RENAME
--    2  page
--    3  operand: the number, or the target page
--    4  day_count: number of days in KEYS
--    5  hour_count: number of hours in KEYS
--    6  day_ttl: lifetime of a day's numbers in seconds
--    7  largest: the largest total
--    8  channel: to publish to
--    9  is_part: 1 to change only the days, hours and visitors in KEYS, else 0. The caller splits edits that
--       are too long for one command; only the last command changes the totals.
--   10  expects_mark: 1 if the site must have its mark, else 0
--
-- Returns " <before> <after>": the page's total, "-" if it does not exist; after RENAME that of the target
-- page. Returns "TORN <reason>" if totals and ledger contradict each other, see proof.lua. After TORN or an
-- error reply nothing was changed: days, hours and visitors are changed after the totals, with pcall.
local hits_key, ledger_key = KEYS[1], KEYS[2]
local operation, page, operand = ARGV[1], ARGV[2], ARGV[3]
local day_count, hour_count = tonumber(ARGV[4]), tonumber(ARGV[5])
local day_ttl, largest, channel = ARGV[6], tonumber(ARGV[7]), ARGV[8]
local is_part, expects_mark = ARGV[9] == '1', ARGV[10] == '1'
local FIRST_DAY = 3
local FIRST_VISITED = FIRST_DAY + day_count + hour_count

local scores = redis.call('ZMSCORE', hits_key, '', MARK)
local mark, old_at = scores[2], 0
local wrong
wrong, old_at = examine(hits_key, ledger_key, scores[1], mark, redis.call('HGET', ledger_key, PROOF),
                        expects_mark)
if wrong then
    return 'TORN ' .. wrong
end

local before = redis.call('ZSCORE', hits_key, page)
local after = '-'
local changed = {}

local function publish(name, total)
    changed[#changed + 1] = total .. ' ' .. name .. '\n'
end

-- Adds to the site's own total, but keeps it at least 0: after a repair it may be less than the pages' sum.
local function add_to_site(number)
    local total = tonumber(redis.call('ZSCORE', hits_key, '') or 0)
    publish('', redis.call('ZINCRBY', hits_key, math.max(number, -total), ''))
end

-- removes the page's number from a hash; returns it, or nil
local function take(key)
    local number = redis.pcall('HGET', key, page)
    if type(number) == 'string' then
        redis.pcall('HDEL', key, page)
        return number
    end
end

local function too_large()
    return redis.error_reply('ERR the number of the page or the site would be larger than ' .. ARGV[7])
end

local function set()
    local total = tonumber(operand)
    if operation == 'ADD' then
        total = total + tonumber(before or 0)
    end
    local difference = total - tonumber(before or 0)
    -- a site above the limit may still become smaller
    if total > largest or (difference > 0 and tonumber(scores[1] or 0) + difference > largest) then
        return too_large()
    end
    redis.call('ZADD', hits_key, total, page)
    add_to_site(difference)
    after = redis.call('ZSCORE', hits_key, page)
    publish(page, after)
end

local function delete()
    if not before then
        return
    end
    if not is_part then
        redis.call('ZREM', hits_key, page)
        add_to_site(-tonumber(before))
        publish(page, '0')
    end
    for i = FIRST_DAY, FIRST_VISITED - 1 do
        local number = take(KEYS[i])
        if number then
            redis.pcall('HINCRBY', KEYS[i], '', '-' .. number)
        end
    end
    for i = FIRST_VISITED, #KEYS do
        redis.pcall('UNLINK', KEYS[i])
    end
end

local function rename()
    if not before then
        after = redis.call('ZSCORE', hits_key, operand) or '-'
        return
    end
    if tonumber(before) + tonumber(redis.call('ZSCORE', hits_key, operand) or 0) > largest then
        return too_large()
    end
    if not is_part then
        after = redis.call('ZINCRBY', hits_key, before, operand)
        redis.call('ZREM', hits_key, page)
        publish(operand, after)
        publish(page, '0')
    end
    for i = FIRST_DAY, FIRST_VISITED - 1 do
        local number = take(KEYS[i])
        if number then
            redis.pcall('HINCRBY', KEYS[i], operand, number)
        end
    end
    for i = FIRST_VISITED, FIRST_VISITED + day_count - 1 do
        if redis.pcall('TTL', KEYS[i]) ~= -2 then -- it exists
            redis.pcall('PFMERGE', KEYS[i + day_count], KEYS[i])
            redis.pcall('EXPIRE', KEYS[i + day_count], day_ttl)
            redis.pcall('UNLINK', KEYS[i])
        end
    end
end

-- tests the user's permissions before anything is changed; returns the error, or nil
local function find_reason_to_fail()
    redis.call('HSET', ledger_key, 'edit', '0 0 ' .. redis.call('TIME')[1])
    return find_forbidden(ledger_key, {ZADD = {1, 1}, ZINCRBY = {1, 1}, ZREM = {1}})
end

local function keep_proof()
    redis.call('ZADD', hits_key, mark or 0, MARK)
    redis.call('HSET', ledger_key, PROOF,
               make_proof(mark or '0', redis.call('ZSCORE', hits_key, '') or '0', old_at))
end

local operations = {SET = set, ADD = set, DELETE = delete, RENAME = rename}
local failure = find_reason_to_fail() or operations[operation]()
if #changed ~= 0 then
    keep_proof()
end
redis.pcall('HDEL', ledger_key, 'edit')
if failure then
    return failure
end
if #changed ~= 0 then
    redis.pcall('PUBLISH', channel, table.concat(changed))
end
return ' ' .. (before or '-') .. ' ' .. after
