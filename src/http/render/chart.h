/* SPDX-License-Identifier: MIT */
/**
 * chart: numbers by day as bars, as HTML with SVG in it, without a style of its own.
 */
#ifndef VISITCOUNTD_HTTP_CHART_H
#define VISITCOUNTD_HTTP_CHART_H

#include "base/buf.h"

#include <stddef.h>
#include <stdint.h>

struct chart {
    uint64_t first_day; /* since 1970 */
    size_t days;        /* > 0 */
    const uint64_t *visits;
    const uint64_t *visitors; /* drawn before the visits; NULL: none */
};

/** The least of 4, 8, 20, 40, 80, 200 … that is not below `value`: what the scale goes up to. */
uint64_t chart_round_up(uint64_t value);

/** "27 Nov" */
void chart_put_day(struct buf *out, uint64_t day);

/** Appends the chart. For those who do not see it there is a sentence that sums it up. */
void chart_put(struct buf *out, const struct chart *chart);

/** Appends a row of a table for each day, the last one first. */
void chart_put_rows(struct buf *out, const struct chart *chart);

#endif
