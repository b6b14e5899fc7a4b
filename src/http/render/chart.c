/* SPDX-License-Identifier: MIT */
#include "http/render/chart.h"

#include "http/render/number.h"

#include <time.h>

#define DAY_S 86400

/* size in the drawing's own units; the page scales it */
#define HEIGHT    1000
#define DAY_WIDTH 100
#define BAR_INSET 12
#define GRID      4

static const struct number_style grouped = {NUMBER_GROUPED, 0};
static const struct number_style compact = {NUMBER_COMPACT, 0};

uint64_t chart_round_up(uint64_t value)
{
    static const unsigned steps[] = {4, 8, 20};
    uint64_t power = 1;

    while (power <= UINT64_MAX / 200) {
        for (int i = 0; i < 3; i++) {
            if (value <= steps[i] * power) {
                return steps[i] * power;
            }
        }
        power *= 10;
    }
    return value;
}

void chart_put_day(struct buf *out, uint64_t day)
{
    time_t time = (time_t)(day * DAY_S);
    char text[32];
    struct tm tm;

    gmtime_r(&time, &tm);
    strftime(text, sizeof(text), "%b", &tm);
    buf_printf(out, "%d %s", tm.tm_mday, text);
}

static uint64_t largest(const struct chart *chart)
{
    uint64_t max = 0;

    for (size_t i = 0; i < chart->days; i++) {
        max = chart->visits[i] > max ? chart->visits[i] : max;
    }
    return max;
}

static void put_bar(struct buf *out, const char *name, size_t day, unsigned inset, double share)
{
    /* a day with visits is always visible */
    double height = share > 0 && share < 0.008 ? 8 : share * HEIGHT;

    buf_printf(out, "<rect class=\"%s\" x=\"%zu\" y=\"%.0f\" width=\"%u\" height=\"%.0f\"/>", name,
               day * DAY_WIDTH + inset, HEIGHT - height, DAY_WIDTH - 2 * inset, height);
}

static void put_numbers(struct buf *out, const struct chart *chart, size_t day)
{
    number_put(out, chart->visits[day], &grouped);
    buf_puts(out, chart->visits[day] == 1 ? " visit" : " visits");
    if (chart->visitors != NULL) {
        buf_puts(out, ", ");
        number_put(out, chart->visitors[day], &grouped);
        buf_puts(out, chart->visitors[day] == 1 ? " visitor" : " visitors");
    }
}

static void put_bars(struct buf *out, const struct chart *chart, double scale)
{
    for (size_t i = 0; i < chart->days; i++) {
        buf_puts(out, "<g><title>");
        chart_put_day(out, chart->first_day + i);
        buf_puts(out, ": ");
        put_numbers(out, chart, i);
        buf_puts(out, "</title>");
        /* the whole column shows the tooltip */
        buf_printf(out, "<rect x=\"%zu\" width=\"%d\" height=\"%d\" fill-opacity=\"0\"/>",
                   i * DAY_WIDTH, DAY_WIDTH, HEIGHT);
        put_bar(out, "visits", i, BAR_INSET, (double)chart->visits[i] / scale);
        if (chart->visitors != NULL) {
            put_bar(out, "visitors", i, 2 * BAR_INSET, (double)chart->visitors[i] / scale);
        }
        buf_puts(out, "</g>");
    }
}

/** Appends "Visits by day from 29 Oct to 27 Nov: 123 in all, at most 40 on 3 Nov." */
static void put_summary(struct buf *out, const struct chart *chart)
{
    uint64_t sum = 0;
    size_t best = 0;

    for (size_t i = 0; i < chart->days; i++) {
        sum += chart->visits[i];
        best = chart->visits[i] > chart->visits[best] ? i : best;
    }
    buf_puts(out, "Visits by day from ");
    chart_put_day(out, chart->first_day);
    buf_puts(out, " to ");
    chart_put_day(out, chart->first_day + chart->days - 1);
    buf_puts(out, ": ");
    number_put(out, sum, &grouped);
    buf_puts(out, " in all, at most ");
    number_put(out, chart->visits[best], &grouped);
    buf_puts(out, " on ");
    chart_put_day(out, chart->first_day + best);
    buf_putc(out, '.');
}

static void put_scale(struct buf *out, uint64_t top)
{
    buf_puts(out, "<div class=\"scale\" aria-hidden=\"true\">");
    for (int i = GRID; i >= 0; i--) {
        buf_puts(out, "<span>");
        number_put(out, top / GRID * (uint64_t)i, &compact);
        buf_puts(out, "</span>");
    }
    buf_puts(out, "</div>");
}

/** Appends the labels of the first, the middle and the last day. */
static void put_dates(struct buf *out, const struct chart *chart)
{
    const size_t days[] = {0, chart->days / 2, chart->days - 1};

    buf_puts(out, "<div class=\"dates\" aria-hidden=\"true\">");
    for (int i = 0; i < 3; i++) {
        buf_puts(out, "<span>");
        chart_put_day(out, chart->first_day + days[i]);
        buf_puts(out, "</span>");
    }
    buf_puts(out, "</div>");
}

void chart_put(struct buf *out, const struct chart *chart)
{
    uint64_t top = chart_round_up(largest(chart));
    size_t width = chart->days * DAY_WIDTH;

    buf_puts(out, "<div class=\"plot\">");
    put_scale(out, top);
    buf_printf(
        out, "<svg viewBox=\"0 0 %zu %d\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"",
        width, HEIGHT);
    put_summary(out, chart);
    buf_puts(out, "\">");
    for (int i = 0; i <= GRID; i++) {
        buf_printf(out, "<line x1=\"0\" x2=\"%zu\" y1=\"%d\" y2=\"%d\"/>", width, i * HEIGHT / GRID,
                   i * HEIGHT / GRID);
    }
    put_bars(out, chart, (double)top);
    buf_puts(out, "</svg>");
    put_dates(out, chart);
    buf_puts(out, "</div>");
}

void chart_put_rows(struct buf *out, const struct chart *chart)
{
    for (size_t i = chart->days; i-- > 0;) {
        buf_puts(out, "<tr><td>");
        chart_put_day(out, chart->first_day + i);
        buf_puts(out, "</td><td class=\"number\">");
        number_put(out, chart->visits[i], &grouped);
        buf_puts(out, "</td><td class=\"number\">");
        if (chart->visitors != NULL) {
            number_put(out, chart->visitors[i], &grouped);
        } else {
            buf_puts(out, "\u2013");
        }
        buf_puts(out, "</td></tr>\n");
    }
}
