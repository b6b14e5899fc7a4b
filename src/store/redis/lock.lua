-- SPDX-License-Identifier: MIT
-- Returns 1 if the caller has to ask for the rewrite of the append-only file today, else 0; see
-- redis_rewrite.h. Deletes only salts that have expired: Redis would write those, too, if it has not deleted
-- them yet.
--
-- KEYS:
--    1  lock_key: string, the day of the last request
--   then salts
local lock_key = KEYS[1]
local day = string.format('%d', math.floor((redis.call('TIME')[1] + 43200) / 86400))
if redis.call('GET', lock_key) == day then
    return 0
end
redis.call('SET', lock_key, day)
for i = 2, #KEYS do
    if redis.call('TTL', KEYS[i]) < 0 then
        redis.call('UNLINK', KEYS[i])
    end
end
return 1
