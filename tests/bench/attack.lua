-- SPDX-License-Identifier: MIT
-- attack: what an attacker, or an honest client beside one, asks for; measured as load.lua does.
--
--   wrk -s attack.lua URL -- honest PAUSE_MS        visits of one page, from an address of its own
--   wrk -s attack.lua URL -- KIND SEED ADDRESSES    an attack, from so many addresses
--
-- KIND: reads, pages, keys, visitors, heads or passwords. Runs with other SEEDs make up other names.

local number, seed, addresses = 0, "", 1

local function stranger()
    local at = number % addresses
    return string.format("203.%d.%d.%d", math.floor(at / 65536) % 256, math.floor(at / 256) % 256, at % 256)
end

local function ask(method, path, headers, body)
    number = number + 1
    headers["X-Real-IP"] = stranger()
    headers["Host"] = "localhost"
    return wrk.format(method, path, headers, body)
end

-- the most that one question may read: 100 pages of 37 days
local names = {}
for i = 1, 100 do
    names[i] = string.format('"/page/%d"', i)
end
local question = "[" .. table.concat(names, ",") .. "]"

local heads = {
    "GET /count HTTP/1.1\nHost: x\n\n",
    "GET /count HTTP/1.1\r\n\r\n",
    "POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "GET /count HTTP/1.1\r\nHost: x\r\nX-A: a\r\n b\r\n\r\n",
    "GET /count HTTP/1.1\r\nHost: x\r\n" .. string.rep("X-A: b\r\n", 120) .. "\r\n",
    "GET /" .. string.rep("a", 60000) .. " HTTP/1.1\r\nHost: x\r\n\r\n",
}

local requests = {
    honest = function()
        return wrk.format("GET", "/v1/hit/default/page", {["X-Real-IP"] = "198.51.100.7", ["Host"] = "localhost"})
    end,
    reads = function() return ask("POST", "/v1/get/default?period=unique-37d", {}, question) end,
    pages = function() return ask("GET", "/v1/hit/default/made/up/" .. seed .. "/" .. number, {}) end,
    keys = function() return ask("POST", "/v1/hit/default/page", {["Idempotency-Key"] = seed .. number}) end,
    visitors = function() return ask("GET", "/v1/hit/default/page", {["User-Agent"] = "Mozilla/5.0 " .. seed .. number}) end,
    heads = function()
        number = number + 1
        return heads[number % #heads + 1]
    end,
    passwords = function()
        return ask("GET", "/site/default", {["Authorization"] = "Basic eDp3cm9uZyBwYXNzd29yZA=="})
    end,
}

function init(args)
    request = requests[args[1]]
    if args[1] == "honest" then
        local pause_ms = tonumber(args[2])
        if pause_ms > 0 then
            delay = function() return pause_ms end
        end
    else
        seed, addresses = args[2], tonumber(args[3])
    end
end

function done(summary, latency, _)
    local errors = summary.errors
    io.write(string.format('JSON {"requests": %d, "duration_us": %d, "p50_us": %d, "p99_us": %d, "refused": %d, "broken": %d}\n',
                           summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), errors.status,
                           errors.connect + errors.read + errors.write + errors.timeout))
end
