-- SPDX-License-Identifier: MIT
-- Admits a site if it is in the set (1), or if the set has room (2); else returns 0.
--
-- KEYS:
--    1  sites_key: set
-- ARGV:
--    1  site
--    2  limit: the most sites; 0: no limit
local sites_key = KEYS[1]
local site, limit = ARGV[1], tonumber(ARGV[2])
if redis.call('SISMEMBER', sites_key, site) == 1 then
    return 1
end
if limit ~= 0 and redis.call('SCARD', sites_key) >= limit then
    return 0
end
redis.call('SADD', sites_key, site)
return 2
