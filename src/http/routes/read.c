/* SPDX-License-Identifier: MIT */
#include "http/routes/read.h"

#include "base/buf.h"
#include "base/clock.h"
#include "config/config.h"
#include "http/routes/access.h"
#include "http/request/app.h"
#include "http/render/format.h"
#include "http/routes/page_list.h"
#include "http/request/pending_query.h"
#include "http/request/http_error.h"
#include "http/visit/sites.h"
#include "http/visit/page_ref.h"
#include "http/visit/period.h"
#include "store/store.h"

#include <string.h>

/* time limit of a read, unless count.max_wait is longer */
#define READ_LIMIT_MS 1000

static const struct period total = {STORE_TOTALS, 0};

uint64_t read_limit_ms(const struct request *request)
{
    uint64_t limit_ms = request->app->config->count_max_wait_ms;

    return limit_ms > READ_LIMIT_MS ? limit_ms : READ_LIMIT_MS;
}

/* Periods */

void read_set_period(const struct request *request, const struct period *period,
                     struct store_query *query)
{
    const struct sites *sites = request->app->sites;
    const struct site_rules *rules = sites_find(sites, query->site, strlen(query->site));

    if (rules == NULL) {
        rules = sites_open_rules(sites);
    }
    query->kind = period->kind;
    if (period->kind != STORE_TOTALS) {
        query->to_day = zone_day(rules->zone, clock_wall_ms() / 1000);
        query->from_day = query->to_day - (period->days - 1);
    }
}

/* One page */

struct pending_page {
    struct pending_query pending;
    struct store_query query;
    struct store_entry entry;
    uint64_t number;
    char site[STORE_SITE_MAX + 1];
    char page[STORE_PAGE_MAX + 1];
};

static void on_page_read(void *data, const struct store_read *read)
{
    struct pending_page *page = data;

    if (read->outcome == STORE_OK) {
        page->number = read->numbers[0];
    }
    pending_query_end_call(&page->pending, read->outcome == STORE_OK);
}

static bool is_of_counted_visit(const struct request *request)
{
    return visit_outcomes[request->outcome].is_counted;
}

/** Answers with the number of a page. `number` is NULL if it is not known. */
static void respond_number(struct request *request, const char *site, const char *page,
                           size_t page_length, const uint64_t *number)
{
    format_respond_count(request, &(struct render_count){
                                      .site = site,
                                      .page = page,
                                      .page_length = page_length,
                                      .count = number != NULL ? *number : 0,
                                      .is_estimate = number == NULL,
                                      .period = request->period_text,
                                      .status = visit_outcomes[request->outcome].name.base,
                                      .replicas = request->replicas,
                                      .replicas_wanted = request->replicas_wanted,
                                  });
}

static void on_page_known(struct request *request, struct pending_query *pending)
{
    struct pending_page *page = container_of(pending, struct pending_page, pending);

    if (!pending->is_complete && !is_of_counted_visit(request)) {
        http_error_respond(request, HTTP_ERROR_STORE_UNAVAILABLE, "the store is not available");
        return;
    }
    respond_number(request, page->site, page->page, page->entry.page_length,
                   pending->is_complete ? &page->number : NULL);
}

static struct pending_page *create_page(struct request *request, size_t size)
{
    uint64_t limit_ms = read_limit_ms(request);

    return is_of_counted_visit(request)
               ? pending_query_create_for_visit(request, size, limit_ms, on_page_known)
               : pending_query_create(request, size, limit_ms, on_page_known);
}

void read_page(struct request *request, const char *site, const char *name, size_t name_length)
{
    struct pending_page *page;

    if (is_of_counted_visit(request) &&
        !pending_query_has_room(request, PENDING_VISIT, sizeof(*page))) {
        respond_number(request, site, name, name_length, NULL);
        return;
    }
    page = create_page(request, sizeof(*page));
    if (page == NULL) {
        return;
    }
    strcpy(page->site, site);
    memcpy(page->page, name, name_length);
    page->entry = (struct store_entry){.page = page->page, .page_length = name_length};
    page->query = (struct store_query){.site = page->site, .pages = &page->entry, .page_count = 1};
    read_set_period(request, request->period != NULL ? request->period : &total, &page->query);
    pending_query_begin_call(&page->pending);
    store_read(request->app->store, &page->query, on_page_read, page);
}

void read_handle_get(struct request *request)
{
    struct page_ref page_ref;

    if (format_prepare(request) && period_take(request) && page_ref_parse(request, &page_ref)) {
        read_page(request, page_ref.site, page_ref.page.bytes, page_ref.page.length);
    }
}

/* Many pages */

struct pending_many {
    struct pending_query pending;
    struct store_query query;
    size_t count;                  /* of the names that were asked for */
    uint8_t places[PAGE_LIST_MAX]; /* of each name among the distinct pages */
    uint64_t numbers[PAGE_LIST_MAX];
    struct store_entry entries[PAGE_LIST_MAX];
    char site[STORE_SITE_MAX + 1];
    char names[]; /* of the distinct pages, NUL-terminated */
};

static void on_many_read(void *data, const struct store_read *read)
{
    struct pending_many *many = data;

    if (read->outcome == STORE_OK) {
        memcpy(many->numbers, read->numbers, many->query.page_count * sizeof(many->numbers[0]));
    }
    pending_query_end_call(&many->pending, read->outcome == STORE_OK);
}

static void on_many_known(struct request *request, struct pending_query *pending)
{
    struct pending_many *many = container_of(pending, struct pending_many, pending);
    struct buf *body = app_scratch(request->app);

    if (!pending->is_complete) {
        http_error_respond(request, HTTP_ERROR_STORE_UNAVAILABLE, "the store is not available");
        return;
    }
    buf_puts(body, "{\"site\":");
    buf_put_json(body, many->site, strlen(many->site));
    if (request->period_text != NULL) {
        buf_puts(body, ",\"period\":");
        buf_put_json(body, request->period_text, strlen(request->period_text));
    }
    buf_puts(body, ",\"pages\":[");
    for (size_t i = 0; i < many->count; i++) {
        const struct store_entry *entry = &many->entries[many->places[i]];

        buf_puts(body, i != 0 ? ",{\"page\":" : "{\"page\":");
        buf_put_json(body, entry->page, entry->page_length);
        buf_puts(body, ",\"count\":");
        buf_put_u64(body, many->numbers[many->places[i]]);
        buf_putc(body, '}');
    }
    buf_puts(body, "]}\n");
    format_respond(request, 200, format_of(request), body);
}

/** Whether the question is not too large. Otherwise answers it. */
static bool check_size(struct request *request, size_t page_count)
{
    const struct period *period = request->period;
    size_t days = period != NULL && period->kind != STORE_TOTALS ? period->days : 1;

    if (page_count * days <= READ_PAGE_DAYS_MAX) {
        return true;
    }
    http_error_respond(request, HTTP_ERROR_BAD_PARAMETER,
                       "one question reads at most %d pages times days; this one names %zu pages "
                       "and a period of %zu days",
                       READ_PAGE_DAYS_MAX, page_count, days);
    return false;
}

/** Copies the distinct pages of `list`. */
static void copy_pages(struct pending_many *many, const struct page_list *list)
{
    char *name = many->names;

    for (size_t i = 0; i < list->count; i++) {
        const struct page_key *page = &list->pages[i];

        many->places[i] = list->places[i];
        if (list->places[i] == many->query.page_count) { /* the first one of this name */
            many->entries[many->query.page_count++] =
                (struct store_entry){.page = name, .page_length = page->length};
            memcpy(name, page->bytes, page->length + 1);
            name += page->length + 1;
        }
    }
    many->count = list->count;
}

static void ask_many(struct request *request, const struct page_ref *page_ref,
                     const struct page_list *list)
{
    struct pending_many *many = pending_query_create(request, sizeof(*many) + list->names_size,
                                                     read_limit_ms(request), on_many_known);

    if (many == NULL) {
        return;
    }
    strcpy(many->site, page_ref->site);
    many->query = (struct store_query){.site = many->site, .pages = many->entries};
    copy_pages(many, list);
    read_set_period(request, request->period != NULL ? request->period : &total, &many->query);
    pending_query_begin_call(&many->pending);
    store_read(request->app->store, &many->query, on_many_read, many);
}

void read_handle_get_many(struct request *request)
{
    h2o_iovec_t body = request->h2o->entity;
    static struct page_list list; /* used in this turn only */
    struct page_ref page_ref;
    const char *wrong;

    if (!period_take(request) || !page_ref_parse(request, &page_ref)) {
        return;
    }
    wrong = page_list_parse(body.base, body.len, &list);
    if (wrong != NULL) {
        http_error_respond(request, HTTP_ERROR_BAD_BODY, "%s", wrong);
    } else if (check_size(request, list.distinct_count) &&
               (!list.has_site || access_check(request, page_ref.rules))) {
        ask_many(request, &page_ref, &list);
    }
}
