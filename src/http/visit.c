/* SPDX-License-Identifier: MIT */
#include "http/visit.h"

#include "http/connection.h"
#include "http/key.h"
#include "http/page_read.h"
#include "http/render.h"
#include "http/server.h"
#include "http/token.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* the welcome page shows up without a number after this time */
#define WELCOME_LIMIT_MS 1000

/* longest that GET waits for a number, where count.max_wait is less than that */
#define GET_LIMIT_MS 1000

/* Values of Visitcount-Status */

static const h2o_iovec_t status_counted = {H2O_STRLIT("counted")};
static const h2o_iovec_t status_duplicate = {H2O_STRLIT("duplicate")};
static const h2o_iovec_t status_bad_key = {H2O_STRLIT("refused; reason=bad-idempotency-key")};
static const h2o_iovec_t status_journaled = {H2O_STRLIT("journaled")};
static const h2o_iovec_t status_journal_full = {H2O_STRLIT("refused; reason=journal-full")};
static const h2o_iovec_t status_head = {H2O_STRLIT("ignored; reason=head")};
static const h2o_iovec_t status_bad_site = {H2O_STRLIT("refused; reason=bad-site")};
static const h2o_iovec_t status_unknown_site = {H2O_STRLIT("refused; reason=unknown-site")};
static const h2o_iovec_t status_too_many_sites = {H2O_STRLIT("refused; reason=too-many-sites")};
static const h2o_iovec_t status_bad_page = {H2O_STRLIT("refused; reason=bad-page")};
static const h2o_iovec_t status_unavailable = {H2O_STRLIT("refused; reason=store-unavailable")};
static const h2o_iovec_t status_overloaded = {H2O_STRLIT("refused; reason=overloaded")};
static const h2o_iovec_t status_shutting_down = {H2O_STRLIT("refused; reason=shutting-down")};
static const h2o_iovec_t status_unknown = {H2O_STRLIT("unknown; reason=store-did-not-answer")};

/** Sets Visitcount-Status on routes that count. */
static void set_status(struct request *request, h2o_iovec_t status)
{
    if ((request->route->methods & ROUTE_COUNTS) != 0) {
        request->visit_status = status;
    }
}

/* Which page */

/** A page of a site, as a path names it. */
struct target {
    char site[STORE_SITE_MAX + 1];
    struct key page;
};

/** Whether the site may be counted or read; if not, the request was answered. */
static bool admit_site(struct request *request, const char *site, size_t length)
{
    const struct sites *sites = server_sites(request->server);
    struct engine *engine = server_engine(request->server);
    uint64_t limit = sites_open_limit(sites);

    if (sites_lists(sites, site, length)) {
        return true;
    }
    if (limit == 0) {
        set_status(request, status_unknown_site);
        respond_error(request, 404, "unknown_site", "site %s is not counted here", site);
        return false;
    }
    /* reading makes no site */
    if ((request->route->methods & ROUTE_COUNTS) != 0 && !engine_has_site(engine, site) &&
        engine_site_count(engine) >= limit) {
        set_status(request, status_too_many_sites);
        respond_error(request, 403, "too_many_sites",
                      "site %s is new, and this instance serves all the sites it may", site);
        return false;
    }
    return true;
}

/** Takes "{site}/{page…}" or "{site}" from the path; false when the request was answered. */
static bool take_target(struct request *request, struct target *ret_target)
{
    h2o_iovec_t rest = request->rest;
    const char *slash = memchr(rest.base, '/', rest.len);
    size_t site_length = slash != NULL ? (size_t)(slash - rest.base) : rest.len;
    enum key_status status;

    if (!key_is_site(rest.base, site_length)) {
        set_status(request, status_bad_site);
        respond_error(request, 400, "bad_site", "a site's name is 1 to 64 of a-z 0-9 . _ -");
        return false;
    }
    memcpy(ret_target->site, rest.base, site_length);
    ret_target->site[site_length] = '\0';
    if (!admit_site(request, ret_target->site, site_length)) {
        return false;
    }
    status = key_from_path(rest.base + site_length, rest.len - site_length, &ret_target->page);
    if (status != KEY_OK) {
        set_status(request, status_bad_page);
        respond_error(request, status == KEY_TOO_LONG ? 414 : 400,
                      status == KEY_TOO_LONG ? "page_too_long" : "bad_page", "%s",
                      key_status_text(status));
        return false;
    }
    return true;
}

/* Counting */

/** A visit that waits for its number, in the request's pool. */
struct waiting {
    struct visit visit;
    struct request *request;
    enum render_form form;
    size_t site_length;
    size_t page_length;
    char names[]; /* site, NUL, page, NUL */
};

static void respond_form(struct request *request, int http_status, enum render_form form,
                         const struct buf *body)
{
    struct response_header policy = {.name = "content-security-policy"};
    struct response response = {
        .status = http_status,
        .content_type = render_content_type(form),
        .body = h2o_strdup(&request->h2o->pool, body->bytes, body->length),
    };

    if (form == RENDER_HTML) {
        const char *text = render_content_security_policy();

        policy.value = h2o_iovec_init(text, strlen(text));
        response.headers = &policy;
        response.header_count = 1;
    }
    respond(request, &response);
}

static void respond_count(const struct waiting *waiting, uint64_t count, h2o_iovec_t status)
{
    static void (*const renderers[])(struct buf * out, const struct render_count *count) = {
        [RENDER_TEXT] = render_count_text,
        [RENDER_HTML] = render_count_html,
        [RENDER_JSON] = render_count_json,
    };
    struct request *request = waiting->request;
    struct buf *body = server_scratch(request->server);
    bool is_estimate = status.base == status_journaled.base;

    renderers[waiting->form](body, &(struct render_count){
                                       .site = waiting->names,
                                       .page = waiting->names + waiting->site_length + 1,
                                       .page_length = waiting->page_length,
                                       .count = count,
                                       .is_estimate = is_estimate,
                                       .status = status.base,
                                   });
    request->visit_status = status;
    respond_form(request, is_estimate ? 202 : 200, waiting->form, body);
}

static void respond_unavailable(struct request *request)
{
    set_status(request, status_unavailable);
    respond_error(request, 503, "store_unavailable",
                  "the store is not available; this visit was not counted");
}

static void on_answer(struct visit *visit, const struct visit_answer *answer)
{
    const struct waiting *waiting = container_of(visit, struct waiting, visit);

    connection_end_wait(waiting->request->h2o);
    switch (answer->status) {
    case VISIT_COUNTED:
        respond_count(waiting, answer->count, status_counted);
        break;
    case VISIT_REPEATED:
        respond_count(waiting, answer->count, status_duplicate);
        break;
    case VISIT_JOURNALED:
        respond_count(waiting, answer->count, status_journaled);
        break;
    case VISIT_REFUSED:
        respond_unavailable(waiting->request);
        break;
    case VISIT_UNKNOWN:
        waiting->request->visit_status = status_unknown;
        respond_error(waiting->request, 503, "outcome_unknown",
                      "the store did not answer in time; this visit may have been counted");
        break;
    }
}

/** Answers a visit that the engine did not take. */
static void respond_refused(struct request *request, int error)
{
    switch (error) {
    case -ENOBUFS:
        request->visit_status = status_overloaded;
        respond_error(request, 503, "overloaded",
                      "too many visits wait for the store; this one was not counted");
        break;
    case -ENOSPC:
        request->visit_status = status_journal_full;
        respond_error(request, 503, "journal_full",
                      "the store is away and the journal has no room; this visit was not counted");
        break;
    case -ESHUTDOWN:
        request->visit_status = status_shutting_down;
        respond_error(request, 503, "shutting_down",
                      "this server ends; this visit was not counted");
        break;
    default:
        respond_unavailable(request);
    }
}

static void count_visit(struct request *request, const char *site, const struct key *page,
                        enum render_form form)
{
    size_t site_length = strlen(site);
    struct waiting *waiting;
    int error;

    if (request->is_head) {
        request->visit_status = status_head;
        respond(request,
                &(struct response){.status = 200, .content_type = render_content_type(form)});
        return;
    }
    waiting =
        h2o_mem_alloc_pool(&request->h2o->pool, sizeof(*waiting) + site_length + page->length + 2);
    if (!token_take(request, &waiting->visit)) {
        request->visit_status = status_bad_key;
        respond_error(request, 400, "bad_idempotency_key",
                      "Idempotency-Key is 1 to %d visible ASCII characters", STORE_TOKEN_MAX);
        return;
    }
    waiting->visit.on_answer = on_answer;
    waiting->request = request;
    waiting->form = form;
    waiting->site_length = site_length;
    waiting->page_length = page->length;
    memcpy(waiting->names, site, site_length + 1);
    memcpy(waiting->names + site_length + 1, page->bytes, page->length + 1);
    error = engine_visit(server_engine(request->server), site, page->bytes, page->length,
                         &waiting->visit);
    if (error == 0) {
        connection_begin_wait(request->h2o);
    } else {
        respond_refused(request, error);
    }
}

static const struct key root_page = {.length = 1, .bytes = "/"};

static void handle_count(struct request *request)
{
    h2o_iovec_t accept = request_header(request, H2O_TOKEN_ACCEPT);

    count_visit(request, sites_default(server_sites(request->server)), &root_page,
                render_negotiate(accept.base, accept.len));
}

static void handle_count_json(struct request *request)
{
    count_visit(request, sites_default(server_sites(request->server)), &root_page, RENDER_JSON);
}

static void handle_hit(struct request *request)
{
    struct target target;

    if (take_target(request, &target)) {
        count_visit(request, target.site, &target.page, RENDER_JSON);
    }
}

/* Reading */

static void on_get_answer(struct request *request, const struct page_read_answer *answer)
{
    struct buf *body = server_scratch(request->server);

    if (!answer->is_known) {
        respond_error(request, 503, "store_unavailable", "the store is not available");
        return;
    }
    render_count_json(body, &(struct render_count){
                                .site = answer->site,
                                .page = answer->page,
                                .page_length = answer->page_length,
                                .count = answer->count,
                            });
    respond_form(request, 200, RENDER_JSON, body);
}

static void handle_get(struct request *request)
{
    uint64_t limit_ms = server_config(request->server)->count_max_wait_ms;
    struct target target;

    if (take_target(request, &target)) {
        page_read_start(request, target.site, target.page.bytes,
                        limit_ms > GET_LIMIT_MS ? limit_ms : GET_LIMIT_MS, on_get_answer);
    }
}

static void on_welcome_answer(struct request *request, const struct page_read_answer *answer)
{
    struct buf *body = server_scratch(request->server);
    char count[24];

    snprintf(count, sizeof(count), "%llu", (unsigned long long)answer->count);
    render_welcome_html(body, answer->site, answer->is_known ? count : "\u2013",
                        answer->is_known ? "Looking here does not count."
                                         : "The store is away: visits cannot be counted now.");
    respond_form(request, 200, RENDER_HTML, body);
}

static void handle_welcome(struct request *request)
{
    page_read_start(request, sites_default(server_sites(request->server)), root_page.bytes,
                    WELCOME_LIMIT_MS, on_welcome_answer);
}

/* Probes */

static void handle_livez(struct request *request)
{
    static const struct response alive = {
        .status = 200,
        .content_type = "text/plain; charset=utf-8",
        .body = {H2O_STRLIT("ok\n")},
    };

    respond(request, &alive);
}

static void handle_readyz(struct request *request)
{
    struct buf *body = server_scratch(request->server);
    struct store_health health;
    bool is_ready = false;

    store_health(server_store(request->server), &health);
    if (server_is_draining(request->server)) {
        render_ready_json(body, "draining", "this instance ends");
    } else if (!health.available && engine_can_journal(server_engine(request->server))) {
        is_ready = true;
        render_ready_json(body, "journaling", NULL);
    } else if (!health.available) {
        /* not the store's error: it may name addresses that are nobody's business here */
        render_ready_json(body, "store_unavailable", health.state);
    } else {
        is_ready = true;
        render_ready_json(body, "ready", NULL);
    }
    respond_buf(request, is_ready ? 200 : 503, render_content_type(RENDER_JSON), body);
}

static const struct route routes[] = {
    {METHOD_GET | METHOD_POST | ROUTE_COUNTS, "/count", handle_count},
    {METHOD_GET | METHOD_POST | ROUTE_COUNTS, "/v1/hit/", handle_hit},
    {METHOD_GET, "/livez", handle_livez},
    {METHOD_GET, "/v1/get/", handle_get},
    {METHOD_GET | METHOD_POST | ROUTE_COUNTS, "/count.json", handle_count_json},
    {METHOD_GET, "/", handle_welcome},
    {METHOD_GET, "/readyz", handle_readyz},
};

const struct route_table visitor_routes = {routes, sizeof(routes) / sizeof(routes[0]), true};
