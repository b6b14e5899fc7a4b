/* SPDX-License-Identifier: MIT */
/**
 * redis_request_inside: turns a call of store.h into a Redis command and parses its reply. Shared
 * by the store itself and the files of its calls.
 */
#ifndef VISITCOUNTD_STORE_REDIS_REQUEST_INSIDE_H
#define VISITCOUNTD_STORE_REDIS_REQUEST_INSIDE_H

#include "base/asset.h"
#include "base/list.h"
#include "loop/loop.h"
#include "store/redis/redis_command.h"
#include "store/redis/redis_link.h"
#include "store/redis/redis_look.h"
#include "store/redis/redis_reads.h"
#include "store/redis/redis_rewrite.h"
#include "store/redis/redis_wait.h"
#include "store/redis/redis_window.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct redis_live;

/* caches the time part of a key's name; rebuilt when the time changes */
struct redis_time_name {
    uint64_t time;
    char text[24]; /* "hour:2026013123" */
};

struct redis_store {
    struct store store;
    struct loop *loop;
    struct redis_link *link;
    struct ssl_ctx_st *tls;
    struct list unsent; /* calls that the link rejected; refused at the end of the turn */
    struct loop_task refuse;
    struct redis_wait wait;
    struct redis_reads reads;
    struct redis_live *live;
    struct redis_look look;
    struct redis_rewrite rewrite;
    struct redis_window window;
    char address[ADDRESS_TEXT_MAX];
    uint64_t series_error_logged_at_ms;
    uint64_t scripts_brought; /* answered EVALs; each loaded the script */
    uint64_t scripts_missed;  /* scripts_brought when EVALSHA last failed although EVAL had loaded
                                 the script */
    unsigned missing_scripts; /* how often that happened consecutively */
    bool sends_source; /* EVALSHA does not work on this connection: use EVAL for each batch */
    char *username;
    char *password;
    void (*on_denied)(void *data); /* from the options */
    void *on_denied_data;
    char client_name[96];
    struct redis_command command; /* the command that is being written */
    struct buf list;              /* an argument of the command: a list of numbers */
    struct redis_time_name day_name;
    struct redis_time_name hour_name;
    struct redis_time_name visitors_name;
    uint64_t day_ttl_s;
    uint64_t hour_ttl_s;
    uint64_t ledger_ttl_s;
    uint64_t keep_tokens_s;
    uint64_t
        finds_long_until_ms; /* until then, tokens are looked up as version 0.2 kept them too */
};

struct redis_request;

/* handles the reply, or NULL and a reason if there was none; frees the request */
typedef void (*redis_on_reply)(struct redis_call *call, const struct redisReply *reply,
                               const char *reason);

/* an open call */
struct redis_request {
    struct redis_call call;
    struct redis_store *store;
    bool was_sent;
    union {
        store_on_applied on_applied;
        store_on_read on_read;
        store_on_series on_series;
        store_on_pages on_pages;
        store_on_sites on_sites;
        store_on_counted on_counted;
        store_on_ledger on_ledger;
        store_on_edited on_edited;
        store_on_repaired on_repaired;
        store_on_admitted on_admitted;
        store_on_salt on_salt;
    };
    void *data;
    size_t count; /* expected numbers, or the most pages */
};

static inline struct redis_request *redis_request_of(struct redis_call *call)
{
    return container_of(call, struct redis_request, call);
}

/* initialises an embedded request, which must be all zeros */
void redis_request_init(struct redis_request *request, struct store *store, void *data,
                        redis_on_reply on_reply);

struct redis_request *redis_request_create(struct store *store, void *data,
                                           redis_on_reply on_reply);

/* longest key of a site, "vc:{site}:…"; bucket keys are the longest */
#define REDIS_KEY_MAX (STORE_SITE_MAX + 64)

/* add a site's key to the command: of a kind, a day, an hour, or a page's visitors on a day */
void redis_request_add_key(struct redis_command *command, const char *site, const char *kind);
void redis_request_add_day_key(struct redis_store *store, const char *site, uint64_t day);
void redis_request_add_hour_key(struct redis_store *store, const char *site, uint64_t hour);
void redis_request_add_visitors_key(struct redis_store *store, const char *site, uint64_t day,
                                    const char *page, size_t page_length);

/* the channel of a site's visits */
#define REDIS_LIVE "vc:live:{"
void redis_request_add_salt_key(struct redis_command *command, uint64_t day);
void redis_request_add_channel(struct redis_command *command, const char *site);

/* write a list of numbers as one argument: begin, put each number, add */
void redis_store_list_begin(struct redis_store *store);
void redis_store_list_put(struct redis_store *store, uint64_t number);
void redis_store_list_add(struct redis_store *store);

/* sends the store's command; a request that the link rejects is refused at the end of the turn */
void redis_request_send(struct redis_request *request);

/*
 * Returns the outcome of a request without a valid reply, and why in `ret_reason`. If the server is
 * no longer the master, resets the link.
 */
enum store_outcome redis_request_failure(struct redis_request *request,
                                         const struct redisReply *reply, const char *reason,
                                         const char **ret_reason);

/* returns which sites a refusal affects: all of them if there is no reply */
enum store_scope redis_request_scope(const struct redisReply *reply);

/* refuses the calls that the link rejected */
void redis_request_refuse_unsent(struct redis_store *store);

/* returns whether a text starts with `prefix` */
bool redis_request_starts_with(const char *text, const char *prefix);

/* parses "12 ..."; returns the rest, or NULL if there is no number or it is too large */
const char *redis_request_parse_number(const char *text, uint64_t *ret_number);

/*
 * Parses `count` numbers, such as " 12 - 13"; "-" is STORE_NONE. Returns the rest, or NULL if the
 * text differs or a number is too large.
 */
const char *redis_request_parse_numbers(const char *text, uint64_t *ret_numbers, size_t count);

/* a script's refusal; see apply.lua */
struct redis_verdict {
    bool is_torn;
    bool is_outdated;
    uint64_t generation; /* is_outdated */
    char reason[256];
};

/* parses "TORN ..." or "OUTDATED 3"; returns false if it is neither */
bool redis_verdict_parse(const char *text, struct redis_verdict *ret_verdict);

/* returns the text of a script's reply; "" if it is no string or contains a NUL */
const char *redis_request_text_of(const struct redisReply *reply);

ASSET_DECLARE(redis_apply_lua);

/* the operations of store.h */
void redis_store_apply(struct store *store, const struct store_batch *batch,
                       store_on_applied on_applied, void *data);
void redis_store_read(struct store *store, const struct store_query *query, store_on_read on_read,
                      void *data);
void redis_store_series(struct store *store, const struct store_span *span,
                        store_on_series on_series, void *data);
void redis_store_top(struct store *store, const struct store_ranking *ranking,
                     store_on_pages on_pages, void *data);
void redis_store_scan(struct store *store, const char *site, const char *after,
                      store_on_pages on_pages, void *data);
void redis_store_sites(struct store *store, store_on_sites on_sites, void *data);
void redis_store_count(struct store *store, const char *site, store_on_counted on_counted,
                       void *data);
void redis_store_ledger(struct store *store, const char *site, const char *epoch,
                        store_on_ledger on_ledger, void *data);
void redis_store_edit(struct store *store, const struct store_edit *edit, store_on_edited on_edited,
                      void *data);
void redis_store_repair(struct store *store, const struct store_repair *repair,
                        store_on_repaired on_repaired, void *data);
void redis_store_admit(struct store *store, const char *site, uint64_t limit,
                       store_on_admitted on_admitted, void *data);
void redis_store_salt(struct store *store, uint64_t day, store_on_salt on_salt, void *data);

#endif
