/* SPDX-License-Identifier: MIT */
#include "http/routes/hit.h"

#include "base/scratch.h"
#include "count/engine.h"
#include "http/visit/fullness.h"
#include "http/visit/network.h"
#include "http/visit/novelty.h"
#include "http/visit/visit_filter.h"
#include "http/request/app.h"
#include "http/request/client.h"
#include "http/server/connection.h"
#include "http/render/format.h"
#include "http/routes/read.h"
#include "http/request/http_error.h"
#include "http/request/response.h"
#include "http/routes/site_registration.h"
#include "http/visit/sites.h"
#include "http/visit/page_ref.h"
#include "http/visit/period.h"
#include "http/visit/token.h"
#include "http/visit/visitor.h"
#include "store/store.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/** When to repeat a visit whose token the store has no memory for. */
#define FULL_RETRY_S 60

/** A visit that waits for its number. It is in the request's pool. */
struct waiting {
    struct visit visit;
    bool is_charged; /* `charge` is set */
    struct novelty_charge charge;
    struct request *request;
    size_t site_length;
    size_t page_length;
    char names[]; /* site, NUL, page, NUL */
};

/* Answers */

static void respond_count(const struct waiting *waiting, const struct visit_answer *answer,
                          enum visit_outcome outcome)
{
    struct request *request = waiting->request;

    request->outcome = outcome;
    request->replicas = answer->replicas;
    request->replicas_wanted = answer->replicas_wanted;
    if (request->period != NULL && outcome != OUTCOME_JOURNALED) {
        read_page(request, waiting->names, waiting->names + waiting->site_length + 1,
                  waiting->page_length);
        return;
    }
    format_respond_count(request, &(struct render_count){
                                      .site = waiting->names,
                                      .page = waiting->names + waiting->site_length + 1,
                                      .page_length = waiting->page_length,
                                      .count = answer->count,
                                      .has_uniques = answer->uniques != STORE_NONE,
                                      .unique_today = answer->uniques,
                                      .replicas = answer->replicas,
                                      .replicas_wanted = answer->replicas_wanted,
                                      .is_estimate = outcome == OUTCOME_JOURNALED,
                                      .status = visit_outcomes[outcome].name.base,
                                  });
}

static void refuse_unavailable(struct request *request)
{
    http_error_respond(request, HTTP_ERROR_STORE_UNAVAILABLE,
                       "the store is not available; this visit was not counted");
}

static void on_answer(struct visit *visit, const struct visit_answer *answer)
{
    struct waiting *waiting = container_of(visit, struct waiting, visit);

    if (waiting->is_charged) {
        novelty_settle(waiting->request->app->novelty, &waiting->charge, answer);
    }
    connection_end_wait(waiting->request->h2o);
    switch (answer->status) {
    case VISIT_COUNTED:
        if (answer->count == 1) {
            fullness_note_page(waiting->request->app->fullness, waiting->names);
        }
        respond_count(waiting, answer, OUTCOME_COUNTED);
        break;
    case VISIT_DUPLICATE:
        respond_count(waiting, answer,
                      visit->token_window == STORE_WINDOW_DAY ? OUTCOME_RETURNING_VISITOR
                                                              : OUTCOME_DUPLICATE);
        break;
    case VISIT_JOURNALED:
        respond_count(waiting, answer, OUTCOME_JOURNALED);
        break;
    case VISIT_REFUSED:
        http_error_respond(waiting->request, HTTP_ERROR_STORE_UNAVAILABLE, "%s", answer->reason);
        break;
    case VISIT_TOO_MANY_PAGES:
        fullness_note_page(waiting->request->app->fullness, waiting->names);
        http_error_respond(waiting->request, HTTP_ERROR_TOO_MANY_PAGES, "%s", answer->reason);
        break;
    case VISIT_UNKNOWN:
        http_error_respond(waiting->request, HTTP_ERROR_OUTCOME_UNKNOWN,
                           "the store did not answer in time; this visit may have been counted");
        break;
    }
}

/** Answers a visit that the engine did not accept. `error` is its -errno. */
static void respond_not_taken(struct request *request, int error)
{
    switch (error) {
    case -ENOBUFS:
        http_error_respond(request, HTTP_ERROR_OVERLOADED,
                           "too many visits wait for the store; this visit was not counted");
        break;
    case -ENOSPC:
        http_error_respond(
            request, HTTP_ERROR_JOURNAL_FULL,
            "the store is away and the journal has no room; this visit was not counted");
        break;
    case -ESHUTDOWN:
        http_error_respond(request, HTTP_ERROR_SHUTTING_DOWN,
                           "this server ends; this visit was not counted");
        break;
    default:
        refuse_unavailable(request);
    }
}

/* Counting */

/** Returns the time of the request: libh2o's time at the start of this turn of the loop. */
static uint64_t second_of(const struct request *request)
{
    return h2o_now(request->h2o->conn->ctx->loop) / 1000;
}

/** Answers a visit that does not count. The answer has the current number. */
static void ignore_visit(struct request *request, const struct page_ref *page_ref,
                         enum visit_outcome outcome)
{
    request->outcome = outcome;
    read_page(request, page_ref->site, page_ref->page.bytes, page_ref->page.length);
}

/** Answers a visit that exceeds a budget of its client's network. */
static void refuse_novelty(struct request *request, const struct page_ref *page_ref,
                           enum novelty_verdict verdict, uint64_t wait_ms)
{
    static const struct {
        enum http_error http_error;
        const char *what;
    } rows[] = {
        [NOVELTY_PAGE] = {HTTP_ERROR_NEW_PAGES, "new pages from one network"},
        [NOVELTY_TOKEN] = {HTTP_ERROR_IDEMPOTENCY_KEYS, "idempotency keys from one network"},
        [NOVELTY_SITE_TOKEN] = {HTTP_ERROR_IDEMPOTENCY_KEYS, "idempotency keys on one site"},
        [NOVELTY_ALL_TOKENS] = {HTTP_ERROR_IDEMPOTENCY_KEYS, "idempotency keys on all sites"},
    };

    if (verdict == NOVELTY_VISITOR) {
        ignore_visit(request, page_ref, OUTCOME_TOO_MANY_VISITORS);
        return;
    }
    engine_note_refused(request->app->engine);
    request->retry_after_s = (wait_ms + 999) / 1000;
    http_error_respond(request, rows[verdict].http_error,
                       "too many %s; one more counts in %" PRIu64 " s", rows[verdict].what,
                       request->retry_after_s);
}

/** Refuses a visit with an Idempotency-Key while the store has no memory for it. */
static bool refuses_token(struct request *request, const struct visit *visit)
{
    if (visit->token == NULL || visit->token_window != STORE_WINDOW_CLIENT ||
        !store_refuses_client_tokens(request->app->store)) {
        return false;
    }
    engine_note_refused(request->app->engine);
    request->retry_after_s = FULL_RETRY_S;
    http_error_respond(request, HTTP_ERROR_IDEMPOTENCY_KEYS,
                       "the memory of the store is full; visits with an Idempotency-Key are not "
                       "counted for a minute");
    return true;
}

/** Charges the visit to the budgets. Returns false if it has answered the request. */
static bool charge_visit(struct waiting *waiting, const struct client *client,
                         const struct page_ref *page_ref)
{
    struct request *request = waiting->request;
    struct novelty_visit given = {
        .client = client,
        .names = waiting->names,
        .names_length = waiting->site_length + 1 + waiting->page_length,
        .counts_unique = page_ref->rules->counts_unique,
    };
    enum novelty_verdict verdict;
    uint64_t wait_ms;

    waiting->is_charged = novelty_concerns(client, &waiting->visit);
    if (!waiting->is_charged) {
        return true;
    }
    verdict = novelty_take(request->app->novelty, request->app->config, &given, &waiting->visit,
                           &waiting->charge, &wait_ms);

    if (verdict != NOVELTY_OK) {
        refuse_novelty(request, page_ref, verdict, wait_ms);
    }
    return verdict == NOVELTY_OK;
}

/** Reads the token of the visit. Returns false if it has answered the request. */
static bool read_token(struct request *request, const struct client *client, struct visit *visit)
{
    switch (token_read(request, client, visit)) {
    case TOKEN_OK:
        return !refuses_token(request, visit);
    case TOKEN_BAD_KEY:
        http_error_respond(request, HTTP_ERROR_BAD_IDEMPOTENCY_KEY,
                           "Idempotency-Key is 1 to %d visible ASCII characters", STORE_TOKEN_MAX);
        return false;
    case TOKEN_BAD_VIEW:
        http_error_respond(request, HTTP_ERROR_BAD_PARAMETER,
                           "view is %d to %d of A-Z a-z 0-9 . _ -", TOKEN_VIEW_MIN, TOKEN_VIEW_MAX);
        return false;
    }
    return false;
}

static void count_visit(struct request *request, const struct client *client,
                        const struct page_ref *page_ref)
{
    const struct page_key *page = &page_ref->page;
    size_t site_length = page_ref->site_length;
    struct waiting *waiting;
    int error;

    waiting =
        h2o_mem_alloc_pool(&request->h2o->pool, sizeof(*waiting) + site_length + page->length + 2);
    if (!read_token(request, client, &waiting->visit)) {
        return;
    }
    waiting->visit.second = second_of(request);
    site_registration_listed(request, page_ref->rules, waiting->visit.second);
    visitors_identify(request->app->visitors, &request->h2o->pool, client, page_ref,
                      &waiting->visit);
    waiting->visit.wants_uniques = format_of(request)->tells_uniques && request->period == NULL &&
                                   page_ref->rules->keeps_visitors &&
                                   visitors_are_told_apart(request->app->visitors);
    waiting->visit.on_answer = on_answer;
    waiting->request = request;
    waiting->site_length = site_length;
    waiting->page_length = page->length;
    memcpy(waiting->names, page_ref->site, site_length + 1);
    memcpy(waiting->names + site_length + 1, page->bytes, page->length + 1);
    if (!charge_visit(waiting, client, page_ref)) {
        return;
    }
    error = engine_visit(request->app->engine, page_ref->site, page->bytes, page->length,
                         &waiting->visit);
    if (error == 0) {
        connection_begin_wait(request->h2o);
    } else {
        if (waiting->is_charged) {
            novelty_give_back(request->app->novelty, &waiting->charge);
        }
        respond_not_taken(request, error);
    }
}

/** Refuses a visit from another origin. The page may read why: the answer has no number. */
static void refuse_origin(struct request *request, const struct page_ref *page_ref)
{
    h2o_iovec_t origin = request_header_named(request, "origin");
    bool is_hidden = h2o_memis(origin.base, origin.len, H2O_STRLIT("null"));

    if (origin.len != 0) {
        request->allow_origin = h2o_iovec_init(H2O_STRLIT("*"));
    }
    http_error_respond(request, HTTP_ERROR_ORIGIN,
                       "site %s counts visits from its own pages only%s", page_ref->site,
                       is_hidden
                           ? "; the browser did not say of which origin this page is (Origin: "
                             "null)"
                           : "");
}

static void refuse_visit(struct request *request, const struct page_ref *page_ref,
                         const struct visit_filter_verdict *verdict)
{
    request->retry_after_s = verdict->retry_after_s;
    if (verdict->http_error == HTTP_ERROR_RATE) {
        http_error_respond(
            request, HTTP_ERROR_RATE,
            "too many visits of this page from one address; one more counts in %" PRIu64 " s",
            verdict->retry_after_s);
    } else if (verdict->http_error == HTTP_ERROR_PAGE) {
        http_error_respond(request, HTTP_ERROR_PAGE, "site %s does not count this page",
                           page_ref->site);
    } else {
        refuse_origin(request, page_ref);
    }
}

/** The store admitted or refused an unlisted site. */
static void on_site(struct request *request, struct page_ref *page_ref,
                    enum site_registration_result result)
{
    struct client client;

    if (result != SITE_NOT_SERVED) {
        fullness_note_site(request->app->fullness);
    }
    if (result != SITE_REGISTERED) {
        engine_note_refused(request->app->engine);
    }
    switch (result) {
    case SITE_REGISTERED:
        client_read(request, &client);
        count_visit(request, &client, page_ref);
        break;
    case SITE_TOO_MANY:
        http_error_respond(request, HTTP_ERROR_TOO_MANY_SITES,
                           "this site is new, and there are as many sites as there may be");
        break;
    case SITE_NOT_SERVED:
        refuse_unavailable(request);
        break;
    }
}

static void register_site(struct request *request, const struct client *client,
                          const struct page_ref *page_ref)
{
    struct novelty_site_charge charge;
    uint64_t wait_ms = novelty_charge_site(request->app->novelty, request->app->config,
                                           page_ref->site, client, &charge);

    if (wait_ms == 0) {
        site_registration_start(request, page_ref, &charge, on_site);
        return;
    }
    engine_note_refused(request->app->engine);
    request->retry_after_s = (wait_ms + 999) / 1000;
    http_error_respond(request, HTTP_ERROR_NEW_SITES,
                       "too many new sites from one network; one more counts in %" PRIu64 " s",
                       request->retry_after_s);
}

/** Counts a visit. The visit of an unlisted site waits until the store admits the site. */
static void count_on_site(struct request *request, const struct client *client,
                          const struct page_ref *page_ref)
{
    if (page_ref->rules->name_length == 0) {
        register_site(request, client, page_ref);
    } else {
        count_visit(request, client, page_ref);
    }
}

static void judge_visit(struct request *request, const struct page_ref *page_ref)
{
    struct visit_filter_verdict verdict;
    struct client client;

    client_read(request, &client);
    visit_filter_judge(request->app->visit_filter, request->app->config, &client, page_ref,
                       &verdict);
    switch (verdict.result) {
    case VISIT_FILTER_COUNT:
        count_on_site(request, &client, page_ref);
        break;
    case VISIT_FILTER_IGNORE:
        ignore_visit(request, page_ref, verdict.outcome);
        break;
    case VISIT_FILTER_REFUSE:
        refuse_visit(request, page_ref, &verdict);
        break;
    }
}

/** Counts the visit. With readonly=1 it only reads the number. */
static void serve_page(struct request *request, const struct page_ref *page_ref)
{
    h2o_iovec_t value;

    if (request_parameter(request, "readonly", &value) &&
        h2o_memis(value.base, value.len, "1", 1)) {
        request->may_be_kept = true;
        ignore_visit(request, page_ref, OUTCOME_READONLY);
    } else if (request->is_head) {
        request->outcome = OUTCOME_HEAD;
        response_send(
            request,
            &(struct response){.status = 200, .content_type = format_of(request)->content_type});
    } else {
        judge_visit(request, page_ref);
    }
}

void hit_handle_count(struct request *request)
{
    request->format = &format_negotiate(request)->base;
    hit_handle_count_as(request);
}

void hit_handle_count_as(struct request *request)
{
    SCRATCH struct page_ref page_ref;

    if (format_prepare(request) && period_take(request) &&
        page_ref_parse_default(request, &page_ref)) {
        serve_page(request, &page_ref);
    }
}

void hit_handle(struct request *request)
{
    SCRATCH struct page_ref page_ref;

    if (format_prepare(request) && period_take(request) && page_ref_parse(request, &page_ref)) {
        serve_page(request, &page_ref);
    }
}
