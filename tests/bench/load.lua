-- SPDX-License-Identifier: MIT
-- load: what wrk asks for, and what it measured as one line of JSON behind "JSON ".
--
--   wrk -s load.lua URL                                 URL, again and again
--   wrk -s load.lua URL -- tokens SEED                  with a new X-Request-Id each time
--   wrk -s load.lua URL -- pages SITES PAGES random     one of PAGES pages of one of SITES sites
--   wrk -s load.lua URL -- pages SITES PAGES FIRST      each of them, one after the other, from FIRST
--
-- Of URL, "pages" uses the host. All times are in microseconds.

local function ask_with_tokens(seed)
    local number = 0
    request = function()
        number = number + 1
        wrk.headers["X-Request-Id"] = string.format("%s%016x", seed, number)
        return wrk.format()
    end
end

local function ask_pages(sites, pages, order)
    local next_one = tonumber(order)
    math.randomseed(os.time())
    request = function()
        local number = next_one or math.random(0, sites * pages - 1)
        next_one = next_one and next_one + 1
        return wrk.format("GET", string.format("/v1/hit/site%d/page/%d", number % sites,
                                               math.floor(number / sites) % pages))
    end
end

function init(args)
    if args[1] == "tokens" then
        ask_with_tokens(args[2])
    elseif args[1] == "pages" then
        ask_pages(tonumber(args[2]), tonumber(args[3]), args[4])
    end
end

function done(summary, latency, requests)
    local errors = summary.errors
    io.write(string.format(
        'JSON {"requests": %d, "duration_us": %d, "p50_us": %d, "p99_us": %d, "p999_us": %d, ' ..
        '"refused": %d, "broken": %d}\n',
        summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
        latency:percentile(99.9), errors.status,
        errors.connect + errors.read + errors.write + errors.timeout))
end
