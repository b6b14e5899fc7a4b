/* SPDX-License-Identifier: MIT */
#include "http/routes/dashboard.h"

#include "base/buf.h"
#include "base/clock.h"
#include "http/routes/access.h"
#include "http/request/app.h"
#include "http/routes/assets.h"
#include "http/render/chart.h"
#include "http/render/format.h"
#include "http/render/number.h"
#include "http/request/pending_query.h"
#include "http/visit/sites.h"
#include "http/visit/visit_tally.h"
#include "store/store.h"
#include "web/web.h"

#include <string.h>

#define DAYS      30
#define TOP_PAGES 10

/* the page is sent without missing numbers after this time */
#define LIMIT_MS 1500

/** The question to the store and its results so far. */
struct dashboard {
    struct pending_query pending;
    struct page_ref page_ref;
    struct store_entry entry;
    struct store_query total_query;
    struct store_query visitors_query;
    struct store_span visits_span;
    struct store_span visitors_span;
    struct store_ranking ranking;
    bool has_total, has_visitors, has_visits_by_day, has_visitors_by_day, has_top;
    uint64_t total;
    uint64_t visitors_today;
    uint64_t visits[DAYS];
    uint64_t visitors[DAYS];
    struct buf top; /* rows of the top list */
};

static const struct number_style grouped = {NUMBER_GROUPED, 0};

/* Asking */

static void on_total(void *data, const struct store_read *read)
{
    struct dashboard *dashboard = data;

    dashboard->has_total = read->outcome == STORE_OK;
    if (dashboard->has_total) {
        dashboard->total = read->numbers[0];
    }
    pending_query_end_call(&dashboard->pending, dashboard->has_total);
}

static void on_visitors(void *data, const struct store_read *read)
{
    struct dashboard *dashboard = data;

    dashboard->has_visitors = read->outcome == STORE_OK;
    if (dashboard->has_visitors) {
        dashboard->visitors_today = read->numbers[0];
    }
    pending_query_end_call(&dashboard->pending, dashboard->has_visitors);
}

static void on_visits_by_day(void *data, const struct store_series *series)
{
    struct dashboard *dashboard = data;

    dashboard->has_visits_by_day = series->outcome == STORE_OK;
    if (dashboard->has_visits_by_day) {
        memcpy(dashboard->visits, series->numbers, sizeof(dashboard->visits));
    }
    pending_query_end_call(&dashboard->pending, dashboard->has_visits_by_day);
}

static void on_visitors_by_day(void *data, const struct store_series *series)
{
    struct dashboard *dashboard = data;

    dashboard->has_visitors_by_day = series->outcome == STORE_OK;
    if (dashboard->has_visitors_by_day) {
        memcpy(dashboard->visitors, series->numbers, sizeof(dashboard->visitors));
    }
    pending_query_end_call(&dashboard->pending, dashboard->has_visitors_by_day);
}

/** Appends a link to the page's dashboard: "/site/blog/a%20b". */
static void put_page_link(struct buf *out, const char *site, const struct store_page *page)
{
    buf_printf(out, "<a href=\"/site/%s", site);
    for (size_t i = 0; i < page->page_length; i++) {
        unsigned char c = (unsigned char)page->page[i];
        bool is_plain = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
                        strchr("/-._~", c) != NULL;

        buf_printf(out, is_plain ? "%c" : "%%%02X", c);
    }
    buf_puts(out, "\">");
    buf_put_xml(out, page->page, page->page_length);
    buf_puts(out, "</a>");
}

static void on_top(void *data, const struct store_pages *pages)
{
    struct dashboard *dashboard = data;
    struct buf *rows = &dashboard->top;

    dashboard->has_top = pages->outcome == STORE_OK;
    for (size_t i = 0; dashboard->has_top && i < pages->count; i++) {
        const struct store_page *page = &pages->pages[i];
        double share = (double)page->total / (double)(pages->pages[0].total | 1);

        buf_puts(rows, "<tr><td>");
        put_page_link(rows, dashboard->page_ref.site, page);
        buf_printf(rows,
                   "<svg class=\"share\" aria-hidden=\"true\"><rect width=\"%.1f%%\" height=\"4\" "
                   "rx=\"2\"/></svg></td><td class=\"number\">",
                   share * 100);
        number_put(rows, page->total, &grouped);
        buf_puts(rows, "</td></tr>\n");
    }
    pending_query_end_call(&dashboard->pending, dashboard->has_top);
}

static void on_free(struct pending_query *pending)
{
    buf_finish(&container_of(pending, struct dashboard, pending)->top);
}

static void ask_numbers(struct dashboard *dashboard, struct store *store, uint64_t today)
{
    dashboard->total_query = (struct store_query){.site = dashboard->page_ref.site,
                                                  .pages = &dashboard->entry,
                                                  .page_count = 1,
                                                  .kind = STORE_TOTALS};
    pending_query_begin_call(&dashboard->pending);
    store_read(store, &dashboard->total_query, on_total, dashboard);
    dashboard->visitors_query = dashboard->total_query;
    dashboard->visitors_query.kind = STORE_UNIQUES;
    dashboard->visitors_query.from_day = dashboard->visitors_query.to_day = today;
    pending_query_begin_call(&dashboard->pending);
    store_read(store, &dashboard->visitors_query, on_visitors, dashboard);
}

static void ask_days(struct dashboard *dashboard, struct store *store, uint64_t today)
{
    dashboard->visits_span = (struct store_span){.site = dashboard->page_ref.site,
                                                 .page = dashboard->entry.page,
                                                 .page_length = dashboard->entry.page_length,
                                                 .step = STORE_BY_DAY,
                                                 .from = today - (DAYS - 1),
                                                 .to = today};
    pending_query_begin_call(&dashboard->pending);
    store_series(store, &dashboard->visits_span, on_visits_by_day, dashboard);
    dashboard->visitors_span = dashboard->visits_span;
    dashboard->visitors_span.is_unique = true;
    pending_query_begin_call(&dashboard->pending);
    store_series(store, &dashboard->visitors_span, on_visitors_by_day, dashboard);
}

/* Showing */

/* the placeholders of the template */
enum part {
    PART_NAME,
    PART_HEADING,
    PART_CRUMB,
    PART_STREAM,
    PART_ORIGIN,
    PART_NOTICE,
    PART_TOTAL,
    PART_TODAY,
    PART_VISITORS,
    PART_CHART,
    PART_PAGES,
    PART_DAYS,
    PART_UNCOUNTED,
    PARTS
};

static const struct {
    const char *name;
    bool is_markup;
} part_fields[PARTS] = {
    [PART_NAME] = {"name", false},          [PART_HEADING] = {"heading", false},
    [PART_CRUMB] = {"crumb", true},         [PART_STREAM] = {"stream", false},
    [PART_ORIGIN] = {"origin", false},      [PART_NOTICE] = {"notice", true},
    [PART_TOTAL] = {"total", false},        [PART_TODAY] = {"today", false},
    [PART_VISITORS] = {"visitors", false},  [PART_CHART] = {"chart", true},
    [PART_PAGES] = {"pages", true},         [PART_DAYS] = {"days", true},
    [PART_UNCOUNTED] = {"uncounted", true},
};

static void put_number(struct buf *out, bool is_known, uint64_t number)
{
    if (is_known) {
        number_put(out, number, &grouped);
    } else {
        buf_puts(out, "\u2013");
    }
}

static void make_names(struct buf parts[PARTS], struct request *request,
                       const struct dashboard *dashboard)
{
    const struct page_ref *page_ref = &dashboard->page_ref;
    h2o_iovec_t host = request->h2o->authority;
    h2o_iovec_t scheme = request_header_named(request, "x-forwarded-proto");
    const char *path = memchr(request->rest.base, '/', request->rest.len);
    bool is_https = h2o_memis(scheme.base, scheme.len, H2O_STRLIT("https"));

    buf_puts(&parts[PART_HEADING], page_ref->is_site ? page_ref->site : page_ref->page.bytes);
    buf_puts(&parts[PART_NAME], page_ref->site);
    buf_puts(&parts[PART_NAME], page_ref->is_site ? "" : page_ref->page.bytes);
    buf_printf(&parts[PART_STREAM], "/v1/live/%s", page_ref->site);
    if (page_ref->is_site) {
        buf_puts(&parts[PART_CRUMB], "visitcountd");
    } else {
        buf_printf(&parts[PART_CRUMB], "<a href=\"/site/%s\">%s</a>", page_ref->site,
                   page_ref->site);
        buf_append(&parts[PART_STREAM], path,
                   (size_t)(request->rest.base + request->rest.len - path));
    }
    buf_puts(&parts[PART_ORIGIN], is_https ? "https://" : "http://");
    buf_append(&parts[PART_ORIGIN], host.base, host.len);
}

static void make_numbers(struct buf parts[PARTS], const struct dashboard *dashboard)
{
    const struct chart chart = {
        .first_day = dashboard->visits_span.from,
        .days = DAYS,
        .visits = dashboard->visits,
        .visitors = dashboard->has_visitors_by_day ? dashboard->visitors : NULL,
    };

    put_number(&parts[PART_TOTAL], dashboard->has_total, dashboard->total);
    put_number(&parts[PART_TODAY], dashboard->has_visits_by_day, dashboard->visits[DAYS - 1]);
    put_number(&parts[PART_VISITORS], dashboard->has_visitors, dashboard->visitors_today);
    if (dashboard->has_visits_by_day) {
        chart_put(&parts[PART_CHART], &chart);
        chart_put_rows(&parts[PART_DAYS], &chart);
    }
    if (!dashboard->pending.is_complete) {
        buf_puts(&parts[PART_NOTICE],
                 "<div class=\"card notice\"><p>The store does not answer: some "
                 "numbers are missing.</p></div>");
    }
}

static void make_top(struct buf parts[PARTS], const struct dashboard *dashboard)
{
    if (!dashboard->page_ref.is_site) {
        return;
    }
    buf_puts(&parts[PART_PAGES],
             "<section class=\"card\" aria-labelledby=\"top-title\"><h2 id=\"top-title\">Most "
             "visited pages</h2>\n<div class=\"scroll\" tabindex=\"0\" role=\"group\" "
             "aria-labelledby=\"top-title\"><table>\n<thead><tr><th scope=\"col\">Page</th>"
             "<th scope=\"col\" class=\"number\">Visits</th></tr></thead>\n<tbody id=\"toplist\">");
    if (dashboard->top.length != 0) {
        buf_append(&parts[PART_PAGES], dashboard->top.bytes, dashboard->top.length);
    } else {
        buf_puts(&parts[PART_PAGES], "<tr><td class=\"empty\" colspan=\"2\">None yet.</td></tr>");
    }
    buf_puts(&parts[PART_PAGES], "</tbody></table></div></section>");
}

/** What was ignored or refused, on the dashboard of a site; nothing if all visits were counted. */
static void make_uncounted(struct buf parts[PARTS], const struct request *request,
                           const struct dashboard *dashboard)
{
    const struct visit_tally *tally =
        visit_tallies_find(request->app->visit_tallies, dashboard->page_ref.site);
    struct buf *out = &parts[PART_UNCOUNTED];

    if (!dashboard->page_ref.is_site || tally == NULL) {
        return;
    }
    buf_puts(out, "<section class=\"card\" aria-labelledby=\"uncounted-title\">"
                  "<h2 id=\"uncounted-title\">Not counted</h2>\n<p>What this instance ignored or "
                  "refused since it started, by reason.</p>\n<table>\n<thead><tr><th "
                  "scope=\"col\">Reason</th><th scope=\"col\" class=\"number\">Requests</th></tr>"
                  "</thead>\n<tbody>");
    for (enum visit_outcome outcome = OUTCOME_NONE; outcome < OUTCOMES; outcome++) {
        if (tally->visits[outcome] != 0) {
            buf_printf(out, "<tr><td>%s</td><td class=\"number\">", visit_outcome_reason(outcome));
            number_put(out, tally->visits[outcome], &grouped);
            buf_puts(out, "</td></tr>\n");
        }
    }
    buf_puts(out, "</tbody></table></section>\n");
}

static void render(struct buf *out, const struct buf parts[PARTS], const char *site)
{
    struct render_field fields[PARTS + 2] = {
        {"site", site, false},
        {"version", assets_version(), false},
    };

    for (int i = 0; i < PARTS; i++) {
        fields[i + 2] =
            (struct render_field){part_fields[i].name, parts[i].length != 0 ? parts[i].bytes : "",
                                  part_fields[i].is_markup};
    }
    render_template(out, web_dashboard, web_dashboard_length, fields, PARTS + 2);
}

static void on_answer(struct request *request, struct pending_query *pending)
{
    const struct dashboard *dashboard = container_of(pending, struct dashboard, pending);
    struct buf *body = app_scratch(request->app);
    struct buf parts[PARTS] = {0};

    make_names(parts, request, dashboard);
    make_numbers(parts, dashboard);
    make_top(parts, dashboard);
    make_uncounted(parts, request, dashboard);
    render(body, parts, dashboard->page_ref.site);
    format_respond(request, 200, &format_page, body);
    for (int i = 0; i < PARTS; i++) {
        buf_finish(&parts[i]);
    }
}

void dashboard_show(struct request *request, const struct page_ref *page_ref)
{
    struct store *store = request->app->store;
    struct dashboard *dashboard =
        pending_query_create(request, sizeof(*dashboard), LIMIT_MS, on_answer);
    uint64_t today = zone_day(page_ref->rules->zone, clock_wall_ms() / 1000);

    if (dashboard == NULL) {
        return;
    }
    dashboard->page_ref = *page_ref;
    pending_query_set_on_free(&dashboard->pending, on_free);
    dashboard->entry = page_ref->is_site
                           ? (struct store_entry){.page = "", .page_length = 0}
                           : (struct store_entry){.page = dashboard->page_ref.page.bytes,
                                                  .page_length = page_ref->page.length};
    ask_numbers(dashboard, store, today);
    ask_days(dashboard, store, today);
    if (page_ref->is_site) {
        pending_query_begin_call(&dashboard->pending);
        dashboard->ranking =
            (struct store_ranking){.site = dashboard->page_ref.site, .count = TOP_PAGES};
        store_top(store, &dashboard->ranking, on_top, dashboard);
    }
}

void dashboard_handle(struct request *request)
{
    struct page_ref page_ref;

    if (page_ref_parse(request, &page_ref) && access_check(request, page_ref.rules)) {
        dashboard_show(request, &page_ref);
    }
}
