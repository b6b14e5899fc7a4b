-- SPDX-License-Identifier: MIT
-- Repairs a torn site as an operator chose: makes its keys agree and begins a new generation.
--
-- KEYS:
--    1  hits_key: zset
--    2  ledger_key: hash
-- ARGV:
--    1  trust: LOOK, HITS (the site's total is its score, or the sum over its pages if the score is no number
--       of visits) or NUMBER
--    2  number: for NUMBER
--    3  is_forced: 1 to repair a site that is not torn too
--    4  known: a generation that is known to exist
--    5  expects_mark: 1 if the site must have its mark, else 0
--    6  channel: to publish to
--
-- Returns " <total by the ledger> <total by hits> <pages> <generation> <generation now> <total now> " and the
-- contradiction; "-" for a missing number and for a repair that was not done. Pages, days and hours stay
-- unchanged. The new mark is written first: if the script fails later, the site stays torn.
local hits_key, ledger_key = KEYS[1], KEYS[2]
local trust, number, is_forced, known = ARGV[1], ARGV[2], ARGV[3] == '1', tonumber(ARGV[4])
local expects_mark, channel = ARGV[5] == '1', ARGV[6]
local CHUNK = 500 -- pages
local NUMBER_MAX = 9007199254740991
local GENERATION_MAX = 9999998 -- an epoch has seven digits, and a repair adds one

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
    wrong = examine(hits_key, ledger_key, total, mark, proof, expects_mark)
end

-- returns the number in a text; nil if it is no integer from 0 to `largest`: this version never writes others
local function count_of(text, largest)
    local number = tonumber(text or nil)
    return number and number >= 0 and number <= largest and number % 1 == 0 and number or nil
end

local function format_number(value)
    return value and string.format('%.0f', value) or '-'
end

local proven = count_of(proof and string.match(proof, '^g%d+ (%S+)'), NUMBER_MAX)
total = count_of(total, NUMBER_MAX)
local generation = math.max(count_of(mark, GENERATION_MAX) or 0, known,
                            count_of(proof and string.match(proof, '^g(%d+)'), GENERATION_MAX) or 0)
local pages = redis.call('ZCARD', hits_key) - (scores[1] and 1 or 0) - (mark and 1 or 0)
local answer = ' ' .. format_number(proven) .. ' ' .. format_number(total) .. ' ' .. pages .. ' ' ..
    format_number(generation)
if trust == 'LOOK' or not (wrong or is_forced) then
    return answer .. ' - - ' .. (wrong or '')
end

local function sum_of_pages()
    local sum = 0
    for first = 0, pages + 1, CHUNK do
        local chunk = redis.call('ZREVRANGE', hits_key, first, first + CHUNK - 1, 'WITHSCORES')
        for i = 1, #chunk, 2 do
            local is_page = chunk[i] ~= MARK and chunk[i] ~= ''
            sum = sum + (is_page and count_of(chunk[i + 1], NUMBER_MAX) or 0)
        end
    end
    return math.min(sum, NUMBER_MAX)
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
