/* SPDX-License-Identifier: MIT */
#include "http/read.h"

#include "http/format.h"
#include "http/page_read.h"
#include "http/refusal.h"
#include "http/server.h"
#include "http/target.h"

/* longest that a question for a number waits, where count.max_wait is less than that */
#define READ_LIMIT_MS 1000

static void on_page_read(struct request *request, const struct page_read_answer *answer)
{
    if (!answer->is_known) {
        refuse(request, REFUSAL_STORE_UNAVAILABLE, "the store is not available");
        return;
    }
    format_respond_count(
        request, &(struct render_count){
                     .site = answer->site,
                     .page = answer->page,
                     .page_length = answer->page_length,
                     .count = answer->count,
                     .status = request->visit_status.len != 0 ? request->visit_status.base : NULL,
                 });
}

void read_page(struct request *request, const char *site, const struct key *page)
{
    uint64_t limit_ms = server_config(request->server)->count_max_wait_ms;

    page_read_start(request, site, page->bytes, limit_ms > READ_LIMIT_MS ? limit_ms : READ_LIMIT_MS,
                    on_page_read);
}

void read_handle_get(struct request *request)
{
    struct target target;

    if (format_prepare(request) && target_take(request, &target)) {
        read_page(request, target.site, &target.page);
    }
}
