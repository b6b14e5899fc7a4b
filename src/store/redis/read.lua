-- SPDX-License-Identifier: MIT
-- Reads numbers by day or hour, or numbers of visitors. Writes nothing.
--
-- KEYS: the keys to read
-- ARGV:
--    1  kind
--   then by kind:
--   DAYS       KEYS are hashes. Then pages. Returns for each page the sum over the hashes.
--   SERIES     KEYS are hashes. Then one page. Returns the page's number in each hash.
--   VISITORS   KEYS are HyperLogLogs. Then n. Returns for each group of n keys the sum of its visitors.
--
-- Each key is counted alone: Redis keeps its result. The salt changes daily, so visitors of different
-- days cannot be matched anyway.
--
-- Returns one string: " <number> ...".
local kind = ARGV[1]
local numbers = {}

if kind == 'DAYS' then
    for page = 2, #ARGV do
        numbers[page - 1] = 0
    end
    for i = 1, #KEYS do
        local found = redis.call('HMGET', KEYS[i], unpack(ARGV, 2))
        for page = 1, #numbers do
            numbers[page] = numbers[page] + (tonumber(found[page]) or 0)
        end
    end
    for page = 1, #numbers do
        numbers[page] = string.format('%.0f', numbers[page])
    end
elseif kind == 'SERIES' then
    for i = 1, #KEYS do
        numbers[i] = redis.call('HGET', KEYS[i], ARGV[2]) or '0'
    end
else
    local together = tonumber(ARGV[2])
    for i = 1, #KEYS do
        local group = math.floor((i - 1) / together) + 1
        numbers[group] = (numbers[group] or 0) + redis.call('PFCOUNT', KEYS[i])
    end
    for group = 1, #numbers do
        numbers[group] = string.format('%.0f', numbers[group])
    end
end
return ' ' .. table.concat(numbers, ' ')
