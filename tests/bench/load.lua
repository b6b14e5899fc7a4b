-- SPDX-License-Identifier: MIT
-- load: the requests of wrk. Prints the measurements as one line of JSON after "JSON ".
--
--   wrk -s load.lua URL                                 URL, again and again
--   wrk -s load.lua URL -- tokens SEED                  with a new X-Request-Id each time, as etc/nginx makes it
--   wrk -s load.lua URL -- visitors SEED                with a new visitor each time, by X-Real-IP
--   wrk -s load.lua URL -- instances PORT...            each thread uses a server of its own
--   wrk -s load.lua URL -- pages SITES PAGES random     one of PAGES pages of one of SITES sites
--   wrk -s load.lua URL -- pages SITES PAGES FIRST      each of them, one after the other, from FIRST
--
-- Of URL, "pages" uses the host. All times are in microseconds.

local ffi = require("ffi")
ffi.cdef("int gettimeofday(int64_t *seconds_and_us, void *unused);")

-- as nginx's $msec
local function now()
    local time = ffi.new("int64_t[2]")
    ffi.C.gettimeofday(time, nil)
    return string.format("%d.%03d", tonumber(time[0]), tonumber(time[1] / 1000))
end

-- If the client needs longer for a request, it sends fewer at once, which costs the server more for each.
-- So the start of a request is made once in 16 requests, and digits are looked up in groups of four.
local function ask_with_tokens(seed)
    local request_line_and_host = wrk.format():gsub("\r\n$", "")
    local digits, number, beginning = {}, 0, nil
    for i = 0, 0xffff do
        digits[i] = string.format("%04x", i)
    end
    request = function()
        if number % 16 == 0 then
            beginning = request_line_and_host .. "X-Request-Id: " .. now() .. "-" .. seed .. "00000000"
        end
        number = number + 1
        return beginning .. digits[bit.rshift(number, 16)] .. digits[bit.band(number, 0xffff)] .. "\r\n\r\n"
    end
end

local function ask_as_visitors(seed)
    local number = tonumber(seed:sub(1, 6), 16)
    request = function()
        number = (number + 1) % 2 ^ 24
        wrk.headers["X-Real-IP"] = string.format("10.%d.%d.%d", math.floor(number / 65536),
                                                 math.floor(number / 256) % 256, number % 256)
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

local threads = 0

function setup(thread)
    threads = threads + 1
    thread:set("number", threads)
end

function init(args)
    if args[1] == "tokens" then
        ask_with_tokens(args[2])
    elseif args[1] == "visitors" then
        ask_as_visitors(args[2])
    elseif args[1] == "instances" then
        wrk.thread.addr = wrk.lookup(wrk.host, args[1 + number])[1]
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
