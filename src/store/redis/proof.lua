-- SPDX-License-Identifier: MIT
-- The proof that a site's totals and its ledger belong together. Each script that relies on either key
-- begins with this file.
--
-- The mark is a member "\1generation" of hits, which is no page. Its score is the site's generation: 0, plus
-- one for each repair. The proof is a field "proof" of the ledger:
-- "g<generation> <total of the site> <time>". The time is when a version before 0.2 was last seen writing;
-- 0: never. Each write updates mark and proof in one step. So keys that contradict each other were not lost,
-- restored or changed together: the site is torn.
--
-- A version before 0.2 updates neither. Each batch that it applies leaves a ledger entry under an epoch of 32
-- hexadecimal digits. While such an entry was used recently, a total that does not match is accepted. The
-- sweep of that version keeps "proof", because its value does not begin with a digit.
local MARK, PROOF = '\1generation', 'proof'

-- seconds after a write of such a version: during which a mismatch is accepted; during which it is remembered
local UNPROVEN_S, OLD_VERSION_S = 900, 14400

-- returns the generation of an epoch; nil for an epoch of a version before 0.2
local function generation_of(epoch)
    return tonumber(string.match(epoch, '^g(%d%d%d%d%d%d%d)%x*$'))
end

-- Returns all fields of the ledger with their values. Uses HRANDFIELD, because access lists for version 0.1
-- allow it. With a count above the number of fields it returns each field once.
local function read_ledger(ledger_key)
    return redis.call('HRANDFIELD', ledger_key, 1000000, 'WITHVALUES')
end

-- returns the last use of an epoch of a version before 0.2, or nil; and whether this version has entries
local function find_writers(fields)
    local last, has_new = nil, false
    for i = 1, #fields, 2 do
        local used_at = tonumber(string.match(fields[i + 1], '^[1-9]%d* %d+ (%d+)'))
        if not used_at then
            -- the proof, or an epoch without an applied batch
        elseif generation_of(fields[i]) then
            has_new = true
        elseif #fields[i] == 32 then
            last = math.max(used_at, last or 0)
        end
    end
    return last, has_new
end

-- Checks whether the keys contradict each other. `total` and `mark` are scores in hits, or false. Returns the
-- contradiction, or nil and the time when a version before 0.2 was last seen writing, or 0. `expects_mark`: the
-- caller knows that this version has counted on the site. Then totals without a mark beside an empty ledger are
-- no data of a version before 0.2.
local function examine(hits_key, ledger_key, total, mark, proof, expects_mark)
    local now = tonumber(redis.call('TIME')[1])
    if not mark and not proof then
        local fields = read_ledger(ledger_key)
        if redis.call('ZCARD', hits_key) == 0 and #fields == 0 then
            return nil, 0
        end
        local last, has_new = find_writers(fields)
        if has_new or (expects_mark and #fields == 0) then
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
    old_at = math.min(old_at, now) -- the server's clock may have been set back
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

-- returns the value of the field "proof"
local function make_proof(mark, total, old_at)
    return 'g' .. mark .. ' ' .. total .. ' ' .. old_at
end

-- returns for how many more seconds a version before 0.2 is remembered
local function remembers_s(old_at)
    return math.max(0, old_at + OLD_VERSION_S - redis.call('TIME')[1])
end

-- Returns the error if an access list forbids one of the commands. The ledger must exist: an allowed command
-- fails because of its type, and changes nothing.
local function find_forbidden(ledger_key, commands)
    for command, arguments in pairs(commands) do
        local result = redis.pcall(command, ledger_key, unpack(arguments))
        if not string.find(result.err, 'WRONGTYPE', 1, true) then
            return redis.error_reply(result.err)
        end
    end
end

