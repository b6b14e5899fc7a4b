/* SPDX-License-Identifier: MIT */
#include "http/routes/page_read.h"

#include "http/request/app.h"
#include "http/request/pending_query.h"
#include "store/store.h"

#include <string.h>

struct page_read {
    struct pending_query pending;
    page_read_callback on_answer;
    struct store_query query;
    struct store_entry entry;
    uint64_t count;
    char site[STORE_SITE_MAX + 1];
    char page[STORE_PAGE_MAX + 1];
};

static void on_read(void *data, const struct store_read *result)
{
    struct page_read *read = data;

    if (result->outcome == STORE_OK) {
        read->count = result->numbers[0];
    }
    pending_query_end_call(&read->pending, result->outcome == STORE_OK);
}

static void on_known(struct request *request, struct pending_query *pending)
{
    const struct page_read *read = container_of(pending, struct page_read, pending);

    read->on_answer(request, &(struct page_read_answer){
                                 .site = read->site,
                                 .page = read->page,
                                 .page_length = read->entry.page_length,
                                 .is_known = pending->is_complete,
                                 .count = read->count,
                             });
}

void page_read_start(struct request *request, const char *site, const char *page, uint64_t limit_ms,
                     page_read_callback on_answer)
{
    struct page_read *read = pending_query_create(request, sizeof(*read), limit_ms, on_known);

    if (read == NULL) {
        return;
    }
    read->on_answer = on_answer;
    strcpy(read->site, site);
    strcpy(read->page, page);
    read->entry = (struct store_entry){.page = read->page, .page_length = strlen(page)};
    read->query = (struct store_query){.site = read->site,
                                       .pages = &read->entry,
                                       .page_count = 1,
                                       .kind = STORE_TOTALS,
                                       .for_operator = request->is_operator};
    pending_query_begin_call(&read->pending);
    store_read(request->app->store, &read->query, on_read, read);
}
