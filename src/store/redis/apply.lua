-- SPDX-License-Identifier: MIT
-- Applies one batch of visits, exactly once. One atomic step: Redis runs a script alone, and
-- replicates its writes together.
--
-- KEYS: hits (zset), day (hash), hour (hash), ledger (hash), all of one site;
--       then the buckets of each group of tokens: sets, or where it is one of stamps, which are ids of
--       8 bytes, a string of these and the set of those that came when it was full;
--       then, where there are visitors, two or more HyperLogLogs: the site's, those of some pages
-- ARGV: epoch, sequence, the sequence that it follows, visits of the epoch up to this batch; the time
--       that it was made; lifetimes, in one argument since they are seldom looked at: seconds until
--       the day's and the hour's numbers expire, seconds after which an unused ledger entry is
--       dropped; pages that the site may have, 0 for any number; channel that is told; number of
--       pages, "" for the site among them; groups of tokens, in one argument, five numbers for each:
--       tokens, buckets to look them up in, of which they go into the first one, 1 if no token is in
--       it twice and 2 more if their old forms are looked up, seconds that this bucket has to live on
--       at least, seconds that it is given if it has less; groups of stamps, in one argument: seconds
--       that their buckets have to live on at least, a digit for each group, 1 if no stamp is in it
--       twice, and "+" if their old forms are looked up; number of pages with visitors;
--       then the pages, the first one for the site, and as many hits;
--       for each page with visitors: its number, 1 if the number of visitors is wanted or 0, how many
--       visitors follow, and these;
--       where there are tokens or stamps: numbers of their pages in one argument; the tokens, by
--       group: 8 bytes for the page, then the token; the stamps, one argument for a group: ids that
--       differ by page; where their old forms are looked up, the ids as they came in one more
--
-- An old form is without the page: as versions before 0.2 kept tokens. It is never written.
--
-- Answers one string, since that is what costs the client least to parse:
--   OK <total> ...            applied; the total of each page after it, but for the site; "-" for a
--                             new page that the site has no room for: it is not counted
--   DUP <total> ...           had been applied before; the totals of that time
--   GAP <sequence> <visits>   not applied: this is where the ledger is, not what the batch follows
--   TORN <what is wrong>      not applied: totals and ledger contradict each other, see proof.lua
--   OUTDATED <generation>     not applied: the site was repaired since the epoch began
-- After the totals, " ~ <number> ..." names the tokens, from 1, that had been seen before: their
-- visits are not counted. " ^ <number> ..." tells the wanted numbers of visitors. " ? <seconds>" says for
-- how long it is to be remembered that a version before 0.2 wrote to the site. Then " ! <error>"
-- says that a number by day or hour or of visitors was not written.
--
-- Totals and ledger are examined before anything is answered or written. Nothing after the first write that
-- counts can fail: what this user may do was proved when the epoch or the mark was new, the types of totals,
-- ledger and buckets by reading them, and all that is written of days, hours and visitors is
-- written with pcall. So an error reply always means that nothing was applied, and that totals and proof
-- agree as before.
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

-- seconds: a ledger entry's time is not written anew while batches are made so close to it
local SAME_TIME = 60

-- the proof: read with what is needed anyway, and compared as text where nothing is special
local kept = redis.call('HMGET', ledger_key, epoch, PROOF)
local scores = redis.call('ZMSCORE', hits_key, '', MARK)
local mark, old_at = scores[2], 0
if not mark or kept[2] ~= 'g' .. mark .. ' ' .. (scores[1] or '0') .. ' 0' then
    local wrong
    wrong, old_at = examine(hits_key, ledger_key, scores[1], mark, kept[2])
    if wrong then
        return 'TORN ' .. wrong
    end
end
-- as generation_of(), which costs four times as much
local is_old_epoch = string.byte(epoch) ~= 103 -- "g"
local generation = is_old_epoch and 0 or tonumber(string.sub(epoch, 2, 8))
if mark and generation < tonumber(mark) then
    return 'OUTDATED ' .. mark
end
-- new, of an older version, or older than a repair
local is_remarked = not mark or generation > tonumber(mark)

-- what is told of a version before 0.2; "" if none wrote
local function tell_old_version()
    return old_at ~= 0 and ' ? ' .. remembers_s(old_at) or ''
end

-- an entry of the ledger: sequence, visits, time of its last use, answer
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
    -- the answer of that time is gone: it was taken, which is why there are later ones
    local totals = redis.call('ZMSCORE', hits_key, unpack(ARGV, BEFORE_PAGES + 2, LAST_PAGE))
    for i = 1, #totals do
        totals[i] = totals[i] or '0'
    end
    return 'DUP ' .. table.concat(totals, ' ') .. tell_old_version()
end

-- hits to add, by page. They stay the text that they are unless visits are taken out, since Redis is
-- slow to write Lua's numbers.
local hits = {unpack(ARGV, LAST_PAGE + 1, LAST_PAGE + page_count)}

-- takes visits of a page out
local function take_out(page, number)
    hits[page] = hits[page] - number
    hits[SITE] = hits[SITE] - number
end

local refused -- new pages that the site has no room for, as a set; nil while there are none
if pages_max ~= '0' then
    local room = pages_max - redis.call('ZCARD', hits_key)
    if room < page_count then
        local befores = redis.call('ZMSCORE', hits_key, unpack(ARGV, BEFORE_PAGES + 1, LAST_PAGE))
        -- the site is in there since its first visit, and so is the mark
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

-- the numbers in an argument
local function numbers_in(text)
    local numbers = {}
    for number in string.gmatch(text, '%d+') do
        numbers[#numbers + 1] = tonumber(number)
    end
    return numbers
end

local repeated = {} -- numbers of tokens
local additions = {} -- to do: command, bucket, lifetime or false, table of arguments, first, last
local first_visitors_key = FIRST_BUCKET
if token_groups ~= '' or stamp_groups ~= '' then
    local groups = token_groups ~= '' and numbers_in(token_groups) or {}
    -- not by numbers_in(), which would cost Redis as much as writing the stamps
    local stamps_live, are_distinct, old = string.match(stamp_groups, '^(%d+) (%d+)(%+?)$')
    stamps_live, are_distinct = tonumber(stamps_live), are_distinct or ''
    local stamp_arguments = old == '+' and 2 or 1 -- of a group
    local at = #ARGV + 1 - stamp_arguments * #are_distinct -- of the next argument to take
    for i = 1, #groups, 5 do
        at = at - groups[i]
    end
    local pages_at = at - 1
    local taken = 0 -- tokens of the groups before

    -- notes which of the tokens from `first` to `last` are in a set, where they have `forms`; in
    -- `seen`, which is made for the first one; returns it, and for how many seconds the set is to
    -- live, negative if it is not there
    local function find_in_set(set, forms, tokens, first, last, seen)
        local lives = redis.call('TTL', set)
        -- a set that is not there has none of them: asking costs less than looking up
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

    -- takes the visits out whose tokens are in `seen`, or for the second time among these; returns
    -- the tokens that are new
    local function take_out_repeated(tokens, first, last, seen)
        local page_of = numbers_in(ARGV[pages_at])
        local new = {}
        for i = first, last do
            local token, number = tokens[i], taken + i - first + 1
            local page = page_of[number]
            if refused and refused[page] then
                -- its visit is not counted, so it is not remembered
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

    -- the tokens from `first` to `last` without their pages
    local function old_forms(first, last)
        local forms = {}
        for i = first, last do
            forms[i] = string.sub(ARGV[i], 9)
        end
        return forms
    end

    for i = 1, #groups, 5 do
        local count, bucket_count, flags, least, full = unpack(groups, i, i + 4)
        local first, last = at, at + count - 1
        local bucket = KEYS[first_visitors_key]
        local seen, lives = find_in_set(bucket, ARGV, ARGV, first, last)
        for other = 1, bucket_count - 1 do
            seen = find_in_set(KEYS[first_visitors_key + other], ARGV, ARGV, first, last, seen)
        end
        if flags >= 2 then
            local forms = old_forms(first, last)
            for other = 0, bucket_count - 1 do
                seen = find_in_set(KEYS[first_visitors_key + other], forms, ARGV, first, last, seen)
            end
        end
        local lifetime = lives < least and full
        if seen or refused or flags % 2 == 0 then
            local new = take_out_repeated(ARGV, first, last, seen or {})
            add_to_set(bucket, lifetime, new, 1, #new)
        else
            add_to_set(bucket, lifetime, ARGV, first, last)
        end
        at, taken, first_visitors_key = last + 1, taken + count, first_visitors_key + bucket_count
    end

    local STAMP_LENGTH = 8
    -- bytes of stamps that a bucket has in a row, and looks through for each one
    local STAMPS_MAX = 1024 * STAMP_LENGTH

    -- the stamps that are in a row
    local function split(stamps)
        local parts = {}
        for first = 1, #stamps, STAMP_LENGTH do
            parts[#parts + 1] = string.sub(stamps, first, first + STAMP_LENGTH - 1)
        end
        return parts
    end

    -- notes which stamps of a row are in the row `kept`, where they have `forms`; in `seen`, which is
    -- made for the first one; returns it
    local function find_in_row(kept, forms, stamps, seen)
        local find, sub = string.find, string.sub
        for first = 1, #forms, STAMP_LENGTH do
            local form = sub(forms, first, first + STAMP_LENGTH - 1)
            local place = find(kept, form, 1, true)
            while place and place % STAMP_LENGTH ~= 1 do
                place = find(kept, form, place + 1, true) -- an end of one and a beginning of the next
            end
            if place then
                seen = seen or {}
                seen[sub(stamps, first, first + STAMP_LENGTH - 1)] = true
            end
        end
        return seen
    end

    for group = 1, #are_distinct do
        local row, more, stamps = KEYS[first_visitors_key], KEYS[first_visitors_key + 1], ARGV[at]
        local old_ids = stamp_arguments == 2 and ARGV[at + 1]
        local count = math.floor(#stamps / STAMP_LENGTH) -- Lua 5.4 would write a quotient as 4.0
        local kept = redis.call('GET', row) or ''
        local seen = kept ~= '' and find_in_row(kept, stamps, stamps)
        if old_ids and kept ~= '' then
            seen = find_in_row(kept, old_ids, stamps, seen)
        end
        local lives = kept ~= '' and redis.call('TTL', row) or -2
        local lifetime = lives < stamps_live and stamps_live + 1
        if #kept >= STAMPS_MAX then
            local parts = split(stamps)
            seen, lives = find_in_set(more, parts, parts, 1, count, seen)
            if old_ids then
                seen = find_in_set(more, split(old_ids), parts, 1, count, seen)
            end
            parts = take_out_repeated(parts, 1, count, seen or {})
            add_to_set(more, lives < stamps_live and stamps_live + 1, parts, 1, #parts)
            if lifetime then -- who finds no row looks into no set
                additions[#additions + 1] = {'EXPIRE', row, false, {lifetime}, 1, 1}
            end
        else
            if seen or refused or string.sub(are_distinct, group, group) == '0' then
                stamps = table.concat(take_out_repeated(split(stamps), 1, count, seen or {}))
            end
            if stamps ~= '' then
                additions[#additions + 1] = {'APPEND', row, lifetime, {stamps}, 1, 1}
            end
        end
        at, taken, first_visitors_key = at + stamp_arguments, taken + count, first_visitors_key + 2
    end
end

-- asking for the time costs as much as adding to a total, and the batch's maker may have another
if not used_at or math.abs(made_at - used_at) >= SAME_TIME then
    used_at = redis.call('TIME')[1]
end

-- a lifetime by its place
local DAY, HOUR, LEDGER = 1, 2, 3
local function ttl(place)
    return numbers_in(lifetimes)[place]
end

if last == '0' or is_remarked then
    -- what an access list forbids has to fail here, where nothing was applied yet. What is allowed fails as
    -- well, by the ledger's type, or changes nothing.
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

local totals = {}
local changed = {} -- lines of the message to the channel
local grows_day, grows_hour = false, false -- a page is new in them, so their expiry is to be renewed
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

for _, addition in ipairs(additions) do
    local command, bucket, lifetime, arguments, first, last = unpack(addition)
    redis.call(command, bucket, unpack(arguments, first, last))
    if lifetime then
        redis.call('EXPIRE', bucket, lifetime)
    end
end

local uniques = {}
if visited_count ~= '0' then
    -- adds visitors to a HyperLogLog
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

if last == '0' then
    -- a new epoch: look at a few entries and drop those of instances that are long gone, more
    -- than one instance adds, so that the ledger stays small. The last use may be later than an
    -- entry says, by as long as batches are close to its time. A clock that is ahead, the server's or
    -- the batch's maker's, must not drop entries in use: so age counts from the earliest of both
    -- and of the latest time among the others.
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
