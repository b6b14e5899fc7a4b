/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as the headers of a visit, and the decisions that follow: the client, whether the visit
 * counts, its token, its visitor and the charges of its network. The first line has the peer's
 * address (or "unix") and the page, as "203.0.113.9 own/a". Each other line is a header.
 *
 * Each visit is judged twice, by two sets of rules that have seen the same visits before, in memory
 * with different content. A decision that depends on memory that was never set differs. The
 * decisions also have to follow from the headers.
 */
#include "base/clock.h"
#include "base/units.h"
#include "config/config.h"
#include "fill.h"
#include "full_store.h"
#include "fuzz.h"
#include "http/request/app.h"
#include "http/request/client.h"
#include "http/server/connection.h"
#include "http/visit/network.h"
#include "http/visit/novelty.h"
#include "http/visit/page_ref.h"
#include "http/visit/sites.h"
#include "http/visit/token.h"
#include "http/visit/visit_filter.h"
#include "http/visit/visitor.h"
#include "loop/loop.h"
#include "served.h"
#include "store/stamp.h"
#include "support/fake_clock.h"
#include "support/fake_database.h"
#include "support/fake_random.h"

#include <ctype.h>
#include <h2o.h>
#include <string.h>

#define HEADERS_MAX 100 /* libh2o refuses more */
#define START_MS    1000000
#define WALL_MS     (480000 * UINT64_C(3600000))
#define STEP_MS     997 /* between two visits */

const struct connection_peer *__wrap_connection_peer(const h2o_req_t *req);

static struct connection_peer peer;

const struct connection_peer *__wrap_connection_peer(const h2o_req_t *req)
{
    (void)req;
    return &peer;
}

/* --- the rules --- */

/* the parts of the server that judge visits, with their state */
struct judge {
    struct app app;
    struct sites *sites;
    struct visit_filter visit_filter;
    struct novelty novelty;
};

/* the decisions on a visit */
struct decision {
    struct client client;
    struct visit_filter_verdict verdict;
    bool has_token; /* false: the Idempotency-Key is refused */
    size_t token_length;
    char token[STORE_TOKEN_MAX];
    enum store_window window;
    uint64_t day;
    uint64_t pages_max;
    uint64_t visitor;
    bool is_charged;
    enum novelty_verdict novelty;
    uint64_t wait_ms;
};

/* both have the same secrets: full_store knows one store at a time, so they share it */
static void prepare_judge(struct judge *judge, struct loop *loop, struct store *store)
{
    fake_random_seed(1);
    judge->app = (struct app){.loop = loop, .store = store, .config = served_config()};
    judge->sites = sites_create(judge->app.config);
    judge->app.sites = judge->sites;
    visit_filter_init(&judge->visit_filter);
    novelty_init(&judge->novelty);
    judge->app.visitors = visitors_create(loop, store, judge->sites);
    loop_turn(loop, 4);
}

static struct judge *prepare(void)
{
    static struct judge judges[2];
    struct loop *loop;
    struct fake_store *store;

    (void)served_config();
    fake_clock_stop(START_MS, WALL_MS + START_MS);
    loop = loop_create();
    store = full_store_create(loop, fake_database_create());
    prepare_judge(&judges[0], loop, &store->store);
    prepare_judge(&judges[1], loop, &store->store);
    return judges;
}

/* --- the visit --- */

struct input {
    h2o_mem_pool_t pool;
    h2o_req_t h2o;
    char site[STORE_SITE_MAX + 1];
    size_t site_length;
    struct page_key page;
};

/* "ADDRESS SITE/PAGE"; what cannot be read becomes the default site's root page, or this machine */
static void read_first_line(struct input *input, const char *line, size_t length)
{
    const char *space = memchr(line, ' ', length);
    size_t address = space != NULL ? (size_t)(space - line) : length;
    const char *site = space != NULL ? space + 1 : line + length;
    size_t left = (size_t)(line + length - site);
    const char *slash = left != 0 ? memchr(site, '/', left) : NULL;
    size_t site_length = slash != NULL ? (size_t)(slash - site) : left;
    size_t path_length = left - site_length;

    peer = (struct connection_peer){.is_known = true};
    peer.is_local = address == 4 && memcmp(line, "unix", 4) == 0;
    if (!peer.is_local && units_parse_ip(line, address, &peer.address) != 0) {
        check_that(units_parse_ip("127.0.0.1", 9, &peer.address) == 0);
    }
    if (!page_key_is_site(site, site_length)) {
        site = "default";
        site_length = strlen(site);
    }
    memcpy(input->site, site, site_length);
    input->site[site_length] = '\0';
    input->site_length = site_length;
    if (slash == NULL || page_key_from_path(slash, path_length, &input->page) != PAGE_KEY_OK) {
        check_that(page_key_from_path("/", 1, &input->page) == PAGE_KEY_OK);
    }
}

/* libh2o makes names lower case, and drops spaces around values */
static void read_header(struct input *input, const char *line, size_t length)
{
    const char *colon = length != 0 ? memchr(line, ':', length) : NULL;
    size_t name = colon != NULL ? (size_t)(colon - line) : 0;
    const char *value = line + name + 1;
    const char *end = line + length;
    char *lower;

    if (name == 0 || input->h2o.headers.size == HEADERS_MAX) {
        return;
    }
    while (value < end && (*value == ' ' || *value == '\t')) {
        value++;
    }
    while (end > value && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r')) {
        end--;
    }
    lower = h2o_mem_alloc_pool(&input->pool, name);
    for (size_t i = 0; i < name; i++) {
        lower[i] = (char)tolower((unsigned char)line[i]);
    }
    h2o_add_header_by_str(&input->pool, &input->h2o.headers, lower, name, 1, NULL, value,
                          (size_t)(end - value));
}

static void read_input(struct input *input, const char *text, size_t length)
{
    bool is_first = true;

    memset(input, 0, sizeof(*input));
    h2o_mem_init_pool(&input->pool);
    h2o_mem_init_pool(&input->h2o.pool);
    while (length != 0 || is_first) {
        const char *end = length != 0 ? memchr(text, '\n', length) : NULL;
        size_t line = end != NULL ? (size_t)(end - text) : length;

        if (is_first) {
            read_first_line(input, text, line);
        } else {
            read_header(input, text, line);
        }
        is_first = false;
        text += end != NULL ? line + 1 : line;
        length -= end != NULL ? line + 1 : line;
    }
}

/* --- the decision, in the order of http/routes/hit.c --- */

static void charge(struct judge *judge, const struct input *input, bool counts_unique,
                   struct visit *visit, struct decision *decision)
{
    char names[STORE_SITE_MAX + 1 + STORE_PAGE_MAX + 1];
    struct novelty_charge novelty_charge;
    const struct novelty_visit given = {.client = &decision->client,
                                        .names = names,
                                        .names_length = input->site_length + 1 + input->page.length,
                                        .counts_unique = counts_unique};

    memcpy(names, input->site, input->site_length + 1);
    memcpy(names + input->site_length + 1, input->page.bytes, input->page.length + 1);
    decision->is_charged = networks_are_known(&decision->client);
    if (decision->is_charged) {
        decision->novelty = novelty_take(&judge->novelty, judge->app.config, &given, visit,
                                         &novelty_charge, &decision->wait_ms);
    }
}

static void keep_visit(const struct visit *visit, struct decision *decision)
{
    check_that(visit->token == NULL ||
               (visit->token_length != 0 && visit->token_length <= STORE_TOKEN_MAX));
    if (visit->token != NULL) {
        decision->token_length = visit->token_length;
        memcpy(decision->token, visit->token, visit->token_length);
        decision->window = visit->token_window;
    }
    decision->day = visit->day;
    decision->pages_max = visit->pages_max;
    decision->visitor = visit->visitor;
}

static __attribute__((noinline)) void decide(struct judge *judge, struct input *input,
                                             struct decision *ret_decision)
{
    struct request request = {.h2o = &input->h2o, .app = &judge->app};
    const struct site_rules *rules = sites_find(judge->sites, input->site, input->site_length);
    struct page_ref page_ref = {.site_length = input->site_length, .page = input->page};
    struct visit visit;

    page_ref.rules = rules != NULL ? rules : sites_open_rules(judge->sites);
    strcpy(page_ref.site, input->site);
    client_read(&request, &ret_decision->client);
    visit_filter_judge(&judge->visit_filter, judge->app.config, &ret_decision->client, &page_ref,
                       &ret_decision->verdict);
    ret_decision->has_token = token_read(&request, &ret_decision->client, &visit) == TOKEN_OK;
    if (ret_decision->has_token) {
        visit.second = clock_wall_ms() / 1000;
        visitors_identify(judge->app.visitors, &input->h2o.pool, &ret_decision->client, &page_ref,
                          &visit);
        charge(judge, input, page_ref.rules->counts_unique, &visit, ret_decision);
        keep_visit(&visit, ret_decision);
    }
}

/* --- the checks --- */

static const h2o_iovec_t *first_header(const struct input *input, const char *name)
{
    for (size_t i = 0; i < input->h2o.headers.size; i++) {
        const h2o_header_t *header = &input->h2o.headers.entries[i];

        if (header->name->len == strlen(name) &&
            memcmp(header->name->base, name, header->name->len) == 0) {
            return &header->value;
        }
    }
    return NULL;
}

/* whether the text has the address, in whatever form, between other characters */
static bool has_address(const h2o_iovec_t *text, const struct in6_addr *address)
{
    for (size_t from = 0; text != NULL && from < text->len; from++) {
        for (size_t to = from + 1; to <= text->len && to - from < INET6_ADDRSTRLEN; to++) {
            struct in6_addr found;

            if (units_parse_ip(text->base + from, to - from, &found) == 0 &&
                IN6_ARE_ADDR_EQUAL(&found, address)) {
                return true;
            }
        }
    }
    return false;
}

static void check_client(const struct judge *judge, const struct input *input,
                         const struct client *client)
{
    bool is_trusted =
        peer.is_local || client_is_in(&judge->app.config->trusted_proxies, &peer.address);

    check_that(client->is_behind_proxy == is_trusted);
    check_that((client->source == CLIENT_UNTRUSTED) == !is_trusted);
    switch (client->source) {
    case CLIENT_UNKNOWN:
        check_that(peer.is_local && IN6_IS_ADDR_UNSPECIFIED(&client->address));
        break;
    case CLIENT_UNTRUSTED:
    case CLIENT_SILENT:
        check_that(IN6_ARE_ADDR_EQUAL(&client->address, &peer.address));
        break;
    case CLIENT_REAL_IP:
        check_that(has_address(first_header(input, "x-real-ip"), &client->address));
        break;
    case CLIENT_FORWARDED_FOR:
        check_that(!client_is_in(&judge->app.config->trusted_proxies, &client->address));
        /* fall through */
    case CLIENT_FIRST_HOP:
        check_that(has_address(&client->headers.forwarded_for, &client->address));
    }
}

static void check_verdict(const struct decision *decision)
{
    const struct visit_filter_verdict *verdict = &decision->verdict;
    bool is_refused = verdict->result == VISIT_FILTER_REFUSE;

    check_that((verdict->retry_after_s != 0) ==
               (is_refused && verdict->http_error == HTTP_ERROR_RATE));
    check_that(!is_refused || verdict->http_error == HTTP_ERROR_RATE ||
               verdict->http_error == HTTP_ERROR_ORIGIN);
    check_that(!decision->is_charged || decision->novelty == NOVELTY_OK || decision->wait_ms != 0);
}

static bool is_same_text(h2o_iovec_t one, h2o_iovec_t other)
{
    return one.len == other.len && (one.len == 0 || memcmp(one.base, other.base, one.len) == 0);
}

static void check_same(const struct decision *one, const struct decision *other)
{
    const h2o_iovec_t *left = (const h2o_iovec_t *)&one->client.headers;
    const h2o_iovec_t *right = (const h2o_iovec_t *)&other->client.headers;

    for (size_t i = 0; i < sizeof(struct request_headers) / sizeof(h2o_iovec_t); i++) {
        check_that(is_same_text(left[i], right[i]));
    }
    check_that(IN6_ARE_ADDR_EQUAL(&one->client.address, &other->client.address));
    check_that(one->client.source == other->client.source);
    check_that(one->verdict.result == other->verdict.result);
    check_that(one->verdict.outcome == other->verdict.outcome);
    check_that(one->verdict.http_error == other->verdict.http_error);
    check_that(one->verdict.retry_after_s == other->verdict.retry_after_s);
    check_that(one->has_token == other->has_token && one->window == other->window);
    check_that(one->token_length == other->token_length &&
               memcmp(one->token, other->token, one->token_length) == 0);
    check_that(one->day == other->day && one->pages_max == other->pages_max);
    check_that(one->visitor == other->visitor && one->is_charged == other->is_charged);
    check_that(one->novelty == other->novelty && one->wait_ms == other->wait_ms);
}

static void judge_input(struct judge *judge, uint8_t filling, const char *text, size_t length,
                        struct input *ret_input, struct decision *ret_decision)
{
    memset(ret_decision, 0, sizeof(*ret_decision));
    fill_with(filling);
    read_input(ret_input, text, length);
    memset(&ret_decision->client, filling, sizeof(ret_decision->client));
    memset(&ret_decision->verdict, filling, sizeof(ret_decision->verdict));
    fill_stack();
    decide(judge, ret_input, ret_decision);
    check_client(judge, ret_input, &ret_decision->client);
    check_verdict(ret_decision);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static struct judge *judges;
    static uint64_t now_ms = START_MS;
    struct input inputs[2];
    struct decision decisions[2];

    if (judges == NULL) {
        judges = prepare();
    }
    now_ms += STEP_MS;
    fake_clock_stop(now_ms, WALL_MS + now_ms);
    judge_input(&judges[0], 0x00, (const char *)bytes, length, &inputs[0], &decisions[0]);
    judge_input(&judges[1], 0xa5, (const char *)bytes, length, &inputs[1], &decisions[1]);
    check_same(&decisions[0], &decisions[1]);
    for (size_t i = 0; i < 2; i++) {
        h2o_mem_clear_pool(&inputs[i].h2o.pool);
        h2o_mem_clear_pool(&inputs[i].pool);
    }
    fake_clock_release(); /* the fuzzer has clocks too */
    return 0;
}
