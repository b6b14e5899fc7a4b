-- SPDX-License-Identifier: MIT
-- Applies one batch of visits, exactly once. One atomic step: Redis runs a script alone, and
-- replicates its writes together.
--
-- KEYS: hits (zset), day (hash), hour (hash), ledger (hash), all of one site;
--       where there are tokens seven sets of them: for each of the first two windows the bucket
--       before, now and after, and the day's;
--       where there are visitors two or more HyperLogLogs: the site's, then those of some pages
-- ARGV: epoch, sequence, the sequence that it follows, visits of the epoch up to this batch; seconds
--       until the day's and the hour's numbers expire, seconds after which an unused ledger entry is
--       dropped, seconds until the buckets of each window expire; pages that the site may have, 0
--       for any number; channel that is told; number of pages, of tokens of each window, of pages
--       with visitors; numbers of the tokens' pages from 1, in one argument since they are hardly
--       ever looked at; then for each page: page, hits;
--       the tokens, by window;
--       for each page with visitors: number of the page, 1 if their number is wanted or 0, number
--       of visitors, and these
--
-- Answers one string, since that is what costs the client least to parse:
--   OK <total> ...            applied; the total of each page after it, in the order of ARGV; "-"
--                             for a new page that the site has no room for: it is not counted
--   DUP <total> ...           had been applied before; the totals of that time
--   GAP <sequence> <visits>   not applied: this is where the ledger is, not what the batch follows
-- After the totals, " ~ <number> ..." names the tokens, from 1, that had been seen before: their
-- visits are not counted. " ^ <number> ..." tells the wanted numbers of visitors. Then " ! <error>"
-- says that a number by day or hour or of visitors was not written.
--
-- Nothing after the first write can fail: what this user may do was proved when the epoch was new, the
-- types of the ledger and of the buckets by reading them, hits is written first, and all that is
-- written of days, hours and visitors is written with pcall. So an error reply always means that
-- nothing was applied.
local hits_key, day_key, hour_key, ledger_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local epoch, sequence, follows = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local day_ttl, hour_ttl, ledger_ttl = ARGV[5], ARGV[6], tonumber(ARGV[7])
local bucket_ttls = {ARGV[8], ARGV[9], ARGV[10]}
local pages_max, channel = tonumber(ARGV[11]), ARGV[12]
local page_count = tonumber(ARGV[13])
local token_counts = {tonumber(ARGV[14]), tonumber(ARGV[15]), tonumber(ARGV[16])}
local visited_count = tonumber(ARGV[17])
local token_pages = ARGV[18]
local FIRST_PAGE = 19
local FIRST_TOKEN = FIRST_PAGE + 2 * page_count
local FIRST_VISITED = FIRST_TOKEN + token_counts[1] + token_counts[2] + token_counts[3]

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

-- hits to add per page: none for a page that the site has no room for
local hits = {}
local refused = {}
for page = 1, page_count do
    hits[page] = tonumber(ARGV[FIRST_PAGE + 2 * page - 1])
end
if pages_max ~= 0 then
    local card = redis.call('ZCARD', hits_key)
    -- the site itself is in there since its first visit
    local room = pages_max - card + (card ~= 0 and 1 or 0)
    if room < page_count then
        for page = 1, page_count do
            if not redis.call('ZSCORE', hits_key, ARGV[FIRST_PAGE + 2 * page - 2]) then
                if room > 0 then
                    room = room - 1
                else
                    refused[page] = true
                    hits[page] = 0
                end
            end
        end
    end
end

local repeated = {} -- numbers of tokens
local fresh = {} -- per window, the tokens that are new

-- the number of a token's page
local pages
local function page_of(number)
    if not pages then
        pages = {}
        for page in string.gmatch(token_pages, '%d+') do
            pages[#pages + 1] = tonumber(page)
        end
    end
    return pages[number]
end

-- looks the tokens of one window up in its buckets, and takes the visits that were seen before out
local next_token = FIRST_TOKEN
local function look_up(window, first_bucket, last_bucket)
    local first, last = next_token, next_token + token_counts[window] - 1
    if last < first then
        return
    end
    next_token = last + 1
    local seen = {}
    for bucket = first_bucket, last_bucket do
        -- mostly there is none after this one; asking costs less than looking up
        if redis.call('EXISTS', KEYS[bucket]) == 1 then
            local found = redis.call('SMISMEMBER', KEYS[bucket], unpack(ARGV, first, last))
            for i = 1, #found do
                if found[i] == 1 then
                    seen[ARGV[first + i - 1]] = true
                end
            end
        end
    end
    local new = {}
    local are_all_counted = next(refused) == nil
    for i = first, last do
        local token = ARGV[i]
        if are_all_counted or not refused[page_of(i - FIRST_TOKEN + 1)] then
            if seen[token] then
                local number = i - FIRST_TOKEN + 1
                hits[page_of(number)] = hits[page_of(number)] - 1
                repeated[#repeated + 1] = number
            else
                seen[token] = true
                new[#new + 1] = token
            end
        end
    end
    fresh[window] = new
end
look_up(1, 5, 7)
look_up(2, 8, 10)
look_up(3, 11, 11)

local now = tonumber(redis.call('TIME')[1])

if last == 0 then
    -- a new epoch: what an access list forbids has to fail here, where nothing was applied yet. What
    -- is allowed fails as well, by the ledger's type, or changes nothing.
    redis.call('HSET', ledger_key, epoch, '0 0 ' .. now)
    redis.call('ZSCORE', hits_key, '')
    redis.call('EXPIRE', day_key, day_ttl)
    for _, command in ipairs({{'ZINCRBY', ledger_key, 1, ''}, {'SADD', ledger_key, ''}}) do
        local result = redis.pcall(unpack(command))
        if not string.find(result.err, 'WRONGTYPE', 1, true) then
            return redis.error_reply(result.err)
        end
    end
end

local failed = ''

-- the answer of a command that must not end the script
local function attempt(...)
    local result = redis.pcall(...)
    if type(result) == 'table' and result.err then
        failed = ' ! ' .. result.err
        return nil
    end
    return result
end

-- adds to a hash of the series, whose expiry is renewed when a page is new in it
local grown = {}
local function count(key, page, number)
    if attempt('HINCRBY', key, page, number) == number then
        grown[key] = true
    end
end

local changed = {} -- lines of the message to the channel

-- adds to a page's total, day and hour, and returns the total
local function add(page, number)
    local total = redis.call('ZINCRBY', hits_key, number, page)
    count(day_key, page, number)
    count(hour_key, page, number)
    changed[#changed + 1] = total .. ' ' .. page .. '\n'
    return total
end

local sum = 0
for page = 1, page_count do
    sum = sum + hits[page]
end
if sum ~= 0 then
    add('', sum)
end
local totals = {}
for page = 1, page_count do
    local name = ARGV[FIRST_PAGE + 2 * page - 2]
    if refused[page] then
        totals[page] = '-'
    elseif hits[page] == 0 then
        totals[page] = redis.call('ZSCORE', hits_key, name) or '0'
    else
        totals[page] = add(name, hits[page])
    end
end
if grown[day_key] then
    attempt('EXPIRE', day_key, day_ttl)
end
if grown[hour_key] then
    attempt('EXPIRE', hour_key, hour_ttl)
end
for window, tokens in pairs(fresh) do
    if #tokens ~= 0 then
        local bucket = KEYS[window == 3 and 11 or 3 * window + 3]
        redis.call('SADD', bucket, unpack(tokens))
        redis.call('EXPIRE', bucket, bucket_ttls[window])
    end
end

local uniques = {}

-- adds visitors to a HyperLogLog
local function meet(key, visitors)
    if #visitors ~= 0 and attempt('PFADD', key, unpack(visitors)) == 1 then
        attempt('EXPIRE', key, day_ttl)
    end
end

if visited_count ~= 0 then
    local site_key = #KEYS - visited_count
    local everybody = {}
    local at = FIRST_VISITED
    for i = 1, visited_count do
        local page, visitor_count = tonumber(ARGV[at]), tonumber(ARGV[at + 2])
        local visitors = {}
        if not refused[page] then
            for j = at + 3, at + 2 + visitor_count do
                visitors[#visitors + 1] = ARGV[j]
                everybody[#everybody + 1] = ARGV[j]
            end
            meet(KEYS[site_key + i], visitors)
        end
        if ARGV[at + 1] == '1' then
            uniques[#uniques + 1] = attempt('PFCOUNT', KEYS[site_key + i]) or '-'
        end
        at = at + 3 + visitor_count
    end
    meet(KEYS[site_key], everybody)
end

answer = ' ' .. table.concat(totals, ' ')
if #repeated ~= 0 then
    answer = answer .. ' ~ ' .. table.concat(repeated, ' ')
end
if #uniques ~= 0 then
    answer = answer .. ' ^ ' .. table.concat(uniques, ' ')
end
redis.call('HSET', ledger_key, epoch, ARGV[2] .. ' ' .. ARGV[4] .. ' ' .. now .. answer)
if #changed ~= 0 then
    attempt('PUBLISH', channel, table.concat(changed))
end

if last == 0 then
    -- a new epoch: look at a few entries and drop those of instances that are long gone, more
    -- than one instance adds, so that the ledger stays small
    local some = redis.pcall('HRANDFIELD', ledger_key, 16, 'WITHVALUES')
    for i = 1, #some, 2 do
        local used = tonumber(string.match(some[i + 1], '^%d+ %d+ (%d+)'))
        if used and used + ledger_ttl < now then
            redis.pcall('HDEL', ledger_key, some[i])
        end
    end
end

return 'OK' .. answer .. failed
