/* SPDX-License-Identifier: MIT */
/**
 * redis_request: the inside of redis_store: a call of the contract as a command of Redis, from its
 * arguments to its reply. Used by redis_store.c, which has the store itself, redis_apply.c,
 * redis_read.c, redis_ledger.c, redis_edit.c, redis_repair.c and redis_live.c; nobody else includes
 * it.
 */
#ifndef VISITCOUNTD_STORE_REDIS_REQUEST_H
#define VISITCOUNTD_STORE_REDIS_REQUEST_H

#include "base/asset.h"
#include "base/list.h"
#include "loop/loop.h"
#include "store/redis/redis_command.h"
#include "store/redis/redis_link.h"
#include "store/redis/redis_look.h"
#include "store/redis/redis_wait.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct redis_live;

/* the name that a kind of keys has for a time; made anew when the time changes */
struct redis_time_name {
    uint64_t time;
    char text[24]; /* "hour:2026013123" */
};

struct redis_store {
    struct store store;
    struct loop *loop;
    struct redis_link *link;
    struct ssl_ctx_st *tls;
    struct list unsent; /* calls that the link did not take: refused at the end of the turn */
    struct loop_task refuse;
    struct redis_wait wait;
    struct redis_live *live;
    struct redis_look look;
    char address[ADDRESS_TEXT_MAX];
    uint64_t series_error_logged_at_ms;
    uint64_t scripts_brought; /* EVALs of batches that were answered */
    uint64_t
        scripts_missed; /* as many as that when EVALSHA found none, although EVAL had brought it */
    unsigned missing_scripts; /* how often that happened in a row */
    bool sends_source;        /* EVALSHA is of no use on this connection: EVAL for each batch */
    char *username;
    char *password;
    void (*on_denied)(void *data); /* the options' */
    void *on_denied_data;
    char client_name[96];
    struct redis_command command; /* the one that is being written */
    struct buf list;              /* an argument of it: numbers */
    struct redis_time_name day_name;
    struct redis_time_name hour_name;
    struct redis_time_name visitors_name;
    uint64_t day_ttl_s;
    uint64_t hour_ttl_s;
    uint64_t ledger_ttl_s;
    uint64_t keep_tokens_s;
};

struct redis_request;

/* gets reply NULL and a reason when there was none, and frees the request */
typedef void (*redis_finish)(struct redis_request *request, const struct redisReply *reply,
                             const char *reason);

/* an open call */
struct redis_request {
    struct redis_call call;
    struct redis_store *store;
    redis_finish finish;
    bool was_sent;
    union {
        store_on_applied on_applied;
        store_on_read on_read;
        store_on_series on_series;
        store_on_pages on_pages;
        store_on_sites on_sites;
        store_on_ledger on_ledger;
        store_on_edited on_edited;
        store_on_repaired on_repaired;
        store_on_admitted on_admitted;
        store_on_salt on_salt;
    };
    void *data;
    size_t count; /* of numbers that are expected, or of pages at most */
};

/* prepares a request that is embedded, and zero at first */
void redis_request_init(struct redis_request *request, struct store *store, void *data,
                        redis_finish finish);

struct redis_request *redis_request_create(struct store *store, void *data, redis_finish finish);

/* "vc:{site}:" and what follows; the longest is that of a bucket */
#define REDIS_KEY_MAX (STORE_SITE_MAX + 64)

/* the keys of a site: of one kind, of a day, of an hour, and of a page's visitors on a day */
void redis_add_key(struct redis_command *command, const char *site, const char *kind);
void redis_add_day_key(struct redis_store *store, const char *site, uint64_t day);
void redis_add_hour_key(struct redis_store *store, const char *site, uint64_t hour);
void redis_add_visitors_key(struct redis_store *store, const char *site, uint64_t day,
                            const char *page, size_t page_length);

/* the set of sites, the salt of a day, and the channel of a site's visits */
#define REDIS_SITES_KEY "vc:sites"
#define REDIS_LIVE      "vc:live:{"
void redis_add_salt_key(struct redis_command *command, uint64_t day);
void redis_add_channel(struct redis_command *command, const char *site);

/* a list of numbers is one argument: it is begun, numbers are put into it, and it is added */
void redis_list_begin(struct redis_store *store);
void redis_list_put(struct redis_store *store, uint64_t number);
void redis_list_add(struct redis_store *store);

/* sends the store's command; when that cannot be, the request is refused in this turn */
void redis_request_send(struct redis_request *request);

/*
 * What a request came to that was not answered as expected: `ret_reason` says why. A server that
 * is no longer the master is left.
 */
enum store_outcome redis_request_failure(struct redis_request *request,
                                         const struct redisReply *reply, const char *reason,
                                         const char **ret_reason);

/* whom a request concerns that was refused: without a connection nobody's can be sent */
enum store_scope redis_request_scope(const struct redisReply *reply);

/* refuses what the link did not take */
void redis_request_refuse_unsent(struct redis_store *store);

/* whether a text begins with another */
bool redis_starts_with(const char *text, const char *prefix);

/* "12 ...": returns what follows the number, or NULL when there is none, or it is too large */
const char *redis_parse_number(const char *text, uint64_t *ret_number);

/*
 * " 12 - 13": `count` numbers, "-" for STORE_NONE. Returns what follows them, or NULL when it is
 * not that, or a number is too large.
 */
const char *redis_parse_numbers(const char *text, uint64_t *ret_numbers, size_t count);

/* what a script says instead of doing anything: see apply.lua */
struct redis_verdict {
    bool is_torn;
    bool is_outdated;
    uint64_t generation; /* is_outdated */
    char reason[256];
};

/* "TORN ..." or "OUTDATED 3"; false when it is neither */
bool redis_parse_verdict(const char *text, struct redis_verdict *ret_verdict);

/* what a script answered; "" when that is something else, or goes on behind a NUL */
const char *redis_text_of(const struct redisReply *reply);

ASSET_DECLARE(redis_apply_lua);

/* the operations of the contract, each in the source that is named after what it does */
void redis_apply(struct store *store, const struct store_batch *batch, store_on_applied on_applied,
                 void *data);
void redis_read(struct store *store, const struct store_query *query, store_on_read on_read,
                void *data);
void redis_series(struct store *store, const struct store_span *span, store_on_series on_series,
                  void *data);
void redis_top(struct store *store, const char *site, size_t count, store_on_pages on_pages,
               void *data);
void redis_scan(struct store *store, const char *site, const char *after, store_on_pages on_pages,
                void *data);
void redis_sites(struct store *store, store_on_sites on_sites, void *data);
void redis_ledger(struct store *store, const char *site, const char *epoch,
                  store_on_ledger on_ledger, void *data);
void redis_edit(struct store *store, const struct store_edit *edit, store_on_edited on_edited,
                void *data);
void redis_repair(struct store *store, const struct store_repair *repair,
                  store_on_repaired on_repaired, void *data);
void redis_admit(struct store *store, const char *site, uint64_t limit,
                 store_on_admitted on_admitted, void *data);
void redis_salt(struct store *store, uint64_t day, store_on_salt on_salt, void *data);

#endif
