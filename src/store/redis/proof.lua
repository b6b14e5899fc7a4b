-- SPDX-License-Identifier: MIT
-- The proof that a site's totals and its ledger belong together. It stands in front of each script that
-- trusts one of the two keys.
--
-- hits has a member that is no page, "\1generation". Its score is the site's generation: 0, and one more
-- after each repair. The ledger has a field "proof": "g<generation> <total of the site> <time>". The time is
-- when a version before 0.2 was last seen writing, 0 for never. Each write keeps both in one step, so keys
-- that contradict each other were not lost, restored or changed together: the site is torn.
--
-- A version before 0.2 keeps neither. Each batch that it applies leaves an entry in the ledger under an
-- epoch of 32 hexadecimal digits. While there is one that was used lately, a total that does not match is
-- taken over. Its sweep of the ledger leaves "proof" alone, since the value begins with no digit.
local MARK, PROOF = '\1generation', 'proof'

-- seconds after a write of such a version: in which totals prove nothing; for which it is remembered
local UNPROVEN_S, OLD_VERSION_S = 900, 14400

-- the generation that an epoch belongs to; nil if it is one of a version before 0.2
local function generation_of(epoch)
    return tonumber(string.match(epoch, '^g(%d%d%d%d%d%d%d)%x*$'))
end

-- All fields of the ledger, each with its value. By a command that version 0.1 uses, so that an access list
-- made for it suffices: HRANDFIELD of more fields than there are tells each once.
local function read_ledger(ledger_key)
    return redis.call('HRANDFIELD', ledger_key, 1000000, 'WITHVALUES')
end

-- when an epoch of a version before 0.2 was used last, or nil; whether there are entries of this version
local function find_writers(fields)
    local last, has_new = nil, false
    for i = 1, #fields, 2 do
        local used_at = tonumber(string.match(fields[i + 1], '^[1-9]%d* %d+ (%d+)'))
        if not used_at then
            -- the proof itself, or nothing was applied
        elseif generation_of(fields[i]) then
            has_new = true
        elseif #fields[i] == 32 then
            last = math.max(used_at, last or 0)
        end
    end
    return last, has_new
end

-- Looks whether the keys contradict each other. `total` and `mark` are scores in hits, or false. Returns
-- what is wrong, or nil; then when a version before 0.2 was last seen writing, or 0.
local function examine(hits_key, ledger_key, total, mark, proof)
    local now = tonumber(redis.call('TIME')[1])
    if not mark and not proof then
        local fields = read_ledger(ledger_key)
        if redis.call('ZCARD', hits_key) == 0 and #fields == 0 then
            return nil, 0
        end
        local last, has_new = find_writers(fields)
        if has_new then
            return 'neither the totals nor the ledger have the mark that this version left'
        end
        last = math.min(last or now, now)
        return nil, now - last < OLD_VERSION_S and last or 0
    end
    local generation, proven, old_at = string.match(proof or '', '^g(%d+) (%S+) (%d+)$')
    generation, proven, old_at = tonumber(generation), tonumber(proven), tonumber(old_at)
    if proof and not (generation and proven and old_at) then
        return 'the proof in the ledger is unreadable'
    end
    if not mark then
        return string.format('the ledger says %.0f visits, and the totals were lost or are older', proven)
    end
    total = tonumber(total or 0)
    if not proof then
        return string.format('the totals say %.0f visits, and the ledger was lost or is older', total)
    end
    if generation ~= tonumber(mark) then
        return string.format('the ledger is of generation %.0f, the totals are of generation %s', generation,
                             mark)
    end
    old_at = math.min(old_at, now) -- the clock of the server may have been set back
    if proven ~= total then
        local last = find_writers(read_ledger(ledger_key))
        if last and now - last < UNPROVEN_S then
            old_at = now
        elseif now - old_at >= UNPROVEN_S then
            return string.format('the ledger says %.0f visits, the totals say %.0f', proven, total)
        end
    end
    return nil, now - old_at < OLD_VERSION_S and old_at or 0
end

-- the value of the field "proof"
local function make_proof(mark, total, old_at)
    return 'g' .. mark .. ' ' .. total .. ' ' .. old_at
end

-- for how many seconds a version before 0.2 is still remembered
local function remembers_s(old_at)
    return math.max(0, old_at + OLD_VERSION_S - redis.call('TIME')[1])
end

-- Fails if an access list forbids one of the commands. What is allowed fails by the type of the ledger, which
-- is there, and changes nothing.
local function find_forbidden(ledger_key, commands)
    for command, arguments in pairs(commands) do
        local result = redis.pcall(command, ledger_key, unpack(arguments))
        if not string.find(result.err, 'WRONGTYPE', 1, true) then
            return redis.error_reply(result.err)
        end
    end
end

