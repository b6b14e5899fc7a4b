/* SPDX-License-Identifier: MIT */
/**
 * chart: draws numbers by day as a bar chart: HTML with inline SVG, styled by the page.
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

/**
 * Returns the top of the scale: the smallest of 4, 8, 20, 40, 80, 200 … that is at least `value`.
 */
uint64_t chart_round_up(uint64_t value);

/** Appends a day as "27 Nov". */
void chart_put_day(struct buf *out, uint64_t day);

/** Appends the chart, with a summary sentence for screen readers. */
void chart_put(struct buf *out, const struct chart *chart);

/** Appends a row of a table for each day, the last one first. */
void chart_put_rows(struct buf *out, const struct chart *chart);

#endif
