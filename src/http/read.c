/* SPDX-License-Identifier: MIT */
#include "http/read.h"

#include "http/format.h"
#include "http/page_read.h"
#include "http/refusal.h"
#include "http/server.h"
#include "http/target.h"

/* longest that GET waits for a number, where count.max_wait is less than that */
#define GET_LIMIT_MS 1000

static void on_get_answer(struct request *request, const struct page_read_answer *answer)
{
    if (!answer->is_known) {
        refuse(request, REFUSAL_STORE_UNAVAILABLE, "the store is not available");
        return;
    }
    format_respond_count(request, &format_json,
                         &(struct render_count){
                             .site = answer->site,
                             .page = answer->page,
                             .page_length = answer->page_length,
                             .count = answer->count,
                         });
}

void read_handle_get(struct request *request)
{
    uint64_t limit_ms = server_config(request->server)->count_max_wait_ms;
    struct target target;

    if (target_take(request, &target)) {
        page_read_start(request, target.site, target.page.bytes,
                        limit_ms > GET_LIMIT_MS ? limit_ms : GET_LIMIT_MS, on_get_answer);
    }
}
