/* SPDX-License-Identifier: MIT */
#include "http/routes/history.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/units.h"
#include "http/routes/access.h"
#include "http/request/app.h"
#include "http/render/format.h"
#include "http/visit/period.h"
#include "http/request/pending_query.h"
#include "http/routes/read.h"
#include "http/request/http_error.h"
#include "http/visit/sites.h"
#include "http/visit/page_ref.h"
#include "store/store.h"

#include <string.h>

#define TOP_DEFAULT   10
#define TOP_MAX       1000
#define DAYS_DEFAULT  30
#define HOURS_DEFAULT 48
#define HOUR_S        3600

/* Top lists */

struct pending_top {
    struct pending_query pending;
    struct store_ranking ranking;
    struct buf pages; /* JSON of the pages */
    char site[STORE_SITE_MAX + 1];
};

static void on_top_free(struct pending_query *pending)
{
    buf_finish(&container_of(pending, struct pending_top, pending)->pages);
}

static void on_top_read(void *data, const struct store_pages *pages)
{
    struct pending_top *top = data;

    for (size_t i = 0; pages->outcome == STORE_OK && i < pages->count; i++) {
        const struct store_page *page = &pages->pages[i];

        buf_puts(&top->pages, i != 0 ? ",{\"page\":" : "{\"page\":");
        buf_put_json(&top->pages, page->page, page->page_length);
        buf_puts(&top->pages, ",\"count\":");
        buf_put_u64(&top->pages, page->total);
        buf_putc(&top->pages, '}');
    }
    pending_query_end_call(&top->pending, pages->outcome == STORE_OK);
}

static void on_top_known(struct request *request, struct pending_query *pending)
{
    struct pending_top *top = container_of(pending, struct pending_top, pending);
    struct buf *body = app_scratch(request->app);

    if (!pending->is_complete) {
        http_error_respond(request, HTTP_ERROR_STORE_UNAVAILABLE, "the store is not available");
        return;
    }
    buf_puts(body, "{\"site\":");
    buf_put_json(body, top->site, strlen(top->site));
    buf_puts(body, ",\"pages\":[");
    buf_append(body, top->pages.bytes, top->pages.length);
    buf_puts(body, "]}\n");
    format_respond(request, 200, format_of(request), body);
}

/** Parses `n`. Returns false after answering. */
static bool parse_count(struct request *request, size_t *ret_count)
{
    h2o_iovec_t value;
    uint64_t count;

    if (!request_parameter(request, "n", &value)) {
        *ret_count = TOP_DEFAULT;
        return true;
    }
    if (strlen(value.base) != value.len || units_parse_u64(value.base, &count) != 0 || count == 0 ||
        count > TOP_MAX) {
        http_error_respond(request, HTTP_ERROR_BAD_PARAMETER, "n is a number from 1 to %d",
                           TOP_MAX);
        return false;
    }
    *ret_count = count;
    return true;
}

void history_handle_top(struct request *request)
{
    struct pending_top *top;
    struct page_ref page_ref;
    size_t count;

    if (!parse_count(request, &count) || !page_ref_parse(request, &page_ref) ||
        !access_check(request, page_ref.rules)) {
        return;
    }
    top = pending_query_create(request, sizeof(*top), read_limit_ms(request), on_top_known);
    if (top != NULL) {
        strcpy(top->site, page_ref.site);
        pending_query_set_on_free(&top->pending, on_top_free);
        pending_query_begin_call(&top->pending);
        top->ranking = (struct store_ranking){.site = top->site, .count = count};
        store_top(request->app->store, &top->ranking, on_top_read, top);
    }
}

/* Series */

struct pending_series {
    struct pending_query pending;
    struct store_span span;
    uint64_t numbers[STORE_STEPS_MAX];
    char site[STORE_SITE_MAX + 1];
    struct page_key page;
};

static void on_series_read(void *data, const struct store_series *series)
{
    struct pending_series *pending = data;

    if (series->outcome == STORE_OK) {
        memcpy(pending->numbers, series->numbers, series->count * sizeof(series->numbers[0]));
    }
    pending_query_end_call(&pending->pending, series->outcome == STORE_OK);
}

static const char *format_step(const struct store_span *span, uint64_t step,
                               char text[PERIOD_TEXT_MAX])
{
    return span->step == STORE_BY_DAY ? period_format_day(step, text)
                                      : period_format_hour(step, text);
}

static void on_series_known(struct request *request, struct pending_query *pending)
{
    struct pending_series *series = container_of(pending, struct pending_series, pending);
    const struct store_span *span = &series->span;
    struct buf *body = app_scratch(request->app);
    char text[PERIOD_TEXT_MAX];

    if (!pending->is_complete) {
        http_error_respond(request, HTTP_ERROR_STORE_UNAVAILABLE, "the store is not available");
        return;
    }
    buf_puts(body, "{\"site\":");
    buf_put_json(body, series->site, strlen(series->site));
    buf_puts(body, ",\"page\":");
    buf_put_json(body, series->page.bytes, series->page.length);
    buf_printf(body, ",\"by\":\"%s\",\"unique\":%s,\"values\":[",
               span->step == STORE_BY_DAY ? "day" : "hour", span->is_unique ? "true" : "false");
    for (uint64_t step = span->from; step <= span->to; step++) {
        buf_printf(body, "%s{\"at\":\"%s\",\"count\":", step != span->from ? "," : "",
                   format_step(span, step, text));
        buf_put_u64(body, series->numbers[step - span->from]);
        buf_putc(body, '}');
    }
    buf_puts(body, "]}\n");
    format_respond(request, 200, format_of(request), body);
}

/** Parses one end of the span. Returns false after answering. */
static bool parse_end(struct request *request, const char *name, const struct store_span *span,
                      uint64_t *end)
{
    bool (*parse)(const char *text, size_t length, uint64_t *ret_step) =
        span->step == STORE_BY_DAY ? period_parse_day : period_parse_hour;
    h2o_iovec_t value;

    if (!request_parameter(request, name, &value) || parse(value.base, value.len, end)) {
        return true;
    }
    http_error_respond(request, HTTP_ERROR_BAD_PARAMETER, "%s is %s", name,
                       span->step == STORE_BY_DAY ? "a day, as 2026-11-27"
                                                  : "an hour of UTC, as 2026-11-27T13Z");
    return false;
}

/** Whether a boolean parameter is on. */
static bool is_on(const struct request *request, const char *name)
{
    h2o_iovec_t value;

    return request_parameter(request, name, &value) && h2o_memis(value.base, value.len, "1", 1);
}

/** Parses `by`, `from`, `to` and `unique`. Returns false after answering. */
static bool parse_span(struct request *request, const struct page_ref *page_ref,
                       struct store_span *span)
{
    uint64_t now_s = clock_wall_ms() / 1000;
    bool by_hour = false;
    h2o_iovec_t by;

    if (request_parameter(request, "by", &by)) {
        by_hour = h2o_memis(by.base, by.len, H2O_STRLIT("hour"));
        if (!by_hour && !h2o_memis(by.base, by.len, H2O_STRLIT("day"))) {
            http_error_respond(request, HTTP_ERROR_BAD_PARAMETER, "by is day or hour");
            return false;
        }
    }
    span->is_unique = is_on(request, "unique");
    if (span->is_unique && by_hour) {
        http_error_respond(request, HTTP_ERROR_BAD_PARAMETER, "unique=1 goes with by=day only");
        return false;
    }
    span->step = by_hour ? STORE_BY_HOUR : STORE_BY_DAY;
    span->to = by_hour ? now_s / HOUR_S : zone_day(page_ref->rules->zone, now_s);
    if (!parse_end(request, "to", span, &span->to)) {
        return false;
    }
    span->from = span->to - ((by_hour ? HOURS_DEFAULT : DAYS_DEFAULT) - 1);
    if (!parse_end(request, "from", span, &span->from)) {
        return false;
    }
    if (span->from > span->to || span->to - span->from >= STORE_STEPS_MAX) {
        http_error_respond(request, HTTP_ERROR_BAD_PARAMETER,
                           "from comes before to, and there are at most %d steps", STORE_STEPS_MAX);
        return false;
    }
    return true;
}

void history_handle_series(struct request *request)
{
    struct pending_series *series;
    struct store_span span = {0};
    struct page_ref page_ref;

    if (!page_ref_parse(request, &page_ref) || !access_check(request, page_ref.rules) ||
        !parse_span(request, &page_ref, &span)) {
        return;
    }
    series =
        pending_query_create(request, sizeof(*series), read_limit_ms(request), on_series_known);
    if (series == NULL) {
        return;
    }
    strcpy(series->site, page_ref.site);
    if (!page_ref.is_site) {
        series->page = page_ref.page;
    }
    series->span = span;
    series->span.site = series->site;
    series->span.page = series->page.bytes;
    series->span.page_length = series->page.length;
    pending_query_begin_call(&series->pending);
    store_series(request->app->store, &series->span, on_series_read, series);
}
