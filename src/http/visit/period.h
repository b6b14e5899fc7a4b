/* SPDX-License-Identifier: MIT */
/**
 * period: the time span of a number, from the parameter `period`:
 *
 *   total         all visits ever
 *   today, 7d     visits of today; of the last 7 days with today (1 to 366 days)
 *   unique        visitors of today
 *   unique-7d     visitors of the last 7 days, each counted once per day
 *
 * It also parses and formats dates in URLs. Days are local days since 1970. Hours are UTC hours.
 */
#ifndef VISITCOUNTD_HTTP_PERIOD_H
#define VISITCOUNTD_HTTP_PERIOD_H

#include "http/request/request.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PERIOD_DAYS_MAX 366

/** Size of "2026-11-27T13Z", including NUL. */
#define PERIOD_TEXT_MAX 32

struct period {
    enum store_number kind;
    unsigned days; /* unused with STORE_TOTALS; the last day is today */
};

/** The error message for an invalid period. */
#define PERIOD_EXPECTED "period is total, today, 1d to 366d, unique, or unique-1d to unique-366d"

/** Parses a period. Returns false if it is invalid. */
bool period_parse(const char *text, size_t length, struct period *ret_period);

/** Returns the default label of a number: "visits", "visits today", "visitors today". */
const char *period_label(const struct period *period);

/**
 * Parses "2026-11-27" into days since 1970. Returns false if the day does not exist or is before
 * 1970.
 */
bool period_parse_day(const char *text, size_t length, uint64_t *ret_day);

/** Parses "2026-11-27T13Z" into UTC hours since 1970. The "Z" is optional. */
bool period_parse_hour(const char *text, size_t length, uint64_t *ret_hour);

/** Format a day or an hour into `text`. Return `text`. */
const char *period_format_day(uint64_t day, char text[PERIOD_TEXT_MAX]);
const char *period_format_hour(uint64_t hour, char text[PERIOD_TEXT_MAX]);

/** Does the work of period_take() for a request that has a query. */
bool period_parse_parameter(struct request *request);

/**
 * Parses the parameter `period` into request->period. Returns false if it has answered the request.
 */
static inline bool period_take(struct request *request)
{
    return request->query.len == 0 || period_parse_parameter(request);
}

#endif
