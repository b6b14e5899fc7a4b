-- SPDX-License-Identifier: MIT
-- Applies one batch of visits exactly once. The step is atomic: Redis runs no other command during a
-- script, and replicates its writes together.
--
-- The steps, each under a heading below:
--   1. check that totals and ledger agree;   2. find the batch's place in the ledger;
--   3. refuse new pages beyond the limit;    4. look up tokens;
--   5. test permissions;                     6. count pages;
--   7. store tokens;                         8. count visitors;
--   9. write the ledger and publish;        10. delete old entries of the ledger.
-- Steps 1 to 5 may refuse the batch, and change nothing then. No command can fail from step 6 on.
--
-- A test compares the names in these two lists with those in redis_scripts.h, by which the sender names them.
--
-- KEYS, all of one site:
--    1  hits_key: zset
--    2  day_key: hash
--    3  hour_key: hash
--    4  ledger_key: hash
--   then the buckets of each group of tokens: sets, first those of this version and then those of version
--   0.2. For each group of stamps there are two keys: the row, a string of concatenated ids of 8 bytes, and
--   the set of the stamps that arrived when the row was full. For each group of page views there are two
--   such keys for the bucket of the batch's time, and then two for each neighbour to search;
--   if there are visitors, at least two HyperLogLogs: the site's and those of some pages.
--
-- ARGV:
--    1  epoch
--    2  sequence
--    3  follows: the sequence that the batch follows
--    4  visits: of the epoch, up to this batch
--    5  made_at: when the batch was created, in seconds
--    6  lifetimes: values that are rarely needed, in one argument: lifetimes in seconds of the day's numbers, of the
--       hour's numbers and of unused ledger entries; 1 if the site must have its mark, else 0
--    7  pages_max: the most pages of the site; 0: no limit
--    8  channel: to publish to
--    9  page_count: number of pages, including "" for the site
--   10  token_groups: six numbers for each group of tokens: number of tokens; number of buckets to search (the
--       first one receives the tokens); flags: 1 if all tokens differ, plus 2 to search old forms too; the
--       least remaining lifetime of this bucket in seconds; the lifetime to set if less remains; number of
--       buckets of version 0.2 to search
--   11  stamp_groups: of stamps and of page views: the least remaining lifetime in seconds of the rows of
--       stamps; a digit for each group: 1 if all its ids differ, plus 2 for each row of page views to search;
--       "+" to search old forms too; if there are page views, the least remaining lifetime of their rows and
--       the lifetime to set
--   12  visited_count: number of pages with visitors
--   then the names of the pages, the site first, and as many hits;
--   for each page with visitors: page number; 1 to return its number of visitors, else 0; how many
--   visitors follow; the visitors;
--   if there are tokens or stamps: their page numbers in one argument; the tokens by group, each as 16
--   bytes, and, to search buckets of version 0.2 too, an argument of their long forms, each after a byte
--   with its length; for each group of stamps one argument of ids that include the page, and, to search
--   old forms too, one of the original ids.
--
-- The long form of a token is 8 bytes for the page and the token: version 0.2 stored it. The old form lacks
-- the page: versions before 0.2 stored it. This version never writes either.
--
-- Returns one string, which the client parses fastest:
--   OK <total> ...            applied; the new total of each page but the site; "-" for a new page that
--                             the site has no room for, whose hits are not counted
--   DUP <total> ...           a duplicate, not applied again; the totals of the first time
--   GAP <sequence> <visits>   not applied: the ledger's position, which the batch does not follow
--   TORN <reason>             not applied: totals and ledger contradict each other, see proof.lua
--   OUTDATED <generation>     not applied: the site was repaired after the epoch began
-- After the totals, these may follow in this order:
--   " ~ <number> ..."         tokens, numbered from 1, that were seen before; their visits did not count
--   " ^ <number> ..."         the requested numbers of visitors
--   " ? <seconds>"            how long to remember that a version before 0.2 wrote to the site
--   " ! <error>"              a number by day or hour, or of visitors, could not be written
--
-- An error reply always means that nothing was applied, and that totals and proof still agree. After the
-- first counting write no command can fail: the user's permissions were tested when the epoch or the mark was
-- new; totals, ledger and buckets were read, so their types are right; days, hours and visitors are written
-- with pcall.
local hits_key, day_key, hour_key, ledger_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local epoch, sequence, follows, visits = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local made_at, lifetimes, pages_max, channel = ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local page_count, token_groups, stamp_groups = tonumber(ARGV[9]), ARGV[10], ARGV[11]
local visited_count = ARGV[12]
local BEFORE_PAGES = 12
local LAST_PAGE = BEFORE_PAGES + page_count
local FIRST_VISITED = LAST_PAGE + page_count + 1
local FIRST_BUCKET = 5
local SITE = 1 -- number of the page that stands for the site

-- seconds: a ledger entry keeps its time while batches are created this close to it
local SAME_TIME = 60

-- === 1. Check that totals and ledger agree ===

-- It costs no further commands. A text comparison covers the normal case.
local kept = redis.call('HMGET', ledger_key, epoch, PROOF)
local scores = redis.call('ZMSCORE', hits_key, '', MARK)
local mark, old_at = scores[2], 0
if not mark or kept[2] ~= 'g' .. mark .. ' ' .. (scores[1] or '0') .. ' 0' then
    local wrong
    wrong, old_at = examine(hits_key, ledger_key, scores[1], mark, kept[2], string.sub(lifetimes, -2) == '1 ')
    if wrong then
        return 'TORN ' .. wrong
    end
end
-- same result as generation_of(), at a quarter of its cost
local is_old_epoch = string.byte(epoch) ~= 103 -- "g"
local generation = is_old_epoch and 0 or tonumber(string.sub(epoch, 2, 8))
if mark and generation < tonumber(mark) then
    return 'OUTDATED ' .. mark
end
-- the site is new, was written by an older version, or lags behind the epoch's generation
local is_remarked = not mark or generation > tonumber(mark)

-- returns the answer's part about a version before 0.2; "" if none wrote
local function tell_old_version()
    return old_at ~= 0 and ' ? ' .. remembers_s(old_at) or ''
end

-- === 2. Find the batch's place in the ledger ===

-- a ledger entry: sequence, visits, time of its last use, answer
local last, used_at = '0', nil
local entry = kept[1]
if entry then
    last, used_at = string.match(entry, '^(%d+) %d+ (%d+)')
    if not last then
        return redis.error_reply('ERR ' .. ledger_key .. ': unreadable field ' .. epoch)
    end
end

if last ~= follows then
    if last == sequence then
        return 'DUP' .. string.match(entry, '^%d+ %d+ %d+(.*)$') .. tell_old_version()
    end
    if tonumber(last) < tonumber(sequence) then
        return 'GAP ' .. (entry and string.match(entry, '^%d+ %d+') or '0 0')
    end
    -- later batches have replaced that answer, so its sender received it: the present totals suffice
    local totals = redis.call('ZMSCORE', hits_key, unpack(ARGV, BEFORE_PAGES + 2, LAST_PAGE))
    for i = 1, #totals do
        totals[i] = totals[i] or '0'
    end
    return 'DUP ' .. table.concat(totals, ' ') .. tell_old_version()
end

-- === 3. Refuse new pages beyond the limit ===

-- Hits to add, by page. They stay strings unless visits are subtracted, because Redis converts Lua numbers
-- slowly.
local hits = {unpack(ARGV, LAST_PAGE + 1, LAST_PAGE + page_count)}

-- subtracts visits of a page and of the site
local function take_out(page, number)
    hits[page] = hits[page] - number
    hits[SITE] = hits[SITE] - number
end

local refused -- set of new pages that the site has no room for; nil if none
if pages_max ~= '0' then
    local room = pages_max - redis.call('ZCARD', hits_key)
    if room < page_count then
        local befores = redis.call('ZMSCORE', hits_key, unpack(ARGV, BEFORE_PAGES + 1, LAST_PAGE))
        -- hits also contains the site, after its first visit, and the mark
        room = room + (befores[SITE] and 1 or 0) + (mark and 1 or 0)
        for page = 2, page_count do
            room = room - (befores[page] and 0 or 1)
            if not befores[page] and room < 0 then
                refused = refused or {}
                refused[page] = true
                take_out(page, hits[page])
            end
        end
    end
end

-- === 4. Look up tokens ===

-- returns the numbers in an argument
local function numbers_in(text)
    local numbers = {}
    for number in string.gmatch(text, '%d+') do
        numbers[#numbers + 1] = tonumber(number)
    end
    return numbers
end

local repeated = {} -- numbers of tokens
local additions = {} -- writes to do: command, bucket, lifetime or false, arguments, first, last
local first_visitors_key = FIRST_BUCKET

-- A block and no function, because most batches have no tokens and would pay for it.
if token_groups ~= '' or stamp_groups ~= '' then
    local groups = token_groups ~= '' and numbers_in(token_groups) or {}
    -- numbers_in() would cost as much as writing the stamps
    local stamps_live, row_groups, old, views_live, views_full =
        string.match(stamp_groups, '^(%d+) (%d+)(%+?) ?(%d*) ?(%d*)')
    stamps_live, views_live, row_groups = tonumber(stamps_live), tonumber(views_live), row_groups or ''
    local stamp_arguments = old == '+' and 2 or 1 -- per group
    local at = #ARGV + 1 - stamp_arguments * #row_groups -- index of the next argument
    for i = 1, #groups, 6 do
        at = at - groups[i] - (groups[i + 5] ~= 0 and 1 or 0)
    end
    local pages_at = at - 1
    local taken = 0 -- tokens of the previous groups
    local PAGE_LENGTH = 8 -- of the page in a long form

    -- Searches a set for the tokens from `first` to `last`, in the form that `forms` gives. Adds those
    -- that it finds to `seen`, which is created for the first one. Returns `seen` and the set's remaining
    -- lifetime in seconds, negative if the set does not exist.
    local function find_in_set(set, forms, tokens, first, last, seen)
        local lives = redis.call('TTL', set)
        -- TTL costs less than searching a set that does not exist
        if lives ~= -2 then
            local found = redis.call('SMISMEMBER', set, unpack(forms, first, last))
            for i = 1, #found do
                if found[i] == 1 then
                    seen = seen or {}
                    seen[tokens[first + i - 1]] = true
                end
            end
        end
        return seen, lives
    end

    -- Subtracts the visits whose tokens are in `seen` or occur earlier among these. Returns the new
    -- tokens.
    local function take_out_repeated(tokens, first, last, seen)
        local page_of = numbers_in(ARGV[pages_at])
        local new = {}
        for i = first, last do
            local token, number = tokens[i], taken + i - first + 1
            local page = page_of[number]
            if refused and refused[page] then
                -- its visit does not count, so the token is not stored
            elseif seen[token] then
                take_out(page, 1)
                repeated[#repeated + 1] = number
            else
                seen[token] = true
                new[#new + 1] = token
            end
        end
        return new
    end

    local function add_to_set(set, lifetime, tokens, first, last)
        if first <= last then
            additions[#additions + 1] = {'SADD', set, lifetime, tokens, first, last}
        end
    end

    -- Tokens that are kept in sets. Each group is looked up in the sets of this version, and then in those
    -- of version 0.2 by its long forms. One argument has all long forms of the group.
    for i = 1, #groups, 6 do
        local count, bucket_count, flags, least, full, old_bucket_count = unpack(groups, i, i + 5)
        local first, last = at, at + count - 1
        local bucket = KEYS[first_visitors_key]
        local seen, lives = find_in_set(bucket, ARGV, ARGV, first, last)
        for other = 1, bucket_count - 1 do
            seen = find_in_set(KEYS[first_visitors_key + other], ARGV, ARGV, first, last, seen)
        end
        at, first_visitors_key = last + 1, first_visitors_key + bucket_count
        if old_bucket_count ~= 0 then
            local forms, long, old_forms, place = ARGV[at], {}, {}, 1
            for token = first, last do
                local length = string.byte(forms, place)
                long[token] = string.sub(forms, place + 1, place + length)
                old_forms[token] = string.sub(forms, place + 1 + PAGE_LENGTH, place + length)
                place = place + 1 + length
            end
            at = at + 1
            for _ = 1, old_bucket_count do
                seen = find_in_set(KEYS[first_visitors_key], long, ARGV, first, last, seen)
                if flags >= 2 then
                    seen = find_in_set(KEYS[first_visitors_key], old_forms, ARGV, first, last, seen)
                end
                first_visitors_key = first_visitors_key + 1
            end
        end
        local lifetime = lives < least and full
        if seen or refused or flags % 2 == 0 then
            local new = take_out_repeated(ARGV, first, last, seen or {})
            add_to_set(bucket, lifetime, new, 1, #new)
        else
            add_to_set(bucket, lifetime, ARGV, first, last)
        end
        taken = taken + count
    end

    -- Stamps, which are kept in rows.
    local STAMP_LENGTH = 8
    -- largest row of a bucket in bytes, since each lookup searches the whole row
    local STAMPS_MAX = 1024 * STAMP_LENGTH

    -- returns the stamps of a row as a table
    local function split(stamps)
        local parts = {}
        for first = 1, #stamps, STAMP_LENGTH do
            parts[#parts + 1] = string.sub(stamps, first, first + STAMP_LENGTH - 1)
        end
        return parts
    end

    -- Searches the row `kept` for the stamps of a row, in the form that `forms` gives. Adds those that it
    -- finds to `seen`, which is created for the first one. Returns `seen`.
    local function find_in_row(kept, forms, stamps, seen)
        local find, sub = string.find, string.sub
        for first = 1, #forms, STAMP_LENGTH do
            local form = sub(forms, first, first + STAMP_LENGTH - 1)
            local place = find(kept, form, 1, true)
            while place and place % STAMP_LENGTH ~= 1 do
                place = find(kept, form, place + 1, true) -- it matched across two stamps
            end
            if place then
                seen = seen or {}
                seen[sub(stamps, first, first + STAMP_LENGTH - 1)] = true
            end
        end
        return seen
    end

    for group = 1, #row_groups do
        local flags = string.byte(row_groups, group) - 48 -- "0"
        local next_key, least, full = first_visitors_key + 2, stamps_live, stamps_live + 1
        if flags >= 2 then
            next_key, least, full = first_visitors_key + flags - flags % 2, views_live, views_full
        end
        local row, more, stamps = KEYS[first_visitors_key], KEYS[first_visitors_key + 1], ARGV[at]
        local old_ids = stamp_arguments == 2 and ARGV[at + 1]
        local count = math.floor(#stamps / STAMP_LENGTH) -- Lua 5.4 would format the quotient as 4.0
        local kept = redis.call('GET', row) or ''
        local seen = kept ~= '' and find_in_row(kept, stamps, stamps)
        if old_ids and kept ~= '' then
            seen = find_in_row(kept, old_ids, stamps, seen)
        end
        for other = first_visitors_key + 2, next_key - 2, 2 do
            local others = redis.call('GET', KEYS[other]) or ''
            seen = others ~= '' and find_in_row(others, stamps, stamps, seen or nil) or seen
            if #others >= STAMPS_MAX then
                local parts = split(stamps)
                seen = find_in_set(KEYS[other + 1], parts, parts, 1, count, seen or nil)
            end
        end
        local lives = kept ~= '' and redis.call('TTL', row) or -2
        local lifetime = lives < least and full
        if #kept >= STAMPS_MAX then
            local parts = split(stamps)
            seen, lives = find_in_set(more, parts, parts, 1, count, seen)
            if old_ids then
                seen = find_in_set(more, split(old_ids), parts, 1, count, seen)
            end
            parts = take_out_repeated(parts, 1, count, seen or {})
            add_to_set(more, lives < least and full, parts, 1, #parts)
            if lifetime then -- without the row, later batches would not search the set
                additions[#additions + 1] = {'EXPIRE', row, false, {lifetime}, 1, 1}
            end
        else
            if seen or refused or flags % 2 == 0 then
                stamps = table.concat(take_out_repeated(split(stamps), 1, count, seen or {}))
            end
            if stamps ~= '' then
                additions[#additions + 1] = {'APPEND', row, lifetime, {stamps}, 1, 1}
            end
        end
        at, taken, first_visitors_key = at + stamp_arguments, taken + count, next_key
    end
end

-- === 5. Test permissions ===

-- TIME costs as much as adding to a total, so a time that is close enough is kept. The stored time is the
-- server's, because the sender's clock may differ.
if not used_at or math.abs(made_at - used_at) >= SAME_TIME then
    used_at = redis.call('TIME')[1]
end

-- returns a lifetime by its index
local DAY, HOUR, LEDGER = 1, 2, 3
local function ttl(place)
    return numbers_in(lifetimes)[place]
end

if last == '0' or is_remarked then
    -- Commands that an access list forbids must fail here, before anything is applied. Allowed commands
    -- fail because of the ledger's type, or change nothing.
    redis.call('HSET', ledger_key, epoch, last ~= '0' and entry or '0 0 ' .. used_at)
    redis.call('ZSCORE', hits_key, '')
    redis.call('EXPIRE', day_key, ttl(DAY))
    redis.call('TTL', day_key)
    local forbidden = find_forbidden(ledger_key, {ZADD = {1, 1}, ZINCRBY = {1, 1}, SADD = {1}, GET = {},
                                                  APPEND = {''}})
    if forbidden then
        return forbidden
    end
end
if is_remarked then
    mark = tostring(generation)
    redis.call('ZADD', hits_key, mark, MARK)
end
if is_old_epoch then
    old_at = redis.call('TIME')[1]
end

-- === 6. Count pages ===

local failed = ''

-- returns the result of a command whose error must not end the script
local function attempt(...)
    local result = redis.pcall(...)
    if type(result) == 'table' and result.err then
        failed = ' ! ' .. result.err
        return nil
    end
    return result
end

local totals = {}
local changed = {} -- lines of the message to publish
local grows_day, grows_hour = false, false -- they got a new page, so their lifetime is set again
for page = 1, page_count do
    local name, number = ARGV[BEFORE_PAGES + page], hits[page]
    local value = tonumber(number)
    if value ~= 0 then
        local total = redis.call('ZINCRBY', hits_key, number, name)
        grows_day = attempt('HINCRBY', day_key, name, number) == value or grows_day
        grows_hour = attempt('HINCRBY', hour_key, name, number) == value or grows_hour
        totals[page] = total
        changed[#changed + 1] = total .. ' ' .. name .. '\n'
    else
        totals[page] = redis.call('ZSCORE', hits_key, name) or '0'
    end
end
for page in pairs(refused or {}) do
    totals[page] = '-'
end
if grows_day then
    attempt('EXPIRE', day_key, ttl(DAY))
end
if grows_hour then
    attempt('EXPIRE', hour_key, ttl(HOUR))
end

-- === 7. Store tokens ===

for _, addition in ipairs(additions) do
    local command, bucket, lifetime, arguments, first, last = unpack(addition)
    redis.call(command, bucket, unpack(arguments, first, last))
    if lifetime then
        redis.call('EXPIRE', bucket, lifetime)
    end
end

-- === 8. Count visitors ===

local uniques = {}
if visited_count ~= '0' then
    -- adds visitors to a HyperLogLog and renews its lifetime if it changed
    local function meet(key, ...)
        if attempt('PFADD', key, ...) == 1 then
            attempt('EXPIRE', key, ttl(DAY))
        end
    end

    local everybody = {}
    local at = FIRST_VISITED
    for i = 1, visited_count do
        local key = KEYS[first_visitors_key + i]
        local page, first, visitor_count = tonumber(ARGV[at]), at + 3, tonumber(ARGV[at + 2])
        local is_wanted = ARGV[at + 1] == '1'
        at = first + visitor_count
        if visitor_count ~= 0 and not (refused and refused[page]) then
            meet(key, unpack(ARGV, first, at - 1))
            for visitor = first, at - 1 do
                everybody[#everybody + 1] = ARGV[visitor]
            end
        end
        if is_wanted then
            uniques[#uniques + 1] = attempt('PFCOUNT', key) or '-'
        end
    end
    if #everybody ~= 0 then
        meet(KEYS[first_visitors_key], unpack(everybody))
    end
end

-- === 9. Write the ledger and publish ===

local answer = ' ' .. table.concat(totals, ' ', 2)
if #repeated ~= 0 then
    answer = answer .. ' ~ ' .. table.concat(repeated, ' ')
end
if #uniques ~= 0 then
    answer = answer .. ' ^ ' .. table.concat(uniques, ' ')
end
redis.call('HSET', ledger_key, epoch, sequence .. ' ' .. visits .. ' ' .. used_at .. answer,
           PROOF, make_proof(mark, totals[SITE], old_at))
if #changed ~= 0 then
    attempt('PUBLISH', channel, table.concat(changed))
end

-- === 10. Delete old entries of the ledger ===

if last == '0' then
    -- A new epoch examines a few entries and deletes the expired ones. It examines more entries than one
    -- instance adds, so the ledger stays small. The last use of an entry may be later than its time, by
    -- SAME_TIME. A clock that is ahead, the server's or the sender's, must not delete entries in use. So
    -- the age counts from the earliest of three times: the server's, the batch's, and the latest among the
    -- other entries.
    local some = redis.pcall('HRANDFIELD', ledger_key, 16, 'WITHVALUES')
    local other_at, latest = {}, 0
    for i = 1, #some, 2 do
        other_at[i] = tonumber(string.match(some[i + 1], '^%d+ %d+ (%d+)'))
        if other_at[i] and some[i] ~= epoch then
            latest = math.max(latest, other_at[i])
        end
    end
    local now = math.min(tonumber(used_at), tonumber(made_at), latest)
    local long_ago = now - ttl(LEDGER) - 2 * SAME_TIME
    for i = 1, #some, 2 do
        if other_at[i] and other_at[i] < long_ago then
            redis.pcall('HDEL', ledger_key, some[i])
        end
    end
end

return 'OK' .. answer .. tell_old_version() .. failed
