-- SPDX-License-Identifier: MIT
-- Returns the salt of a day, and creates it for the first caller. Reads first: a server that rejects writes
-- can still return the existing salt.
--
-- KEYS:
--    1  salt_key: string
-- ARGV:
--    1  new_salt: used if there is none
--    2  lifetime: in seconds
local salt_key = KEYS[1]
local new_salt, lifetime = ARGV[1], ARGV[2]
local salt = redis.call('GET', salt_key)
if salt then
    return salt
end
redis.call('SET', salt_key, new_salt, 'EX', lifetime)
return new_salt
