-- SPDX-License-Identifier: MIT
-- Changes what is kept of a page, as an operator asks; the site's own numbers, those of the page
-- "", follow.
--
-- KEYS: hits (zset); then the site's days and hours (hashes), then the page's visitors of each day
--       (HyperLogLogs), then for RENAME those of the page that it becomes
-- ARGV: SET, ADD, DELETE or RENAME; page; number, or the page that it becomes; number of days and
--       of hours; seconds until a day's numbers expire; largest total; channel that is told; 1 if
--       only the days, hours and visitors in KEYS are to be changed, since there are too many for one
--       command and the totals follow with the last ones, else 0
--
-- Answers " <before> <after>": the page's total, "-" where there is none; after RENAME that of the
-- page that it became. An error reply means that nothing was changed: days, hours and visitors
-- come after the totals, with pcall.
local hits_key = KEYS[1]
local operation, page, operand = ARGV[1], ARGV[2], ARGV[3]
local day_count, hour_count = tonumber(ARGV[4]), tonumber(ARGV[5])
local day_ttl, largest, channel = ARGV[6], tonumber(ARGV[7]), ARGV[8]
local is_part = ARGV[9] == '1'
local FIRST_VISITED = 2 + day_count + hour_count

local before = redis.call('ZSCORE', hits_key, page)
local after = '-'
local changed = {}

local function publish(name, total)
    changed[#changed + 1] = total .. ' ' .. name .. '\n'
end

-- adds to the site's own total
local function add_to_site(number)
    publish('', redis.call('ZINCRBY', hits_key, number, ''))
end

-- takes the page's number out of a hash; returns it, or nil
local function take(key)
    local number = redis.pcall('HGET', key, page)
    if type(number) == 'string' then
        redis.pcall('HDEL', key, page)
        return number
    end
end

local function set()
    local total = tonumber(operand)
    if operation == 'ADD' then
        total = total + tonumber(before or 0)
    end
    if total > largest then
        return redis.error_reply('ERR the number would be larger than ' .. ARGV[7])
    end
    redis.call('ZADD', hits_key, total, page)
    add_to_site(total - tonumber(before or 0))
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
    for i = 2, FIRST_VISITED - 1 do
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
    if not is_part then
        after = redis.call('ZINCRBY', hits_key, before, operand)
        redis.call('ZREM', hits_key, page)
        publish(operand, after)
        publish(page, '0')
    end
    for i = 2, FIRST_VISITED - 1 do
        local number = take(KEYS[i])
        if number then
            redis.pcall('HINCRBY', KEYS[i], operand, number)
        end
    end
    for i = FIRST_VISITED, FIRST_VISITED + day_count - 1 do
        if redis.pcall('TTL', KEYS[i]) ~= -2 then -- it is there
            redis.pcall('PFMERGE', KEYS[i + day_count], KEYS[i])
            redis.pcall('EXPIRE', KEYS[i + day_count], day_ttl)
            redis.pcall('UNLINK', KEYS[i])
        end
    end
end

local operations = {SET = set, ADD = set, DELETE = delete, RENAME = rename}
local failure = operations[operation]()
if failure then
    return failure
end
if #changed ~= 0 then
    redis.pcall('PUBLISH', channel, table.concat(changed))
end
return ' ' .. (before or '-') .. ' ' .. after
