/* SPDX-License-Identifier: MIT */
#include "http/page_read.h"

#include "http/connection.h"
#include "http/server.h"

#include <stdlib.h>
#include <string.h>

/* open at once in this process; more than that only a store that hangs can cause */
#define OPEN_MAX 20000

struct page_read {
    struct request *request;  /* NULL when it was answered or is gone */
    struct page_read **guard; /* in the request's pool: tells when it goes */
    page_read_callback on_answer;
    struct loop_timer limit;
    struct store_entry entry;
    struct store_query query;
    char site[STORE_SITE_MAX + 1];
    char page[STORE_PAGE_MAX + 1];
};

static size_t open_count;

/** Lets the request go; the question stays for the store. */
static struct request *release(struct page_read *read)
{
    struct request *request = read->request;

    loop_timer_stop(&read->limit);
    read->request = NULL;
    if (read->guard != NULL) {
        *read->guard = NULL;
        read->guard = NULL;
    }
    return request;
}

static void on_request_gone(void *data)
{
    struct page_read **guard = data;

    if (*guard != NULL) {
        release(*guard);
    }
}

static void answer(struct page_read *read, bool is_known, uint64_t count)
{
    struct request *request;

    if (read->guard != NULL) {
        connection_end_wait(read->request->h2o);
    }
    request = release(read);
    if (request != NULL) {
        read->on_answer(request, &(struct page_read_answer){
                                     .site = read->site,
                                     .page = read->page,
                                     .page_length = read->entry.page_length,
                                     .is_known = is_known,
                                     .count = count,
                                 });
    }
}

static void on_limit(struct loop_timer *timer)
{
    answer(container_of(timer, struct page_read, limit), false, 0);
}

static void on_read(void *data, const struct store_read *result)
{
    struct page_read *read = data;
    bool is_known = result->outcome == STORE_OK;

    answer(read, is_known, is_known ? result->numbers[0] : 0);
    open_count--;
    free(read);
}

void page_read_start(struct request *request, const char *site, const char *page, uint64_t limit_ms,
                     page_read_callback on_answer)
{
    struct page_read *read = calloc(1, sizeof(*read));

    if (read == NULL) {
        abort();
    }
    strcpy(read->site, site);
    strcpy(read->page, page);
    read->entry = (struct store_entry){.page = read->page, .page_length = strlen(page)};
    read->request = request;
    read->on_answer = on_answer;
    loop_timer_init(&read->limit, on_limit);
    if (open_count >= OPEN_MAX) {
        answer(read, false, 0);
        free(read);
        return;
    }
    open_count++;
    read->guard = h2o_mem_alloc_shared(&request->h2o->pool, sizeof(*read->guard), on_request_gone);
    *read->guard = read;
    loop_timer_start(server_loop(request->server), &read->limit, limit_ms);
    read->query = (struct store_query){
        .site = read->site, .pages = &read->entry, .page_count = 1, .kind = STORE_TOTALS};
    store_read(server_store(request->server), &read->query, on_read, read);
    connection_begin_wait(request->h2o);
}
