-- SPDX-License-Identifier: MIT
-- Repairs a torn site as an operator chose: makes its keys agree and begins a new generation.
--
-- KEYS: hits, ledger
-- ARGV: LOOK, HITS (the site's total is its score, or the sum over its pages if it has none) or NUMBER;
--       that number; 1 to repair a site that is not torn too; a generation that is known to exist;
--       the channel to publish to
--
-- Returns " <total by the ledger> <total by hits> <pages> <generation> <generation now> <total now> " and the
-- contradiction; "-" for a missing number and for a repair that was not done. Pages, days and hours stay
-- unchanged. The new mark is written first: if the script fails later, the site stays torn.
local hits_key, ledger_key = KEYS[1], KEYS[2]
local trust, number, is_forced, known, channel = ARGV[1], ARGV[2], ARGV[3] == '1', tonumber(ARGV[4]), ARGV[5]
local CHUNK = 500 -- pages

local scores = redis.call('ZMSCORE', hits_key, '', MARK)
local total, mark = scores[1], scores[2]
local proof = redis.pcall('HGET', ledger_key, PROOF)
local is_hash, wrong = type(proof) ~= 'table', nil
if not is_hash then
    if not string.find(proof.err, 'WRONGTYPE', 1, true) then
        return redis.error_reply(proof.err)
    end
    wrong, proof = 'the ledger is no hash', false
else
    wrong = examine(hits_key, ledger_key, total, mark, proof)
end

local function format_number(value)
    return value and string.format('%.0f', value) or '-'
end

local proven = proof and tonumber(string.match(proof, '^g%d+ (%S+)'))
local generation = math.max(tonumber(mark or 0), known,
                            tonumber(proof and string.match(proof, '^g(%d+)')) or 0)
local pages = redis.call('ZCARD', hits_key) - (total and 1 or 0) - (mark and 1 or 0)
local answer = ' ' .. format_number(proven) .. ' ' .. format_number(total) .. ' ' .. pages .. ' ' ..
    format_number(generation)
if trust == 'LOOK' or not (wrong or is_forced) then
    return answer .. ' - - ' .. (wrong or '')
end

local function sum_of_pages()
    local sum = 0
    for first = 0, pages, CHUNK do
        local chunk = redis.call('ZREVRANGE', hits_key, first, first + CHUNK - 1, 'WITHSCORES')
        for i = 1, #chunk, 2 do
            sum = sum + (chunk[i] ~= MARK and tonumber(chunk[i + 1]) or 0)
        end
    end
    return sum
end

local now = number
if trust == 'HITS' then
    now = total or format_number(sum_of_pages())
end
if is_hash then
    for _, field in ipairs(read_ledger(ledger_key)) do
        generation = math.max(generation, generation_of(field) or 0)
    end
end
generation = format_number(generation + 1)
redis.call('ZADD', hits_key, generation, MARK, now, '')
now = redis.call('ZSCORE', hits_key, '')
redis.call('UNLINK', ledger_key)
redis.call('HSET', ledger_key, PROOF, make_proof(generation, now, 0))
redis.pcall('PUBLISH', channel, now .. ' \n')
return answer .. ' ' .. generation .. ' ' .. format_number(now) .. ' ' .. (wrong or '')
