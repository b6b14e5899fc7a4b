/* SPDX-License-Identifier: MIT */
#include "sim_traffic.h"

#include "base/clock.h"
#include "oracle.h"
#include "sim_clock.h"
#include "sim_log.h"
#include "store/stamp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS_PER_HOUR  3600000
#define ATTEMPTS_MAX (2 * ORACLE_REQUESTS_MAX)
#define RETRIES_MAX  256

/*
 * The proxy does not repeat older requests. Together with the time that a batch waits, this is less
 * than the window.
 */
#define REPEAT_MAX_MS 8000

struct attempt {
    struct visit visit;
    struct sim_traffic *traffic;
    struct sim_instance *instance;
    size_t request;
    uint64_t arrived_at_ms;
    bool is_answered;
    char token[24];
};

/* a request: what its attempts have in common */
struct asked {
    size_t site;
    size_t page;
    bool has_token;
    bool is_new; /* it was tried at an instance of the new version */
    bool is_old; /* it was tried at an instance of an older version */
    bool was_counted;
    bool is_of_client; /* the token is a client's, not a proxy's */
    enum visit_status status;
    size_t token; /* the number of the request whose token it is */
    uint64_t token_at_ms;
    uint64_t first_at_ms;
};

struct retry {
    uint64_t at_ms;
    size_t request;
    size_t not_instance;
};

struct sim_traffic {
    struct sim_traffic_options options;
    bool is_over;
    uint64_t arrival_at_ms;
    size_t request_count;
    size_t attempt_count;
    size_t retry_count;
    size_t shared_count;
    struct asked asked[ORACLE_REQUESTS_MAX];
    struct retry retries[RETRIES_MAX];
    struct attempt attempts[ATTEMPTS_MAX];
};

struct sim_traffic *sim_traffic_create(const struct sim_traffic_options *options)
{
    struct sim_traffic *traffic = calloc(1, sizeof(*traffic));

    if (traffic == NULL) {
        abort();
    }
    traffic->options = *options;
    traffic->arrival_at_ms = clock_monotonic_ms();
    return traffic;
}

void sim_traffic_destroy(struct sim_traffic *traffic)
{
    for (size_t i = 0; traffic != NULL && i < traffic->attempt_count; i++) {
        if (!traffic->attempts[i].is_answered) {
            oracle_accuse("attempt %zu was never answered", i);
        }
    }
    free(traffic);
}

/* --- answers --- */

static void ask(struct sim_traffic *traffic, struct sim_instance *instance);

static void plan_retry(struct sim_traffic *traffic, size_t request, size_t instance)
{
    const struct asked *asked = &traffic->asked[request];
    uint64_t at_ms = clock_monotonic_ms() + sim_draw_skewed(0, 1000);

    if (asked->has_token && !asked->is_of_client && at_ms - asked->first_at_ms <= REPEAT_MAX_MS &&
        traffic->retry_count < RETRIES_MAX) {
        traffic->retries[traffic->retry_count++] = (struct retry){at_ms, request, instance};
    }
}

static void judge_patience(const struct attempt *attempt)
{
    uint64_t waited_ms = clock_monotonic_ms() - attempt->arrived_at_ms;

    if (waited_ms > attempt->traffic->options.patience_ms) {
        oracle_accuse("attempt %zu waited for %llu ms, of %llu at most",
                      (size_t)(attempt - attempt->traffic->attempts), (unsigned long long)waited_ms,
                      (unsigned long long)attempt->traffic->options.patience_ms);
    }
}

/* if faults strike only site 0, visits of the other sites are counted */
static void judge_calm(const struct attempt *attempt, const struct visit_answer *answer)
{
    const struct sim_traffic *traffic = attempt->traffic;
    size_t site = traffic->asked[attempt->request].site;

    if (traffic->options.is_calm && !traffic->is_over && site != 0 &&
        answer->status != VISIT_COUNTED && answer->status != VISIT_DUPLICATE &&
        answer->status != VISIT_TOO_MANY_PAGES) {
        oracle_accuse("attempt %zu: site %zu is not counted, and only site 0 is ill: %s",
                      (size_t)(attempt - traffic->attempts), site,
                      answer->reason != NULL ? answer->reason : "journaled");
    }
}

static void on_answer(struct visit *visit, const struct visit_answer *answer)
{
    static const char *const names[] = {"counted", "repeated",        "journaled",
                                        "refused", "a page too many", "unknown"};
    struct attempt *attempt = container_of(visit, struct attempt, visit);
    struct sim_instance *instance = attempt->instance;
    bool failed =
        instance->is_gone || answer->status == VISIT_REFUSED || answer->status == VISIT_UNKNOWN;

    if (attempt->is_answered) {
        oracle_accuse("attempt %zu was answered twice",
                      (size_t)(attempt - attempt->traffic->attempts));
    }
    attempt->is_answered = true;
    attempt->traffic->asked[attempt->request].status = answer->status;
    attempt->traffic->asked[attempt->request].was_counted |=
        !instance->is_gone && answer->status == VISIT_COUNTED;
    judge_calm(attempt, answer);
    sim_say("instance %zu: attempt %zu is %s", instance->number,
            (size_t)(attempt - attempt->traffic->attempts),
            instance->is_gone ? "not answered" : names[answer->status]);
    if (instance->is_gone) {
        oracle_unanswered(attempt->request);
    } else {
        judge_patience(attempt);
        instance->told[answer->status]++;
        oracle_answered(attempt->request, instance->number, answer,
                        sim_store_node(instance->store)->database);
    }
    if (failed ? sim_chance(800) : sim_chance(50)) {
        plan_retry(attempt->traffic, attempt->request, instance->number);
    }
    if (!attempt->traffic->is_over && !instance->is_gone && sim_chance(30)) {
        ask(attempt->traffic, instance); /* the client's next request has already arrived */
    }
}

/* --- arrivals --- */

static void try_at(struct sim_traffic *traffic, size_t request, struct sim_instance *instance)
{
    const struct asked *asked = &traffic->asked[request];
    struct attempt *attempt = &traffic->attempts[traffic->attempt_count];
    char site[16];
    char page[16];

    if (traffic->attempt_count == ATTEMPTS_MAX) {
        return;
    }
    sim_instance_enter(instance);
    *attempt = (struct attempt){.traffic = traffic, .instance = instance, .request = request};
    attempt->visit.on_answer = on_answer;
    attempt->visit.pages_max = traffic->options.pages_max;
    attempt->visit.second = clock_wall_ms() / 1000;
    attempt->arrived_at_ms = clock_monotonic_ms();
    if (asked->has_token) { /* a number, or a stamp: proxies make one or the other */
        bool is_stamp =
            !asked->is_of_client && (traffic->options.only_stamps || asked->token % 2 == 0);

        attempt->visit.token = attempt->token;
        if (is_stamp) {
            stamp_write((struct stamp){asked->token_at_ms, asked->token}, attempt->token);
        } else {
            snprintf(attempt->token, sizeof(attempt->token), "%zu", asked->token);
        }
        attempt->visit.token_length = is_stamp ? STAMP_LENGTH : strlen(attempt->token);
        attempt->visit.token_window = asked->is_of_client ? STORE_WINDOW_CLIENT
                                      : is_stamp          ? STORE_WINDOW_STAMPED
                                                          : STORE_WINDOW_ATTEMPT;
    }
    snprintf(site, sizeof(site), "site%zu", asked->site);
    snprintf(page, sizeof(page), "/%zu", asked->page);
    if (engine_visit(instance->engine, site, page, strlen(page), &attempt->visit) != 0) {
        if (traffic->options.is_calm && !traffic->is_over && asked->site != 0) {
            oracle_accuse("site %zu is turned away, and only site 0 is ill", asked->site);
        }
        instance->turned_away++;
        plan_retry(traffic, request, instance->number);
        return;
    }
    sim_say("instance %zu: attempt %zu is request %zu, of %s%s%s", instance->number,
            traffic->attempt_count, request, site, page, asked->has_token ? ", with a token" : "");
    traffic->asked[request].is_new |= instance->version == SIM_NEW;
    traffic->asked[request].is_old |= instance->version == SIM_OLD;
    traffic->attempt_count++;
    instance->taken++;
    oracle_attempt(request, instance->number, oracle_hour(clock_wall_ms() / MS_PER_HOUR));
}

/*
 * returns an instance that can be reached, if possible another one than `other`; NULL if there is
 * none
 */
static struct sim_instance *choose_instance(struct sim_traffic *traffic, size_t other)
{
    size_t count = traffic->options.instance_count;
    size_t first = sim_draw(count);
    struct sim_instance *found = NULL;

    for (size_t i = 0; i < count; i++) {
        struct sim_instance *instance = &traffic->options.instances[(first + i) % count];

        if (sim_instance_is_up(instance) && instance->stalled_until_ms <= clock_monotonic_ms()) {
            found = instance;
            if (instance->number != other) {
                break;
            }
        }
    }
    return found;
}

/* whether a request of the page has the token, so that another one would be its repetition */
static bool is_taken(const struct sim_traffic *traffic, size_t token, size_t page)
{
    for (size_t i = 0; i < traffic->request_count; i++) {
        if (traffic->asked[i].has_token && traffic->asked[i].token == token &&
            traffic->asked[i].page == page) {
            return true;
        }
    }
    return false;
}

/* a client that uses one token for everything, or two clients with the same token */
static void share_token(struct sim_traffic *traffic, struct asked *asked)
{
    size_t other = sim_draw(traffic->request_count + 1);

    if (asked->has_token && traffic->asked[other].has_token &&
        !is_taken(traffic, traffic->asked[other].token, asked->page) &&
        sim_chance(traffic->options.shares_tokens)) {
        asked->token = traffic->asked[other].token;
        asked->token_at_ms = traffic->asked[other].token_at_ms;
        traffic->shared_count++;
    }
}

static void ask(struct sim_traffic *traffic, struct sim_instance *instance)
{
    const struct sim_traffic_options *options = &traffic->options;
    struct asked *asked = &traffic->asked[traffic->request_count];

    if (traffic->request_count == ORACLE_REQUESTS_MAX) {
        return;
    }
    asked->page = options->shared_pages != 0 ? sim_draw_skewed(0, options->shared_pages - 1)
                                             : ORACLE_SHARED_PAGES + traffic->request_count;
    asked->site = asked->page % options->sites;
    asked->has_token = sim_chance(options->with_token);
    asked->first_at_ms = clock_monotonic_ms();
    asked->token = traffic->request_count;
    asked->token_at_ms = asked->first_at_ms;
    share_token(traffic, asked);
    oracle_request(asked->site, asked->page);
    try_at(traffic, traffic->request_count++, instance);
    if (asked->has_token && sim_chance(30)) { /* a proxy that does not wait for the answer */
        try_at(traffic, (size_t)(asked - traffic->asked), instance);
    }
}

static void arrive(struct sim_traffic *traffic)
{
    struct sim_instance *instance = choose_instance(traffic, SIZE_MAX);

    for (uint64_t i = sim_draw_skewed(1, traffic->options.crowd_max); instance != NULL && i != 0;
         i--) {
        ask(traffic, instance);
    }
    traffic->arrival_at_ms = clock_monotonic_ms() + sim_draw_skewed(0, traffic->options.pause_ms);
}

/*
 * An older version does not know the form in which this version keeps tokens. So a request never
 * goes back to an older version. Visits that an older version still has to apply, replay or resend
 * are not tried elsewhere. This version looks for the older form only after an answer has said that
 * an older version writes.
 */
static bool may_repeat_at(const struct sim_traffic *traffic, const struct asked *asked,
                          const struct sim_instance *instance)
{
    if (!asked->is_old) {
        return instance->version != SIM_OLD;
    }
    return !asked->is_new && traffic->options.is_steady && asked->was_counted &&
           (instance->version == SIM_OLD || sim_store_knows_old(instance->store, asked->site));
}

static void retry_due(struct sim_traffic *traffic)
{
    size_t i = 0;

    while (i < traffic->retry_count) {
        struct retry retry = traffic->retries[i];
        struct sim_instance *instance;

        if (retry.at_ms > clock_monotonic_ms()) {
            i++;
            continue;
        }
        traffic->retries[i] = traffic->retries[--traffic->retry_count];
        instance = choose_instance(traffic, retry.not_instance);
        if (instance != NULL && may_repeat_at(traffic, &traffic->asked[retry.request], instance)) {
            try_at(traffic, retry.request, instance);
        }
    }
}

void sim_traffic_run_due(struct sim_traffic *traffic)
{
    if (!traffic->is_over && traffic->arrival_at_ms <= clock_monotonic_ms()) {
        arrive(traffic);
    }
    retry_due(traffic);
}

uint64_t sim_traffic_next_ms(const struct sim_traffic *traffic)
{
    uint64_t next_ms = traffic->is_over ? SIM_NEVER : traffic->arrival_at_ms;

    for (size_t i = 0; i < traffic->retry_count; i++) {
        next_ms = traffic->retries[i].at_ms < next_ms ? traffic->retries[i].at_ms : next_ms;
    }
    return next_ms;
}

void sim_traffic_end(struct sim_traffic *traffic)
{
    traffic->is_over = true;
}

static size_t ask_of_client(struct sim_traffic *traffic, size_t token)
{
    size_t number = traffic->request_count;
    struct asked *asked = &traffic->asked[number];

    if (number == ORACLE_REQUESTS_MAX) {
        return SIM_NO_REQUEST;
    }
    asked->page = ORACLE_SHARED_PAGES + token;
    asked->site = asked->page % traffic->options.sites;
    asked->has_token = true;
    asked->is_of_client = true;
    asked->token = token;
    asked->first_at_ms = clock_monotonic_ms();
    oracle_request(asked->site, asked->page);
    traffic->request_count++;
    return number;
}

size_t sim_traffic_ask_of_client(struct sim_traffic *traffic)
{
    return ask_of_client(traffic, traffic->request_count);
}

size_t sim_traffic_renew(struct sim_traffic *traffic, size_t request)
{
    return ask_of_client(traffic, traffic->asked[request].token);
}

void sim_traffic_repeat(struct sim_traffic *traffic, size_t request, struct sim_instance *instance)
{
    try_at(traffic, request, instance);
}

enum visit_status sim_traffic_status(const struct sim_traffic *traffic, size_t request)
{
    return traffic->asked[request].status;
}

size_t sim_traffic_requests(const struct sim_traffic *traffic)
{
    return traffic->request_count;
}

size_t sim_traffic_shared_tokens(const struct sim_traffic *traffic)
{
    return traffic->shared_count;
}

size_t sim_traffic_attempts(const struct sim_traffic *traffic)
{
    return traffic->attempt_count;
}
