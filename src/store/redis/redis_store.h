/* SPDX-License-Identifier: MIT */
/**
 * redis_store: stores numbers in Redis 6.2 or later, or Valkey. Several instances can share it.
 *
 * Layout. All keys of a site carry the hash tag {site}, so a batch needs one slot of a Cluster:
 *
 *     vc:{site}:hits                zset    page -> total (exact to 2^53);
 *                                           "\1generation" -> generation
 *     vc:{site}:day:YYYYMMDD        hash    page -> hits; expires after series.days
 *     vc:{site}:hour:YYYYMMDDHH     hash    page -> hits; expires after series.hours
 *     vc:{site}:uv:YYYYMMDD:PAGE    HyperLogLog of visitors; expires after series.days
 *     vc:{site}:seen:client:BUCKET  set     hashes of clients' tokens; see token_key.h. BUCKET:
 * number of spans since 1970. All buckets expire; see token_buckets.h.
 *     vc:{site}:seen:attempt:BUCKET set     the same of attempts. Versions up to 0.2 wrote
 *                                           seen:3600:BUCKET and seen:60:BUCKET.
 *     vc:{site}:seen:day:DAY        set     tokens of a day; DAY: days since 1970
 *     vc:{site}:stamps:BUCKET       string  concatenated ids of the stamps of 4 milliseconds
 *     vc:{site}:stamps:more:BUCKET  set     stamps that arrived when the string was full
 *     vc:{site}:views:BUCKET        string  concatenated ids of page views. BUCKET:
 *                                           256 times the number of spans, and the id's first byte
 *     vc:{site}:views:more:BUCKET   set     ids that arrived when the string was full
 *     vc:{site}:ledger              hash    epoch -> "sequence visits time total ..."; deleted if
 *                                           unused for ledger.ttl.
 *                                           "proof" -> see proof.lua
 *     vc:live:{site}                channel a line "TOTAL PAGE" for each page that changed
 *     vc:sites                      set     admitted sites
 *     vc:salt:YYYYMMDD              string  the day's salt for visitor hashes; expires
 *     vc:rewrite                    string  the day of the last BGREWRITEAOF; see redis_rewrite.h
 *
 * The page "" is the site itself. Days are in the site's time zone, hours in UTC.
 */
#ifndef VISITCOUNTD_STORE_REDIS_STORE_H
#define VISITCOUNTD_STORE_REDIS_STORE_H

#include "loop/loop.h"
#include "store/redis/redis_link_options.h"
#include "store/store.h"

struct redis_store_options {
    /**
     * The options of the connection. The store sets tls, client_name, script and the callbacks.
     * username and password are copied.
     */
    struct redis_link_options link;
    bool tls;
    const char *tls_ca;       /* file; empty: the system's */
    const char *instance;     /* name shown by CLIENT LIST */
    uint64_t wait_replicas;   /* that must confirm a batch before its answer; 0: none */
    uint64_t wait_timeout_ms; /* after which the batch is answered anyway */
    uint64_t keep_tokens_ms;  /* beyond their windows; see store_token_ttl_s() */
    uint64_t ledger_ttl_ms;
    uint64_t series_days_ms;
    uint64_t series_hours_ms;
    bool rewrites; /* the append-only file, once a day; see redis_rewrite.h */
    /**
     * Called in the loop if the server rejects the user or password, or requires one. May be NULL.
     */
    void (*on_denied)(void *data);
    void *on_denied_data;
};

/**
 * Creates a store and starts to connect. Calls are allowed while the server is away; they are
 * refused with a reason. `options` is copied. Returns NULL, with a static text in `ret_reason`, if
 * tls_ca cannot be read.
 */
struct store *redis_store_create(struct loop *loop, const struct redis_store_options *options,
                                 const char **ret_reason);

/**
 * Sets new credentials for the open connection and all further ones. The strings are copied.
 * Unchanged credentials have no effect. `store` must be a redis_store.
 */
void redis_store_set_credentials(struct store *store, const char *username, const char *password);

/** Sets how long a missing replica is remembered. `store` must be a redis_store. */
void redis_store_set_replica_grace(struct store *store, uint64_t grace_ms);

/** Returns the version of hiredis. */
const char *redis_store_library_version(void);

#endif
