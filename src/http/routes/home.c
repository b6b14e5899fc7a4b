/* SPDX-License-Identifier: MIT */
#include "http/routes/home.h"

#include "base/buf.h"
#include "http/routes/access.h"
#include "http/request/app.h"
#include "http/routes/assets.h"
#include "http/routes/dashboard.h"
#include "http/render/format.h"
#include "http/render/number.h"
#include "http/routes/page_read.h"
#include "http/visit/page_ref.h"

/* the welcome page is sent without a number after this time */
#define WELCOME_LIMIT_MS 1000

static void on_read(struct request *request, const struct page_read_answer *answer)
{
    struct buf *body = app_scratch(request->app);
    struct buf count = BUF_EMPTY;

    number_put(&count, answer->count, &(struct number_style){NUMBER_GROUPED, 0});
    render_welcome_html(body, &(struct render_welcome){
                                  .site = answer->site,
                                  .count = answer->is_known ? count.bytes : "\u2013",
                                  .note = answer->is_known
                                              ? "Looking here does not count."
                                              : "The store is away: visits cannot be counted now.",
                                  .version = assets_version(),
                              });
    format_respond(request, 200, &format_page, body);
    buf_finish(&count);
}

void home_handle(struct request *request)
{
    struct page_ref page_ref;

    if (!page_ref_parse_default(request, &page_ref)) {
        return;
    }
    switch (access_judge(request, page_ref.rules)) {
    case ACCESS_OPEN:
        page_ref.is_site = true;
        dashboard_show(request, &page_ref);
        break;
    case ACCESS_CLOSED:
        page_read_start(request, page_ref.site, "/", WELCOME_LIMIT_MS, on_read);
        break;
    case ACCESS_LATER:
        break;
    }
}
