/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "base/require.h"
#include "store/redis/redis_request_inside.h"

#include <hiredis/hiredis.h>

#include <stdlib.h>
#include <string.h>

/* members of hits that are no pages: the site and the mark */
#define HIDDEN_COUNT 2

/* returns why a read failed; reads change nothing, so a lost reply also counts as refused */
static const char *reason_of(struct redis_request *request, const redisReply *reply,
                             const char *reason)
{
    redis_request_failure(request, reply, reason, &reason);
    return reason;
}

/* --- lists of pages --- */

/* an open read of a list, which is one part */
struct listing {
    struct redis_request request; /* its `count`: the most pages; 0: any number */
    struct redis_read_turn turn;
    const char *site;
    const char *after; /* scan */
};

static struct listing *listing_of(struct redis_call *call)
{
    return container_of(redis_request_of(call), struct listing, request);
}

static struct listing *create_listing(struct store *store, const char *site,
                                      redis_on_reply on_reply, void *data)
{
    struct listing *listing = alloc_zero(1, sizeof(*listing));

    redis_request_init(&listing->request, store, data, on_reply);
    listing->site = site;
    return listing;
}

static void add_listing(struct listing *listing, bool (*send)(struct redis_read_turn *turn),
                        bool for_operator)
{
    listing->turn.send_next = send;
    redis_reads_add(&listing->request.store->reads, &listing->turn, for_operator);
}

static void end_listing(struct listing *listing)
{
    struct redis_store *store = listing->request.store;

    free(listing);
    redis_reads_end_part(&store->reads);
}

/* whether a member of hits is no page but the site itself or the mark of proof.lua */
static bool is_hidden(const redisReply *member)
{
    return member->len == 0 || *member->str == '\1';
}

/* parses page, total, page, total …; leaves out hidden members. The caller frees the result */
static struct store_page *parse_pages(const redisReply *reply, size_t *ret_count)
{
    struct store_page *pages = alloc_zero(reply->elements / 2 + 1, sizeof(*pages));
    size_t count = 0;

    for (size_t i = 0; i + 1 < reply->elements; i += 2) {
        const redisReply *page = reply->element[i];
        const redisReply *total = reply->element[i + 1];

        if (page->type == REDIS_REPLY_STRING && total->type == REDIS_REPLY_STRING &&
            !is_hidden(page)) {
            pages[count++] =
                (struct store_page){page->str, (size_t)page->len, strtoull(total->str, NULL, 10)};
        }
    }
    *ret_count = count;
    return pages;
}

static void answer_pages(struct listing *listing, const redisReply *list, const char *next)
{
    struct redis_request *request = &listing->request;
    struct store_pages answer = {.outcome = STORE_OK, .next = next};
    struct store_page *pages = parse_pages(list, &answer.count);

    answer.pages = pages;
    if (request->count != 0 && answer.count > request->count) {
        answer.count = request->count;
    }
    request->on_pages(request->data, &answer);
    free(pages);
}

static void refuse_pages(struct listing *listing, const redisReply *reply, const char *reason)
{
    struct redis_request *request = &listing->request;

    request->on_pages(request->data,
                      &(struct store_pages){.outcome = STORE_REFUSED,
                                            .reason = reason_of(request, reply, reason)});
}

static void finish_top(struct redis_call *call, const redisReply *reply, const char *reason)
{
    struct listing *listing = listing_of(call);

    if (reply != NULL && reply->type == REDIS_REPLY_ARRAY) {
        answer_pages(listing, reply, NULL);
    } else {
        refuse_pages(listing, reply, reason);
    }
    end_listing(listing);
}

static bool send_top(struct redis_read_turn *turn)
{
    struct listing *listing = container_of(turn, struct listing, turn);
    struct redis_command *command = &listing->request.store->command;

    redis_command_begin(command, "ZREVRANGE");
    redis_request_add_key(command, listing->site, "hits");
    redis_command_add_text(command, "0");
    redis_command_add_u64(command, listing->request.count - 1 + HIDDEN_COUNT);
    redis_command_add_text(command, "WITHSCORES");
    redis_request_send(&listing->request);
    return false;
}

void redis_store_top(struct store *store, const struct store_ranking *ranking,
                     store_on_pages on_pages, void *data)
{
    struct listing *listing = create_listing(store, ranking->site, finish_top, data);

    require(ranking->count <= STORE_LIST_MAX);
    listing->request.on_pages = on_pages;
    listing->request.count = ranking->count;
    add_listing(listing, send_top, ranking->for_operator);
}

static void finish_scan(struct redis_call *call, const redisReply *reply, const char *reason)
{
    struct listing *listing = listing_of(call);

    if (reply != NULL && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
        reply->element[0]->type == REDIS_REPLY_STRING &&
        reply->element[1]->type == REDIS_REPLY_ARRAY) {
        const char *cursor = reply->element[0]->str;

        answer_pages(listing, reply->element[1], strcmp(cursor, "0") != 0 ? cursor : NULL);
    } else {
        refuse_pages(listing, reply, reason);
    }
    end_listing(listing);
}

static bool send_scan(struct redis_read_turn *turn)
{
    struct listing *listing = container_of(turn, struct listing, turn);
    struct redis_command *command = &listing->request.store->command;

    redis_command_begin(command, "ZSCAN");
    redis_request_add_key(command, listing->site, "hits");
    redis_command_add_text(command, *listing->after != '\0' ? listing->after : "0");
    redis_command_add_text(command, "COUNT");
    redis_command_add_u64(command, REDIS_READS_SCAN_COUNT);
    redis_request_send(&listing->request);
    return false;
}

void redis_store_scan(struct store *store, const char *site, const char *after,
                      store_on_pages on_pages, void *data)
{
    struct listing *listing = create_listing(store, site, finish_scan, data);

    listing->request.on_pages = on_pages;
    listing->after = after;
    add_listing(listing, send_scan, true);
}

/* --- sites --- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void answer_sites(struct redis_request *request, const redisReply *reply)
{
    struct store_sites sites = {.outcome = STORE_OK};
    const char **names = alloc_zero(reply->elements + 1, sizeof(*names));

    for (size_t i = 0; i < reply->elements; i++) {
        if (reply->element[i]->type == REDIS_REPLY_STRING) {
            names[sites.count++] = reply->element[i]->str;
        }
    }
    qsort(names, sites.count, sizeof(*names), compare_names);
    sites.names = names;
    request->on_sites(request->data, &sites);
    free(names);
}

static void finish_sites(struct redis_call *call, const redisReply *reply, const char *reason)
{
    struct listing *listing = listing_of(call);
    struct redis_request *request = &listing->request;

    if (reply != NULL && reply->type == REDIS_REPLY_ARRAY) {
        answer_sites(request, reply);
    } else {
        request->on_sites(request->data,
                          &(struct store_sites){.outcome = STORE_REFUSED,
                                                .reason = reason_of(request, reply, reason)});
    }
    end_listing(listing);
}

static bool send_sites(struct redis_read_turn *turn)
{
    struct listing *listing = container_of(turn, struct listing, turn);
    struct redis_command *command = &listing->request.store->command;

    redis_command_begin(command, "SMEMBERS");
    redis_command_add_text(command, REDIS_SITES_KEY);
    redis_request_send(&listing->request);
    return false;
}

void redis_store_sites(struct store *store, store_on_sites on_sites, void *data)
{
    struct listing *listing = create_listing(store, "", finish_sites, data);

    listing->request.on_sites = on_sites;
    add_listing(listing, send_sites, true);
}

/* --- counts --- */

/* the members of a site's totals that are no pages: the site itself, and its mark */
#define MEMBERS_BESIDE_PAGES 2

static void finish_count(struct redis_call *call, const redisReply *reply, const char *reason)
{
    struct redis_request *request = redis_request_of(call);
    struct store_counted counted = {.outcome = STORE_OK};
    uint64_t beside = request->count;

    if (reply != NULL && reply->type == REDIS_REPLY_INTEGER && reply->integer >= 0) {
        uint64_t members = (uint64_t)reply->integer;

        counted.count = members > beside ? members - beside : 0;
    } else {
        counted.outcome = STORE_REFUSED;
        counted.reason = reason_of(request, reply, reason);
    }
    request->on_counted(request->data, &counted);
    free(request);
}

void redis_store_count(struct store *store, const char *site, store_on_counted on_counted,
                       void *data)
{
    struct redis_request *request = redis_request_create(store, data, finish_count);
    struct redis_command *command = &request->store->command;

    request->on_counted = on_counted;
    if (site[0] == '\0') {
        redis_command_begin(command, "SCARD");
        redis_command_add_text(command, REDIS_SITES_KEY);
    } else {
        request->count = MEMBERS_BESIDE_PAGES;
        redis_command_begin(command, "ZCARD");
        redis_request_add_key(command, site, "hits");
    }
    redis_request_send(request);
}
