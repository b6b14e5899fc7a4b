-- SPDX-License-Identifier: MIT
-- Applies one batch of visits, exactly once. One atomic step: Redis runs a script alone, and
-- replicates its writes together.
--
-- KEYS: hits (zset), day (hash), hour (hash), ledger (hash), all of one site;
--       where there are tokens seven sets of them: for each of the first two windows the bucket
--       before, now and after, and the day's;
--       where there are visitors two or more HyperLogLogs: the site's, then those of some pages
-- ARGV: epoch, sequence, the sequence that it follows, visits of the epoch up to this batch; the time
--       that it was made; lifetimes, in one argument since they are seldom looked at: seconds until
--       the day's and the hour's numbers expire, seconds after which an unused ledger entry is
--       dropped, seconds until the buckets of each window expire; pages that the site may have, 0
--       for any number; channel that is told; number of pages, of tokens, of pages with visitors;
--       then for each page: page, hits;
--       for each page with visitors: number of the page, 1 if their number is wanted or 0, number
--       of visitors, and these;
--       where there are tokens: how many of each window, and numbers of their pages from 1, each in
--       one argument; the tokens, by window
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
local epoch, sequence, follows, visits = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local made_at, lifetimes, pages_max, channel = ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local page_count, token_count, visited_count = tonumber(ARGV[9]), tonumber(ARGV[10]), ARGV[11]
local FIRST_PAGE = 12
local FIRST_VISITED = FIRST_PAGE + 2 * page_count
local FIRST_TOKEN = #ARGV - token_count + 1

-- seconds: a ledger entry's time is not written anew while batches are made so close to it
local SAME_TIME = 60

-- an entry of the ledger: sequence, visits, time of its last use, answer
local last, used_at = '0', nil
local entry = redis.call('HGET', ledger_key, epoch)
if entry then
    last, used_at = string.match(entry, '^(%d+) %d+ (%d+)')
end

if last ~= follows then
    if last == sequence then
        return 'DUP' .. string.match(entry, '^%d+ %d+ %d+(.*)$')
    end
    if tonumber(last) < tonumber(sequence) then
        return 'GAP ' .. (entry and string.match(entry, '^%d+ %d+') or '0 0')
    end
    -- the answer of that time is gone: it was taken, which is why there are later ones
    local totals = {}
    for page = 1, page_count do
        local name = ARGV[FIRST_PAGE + 2 * page - 2]
        totals[page] = redis.call('ZSCORE', hits_key, name) or '0'
    end
    return 'DUP ' .. table.concat(totals, ' ')
end

-- hits to add per page: none for a page that the site has no room for. They stay the text that they
-- are unless visits are taken out, since Redis is slow to write Lua's numbers.
local hits = {}
local refused = {}
for page = 1, page_count do
    hits[page] = ARGV[FIRST_PAGE + 2 * page - 1]
end
if pages_max ~= '0' then
    local card = redis.call('ZCARD', hits_key)
    -- the site itself is in there since its first visit
    local room = tonumber(pages_max) - card + (card ~= 0 and 1 or 0)
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

-- the numbers in an argument
local function numbers_in(text)
    local numbers = {}
    for number in string.gmatch(text, '%d+') do
        numbers[#numbers + 1] = tonumber(number)
    end
    return numbers
end

-- the number of a token's page
local pages
local function page_of(number)
    pages = pages or numbers_in(ARGV[FIRST_TOKEN - 1])
    return pages[number]
end

-- looks the tokens of one window up in its buckets, and takes the visits that were seen before out
local next_token = FIRST_TOKEN
local function look_up(window, count, first_bucket, last_bucket)
    local first, last = next_token, next_token + count - 1
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
if token_count ~= 0 then
    local counts = numbers_in(ARGV[FIRST_TOKEN - 2])
    look_up(1, counts[1], 5, 7)
    look_up(2, counts[2], 8, 10)
    look_up(3, counts[3], 11, 11)
end

-- asking for the time costs as much as adding to a total, and the batch's maker may have another
if not used_at or math.abs(made_at - used_at) >= SAME_TIME then
    used_at = redis.call('TIME')[1]
end

-- a lifetime by its place; those of the buckets follow
local DAY, HOUR, LEDGER = 1, 2, 3
local ttls
local function ttl(place)
    ttls = ttls or numbers_in(lifetimes)
    return ttls[place]
end

if last == '0' then
    -- a new epoch: what an access list forbids has to fail here, where nothing was applied yet. What
    -- is allowed fails as well, by the ledger's type, or changes nothing.
    redis.call('HSET', ledger_key, epoch, '0 0 ' .. used_at)
    redis.call('ZSCORE', hits_key, '')
    redis.call('EXPIRE', day_key, ttl(DAY))
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

-- adds to a hash of the series; whether the page is new in it, so that its expiry is to be renewed
local function count(key, page, number)
    return attempt('HINCRBY', key, page, number) == tonumber(number)
end

local grows_day, grows_hour = false, false
local changed = {} -- lines of the message to the channel

-- adds to a page's total, day and hour, and returns the total
local function add(page, number)
    local total = redis.call('ZINCRBY', hits_key, number, page)
    grows_day = count(day_key, page, number) or grows_day
    grows_hour = count(hour_key, page, number) or grows_hour
    changed[#changed + 1] = total .. ' ' .. page .. '\n'
    return total
end

local sum = hits[1]
for page = 2, page_count do
    sum = sum + hits[page]
end
if tonumber(sum) ~= 0 then
    add('', sum)
end
local totals = {}
for page = 1, page_count do
    local name = ARGV[FIRST_PAGE + 2 * page - 2]
    if refused[page] then
        totals[page] = '-'
    elseif tonumber(hits[page]) == 0 then
        totals[page] = redis.call('ZSCORE', hits_key, name) or '0'
    else
        totals[page] = add(name, hits[page])
    end
end
if grows_day then
    attempt('EXPIRE', day_key, ttl(DAY))
end
if grows_hour then
    attempt('EXPIRE', hour_key, ttl(HOUR))
end
for window, tokens in pairs(fresh) do
    if #tokens ~= 0 then
        local bucket = KEYS[window == 3 and 11 or 3 * window + 3]
        redis.call('SADD', bucket, unpack(tokens))
        redis.call('EXPIRE', bucket, ttl(LEDGER + window))
    end
end

local uniques = {}

-- adds visitors to a HyperLogLog
local function meet(key, ...)
    if attempt('PFADD', key, ...) == 1 then
        attempt('EXPIRE', key, ttl(DAY))
    end
end

if visited_count ~= '0' then
    local site_key = #KEYS - visited_count
    local everybody = {}
    local at = FIRST_VISITED
    for key = site_key + 1, #KEYS do
        local page, first, visitor_count = tonumber(ARGV[at]), at + 3, tonumber(ARGV[at + 2])
        local is_wanted = ARGV[at + 1] == '1'
        at = first + visitor_count
        if visitor_count ~= 0 and not refused[page] then
            meet(KEYS[key], unpack(ARGV, first, at - 1))
            for i = first, at - 1 do
                everybody[#everybody + 1] = ARGV[i]
            end
        end
        if is_wanted then
            uniques[#uniques + 1] = attempt('PFCOUNT', KEYS[key]) or '-'
        end
    end
    if #everybody ~= 0 then
        meet(KEYS[site_key], unpack(everybody))
    end
end

local answer = ' ' .. table.concat(totals, ' ')
if #repeated ~= 0 then
    answer = answer .. ' ~ ' .. table.concat(repeated, ' ')
end
if #uniques ~= 0 then
    answer = answer .. ' ^ ' .. table.concat(uniques, ' ')
end
redis.call('HSET', ledger_key, epoch, sequence .. ' ' .. visits .. ' ' .. used_at .. answer)
if #changed ~= 0 then
    attempt('PUBLISH', channel, table.concat(changed))
end

if last == '0' then
    -- a new epoch: look at a few entries and drop those of instances that are long gone, more
    -- than one instance adds, so that the ledger stays small. The last use may be later than an
    -- entry says, by as long as batches are close to its time.
    local some = redis.pcall('HRANDFIELD', ledger_key, 16, 'WITHVALUES')
    local long_ago = used_at - ttl(LEDGER) - 2 * SAME_TIME
    for i = 1, #some, 2 do
        local other_at = tonumber(string.match(some[i + 1], '^%d+ %d+ (%d+)'))
        if other_at and other_at < long_ago then
            redis.pcall('HDEL', ledger_key, some[i])
        end
    end
end

return 'OK' .. answer .. failed
