/* SPDX-License-Identifier: MIT */
#include "http/admin/admin_lists.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "http/admin/admin_answer.h"
#include "http/render/render.h"
#include "http/request/app.h"
#include "http/request/pending_query.h"
#include "http/request/response.h"
#include "http/visit/sites.h"
#include "store/store.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TOP_COUNT  10
#define DAY_COUNT  30
#define HOUR_COUNT 48
#define HOUR_S     3600
#define DAY_S      86400
#define CURSOR_MAX STORE_PAGE_MAX

/* top, export */

struct pending_list {
    struct pending_query pending;
    struct store_ranking ranking; /* top */
    struct buf body;              /* body of the answer */
    char site[STORE_SITE_MAX + 1];
    char after[CURSOR_MAX + 1];
    enum report_form form;
};

static void free_list(struct pending_query *pending)
{
    buf_finish(&container_of(pending, struct pending_list, pending)->body);
}

static void on_list_answered(struct request *request, struct pending_query *pending)
{
    struct pending_list *list = container_of(pending, struct pending_list, pending);

    if (pending->is_complete) {
        admin_answer_respond_form(request, 200, &list->body);
    } else {
        admin_answer_respond_unavailable(request);
    }
}

/** Not JSON as a whole in either form: the lines are for visitcountctl, which takes them apart. */
static void on_export_answered(struct request *request, struct pending_query *pending)
{
    struct pending_list *list = container_of(pending, struct pending_list, pending);

    if (pending->is_complete) {
        response_send_buf(request, 200, render_content_type(RENDER_TEXT), &list->body);
    } else {
        admin_answer_respond_unavailable(request);
    }
}

static struct pending_list *create_list(struct request *request, const char *site,
                                        pending_query_callback on_answer)
{
    struct pending_list *list =
        pending_query_create(request, sizeof(*list), ADMIN_LIMIT_MS, on_answer);

    if (list != NULL) {
        pending_query_set_on_free(&list->pending, free_list);
        pending_query_begin_call(&list->pending);
        strcpy(list->site, site);
        list->form = admin_answer_form(request);
    }
    return list;
}

static void on_top(void *data, const struct store_pages *pages)
{
    struct pending_list *list = data;
    struct report report;

    report_init(&report, list->form);
    report_text(&report, "site", list->site);
    report_begin_list(&report, "pages");
    for (size_t i = 0; i < pages->count; i++) {
        report_begin_section(&report, NULL);
        report_text(&report, "page", pages->pages[i].page);
        report_u64(&report, "count", pages->pages[i].total);
        report_end_section(&report);
    }
    report_end_list(&report);
    report_finish(&report, &list->body);
    pending_query_end_call(&list->pending, pages->outcome == STORE_OK);
}

void admin_handle_top(struct request *request)
{
    char site[STORE_SITE_MAX + 1];
    uint64_t count = TOP_COUNT;
    struct pending_list *list;

    if (!admin_answer_parse_site(request, site) ||
        !admin_answer_parse_number(request, 1, STORE_LIST_MAX, &count)) {
        return;
    }
    list = create_list(request, site, on_list_answered);
    if (list != NULL) {
        list->ranking =
            (struct store_ranking){.site = list->site, .count = count, .for_operator = true};
        store_top(request->app->store, &list->ranking, on_top, list);
    }
}

static void put_exported(struct pending_list *list, const struct store_page *page)
{
    struct buf *out = &list->body;

    if (list->form == REPORT_TEXT) {
        buf_printf(out, "%s\t", list->site);
        admin_answer_put_page(out, page->page);
        buf_printf(out, "\t%llu\n", (unsigned long long)page->total);
        return;
    }
    buf_printf(out, "{\"site\":\"%s\",\"page\":", list->site);
    buf_put_json(out, page->page, page->page_length);
    buf_printf(out, ",\"count\":%llu}\n", (unsigned long long)page->total);
}

static void on_scanned(void *data, const struct store_pages *pages)
{
    struct pending_list *list = data;

    buf_printf(&list->body, "next\t%s\n", pages->next != NULL ? pages->next : "");
    for (size_t i = 0; i < pages->count; i++) {
        put_exported(list, &pages->pages[i]);
    }
    pending_query_end_call(&list->pending, pages->outcome == STORE_OK);
}

static void on_export_sites(void *data, const struct store_sites *sites)
{
    struct pending_list *list = data;

    for (size_t i = 0; i < sites->count; i++) {
        buf_printf(&list->body, "%s\n", sites->names[i]);
    }
    pending_query_end_call(&list->pending, sites->outcome == STORE_OK);
}

static void export_sites(struct request *request)
{
    struct pending_list *list = create_list(request, "", on_export_answered);

    if (list != NULL) {
        list->form = REPORT_TEXT;
        store_sites(request->app->store, on_export_sites, list);
    }
}

void admin_handle_export(struct request *request)
{
    const char *after = admin_answer_parameter(request, "after");
    char site[STORE_SITE_MAX + 1];
    struct pending_list *list;

    if (admin_answer_parameter(request, "site") == NULL) {
        export_sites(request);
        return;
    }
    if (!admin_answer_parse_site(request, site)) {
        return;
    }
    if (after != NULL && strlen(after) > CURSOR_MAX) {
        response_send_error(request, 400, "bad_cursor",
                            "no answer named such a place to go on from");
        return;
    }
    list = create_list(request, site, on_export_answered);
    if (list != NULL) {
        strcpy(list->after, after != NULL ? after : "");
        store_scan(request->app->store, list->site, list->after, on_scanned, list);
    }
}

/* series */

struct pending_series {
    struct pending_query pending;
    struct store_span span;
    uint64_t numbers[STORE_STEPS_MAX];
    char site[STORE_SITE_MAX + 1];
    struct page_key page;
};

static void report_step(struct report *report, const struct store_span *span, uint64_t step,
                        uint64_t number)
{
    bool is_day = span->step == STORE_BY_DAY;
    time_t second = (time_t)(step * (is_day ? DAY_S : HOUR_S));
    struct tm utc;
    char text[32];

    gmtime_r(&second, &utc);
    strftime(text, sizeof(text), is_day ? "%Y-%m-%d" : "%Y-%m-%dT%HZ", &utc);
    report_begin_section(report, NULL);
    report_text(report, is_day ? "day" : "hour", text);
    report_u64(report, span->is_unique ? "visitors" : "visits", number);
    report_end_section(report);
}

static void on_series_answered(struct request *request, struct pending_query *pending)
{
    struct pending_series *series = container_of(pending, struct pending_series, pending);
    const struct store_span *span = &series->span;
    struct report report;

    if (!pending->is_complete) {
        admin_answer_respond_unavailable(request);
        return;
    }
    report_init(&report, admin_answer_form(request));
    report_text(&report, "site", series->site);
    report_text(&report, "page", span->page);
    report_begin_list(&report, "series");
    for (uint64_t step = span->from; step <= span->to; step++) {
        report_step(&report, span, step, series->numbers[step - span->from]);
    }
    report_end_list(&report);
    admin_answer_respond_report(request, 200, &report);
}

static void on_series(void *data, const struct store_series *result)
{
    struct pending_series *series = data;

    if (result->outcome == STORE_OK) {
        memcpy(series->numbers, result->numbers, result->count * sizeof(*result->numbers));
    }
    pending_query_end_call(&series->pending, result->outcome == STORE_OK);
}

/** Parses the requested span, which ends now. Returns false after answering. */
static bool parse_span(struct request *request, struct store_span *span)
{
    const char *by = admin_answer_parameter(request, "by");
    uint64_t now_s = clock_wall_ms() / 1000;
    uint64_t count;

    by = by != NULL ? by : "day";
    span->is_unique = strcmp(by, "unique") == 0;
    if (strcmp(by, "hour") == 0) {
        span->step = STORE_BY_HOUR;
        span->to = now_s / HOUR_S;
        count = HOUR_COUNT;
    } else if (strcmp(by, "day") == 0 || span->is_unique) {
        const struct site_rules *rules =
            sites_find(request->app->sites, span->site, strlen(span->site));

        span->step = STORE_BY_DAY;
        span->to = rules != NULL ? zone_day(rules->zone, now_s) : now_s / DAY_S;
        count = DAY_COUNT;
    } else {
        response_send_error(request, 400, "bad_step", "expected day, hour or unique, not \"%s\"",
                            by);
        return false;
    }
    if (!admin_answer_parse_number(request, 1, STORE_STEPS_MAX, &count)) {
        return false;
    }
    span->from = span->to + 1 > count ? span->to + 1 - count : 0; /* the clock may be near 1970 */
    return true;
}

/** Parses a page, or "" for the site. Returns false after answering. */
static bool parse_page_or_site(struct request *request, struct page_key *ret_page)
{
    const char *page = admin_answer_parameter(request, "page");

    if (page != NULL && *page == '\0') {
        memset(ret_page, 0, sizeof(*ret_page));
        return true;
    }
    return admin_answer_parse_page(request, "page", ret_page);
}

void admin_handle_series(struct request *request)
{
    struct pending_series *series;
    struct store_span span = {.for_operator = true};
    char site[STORE_SITE_MAX + 1];
    struct page_key page;

    span.site = site;
    if (!admin_answer_parse_site(request, site) || !parse_page_or_site(request, &page) ||
        !parse_span(request, &span)) {
        return;
    }
    series = pending_query_create(request, sizeof(*series), ADMIN_LIMIT_MS, on_series_answered);
    if (series == NULL) {
        return;
    }
    strcpy(series->site, site);
    series->page = page;
    series->span = span;
    series->span.site = series->site;
    series->span.page = series->page.bytes;
    series->span.page_length = series->page.length;
    pending_query_begin_call(&series->pending);
    store_series(request->app->store, &series->span, on_series, series);
}

/* sites */

struct site_row {
    struct pending_sites *sites;
    struct store_query query;
    uint64_t total;
    char name[STORE_SITE_MAX + 1];
};

struct pending_sites {
    struct pending_query pending;
    struct store *store;
    struct site_row *rows;
    size_t count;
};

/** The entry for a site itself. */
static const struct store_entry whole_site = {.page = "", .page_length = 0};

static void free_sites(struct pending_query *pending)
{
    free(container_of(pending, struct pending_sites, pending)->rows);
}

static void on_sites_answered(struct request *request, struct pending_query *pending)
{
    struct pending_sites *sites = container_of(pending, struct pending_sites, pending);
    struct report report;

    if (!pending->is_complete) {
        admin_answer_respond_unavailable(request);
        return;
    }
    report_init(&report, admin_answer_form(request));
    report_begin_list(&report, "sites");
    for (size_t i = 0; i < sites->count; i++) {
        report_begin_section(&report, NULL);
        report_text(&report, "site", sites->rows[i].name);
        report_u64(&report, "count", sites->rows[i].total);
        report_end_section(&report);
    }
    report_end_list(&report);
    admin_answer_respond_report(request, 200, &report);
}

static void on_site_total(void *data, const struct store_read *read)
{
    struct site_row *row = data;

    if (read->outcome == STORE_OK) {
        row->total = read->numbers[0];
    }
    pending_query_end_call(&row->sites->pending, read->outcome == STORE_OK);
}

static void on_sites(void *data, const struct store_sites *result)
{
    struct pending_sites *sites = data;

    sites->rows = alloc_zero(result->count + 1, sizeof(*sites->rows));
    sites->count = result->count;
    for (size_t i = 0; i < result->count; i++) {
        struct site_row *row = &sites->rows[i];

        strncpy(row->name, result->names[i], STORE_SITE_MAX);
        row->sites = sites;
        row->query = (struct store_query){
            .site = row->name, .pages = &whole_site, .page_count = 1, .for_operator = true};
        pending_query_begin_call(&sites->pending);
        store_read(sites->store, &row->query, on_site_total, row);
    }
    pending_query_end_call(&sites->pending, result->outcome == STORE_OK);
}

void admin_handle_sites(struct request *request)
{
    struct pending_sites *sites =
        pending_query_create(request, sizeof(*sites), ADMIN_LIMIT_MS, on_sites_answered);

    if (sites != NULL) {
        pending_query_set_on_free(&sites->pending, free_sites);
        sites->store = request->app->store;
        pending_query_begin_call(&sites->pending);
        store_sites(sites->store, on_sites, sites);
    }
}
