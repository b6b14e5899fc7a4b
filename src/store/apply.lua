-- SPDX-License-Identifier: MIT
-- Applies one batch of visits, exactly once. One atomic step: Redis runs a script alone, and
-- replicates its writes together.
--
-- KEYS: hits (zset), day (hash), hour (hash), ledger (hash), all of one site; and where there are
--       tokens six sets of them: for each of the two windows the bucket before, now and after
-- ARGV: epoch, sequence, the sequence that it follows, visits of the epoch up to this batch; seconds
--       until the day's and the hour's numbers expire, seconds after which an unused ledger entry is
--       dropped, seconds until the buckets of each window expire; number of pages, then page, hits,
--       page, hits, ...; then for each token: number of its page from 1, window 1 or 2, token
--
-- Answers one string, since that is what costs the client least to parse:
--   OK <total> ...            applied; the total of each page after it, in the order of ARGV
--   DUP <total> ...           had been applied before; the totals of that time
--   GAP <sequence> <visits>   not applied: this is where the ledger is, not what the batch follows
-- After the totals, " ~ <number> ..." names the tokens, from 1, that had been seen before: their
-- visits are not counted. Then " ! <error>" says that the series by day or hour was not written.
--
-- Nothing after the first write can fail: the types of the ledger and of the buckets were proved by
-- reading them, hits is written first, and the series are written with pcall. So an error reply always means that nothing was applied.
local hits_key, day_key, hour_key, ledger_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local epoch, sequence, follows = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local day_ttl, hour_ttl, ledger_ttl = ARGV[5], ARGV[6], tonumber(ARGV[7])
local bucket_ttls = {ARGV[8], ARGV[9]}
local page_count = tonumber(ARGV[10])
local FIRST_PAGE = 11
local FIRST_TOKEN = FIRST_PAGE + 2 * page_count

local last, visits, answer = 0, '0', ''
local entry = redis.call('HGET', ledger_key, epoch)
if entry then
    local number, sum, totals = string.match(entry, '^(%d+) (%d+) %d+(.*)$')
    last, visits, answer = tonumber(number), sum, totals
end

if last == sequence then
    return 'DUP' .. answer
end
if last > sequence then
    -- the answer of that time is gone: it was taken, which is why there are later ones
    local totals = {}
    for i = FIRST_PAGE, FIRST_TOKEN - 1, 2 do
        totals[#totals + 1] = redis.call('ZSCORE', hits_key, ARGV[i]) or '0'
    end
    return 'DUP ' .. table.concat(totals, ' ')
end
if last ~= follows then
    return 'GAP ' .. last .. ' ' .. visits
end

local failed = ''

-- adds to a hash of the series and, when a page is new in it, renews its expiry
local function count(key, page, hits, ttl)
    local total = redis.pcall('HINCRBY', key, page, hits)
    if type(total) == 'table' then
        failed = ' ! ' .. total.err
    elseif total == hits then
        redis.pcall('EXPIRE', key, ttl)
    end
end

-- hits to add per page, after the visits that were seen before are taken out
local hits = {}
for page = 1, page_count do
    hits[page] = tonumber(ARGV[FIRST_PAGE + 2 * page - 1])
end

local repeated = {} -- numbers of tokens
local fresh = {{}, {}} -- new tokens of each window

-- looks the tokens of one window up in its three buckets
local function look_up(window)
    local tokens, numbers = {}, {}
    for i = FIRST_TOKEN, #ARGV, 3 do
        if tonumber(ARGV[i + 1]) == window then
            tokens[#tokens + 1] = ARGV[i + 2]
            numbers[#tokens] = (i - FIRST_TOKEN) / 3 + 1
        end
    end
    if #tokens == 0 then
        return
    end
    local seen = {}
    for bucket = 0, 2 do
        local found = redis.call('SMISMEMBER', KEYS[2 + 3 * window + bucket], unpack(tokens))
        for i = 1, #tokens do
            seen[tokens[i]] = seen[tokens[i]] or found[i] == 1
        end
    end
    for i = 1, #tokens do
        if seen[tokens[i]] then
            local page = tonumber(ARGV[FIRST_TOKEN + 3 * (numbers[i] - 1)])
            hits[page] = hits[page] - 1
            repeated[#repeated + 1] = numbers[i]
        else
            seen[tokens[i]] = true
            table.insert(fresh[window], tokens[i])
        end
    end
end
look_up(1)
look_up(2)

local totals = {}
for page = 1, page_count do
    local name = ARGV[FIRST_PAGE + 2 * page - 2]
    if hits[page] == 0 then
        totals[page] = redis.call('ZSCORE', hits_key, name) or '0'
    else
        totals[page] = redis.call('ZINCRBY', hits_key, hits[page], name)
        count(day_key, name, hits[page], day_ttl)
        count(hour_key, name, hits[page], hour_ttl)
    end
end
for window = 1, 2 do
    if #fresh[window] ~= 0 then
        local bucket = KEYS[2 + 3 * window + 1]
        redis.call('SADD', bucket, unpack(fresh[window]))
        redis.call('EXPIRE', bucket, bucket_ttls[window])
    end
end

local now = tonumber(redis.call('TIME')[1])
answer = ' ' .. table.concat(totals, ' ')
if #repeated ~= 0 then
    answer = answer .. ' ~ ' .. table.concat(repeated, ' ')
end
redis.call('HSET', ledger_key, epoch, ARGV[2] .. ' ' .. ARGV[4] .. ' ' .. now .. answer)

if last == 0 then
    -- a new epoch: look at a few entries and drop those of instances that are long gone, more
    -- than one instance adds, so that the ledger stays small
    local some = redis.pcall('HRANDFIELD', ledger_key, 16, 'WITHVALUES')
    for i = 1, #some, 2 do
        local used = tonumber(string.match(some[i + 1], '^%d+ %d+ (%d+)'))
        if used and used + ledger_ttl < now then
            redis.call('HDEL', ledger_key, some[i])
        end
    end
end

return 'OK' .. answer .. failed
