/* SPDX-License-Identifier: MIT */
#include "http/visit/period.h"

#include "http/request/http_error.h"

#include <string.h>
#include <time.h>

#define DAY_S  86400
#define HOUR_S 3600

/** Parses "7d". */
static bool parse_days(const char *text, size_t length, unsigned *ret_days)
{
    unsigned days = 0;

    if (length < 2 || length > 4 || text[length - 1] != 'd' || text[0] == '0') {
        return false;
    }
    for (size_t i = 0; i < length - 1; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        days = days * 10 + (unsigned)(text[i] - '0');
    }
    *ret_days = days;
    return days <= PERIOD_DAYS_MAX;
}

bool period_parse(const char *text, size_t length, struct period *ret_period)
{
    static const struct {
        const char *name;
        struct period period;
    } named[] = {
        {"total", {STORE_TOTALS, 0}},
        {"today", {STORE_DAYS, 1}},
        {"unique", {STORE_UNIQUES, 1}},
    };
    static const char unique[] = "unique-";
    size_t prefix = sizeof(unique) - 1;
    bool is_unique = length > prefix && memcmp(text, unique, prefix) == 0;
    unsigned days;

    for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++) {
        if (strlen(named[i].name) == length && memcmp(named[i].name, text, length) == 0) {
            *ret_period = named[i].period;
            return true;
        }
    }
    if (!parse_days(is_unique ? text + prefix : text, is_unique ? length - prefix : length,
                    &days)) {
        return false;
    }
    *ret_period = (struct period){is_unique ? STORE_UNIQUES : STORE_DAYS, days};
    return true;
}

const char *period_label(const struct period *period)
{
    switch (period->kind) {
    case STORE_TOTALS:
        return "visits";
    case STORE_DAYS:
        return period->days == 1 ? "visits today" : "visits";
    case STORE_UNIQUES:
        return period->days == 1 ? "visitors today" : "visitors";
    }
    return "visits";
}

/** Parses a time with strptime(3). The whole text must match `format`. */
static bool parse_time(const char *text, size_t length, const char *format, uint64_t *ret_second)
{
    char copy[PERIOD_TEXT_MAX];
    struct tm tm = {0};
    struct tm again;
    const char *end;
    time_t second;

    if (length >= sizeof(copy) || memchr(text, '\0', length) != NULL) {
        return false;
    }
    memcpy(copy, text, length);
    copy[length] = '\0';
    end = strptime(copy, format, &tm);
    if (end == NULL || *end != '\0') {
        return false;
    }
    again = tm;
    second = timegm(&again);
    /* timegm() turns 31 February into 3 March */
    if (second < 0 || again.tm_mday != tm.tm_mday || again.tm_mon != tm.tm_mon) {
        return false;
    }
    *ret_second = (uint64_t)second;
    return true;
}

bool period_parse_day(const char *text, size_t length, uint64_t *ret_day)
{
    uint64_t second;

    if (length != strlen("2026-11-27") || !parse_time(text, length, "%Y-%m-%d", &second)) {
        return false;
    }
    *ret_day = second / DAY_S;
    return true;
}

bool period_parse_hour(const char *text, size_t length, uint64_t *ret_hour)
{
    uint64_t second;

    if (length == strlen("2026-11-27T13Z") && text[length - 1] == 'Z') {
        length--;
    }
    if (length != strlen("2026-11-27T13") || !parse_time(text, length, "%Y-%m-%dT%H", &second)) {
        return false;
    }
    *ret_hour = second / HOUR_S;
    return true;
}

static const char *format_time(uint64_t second, const char *format, char text[PERIOD_TEXT_MAX])
{
    time_t time = (time_t)second;
    struct tm tm;

    gmtime_r(&time, &tm);
    if (strftime(text, PERIOD_TEXT_MAX, format, &tm) == 0) {
        text[0] = '\0';
    }
    return text;
}

const char *period_format_day(uint64_t day, char text[PERIOD_TEXT_MAX])
{
    return format_time(day * DAY_S, "%Y-%m-%d", text);
}

const char *period_format_hour(uint64_t hour, char text[PERIOD_TEXT_MAX])
{
    return format_time(hour * HOUR_S, "%Y-%m-%dT%HZ", text);
}

bool period_parse_parameter(struct request *request)
{
    struct period *period;
    h2o_iovec_t value;

    if (!request_parameter(request, "period", &value)) {
        return true;
    }
    period = h2o_mem_alloc_pool(&request->h2o->pool, sizeof(*period));
    if (!period_parse(value.base, value.len, period)) {
        http_error_respond(request, HTTP_ERROR_BAD_PARAMETER, "%s", PERIOD_EXPECTED);
        return false;
    }
    request->period = period;
    request->period_text = value.base;
    return true;
}
