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

static void on_page_known(struct request *request, struct pending_query *pending)
{
    struct pending_page *page = container_of(pending, struct pending_page, pending);

    if (!pending->is_complete && !visit_outcomes[request->outcome].is_counted) {
        refuse(request, HTTP_ERROR_STORE_UNAVAILABLE, "the store is not available");
        return;
    }
    format_respond_count(request, &(struct render_count){
                                      .site = page->site,
                                      .page = page->page,
                                      .page_length = page->entry.page_length,
                                      .count = page->number,
                                      .is_estimate = !pending->is_complete,
                                      .period = request->period_text,
                                      .status = visit_outcomes[request->outcome].name.base,
                                      .replicas = request->replicas,
                                      .replicas_wanted = request->replicas_wanted,
                                  });
}

void read_page(struct request *request, const char *site, const char *name, size_t name_length)
{
    struct pending_page *page =
        pending_query_create(request, sizeof(*page), read_limit_ms(request), on_page_known);

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

    if (format_prepare(request) && period_take(request) && page_ref_take(request, &page_ref)) {
        read_page(request, page_ref.site, page_ref.page.bytes, page_ref.page.length);
    }
}

/* Many pages */

struct pending_many {
    struct pending_query pending;
    struct store_query query;
    struct page_list list;
    struct store_entry entries[PAGE_LIST_MAX];
    uint64_t numbers[PAGE_LIST_MAX];
    char site[STORE_SITE_MAX + 1];
};

static void on_many_read(void *data, const struct store_read *read)
{
    struct pending_many *many = data;

    if (read->outcome == STORE_OK) {
        memcpy(many->numbers, read->numbers, many->list.count * sizeof(many->numbers[0]));
    }
    pending_query_end_call(&many->pending, read->outcome == STORE_OK);
}

static void on_many_known(struct request *request, struct pending_query *pending)
{
    struct pending_many *many = container_of(pending, struct pending_many, pending);
    struct buf *body = app_scratch(request->app);

    if (!pending->is_complete) {
        refuse(request, HTTP_ERROR_STORE_UNAVAILABLE, "the store is not available");
        return;
    }
    buf_puts(body, "{\"site\":");
    buf_put_json(body, many->site, strlen(many->site));
    if (request->period_text != NULL) {
        buf_puts(body, ",\"period\":");
        buf_put_json(body, request->period_text, strlen(request->period_text));
    }
    buf_puts(body, ",\"pages\":[");
    for (size_t i = 0; i < many->list.count; i++) {
        buf_puts(body, i != 0 ? ",{\"page\":" : "{\"page\":");
        buf_put_json(body, many->entries[i].page, many->entries[i].page_length);
        buf_puts(body, ",\"count\":");
        buf_put_u64(body, many->numbers[i]);
        buf_putc(body, '}');
    }
    buf_puts(body, "]}\n");
    format_respond(request, 200, format_of(request), body);
}

static void ask_many(struct request *request, const struct page_ref *page_ref,
                     const struct page_list *list)
{
    struct pending_many *many =
        pending_query_create(request, sizeof(*many), read_limit_ms(request), on_many_known);

    if (many == NULL) {
        return;
    }
    strcpy(many->site, page_ref->site);
    many->list = *list;
    for (size_t i = 0; i < list->count; i++) {
        many->entries[i] = (struct store_entry){.page = many->list.pages[i].bytes,
                                                .page_length = many->list.pages[i].length};
    }
    many->query =
        (struct store_query){.site = many->site, .pages = many->entries, .page_count = list->count};
    read_set_period(request, request->period != NULL ? request->period : &total, &many->query);
    pending_query_begin_call(&many->pending);
    store_read(request->app->store, &many->query, on_many_read, many);
}

void read_handle_get_many(struct request *request)
{
    h2o_iovec_t body = request->h2o->entity;
    struct page_list *list = h2o_mem_alloc_pool(&request->h2o->pool, sizeof(*list));
    struct page_ref page_ref;
    const char *wrong;

    if (!period_take(request) || !page_ref_take(request, &page_ref)) {
        return;
    }
    wrong = page_list_parse(body.base, body.len, list);
    if (wrong != NULL) {
        refuse(request, HTTP_ERROR_BAD_BODY, "%s", wrong);
    } else if (!list->has_site || access_check(request, page_ref.rules)) {
        ask_many(request, &page_ref, list);
    }
}
