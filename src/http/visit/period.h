/* SPDX-License-Identifier: MIT */
/**
 * period: of what stretch of time a number is, from the parameter `period`:
 *
 *   total         all visits ever
 *   today, 7d     the visits of today; of the last 7 days, today included (1 to 366)
 *   unique        the visitors of today
 *   unique-7d     the visitors of the last 7 days, each once a day
 *
 * and dates as they stand in a URL. Days are local ones since 1970, hours those of UTC.
 */
#ifndef VISITCOUNTD_HTTP_PERIOD_H
#define VISITCOUNTD_HTTP_PERIOD_H

#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PERIOD_DAYS_MAX 366

/** Room for "2026-11-27T13Z", with NUL. */
#define PERIOD_TEXT_MAX 32

struct period {
    enum store_number kind;
    unsigned days; /* unless STORE_TOTALS: the last of them is today */
};

/** What is wrong with a period that does not parse, for people. */
#define PERIOD_EXPECTED "period is total, today, 1d to 366d, unique, or unique-1d to unique-366d"

/** False when it is none. */
bool period_parse(const char *text, size_t length, struct period *ret_period);

/** What the number is called where nobody said so: "visits", "visits today", "visitors today". */
const char *period_label(const struct period *period);

/** "2026-11-27": the day since 1970. False when there is no such day, or it is before 1970. */
bool period_parse_day(const char *text, size_t length, uint64_t *ret_day);

/** "2026-11-27T13Z", the "Z" may be missing: the hour since 1970 of UTC. */
bool period_parse_hour(const char *text, size_t length, uint64_t *ret_hour);

/** The same the other way round, into `text`, which is returned. */
const char *period_format_day(uint64_t day, char text[PERIOD_TEXT_MAX]);
const char *period_format_hour(uint64_t hour, char text[PERIOD_TEXT_MAX]);

#endif
