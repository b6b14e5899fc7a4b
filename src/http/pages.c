/* SPDX-License-Identifier: MIT */
#include "http/pages.h"

#include "http/format.h"
#include "http/page_read.h"
#include "http/server.h"
#include "http/sites.h"

#include <stdio.h>

/* the welcome page shows up without a number after this time */
#define WELCOME_LIMIT_MS 1000

static void on_welcome_answer(struct request *request, const struct page_read_answer *answer)
{
    struct buf *body = server_scratch(request->server);
    char count[24];

    snprintf(count, sizeof(count), "%llu", (unsigned long long)answer->count);
    render_welcome_html(body, answer->site, answer->is_known ? count : "\u2013",
                        answer->is_known ? "Looking here does not count."
                                         : "The store is away: visits cannot be counted now.");
    format_respond(request, 200, &format_html, body);
}

void pages_handle_welcome(struct request *request)
{
    page_read_start(request, sites_default(server_sites(request->server)), "/", WELCOME_LIMIT_MS,
                    on_welcome_answer);
}
